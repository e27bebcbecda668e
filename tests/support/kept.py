"""Checks that every file that wheelprint stores or delivers is complete, after any fault."""

from __future__ import annotations

import _imp
import base64
import csv
import hashlib
import json
import marshal
import zipfile
from typing import TYPE_CHECKING

from . import wheels

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from .project import Project

#: The prefix of temporary files.
TEMPORARY = ".wheelprint-"
#: More files of the store that begin with a digest.
_SEALED = ("toolchain.json",)
_LIBRARY = (".so", ".pyd")
_OF_OTHERS = {"interpreters", "programs", "archive-target"}


def files(project: Project) -> Iterator[Path]:
    """The files of the store, except for interpreters and cargo's output."""
    for path in sorted(project.cache.rglob("*")):
        inside = path.relative_to(project.cache).parts
        if path.is_file() and _OF_OTHERS.isdisjoint(inside):
            yield path


def is_temporary(path: Path) -> bool:
    """Whether the name is that of a temporary file."""
    return path.name.startswith(TEMPORARY)


def is_config(path: Path) -> bool:
    """Whether this file keeps maturin's configurations for pyo3."""
    return path.name.startswith("pyo3-") and path.suffix == ".json"


def is_kept_call(path: Path) -> bool:
    """Whether this file keeps a call of cargo, or the wheel that belongs to it."""
    return path.name.startswith("direct-")


def temporaries(project: Project) -> list[Path]:
    """The temporary files that killed processes left in the store."""
    return [path for path in files(project) if is_temporary(path)]


def assert_whole(project: Project) -> None:
    """Every file of the store with a final name is complete and correct."""
    for path in files(project):
        if not is_temporary(path):
            _check(project, path)


def _check(project: Project, path: Path) -> None:
    folder, content = path.parent.name, path.read_bytes()
    if is_kept_call(path):
        # A wheel that does not fit the call is not used.
        assert path.suffix == ".whl" or json.loads(content.partition(b"\n")[2]), path
    elif path.suffix == ".whl":
        assert hashlib.sha256(content).hexdigest() == folder, path
        wheels.check(path)
    elif folder in ("entries", "promises", "notes") or path.name in _SEALED or is_config(path):
        sum_, _, rest = content.partition(b"\n")
        assert hashlib.sha256(rest).hexdigest() == sum_.decode(), path
        kept = json.loads(rest)
        stored = kept.get("wheel") if folder == "entries" else None
        if stored:
            names = (path.parent.parent / "wheels" / stored["sha256"], stored["file_name"])
            assert names[0].joinpath(names[1]).is_file(), path
    elif path.name == "stat.bin":
        head, sum_, lines = content[:16], content[16:48], content[48:]
        assert head == b"wheelprint stat\x03", path
        assert hashlib.sha256(lines).digest() == sum_, path
        assert len(lines) % 96 == 0, path
    elif path.suffix == ".json":
        json.loads(content)
    elif path.name == "log":
        assert all(json.loads(line)["hook"] for line in content.splitlines()), path
    elif path.suffix == ".memory":
        assert _imp.source_hash(0, content[8:]) == content[:8], path
        marshal.loads(content[8:])
    elif path.suffix == ".failure":
        state, when, _ = content.decode().split("\n", 2)
        assert len(state) in (0, 64), path
        assert float(when), path
    elif path.name == "CACHEDIR.TAG":
        assert content.startswith(b"Signature: 8a477f597d28d172789f06886806bc55\n"), path
    elif path.name == "root":
        assert content.decode(errors="surrogateescape"), path
    elif folder == "backend":
        assert content in _modules(project), path
    else:
        is_note = path.suffix == ".lock" or path.name == "said" or path.name.startswith("last-")
        known = is_note or folder in ("archives", "init")
        assert known, f"what is {path}?"


def _modules(project: Project) -> list[bytes]:
    """The compiled modules of wheelprint itself. Imports ask a copy of such a module."""
    (own,) = project.bench.dist.glob("wheelprint-*.whl")
    with zipfile.ZipFile(own) as wheel:
        return [wheel.read(name) for name in wheel.namelist() if name.endswith(_LIBRARY)]


def assert_wheels_whole(folder: Path) -> None:
    """Every file in a frontend's folder with a final name is a correct wheel."""
    for path in folder.iterdir():
        if not path.name.startswith(TEMPORARY):
            assert path.suffix == ".whl", path
            wheels.check(path)


def assert_installed_whole(site: Path, name: str) -> None:
    """If an installed package has a RECORD, each file in it either matches or is missing.

    An installer may not have written a file yet, or may have removed it already."""
    for record in site.glob(f"{name}-*.dist-info/RECORD"):
        for listed, digest, _ in csv.reader(record.read_text(encoding="utf-8").splitlines()):
            path = site / listed
            if digest and path.is_file():
                found = hashlib.sha256(path.read_bytes()).digest()
                text = base64.urlsafe_b64encode(found).rstrip(b"=").decode()
                assert digest == f"sha256={text}", path


def in_wheel(wheel: Path) -> Iterator[tuple[str, bytes]]:
    """Every file of a wheel, unpacked."""
    with zipfile.ZipFile(wheel) as archive:
        for name in archive.namelist():
            yield name, archive.read(name)


def is_library(name: str) -> bool:
    """Whether the file is a compiled module."""
    return name.endswith(_LIBRARY)
