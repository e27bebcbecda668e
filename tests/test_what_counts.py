"""Every kind of source that can reach a compiled module: change one, and the module knows.

Each change is made to a project that was built before, and the module that comes out of the next
build is imported and asked. What counts besides sources is in the files beside this one.
"""

from __future__ import annotations

import os
import shutil
import sys
from typing import TYPE_CHECKING

import pytest
from support import asking
from support.cases import Case, check

if TYPE_CHECKING:
    from support.project import Project

pytestmark = pytest.mark.spy

HELPER = "../../crates/helper"
DERIVE = "../../crates/derive"
WHOLE = "../../crates/whole"
NATIVE = "../../crates/native"
ELSEWHERE = "../../vendor/elsewhere"


def new(project: Project, name: str, text: str, mod: str = "") -> None:
    """A new module of the crate, or one that replaces another."""
    project.write(f"src/{name}", text)
    project.replace("src/lib.rs", "mod sub;", f"mod sub;\n{mod}")


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


SOURCES = {
    "edited": Case(lambda p: p.edit(), {"edited": "edited 2"}, "src/lib.rs changed"),
    "edited in a module": Case(
        lambda p: p.replace("src/part.rs", "part 1", "part 2"),
        {"part": "part 2 in _native::part"},
        "src/part.rs changed",
    ),
    "edited outside of src": Case(
        lambda p: p.replace("odd/place.rs", "odd 1", "odd 2"),
        {"odd": "odd 2"},
        "odd/place.rs changed",
    ),
    "added": Case(
        lambda p: (
            new(p, "added.rs", 'pub const TEXT: &str = "added";\n', "mod added;"),
            p.replace("src/lib.rs", "EDITED.to_owned()", "added::TEXT.to_owned()"),
        ),
        {"edited": "added"},
        "src/lib.rs changed",
    ),
    "added and then edited": Case(
        lambda p: p.replace("src/added.rs", "added", "added and edited"),
        {"edited": "added and edited"},
        "src/added.rs changed",
        before=lambda p: (
            new(p, "added.rs", 'pub const TEXT: &str = "added";\n', "mod added;"),
            p.replace("src/lib.rs", "EDITED.to_owned()", "added::TEXT.to_owned()"),
        ),
    ),
    "deleted": Case(
        lambda p: (
            p.path("src/linked.rs").unlink(),
            p.replace("src/lib.rs", "mod linked;\n", ""),
            p.replace("src/lib.rs", "linked::LINKED.to_owned()", '"deleted".to_owned()'),
        ),
        {"linked": "deleted"},
        "src/lib.rs changed, src/linked.rs is gone",
    ),
    "renamed": Case(
        lambda p: (
            rename(p, "src/part.rs", "src/piece.rs"),
            p.replace("src/lib.rs", "mod part", "mod piece"),
            p.replace("src/lib.rs", "part::", "piece::"),
        ),
        {"part": "part 1 in _native::piece"},
        "src/lib.rs changed, src/part.rs is gone",
    ),
    "two that changed places": Case(
        lambda p: (
            p.write("src/linked.rs", p.read("odd/place.rs").replace("ODD", "LINKED")),
            p.write("odd/place.rs", 'pub const ODD: &str = "linked 1";\n'),
        ),
        {"linked": "odd 1", "odd": "linked 1"},
        "odd/place.rs changed, src/linked.rs changed",
    ),
    "replaced by a link": Case(
        lambda p: (
            p.write("notes/one.rs", 'pub const LINKED: &str = "through a link";\n'),
            link(p, "src/linked.rs", "../notes/one.rs"),
        ),
        {"linked": "through a link"},
        "src/linked.rs changed",
    ),
    "a link that leads elsewhere": Case(
        lambda p: link(p, "src/linked.rs", "../notes/two.rs"),
        {"linked": "two"},
        "src/linked.rs changed",
        before=lambda p: (
            p.write("notes/one.rs", 'pub const LINKED: &str = "one";\n'),
            p.write("notes/two.rs", 'pub const LINKED: &str = "two";\n'),
            link(p, "src/linked.rs", "../notes/one.rs"),
        ),
    ),
    "where a link leads, edited": Case(
        lambda p: p.write("notes/one.rs", 'pub const LINKED: &str = "two";\n'),
        {"linked": "two"},
        "src/linked.rs changed",
        before=lambda p: (
            p.write("notes/one.rs", 'pub const LINKED: &str = "one";\n'),
            link(p, "src/linked.rs", "../notes/one.rs"),
        ),
    ),
    "a folder replaced by a link": Case(
        lambda p: (
            p.write("other/mod.rs", 'pub const FILE: &str = "other";\n'),
            shutil.rmtree(p.path("src/sub")),
            link(p, "src/sub", "../other"),
        ),
        {"sub": "other"},
        "src/sub/mod.rs changed",
    ),
    "a link to a folder that leads elsewhere": Case(
        lambda p: link(p, "src/sub", "../two"),
        {"sub": "two"},
        "src/sub/mod.rs changed",
        before=lambda p: (
            p.write("one/mod.rs", 'pub const FILE: &str = "one";\n'),
            p.write("two/mod.rs", 'pub const FILE: &str = "two";\n'),
            shutil.rmtree(p.path("src/sub")),
            link(p, "src/sub", "../one"),
        ),
    ),
    "an included file's link that leads elsewhere": Case(
        lambda p: link(p, "assets/text.txt", "two.txt"),
        {"text": "two"},
        "assets/text.txt changed",
        before=lambda p: (
            p.write("assets/one.txt", "one\n"),
            p.write("assets/two.txt", "two\n"),
            link(p, "assets/text.txt", "one.txt"),
        ),
    ),
    "moved from sub/mod.rs to sub.rs": Case(
        lambda p: rename(p, "src/sub/mod.rs", "src/sub.rs"),
        {"sub": "bindings/python/src/sub.rs"},
        "src/sub/mod.rs is gone",
    ),
    "moved from sub.rs to sub/mod.rs": Case(
        lambda p: rename(p, "src/sub.rs", "src/sub/mod.rs"),
        {"sub": "bindings/python/src/sub/mod.rs"},
        "src/sub.rs is gone",
        before=lambda p: rename(p, "src/sub/mod.rs", "src/sub.rs"),
    ),
    "include_str": Case(
        lambda p: p.write("assets/text.txt", "text 2\n"),
        {"text": "text 2"},
        "assets/text.txt changed",
    ),
    "include_bytes": Case(
        lambda p: p.write("assets/bytes.bin", "b"),
        {"bytes": "[98]"},
        "assets/bytes.bin changed",
    ),
    "a path dependency": Case(
        lambda p: p.replace(f"{HELPER}/src/lib.rs", "helper 1", "helper 2"),
        {"helper": "helper 2"},
        f"{HELPER}/src/lib.rs changed",
    ),
    "a path dependency outside of the workspace": Case(
        lambda p: p.replace(f"{ELSEWHERE}/src/lib.rs", "elsewhere 1", "elsewhere 2"),
        {"elsewhere": "elsewhere 2"},
        f"{ELSEWHERE}/src/lib.rs changed",
    ),
    "a procedural macro": Case(
        lambda p: p.replace(f"{DERIVE}/src/word.rs", "macro 1", "macro 2"),
        {"macro": "macro 2"},
        f"{DERIVE}/src/word.rs changed",
    ),
    "C": Case(
        lambda p: p.replace(f"{NATIVE}/c/answer.c", "40 +", "50 +"),
        {"native": "52"},
        f"{NATIVE}/c/answer.c changed",
    ),
    "a C header": Case(
        lambda p: p.replace(f"{NATIVE}/c/answer.h", "2", "3"),
        {"native": "43"},
        f"{NATIVE}/c/answer.h changed",
    ),
}


