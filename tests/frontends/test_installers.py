"""What builds and installs, several times in a row on one tree: pip, uv, pipx, nox, hatch, PDM."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

import pytest
from support import environment, frontends

if TYPE_CHECKING:
    from pathlib import Path

    from conftest import CheckOut
    from support.project import Project

pytestmark = pytest.mark.frontends

KINDS = pytest.mark.parametrize("kind", ["wheel", "editable"])
#: What is installed must be right without the import's help.
STRICT = {"WHEELPRINT_ON_STALE": "error"}


def what(kind: str) -> tuple[str, ...]:
    """What is installed, as pip and its kin are told."""
    return ("-e", ".") if kind == "editable" else (".",)


def shown_by(project: Project, venv: Path) -> str:
    """What the module in an environment shows."""
    return project.python(venv, project.sample.probe, **STRICT)


@KINDS
@pytest.mark.parametrize("isolation", ["isolated", "not isolated"])
def test_pip_install(isolation: str, kind: str, check_out: CheckOut) -> None:
    project = check_out("cffi-bindings")
    frontends.give_home(project)
    venv = project.new_venv()
    python = environment.python_in(venv)
    wanted = () if isolation == "isolated" else ("wheelprint", "maturin")
    project.uv("pip", "install", "--python", python, "cffi", *wanted).ok()
    how = () if isolation == "isolated" else ("--no-build-isolation", "--check-build-dependencies")

    def run() -> str:
        args = ("install", *how, "--no-deps", "--force-reinstall", *what(kind))
        project.pip(venv, *args).ok()
        return shown_by(project, venv)

    frontends.in_a_row(project, run)


@KINDS
@pytest.mark.parametrize("isolation", ["isolated", "not isolated"])
def test_uv_pip_install(isolation: str, kind: str, check_out: CheckOut) -> None:
    """hello-pure tells uv which files count."""
    project = check_out("hello-pure")
    frontends.give_home(project)
    venv = project.new_venv()
    python = environment.python_in(venv)
    how = ()
    if isolation == "not isolated":
        project.uv("pip", "install", "--python", python, "wheelprint", "maturin").ok()
        how = ("--no-build-isolation",)

    def run() -> str:
        project.uv("pip", "install", "--python", python, *how, *what(kind)).ok()
        return shown_by(project, venv)

    frontends.in_a_row(project, run)


@KINDS
def test_uv_sync(kind: str, check_out: CheckOut) -> None:
    project = check_out("hello-pure")
    frontends.give_home(project)
    options = () if kind == "editable" else ("--no-editable",)

    def run() -> str:
        project.uv("sync", *options).ok()
        return shown_by(project, project.root / ".venv")

    frontends.in_a_row(project, run)


@KINDS
def test_pipx(kind: str, check_out: CheckOut) -> None:
    project = check_out("bin-bindings")
    frontends.give_home(project)
    programs = project.bench.folder / "state" / "programs"
    name = "bin-bindings.exe" if sys.platform == "win32" else "bin-bindings"
    project.env.update(PIPX_BIN_DIR=str(programs), PIPX_DEFAULT_PYTHON=sys.executable)
    options = ("--editable",) if kind == "editable" else ()

    def run() -> str:
        frontends.tool(project, "pipx", "install", "--force", *options, ".").ok()
        return project.run(programs / name).ok().stdout.split()[0]

    frontends.in_a_row(project, run)


@pytest.mark.parametrize(
    ("reuse", "kind"), [(True, "wheel"), (True, "editable"), (False, "editable")]
)
def test_nox(reuse: bool, kind: str, check_out: CheckOut) -> None:
    project = check_out("cffi-bindings")
    frontends.give_home(project)
    project.write(
        "noxfile.py",
        f"""\
import nox

@nox.session(reuse_venv={reuse})
def show(session):
    session.install("--force-reinstall", *{what(kind)})
    session.run("python", {str(frontends.script(project))!r}, env={STRICT})
""",
    )
    frontends.in_a_row(
        project,
        lambda: frontends.shown(frontends.tool(project, "nox")),
    )


def hatch_environment(project: Project, installer: str, *, dev_mode: bool = True) -> None:
    """The environment that hatch runs things in."""
    lines = [f"installer = '{installer}'", f"dev-mode = {str(dev_mode).lower()}"]
    if installer == "uv":
        lines.append(f"uv-path = '{project.bench.uv}'")
    project.append("pyproject.toml", "\n".join(["", "[tool.hatch.envs.default]", *lines, ""]))


@pytest.mark.parametrize(("installer", "dev_mode"), [("pip", True), ("pip", False), ("uv", True)])
def test_hatch(installer: str, dev_mode: bool, check_out: CheckOut) -> None:
    """Its environment is made anew each time: an install is kept as long as the environment."""
    project = check_out("cffi-bindings")
    frontends.give_home(project)
    hatch_environment(project, installer, dev_mode=dev_mode)
    script = frontends.script(project)

    def run() -> str:
        frontends.tool(project, "hatch", "env", "remove", "default").ok()
        return frontends.shown(frontends.tool(project, "hatch", "run", "python", script, **STRICT))

    frontends.in_a_row(project, run)


@pytest.mark.parametrize("installer", ["pip", "uv"])
def test_hatch_keeps_an_editable(installer: str, check_out: CheckOut) -> None:
    """What was edited since the environment was made is seen by the import."""
    project = check_out("cffi-bindings")
    frontends.give_home(project)
    hatch_environment(project, installer)
    script = frontends.script(project)
    # As `uv run` names it. It is not on PATH here.
    uv = {"UV": project.bench.uv}

    def run() -> str:
        return frontends.shown(frontends.tool(project, "hatch", "run", "python", script, **uv))

    frontends.in_a_row(project, run)


@KINDS
@pytest.mark.parametrize("installer", ["pdm", "uv"])
def test_pdm(installer: str, kind: str, check_out: CheckOut) -> None:
    # With uv it takes no packages from local folders, so the project may not depend on any.
    project = check_out("cffi-bindings" if installer == "pdm" else "hello-pure")
    frontends.give_home(project)
    # It would look for packages for every Python that the project supports.
    this = f"=={sys.version_info.major}.{sys.version_info.minor}.*"
    project.replace("pyproject.toml", 'requires-python = ">=3.9"', f'requires-python = "{this}"')
    # The first one replaces the index.
    for name, folder in (("pypi", project.bench.dist), ("others", project.bench.wheelhouse)):
        source = f'name = "{name}"\ntype = "find_links"\nurl = "{folder.as_uri()}"'
        project.append("pyproject.toml", f"\n[[tool.pdm.source]]\n{source}\n")
    project.env.update(PDM_CACHE_DIR=f"{project.env['HOME']}/pdm", PDM_CHECK_UPDATE="false")
    if installer == "uv":
        project.env["PDM_USE_UV"] = "true"
    project.uv("venv", ".venv").ok()
    options = ("--no-editable",) if kind == "wheel" else ()

    def run() -> str:
        frontends.tool(project, "pdm", "install", *options).ok()
        return shown_by(project, project.root / ".venv")

    frontends.in_a_row(project, run)
