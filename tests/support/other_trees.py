"""Fills the store with builds of other trees of a sample, if `WHEELPRINT_TEST_TREES` asks for it.

Every test of one tree must pass as well when other trees of the same project were built before.
"""

from __future__ import annotations

import os
import shutil
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

    from .workbench import Workbench

#: The kinds of builds that each of the trees makes.
_KINDS = ("editable", "wheel", "sdist")

_left_out = False


def wanted() -> int:
    """How many other trees there are in the store when a sample is checked out."""
    return 0 if _left_out else int(os.environ.get("WHEELPRINT_TEST_TREES", "0"))


@contextmanager
def without(*, is_first: bool) -> Iterator[None]:
    """Leaves the other trees out while this lasts, for a test of a first build."""
    global _left_out
    _left_out = is_first
    yield
    _left_out = False


def fill(bench: Workbench, name: str, store: Path) -> None:
    """Copies the other trees' store to `store`, which must not exist.

    The sample must be checked out. The trees are built once for each worker and sample. Their
    sources differ from the sample's by a comment, so none of their builds serves the sample."""
    filled = bench.folder / "other-trees" / name / "store"
    if name not in bench.other_trees:
        shutil.rmtree(filled.parent, ignore_errors=True)
        for number in range(wanted()):
            _build(bench, name, filled.with_name(f"tree{number}"))
        shutil.move(store, filled)
        bench.other_trees.add(name)
    shutil.copytree(filled, store, symlinks=True)


def _build(bench: Workbench, name: str, folder: Path) -> None:
    tree = bench.check_out(name, folder=folder)
    tree.append(tree.sample.source, f"// {folder.name}\n")
    for kind in _KINDS:
        tree.build(kind)
    # The target folders of all samples' trees would need gigabytes.
    shutil.rmtree(tree.target)
