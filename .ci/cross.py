"""Lints both crates for Windows and macOS, and runs the tests for Windows under Wine.

`nox -s cross` runs this script on Linux. It lists all missing tools at once, and how to install
them. Arguments select steps: `windows`, `macos`, `tests`.
"""

from __future__ import annotations

import importlib.util
import os
import shutil
import subprocess
import sys
from pathlib import Path

WINDOWS, MACOS = "x86_64-pc-windows-gnu", "aarch64-apple-darwin"
STEPS = ("windows", "macos", "tests")
MINGW = "x86_64-w64-mingw32-gcc"
#: Variable with the folder of std's sources for `-Zbuild-std`, if the toolchain has none.
SOURCES = "__CARGO_TESTS_ONLY_SRC_ROOT"
DENY = ("--", "-D", "warnings")
BUILD_STD = "-Zbuild-std=std,panic_unwind,proc_macro,test"

#: Rust's std gets random numbers from this library, which Wine before version 9 does not have.
RANDOM_NUMBERS = """\
#include <windows.h>
BOOLEAN NTAPI SystemFunction036(PVOID, ULONG);
__declspec(dllexport) BOOL WINAPI ProcessPrng(PBYTE bytes, SIZE_T count)
{ return SystemFunction036(bytes, (ULONG)count); }
"""
#: zig has its own target names, so the options with cargo's names are dropped.
MACOS_COMPILER = """\
#!/bin/bash
arguments=()
for argument in "$@"; do
    case "$argument" in
        --target=* | -arch | arm64 | -mmacosx-version-min=*) ;;
        *) arguments+=("$argument") ;;
    esac
done
exec "{python}" -m ziglang cc -target aarch64-macos "${{arguments[@]}}"
"""
RUNNER = """\
#!/bin/bash
# A program's libraries are looked for beside it.
cp "{library}" "$(dirname "$1")/"
export WINEPREFIX="{prefix}" WINEDEBUG=-all WINEDLLOVERRIDES="bcryptprimitives=n"
exec "{wine}" "$@"
"""


class Missing(Exception):
    """A tool is missing; the message says how to get it."""


def main(arguments: list[str]) -> int:
    steps = arguments or list(STEPS)
    if unknown := sorted(set(steps) - set(STEPS)):
        print(f"no such step: {', '.join(unknown)}; there are {', '.join(STEPS)}")
        return 2
    folder = Path(os.environ.get("CARGO_TARGET_DIR", "target/cross")).resolve()
    folder.mkdir(parents=True, exist_ok=True)
    targets = {"windows": WINDOWS, "macos": MACOS, "tests": WINDOWS}
    wanted = sorted({targets[step] for step in steps})
    env = {**os.environ, "CARGO_TARGET_DIR": str(folder), "PYO3_NO_PYTHON": "1"}
    builds_std: dict[str, bool] = {}
    lacks = []
    needs = [lambda target=target: std_of(target, builds_std) for target in wanted]
    if WINDOWS in wanted:
        needs.append(lambda: windows_compiler(env))
    if MACOS in wanted:
        needs.append(lambda: macos_compiler(env, folder))
    if "tests" in steps:
        needs.append(lambda: runner(env, folder))
    for need in needs:
        try:
            need()
        except Missing as missing:
            lacks.append(str(missing))
    if lacks:
        print(*(f"missing: {text}" for text in dict.fromkeys(lacks)), sep="\n")
        return 2
    if any(builds_std.values()):
        # `-Zbuild-std` is not stable.
        env["RUSTC_BOOTSTRAP"] = "1"
        env[SOURCES] = str(std_sources())
    for step in steps:
        target = targets[step]
        options = ["--locked", "--target", target]
        options += [BUILD_STD] if builds_std[target] else []
        lint = ["cargo", "clippy", *options]
        if step == "tests":
            # `--lib` leaves out tests/, because their DLL has more symbols than mingw's linker can
            # export.
            run(["cargo", "test", "--lib", *options], env)
        else:
            for features in ([], ["--features", "python"]):
                run([*lint, "--lib", "--tests", *features, *DENY], env)
            run([*lint, "--all-targets", "--manifest-path", "shared/Cargo.toml", *DENY], env)
    return 0


def run(command: list[str], env: dict[str, str]) -> None:
    print("+", *command, flush=True)
    code = subprocess.run(command, env=env, check=False).returncode
    if code:
        raise SystemExit(code)


def asked(*command: str) -> str:
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout.strip()


def library_of_rust() -> Path:
    return Path(asked("rustc", "--print", "sysroot"), "lib", "rustlib")


def std_of(target: str, builds_std: dict[str, bool]) -> None:
    """Checks that std for the target is installed, or that its sources are, to build it."""
    has_std = any((library_of_rust() / target / "lib").glob("libstd-*.rlib"))
    builds_std[target] = not has_std
    if not has_std and std_sources() is None:
        raise Missing(
            f"Rust's std for {target}. Get it: `rustup target add {target}`. Or get std's sources, "
            "of which it is built then: `rustup component add rust-src`, or Debian's package "
            f"rust-src; where they lie elsewhere, {SOURCES} names their folder `library`"
        )


def std_sources() -> Path | None:
    """The folder `library` in the sources of the compiler in use."""
    version = asked("rustc", "-V").split()[1]
    given = os.environ.get(SOURCES)
    places = [
        *([Path(given)] if given else []),
        library_of_rust() / "src" / "rust" / "library",
        Path("/usr/src", f"rustc-{version}", "library"),
    ]
    return next((place for place in places if (place / "std" / "Cargo.toml").is_file()), None)


def windows_compiler(env: dict[str, str]) -> None:
    if shutil.which(MINGW) is None:
        raise Missing(
            f"a C compiler for Windows, {MINGW}. Get it: `apt-get install gcc-mingw-w64-x86-64`"
        )
    env["CARGO_TARGET_X86_64_PC_WINDOWS_GNU_LINKER"] = MINGW


def macos_compiler(env: dict[str, str], folder: Path) -> None:
    if sys.platform == "darwin":
        return
    if importlib.util.find_spec("ziglang") is None:
        raise Missing("a C compiler for macOS. Get it: `pip install ziglang`")
    env["CC_aarch64_apple_darwin"] = script(
        folder / "macos-cc", MACOS_COMPILER.format(python=sys.executable)
    )


def runner(env: dict[str, str], folder: Path) -> None:
    """Sets up Wine as the test runner, with a library that old versions lack."""
    known = ("wine64", "/usr/lib/wine/wine64", "wine")
    wine = next(filter(None, map(shutil.which, known)), None)
    if wine is None:
        raise Missing("Wine. Get it: `apt-get install wine64`")
    if shutil.which(MINGW) is None:
        # `windows_compiler` reports it.
        return
    source, library = folder / "random.c", folder / "bcryptprimitives.dll"
    source.write_text(RANDOM_NUMBERS, encoding="utf-8")
    subprocess.run([MINGW, "-shared", "-o", library, source, "-ladvapi32"], check=True)
    text = RUNNER.format(library=library, prefix=folder / "wine", wine=wine)
    env["CARGO_TARGET_X86_64_PC_WINDOWS_GNU_RUNNER"] = script(folder / "run-windows", text)


def script(path: Path, text: str) -> str:
    path.write_text(text, encoding="utf-8")
    path.chmod(0o755)
    return str(path)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
