"""One project and several versions of Python: each gets what was built for it."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from support import environment, wheels
from support.background import Build

if TYPE_CHECKING:
    from conftest import CheckOut
    from support.project import Project

pytestmark = [pytest.mark.spy, pytest.mark.freshness]

#: maturin needs nothing else from this one on.
OLDEST = 11


def _other_python(bench_python: str) -> str:
    """Another version of CPython that is installed here."""
    uv = shutil.which("uv", path=str(Path(sys.executable).parent)) or shutil.which("uv")
    assert uv is not None
    this = f"{sys.version_info.major}.{sys.version_info.minor}"
    for minor in range(OLDEST, 16):
        if f"3.{minor}" == this:
            continue
        command = [uv, "python", "find", "--no-project", "--no-python-downloads", f"3.{minor}"]
        found = subprocess.run(command, capture_output=True, text=True)
        if found.returncode == 0:
            return found.stdout.strip()
    # Version managers keep them beside each other.
    base = Path(bench_python).resolve().parents[2]
    for python in sorted(base.glob("3.*/bin/python3")):
        version = re.match(r"3\.(\d+)", python.parents[1].name)
        if version and int(version[1]) >= OLDEST and f"3.{version[1]}" != this:
            return str(python)
    pytest.skip("only one version of Python here")


@pytest.fixture
def both(check_out: CheckOut, request: pytest.FixtureRequest) -> tuple[Project, list[Path]]:
    """A project, and environments of two versions of Python to build it with."""
    project = check_out(request.param)
    other = project.bench.folder / "venvs" / "other-python"
    project.uv("venv", "--clear", "--python", _other_python(sys.executable), other).ok()
    python = environment.python_in(other)
    project.uv("pip", "install", "--python", python, "wheelprint", "maturin").ok()
    return project, [project.bench.venv("newest"), other]


@pytest.mark.parametrize("both", ["bin-bindings"], indirect=True)
def test_two_interpreters_at_once(both: tuple[Project, list[Path]]) -> None:
    project, venvs = both
    builds = [Build(project, venv=venv) for venv in venvs]
    assert all(build.wheel().exists() for build in builds)
    for venv in venvs:
        assert Build(project, venv=venv).finish().ok().verdict.startswith("fresh: ")
    project.edit()
    verdicts = [Build(project, venv=venv).finish().ok().verdict for venv in venvs]
    assert verdicts[0] == "stale: src/main.rs changed"
    assert "src/main.rs changed" in verdicts[1] or "python: cpython" in verdicts[1]
    for venv in venvs:
        assert Build(project, venv=venv).finish().ok().verdict.startswith("fresh: ")


@pytest.mark.parametrize("both", ["bin-bindings"], indirect=True)
def test_another_interpreter_is_a_reason(both: tuple[Project, list[Path]]) -> None:
    project, venvs = both
    Build(project, venv=venvs[0]).finish().ok()
    verdict = Build(project, venv=venvs[1]).finish().ok().verdict
    version = r"cpython 3\.\d+\.\d+\S* \S+ \S+"
    assert re.fullmatch(rf"stale: python: {version} -> {version}", verdict), verdict


@pytest.mark.freshness
@pytest.mark.parametrize("both", ["pure"], indirect=True)
def test_modules_for_one_version_each(both: tuple[Project, list[Path]]) -> None:
    """Not the stable ABI: each version needs a module of its own, in one target folder."""
    project, venvs = both
    project.replace("Cargo.toml", '"extension-module", "abi3-py39"', '"extension-module"')
    for expected in project.sample.shows:
        builds = [Build(project, venv=venv) for venv in venvs]
        names = [
            next(n for n in wheels.names(b.wheel()) if n.endswith((".so", ".pyd"))) for b in builds
        ]
        for name, build, venv in zip(names, builds, venvs):
            python = environment.python_in(venv)
            code = "import sys; print(f'{sys.version_info.major}{sys.version_info.minor}')"
            tag = project.run(python, "-c", code).ok().stdout.strip()
            assert tag in name
            folder = project.output_folder()
            shutil.unpack_archive(build.wheel(), folder, "zip")
            code = f"import site; site.addsitedir({str(folder)!r}); {project.sample.probe}"
            shown = project.run(python, "-c", code, cwd=folder).ok().stdout.strip()
            assert shown == expected
        if expected == project.sample.shows[0]:
            project.edit()
