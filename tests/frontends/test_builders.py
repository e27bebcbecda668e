"""What builds wheels and sdists, several times in a row on one tree: `python -m build`,
`pip wheel`, `uv build`, and all three as cibuildwheel calls them."""

from __future__ import annotations

import os
import shutil
import sys
from typing import TYPE_CHECKING, Callable

import pytest
from support import environment, frontends, pythons, wheels

if TYPE_CHECKING:
    from pathlib import Path

    from conftest import CheckOut
    from support.project import Project, Run

pytestmark = pytest.mark.frontends


def with_backend(project: Project, name: str = "builder", python: str | None = None) -> Path:
    """An environment with pip and build in it, and with all that is needed without isolation."""
    folder = project.bench.folder / "state" / name
    project.uv("venv", *(("--python", python) if python else ()), folder).ok()
    wanted = ["pip", "build", "wheelprint", "maturin"]
    if project.sample.needs_cffi:
        wanted.append("cffi")
    project.uv("pip", "install", "--python", environment.python_in(folder), *wanted).ok()
    return folder


def built(project: Project, run: Callable[[Path], Run]) -> str:
    """What the module shows of the wheel that the command puts into a folder."""
    folder = project.output_folder()
    run(folder).ok()
    (wheel,) = folder.glob("*.whl")
    wheels.check(wheel)
    return project.python(project.installed(wheel), project.sample.probe)


@pytest.mark.parametrize("options", [(), ("--wheel",)], ids=["via sdist", "from the tree"])
@pytest.mark.parametrize("isolation", ["isolated", "not isolated"])
def test_build(isolation: str, options: tuple[str, ...], check_out: CheckOut) -> None:
    project = check_out("cffi-bindings")
    frontends.give_home(project)
    venv = with_backend(project)
    args = () if isolation == "isolated" else ("--no-isolation",)
    python = environment.python_in(venv)
    path = os.pathsep.join([str(environment.scripts_folder(venv)), project.env["PATH"]])

    def run(folder: Path) -> Run:
        command = (python, "-m", "build", *args, *options, "-o", folder)
        return project.run(*command, PATH=path)

    frontends.in_a_row(project, lambda: built(project, run))


@pytest.mark.parametrize("isolation", ["isolated", "not isolated"])
def test_pip_wheel(isolation: str, check_out: CheckOut) -> None:
    project = check_out("cffi-bindings")
    frontends.give_home(project)
    venv = with_backend(project)
    how = () if isolation == "isolated" else ("--no-build-isolation", "--check-build-dependencies")

    def run(folder: Path) -> Run:
        return project.pip(venv, "wheel", *how, "--no-deps", "-w", folder, ".")

    frontends.in_a_row(project, lambda: built(project, run))


@pytest.mark.parametrize("options", [(), ("--wheel",)], ids=["via sdist", "from the tree"])
def test_uv_build(options: tuple[str, ...], check_out: CheckOut) -> None:
    project = check_out("hello-pure")
    frontends.give_home(project)

    def run(folder: Path) -> Run:
        return project.uv("build", *options, "-o", folder)

    frontends.in_a_row(project, lambda: built(project, run))


@pytest.mark.parametrize("frontend", ["pip", "build", "build[uv]", "uv"])
def test_as_cibuildwheel_calls_it(frontend: str, check_out: CheckOut) -> None:
    project = check_out("bin-bindings")
    cibuildwheel(project, frontend, frontends.RUNS)


def test_pyo3_as_cibuildwheel_calls_it(check_out: CheckOut) -> None:
    """pyo3 is compiled again for each interpreter."""
    cibuildwheel(check_out("hello-pure"), "build", ("", "", "edit"))


def cibuildwheel(project: Project, frontend: str, changes: tuple[str, ...]) -> None:
    """Build for one interpreter after the other, each first on PATH, and with one folder for the
    wheels, which is made anew. The commands and variables are those of cibuildwheel 4.3 on
    Linux."""
    frontends.give_home(project)
    project.env.update(
        CIBUILDWHEEL="1", PIP_DISABLE_PIP_VERSION_CHECK="1", PIP_ROOT_USER_ACTION="ignore"
    )
    names = {"this": sys.executable, "other": pythons.other()}
    venvs = {name: with_backend(project, name, python) for name, python in names.items() if python}
    folder = project.bench.folder / "state" / "built_wheel"

    def run() -> str:
        seen = set()
        for identifier, venv in venvs.items():
            shutil.rmtree(folder, ignore_errors=True)
            folder.mkdir()
            path = [environment.scripts_folder(venv), project.bench.uv.parent, project.env["PATH"]]
            project.run(
                *_command(project, frontend, environment.python_in(venv), folder),
                cwd=project.bench.checkout_folder,
                output=folder,
                PATH=os.pathsep.join(map(str, path)),
                CIBUILDWHEEL_BUILD_IDENTIFIER=identifier,
            ).ok()
            (wheel,) = folder.glob("*.whl")
            wheels.check(wheel)
            options = ("--reinstall", "--no-deps", "--python", environment.python_in(venv))
            project.uv("pip", "install", *options, wheel).ok()
            seen.add(project.python(venv, project.sample.probe))
        (shown,) = seen
        return shown

    frontends.in_a_row(project, run, changes)


def _command(project: Project, frontend: str, python: Path, folder: Path) -> list[str | Path]:
    package = project.root
    if frontend == "pip":
        return [python, "-m", "pip", "wheel", package, f"--wheel-dir={folder}", "--no-deps"]
    if frontend == "uv":
        uv = project.bench.uv
        return [uv, "build", f"--python={python}", package, "--wheel", f"--out-dir={folder}"]
    command = [python, "-m", "build", package, "--wheel", f"--outdir={folder}"]
    return [*command, "--installer=uv"] if frontend == "build[uv]" else command
