"""The environment variables of every tool.

Variables of a developer or a CI runner must not affect a test. So variables that configure cargo,
maturin, uv and pip are removed, and variables that a test needs are set. Variables that a machine
may need to reach its package index or its toolchain stay.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

_DROPPED_PREFIXES = (
    "CARGO",
    "CI",
    "GITHUB_",
    "MATURIN_",
    "NOX_",
    "PIP_",
    "PYO3_",
    "PYTEST_",
    "PYTHON",
    "RUST",
    "UV_",
    "VIRTUAL_ENV",
    "WHEELPRINT_",
)
_DROPPED = frozenset({"CC", "CXX", "CFLAGS", "CXXFLAGS", "LDFLAGS", "MAKEFLAGS", "CONDA_PREFIX"})
_KEPT_PREFIXES = ("CARGO_HTTP_", "CARGO_NET_", "CARGO_REGISTR", "CARGO_SOURCE_")
_KEPT = frozenset(
    {
        "CARGO_HOME",
        "PIP_CACHE_DIR",
        "PIP_CERT",
        "PIP_DEFAULT_TIMEOUT",
        "PIP_EXTRA_INDEX_URL",
        "PIP_FIND_LINKS",
        "PIP_INDEX_URL",
        "RUSTUP_HOME",
        "UV_DEFAULT_INDEX",
        "UV_EXTRA_INDEX_URL",
        "UV_FIND_LINKS",
        "UV_INDEX",
        "UV_INDEX_URL",
    }
)


def inherited() -> dict[str, str]:
    """The environment of the test run, without variables that could affect a build."""
    return {
        name: value
        for name, value in os.environ.items()
        if name in _KEPT
        or name.startswith(_KEPT_PREFIXES)
        or not (name in _DROPPED or name.startswith(_DROPPED_PREFIXES))
    }


def add_find_links(env: dict[str, str], folders: Iterable[Path]) -> None:
    """Lets uv and pip find wheels in these folders too, and switches the network off.

    The folders become URLs, because pip splits its list at spaces.
    """
    urls = [folder.as_uri() for folder in folders]
    uv_links = [link for link in env.get("UV_FIND_LINKS", "").split(",") if link]
    env["UV_FIND_LINKS"] = ",".join([*uv_links, *urls])
    env["PIP_FIND_LINKS"] = " ".join([*env.get("PIP_FIND_LINKS", "").split(), *urls])
    env["UV_OFFLINE"] = "1"
    env["PIP_NO_INDEX"] = "1"


def path_without(program: str, path: str) -> str:
    """`path` without the entries that contain the program."""
    names = (program, f"{program}.exe")
    return os.pathsep.join(
        entry
        for entry in path.split(os.pathsep)
        if not any((Path(entry) / name).exists() for name in names)
    )


def scripts_folder(environment: Path) -> Path:
    """The folder with the programs of a virtual environment."""
    return environment / ("Scripts" if sys.platform == "win32" else "bin")


def python_in(environment: Path) -> Path:
    """A virtual environment's interpreter."""
    return scripts_folder(environment) / ("python.exe" if sys.platform == "win32" else "python")


def with_changes(env: Mapping[str, str], changes: Mapping[str, str | None]) -> dict[str, str]:
    """A copy with changed variables. A variable with the value None is removed."""
    changed = {**env, **{name: value for name, value in changes.items() if value is not None}}
    for name, value in changes.items():
        if value is None:
            changed.pop(name, None)
    return changed
