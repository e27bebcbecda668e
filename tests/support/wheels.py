"""Reads, checks and compares wheels."""

from __future__ import annotations

import base64
import csv
import hashlib
import io
import json
import re
import struct
import zipfile
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from installer.sources import WheelFile

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

RECORD_NAME = "wheelprint.json"


@dataclass(frozen=True)
class Entry:
    """All data about one file in an archive, including its compressed bytes."""

    name: str
    compressed: bytes
    method: int
    timestamp: tuple[int, int, int, int, int, int]
    mode: int
    crc: int
    size: int


def entries(wheel: Path) -> list[Entry]:
    """The files of an archive, in order."""
    data = wheel.read_bytes()
    with zipfile.ZipFile(wheel) as archive:
        return [
            Entry(
                info.filename,
                _compressed(data, info),
                info.compress_type,
                info.date_time,
                info.external_attr,
                info.CRC,
                info.file_size,
            )
            for info in archive.infolist()
        ]


def _compressed(data: bytes, info: zipfile.ZipInfo) -> bytes:
    # The lengths of name and extra field in the local header may differ from the directory's.
    name_length, extra_length = struct.unpack_from("<HH", data, info.header_offset + 26)
    start = info.header_offset + 30 + name_length + extra_length
    return data[start : start + info.compress_size]


def names(wheel: Path) -> list[str]:
    """The names of the files, in order."""
    return [entry.name for entry in entries(wheel)]


def read(wheel: Path, name: str) -> bytes:
    """The content of one file; `*` in the name matches any text."""
    with zipfile.ZipFile(wheel) as archive:
        pattern = re.compile(re.escape(name).replace(r"\*", ".*"))
        found = [entry for entry in archive.namelist() if pattern.fullmatch(entry)]
        assert len(found) == 1, f"{name}: {found} in {archive.namelist()}"
        return archive.read(found[0])


def assert_same_but_for_inputs(one: Path, other: Path) -> None:
    """Two editable wheels have the same content, except for the list of inputs.

    The list may differ, for example after a changed comment in a manifest."""

    def contents(wheel: Path) -> dict[str, bytes]:
        with zipfile.ZipFile(wheel) as archive:
            return {
                name: archive.read(name)
                for name in archive.namelist()
                if not name.endswith((".editable/inputs", ".dist-info/RECORD"))
            }

    assert contents(one) == contents(other)


def record_bytes(wheel: Path) -> bytes:
    """The bytes of the record in a wheel."""
    return read(wheel, f"*.dist-info/{RECORD_NAME}")


def record(wheel: Path) -> dict[str, Any]:
    """The parsed record in a wheel."""
    parsed: dict[str, Any] = json.loads(record_bytes(wheel))
    return parsed


def strings(value: Any) -> Iterator[str]:
    """Every string in a JSON value, including keys."""
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict):
        for key, inner in value.items():
            yield key
            yield from strings(inner)
    elif isinstance(value, list):
        for inner in value:
            yield from strings(inner)


def check(wheel: Path) -> None:
    """Checks the archive and RECORD for all known errors."""
    with zipfile.ZipFile(wheel) as archive:
        assert archive.testzip() is None
        all_names = archive.namelist()
        assert len(all_names) == len(set(all_names)), f"twice in the archive: {all_names}"
        folder = re.sub(r"^([^-]+-[^-]+)-.*", r"\1.dist-info", wheel.name)
        assert all_names[-1] == f"{folder}/RECORD", "RECORD comes last"
        listed = list(csv.reader(io.StringIO(archive.read(f"{folder}/RECORD").decode())))
        for path, digest, size in listed:
            if path == f"{folder}/RECORD":
                assert (digest, size) == ("", "")
                continue
            content = archive.read(path)
            expected = base64.urlsafe_b64encode(hashlib.sha256(content).digest()).rstrip(b"=")
            assert digest == f"sha256={expected.decode()}", path
            assert size == str(len(content)), path
        assert sorted(path for path, _, _ in listed) == sorted(all_names)
    with WheelFile.open(wheel) as opened:
        opened.validate_record(validate_contents=True)


def assert_only_stamped(stamped: Path, original: Path) -> None:
    """The first wheel is the second one plus a record.

    Only RECORD and the folders that the SBOM names may differ."""
    assert stamped.name == original.name
    before = {entry.name: entry for entry in entries(original)}
    after = {entry.name: entry for entry in entries(stamped)}
    (added,) = after.keys() - before.keys()
    assert added.endswith(f".dist-info/{RECORD_NAME}"), added
    assert before.keys() <= after.keys()
    changed = {name for name, entry in before.items() if after[name] != entry}
    sboms = {name for name in changed if name.endswith(".cyclonedx.json")}
    (record_file,) = changed - sboms
    assert record_file.endswith(".dist-info/RECORD"), changed
    for name in changed:
        old, new = before[name], after[name]
        assert (new.method, new.timestamp, new.mode) == (old.method, old.timestamp, old.mode)
    for name in sboms:
        assert_only_placed(json.loads(read(stamped, name)), json.loads(read(original, name)))
    in_order = [name for name in after if name != added]
    assert in_order == list(before), "the order of the entries has changed"

    # RECORD has the same lines, and one more.
    def lines(wheel: Path) -> list[str]:
        ours = (added, *sboms)
        listed = read(wheel, record_file).decode().splitlines()
        return [line for line in listed if not line.startswith(ours)]

    assert lines(stamped) == lines(original)


def assert_only_placed(placed: Any, original: Any) -> None:
    """Both are the same JSON, except that folders of this machine are replaced."""
    if isinstance(original, dict):
        assert list(placed) == list(original)
        for key, value in original.items():
            assert_only_placed(placed[key], value)
    elif isinstance(original, list):
        assert len(placed) == len(original)
        for one, other in zip(placed, original):
            assert_only_placed(one, other)
    elif isinstance(original, str) and "file:///" in original:
        start = original.index("file:///")
        assert placed.startswith(f"{original[:start]}file://.")
        assert not re.search("file:///|%2F", placed)
    else:
        assert placed == original
