"""The contenders: each with its own copy of a project, its own caches, target folder and venv.

What has to be downloaded lies in one folder for all, and nothing is asked of an index.
"""

from __future__ import annotations

import copy
import os
import shutil
import subprocess
import sys
import time
import zipfile
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from support import environment, measuring
from support.workbench import fill_wheelhouse, find_uv

if TYPE_CHECKING:
    from .crates import Crate

_IDLE_BACKEND = '''"""Copies a wheel that is there already."""

import shutil

WHEEL = {wheel!r}


def build_editable(wheel_directory, config_settings=None, metadata_directory=None):
    return shutil.copy(WHEEL, wheel_directory).rpartition("/")[2].rpartition("\\\\")[2]
'''
IDLE_NAME = "idle_backend"


@dataclass
class Ground:
    """Where everything is measured."""

    folder: Path
    env: dict[str, str]
    #: For cargo in our own repository.
    rust: dict[str, str]

    @classmethod
    def prepare(cls, folder: Path) -> Ground:
        """Downloads what any contender needs."""
        wheelhouse = folder / "wheelhouse"
        fill_wheelhouse(wheelhouse)
        wanted = ["maturin-import-hook", "filelock"]
        pip = [sys.executable, "-m", "pip", "download", "--quiet", "--dest", str(wheelhouse)]
        subprocess.run([*pip, *wanted], check=True)
        env = environment.inherited()
        dist = Path(os.environ["WHEELPRINT_DIST"]).resolve()
        environment.add_find_links(env, [dist, wheelhouse])
        env["UV_PYTHON"] = sys.executable
        env["UV_PYTHON_DOWNLOADS"] = "never"
        env["UV_NO_PROGRESS"] = "1"
        env["PATH"] = os.pathsep.join([str(find_uv().parent), env["PATH"]])
        return cls(folder, env, dict(os.environ))

    def env_of(self, side: Path) -> dict[str, str]:
        """The variables of a contender, whose caches lie in its folder."""
        return {
            **self.env,
            "UV_CACHE_DIR": str(side / "uv-cache"),
            "WHEELPRINT_CACHE_DIR": str(side / "wheelprint-cache"),
        }

    def python_for_cargo(self) -> Path:
        """The interpreter that pyo3 is told of if no backend is involved."""
        python = environment.python_in(self.folder / "python-for-cargo")
        return python if python.exists() else self.venv("python-for-cargo")

    def venv(self, name: str, *wanted: str) -> Path:
        """A virtual environment with these packages; its interpreter."""
        venv = self.folder / name
        env = self.env_of(self.folder)
        measuring.run([find_uv(), "venv", "--clear", venv], self.folder, env)
        python = environment.python_in(venv)
        if wanted:
            command = [find_uv(), "pip", "install", "--python", python, *wanted]
            measuring.run(command, self.folder, env)
        return python


class Side:
    """One contender and its copy of a project."""

    def __init__(self, ground: Ground, name: str, crate: Crate, profile: str) -> None:
        self.ground = ground
        self.crate = crate
        self.profile = profile
        self.folder = ground.folder / f"{name} {crate.name} {profile}".replace(" ", "-")
        self.folder.mkdir()
        self.root = crate.unpack(self.folder / "project", profile)
        self.env = ground.env_of(self.folder)
        self.python = environment.python_in(self.root / ".venv")

    def timed(self, *command: str | Path, env: dict[str, str] | None = None) -> float:
        """The seconds of a command, which must succeed."""
        began = time.perf_counter()
        measuring.run(command, self.root, env or self.env)
        return time.perf_counter() - began

    def git(self, *args: str | Path) -> None:
        """Runs git in the project, without the user's name."""
        identity = ["-c", "user.name=n", "-c", "user.email=e@example.com"]
        measuring.run(["git", *identity, *args], self.root, self.env)

    def commit_all(self) -> None:
        """Makes the project a git repository with one commit."""
        (self.root / ".gitignore").write_text("target\n.venv\n*.so\n__pycache__\n")
        self.git("init", "-q", "-b", "main")
        self.git("add", "-A")
        self.git("commit", "-q", "-m", "one")

    def at(self, root: Path) -> Side:
        """The same contender, with its caches, in another tree of the project."""
        other = copy.copy(self)
        other.root = root
        other.python = environment.python_in(root / ".venv")
        return other

    def act(self) -> float:
        """What the contender does after an edit; its seconds."""
        raise NotImplementedError

    def after_edit(self, number: int) -> float:
        """The same, with the edit before it and a look at its result after it."""
        self.crate.edit(self.root, number)
        seconds = self.act()
        self.check(number)
        return seconds

    def check(self, number: int) -> None:
        """The installed module must show the last edit."""
        env = {**self.env, "WHEELPRINT_ON_STALE": "ignore"}
        shown = measuring.run([self.python, "-c", self.crate.probe], self.folder, env).strip()
        if shown != self.crate.shows(number):
            sys.exit(f"{self.folder.name}: shows {shown!r} instead of {self.crate.shows(number)!r}")


