"""Every hook, called directly, on every sample: what it makes is maturin's, with a record in it."""

from __future__ import annotations

import json
import shutil
import tarfile
import zipfile
from typing import TYPE_CHECKING

import pytest
from support import samples, wheels

if TYPE_CHECKING:
    from pathlib import Path

    from conftest import CheckOut
    from support.workbench import Workbench

EACH = pytest.mark.parametrize(
    "name",
    samples.each("hello-pure", "mixed-path-dep", "workspace", "cffi-bindings", "bin-bindings"),
)
#: Mixed, pure, and without pyo3.
A_FEW = pytest.mark.parametrize("name", ["mixed-path-dep", "pure", "bin-bindings"])


@EACH
def test_a_wheel_is_maturins_with_a_record(
    name: str, bench: Workbench, check_out: CheckOut
) -> None:
    reference = bench.reference(name)
    project = check_out(name)
    project.reproducible()
    _, wheel = project.build("wheel")

    wheels.check(wheel)
    wheels.assert_only_stamped(wheel, reference)
    assert project.python(project.installed(wheel), project.sample.probe) == project.sample.shows[0]


@EACH
def test_an_editable_wheel_runs_and_shows_the_edit(name: str, check_out: CheckOut) -> None:
    project = check_out(name)
    for expected in project.sample.shows:
        _, wheel = project.build("editable")
        wheels.check(wheel)
        assert wheels.record(wheel)
        assert project.python(project.installed(wheel), project.sample.probe) == expected
        if expected == project.sample.shows[0]:
            project.edit()


@EACH
def test_an_sdist_is_maturins(name: str, bench: Workbench, check_out: CheckOut) -> None:
    reference = bench.reference(name, "sdist")
    project = check_out(name)
    project.reproducible()
    _, sdist = project.build("sdist")
    assert sdist.name == reference.name
    members = _members(sdist)
    mode, record = members.pop(f"{sdist.name.removesuffix('.tar.gz')}/{wheels.RECORD_NAME}")
    assert mode == 0o644
    assert json.loads(record)["packed"]
    assert members == _members(reference)


def _members(sdist: Path) -> dict[str, tuple[int, bytes]]:
    with tarfile.open(sdist) as archive:
        files = [member for member in archive if member.isfile()]
        return {file.name: (file.mode, archive.extractfile(file).read()) for file in files}  # type: ignore[union-attr]


@A_FEW
@pytest.mark.parametrize("kind", ["wheel", "editable"])
def test_prepared_metadata_is_what_the_wheel_has(name: str, kind: str, check_out: CheckOut) -> None:
    project = check_out(name)
    prepared = project.output_folder()
    run = project.hook(f"prepare_metadata_for_build_{kind}", prepared, None)
    dist_info = prepared / run.ok().result
    assert {"METADATA", "WHEEL"} <= {path.name for path in dist_info.iterdir()}
    # maturin copies what it finds there into the wheel: a record would come back as a stale twin.
    assert not (dist_info / wheels.RECORD_NAME).exists()

    folder = project.output_folder()
    built = project.hook(f"build_{kind}", folder, None, dist_info).ok()
    wheel = folder / built.result
    wheels.check(wheel)
    assert wheels.read(wheel, "*.dist-info/METADATA") == (dist_info / "METADATA").read_bytes()
    assert wheels.record(wheel)


@pytest.mark.parametrize("kind", ["wheel", "editable"])
@pytest.mark.parametrize("edited", ["description", "entry points", "readme"])
def test_metadata_prepared_before_an_edit(edited: str, kind: str, check_out: CheckOut) -> None:
    """The wheel must have the prepared metadata (PEP 517), so the next build can't use it."""
    project = check_out("bin-bindings")
    project.append("pyproject.toml", '\n[project.entry-points.sample]\nold = "none:none"\n')
    prepared = project.output_folder()
    run = project.hook(f"prepare_metadata_for_build_{kind}", prepared, None)
    dist_info = prepared / run.ok().result
    if edited == "description":
        project.replace("pyproject.toml", "[project]\n", '[project]\ndescription = "new text"\n')
    elif edited == "entry points":
        project.replace("pyproject.toml", "old = ", "new = ")
    else:
        project.append("README.md", "\nnew text\n")
    folder = project.output_folder()
    wheel = folder / project.hook(f"build_{kind}", folder, None, dist_info).ok().result
    wheels.check(wheel)
    changed = "entry_points.txt" if edited == "entry points" else "METADATA"
    assert wheels.read(wheel, f"*.dist-info/{changed}") == (dist_info / changed).read_bytes()
    untrusted = wheels.record(wheel)["untrusted"]
    assert untrusted == ["the metadata was prepared from other inputs"]

    again = project.output_folder()
    run = project.hook(f"prepare_metadata_for_build_{kind}", again, None)
    dist_info = again / run.ok().result
    assert b"new" in (dist_info / changed).read_bytes()
    folder = project.output_folder()
    wheel = folder / project.hook(f"build_{kind}", folder, None, dist_info).ok().result
    assert wheels.read(wheel, f"*.dist-info/{changed}") == (dist_info / changed).read_bytes()
    assert not wheels.record(wheel).get("untrusted")
    if kind == "editable":
        assert project.is_fresh()


