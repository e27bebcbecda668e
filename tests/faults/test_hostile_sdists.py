"""Sdists that anybody may have made: an error or a right answer, in bounded time and memory, and
nothing is written anywhere."""

from __future__ import annotations

import gzip
import io
import json
import tarfile
from typing import TYPE_CHECKING, Any, Callable

import pytest
from support import archives, damage, environment, hostile
from support.commands import wheelprint
from support.wheels import RECORD_NAME

if TYPE_CHECKING:
    from pathlib import Path

    from support.project import Project

TOP = "bin_bindings-0.1.0"
Files = dict[str, bytes]


@pytest.fixture(scope="module")
def project(bench: Any) -> Any:
    yield bench.check_out("bin-bindings")
    bench.put_away()


@pytest.fixture(scope="module")
def sdist(project: Project) -> Path:
    return project.build("sdist")[1]


@pytest.fixture(scope="module")
def contents(sdist: Path) -> Files:
    return archives.members(sdist)


def block(name: str | bytes, content: bytes = b"", **fields: Any) -> bytes:
    """One entry, header and content."""
    info = tarfile.TarInfo("x")
    info.size = len(content)
    for field, value in fields.items():
        setattr(info, field, value)
    header = bytearray(info.tobuf(tarfile.GNU_FORMAT))
    raw = name if isinstance(name, bytes) else name.encode()
    header[:100] = raw.ljust(100, b"\0")[:100]
    header[148:156] = b" " * 8
    header[148:156] = b"%06o\0 " % sum(header)
    return bytes(header) + content + bytes(-len(content) % 512)


def pax(**fields: bytes | str) -> bytes:
    """What a header of the newer kind says of the next file."""
    text = b""
    for name, value in fields.items():
        raw = value if isinstance(value, bytes) else value.encode()
        body = b" " + name.replace("__", ".").encode() + b"=" + raw + b"\n"
        length = len(body)
        while len(b"%d" % length) + len(body) != length:
            length = len(b"%d" % length) + len(body)
        text += b"%d" % length + body
    return block("pax", text, type=tarfile.XHDTYPE)


def whole(contents: Files) -> bytes:
    return b"".join(block(f"{TOP}/{name}", text) for name, text in contents.items())


def with_more(*more: bytes) -> Callable[[Files], bytes]:
    return lambda contents: gzip.compress(whole(contents) + b"".join(more) + bytes(1024), 1)


def replaced(name: str, text: bytes) -> Callable[[Files], bytes]:
    return lambda contents: gzip.compress(whole({**contents, name: text}) + bytes(1024), 1)


#: Many streams are one (RFC 1952, 2.2): a bomb that takes no time to make.
MEBIBYTES = 64
CHUNK = gzip.compress(bytes(MEBIBYTES << 20), 9)


