"""The oldest supported maturin and the newest: every hook, called directly and isolated."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from support import wheels

if TYPE_CHECKING:
    from conftest import CheckOut


@pytest.mark.parametrize("name", ["hello-pure", "cffi-bindings", "bin-bindings", "workspace"])
def test_every_hook(name: str, each_maturin: str, check_out: CheckOut) -> None:
    project = check_out(name)
    for kind in ("wheel", "editable"):
        prepared = project.output_folder()
        hook = f"prepare_metadata_for_build_{kind}"
        run = project.hook(hook, prepared, None, venv=each_maturin)
        assert (prepared / run.ok().result / "METADATA").is_file()

        _, wheel = project.build(kind, venv=each_maturin)
        wheels.check(wheel)
        assert wheels.record(wheel)
        shown = project.python(project.installed(wheel), project.sample.probe)
        assert shown == project.sample.shows[0]
    _, sdist = project.build("sdist", venv=each_maturin)
    assert sdist.name.endswith(".tar.gz")


@pytest.mark.spy
def test_the_verdict(each_maturin: str, check_out: CheckOut) -> None:
    project = check_out("hello-pure")
    project.editable(venv=each_maturin)
    assert project.is_fresh(venv=each_maturin)
    project.edit()
    assert not project.is_fresh(venv=each_maturin)
    assert project.spy.compiled() == {"hello_pure"}


def test_isolated(each_maturin: str, check_out: CheckOut) -> None:
    project = check_out("hello-pure")
    project.requires("wheelprint", f"maturin=={each_maturin}")
    assert project.uv_run() == project.sample.shows[0]
    project.edit()
    assert project.uv_run() == project.sample.shows[1]


@pytest.mark.spy
def test_another_maturin_is_a_change(check_out: CheckOut, bench_versions: tuple[str, str]) -> None:
    lowest, newest = bench_versions
    project = check_out("bin-bindings")
    project.editable(venv=lowest)
    assert project.is_fresh(venv=lowest)
    assert not project.is_fresh(venv=newest)


def test_arguments_reach_it(each_maturin: str, check_out: CheckOut) -> None:
    project = check_out("bin-bindings")
    _, wheel = project.build("wheel", {"build-args": "--profile dev"}, venv=each_maturin)
    code = project.sample.probe.replace("[0]", "[1]")
    assert project.python(project.installed(wheel), code) == "dev"
