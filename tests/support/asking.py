"""Building a project and asking the compiled module what it was made from."""

from __future__ import annotations

import json
import os
import subprocess
import zipfile
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from . import environment

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from .project import Project

_ASK = """
import json, site, sys
site.addsitedir(sys.argv[1])
import every_input
print(json.dumps(every_input.seen()))
"""


@dataclass(frozen=True)
class Built:
    """What an editable build said, and what the module in its wheel says."""

    verdict: str
    stderr: str
    wheel: Path
    seen: dict[str, str]


def ask(project: Project, wheel: Path, venv: str | None = "newest") -> dict[str, str]:
    """Import the module of an editable wheel, as it is imported when it is installed."""
    folder = project.output_folder()
    with zipfile.ZipFile(wheel) as archive:
        archive.extractall(folder)
    python = environment.python_in(project.bench.venv(venv))
    run = project.run(python, "-c", _ASK, folder, cwd=folder, WHEELPRINT_ON_STALE="ignore")
    seen: dict[str, str] = json.loads(run.ok().stdout)
    return seen


def build(project: Project, settings: Mapping[str, Any] | None = None, **rest: Any) -> Built:
    """Build an editable wheel and import its module."""
    project.spy.clear()
    run, wheel = project.build("editable", settings, **rest)
    return Built(run.verdict, run.stderr, wheel, ask(project, wheel, rest.get("venv", "newest")))


def stale(project: Project, settings: Mapping[str, Any] | None = None, **rest: Any) -> Built:
    """The same, which must have been a build: cargo was asked."""
    built = build(project, settings, **rest)
    assert built.verdict.startswith("stale: "), built.verdict
    assert not project.spy.supported() or project.spy.calls("cargo")
    return built


def fresh(project: Project, settings: Mapping[str, Any] | None = None, **rest: Any) -> Path:
    """Build again, which must be answered without a cargo or maturin process: the wheel."""
    project.spy.clear()
    run, wheel = project.build("editable", settings, **rest)
    assert run.verdict.startswith("fresh: "), run.verdict
    project.spy.assert_idle()
    return wheel


def entry_folders(project: Project) -> list[Path]:
    """Where wheelprint's store keeps what it knows of earlier builds."""
    return list(project.cache.glob("projects/*/entries"))


def forget_builds(project: Project) -> None:
    """Make the store forget all earlier builds, and nothing else."""
    for folder in entry_folders(project):
        for entry in folder.iterdir():
            entry.unlink()


def set_mtime(path: Path, nanoseconds: int) -> None:
    """Give a file or folder that time of modification."""
    os.utime(path, ns=(nanoseconds, nanoseconds))


def git(project: Project, *args: str, cwd: Path | None = None) -> str:
    """Run git, independent of the user's configuration."""
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
