"""`wheelprint inspect`: the record in a wheel."""

from __future__ import annotations

import json
import struct
import zipfile
from pathlib import Path
from typing import TYPE_CHECKING, Any, Callable

import pytest
from support import wheels
from support.commands import wheelprint
from support.schemas import check, snapshot

if TYPE_CHECKING:
    from conftest import CheckOut
    from support.project import Project
    from support.workbench import Workbench


@pytest.fixture
def built(check_out: CheckOut) -> tuple[Project, Path]:
    project = check_out("bin-bindings")
    return project, project.build("wheel")[1]


def inspect(project: Project, wheel: Path, code: int = 0) -> dict[str, Any]:
    run = wheelprint(project, "inspect", "--json", wheel)
    assert run.code == code, run.output
    said: dict[str, Any] = json.loads(run.stdout)
    check("inspect", said)
    return said


def test_the_record_as_it_is(built: tuple[Project, Path]) -> None:
    project, wheel = built
    said = inspect(project, wheel)
    assert (said["name"], said["version"]) == ("bin-bindings", "0.1.0")
    assert said["record"] == wheels.record(wheel)
    # What a record holds depends on the machine: the tools, and the variables they read.
    said["record"]["inputs"] = said["record"]["inputs"][:3]
    said["record"]["watches"] = said["record"]["watches"][:3]
    snapshot("inspect", said)


def test_words(built: tuple[Project, Path]) -> None:
    project, wheel = built
    run = wheelprint(project, "inspect", wheel).ok()
    record = wheels.record(wheel)
    assert run.stdout.startswith("bin-bindings 0.1.0\n")
    assert record["fingerprint"]["sha256"] in run.stdout
    lines = [" ".join(line.split()) for line in run.stdout.splitlines()]
    assert "artifact wheel" in lines
    assert "reusable yes" in lines
    (main,) = [one for one in record["inputs"] if one["name"] == "src/main.rs"]
    assert f"{main['value']['sha256'][:12]} src/main.rs" in lines
    (heading,) = [line for line in lines if line.startswith("rust ") and "input" in line]
    count = sum(one["part"] == "rust" for one in record["inputs"])
    assert heading == f"rust {record['fingerprint']['parts']['rust'][:12]} {count} inputs"
    assert "\x1b" not in run.stdout
    assert "\x1b[1m" in wheelprint(project, "inspect", wheel, FORCE_COLOR="1").stdout


def test_an_installed_one(built: tuple[Project, Path]) -> None:
    project, wheel = built
    venv = project.installed(wheel)
    (folder,) = venv.glob("**/bin_bindings-*.dist-info")
    said = inspect(project, folder)
    assert said["record"] == wheels.record(wheel)
    assert (said["name"], said["version"]) == ("bin-bindings", "0.1.0")


def test_an_installed_one_by_its_name(built: tuple[Project, Path]) -> None:
    """It is looked for in the environment that `status` looks at."""
    project, wheel = built
    run = wheelprint(project, "inspect", "bin-bindings")
    assert run.code == 2
    assert "error: `bin-bindings`: no such file here, and there is no environment" in run.stderr
    assert "hint: make one with `uv sync`, or name one with `--python`" in run.stderr
    project.uv("sync").ok()
    # What a package is called is often the name of a folder, too.
    (project.root / "bin-bindings").mkdir()
    for name in ("bin-bindings", "Bin_Bindings"):
        assert inspect(project, Path(name))["name"] == "bin-bindings"
    run = wheelprint(project, "inspect", "bin-binding")
    assert run.code == 2
    assert f"no package of that name is installed in {project.root / '.venv'}" in run.stderr
    assert "hint: did you mean `bin-bindings`?" in run.stderr
    venv = project.installed(wheel)
    run = wheelprint(project, "inspect", "--json", "bin-bindings", "--python", venv).ok()
    assert json.loads(run.stdout)["record"] == wheels.record(wheel)
    run = wheelprint(project, "inspect", "pip", "--python", venv)
    assert run.code == 1
    assert "it was not built by wheelprint" in run.stdout
    assert wheelprint(project, "inspect", "pip", "--python", "nowhere").code == 2
    # A name that is one of a file is one.
    run = wheelprint(project, "inspect", "bin-bindings-1.whl")
    assert run.code == 2
    assert "bin-bindings-1.whl: No such file" in run.stderr


