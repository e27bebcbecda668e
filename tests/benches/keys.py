"""What a `uv sync` that has nothing to do costs with different cache keys.

With 30,000 more files in the target folder and without them; with the keys that
`wheelprint keys --write` writes, and with the usual `**/*.rs`.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from support import measuring
from support.workbench import find_uv

from . import cases, crates
from .cases import WHEELPRINT, Case
from .sides import Sync

if TYPE_CHECKING:
    from collections.abc import Iterator

    from .sides import Ground

FILES = 30_000
ROUNDS = 21
WIDE = "`**/*.rs` as key"


def measure(ground: Ground, wanted: str) -> Iterator[Case]:
    """The cases whose names contain a text."""
    name = f"nothing changed, {FILES:,} files in target/"
    if wanted not in f"uv sync {name}":
        return
    crate = crates.generated("keyed", 2)
    sides = {WHEELPRINT: Sync(ground, "wheelprint", crate, "dev")}
    sides[WHEELPRINT].act()
    sides[WIDE] = Sync(ground, "wheelprint", crate, "dev", number=1)
    for key, side in sides.items():
        pyproject = side.root / "pyproject.toml"
        keys = 'cache-keys = ["pyproject.toml", "**/*.rs"]' if key == WIDE else ""
        text = re.sub(r"(?s)cache-keys = \[.*\]", keys, pyproject.read_text())
        pyproject.write_text(text)
        side.act()
        if key == WHEELPRINT:
            command = [find_uv(), "tool", "run", "wheelprint", "keys", "--write"]
            measuring.run(command, side.root, side.env)
        for number in range(FILES):
            path = side.root / "target" / "many" / f"{number // 500}" / f"{number}.rs"
            path.parent.mkdir(parents=True, exist_ok=True)
            path.touch()
        # What the keys, and the new files, make uv do once.
        side.act()
    contenders = {key: lambda _, side=side: side.act() for key, side in sides.items()}
    seconds = cases.in_turn(ROUNDS, contenders)
    yield Case("`uv sync`", name, seconds, [cases.times(WIDE, 1.0)])
