"""What finding out costs: warm and cold, with few inputs and many; and a fresh hook, whole.

Every measurement is a new process, as a frontend's hooks are. A verdict is timed inside it, from
before `import wheelprint` to the answer of `get_requires_for_build_editable`; all the rest is timed
from outside.
"""

from __future__ import annotations

import os
import shlex
import shutil
import time
from typing import TYPE_CHECKING

from support import environment, measuring
from support.workbench import find_uv

from . import cases, many
from .cases import IDLE, WHEELPRINT, Case
from .sides import Idle, Sync

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from .sides import Ground

SIZES = (100, 1_000, 10_000)
ROUNDS = 21
GIT = "git status"
SHA = "sha256sum on all cores"
_VERDICT = """import time
began = time.perf_counter()
import wheelprint
asked = wheelprint.get_requires_for_build_editable()
print(time.perf_counter() - began)
assert asked == [], asked
"""
_HOOK = "import {0}; {0}.build_editable({1!r})"


def measure(ground: Ground, wanted: str) -> Iterator[Case]:
    """The cases whose names contain a text."""
    names = ("warm verdict", "cold verdict", "hook process, fresh")
    if not any(wanted in name for name in names):
        return
    side = Sync(ground, "wheelprint", many.project(), "dev", number=1)
    python = ground.venv("hooks", "wheelprint", "maturin")
    output = side.folder / "output"
    output.mkdir()
    hook = [python, "-c", _HOOK.format("wheelprint", str(output))]
    _commit(side)
    warm: dict[int, dict[str, list[float]]] = {}
    for size in SIZES:
        texts = many.write(side.root, size)
        measuring.run(["git", "add", "-A"], side.root, side.env)
        measuring.run(hook, side.root, side.env)
        time.sleep(2.5)
        _verdict(python, side)
        contenders = {
            WHEELPRINT: lambda _: _verdict(python, side),
            GIT: lambda _: side.timed("git", "status", "--porcelain"),
        }
        warm[size] = cases.in_turn(ROUNDS, contenders)
        yield Case("warm verdict", f"{size:,} inputs", warm[size], [cases.times(GIT, 1.0)])
        cold: dict[str, Callable[[int], float]] = {WHEELPRINT: lambda _: _cold(python, side)}
        if shutil.which("sha256sum") and shutil.which("xargs"):
            command = _hash_all(side.folder / "texts", texts)
            cold[SHA] = lambda _, command=command: side.timed(*command)
        goals = [cases.times(SHA, 1.0)] if SHA in cold and size >= 1_000 else []
        yield Case("cold verdict", f"{size:,} inputs", cases.in_turn(ROUNDS, cold), goals)
        if size == SIZES[0]:
            yield _whole(ground, side, python, hook)
    few, lots = SIZES[0], SIZES[-1]
    slopes = {
        name: [
            (more - less) / (lots - few) for less, more in zip(warm[few][name], warm[lots][name])
        ]
        for name in (WHEELPRINT, GIT)
    }
    yield Case("warm verdict", "each input more", slopes, [cases.times(GIT, 1.0)])


def _verdict(python: Path, side: Sync) -> float:
    return float(measuring.run([python, "-c", _VERDICT], side.root, side.env))


def _cold(python: Path, side: Sync) -> float:
    for memory in (side.folder / "wheelprint-cache").glob("projects/*/trees/*/stat*"):
        memory.unlink()
    return _verdict(python, side)


def _hash_all(names: Path, texts: list[Path]) -> list[str]:
    names.write_text("\0".join(map(str, texts)))
    cores = os.cpu_count() or 1
    share = max(len(texts) // (4 * cores), 1)
    script = f"xargs -0 -P {cores} -n {share} sha256sum < {shlex.quote(str(names))}"
    return ["sh", "-c", f"{script} > /dev/null"]


def _whole(ground: Ground, side: Sync, python: Path, hook: list[str | Path]) -> Case:
    idle = Idle(ground, side)
    dist = side.folder / "idle-dist"
    venv = idle.folder / "hooks"
    measuring.run([find_uv(), "venv", venv], idle.folder, idle.env)
    idle_python = environment.python_in(venv)
    install = [find_uv(), "pip", "install", "--python", idle_python, *dist.iterdir()]
    measuring.run(install, idle.folder, idle.env)
    (idle.folder / "output").mkdir()
    idle_hook = [idle_python, "-c", _HOOK.format("idle_backend", str(idle.folder / "output"))]
    contenders = {
        WHEELPRINT: lambda _: side.timed(*hook),
        "import alone": lambda _: side.timed(python, "-c", "import wheelprint._native"),
        IDLE: lambda _: side.timed(*idle_hook),
        "interpreter alone": lambda _: side.timed(python, "-c", "pass"),
    }
    seconds = cases.in_turn(2 * ROUNDS, contenders)
    goals = [cases.more("interpreter alone", 11.0)]
    return Case("hook process, fresh", f"{SIZES[0]} inputs", seconds, goals)


def _commit(side: Sync) -> None:
    def git(*args: str) -> None:
        identity = ["-c", "user.name=n", "-c", "user.email=e@example.com"]
        measuring.run(["git", *identity, *args], side.root, side.env)

    git("init", "-q")
    git("add", "-A")
    git("commit", "-q", "-m", "one")
