"""What reaches a compiled module besides sources: manifests, variables, settings, maturin.

As in `test_what_counts.py`, the module that comes out of the next build is imported and asked.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import pytest
from support import asking, wheels
from support.cases import check
from support.changes import MANIFESTS, VARIABLES
from support.versions import LOWEST_MATURIN

if TYPE_CHECKING:
    from support.project import Project

pytestmark = [pytest.mark.spy, pytest.mark.freshness]


@pytest.mark.parametrize("name", MANIFESTS)
def test_a_manifest(name: str, every_input: Project) -> None:
    check(every_input, MANIFESTS[name])


def test_the_name_of_the_module(every_input: Project) -> None:
    _, before = every_input.build("editable")
    every_input.replace("pyproject.toml", "every_input._native", "every_input._renamed")
    every_input.replace("Cargo.toml", 'name = "_native"', 'name = "_renamed"')
    every_input.edit()
    built = asking.stale(every_input)
    assert built.verdict == "stale: src/lib.rs changed, Cargo.toml changed, pyproject.toml changed"
    assert (built.seen["edited"], built.seen["part"]) == ("edited 2", "part 1 in _renamed::part")
    assert wheels.names(built.wheel) != wheels.names(before)


@pytest.mark.parametrize("name", VARIABLES)
def test_a_variable_or_setting(name: str, every_input: Project) -> None:
    check(every_input, VARIABLES[name])


def test_another_maturin(every_input: Project, bench_versions: tuple[str, str]) -> None:
    lowest, newest = bench_versions
    assert lowest == LOWEST_MATURIN
    built = asking.stale(every_input, venv=lowest)
    assert built.verdict == f"stale: maturin: {newest} -> {lowest}"
    generator = re.findall(rb"Generator: maturin \((.*)\)", wheels.read(built.wheel, "*/WHEEL"))
    assert generator == [lowest.encode()]
    # Both are remembered.
    asking.fresh(every_input)
    asking.fresh(every_input, venv=lowest)


def test_extra_inputs(every_input: Project) -> None:
    """What a build script reads without saying so to cargo can be named."""
    every_input.settings('extra-inputs = ["assets/undeclared.*"]')
    asking.forget_builds(every_input)
    asking.stale(every_input)
    # Until cargo has nothing left to do of its own accord.
    every_input.editable(WHEELPRINT_REUSE="never")
    every_input.spy.clear()
    every_input.editable(WHEELPRINT_REUSE="never")
    assert every_input.spy.compiled() == set()
    every_input.write("assets/undeclared.txt", "undeclared 2\n")
    built = asking.stale(every_input)
    assert built.verdict == "stale: assets/undeclared.txt changed"
    assert built.seen["undeclared"] == "undeclared 2"


def test_extra_inputs_come_and_go(every_input: Project) -> None:
    every_input.settings('extra-inputs = ["schema/**/*.json"]')
    asking.forget_builds(every_input)
    asking.stale(every_input)
    every_input.write("schema/deep/a.json", "{}")
    assert asking.stale(every_input).verdict == "stale: schema/deep/a.json is new"
    every_input.path("schema/deep/a.json").rename(every_input.path("schema/b.json"))
    assert asking.stale(every_input).verdict == "stale: schema/b.json is new"
    every_input.write("schema/other.txt", "not named")
    asking.fresh(every_input)


def test_extra_inputs_count_from_the_moment_they_are_named(every_input: Project) -> None:
    """Not from the next build on that something else is the reason for."""
    asking.build(every_input)
    every_input.settings('extra-inputs = ["schema/**/*.json"]')
    every_input.write("schema/a.json", "{}")
    every_input.hook("build_editable", every_input.output_folder(), None).ok()
    every_input.write("schema/a.json", "{ }")
    assert asking.stale(every_input).verdict == "stale: schema/a.json changed"
