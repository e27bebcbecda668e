"""The stable interpreter: pyo3 is compiled once, and a build script sees its requirements."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from support import wheels

if TYPE_CHECKING:
    from conftest import CheckOut
    from support.project import Project

PYO3 = pytest.mark.parametrize(
    "name", ["hello-pure", "mixed-path-dep", "build-script-import", "workspace"]
)


def isolated_uv(project: Project) -> None:
    project.uv("build", "--wheel", "-o", project.output_folder()).ok()


def isolated_pip(project: Project) -> None:
    venv = project.new_venv()
    project.pip(venv, "wheel", "--no-deps", "-w", project.output_folder(), ".").ok()


def isolated_build(project: Project) -> None:
    project.pyproject_build("--wheel", "-o", project.output_folder()).ok()


def direct(project: Project) -> None:
    project.build("wheel")


@pytest.mark.spy
@PYO3
def test_isolated_builds_compile_pyo3_once(name: str, check_out: CheckOut) -> None:
    project = check_out(name)
    isolated_uv(project)
    project.spy.clear()
    project.edit()
    isolated_uv(project)
    assert project.spy.compiled() == project.sample.recompiled


@pytest.mark.spy
@pytest.mark.freshness
def test_plain_maturin_compiles_it_again(check_out: CheckOut) -> None:
    """What the test above would see if there were no stable interpreter."""
    project = check_out("hello-pure", built_by="maturin")
    project.switch_to_maturin()
    isolated_uv(project)
    project.spy.clear()
    project.edit()
    isolated_uv(project)
    assert {"pyo3", "pyo3-ffi", "hello_pure"} <= project.spy.compiled()


@pytest.mark.spy
def test_no_frontend_undoes_what_another_compiled(check_out: CheckOut) -> None:
    project = check_out("hello-pure")
    isolated_uv(project)
    for number, frontend in enumerate((isolated_pip, isolated_build, direct, isolated_uv)):
        project.append("src/lib.rs", f"// {number}\n")
        project.spy.clear()
        frontend(project)
        assert project.spy.compiled() == {"hello_pure"}, frontend.__name__


@pytest.mark.parametrize("frontend", [isolated_uv, isolated_pip, isolated_build, direct])
def test_a_build_script_imports_a_build_requirement(frontend: object, check_out: CheckOut) -> None:
    project = check_out("build-script-import")
    frontend(project)  # type: ignore[operator]


def test_a_build_script_imports_it_in_an_editable_build(check_out: CheckOut) -> None:
    project = check_out("build-script-import")
    project.uv("sync").ok()
    assert project.uv_run("import build_script_import as b; print(b.cffi_at_build())")[0].isdigit()


@pytest.mark.spy
@pytest.mark.parametrize("variable", ["PYO3_PYTHON", "PATH", "VIRTUAL_ENV"])
def test_a_build_script_that_watches_the_environment_runs_once(
    variable: str, check_out: CheckOut
) -> None:
    project = check_out("hello-pure")
    runs = project.path("../build-script-runs.txt")
    project.write(
        "build.rs",
        f"""
        use std::io::Write as _;
        fn main() {{
            println!("cargo:rerun-if-env-changed={variable}");
            let log = concat!(env!("CARGO_MANIFEST_DIR"), "/../build-script-runs.txt");
            let mut log = std::fs::File::options().append(true).create(true).open(log).unwrap();
            writeln!(log, "{{:?}}", std::env::var("{variable}")).unwrap();
        }}
        """,
    )
    isolated_uv(project)
    project.edit()
    isolated_uv(project)
    assert len(runs.read_text().splitlines()) == 1, runs.read_text()


def test_the_build_sees_the_frontends_environment(check_out: CheckOut) -> None:
    """PEP 517: the build requirements can be imported and run; `python` on PATH is that one."""
    project = check_out("build-script-import")
    seen = project.path("../seen.json")
    project.replace(
        "build.rs",
        "import cffi;",
        "import cffi, json, sys; "
        f"open({str(seen)!r}, 'w').write(json.dumps([sys.version_info[:3], sys.prefix, "
        "cffi.__file__, cffi.__version__]));",
    )
    isolated_uv(project)
    version, _, cffi, cffi_version = json.loads(seen.read_text())
    assert version == list(sys.version_info[:3])
    assert cffi_version
    # uv's environment is gone by now; what was imported lay in it.
    assert project.env["UV_CACHE_DIR"] in cffi


def test_the_frontends_packages_come_before_those_of_the_stable_interpreter(
    tmp_path: Path,
) -> None:
    """maturin may have installed cffi in it, while another environment was built."""
    frontends, own = tmp_path / "frontend" / "site-packages", tmp_path / "own"
    for folder in (frontends, own):
        folder.mkdir(parents=True)
        (folder / "in_both.py").write_text("")
    source = Path(__file__).parents[2] / "python" / "wheelprint" / "_site.py"
    shutil.copy(source, own / "_wheelprint_site.py")
    code = (
        "import sys; sys.path.insert(0, sys.argv[1]); "
        "import _wheelprint_site, in_both; print(in_both.__file__)"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, str(own)],
        env={**os.environ, "WHEELPRINT_SYS_PATH": json.dumps([str(frontends)])},
        check=True,
        capture_output=True,
        text=True,
    )
    assert Path(done.stdout.strip()).parent == frontends


def another_python() -> Path | None:
    """A CPython of another version, on PATH or where pyenv and CI runners keep them all.

    Before 3.11 maturin needs tomli, which the wheelhouse has for our own version only.
    """
    names = {f"python3.{minor}" for minor in range(11, 15)} - {f"python3.{sys.version_info.minor}"}
    prefix = Path(sys.base_prefix)
    beside = [*prefix.parent.glob("*/bin/*"), *prefix.parent.parent.glob("*/*/bin/*")]
    found = [path for path in beside if path.name in names]
    found += [Path(path) for path in map(shutil.which, sorted(names)) if path]
    for path in sorted(found):
        if subprocess.run([path, "-c", "import ctypes"], capture_output=True).returncode == 0:
            return path
    return None


@pytest.mark.spy
def test_another_python_version_is_another_interpreter(check_out: CheckOut) -> None:
    """Its wheel has its tag, and going back costs nothing again."""
    project = check_out("mixed-path-dep")
    other = another_python()
    if other is None:
        pytest.skip("only one Python is installed")
    folder = project.output_folder()
    project.uv("build", "--wheel", "-o", folder).ok()
    project.uv("build", "--wheel", "-o", folder, "--python", other).ok()
    built = sorted(folder.glob("*.whl"))
    assert len({wheel.name for wheel in built}) == 2, built
    for wheel in built:
        wheels.check(wheel)
