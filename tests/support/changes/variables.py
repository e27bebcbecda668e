"""Changes of environment variables and of config settings."""

from __future__ import annotations

from .. import toolchains
from ..cases import Case, containing
from .edits import HELPER, NATIVE, OUTPUT_FOLDER, set_variable

VARIABLES = {
    "option_env": Case(
        set_variable("READ_BY_CRATE", "now set"),
        {"variable": "now set"},
        "READ_BY_CRATE: unset -> set",
    ),
    "option_env, another value": Case(
        set_variable("READ_BY_CRATE", "two"),
        {"variable": "two"},
        "READ_BY_CRATE: another value",
        before=set_variable("READ_BY_CRATE", "one"),
    ),
    "option_env, empty": Case(
        set_variable("READ_BY_CRATE", ""),
        {"variable": ""},
        "READ_BY_CRATE: unset -> set",
    ),
    "option_env, unset": Case(
        set_variable("READ_BY_CRATE", None),
        {"variable": "unset"},
        "READ_BY_CRATE: set -> unset",
        before=set_variable("READ_BY_CRATE", "one"),
    ),
    "env": Case(
        set_variable("NEEDED_BY_CRATE", "two"),
        {"edited": "two"},
        "NEEDED_BY_CRATE: another value",
        before=lambda p: (
            set_variable("NEEDED_BY_CRATE", "one")(p),
            p.replace("src/lib.rs", '= "edited 1"', '= env!("NEEDED_BY_CRATE")'),
        ),
    ),
    "env in a path dependency": Case(
        set_variable("READ_BY_HELPER", "read"),
        {"helper": "read"},
        "READ_BY_HELPER: unset -> set",
        before=lambda p: p.replace(
            f"{HELPER}/src/lib.rs",
            '= "helper 1"',
            '= match option_env!("READ_BY_HELPER") { Some(text) => text, None => "none" }',
        ),
    ),
    "rerun-if-env-changed": Case(
        set_variable("WATCHED_BY_SCRIPT", "now set"),
        {"script_variable": "now set"},
        "WATCHED_BY_SCRIPT: unset -> set",
    ),
    "rerun-if-env-changed in a path dependency": Case(
        set_variable("WATCHED_BY_HELPER", "found"),
        {"found": "found"},
        "WATCHED_BY_HELPER: unset -> set",
        before=lambda p: p.write(
            f"{HELPER}/build.rs",
            "fn main() {\n"
            '    println!("cargo::rerun-if-env-changed=WATCHED_BY_HELPER");\n'
            '    let value = std::env::var("WATCHED_BY_HELPER").unwrap_or("lost".into());\n'
            '    println!("cargo::rustc-env=FOUND_BY_HELPER={value}");\n'
            "}\n",
        ),
    ),
    "CFLAGS": Case(set_variable("CFLAGS", "-DLOUD"), {"native": "4200"}, "CFLAGS: unset -> set"),
    "CPATH": Case(
        lambda p: p.env.update(CPATH=str(p.path(f"{NATIVE}/besides"))),
        {"native": "4200"},
        "CPATH: unset -> set",
        before=lambda p: (
            p.write(f"{NATIVE}/besides/loud.h", "#define LOUD\n"),
            p.replace(
                f"{NATIVE}/c/answer.c",
                '#include "answer.h"\n',
                '#include "answer.h"\n#if __has_include(<loud.h>)\n#include <loud.h>\n#endif\n',
            ),
        ),
    ),
    "RUSTFLAGS": Case(
        set_variable("RUSTFLAGS", "--cfg loud"),
        {"flag": "true"},
        "RUSTFLAGS: unset -> set",
        besides=OUTPUT_FOLDER,
    ),
    "CARGO_ENCODED_RUSTFLAGS": Case(
        set_variable("CARGO_ENCODED_RUSTFLAGS", "--cfg\x1floud"),
        {"flag": "true"},
        "CARGO_ENCODED_RUSTFLAGS: unset -> set",
        besides=OUTPUT_FOLDER,
    ),
    "a profile": Case(
        set_variable("CARGO_PROFILE_RELEASE_DEBUG_ASSERTIONS", "true"),
        {"debug": "true"},
        "CARGO_PROFILE_RELEASE_DEBUG_ASSERTIONS: unset -> set",
        besides=OUTPUT_FOLDER,
    ),
    "CARGO_TARGET_DIR": Case(
        set_variable("CARGO_TARGET_DIR", "made/elsewhere"),
        {"built_in": containing("/made/elsewhere/release/")},
        "CARGO_TARGET_DIR: unset -> set",
    ),
    "MATURIN_PEP517_ARGS": Case(
        set_variable("MATURIN_PEP517_ARGS", "--features loud"),
        {"feature": "true"},
        "MATURIN_PEP517_ARGS: unset -> set",
        besides=OUTPUT_FOLDER,
    ),
    "a config setting appears": Case(
        lambda p: None,
        {"feature": "true"},
        "config setting build-args: now given",
        settings=(None, {"build-args": "--features loud"}),
        besides=OUTPUT_FOLDER,
    ),
    "a config setting changes": Case(
        lambda p: None,
        {"feature": "true", "built_in": containing("/release/")},
        "config setting maturin.build-args changed",
        settings=(
            {"maturin.build-args": "--profile dev"},
            {"maturin.build-args": ["--features", "loud"]},
        ),
        before=lambda p: None,
        besides=frozenset({"debug"}),
    ),
    "a config setting disappears": Case(
        lambda p: None,
        {"feature": "false"},
        "config setting build-args: no longer given",
        settings=({"build-args": "--features loud"}, None),
        before=lambda p: None,
        besides=OUTPUT_FOLDER,
    ),
}

# The sample shows where its build script wrote, and that is in the build folder.
if toolchains.variant() == "build-dir":
    del VARIABLES["CARGO_TARGET_DIR"]
