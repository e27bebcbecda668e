"""The build backend of wheelprint itself: maturin, or a wheelprint that was built before.

With the variable WHEELPRINT_BOOTSTRAP the frontend installs the wheelprint of this version, from a
folder that `UV_FIND_LINKS` or `PIP_FIND_LINKS` names, and it builds the wheel. So the wheels of a
release have a record, and are built again like those of any other project. Without the variable
nothing but maturin is needed.
"""

from __future__ import annotations

import os
import re
from pathlib import Path
from typing import Any

WITH_ITSELF = bool(os.environ.get("WHEELPRINT_BOOTSTRAP"))


def _backend() -> Any:
    return __import__("wheelprint" if WITH_ITSELF else "maturin")


def _requires(hook: str, settings: Any) -> list[str]:
    if not WITH_ITSELF:
        return getattr(_backend(), hook)(settings)  # type: ignore[no-any-return]
    (version,) = re.findall(r'(?m)^version = "(.+)"$', Path("Cargo.toml").read_text("utf-8"))
    return [f"wheelprint=={version}"]


def get_requires_for_build_wheel(config_settings: Any = None) -> list[str]:
    return _requires("get_requires_for_build_wheel", config_settings)


def get_requires_for_build_sdist(config_settings: Any = None) -> list[str]:
    return _requires("get_requires_for_build_sdist", config_settings)


def get_requires_for_build_editable(config_settings: Any = None) -> list[str]:
    return _requires("get_requires_for_build_editable", config_settings)


def __getattr__(name: str) -> Any:
    """The other hooks, as the backend has them (PEP 562)."""
    if name.startswith(("build_", "prepare_metadata_for_build_")):
        return getattr(_backend(), name)
    raise AttributeError(name)
