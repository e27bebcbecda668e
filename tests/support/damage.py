"""Damages the files of a store one after the other, and calls a hook after each: `damage.py PLAN`.

Thousands of cases are cheap only in one process and without a compiler. PATH has no cargo, so a
hook either answers from the store or fails at once, because a build would be needed. Both are
correct. An answer with other bytes is wrong. The plan is JSON:

    hook        the name of the hook
    settings    its config settings
    spends      whether the hook uses up the stored answer
    store       the folder with the damaged files, which is restored after each case
    files       the files to damage, relative to the store; a hook may remove others, and they are
                restored too
    strangers   files that replace each of them
    right       the correct result of the hook, as computed by `digest`
    path        PATH

The last line of output is JSON: the number of cases for each kind of damage, how many of them were
answered, and the errors. The interpreter of the environment with wheelprint runs this script, so it
uses only the standard library. Tests use `flips` and `cuts` too.
"""

from __future__ import annotations

import hashlib
import json
import os
import sys
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterator

#: The number of windows that a file is divided into. A window has at least one byte.
WINDOWS = 96
CUTS = 24


def flips(content: bytes, windows: int = WINDOWS) -> Iterator[tuple[str, bytes]]:
    """Contents with flipped bits. Each byte of the file is flipped in one of them."""
    size = -(-len(content) // windows) or 1
    for start in range(0, len(content), size):
        window = content[start : start + size]
        # First flip all bits of the window, then only the lowest bit of its middle byte.
        whole = bytes(byte ^ 0xFF for byte in window)
        yield f"flip {start}+{size}", content[:start] + whole + content[start + size :]
        middle = start + len(window) // 2
        one = bytes([content[middle] ^ 1])
        yield f"bit at {middle}", content[:middle] + one + content[middle + 1 :]


def cuts(content: bytes, count: int = CUTS) -> Iterator[tuple[str, bytes]]:
    """Contents that are shorter, down to an empty file, and longer."""
    lengths = {0, 1, len(content) - 1, *(len(content) * part // count for part in range(count))}
    for length in sorted(length for length in lengths if 0 <= length < len(content)):
        yield f"cut to {length}", content[:length]
    for more in (b"\0", b"\n", b" ", b"{}", b"\xff" * 5000, content):
        yield f"longer by {len(more)}", content + more


def digest(path: Path) -> str:
    """The digest of a file, or of a folder with the names of its files."""
    found = hashlib.sha256()
    for file in sorted(path.rglob("*")) if path.is_dir() else [path]:
        if file.is_file():
            found.update(f"{file.relative_to(path)}\0".encode() if file != path else b"")
            found.update(hashlib.sha256(file.read_bytes()).digest())
    return found.hexdigest()


class Store:
    """The contents of a folder, to be restored later."""

    def __init__(self, folder: Path, *, keeps_times: bool) -> None:
        self.folder = folder
        self.keeps_times = keeps_times
        self.files = {path: path.read_bytes() for path in self._paths()}
        self.times = {path: path.stat().st_mtime_ns for path in self.files}

    def _paths(self) -> Iterator[Path]:
        for folder, folders, names in os.walk(self.folder):
            # Skip large folders that no hook changes here.
            folders[:] = [
                name for name in folders if name not in ("interpreters", "archive-target")
            ]
            yield from (Path(folder, name) for name in names)

    def restore(self, touched: Path) -> None:
        for path in set(self._paths()) - self.files.keys():
            path.unlink()
        for path, content in self.files.items():
            if path == touched or not path.exists() or path.stat().st_size != len(content):
                path.parent.mkdir(parents=True, exist_ok=True)
                path.write_bytes(content)
                if self.keeps_times:
                    os.utime(path, ns=(self.times[path], self.times[path]))


class Asked:
    """Calls hooks, each with a new output folder."""

    def __init__(self, plan: dict[str, Any]) -> None:
        self.plan = plan
        self.folder = Path(tempfile.mkdtemp(dir=plan["out"]))
        self.count = 0

    def call(self, hook: str) -> Any:
        import wheelprint

        settings = self.plan.get("settings")
        if hook.startswith("get_requires"):
            return getattr(wheelprint, hook)(settings)
        self.count += 1
        folder = self.folder / str(self.count)
        folder.mkdir()
        try:
            name = getattr(wheelprint, hook)(str(folder), settings)
            given = digest(folder / name)
        except SystemExit:
            left = [path.name for path in folder.rglob("*") if path.is_file()]
            assert not left, f"half-made: {left}"
            return None
        finally:
            for path in sorted(folder.rglob("*"), reverse=True):
                path.rmdir() if path.is_dir() else path.unlink()
            folder.rmdir()
        return given


def cases(plan: dict[str, Any], content: bytes) -> Iterator[tuple[str, bytes]]:
    yield from flips(content, plan.get("windows", WINDOWS))
    yield from cuts(content)
    for name in plan.get("strangers", []):
        stranger = Path(name).read_bytes()
        if stranger != content:
            yield f"in its place {name}", stranger


def main() -> None:
    plan = json.loads(Path(sys.argv[1]).read_text())
    os.environ["PATH"] = plan["path"]
    asked = Asked(plan)
    hook, right, spends = plan["hook"], plan["right"], plan.get("spends", False)
    if not spends:
        # The first call runs rustc to get its version, and later calls reuse it.
        asked.call(hook)
    store = Store(Path(plan["store"]), keeps_times=not spends)
    done: dict[str, int] = {}
    answered: dict[str, int] = {}
    wrong: list[str] = []
    for name in plan["files"]:
        path = store.folder / name
        content = store.files[path]
        for what, damaged in cases(plan, content):
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(damaged)
            try:
                given = asked.call(hook)
            except BaseException as error:
                wrong.append(f"{name}: {what}: {error!r}")
                given = None
            kind = f"{name}: {what.split()[0]}"
            done[kind] = done.get(kind, 0) + 1
            if given is not None:
                answered[kind] = answered.get(kind, 0) + 1
                if given != right:
                    wrong.append(f"{name}: {what}: {given} in place of {right}")
            store.restore(path)
    told = {"cases": done, "answered": answered, "wrong": wrong[:20], "still": asked.call(hook)}
    print(json.dumps(told))


if __name__ == "__main__":
    # Remove the folder of this file from the path, because a frontend would not add it.
    del sys.path[0]
    main()
