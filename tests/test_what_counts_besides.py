"""What reaches a compiled module besides sources: manifests, variables, settings, maturin.

As in `test_what_counts.py`, the module that comes out of the next build is imported and asked.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Callable

import pytest
from support import asking, wheels
from support.cases import Case, check, containing
from support.versions import LOWEST_MATURIN

if TYPE_CHECKING:
    from support.project import Project

pytestmark = [pytest.mark.spy, pytest.mark.freshness]

WORKSPACE = "../../Cargo.toml"
HELPER = "../../crates/helper"
NATIVE = "../../crates/native"


def set_variable(name: str, value: str | None) -> Callable[[Project], object]:
    """Set or unset an environment variable."""

    def change(project: Project) -> None:
        project.env.pop(name, None)
        if value is not None:
            project.env[name] = value

    return change


def in_maturin_table(line: str) -> Callable[[Project], object]:
    return lambda p: p.replace("pyproject.toml", "[tool.maturin]\n", f"[tool.maturin]\n{line}\n")


#: Flags and profiles give cargo's output folder another name.
ELSEWHERE = frozenset({"built_in"})

MANIFESTS = {
    "the version": Case(
        lambda p: p.replace("Cargo.toml", "version.workspace = true", 'version = "0.9.0"'),
        {"version": "0.9.0"},
        "Cargo.toml changed",
        besides=ELSEWHERE,
    ),
    "features by default": Case(
        lambda p: p.replace("Cargo.toml", "[features]\n", '[features]\ndefault = ["loud"]\n'),
        {"feature": "true"},
        "Cargo.toml changed",
        besides=ELSEWHERE,
    ),
    "an inherited version": Case(
        lambda p: p.replace(WORKSPACE, "0.5.0", "0.6.0"),
        {"version": "0.6.0"},
        f"{WORKSPACE} [workspace] changed",
        besides=ELSEWHERE,
    ),
    "an inherited description": Case(
        lambda p: p.replace(WORKSPACE, "first description", "second description"),
        {"description": "second description"},
        f"{WORKSPACE} [workspace] changed",
    ),
    "an inherited licence": Case(
        lambda p: p.replace(WORKSPACE, '"MIT"', '"Apache-2.0"'),
        {"license": "Apache-2.0"},
        f"{WORKSPACE} [workspace] changed",
    ),
    "a profile": Case(
        lambda p: p.append(WORKSPACE, "\n[profile.release]\ndebug-assertions = true\n"),
        {"debug": "true"},
        f"{WORKSPACE} [workspace] changed",
        besides=ELSEWHERE,
    ),
    "an inherited dependency": Case(
        lambda p: (
            p.write(f"{HELPER}-two/src/lib.rs", p.read(f"{HELPER}/src/lib.rs").replace("1", "2")),
            p.write(f"{HELPER}-two/Cargo.toml", p.read(f"{HELPER}/Cargo.toml")),
            p.replace(WORKSPACE, "crates/*", "crates/[dnw]*"),
            p.replace(WORKSPACE, 'path = "crates/helper"', 'path = "crates/helper-two"'),
            p.replace(WORKSPACE, "[workspace.package]", '[workspace.package]\nauthors = ["x"]'),
        ),
        {"helper": "helper 2"},
        f"{WORKSPACE} [workspace] changed, ../../crates/*/Cargo.toml changed",
    ),
    "a path dependency's edition and name of the library": Case(
        lambda p: (
            p.append(f"{HELPER}/Cargo.toml", '\n[lib]\npath = "src/other.rs"\n'),
            p.write(f"{HELPER}/src/other.rs", p.read(f"{HELPER}/src/lib.rs").replace("1", "3")),
        ),
        {"helper": "helper 3"},
        f"{HELPER}/Cargo.toml changed",
    ),
    "maturin's features": Case(
        in_maturin_table('features = ["loud"]'),
        {"feature": "true"},
        "pyproject.toml changed",
        besides=ELSEWHERE,
    ),
    "maturin's profile": Case(
        in_maturin_table('profile = "dev"'),
        {"debug": "true", "built_in": containing("/target/debug/")},
        "pyproject.toml changed",
    ),
    "maturin's profile for editable builds": Case(
        in_maturin_table('editable-profile = "dev"'),
        {"debug": "true", "built_in": containing("/target/debug/")},
        "pyproject.toml changed",
    ),
    "maturin's arguments for rustc": Case(
        in_maturin_table('rustc-args = ["--cfg", "loud"]'),
        {"flag": "true"},
        "pyproject.toml changed",
        besides=ELSEWHERE,
    ),
    "maturin's configuration for cargo": Case(
        in_maturin_table('config = ["profile.release.debug-assertions = true"]'),
        {"debug": "true"},
        "pyproject.toml changed",
        besides=ELSEWHERE,
    ),
}


@pytest.mark.parametrize("name", MANIFESTS)
def test_a_manifest(name: str, every_input: Project) -> None:
    check(every_input, MANIFESTS[name])


def test_the_name_of_the_module(every_input: Project) -> None:
    _, before = every_input.build("editable")
    every_input.replace("pyproject.toml", "every_input._native", "every_input._renamed")
    every_input.replace("Cargo.toml", 'name = "_native"', 'name = "_renamed"')
    every_input.edit()
    built = asking.stale(every_input)
    assert built.verdict == "stale: src/lib.rs changed, Cargo.toml changed, pyproject.toml changed"
    assert (built.seen["edited"], built.seen["part"]) == ("edited 2", "part 1 in _renamed::part")
    assert wheels.names(built.wheel) != wheels.names(before)


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
        besides=ELSEWHERE,
    ),
    "CARGO_ENCODED_RUSTFLAGS": Case(
        set_variable("CARGO_ENCODED_RUSTFLAGS", "--cfg\x1floud"),
        {"flag": "true"},
        "CARGO_ENCODED_RUSTFLAGS: unset -> set",
        besides=ELSEWHERE,
    ),
    "a profile": Case(
        set_variable("CARGO_PROFILE_RELEASE_DEBUG_ASSERTIONS", "true"),
        {"debug": "true"},
        "CARGO_PROFILE_RELEASE_DEBUG_ASSERTIONS: unset -> set",
        besides=ELSEWHERE,
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
        besides=ELSEWHERE,
    ),
    "a config setting appears": Case(
        lambda p: None,
        {"feature": "true"},
        "config setting build-args: now given",
        settings=(None, {"build-args": "--features loud"}),
        besides=ELSEWHERE,
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
        besides=ELSEWHERE,
    ),
}


@pytest.mark.parametrize("name", VARIABLES)
def test_a_variable_or_setting(name: str, every_input: Project) -> None:
    check(every_input, VARIABLES[name])


def test_another_maturin(every_input: Project, bench_versions: tuple[str, str]) -> None:
    lowest, newest = bench_versions
    assert lowest == LOWEST_MATURIN
    built = asking.stale(every_input, venv=lowest)
    assert built.verdict == f"stale: maturin: {newest} -> {lowest}"
    generator = re.findall(rb"Generator: maturin \((.*)\)", wheels.read(built.wheel, "*/WHEEL"))
    assert generator == [lowest.encode()]
    # Both are remembered.
    asking.fresh(every_input)
    asking.fresh(every_input, venv=lowest)


def test_extra_inputs(every_input: Project) -> None:
    """What a build script reads without saying so to cargo can be named."""
    every_input.settings('extra-inputs = ["assets/undeclared.*"]')
    asking.forget_builds(every_input)
    asking.stale(every_input)
    # Until cargo has nothing left to do of its own accord.
    every_input.editable(WHEELPRINT_REUSE="never")
    every_input.spy.clear()
    every_input.editable(WHEELPRINT_REUSE="never")
    assert every_input.spy.compiled() == set()
    every_input.write("assets/undeclared.txt", "undeclared 2\n")
    built = asking.stale(every_input)
    assert built.verdict == "stale: assets/undeclared.txt changed"
    assert built.seen["undeclared"] == "undeclared 2"


def test_extra_inputs_come_and_go(every_input: Project) -> None:
    every_input.settings('extra-inputs = ["schema/**/*.json"]')
    asking.forget_builds(every_input)
    asking.stale(every_input)
    every_input.write("schema/deep/a.json", "{}")
    assert asking.stale(every_input).verdict == "stale: schema/deep/a.json is new"
    every_input.path("schema/deep/a.json").rename(every_input.path("schema/b.json"))
    assert asking.stale(every_input).verdict == "stale: schema/b.json is new"
    every_input.write("schema/other.txt", "not named")
    asking.fresh(every_input)


def test_extra_inputs_count_from_the_moment_they_are_named(every_input: Project) -> None:
    """Not from the next build on that something else is the reason for."""
    asking.build(every_input)
    every_input.settings('extra-inputs = ["schema/**/*.json"]')
    every_input.write("schema/a.json", "{}")
    every_input.hook("build_editable", every_input.output_folder(), None).ok()
    every_input.write("schema/a.json", "{ }")
    assert asking.stale(every_input).verdict == "stale: schema/a.json changed"
