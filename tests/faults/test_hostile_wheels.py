"""Wheels that anybody may have made, for `inspect` and `verify`, and from maturin itself: an error
or a right answer, in bounded time and memory, and nothing is written anywhere."""

from __future__ import annotations

import bz2
import json
import random
import struct
import zipfile
import zlib
from typing import TYPE_CHECKING, Any, Callable

import pytest
from support import damage, environment, hostile, wheels
from support.commands import wheelprint
from support.hostile import BZIP2, DEFLATED, ZSTD, Member, plain, record_line, zipped

if TYPE_CHECKING:
    from pathlib import Path

    from support.project import Project

INFO = "bin_bindings-0.1.0.dist-info"
Files = dict[str, bytes]


@pytest.fixture(scope="module")
def project(bench: Any) -> Any:
    yield bench.check_out("bin-bindings")
    bench.put_away()


@pytest.fixture(scope="module")
def wheel(project: Project) -> Path:
    return project.build("wheel")[1]


@pytest.fixture(scope="module")
def contents(wheel: Path) -> Files:
    with zipfile.ZipFile(wheel) as archive:
        return {name: archive.read(name) for name in archive.namelist()}


def members(contents: Files, *more: Member, record: bytes | None = None) -> list[Member]:
    """The wheel with more in it, before RECORD."""
    rest = [plain(name, content) for name, content in contents.items() if "RECORD" not in name]
    text = contents[f"{INFO}/RECORD"] if record is None else record
    return [*rest, *more, plain(f"{INFO}/RECORD", text)]


def listed(contents: Files, name: str, content: bytes) -> bytes:
    """RECORD with one line more."""
    return record_line(name, content).encode() + contents[f"{INFO}/RECORD"]


def with_file(name: str | bytes) -> Callable[[Files], bytes]:
    """A file more, of that name, which RECORD lists."""

    def make(contents: Files) -> bytes:
        text = name if isinstance(name, str) else name.decode("latin-1")
        return zipped(members(contents, plain(name, b"x"), record=listed(contents, text, b"x")))

    return make


def bomb(method: int, data: bytes, size: int) -> Callable[[Files], bytes]:
    def make(contents: Files) -> bytes:
        one = Member(b"bomb.bin", data, method, size)
        return zipped(members(contents, one, record=listed(contents, "bomb.bin", b"")))

    return make


def in_dist_info(name: str, data: bytes, method: int, size: int) -> Callable[[Files], bytes]:
    """Such a file in place of that one."""

    def make(contents: Files) -> bytes:
        kept = {path: text for path, text in contents.items() if path != f"{INFO}/{name}"}
        rest = [plain(path, text) for path, text in kept.items()]
        return zipped([*rest, Member(f"{INFO}/{name}".encode(), data, method, size)])

    return make


def replaced(name: str, text: bytes) -> Callable[[Files], bytes]:
    path = f"{INFO}/{name}"
    return lambda contents: zipped(
        [plain(one, text if one == path else content) for one, content in contents.items()]
    )


def deflated(piece: bytes, count: int) -> bytes:
    packer = zlib.compressobj(9, zlib.DEFLATED, -15)
    return b"".join([*(packer.compress(piece) for _ in range(count)), packer.flush()])


def overlapping(contents: Files) -> bytes:
    """Thousands of files that are one and the same: D. Fifield's bomb."""
    start = Member(b"0.bin", deflated(bytes(1 << 20), 64), DEFLATED, 64 << 20)
    rest = [
        Member(f"{number}.bin".encode(), b"", DEFLATED, 64 << 20, len(start.data), offset=0)
        for number in range(1, 20_000)
    ]
    return zipped([start, *members(contents), *rest])


def twice(contents: Files) -> bytes:
    one = plain(f"{INFO}/METADATA", b"Name: other\n")
    return zipped([one, *members(contents)])


def lying(**changes: int) -> Callable[[Files], bytes]:
    def make(contents: Files) -> bytes:
        one = plain("lie.txt", b"text " * 100)
        for name, value in changes.items():
            setattr(one, name, value)
        return zipped(members(contents, one, record=listed(contents, "lie.txt", b"text " * 100)))

    return make


def local_name(contents: Files) -> bytes:
    """Who unpacks while reading sees another name than who reads the list."""
    one = plain("seen.txt", b"x")
    one.local = b"../../hidden.txt"
    return zipped(members(contents, one, record=listed(contents, "seen.txt", b"x")))


MANY = 500_000


def many(contents: Files) -> bytes:
    """Files that have nothing in them."""
    rest = [Member(b"%07d" % number, b"", offset=0) for number in range(MANY)]
    return zipped([*members(contents), *rest])


def nested_json(depth: int) -> bytes:
    return b'{"wheelprint": 1, "roots": ' + b'{"a":' * depth + b"1" + b"}" * depth + b"}"


