"""wheelprint: maturin as a build backend, with fingerprints.

The hooks of PEP 517 and PEP 660. Each hook passes a description of its interpreter to the compiled
module. The first call imports that module, because frontends import a backend in more processes
than they call it.
"""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Any

    ConfigSettings = Mapping[str, Any] | None


def _call(
    hook: str,
    directory: str | None,
    config_settings: ConfigSettings,
    metadata_directory: str | None = None,
) -> Any:
    import os

    from . import _native
    from ._interpreter import describe

    return _native.call(
        hook, os.getcwd(), directory, config_settings, metadata_directory, describe()
    )


def get_requires_for_build_wheel(config_settings: ConfigSettings = None) -> list[str]:
    """PEP 517: requirements of a wheel build beyond ``build-system.requires``."""
    return _call("get_requires_for_build_wheel", None, config_settings)


def get_requires_for_build_sdist(config_settings: ConfigSettings = None) -> list[str]:
    """PEP 517: requirements of an sdist build."""
    return _call("get_requires_for_build_sdist", None, config_settings)


def get_requires_for_build_editable(config_settings: ConfigSettings = None) -> list[str]:
    """PEP 660: requirements of an editable build; empty if a stored wheel is fresh."""
    return _call("get_requires_for_build_editable", None, config_settings)


def prepare_metadata_for_build_wheel(
    metadata_directory: str, config_settings: ConfigSettings = None
) -> str:
    """PEP 517: writes the dist-info folder and returns its name."""
    return _call("prepare_metadata_for_build_wheel", metadata_directory, config_settings)


def prepare_metadata_for_build_editable(
    metadata_directory: str, config_settings: ConfigSettings = None
) -> str:
    """PEP 660: writes the dist-info folder and returns its name."""
    return _call("prepare_metadata_for_build_editable", metadata_directory, config_settings)


def build_wheel(
    wheel_directory: str,
    config_settings: ConfigSettings = None,
    metadata_directory: str | None = None,
) -> str:
    """PEP 517: builds a wheel and returns its file name."""
    return _call("build_wheel", wheel_directory, config_settings, metadata_directory)


def build_sdist(sdist_directory: str, config_settings: ConfigSettings = None) -> str:
    """PEP 517: builds a source distribution and returns its file name."""
    return _call("build_sdist", sdist_directory, config_settings)


def build_editable(
    wheel_directory: str,
    config_settings: ConfigSettings = None,
    metadata_directory: str | None = None,
) -> str:
    """PEP 660: builds an editable wheel, or copies a fresh one from the store."""
    return _call("build_editable", wheel_directory, config_settings, metadata_directory)
