"""What an unpacked archive could hide: files of no known origin, changes in odd moments, the same
folder again with other contents."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import subprocess
import time
from typing import TYPE_CHECKING, Any

import pytest
from support import archives, environment, forged, wheels
from support.background import wait_for
from support.commands import wheelprint
from support.project import CALL_HOOK

if TYPE_CHECKING:
    from pathlib import Path

    from conftest import CheckOut
    from support.project import Project, Run

BUILD_SYSTEM = '[build-system]\nrequires = ["wheelprint"]\nbuild-backend = "wheelprint"\n'
PYPROJECT = f"""[project]
name = "bin-bindings"
version = "0.1.0"
readme = "README.md"

[tool.maturin]
bindings = "bin"

{BUILD_SYSTEM}"""
SHOWS = 'fn main() { println!("{}", core_x::word()); }\n'
WORD = 'pub fn word() -> &\'static str { "quiet" }\n'


def package(name: str) -> str:
    return f'[package]\nname = "{name}"\nversion = "0.1.0"\nedition = "2024"\n'


def lay_out(project: Project, folder: str, files: dict[str, str]) -> None:
    """Other files in place of the sample's; the project's folder is that one."""
    base = project.root
    for path in base.iterdir():
        if path.name != "target":
            shutil.rmtree(path) if path.is_dir() else path.unlink()
    for name, text in files.items():
        project.write(name, text)
    project.root = base / folder
    command = ["cargo", "generate-lockfile", "--offline"]
    subprocess.run(command, cwd=project.root, env=project.env, check=True, capture_output=True)


def workspace(project: Project, root: str = '[workspace]\nresolver = "3"\n', **more: str) -> None:
    """The project in `py`, another crate of its in `core`, and one that it does not need."""
    files = {
        "Cargo.toml": root + 'members = ["py", "core", "other"]\n',
        "py/pyproject.toml": PYPROJECT,
        "py/README.md": "the project's\n",
        "py/Cargo.toml": package("bin-bindings")
        + '[dependencies]\ncore_x = { path = "../core" }\n',
        "py/src/main.rs": SHOWS,
        "core/Cargo.toml": package("core_x"),
        "core/src/lib.rs": WORD,
        "other/Cargo.toml": package("other"),
        "other/src/lib.rs": "",
    }
    lay_out(project, "py", {**files, **more})


def git(folder: Path, *args: str) -> None:
    user = ("-c", "user.name=a", "-c", "user.email=a@b.c", "-c", "init.defaultBranch=main")
    subprocess.run(["git", *user, *args], cwd=folder, check=True, capture_output=True)


def both(project: Project, *options: str | Path, **changes: Any) -> tuple[Path, Path]:
    """`uv build`: the archive and the wheel from it."""
    return archives.sorted_by_kind(*archives.uv_build(project, *options, **changes))[1]


def prints(project: Project, wheel: Path) -> str:
    return project.python(project.installed(wheel), project.sample.probe)


def verify(project: Project, *artifacts: Path, source: str | Path = ".") -> Run:
    return wheelprint(project, "verify", *artifacts, "--source", source)


def test_an_archive_among_the_sources(check_out: CheckOut) -> None:
    """Not everything in a folder `dist` was built here: this one is compiled into the program."""
    project = check_out("bin-bindings")
    project.settings('reuse = "always"')
    project.write(
        "src/main.rs",
        'fn main() { println!("{}", include_str!("../assets/dist/words.tar.gz").trim()); }\n',
    )
    project.write("assets/dist/words.tar.gz", "quiet\n")
    sdist, wheel = both(project)
    assert prints(project, wheel) == "quiet"
    assert verify(project, sdist, wheel).code == 0
    project.write("assets/dist/words.tar.gz", "hushed\n")
    sdist, wheel = both(project)
    assert prints(project, wheel) == "hushed"


def test_what_was_added_before_it_was_packed_again(check_out: CheckOut, tmp_path: Path) -> None:
    """A distribution's patch that only adds a file."""
    project = check_out("bin-bindings")
    workspace(project, root="[workspace]\n")
    # All members are packed: nothing else is different in the unpacked archive.
    project.replace("../Cargo.toml", ', "other"', "")
    shutil.rmtree(project.path("../other"))
    project.path("../Cargo.lock").unlink()
    sdist, wheel = both(project)
    assert verify(project, sdist, wheel).code == 0
    unpacked = archives.unpack(sdist, tmp_path / "unpacked")
    (unpacked / "py" / "build.rs").write_text(
        'fn main() { println!("cargo:rerun-if-changed=build.rs"); }\n'
    )
    sdist, wheel = both(project, unpacked)
    assert any(name.endswith("build.rs") for name in wheels.record(wheel)["source"]["files"])
    assert verify(project, wheel).code == 1


