"""Drives the program `wheelprint-shared` by its lines, as wheelprint does."""

from __future__ import annotations

import json
import os
import subprocess
import threading
import time
import zipfile
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from pathlib import Path

#: No answer takes so long. A program that hangs is ended then.
_HANGS = 120


def unpack(dist: Path, folder: Path) -> Path:
    """The program from its wheel."""
    wheels = sorted(dist.glob("wheelprint_shared-*.whl"))
    if not wheels:
        pytest.skip("needs the wheel of wheelprint-shared in WHEELPRINT_DIST")
    with zipfile.ZipFile(wheels[-1]) as wheel:
        name = next(name for name in wheel.namelist() if name.endswith("scripts/wheelprint-shared"))
        program = folder / "wheelprint-shared"
        program.write_bytes(wheel.read(name))
    program.chmod(0o755)
    return program


def make_key(program: Path, file: Path) -> str:
    """Makes a secret key. Gives the public one."""
    return subprocess.check_output([program, "keygen", file], text=True).strip()


class Session:
    """A running program with an open store."""

    def __init__(
        self, program: Path, env: dict[str, str], url: str, key: str, *, total: float, keep: Path
    ) -> None:
        needed = {name: os.environ[name] for name in ("PATH", "SYSTEMROOT") if name in os.environ}
        self._process = subprocess.Popen(
            [program, "session"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            env={**needed, **env},
        )
        #: The longest that an answer took.
        self.slowest = 0.0
        times = {"connect_ms": 500, "total_ms": int(total * 1000)}
        opening = {"url": url, "trusted_keys": [key], "accept_unsigned": False, "keep": str(keep)}
        assert self.ask({**opening, **times}) == {"ready": True}

    def ask(self, request: dict[str, Any]) -> dict[str, Any]:
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        started = time.monotonic()
        watchdog = threading.Timer(_HANGS, self._process.kill)
        watchdog.start()
        try:
            self._process.stdin.write(json.dumps(request) + "\n")
            self._process.stdin.flush()
            answer: dict[str, Any] = json.loads(self._process.stdout.readline())
        finally:
            watchdog.cancel()
        self.slowest = max(self.slowest, time.monotonic() - started)
        return answer

    def end(self) -> None:
        """Ends it. It must have said nothing but its answers."""
        out, err = self._process.communicate(timeout=_HANGS)
        assert (self._process.returncode, out, err) == (0, "", "")

    # The next two methods know how the program is asked about a request.

    def find(self, request: str) -> dict[str, Any]:
        return self.ask({"find": {"list": request, "request": request, "limit": 16}})

    def publish(self, request: str, payload: dict[str, Any], wheel: Path) -> dict[str, Any]:
        publish = {"lists": [request], "request": request, "payload": payload, "wheel": str(wheel)}
        return self.ask({"publish": publish})

    def fetch(self, sha256: str, size: int, to: Path) -> dict[str, Any]:
        return self.ask({"fetch": {"sha256": sha256, "size": size, "to": str(to)}})
