"""Several environments on one source tree: each has its own module, and none disturbs another."""

from __future__ import annotations

import re
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from support import installed

if TYPE_CHECKING:
    from conftest import CheckOut
    from support.installed import Editable
    from support.project import Project

pytestmark = pytest.mark.spy


def pythons() -> list[str]:
    """The supported versions of CPython that are installed beside this one, which is the last."""
    here = Path(sys.executable).resolve()
    found = {}
    for python in here.parents[2].glob("3.*/bin/python3"):
        version = re.match(r"3\.(\d+)", python.parents[1].name)
        if version and int(version[1]) >= 9:
            found[int(version[1])] = str(python)
    found.pop(sys.version_info.minor, None)
    return [*found.values(), sys.executable]


def shows(environments: list[Editable], *, at_once: bool = False) -> set[str]:
    """What the module of each says."""
    if not at_once:
        return {each.imports().shows for each in environments}
    processes = [each.start() for each in environments]
    ends = [process.communicate(timeout=100) for process in processes]
    assert all(process.returncode == 0 for process in processes), ends
    return {out.strip() for out, _ in ends}


def check(project: Project, environments: list[Editable], *, at_once: bool) -> None:
    old, new = project.sample.shows
    assert shows(environments) == {old}
    project.edit()
    assert shows(environments, at_once=at_once) == {new}
    for each in environments:
        each.is_quiet(new)
    project.undo_edit()
    assert shows(environments, at_once=at_once) == {old}
    # What each of them had built before is found again.
    project.spy.clear()
    project.edit()
    assert shows(environments) == {new}
    assert at_once or not project.spy.calls("cargo")


@pytest.mark.parametrize("name", ["mixed-path-dep", "cffi-bindings"])
def test_two_of_one_python(name: str, check_out: CheckOut) -> None:
    project = check_out(name)
    first = installed.install(project)
    second = installed.install(project, name="second")
    check(project, [first, second], at_once=False)


def test_debug_and_release(check_out: CheckOut) -> None:
    project = check_out("mixed-path-dep")
    debug = ("--config-settings", "build-args=--profile dev")
    release = installed.install(project)
    check(project, [release, installed.install(project, *debug, name="debug")], at_once=True)


def test_what_another_environment_has_is_left_alone(check_out: CheckOut) -> None:
    """Its files are the ones it was given."""
    project = check_out("mixed-path-dep")
    first, second = (installed.install(project, name=name) for name in ("first", "second"))
    module = next(second.site.rglob("_native*.so"), None) or next(second.site.rglob("_native*"))
    before = (module.stat().st_ino, module.read_bytes())
    project.edit()
    assert first.imports().shows == project.sample.shows[1]
    assert (module.stat().st_ino, module.read_bytes()) == before
    assert second.imports(WHEELPRINT_ON_STALE="ignore").shows == project.sample.shows[0]


@pytest.mark.freshness
@pytest.mark.parametrize(
    ("name", "at_once"),
    [("mixed-path-dep", True), ("hello-pure", False)],
    ids=["a module for each, at once", "abi3, one by one"],
)
def test_every_python_there_is(name: str, at_once: bool, check_out: CheckOut) -> None:
    found = pythons()
    if len(found) < 2:
        pytest.skip("only one version of Python here")
    project = check_out(name)
    environments = [
        installed.install(project, python=python, name=str(number))
        for number, python in enumerate(found)
    ]
    check(project, environments, at_once=at_once)
