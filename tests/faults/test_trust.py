"""What others could have put into the store is not believed, where they could have put links
nothing is written; and nothing is left where it does not belong."""

from __future__ import annotations

import os
import stat
import sys
from contextlib import contextmanager
from typing import TYPE_CHECKING

import pytest
from support import asking, kept
from support.archives import uv_build
from support.commands import wheelprint
from support.installed import install, synced

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from conftest import CheckOut
    from support.installed import Editable
    from support.project import Project

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="no modes, and links are few")

SOURCE = "src/answer.rs"
NOBODY = 65534
VICTIM = "not wheelprint's"
#: What lies in these is made by other tools; the folders themselves let nobody in.
_OF_OTHERS = {"interpreters", "programs", "archive-target"}


@pytest.fixture
def project(check_out: CheckOut) -> Project:
    return check_out("pure")


def answers(project: Project, number: int) -> str:
    """Edit it: what its module says from now on."""
    project.write(SOURCE, f"pub const ANSWER: u32 = {number};\n")
    return str(number)


def fill(project: Project) -> Editable:
    """Leave every kind of file in the store: of builds, of an import, of a rebuild, of one that
    failed."""
    project.editable()
    assert project.is_fresh()
    editable = install(project)
    shows = answers(project, 100)
    assert editable.imports().shows == shows
    editable.is_quiet(shows)
    project.write(SOURCE, "pub const ANSWER: u32 = ;\n")
    assert editable.imports().run.code != 0
    shows = answers(project, 101)
    assert editable.imports().shows == shows
    ends = {path.suffix for path in (project.cache / "imports").iterdir()}
    assert ends == {".memory", ".lock", ".failure"}
    return editable


def inside(folder: Path) -> dict[str, bytes | str | None]:
    """Everything below a folder, with contents."""
    found: dict[str, bytes | str | None] = {}
    for path in folder.rglob("*"):
        name = str(path.relative_to(folder))
        if path.is_symlink():
            found[name] = os.readlink(path)
        else:
            found[name] = path.read_bytes() if path.is_file() else None
    return found


# Modes


@contextmanager
def umask(mask: int) -> Iterator[None]:
    before = os.umask(mask)
    try:
        yield
    finally:
        os.umask(before)


def test_nobody_else_may_write_to_the_store(project: Project) -> None:
    """Whatever the umask allows."""
    with umask(0o000):
        # Not even what lies above it need be there.
        project.env["WHEELPRINT_CACHE_DIR"] = str(project.cache_folder / "new" / "store")
        fill(project)
        project.switch_to_maturin()
        wheelprint(project, "init", "--yes").ok()
    assert (project.cache / "init").is_dir()
    open_ones = []
    base = project.cache_folder
    for path in [base.parent, base, *base.rglob("*")]:
        parts = path.relative_to(base.parent).parts
        if _OF_OTHERS.isdisjoint(parts) and path.lstat().st_mode & (stat.S_IWGRP | stat.S_IWOTH):
            open_ones.append(path)
    assert open_ones == []
    folders = [path for path in project.cache.iterdir() if path.is_dir()]
    of_projects = [*project.cache.glob("projects/*"), *project.cache.glob("projects/*/trees/*")]
    for folder in (base, project.cache, *folders, *of_projects):
        assert stat.S_IMODE(folder.stat().st_mode) == 0o700, folder


def test_what_is_delivered_is_an_ordinary_file(project: Project) -> None:
    with umask(0o077):
        _, wheel = project.build("editable")
    assert stat.S_IMODE(wheel.stat().st_mode) == 0o644


# Whose it is


FAULTS = {
    "of another user": "belongs to another user",
    "writable for all": "anybody may write to it",
    "a link": "is a link",
}


@contextmanager
def fault_in(folder: Path, fault: str, elsewhere: Path) -> Iterator[None]:
    """Something is wrong with a folder of the store for a while."""
    if fault == "of another user":
        os.chown(folder, NOBODY, NOBODY)
        yield
        os.chown(folder, 0, 0)
    elif fault == "writable for all":
        folder.chmod(0o777)
        yield
        folder.chmod(0o700)
    else:
        folder.rename(elsewhere)
        folder.symlink_to(elsewhere)
        yield
        folder.unlink()
        elsewhere.rename(folder)


def is_of_another_tree(folder: Path, project: Project) -> bool:
    """Whether it is the folder of another tree in the store."""
    tree = folder / "root"
    return tree.is_file() and tree.read_text(encoding="utf-8") != str(project.root)


@pytest.mark.parametrize("fault", FAULTS)
def test_a_store_that_others_can_write_to(fault: str, project: Project) -> None:
    """There is none, then: one warning, and nothing is read or written in it."""
    if fault == "of another user" and os.geteuid() != 0:
        pytest.skip("only root gives folders away")
    project.editable()
    editable = install(project)
    shows = editable.imports().shows
    elsewhere = project.output_folder() / "elsewhere"
    store = project.cache.name
    of_projects = ("", "/*", "/*/entries", "/*/trees", "/*/trees/*")
    parts = ("", *(f"/projects{part}" for part in of_projects), "/notes", "/imports")
    for part in (".", *(store + part for part in parts)):
        if fault == "a link" and part == ".":
            # That is the user's own.
            continue
        folders = project.cache_folder.glob(part) if part != "." else [project.cache_folder]
        (folder,) = [folder for folder in folders if not is_of_another_tree(folder, project)]
        with fault_in(folder, fault, elsewhere):
            before = inside(project.cache_folder)
            run = project.editable()
            assert run.verdict.startswith("stale: "), (part, run.output)
            (warning,) = run.warnings
            assert f"{folder}: {FAULTS[fault]}" in warning
            imported = editable.imports()
            assert (imported.shows, imported.said) == (shows, [])
            after = inside(project.cache_folder)
            if part not in (".", store, f"{store}/imports"):
                # What imports keep lies in a folder that nobody else can write to.
                for seen in (before, after):
                    for name in [name for name in seen if name.startswith(f"{store}/imports/")]:
                        del seen[name]
            assert after == before, part
        assert project.is_fresh(), part
    (folder,) = project.cache.glob("imports")
    with fault_in(folder, fault, elsewhere):
        before = inside(folder)
        shows = answers(project, 104)
        assert editable.imports().shows == shows
        assert editable.imports().shows == shows
        assert inside(folder) == before


