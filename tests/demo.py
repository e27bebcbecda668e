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
import shutil
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from support import measuring, samples
from support.measuring import BACKENDS, Outcome, Side

if TYPE_CHECKING:
    from collections.abc import Callable

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


class Demo:
    """One project, built by one backend."""

    def __init__(self, subject: Subject, backend: str, folder: Path) -> None:
        self.subject = subject
        self.root = subject.unpack(folder / "checkout")
        self.side = Side(backend, folder, self.root)
        path = self.root / "pyproject.toml"
        text = path.read_text(encoding="utf-8")
        if "cache-keys" not in text:
            path.write_text(f"{text}\n[tool.uv]\n{UV_INIT_KEYS}\n", encoding="utf-8")

    def sync(self) -> Outcome:
        return self.side.measured("sync")[0]

    def run(self, expected: str) -> Outcome:
        """`uv run` of the probe, which must print what is expected."""
        outcome, printed = self.side.measured("run", "python", "-c", self.subject.probe)
        if printed.strip() != expected:
            sys.exit(f"{self.subject.name}: expected {expected!r}, uv run printed {printed!r}")
        return outcome

    def steps(self) -> dict[str, Outcome]:
        """All steps in their order."""
        before, after = self.subject.shows
        old, new = self.subject.edit
        outcomes = {"uv sync, for the first time": self.sync()}
        outcomes["uv run, nothing changed"] = self.run(before)

        self.side.change(self.subject.source, old, new)
        outcomes["edit Rust, uv run"] = self.run(after)

        os.utime(self.root / self.subject.source)
        outcomes["touch it, uv run"] = self.run(after)

        with (self.root / "pyproject.toml").open("a", encoding="utf-8") as file:
            file.write("# a comment\n")
        outcomes["comment in pyproject.toml, uv run"] = self.run(after)

        self.side.change(self.subject.source, new, old)
        outcomes["edit undone, uv run"] = self.run(before)

        shutil.rmtree(self.root / ".venv")
        os.utime(self.root / self.subject.source)
        outcomes["new environment, uv run"] = self.run(before)
        return outcomes


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
        unpack=measuring.unpack_rpds,
        source=measuring.RPDS_EDIT[0],
        edit=measuring.RPDS_EDIT[1:],
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
    tables = []
    with tempfile.TemporaryDirectory(prefix="wheelprint-demo-") as temporary:
        for subject in SUBJECTS:
            outcomes: dict[str, dict[str, Outcome]] = {}
            for backend in BACKENDS:
                print(f"\n{subject.name} ({subject.about}), build-backend = {backend!r}")
                folder = Path(temporary) / subject.name.replace("/", "-") / backend
                folder.mkdir(parents=True)
                outcomes[backend] = Demo(subject, backend, folder).steps()
                for step, outcome in outcomes[backend].items():
                    crates = f": {', '.join(outcome.compiled)}" if outcome.compiled else ""
                    print(f"  {step}: {outcome.seconds:.2f} s, {outcome.words}{crates}")
            tables.append(f"{subject.name}\n\n{table(outcomes)}")
    print("\n" + "\n\n".join(tables))


if __name__ == "__main__":
    main()
