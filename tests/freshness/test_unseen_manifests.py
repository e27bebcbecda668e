"""Manifests, the lock file and configuration that reach the module by ways of their own."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from support import asking, packages

if TYPE_CHECKING:
    from support.project import Project

pytestmark = [pytest.mark.spy, pytest.mark.freshness]

WORKSPACE = "../../Cargo.toml"
HELPER = "../../crates/helper"
MEMBER = "../../crates/member"
ELSEWHERE = "../../vendor/elsewhere"
KIT = "../../vendor/kit"


def test_a_manifest_that_is_a_source(uncompiled: Project) -> None:
    """include_str!("../Cargo.toml"): then a comment reaches the module."""
    packages.show(uncompiled, 'include_str!("../Cargo.toml").len().to_string()')
    asking.anew(uncompiled)
    uncompiled.append("Cargo.toml", "# a comment\n")
    asking.must_see(uncompiled, "edited", str(len(uncompiled.read("Cargo.toml"))))


def test_a_readme_that_is_a_source(uncompiled: Project) -> None:
    packages.show(uncompiled, 'include_str!("../README.md").trim().to_owned()')
    asking.anew(uncompiled)
    uncompiled.write("README.md", "Another text.\n")
    asking.must_see(uncompiled, "edited", "Another text.")


def test_the_workspace_of_a_path_dependency(uncompiled: Project) -> None:
    """It is another one than the project's, and its members inherit from it."""
    project = uncompiled
    project.replace(f"{ELSEWHERE}/Cargo.toml", "[workspace]\n", "description.workspace = true\n")
    project.write(
        "../../vendor/Cargo.toml",
        '[workspace]\nmembers = ["elsewhere"]\n[workspace.package]\ndescription = "one"\n',
    )
    project.replace(f"{ELSEWHERE}/src/lib.rs", '"elsewhere 1"', 'env!("CARGO_PKG_DESCRIPTION")')
    assert asking.anew(project).seen["elsewhere"] == "one"
    project.replace("../../vendor/Cargo.toml", '"one"', '"two"')
    asking.must_see(project, "elsewhere", "two")


def test_the_root_packages_edition(uncompiled: Project) -> None:
    """It decides which resolver is used where the workspace names none."""
    project = uncompiled
    project.replace(WORKSPACE, 'resolver = "3"\n', "")
    project.append(WORKSPACE, '\n[package]\nname = "root"\nversion = "1.0.0"\nedition = "2018"\n')
    project.write("../../src/lib.rs", "")
    project.append(f"{HELPER}/Cargo.toml", "\n[features]\nloud = []\n")
    project.replace(
        f"{HELPER}/src/lib.rs",
        '= "helper 1"',
        '= if cfg!(feature = "loud") { "loud" } else { "quiet" }',
    )
    project.append(
        "Cargo.toml",
        '\n[build-dependencies]\nhelper = { path = "../../crates/helper", features = ["loud"] }\n',
    )
    project.replace(
        "Cargo.toml", "helper.workspace = true", 'helper = { path = "../../crates/helper" }'
    )
    assert asking.anew(project).seen["helper"] == "loud"
    project.replace(WORKSPACE, 'edition = "2018"', 'edition = "2021"')
    asking.must_see(project, "helper", "quiet")


def test_a_package_whose_sources_lie_outside_of_it(uncompiled: Project) -> None:
    project = uncompiled
    project.path(f"{HELPER}/src").rename(project.path("../../shared"))
    project.append(
        f"{HELPER}/Cargo.toml", 'description = "one"\n[lib]\npath = "../../shared/lib.rs"\n'
    )
    project.replace("../../shared/lib.rs", '"helper 1"', 'env!("CARGO_PKG_DESCRIPTION")')
    assert asking.anew(project).seen["helper"] == "one"
    project.replace(f"{HELPER}/Cargo.toml", '"one"', '"two"')
    asking.must_see(project, "helper", "two")


@pytest.mark.parametrize("how", ["another member's manifest", "a new member"])
def test_another_member_that_moves_the_lock_file(how: str, uncompiled: Project) -> None:
    """Cargo brings Cargo.lock up to date when it is asked next, and the module changes."""
    project = uncompiled
    packages.vendor_everything(project)
    for version in ("1.0.0", "1.1.0"):
        source = 'pub const VEND: &str = env!("CARGO_PKG_VERSION");\n'
        packages.add_vendored(project, "vend", version, source)
    if how == "another member's manifest":
        packages.add(project, MEMBER)
    packages.depend_on(project, 'vend = "=1.0.0"')
    packages.show(project, "vend::VEND.to_owned()")
    project.run("cargo", "metadata", "--format-version", "1").ok()
    project.replace("Cargo.toml", 'vend = "=1.0.0"', 'vend = "1"')
    assert asking.anew(project).seen["edited"] == "1.0.0"
    packages.add(project, MEMBER, more='[dependencies]\nvend = "1.1"\n')
    asking.must_see(project, "edited", "1.1.0")


def test_a_configuration_that_an_argument_names_includes_another(uncompiled: Project) -> None:
    project = uncompiled
    project.write("conf/one.toml", 'include = ["two.toml"]\n')
    project.write("conf/two.toml", '[env]\nREAD_BY_CRATE = "one"\n')
    project.replace(
        "pyproject.toml", "[tool.maturin]\n", '[tool.maturin]\nconfig = ["conf/one.toml"]\n'
    )
    assert asking.anew(project).seen["variable"] == "one"
    project.write("conf/two.toml", '[env]\nREAD_BY_CRATE = "two"\n')
    asking.must_see(project, "variable", "two")


def test_a_configured_variable_that_a_script_watches(uncompiled: Project) -> None:
    project = uncompiled
    project.write(".cargo/config.toml", '[env]\nWATCHED_BY_SCRIPT = "one"\n')
    assert asking.anew(project).seen["script_variable"] == "one"
    project.write(".cargo/config.toml", '[env]\nWATCHED_BY_SCRIPT = "two"\n')
    asking.must_see(project, "script_variable", "two")


@pytest.mark.parametrize("kind", ["for tests", "optional", "for another platform"])
def test_a_package_that_is_not_compiled_moves_the_lock_file(kind: str, uncompiled: Project) -> None:
    """It lies outside of the workspace, and what it requires counts all the same."""
    project = uncompiled
    packages.vendor_everything(project)
    for version in ("1.0.0", "1.1.0"):
        source = 'pub const VEND: &str = env!("CARGO_PKG_VERSION");\n'
        packages.add_vendored(project, "vend", version, source)
    packages.add(project, KIT, more="[workspace]\n")
    line = f'kit = {{ path = "{KIT}"'
    if kind == "for tests":
        project.append("Cargo.toml", f"\n[dev-dependencies]\n{line} }}\n")
    elif kind == "optional":
        packages.depend_on(project, f"{line}, optional = true }}")
    else:
        project.append("Cargo.toml", f"\n[target.'cfg(windows)'.dependencies]\n{line} }}\n")
    packages.depend_on(project, 'vend = "=1.0.0"')
    packages.show(project, "vend::VEND.to_owned()")
    project.run("cargo", "metadata", "--format-version", "1").ok()
    project.replace("Cargo.toml", 'vend = "=1.0.0"', 'vend = "1"')
    assert asking.anew(project).seen["edited"] == "1.0.0"
    packages.add(project, KIT, more='[workspace]\n[dependencies]\nvend = "1.1"\n')
    asking.must_see(project, "edited", "1.1.0")
