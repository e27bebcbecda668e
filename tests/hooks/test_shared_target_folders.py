"""Several projects in one target folder, by CARGO_TARGET_DIR or in one workspace: each gets its own
module, also for a build of which cargo sees no reason."""

from __future__ import annotations

import dataclasses
import shutil
from typing import TYPE_CHECKING

import pytest
from support import asking, packages

if TYPE_CHECKING:
    from conftest import CheckOut
    from support.project import Project

pytestmark = [pytest.mark.spy, pytest.mark.freshness]

SAMPLE = "cffi-bindings"


def share_a_target_folder(project: Project) -> None:
    project.env["CARGO_TARGET_DIR"] = str(project.bench.folder / "state" / "shared-target")


def copy(project: Project, name: str = SAMPLE) -> Project:
    """The same project once more, beside it, with that name."""
    other = dataclasses.replace(project, root=project.path("../other"))
    shutil.copytree(project.root, other.root, ignore=shutil.ignore_patterns("target"))
    for manifest in ("Cargo.toml", "pyproject.toml"):
        other.replace(manifest, f'"{SAMPLE}"', f'"{name}"')
    return other


def must_say(project: Project, answer: str) -> None:
    run, wheel = project.build("editable")
    assert asking.probe(project, wheel) == answer, run.verdict


@pytest.mark.parametrize("module", ["the same module name", "another module name"])
def test_dependencies_of_one_name(module: str, check_out: CheckOut) -> None:
    """And no source is edited after the first builds."""
    one = check_out(SAMPLE)
    packages.answer_from_core(one)
    other = copy(one, "other-bindings")
    other.replace("core/src/lib.rs", "1", "2")
    if module == "another module name":
        # Of the library; it is still imported as cffi_sample._native.
        other.replace("Cargo.toml", '"cffi_sample"', '"other_sample"')
    share_a_target_folder(one)
    must_say(one, "1")
    must_say(other, "2")
    # What is stale for a reason that cargo does not see is not answered by the other's.
    for with_new_settings in (True, False):
        for project, answer in ((one, "1"), (other, "2")):
            if with_new_settings:
                project.settings('extra-inputs = ["x"]')
            asking.forget_builds(project)
            must_say(project, answer)


def test_two_checkouts(check_out: CheckOut) -> None:
    one = check_out(SAMPLE)
    packages.answer_from_core(one)
    other = copy(one)
    other.replace("core/src/lib.rs", "1", "2")
    share_a_target_folder(one)
    for tens in (0, 10, 20):
        must_say(one, str(tens + 1))
        must_say(other, str(tens + 2))
        one.write("core/src/lib.rs", f"pub const CORE: u32 = {tens + 11};\n")
        other.write("core/src/lib.rs", f"pub const CORE: u32 = {tens + 12};\n")


def test_one_module_name_and_no_dependency_in_common(check_out: CheckOut) -> None:
    """`uv init` calls every module `_core`; CARGO_TARGET_DIR is set for all projects."""
    one = check_out(SAMPLE)
    share_a_target_folder(one)
    one.append("Cargo.toml", "\n[workspace]\n")
    other = copy(one, "other-bindings")
    packages.answer(other, "77")
    must_say(one, "8")
    must_say(other, "77")
    # A reason that cargo knows nothing of.
    one.settings('extra-inputs = ["schema/*"]')
    must_say(one, "8")
    other.settings('extra-inputs = ["schema/*"]')
    must_say(other, "77")


def test_a_build_by_hand_that_overwrites_the_module(check_out: CheckOut) -> None:
    """Another member of the workspace with a library of the same name, and `cargo build`."""
    one = check_out(SAMPLE)
    one.write("../../Cargo.toml", '[workspace]\nmembers = ["bindings/*"]\nresolver = "3"\n')
    other = copy(one, "other-bindings")
    packages.answer(other, "77")
    must_say(one, "8")
    one.run("cargo", "build", "--release", "-p", "other-bindings").ok()
    one.settings('extra-inputs = ["schema/*"]')
    must_say(one, "8")
