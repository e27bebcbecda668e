"""The first build in another tree of a project uses the registry packages that the first tree has
compiled, and never reads the first tree's files."""

from __future__ import annotations

import dataclasses
import shutil
from typing import TYPE_CHECKING

import pytest
from support import asking, many

if TYPE_CHECKING:
    from conftest import CheckOut
    from support.project import Project

pytestmark = [pytest.mark.spy, pytest.mark.freshness]

#: Packages that pyo3 needs, and that do not look at the interpreter.
INDIFFERENT = {"libc", "once_cell", "proc-macro2", "quote", "syn", "unicode-ident"}


@pytest.fixture
def trees(check_out: CheckOut) -> tuple[Project, Project]:
    """Two trees of one project. The first one is built, the second one is edited."""
    first = check_out("pure")
    second = dataclasses.replace(first, root=first.path("../second"))
    first.build("editable")
    shutil.copytree(first.root, second.root, ignore=shutil.ignore_patterns("target"))
    second.edit()
    return first, second


def test_a_second_tree_uses_compiled_packages_of_the_first(trees: tuple[Project, Project]) -> None:
    first, second = trees
    second.spy.clear()
    run, wheel = second.build("editable")
    assert f"compiled packages come from {first.root}" in run.stderr
    assert second.spy.compiled() & INDIFFERENT == set()
    assert asking.probe(second, wheel) == second.sample.shows[1]

    # The first tree is gone, and nothing in the second one asks for it.
    shutil.rmtree(first.root)
    second.undo_edit()
    second.spy.clear()
    run, wheel = second.build("editable")
    assert "come from" not in run.stderr
    assert asking.probe(second, wheel) == second.sample.shows[0]
    assert second.spy.compiled() & INDIFFERENT == set()
    for module in second.target.glob("release/lib*.so"):
        assert str(first.root).encode() not in module.read_bytes()


def test_a_unit_that_names_the_first_tree_is_compiled_anew(trees: tuple[Project, Project]) -> None:
    first, second = trees
    (library,) = first.compiled_files("libonce_cell-*.rlib")
    before, content = library.stat(), library.read_bytes()
    library.write_bytes(content + str(first.root / "target").encode())
    asking.set_mtime(library, before.st_mtime_ns)
    second.spy.clear()
    try:
        _, wheel = second.build("editable")
    finally:
        # Other tests use the library.
        library.write_bytes(content)
        asking.set_mtime(library, before.st_mtime_ns)
    assert "once_cell" in second.spy.compiled()
    assert "syn" not in second.spy.compiled()
    assert asking.probe(second, wheel) == second.sample.shows[1]


def test_nothing_comes_from_a_tree_with_other_compiler_flags(
    trees: tuple[Project, Project],
) -> None:
    """Cargo does not compare CFLAGS unless a build script names the variable."""
    _, second = trees
    second.spy.clear()
    run, wheel = second.build("editable", CFLAGS="-DOTHER")
    assert "come from" not in run.stderr
    assert second.spy.compiled() >= INDIFFERENT
    assert asking.probe(second, wheel) == second.sample.shows[1]


def test_all_is_compiled_anew_if_what_was_brought_is_not_known(
    trees: tuple[Project, Project],
) -> None:
    _, second = trees
    second.build("editable")
    (mark,) = second.compiled_files("wheelprint-brought")
    mark.write_text("damaged")
    second.append(second.sample.source, "// once more\n")
    second.spy.clear()
    run, wheel = second.build("editable")
    assert len(run.warnings) == 1
    assert "it is not known what was brought from other trees" in run.warnings[0]
    assert second.spy.compiled() >= INDIFFERENT
    assert many.compiled_twice(second.spy) == set()
    assert asking.probe(second, wheel) == second.sample.shows[1]
    assert not mark.exists()