@pytest.mark.parametrize("kind", ["wheel", "editable"])
def test_the_folder_around_the_prepared_metadata(kind: str, check_out: CheckOut) -> None:
    """tox gives that folder, and maturin accepts it."""
    project = check_out("bin-bindings")
    prepared = project.output_folder()
    name = project.hook(f"prepare_metadata_for_build_{kind}", prepared, None).ok().result
    folder = project.output_folder()
    run = project.hook(f"build_{kind}", folder, None, prepared, WHEELPRINT_LOG="debug").ok()
    assert "built again" not in run.output
    assert not wheels.record(folder / run.result).get("untrusted")

    # tox unpacks the metadata of an earlier wheel there, with files that maturin makes anew.
    with zipfile.ZipFile(folder / run.result) as archive:
        inside = [each for each in archive.namelist() if each.startswith(f"{name}/")]
        assert any("/sboms/" in each for each in inside)
        archive.extractall(prepared, inside)
    project.append("README.md", "\nnew text\n")
    folder = project.output_folder()
    run = project.hook(f"build_{kind}", folder, None, prepared, WHEELPRINT_LOG="debug").ok()
    assert "built again" in run.output
    wheels.check(folder / run.result)
    old = (prepared / name / "METADATA").read_bytes()
    assert wheels.read(folder / run.result, "*.dist-info/METADATA") == old


def test_metadata_that_brings_a_record_of_its_own(check_out: CheckOut) -> None:
    project = check_out("bin-bindings")
    prepared = project.output_folder()
    run = project.hook("prepare_metadata_for_build_wheel", prepared, None)
    dist_info = prepared / run.ok().result
    (dist_info / wheels.RECORD_NAME).write_text('{"stale": "twin"}')
    folder = project.output_folder()
    built = project.hook("build_wheel", folder, None, dist_info).ok()
    wheels.check(folder / built.result)
    assert "stale" not in wheels.record(folder / built.result)


def test_arguments_by_name_and_left_out(check_out: CheckOut) -> None:
    project = check_out("bin-bindings")
    no_settings: dict[str, object] = {"config_settings": {}}
    for kind in ("sdist", "wheel", "editable"):
        hook = f"get_requires_for_build_{kind}"
        asked = project.hook(hook, venv=None).ok().result
        assert asked
        assert project.hook(hook, venv=None, keywords=no_settings).ok().result == asked
    folder = project.output_folder()
    positional = project.hook("build_wheel", folder).ok().result
    named = {"wheel_directory": folder, "config_settings": None, "metadata_directory": None}
    assert project.hook("build_wheel", keywords=named).ok().result == positional
    named = {"sdist_directory": folder, "config_settings": None}
    assert project.hook("build_sdist", keywords=named).ok().result.endswith(".tar.gz")
    named = {"metadata_directory": folder, "config_settings": None}
    hook = "prepare_metadata_for_build_editable"
    assert project.hook(hook, keywords=named).ok().result.endswith(".dist-info")


def test_the_first_wheel_makes_the_target_folder_as_cargo_does(check_out: CheckOut) -> None:
    """Otherwise cargo may replace it while maturin makes a folder in it, and maturin fails."""
    project = check_out("bin-bindings")
    for _ in range(3):
        shutil.rmtree(project.target, ignore_errors=True)
        project.build("wheel")
        assert (project.target / "CACHEDIR.TAG").is_file()


def test_the_archives_own_clock_is_kept(check_out: CheckOut) -> None:
    project = check_out("bin-bindings")
    _, wheel = project.build("wheel")
    assert {entry.timestamp[0] for entry in wheels.entries(wheel)} == {1980}
    project.reproducible()
    _, wheel = project.build("wheel")
    wheels.check(wheel)
    assert {entry.timestamp[0] for entry in wheels.entries(wheel)} == {2020}


@pytest.mark.parametrize("method", ["stored", "deflated", "bzip2"])
def test_other_compressions_are_copied_as_they_are(
    method: str, tmp_path: Path, check_out: CheckOut
) -> None:
    settings = {"build-args": f"--compression-method {method}"}
    project = check_out("bin-bindings", built_by="maturin")
    project.reproducible()
    _, reference = project.build("wheel", settings, backend="maturin", folder=tmp_path)
    project = check_out("bin-bindings")
    project.reproducible()
    _, wheel = project.build("wheel", settings)
    wheels.check(wheel)
    wheels.assert_only_stamped(wheel, reference)


def test_a_wheel_that_is_there_already_is_replaced(check_out: CheckOut) -> None:
    project = check_out("bin-bindings")
    folder = project.output_folder()
    _, first = project.build("editable", folder=folder)
    original = first.read_bytes()
    first.write_bytes(b"something else")
    _, second = project.build("editable", folder=folder)
    assert second == first
    assert second.read_bytes() == original
