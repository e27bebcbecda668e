"""Stamping a wheel beside packing and copying it, and the memory that it takes."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING

from support import measuring

from . import cases
from .cases import WHEELPRINT, Case

if TYPE_CHECKING:
    from collections.abc import Iterator

    from .sides import Ground

#: With the zip crate, as maturin does: deflated, with the digest of each file.
PACK = "packing it"
COPY = "copying the file"
CHECK = "checking RECORD alone"
MEGABYTES = (1, 10, 100)
ROUNDS = 9
REPOSITORY = Path(__file__).resolve().parents[2]


def measure(ground: Ground, wanted: str) -> Iterator[Case]:
    """The cases whose names contain a text."""
    for size in MEGABYTES:
        if wanted not in f"stamping a wheel {size} MB":
            continue
        command = ["cargo", "bench", "--quiet", "--locked", "--bench", "stamp", "--"]
        printed = measuring.run([*command, str(size), str(ROUNDS)], REPOSITORY, ground.rust)
        seen = json.loads(printed)
        seconds = {
            WHEELPRINT: seen["stamp"],
            CHECK: seen["check"],
            PACK: seen["pack"],
            COPY: seen["copy"],
        }
        name = f"{size} MB; memory {(seen['peak KiB'] or 0) / 1024:.0f} MiB"
        yield Case("stamping a wheel", name, seconds, [cases.times(PACK, 0.15)])
