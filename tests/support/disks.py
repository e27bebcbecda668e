"""Small in-memory disks, which can be filled or made read-only, or are just another file system."""

from __future__ import annotations

import shutil
import subprocess
import sys
from contextlib import contextmanager
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

_MEBIBYTES = 64


class Disk:
    """A file system that is mounted at a folder."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        # With this prefix the file counts as a temporary file of a store.
        self._filler = folder / ".wheelprint-filler"

    def leave(self, kibibytes: int) -> None:
        """Fills the disk except for that many KiB."""
        free = shutil.disk_usage(self.folder).free - kibibytes * 1024
        assert free > 0
        with self._filler.open("ab") as file:
            for _ in range(free // 4096):
                file.write(b"\xff" * 4096)

    def free(self) -> None:
        """Removes the filler."""
        self._filler.unlink(missing_ok=True)

    @contextmanager
    def read_only(self) -> Iterator[None]:
        _mount("-o", "remount,ro", self.folder)
        try:
            yield
        finally:
            _mount("-o", "remount,rw", self.folder)


@contextmanager
def disk(folder: Path) -> Iterator[Disk]:
    """Mounts a new disk at that folder. Skips the test if mounting is impossible."""
    if sys.platform != "linux" or shutil.which("mount") is None:
        pytest.skip("no tmpfs")
    folder.mkdir(parents=True, exist_ok=True)
    size = f"size={_MEBIBYTES}m,mode=0700"
    mount = ["mount", "-t", "tmpfs", "-o", size, "tmpfs", str(folder)]
    done = subprocess.run(mount, capture_output=True, text=True)
    if done.returncode != 0:
        pytest.skip(f"nothing can be mounted: {done.stderr}")
    try:
        yield Disk(folder)
    finally:
        subprocess.run(["umount", "--lazy", str(folder)], check=True)


def _mount(*args: str | Path) -> None:
    subprocess.run(["mount", *map(str, args)], check=True)
