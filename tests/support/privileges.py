"""Makes files unreadable and unwritable for the user of the tests, even if that user is root.

Root can write anywhere because of two capabilities, not because of its user id. Without them the
file modes apply to root too.
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
    """A prefix for a command to which file modes apply. Skips the test if that is impossible."""
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
    """Removes permissions of a file, or of a folder and all paths below it, for a while."""
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