def bomb(gibibytes: int, **fields: Any) -> Callable[[Files], bytes]:
    """An entry with so many zeros."""

    def make(contents: Files) -> bytes:
        size = gibibytes << 30
        header = block(f"{TOP}/bomb.bin", size=size, **fields)
        zeros = CHUNK * (size // (MEBIBYTES << 20))
        return gzip.compress(whole(contents) + header, 1) + zeros + gzip.compress(bytes(1024))

    return make


def many(contents: Files) -> bytes:
    """More files than there may be, that have nothing in them."""
    # One header, and in it only name and checksum change.
    made = bytearray()
    for number in range(200_000):
        made += block_named(b"%s/%07d" % (TOP.encode(), number))
    return gzip.compress(whole(contents) + bytes(made) + bytes(1024), 1)


_EMPTY = bytearray(block(""))
_SUM = sum(_EMPTY[:148]) + 8 * 32 + sum(_EMPTY[156:])


def block_named(name: bytes) -> bytes:
    """The same as `block`, quicker."""
    header = bytearray(_EMPTY)
    header[: len(name)] = name
    header[148:156] = b"%06o\0 " % (_SUM + sum(name))
    return bytes(header)


def long_names(contents: Files) -> bytes:
    """Few files, whose names fill the memory."""
    long = b"a" * 900_000
    some = b"".join(
        block("././@LongLink", b"%s/%03d%s\0" % (TOP.encode(), number, long), type=b"L")
        + block("x")
        for number in range(1000)
    )
    return gzip.compress(whole(contents) + some + bytes(1024), 1)


REFUSED: dict[str, Callable[[Files], bytes]] = {
    **{
        f"named {name!r}": with_more(block(name, b"x"))
        for name in (
            *("../x", f"{TOP}/../../x", "/etc/x", "C:/x", f"{TOP}/a\\x", "x", "other/x"),
            *(f"{TOP}//x", f"{TOP}/./x", TOP.encode() + b"/caf\xe9"),
        )
    },
    "long name": with_more(pax(path=f"{TOP}/../../x"), block("x")),
    "NUL in a name": with_more(pax(path=f"{TOP}/a\0b"), block("x")),
    "twice": with_more(block(f"{TOP}/PKG-INFO", b"x")),
    **{
        f"type {kind!r}": with_more(block(f"{TOP}/x", type=kind, linkname="/etc/passwd"))
        for kind in (b"1", b"2", b"3", b"4", b"6", b"S", b"Z")
    },
    "a link in the way": with_more(
        block(f"{TOP}/a", type=b"2", linkname="/tmp"), block(f"{TOP}/a/x", b"x")
    ),
    "bomb": bomb(2),
    "bomb in what is said of a file": bomb(2, type=tarfile.XHDTYPE),
    "bomb in a long name": bomb(2, type=b"L"),
    "bomb in a long link": bomb(2, type=b"K"),
    "bomb in a folder": bomb(2, type=b"5"),
    "bomb for all": bomb(2, type=b"g"),
    "bomb in the record": lambda contents: bomb_named(contents, RECORD_NAME),
    "bomb in PKG-INFO": lambda contents: bomb_named(contents, "PKG-INFO"),
    "many": many,
    "long names": long_names,
    "many streams": lambda contents: gzip.compress(whole(contents)) + gzip.compress(b"") * 500_000,
    "a huge size": with_more(block(f"{TOP}/x", size=2**33 - 1)),
    "a huge size, said": with_more(pax(size=str(2**63)), block(f"{TOP}/x", b"x")),
    "a negative size, said": with_more(pax(size="-1"), block(f"{TOP}/x", b"x")),
    "another size, said": with_more(pax(size="512"), block(f"{TOP}/x", b"x" * 2048)),
    "sparse": with_more(
        pax(GNU__sparse__major="1", GNU__sparse__minor="0", GNU__sparse__realsize=str(2**60)),
        block(f"{TOP}/x", b"1\n0\n1\n".ljust(512, b"\0")),
    ),
    "another checksum": with_more(block(f"{TOP}/x")[:150] + b"9" + block(f"{TOP}/x")[151:]),
    "deep JSON": replaced(RECORD_NAME, b'{"a":' * 1_000_000),
    "short texts": replaced(
        RECORD_NAME, b'{"wheelprint": 1, "untrusted": [' + b'"",' * 20_000_000 + b'""]}'
    ),
    "no end": lambda contents: gzip.compress(whole(contents)),
    "empty": lambda contents: b"",
    "no archive": lambda contents: gzip.compress(b"text"),
    "no file": lambda contents: gzip.compress(bytes(10240)),
}
#: Nobody would unpack these to anything else.
RIGHT = {"no end", "many streams"}


def bomb_named(contents: Files, name: str) -> bytes:
    rest = {path: text for path, text in contents.items() if path != name}
    size = 2 << 30
    head = gzip.compress(whole(rest) + block(f"{TOP}/{name}", size=size), 1)
    return head + CHUNK * (size // (MEBIBYTES << 20)) + gzip.compress(bytes(1024))


@pytest.mark.parametrize("kind", REFUSED)
def test_refused(kind: str, project: Project, contents: Files, tmp_path: Path) -> None:
    path = tmp_path / f"{TOP}.tar.gz"
    path.write_bytes(REFUSED[kind](contents))
    tree = hostile.files(project.root)
    prefix = hostile.limited()
    codes = (0,) if kind in RIGHT else (1, 2)
    hostile.assert_tame(wheelprint(project, "verify", path, prefix=prefix), *codes)
    hostile.assert_tame(wheelprint(project, "inspect", path, prefix=prefix), 0, 1, 2)
    # It may be what others are compared with.
    run = wheelprint(project, "verify", path, "--source", path, prefix=prefix)
    hostile.assert_tame(run, *codes)
    assert list(tmp_path.iterdir()) == [path]
    assert hostile.files(project.root) == tree
    path.unlink()


def test_a_bomb_of_16_gib(project: Project, contents: Files, tmp_path: Path) -> None:
    """No more than 8 GiB of it are read, however it is packed."""
    path = tmp_path / f"{TOP}.tar.gz"
    path.write_bytes(bomb(16)(contents))
    run = wheelprint(project, "verify", path, prefix=hostile.limited())
    hostile.assert_tame(run, 2)
    assert "more than 8 GiB" in run.output
    path.unlink()


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


def test_cut_and_flipped(project: Project, sdist: Path, contents: Files, tmp_path: Path) -> None:
    """Packed and unpacked. Where the answer is yes, others read in it what they read before, or
    nothing at all."""
    good = sdist.read_bytes()
    tar = gzip.decompress(good)
    damaged = [*damage.flips(good, 100), *damage.cuts(good, 60)]
    for what, content in [*damage.flips(tar, 300), *damage.cuts(tar, 60)]:
        damaged.append((what, gzip.compress(content, 1)))
    folder = tmp_path / "cases"
    folder.mkdir()
    for number, (_, content) in enumerate(damaged):
        (folder / str(number)).write_bytes(content)
    python = environment.python_in(project.bench.venv())
    path = tmp_path / sdist.name
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
                differ = {name for name, _ in found.items() ^ contents.items()}
                # Nothing says what the record itself was.
                if differ != {RECORD_NAME}:
                    wrong.append((damaged[number][0], differ))
    assert wrong == []


def read_all(archive: Path) -> Files | str:
    """As Python reads it, or why it can't."""
    try:
        with tarfile.open(fileobj=io.BytesIO(archive.read_bytes())) as opened:
            files = [member for member in opened.getmembers() if member.isfile()]
            found = {member.name: opened.extractfile(member) for member in files}
            return {name.split("/", 1)[1]: file.read() for name, file in found.items() if file}
    except Exception as error:
        return repr(error)
