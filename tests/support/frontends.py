"""Tools that keep state between runs: their home folders, and several runs in a row."""

from __future__ import annotations

import os
import re
import sys
from typing import TYPE_CHECKING, Callable

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

    from .project import Project, Run

#: The change before each run: three runs of an unchanged tree, then two of an edited one.
RUNS = ("", "", "", "edit", "")
#: Like RUNS, and then every order in which edited and unchanged trees can follow each other.
LONG = (*RUNS, "edit", "edit", "")

_SHOWN = re.compile(r"(?m)^.*shown: (.*)$")


def give_home(project: Project) -> None:
    """Gives the tools a home folder for this test. cargo and rustup keep the usual one, because it
    contains the toolchain and downloaded crates."""
    env = project.env
    # One tox command creates environments, builds and installs.
    project.seconds = 600
    home = project.bench.folder / "state" / "home"
    home.mkdir(parents=True)
    old = env.get("USERPROFILE" if sys.platform == "win32" else "HOME", "")
    env.setdefault("CARGO_HOME", os.path.join(old, ".cargo"))
    env.setdefault("RUSTUP_HOME", os.path.join(old, ".rustup"))
    for name in [
        name for name in env if name.startswith(("XDG_", "TOX_", "HATCH_", "PDM_", "PIPX_"))
    ]:
        del env[name]
    for name in ("HOME", "USERPROFILE", "APPDATA", "LOCALAPPDATA"):
        env[name] = str(home)
    env["PIP_CACHE_DIR"] = str(home / "pip")
    # virtualenv unpacks pip into this folder once, and all tests share it.
    env["VIRTUALENV_OVERRIDE_APP_DATA"] = str(project.bench.folder / "virtualenv")
    env["VIRTUALENV_NO_PERIODIC_UPDATE"] = "1"


#: Variables that tox must pass on, so that builds use the test's folders and no network.
PASSED_ON = "CARGO_HOME, RUSTUP_HOME, SPY_LOG, UV_*, WHEELPRINT_*"


def tool(project: Project, name: str, *args: str | Path, **changes: object) -> Run:
    """Runs a tool from the environment of the tests."""
    # With UV_PYTHON, a tool's uv would install into the environment of the tests.
    changes = {"UV_PYTHON": None, **changes}
    return project.run(sys.executable, "-m", name, *args, **changes)


def script(project: Project) -> Path:
    """Writes a script, outside of the project, that prints the probe of the compiled module."""
    path = project.bench.folder / "state" / "show.py"
    lines = [
        "import contextlib, io",
        "text = io.StringIO()",
        "with contextlib.redirect_stdout(text):",
    ]
    lines += [f"    {line}" for line in project.sample.probe.splitlines()]
    path.write_text("\n".join([*lines, 'print("shown:", text.getvalue().strip())\n']))
    return path


def shown(run: Run) -> str:
    """The output of the script in that run."""
    found: list[str] = _SHOWN.findall(run.ok().stdout)
    assert found, run.output
    return found[-1].strip()


def in_a_row(project: Project, run: Callable[[], str], changes: Iterable[str] = RUNS) -> None:
    """Runs a tool several times on one tree. Each run must succeed and show the current source."""
    now = 0
    for number, change in enumerate(changes, start=1):
        if change == "edit":
            (project.undo_edit if now else project.edit)()
            now = 1 - now
        assert run() == project.sample.shows[now], f"run {number} of {changes}"
