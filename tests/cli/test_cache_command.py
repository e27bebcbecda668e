"""`wheelprint cache`: what the store holds, and removing it."""

from __future__ import annotations

import json
import os
import shutil
import sys
import threading
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from support import asking, installed
from support.background import Build, let_it_be_held, wait_for
from support.commands import wheelprint
from support.schemas import check, snapshot

if TYPE_CHECKING:
    from conftest import CheckOut
    from support.project import Project, Run


@pytest.fixture
def project(check_out: CheckOut) -> Project:
    return check_out("bin-bindings")


def cache(project: Project, *arguments: str | Path, **changes: Any) -> Run:
    return wheelprint(project, "cache", *arguments, **changes)


def info(project: Project, **changes: Any) -> dict[str, Any]:
    said: dict[str, Any] = json.loads(cache(project, "info", "--json", **changes).ok().stdout)
    check("cache-info", said)
    return said


def age(path: Path, days: int = 60) -> None:
    then = time.time() - days * 24 * 3600
    os.utime(path, (then, then))


def test_dir(project: Project, tmp_path: Path) -> None:
    assert cache(project, "dir").ok().stdout == f"{project.cache}\n"
    nowhere = tmp_path / "not" / "there"
    run = cache(project, "dir", WHEELPRINT_CACHE_DIR=str(nowhere)).ok()
    assert run.stdout == f"{nowhere / project.cache.name}\n"
    assert not nowhere.parent.exists()


def test_a_store_that_is_not_there_is_empty(project: Project, tmp_path: Path) -> None:
    nowhere = str(tmp_path / "nowhere")
    said = info(project, WHEELPRINT_CACHE_DIR=nowhere)
    assert (said["projects"], said["bytes"]) == ([], 0)
    run = cache(project, "info", WHEELPRINT_CACHE_DIR=nowhere).ok()
    assert "empty" in run.stdout
    for command in (["prune"], ["clean"], ["clean", "--all", "--yes"]):
        run = cache(project, *command, WHEELPRINT_CACHE_DIR=nowhere).ok()
        assert run.stdout.startswith("Nothing "), run.stdout
    assert not os.path.exists(nowhere)


@pytest.mark.parametrize("command", [["info"], ["prune"], ["clean"], ["clean", "--all", "--yes"]])
def test_a_store_that_is_a_file(command: list[str], project: Project, tmp_path: Path) -> None:
    file = tmp_path / "file"
    file.write_text("mine")
    run = cache(project, *command, WHEELPRINT_CACHE_DIR=str(file))
    assert run.code == 2
    assert run.stderr.startswith("error: ")
    assert str(file) in run.stderr
    assert file.read_text() == "mine"


def trees(project: Project) -> list[str]:
    """The paths of all known trees, sorted."""
    return sorted(tree["root"] for one in info(project)["projects"] for tree in one["trees"])


@pytest.mark.first_build
def test_info(project: Project) -> None:
    project.editable()
    project.edit()
    project.editable()
    said = info(project)
    (one,) = said["projects"]
    (tree,) = one["trees"]
    assert tree["root"] == str(project.root)
    assert tree["exists"]
    assert one["builds"] == 2
    assert one["bytes"] > 0
    assert one["bytes"] + said["shared-bytes"] == said["bytes"]
    assert abs(one["last-used"] - time.time()) < 600
    assert abs(tree["last-used"] - time.time()) < 600
    assert len(said["interpreters"]) == 1
    # Small numbers stand in a snapshot as they are.
    tree["bytes"] += 1_000
    snapshot("cache-info", said)
    run = cache(project, "info").ok()
    assert str(project.root) in run.stdout
    assert "2 builds" in run.stdout


@pytest.mark.first_build
def test_prune(project: Project, tmp_path: Path) -> None:
    project.editable()
    (entries,) = asking.entry_folders(project)
    own = entries.parent
    gone = tmp_path / "gone"
    shutil.copytree(project.root, gone, ignore=shutil.ignore_patterns("target"))
    wheelprint(project, "verify", project.build("wheel")[1], "--source", gone).ok()
    assert trees(project) == sorted([str(project.root), str(gone)])
    shutil.rmtree(gone)
    (folder,) = (
        Path(tree["folder"])
        for tree in info(project)["projects"][0]["trees"]
        if tree["root"] == str(gone)
    )
    # A tree that was used just now may be there for another process.
    for path in folder.rglob("*"):
        age(path)

    unnamed = own / "wheels" / ("0" * 64)
    unnamed.mkdir()
    (unnamed / "a.whl").write_text("wheel")
    left = own / "entries" / ".wheelprint-left"
    left.write_text("left")
    memory = project.cache / "imports" / "work-site-packages-a.memory"
    memory.parent.mkdir(exist_ok=True)
    memory.write_bytes(b"123\nold")
    theirs = project.cache_folder / "imports" / "notes.txt"
    theirs.parent.mkdir()
    theirs.write_text("not ours")
    for path in (unnamed, left, memory, theirs):
        age(path)
    run = cache(project, "prune").ok()
    assert run.stdout.startswith("Removed 1 tree, 1 build, 2 other files: "), run.output
    assert not any(path.exists() for path in (unnamed, left, memory))
    assert theirs.exists()
    assert trees(project) == [str(project.root)]
    assert project.is_fresh()
    assert cache(project, "prune").ok().stdout == "Nothing to remove.\n"


