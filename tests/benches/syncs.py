"""`uv sync`: the first one, with nothing changed, after a touch, a branch switch, an edit."""

from __future__ import annotations

import os
import shutil
from dataclasses import dataclass
from typing import TYPE_CHECKING

from . import cases, crates
from .cases import CARGO, DEVELOP, IDLE, MATURIN, WHEELPRINT, Case, Goal
from .sides import Cargo, Develop, Idle, Side, Sync, seed

if TYPE_CHECKING:
    from collections.abc import Iterator

    from .crates import Crate
    from .sides import Ground

PROFILES = ("dev", "release")
#: uv's cache, our store and cargo's target folder are empty each time.
FIRST = 3
QUICK = 12
EDITS = 5
ADDS_AT_MOST = 1.6


@dataclass
class Sides:
    """All contenders for one project in one profile."""

    sync: Sync
    maturin: Sync
    idle: Idle
    cargo: Cargo
    develop: Develop

    def everyone(self) -> dict[str, Side]:
        return {
            WHEELPRINT: self.sync,
            MATURIN: self.maturin,
            IDLE: self.idle,
            CARGO: self.cargo,
            DEVELOP: self.develop,
        }


def measure(ground: Ground, wanted: str) -> Iterator[Case]:
    """The cases whose names contain a text; what they need is built first."""
    minimal = crates.generated("minimal", 2)
    if wanted in "first sync":
        yield _first(ground, minimal)
    warm: dict[str, tuple[Cargo, Develop]] = {}
    everything = [
        ("2 files", lambda: minimal),
        ("50 files", lambda: crates.generated("fifty-files", 50)),
        ("500 files", lambda: crates.generated("five-hundred-files", 500)),
        ("rpds-py", lambda: crates.rpds(ground.folder / "download")),
    ]
    for title, make in everything:
        names = [f"sync after an edit {title} {profile}" for profile in PROFILES]
        extra = ["sync nothing changed", "sync after a touch", "sync after a branch switch back"]
        if not any(wanted in name for name in (*names, *(extra if title == "2 files" else ()))):
            continue
        crate = make()
        for profile, name in zip(PROFILES, names):
            is_first = title == "2 files" and profile == "release"
            if wanted not in name and not (is_first and any(wanted in name for name in extra)):
                continue
            sides = _sides(ground, crate, profile, warm)
            if is_first:
                yield from _nothing_new(sides)
            yield _edits(sides, title, profile)
            _put_away(sides)


def _sides(
    ground: Ground, crate: Crate, profile: str, warm: dict[str, tuple[Cargo, Develop]]
) -> Sides:
    print(f"  building {crate.name}, {profile}, with every contender", flush=True)
    sync, maturin = (Sync(ground, backend, crate, profile) for backend in ("wheelprint", "maturin"))
    for side in (sync, maturin):
        side.act()
        side.check(0)
    cargo = Cargo(ground, crate, profile)
    develop = Develop(ground, crate, profile)
    if profile in warm:
        for side, of in zip((cargo, develop), warm[profile]):
            seed(side.root, of.root)
    else:
        warm[profile] = (cargo, develop)
    sides = Sides(sync, maturin, Idle(ground, sync), cargo, develop)
    for side in (cargo, develop, sides.idle):
        side.act()
        side.check(0)
    return sides


def _put_away(sides: Sides) -> None:
    """Only what seeds the next ones is kept."""
    for side in (sides.sync, sides.maturin, sides.idle):
        shutil.rmtree(side.folder, ignore_errors=True)


def _first(ground: Ground, crate: Crate) -> Case:
    def once(backend: str, number: int) -> float:
        side = Sync(ground, backend, crate, "release", number + 1)
        seconds = side.act()
        side.check(0)
        shutil.rmtree(side.folder)
        return seconds

    contenders = {
        name: lambda number, backend=backend: once(backend, number)
        for name, backend in ((WHEELPRINT, "wheelprint"), (MATURIN, "maturin"))
    }
    seconds = cases.in_turn(FIRST, contenders)
    return Case("first `uv sync`", "2 files, release", seconds, [cases.times(MATURIN, 1.05)])


def _nothing_new(sides: Sides) -> Iterator[Case]:
    three = {
        name: side for name, side in sides.everyone().items() if name in (WHEELPRINT, MATURIN, IDLE)
    }

    def same(side: Side) -> float:
        return side.act()

    seconds = cases.in_turn(
        2 * QUICK, {name: lambda _, side=side: same(side) for name, side in three.items()}
    )
    yield Case("`uv sync`", "nothing changed", seconds, [cases.times(MATURIN, 1.05)])

    def touched(side: Side) -> float:
        os.utime(side.root / crates.SHOWN)
        return side.act()

    yield Case(
        "`uv sync`",
        "after a touch",
        cases.in_turn(
            QUICK,
            {name: lambda _, side=side: touched(side) for name, side in three.items()},
            seldom=[MATURIN],
            every=11,
        ),
        [cases.times(IDLE, 1.2)],
    )
    for side in three.values():
        _two_branches(side)

    def switched(side: Side, number: int) -> float:
        names = ("main", "other")
        branch = names[(number + 1) % 2]
        side.git("checkout", "-q", branch)
        seconds = side.act()
        side.check(names.index(branch) + 900)
        return seconds

    # Both branches have been built once; from here on each switch is one back.
    for side in three.values():
        side.act()
    yield Case(
        "`uv sync`",
        "after a branch switch back",
        cases.in_turn(
            QUICK - 1,
            {
                name: lambda number, side=side: switched(side, number)
                for name, side in three.items()
                if name != MATURIN
            }
            | {MATURIN: _by_turns(three[MATURIN], switched)},
            seldom=[MATURIN],
            every=11,
        ),
        [cases.times(IDLE, 1.2)],
    )


def _by_turns(side: Side, switched):  # type: ignore[no-untyped-def] # noqa: ANN001, ANN202
    """One that comes seldom must be switched each time it comes."""
    count = iter(range(1_000))
    return lambda _: switched(side, next(count))


def _two_branches(side: Side) -> None:
    side.crate.edit(side.root, 900)
    side.commit_all()
    side.act()
    side.git("checkout", "-q", "-b", "other")
    side.crate.edit(side.root, 901)
    side.git("commit", "-q", "-a", "-m", "two")
    side.act()
    side.git("checkout", "-q", "main")


def _edits(sides: Sides, title: str, profile: str) -> Case:
    counts = {name: iter(range(1, 1_000)) for name in sides.everyone()}
    contenders = {
        name: lambda _, side=side, count=counts[name]: side.after_edit(next(count))
        for name, side in sides.everyone().items()
    }
    seconds = cases.in_turn(EDITS, contenders, seldom=[MATURIN], every=2)
    is_minimal = title == "2 files"
    goals: list[Goal] = [cases.times(DEVELOP, 0.65 if is_minimal else 1.0)]
    if is_minimal:
        goals.append(cases.added(CARGO, IDLE, ADDS_AT_MOST))
    goals.append(cases.times(MATURIN, 0.1 if is_minimal else 1.0))
    return Case("`uv sync` after an edit", f"{title}, {profile}", seconds, goals)
