"""What is easily taken for a change in other samples than the one with every kind of input."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from support import asking, wheels

if TYPE_CHECKING:
    from conftest import CheckOut

pytestmark = [pytest.mark.spy, pytest.mark.freshness]


@pytest.mark.parametrize("place", ["in git", "not in git"])
def test_a_script_that_names_nothing_in_a_mixed_project(place: str, check_out: CheckOut) -> None:
    """Cargo watches the whole package, into which maturin writes the module."""
    project = check_out("mixed-path-dep")
    project.write("build.rs", 'fn main() {\n    println!("cargo::rustc-check-cfg=cfg(x)");\n}\n')
    if place == "in git":
        project.write(".gitignore", "target\n*.so\n__pycache__\n")
        for command in (("init", "-q"), ("add", "."), ("commit", "-qm", "first")):
            asking.git(project, *command, cwd=project.root)
    project.build("editable")
    run, _ = project.build("editable")
    assert run.verdict.startswith("fresh: "), run.verdict


def test_nothing_in_cargos_home_is_an_input(check_out: CheckOut) -> None:
    """In a small project, whose packages from the registry were compiled before."""
    project = check_out("pure")
    for _ in range(3):
        _, wheel = project.build("editable")
    inputs = wheels.record(wheel)["inputs"]
    assert inputs
    assert [entry for entry in inputs if entry.get("root") == "cargo-home"] == []
