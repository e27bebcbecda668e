"""With the keys that `wheelprint keys --write --exhaustive` writes `uv sync` alone, without any
import, notices every kind of change that a key can express."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from support import installed
from support.cases import Case, fits
from support.changes import KINDS, SEEN
from support.commands import wheelprint
from support.installed import Editable, seen
from support.layouts import THIS_PYTHON

if TYPE_CHECKING:
    from support.project import Project

pytestmark = [pytest.mark.spy, pytest.mark.freshness]

#: What no key can express, and why (docs/cache-keys.md); the import sees it (test_import_sees).
LINK = "of a link uv sees what it leads to, which need not be new"
REMOVED = "uv sees the newest file, and it was another one that was removed"
FAMILY = "it is one of a family of variables, and nobody reads it by its name"
NOT_EXPRESSED = {
    "source: a link that leads elsewhere": LINK,
    "source: a folder replaced by a link": LINK,
    "source: a link to a folder that leads elsewhere": LINK,
    "source: an included file's link that leads elsewhere": LINK,
    "build script: a watched file removed": REMOVED,
    "build script: a file removed from a watched folder": REMOVED,
    "build script: names nothing, and a file is removed from the package": REMOVED,
    "build script: disappears": REMOVED,
    "configuration: disappears": REMOVED,
    "variable: a profile": FAMILY,
    "variable: CPATH": FAMILY,
}
#: Cargo.lock has the package's own version.
WRITES_THE_LOCK = {"manifest: the version", "manifest: an inherited version"}


@pytest.fixture
def synced(every_input: Project) -> Editable:
    project = every_input
    venv = project.bench.folder / "state" / "synced"
    project.env["UV_PROJECT_ENVIRONMENT"] = str(venv)
    project.replace("pyproject.toml", ">=3.9", THIS_PYTHON)
    project.replace("pyproject.toml", 'reinstall-package = ["every-input"]', "")
    project.path("uv.lock").unlink(missing_ok=True)
    return Editable(project, venv)


def shown(editable: Editable) -> dict[str, str]:
    return seen(editable.imports(SEEN, WHEELPRINT_ON_STALE="ignore"))


@pytest.mark.parametrize("name", KINDS)
def test_uv_notices(name: str, synced: Editable) -> None:
    case: Case = KINDS[name]
    project = synced.project
    if case.before is not None:
        case.before(project)
    project.uv("sync").ok()
    wheelprint(project, "keys", "--write", "--exhaustive").ok()
    assert wheelprint(project, "keys", "--check", "--exhaustive").code == 0
    # They cover the short list, too.
    assert wheelprint(project, "keys", "--check").code == 0
    # Whatever was written, nothing is built for it.
    project.spy.clear()
    project.uv("sync").ok()
    project.spy.assert_idle()
    installed.hears_nothing(project)
    again = wheelprint(project, "keys", "--write", "--exhaustive").ok()
    assert "nothing to change" in again.stdout
    first = shown(synced)

    case.change(project)
    if name in NOT_EXPRESSED:
        installed.hears_nothing(project)
        return
    project.uv("sync").ok()
    now = shown(synced)
    for key, value in now.items():
        if key in case.seen:
            assert fits(value, case.seen[key]), f"{key}: {value!r}, was {first[key]!r}"
        elif key not in case.besides:
            assert value == first[key], f"{key}: {value!r}, was {first[key]!r}"
    if name in WRITES_THE_LOCK:
        project.spy.clear()
        project.uv("sync").ok()
        project.spy.assert_idle()
    installed.hears_nothing(project)
