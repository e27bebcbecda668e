"""Wheels that no tool would write, and limits for the commands that must handle them.

The archives are written byte by byte (APPNOTE.TXT, 4.3), because `zipfile` refuses to write most of
the contents of a hostile archive.
"""

from __future__ import annotations

import base64
import hashlib
import re
import struct
import sys
import zlib
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path

    from .project import Run

STORED, DEFLATED, BZIP2, ZSTD = 0, 8, 12, 93
#: The maximum address space of a command, including programs and stacks. It is more than twice the
#: address space of a command that does nothing.
MEMORY = 1 << 30
#: Characters that control a terminal.
_STEERS = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u200e\u200f\u202a-\u202e\u2066-\u2069]")


@dataclass
class Member:
    """One file of an archive. Fields that are not given have the correct value."""

    name: bytes
    #: The bytes in the archive.
    data: bytes
    method: int = STORED
    size: int | None = None
    packed: int | None = None
    crc: int = 0
    flags: int = 0
    mode: int = 0o100644
    #: The name in the local header, if it differs.
    local: bytes | None = None
    #: The offset, for a file without data of its own.
    offset: int | None = None
    extra: bytes = b""


def plain(name: str | bytes, content: bytes, **rest: int) -> Member:
    """A compressed file with correct fields."""
    raw = name if isinstance(name, bytes) else name.encode()
    packer = zlib.compressobj(6, zlib.DEFLATED, -15)
    data = packer.compress(content) + packer.flush()
    flags = 0x800 if isinstance(name, str) else 0
    return Member(
        raw, data, DEFLATED, len(content), crc=zlib.crc32(content), **{"flags": flags, **rest}
    )


def zipped(members: list[Member], end: bytes = b"", count: int | None = None) -> bytes:
    """The archive. `end` is inserted before its last part."""
    body = bytearray()
    directory = bytearray()
    for member in members:
        size = len(member.data) if member.size is None else member.size
        packed = len(member.data) if member.packed is None else member.packed
        extra = member.extra
        if size >= 2**32 - 1:
            extra += struct.pack("<HHQQ", 1, 16, size, packed)
            size, packed = 2**32 - 1, 2**32 - 1
        offset = len(body) if member.offset is None else member.offset
        local = member.name if member.local is None else member.local
        common = (20, member.flags, member.method, 0, 0x21, member.crc, packed, size)
        if member.offset is None:
            body += struct.pack("<4sHHHHHIIIHH", b"PK\x03\x04", *common, len(local), len(extra))
            body += local + extra + member.data
        directory += struct.pack(
            "<4sHHHHHHIIIHHHHHII",
            *(b"PK\x01\x02", 0x0314, *common, len(member.name), len(extra)),
            *(0, 0, 0, member.mode << 16, offset),
        )
        directory += member.name + extra
    number = len(members) if count is None else count
    if number > 0xFFFF:
        at = len(body) + len(directory)
        sizes = (number, number, len(directory), len(body))
        end = struct.pack("<4sQHHIIQQQQ", b"PK\x06\x06", 44, 45, 45, 0, 0, *sizes) + end
        end += struct.pack("<4sIQI", b"PK\x06\x07", 0, at, 1)
        number = 0xFFFF
    start = min(len(body), 2**32 - 1)
    last = struct.pack("<4sHHHHIIH", b"PK\x05\x06", 0, 0, number, number, len(directory), start, 0)
    return bytes(body + directory) + end + last


def record_line(name: str, content: bytes) -> str:
    """A line of RECORD."""
    digest = base64.urlsafe_b64encode(hashlib.sha256(content).digest()).rstrip(b"=").decode()
    quoted = '"' + name.replace('"', '""') + '"' if re.search('[,"\n\r]', name) else name
    return f"{quoted},sha256={digest},{len(content)}\n"


def zstd_zeros(size: int) -> bytes:
    """A frame with that many zeros, which takes four bytes for each 128 KiB (RFC 8878, 3.1.1)."""
    blocks, block = size >> 17, 1 << 17
    head = b"\x28\xb5\x2f\xfd" + bytes([0, 7 << 3])
    more = struct.pack("<I", block << 3 | 1 << 1)[:3] + b"\0"
    last = struct.pack("<I", block << 3 | 1 << 1 | 1)[:3] + b"\0"
    return head + more * (blocks - 1) + last


def limited(memory: int = MEMORY) -> tuple[str, ...]:
    """A prefix for commands that limits their memory."""
    if sys.platform != "linux":
        return ()
    return ("sh", "-c", f'ulimit -v {memory >> 10}; exec "$@"', "sh")


def assert_tame(run: Run, *codes: int) -> None:
    """The command ended with one of these codes, without a crash and without control characters."""
    assert run.code in codes, f"exit {run.code}: {run.output[-2000:]}"
    for bad in ("panicked", "internal error", "Traceback", "memory allocation"):
        assert bad not in run.output, run.output[-2000:]
    found = _STEERS.search(run.output)
    assert found is None, (found, run.output[-2000:])
    if run.code == 2:
        assert "error: " in run.stderr, run.output


def files(folder: Path) -> set[Path]:
    """All paths below a folder."""
    return set(folder.rglob("*"))
