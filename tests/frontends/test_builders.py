"""What builds wheels and sdists, several times in a row on one tree: `python -m build`,
`pip wheel`, `uv build`, and all three as cibuildwheel calls them."""

from __future__ import annotations

import os
import shutil
from typing import TYPE_CHECKING, Callable

import pytest
from support import environment, frontends, pythons, wheels

if TYPE_CHECKING:
    from pathlib import Path

    from conftest import CheckOut
    from support.project import Project, Run


def with_backend(project: Project, name: str = "builder", python: str | None = None) -> Path:
    """An environment with pip and build in it, and with all that is needed without isolation."""
    folder = project.bench.folder / "state" / name
    project.uv("venv", *(("--python", python) if python else ()), folder).ok()
    wanted = ("pip", "build", "wheelprint", "maturin", "cffi")
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
@pytest.mark.parametrize("isolation", ["isolated", "isolated with uv", "not isolated"])
def test_build(isolation: str, options: tuple[str, ...], check_out: CheckOut) -> None:
    project = check_out("cffi-bindings")
    frontends.give_home(project)
    venv = with_backend(project)
    how = {"isolated": (), "isolated with uv": ("--installer", "uv")}
    args = how.get(isolation, ("--no-isolation",))
    python = environment.python_in(venv)
    # uv is looked for beside build, or on PATH.
    folders = [environment.scripts_folder(venv), project.bench.uv.parent]
    path = os.pathsep.join([*map(str, folders), project.env["PATH"]])

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
    """For one interpreter after the other, each first on PATH, with the same folder for the wheels,
    which is made anew. The commands and variables are those of cibuildwheel 4.3 on Linux."""
    project = check_out("cffi-bindings")
    frontends.give_home(project)
    env = {
        "CIBUILDWHEEL": "1",
        "PIP_DISABLE_PIP_VERSION_CHECK": "1",
        "PIP_ROOT_USER_ACTION": "ignore",
    }
    venvs = {"this": with_backend(project, "this")}
    other = pythons.other()
    if other is not None:
        venvs["other"] = with_backend(project, "other", other)
    folder = project.bench.folder / "state" / "built_wheel"

    def build(identifier: str, venv: Path) -> None:
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir()
        python = environment.python_in(venv)
        path = [environment.scripts_folder(venv), project.bench.uv.parent]
        command = {
            "pip": (
                python,
                "-m",
                "pip",
                "wheel",
                project.root,
                f"--wheel-dir={folder}",
                "--no-deps",
            ),
            "build": (python, "-m", "build", project.root, "--wheel", f"--outdir={folder}"),
            "uv": (
                *(project.bench.uv, "build", f"--python={python}", project.root),
                *("--wheel", f"--out-dir={folder}"),
            ),
        }
        command["build[uv]"] = (*command["build"], "--installer=uv")
        project.run(
            *command[frontend],
            cwd=project.bench.checkout_folder,
            output=folder,
            PATH=os.pathsep.join([*map(str, path), project.env["PATH"]]),
            CIBUILDWHEEL_BUILD_IDENTIFIER=identifier,
            **env,
        ).ok()

    def run() -> str:
        seen = set()
        for identifier, venv in venvs.items():
            build(identifier, venv)
            (wheel,) = folder.glob("*.whl")
            wheels.check(wheel)
            python = environment.python_in(venv)
            project.uv("pip", "install", "--python", python, "--reinstall", "--no-deps", wheel).ok()
            seen.add(project.python(venv, project.sample.probe))
        (shown,) = seen
        return shown

    frontends.in_a_row(project, run)
