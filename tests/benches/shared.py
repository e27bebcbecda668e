"""A machine without Rust that gets a build from the store that a team shares.

Measured is the first `uv sync` in a new folder, with empty caches.

The do-nothing backend has the same wheel at hand, and caches that are as empty.
"""

from __future__ import annotations

import os
import shutil
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from support import environment, machines, measuring
from support.workbench import find_uv

from . import cases, crates
from .cases import IDLE, WHEELPRINT, Case
from .sides import Idle, Sync

if TYPE_CHECKING:
    from collections.abc import Iterator

    from .sides import Ground

ROUNDS = 7
GROUP, NAME = "a shared store", "first `uv sync` without Rust"


def measure(ground: Ground, wanted: str) -> Iterator[Case]:
    """The case, if its name contains a text and the program is at hand."""
    dist = Path(os.environ["WHEELPRINT_DIST"])
    if wanted not in f"{GROUP} {NAME}" or not [*dist.glob("wheelprint_shared-*.whl")]:
        return
    crate = crates.generated("shared", 2)
    builder = Sync(ground, WHEELPRINT, crate, "release")
    store = builder.folder / "store"
    store.mkdir()
    settings = f'url = "{store.as_uri()}"\nwithout-toolchain = true\n'
    for pyproject in crate.pyprojects(builder.root):
        text = pyproject.read_text(encoding="utf-8")
        text = text.replace('["wheelprint"]', '["wheelprint[shared]"]')
        pyproject.write_text(f"{text}\n[tool.wheelprint.shared]\n{settings}", encoding="utf-8")
    builder.env["WHEELPRINT_SHARED"] = "write"
    builder.act()
    tool = ("tool", "run", "--from", "wheelprint[shared]", "wheelprint", "shared", "push")
    measuring.run([find_uv(), *tool], builder.root, builder.env)
    idle = Idle(ground, builder)
    idle.act()
    sides = {WHEELPRINT: builder, IDLE: idle}

    def first(name: str, number: int) -> float:
        """The seconds of the first sync of another machine."""
        side = sides[name]
        folder = side.folder / f"machine{number}"
        other = side.at(folder / "project")
        ignored = shutil.ignore_patterns("target", ".venv", "*.so")
        shutil.copytree(side.root, other.root, ignore=ignored)
        caches = replace(ground, env={}).env_of(folder)
        other.env = {**side.env, **caches, "WHEELPRINT_SHARED": "read"}
        for program in (*machines.RUST, "maturin"):
            other.env["PATH"] = environment.path_without(program, other.env["PATH"])
        seconds = other.act()
        other.check(0)
        shutil.rmtree(folder)
        return seconds

    contenders = {name: lambda number, name=name: first(name, number) for name in sides}
    seconds = cases.in_turn(ROUNDS, contenders)
    yield Case(GROUP, NAME, seconds, [cases.times(IDLE, 3.0)])
    for side in sides.values():
        shutil.rmtree(side.folder)
