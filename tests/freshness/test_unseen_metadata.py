"""What else a wheel holds: metadata from files that Cargo.toml names, stubs, data, programs."""

from __future__ import annotations

import shutil
from typing import TYPE_CHECKING

import pytest
from support import wheels

if TYPE_CHECKING:
    from pathlib import Path

    from conftest import CheckOut

pytestmark = [pytest.mark.spy, pytest.mark.freshness]


def metadata(wheel: Path) -> bytes:
    """All of it, without what comes from the rest of the wheel."""
    names = [name for name in wheels.names(wheel) if ".dist-info/" in name]
    ours = (wheels.RECORD_NAME, "RECORD")
    return b"".join(wheels.read(wheel, name) for name in names if not name.endswith(ours))


@pytest.mark.parametrize("key", ["readme", "license-file"])
def test_a_file_that_cargo_toml_names(key: str, check_out: CheckOut) -> None:
    project = check_out("cffi-bindings")
    project.write("ABOUT.md", "one text\n")
    project.replace("Cargo.toml", "publish = false\n", f'publish = false\n{key} = "ABOUT.md"\n')
    project.replace("pyproject.toml", 'readme = "README.md"\n', "")
    dynamic = '["version", "readme", "license", "license-files"]'
    project.replace("pyproject.toml", '["version"]', dynamic)
    _, wheel = project.build("editable")
    assert b"one text" in metadata(wheel)
    project.write("ABOUT.md", "two texts\n")
    run, wheel = project.build("editable")
    assert b"two texts" in metadata(wheel), run.verdict


def test_a_licence_with_the_text_of_the_readme(check_out: CheckOut) -> None:
    project = check_out("cffi-bindings")
    for name in ("README.md", "LICENSE"):
        project.write(name, "to be written")
    project.build("editable")
    project.write("README.md", "written")
    run, wheel = project.build("editable")
    assert wheels.read(wheel, "*/METADATA").endswith(b"\n\nwritten\n"), run.verdict
    assert wheels.read(wheel, "*/licenses/LICENSE") == b"to be written", run.verdict


def test_an_sbom_that_settings_include(check_out: CheckOut) -> None:
    project = check_out("cffi-bindings")
    sbom = 'sbom = { include = ["mine.json"] }'
    project.replace("pyproject.toml", "[tool.maturin]\n", f"[tool.maturin]\n{sbom}\n")
    project.write("mine.json", '{"a": 1}\n')
    project.build("editable")
    project.write("mine.json", '{"a": 2}\n')
    run, wheel = project.build("editable")
    assert wheels.read(wheel, "*/sboms/mine.json") == b'{"a": 2}\n', run.verdict


def test_a_dependency_for_another_system_in_the_sbom(check_out: CheckOut) -> None:
    """It is not compiled, and the SBOM describes it."""
    project = check_out("cffi-bindings")
    project.append("Cargo.toml", '\n[target."cfg(windows)".dependencies]\nwin = { path = "win" }\n')
    package = '[package]\nname = "win"\nversion = "0.1.0"\ndescription = "{}"\n'
    project.write("win/Cargo.toml", package.format("one text"))
    project.write("win/src/lib.rs", "")
    _, wheel = project.build("editable")
    assert b"one text" in metadata(wheel)
    project.write("win/Cargo.toml", package.format("two texts"))
    run, wheel = project.build("editable")
    assert b"two texts" in metadata(wheel), run.verdict


def test_a_folder_that_becomes_a_package(check_out: CheckOut) -> None:
    """A folder with Cargo.toml is the crate, until it has an `__init__.py`."""
    project = check_out("cffi-bindings")
    shutil.rmtree(project.path("python"))
    project.path("inner").mkdir()
    for name in ("src", "Cargo.toml", "Cargo.lock"):
        project.path(name).rename(project.path(f"inner/{name}"))
    module = 'module-name = "inner"\nmanifest-path = "inner/Cargo.toml"'
    project.replace("pyproject.toml", 'module-name = "cffi_sample._native"', module)
    project.replace("pyproject.toml", 'python-source = "python"\n', "")
    project.build("editable")
    project.write("inner/__init__.py", "")
    run, _ = project.build("editable")
    assert run.verdict.startswith("stale: inner/__init__.py"), run.verdict


@pytest.mark.parametrize("layout", ["pure", "mixed"])
def test_a_stub_and_data(layout: str, check_out: CheckOut) -> None:
    """What an editable wheel holds besides the module."""
    project = check_out("cffi-bindings")
    folder = "cffi_sample._native.data" if layout == "mixed" else "cffi_sample.data"
    files = [f"{folder}/data/share/some.txt"]
    if layout == "pure":
        shutil.rmtree(project.path("python/cffi_sample"))
        project.replace("pyproject.toml", "cffi_sample._native", "cffi_sample")
        project.replace("pyproject.toml", 'python-source = "python"\n', "")
        files += ["python/cffi_sample.pyi", "cffi_sample.pyi"]
    for name in files:
        project.write(name, "one: int\n")
    _, wheel = project.build("editable")
    held = [name for name in wheels.names(wheel) if wheels.read(wheel, name) == b"one: int\n"]
    assert held
    for name in files:
        project.write(name, "two: int\n")
    run, wheel = project.build("editable")
    assert {name: wheels.read(wheel, name) for name in held} == dict.fromkeys(
        held, b"two: int\n"
    ), run.verdict


def test_a_binary_whose_folder_was_there_before(check_out: CheckOut) -> None:
    project = check_out("bin-bindings")
    project.path("src/bin/second").mkdir(parents=True)
    project.build("editable")
    project.write("src/bin/second/main.rs", "fn main() {}\n")
    run, wheel = project.build("editable")
    assert any("scripts/second" in name for name in wheels.names(wheel)), run.verdict


def test_a_binary_beside_a_library_for_c(check_out: CheckOut) -> None:
    project = check_out("bin-bindings")
    project.append("Cargo.toml", '\n[lib]\nname = "for_c"\ncrate-type = ["cdylib"]\n')
    project.write("src/lib.rs", "")
    project.build("editable")
    project.write("src/bin/second.rs", "fn main() {}\n")
    run, wheel = project.build("editable")
    assert any("scripts/second" in name for name in wheels.names(wheel)), run.verdict


def test_an_include_that_is_spelled_in_another_way(check_out: CheckOut) -> None:
    """As the file system sees it, it is `python/text_stats/*.txt`."""
    project = check_out("mixed-path-dep")
    project.env["WHEELPRINT_REUSE"] = "always"
    # Else all files of the package are in the wheel.
    project.write("python/text_stats/.ignore", "*.txt\n")
    project.write("python/text_stats/one.txt", "one text\n")
    include = 'include = ["python/text_stats//*.txt"]'
    project.replace("pyproject.toml", "[tool.maturin]\n", f"[tool.maturin]\n{include}\n")
    _, wheel = project.build("wheel")
    assert wheels.read(wheel, "text_stats/one.txt") == b"one text\n"
    project.write("python/text_stats/one.txt", "two texts\n")
    run, wheel = project.build("wheel")
    assert wheels.read(wheel, "text_stats/one.txt") == b"two texts\n", run.verdict