def test_the_memory_of_another_user_is_not_read(project: Project) -> None:
    """Not even for an import that has nothing to rebuild."""
    if os.geteuid() != 0:
        pytest.skip("only root gives folders away")
    editable = install(project)
    editable.imports().run.ok()
    (memory,) = project.cache.glob("imports/*.memory")
    code = (
        "import os, sys; sys.addaudithook(lambda *event: print(*event)); " + editable.command()[-1]
    )
    for folder in (project.cache_folder, project.cache):
        os.chown(folder, NOBODY, NOBODY)
        opened = editable.imports(code).run.ok().stdout
        assert str(memory) not in opened
        os.chown(folder, 0, 0)
        assert str(memory) in editable.imports(code).run.ok().stdout


# Links


@pytest.mark.parametrize("there", [True, False], ids=["there", "dangling"])
def test_links_in_place_of_the_stores_files(there: bool, project: Project) -> None:
    editable = fill(project)
    victims = project.output_folder()
    for number, path in enumerate(kept.files(project)):
        if path.name == "root":
            # It says whose the folder is: with another one there it is not ours at all.
            continue
        victim = victims / str(number)
        if there:
            victim.write_text(VICTIM)
        path.unlink()
        path.symlink_to(victim)
    before = inside(victims)
    shows = answers(project, 110)
    assert editable.imports().shows == shows
    assert inside(victims) == before
    editable.is_quiet(shows)
    project.write(SOURCE, "pub const ANSWER: u32 = ;\n")
    assert editable.imports().run.code != 0
    shows = answers(project, 111)
    _, wheel = project.build("editable")
    assert asking.probe(project, wheel) == shows
    assert project.is_fresh()
    synced(project)
    wheelprint(project, "cache", "prune").ok()
    assert inside(victims) == before
    wheelprint(project, "cache", "clean", "--all", "--yes").ok()
    assert inside(victims) == before


def test_links_in_the_temporary_folder(project: Project) -> None:
    """Whose names are as ours begin: none is taken, and none of them is removed."""
    temporary, victims = project.output_folder(), project.output_folder()
    for number in range(10):
        for name in ("wheelprint", "wheelprint-", ".wheelprint-", ".tmp"):
            (temporary / f"{name}{number}").symlink_to(victims / str(number))
    before = inside(temporary)
    project.env["TMPDIR"] = str(temporary)
    fill(project)
    assert list(victims.iterdir()) == []
    assert before.items() <= inside(temporary).items()
    assert not [name for name in inside(temporary).keys() - before if "wheelprint" in name]


# What is left


def test_nothing_is_left_outside(project: Project, tmp_path: Path) -> None:
    """All that is new lies in the project, in the store, or is other tools' own."""
    home, temporary = tmp_path / "home", tmp_path / "tmp"
    home.mkdir()
    temporary.mkdir()
    real = os.path.expanduser("~")
    for name, folder in (("CARGO_HOME", ".cargo"), ("RUSTUP_HOME", ".rustup")):
        project.env.setdefault(name, os.path.join(real, folder))
    project.env.pop("WHEELPRINT_CACHE_DIR")
    for name in ("XDG_CACHE_HOME", "XDG_CONFIG_HOME", "XDG_DATA_HOME", "XDG_STATE_HOME"):
        project.env.pop(name, None)
    project.env.update(HOME=str(home), TMPDIR=str(temporary))
    parent = project.root.parent
    beside = sorted(parent.iterdir())
    above = sorted(parent.parent.iterdir())

    def check() -> None:
        assert sorted(parent.iterdir()) == beside
        assert sorted(parent.parent.iterdir()) == above
        assert [name for name in inside(temporary) if "wheelprint" in name] == []
        own = {path.relative_to(home).parts[:2] for path in home.rglob("*") if path.is_file()}
        assert own <= {(".cache", "wheelprint"), (".local", "share"), (".config", "uv")}

    _, wheel = project.build("wheel")
    check()
    project.editable()
    check()
    editable = synced(project)
    check()
    shows = answers(project, 120)
    assert editable.imports().shows == shows
    check()
    project.write(SOURCE, "pub const ANSWER: u32 = ;\n")
    assert editable.imports().run.code != 0
    check()
    answers(project, 121)
    for command in (["status"], ["explain"], ["keys", "--write"], ["inspect", wheel]):
        wheelprint(project, *command)
        check()
    wheelprint(project, "verify", wheel, "--source", ".")
    check()
    uv_build(project)
    check()
    project.switch_to_maturin()
    wheelprint(project, "init", "--yes").ok()
    check()
    wheelprint(project, "init", "--undo", "--yes").ok()
    check()
    assert (home / ".cache" / "wheelprint" / "wheelprint-v1" / "projects").is_dir()
