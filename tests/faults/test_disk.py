"""Disks that are full, read-only, or not one: what can go on goes on, what can't says path and
cause, nothing is half of a file, and when there is room again all is right."""

from __future__ import annotations

import dataclasses
import shutil
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from support import asking, kept, privileges, shim
from support.disks import Disk, disk
from support.installed import Editable, install

if TYPE_CHECKING:
    from collections.abc import Iterator

    from conftest import CheckOut
    from support.project import HookRun, Project, Run

SOURCE = "src/answer.rs"
#: So much room is left, in KiB: for nothing, for the first files, for a part of a wheel.
ROOM = [0, 24, 128]
CAUSES = ("No space left on device", "Read-only file system", "Permission denied")


@pytest.fixture
def project(check_out: CheckOut) -> Project:
    project = check_out("pure")
    project.editable()
    return project


@pytest.fixture
def small(tmp_path: Path) -> Iterator[Disk]:
    """A disk that the project does not lie on."""
    with disk(tmp_path / "disk") as small:
        yield small


@pytest.fixture
def store(project: Project) -> Iterator[Disk]:
    """A disk for the store alone: at the path it always has, so that pyo3 is compiled already."""
    shutil.rmtree(project.cache)
    with disk(project.cache) as store:
        project.editable()
        yield store


@dataclasses.dataclass
class Answers:
    """The answer of the module is another one with each edit."""

    project: Project
    number: int = 1000

    def edit(self) -> None:
        self.number += 1
        self.project.write(SOURCE, f"pub const ANSWER: u32 = {self.number};\n")

    def assert_built(self) -> HookRun:
        run, wheel = self.project.build("editable")
        assert asking.probe(self.project, wheel) == str(self.number)
        kept.assert_whole(self.project)
        return run


def assert_said(run: Run) -> None:
    """A cause, with its path, in our words."""
    assert any(cause in run.output for cause in CAUSES), run.output
    assert "Traceback" not in run.output, run.output
    assert "panicked" not in run.output, run.output


def build_where_it_may_fail(project: Project, folder: Path) -> HookRun:
    run = project.hook("build_editable", folder, None)
    if run.code == 0:
        assert (folder / run.result).is_file()
    else:
        assert_said(run)
    if folder.is_dir():
        kept.assert_wheels_whole(folder)
    kept.assert_whole(project)
    return run


# Full


def test_the_store_is_full(project: Project, store: Disk) -> None:
    """Then there is none, and a build is as good as ever."""
    answers = Answers(project)
    for room in ROOM:
        answers.edit()
        store.leave(room)
        run = answers.assert_built()
        if room == 0:
            assert_said(run)
        assert len(run.warnings) <= 2, run.stderr
        store.free()
        answers.assert_built()
        assert project.is_fresh()


def test_the_folder_for_the_wheel_is_full(project: Project, small: Disk) -> None:
    answers = Answers(project)
    failed = 0
    for fresh in (False, True):
        for number, room in enumerate(ROOM[:2]):
            folder = small.folder / f"{fresh}-{number}"
            folder.mkdir()
            answers.edit()
            if fresh:
                answers.assert_built()
            small.leave(room)
            run = build_where_it_may_fail(project, folder)
            if run.code != 0:
                failed += 1
                assert str(folder) in run.output
                assert list(folder.iterdir()) == []
            small.free()
            answers.assert_built()
            assert project.is_fresh()
    assert failed >= 2


def test_the_temporary_folder_is_full(project: Project, small: Disk) -> None:
    answers = Answers(project)
    temporary = small.folder / "tmp"
    temporary.mkdir()
    for room in ROOM:
        answers.edit()
        small.leave(room)
        project.env["TMPDIR"] = str(temporary)
        run = build_where_it_may_fail(project, project.output_folder())
        if run.code != 0:
            assert str(temporary) in run.output or "No space left" in run.output
        del project.env["TMPDIR"]
        small.free()
        answers.assert_built()
        assert project.is_fresh()
    assert not list(temporary.glob("wheelprint-*"))


def test_the_target_folder_is_full(check_out: CheckOut, tmp_path: Path) -> None:
    project = check_out("bin-bindings")
    with disk(tmp_path / "disk") as small:
        project.env["CARGO_TARGET_DIR"] = str(small.folder / "target")
        for number, room in enumerate((0, 400)):
            if number % 2:
                project.edit()
            elif number:
                project.undo_edit()
            asking.forget_builds(project)
            small.leave(room)
            output = project.output_folder()
            run = project.hook("build_editable", output, None)
            assert "panicked" not in run.output, run.output
            kept.assert_wheels_whole(output)
            small.free()
            _, wheel = project.build("editable")
            shown = project.python(project.installed(wheel), project.sample.probe)
            assert shown == ("hushed" if number % 2 else "quiet")