@pytest.mark.parametrize("name", SOURCES)
def test_a_source(name: str, every_input: Project) -> None:
    check(every_input, SOURCES[name])


def test_the_last_of_several_edits_counts(every_input: Project) -> None:
    """Same length, as fast as they can be made."""
    for number in (3, 4, 5):
        every_input.write("src/linked.rs", f'pub const LINKED: &str = "linked {number}";\n')
        assert asking.stale(every_input).seen["linked"] == f"linked {number}"
    asking.fresh(every_input)


def test_a_deleted_module_fails_as_it_does_with_cargo(every_input: Project) -> None:
    """A store that still knows the answer must not hide the error, and nothing is stored of it."""
    asking.build(every_input)
    text = every_input.read("src/part.rs")
    every_input.path("src/part.rs").unlink()
    run = every_input.hook("build_editable", every_input.output_folder(), None).failed()
    assert run.verdict == "stale: src/part.rs is gone"
    assert "error[E0583]" in run.stderr
    every_input.write("src/part.rs", text)
    asking.fresh(every_input)


@pytest.mark.skipif(sys.platform == "win32", reason="no symbolic links for everybody")
def test_a_link_to_nowhere_fails_and_is_no_crash(every_input: Project) -> None:
    asking.build(every_input)
    link(every_input, "src/linked.rs", "nowhere.rs")
    run = every_input.hook("build_editable", every_input.output_folder(), None).failed()
    assert run.verdict == "stale: src/linked.rs is gone"


def test_a_change_is_seen_by_uv_run(every_input: Project) -> None:
    """All the way: uv builds in isolation, installs and runs."""
    probe = (
        "import every_input; s = every_input.seen(); print(s['edited'], s['helper'], s['words'])"
    )
    this_python = f">={sys.version_info.major}.{sys.version_info.minor}"
    every_input.replace("pyproject.toml", ">=3.9", this_python)
    assert every_input.uv_run(probe) == "edited 1 helper 1 first:one,second:two"
    every_input.edit()
    every_input.replace(f"{HELPER}/src/lib.rs", "helper 1", "helper 2")
    os.replace(every_input.path("words/first.txt"), every_input.path("words/fifth.txt"))
    assert every_input.uv_run(probe) == "edited 2 helper 2 fifth:one,second:two"
    every_input.spy.clear()
    every_input.uv_run(probe)
    every_input.spy.assert_idle()
