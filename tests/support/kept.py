"""What wheelprint keeps and delivers, file by file: is each one whole, whatever went wrong?"""

from __future__ import annotations

import base64
import csv
import hashlib
import json
import marshal
import re
import zipfile
from typing import TYPE_CHECKING

from . import wheels

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from .project import Project

#: How names of files begin that are not finished.
TEMPORARY = ".wheelprint-"
#: The same of what an import remembers: `PLACE.PROCESS-THREAD`.
_OF_AN_IMPORT = re.compile(r".+\.\d+-\d+")
#: Files of the store, besides, that begin with a digest.
_SEALED = ("stat.json", "toolchain.json")
_LIBRARY = (".so", ".pyd")


def files(project: Project) -> Iterator[Path]:
    """The files of the store, but for interpreters and what cargo compiles."""
    for path in sorted(project.cache.rglob("*")):
        inside = path.relative_to(project.cache).parts
        if path.is_file() and not {"interpreters", "archive-target"}.intersection(inside):
            yield path


def is_temporary(path: Path) -> bool:
    """Does the name say that it is not finished?"""
    of_an_import = path.parent.name == "imports" and _OF_AN_IMPORT.fullmatch(path.name)
    return path.name.startswith(TEMPORARY) or bool(of_an_import)


def temporaries(project: Project) -> list[Path]:
    """What killed processes left in the store."""
    return [path for path in files(project) if is_temporary(path)]


def assert_whole(project: Project) -> None:
    """Every file of the store that bears a final name is what it should be."""
    for path in files(project):
        if not is_temporary(path):
            _check(project, path)


def _check(project: Project, path: Path) -> None:
    folder, content = path.parent.name, path.read_bytes()
    if path.suffix == ".whl":
        assert hashlib.sha256(content).hexdigest() == folder, path
        wheels.check(path)
    elif folder in ("entries", "promises", "notes") or path.name in _SEALED:
        sum_, _, rest = content.partition(b"\n")
        assert hashlib.sha256(rest).hexdigest() == sum_.decode(), path
        kept = json.loads(rest)
        stored = kept.get("wheel") if folder == "entries" else None
        if stored:
            names = (path.parent.parent / "wheels" / stored["sha256"], stored["file_name"])
            assert names[0].joinpath(names[1]).is_file(), path
    elif path.suffix == ".json":
        json.loads(content)
    elif path.suffix == ".memory":
        sum_, _, rest = content.partition(b"\n")
        assert int.from_bytes(rest, "little") % (2**61 - 1) == int(sum_), path
        marshal.loads(rest)
    elif path.suffix == ".failure":
        state, when, _ = content.decode().split("\n", 2)
        assert len(state) in (0, 64), path
        assert float(when), path
    elif path.name == "root":
        assert content.decode(errors="surrogateescape"), path
    else:
        known = path.suffix == ".lock" or path.name == "said" or folder in ("archives", "init")
        assert known, f"what is {path}?"


def assert_wheels_whole(folder: Path) -> None:
    """What lies in a frontend's folder under the name of a wheel is one."""
    for path in folder.iterdir():
        if not path.name.startswith(TEMPORARY):
            assert path.suffix == ".whl", path
            wheels.check(path)


def assert_installed_whole(site: Path, name: str) -> None:
    """Every file that RECORD of an installed package names, if there is a RECORD, is either as it
    says or not there (yet, or any more)."""
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
    """Is it what the compiler made, and not we?"""
    return name.endswith(_LIBRARY)
