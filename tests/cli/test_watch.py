"""`wheelprint watch`: a saved source is built at once, as an import would build it."""

from __future__ import annotations

import json
import os
import re
import shutil
import signal
import subprocess
import time
from contextlib import contextmanager
from typing import TYPE_CHECKING

import pytest
from support import environment, installed
from support.background import wait_for
from support.commands import program, wheelprint

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from conftest import CheckOut
    from support.installed import Editable
    from support.workbench import Workbench

SAMPLE = "mixed-path-dep"
SHARED = "../shared-core/src/lib.rs"
#: Longer than a look of the command, and than it takes to notice a change.
A_WHILE = 3


class Watching:
    """The running command."""

    def __init__(self, editable: Editable, log: Path, *arguments: str) -> None:
        project = editable.project
        self._log = log
        with log.open("wb") as output:
            self.process = subprocess.Popen(
                [program(project), "watch", "--python", str(editable.venv), *arguments],
                cwd=project.root,
                env=environment.with_changes(project.env, {"UV": project.bench.uv}),
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                start_new_session=os.name != "nt",
                preexec_fn=None if os.name == "nt" else installed.hear_interrupts,
            )
        self.says("watching")

    @property
    def lines(self) -> list[str]:
        """What it has printed, with seconds replaced."""
        text = self._log.read_text(encoding="utf-8", errors="replace")
        return re.sub(r"\d+\.\d s", "N s", text).splitlines()

    def says(self, text: str, count: int = 1) -> None:
        """Waits for lines with that text."""

        def is_said() -> bool:
            assert self.process.poll() is None, self.lines
            return sum(text in line for line in self.lines) >= count

        wait_for(is_said)

    def is_silent(self) -> None:
        before = self.lines
        time.sleep(A_WHILE)
        assert self.lines == before


@contextmanager
def watching(editable: Editable, tmp_path: Path, *arguments: str) -> Iterator[Watching]:
    running = Watching(editable, tmp_path / "watch.log", *arguments)
    try:
        yield running
    finally:
        running.process.kill()
        running.process.wait()


@pytest.fixture
def editable(bench: Workbench) -> Iterator[Editable]:
    editable = installed.synced(bench.check_out(SAMPLE))
    assert editable.imports().shows == "3.0"
    yield editable
    bench.put_away()


@pytest.mark.parametrize("arguments", [(), ("--poll",)], ids=["reported", "polled"])
def test_a_saved_file_is_built_at_once(
    editable: Editable, tmp_path: Path, arguments: tuple[str, ...]
) -> None:
    project = editable.project
    with watching(editable, tmp_path, *arguments) as watch:
        project.edit()
        watch.says(f"wheelprint: rebuilt {SAMPLE} in N s: {SHARED} changed")
        project.spy.clear()
        editable.is_quiet("6.0")
        project.uv("sync").ok()
        project.spy.assert_idle()
        assert sum("rebuilt" in line for line in watch.lines) == 1
    said = json.loads(wheelprint(project, "log", "--json").ok().stdout)["events"]
    assert "watch" in [event["by"] for event in said]


def test_what_was_edited_before_it_began_is_built(editable: Editable, tmp_path: Path) -> None:
    editable.project.edit()
    with watching(editable, tmp_path) as watch:
        watch.says("wheelprint: rebuilt")
        editable.is_quiet("6.0")


def test_an_error_is_shown_once_until_something_changes(editable: Editable, tmp_path: Path) -> None:
    project = editable.project
    with watching(editable, tmp_path) as watch:
        text = project.read(SHARED)
        project.write(SHARED, f"{text}mod more;\n")
        watch.says("file not found for module `more`")
        watch.says("could not compile")
        assert f"wheelprint: {SAMPLE} could not be rebuilt (N s): {SHARED} changed" in watch.lines
        watch.is_silent()
        # No earlier build knows the new file.
        project.write("../shared-core/src/more.rs", "pub fn more() {}\n")
        watch.says("wheelprint: rebuilt")
        watch.is_silent()
        project.write(SHARED, text)
        watch.says("wheelprint: mixed-path-dep needed no build (N s)")
        assert sum("could not compile" in line for line in watch.lines) == 1
        editable.is_quiet("3.0")