@pytest.mark.first_build
def test_clean_one(project: Project, tmp_path: Path) -> None:
    # As uv asks: what it will not notice is said, and remembered.
    project.editable(UV="uv")
    assert list(project.cache.glob("projects/*/trees/*/said"))
    other = tmp_path / "other"
    shutil.copytree(project.root, other, ignore=shutil.ignore_patterns("target"))
    wheel = project.build("wheel")[1]
    wheelprint(project, "verify", wheel, "--source", other).ok()
    assert "Nothing is kept for" in cache(project, "clean", tmp_path).ok().stdout
    # All trees of a project share its builds.
    run = cache(project, "clean", other).ok()
    assert run.stdout.startswith("Removed 1 project, 1 tree")
    assert trees(project) == [str(project.root)]
    assert not project.is_fresh()
    project.editable()
    assert cache(project, "clean").ok().stdout.startswith("Removed 1 project")
    assert info(project)["projects"] == []
    assert not list(project.cache.glob("notes/*"))
    assert not list(project.cache.glob("projects/*"))
    assert project.editable().verdict.startswith("stale: no earlier build")
    assert project.is_fresh()


def test_clean_one_that_is_gone(project: Project, tmp_path: Path) -> None:
    gone = tmp_path / "gone"
    shutil.copytree(project.root, gone, ignore=shutil.ignore_patterns("target"))
    wheelprint(project, "verify", project.build("wheel")[1], "--source", gone).ok()
    shutil.rmtree(gone)
    assert cache(project, "clean", gone).ok().stdout.startswith("Removed 1 project")


def files_of_others(folder: Path) -> dict[Path, str]:
    """What may lie in a folder that WHEELPRINT_CACHE_DIR names."""
    names = [
        "file.txt",
        "wheelprint-v0/projects/old-0123456789abcdef/root",
        "projects/mine/src/lib.rs",
        "projects/mine/root",
        "projects/mine-0123456789abcdef/entries.txt",
        "notes/shopping.json",
        "notes/0123456789abcdef.json",
        "locks/mine.lock",
        "imports/data.memory",
        "imports/cars.csv",
        "init/0123456789abcdef0123456789abcdef",
        "other/file",
    ]
    files = {folder / name: f"text of {name}" for name in names}
    for path, text in files.items():
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
        age(path)
    return files


def test_what_others_keep_there_stays(project: Project, tmp_path: Path) -> None:
    base = tmp_path / "base"
    theirs = files_of_others(base)
    outside = tmp_path / "outside"
    outside.mkdir()
    (outside / "file").write_text("outside")
    project.env["WHEELPRINT_CACHE_DIR"] = str(base)
    project.editable()
    project.edit()
    project.editable()
    (entries,) = [path for path in asking.entry_folders(project) if path.is_dir()]
    if os.name != "nt":
        (project.cache / "projects" / "linked-0123456789abcdef").symlink_to(outside)
        (project.cache / "linked").symlink_to(outside)
        (entries.parent / "wheels" / "linked").symlink_to(outside)
    for command in (["prune"], ["clean"], ["clean", "--all", "--yes"]):
        cache(project, *command).ok()
        for path, text in theirs.items():
            assert path.read_text() == text, f"{command}: {path}"
        assert (outside / "file").read_text() == "outside"
    assert not project.cache.exists()


def test_clean_all(project: Project) -> None:
    project.editable()
    run = cache(project, "clean", "--all")
    assert run.code == 2
    assert "--yes" in run.stderr
    assert info(project)["projects"]
    assert cache(project, "clean", "--all", "--yes").ok().stdout.startswith("Removed 1 project")
    assert info(project)["bytes"] == 0
    assert list(project.cache_folder.iterdir()) == []
    assert cache(project, "clean", "--all", "--yes").ok().stdout == "Nothing to remove.\n"
    project.editable()
    assert project.is_fresh()


def test_what_is_installed_works_after_clean(check_out: CheckOut) -> None:
    project = check_out("hello-pure")
    editable = installed.synced(project)
    assert editable.imports().shows == project.sample.shows[0]
    cache(project, "clean", "--all", "--yes").ok()
    assert editable.imports().shows == project.sample.shows[0]
    project.uv("sync").ok()
    cache(project, "clean").ok()
    project.edit()
    assert editable.imports().shows == project.sample.shows[1]
    assert project.uv_run() == project.sample.shows[1]


@pytest.mark.skipif(sys.platform == "win32", reason="builds are held by POSIX means")
def test_a_build_that_runs_is_waited_for(every_input: Project) -> None:
    project = every_input
    let_it_be_held(project)
    build = Build(project, hold=True)
    build.wait_until_held()
    run = cache(project, "prune").ok()
    assert "is being built" in run.stderr
    (entries,) = asking.entry_folders(project)
    done: list[Run] = []
    clean = threading.Thread(target=lambda: done.append(cache(project, "clean")))
    clean.start()
    time.sleep(2)
    assert clean.is_alive()
    assert list(entries.parent.glob("trees/*/build.lock"))
    build.wheel()
    wait_for(lambda: not clean.is_alive())
    assert done[0].ok().stdout.startswith("Removed 1 project")
    assert not entries.exists()