def test_an_archive_of_an_archive_of_a_workspace(check_out: CheckOut, tmp_path: Path) -> None:
    """Cargo takes the members that are not there out of Cargo.lock when it is asked to pack."""
    project = check_out("bin-bindings")
    workspace(project)
    _, (sdist,) = archives.uv_build(project, "--sdist")
    unpacked = archives.unpack(sdist, tmp_path / "unpacked")
    _, (again,) = archives.uv_build(project, "--sdist", unpacked)
    files = {name.rsplit("/")[-1] for name in archives.record(again)["source"]["files"]}
    assert files == {name.rsplit("/")[-1] for name in archives.record(sdist)["source"]["files"]}
    names = set(archives.record(again)["source"]["files"])
    assert "../core/src/lib.rs" in names, names


def test_a_patch_while_a_build_waits(check_out: CheckOut, tmp_path: Path) -> None:
    """Between the question and the answer another build of the project may take minutes."""
    fcntl = pytest.importorskip("fcntl")
    project = check_out("bin-bindings")
    sdist, wheel = both(project)
    unpacked = archives.unpack(sdist, tmp_path / "unpacked")
    folder = project.output_folder()
    venv = project.bench.venv("newest")
    path = os.pathsep.join([str(environment.scripts_folder(venv)), project.env["PATH"]])
    arguments = json.dumps([[str(folder), None], {}])
    log = tmp_path / "log"
    with (archives.archive_target(project).with_name("build.lock")).open("a+") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        with log.open("wb") as output:
            build = subprocess.Popen(
                [
                    *(environment.python_in(venv), CALL_HOOK, "wheelprint", "build_wheel"),
                    *(arguments, tmp_path / "answer"),
                ],
                cwd=unpacked,
                env={**project.env, "PATH": path},
                stdout=output,
                stderr=output,
            )
        wait_for(lambda: "waiting for another build" in log.read_text())
        source = unpacked / "src" / "main.rs"
        source.write_text(source.read_text().replace('"quiet"', '"hushed"'))
        time.sleep(0.1)
    assert build.wait(120) == 0, log.read_text()
    (patched,) = folder.glob("*.whl")
    project.bench.made.keep_all(folder)
    assert prints(project, patched) == "hushed"
    record = wheels.record(patched)
    assert record.get("untrusted") or record["source"] != wheels.record(wheel)["source"]
    assert verify(project, patched).code == 1


@pytest.mark.parametrize("target", ["archive-target", "named"])
def test_a_vendored_package_in_the_same_folder_again(
    target: str, check_out: CheckOut, tmp_path: Path
) -> None:
    """In a container archives are unpacked to one place; cargo takes what is vendored for what
    Cargo.lock says."""
    project = check_out("bin-bindings")
    files = {
        ".gitignore": "target/\n",
        ".cargo/config.toml": '[source.crates-io]\nreplace-with = "vendored"\n'
        '[source.vendored]\ndirectory = "vendor"\n',
        "pyproject.toml": PYPROJECT.replace('"bin"\n', '"bin"\nsdist-generator = "git"\n'),
        "README.md": "read me\n",
        "Cargo.toml": package("bin-bindings") + '[dependencies]\ncore_x = "0.1.0"\n',
        "src/main.rs": SHOWS,
        "vendor/core_x/Cargo.toml": package("core_x"),
        "vendor/core_x/src/lib.rs": WORD,
        "vendor/core_x/.cargo-checksum.json": json.dumps({"files": {}, "package": "0" * 64}),
    }
    lay_out(project, ".", files)
    git(project.root, "init")
    git(project.root, "add", ".")
    git(project.root, "commit", "-m", "one")
    changes = {"CARGO_TARGET_DIR": str(tmp_path / "t")} if target == "named" else {}
    for old, new in [("quiet", "quiet"), ("quiet", "hushed"), ("hushed", "quiet")]:
        project.replace("vendor/core_x/src/lib.rs", old, new)
        _, (sdist,) = archives.uv_build(project, "--sdist")
        shutil.rmtree(tmp_path / "unpacked", ignore_errors=True)
        unpacked = archives.unpack(sdist, tmp_path / "unpacked")
        folder = project.output_folder()
        run = project.hook("build_wheel", folder, None, cwd=unpacked, **changes).ok()
        assert prints(project, folder / run.result) == new


