"""A small project with many inputs, installed by several contenders."""

from __future__ import annotations

from typing import TYPE_CHECKING

from . import crates

if TYPE_CHECKING:
    from pathlib import Path

    from .crates import Crate

#: What the crate has without them: sources, manifests, the toolchain and so on.
OWN = 40


def project() -> Crate:
    """A minimal crate of whose folder `many` every text counts."""
    minimal = crates.generated("many-inputs", 2)

    def make(folder: Path) -> None:
        minimal.make(folder)
        pyproject = folder / "pyproject.toml"
        extra = '\n[tool.wheelprint]\nextra-inputs = ["many/**/*.txt"]\n'
        pyproject.write_text(pyproject.read_text() + extra)
        (folder / ".gitignore").write_text("/target\n.venv*/\n*.so\n__pycache__\n")

    return crates.Crate(minimal.name, make, minimal.edit, minimal.probe, minimal.shows)


def write(root: Path, size: int) -> list[Path]:
    """Let it have so many inputs, all in all; gives the texts."""
    paths = []
    for number in range(max(size - OWN, 0)):
        path = root / "many" / f"{number // 50}" / f"{number}.txt"
        path.parent.mkdir(parents=True, exist_ok=True)
        if not path.exists():
            path.write_text(f"number {number}\n" * 40)
        paths.append(path)
    return paths
