"""The figures of the bench, and the turns that contenders take."""

from __future__ import annotations

import json
from pathlib import Path

import bench
import pytest

from benches import cases, chart

REPOSITORY = Path(__file__).resolve().parents[2]


def test_what_is_shown_is_what_was_measured() -> None:
    """Table and chart are drawn from the raw data that lies beside them."""
    docs = REPOSITORY / "docs"
    data = json.loads((docs / "bench.json").read_text(encoding="utf-8"))
    page = (docs / "speed.md").read_text(encoding="utf-8")
    assert bench.with_table(page, data) == page
    assert (docs / "bench.svg").read_text(encoding="utf-8") == chart.draw(data["cases"])
    assert "](bench.svg)" in page


def test_figures_are_made_of_medians() -> None:
    seconds = {"wheelprint": [3.0, 1.0, 2.0], "maturin": [4.0], "idle": [0.5, 0.5]}
    goals = [cases.times("maturin", 0.4), cases.added("maturin", "idle", 1.0)]
    raw = cases.Case("a", "b", seconds, goals).raw()
    assert [figure["seen"] for figure in raw["figures"]] == [0.5, -4.0]
    assert [row[-1] for row in cases.rows(raw)] == ["**no**", "yes"]


def test_the_chart_says_ratios_as_one_would() -> None:
    seconds = {"wheelprint": [0.1], "`**/*.rs` as key": [12.34], "b": [0.0256], "c": [0.1]}
    drawn = chart.draw([cases.Case("a", "b", seconds).raw()])
    for words in ("(123 times)", "(0.26 times)", "(1 times)", ">**/*.rs as key<"):
        assert words in drawn


@pytest.mark.parametrize("seldom", [[], ["b"]])
def test_contenders_take_turns(seldom: list[str]) -> None:
    calls: list[str] = []

    def contender(name: str) -> float:
        calls.append(name)
        return 1.0

    contenders = {name: lambda _, name=name: contender(name) for name in ("a", "b")}
    cases.in_turn(4, contenders, seldom, every=2)
    assert calls == (["a", "b", "a", "a", "b", "a"] if seldom else list("abbaabba"))
