"""An input change, the value that the module then returns, and the reason that is printed."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Callable, Union

import pytest

from . import asking, wheels

if TYPE_CHECKING:
    from .project import Project

#: An expected value of the module: the text, or a pattern that must be found in the value.
Expected = Union[str, "re.Pattern[str]"]


@dataclass(frozen=True)
class Case:
    """A change to a project that has been built."""

    change: Callable[[Project], object]
    #: Expected values of the module, by name.
    seen: dict[str, Expected]
    reason: str
    #: Another change, made before the first build.
    before: Callable[[Project], object] | None = None
    #: Config settings of the first and of the second build.
    settings: tuple[dict[str, Any] | None, dict[str, Any] | None] = (None, None)
    #: Names of other values of the module that may change.
    besides: frozenset[str] = field(default_factory=frozenset)


def containing(text: str) -> re.Pattern[str]:
    """A pattern for any value with that text in it."""
    return re.compile(re.escape(text))


def check(project: Project, case: Case) -> None:
    """The change makes the build stale for exactly that reason, and changes the module's value.

    A further build is fresh and returns the same wheel."""
    old, new = case.settings
    if case.before is not None:
        # Otherwise the first build could be answered with the unchanged sample.
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
    """Whether the value is the expected one."""
    return value == expected if isinstance(expected, str) else bool(expected.search(value))
