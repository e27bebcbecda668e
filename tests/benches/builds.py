"""`uv build`: an sdist, and the wheel from it, in a temporary folder each time.

The first one in a new copy of the project, with caches that know nothing of it, and then one after
nothing was changed and one after an edit. A wheel that does not show the last edit ends the bench.
"""

from __future__ import annotations

import shutil
import sys
import zipfile
from typing import TYPE_CHECKING

from support.workbench import find_uv

from . import cases, crates
from .cases import MATURIN, WHEELPRINT, Case
from .sides import Sync

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from .sides import Ground

COPIES = 1
TURNS = 2
STEPS = ("the first one", "nothing changed", "after an edit")


def measure(ground: Ground, wanted: str) -> Iterator[Case]:
    """The cases whose names contain a text."""
    if not any(wanted in f"uv build {step}" for step in STEPS):
        return
    crate = crates.rpds(ground.folder / "download-for-uv-build")
    sides: dict[str, Sync] = {}

    def first(name: str, backend: str) -> Callable[[int], float]:
        def measured(number: int) -> float:
            sides[name] = Sync(ground, backend, crate, "release", number=10 + number)
            return _build(sides[name], 0)

        return measured

    backends = {WHEELPRINT: "wheelprint", MATURIN: "maturin"}
    seconds = cases.in_turn(COPIES, {name: first(name, of) for name, of in backends.items()})
    yield Case("`uv build` of rpds-py", STEPS[0], seconds, [cases.times(MATURIN, 1.1)])

    def again(name: str) -> Callable[[int], float]:
        return lambda _: _build(sides[name], 0)

    seconds = cases.in_turn(TURNS, {name: again(name) for name in backends})
    yield Case("`uv build` of rpds-py", STEPS[1], seconds, [cases.times(MATURIN, 1.0)])

    def edited(name: str) -> Callable[[int], float]:
        def measured(number: int) -> float:
            sides[name].crate.edit(sides[name].root, number + 1)
            return _build(sides[name], number + 1)

        return measured

    seconds = cases.in_turn(TURNS, {name: edited(name) for name in backends})
    yield Case("`uv build` of rpds-py", STEPS[2], seconds, [cases.times(MATURIN, 1.0)])


def _build(side: Sync, number: int) -> float:
    dist = side.folder / "dist"
    shutil.rmtree(dist, ignore_errors=True)
    seconds = side.timed(find_uv(), "build", "--out-dir", dist)
    (wheel,) = dist.glob("*.whl")
    assert list(dist.glob("*.tar.gz")), "an sdist too"
    with zipfile.ZipFile(wheel) as archive:
        (module,) = (name for name in archive.namelist() if name.endswith((".so", ".pyd")))
        if side.crate.shows(number).encode() not in archive.read(module):
            sys.exit(f"{side.folder.name}: {wheel.name} does not say {side.crate.shows(number)}")
    return seconds
