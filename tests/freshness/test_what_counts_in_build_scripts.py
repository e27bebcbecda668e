"""Build scripts: what they watch, in all the ways there are, and the scripts themselves."""

from __future__ import annotations

import shutil
from typing import TYPE_CHECKING

import pytest
from support import asking
from support.cases import check
from support.changes import BUILD_SCRIPTS
from support.changes.build_scripts import WATCHES_WHAT_IS_MISSING
from support.changes.edits import HELPER, WHOLE

if TYPE_CHECKING:
    from support.project import Project

pytestmark = [pytest.mark.spy, pytest.mark.freshness]


@pytest.mark.parametrize("name", BUILD_SCRIPTS)
def test_a_build_script(name: str, every_input: Project) -> None:
    check(every_input, BUILD_SCRIPTS[name])


def test_a_wildcard_that_a_build_script_means_and_cargo_takes_literally(
    every_input: Project,
) -> None:
    """As seen in the wild; cargo then runs the script in every build."""
    script = WATCHES_WHAT_IS_MISSING.replace('changed=missing.txt"', 'changed=*.txt"')
    every_input.write(f"{HELPER}/build.rs", script)
    built = asking.stale(every_input)
    assert built.seen["found"] == "missing"
    asking.fresh(every_input)


@pytest.fixture
def repository(every_input: Project) -> Project:
    """The sample in a git repository which ignores some files."""
    if shutil.which("git") is None:
        pytest.skip("no git")
    every_input.write("../../.gitignore", "target\n*.log\n")
    asking.git(every_input, "init", "-q")
    asking.git(every_input, "add", ".")
    asking.git(every_input, "commit", "-qm", "first")
    asking.forget_builds(every_input)
    return every_input


def test_a_package_in_git(repository: Project) -> None:
    """Without a name to watch, cargo watches what git has, be it ignored, and what it does not
    ignore."""
    project = repository
    project.write(f"{WHOLE}/notes/had.log", "had 1\n")
    asking.git(project, "add", "--force", ".")
    asking.git(project, "commit", "-qm", "second")
    assert asking.stale(project).seen["notes"] == "had 1,note 1"
    project.write(f"{WHOLE}/notes/had.log", "had 2\n")
    assert asking.stale(project).seen["notes"] == "had 2,note 1"
    project.write(f"{WHOLE}/notes/.hidden", "hidden\n")
    assert asking.stale(project).seen["notes"] == "had 2,hidden,note 1"


def test_a_package_with_rules_that_are_not_gits(every_input: Project) -> None:
    """Search tools obey a file called `.ignore`; cargo does not."""
    every_input.write(f"{WHOLE}/.ignore", "notes\n")
    asking.forget_builds(every_input)
    asking.stale(every_input)
    every_input.write(f"{WHOLE}/notes/first.txt", "note 2\n")
    assert asking.stale(every_input).seen["notes"] == "note 2"


ASKS_GIT = """
fn main() {
    println!("cargo::rerun-if-changed=../../.git/HEAD");
    println!("cargo::rerun-if-changed=../../.git/refs");
    let git = std::process::Command::new("git").args(["rev-parse", "HEAD"]).output().unwrap();
    let commit = String::from_utf8(git.stdout).unwrap();
    println!("cargo::rustc-env=FOUND_BY_HELPER={}", commit.trim());
}
"""


def test_a_script_that_watches_git(repository: Project) -> None:
    project = repository
    project.write(f"{HELPER}/build.rs", ASKS_GIT)
    asking.git(project, "add", ".")
    for _ in range(2):
        asking.git(project, "commit", "-qm", "more", "--allow-empty")
        built = asking.stale(project)
        assert built.seen["found"] == asking.git(project, "rev-parse", "HEAD").strip()
        asking.fresh(project)
