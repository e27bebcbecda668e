"""One fingerprint, wherever it was built: the tree, an archive of it, a wheel made from either."""

from __future__ import annotations

import shutil
import subprocess
from typing import TYPE_CHECKING

import pytest
from support import archives, wheels
from support.commands import wheelprint
from support.verifying import assert_one, assert_verified, names, verify

if TYPE_CHECKING:
    from pathlib import Path

    from conftest import CheckOut


@pytest.mark.parametrize("name", ["hello-pure", "mixed-path-dep", "workspace"])
def test_tree_and_archive(name: str, check_out: CheckOut) -> None:
    project = check_out(name)
    built = archives.build_all(project)
    assert_one(built)
    assert_verified(project, built)


@pytest.mark.freshness
@pytest.mark.parametrize(
    "name",
    ["pure", "separate-rust", "watched-inputs", "build-script-import", "cffi-bindings"],
)
def test_tree_and_archive_of_other_samples(name: str, check_out: CheckOut) -> None:
    project = check_out(name)
    built = archives.build_all(project)
    assert_one(built)
    assert_verified(project, built)


def test_a_clone_elsewhere(check_out: CheckOut, tmp_path: Path) -> None:
    """The checkout has another name, lies elsewhere, and knows nothing of the builds."""
    project = check_out("mixed-path-dep")
    built = archives.build_all(project)
    there = tmp_path / "a b" / "deeper"
    leave_out = shutil.ignore_patterns("target", ".venv", "*.so")
    shutil.copytree(project.root.parent, there, ignore=leave_out)
    fresh = {"WHEELPRINT_CACHE_DIR": str(tmp_path / "cache"), "cwd": tmp_path}
    for said in verify(project, *built.all, source=there / project.root.name, **fresh):
        assert said["verified"], said
    (there / project.root.name).rename(there / "renamed")
    for said in verify(project, *built.all, source=there / "renamed", **fresh):
        assert said["verified"], said


def git(folder: Path, *args: str) -> None:
    user = ("-c", "user.name=a", "-c", "user.email=a@b.c", "-c", "init.defaultBranch=main")
    subprocess.run(["git", *user, *args], cwd=folder, check=True, capture_output=True)


def test_a_revision(check_out: CheckOut) -> None:
    """What git knows of a tag is compared, whatever lies in the tree now."""
    project = check_out("mixed-path-dep")
    top = project.root.parent
    (top / ".gitignore").write_text("target/\n*.so\n")
    git(top, "init")
    git(top, "add", ".")
    git(top, "commit", "-m", "one")
    git(top, "tag", "v1.2")
    built = archives.build_all(project)
    project.edit()
    git(top, "commit", "-am", "two")
    project.append("README.md", "not committed\n")
    before = (top / ".git" / "index").read_bytes()
    for said in verify(project, *built.all, source=".@v1.2"):
        assert said["verified"], said
    for said in verify(project, *built.all, source=f"{project.root}@HEAD"):
        assert names(said) == {"../shared-core/src/lib.rs"} or names(said) == {"src/lib.rs"}
    for said in verify(project, *built.all):
        assert "README.md" in names(said)
    assert (top / ".git" / "index").read_bytes() == before
    run = wheelprint(project, "verify", built.sdist, "--source", ".@nowhere")
    assert run.code == 2, run.output
    assert "revision nowhere" in run.stderr, run.output


@pytest.mark.parametrize("options", [[], ["--out-dir", "out"]], ids=["dist", "out"])
def test_what_was_built_is_no_source(options: list[str], check_out: CheckOut) -> None:
    """Without git nothing says that the folder for them is ignored: cargo packs it, and a build
    script that names nothing watches it."""
    project = check_out("watched-inputs")
    project.write(
        "build.rs",
        """fn main() {
    println!("cargo:rustc-env=WORDS=some");
    println!("cargo:rustc-env=SEEN_BY_BUILD_SCRIPT=nothing");
}
""",
    )
    project.uv("build", "--wheel", *options).ok()
    archives.warm_archive_target(project)
    said = None
    for _ in range(2):
        project.uv("build", *options).ok()
        project.uv("build", "--wheel", *options).ok()
        folder = project.root / (options[-1] if options else "dist")
        files = [path for path in folder.iterdir() if path.name != ".gitignore"]
        assert len(files) == 2
        for found in verify(project, *files):
            assert found["verified"], found
            assert said in (None, found["source-digest"])
            said = found["source-digest"]


