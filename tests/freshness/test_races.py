"""What happens while a build runs: edits, deletions, branch switches, other builds, its death.

The wheel of such a build may be of the old or of the new state, or a mixture. What must not be is
that it is taken for the build of a state later on.
"""

from __future__ import annotations

import random
import shutil
import time
from typing import TYPE_CHECKING, Callable

import pytest
from support import asking
from support.asking import LONG_AGO, set_mtime
from support.background import Build, let_it_be_held, start_held, wait_for

if TYPE_CHECKING:
    from support.project import Project

pytestmark = [pytest.mark.spy, pytest.mark.freshness]

HELPER = "../../crates/helper/src/lib.rs"


@pytest.fixture
def held(every_input: Project) -> Project:
    let_it_be_held(every_input)
    return every_input


#: What is changed during the build; what the module says before and after; what is compiled or
#: read before the build is held comes out old in that build's own wheel.
EDITS: dict[str, tuple[str, str, str, tuple[str, str], bool]] = {
    "not yet compiled": ("src/linked.rs", "linked 1", "linked 2", ("linked", "linked 2"), False),
    "compiled already": (HELPER, "helper 1", "helper 2", ("helper", "helper 2"), True),
    "read already": (
        "words/first.txt",
        "one",
        "six",
        ("words", "first:six,second:two"),
        True,
    ),
    "a manifest": (
        "../../Cargo.toml",
        "first description",
        "other description",
        ("description", "other description"),
        True,
    ),
}


@pytest.mark.parametrize("clock", ["now", "long ago"])
@pytest.mark.parametrize("what", EDITS)
def test_an_edit(what: str, clock: str, held: Project) -> None:
    name, old, new, (probe, answer), comes_late = EDITS[what]
    build = start_held(held)
    held.replace(name, old, new)
    if clock == "long ago":
        set_mtime(held.path(name), LONG_AGO)
    raced = asking.ask(held, build.wheel())
    if comes_late:
        assert raced[probe] != answer
    # The tree as it is now.
    built = asking.stale(held)
    assert "changed while it was being built" in built.verdict
    assert built.seen[probe] == answer
    # And as it was, with the times it had.
    held.replace(name, new, old)
    set_mtime(held.path(name), LONG_AGO)
    assert asking.stale(held).seen[probe] != answer
    asking.fresh(held)


def test_an_edit_that_is_undone_during_the_build(held: Project) -> None:
    """What was compiled is anybody's guess; content and mtime are what they were."""
    before = held.path("src/linked.rs").stat().st_mtime_ns
    build = start_held(held)
    held.replace("src/linked.rs", "linked 1", "linked 2")
    build.go_on()
    wait_for(lambda: "every-input" in _compiled_libraries(held))
    time.sleep(0.3)
    held.replace("src/linked.rs", "linked 2", "linked 1")
    set_mtime(held.path("src/linked.rs"), before)
    build.wheel()
    built = asking.stale(held)
    assert built.seen["linked"] == "linked 1"
    asking.fresh(held)


def _compiled_libraries(project: Project) -> set[str]:
    calls = project.spy.calls("rustc")
    return {call.package for call in calls if call.compiles and "cdylib" in call.arguments}


def test_a_watched_file_deleted(held: Project) -> None:
    build = start_held(held)
    held.path("words/first.txt").unlink()
    assert asking.ask(held, build.wheel())["words"] == "first:one,second:two"
    assert asking.stale(held).seen["words"] == "second:two"
    held.write("words/first.txt", "one\n")
    assert asking.build(held).seen["words"] == "first:one,second:two"


def test_a_compiled_file_deleted(held: Project) -> None:
    more = "../../crates/helper/src/more.rs"
    held.replace(HELPER, 'pub const HELPER: &str = "helper 1";', "mod more;\npub use more::*;")
    held.write(more, 'pub const HELPER: &str = "helper more";\n')
    build = start_held(held)
    held.path(more).unlink()
    build.finish()
    # Without the file nothing can be built, and no earlier build is the answer.
    held.hook("build_editable", held.output_folder(), None).failed()
    held.write(more, 'pub const HELPER: &str = "helper other";\n')
    set_mtime(held.path(more), LONG_AGO)
    assert asking.stale(held).seen["helper"] == "helper other"


def test_a_file_added(held: Project) -> None:
    """It has been overlooked by the script that has read the folder already."""
    build = start_held(held)
    held.write("words/third.txt", "three\n")
    set_mtime(held.path("words/third.txt"), LONG_AGO)
    assert asking.ask(held, build.wheel())["words"] == "first:one,second:two"
    assert asking.stale(held).seen["words"] == "first:one,second:two,third:three"


def test_a_branch_switched(held: Project) -> None:
    if shutil.which("git") is None:
        pytest.skip("no git")
    held.write("../../.gitignore", "target\n")
    asking.git(held, "init", "-q")
    asking.git(held, "add", ".")
    asking.git(held, "commit", "-qm", "main")
    asking.git(held, "checkout", "-qb", "other")
    held.edit()
    held.replace(HELPER, "helper 1", "helper 2")
    held.path("words/first.txt").unlink()
    asking.git(held, "commit", "-qam", "other")
    asking.git(held, "checkout", "-q", "main")

    build = start_held(held)
    asking.git(held, "stash", "-q")
    asking.git(held, "checkout", "-q", "other")
    build.finish()
    expected = {"edited": "edited 2", "helper": "helper 2", "words": "second:two"}
    assert expected.items() <= asking.stale(held).seen.items()
    asking.fresh(held)
    asking.git(held, "checkout", "-q", "main")
    expected = {"edited": "edited 1", "helper": "helper 1", "words": "first:one,second:two"}
    assert expected.items() <= asking.build(held).seen.items()
    asking.git(held, "checkout", "-q", "other")
    asking.fresh(held)


