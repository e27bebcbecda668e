"""What decides a build from around a project: workspaces, configuration, toolchains, its place."""

from __future__ import annotations

import dataclasses
import shutil
from typing import TYPE_CHECKING

import pytest
from support import asking, packages, toolchains, wheels

if TYPE_CHECKING:
    from pathlib import Path

    from conftest import CheckOut
    from support.project import Project

pytestmark = [pytest.mark.spy, pytest.mark.freshness]

SAMPLE = "cffi-bindings"


def must_say_what_cargo_says(project: Project) -> None:
    """Whatever the verdict is, a build without the store gives the same module."""
    run, wheel = project.build("editable")
    said = asking.probe(project, wheel)
    _, wheel = project.build("editable", WHEELPRINT_REUSE="never")
    assert asking.probe(project, wheel) == said, run.verdict


def test_a_workspace_above_appears(check_out: CheckOut) -> None:
    project = check_out(SAMPLE)
    packages.answer(project, "u32::from(cfg!(debug_assertions))")
    _, wheel = project.build("editable")
    assert asking.probe(project, wheel) == "0"
    project.write(
        "../../Cargo.toml",
        '[workspace]\nmembers = ["bindings/python"]\n[profile.release]\ndebug-assertions = true\n',
    )
    run, wheel = project.build("editable")
    assert asking.probe(project, wheel) == "1", run.verdict


def test_configuration_in_the_crates_folder(check_out: CheckOut) -> None:
    """Which folder's configuration is obeyed is maturin's choice of a working directory."""
    project = check_out(SAMPLE)
    packages.answer(project, "u32::from(cfg!(loud))")
    project.path("rust").mkdir()
    for name in ("Cargo.toml", "src"):
        project.path(name).rename(project.path(f"rust/{name}"))
    _, wheel = project.build("editable")
    assert asking.probe(project, wheel) == "0"
    project.write("rust/.cargo/config.toml", '[build]\nrustflags = ["--cfg", "loud"]\n')
    must_say_what_cargo_says(project)


def test_a_manifest_in_a_folder_that_comes_first(check_out: CheckOut) -> None:
    """maturin prefers rust/Cargo.toml beside src/PACKAGE/__init__.py."""
    project = check_out(SAMPLE)
    _, wheel = project.build("editable")
    assert asking.probe(project, wheel) == "8"
    shutil.copytree(project.path("src"), project.path("rust/src"))
    shutil.copyfile(project.path("Cargo.toml"), project.path("rust/Cargo.toml"))
    project.append("rust/Cargo.toml", "\n[workspace]\n")
    project.replace("rust/src/lib.rs", project.sample.edit[0], "99")
    must_say_what_cargo_says(project)


def test_a_project_moved_with_its_target_folder(check_out: CheckOut) -> None:
    """Cargo's dep-info names the old place; the times are those of a checkout that keeps them."""
    project = check_out(SAMPLE)
    packages.answer_from_core(project)
    _, wheel = project.build("editable")
    assert asking.probe(project, wheel) == "1"
    moved = dataclasses.replace(project, root=project.path("../moved"))
    project.root.rename(moved.root)
    asking.replace_old(moved, "core/src/lib.rs", "1", "2")
    run, wheel = moved.build("editable")
    assert asking.probe(moved, wheel) == "2", run.verdict


def test_another_toolchain_behind_one_name(check_out: CheckOut, tmp_path: Path) -> None:
    """`rustup toolchain link NAME` points a link elsewhere."""
    stable, nightly = toolchains.sysroot("stable"), toolchains.sysroot("nightly")
    project = check_out(SAMPLE)
    home = tmp_path / "rustup"
    toolchains.use_rustup_home(project, home, mine=stable)
    project.env["CARGO_HOME"] = str(tmp_path / "cargo")
    (tmp_path / "cargo").mkdir()
    project.build("editable")
    project.build("editable")
    link = home / "toolchains" / "mine"
    link.unlink()
    link.symlink_to(nightly)
    run, _ = project.build("editable")
    assert "rustc: " in run.verdict, run.verdict


def test_another_default_toolchain(check_out: CheckOut, tmp_path: Path) -> None:
    names = ("stable", "nightly")
    roots = {f"my-{name}": toolchains.sysroot(name) for name in names}
    project = check_out(SAMPLE)
    toolchains.use_rustup_home(project, tmp_path, **roots)
    for name in ("my-stable", "my-nightly", "my-stable"):
        toolchains.set_default(tmp_path, name)
        run, wheel = project.build("editable")
        version = project.run("rustc", "-V").ok().stdout.split()[1]
        assert version in wheels.record_bytes(wheel).decode(), run.verdict
