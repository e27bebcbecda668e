"""What is measured: contenders that take turns, the figure that counts, and its goal."""

from __future__ import annotations

import statistics
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Callable

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    Medians = Mapping[str, float]
    #: A case as it is in the file of raw data.
    Raw = dict[str, Any]

#: The contender whose figures these are.
WHEELPRINT = "wheelprint"
MATURIN = "plain maturin"
IDLE = "do-nothing backend"
CARGO = "bare cargo"
DEVELOP = "maturin develop --uv"
HOOK = "maturin-import-hook"


@dataclass(frozen=True)
class Goal:
    """A figure made of medians, and what it is to stay below."""

    words: str
    limit: float
    figure: Callable[[Medians], float]
    unit: str = ""


def times(peer: str, limit: float, of: str = WHEELPRINT) -> Goal:
    """A ratio of two medians."""
    return Goal(f"{of} / {peer}", limit, lambda medians: medians[of] / medians[peer])


def more(peer: str, milliseconds: float, each: int = 1) -> Goal:
    """A difference of two medians, for each of so many."""
    words = f"{WHEELPRINT} - {peer}" if each == 1 else f"({WHEELPRINT} - {peer}) / {each}"
    return Goal(
        words,
        milliseconds,
        lambda medians: (medians[WHEELPRINT] - medians[peer]) * 1000 / each,
        " ms",
    )


def added(to: str, unit: str, limit: float) -> Goal:
    """What is added to one contender's time, in units of another's."""
    return Goal(
        f"({WHEELPRINT} - {to}) / {unit}",
        limit,
        lambda medians: (medians[WHEELPRINT] - medians[to]) / medians[unit],
    )


@dataclass
class Case:
    """One line of the table."""

    group: str
    name: str
    seconds: dict[str, list[float]]
    goals: list[Goal] = field(default_factory=list)

    def raw(self) -> Raw:
        """As it is kept: each measurement, and what the goals made of them."""
        medians = {
            name: statistics.median(values) for name, values in self.seconds.items() if values
        }
        figures = [
            {
                "figure": goal.words,
                "seen": round(goal.figure(medians), 4),
                "goal": goal.limit,
                "unit": goal.unit,
            }
            for goal in self.goals
        ]
        rounded = {
            name: [round(value, 7) for value in values] for name, values in self.seconds.items()
        }
        return {"group": self.group, "name": self.name, "figures": figures, "seconds": rounded}


def in_turn(
    rounds: int,
    contenders: Mapping[str, Callable[[int], float]],
    seldom: Iterable[str] = (),
    every: int = 3,
) -> dict[str, list[float]]:
    """Each contender once in each round, another one first each time, so that whatever else the
    machine does falls on all. Those that are slow come in every third round only."""
    names = list(contenders)
    found: dict[str, list[float]] = {name: [] for name in names}
    for number in range(rounds):
        start = number % len(names)
        for name in (*names[start:], *names[:start]):
            if name not in seldom or number % every == 0:
                found[name].append(contenders[name](number))
    return found


def words(seconds: float) -> str:
    """A time as one would say it."""
    if seconds >= 1:
        return f"{seconds:.2f} s"
    if seconds >= 0.1:
        return f"{seconds * 1000:.0f} ms"
    if seconds >= 0.001:
        return f"{seconds * 1000:.1f} ms"
    return f"{seconds * 1e6:.0f} µs"


def title(case: Raw) -> str:
    """What a case is called."""
    return ": ".join(filter(None, (case["group"], case["name"])))


def medians_of(case: Raw) -> dict[str, float]:
    """One for each contender."""
    return {name: statistics.median(values) for name, values in case["seconds"].items() if values}


HEADING = ("case", "medians", "figure", "seen", "goal", "met")


def rows(case: Raw) -> list[tuple[str, ...]]:
    """The lines of the table that a case has: one for each goal."""
    seen = ", ".join(f"{name} {words(value)}" for name, value in medians_of(case).items())
    lines = [
        (
            figure["figure"],
            f"{figure['seen']:.2f}{figure['unit']}",
            f"{figure['goal']:g}{figure['unit']}",
            "yes" if figure["seen"] <= figure["goal"] else "**no**",
        )
        for figure in case["figures"]
    ] or [("", "", "", "")]
    first, *rest = lines
    return [(title(case), seen, *first), *(("", "", *line) for line in rest)]