GIANT = 1 << 30
SPACES = deflated(b" " * (1 << 20), GIANT >> 20)

#: What can't be right.
REFUSED: dict[str, Callable[[Files], bytes]] = {
    **{
        f"named {name!r}": with_file(name)
        for name in (
            *("../x", "a/../../x", "/etc/x", "C:/x", "c:x", "a\\..\\x", "\\\\server\\x", ".."),
            *("a\0b", b"caf\xe9/../../x"),
        )
    },
    "twice": twice,
    "overlapping": overlapping,
    "deflate bomb": bomb(DEFLATED, deflated(bytes(1 << 20), 1 << 10), 1 << 30),
    "bzip2 bomb": bomb(BZIP2, bz2.compress(bytes(1 << 30)), 1 << 30),
    "zstd bomb": bomb(ZSTD, hostile.zstd_zeros(1 << 30), 1 << 30),
    "zstd bomb of 1 TiB": bomb(ZSTD, hostile.zstd_zeros(1 << 40), 1 << 40),
    "a bomb that says it is small": bomb(ZSTD, hostile.zstd_zeros(1 << 40), 10),
    "giant RECORD": in_dist_info("RECORD", SPACES, DEFLATED, GIANT),
    "giant METADATA": in_dist_info("METADATA", SPACES, DEFLATED, GIANT),
    "giant record": in_dist_info("wheelprint.json", SPACES, DEFLATED, GIANT),
    "RECORD of short lines": replaced("RECORD", b"".join(b"%x,,\n" % n for n in range(8_000_000))),
    "deep JSON": replaced("wheelprint.json", nested_json(1_000_000)),
    "deep lists": replaced("wheelprint.json", b"[" * 10_000_000),
    "record of short texts": replaced(
        "wheelprint.json", b'{"wheelprint": 1, "untrusted": [' + b'"",' * 20_000_000 + b'""]}'
    ),
    "record of short inputs": replaced(
        "wheelprint.json", b'{"wheelprint": 1, "inputs": [' + b"{}," * 10_000_000 + b"{}]}"
    ),
    "record of short names": replaced(
        "wheelprint.json",
        b'{"wheelprint": 1, "roots": {'
        + b",".join(b'"%x":""' % n for n in range(5_000_000))
        + b"}}",
    ),
    "a huge number": replaced("wheelprint.json", b'{"wheelprint": ' + b"9" * 1_000_000 + b"}"),
    "smaller than it says": lying(size=10_000),
    "larger than it says": lying(size=10),
    "packed more": lying(packed=2**31),
    "2^63": lying(size=2**63),
    "another checksum": lying(crc=1),
    "encrypted": lying(flags=1),
    "encrypted strongly": lying(flags=0x41),
    "an unknown method": lying(method=97),
    "many": many,
    "a list that says there is more": lambda contents: zipped(members(contents), count=60_000),
    "a list that says there is less": lambda contents: zipped(members(contents), count=1),
    "zip64 of nowhere": lambda contents: zipped(
        members(contents), end=struct.pack("<4sIQI", b"PK\x06\x07", 0, 2**63, 1)
    ),
    "zip64 of itself": lambda contents: zipped(
        members(contents),
        end=struct.pack("<4sQHHIIQQQQ", b"PK\x06\x06", 2**63, 45, 45, 0, 0, *(2**63,) * 4)
        + struct.pack("<4sIQI", b"PK\x06\x07", 0, 0, 1),
    ),
    "empty": lambda contents: b"",
    "only its end": lambda contents: zipped([]),
    "no wheel": lambda contents: zipped([plain("a.txt", b"")]),
}
#: What may be right, but for some readers; it must be told as it is.
ODD: dict[str, Callable[[Files], bytes]] = {
    **{
        f"named {name!r}": with_file(name)
        for name in (
            "a\nb",
            "a\x1b[31mb",
            "a\u202eb",
            "a b",
            "a#%?b",
            "é✓",
            b"caf\xe9",
            "con",
            "a:b",
        )
    },
    "a link": lambda contents: zipped(
        members(
            contents,
            plain("link", b"/etc/passwd", mode=0o120777),
            record=listed(contents, "link", b"/etc/passwd"),
        )
    ),
    "another name before the data": local_name,
    "a folder with something in it": with_file("folder/"),
}


def assert_borne(project: Project, path: Path, *codes: int) -> None:
    around = hostile.files(path.parent)
    tree = hostile.files(project.root)
    prefix = hostile.limited()
    hostile.assert_tame(wheelprint(project, "inspect", path, prefix=prefix), 0, 1, 2)
    hostile.assert_tame(wheelprint(project, "inspect", "--json", path, prefix=prefix), 0, 1, 2)
    hostile.assert_tame(wheelprint(project, "verify", path, prefix=prefix), *codes)
    assert hostile.files(path.parent) == around
    assert hostile.files(project.root) == tree


