"""Making files unreadable and unwritable so that it holds for the tests' own user, also for root.

Root may write anywhere because of two capabilities, not because of its number: without them the
file modes count for it as for anybody.
"""

from __future__ import annotations

import os
import shutil
import stat
import subprocess
import sys
from contextlib import contextmanager
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


def obeying_modes() -> tuple[str, ...]:
    """What to put in front of a command so that file modes hold for it. Skips where impossible."""
    if sys.platform == "win32":
        pytest.skip("file modes mean nothing here")
    if os.geteuid() != 0:
        return ()
    setpriv = shutil.which("setpriv")
    if setpriv is None:
        pytest.skip("root, and no setpriv to give up root's rights")
    prefix = (setpriv, "--bounding-set=-dac_override,-dac_read_search", "--")
    if subprocess.run([*prefix, "true"], capture_output=True).returncode != 0:
        pytest.skip("root, and not allowed to give up root's rights")
    return prefix


@contextmanager
def mode(path: Path, *, remove: int) -> Iterator[None]:
    """Take rights away from a file, or from a folder and everything below, for a while."""
    everything = [path, *path.rglob("*")] if path.is_dir() else [path]
    real = [each for each in everything if not each.is_symlink()]
    before = {each: stat.S_IMODE(each.stat().st_mode) for each in real}
    for each, bits in reversed(before.items()):
        each.chmod(bits & ~remove)
    try:
        yield
    finally:
        for each, bits in before.items():
            if each.exists():
                each.chmod(bits)