@pytest.mark.parametrize("where", ["in the tree", "in the archive"])
def test_an_empty_folder(where: str, check_out: CheckOut, tmp_path: Path) -> None:
    """No archive holds one, and a build script may ask for it."""
    project = check_out("bin-bindings")
    project.settings('reuse = "always"')
    project.write(
        "build.rs",
        """fn main() {
    println!("cargo:rerun-if-changed=loud");
    let word = if std::path::Path::new("loud").is_dir() { "hushed" } else { "quiet" };
    println!("cargo:rustc-env=WORD={word}");
}
""",
    )
    project.write("src/main.rs", 'fn main() { println!("{}", env!("WORD")); }\n')
    if where == "in the tree":
        project.path("loud").mkdir()
    archives.uv_build(project, "--wheel")
    sdist, wheel = both(project)
    assert prints(project, wheel) == "quiet"
    if where == "in the archive":
        unpacked = archives.unpack(sdist, tmp_path / "unpacked")
        (unpacked / "loud").mkdir()
        _, (wheel,) = archives.uv_build(project, "--wheel", unpacked)
        assert prints(project, wheel) == "hushed"


def test_a_file_of_the_trees_with_the_records_name(check_out: CheckOut) -> None:
    """It is packed as it is, whatever else there is to say."""
    project = check_out("bin-bindings")
    project.write("wheelprint.json", '"mine"\n')
    project.write(
        "src/main.rs", 'fn main() { println!("{}", include_str!("../wheelprint.json")); }\n'
    )
    sdist, wheel = both(project)
    assert archives.members(sdist)["wheelprint.json"] == b'"mine"\n'
    assert prints(project, wheel) == '"mine"'


def tampered(sdist: Path, folder: Path, change: Any) -> Path:
    """An archive with another source, and a record that someone made fit."""

    def rewrite(files: dict[str, bytes]) -> None:
        record = json.loads(files["wheelprint.json"])
        before = files["src/main.rs"]
        files["src/main.rs"] = b'fn main() { println!("other"); }\n'
        (packed,) = (one for one in record["packed"] if one["path"] == "src/main.rs")
        packed["sha256"] = hashlib.sha256(files["src/main.rs"]).hexdigest()
        change(packed, before.decode())
        files["wheelprint.json"] = json.dumps(record).encode()

    return archives.rewritten(sdist, folder, rewrite)


@pytest.mark.parametrize("claims", ["it is the tree's", "it was rewritten"])
def test_a_wheel_of_an_archive_whose_record_is_wrong(
    claims: str, check_out: CheckOut, tmp_path: Path
) -> None:
    """Who builds it is honest: what was packed by somebody else is not said again unlooked at."""
    project = check_out("bin-bindings")
    _, (sdist,) = archives.uv_build(project, "--sdist")

    def change(packed: dict[str, str], before: str) -> None:
        if claims == "it was rewritten":
            packed["original"] = before

    bad = tampered(sdist, tmp_path / "bad", change)
    assert verify(project, bad).code == 1
    run, (wheel,) = archives.uv_build(project, "--wheel", bad)
    cause = "no manifest, and said to be rewritten"
    if claims == "it is the tree's":
        cause = "not the file of the tree that it should be"
    assert f"src/main.rs is {cause}; the folder counts as a tree" in run.output
    assert prints(project, wheel) == "other"
    assert verify(project, wheel).code == 1


def test_a_readme_that_is_there_twice(check_out: CheckOut) -> None:
    """The project's readme comes to lie where the workspace's own, of the same text, lay."""
    project = check_out("bin-bindings")
    workspace(
        project,
        root=package("rooted") + "[workspace]\n",
        **{"src/lib.rs": "", "README.md": "the project's\n"},
    )
    project.append("Cargo.toml", 'rooted = { path = ".." }\n')
    project.path("../Cargo.lock").unlink()
    _, (from_tree,) = archives.uv_build(project, "--wheel")
    sdist, wheel = both(project)
    assert wheels.record(wheel)["inputs"] == wheels.record(from_tree)["inputs"]
    run = verify(project, from_tree, sdist, wheel)
    assert run.code == 0, run.output


