"""Builds that call cargo alone, and the same builds through maturin."""

from __future__ import annotations

import sys
import zipfile
from typing import TYPE_CHECKING

from . import toolchains

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from .project import HookRun, Project

#: Where no build calls cargo alone.
IS_OFF = sys.platform == "win32" or toolchains.variant() == "through-maturin"
_DIRECT = "cargo was called as maturin called it in an earlier build"


def build(project: Project, **rest: str) -> tuple[HookRun, Path]:
    return project.build(WHEELPRINT_LOG="debug", **rest)


def is_direct(run: HookRun) -> bool:
    """Whether cargo was called alone. The log says so, and maturin's own output is not there."""
    direct = _DIRECT in run.output
    assert direct == ("Running `maturin" not in run.output), run.output
    return direct


def assert_both_ways_alike(project: Project, edit: Callable[[], None], *, direct: bool) -> None:
    project.reproducible()
    build(project)
    edit()
    run, one = build(project)
    assert is_direct(run) == direct, run.output
    # Without an earlier build to compare with, maturin is called.
    run, other = build(project, WHEELPRINT_REUSE="never")
    assert not is_direct(run)
    assert _contents(one) == _contents(other)
    assert one.read_bytes() == other.read_bytes()


def _contents(wheel: Path) -> dict[str, bytes]:
    with zipfile.ZipFile(wheel) as archive:
        return {name: archive.read(name) for name in archive.namelist()}
