"""Selects Rust toolchains, through rustup or through WHEELPRINT_TEST_CARGO."""

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

#: Variables that make a stable cargo use the new layout of the build folder.
NEW_LAYOUT = {"RUSTC_BOOTSTRAP": "1", "CARGO_UNSTABLE_BUILD_DIR_NEW_LAYOUT": "true"}


def variant() -> str:
    """The value of `WHEELPRINT_TEST_CARGO`, which selects the cargo of the tests and its layout.

    It is `new-layout`, `build-dir` (build folders that are separate from target folders),
    `through-maturin` (no build calls cargo alone), or the path of another cargo."""
    return os.environ.get("WHEELPRINT_TEST_CARGO", "")


def variables(build_folders: Path) -> dict[str, str]:
    """The environment variables of every tool for that variant."""
    if variant() == "new-layout":
        return dict(NEW_LAYOUT)
    if variant() == "build-dir":
        return {"CARGO_BUILD_BUILD_DIR": str(build_folders / "{workspace-path-hash}")}
    if variant() == "through-maturin":
        return {"WHEELPRINT_DIRECT_CARGO": "false"}
    return {}


def another_cargo() -> str | None:
    """The cargo that replaces the one on PATH."""
    if variant() in ("", "new-layout", "build-dir", "through-maturin"):
        return None
    if shutil.which(variant()) is None:
        pytest.exit(f"WHEELPRINT_TEST_CARGO: there is no cargo at {variant()}", returncode=2)
    return variant()


def host() -> str:
    """The target triple of this machine."""
    said = subprocess.run(["rustc", "-vV"], check=True, capture_output=True, text=True).stdout
    return re.findall(r"(?m)^host: (\S+)$", said)[0]


def sysroot(name: str) -> Path:
    """The folder of a rustup toolchain. Skips the test if it is not installed."""
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
    """Puts rustup's proxies on PATH instead of the spy's wrappers of one toolchain."""
    path = environment.inherited()["PATH"]
    project.env["PATH"] = environment.path_without("maturin", path)


def new_layout(project: Project) -> None:
    """Makes cargo use the new layout of its build folder."""
    project.env.update(NEW_LAYOUT)


def use_rustup_home(project: Project, folder: Path, **toolchains: Path) -> None:
    """A rustup home for one test. Its toolchains are links, and the first is the default."""
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