def test_what_was_undone_is_said(editable: Editable, tmp_path: Path) -> None:
    project = editable.project
    manifest = project.read("pyproject.toml")
    with watching(editable, tmp_path) as watch:
        project.write("pyproject.toml", f"{manifest}\n[tool.wheelprint]\non-stal = 'warn'\n")
        watch.says(f"wheelprint: {SAMPLE} could not be rebuilt: pyproject.toml changed")
        watch.says("hint: did you mean `on-stale`?")
        project.write("pyproject.toml", manifest)
        watch.says("note: `mixed_path_dep` is installed as the sources are again")
        watch.is_silent()


def test_a_file_in_a_new_folder_is_seen(editable: Editable, tmp_path: Path) -> None:
    project = editable.project
    with watching(editable, tmp_path) as watch:
        folder = project.path("../shared-core/src/deep")
        folder.mkdir()
        time.sleep(1)
        text = project.read(SHARED)
        project.write(SHARED, f"{text}pub mod deep;\n")
        watch.says("could not compile")
        (folder / "mod.rs").write_text("pub fn first() {}\n")
        watch.says("wheelprint: rebuilt")
        (folder / "mod.rs").write_text("pub fn second() {}\n")
        watch.says("src/deep/mod.rs changed")
        # The folder is made anew, as by a change of branches.
        shutil.rmtree(folder)
        folder.mkdir()
        (folder / "mod.rs").write_text("pub fn third() {}\n")
        watch.says("wheelprint: rebuilt", 3)
        time.sleep(1)
        (folder / "mod.rs").write_text("pub fn fourth() {}\n")
        watch.says("wheelprint: rebuilt", 4)


def test_other_files_and_reading_start_nothing(editable: Editable, tmp_path: Path) -> None:
    project = editable.project
    with watching(editable, tmp_path) as watch:
        project.spy.clear()
        project.write("notes.txt", "no input")
        project.touch(SHARED)
        project.read(SHARED)
        watch.is_silent()
        project.spy.assert_idle()


def test_a_removed_environment_may_come_back(editable: Editable, tmp_path: Path) -> None:
    project = editable.project
    with watching(editable, tmp_path) as watch:
        shutil.rmtree(editable.venv)
        project.edit()
        watch.says("warning: `mixed_path_dep` is not installed; run `uv sync`")
        project.uv("sync").ok()
        project.append(SHARED, "// once more\n")
        watch.says("wheelprint: rebuilt")
        assert editable.imports().shows == "6.0"


@pytest.mark.skipif(os.name == "nt", reason="no such signal")
def test_it_ends_with_ctrl_c(editable: Editable, tmp_path: Path) -> None:
    with watching(editable, tmp_path) as watch:
        os.killpg(watch.process.pid, signal.SIGINT)
        assert watch.process.wait(20) in (130, -signal.SIGINT)
        assert not any("Traceback" in line for line in watch.lines)


def test_without_an_editable_install_it_says_what_to_do(editable: Editable) -> None:
    project = editable.project
    python = environment.python_in(editable.venv)
    project.uv("pip", "uninstall", "--python", python, SAMPLE).ok()
    said = wheelprint(project, "watch", "--python", str(editable.venv)).failed().stderr
    assert f"`{SAMPLE}` is not installed in {editable.venv}" in said
    assert "hint: `uv sync` or `pip install -e .`" in said
    # maturin would pack what the import left.
    for cache in list(project.path("python").rglob("__pycache__")):
        shutil.rmtree(cache)
    project.uv("pip", "install", "--python", python, "--no-deps", project.root).ok()
    said = wheelprint(project, "watch", "--python", str(editable.venv)).failed().stderr
    assert "is no editable install" in said


def test_a_program_has_nothing_to_compare(check_out: CheckOut) -> None:
    project = check_out("bin-bindings")
    project.uv("sync").ok()
    said = wheelprint(project, "watch").failed().stderr
    assert "has no compiled module" in said


def test_imports_that_do_not_compare_are_no_obstacle(editable: Editable, tmp_path: Path) -> None:
    project = editable.project
    project.append("pyproject.toml", '\n[tool.wheelprint]\non-stale = "ignore"\n')
    project.uv("sync", "--reinstall-package", SAMPLE).ok()
    with watching(editable, tmp_path) as watch:
        project.edit()
        watch.says("wheelprint: rebuilt")
        editable.is_quiet("6.0")