def test_paths_are_as_seen_from_the_project(check_out: CheckOut) -> None:
    project = check_out("workspace")
    run = wheelprint(project, "inspect", project.build("editable")[1]).ok()
    assert " ../../crates/engine/src/lib.rs\n" in run.stdout
    assert " src/lib.rs\n" in run.stdout


def test_a_record_that_is_never_matched_says_why(
    built: tuple[Project, Path], tmp_path: Path
) -> None:
    project, wheel = built
    cause = "src/main.rs changed while it was being built"
    bad = with_record(wheel, tmp_path, lambda record: {**record, "untrusted": [cause]})
    run = wheelprint(project, "inspect", bad).ok()
    assert "reusable     no" in run.stdout
    assert cause in run.stdout


def test_no_record(bench: Workbench, built: tuple[Project, Path]) -> None:
    project, _ = built
    (ours,) = bench.dist.glob("wheelprint-*.whl")
    assert inspect(project, ours, code=1)["record"] is None
    run = wheelprint(project, "inspect", ours)
    assert run.code == 1
    assert "There is no record in it" in run.stdout


def test_texts_of_others_do_not_steer_the_terminal(
    built: tuple[Project, Path], tmp_path: Path
) -> None:
    project, wheel = built
    cause = "\x1b]0;owned\x07\u202e"
    bad = with_record(wheel, tmp_path, lambda record: {**record, "untrusted": [cause]})
    run = wheelprint(project, "inspect", bad).ok()
    assert "\x1b" not in run.output
    assert "\u202e" not in run.output
    assert "owned" in run.stdout


# What is refused


def with_files(wheel: Path, folder: Path, change: Callable[[dict[str, bytes]], None]) -> Path:
    """The same wheel with other files; RECORD stays as it was."""
    with zipfile.ZipFile(wheel) as old:
        files = {name: old.read(name) for name in old.namelist()}
    change(files)
    target = folder / wheel.name
    with zipfile.ZipFile(target, "w", zipfile.ZIP_DEFLATED) as new:
        for name, content in files.items():
            new.writestr(name, content)
    return target


def with_record(
    wheel: Path, folder: Path, change: Callable[[dict[str, Any]], dict[str, Any]]
) -> Path:
    """The same wheel with another record."""

    def changed(files: dict[str, bytes]) -> None:
        (name,) = [name for name in files if name.endswith("/wheelprint.json")]
        files[name] = json.dumps(change(json.loads(files[name]))).encode()

    return with_files(wheel, folder, changed)


def with_record_bytes(content: bytes) -> Callable[[Path, Path], Path]:
    def make(wheel: Path, folder: Path) -> Path:
        def changed(files: dict[str, bytes]) -> None:
            (name,) = [name for name in files if name.endswith("/wheelprint.json")]
            files[name] = content

        return with_files(wheel, folder, changed)

    return make


def written(content: bytes) -> Callable[[Path, Path], Path]:
    def make(wheel: Path, folder: Path) -> Path:
        path = folder / wheel.name
        path.write_bytes(content)
        return path

    return make


