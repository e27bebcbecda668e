"""Projects that no person would write: files of megabytes, nested without end, names with anything
in them. An error or a right answer, in bounded time and memory."""

from __future__ import annotations

import json
import os
import random
import sys
from typing import TYPE_CHECKING, Any

import pytest
from support import archives, asking, wheels
from support.commands import wheelprint
from support.hostile import assert_tame, limited

if TYPE_CHECKING:
    from pathlib import Path

    from conftest import CheckOut
    from support.project import Project

DEEP = 100_000

#: TOML that is valid, at least for who can take it, and TOML that is not.
TOML: dict[str, str] = {
    "10 MB of comments": "# a comment\n" * 900_000,
    "1 MB of keys": "[tool.x]\n"
    + "".join(f"key-{number} = {number}\n" for number in range(500_000)),
    "1 MB of tables": "".join(f"[tool.x.t{number}]\n" for number in range(50_000)),
    "a text of 10 MB": f'[tool.x]\ntext = "{"x" * 10_000_000}"\n',
    "lists": f"[tool.x]\nlist = {'[' * DEEP}{']' * DEEP}\n",
    "open lists": f"[tool.x]\nlist = {'[' * DEEP}",
    "inline tables": f"[tool.x]\ntable = {'{a = ' * DEEP}1{'}' * DEEP}\n",
    "a dotted key": f"[tool.x]\n{'.'.join('a' * DEEP)} = 1\n",
    "a dotted table": f"[tool.x.{'.'.join('a' * DEEP)}]\n",
    "dotted tables": "".join(f"[tool.x.{'.'.join('a' * depth)}]\n" for depth in range(1, 75)),
    "brackets": "[" * DEEP,
    "control characters": '[tool."\x1b[31m\x1b]0;x\x07"]\n\x1b[2J = "\x00"\n',
    "a key that steers": '[tool.wheelprint]\n"\\u001b[31m\\u202e" = 1\n',
    "a glob that steers": '[tool.wheelprint]\nextra-inputs = ["\\u001b[31m[", "a\\nb["]\n',
    "a glob of 1 MB": f'[tool.wheelprint]\nextra-inputs = ["{"{a,b}" * 200_000}"]\n',
    "nested globs": f'[tool.wheelprint]\nextra-inputs = ["{"{a," * DEEP}"]\n',
    "stars": f'[tool.wheelprint]\nextra-inputs = ["{"*a" * 500}b", "{"**/" * 200}x"]\n',
    "a huge number": f"[tool.x]\nnumber = {'9' * 1_000_000}\n",
    "not UTF-8": "[tool.x]\ntext = '\udcff\udcfe'\n",
    "a UTF-16 mark": "\ufeff\ufffe",
}

COMMANDS = (
    ("status",),
    ("explain",),
    ("keys",),
    ("keys", "--check"),
    ("init", "--check"),
)


@pytest.fixture(scope="module")
def shared(bench: Any) -> Any:
    project = bench.check_out("bin-bindings")
    project.build("editable")
    yield project
    bench.put_away()


@pytest.fixture
def project(shared: Project) -> Any:
    """Built once; the manifests and the lock file are put back."""
    names = ("pyproject.toml", "Cargo.toml", "Cargo.lock", "src/main.rs")
    before = {name: shared.path(name).read_bytes() for name in names}
    yield shared
    for name, content in before.items():
        shared.path(name).write_bytes(content)


def add(project: Project, name: str, text: str) -> None:
    path = project.path(name)
    before = path.read_bytes() if path.exists() else b""
    path.write_bytes(before + b"\n" + text.encode("utf-8", "surrogateescape"))


def assert_hook_borne(project: Project, hook: str = "build_editable", **rest: Any) -> Path | None:
    """A right wheel or an error, and nothing in between: cargo's and maturin's words are theirs."""
    folder = project.output_folder()
    args = (None,) if hook.startswith("get_") else (folder, None)
    run = project.hook(hook, *args, prefix=limited(2 << 30), **rest)
    # maturin and cargo have their own ways to fail.
    assert "internal error" not in run.output, run.output[-2000:]
    assert "/wheelprint/__init__.py" not in run.output, run.output[-2000:]
    assert run.code in (0, 1), run.output[-2000:]
    delivered = [path for path in folder.iterdir() if path.suffix == ".whl"]
    if run.code != 0:
        assert delivered == []
        return None
    return delivered[0] if delivered else None


