"""Several packages in one cargo workspace: each compiles only itself and what changed, and builds
side by side see their own environments."""

from __future__ import annotations

import dataclasses
import shutil
import sys
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

import pytest
from support import asking, background, environment, many

if TYPE_CHECKING:
    from pathlib import Path

    from conftest import CheckOut
    from support.many import Many
    from support.project import Project

#: A version of pyo3 for which maturin writes a configuration file into the target folder.
LATER_PYO3 = "0.29"


@pytest.fixture
def mixed(check_out: CheckOut) -> Many:
    """One package of each kind: pyo3 with and without the stable ABI, cffi, a build script that
    imports a build requirement."""
    return many.workspace(check_out(many.SAMPLE), many.one_of_each())


def touch_everything(workspace: Many) -> None:
    for path in workspace.top.root.glob("*/*/**/*"):
        if path.suffix in (".rs", ".toml") and "target" not in path.parts:
            workspace.top.touch(str(path.relative_to(workspace.top.root)))


def each_compiles_only_itself(workspace: Many) -> None:
    """Installs all, then edits each package and the shared crate in turn."""
    workspace.spy.clear()
    workspace.sync()
    assert many.compiled_twice(workspace.spy) == set()
    numbers = dict.fromkeys(workspace.packages, 0)
    assert answers(workspace) == {name: 100 for name in numbers}
    for number, name in enumerate(numbers, start=1):
        workspace.spy.clear()
        workspace.edit(name, number)
        workspace.sync()
        assert workspace.spy.compiled() == {name}
        numbers[name] = number
    for shared in (2, 3):
        workspace.spy.clear()
        workspace.edit_shared(shared)
        workspace.sync()
        assert workspace.spy.compiled() == {"shared", *numbers}
        assert many.compiled_twice(workspace.spy) == set()
        assert answers(workspace) == {name: shared * 100 + own for name, own in numbers.items()}


def answers(workspace: Many) -> dict[str, int]:
    return {name: workspace.answer(name) for name in workspace.packages}


@pytest.mark.spy
def test_uv_sync_installs_all_at_once(mixed: Many) -> None:
    each_compiles_only_itself(mixed)
    mixed.spy.clear()
    mixed.sync()
    touch_everything(mixed)
    mixed.sync()
    mixed.spy.assert_idle()


@pytest.mark.spy
def test_modules_of_one_name(check_out: CheckOut) -> None:
    """`uv init` calls each module `_core`; cargo then has one file for all of them."""
    workspace = many.workspace(check_out(many.SAMPLE), {"one": "stable", "two": "stable"})
    for name, package in workspace.packages.items():
        for file in ("Cargo.toml", "pyproject.toml", "src/lib.rs", f"python/{name}/__init__.py"):
            package.write(file, package.read(file).replace(f"{name}_native", "_core"))
    each_compiles_only_itself(workspace)


@pytest.mark.spy
@pytest.mark.freshness
@pytest.mark.parametrize("minimums", [("39", "39"), ("39", "310")], ids=["one", "two"])
def test_a_later_pyo3(minimums: tuple[str, str], check_out: CheckOut) -> None:
    """maturin has one configuration file for all packages with the stable ABI, and writes the
    minimum version of Python into it."""
    if sys.version_info < (3, 10):
        pytest.skip("two minimums need Python 3.10")
    kinds = {"plain": "plain", "one": "stable", "two": "stable"}
    workspace = many.workspace(check_out(many.SAMPLE), kinds, pyo3=LATER_PYO3)
    for name, minimum in zip(("one", "two"), minimums):
        workspace.packages[name].replace("Cargo.toml", "abi3-py39", f"abi3-py{minimum}")
    each_compiles_only_itself(workspace)


def build(package: Project, *requirements: str) -> Path:
    """Builds through the hook in a new environment, which is removed after it."""
    venv = many.new_environment(package, *requirements)
    package.spy.clear()
    wheel = background.Build(package, venv=venv).wheel()
    many.remove_environment(venv)
    return wheel


@pytest.mark.spy
def test_hooks_with_a_new_environment_for_each_build(mixed: Many) -> None:
    packages = mixed.packages
    for package in packages.values():
        build(package)
    for name, package in packages.items():
        # Cargo is asked, and must find nothing to do.
        asking.forget_builds(package)
        build(package)
        assert mixed.spy.calls("cargo")
        assert mixed.spy.compiled() == set(), name
    for name, package in packages.items():
        mixed.edit(name, 7)
        build(package)
        assert mixed.spy.compiled() == {name}
    mixed.edit_shared(2)
    expected = {"shared"}
    for name, package in packages.items():
        build(package)
        # The first one compiles the shared crate for all.
        assert mixed.spy.compiled() == {name} | expected
        expected = set()


@pytest.mark.spy
@pytest.mark.freshness
@pytest.mark.parametrize("same", [True, False])
def test_a_variable_that_cargo_does_not_compare(same: bool, check_out: CheckOut) -> None:
    """A package takes over the shared crate only if it was compiled with the same variables."""
    workspace = many.workspace(check_out(many.SAMPLE), {"one": "stable", "two": "stable"})
    one, two = workspace.packages.values()
    one.build("editable", CFLAGS="-DONE")
    workspace.spy.clear()
    two.build("editable", CFLAGS="-DONE" if same else "-DTWO")
    assert ("shared" in workspace.spy.compiled()) != same