@pytest.mark.xfail(strict=True, reason="in the sdist another folder is the workspace")
def test_a_project_packed_without_its_workspace(check_out: CheckOut) -> None:
    """git's generator packs the project's folder: in the archive there is another workspace."""
    project = check_out("bin-bindings")
    program = 'fn main() { println!("quiet"); }\n'
    workspace(project, **{".gitignore": "target/\n", "py/src/main.rs": program})
    project.write("Cargo.toml", package("bin-bindings"))
    project.replace("pyproject.toml", '"bin"\n', '"bin"\nsdist-generator = "git"\n')
    project.path("../Cargo.lock").unlink()
    git(project.path(".."), "init")
    git(project.path(".."), "add", ".")
    git(project.path(".."), "commit", "-m", "one")
    sdist, wheel = both(project)
    names = {entry["name"] for entry in wheels.record(wheel)["inputs"]}
    assert not [name for name in names if name.startswith("d/")], "no name of a folder that is not"
    run = verify(project, wheel, source=sdist)
    assert run.code == 0, run.output


def test_verifying_runs_nothing_of_the_sources(check_out: CheckOut, tmp_path: Path) -> None:
    """A revision, or somebody's archive, may name any program as its compiler."""
    project = check_out("bin-bindings")
    _, wheel = both(project)
    ran = tmp_path / "ran"
    script = project.write("compiler", f"#!/bin/sh\ntouch '{ran}'\n")
    script.chmod(0o755)
    project.write(".gitignore", "target/\n")
    project.write(".cargo/config.toml", '[build]\nrustc = "./compiler"\n')
    git(project.root, "init")
    git(project.root, "add", ".")
    git(project.root, "commit", "-m", "one")
    shutil.rmtree(project.path(".cargo"))
    script.unlink()
    verify(project, wheel, source=".@HEAD")
    assert not ran.exists()


def test_the_other_clone_is_gone(check_out: CheckOut, tmp_path: Path) -> None:
    """Two clones make one archive; what was compiled is reused in the one that is there."""
    project = check_out("bin-bindings")
    clone = tmp_path / "clone"
    shutil.copytree(project.root, clone, ignore=shutil.ignore_patterns("target"))
    for folder in (clone, project.root):
        archives.uv_build(project, folder)
    shutil.rmtree(clone)
    run, _ = archives.uv_build(project)
    assert "archive-target" in run.output


def test_a_submodule_of_a_revision(check_out: CheckOut, tmp_path: Path) -> None:
    """A check-out has it only after `git submodule update`: it is no other source."""
    project = check_out("bin-bindings")
    workspace(project)
    top = project.path("..")
    shutil.move(str(top / "core"), tmp_path / "core")
    git(tmp_path / "core", "init")
    git(tmp_path / "core", "add", ".")
    git(tmp_path / "core", "commit", "-m", "one")
    (top / ".gitignore").write_text("target/\n")
    git(top, "init")
    git(top, "-c", "protocol.file.allow=always", "submodule", "add", str(tmp_path / "core"), "core")
    git(top, "add", ".")
    git(top, "commit", "-m", "one")
    _, (sdist,) = archives.uv_build(project, "--sdist")
    run = verify(project, sdist, source=".@HEAD")
    # Either it is looked at, or said that it can't be.
    assert run.code == 0 or (run.code == 2 and "submodule" in run.output), run.output


def test_a_long_list_of_files(check_out: CheckOut, tmp_path: Path) -> None:
    """A record that names very many takes no longer for each of them."""
    project = check_out("bin-bindings")
    _, (sdist,) = archives.uv_build(project, "--sdist")

    def change(files: dict[str, bytes]) -> None:
        record = json.loads(files["wheelprint.json"])
        nothing = "0" * 64
        names = [f"f{number}" for number in range(100_000)]
        stated = record["source"]["files"]
        stated.update(dict.fromkeys(names, nothing))
        record["packed"] += [{"path": n, "sha256": nothing, "source": n} for n in names]
        record["packed"].sort(key=lambda packed: packed["path"].encode())
        record["source"]["sha256"] = forged.source_digest(stated)
        files["wheelprint.json"] = json.dumps(record).encode()

    bad = archives.rewritten(sdist, tmp_path / "bad", change)
    start = time.monotonic()
    assert verify(project, bad).code == 1
    assert time.monotonic() - start < 20