@pytest.mark.parametrize("name", ["hello-pure", "mixed-path-dep"])
def test_one_byte_of_any_file(name: str, check_out: CheckOut) -> None:
    project = check_out(name)
    built = archives.build_all(project)
    files = sorted(archives.record(built.sdist)["source"]["files"])
    packed = {path.rsplit("/")[-1] for path in files}
    assert {"lib.rs", "Cargo.toml", "Cargo.lock", "pyproject.toml", "README.md"} <= packed
    assert any(path.endswith(".py") for path in files)
    for name in files:
        path = project.path(name)
        content = path.read_bytes()
        # An empty line more is one byte that means nothing in any of them.
        path.write_bytes(content + b"\n")
        for artifact, said in zip(built.all, verify(project, *built.all)):
            assert not said["verified"], (artifact, name)
            assert [reason["name"].split(" [")[0] for reason in said["differences"]] == [
                name if "differences" in said else ""
            ], (artifact, said["differences"])
        path.write_bytes(content)
    assert all(said["verified"] for said in verify(project, *built.all))


def test_a_file_that_is_gone_and_one_that_is_new(check_out: CheckOut) -> None:
    project = check_out("mixed-path-dep")
    built = archives.build_all(project)
    module = project.write("python/text_stats/more.py", "MORE = 1\n")
    for said in verify(project, *built.all):
        assert names(said) == {"python/text_stats/more.py"}, said
    module.unlink()
    project.path("README.md").unlink()
    for said in verify(project, *built.all):
        assert names(said) == {"README.md"}, said


def test_what_was_patched_after_it_was_unpacked(check_out: CheckOut, tmp_path: Path) -> None:
    """A distribution's patch: its wheel is of the patched sources, and says which."""
    project = check_out("mixed-path-dep")
    built = archives.build_all(project)
    unpacked = archives.unpack(built.sdist, tmp_path / "unpacked")
    for said in verify(project, *built.all, source=unpacked):
        assert said["verified"], said
    source = unpacked / "shared-core" / "src" / "lib.rs"
    source.write_text(source.read_text() + "// patched\n")
    for said in verify(project, *built.all, source=unpacked):
        assert not said["verified"]
        assert {name.rsplit("/")[-1] for name in names(said)} == {"lib.rs"}, said
    _, (wheel,) = archives.uv_build(project, "--wheel", unpacked)
    (said,) = verify(project, wheel)
    assert {name.rsplit("/")[-1] for name in names(said)} == {"lib.rs"}, said
    (said,) = verify(project, wheel, source=unpacked)
    assert said["verified"], said


def test_a_file_that_the_archive_did_not_bring(check_out: CheckOut, tmp_path: Path) -> None:
    project = check_out("hello-pure")
    built = archives.build_all(project)
    unpacked = archives.unpack(built.sdist, tmp_path / "unpacked")
    (unpacked / "build.rs").write_text("fn main() {}\n")
    _, (wheel,) = archives.uv_build(project, "--wheel", unpacked)
    (said,) = verify(project, wheel)
    assert names(said) == {"build.rs"}, said
    assert wheels.record(wheel)["source"] != wheels.record(built.from_tree)["source"]


def test_an_archive_of_an_archive(check_out: CheckOut, tmp_path: Path) -> None:
    """Who packs again what he unpacked packs the same sources."""
    project = check_out("mixed-path-dep")
    built = archives.build_all(project)
    unpacked = archives.unpack(built.sdist, tmp_path / "unpacked")
    _, (again,) = archives.uv_build(project, "--sdist", unpacked)
    assert archives.record(again)["source"] == archives.record(built.sdist)["source"]
    (said,) = verify(project, again)
    assert said["verified"], said
