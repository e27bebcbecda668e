"""`uv sync` of a workspace whose packages share a crate: the first one, nothing changed, an edit of
one package, an edit of the shared crate.

Another package is edited each time. An edit of the shared crate must show in all packages.
"""

from __future__ import annotations

import dataclasses
import shutil
from typing import TYPE_CHECKING

from . import cases, crates
from .cases import CARGO, MATURIN, WHEELPRINT, Case
from .sides import Cargo, Sync

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from .cases import Goal
    from .crates import Crate
    from .sides import Ground, Side

#: How many packages, and in which rounds plain maturin comes: it takes minutes with twenty.
SIZES = {4: 3, 20: 1_000}
ROUNDS = 5
QUICK = 21
#: Each step with its goal, in plain maturin's time.
FIRST, NOTHING, ONE, SHARED = "first sync", "nothing changed", "edit of one", "edit of shared crate"
GOALS = {FIRST: 0.4, NOTHING: 1.05, ONE: 0.08, SHARED: 0.06}

_KEYS = """cache-keys = [{ file = "pyproject.toml" }, { file = "src/**/*.rs" }, \
{ file = "Cargo.toml" }, { file = "../../shared/src/**/*.rs" }]"""
_CARGO = """[package]
name = "{name}"
version = "1.0.0"
edition = "2024"

[lib]
name = "{name}_core"
crate-type = ["cdylib"]

[dependencies]
pyo3 = {{ version = "0.28.2", features = ["extension-module", "abi3-py39"] }}
shared = {{ path = "../../shared" }}
"""
_LIB = """use pyo3::prelude::*;

mod text;

#[pymodule]
mod _core {
    use pyo3::prelude::*;

    #[pyfunction]
    fn shown() -> &'static str {
        crate::text::TEXT
    }

    #[pyfunction]
    fn shared() -> &'static str {
        ::shared::TEXT
    }
}
"""
_TEXT = 'pub const TEXT: &str = "edit {number:06}";\n'


def measure(ground: Ground, wanted: str) -> Iterator[Case]:
    """The cases whose names contain a text."""
    for size, every in SIZES.items():
        names = {step: f"workspace of {size} packages {step}" for step in GOALS}
        if any(wanted in name for name in names.values()):
            yield from _measure(ground, size, every)


def _measure(ground: Ground, size: int, every: int) -> Iterator[Case]:
    one, shared = packages(size)

    def case(name: str, seconds: dict[str, list[float]]) -> Case:
        goals: list[Goal] = [cases.times(MATURIN, GOALS[name])]
        return Case(f"workspace of {size} packages", name, seconds, goals)

    sides: dict[str, Side] = {}

    def first(name: str, make: Callable[[], Side]) -> Callable[[int], float]:
        def measured(_: int) -> float:
            sides[name] = make()
            seconds = sides[name].act()
            sides[name].check(0)
            return seconds

        return measured

    makers: dict[str, Callable[[], Side]] = {
        WHEELPRINT: lambda: Sync(ground, "wheelprint", one, "release"),
        MATURIN: lambda: Sync(ground, "maturin", one, "release"),
        CARGO: lambda: Cargo(ground, one, "release"),
    }
    contenders = {name: first(name, make) for name, make in makers.items()}
    yield case(FIRST, cases.in_turn(1, contenders))

    quick = {name: sides[name] for name in (WHEELPRINT, MATURIN)}
    acts = {name: lambda _, side=side: side.act() for name, side in quick.items()}
    yield case(NOTHING, cases.in_turn(QUICK, acts))

    for step, crate in ((ONE, one), (SHARED, shared)):
        edits = {name: _edited(side, crate) for name, side in sides.items()}
        seconds = cases.in_turn(ROUNDS, edits, seldom=[MATURIN], every=every)
        yield case(step, seconds)
    for side in sides.values():
        shutil.rmtree(side.folder)


def _edited(side: Side, crate: Crate) -> Callable[[int], float]:
    numbers = iter(range(1, 1_000))

    def measured(_: int) -> float:
        side.crate = crate
        return side.after_edit(next(numbers))

    return measured


def packages(size: int) -> tuple[Crate, Crate]:
    """A workspace, and the same one again: edits change one package, or the shared crate."""
    names = [f"package{number:02}" for number in range(size)]

    def make(folder: Path) -> None:
        _write(folder / "pyproject.toml", '[tool.uv.workspace]\nmembers = ["packages/*"]\n')
        members = '[workspace]\nmembers = ["packages/*", "shared"]\nresolver = "3"\n'
        _write(folder / "Cargo.toml", members)
        head = '[package]\nname = "{}"\nversion = "1.0.0"\nedition = "2024"\n'
        _write(folder / "shared" / "Cargo.toml", head.format("shared"))
        _write(folder / "shared" / "src" / "lib.rs", _TEXT.format(number=0))
        for name in names:
            package = folder / "packages" / name
            _write(package / "pyproject.toml", crates.PYPROJECT.format(name=name, module=name))
            _write(package / "Cargo.toml", _CARGO.format(name=name))
            _write(package / "src" / "lib.rs", _LIB)
            _write(package / crates.SHOWN, _TEXT.format(number=0))
            init = package / "python" / name / "__init__.py"
            _write(init, "from ._core import shared, shown\n")

    def edit(folder: Path, number: int) -> None:
        package = folder / "packages" / names[number % size]
        _write(package / crates.SHOWN, _TEXT.format(number=number))

    def edit_shared(folder: Path, number: int) -> None:
        _write(folder / "shared" / "src" / "lib.rs", _TEXT.format(number=number))

    modules = ", ".join(names)
    one = crates.Crate(
        f"workspace-of-{size}",
        make,
        edit,
        f"import {modules}; print(max(one.shown() for one in ({modules})))",
        lambda number: f"edit {number:06}",
        packages=tuple(f"packages/{name}" for name in names),
        sync=("sync", "--all-packages"),
        keys=_KEYS,
    )
    probe = f"import {modules}; print(*{{one.shared() for one in ({modules})}})"
    return one, dataclasses.replace(one, edit=edit_shared, probe=probe)


def _write(path: Path, text: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8")
