"""A program at a terminal of a certain width."""

from __future__ import annotations

import contextlib
import os
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from pathlib import Path


def shown(
    command: list[str], columns: int, cwd: Path, env: dict[str, str], *, stdout: bool = True
) -> tuple[int, str]:
    """The exit code, and what the terminal shows: both streams, or stderr alone."""
    if sys.platform == "win32":
        pytest.skip("no pseudo-terminals")
    import fcntl
    import pty
    import struct
    import termios

    ours, theirs = pty.openpty()
    fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", 24, columns, 0, 0))
    process = subprocess.Popen(
        command,
        cwd=cwd,
        env=env,
        stdin=subprocess.DEVNULL,
        stdout=theirs if stdout else subprocess.DEVNULL,
        stderr=theirs,
    )
    os.close(theirs)
    seen = b""
    # Linux ends a pseudo-terminal with an error.
    with contextlib.suppress(OSError):
        while piece := os.read(ours, 4096):
            seen += piece
    os.close(ours)
    return process.wait(30), seen.decode()
