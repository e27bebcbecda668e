"""Cargo goes by time, and time can lie: what is built is what lies there, all the same.

After `rsync -t`, a restored cache or COPY in an image, changed content has a time from before the
last build, and cargo alone calls it unchanged. The stamp would then name new sources, and the
module would be made from old ones.
"""

from __future__ import annotations

import os
import shutil
from pathlib import Path
from typing import TYPE_CHECKING, Callable

import pytest
from support import asking, privileges
from support.asking import LONG_AGO, set_mtime

if TYPE_CHECKING:
    from support.project import Project

pytestmark = [pytest.mark.spy, pytest.mark.freshness]

HELPER = "../../crates/helper/src/lib.rs"
WHOLE = "../../crates/whole/notes/first.txt"

#: File, text in it, a text of the same length, and what the module says then.
EDITS = {
    "a source": ("src/lib.rs", "edited 1", "edited 2", ("edited", "edited 2")),
    "a module": ("src/linked.rs", "linked 1", "linked 2", ("linked", "linked 2")),
    "an included file": ("assets/text.txt", "text 1", "text 2", ("text", "text 2")),
    "a path dependency": (HELPER, "helper 1", "helper 2", ("helper", "helper 2")),
    "a path dependency outside of the workspace": (
        "../../vendor/elsewhere/src/lib.rs",
        "elsewhere 1",
        "elsewhere 2",
        ("elsewhere", "elsewhere 2"),
    ),
    "a procedural macro": (
        "../../crates/derive/src/word.rs",
        "macro 1",
        "macro 2",
        ("macro", "macro 2"),
    ),
    "a build script": ("build.rs", "script 1", "script 2", ("script", "script 2")),
    "a watched file": ("assets/watched.txt", "watched 1", "watched 2", ("watched", "watched 2")),
    "a file in a watched folder": (
        "words/first.txt",
        "one",
        "six",
        ("words", "first:six,second:two"),
    ),
    "a file of a package whose script names nothing": (
        WHOLE,
        "note 1",
        "note 2",
        ("notes", "note 2"),
    ),
    "C": ("../../crates/native/c/answer.c", "40 +", "50 +", ("native", "52")),
    "a C header": ("../../crates/native/c/answer.h", "2", "3", ("native", "43")),
    "an inherited licence": (
        "../../Cargo.toml",
        'license = "MIT"',
        'license = "ISC"',
        ("license", "ISC"),
    ),
    "a description": (
        "../../Cargo.toml",
        "first description",
        "other description",
        ("description", "other description"),
    ),
}


@pytest.mark.parametrize(
    "clock", ["the same time", pytest.param("an older time", marks=pytest.mark.freshness)]
)
@pytest.mark.parametrize("what", EDITS)
def test_changed_content(what: str, clock: str, every_input: Project) -> None:
    """Same size too: nothing but the content and ctime tells."""
    name, old, new, (probe, answer) = EDITS[what]
    asking.anew(every_input)
    path = every_input.path(name)
    folder = path.parent
    times = path.stat().st_mtime_ns, folder.stat().st_mtime_ns
    every_input.replace(name, old, new)
    set_mtime(path, times[0] if clock == "the same time" else LONG_AGO)
    set_mtime(folder, times[1])
    built = asking.stale(every_input)
    assert built.seen[probe] == answer
    assert asking.fresh(every_input).read_bytes() == built.wheel.read_bytes()


def _add(project: Project) -> str:
    project.write("words/third.txt", "three\n")
    return "first:one,second:two,third:three"


def _remove(project: Project) -> str:
    project.path("words/first.txt").unlink()
    return "second:two"


def _rename(project: Project) -> str:
    project.path("words/first.txt").rename(project.path("words/fourth.txt"))
    return "fourth:one,second:two"


def _exchange(project: Project) -> str:
    first, second = project.path("words/first.txt"), project.path("words/second.txt")
    between = project.path("words/between.txt")
    first.rename(between)
    second.rename(first)
    between.rename(second)
    return "first:two,second:one"


@pytest.mark.parametrize("change", [_add, _remove, _rename, _exchange])
def test_a_watched_folder(change: Callable[[Project], str], every_input: Project) -> None:
    """Files and folder have the times they had, or older ones."""
    asking.anew(every_input)
    folder = every_input.path("words")
    times = {path: path.stat().st_mtime_ns for path in (folder, *folder.iterdir())}
    expected = change(every_input)
    for path in (*folder.iterdir(), folder):
        set_mtime(path, times.get(path, LONG_AGO))
    assert asking.stale(every_input).seen["words"] == expected