def _when_held(build: Build) -> None:
    build.wait_until_held()


def _when_the_last_crate_compiles(build: Build) -> None:
    build.wait_until_held()
    build.go_on()
    time.sleep(0.1)


def _when_cargo_is_done(build: Build) -> None:
    build.wait_until_held()
    build.go_on()
    wait_for(lambda: "Finished" in build.log)


@pytest.mark.parametrize("moment", [_when_held, _when_the_last_crate_compiles, _when_cargo_is_done])
def test_a_build_killed(moment: Callable[[Build], None], held: Project) -> None:
    first = asking.stale(held)
    held.edit()
    held.replace(HELPER, "helper 1", "helper 2")
    held.append("build.rs", "// runs\n")
    build = Build(held, hold=True)
    moment(build)
    build.kill()
    built = asking.stale(held)
    assert (built.seen["edited"], built.seen["helper"]) == ("edited 2", "helper 2")
    asking.fresh(held)
    # Back, with an old time: cargo may have built something of the edit, and nobody noted it.
    held.undo_edit()
    held.replace(HELPER, "helper 2", "helper 1")
    held.replace("build.rs", "// runs\n", "")
    for name in ("src/lib.rs", HELPER, "build.rs"):
        set_mtime(held.path(name), LONG_AGO)
    asking.forget_builds(held)
    assert asking.stale(held).seen == first.seen


def _kill_again_and_again(project: Project, rounds: int) -> None:
    rng = random.Random(1)
    asking.forget_builds(project)
    for number in range(10, 10 + rounds):
        project.write("src/linked.rs", f'pub const LINKED: &str = "linked {number}";\n')
        project.replace(HELPER, project.read(HELPER).split('"')[1], f"helper {number}")
        build = Build(project)
        time.sleep(rng.uniform(0, 0.9))
        build.kill()
        if number % 2:
            number = 9
            project.write("src/linked.rs", 'pub const LINKED: &str = "linked 9";\n')
            set_mtime(project.path("src/linked.rs"), LONG_AGO)
        assert asking.build(project).seen["linked"] == f"linked {number}"
        assert project.read(HELPER).split('"')[1] == asking.build(project).seen["helper"]


def test_builds_killed_at_any_moment(every_input: Project) -> None:
    _kill_again_and_again(every_input, 6)


@pytest.mark.freshness
def test_many_builds_killed_at_any_moment(every_input: Project) -> None:
    _kill_again_and_again(every_input, 40)


def test_a_killed_build_leaves_the_tree_clean(held: Project) -> None:
    """What maturin copies into the source folder is taken away by the next build at the latest."""
    build = start_held(held)
    build.go_on()
    wait_for(lambda: "Built wheel" in build.log or "Finished" in build.log)
    build.kill()
    held.append("src/lib.rs", "// more\n")
    asking.stale(held)
    package = held.path("python/every_input")
    assert [path.name for path in package.iterdir() if path.name != "__pycache__"] == [
        "__init__.py"
    ]


def test_two_at_once(every_input: Project) -> None:
    """The second waits for the first, and takes its answer."""
    every_input.edit()
    every_input.spy.clear()
    builds = [Build(every_input) for _ in range(2)]
    wheels = [build.wheel() for build in builds]
    assert [asking.ask(every_input, wheel)["edited"] for wheel in wheels] == ["edited 2"] * 2
    assert wheels[0].read_bytes() == wheels[1].read_bytes()
    verdicts = sorted(build.finish().verdict for build in builds)
    assert verdicts[0].startswith("fresh: ")
    assert verdicts[1] == "stale: src/lib.rs changed"
    assert len([call for call in every_input.spy.calls("maturin")]) <= 2


def test_an_edit_between_two_at_once(held: Project) -> None:
    """The second one was started after the edit, and must not be given the first one's wheel."""
    first = start_held(held)
    held.replace(HELPER, "helper 1", "helper 2")
    second = Build(held)
    time.sleep(0.5)
    first.wheel()
    assert asking.ask(held, second.wheel())["helper"] == "helper 2"


def test_two_members_of_a_workspace_with_one_module_name(every_input: Project) -> None:
    """Both libraries are called `_native`, and both are made in one target folder."""
    every_input.bench.venv("newest")
    one = every_input
    second = one.path("../second")
    shutil.copytree(one.root, second, ignore=shutil.ignore_patterns("__pycache__"))
    text = (second / "Cargo.toml").read_text()
    (second / "Cargo.toml").write_text(text.replace('"every-input"', '"every-second"'))
    text = (second / "pyproject.toml").read_text()
    (second / "pyproject.toml").write_text(text.replace('"every-input"', '"every-second"'))
    one.replace("../../Cargo.toml", '"bindings/python"', '"bindings/python", "bindings/second"')
    other = type(one)(sample=one.sample, root=second, env=one.env, bench=one.bench)
    for number in range(3, 6):
        for project, of in ((one, "one"), (other, "other")):
            project.write("src/linked.rs", f'pub const LINKED: &str = "{of} {number}";\n')
        builds = [Build(one), Build(other)]
        seen = [asking.ask(one, build.wheel())["linked"] for build in builds]
        assert seen == [f"one {number}", f"other {number}"]
    # One after the other too: what the folder holds is the other one's.
    asking.fresh(one)
    asking.fresh(other)
    for project in (one, other):
        asking.forget_builds(project)
        assert asking.stale(project).seen["linked"] == f"{'one' if project is one else 'other'} 5"
