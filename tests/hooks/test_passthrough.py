"""Config settings and variables that are maturin's reach it untouched."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any

import pytest
from support import wheels

if TYPE_CHECKING:
    from pathlib import Path

    from conftest import CheckOut
    from support.project import Project

KINDS = pytest.mark.parametrize("kind", ["wheel", "editable"])

SAYS = """
import pathlib, subprocess, sys
program = pathlib.Path(sys.executable).with_name("bin-bindings")
print(subprocess.check_output([str(program)], text=True))
"""


def says(project: Project, kind: str, settings: Any = None, **variables: Any) -> str:
    """What the program prints: how it was compiled."""
    _, wheel = project.build(kind, settings, **variables)
    wheels.check(wheel)
    return project.python(project.installed(wheel), SAYS)


@KINDS
@pytest.mark.parametrize(
    ("settings", "expected"),
    [
        (None, "quiet release"),
        ({"build-args": "--profile dev"}, "quiet dev"),
        ({"maturin.build-args": "--profile dev"}, "quiet dev"),
        ({"build-args": ["--profile", "dev", "--features", "loud"]}, "LOUD dev"),
        ({"build-args": "--features=loud --profile=dev"}, "LOUD dev"),
        # maturin's own precedence.
        ({"maturin.build-args": "--features loud", "build-args": "--profile dev"}, "LOUD release"),
        # uv passes on what it has, maturin does not mind what it does not know.
        ({"somebody-elses": "setting", "build-args": "--features loud"}, "LOUD release"),
        ({"wheelprint.log": "debug", "build-args": "--features loud"}, "LOUD release"),
    ],
)
def test_config_settings(kind: str, settings: Any, expected: str, check_out: CheckOut) -> None:
    assert says(check_out("bin-bindings"), kind, settings) == expected


@KINDS
@pytest.mark.parametrize(
    ("variables", "expected"),
    [
        ({"MATURIN_PEP517_ARGS": "--profile dev"}, "quiet dev"),
        ({"MATURIN_PEP517_ARGS": "--features 'loud'"}, "LOUD release"),
        ({"CARGO_PROFILE_RELEASE_DEBUG_ASSERTIONS": "true"}, "quiet dev"),
        ({"RUSTFLAGS": "-Cdebug-assertions"}, "quiet dev"),
    ],
)
def test_variables(
    kind: str, variables: dict[str, str], expected: str, check_out: CheckOut
) -> None:
    assert says(check_out("bin-bindings"), kind, **variables) == expected


def test_settings_in_pyproject(check_out: CheckOut) -> None:
    project = check_out("bin-bindings")
    settings = '[tool.maturin]\nfeatures = ["loud"]\nprofile = "dev"\n'
    project.replace("pyproject.toml", "[tool.maturin]\n", settings)
    assert says(project, "wheel") == "LOUD dev"


def test_an_interpreter_that_the_user_names(check_out: CheckOut) -> None:
    """maturin then leaves its own out, and so must whoever stands between."""
    project = check_out("bin-bindings")
    _, wheel = project.build("wheel", {"build-args": f"--interpreter {sys.executable}"})
    wheels.check(wheel)


def test_another_target_folder(check_out: CheckOut, tmp_path: Path) -> None:
    project = check_out("bin-bindings")
    for run in (1, 2):
        said, _ = project.build("editable", CARGO_TARGET_DIR=str(tmp_path / "elsewhere"))
        assert said.verdict.startswith("stale" if run == 1 else "fresh")
    assert not list(project.target.rglob("bin-bindings*"))
    project.edit()
    _, wheel = project.build("editable", CARGO_TARGET_DIR=str(tmp_path / "elsewhere"))
    assert project.python(project.installed(wheel), project.sample.probe) == "hushed"


def test_an_argument_that_maturin_refuses(check_out: CheckOut) -> None:
    project = check_out("bin-bindings")
    settings = {"build-args": "--no-such-argument"}
    run = project.hook("build_wheel", project.output_folder(), settings).failed()
    assert "--no-such-argument" in run.stderr
    assert "Traceback" not in run.stderr
