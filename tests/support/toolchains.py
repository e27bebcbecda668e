"""The Rust toolchains of this machine, chosen by rustup."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from . import environment

if TYPE_CHECKING:
    from .project import Project

#: Has a stable cargo, too, lay out its build folder in the way that is to come.
NEW_LAYOUT = {"RUSTC_BOOTSTRAP": "1", "CARGO_UNSTABLE_BUILD_DIR_NEW_LAYOUT": "true"}


def variant() -> str:
    """Which cargo the tests run, in which layout: `WHEELPRINT_TEST_CARGO` is `new-layout`,
    `build-dir` (build folders apart from target folders), or the path of another cargo."""
    return os.environ.get("WHEELPRINT_TEST_CARGO", "")


def variables(build_folders: Path) -> dict[str, str]:
    """What every tool is started with for it."""
    if variant() == "new-layout":
        return dict(NEW_LAYOUT)
    if variant() == "build-dir":
        return {"CARGO_BUILD_BUILD_DIR": str(build_folders / "{workspace-path-hash}")}
    return {}


def another_cargo() -> str | None:
    """The cargo that stands for the one on PATH."""
    return variant() if variant() not in ("", "new-layout", "build-dir") else None


def host() -> str:
    """The platform's name."""
    said = subprocess.run(["rustc", "-vV"], check=True, capture_output=True, text=True).stdout
    return re.findall(r"(?m)^host: (\S+)$", said)[0]


def sysroot(name: str) -> Path:
    """Where rustup keeps the toolchain of that name. Skips where it is not installed."""
    rustup = shutil.which("rustup")
    if rustup is None:
        pytest.skip("no rustup")
    said = subprocess.run(
        [rustup, "run", name, "rustc", "--print", "sysroot"],
        env={**os.environ, "RUSTUP_AUTO_INSTALL": "0"},
        capture_output=True,
        text=True,
    )
    if said.returncode != 0:
        pytest.skip(f"the {name} toolchain is not installed")
    return Path(said.stdout.strip())


def behind_rustup(project: Project) -> None:
    """Let rustup's proxies run, not the spy's wrappers around one toolchain."""
    path = environment.inherited()["PATH"]
    project.env["PATH"] = environment.path_without("maturin", path)


def new_layout(project: Project) -> None:
    """Let cargo lay out its build folder in the way that is to come."""
    project.env.update(NEW_LAYOUT)


def use_rustup_home(project: Project, folder: Path, **toolchains: Path) -> None:
    """A rustup of the test's own, with toolchains that are links; the first is the default."""
    behind_rustup(project)
    for name, root in toolchains.items():
        link = folder / "toolchains" / name
        link.parent.mkdir(parents=True, exist_ok=True)
        link.symlink_to(root)
    project.env["RUSTUP_HOME"] = str(folder)
    set_default(folder, next(iter(toolchains)))


def set_default(folder: Path, name: str) -> None:
    """`rustup default NAME`."""
    (folder / "settings.toml").write_text(f'version = "12"\ndefault_toolchain = "{name}"\n')
