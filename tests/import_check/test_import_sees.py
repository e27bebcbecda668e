"""Every kind of input is seen by the import of an editable install, without any frontend asked
before; uv is told of none of them."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from support import installed
from support.cases import Case, fits
from support.changes import KINDS, SEEN
from support.installed import seen

if TYPE_CHECKING:
    from support.installed import Editable
    from support.project import Project

pytestmark = [pytest.mark.spy, pytest.mark.freshness]


@pytest.fixture(scope="module")
def installed_once(shared_every_input: Project) -> Editable:
    return installed.install(shared_every_input)


@pytest.fixture
def editable(installed_once: Editable, every_input: Project) -> Editable:
    return installed_once


@pytest.mark.parametrize("name", KINDS)
def test_an_import_sees(name: str, editable: Editable) -> None:
    case: Case = KINDS[name]
    project = editable.project
    if case.before is not None:
        case.before(project)
    # Whatever the test before has left.
    first = seen(editable.imports(SEEN))
    case.change(project)
    imported = editable.imports(SEEN)
    now = seen(imported)
    reason = case.reason.split(", ")[0]
    assert reason in imported.said[0], imported.said
    assert imported.is_renewed, imported.said
    for key, value in now.items():
        if key in case.seen:
            assert fits(value, case.seen[key]), f"{key}: {value!r}, was {first[key]!r}"
        elif key not in case.besides:
            assert value == first[key], f"{key}: {value!r}, was {first[key]!r}"
    assert editable.imports(SEEN).said == [], "it is rebuilt at every import"
