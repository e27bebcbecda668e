"""Wrappers of `cargo`, `rustc` and `maturin` that log each call and then run the real program.

The wrappers are first on PATH. They start the toolchain's own programs, not rustup's proxies. A
proxy would put its own folder before ours on PATH, and then cargo's calls of rustc would bypass the
wrapper.

The log has each call of rustc, with the name of the package, because cargo sets CARGO_PKG_NAME. So
the list of compiled packages is exact, does not depend on printed output, and needs no
RUSTC_WRAPPER, which is an input.
"""

from __future__ import annotations

import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

from . import toolchains

#: This name must not count as an input.
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
    """One logged process."""

    program: str
    package: str
    arguments: tuple[str, ...]

    @property
    def compiles(self) -> bool:
        """Whether the call compiles a crate. Cargo also asks rustc about itself."""
        named = self.program == "rustc" and "--crate-name" in self.arguments
        return named and "___" not in self.arguments


class Spy:
    """The wrappers of one worker, and their log."""

    def __init__(self, folder: Path) -> None:
        self.programs = folder / "bin"
        self.log = folder / "calls.log"
        self.programs.mkdir(parents=True, exist_ok=True)
        for name in ("cargo", "rustc"):
            self.wrap(name, real_tool(name), self.programs)

    @staticmethod
    def supported() -> bool:
        """Whether wrappers work here: they are shell scripts."""
        return sys.platform != "win32"

    @staticmethod
    def wrap(name: str, program: Path, folder: Path) -> None:
        """Writes a wrapper. An equal file is not written again, because cargo compares rustc's
        timestamp."""
        script = _WRAPPER.replace("@NAME@", name).replace("@PROGRAM@", str(program))
        path = folder / name
        if path.exists() and path.read_text() == script:
            return
        path.write_text(script)
        path.chmod(0o755)

    @staticmethod
    def wrap_in_place(program: Path) -> None:
        """Renames a program and puts a wrapper in its place."""
        real = program.with_name(f"{program.name}-itself")
        program.rename(real)
        Spy.wrap(program.name, real, program.parent)

    def clear(self) -> None:
        """Removes all calls from the log."""
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
        """The packages of all compiled crates, including build scripts."""
        return {call.package for call in self.calls("rustc") if call.compiles}

    def assert_idle(self) -> None:
        """No cargo and no maturin process was started. `rustc -vV` is allowed."""
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
