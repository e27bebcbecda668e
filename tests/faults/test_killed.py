"""`kill -9` at any moment: of builds, of what is stored, of rebuilds at import, of installing.

Before each kill the source is edited, so that it is known what is right afterwards; every third
time the edit is undone after the kill, with an old time. Then the next build, `uv sync` or import
must be right, nothing may wait for the dead, and no file with a final name may be half of one.
"""

from __future__ import annotations

import json
import os
import re
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from support import asking, environment, kept
from support.asking import LONG_AGO, set_mtime
from support.installed import Editable, install, synced
from support.killing import Started, moments, wait_until
from support.project import CALL_HOOK

if TYPE_CHECKING:
    from conftest import CheckOut
    from support.project import Project

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="there are no process groups")

#: Kills of each kind; 200 altogether.
BUILDS, STORING, SYNCS, IMPORTS, INSTALLING = 60, 30, 45, 40, 25
#: An hour, after which what a killed process left is removed.
GRACE = 3600
SOURCE = "src/answer.rs"
#: What an interpreter needs to load the hook, and what is said where it has no more than that.
HOOKED = ("pure.pth", "_wheelprint_pure.py")
INCOMPLETE = r"installation of pure is incomplete|No module named '(pure\.|_wheelprint_pure_)"
WAITS = ("waiting for another build", "waiting for another process")


@pytest.fixture
def project(check_out: CheckOut) -> Project:
    """A small crate; uv watches its sources. It has a temporary folder of its own."""
    project = check_out("pure")
    temporary = project.output_folder()
    project.env["TMPDIR"] = str(temporary)
    return project


class Answers:
    """What the module answers: a number that it never had, with each edit."""

    def __init__(self, project: Project) -> None:
        self.project = project
        self.number = self._before = self._last = 1000

    def edit(self) -> None:
        """A new number."""
        self._before = self.number
        self._last += 1
        self._write(self._last)

    def undo(self) -> None:
        """The number before the edit, with an old time."""
        set_mtime(self._write(self._before), LONG_AGO)

    def _write(self, number: int) -> Path:
        self.number = number
        return self.project.write(SOURCE, f"pub const ANSWER: u32 = {number};\n")


def start_build(project: Project) -> tuple[Started, Path]:
    """`build_editable`, and the folder that it is to write to."""
    venv, output, notes = project.bench.venv(), project.output_folder(), project.output_folder()
    arguments = json.dumps([[str(output), None], {}])
    answer = notes / "answer.json"
    python = environment.python_in(venv)
    path = os.pathsep.join([str(environment.scripts_folder(venv)), project.env["PATH"]])
    command = (python, CALL_HOOK, "wheelprint", "build_editable", arguments, answer)
    env = {**project.env, "PATH": path}
    return Started(command, project.root, env, notes / "log"), output


def start(project: Project, *command: str | Path, cwd: Path | None = None) -> Started:
    """Any other command."""
    env = {**project.env, "UV": str(project.bench.uv)}
    return Started(command, cwd or project.root, env, project.output_folder() / "log")


def seconds_of(started: Started) -> float:
    """How long it takes when nobody kills it."""
    began = time.monotonic()
    started.finish()
    return time.monotonic() - began


def nobody_is_waited_for(said: str) -> None:
    assert not any(words in said for words in WAITS), said


def assert_cleaned(project: Project, kills: int) -> None:
    """What the killed left is little, and later builds remove it from the store. What lies in the
    system's temporary folder is the system's to remove: some folders for each that was killed (of
    the import, of the frontend, of the build and of maturin's hook), with names that say whose they
    are."""
    left = kept.temporaries(project)
    temporary = [path.name for path in Path(project.env["TMPDIR"]).iterdir()]
    ours = [name for name in temporary if name.startswith(("wheelprint-", ".tmp"))]
    print(f"left by {kills} killed: {len(left)} in the store, {len(ours)} in TMPDIR")
    assert len(left) <= kills
    assert len(ours) <= 4 * kills, temporary
    for path in left:
        os.utime(path, (time.time() - 2 * GRACE,) * 2)
    project.append(SOURCE, "// once more\n")
    project.editable()
    assert kept.temporaries(project) == []


def build_and_check(project: Project, answers: Answers) -> None:
    run, wheel = project.build("editable")
    nobody_is_waited_for(run.stderr)
    assert asking.probe(project, wheel) == str(answers.number)
    kept.assert_whole(project)


def test_builds(project: Project) -> None:
    """At any moment from the call of the hook to its end."""
    answers = Answers(project)
    project.editable()
    answers.edit()
    duration = seconds_of(start_build(project)[0])
    for number, moment in enumerate(moments(BUILDS, duration, seed=1)):
        answers.edit()
        started, output = start_build(project)
        started.kill_after(moment)
        kept.assert_whole(project)
        kept.assert_wheels_whole(output)
        if number % 3 == 2:
            answers.undo()
        build_and_check(project, answers)
        assert project.is_fresh()
    assert_cleaned(project, BUILDS)


