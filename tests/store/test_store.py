"""The store: safe to damage, to delete, to kill and to share between processes."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import threading
import time
from typing import TYPE_CHECKING, Callable

import pytest
from support import environment, wheels
from support.project import CALL_HOOK

if TYPE_CHECKING:
    from pathlib import Path

    from conftest import CheckOut
    from support.project import Project


def files(project: Project) -> list[Path]:
    """The files of the store, without the stable interpreter's."""
    found = [path for path in project.cache.rglob("*") if path.is_file() and not path.is_symlink()]
    kept = [
        path
        for path in found
        if not any((folder / "pyvenv.cfg").exists() for folder in path.parents)
    ]
    assert kept, f"nothing is stored in {project.cache}"
    return kept


def empty(path: Path) -> None:
    path.write_bytes(b"")


def truncate(path: Path) -> None:
    content = path.read_bytes()
    path.write_bytes(content[: len(content) // 2])


def garbage(path: Path) -> None:
    path.write_bytes(b"\x00\xff garbage \xfe" * 40)


def a_folder_instead(path: Path) -> None:
    path.unlink()
    path.mkdir()


def one_bit(path: Path) -> None:
    content = bytearray(path.read_bytes())
    if content:
        content[len(content) // 2] ^= 1
    path.write_bytes(content)


def newer(path: Path) -> None:
    """A file as a later version may write it: another number, a field more."""
    try:
        data = json.loads(path.read_text())
    except ValueError:
        return
    if isinstance(data, dict):
        numbers = {key: value + 1 for key, value in data.items() if type(value) is int}
        path.write_text(json.dumps({**data, **numbers, "unheard-of": {"a": [1]}}))


DAMAGE = [empty, truncate, garbage, a_folder_instead, one_bit, newer]


@pytest.mark.parametrize("damage", DAMAGE)
def test_damage_costs_a_build_and_nothing_else(
    damage: Callable[[Path], None], check_out: CheckOut
) -> None:
    project = check_out("bin-bindings")
    project.reproducible()
    _, good = project.build("editable")
    for path in files(project):
        damage(path)
    run, wheel = project.build("editable")
    assert run.code == 0
    wheels.check(wheel)
    assert wheel.read_bytes() == good.read_bytes()
    assert len(run.warnings) <= 1, run.stderr

    project.edit()
    _, edited = project.build("editable")
    wheels.check(edited)
    assert project.python(project.installed(edited), project.sample.probe) == "hushed"
    assert project.is_fresh()


@pytest.mark.parametrize("damage", [empty, truncate, garbage, one_bit])
def test_each_file_damaged_alone(damage: Callable[[Path], None], check_out: CheckOut) -> None:
    project = check_out("bin-bindings")
    project.reproducible()
    _, good = project.build("editable")
    count = len(files(project))
    for number in range(count):
        stored = sorted(files(project))
        if number < len(stored):
            damage(stored[number])
        _, wheel = project.build("editable")
        assert wheel.read_bytes() == good.read_bytes(), stored[number]


def test_damage_is_said_once(check_out: CheckOut) -> None:
    project = check_out("bin-bindings")
    project.editable()
    for path in files(project):
        garbage(path)
    run = project.editable()
    assert len(run.warnings) == 1, run.stderr
    assert str(project.cache) in run.warnings[0]


def test_it_can_be_deleted_at_any_time(check_out: CheckOut) -> None:
    project = check_out("hello-pure")
    project.reproducible()
    _, good = project.build("editable")
    shutil.rmtree(project.cache)
    _, wheel = project.build("editable")
    assert wheel.read_bytes() == good.read_bytes()
    assert project.is_fresh()


def test_deleting_it_between_the_hooks(check_out: CheckOut) -> None:
    """What was promised can't be kept then; it is said what is missing."""
    project = check_out("bin-bindings")
    project.editable()
    assert project.hook("get_requires_for_build_editable", None, venv=None).ok().result == []
    shutil.rmtree(project.cache)
    folder = project.output_folder()
    run = project.hook("build_editable", folder, None, venv=None).failed()
    assert "maturin" in run.stderr
    assert "Traceback" not in run.stderr
    assert list(folder.iterdir()) == []


def test_nothing_is_written_beside_it(check_out: CheckOut) -> None:
    """Neither into the project nor into the user's home, where it has a folder of its own."""
    project = check_out("pure")
    before = {path for path in project.root.rglob("*") if project.target not in path.parents}
    project.editable()
    project.build("wheel")
    after = {path for path in project.root.rglob("*") if project.target not in path.parents}
    assert after - before - {project.target} == set()


def start(project: Project, folder: Path) -> subprocess.Popen[bytes]:
    """A build in the background, in a process group of its own."""
    venv = project.bench.venv()
    folder.mkdir(parents=True, exist_ok=True)
    path = os.pathsep.join([str(environment.scripts_folder(venv)), project.env["PATH"]])
    return subprocess.Popen(
        [
            environment.python_in(venv),
            CALL_HOOK,
            "wheelprint",
            "build_editable",
            json.dumps([[str(folder)], {}]),
            str(folder / "answer"),
        ],
        cwd=project.root,
        env={**project.env, "PATH": path},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        start_new_session=True,
    )


@pytest.mark.skipif(sys.platform == "win32", reason="kills a process group")
@pytest.mark.parametrize("seconds", [0.05, 0.15, 0.3, 0.45, 0.6])
def test_a_killed_build_leaves_the_old_state_or_the_new(
    seconds: float, check_out: CheckOut
) -> None:
    project = check_out("bin-bindings")
    project.editable()
    project.edit()
    process = start(project, project.output_folder() / "killed")
    time.sleep(seconds)
    os.killpg(process.pid, signal.SIGKILL)
    process.communicate()

    _, wheel = project.build("editable")
    wheels.check(wheel)
    assert project.python(project.installed(wheel), project.sample.probe) == "hushed"
    assert project.is_fresh()


@pytest.mark.parametrize("state", ["fresh", "stale", "new"])
def test_builds_at_the_same_time(state: str, check_out: CheckOut) -> None:
    project = check_out("bin-bindings")
    if state != "new":
        project.editable()
    if state == "stale":
        project.edit()
    parent = project.output_folder()
    folders = [parent / str(number) for number in range(4)]
    processes = [start(project, folder) for folder in folders]
    errors: dict[int, bytes] = {}

    def wait(number: int) -> None:
        errors[number] = processes[number].communicate(timeout=120)[1]

    threads = [threading.Thread(target=wait, args=(number,)) for number in range(len(folders))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    expected = "hushed" if state == "stale" else "quiet"
    for number, folder in enumerate(folders):
        assert processes[number].returncode == 0, errors[number].decode()
        (wheel,) = folder.glob("*.whl")
        project.bench.made.keep(wheel)
        wheels.check(wheel)
        assert project.python(project.installed(wheel), project.sample.probe) == expected
    assert project.is_fresh()
