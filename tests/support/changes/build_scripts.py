"""Changes of what build scripts watch, and of the scripts."""

from __future__ import annotations

import shutil

from ..cases import Case
from .edits import HELPER, WHOLE, link, rename

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