def _swap_by_rename(project: Project) -> None:
    """`mv old.rs lib.rs`: the file brings its own old time along."""
    source = project.path("src/linked.rs")
    other = project.path("src/linked.rs.orig")
    other.write_text(source.read_text().replace("linked 1", "linked 2"))
    set_mtime(other, LONG_AGO)
    os.replace(other, source)


def test_a_file_moved_over_another(every_input: Project) -> None:
    asking.anew(every_input)
    _swap_by_rename(every_input)
    assert asking.stale(every_input).seen["linked"] == "linked 2"


@pytest.mark.parametrize("store", ["survives", "is gone"])
@pytest.mark.parametrize(
    "what", ["a source", "a path dependency", "a file in a watched folder", "a C header"]
)
def test_a_target_folder_from_a_cache(what: str, store: str, every_input: Project) -> None:
    """Built from other sources than those that lie there, and newer than they are."""
    name, old, new, (probe, answer) = EDITS[what]
    project = every_input
    asking.anew(project)
    cache = project.bench.folder / "state" / "target-cache"
    shutil.rmtree(cache, ignore_errors=True)
    shutil.copytree(project.target, cache, symlinks=True)

    project.replace(name, old, new)
    for path in project.bench.checkout_folder.rglob("*"):
        if project.target not in path.parents and not path.is_symlink():
            set_mtime(path, LONG_AGO)
    shutil.rmtree(project.target)
    shutil.copytree(cache, project.target, symlinks=True)
    if store == "is gone":
        shutil.rmtree(project.cache)
    assert asking.stale(project).seen[probe] == answer
    asking.fresh(project)


def cargo_build(project: Project, *options: str) -> None:
    """What a user types."""
    project.run("cargo", "build", "--release", *options).ok()


def test_the_users_own_build_in_between(every_input: Project) -> None:
    """Our note of what the target folder was built from is then no longer true."""
    asking.anew(every_input)
    source = every_input.path("src/lib.rs")
    every_input.edit()
    cargo_build(every_input)
    every_input.replace("src/lib.rs", "edited 2", "edited 3")
    set_mtime(source, LONG_AGO)
    assert asking.stale(every_input).seen["edited"] == "edited 3"


def test_the_users_own_build_of_what_comes_back(every_input: Project) -> None:
    """Cargo's folder holds newer code than the sources that come back with their old time."""
    asking.anew(every_input)
    asking.forget_builds(every_input)
    source = every_input.path("src/lib.rs")
    before = source.stat().st_mtime_ns
    every_input.edit()
    cargo_build(every_input)
    every_input.undo_edit()
    set_mtime(source, before)
    assert asking.stale(every_input).seen["edited"] == "edited 1"


@pytest.mark.parametrize("what", ["a source", "a path dependency"])
def test_two_builds_that_share_a_target_folder(what: str, every_input: Project) -> None:
    """Each set of features has a memory of its own in cargo. Content that is new to one of them is
    new, although the other has seen it, and although its time is old."""
    name, old, new, (probe, answer) = EDITS[what]
    loud = {"build-args": "--features loud"}
    project = every_input
    project.replace("Cargo.toml", "loud = []", 'loud = ["helper/loud"]')
    project.append("../../crates/helper/Cargo.toml", "\n[features]\nloud = []\n")
    asking.anew(project)
    asking.build(project, loud)
    path = project.path(name)
    before = path.stat().st_mtime_ns
    project.replace(name, old, new)
    assert asking.stale(project, loud).seen[probe] == answer
    set_mtime(path, before)
    built = asking.stale(project)
    assert (built.seen[probe], built.seen["feature"]) == (answer, "false")


def test_two_profiles_that_know_different_content(every_input: Project) -> None:
    project = every_input
    dev = {"build-args": "--profile dev"}
    asking.anew(project)
    asking.build(project, dev)
    path = project.path("src/lib.rs")
    before = path.stat().st_mtime_ns
    project.edit()
    assert asking.stale(project, dev).seen["edited"] == "edited 2"
    set_mtime(path, before)
    built = asking.stale(project)
    assert (built.seen["edited"], built.seen["debug"]) == ("edited 2", "false")


