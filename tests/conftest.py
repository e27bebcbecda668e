"""Fixtures: the built wheel, a workbench for each worker, and sample projects checked out on it."""

from __future__ import annotations

import os
import tempfile
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING, Callable

import pytest
from support import asking, made, other_trees, samples, sets, toolchains
from support.spy import Spy
from support.tree import Tree
from support.versions import LOWEST_MATURIN
from support.workbench import (
    Workbench,
    fill_wheelhouse,
    keep_registry_packages,
    lock_folder,
    newest_maturin,
)

if TYPE_CHECKING:
    from collections.abc import Iterator

    from support.project import Project

    CheckOut = Callable[..., Project]

_NO_DIST = """WHEELPRINT_DIST must name the folder with wheelprint's own wheel. Either run
    nox -s tests
or build it first:
    maturin build --profile testing --out dist && WHEELPRINT_DIST=dist pytest"""

#: Folders whose tests have a session of their own.
OWN_SESSIONS = ("faults", "shared")
#: Markers of cases that another session runs than `tests` and `slow`.
OTHERS = ("freshness", "faults", "frontends", "shared")


def pytest_configure(config: pytest.Config) -> None:
    config.addinivalue_line("markers", "spy: reads the log of compiler calls (POSIX only)")
    config.addinivalue_line("markers", "freshness: takes long; `nox -s freshness` runs it")
    config.addinivalue_line("markers", "faults: everything in tests/faults; `nox -s faults`")
    config.addinivalue_line("markers", "shared: everything in tests/shared; `nox -s shared`")
    config.addinivalue_line("markers", "frontends: three times each; `nox -s frontends` runs it")
    config.addinivalue_line("markers", "first_build: no other tree of the project was built")
    config.addinivalue_line("markers", "slow: other places and further cases; `nox -s slow`")
    config.addinivalue_line("markers", "smoke: a few minutes of each promise; `nox -s smoke`")
    config.pluginmanager.register(made)


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if item.path.parent.name in OWN_SESSIONS:
            item.add_marker(item.path.parent.name)
        for name, tests in (("smoke", sets.SMOKE), ("slow", sets.SLOW)):
            if sets.is_in(tests, item.nodeid):
                item.add_marker(name)
    cases: Counter[str] = Counter()
    for item in items:
        test = sets.test_of(item.nodeid)
        if test in sets.CASES and not any(item.get_closest_marker(name) for name in OTHERS):
            cases[test] += 1
            if cases[test] > sets.CASES[test]:
                item.add_marker("slow")
    if Spy.supported():
        return
    for item in items:
        if item.get_closest_marker("spy"):
            item.add_marker(pytest.mark.skip(reason="the spy's wrappers are shell scripts"))


@pytest.fixture(scope="session")
def dist() -> Path:
    """The folder with wheelprint's own wheel."""
    folder = os.environ.get("WHEELPRINT_DIST")
    if folder is None or not list(Path(folder).glob("wheelprint-*.whl")):
        pytest.exit(_NO_DIST, returncode=2)
    return Path(folder).resolve()


@pytest.fixture(scope="session")
def bench(dist: Path, pytestconfig: pytest.Config) -> Iterator[Workbench]:
    """The folder in which this worker checks out samples."""
    parent = os.environ.get("WHEELPRINT_TEST_DIR")
    base = Path(parent) if parent else Path(tempfile.gettempdir()) / "wheelprint-tests"
    if toolchains.variant():
        base = base.with_name(f"{base.name}-{Path(toolchains.variant()).name}")
    folder, lock = lock_folder(base)
    wheelhouse = folder / "wheelhouse"
    fill_wheelhouse(wheelhouse)
    workbench = Workbench(folder, dist, wheelhouse, pytestconfig.stash[made.KEY])
    yield workbench
    workbench.put_away()
    if lock is not None:
        lock.close()


@pytest.fixture(autouse=True)
def _other_trees(request: pytest.FixtureRequest) -> Iterator[None]:
    """Keeps other trees out of the store for the tests that are about a first build."""
    with other_trees.without(is_first=request.node.get_closest_marker("first_build") is not None):
        yield


@pytest.fixture
def check_out(bench: Workbench) -> Iterator[CheckOut]:
    """Checks out a sample by its name."""
    yield bench.check_out
    bench.put_away()


@pytest.fixture(scope="module")
def shared_every_input(bench: Workbench) -> Iterator[Project]:
    """The sample with every kind of input, checked out and built once for each test file."""
    project = bench.check_out(samples.EVERY_INPUT.name)
    project.editable()
    yield project
    bench.put_away()


@pytest.fixture
def every_input(shared_every_input: Project) -> Iterator[Project]:
    """The same sample, restored after each test, except for cargo's target folder."""
    project = shared_every_input
    trees = [Tree(project.bench.checkout_folder), *map(Tree, asking.entry_folders(project))]
    env = dict(project.env)
    yield project
    for tree in trees:
        tree.restore()
    project.env.clear()
    project.env.update(env)


@pytest.fixture
def uncompiled(every_input: Project) -> Project:
    """The same sample, without compiled packages of its own and without notes of them.

    Otherwise the output of build scripts from earlier tests would be in the target folder and
    count."""
    if every_input.target.exists():
        keep_registry_packages(every_input.target)
    every_input.bench.keep_build_folders()
    for note in every_input.cache.glob("notes/*"):
        note.unlink()
    return every_input


@pytest.fixture(params=list(samples.BY_NAME))
def each_sample(request: pytest.FixtureRequest, check_out: CheckOut) -> Project:
    """Each sample in turn."""
    return check_out(request.param)


@pytest.fixture(params=["lowest", "newest"])
def each_maturin(request: pytest.FixtureRequest, bench: Workbench) -> str:
    """The oldest supported maturin, then the newest available one."""
    return LOWEST_MATURIN if request.param == "lowest" else newest_maturin(bench.wheelhouse)


@pytest.fixture
def bench_versions(bench: Workbench) -> tuple[str, str]:
    """The oldest supported maturin and the newest available one."""
    return LOWEST_MATURIN, newest_maturin(bench.wheelhouse)