@pytest.mark.parametrize("kind", TOML)
@pytest.mark.parametrize("name", ["pyproject.toml", "Cargo.toml"])
def test_manifests(name: str, kind: str, project: Project) -> None:
    add(project, name, TOML[kind])
    for command in (("status",), ("explain",), ("init", "--check")):
        assert_tame(wheelprint(project, *command, prefix=limited(2 << 30)), 0, 1, 2)
    assert_hook_borne(project)


@pytest.mark.parametrize("kind", ["1 MB of tables", "lists", "a dotted key", "not UTF-8"])
@pytest.mark.parametrize("name", ["uv.lock", ".cargo/config.toml", "rust-toolchain.toml"])
def test_files_beside_them(name: str, kind: str, project: Project) -> None:
    path = project.path(name)
    path.parent.mkdir(exist_ok=True)
    add(project, name, TOML[kind])
    try:
        assert_tame(wheelprint(project, "status", prefix=limited(2 << 30)), 0, 1, 2)
        assert_hook_borne(project)
    finally:
        path.unlink()


RECORDS: dict[str, bytes] = {
    "deep": b'{"a":' * DEEP,
    "a huge number": b'{"wheelprint": ' + b"9" * 1000 + b"}",
    "empty": b"",
    "garbage": bytes(range(256)) * 10,
    "texts": b'{"wheelprint": 1, "untrusted": [' + b'"",' * 1_000_000 + b'""]}',
}


def hostile_paths(record: dict[str, Any]) -> dict[str, Any]:
    """Other places, as somebody else's machine would be named."""
    for number, packed in enumerate(record["packed"]):
        packed["source"] = ("/etc/passwd", "../../../../etc/passwd", "a\nb", "\x1b[31m")[number % 4]
    record["roots"] = {"project": "../../../..", "workspace": "/", "crate:a\n": "a\0b"}
    return record


@pytest.mark.parametrize("kind", [*RECORDS, "paths"])
def test_the_record_in_an_unpacked_archive(kind: str, check_out: CheckOut, tmp_path: Path) -> None:
    """Nothing of it is believed: the wheel is made of what lies there."""
    project = check_out("bin-bindings")
    _, sdist = project.build("sdist")
    root = archives.unpack(sdist, tmp_path / "unpacked")
    path = root / wheels.RECORD_NAME
    if kind == "paths":
        path.write_text(json.dumps(hostile_paths(json.loads(path.read_text()))))
    else:
        path.write_bytes(RECORDS[kind])
    project.root = root
    around = {path for path in tmp_path.rglob("*") if root not in path.parents}
    wheel = assert_hook_borne(project, "build_wheel")
    assert wheel is not None
    wheels.check(wheel)
    assert b"quiet" in wheels.read(wheel, "*/scripts/bin-bindings")
    assert {path for path in tmp_path.rglob("*") if root not in path.parents} == around


def some_bytes(seed: int) -> bytes:
    """Words of such files in an order that nobody would put them in."""
    dice = random.Random(seed)
    words = (
        *(b"\n", b" ", b":", b"\\", b"\\ ", b"# env-dep:", b"=", b"\0", b"\xff", b"/", b"..", b"%"),
        *(b"src/main.rs", b"/etc/passwd", b"\x1b[31m", b"\r\n", b"#", b"cargo:", b"cargo::"),
        *(b"rerun-if-changed=", b"rerun-if-env-changed=", b"a" * 5000, b"{", b'"', b"["),
    )
    return b"".join(dice.choice(words) for _ in range(2000))


HOSTILE_OUTPUT = (b"", b"\xff" * 100, b"x" * 5_000_000, b":" * 100_000, *map(some_bytes, range(5)))


@pytest.mark.parametrize("number", range(len(HOSTILE_OUTPUT)))
def test_what_cargo_left(number: int, check_out: CheckOut) -> None:
    """Dep-info and what build scripts said: cargo's own answer to that is one more build, and the
    module is right."""
    project = check_out("watched-inputs")
    project.build("editable")
    left = [*project.target.rglob("*.d"), *project.target.rglob("build/*/output")]
    assert left
    for path in left:
        if "bindings" in path.name or "watched" in str(path):
            path.write_bytes(HOSTILE_OUTPUT[number])
    for command in (("status",), ("keys",)):
        assert_tame(wheelprint(project, *command, prefix=limited(2 << 30)), 0, 1, 2)
    project.edit()
    wheel = assert_hook_borne(project)
    if wheel is not None:
        assert asking.probe(project, wheel) == project.sample.shows[1]
        wheels.check(wheel)


