"""Other people's projects, taken as sdists from PyPI: one fingerprint wherever they are built."""

from __future__ import annotations

import subprocess
import sys
import tarfile
from typing import TYPE_CHECKING, Any

import pytest
from support import archives, samples
from support.commands import wheelprint
from support.project import Project
from support.verifying import assert_one, assert_verified, names, verify

if TYPE_CHECKING:
    from pathlib import Path

    from support.workbench import Workbench

pytestmark = pytest.mark.freshness


def fetched(name: str, folder: Path) -> Path:
    """The latest release, unpacked, as a tree that its maintainers might have."""
    download = [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps"]
    command = [*download, "--no-binary", name, "--dest", str(folder), name]
    done = subprocess.run(command, capture_output=True, text=True)
    if done.returncode != 0:
        pytest.skip(f"{name} could not be fetched: {done.stderr[-200:]}")
    (sdist,) = folder.glob("*.tar.gz")
    with tarfile.open(sdist) as archive:
        archive.extractall(folder / "unpacked")
    (tree,) = (folder / "unpacked").iterdir()
    # No tree has it, and with it maturin makes no sdist.
    (tree / "PKG-INFO").unlink()
    return tree


@pytest.fixture(scope="module", params=["rpds-py", "watchfiles"])
def built(
    request: pytest.FixtureRequest, bench: Workbench, tmp_path_factory: pytest.TempPathFactory
) -> tuple[Project, archives.Built]:
    bench.put_away()
    tree = fetched(request.param, tmp_path_factory.mktemp("real"))
    sample = samples.Sample(request.param, "src/lib.rs", ("", ""), "", ("", ""))
    project = Project(sample=sample, root=tree, env=bench.environment(), bench=bench)
    wheelprint(project, "init", "--yes").ok()
    return project, archives.build_all(project)


def test_one_fingerprint(built: tuple[Project, archives.Built]) -> None:
    project, all_built = built
    assert_one(all_built)
    assert_verified(project, all_built)


def test_one_byte_of_any_file(built: tuple[Project, archives.Built]) -> None:
    project, all_built = built
    for name in archives.record(all_built.sdist)["source"]["files"]:
        path = project.path(name)
        content = path.read_bytes()
        path.write_bytes(content + b"\n")
        found: list[dict[str, Any]] = verify(project, *all_built.all)
        for said in found:
            assert {told.split(" [")[0] for told in names(said)} == {name}, said
        path.write_bytes(content)
    for said in verify(project, *all_built.all):
        assert said["verified"], said
