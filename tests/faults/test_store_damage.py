"""Whatever becomes of the store's files, what it gives out is right: each byte flipped, files cut,
lengthened, emptied, exchanged, replaced by older ones and by those of other projects."""

from __future__ import annotations

import json
import os
import shutil
import sys
import zipfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from support import asking, damage, environment, wheels

if TYPE_CHECKING:
    from conftest import CheckOut
    from support.project import Project

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="PATH is made of links")


def stored(project: Project) -> list[Path]:
    """The files of the store that hold something, without the stable interpreter's."""
    found = [path for path in project.cache.rglob("*") if path.is_file() and not path.is_symlink()]
    return sorted(
        path
        for path in found
        if "interpreters" not in path.parts and path.suffix != ".lock" and path.stat().st_size
    )


def path_without_cargo(project: Project, folder: Path) -> str:
    """rustc, which is asked for its version, and nothing to build with."""
    folder.mkdir(exist_ok=True)
    rustc = folder / "rustc"
    if not rustc.exists():
        rustc.symlink_to(shutil.which("rustc", path=project.env["PATH"]) or "")
    system = environment.path_without("cargo", os.defpath)
    return os.pathsep.join([str(folder), system])


def damage_all(project: Project, files: list[Path], tmp_path: Path, **plan: Any) -> dict[str, Any]:
    """Every file in every way; what came of it."""
    out = project.output_folder()
    plan = {
        "store": str(project.cache),
        "files": [str(path.relative_to(project.cache)) for path in files],
        "out": str(out),
        "path": path_without_cargo(project, tmp_path / "programs"),
        **plan,
    }
    (tmp_path / "plan.json").write_text(json.dumps(plan))
    python = environment.python_in(project.bench.venv(plan.get("venv", "newest")))
    run = project.run(python, damage.__file__, tmp_path / "plan.json").ok()
    assert "panicked" not in run.stderr
    assert "internal error" not in run.stderr
    assert "Traceback" not in run.stderr
    told: dict[str, Any] = json.loads(run.stdout.splitlines()[-1])
    print(json.dumps(told, indent=1))
    assert told["wrong"] == []
    return told


def other_files(check_out: CheckOut, tmp_path: Path, kind: str = "editable") -> list[Path]:
    """What the store keeps of another project."""
    other = check_out("pure")
    other.build(kind)
    copies = []
    for number, path in enumerate(stored(other)):
        copy = tmp_path / f"stranger-{number}"
        shutil.copyfile(path, copy)
        copies.append(copy)
    return copies


def test_an_editable_build(check_out: CheckOut, tmp_path: Path) -> None:
    """The answer is bit-identical to the right wheel, or there is none."""
    strangers = other_files(check_out, tmp_path)
    project = check_out("bin-bindings")
    project.reproducible()
    # An older generation; other settings; and what is right.
    older = tmp_path / "older"
    project.build("editable")
    shutil.copytree(project.cache, older, ignore=shutil.ignore_patterns("interpreters"))
    project.build("editable", {"maturin.build-args": "--locked"})
    project.edit()
    _, good = project.build("editable")
    strangers += [path for path in older.rglob("*") if path.is_file() and path.stat().st_size]
    files = stored(project)
    told = damage_all(
        project,
        files,
        tmp_path,
        hook="build_editable",
        right=damage.digest(good),
        strangers=[*map(str, strangers), *map(str, files)],
    )
    assert told["still"] == damage.digest(good)
    # What is needed is not used when it was damaged; all else is not even noticed.
    (wheel,) = (path for path in files if path.suffix == ".whl" and same(path, good))
    (entry,) = (path for path in files if names(path, wheel))
    needed = {str(path.relative_to(project.cache)) for path in (wheel, entry)}
    for kind, count in told["cases"].items():
        name = kind.split(":")[0]
        assert told["answered"].get(kind, 0) == (0 if name in needed else count), kind
    assert sum(told["cases"].values()) > 1000


def same(one: Path, other: Path) -> bool:
    return one.read_bytes() == other.read_bytes()


def names(entry: Path, wheel: Path) -> bool:
    """Is it the store's entry of that wheel?"""
    return entry.parent.name == "entries" and wheel.parent.name.encode() in entry.read_bytes()


@pytest.mark.parametrize("kind", ["wheel", "editable"])
def test_prepared_metadata(kind: str, check_out: CheckOut, tmp_path: Path) -> None:
    strangers = other_files(check_out, tmp_path, kind)
    project = check_out("bin-bindings")
    project.reproducible()
    project.build(kind)
    project.append("README.md", "\nanother text\n")
    project.build(kind)
    folder = project.output_folder()
    hook = f"prepare_metadata_for_build_{kind}"
    name = project.hook(hook, folder, None).ok().result
    files = stored(project)
    told = damage_all(
        project,
        files,
        tmp_path,
        hook=hook,
        right=damage.digest(folder / name),
        strangers=[*map(str, strangers), *map(str, files)],
        windows=48,
    )
    assert told["still"] == damage.digest(folder / name)


