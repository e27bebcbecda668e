"""A second git worktree of a project: the first `uv sync` in it, and the first edit there.

Each round adds a worktree. The contender has built the same content in the project's main tree.
"""

from __future__ import annotations

import shutil
import sys
from typing import TYPE_CHECKING, Callable

from . import cases, crates
from .cases import CARGO, IDLE, MATURIN, WHEELPRINT, Case
from .sides import Cargo, Idle, Sync

if TYPE_CHECKING:
    from collections.abc import Iterator

    from .sides import Ground, Side

ROUNDS = 5
GROUP = "a second worktree"
FIRST, EDIT = "first `uv sync`", "first edit"


def measure(ground: Ground, wanted: str) -> Iterator[Case]:
    """The cases whose names contain a text."""
    if not any(wanted in f"{GROUP} {step}" for step in (FIRST, EDIT)):
        return
    crate = crates.generated("worktrees", 2)
    sync, maturin = (Sync(ground, backend, crate, "release") for backend in (WHEELPRINT, "maturin"))
    sync.act()
    idle = Idle(ground, sync)
    cargo = Cargo(ground, crate, "release")
    for side in (maturin, idle, cargo):
        side.act()
    for side in (sync, maturin, idle):
        # With the lock files of uv and cargo, as in most repositories.
        side.commit_all()
        side.act()
        side.check(0)
    trees = {WHEELPRINT: _Trees(sync), MATURIN: _Trees(maturin, runs_cargo=True)}
    firsts = {name: each.first for name, each in trees.items()} | {IDLE: _Trees(idle).first}
    seconds = cases.in_turn(ROUNDS, firsts, seldom=[MATURIN], every=3)
    yield Case(GROUP, FIRST, seconds, [cases.times(IDLE, 2.0)])
    edits: dict[str, Callable[[int], float]] = {name: each.edit for name, each in trees.items()}
    edits[CARGO] = lambda number: cargo.after_edit(number + 1)
    seconds = cases.in_turn(ROUNDS, edits, seldom=[MATURIN], every=3)
    yield Case(GROUP, EDIT, seconds, [cases.times(MATURIN, 0.1)])
    for side in (sync, maturin, idle):
        shutil.rmtree(side.folder)


class _Trees:
    """The worktrees of one contender."""

    def __init__(self, side: Side, *, runs_cargo: bool = False) -> None:
        self._side = side
        self._runs_cargo = runs_cargo
        self._trees: dict[int, Side] = {}

    def first(self, number: int) -> float:
        """Adds a worktree; the seconds of the first sync in it."""
        root = self._side.folder / f"tree{number}"
        self._side.git("worktree", "add", "-q", "--detach", root)
        tree = self._trees[number] = self._side.at(root)
        seconds = tree.act()
        tree.check(0)
        if not self._runs_cargo and (root / "target").exists():
            sys.exit(f"{tree.folder.name}: cargo ran for content that was built before")
        return seconds

    def edit(self, number: int) -> float:
        """The seconds of the first sync after an edit in the worktree of that number."""
        return self._trees[number].after_edit(number + 1)