class Sync(Side):
    """`uv sync` with a backend."""

    def __init__(
        self, ground: Ground, backend: str, crate: Crate, profile: str, number: int = 0
    ) -> None:
        super().__init__(ground, f"{backend}{number or ''}", crate, profile)
        requires = {"maturin": "maturin>=1.9,<2"}.get(backend, backend)
        for pyproject in crate.pyprojects(self.root):
            text = measuring.with_backend(pyproject.read_text(encoding="utf-8"), backend, requires)
            pyproject.write_text(text, encoding="utf-8")
        # Downloads and the like are no part of a sync.
        measuring.run(["cargo", "fetch", "--quiet"], self.root, self.env)
        scratch = self.folder / "scratch"
        measuring.run([find_uv(), "venv", scratch], self.folder, self.env)
        python = environment.python_in(scratch)
        wanted = ["maturin", "wheelprint"]
        command = [find_uv(), "pip", "install", "--python", python, *wanted]
        measuring.run(command, self.folder, self.env)

    def act(self) -> float:
        return self.timed(find_uv(), *self.crate.sync)


class Idle(Sync):
    """`uv sync` with a backend that does nothing but copy the wheel that wheelprint made."""

    def __init__(self, ground: Ground, like: Sync) -> None:
        wheels = like.folder / "as-wheel"
        command = [find_uv(), "venv", "--clear", like.folder / "hook"]
        measuring.run(command, like.folder, like.env)
        python = environment.python_in(like.folder / "hook")
        command = [find_uv(), "pip", "install", "--python", python, "wheelprint", "maturin"]
        measuring.run(command, like.folder, like.env)
        wheels.mkdir()
        script = f"import wheelprint; wheelprint.build_editable({str(wheels)!r})"
        measuring.run([python, "-c", script], like.root, like.env)
        (wheel,) = wheels.iterdir()
        dist = like.folder / "idle-dist"
        dist.mkdir()
        _write_idle_backend(dist, wheel)
        links = f"{ground.env['UV_FIND_LINKS']},{dist.as_uri()}"
        ground = replace(ground, env={**ground.env, "UV_FIND_LINKS": links})
        super().__init__(ground, IDLE_NAME, like.crate, like.profile)

    def check(self, number: int) -> None:
        """It shows what it was given."""


class Cargo(Side):
    """`cargo build`, and nothing installed. In a workspace it builds all packages."""

    def __init__(self, ground: Ground, crate: Crate, profile: str, number: int = 0) -> None:
        super().__init__(ground, f"cargo{number or ''}", crate, profile)
        self.env["PYO3_PYTHON"] = str(ground.python_for_cargo())

    def act(self) -> float:
        return self.timed("cargo", "build", "--quiet", "--lib", "--profile", self.profile)

    def check(self, number: int) -> None:
        """There is nothing installed to look at."""


class Develop(Side):
    """`maturin develop --uv`."""

    def __init__(self, ground: Ground, crate: Crate, profile: str) -> None:
        super().__init__(ground, "develop", crate, profile)
        venv = self.root / ".venv"
        measuring.run([find_uv(), "venv", venv], self.root, self.env)
        command = [find_uv(), "pip", "install", "--python", self.python, "maturin"]
        measuring.run(command, self.root, self.env)
        path = os.pathsep.join([str(environment.scripts_folder(venv)), self.env["PATH"]])
        self.env.update(VIRTUAL_ENV=str(venv), PATH=path)

    def act(self) -> float:
        program = environment.scripts_folder(self.root / ".venv") / "maturin"
        return self.timed(program, "develop", "--uv", "--quiet", "--profile", self.profile)


def _write_idle_backend(dist: Path, wheel: Path) -> None:
    info = f"{IDLE_NAME}-1.dist-info"
    files = {
        f"{IDLE_NAME}.py": _IDLE_BACKEND.format(wheel=str(wheel)),
        f"{info}/METADATA": f"Metadata-Version: 2.1\nName: {IDLE_NAME}\nVersion: 1\n",
        f"{info}/WHEEL": "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
    }
    record = "".join(f"{name},,\n" for name in (*files, f"{info}/RECORD"))
    with zipfile.ZipFile(dist / f"{IDLE_NAME}-1-py3-none-any.whl", "w") as archive:
        for name, text in {**files, f"{info}/RECORD": record}.items():
            archive.writestr(name, text)


def seed(target: Path, warm: Path) -> None:
    """Start with what another crate's build left in its target folder: it needs the same packages
    from the registry."""
    shutil.copytree(warm / "target", target / "target", symlinks=True)
