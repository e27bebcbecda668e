"""Real tox, several runs in a row on one tree. It keeps the environments in which it builds, and
makes them anew when the backend asks for less than the last time."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from support import frontends

if TYPE_CHECKING:
    from conftest import CheckOut
    from support.project import Project

pytestmark = pytest.mark.frontends

#: How tox calls the kinds of packages that it installs.
PACKAGES = ("sdist", "wheel", "sdist-wheel", "editable")


def set_up(project: Project, package: str, settings: str = "") -> None:
    """A tox.ini with one environment, which prints what the module shows."""
    frontends.give_home(project)
    project.write(
        "tox.ini",
        f"""\
[tox]
env_list = py
[testenv]
package = {package}
pass_env = {frontends.PASSED_ON}
commands = python {frontends.script(project)}
[pkgenv]
pass_env = {frontends.PASSED_ON}
{settings}
""",
    )


def run_tox(project: Project) -> str:
    # What is installed must be right without the import's help.
    return frontends.shown(frontends.tool(project, "tox", WHEELPRINT_ON_STALE="error"))


@pytest.mark.parametrize("package", PACKAGES)
def test_runs_in_a_row(package: str, check_out: CheckOut) -> None:
    project = check_out("cffi-bindings")
    set_up(project, package)
    frontends.in_a_row(project, lambda: run_tox(project), frontends.LONG)


@pytest.mark.parametrize("package", ["sdist", "editable"])
def test_with_pyo3(package: str, check_out: CheckOut) -> None:
    project = check_out("hello-pure")
    set_up(project, package)
    frontends.in_a_row(project, lambda: run_tox(project), ("", "", "edit"))
