"""One project and several versions of Python: each gets what was built for it."""

from __future__ import annotations

import re
import shutil
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from support import environment, pythons, wheels
from support.background import Build

if TYPE_CHECKING:
    from conftest import CheckOut
    from support.project import Project

pytestmark = [pytest.mark.spy, pytest.mark.freshness]


@pytest.fixture
def both(check_out: CheckOut, request: pytest.FixtureRequest) -> tuple[Project, list[Path]]:
    """A project, and environments of two versions of Python to build it with."""
    other_python = pythons.other()
    if other_python is None:
        pytest.skip("only one version of Python here")
    project = check_out(request.param)
    other = project.bench.folder / "venvs" / "other-python"
    project.uv("venv", "--clear", "--python", other_python, other).ok()
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


@pytest.mark.parametrize("both", ["pure"], indirect=True)
def test_a_build_script_asks_the_interpreter(both: tuple[Project, list[Path]]) -> None:
    """It tells cargo only of its own file, so cargo would not run it again for another Python."""
    project, venvs = both
    project.write(
        "build.rs",
        r"""fn main() {
    println!("cargo::rerun-if-changed=build.rs");
    let python = std::env::var("PYO3_PYTHON").unwrap();
    let said = std::process::Command::new(python).arg("-V").output().unwrap();
    println!("cargo::rustc-env=ASKED={}", String::from_utf8(said.stdout).unwrap().trim());
}
""",
    )
    project.append(
        project.sample.source,
        '\n#[unsafe(no_mangle)]\npub static ASKED: &str = concat!("asked: ", env!("ASKED"));\n',
    )
    for venv in venvs:
        said = project.run(environment.python_in(venv), "-V").ok().stdout.strip()
        wheel = Build(project, venv=venv).wheel()
        module = next(name for name in wheels.names(wheel) if name.endswith((".so", ".pyd")))
        assert f"asked: {said}".encode() in wheels.read(wheel, module)
