"""Two machines in one: each has its own folders, caches, home and programs."""

from __future__ import annotations

import dataclasses
import os
import shutil
import time
from pathlib import Path
from typing import TYPE_CHECKING

from . import environment, installed
from .installed import Editable

if TYPE_CHECKING:
    from .project import Project, Run

#: What only a machine with Rust has.
RUST = ("cargo", "rustc", "rustup")
_SKIPPED = shutil.ignore_patterns("target", ".venv", ".git", "__pycache__", "*.so", "uv.lock")


def folder_of(project: Project) -> Path:
    """The folder for other machines, empty."""
    folder = project.bench.folder / "machines"
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir()
    return folder


def another(project: Project, folder: Path, *, rust: bool) -> Project:
    """A machine with the same sources at another path, and nothing else of the first one."""
    shutil.copytree(project.path("../.."), folder / "sources", ignore=_SKIPPED)
    home = folder / "home"
    home.mkdir()
    env = {
        **project.env,
        "HOME": str(home),
        "UV_CACHE_DIR": str(folder / "uv-cache"),
        "WHEELPRINT_CACHE_DIR": str(folder / "cache"),
    }
    if rust:
        real = os.path.expanduser("~")
        for name, usual in (("CARGO_HOME", ".cargo"), ("RUSTUP_HOME", ".rustup")):
            env.setdefault(name, os.path.join(real, usual))
    else:
        path = env["PATH"]
        for program in (*RUST, "maturin"):
            path = environment.path_without(program, path)
        env["PATH"] = path
        for name in ("CARGO_HOME", "RUSTUP_HOME"):
            env.pop(name, None)
    root = folder / "sources" / "bindings" / "python"
    return dataclasses.replace(project, root=root, env=env)


def shares(project: Project, url: str, settings: str = "") -> None:
    """Sets up a shared store for the project."""
    project.requires("wheelprint[shared]")
    text = f'\n[tool.wheelprint.shared]\nurl = "{url}"\nwithout-toolchain = true\n{settings}\n'
    project.append("pyproject.toml", text)


def wheelprint(project: Project, *args: str | Path) -> Run:
    """The command line, as `uvx wheelprint` runs it."""
    tool = ("tool", "run", "--from", "wheelprint[shared]", "wheelprint")
    return project.uv(*tool, *args)


def publish(project: Project, **changes: str) -> Editable:
    """Builds an editable install, and publishes it."""
    project.env.update({"WHEELPRINT_SHARED": "write", **changes})
    editable = installed.synced(project)
    said = wheelprint(project, "shared", "push").ok()
    assert f"published {project.sample.name}" in said.stdout or "there already" in said.stdout
    return editable


def has_published(project: Project) -> bool:
    """Has the program, which goes on after a build, published it?"""
    folders = [*project.cache.glob("team/out/*")]
    answers = [folder / "answers" for folder in folders]
    return bool(folders) and all(
        path.exists() and '"published"' in path.read_text() for path in answers
    )


def synced(project: Project, *options: str) -> tuple[Editable, str]:
    """Runs `uv sync`, and gives the install and what was said."""
    said = project.uv("sync", "-v", *options).ok().output
    return Editable(project, project.root / ".venv"), said


def age(path: Path, *, days: int) -> None:
    """Makes a file look as if it had been written so many days ago."""
    then = time.time() - days * 24 * 60 * 60
    os.utime(path, (then, then))


class FolderTeam:
    """A machine that publishes, and the folder of the shared store."""

    def __init__(self, project: Project) -> None:
        self.builder = project
        self.folder = folder_of(project)
        self.store = self.folder / "store"
        self.store.mkdir()
        shares(project, self.store.as_uri())

    def publish(self) -> Editable:
        return publish(self.builder)

    def reader(self, name: str = "reader", *, rust: bool = False) -> Project:
        folder = self.folder / name
        folder.mkdir()
        project = another(self.builder, folder, rust=rust)
        project.env.pop("WHEELPRINT_SHARED", None)
        return project

    def objects(self, kind: str) -> list[Path]:
        return sorted(path for path in (self.store / kind).glob("*") if path.is_file())
