"""One kind of change: what is done, what the module says then, and what is given as the reason."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Callable, Union

import pytest

from . import asking, wheels

if TYPE_CHECKING:
    from .project import Project

#: What the module says: that, or something in which the pattern is found.
Expected = Union[str, "re.Pattern[str]"]


@dataclass(frozen=True)
class Case:
    """A change to a project that has been built."""

    change: Callable[[Project], object]
    #: What the module says, by name.
    seen: dict[str, Expected]
    reason: str
    #: What is done before the build that is compared with.
    before: Callable[[Project], object] | None = None
    #: Config settings, before and after.
    settings: tuple[dict[str, Any] | None, dict[str, Any] | None] = (None, None)
    #: What else may change in what the module says.
    besides: frozenset[str] = field(default_factory=frozenset)


def containing(text: str) -> re.Pattern[str]:
    """Something with that text in it."""
    return re.compile(re.escape(text))


def check(project: Project, case: Case) -> None:
    """Stale for that reason and no other; the new module knows it; and it is found again."""
    old, new = case.settings
    if case.before is not None:
        # What is compared with must not be the unchanged sample.
        asking.forget_builds(project)
        case.before(project)
    first = asking.build(project, old)
    for name, pattern in case.seen.items():
        assert not fits(first.seen[name], pattern), "the change would not be seen"
    case.change(project)
    changed = asking.stale(project, new)
    for name, value in changed.seen.items():
        if name in case.seen:
            assert fits(value, case.seen[name]), f"{name}: {value!r}, not {case.seen[name]!r}"
        elif name not in case.besides:
            assert value == first.seen[name], f"{name}: {value!r}, was {first.seen[name]!r}"
    expected = f"stale: {case.reason}"
    if changed.verdict != expected:
        before = wheels.record_bytes(first.wheel).decode()
        pytest.fail(f"{changed.verdict!r}, not {expected!r}; the record before:\n{before}")
    assert asking.fresh(project, new).read_bytes() == changed.wheel.read_bytes()


def fits(value: str, expected: Expected) -> bool:
    """Is it what was expected?"""
    return value == expected if isinstance(expected, str) else bool(expected.search(value))
