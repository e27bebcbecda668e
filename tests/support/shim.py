"""Simulates faults that a test cannot cause otherwise (Linux only).

A library is loaded before the C library in every process of a project, and replaces some of its
functions.

| variable | what it does |
|---|---|
| `SHIM_RENAME_IN`, `_AT` | selects the Nth rename (or `all`) to a path that contains this text |
| `SHIM_RENAME_DOES` | that rename fails as on a full disk, or (`kill`) kills the process group |
| `SHIM_CLOCK`, `_WHEN` | shifts the clock by this many seconds; only once this file exists |
| `SHIM_COARSE` | file times are whole, even seconds |
"""

from __future__ import annotations

import platform
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from .project import Project

_SOURCE = Path(__file__).with_suffix(".rs")


def put_before(project: Project) -> None:
    """Loads the shim in every process of a project. Skips the test where that is impossible."""
    if sys.platform != "linux" or platform.machine() not in ("x86_64", "aarch64"):
        pytest.skip("LD_PRELOAD, and the layout of `struct stat`, are Linux's")
    library = project.bench.folder / "shim" / f"shim-{_SOURCE.stat().st_mtime_ns}.so"
    if not library.exists():
        library.parent.mkdir(exist_ok=True)
        options = ("--edition", "2024", "--crate-type", "cdylib", "-O", "-C", "panic=abort")
        subprocess.run(["rustc", *options, "-o", library, _SOURCE], check=True)
    code = "import os, time; print(os.stat('/').st_mtime_ns % 10**9, int(time.time()))"
    env = {"LD_PRELOAD": str(library), "SHIM_COARSE": "1", "SHIM_CLOCK": "-1000000000"}
    said = subprocess.run([sys.executable, "-c", code], env=env, capture_output=True, text=True)
    nanoseconds, now = said.stdout.split()
    if nanoseconds != "0" or int(now) > 1_000_000_000:
        pytest.skip(f"libraries are not loaded before the C library: {said.stderr}")
    project.env["LD_PRELOAD"] = str(library)
