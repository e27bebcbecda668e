"""Wheels and sdists that somebody made for the purpose, with records that fit them."""

from __future__ import annotations

import hashlib
import json
import os
import struct
from pathlib import Path
from typing import TYPE_CHECKING, Any, Callable

import pytest
from support import archives, forged
from support.commands import wheelprint

if TYPE_CHECKING:
    from conftest import CheckOut
    from support.project import Project, Run


@pytest.fixture
def project(check_out: CheckOut) -> Project:
    return check_out("bin-bindings")


def built(project: Project, kind: str = "--wheel") -> Path:
    _, (artifact,) = archives.uv_build(project, kind)
    return artifact


def verified(project: Project, artifact: Path, source: str | Path = ".") -> Run:
    run = wheelprint(project, "verify", artifact, "--source", source)
    assert run.code in (1, 2), run.output
    return run


def copy(wheel: Path, folder: Path, content: bytes) -> Path:
    folder.mkdir()
    target = folder / wheel.name
    target.write_bytes(content)
    return target


def test_a_wheel_with_two_lists(project: Project, tmp_path: Path) -> None:
    """pip reads the list in front of the end, and other programs the one at its stated place."""
    wheel = built(project)
    data = wheel.read_bytes()
    end = data.rindex(b"PK\x05\x06")
    size, start = struct.unpack_from("<II", data, end + 12)
    twice = data[:end] + data[start : start + size] + data[end:]
    larger = data[:end] + data[end : end + 12] + struct.pack("<I", size + 9) + data[end + 16 :]
    for name, content in (("twice", twice), ("larger", larger)):
        run = verified(project, copy(wheel, tmp_path / name, content))
        assert "its list of files is not where its end says" in run.stderr


def test_a_wheel_of_another_name(project: Project, tmp_path: Path) -> None:
    wheel = built(project)

    def change(name: str, content: bytes) -> bytes:
        if name.endswith("/METADATA"):
            return content.replace(b"Name: bin-bindings", b"Name: requests")
        return content

    run = verified(project, forged.rewritten(wheel, tmp_path / "one", change))
    assert "its metadata says that it is of requests, and the project is bin-bindings" in run.stdout
    other = tmp_path / wheel.name.replace("bin_bindings", "other")
    other.write_bytes(wheel.read_bytes())
    assert "its file name is not that of bin-bindings" in verified(project, other).stdout


@pytest.mark.parametrize("kept", ["README.md", "pyproject.toml"])
def test_a_record_of_almost_nothing(kept: str, project: Project, tmp_path: Path) -> None:
    project.write("README.md", "read me\n")
    wheel = built(project)

    def change(record: dict[str, Any]) -> None:
        record["inputs"] = [it for it in record["inputs"] if it["part"] == "request"]
        record["watches"] = [{"watch": "request"}]
        files = record["source"]["files"]
        record["source"]["files"] = {name: files[name] for name in files if name == kept}

    run = verified(project, forged.changed_record(wheel, tmp_path / "forged", change))
    missing = "pyproject.toml" if kept == "README.md" else "Cargo.toml"
    assert f"it names no {missing}, which each build reads" in run.stderr


@pytest.mark.skipif(os.name == "nt", reason="no such folders")
@pytest.mark.parametrize(
    ("watch", "roots"),
    [
        ({"watch": "glob", "root": "project", "glob": "../" * 20 + "**/*"}, {}),
        (
            {"watch": "place", "look": "package", "root": "crate:x", "path": ""},
            {"crate:x": "../" * 20},
        ),
        (
            {"watch": "place", "look": "content", "root": "outside:1", "path": "proc"},
            {"outside:1": "../" * 20},
        ),
    ],
    ids=["glob", "package", "proc"],
)
def test_a_record_that_names_the_whole_disk(
    watch: dict[str, Any], roots: dict[str, str], project: Project, tmp_path: Path
) -> None:
    wheel = built(project)

    def change(record: dict[str, Any]) -> None:
        record["watches"].append({"part": "rust", **watch})
        record.setdefault("roots", {}).update(roots)

    wheel = forged.changed_record(wheel, tmp_path / "forged", change)
    run = wheelprint(project, "verify", wheel, "--source", ".")
    assert run.code == 2, run.output
    assert "as a source" in run.stderr


def test_a_crate_without_its_manifest_is_a_difference(check_out: CheckOut) -> None:
    """A folder of the sources is read, although there is no manifest in it."""
    project = check_out("mixed-path-dep")
    wheel = built(project)
    project.path("../shared-core/Cargo.toml").unlink()
    run = wheelprint(project, "verify", wheel, "--source", ".")
    assert run.code == 1, run.output
    assert "shared-core/Cargo.toml is gone" in run.stdout


def forged_sdist(project: Project, folder: Path, name: str, change: Callable[[str], str]) -> Path:
    """An sdist with a changed manifest, which its record calls rewritten."""

    def forge(files: dict[str, bytes]) -> None:
        original = files[name].decode()
        files[name] = change(original).encode()
        assert files[name] != original.encode()

        def states(record: dict[str, Any]) -> None:
            (packed,) = [it for it in record["packed"] if it["path"] == name]
            packed["sha256"] = hashlib.sha256(files[name]).hexdigest()
            packed.setdefault("original", original)

        files["wheelprint.json"] = forged.fitting(json.loads(files["wheelprint.json"]), states)

    return archives.rewritten(built(project, "--sdist"), folder, forge)


@pytest.mark.parametrize(
    ("name", "key", "change"),
    [
        (
            "pyproject.toml",
            "build-system.build-backend",
            lambda text: text.replace('"wheelprint"\n', '"evil"\n'),
        ),
        ("Cargo.toml", "dependencies", lambda text: text + '\n[dependencies]\nevil = "1"\n'),
    ],
    ids=["pyproject", "cargo"],
)
def test_an_sdist_with_another_manifest(
    name: str, key: str, change: Callable[[str], str], project: Project, tmp_path: Path
) -> None:
    wheel = built(project)
    sdist = forged_sdist(project, tmp_path / "forged", name, change)
    cause = f"{name} is not the tree's as maturin rewrites it ({key}"
    assert cause in verified(project, sdist).stdout
    for command in ("verify", "rebuild"):
        run = wheelprint(project, command, wheel, "--source", sdist)
        assert run.code == 2, run.output
        assert cause in run.stderr
    # The same in a folder: its record is not used, and the text in the folder counts.
    folder = archives.unpack(sdist, tmp_path / "unpacked")
    run = verified(project, wheel, folder)
    assert f"{name} changed" in run.stdout


def test_an_sdist_without_sources(project: Project, tmp_path: Path) -> None:
    def forge(files: dict[str, bytes]) -> None:
        for path in files.keys() - {"PKG-INFO", "wheelprint.json"}:
            del files[path]

        def states(record: dict[str, Any]) -> None:
            record["packed"] = [it for it in record["packed"] if it["path"] == "PKG-INFO"]
            record["source"]["files"] = {}

        files["wheelprint.json"] = forged.fitting(json.loads(files["wheelprint.json"]), states)

    sdist = archives.rewritten(built(project, "--sdist"), tmp_path / "forged", forge)
    run = verified(project, sdist)
    assert run.code == 2, run.output
