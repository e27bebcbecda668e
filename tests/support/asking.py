"""Builds a project and asks the compiled module for the inputs it was built from."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import zipfile
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import pytest

from . import environment

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from .project import Project

#: 2001, long before any build.
LONG_AGO = 1_000_000_000 * 10**9

_INSTALLED = """
import site, sys
site.addsitedir(sys.argv[1])
exec(sys.argv[2])
"""
_ASK = "import every_input, json; print(json.dumps(every_input.seen()))"


@dataclass(frozen=True)
class Built:
    """The output of an editable build, and the values that the module in its wheel returns."""

    verdict: str
    stderr: str
    wheel: Path
    seen: dict[str, str]


def ask(project: Project, wheel: Path, venv: str | None = "newest") -> dict[str, str]:
    """Imports the module of an editable wheel as if the wheel were installed."""
    seen: dict[str, str] = json.loads(_printed(project, wheel, _ASK, venv))
    return seen


def probe(project: Project, wheel: Path) -> str:
    """The output of the sample's own probe with that editable wheel."""
    return _printed(project, wheel, project.sample.probe, "newest").strip()


def _printed(project: Project, wheel: Path, code: str, venv: str | None) -> str:
    folder = project.output_folder()
    with zipfile.ZipFile(wheel) as archive:
        archive.extractall(folder)
    python = environment.python_in(project.bench.venv(venv))
    command = (python, "-c", _INSTALLED, folder, code)
    return project.run(*command, cwd=folder, WHEELPRINT_ON_STALE="ignore").ok().stdout


def build(project: Project, settings: Mapping[str, Any] | None = None, **rest: Any) -> Built:
    """Builds an editable wheel and imports its module."""
    project.spy.clear()
    run, wheel = project.build("editable", settings, **rest)
    return Built(run.verdict, run.stderr, wheel, ask(project, wheel, rest.get("venv", "newest")))


def stale(project: Project, settings: Mapping[str, Any] | None = None, **rest: Any) -> Built:
    """Like `build`, but cargo must have run."""
    built = build(project, settings, **rest)
    assert built.verdict.startswith("stale: "), built.verdict
    assert not project.spy.supported() or project.spy.calls("cargo")
    return built


def fresh(project: Project, settings: Mapping[str, Any] | None = None, **rest: Any) -> Path:
    """Builds again, without a cargo or maturin process. Returns the wheel."""
    project.spy.clear()
    run, wheel = project.build("editable", settings, **rest)
    assert run.verdict.startswith("fresh: "), run.verdict
    project.spy.assert_idle()
    return wheel


def anew(project: Project, settings: Mapping[str, Any] | None = None, **rest: Any) -> Built:
    """Makes cargo build the current tree: an answer from the store would not run cargo."""
    forget_builds(project)
    return stale(project, settings, **rest)


def must_see(project: Project, name: str, value: str, **rest: Any) -> Built:
    """Builds. For any verdict, the module must have that value."""
    built = build(project, **rest)
    if built.seen[name] != value:
        rest["WHEELPRINT_REUSE"] = "never"
        cargo = build(project, **rest).seen[name]
        pytest.fail(
            f"{name}={built.seen[name]!r} after {built.verdict!r}; a build without the store then "
            f"says {cargo!r}, expected {value!r}",
            pytrace=False,
        )
    return built


def must_settle(project: Project, builds: int = 2) -> None:
    """Without a change, the last of that many builds must be fresh."""
    verdicts = [build(project).verdict for _ in range(builds)]
    assert verdicts[-1].startswith("fresh: "), verdicts


def entry_folders(project: Project) -> list[Path]:
    """The folders of the store with the records of earlier builds."""
    return list(project.cache.glob("projects/*/entries"))


def forget_builds(project: Project) -> None:
    """Removes all earlier builds from the store, and nothing else."""
    for folder in entry_folders(project):
        for entry in folder.iterdir():
            entry.unlink()


def set_mtime(path: Path, nanoseconds: int) -> None:
    """Sets the modification time of a file or folder."""
    os.utime(path, ns=(nanoseconds, nanoseconds))


def write_old(project: Project, name: str, text: str) -> None:
    """Writes new content with an old timestamp, like `mv` and `rsync -t`."""
    set_mtime(project.write(name, text), LONG_AGO)


def replace_old(project: Project, name: str, old: str, new: str) -> None:
    """Replaces a text in a file, and gives the file an old timestamp."""
    project.replace(name, old, new)
    set_mtime(project.path(name), LONG_AGO)


def git(project: Project, *args: str, cwd: Path | None = None) -> str:
    """Runs git without the user's configuration. Skips the test if git is missing."""
    if shutil.which("git") is None:
        pytest.skip("no git")
    nobody = {"GIT_CONFIG_GLOBAL": os.devnull, "GIT_CONFIG_NOSYSTEM": "1"}
    identity = ["-c", "user.name=nobody", "-c", "user.email=nobody@example.com"]
    done = subprocess.run(
        ["git", *identity, "-c", "init.defaultBranch=main", *args],
        cwd=cwd or project.bench.checkout_folder,
        env={**project.env, **nobody},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, f"git {args}: {done.stderr}"
    return done.stdout
