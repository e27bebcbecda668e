"""Shared code of the scripts that measure: temporary places, a side for each backend, tables.

A place uses none of the user's caches, except for cargo's downloads. A side is one copy of a
project, built by one backend, with its own caches.
"""

from __future__ import annotations

import contextlib
import os
import re
import statistics
import subprocess
import sys
import tarfile
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from . import environment
from .spy import Spy
from .workbench import find_uv

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

BACKENDS = ("maturin", "wheelprint")


@dataclass(frozen=True)
class Place:
    """A temporary folder, and the environment variables of tools in it."""

    folder: Path
    env: dict[str, str]

    def run(self, *command: str | Path, cwd: Path | None = None) -> str:
        """Runs a command, which must succeed, and returns its stdout."""
        return run(command, cwd or self.folder, self.env)

    def uv(self, *args: str | Path, cwd: Path | None = None) -> str:
        """Runs uv and returns its stdout. uv's own messages go to stderr."""
        return self.run(find_uv(), *args, cwd=cwd)


@contextlib.contextmanager
def place() -> Iterator[Place]:
    """A place with the wheelprint that `WHEELPRINT_DIST` names."""
    with tempfile.TemporaryDirectory(prefix="wheelprint-bench-") as folder:
        yield place_in(Path(folder))


def place_in(folder: Path) -> Place:
    """A place in an existing folder."""
    env = environment.inherited()
    links = [link for link in env.get("UV_FIND_LINKS", "").split(",") if link]
    dist = Path(os.environ["WHEELPRINT_DIST"]).resolve()
    env["UV_FIND_LINKS"] = ",".join([*links, dist.as_uri()])
    env["UV_CACHE_DIR"] = str(folder / "uv-cache")
    env["UV_PYTHON"] = sys.executable
    env["UV_PYTHON_DOWNLOADS"] = "never"
    env["WHEELPRINT_CACHE_DIR"] = str(folder / "wheelprint-cache")
    return Place(folder, env)


def run(command: Iterable[str | Path], cwd: Path, env: Mapping[str, str]) -> str:
    """Runs a command and returns its stdout. If it fails, the script exits with its output."""
    args = [str(part) for part in command]
    done = subprocess.run(args, cwd=cwd, env=env, capture_output=True, text=True)
    if done.returncode != 0:
        sys.exit(f"{' '.join(args)} failed:\n{done.stdout}{done.stderr}")
    return done.stdout


@dataclass(frozen=True)
class Outcome:
    """The time of one step, and what it compiled."""

    seconds: float
    cargo: bool
    compiled: tuple[str, ...]

    @property
    def words(self) -> str:
        if not self.cargo:
            return "no cargo"
        crates = len(self.compiled)
        return f"{crates} crate{'' if crates == 1 else 's'} compiled"


class Side:
    """A copy of a project, built by one backend."""

    def __init__(self, backend: str, folder: Path, root: Path) -> None:
        place = place_in(folder)
        self.backend = backend
        self.folder = folder
        self.root = root
        self.spy = Spy(folder / "spy")
        path = os.pathsep.join([str(self.spy.programs), place.env["PATH"]])
        self.place = Place(folder, {**place.env, "PATH": path, "SPY_LOG": str(self.spy.log)})
        requires = "maturin>=1.9,<2" if backend == "maturin" else "wheelprint"
        pyproject = root / "pyproject.toml"
        text = with_backend(pyproject.read_text(encoding="utf-8"), backend, requires)
        pyproject.write_text(text, encoding="utf-8")
        # Download crates now, because downloads must not count for a step.
        self.place.run("cargo", "fetch", "--quiet", cwd=root)
        scratch = folder / "scratch"
        self.place.uv("venv", scratch)
        python = environment.python_in(scratch)
        self.place.uv("pip", "install", "--python", python, "maturin", "wheelprint")

    def measured(self, *command: str | Path) -> tuple[Outcome, str]:
        """Runs uv in the project. Returns the outcome and uv's stdout."""
        self.spy.clear()
        start = time.perf_counter()
        printed = self.place.uv(*command, cwd=self.root)
        seconds = time.perf_counter() - start
        compiled = tuple(sorted(self.spy.compiled()))
        return Outcome(seconds, bool(self.spy.calls("cargo")), compiled), printed

    def change(self, source: str, old: str, new: str) -> None:
        """Replaces a text in a file of the project. The text must be there."""
        path = self.root / source
        text = path.read_text(encoding="utf-8")
        if old not in text:
            sys.exit(f"{path}: this version does not contain {old!r}, which is to be edited")
        path.write_text(text.replace(old, new), encoding="utf-8")


def with_backend(text: str, backend: str, requires: str) -> str:
    """The text of pyproject.toml with another backend."""
    text = re.sub(r"(?m)^requires = \[.*\]$", f'requires = ["{requires}"]', text)
    return re.sub(r'(?m)^build-backend = ".*"$', f'build-backend = "{backend}"', text)


def unpack_rpds(folder: Path) -> Path:
    """Downloads and unpacks the latest sdist of rpds-py from PyPI."""
    folder.mkdir(parents=True)
    download = [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps"]
    subprocess.run([*download, "--no-binary", "rpds-py", "rpds-py"], cwd=folder, check=True)
    (sdist,) = folder.glob("*.tar.gz")
    with tarfile.open(sdist) as archive:
        archive.extractall(folder)
    (root,) = (path for path in folder.iterdir() if path.is_dir())
    return root


#: A file of rpds-py, a text in it that the module shows, and its replacement.
RPDS_EDIT = ("src/lib.rs", '"peeked an empty queue"', '"peeked an empty queue, after the edit"')


def milliseconds(times: Iterable[float]) -> float:
    """The median of some times in seconds, in milliseconds."""
    return statistics.median(times) * 1000


def row(*cells: str) -> str:
    """A line of a Markdown table."""
    return f"| {' | '.join(cells)} |"


def heading(*cells: str) -> str:
    """The first two lines of a Markdown table."""
    return f"{row(*cells)}\n|{'---|' * len(cells)}"
