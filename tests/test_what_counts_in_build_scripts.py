"""Build scripts: what they watch, in all the ways there are, and the scripts themselves."""

from __future__ import annotations

import shutil
from typing import TYPE_CHECKING

import pytest
from support import asking
from support.cases import Case, check

if TYPE_CHECKING:
    from support.project import Project

pytestmark = [pytest.mark.spy, pytest.mark.freshness]

HELPER = "../../crates/helper"
WHOLE = "../../crates/whole"


#: With such a script cargo is never clean, and runs it in each build.
WATCHES_WHAT_IS_MISSING = """use std::fs;

fn main() {
    println!("cargo::rerun-if-changed=missing.txt");
    let text = match fs::read_dir("missing.txt") {
        Ok(mut names) => names.next().unwrap().unwrap().file_name().into_string().unwrap(),
        Err(_) => fs::read_to_string("missing.txt").unwrap_or("missing".into()),
    };
    println!("cargo::rustc-env=FOUND_BY_HELPER={text}");
}
"""


def link(project: Project, name: str, target: str) -> None:
    """Replace a file by a symbolic link."""
    path = project.path(name)
    path.unlink(missing_ok=True)
    try:
        path.symlink_to(target)
    except OSError as error:
        pytest.skip(f"no symbolic links here: {error}")


def rename(project: Project, old: str, new: str) -> None:
    target = project.path(new)
    target.parent.mkdir(parents=True, exist_ok=True)
    project.path(old).rename(target)


BUILD_SCRIPTS = {
    "itself": Case(
        lambda p: p.replace("build.rs", "script 1", "script 2"),
        {"script": "script 2"},
        "build.rs changed",
    ),
    "a watched file": Case(
        lambda p: p.write("assets/watched.txt", "watched 2\n"),
        {"watched": "watched 2"},
        "assets/watched.txt changed",
    ),
    "a watched file removed": Case(
        lambda p: p.path("assets/watched.txt").unlink(),
        {"watched": "none"},
        "assets/watched.txt is gone",
    ),
    "a file edited in a watched folder": Case(
        lambda p: p.write("words/second.txt", "three\n"),
        {"words": "first:one,second:three"},
        "words/second.txt changed",
    ),
    "a file added to a watched folder": Case(
        lambda p: p.write("words/third.txt", "three\n"),
        {"words": "first:one,second:two,third:three"},
        "words/third.txt is new",
    ),
    "a file removed from a watched folder": Case(
        lambda p: p.path("words/first.txt").unlink(),
        {"words": "second:two"},
        "words/first.txt is gone",
    ),
    "a file renamed in a watched folder": Case(
        lambda p: rename(p, "words/first.txt", "words/fourth.txt"),
        {"words": "fourth:one,second:two"},
        "words/first.txt is gone, words/fourth.txt is new",
    ),
    "a folder added to a watched folder": Case(
        lambda p: p.write("words/more/third.txt", "three\n"),
        {"words": "first:one,second:two,third:three"},
        "words/more is new, words/more/third.txt is new",
    ),
    "a watched folder removed": Case(
        lambda p: shutil.rmtree(p.path("words")),
        {"words": ""},
        "words is gone, words/first.txt is gone, words/second.txt is gone",
    ),
    "a watched folder replaced by a link": Case(
        lambda p: (
            p.write("dictionary/tenth.txt", "ten\n"),
            shutil.rmtree(p.path("words")),
            link(p, "words", "dictionary"),
        ),
        {"words": "tenth:ten"},
        "words/first.txt is gone, words/second.txt is gone, words/tenth.txt is new",
    ),
    "names nothing, and a file of the package is edited": Case(
        lambda p: p.write(f"{WHOLE}/notes/first.txt", "note 2\n"),
        {"notes": "note 2"},
        f"{WHOLE}/notes/first.txt changed",
    ),
    "names nothing, and a file is added to the package": Case(
        lambda p: p.write(f"{WHOLE}/notes/second.txt", "note 2\n"),
        {"notes": "note 1,note 2"},
        f"{WHOLE}/notes/second.txt is new",
    ),
    "names nothing, and a file is removed from the package": Case(
        lambda p: p.path(f"{WHOLE}/notes/second.txt").unlink(),
        {"notes": "note 1"},
        f"{WHOLE}/notes/second.txt is gone",
        before=lambda p: p.write(f"{WHOLE}/notes/second.txt", "note 2\n"),
    ),
    "names nothing, and a file is renamed in the package": Case(
        lambda p: (
            rename(p, f"{WHOLE}/notes/first.txt", f"{WHOLE}/notes/last.txt"),
            p.write(f"{WHOLE}/notes/last.txt", "note 9\n"),
        ),
        {"notes": "note 9"},
        f"{WHOLE}/notes/first.txt is gone, {WHOLE}/notes/last.txt is new",
    ),
    "appears": Case(
        lambda p: p.write(
            f"{HELPER}/build.rs",
            'fn main() { println!("cargo::rustc-env=FOUND_BY_HELPER=a script"); }\n',
        ),
        {"found": "a script"},
        f"{HELPER}/build.rs is new",
    ),
    "disappears": Case(
        lambda p: p.path(f"{HELPER}/build.rs").unlink(),
        {"found": "nothing"},
        f"{HELPER}/build.rs is gone",
        before=lambda p: p.write(
            f"{HELPER}/build.rs",
            "fn main() {\n"
            '    println!("cargo::rustc-env=FOUND_BY_HELPER=a script");\n'
            '    println!("cargo::rerun-if-changed=src");\n'
            "}\n",
        ),
    ),
    "a file it watches, which was not there, appears": Case(
        lambda p: p.write(f"{HELPER}/missing.txt", "here"),
        {"found": "here"},
        f"{HELPER}/missing.txt is new",
        before=lambda p: p.write(f"{HELPER}/build.rs", WATCHES_WHAT_IS_MISSING),
    ),
    "a folder it watches, which was not there, appears": Case(
        lambda p: p.write(f"{HELPER}/missing.txt/inner.txt", "here"),
        {"found": "inner.txt"},
        f"{HELPER}/missing.txt is new, {HELPER}/missing.txt/inner.txt is new",
        before=lambda p: p.write(f"{HELPER}/build.rs", WATCHES_WHAT_IS_MISSING),
    ),
}


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
