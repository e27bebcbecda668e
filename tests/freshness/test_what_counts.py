"""Every kind of source that can reach a compiled module: change one, and the module knows.

Each change is made to a project that was built before, and the module that comes out of the next
build is imported and asked. What counts besides sources is in the files beside this one.
"""

from __future__ import annotations

import os
import sys
from typing import TYPE_CHECKING

import pytest
from support import asking
from support.cases import check
from support.changes import SOURCES
from support.changes.edits import HELPER, link

if TYPE_CHECKING:
    from support.project import Project

pytestmark = pytest.mark.spy


@pytest.mark.parametrize("name", SOURCES)
def test_a_source(name: str, every_input: Project) -> None:
    check(every_input, SOURCES[name])


def test_the_last_of_several_edits_counts(every_input: Project) -> None:
    """Same length, as fast as they can be made."""
    for number in (3, 4, 5):
        every_input.write("src/linked.rs", f'pub const LINKED: &str = "linked {number}";\n')
        assert asking.stale(every_input).seen["linked"] == f"linked {number}"
    asking.fresh(every_input)


def test_a_deleted_module_fails_as_it_does_with_cargo(every_input: Project) -> None:
    """A store that still knows the answer must not hide the error, and nothing is stored of it."""
    asking.build(every_input)
    text = every_input.read("src/part.rs")
    every_input.path("src/part.rs").unlink()
    run = every_input.hook("build_editable", every_input.output_folder(), None).failed()
    assert run.verdict == "stale: src/part.rs is gone"
    assert "error[E0583]" in run.stderr
    every_input.write("src/part.rs", text)
    asking.fresh(every_input)


@pytest.mark.skipif(sys.platform == "win32", reason="no symbolic links for everybody")
def test_a_link_to_nowhere_fails_and_is_no_crash(every_input: Project) -> None:
    asking.build(every_input)
    link(every_input, "src/linked.rs", "nowhere.rs")
    run = every_input.hook("build_editable", every_input.output_folder(), None).failed()
    assert run.verdict == "stale: src/linked.rs is gone"


def test_a_change_is_seen_by_uv_run(every_input: Project) -> None:
    """All the way: uv builds in isolation, installs and runs."""
    probe = (
        "import every_input; s = every_input.seen(); print(s['edited'], s['helper'], s['words'])"
    )
    this_python = f">={sys.version_info.major}.{sys.version_info.minor}"
    every_input.replace("pyproject.toml", ">=3.9", this_python)
    assert every_input.uv_run(probe) == "edited 1 helper 1 first:one,second:two"
    every_input.edit()
    every_input.replace(f"{HELPER}/src/lib.rs", "helper 1", "helper 2")
    os.replace(every_input.path("words/first.txt"), every_input.path("words/fifth.txt"))
    assert every_input.uv_run(probe) == "edited 2 helper 2 fifth:one,second:two"
    every_input.spy.clear()
    every_input.uv_run(probe)
    every_input.spy.assert_idle()
