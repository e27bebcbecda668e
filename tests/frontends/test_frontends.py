"""Real pip and `python -m build`: isolated and not, wheel, sdist and editable, mixed and pure."""

from __future__ import annotations

import itertools
import os
from typing import TYPE_CHECKING

import pytest
from support import environment, wheels
from support.workbench import CFFI

if TYPE_CHECKING:
    from pathlib import Path

    from conftest import CheckOut
    from support.project import Project

ISOLATION = pytest.mark.parametrize("isolated", [True, False], ids=["isolated", "not isolated"])


def venv_for(project: Project, *, isolated: bool) -> Path:
    """An environment to install into; without isolation it needs the backend and maturin too."""
    venv = project.new_venv()
    if not isolated:
        python = environment.python_in(venv)
        project.uv("pip", "install", "--python", python, "wheelprint", "maturin", *CFFI).ok()
    return venv


#: The others are tested by `nox -s freshness`.
IN_BOTH_SESSIONS = {
    ("mixed-path-dep", "isolated", "editable"),
    ("pure", "isolated", "wheel"),
    ("mixed-path-dep", "not isolated", "wheel"),
    ("hello-pure", "not isolated", "editable"),
}


@pytest.mark.parametrize(
    ("name", "isolation", "kind"),
    [
        pytest.param(*case, marks=() if case in IN_BOTH_SESSIONS else pytest.mark.freshness)
        for case in itertools.product(
            ("mixed-path-dep", "pure", "hello-pure"),
            ("isolated", "not isolated"),
            ("editable", "wheel"),
        )
    ],
)
def test_pip_install(name: str, isolation: str, kind: str, check_out: CheckOut) -> None:
    isolated = isolation == "isolated"
    project = check_out(name)
    venv = venv_for(project, isolated=isolated)
    args = ["install", "--no-deps", *(["-e"] if kind == "editable" else []), "."]
    if not isolated:
        args.insert(1, "--no-build-isolation")
    for number, expected in enumerate(project.sample.shows):
        # The version stays the same: without this pip would leave the old one in place.
        project.pip(venv, *args, "--force-reinstall").ok()
        assert project.python(venv, project.sample.probe) == expected
        if number == 0:
            project.edit()


@ISOLATION
def test_pip_wheel(isolated: bool, check_out: CheckOut) -> None:
    project = check_out("mixed-path-dep")
    venv = venv_for(project, isolated=isolated)
    folder = project.output_folder()
    args: list[str | Path] = ["wheel", "--no-deps", "-w", folder, "."]
    if not isolated:
        args.insert(1, "--no-build-isolation")
    project.pip(venv, *args).ok()
    (wheel,) = folder.glob("*.whl")
    wheels.check(wheel)
    assert wheels.record(wheel)


@pytest.mark.spy
def test_pip_says_the_verdict_if_asked(check_out: CheckOut) -> None:
    project = check_out("pure")
    venv = project.new_venv()
    project.pip(venv, "install", "-e", ".").ok()
    project.spy.clear()
    project.touch("src/lib.rs")
    run = project.pip(venv, "install", "-v", "-e", ".").ok()
    assert run.verdict.startswith("fresh: ")
    project.spy.assert_idle()
    project.edit()
    run = project.pip(venv, "install", "-v", "-e", ".").ok()
    assert run.verdict == "stale: src/answer.rs changed"


def test_pip_config_settings(check_out: CheckOut) -> None:
    project = check_out("bin-bindings")
    venv = project.new_venv()
    project.pip(venv, "install", "--config-settings", "build-args=--profile dev", ".").ok()
    assert project.python(venv, project.sample.probe.replace("[0]", "[1]")) == "dev"


@ISOLATION
@pytest.mark.parametrize(
    ("name", "options"),
    [
        # From the tree: compiled where it lies.
        ("mixed-path-dep", ("--sdist", "--wheel")),
        ("pure", ("--sdist", "--wheel")),
        # A wheel from the sdist, in a new folder.
        ("cffi-bindings", ()),
    ],
    ids=["mixed", "pure", "via sdist"],
)
def test_build(name: str, options: tuple[str, ...], isolated: bool, check_out: CheckOut) -> None:
    project = check_out(name)
    folder = project.output_folder()
    if isolated:
        run = project.pyproject_build(*options, "-o", folder)
    else:
        # `build` runs the hooks with its own interpreter, so it has to be in that environment.
        venv = venv_for(project, isolated=False)
        python = environment.python_in(venv)
        project.uv("pip", "install", "--python", python, "build").ok()
        path = os.pathsep.join([str(python.parent), project.env["PATH"]])
        run = project.run(
            python, "-m", "build", "--no-isolation", *options, "-o", folder, PATH=path
        )
    run.ok()
    assert len(list(folder.glob("*.tar.gz"))) == 1
    (wheel,) = folder.glob("*.whl")
    wheels.check(wheel)
    assert wheels.record(wheel)
    shown = project.python(project.installed(wheel), project.sample.probe)
    assert shown == project.sample.shows[0]


def test_build_config_settings(check_out: CheckOut) -> None:
    project = check_out("bin-bindings")
    folder = project.output_folder()
    project.pyproject_build("--wheel", "-C", "build-args=--profile dev", "-o", folder).ok()
    (wheel,) = folder.glob("*.whl")
    venv = project.installed(wheel)
    assert project.python(venv, project.sample.probe.replace("[0]", "[1]")) == "dev"
