"""What was changed after it was built is refused, with the reason: wheels, archives, records."""

from __future__ import annotations

import json
import zipfile
from typing import TYPE_CHECKING, Any, Callable

import pytest
from support import archives
from support.commands import wheelprint
from support.wheels import RECORD_NAME

if TYPE_CHECKING:
    from pathlib import Path

    from support.project import Project

Change = Callable[[dict[str, bytes]], None]


@pytest.fixture(scope="module")
def project(bench: Any) -> Any:
    """One sample for all of these; nothing is built in it but once."""
    yield bench.check_out("hello-pure")
    bench.put_away()


@pytest.fixture(scope="module")
def built(project: Project) -> archives.Built:
    return archives.build_all(project)


def in_dist_info(name: str) -> Callable[[dict[str, bytes]], str]:
    return lambda files: next(path for path in files if path.endswith(f".dist-info/{name}"))


RECORD_JSON, RECORD, METADATA = map(in_dist_info, (RECORD_NAME, "RECORD", "METADATA"))


def edit(name: Callable[[dict[str, bytes]], str] | str, old: bytes, new: bytes) -> Change:
    """Another text in one file, which must have been there."""

    def change(files: dict[str, bytes]) -> None:
        path = name if isinstance(name, str) else name(files)
        assert old in files[path], path
        files[path] = files[path].replace(old, new, 1)

    return change


def edit_json(
    name: Callable[[dict[str, bytes]], str] | str, change: Callable[[Any], None]
) -> Change:
    def apply(files: dict[str, bytes]) -> None:
        path = name if isinstance(name, str) else name(files)
        read = json.loads(files[path])
        change(read)
        files[path] = json.dumps(read).encode()

    return apply


def add(name: str, data: bytes = b"") -> Change:
    return lambda files: files.update({name: data})


def drop(name: Callable[[dict[str, bytes]], str] | str) -> Change:
    def change(files: dict[str, bytes]) -> None:
        del files[name if isinstance(name, str) else name(files)]

    return change


def cut_module(files: dict[str, bytes]) -> None:
    name = next(name for name in files if name.endswith((".so", ".pyd")))
    files[name] = files[name][:-1]


def first_input(record: Any) -> Any:
    return next(given for given in record["inputs"] if "sha256" in given["value"])


ANOTHER = "0" * 64

WHEEL: dict[str, tuple[Change, int, str]] = {
    "the module": (cut_module, 1, "is not what RECORD says"),
    "a Python file more": (add("evil.py", b"1"), 1, "evil.py is not in RECORD"),
    "a file less": (drop(METADATA), 1, "METADATA is in RECORD and not in the wheel"),
    "a line of RECORD": (edit(RECORD, b"sha256=", b"sha256=x"), 1, "RECORD"),
    "no RECORD": (drop(RECORD), 1, "RECORD is not in the wheel"),
    "METADATA": (edit(METADATA, b"Name: ", b"Name: x"), 1, "METADATA is not what RECORD says"),
    "no record": (drop(RECORD_JSON), 2, "there is no record in it"),
    "the record is no JSON": (edit(RECORD_JSON, b"{", b"["), 2, "not a wheelprint record"),
    "an input": (
        edit_json(
            RECORD_JSON, lambda record: first_input(record).update(value={"sha256": ANOTHER})
        ),
        2,
        "the fingerprint is not that of the inputs it names",
    ),
    "an input less": (
        edit_json(RECORD_JSON, lambda record: record["inputs"].pop()),
        2,
        "the fingerprint is not that of the inputs it names",
    ),
    "an input twice": (
        edit_json(RECORD_JSON, lambda record: record["inputs"].append(record["inputs"][-1])),
        2,
        "its inputs are not in order",
    ),
    "the fingerprint": (
        edit_json(RECORD_JSON, lambda record: record["fingerprint"].update(sha256=ANOTHER)),
        2,
        "the fingerprint is not that of the inputs it names",
    ),
    "a source file": (
        edit_json(
            RECORD_JSON, lambda record: record["source"]["files"].update({"src/lib.rs": ANOTHER})
        ),
        2,
        "the source digest is not that of the files it names",
    ),
    "a place of some machine": (
        edit_json(RECORD_JSON, lambda record: record["roots"].update(project="/etc")),
        2,
        "is a place of some machine",
    ),
    "a field more": (
        edit_json(RECORD_JSON, lambda record: record.update(more=1)),
        2,
        "unknown field `more`",
    ),
    "a newer version": (
        edit_json(RECORD_JSON, lambda record: record.update(wheelprint=99)),
        2,
        "version 99",
    ),
    "of something else": (
        edit_json(RECORD_JSON, lambda record: record.clear() or record.update(wheelprint=1)),
        2,
        "missing field",
    ),
}

