"""The variables every tool is started with.

A developer's or a CI runner's variables must not decide a test, so the ones that steer cargo,
maturin, uv and pip are dropped, and those which a test needs are set. The ones that a machine may
need to reach its index or its toolchain stay.
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
    """The environment of the test run without what could steer a build."""
    return {
        name: value
        for name, value in os.environ.items()
        if name in _KEPT
        or name.startswith(_KEPT_PREFIXES)
        or not (name in _DROPPED or name.startswith(_DROPPED_PREFIXES))
    }


def add_find_links(env: dict[str, str], folders: Iterable[Path]) -> None:
    """Let uv and pip find wheels in these folders too, and nowhere on the network.

    URLs, because pip splits its list at spaces.
    """
    urls = [folder.as_uri() for folder in folders]
    uv_links = [link for link in env.get("UV_FIND_LINKS", "").split(",") if link]
    env["UV_FIND_LINKS"] = ",".join([*uv_links, *urls])
    env["PIP_FIND_LINKS"] = " ".join([*env.get("PIP_FIND_LINKS", "").split(), *urls])
    env["UV_OFFLINE"] = "1"
    env["PIP_NO_INDEX"] = "1"


def path_without(program: str, path: str) -> str:
    """The entries of `path` that hold no such program."""
    names = (program, f"{program}.exe")
    return os.pathsep.join(
        entry
        for entry in path.split(os.pathsep)
        if not any((Path(entry) / name).exists() for name in names)
    )


def scripts_folder(environment: Path) -> Path:
    """Where a virtual environment keeps its programs."""
    return environment / ("Scripts" if sys.platform == "win32" else "bin")


def python_in(environment: Path) -> Path:
    """A virtual environment's interpreter."""
    return scripts_folder(environment) / ("python.exe" if sys.platform == "win32" else "python")


def with_changes(env: Mapping[str, str], changes: Mapping[str, str | None]) -> dict[str, str]:
    """A copy with variables set, or, where the value is None, removed."""
    changed = {**env, **{name: value for name, value in changes.items() if value is not None}}
    for name, value in changes.items():
        if value is None:
            changed.pop(name, None)
    return changed