def test_a_build_that_failed_is_no_memory(every_input: Project) -> None:
    """The dependency was compiled from what has gone since; only the last crate failed."""
    project = every_input
    asking.anew(project)
    helper = project.path(HELPER)
    project.replace(HELPER, "helper 1", "helper 2")
    project.replace("src/lib.rs", "mod sub;", "mod sub; compile_error!();")
    project.hook("build_editable", project.output_folder(), None).failed()
    project.replace("src/lib.rs", " compile_error!();", "")
    project.replace(HELPER, "helper 2", "helper 3")
    set_mtime(helper, LONG_AGO)
    assert asking.stale(project).seen["helper"] == "helper 3"


def test_a_source_from_the_future(every_input: Project) -> None:
    """Cargo then compiles each time; the answer is right and found again."""
    path = every_input.path("src/lib.rs")
    future = 4_000_000_000 * 10**9
    set_mtime(path, future)
    asking.anew(every_input)
    every_input.edit()
    set_mtime(path, future)
    assert asking.stale(every_input).seen["edited"] == "edited 2"
    asking.fresh(every_input)


@pytest.mark.freshness
def test_quick_edits_all_of_one_time(every_input: Project) -> None:
    """Whatever the clock's grain, no edit is lost."""
    path: Path = every_input.path("src/linked.rs")
    asking.anew(every_input)
    time = path.stat().st_mtime_ns
    for number in range(10, 30):
        every_input.write("src/linked.rs", f'pub const LINKED: &str = "linked {number}";\n')
        set_mtime(path, time)
        assert asking.stale(every_input).seen["linked"] == f"linked {number}"


def test_what_a_failed_build_compiled_is_not_compiled_again(every_input: Project) -> None:
    project = every_input
    asking.build(project)
    project.replace(HELPER, "helper 1", "helper 2")
    project.replace("src/lib.rs", "mod sub;", "mod sub; compile_error!();")
    compiled = []
    for _ in range(2):
        project.spy.clear()
        project.hook("build_editable", project.output_folder(), None).failed()
        compiled.append("helper" in project.spy.compiled())
    assert compiled == [True, False]
    project.replace("src/lib.rs", " compile_error!();", "")
    assert asking.stale(project).seen["helper"] == "helper 2"
    assert "helper" not in project.spy.compiled()


def test_a_change_during_a_build_that_failed(every_input: Project) -> None:
    """What it compiled is not taken for what lies there now."""
    project = every_input
    asking.build(project)
    project.replace(HELPER, "helper 1", "helper 2")
    project.replace("src/lib.rs", "mod sub;", "mod sub; compile_error!();")
    project.hook("build_editable", project.output_folder(), None).failed()
    project.replace(HELPER, "helper 2", "helper 3")
    set_mtime(project.path(HELPER), LONG_AGO)
    project.replace("src/lib.rs", " compile_error!();", "")
    assert asking.stale(project).seen["helper"] == "helper 3"


def test_a_fingerprint_that_cannot_be_removed(every_input: Project) -> None:
    """Cargo then keeps old code. The build says so, and neither its record nor its note of the
    units stands for what lies there."""
    prefix = privileges.obeying_modes()
    project = every_input
    asking.anew(project)
    asking.replace_old(project, HELPER, "helper 1", "helper 2")
    (unit,) = {path.parent for path in project.compiled_files("lib-helper.json")}
    with privileges.mode(unit, remove=0o222):
        built = asking.build(project, prefix=prefix)
    assert built.seen["helper"] == "helper 1"
    assert f"{unit}: could not be removed, so cargo may keep old code of helper" in built.stderr
    assert "this build will not be reused: cargo's fingerprint of helper" in built.stderr
    again = asking.stale(project)
    assert again.seen["helper"] == "helper 2"
    assert "cargo's fingerprint of helper could not be removed" in again.verdict
    asking.fresh(project)


def test_a_target_folder_whose_names_cannot_be_read(every_input: Project) -> None:
    """Cargo reaches what it made by name. So the usual profile is found there, and it is said that
    there may be others."""
    prefix = privileges.obeying_modes()
    project = every_input
    asking.anew(project)
    asking.replace_old(project, HELPER, "helper 1", "helper 2")
    usual = project.target.stat().st_mode
    project.target.chmod(0o311)
    try:
        built = asking.build(project, prefix=prefix)
    finally:
        project.target.chmod(usual)
    assert built.seen["helper"] == "helper 2"
    said = "this build will not be reused: cargo's folder target could not be read"
    assert said in built.stderr
    asking.stale(project)
    asking.fresh(project)
