"""Wheels and records that somebody changed, with digests that fit."""

from __future__ import annotations

import base64
import hashlib
import json
import zipfile
from typing import TYPE_CHECKING, Any, Callable

from . import wheels

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path


def rewritten(
    wheel: Path, folder: Path, change: Callable[[str, bytes], bytes], time: int = 0
) -> Path:
    """The same wheel with other contents and a RECORD that fits them."""
    folder.mkdir(exist_ok=True)
    target = folder / wheel.name
    lines = []
    with zipfile.ZipFile(wheel) as old, zipfile.ZipFile(target, "w") as new:
        for info in old.infolist():
            content = change(info.filename, old.read(info))
            if info.filename.endswith(".dist-info/RECORD"):
                content = "".join([*lines, f"{info.filename},,\n"]).encode()
            digest = base64.urlsafe_b64encode(hashlib.sha256(content).digest()).rstrip(b"=")
            lines.append(f"{info.filename},sha256={digest.decode()},{len(content)}\n")
            if time:
                info.date_time = (time, 1, 1, 0, 0, 0)
                info.compress_type = zipfile.ZIP_STORED
            new.writestr(info, content)
    return target


def changed_record(wheel: Path, folder: Path, change: Callable[[dict[str, Any]], None]) -> Path:
    """The same wheel with a changed record, whose digests fit."""
    text = fitting(wheels.record(wheel), change)

    def other(name: str, content: bytes) -> bytes:
        return text if name.endswith("/wheelprint.json") else content

    return rewritten(wheel, folder, other)


def fitting(record: dict[str, Any], change: Callable[[dict[str, Any]], None]) -> bytes:
    """The text of a changed record, whose digests fit (docs/record.md)."""
    change(record)
    record["fingerprint"] = fingerprint(record["inputs"])
    if "source" in record:
        record["source"]["sha256"] = source_digest(record["source"]["files"])
    return json.dumps(record).encode()


def source_digest(files: dict[str, str]) -> str:
    ordered = sorted(files.items(), key=lambda file: file[0].encode())
    fields = [field for name, sha256 in ordered for field in (("path", name), ("sha256", sha256))]
    return digest([("tag", "wheelprint source 1"), *fields])


def digest(fields: Iterable[tuple[str, str]]) -> str:
    found = hashlib.sha256()
    for text in (text for field in fields for text in field):
        found.update(len(text.encode()).to_bytes(8, "little") + text.encode())
    return found.hexdigest()


def fingerprint(inputs: list[dict[str, Any]]) -> dict[str, Any]:
    fields: dict[str, list[tuple[str, str]]] = {}
    for entry in inputs:
        of_part = fields.setdefault(entry["part"], [("tag", entry["part"])])
        of_part += [("kind", entry["kind"].title()), ("root", entry.get("root", ""))]
        of_part += [("name", entry["name"])]
        if "view" in entry:
            of_part.append(("view", entry["view"].title()))
        value = entry["value"]
        of_part += list(value.items()) if isinstance(value, dict) else [(value, "")]
    parts = {part: digest(of_part) for part, of_part in fields.items()}
    whole = [("tag", "wheelprint fingerprint 1"), *parts.items()]
    return {"sha256": digest(whole), "parts": parts}