@pytest.mark.spy
@pytest.mark.freshness
def test_extra_inputs_of_one_package(check_out: CheckOut) -> None:
    """Nobody knows what the shared crate makes of them: each package compiles it once."""
    workspace = many.workspace(check_out(many.SAMPLE), {"one": "stable", "two": "stable"})
    for number, package in enumerate(workspace.packages.values()):
        package.settings('extra-inputs = ["schema.json"]')
        package.write("schema.json", "the same in both")
        for compiles in (True, False):
            asking.forget_builds(package)
            workspace.spy.clear()
            package.build("editable")
            assert ("shared" in workspace.spy.compiled()) == compiles, number


# Builds side by side


def two_projects(check_out: CheckOut) -> list[Project]:
    """Projects in different target folders, whose scripts import different versions of one build
    requirement, and wait for each other."""
    one = many.workspace(check_out(many.SAMPLE), {"mine": "script"}).packages["mine"]
    many.offer(one, "1", "2")
    one.env["MEET_IN"] = str(one.output_folder())
    top = one.bench.checkout_folder
    other_top = top.with_name("other-checkout")
    shutil.rmtree(other_top, ignore_errors=True)
    shutil.copytree(top, other_top)
    other = dataclasses.replace(one, root=other_top / "packages" / "mine")
    for number, project in enumerate((one, other), start=1):
        many.import_in_script(project, f"tagged=={number}", "tagged.VERSION")
        project.replace("build.rs", '.join("mine")', f'.join("{number}")')
    return [one, other]


def sync(project: Project) -> str:
    project.uv("sync").ok()
    code = "from mine import mine_native as m; print(m.tag())"
    return project.python(project.path("../../.venv"), code, WHEELPRINT_ON_STALE="ignore")


@pytest.mark.parametrize("how", ["uv sync", "hooks"])
def test_two_projects_side_by_side(how: str, check_out: CheckOut) -> None:
    """Each script imports its own version, also after the other build has begun."""
    projects = two_projects(check_out)
    try:
        if how == "uv sync":
            with ThreadPoolExecutor() as pool:
                seen = list(pool.map(sync, projects))
        else:
            venvs = [
                many.new_environment(project, f"tagged=={number}")
                for number, project in enumerate(projects, start=1)
            ]
            builds = [background.Build(each, venv=venv) for each, venv in zip(projects, venvs)]
            seen = [imported(each, build.wheel()) for each, build in zip(projects, builds)]
    finally:
        shutil.rmtree(projects[1].path("../.."))
    assert seen == ["1 1", "2 2"]


def imported(project: Project, wheel: Path) -> str:
    venv = project.installed(wheel)
    name = wheel.name.partition("-")[0]
    code = f"from {name} import {name}_native as m; print(m.tag())"
    return project.python(venv, code, WHEELPRINT_ON_STALE="ignore")


def test_two_packages_of_one_workspace_at_once(check_out: CheckOut) -> None:
    kinds = {"one": "script", "two": "script"}
    workspace = many.workspace(check_out(many.SAMPLE), kinds)
    many.offer(workspace.top, "1", "2")
    for number, (name, package) in enumerate(workspace.packages.items(), start=1):
        many.import_in_script(package, f"tagged=={number}", "tagged.VERSION")
        assert package.root.name == name
    workspace.sync()
    assert [workspace.tag(name) for name in kinds] == ["1 1", "2 2"]


def test_programs_of_two_environments_in_one_target_folder(check_out: CheckOut) -> None:
    """Both builds have the same PATH, and one of them waits: each runs its own programs."""
    kinds = {"one": "script", "two": "script"}
    workspace = many.workspace(check_out(many.SAMPLE), kinds)
    many.offer(workspace.top, "1", "2")
    venvs = []
    for number, package in enumerate(workspace.packages.values(), start=1):
        many.run_in_script(package, f"tagged=={number}", "show-tagged")
        venvs.append(many.new_environment(package, f"tagged=={number}"))
    one, two = workspace.packages.values()
    first = background.Build(one, venv=venvs[0], hold=True)
    first.wait_until_held()
    second = background.Build(two, venv=venvs[1])
    background.wait_for(lambda: "waiting for another build of its target folder" in second.log)
    assert imported(one, first.wheel()) == "1 1"
    assert imported(two, second.wheel()) == "2 2"


def test_another_version_of_a_build_requirement(check_out: CheckOut) -> None:
    """Cargo does not know that the build script imports it, and finds nothing to run."""
    workspace = many.workspace(check_out(many.SAMPLE), {"one": "script"})
    package = workspace.packages["one"]
    many.offer(package, "1", "2")
    many.import_in_script(package, "tagged==1", "tagged.VERSION")
    assert imported(package, build(package, "tagged==1")) == "1 1"
    package.requires("wheelprint", "tagged==2")
    assert imported(package, build(package, "tagged==2")) == "2 2"
    asking.forget_builds(package)
    assert imported(package, build(package, "tagged==2")) == "2 2"
    assert package.spy.compiled() == set()


def test_a_removed_environment_is_not_used_again(check_out: CheckOut) -> None:
    """A build whose requirement is missing fails: it does not import an earlier build's."""
    workspace = many.workspace(check_out(many.SAMPLE), {"one": "script"})
    package = workspace.packages["one"]
    many.offer(package, "1")
    many.import_in_script(package, "tagged==1", "tagged.VERSION")
    venv = many.new_environment(package, "tagged==1")
    background.Build(package, venv=venv).wheel()
    package.append("build.rs", "// once more\n")
    without = many.new_environment(package)
    failed = background.Build(package, venv=without).finish().failed()
    assert "No module named 'tagged'" in failed.output
    assert environment.python_in(venv).exists()