@pytest.mark.parametrize("kind", REFUSED)
def test_refused(kind: str, project: Project, contents: Files, tmp_path: Path) -> None:
    path = tmp_path / "bin_bindings-0.1.0-py3-none-linux_x86_64.whl"
    path.write_bytes(REFUSED[kind](contents))
    assert_borne(project, path, 1, 2)
    path.unlink()


@pytest.mark.parametrize("kind", ODD)
def test_odd(kind: str, project: Project, contents: Files, tmp_path: Path) -> None:
    path = tmp_path / "bin_bindings-0.1.0-py3-none-linux_x86_64.whl"
    path.write_bytes(ODD[kind](contents))
    assert_borne(project, path, 0, 1, 2)


ASK = """
import json, os, sys
from wheelprint import _native
from wheelprint._interpreter import describe
folder, path = sys.argv[1:]
told = []
for name in sorted(os.listdir(folder), key=int):
    os.replace(os.path.join(folder, name), path)
    asked = [_native.cli([one, path], os.getcwd(), describe()) for one in ("inspect", "verify")]
    told.append(asked)
    if asked[1] == 0:
        os.replace(path, os.path.join(folder, name))
sys.stderr.write(json.dumps(told))
"""


def read_all(archive: Path) -> Files | str:
    """As Python reads it, or why it can't."""
    try:
        with zipfile.ZipFile(archive) as opened:
            return {name: opened.read(name) for name in opened.namelist()}
    except Exception as error:
        return repr(error)


def test_cut_and_flipped(project: Project, wheel: Path, contents: Files, tmp_path: Path) -> None:
    """In one process. Where the answer is yes, others read in it what they read before, or nothing
    at all."""
    good = wheel.read_bytes()
    dice = random.Random(5)
    damaged = [*damage.flips(good, 200), *damage.cuts(good, 100)]
    # The end of it, where names and sizes stand, byte by byte.
    for at in range(len(good) - 2500, len(good)):
        byte = bytes([good[at] ^ dice.randrange(1, 256)])
        damaged.append((f"at {at}", good[:at] + byte + good[at + 1 :]))
    folder = tmp_path / "cases"
    folder.mkdir()
    for number, (_, content) in enumerate(damaged):
        (folder / str(number)).write_bytes(content)
    python = environment.python_in(project.bench.venv())
    path = tmp_path / wheel.name
    run = project.run(*hostile.limited(), python, "-c", ASK, folder, path).ok()
    assert "panicked" not in run.stderr
    assert "internal error" not in run.stderr
    told = json.loads(run.stderr[run.stderr.rindex("[[") :])
    assert len(told) == len(damaged)
    assert {code for codes in told for code in codes} <= {0, 1, 2}
    wrong = []
    for number, (_, verified) in enumerate(told):
        if verified == 0:
            found = read_all(folder / str(number))
            if found != contents and not isinstance(found, str):
                wrong.append(damaged[number][0])
    assert wrong == []
    assert sum(verified == 0 for _, verified in told) < len(told) // 3


FAKE = """
import os, shutil
def build_wheel(directory, config_settings=None, metadata_directory=None):
    return os.path.basename(shutil.copy(os.environ["HOSTILE"], directory))
build_editable = build_wheel
"""
#: What these hold is right, but for one reader or the other; what is delivered must be right, too.
BEARABLE = {
    *(
        "zip64 of nowhere",
        "zip64 of itself",
        "giant METADATA",
        "a list that says there is more",
        "many",
    ),
    *("deep JSON", "deep lists", "a huge number"),
}


@pytest.mark.parametrize("kind", [*REFUSED, *ODD])
def test_from_maturin(kind: str, project: Project, contents: Files, tmp_path: Path) -> None:
    """A wheel that is stamped is one that everybody can read, with a RECORD that fits; or there is
    none."""
    package = tmp_path / "maturin"
    package.mkdir()
    (package / "__init__.py").write_text(FAKE)
    path = tmp_path / "bin_bindings-0.1.0-py3-none-linux_x86_64.whl"
    make = {**REFUSED, **ODD}[kind]
    path.write_bytes(make(contents))
    tree = hostile.files(project.root)
    folder = project.output_folder()
    run = project.hook(
        *("build_editable", folder, None),
        prefix=hostile.limited(),
        PYTHONPATH=str(tmp_path),
        HOSTILE=str(path),
        WHEELPRINT_REUSE="never",
    )
    path.unlink()
    assert "panicked" not in run.output
    assert "internal error" not in run.output
    assert "Traceback" not in run.output
    assert hostile.files(project.root) == tree
    delivered = list(folder.iterdir())
    if run.code == 0:
        assert kind in ODD or kind in BEARABLE, delivered
        # installer takes each line of RECORD for a file's.
        if "\n" not in "".join(wheels.names(delivered[0])):
            wheels.check(delivered[0])
    else:
        assert run.code == 1, run.output[-2000:]
        assert delivered == []