def truncated(wheel: Path, folder: Path) -> Path:
    content = wheel.read_bytes()
    return written(content[: len(content) // 2])(wheel, folder)


def without_dist_info(wheel: Path, folder: Path) -> Path:
    def changed(files: dict[str, bytes]) -> None:
        for name in [name for name in files if ".dist-info/" in name]:
            del files[name]

    return with_files(wheel, folder, changed)


def with_a_name(name: str) -> Callable[[Path, Path], Path]:
    def make(wheel: Path, folder: Path) -> Path:
        return with_files(wheel, folder, lambda files: files.update({name: b""}))

    return make


def with_a_name_twice(wheel: Path, folder: Path) -> Path:
    target = with_a_name("one.py")(wheel, folder)
    with zipfile.ZipFile(target, "a") as archive:
        archive.writestr("two.py", "other")
    target.write_bytes(target.read_bytes().replace(b"two.py", b"one.py"))
    return target


def flipped(wheel: Path, folder: Path) -> Path:
    def change(record: dict[str, Any]) -> dict[str, Any]:
        digest = record["fingerprint"]["sha256"]
        flip = "0" if digest[0] != "0" else "1"
        record["fingerprint"]["sha256"] = flip + digest[1:]
        return record

    return with_record(wheel, folder, change)


def of_another_version(wheel: Path, folder: Path) -> Path:
    return with_record(wheel, folder, lambda record: {"wheelprint": 99, "news": [record]})


def overlapping(wheel: Path, folder: Path) -> Path:
    """Many names for the same compressed bytes: a small file that unpacks to a large folder."""
    content = b"\0" * (1 << 20)
    path = folder / wheel.name
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("a-1.dist-info/METADATA", content)
        for number in range(100):
            archive.writestr(f"{number:04}", b"")
    data = bytearray(path.read_bytes())
    with zipfile.ZipFile(path) as archive:
        first = archive.infolist()[0]
        at = archive.start_dir
    while data[at : at + 4] == b"PK\x01\x02":
        lengths = struct.unpack_from("<HHH", data, at + 28)
        struct.pack_into("<LLL", data, at + 16, first.CRC, first.compress_size, first.file_size)
        struct.pack_into("<H", data, at + 10, first.compress_type)
        struct.pack_into("<L", data, at + 42, 0)
        at += 46 + sum(lengths)
    path.write_bytes(data)
    return path


def a_folder(wheel: Path, folder: Path) -> Path:
    return folder


def missing(wheel: Path, folder: Path) -> Path:
    return folder / "nothing.whl"


BAD: dict[str, tuple[Callable[[Path, Path], Path], str]] = {
    "no zip": (written(b"plain text"), "not a wheel"),
    "empty": (written(b""), "not a wheel"),
    "truncated": (truncated, "not a wheel"),
    "without dist-info": (without_dist_info, "no dist-info"),
    "two dist-infos": (with_a_name("b-1.dist-info/METADATA"), "more than one dist-info"),
    "a name that climbs": (with_a_name("../outside.py"), "leads outside"),
    "an absolute name": (with_a_name("/outside.py"), "leads outside"),
    "a name twice": (with_a_name_twice, "twice"),
    "overlapping files": (overlapping, "overlap"),
    "another version": (of_another_version, "version 99"),
    "a record that is not JSON": (with_record_bytes(b"{"), "not a wheelprint record"),
    "a record of another kind": (with_record_bytes(b"[1]"), "not a wheelprint record"),
    "deep JSON": (with_record_bytes(b"[" * 100_000), "not a wheelprint record"),
    "a bomb": (with_record_bytes(b" " * (80 << 20)), "larger than 64 MiB"),
    "a flipped digest": (flipped, "not that of the inputs"),
    "a folder": (a_folder, "not a file"),
    "a missing file": (missing, "nothing.whl"),
}


@pytest.mark.parametrize("command", ["inspect", "verify"])
@pytest.mark.parametrize("case", BAD)
def test_what_is_refused(
    case: str, command: str, built: tuple[Project, Path], tmp_path: Path
) -> None:
    project, wheel = built
    make, words = BAD[case]
    bad = make(wheel, tmp_path)
    for options in ([], ["--json"]):
        run = wheelprint(project, command, *options, bad)
        assert run.code == 2, run.output
        assert run.stdout == ""
        assert run.stderr.startswith("error: ")
        assert words in run.stderr
        assert "internal error" not in run.stderr
        if case != "a missing file":
            assert "\nhint: " in run.stderr
        if case == "another version":
            assert "update wheelprint" in run.stderr


def test_damage_anywhere_is_no_panic(built: tuple[Project, Path], tmp_path: Path) -> None:
    """Bytes flipped in the list of files, where sizes and places stand."""
    project, wheel = built
    content = wheel.read_bytes()
    with zipfile.ZipFile(wheel) as archive:
        start = archive.start_dir
    path = tmp_path / wheel.name
    step = max(1, (len(content) - start) // 60)
    for position in range(start, len(content), step):
        damaged = bytearray(content)
        damaged[position] ^= 0xFF
        path.write_bytes(damaged)
        for command in ("inspect", "verify"):
            run = wheelprint(project, command, path)
            assert run.code in (0, 1, 2), run.output
            assert "internal error" not in run.stderr, position
