"""Real uv: `uv sync`, `uv run`, `uv build`, `uv pip`, with the edit made a second ago."""

from __future__ import annotations

import os
import shutil
from typing import TYPE_CHECKING

import pytest
from support import environment, samples, wheels

if TYPE_CHECKING:
    from pathlib import Path

    from conftest import CheckOut
    from support.project import Project

CACHE_KEYS = (
    '{ file = "pyproject.toml" }, { file = "src/**/*.rs" }, '
    '{ file = "Cargo.toml" }, { file = "Cargo.lock" }'
)
#: Those whose cache keys name everything that the edit touches.
A_FEW = ("hello-pure", "mixed-path-dep", "workspace", "bin-bindings")
WITH_KEYS = pytest.mark.parametrize("name", ["hello-pure", "mixed-path-dep", "pure", "workspace"])


@pytest.fixture
def initialised(check_out: CheckOut) -> Project:
    """What `uv init --build-backend maturin` makes, one line switched."""
    project = check_out("hello-pure")
    # The warm target folder stays.
    parked = project.root.parent / "parked-target"
    if project.target.exists():
        project.target.rename(parked)
    shutil.rmtree(project.root)
    run = project.uv(
        "init",
        *("--build-backend", "maturin", "--lib", "--name", "hello-pure", "--vcs", "none"),
        *("--no-pin-python", "--author-from", "none", project.root),
        cwd=project.root.parent,
    )
    run.ok()
    if parked.exists():
        parked.rename(project.target)
    assert CACHE_KEYS in project.read("pyproject.toml")
    project.replace("pyproject.toml", 'build-backend = "maturin"', 'build-backend = "wheelprint"')
    project.replace("pyproject.toml", '"maturin>=1.0,<2.0"', '"wheelprint"')
    return project


@pytest.mark.spy
def test_what_uv_init_makes_with_one_line_switched(initialised: Project) -> None:
    project = initialised
    assert not project.path("Cargo.lock").exists()
    assert project.uv_run() == "Hello from hello-pure!"

    project.spy.clear()
    project.replace("src/lib.rs", "Hello from", "A second ago:")
    assert project.uv_run() == "A second ago: hello-pure!"
    assert project.spy.compiled() == {"hello_pure"}

    project.spy.clear()
    project.touch("src/lib.rs")
    assert project.uv_run() == "A second ago: hello-pure!"
    project.spy.assert_idle()


@pytest.mark.spy
def test_a_lock_file_that_the_first_build_made_is_no_change(initialised: Project) -> None:
    initialised.uv("sync").ok()
    assert initialised.path("Cargo.lock").exists()
    initialised.spy.clear()
    initialised.uv("sync").ok()
    initialised.spy.assert_idle()


@pytest.mark.spy
@WITH_KEYS
def test_edit_touch_edit_back(name: str, check_out: CheckOut) -> None:
    project = check_out(name)
    before, after = project.sample.shows
    assert project.uv_run() == before

    project.spy.clear()
    project.edit()
    assert project.uv_run() == after
    assert project.spy.compiled() == project.sample.recompiled

    project.spy.clear()
    project.touch(project.sample.source)
    assert project.uv_run() == after
    project.undo_edit()
    assert project.uv_run() == before
    project.spy.assert_idle()


@pytest.mark.spy
@pytest.mark.parametrize(
    "text",
    ["# a comment\n", "[tool.ruff]\nline-length = 99\n", "\n[dependency-groups]\ndev = []\n"],
    ids=["a comment", "another tool's table", "dependency groups"],
)
def test_pyproject_edits_that_mean_nothing_for_the_module(text: str, check_out: CheckOut) -> None:
    project = check_out("hello-pure")
    project.uv("sync").ok()
    project.spy.clear()
    project.append("pyproject.toml", text)
    run = project.uv("sync", "-v").ok()
    # uv did ask: otherwise this would show nothing.
    assert run.verdict.startswith("fresh: ")
    project.spy.assert_idle()


@pytest.mark.spy
def test_a_new_environment(check_out: CheckOut) -> None:
    project = check_out("hello-pure")
    project.uv("sync").ok()
    shutil.rmtree(project.path(".venv"))
    environment_cache = project.bench.folder / "uv-cache"
    for bucket in environment_cache.glob("sdists-*"):
        shutil.rmtree(bucket)
    project.spy.clear()
    run = project.uv("sync", "-v").ok()
    assert run.verdict.startswith("fresh: ")
    project.spy.assert_idle()
    assert project.uv_run() == project.sample.shows[0]


def test_verbose_shows_the_verdict(check_out: CheckOut) -> None:
    """Without WHEELPRINT_LOG: the frontend's own switch is enough."""
    project = check_out("hello-pure")
    assert project.uv("sync", "-v").ok().verdict.startswith("stale: ")
    project.edit()
    assert project.uv("sync", "-v").ok().verdict == "stale: src/lib.rs changed"
    project.touch("src/lib.rs")
    assert project.uv("sync", "-v").ok().verdict.startswith("fresh: ")


