"""`cargo`, `rustc` and `maturin` that write down that they were called, then do their work.

The wrappers lie first on PATH. They start the toolchain's own programs, not rustup's proxies: a
proxy would put its own folder before ours on PATH, and cargo's calls of rustc would pass us by.

What was compiled is read from the calls of rustc, each of which cargo makes with the package's name
in CARGO_PKG_NAME: exact, whatever is printed, and without RUSTC_WRAPPER, which is an input.
"""

from __future__ import annotations

import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

from . import toolchains

#: Not one of the names that count as inputs.
LOG_VARIABLE = "SPY_LOG"

_SEPARATOR = "\x1f"
_WRAPPER = r"""#!/bin/sh
if [ -n "${SPY_LOG:-}" ]; then
    call=$(printf '%s\037' '@NAME@' "${CARGO_PKG_NAME:-}" "$@")
    printf '%s\n' "$call" >>"$SPY_LOG"
fi
exec '@PROGRAM@' "$@"
"""


@dataclass(frozen=True)
class Call:
    """One process that was started."""

    program: str
    package: str
    arguments: tuple[str, ...]

    @property
    def compiles(self) -> bool:
        """Whether this is cargo having a crate compiled, not asking rustc about itself."""
        named = self.program == "rustc" and "--crate-name" in self.arguments
        return named and "___" not in self.arguments


class Spy:
    """The wrappers of one worker and their log."""

    def __init__(self, folder: Path) -> None:
        self.programs = folder / "bin"
        self.log = folder / "calls.log"
        self.programs.mkdir(parents=True, exist_ok=True)
        for name in ("cargo", "rustc"):
            self.wrap(name, real_tool(name), self.programs)

    @staticmethod
    def supported() -> bool:
        """The wrappers are shell scripts."""
        return sys.platform != "win32"

    @staticmethod
    def wrap(name: str, program: Path, folder: Path) -> None:
        """Write a wrapper. The same file stays in place if it says the same already: cargo looks
        at the age of rustc."""
        script = _WRAPPER.replace("@NAME@", name).replace("@PROGRAM@", str(program))
        path = folder / name
        if path.exists() and path.read_text() == script:
            return
        path.write_text(script)
        path.chmod(0o755)

    @staticmethod
    def wrap_in_place(program: Path) -> None:
        """Put a wrapper where the program is, and the program beside it."""
        real = program.with_name(f"{program.name}-itself")
        program.rename(real)
        Spy.wrap(program.name, real, program.parent)

    def clear(self) -> None:
        """Forget all calls so far."""
        self.log.unlink(missing_ok=True)

    def calls(self, program: str | None = None) -> list[Call]:
        """The calls since the last `clear`, in order."""
        if not self.log.exists():
            return []
        lines = self.log.read_text(errors="replace").splitlines()
        split = (line.split(_SEPARATOR) for line in lines if line.count(_SEPARATOR) >= 2)
        calls = [Call(name, package, tuple(rest[:-1])) for name, package, *rest in split]
        return [call for call in calls if program in (None, call.program)]

    def compiled(self) -> set[str]:
        """The packages that rustc compiled something of, build scripts among it."""
        return {call.package for call in self.calls("rustc") if call.compiles}

    def assert_idle(self) -> None:
        """No cargo process and no maturin process. Asking rustc for its version is allowed."""
        busy = [call for call in self.calls() if call.program != "rustc" or call.compiles]
        assert busy == [], f"expected no cargo and no maturin, saw {busy}"


def real_tool(name: str) -> Path:
    """The toolchain's own program, behind rustup's proxy if there is one."""
    found = (name == "cargo" and toolchains.another_cargo()) or shutil.which(name)
    if found is None:
        raise FileNotFoundError(f"{name} is not on PATH: the tests need a Rust toolchain")
    rustup = shutil.which("rustup")
    if rustup is not None and Path(found).resolve() == Path(rustup).resolve():
        command = [rustup, "which", name]
        found = subprocess.run(command, check=True, capture_output=True, text=True).stdout.strip()
    return Path(found).resolve()