@pytest.mark.parametrize("room", ROOM[:2])
def test_what_an_import_remembers_has_no_room(room: int, project: Project, store: Disk) -> None:
    answers = Answers(project)
    answers.edit()
    editable = install(project)
    assert editable.imports().shows == str(answers.number)
    store.leave(room)
    for _ in range(2):
        assert editable.imports().shows == str(answers.number)
        answers.edit()
        assert editable.imports().shows == str(answers.number)
    store.free()
    kept.assert_whole(project)
    answers.edit()
    assert editable.imports().shows == str(answers.number)
    editable.is_quiet(str(answers.number))


# Not to be written to


@pytest.mark.parametrize("what", ["store", "wheel", "temporary"])
def test_a_read_only_disk(what: str, project: Project, small: Disk) -> None:
    answers = Answers(project)
    output = project.output_folder()
    answers.edit()
    if what == "store":
        project.env["WHEELPRINT_CACHE_DIR"] = str(small.folder / "cache")
        answers.assert_built()
    elif what == "wheel":
        output = small.folder
    answers.edit()
    changes = {"TMPDIR": str(small.folder)} if what == "temporary" else {}
    with small.read_only():
        run = project.hook("build_editable", output, None, **changes)
        kept.assert_wheels_whole(output)
    assert_said(run)
    assert str(small.folder) in run.output
    assert (run.code == 0) == (what == "store"), run.output
    answers.assert_built()
    assert project.is_fresh()


def test_imports_with_a_read_only_store(project: Project, store: Disk) -> None:
    answers = Answers(project)
    editable = install(project)
    with store.read_only():
        answers.edit()
        assert editable.imports().shows == str(answers.number)
        assert editable.imports().shows == str(answers.number)
    answers.edit()
    assert editable.imports().shows == str(answers.number)
    editable.is_quiet(str(answers.number))


@pytest.mark.parametrize("what", ["store", "wheel", "temporary"])
def test_permission_denied(what: str, project: Project) -> None:
    prefix = privileges.obeying_modes()
    answers = Answers(project)
    output, temporary = project.output_folder(), project.output_folder()
    folder = {"store": project.cache, "wheel": output, "temporary": temporary}[what]
    answers.edit()
    changes = {"TMPDIR": str(temporary)} if what == "temporary" else {}
    with privileges.mode(folder, remove=0o222):
        run = project.hook("build_editable", output, None, prefix=prefix, **changes)
    assert_said(run)
    assert str(folder) in run.output
    assert (run.code == 0) == (what == "store"), run.output
    answers.assert_built()
    assert project.is_fresh()


# Full just when a file gets its name


@pytest.mark.parametrize("where", ["store", "wheel"])
def test_each_renaming(where: str, project: Project) -> None:
    """The first that a build does, the second, and so on to the last."""
    shim.put_before(project)
    answers = Answers(project)
    output = project.output_folder()
    place = {"store": str(project.cache), "wheel": str(output)}[where]
    number, done = 0, False
    while not done:
        number += 1
        answers.edit()
        changes = {"SHIM_RENAME_IN": place, "SHIM_RENAME_AT": str(number)}
        folder = output / str(number)
        folder.mkdir()
        run = project.hook("build_editable", folder, None, **changes)
        kept.assert_whole(project)
        kept.assert_wheels_whole(folder)
        if run.code != 0:
            assert_said(run)
        said = run.output
        answers.assert_built()
        assert project.is_fresh()
        done = number > 12 or (run.code == 0 and not any(cause in said for cause in CAUSES))
        done = done and number > (1 if where != "store" else 6)


# More than one


def test_everything_on_a_disk_of_its_own(project: Project, tmp_path: Path) -> None:
    """Nothing is renamed or linked from one to the other."""
    answers = Answers(project)
    parent = tmp_path
    names = ("cache", "wheel", "temporary")
    with disk(parent / "cache"), disk(parent / "wheel"), disk(parent / "temporary"):
        cache, wheel, temporary = (parent / name for name in names)
        project.env["WHEELPRINT_CACHE_DIR"] = str(cache)
        project.env["TMPDIR"] = str(temporary)
        for _ in range(3):
            answers.edit()
            for _ in range(2):
                _, built = project.build("editable", folder=wheel)
                assert asking.probe(project, built) == str(answers.number)
                kept.assert_whole(project)
        assert project.is_fresh()
        project.uv("sync").ok()
        editable = Editable(project, project.path(".venv"))
        for _ in range(3):
            answers.edit()
            assert editable.imports().shows == str(answers.number)
            project.uv("sync").ok()
            editable.is_quiet(str(answers.number))
        assert list(temporary.glob("wheelprint-*")) == []
