"""Commands that are killed at some moment, together with all their child processes."""

from __future__ import annotations

import contextlib
import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Callable

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

#: A timeout that no command of the tests should reach.
_SECONDS = 120


class Started:
    """A command in its own process group. Its output goes to a file."""

    def __init__(
        self, command: Sequence[str | Path], cwd: Path, env: Mapping[str, str], log: Path
    ) -> None:
        assert sys.platform != "win32"
        self._log = log
        self.command = [str(part) for part in command]
        with log.open("wb") as said:
            self._process = subprocess.Popen(
                self.command,
                cwd=cwd,
                env=dict(env),
                stdin=subprocess.DEVNULL,
                stdout=said,
                stderr=said,
                start_new_session=True,
            )

    @property
    def said(self) -> str:
        """The output so far, stdout and stderr."""
        return self._log.read_text(errors="replace")

    def has_ended(self) -> bool:
        return self._process.poll() is not None

    def finish(self) -> None:
        """Waits for the command, which must succeed."""
        assert self._process.wait(_SECONDS) == 0, f"{self.command}\n{self.said}"

    def interrupt(self) -> int:
        """Presses Ctrl-C: all processes of the group get the signal. Returns the exit code."""
        assert sys.platform != "win32"
        os.killpg(self._process.pid, signal.SIGINT)
        return self._process.wait(_SECONDS)

    def kill(self) -> None:
        """Kills the command and its child processes, and waits until none of them runs."""
        assert sys.platform != "win32"
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self._process.pid, signal.SIGKILL)
        self._process.wait(_SECONDS)
        end = time.monotonic() + 10
        while _runs(self._process.pid) and time.monotonic() < end:
            time.sleep(0.002)

    def kill_alone(self) -> None:
        """Kills the command, but not its child processes."""
        self._process.kill()
        self._process.wait(_SECONDS)

    def runs(self, words: str) -> bool:
        """Whether a process of the group runs with these words in its command line."""
        return any(words in command for command in _commands(self._process.pid))

    def kill_after(self, seconds: float) -> None:
        """Kills the command and its child processes after that time, unless it ended before."""
        end = time.monotonic() + seconds
        while not self.has_ended() and time.monotonic() < end:
            time.sleep(0.001)
        self.kill()


def _runs(group: int) -> bool:
    """Whether a process of the group is alive and no zombie."""
    return any(True for _ in _commands(group))


def _commands(group: int) -> Iterator[str]:
    """The command lines of the processes of a group that run; empty without /proc."""
    if not Path("/proc/self/stat").exists():
        return
    for stat in Path("/proc").glob("[0-9]*/stat"):
        try:
            # The fields after the name, which may contain any character: state, parent, group.
            state, _, found = stat.read_text().rpartition(")")[2].split()[:3]
            if int(found) == group and state not in ("Z", "X"):
                yield stat.with_name("cmdline").read_text(errors="replace")
        except (OSError, ValueError):
            continue


def moments(count: int, duration: float, seed: int) -> list[float]:
    """That many moments, one in each part of the duration, in random order."""
    rng = random.Random(seed)
    found = [(number + rng.random()) * duration / count for number in range(count)]
    rng.shuffle(found)
    return found


def wait_until(condition: Callable[[], object], started: Started) -> bool:
    """Polls until the condition is true or the command has ended."""
    while not condition():
        if started.has_ended():
            return bool(condition())
    return True
