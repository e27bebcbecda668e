"""Other versions of Python on this machine."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

from .workbench import find_uv

#: From this minor version on, maturin has no dependencies.
OLDEST = 11


def other() -> str | None:
    """The path of another installed version of CPython, if there is one."""
    this = f"{sys.version_info.major}.{sys.version_info.minor}"
    for minor in range(OLDEST, 16):
        if f"3.{minor}" == this:
            continue
        command = [find_uv(), "python", "find", "--no-project", "--no-python-downloads"]
        found = subprocess.run([*command, f"3.{minor}"], capture_output=True, text=True)
        if found.returncode == 0:
            return found.stdout.strip()
    # Version managers keep all versions in one folder.
    base = Path(sys.executable).resolve().parents[2]
    for python in sorted(base.glob("3.*/bin/python3")):
        version = re.match(r"3\.(\d+)", python.parents[1].name)
        if version and int(version[1]) >= OLDEST and f"3.{version[1]}" != this:
            return str(python)
    return None
