"""The same steps on the same project, with plain maturin and with wheelprint, side by side.

    nox -s demo

Two projects: rpds-py, taken as an sdist from PyPI, and `examples/mixed-path-dep`, which has a path
dependency outside its root. Both backends get the cache keys that `uv init` writes (and, for the
path dependency, its folders), so that uv itself notices every step; what differs is what the
backend does when it is called. Every number is measured in this run; a step whose result is not
what it has to be ends the demo with an error.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import tarfile
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from support import environment, samples
from support.spy import Spy
from support.workbench import find_uv

if TYPE_CHECKING:
    from collections.abc import Callable

BACKENDS = ("maturin", "wheelprint")
UV_INIT_KEYS = """cache-keys = [{ file = "pyproject.toml" }, { file = "src/**/*.rs" }, \
{ file = "Cargo.toml" }, { file = "Cargo.lock" }]"""


@dataclass(frozen=True)
class Subject:
    """A project to demonstrate on."""

    name: str
    about: str
    #: Puts the project's files into a folder; the project is in the folder it returns.
    unpack: Callable[[Path], Path]
    #: The file to edit, what to replace in it, and what with.
    source: str
    edit: tuple[str, str]
    #: Python that prints what the edit changes, and what it prints before and after.
    probe: str
    shows: tuple[str, str]


@dataclass(frozen=True)
class Outcome:
    """What one step took and did."""

    seconds: float
    cargo: bool
    compiled: tuple[str, ...]

    @property
    def words(self) -> str:
        if not self.cargo:
            return "no cargo"
        crates = len(self.compiled)
        return f"{crates} crate{'' if crates == 1 else 's'} compiled"


class Demo:
    """One project, built by one backend."""

    def __init__(self, subject: Subject, backend: str, folder: Path, dist: Path) -> None:
        self.subject = subject
        self.uv = find_uv()
        self.spy = Spy(folder / "spy")
        self.root = subject.unpack(folder / "checkout")
        self.env = {
            **os.environ,
            "PATH": os.pathsep.join([str(self.spy.programs), os.environ["PATH"]]),
            "SPY_LOG": str(self.spy.log),
            "UV_CACHE_DIR": str(folder / "uv-cache"),
            "UV_PYTHON": sys.executable,
            "UV_PYTHON_DOWNLOADS": "never",
            "WHEELPRINT_CACHE_DIR": str(folder / "wheelprint-cache"),
        }
        self.env.pop("VIRTUAL_ENV", None)
        links = [link for link in self.env.get("UV_FIND_LINKS", "").split(",") if link]
        self.env["UV_FIND_LINKS"] = ",".join([*links, dist.as_uri()])
        self._switch(backend)
        # What is downloaded once and for all is no part of a step.
        self._run("cargo", "fetch", "--quiet")
        scratch = folder / "scratch"
        self._run(self.uv, "venv", "--quiet", scratch)
        python = environment.python_in(scratch)
        self._run(self.uv, "pip", "install", "--quiet", "--python", python, "maturin", "wheelprint")

    def _switch(self, backend: str) -> None:
        path = self.root / "pyproject.toml"
        text = path.read_text(encoding="utf-8")
        requires = '"maturin>=1.9,<2"' if backend == "maturin" else '"wheelprint"'
        text = re.sub(r"(?m)^requires = \[.*\]$", f"requires = [{requires}]", text)
        text = re.sub(r'(?m)^build-backend = ".*"$', f'build-backend = "{backend}"', text)
        if "cache-keys" not in text:
            text += f"\n[tool.uv]\n{UV_INIT_KEYS}\n"
        path.write_text(text, encoding="utf-8")

    def _run(self, *command: str | Path) -> str:
        args = [str(part) for part in command]
        done = subprocess.run(args, cwd=self.root, env=self.env, capture_output=True, text=True)
        if done.returncode != 0:
            sys.exit(f"{' '.join(args)} failed:\n{done.stdout}{done.stderr}")
        return done.stdout

    def measured(self, *command: str) -> tuple[Outcome, str]:
        """Run uv and see what it takes and starts."""
        self.spy.clear()
        start = time.perf_counter()
        printed = self._run(self.uv, *command)
        seconds = time.perf_counter() - start
        compiled = tuple(sorted(self.spy.compiled()))
        return Outcome(seconds, bool(self.spy.calls("cargo")), compiled), printed

    def sync(self) -> Outcome:
        return self.measured("sync", "--quiet")[0]

    def run(self, expected: str) -> Outcome:
        """`uv run` of the probe, which must print what is expected."""
        outcome, printed = self.measured("run", "--quiet", "python", "-c", self.subject.probe)
        if printed.strip() != expected:
            sys.exit(f"{self.subject.name}: expected {expected!r}, uv run printed {printed!r}")
        return outcome

    def change(self, old: str, new: str) -> None:
        path = self.root / self.subject.source
        text = path.read_text(encoding="utf-8")
        if old not in text:
            sys.exit(f"{path}: this version does not contain {old!r}, which the demo edits")
        path.write_text(text.replace(old, new), encoding="utf-8")

    def steps(self) -> dict[str, Outcome]:
        """All steps in their order."""
        before, after = self.subject.shows
        old, new = self.subject.edit
        outcomes = {"uv sync, for the first time": self.sync()}
        outcomes["uv run, nothing changed"] = self.run(before)

        self.change(old, new)
        outcomes["edit Rust, uv run"] = self.run(after)

        os.utime(self.root / self.subject.source)
        outcomes["touch it, uv run"] = self.run(after)

        with (self.root / "pyproject.toml").open("a", encoding="utf-8") as file:
            file.write("# a comment\n")
        outcomes["comment in pyproject.toml, uv run"] = self.run(after)

        self.change(new, old)
        outcomes["edit undone, uv run"] = self.run(before)

        shutil.rmtree(self.root / ".venv")
        os.utime(self.root / self.subject.source)
        outcomes["new environment, uv run"] = self.run(before)
        return outcomes


def unpack_rpds(folder: Path) -> Path:
    """The latest rpds-py, from PyPI, as its maintainers packed it."""
    folder.mkdir(parents=True)
    download = [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps"]
    subprocess.run([*download, "--no-binary", "rpds-py", "rpds-py"], cwd=folder, check=True)
    (sdist,) = folder.glob("*.tar.gz")
    with tarfile.open(sdist) as archive:
        archive.extractall(folder)
    (root,) = (path for path in folder.iterdir() if path.is_dir())
    return root


def unpack_example(folder: Path) -> Path:
    """mixed-path-dep, and beside it the crate it depends on."""
    ignored = shutil.ignore_patterns("target", ".venv", "__pycache__", "*.so", "*.pyd")
    for name in ("mixed-path-dep", "shared-core"):
        shutil.copytree(samples.EXAMPLES / name, folder / name, ignore=ignored)
    return folder / "mixed-path-dep"


SUBJECTS = (
    Subject(
        name="rpds-py",
        about="an sdist from PyPI, not abi3",
        unpack=unpack_rpds,
        source="src/lib.rs",
        edit=('"peeked an empty queue"', '"peeked an empty queue, after the edit"'),
        probe="""