def test_what_is_stored(project: Project) -> None:
    """After cargo is done: looking at the inputs, stamping, delivering, storing, noting."""
    answers = Answers(project)
    project.editable()
    answers.edit()
    started, _ = start_build(project)
    assert wait_until(lambda: "Finished" in started.said, started)
    duration = seconds_of(started)
    for number, moment in enumerate(moments(STORING, duration, seed=2)):
        answers.edit()
        started, output = start_build(project)
        assert wait_until(lambda started=started: "Finished" in started.said, started)
        started.kill_after(moment)
        kept.assert_whole(project)
        kept.assert_wheels_whole(output)
        if number % 3 == 2:
            answers.undo()
        build_and_check(project, answers)
        assert project.is_fresh()
    assert_cleaned(project, STORING)


def sync_and_check(editable: Editable, answers: Answers) -> None:
    project = editable.project
    run = project.uv("sync", "-v").ok()
    nobody_is_waited_for(run.output)
    imported = editable.imports()
    assert imported.shows == str(answers.number), run.output + imported.run.output
    nobody_is_waited_for(imported.run.stderr)
    kept.assert_whole(project)
    kept.assert_installed_whole(editable.site, "pure")


def test_syncs(project: Project) -> None:
    """uv, the build that it has begun, and its installing."""
    answers = Answers(project)
    editable = synced(project)
    answers.edit()
    uv = project.bench.uv
    duration = seconds_of(start(project, uv, "sync"))
    for number, moment in enumerate(moments(SYNCS, duration, seed=3)):
        answers.edit()
        start(project, uv, "sync").kill_after(moment)
        kept.assert_whole(project)
        kept.assert_installed_whole(editable.site, "pure")
        if number % 3 == 2:
            answers.undo()
        sync_and_check(editable, answers)
    editable.is_quiet(str(answers.number))
    assert_cleaned(project, SYNCS)


def test_rebuilds_at_import(project: Project) -> None:
    """The process that imports, and the uv, the cargo and the rustc that work for it."""
    answers = Answers(project)
    editable = install(project)
    answers.edit()
    duration = seconds_of(start(project, *editable.command(), cwd=editable.venv))
    lost = 0
    for number, moment in enumerate(moments(IMPORTS, duration, seed=4)):
        answers.edit()
        start(project, *editable.command(), cwd=editable.venv).kill_after(moment)
        kept.assert_whole(project)
        kept.assert_installed_whole(editable.site, "pure")
        if number % 3 == 2:
            answers.undo()
        is_hooked = all(editable.site.joinpath(name).exists() for name in HOOKED)
        imported = editable.imports()
        if imported.run.code != 0 or not is_hooked:
            # uv was killed between removing the old files and having put down the new ones.
            if is_hooked:
                assert re.search(INCOMPLETE, imported.run.stderr), imported.run.output
            # Otherwise nothing of ours is run that could say so: the interpreter finds no package,
            # or takes a folder that was left for a namespace.
            lost += 1
            into = ("--python", editable.python, "-e", project.root)
            project.uv("pip", "install", *into).ok()
            imported = editable.imports()
        assert imported.shows == str(answers.number), imported.run.output
        nobody_is_waited_for(imported.run.stderr)
    print(f"{lost} of {IMPORTS} left the package uninstalled")
    editable.is_quiet(str(answers.number))
    assert_cleaned(project, IMPORTS)


def test_uv_while_it_installs(project: Project) -> None:
    """Between the old files and the new ones, none of which is half of one."""
    answers = Answers(project)
    editable = synced(project)
    inputs = next(editable.site.glob("*.editable/inputs"))
    command = (project.bench.uv, "sync", "--reinstall-package", "pure")

    def identity() -> tuple[int, int] | None:
        try:
            seen = inputs.stat()
        except FileNotFoundError:
            return None
        return seen.st_ino, seen.st_ctime_ns

    def start_installing() -> Started:
        before = identity()
        started = start(project, *command)
        assert wait_until(lambda: identity() != before, started), started.said
        return started

    duration = seconds_of(start_installing())
    for moment in moments(INSTALLING, duration, seed=5):
        answers.edit()
        started = start_installing()
        started.kill_after(moment)
        kept.assert_installed_whole(editable.site, "pure")
        sync_and_check(editable, answers)
    editable.is_quiet(str(answers.number))


@pytest.mark.skipif(not Path("/proc/self/stat").exists(), reason="needs /proc")
def test_what_waits_for_a_hook_ends_with_it(project: Project) -> None:
    """maturin is loaded before it is known what to ask of it."""
    project.reproducible()
    shim = project.output_folder()
    cargo = shim / "cargo"
    cargo.write_text('#!/bin/sh\n[ "$1" = metadata ] && exec sleep 60\nexec false\n')
    cargo.chmod(0o755)
    project.env["PATH"] = os.pathsep.join([str(shim), project.env["PATH"]])
    project.append(SOURCE, "// another\n")
    started, _ = start_build(project)
    try:
        assert wait_until(lambda: started.runs("import maturin"), started), started.said
        started.kill_alone()
        end = time.monotonic() + 10
        while started.runs("import maturin") and time.monotonic() < end:
            time.sleep(0.05)
        assert not started.runs("import maturin")
    finally:
        started.kill()