def test_promises(check_out: CheckOut, tmp_path: Path) -> None:
    """Between the two hooks of a build without maturin. What was promised for other settings is
    not given."""
    project = check_out("bin-bindings")
    project.reproducible()
    other = {"build-args": "--features loud"}
    _, loud = project.build("editable", other)
    _, good = project.build("editable")
    assert not same(loud, good)
    strangers = [tmp_path / "of other settings", *stored(project)]
    shutil.copyfile(promised(project, other), strangers[0])
    promise = promised(project, None)
    project.edit()
    told = damage_all(
        project,
        [promise],
        tmp_path,
        hook="build_editable",
        right=damage.digest(good),
        strangers=[str(path) for path in strangers if path.exists()],
        venv=None,
        spends=True,
    )
    assert told["still"] == damage.digest(good)
    assert not told["answered"]


def promised(project: Project, settings: dict[str, str] | None) -> Path:
    """The file of a promise just made."""
    for path in project.cache.glob("projects/*/trees/*/promises/*.json"):
        path.unlink()
    run = project.hook("get_requires_for_build_editable", settings, venv=None).ok()
    assert run.result == []
    (promise,) = project.cache.glob("projects/*/trees/*/promises/*.json")
    return promise


def spoil(name: str, path: Path, older: bytes, other: bytes) -> None:
    """One kind of damage."""
    content = path.read_bytes()
    middle = len(content) // 2
    damaged = {
        "emptied": b"",
        "cut": content[:middle],
        "a bit": content[:middle] + bytes([content[middle] ^ 1]) + content[middle + 1 :],
        "longer": content + b" ",
        "garbage": b"\x00\xff" * 99,
        "older": older,
        "another's": other,
    }[name]
    path.write_bytes(damaged)


DAMAGE = ("emptied", "cut", "a bit", "longer", "garbage", "older", "another's")


def test_what_is_known_of_target_folders(check_out: CheckOut, tmp_path: Path) -> None:
    """Without its note cargo would take sources with old times for what it compiled before."""
    other = check_out("pure")
    other.build("editable")
    (note,) = other.cache.glob("notes/*.json")
    anothers = note.read_bytes()
    project = check_out("bin-bindings")
    project.build("editable")
    (note,) = project.cache.glob("notes/*.json")
    older = note.read_bytes()
    project.edit()
    project.build("editable")
    text = "hushed"
    for number, kind in enumerate(DAMAGE):
        spoil(kind, note, older, anothers)
        new = f"new {number}"
        asking.replace_old(project, project.sample.source, f'"{text}"', f'"{new}"')
        _, wheel = project.build("editable")
        program = wheels.read(wheel, "*/scripts/bin-bindings")
        assert new.encode() in program, kind
        assert text.encode() not in program, kind
        text = new


@pytest.mark.parametrize("kind", DAMAGE)
def test_stable_interpreter(kind: str, check_out: CheckOut) -> None:
    """It costs a new one, and is whole after that."""
    project = check_out("bin-bindings")
    project.reproducible()
    _, good = project.build("editable")
    count = len(interpreter_files(project))
    for number in range(count):
        path = interpreter_files(project)[number]
        spoil(kind, path, b"{}", b"home = /nonexistent\n")
        asking.forget_builds(project)
        run, wheel = project.build("editable")
        assert same(wheel, good), path
        assert run.warnings == [], path


def interpreter_files(project: Project) -> list[Path]:
    """What is no link to the base interpreter's files."""
    found = project.cache.glob("interpreters/**/*")
    return sorted(
        path
        for path in found
        if path.is_file()
        and not path.is_symlink()
        and "activate" not in path.name.lower()
        # An empty file can't be damaged.
        and path.stat().st_size
    )


REMEMBERED = """
import importlib, json, os, site, sys, time
sys.path.insert(0, sys.argv[1])
import damage
del sys.path[0]
sys.path[:] = [entry for entry in sys.path if entry]
folder, memory, source, other = sys.argv[2:]
site.addsitedir(folder)
check = importlib.import_module("_wheelprint_every_input_check")

def ask():
    return check._check("_wheelprint_every_input", "every_input", "error")

assert ask() is None
time.sleep(2.2)
assert ask() is None
(path,) = (os.path.join(memory, name) for name in os.listdir(memory) if name.endswith(".memory"))
good = open(path, "rb").read()
text = open(source).read()
strangers = [("stranger", open(other, "rb").read())]
count = 0
for is_edited in (False, True):
    if is_edited:
        open(source, "w").write(text.replace("edited 1", "edited 2"))
        os.utime(source, (1000000000, 1000000000))
    for what, content in [*damage.flips(good, 64), *damage.cuts(good, 12), *strangers]:
        open(path, "wb").write(content)
        found = ask()
        assert (found is not None) == is_edited, (what, is_edited, found)
        count += 1
print(count)
"""


def test_what_an_import_remembers(check_out: CheckOut) -> None:
    """A change is seen, and no change is seen as none."""
    project = check_out("every-input")
    _, wheel = project.build("editable")
    folder = project.output_folder()
    other = project.output_folder()
    for where in (folder, other):
        with zipfile.ZipFile(wheel) as archive:
            archive.extractall(where)
    python = environment.python_in(project.bench.venv())
    code = "import site, sys; site.addsitedir(sys.argv[1]); import every_input"
    project.run(python, "-c", code, other, cwd=other).ok()
    (stranger,) = project.cache.glob("imports/*.memory")
    stranger = stranger.rename(other / "memory")
    support = Path(damage.__file__).parent
    memory = project.cache / "imports"
    source = project.path(project.sample.source)
    command = (python, "-c", REMEMBERED, support, folder, memory, source, stranger)
    run = project.run(*command, cwd=folder).ok()
    assert int(run.stdout) > 100
