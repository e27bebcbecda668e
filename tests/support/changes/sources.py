"""Changes of sources."""

from __future__ import annotations

import shutil

from ..cases import Case
from .edits import DERIVE, ELSEWHERE, HELPER, NATIVE, link, new, rename

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