import rpds
try:
    rpds.Queue().peek()
except IndexError as error:
    print(error)
""",
        shows=("peeked an empty queue", "peeked an empty queue, after the edit"),
    ),
    Subject(
        name="examples/mixed-path-dep",
        about="mixed layout; the edit is in a crate outside its root",
        unpack=unpack_example,
        source="../shared-core/src/lib.rs",
        edit=("letters as f64 / words as f64", "letters as f64"),
        probe="import text_stats; print(text_stats.mean_word_length('ab abcd'))",
        shows=("3.0", "6.0"),
    ),
)


def table(outcomes: dict[str, dict[str, Outcome]]) -> str:
    """One row for each step, the backends beside each other."""
    rows = [["step", "maturin", "", "wheelprint", "", "maturin / wheelprint"]]
    for step, first in outcomes["maturin"].items():
        second = outcomes["wheelprint"][step]
        rows.append(
            [
                step,
                f"{first.seconds:.2f} s",
                first.words,
                f"{second.seconds:.2f} s",
                second.words,
                f"{first.seconds / second.seconds:.1f}",
            ]
        )
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    padded = ([cell.ljust(width) for cell, width in zip(row, widths)] for row in rows)
    lines = ["  ".join(row).rstrip() for row in padded]
    return "\n".join([lines[0], "  ".join("-" * width for width in widths), *lines[1:]])


def main() -> None:
    dist = Path(os.environ["WHEELPRINT_DIST"]).resolve()
    tables = []
    with tempfile.TemporaryDirectory(prefix="wheelprint-demo-") as temporary:
        for subject in SUBJECTS:
            outcomes: dict[str, dict[str, Outcome]] = {}
            for backend in BACKENDS:
                print(f"\n{subject.name} ({subject.about}), build-backend = {backend!r}")
                folder = Path(temporary) / subject.name.replace("/", "-") / backend
                folder.mkdir(parents=True)
                outcomes[backend] = Demo(subject, backend, folder, dist).steps()
                for step, outcome in outcomes[backend].items():
                    crates = f": {', '.join(outcome.compiled)}" if outcome.compiled else ""
                    print(f"  {step}: {outcome.seconds:.2f} s, {outcome.words}{crates}")
            tables.append(f"{subject.name}\n\n{table(outcomes)}")
    print("\n" + "\n\n".join(tables))


if __name__ == "__main__":
    main()
