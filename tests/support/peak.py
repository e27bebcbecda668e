"""The peak memory of commands: the maximum of all their processes."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path

#: Runs in a separate process, because `RUSAGE_CHILDREN` includes all earlier child processes.
_WATCH = """
import resource, subprocess, sys
code = subprocess.call(sys.argv[2:])
with open(sys.argv[1], "a") as file:
    print(resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss, file=file)
sys.exit(code)
"""


class Peak:
    """Put `prefix` before commands, and call `bytes` when they have ended."""

    def __init__(self, notes: Path) -> None:
        self._notes = notes
        self.prefix = (sys.executable, "-c", _WATCH, str(notes))

    def bytes(self) -> int:
        most = max(int(line) for line in self._notes.read_text().split())
        return most if sys.platform == "darwin" else most << 10