def test_quiet_shows_nothing(check_out: CheckOut) -> None:
    project = check_out("hello-pure")
    run = project.uv("sync").ok()
    assert "wheelprint: " not in run.output


def test_fresh_gets_an_environment_without_maturin(check_out: CheckOut) -> None:
    project = check_out("hello-pure")
    run = project.uv("sync", "-v").ok()
    assert "maturin==" in run.output
    project.touch("src/lib.rs")
    run = project.uv("sync", "-v").ok()
    assert run.verdict.startswith("fresh: ")
    assert "maturin==" not in run.output


@pytest.mark.spy
def test_without_isolation(check_out: CheckOut) -> None:
    project = check_out("hello-pure")
    venv = project.bench.venv()
    args: list[str | Path] = [
        "pip",
        "install",
        "--python",
        environment.python_in(venv),
        "--no-build-isolation",
    ]
    scripts = environment.scripts_folder(venv)
    path = os.pathsep.join([str(scripts), project.env["PATH"]])
    try:
        project.uv(*args, "-e", ".", PATH=path).ok()
        assert project.python(venv, project.sample.probe) == project.sample.shows[0]
        project.spy.clear()
        project.edit()
        project.uv(*args, "-e", ".", PATH=path).ok()
        assert project.python(venv, project.sample.probe) == project.sample.shows[1]
        assert project.spy.compiled() == {"hello_pure"}
        project.touch("src/lib.rs")
        project.spy.clear()
        project.uv(*args, "-e", ".", PATH=path).ok()
        project.spy.assert_idle()
    finally:
        project.uv("pip", "uninstall", "--python", environment.python_in(venv), "hello-pure")


@pytest.mark.parametrize(
    ("name", "options"),
    [
        # From the tree: compiled where it lies.
        *((name, ("--sdist", "--wheel")) for name in A_FEW),
        *(
            pytest.param(name, ("--sdist", "--wheel"), marks=pytest.mark.freshness)
            for name in samples.BY_NAME
            if name not in A_FEW
        ),
        # An sdist, and a wheel from that sdist, which holds all that the wheel needs. Its folder is
        # a new one, where pyo3 is compiled anew whatever the backend: once is enough.
        ("mixed-path-dep", ()),
        ("cffi-bindings", ()),
        ("bin-bindings", ()),
    ],
    ids=lambda value: value if isinstance(value, str) else " ".join(value) or "via sdist",
)
def test_build(name: str, options: tuple[str, ...], check_out: CheckOut) -> None:
    project = check_out(name)
    folder = project.output_folder()
    project.uv("build", *options, "-o", folder).ok()
    (wheel,) = folder.glob("*.whl")
    assert len(list(folder.glob("*.tar.gz"))) == 1
    wheels.check(wheel)
    assert wheels.record(wheel)
    assert project.python(project.installed(wheel), project.sample.probe) == project.sample.shows[0]


@pytest.mark.parametrize("options", [(), ("--editable",)], ids=["wheel", "editable"])
def test_pip_install(options: tuple[str, ...], check_out: CheckOut) -> None:
    project = check_out("mixed-path-dep")
    venv = project.new_venv()
    args: list[str | Path] = [
        "pip",
        "install",
        "--python",
        environment.python_in(venv),
        *options,
        ".",
    ]
    project.uv(*args).ok()
    assert project.python(venv, project.sample.probe) == project.sample.shows[0]
    project.edit()
    project.uv(*args).ok()
    assert project.python(venv, project.sample.probe) == project.sample.shows[1]


def test_config_settings(check_out: CheckOut) -> None:
    project = check_out("bin-bindings")
    probe = project.sample.probe.replace("[0]", "[1]")
    assert project.uv_run(probe) == "release"
    settings = ("-C", "build-args=--profile dev")
    run = project.uv("run", *settings, "python", "-c", probe).ok()
    assert run.stdout.strip() == "dev"


def test_a_new_dependency_of_the_crate(check_out: CheckOut) -> None:
    """The whole way from a new local crate to its code at run time."""
    project = check_out("hello-pure")
    assert project.uv_run() == project.sample.shows[0]
    project.write(
        "../greeter/Cargo.toml",
        '[package]\nname = "greeter"\nversion = "0.1.0"\nedition = "2024"\n',
    )
    project.write("../greeter/src/lib.rs", 'pub const GREETING: &str = "Greetings";\n')
    project.append("Cargo.toml", 'greeter = { path = "../greeter" }\n')
    project.replace("src/lib.rs", '"Hello from hello-pure!"', "greeter::GREETING")
    assert project.uv_run() == "Greetings"
    # uv does not watch that file: its key is not written by hand here. The backend does.
    project.write("../greeter/src/lib.rs", 'pub const GREETING: &str = "Salutations";\n')
    project.touch("pyproject.toml")
    assert project.uv_run() == "Salutations"
