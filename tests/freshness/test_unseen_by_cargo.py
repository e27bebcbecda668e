"""What cargo does not compare, so that it keeps what it compiled before."""

from __future__ import annotations

import os
import time
from typing import TYPE_CHECKING, Callable

import pytest
from support import asking, packages

if TYPE_CHECKING:
    from support.project import Project

pytestmark = [pytest.mark.spy, pytest.mark.freshness]

CONFIG = ".cargo/config.toml"
WORKSPACE = "../../Cargo.toml"
HELPER = "../../crates/helper"
WHOLE = "../../crates/whole"


def program(project: Project, name: str, script: str) -> str:
    """A shell script beside the project: its path."""
    path = project.write(name, f"#!/bin/sh\n{script}\n")
    path.chmod(0o755)
    return str(path)


@pytest.mark.parametrize("setting", ["rustc", "rustc-wrapper", "rustc-workspace-wrapper"])
def test_another_program_in_the_configuration(setting: str, uncompiled: Project) -> None:
    project = uncompiled
    run = 'exec rustc "$@"' if setting == "rustc" else 'exec "$@"'
    for name, more in (("quiet", ""), ("loud", " --cfg loud")):
        named = program(project, f"../../{name}", run + more)
        project.write(CONFIG, f'[build]\n{setting} = "{named}"\n')
        if name == "quiet":
            assert asking.anew(project).seen["flag"] == "false"
    asking.must_see(project, "flag", "true")


@pytest.mark.parametrize("variable", ["RUSTC", "CARGO_BUILD_RUSTC"])
def test_another_rustc_that_says_the_same(variable: str, uncompiled: Project) -> None:
    project = uncompiled
    project.env[variable] = program(project, "../../quiet", 'exec rustc "$@"')
    loud = program(project, "../../loud", 'exec rustc "$@" --cfg loud')
    assert asking.anew(project).seen["flag"] == "false"
    project.env[variable] = loud
    asking.must_see(project, "flag", "true")


def test_the_projects_own_wrapper(uncompiled: Project) -> None:
    project = uncompiled
    program(project, "tools/wrap", 'exec "$@"')
    project.write(CONFIG, '[build]\nrustc-wrapper = "tools/wrap"\n')
    assert asking.anew(project).seen["flag"] == "false"
    asking.must_settle(project, 1)
    program(project, "tools/wrap", 'exec "$@" --cfg loud')
    asking.must_see(project, "flag", "true")


def silent(project: Project, variable: str) -> None:
    """A build script that reads a variable, and tells cargo only of its own file."""
    found = f'std::env::var("{variable}").unwrap_or("unset".into())'
    packages.give_helper_a_script(project, "rerun-if-changed=build.rs", found=found)


def in_configuration(project: Project, value: str) -> None:
    project.write(CONFIG, f'[env]\nCFLAGS = "{value}"\n')


def included(project: Project, value: str) -> None:
    project.write(CONFIG, 'include = ["more.toml"]\n')
    project.write(".cargo/more.toml", f'[env]\nCFLAGS = "{value}"\n')


@pytest.mark.parametrize("place", [in_configuration, included])
def test_a_configured_variable_that_a_silent_script_reads(
    place: Callable[[Project, str], None], uncompiled: Project
) -> None:
    silent(uncompiled, "CFLAGS")
    place(uncompiled, "-O1")
    asking.anew(uncompiled)
    place(uncompiled, "-O2")
    asking.must_see(uncompiled, "found", "-O2")


@pytest.mark.parametrize("variable", ["PYO3_MYTHING", "CARGO_MYTHING", "MATURIN_MYTHING"])
def test_a_variable_that_a_silent_script_reads(variable: str, uncompiled: Project) -> None:
    silent(uncompiled, variable)
    assert asking.anew(uncompiled).seen["found"] == "unset"
    uncompiled.env[variable] = "set"
    asking.must_see(uncompiled, "found", "set")


@pytest.mark.parametrize(
    ("manifest", "table"),
    [(f"{HELPER}/Cargo.toml", "[package]"), (WORKSPACE, "[workspace.package]")],
    ids=["own", "inherited"],
)
def test_a_field_that_a_silent_script_reads(manifest: str, table: str, uncompiled: Project) -> None:
    project = uncompiled
    silent(project, "CARGO_PKG_RUST_VERSION")
    if manifest == WORKSPACE:
        project.append(f"{HELPER}/Cargo.toml", "rust-version.workspace = true\n")
    project.replace(manifest, f"{table}\n", f'{table}\nrust-version = "1.85"\n')
    assert asking.anew(project).seen["found"] == "1.85"
    project.replace(manifest, '"1.85"', '"1.86"')
    asking.must_see(project, "found", "1.86")


def test_a_package_with_a_file_from_the_future(uncompiled: Project) -> None:
    """Cargo compares the newest time of the files in a package whose script names nothing."""
    project = uncompiled
    tomorrow = time.time_ns() + 86_400 * 10**9
    os.utime(project.write(f"{WHOLE}/later.txt", ""), ns=(tomorrow, tomorrow))
    assert asking.anew(project).seen["notes"] == "note 1"
    project.write(f"{WHOLE}/notes/first.txt", "note 2\n")
    asking.must_see(project, "notes", "note 2")


def test_a_workspace_that_a_package_names(uncompiled: Project) -> None:
    project = uncompiled
    project.replace("Cargo.toml", "[package]\n", '[package]\nworkspace = "../.."\n')
    packages.add(project, "inner", name="inner", more='workspace = "../../.."\n')
    packages.depend_on(project, 'inner = { path = "inner" }')
    project.replace(WORKSPACE, "members = [", 'members = ["bindings/python/inner", ')
    asking.anew(project)
    asking.must_settle(project, 1)