SDIST: dict[str, tuple[Change, int, str]] = {
    "a source": (edit("src/lib.rs", b"fn", b"fm"), 1, "src/lib.rs is not what its record says"),
    "a file more": (add("build.rs", b"fn main() {}"), 1, "build.rs is not in its record"),
    "a file less": (drop("README.md"), 1, "README.md is in its record and not in the archive"),
    "PKG-INFO": (
        edit("PKG-INFO", b"Name: ", b"Name: x"),
        1,
        "PKG-INFO is not what its record says",
    ),
    "no record": (drop(RECORD_NAME), 2, "there is no record in it"),
    "the record is no JSON": (edit(RECORD_NAME, b"{", b"["), 2, "not a wheelprint record"),
    "a source digest": (
        edit_json(RECORD_NAME, lambda record: record["source"].update(sha256=ANOTHER)),
        2,
        "the source digest is not that of the files it names",
    ),
    "a stated file": (
        edit_json(
            RECORD_NAME, lambda record: record["source"]["files"].update({"src/lib.rs": ANOTHER})
        ),
        2,
        "the source digest is not that of the files it names",
    ),
    "a packed file": (
        edit_json(RECORD_NAME, lambda record: record["packed"][-1].update(sha256=ANOTHER)),
        1,
        "is not what its record says",
    ),
    "where a file lay": (
        edit_json(
            RECORD_NAME,
            lambda record: next(
                packed for packed in record["packed"] if packed["path"] == "src/lib.rs"
            ).update(source="README.md"),
        ),
        1,
        "is not the file of the tree that it should be",
    ),
    "another text of a manifest": (
        edit_json(
            RECORD_NAME,
            lambda record: next(
                packed for packed in record["packed"] if packed["path"] == "Cargo.toml"
            ).update(original="[package]"),
        ),
        1,
        "is not the file of the tree that it should be",
    ),
    "a packed file twice": (
        edit_json(RECORD_NAME, lambda record: record["packed"].append(record["packed"][-1])),
        2,
        "its packed files are not in order",
    ),
    "a place of some machine": (
        edit_json(RECORD_NAME, lambda record: record["packed"][0].update(path="../../x")),
        2,
        "is a place of some machine",
    ),
    "an input": (
        edit_json(
            RECORD_NAME, lambda record: first_input(record).update(value={"sha256": ANOTHER})
        ),
        2,
        "the fingerprint is not that of the inputs it names",
    ),
    "a path that leads outside": (add("../../evil", b""), 2, "leads outside"),
}


def assert_refused(project: Project, file: Path, code: int, cause: str) -> None:
    run = wheelprint(project, "verify", file)
    assert run.code == code, run.output
    assert cause in run.output, run.output
    assert "Traceback" not in run.output
    assert "panic" not in run.output


@pytest.mark.parametrize("kind", WHEEL)
def test_a_wheel(kind: str, project: Project, built: archives.Built, tmp_path: Path) -> None:
    change, code, cause = WHEEL[kind]
    with zipfile.ZipFile(built.from_sdist) as wheel:
        files = {name: wheel.read(name) for name in wheel.namelist()}
    change(files)
    file = tmp_path / built.from_sdist.name
    with zipfile.ZipFile(file, "w") as wheel:
        for name, data in files.items():
            wheel.writestr(name, data)
    assert_refused(project, file, code, cause)


@pytest.mark.parametrize("kind", SDIST)
def test_an_archive(kind: str, project: Project, built: archives.Built, tmp_path: Path) -> None:
    change, code, cause = SDIST[kind]
    assert_refused(project, archives.rewritten(built.sdist, tmp_path, change), code, cause)


def test_what_was_not_changed_is_not_refused(
    project: Project, built: archives.Built, tmp_path: Path
) -> None:
    """So that every other test here fails for its own reason."""
    untouched = archives.rewritten(built.sdist, tmp_path, lambda files: None)
    wheelprint(project, "verify", untouched, built.from_sdist).ok()


def test_a_damaged_archive_is_no_source(
    project: Project, built: archives.Built, tmp_path: Path
) -> None:
    change, _, cause = SDIST["a source"]
    damaged = archives.rewritten(built.sdist, tmp_path, change)
    run = wheelprint(project, "verify", built.from_sdist, "--source", damaged)
    assert run.code == 2, run.output
    assert cause in run.stderr, run.output


def test_one_refused_of_several(project: Project, built: archives.Built, tmp_path: Path) -> None:
    """The others are compared all the same."""
    change, _, cause = SDIST["no record"]
    damaged = archives.rewritten(built.sdist, tmp_path, change)
    run = wheelprint(project, "verify", damaged, built.from_sdist)
    assert run.code == 2, run.output
    assert cause in run.stderr, run.output
    assert f"{built.from_sdist.name}: verified\n" in run.stdout, run.output
    assert "1 of 2 files verified" in run.stdout, run.output
    run = wheelprint(project, "verify", "--json", damaged, built.from_sdist)
    said = json.loads(run.stdout)
    assert [artifact["verified"] for artifact in said["artifacts"]] == [False, True]
    assert cause in said["artifacts"][0]["error"]
    assert said["verified"] is False
