"""Clocks that jump, and file systems whose times are coarse: nothing stale is taken for fresh."""

from __future__ import annotations

import itertools
import os
import threading
import time
from typing import TYPE_CHECKING

import pytest
from support import asking, shim
from support.background import Build
from support.installed import Editable, install

if TYPE_CHECKING:
    from conftest import CheckOut
    from support.project import Project

SOURCE = "src/answer.rs"
HOUR, DAY = 3600, 24 * 3600
ROUNDS = 12


@pytest.fixture
def project(check_out: CheckOut) -> Project:
    project = check_out("pure")
    shim.put_before(project)
    return project


def save(project: Project, number: int, *, mtime: float | None = None) -> None:
    """Another number of as many digits, in the same file: inode and size stay."""
    assert 1000 <= number <= 9999
    project.write(SOURCE, f"pub const ANSWER: u32 = {number};\n")
    if mtime is not None:
        os.utime(project.path(SOURCE), (mtime, mtime))


def assert_built(project: Project, number: int) -> None:
    _, wheel = project.build("editable")
    assert asking.probe(project, wheel) == str(number)


def assert_imported(editable: Editable, number: int) -> None:
    imported = editable.imports()
    assert imported.shows == str(number), imported.run.stderr


# Coarse times


def numbers(rounds: int) -> list[int]:
    """New ones, and those before, again and again."""
    return [number for start in range(1000, 1000 + rounds // 3) for number in (start, 9999, start)]


def test_edits_within_a_tick_and_hooks(project: Project) -> None:
    project.env["SHIM_COARSE"] = "1"
    for number in numbers(ROUNDS):
        save(project, number)
        assert_built(project, number)


def test_edits_within_a_tick_and_imports(project: Project) -> None:
    project.env["SHIM_COARSE"] = "1"
    save(project, 9998)
    editable = install(project)
    for number in numbers(ROUNDS):
        save(project, number)
        assert_imported(editable, number)
        assert_imported(editable, number)


def test_edits_within_a_tick_and_syncs(project: Project) -> None:
    """What uv cannot see the import does."""
    project.env["SHIM_COARSE"] = "1"
    save(project, 9998)
    project.uv("sync").ok()
    editable = Editable(project, project.path(".venv"))
    for number in numbers(ROUNDS):
        save(project, number)
        project.uv("sync").ok()
        assert_imported(editable, number)


def test_an_import_right_after_an_import(project: Project) -> None:
    """The first one finds all as it was, and remembers it; the edit follows at once."""
    project.env["SHIM_COARSE"] = "1"
    save(project, 1000)
    editable = install(project)
    assert_imported(editable, 1000)
    time.sleep(2.5)
    for number in range(1001, 1005):
        # At the beginning of a tick, when what was left alone for long is looked at.
        time.sleep(2 - time.time() % 2)
        assert_imported(editable, number - 1)
        save(project, number)
        assert_imported(editable, number)


@pytest.mark.parametrize("moment", [0.0, 0.2, 0.4, 0.6, 0.8, 1.0, 1.2])
def test_an_edit_during_a_build(moment: float, project: Project) -> None:
    """It has the time of the edit before the build, and no other size."""
    project.env["SHIM_COARSE"] = "1"
    project.editable()
    time.sleep(2 - time.time() % 2)
    save(project, 1000)
    build = Build(project)
    time.sleep(moment)
    save(project, 1001)
    build.wheel()
    assert_built(project, 1001)
    # And back, when the clock has ticked.
    save(project, 1000)
    assert_built(project, 1000)
    # So close to an edit it can't be told that there was none during the build.
    time.sleep(2.5)
    project.editable()
    assert project.is_fresh()


@pytest.mark.parametrize("moment", [0.3, 0.5, 0.7, 0.9])
def test_an_edit_during_a_build_with_times_ahead(moment: float, project: Project) -> None:
    """The file system's clock is ahead, and coarse: the edit leaves all that `stat` says."""
    project.env.update(SHIM_COARSE="1", SHIM_CLOCK=str(-HOUR))
    project.editable()
    time.sleep(2 - time.time() % 2)
    save(project, 1000)
    build = Build(project)
    time.sleep(moment)
    save(project, 1001)
    build.wheel()
    assert_built(project, 1001)


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="there are no pipes with names")
def test_a_pipe_with_times_ahead(project: Project) -> None:
    """Nobody writes to it: who reads waits for ever."""
    os.mkfifo(project.path("src/pipe"))
    project.env["SHIM_CLOCK"] = str(-HOUR)
    save(project, 1002)
    assert_built(project, 1002)


# A clock that jumps

JUMPS = {"an hour back": -HOUR, "a day back": -DAY, "an hour on": HOUR}


@pytest.mark.parametrize("jump", JUMPS)
def test_a_jump_between_edit_and_build(jump: str, project: Project) -> None:
    offsets = itertools.cycle((JUMPS[jump], 0))
    for number in range(1000, 1000 + ROUNDS // 2):
        save(project, number)
        project.env["SHIM_CLOCK"] = str(next(offsets))
        assert_built(project, number)
    # Nothing is built for ever because of it.
    project.env["SHIM_CLOCK"] = "0"
    time.sleep(2.5)
    project.editable()
    assert project.is_fresh()


@pytest.mark.parametrize("jump", JUMPS)
def test_a_jump_between_edit_and_import(jump: str, project: Project) -> None:
    save(project, 9998)
    editable = install(project)
    offsets = itertools.cycle((JUMPS[jump], 0))
    for number in range(1000, 1000 + ROUNDS // 2):
        save(project, number)
        project.env["SHIM_CLOCK"] = str(next(offsets))
        assert_imported(editable, number)
        assert_imported(editable, number)
    project.env["SHIM_CLOCK"] = "0"
    editable.imports()
    editable.is_quiet(str(number))


@pytest.mark.parametrize("jump", JUMPS)
def test_files_from_the_future_are_not_built_again_and_again(jump: str, project: Project) -> None:
    """The clock was ahead when they were written."""
    save(project, 1000)
    project.env["SHIM_CLOCK"] = str(JUMPS[jump])
    project.editable()
    # Of the first build it is known only afterwards which folders count.
    project.editable()
    assert project.is_fresh()
    editable = install(project)
    editable.imports()
    editable.is_quiet("1000")


@pytest.mark.parametrize("jump", JUMPS)
def test_a_jump_during_a_build(jump: str, project: Project) -> None:
    """Nothing waits for the clock to be what it was."""
    project.editable()
    jumped = project.output_folder() / "jumped"
    project.env.update(SHIM_CLOCK=str(JUMPS[jump]), SHIM_CLOCK_WHEN=str(jumped))
    for number in range(1000, 1000 + ROUNDS):
        jumped.unlink(missing_ok=True)
        save(project, number)
        timer = threading.Timer(0.1 * (number - 999), jumped.touch)
        timer.start()
        assert_built(project, number)
        timer.join()
        assert_built(project, number)


@pytest.mark.parametrize("ahead", [10, HOUR, DAY])
def test_edits_with_times_in_the_future(ahead: int, project: Project) -> None:
    """cargo and uv see no change between two of them."""
    future = time.time() + ahead
    save(project, 9998, mtime=future)
    editable = install(project)
    for number in range(1000, 1000 + ROUNDS // 2):
        save(project, number, mtime=future)
        assert_built(project, number)
        assert_imported(editable, number)


def test_a_promise_from_the_future_is_none(project: Project) -> None:
    """`get_requires_for_build_editable` asked for no maturin; an hour later, or, by a clock that
    was turned back, an hour before, nobody is given old code for it."""
    save(project, 1000)
    project.editable()
    without = {"venv": None}
    assert project.hook("get_requires_for_build_editable", **without).ok().result == []
    save(project, 1001)
    project.env["SHIM_CLOCK"] = str(-HOUR)
    run = project.hook("build_editable", project.output_folder(), None, **without).failed()
    assert "maturin" in run.last_line
