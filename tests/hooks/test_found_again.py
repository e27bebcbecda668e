"""Earlier builds are found again by content: a second visit to a branch compiles nothing."""

from __future__ import annotations

import shutil
from typing import TYPE_CHECKING

import pytest
from support import asking

if TYPE_CHECKING:
    from support.project import Project

pytestmark = pytest.mark.spy

HELPER = "../../crates/helper/src/lib.rs"


@pytest.fixture
def branches(every_input: Project) -> Project:
    """`main`, and `other`, which differs from it in every way that a branch may."""
    if shutil.which("git") is None:
        pytest.skip("no git")
    project = every_input
    project.write("../../.gitignore", "target\n")
    asking.git(project, "init", "-q")
    asking.git(project, "add", ".")
    asking.git(project, "commit", "-qm", "main")
    asking.git(project, "checkout", "-qb", "other")
    project.edit()
    project.replace(HELPER, "helper 1", "helper 2")
    project.path("src/sub/mod.rs").rename(project.path("src/sub.rs"))
    project.write("words/third.txt", "three\n")
    project.path("words/first.txt").unlink()
    project.replace("../../Cargo.toml", "first description", "other description")
    project.write(".cargo/config.toml", '[env]\nREAD_BY_CRATE = "other"\n')
    project.replace("Cargo.toml", "[features]\n", '[features]\ndefault = ["loud"]\n')
    asking.git(project, "add", ".")
    asking.git(project, "commit", "-qm", "other")
    asking.git(project, "checkout", "-q", "main")
    return project


OTHER = {
    "edited": "edited 2",
    "helper": "helper 2",
    "sub": "bindings/python/src/sub.rs",
    "words": "second:two,third:three",
    "description": "other description",
    "variable": "other",
    "feature": "true",
}


def test_there_and_back_and_there_again(branches: Project) -> None:
    project = branches
    asking.forget_builds(project)
    main = asking.stale(project)
    asking.git(project, "checkout", "-q", "other")
    other = asking.stale(project)
    assert OTHER.items() <= other.seen.items()
    for _ in range(2):
        asking.git(project, "checkout", "-q", "main")
        wheel = asking.fresh(project)
        assert wheel.read_bytes() == main.wheel.read_bytes()
        assert asking.ask(project, wheel) == main.seen
        asking.git(project, "checkout", "-q", "other")
        wheel = asking.fresh(project)
        assert wheel.read_bytes() == other.wheel.read_bytes()
        assert asking.ask(project, wheel) == other.seen


def test_an_edit_after_a_second_visit_is_built(branches: Project) -> None:
    """Cargo's folder still holds the other branch's code then."""
    project = branches
    asking.build(project)
    asking.git(project, "checkout", "-q", "other")
    asking.stale(project)
    asking.git(project, "checkout", "-q", "main")
    asking.fresh(project)
    project.replace("src/linked.rs", "linked 1", "linked 2")
    built = asking.stale(project)
    assert built.verdict == "stale: src/linked.rs changed"
    assert (built.seen["linked"], built.seen["edited"]) == ("linked 2", "edited 1")
    assert (built.seen["helper"], built.seen["variable"]) == ("helper 1", "unset")


def visit(project: Project, numbers: range) -> None:
    asking.forget_builds(project)
    first = {}
    for number in numbers:
        project.write("src/linked.rs", f'pub const LINKED: &str = "linked {number}";\n')
        built = asking.stale(project)
        assert built.seen["linked"] == f"linked {number}"
        first[number] = built.wheel.read_bytes()
    for number in [*numbers, *reversed(numbers)]:
        project.write("src/linked.rs", f'pub const LINKED: &str = "linked {number}";\n')
        assert asking.fresh(project).read_bytes() == first[number]


def test_several_builds_are_found_again(every_input: Project) -> None:
    visit(every_input, range(10, 15))


@pytest.mark.freshness
def test_a_few_dozen_builds_are_found_again(every_input: Project) -> None:
    visit(every_input, range(10, 40))
