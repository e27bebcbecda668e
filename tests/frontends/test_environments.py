"""One tree, built in turn where another maturin is installed and where none is."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from support import asking
from support.versions import LOWEST_MATURIN

if TYPE_CHECKING:
    from pathlib import Path

    from conftest import CheckOut
    from support.project import HookRun, Project

pytestmark = pytest.mark.frontends


def isolated(project: Project) -> tuple[HookRun, Path]:
    """As a frontend builds in an environment of its own: with maturin if it was asked for."""
    asked = project.hook("get_requires_for_build_editable", None, venv=None).ok().result
    return project.build("editable", venv="newest" if asked else None)


def not_isolated(project: Project) -> tuple[HookRun, Path]:
    """In an environment that has an old maturin, and keeps it."""
    return project.build("editable", venv=LOWEST_MATURIN)


def test_they_take_turns(check_out: CheckOut) -> None:
    """Each shows the current source, and neither makes what the other built look old."""
    project = check_out("cffi-bindings")
    for expected in (*project.sample.shows, project.sample.shows[0]):
        for turn in range(3):
            for build in (isolated, not_isolated):
                run, wheel = build(project)
                assert asking.probe(project, wheel) == expected
                # Everything is in the store after one turn, or before it: it was edited back.
                is_known = turn > 0
                assert not is_known or run.verdict.startswith("fresh: "), (turn, build, run.verdict)
        (project.edit if expected == project.sample.shows[0] else project.undo_edit)()


@pytest.mark.parametrize("edited_before", ["metadata", "build"])
def test_metadata_is_prepared_first(edited_before: str, check_out: CheckOut) -> None:
    """uv and pip ask for metadata between the two hooks. What is promised holds for all three."""
    project = check_out("cffi-bindings")
    _, first = project.build("editable")
    hook = "get_requires_for_build_editable"
    assert project.hook(hook, None, venv=None).ok().result == []
    if edited_before == "metadata":
        project.edit()
    folder = project.output_folder()
    prepared = project.hook("prepare_metadata_for_build_editable", folder, None, venv=None).ok()
    if edited_before == "build":
        project.edit()
    output, metadata = project.output_folder(), folder / prepared.result
    run = project.hook("build_editable", output, None, metadata, venv=None).ok()
    assert (output / run.result).read_bytes() == first.read_bytes()
    # The next build sees the edit.
    _, wheel = isolated(project)
    assert asking.probe(project, wheel) == project.sample.shows[1]
