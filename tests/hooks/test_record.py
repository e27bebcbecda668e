"""The record in the wheel: portable, reproducible, and complete in what it names."""

from __future__ import annotations

import json
import os
import re
import sys
import sysconfig
from pathlib import Path, PureWindowsPath
from typing import TYPE_CHECKING, Any

import pytest
from support import samples, wheels

if TYPE_CHECKING:
    from conftest import CheckOut
    from support.workbench import Workbench

KINDS = pytest.mark.parametrize("kind", ["wheel", "editable"])


@KINDS
@pytest.mark.parametrize(
    "name", samples.each("hello-pure", "mixed-path-dep", "workspace", "cffi-bindings")
)
def test_no_absolute_path(name: str, kind: str, check_out: CheckOut) -> None:
    project = check_out(name)
    _, wheel = project.build(kind)
    texts = list(wheels.strings(wheels.record(wheel)))
    assert not [text for text in texts if text.startswith("/") or PureWindowsPath(text).drive]
    home = project.env.get("CARGO_HOME") or str(Path.home() / ".cargo")
    for place in (str(project.root), project.env["WHEELPRINT_CACHE_DIR"], home, os.sep + "tmp"):
        assert not [text for text in texts if place in text]


@KINDS
@pytest.mark.parametrize("name", ["hello-pure", "cffi-bindings", "workspace"])
def test_two_builds_give_the_same_bytes(name: str, kind: str, check_out: CheckOut) -> None:
    project = check_out(name)
    project.reproducible()
    _, first = project.build(kind)
    # Neither the store nor cargo may answer from memory.
    project.touch(project.sample.source)
    _, second = project.build(kind, WHEELPRINT_REUSE="never")
    assert first.read_bytes() == second.read_bytes()


@KINDS
def test_without_a_fixed_clock_only_maturins_own_differs(kind: str, check_out: CheckOut) -> None:
    project = check_out("hello-pure")
    built = []
    for _ in range(2):
        project.touch(project.sample.source)
        _, wheel = project.build(kind, WHEELPRINT_REUSE="never")
        built.append({entry.name: entry for entry in wheels.entries(wheel)})
    first, second = built
    assert first.keys() == second.keys()
    different = {name for name, entry in first.items() if second[name] != entry}
    # maturin's SBOM has a random number and the time in it; RECORD has the SBOM's digest.
    assert {name for name in different if "/sboms/" not in name and "/RECORD" not in name} == set()


@pytest.mark.parametrize(
    "name",
    ["every-input", "cffi-bindings", pytest.param("workspace", marks=pytest.mark.freshness)],
)
def test_the_record_does_not_depend_on_where_the_tree_lies(
    name: str, check_out: CheckOut, tmp_path: Path
) -> None:
    project = check_out(name)
    other = check_out(name, tmp_path / "somewhere else" / "deeper")
    assert other.root != project.root
    _, here = project.build("wheel")
    _, there = other.build("wheel")
    assert wheels.record_bytes(here).decode() == wheels.record_bytes(there).decode()


def test_no_value_of_a_variable(check_out: CheckOut) -> None:
    project = check_out("watched-inputs")
    secret = "hunter2"
    variables: dict[str, Any] = {
        "READ_BY_CRATE": f"token-{secret}",
        "WATCHED_BY_BUILD_SCRIPT": f"password-{secret}",
        "MATURIN_REPOSITORY_URL": f"https://user:{secret}@example.invalid",
    }
    _, wheel = project.build("wheel", **variables)
    assert secret not in wheels.record_bytes(wheel).decode()
    assert "READ_BY_CRATE" in wheels.record_bytes(wheel).decode()


def test_no_value_of_a_compiler_flag(check_out: CheckOut) -> None:
    project = check_out("bin-bindings")
    secret = "hunter2"
    _, wheel = project.build("wheel", RUSTFLAGS=f"--cfg {secret} --check-cfg cfg({secret})")
    assert secret not in wheels.record_bytes(wheel).decode()
    assert "RUSTFLAGS" in wheels.record_bytes(wheel).decode()


@pytest.mark.parametrize(
    ("name", "files"),
    [
        ("hello-pure", ["src/lib.rs", "Cargo.toml", "Cargo.lock", "pyproject.toml", "README.md"]),
        ("mixed-path-dep", ["src/stop_words.rs", "data/stop-words.txt"]),
        ("watched-inputs", ["build.rs", "assets/banner.txt", "words/first.txt"]),
        ("workspace", ["src/lib.rs", "Cargo.toml"]),
        ("separate-rust", ["Cargo.lock", "src/lib.rs"]),
        ("bin-bindings", ["src/main.rs"]),
    ],
)
def test_what_reaches_the_module_is_named(name: str, files: list[str], check_out: CheckOut) -> None:
    project = check_out(name)
    _, wheel = project.build("wheel")
    texts = list(wheels.strings(wheels.record(wheel)))
    for file in files:
        assert [text for text in texts if text.endswith(file)], f"{file} is not in {texts}"


def test_it_is_json_of_a_known_version(check_out: CheckOut) -> None:
    project = check_out("bin-bindings")
    _, wheel = project.build("wheel")
    text = wheels.record_bytes(wheel).decode("utf-8")
    record = json.loads(text)
    assert record["wheelprint"] == 1
    assert text.endswith("}\n")
    assert re.search(r"[0-9a-f]{64}", json.dumps(record["fingerprint"]))


def test_wheels_of_different_sources_have_different_fingerprints(check_out: CheckOut) -> None:
    project = check_out("bin-bindings")
    _, first = project.build("wheel")
    project.edit()
    _, second = project.build("wheel")
    project.undo_edit()
    _, third = project.build("wheel")
    prints = [wheels.record(wheel)["fingerprint"] for wheel in (first, second, third)]
    assert prints[0] != prints[1]
    assert prints[0] == prints[2]


def test_our_own_wheel(bench: Workbench) -> None:
    """What is released passes what we ask of others."""
    (wheel,) = bench.dist.glob("wheelprint-*.whl")
    # Free-threaded Pythons have no stable ABI, PyPy has none of CPython's.
    is_free_threaded = bool(sysconfig.get_config_var("Py_GIL_DISABLED"))
    has_abi = sys.implementation.name == "cpython" and not is_free_threaded
    assert ("-abi3-" in wheel.name) is has_abi
    wheels.check(wheel)
    names = wheels.names(wheel)
    for needed in ("wheelprint/__init__.py", "wheelprint/py.typed", "wheelprint/_native.pyi"):
        assert needed in names
    metadata = wheels.read(wheel, "*.dist-info/METADATA").decode()
    requires = [line for line in metadata.splitlines() if line.startswith("Requires-Dist")]
    version = wheel.name.split("-")[1]
    # The program must speak the language of this version.
    shared = f"Requires-Dist: wheelprint-shared=={version} ; extra == 'shared'"
    # Whatever else is needed, is needed for an extra only.
    assert shared in requires
    extras = {line.partition("extra == ")[2].strip("'") for line in requires}
    assert extras == {"attestations", "shared"}