ODD_NAMES = ("a b", "a'b\"c", "a#b", "a%20b", "é✓🦀", "a;b&c$(d)`e`", "[a]{b}", "-rf", "a\\b", "~")
STEERING = (
    "new\nline",
    "red\x1b[31m",
    "title\x1b]0;x\x07",
    "\u202egnp.exe",
    "tab\tand\rback",
    "\x7f",
)
posix = pytest.mark.skipif(sys.platform == "win32", reason="names that Windows can't have")


@posix
@pytest.mark.parametrize("names", [ODD_NAMES, STEERING], ids=["odd", "steering"])
def test_names_of_inputs(names: tuple[str, ...], check_out: CheckOut) -> None:
    """Seen by builds, shown as they are or without what would steer a terminal."""
    project = check_out("bin-bindings")
    project.settings('extra-inputs = ["data/**"]')
    for name in names:
        project.write(f"data/{name}/{name}.txt", "1")
    wheel = assert_hook_borne(project)
    assert wheel is not None
    for name in names:
        assert project.is_fresh()
        project.write(f"data/{name}/{name}.txt", "22")
        for command in (("status",), ("explain",)):
            assert_tame(wheelprint(project, *command), 0, 1, 2)
        run = project.editable()
        assert run.verdict.startswith("stale: "), name
        assert "\x1b" not in run.stderr
        assert "\u202e" not in run.stderr


@posix
@pytest.mark.parametrize("name", [*ODD_NAMES, *STEERING])
def test_name_of_the_projects_folder(name: str, check_out: CheckOut, tmp_path: Path) -> None:
    """cargo takes some of these, others not; what is built is right."""
    project = check_out("bin-bindings", tmp_path / name)
    wheel = assert_hook_borne(project)
    for command in COMMANDS:
        assert_tame(wheelprint(project, *command), 0, 1, 2)
    if wheel is None:
        return
    wheels.check(wheel)
    project.edit()
    edited = assert_hook_borne(project)
    assert edited is not None
    assert b"hushed" in wheels.read(edited, "*/scripts/bin-bindings")


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="needs names that are bytes")
def test_names_that_are_no_text(check_out: CheckOut, tmp_path: Path) -> None:
    """Of the project's folder, of sources, of what `extra-inputs` names."""
    odd = os.fsdecode(b"caf\xe9\xff")
    project = check_out("bin-bindings", tmp_path / odd)
    assert_hook_borne(project)
    for command in COMMANDS:
        assert_tame(wheelprint(project, *command), 0, 1, 2)
    project = check_out("bin-bindings")
    project.settings('extra-inputs = ["data/**"]')
    project.write("data/x", "1")
    os.mkdir(os.fsencode(project.path("data")) + b"/\xff\xfe")
    for number in (1, 2):
        with open(os.fsencode(project.path("data")) + b"/\xff\xfe/\x80.txt", "w") as file:
            file.write(str(number))
        run = project.editable()
        assert not run.verdict.startswith("fresh"), "what can't be named can't be fresh"
        for command in COMMANDS:
            assert_tame(wheelprint(project, *command), 0, 1, 2)


@posix
def test_loops(check_out: CheckOut) -> None:
    """Links that lead back, in sources and in what `extra-inputs` names."""
    project = check_out("bin-bindings")
    project.settings('extra-inputs = ["data/**", "src/**/*.json", "**/*.never"]')
    project.write("data/one/x", "1")
    project.path("data/one/back").symlink_to("..", target_is_directory=True)
    project.path("data/two").symlink_to("one", target_is_directory=True)
    project.path("data/self").symlink_to("self")
    project.path("data/here").symlink_to("here/and/more")
    project.path("src/top").symlink_to("..", target_is_directory=True)
    project.path("loop").symlink_to(".", target_is_directory=True)
    for text in ("1", "2"):
        project.write("data/one/x", text)
        assert assert_hook_borne(project) is not None
        for command in COMMANDS:
            assert_tame(wheelprint(project, *command, prefix=limited(2 << 30)), 0, 1, 2)
    project.edit()
    wheel = assert_hook_borne(project)
    assert wheel is not None
    assert b"hushed" in wheels.read(wheel, "*/scripts/bin-bindings")
