"""How the changes in the tables are made, and the places of the sample `every-input`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Callable

import pytest

if TYPE_CHECKING:
    from ..project import Project

WORKSPACE = "../../Cargo.toml"
HELPER = "../../crates/helper"
DERIVE = "../../crates/derive"
WHOLE = "../../crates/whole"
NATIVE = "../../crates/native"
ELSEWHERE = "../../vendor/elsewhere"
CONFIG = ".cargo/config.toml"
#: Flags and profiles give cargo's output folder another name.
OUTPUT_FOLDER = frozenset({"built_in"})


def new(project: Project, name: str, text: str, mod: str = "") -> None:
    """A new module of the crate, or one that replaces another."""
    project.write(f"src/{name}", text)
    project.replace("src/lib.rs", "mod sub;", f"mod sub;\n{mod}")


def link(project: Project, name: str, target: str) -> None:
    """Replace a file by a symbolic link."""
    path = project.path(name)
    path.unlink(missing_ok=True)
    try:
        path.symlink_to(target)
    except OSError as error:
        pytest.skip(f"no symbolic links here: {error}")


def rename(project: Project, old: str, new: str) -> None:
    target = project.path(new)
    target.parent.mkdir(parents=True, exist_ok=True)
    project.path(old).rename(target)


def set_variable(name: str, value: str | None) -> Callable[[Project], object]:
    """Set or unset an environment variable."""

    def change(project: Project) -> None:
        project.env.pop(name, None)
        if value is not None:
            project.env[name] = value

    return change


def in_maturin_table(line: str) -> Callable[[Project], object]:
    return lambda p: p.replace("pyproject.toml", "[tool.maturin]\n", f"[tool.maturin]\n{line}\n")
