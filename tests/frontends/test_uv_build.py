"""`uv build`: an archive, and a wheel from it, with what was compiled for the last one."""

from __future__ import annotations

import re
import zipfile
from typing import TYPE_CHECKING, Any

import pytest
from support import archives, environment, wheels

if TYPE_CHECKING:
    from pathlib import Path

    from conftest import CheckOut
    from support.project import Project, Run

pytestmark = pytest.mark.spy


def compiled(project: Project) -> set[str]:
    """The packages that were compiled since the last look."""
    packages = project.spy.compiled()
    project.spy.clear()
    return packages


def ready(project: Project) -> tuple[Path, Path]:
    """The first `uv build`; what was compiled of other people's packages is there already."""
    archives.uv_build(project, "--wheel")
    archives.warm_archive_target(project)
    built = archives.sorted_by_kind(*archives.uv_build(project))[1]
    project.spy.clear()
    return built


def prints(project: Project, wheel: Path) -> str:
    return project.python(project.installed(wheel), project.sample.probe)


def test_only_the_projects_crates_are_compiled_again(check_out: CheckOut) -> None:
    project = check_out("mixed-path-dep")
    first = ready(project)
    again = archives.sorted_by_kind(*archives.uv_build(project))[1]
    assert compiled(project) == project.sample.recompiled
    assert first[0].read_bytes() == again[0].read_bytes()


def test_twice_the_same_bytes(check_out: CheckOut) -> None:
    """Of a crate whose dependencies are all in its workspace or the registry: rustc names others
    by where they lie (docs/reproducible.md)."""
    project = check_out("hello-pure")
    first = ready(project)
    again = archives.sorted_by_kind(*archives.uv_build(project))[1]
    for one, other in zip(first, again):
        assert one.read_bytes() == other.read_bytes(), one.name


def test_nothing_is_mixed(check_out: CheckOut) -> None:
    """Archives give every file one and the same time: cargo can't tell one content from another."""
    project = check_out("mixed-path-dep")
    before, after = project.sample.shows
    assert prints(project, ready(project)[1]) == before
    project.edit()
    wheel = archives.sorted_by_kind(*archives.uv_build(project))[1][1]
    assert prints(project, wheel) == after
    project.undo_edit()
    wheel = archives.sorted_by_kind(*archives.uv_build(project))[1][1]
    assert prints(project, wheel) == before


def test_an_old_archive_after_a_newer_one(check_out: CheckOut) -> None:
    project = check_out("mixed-path-dep")
    before, _after = project.sample.shows
    old = ready(project)[0]
    project.edit()
    archives.uv_build(project)
    _, (wheel,) = archives.uv_build(project, "--wheel", old)
    assert prints(project, wheel) == before


def test_the_trees_own_target_folder_is_left_alone(check_out: CheckOut) -> None:
    """What is built of an archive never lies where the tree's builds look."""
    project = check_out("hello-pure")
    ready(project)
    files = {path: path.stat().st_mtime_ns for path in project.target.rglob("*.so")}
    archives.uv_build(project)
    assert {path: path.stat().st_mtime_ns for path in project.target.rglob("*.so")} == files
    assert project.is_fresh() is False
    assert project.is_fresh()


def test_an_archive_of_nobody_knows_what(check_out: CheckOut, tmp_path: Path) -> None:
    """Where the tree is not on this machine the archive is built as any other, and its wheel says
    the same of the sources."""
    project = check_out("hello-pure")
    sdist, wheel = ready(project)
    elsewhere = {"WHEELPRINT_CACHE_DIR": str(tmp_path / "cache")}
    unpacked = archives.unpack(sdist, tmp_path / "unpacked")
    _, (built,) = archives.uv_build(project, "--wheel", unpacked, **elsewhere)
    assert wheels.record(built)["source"] == wheels.record(wheel)["source"]
    assert not list((tmp_path / "cache").glob("projects/*/trees/*/archive-target/release"))


def test_a_target_folder_that_the_user_names(check_out: CheckOut, tmp_path: Path) -> None:
    """It is used, and its contents are not mixed up either."""
    project = check_out("hello-pure")
    before, after = project.sample.shows
    named = {"CARGO_TARGET_DIR": str(tmp_path / "target")}
    wheel = archives.sorted_by_kind(*archives.uv_build(project, **named))[1][1]
    assert (tmp_path / "target" / "release").is_dir()
    assert prints(project, wheel) == before
    project.edit()
    wheel = archives.sorted_by_kind(*archives.uv_build(project, **named))[1][1]
    assert prints(project, wheel) == after


def test_who_reads_the_variable_is_not_trusted(check_out: CheckOut) -> None:
    """What it says is true of builds of sdists only."""
    project = check_out("hello-pure")
    project.append("src/lib.rs", 'const _: Option<&str> = option_env!("CARGO_TARGET_DIR");\n')
    (cause,) = wheels.record(ready(project)[1])["untrusted"]
    assert cause.startswith("the build reads CARGO_TARGET_DIR")


def test_reuse_always_answers_with_the_stored_wheel(check_out: CheckOut) -> None:
    project = check_out("mixed-path-dep")
    project.settings('reuse = "always"')
    _, (from_tree,) = archives.uv_build(project, "--wheel")
    compiled(project)
    # The tree's wheel is the archive's: they are of the same sources.
    run, (_, from_sdist) = archives.sorted_by_kind(*archives.uv_build(project))
    assert "wheelprint: fresh: " in run.output
    assert compiled(project) == set()
    assert from_sdist.read_bytes() == from_tree.read_bytes()
    project.edit()
    archives.warm_archive_target(project)
    run, (_, edited) = archives.sorted_by_kind(*archives.uv_build(project))
    assert prints(project, edited) == project.sample.shows[1]
    # And the other way round.
    compiled(project)
    run, (from_tree,) = archives.uv_build(project, "--wheel")
    assert "wheelprint: fresh: " in run.output
    assert compiled(project) == set()
    assert from_tree.read_bytes() == edited.read_bytes()


@pytest.mark.parametrize(
    "what", ["a patch", "a build script", "a Python file", "a variable", "a profile"]
)
def test_reuse_always_is_not_fooled(what: str, check_out: CheckOut, tmp_path: Path) -> None:
    project = check_out("hello-pure")
    project.settings('reuse = "always"')
    sdist, _ = ready(project)
    unpacked = archives.unpack(sdist, tmp_path / "unpacked")
    changes: dict[str, Any] = {}
    options: tuple[str, ...] = ()
    if what == "a patch":
        source = unpacked / "src" / "lib.rs"
        source.write_text(source.read_text() + "// patched\n")
    elif what == "a build script":
        (unpacked / "build.rs").write_text("fn main() {}\n")
    elif what == "a Python file":
        (unpacked / "src" / "hello_pure" / "more.py").write_text("MORE = 1\n")
    elif what == "a variable":
        changes = {"RUSTFLAGS": "--cfg something"}
    else:
        options = ("-C", "build-args=--profile dev")
    run, _ = archives.uv_build(project, "--wheel", unpacked, *options, **changes)
    assert "wheelprint: fresh: " not in run.output
    compiled(project)
    if what == "a variable":
        # What is as it was is answered still.
        run, _ = archives.uv_build(project, "--wheel", archives.unpack(sdist, tmp_path / "again"))
        assert "wheelprint: fresh: " in run.output


def metadata(folder: Path) -> bytes:
    (file,) = folder.glob("*.dist-info/METADATA")
    return file.read_bytes()


def in_wheel(wheel: Path) -> bytes:
    with zipfile.ZipFile(wheel) as archive:
        (name,) = (name for name in archive.namelist() if name.endswith(".dist-info/METADATA"))
        return archive.read(name)


class TestMetadata:
    """`prepare_metadata_for_build_wheel` from the store."""

    HOOK = "prepare_metadata_for_build_wheel"

    def prepare(self, project: Project, **changes: Any) -> tuple[Run, Path]:
        folder = project.output_folder()
        return project.hook(self.HOOK, folder, **changes).ok(), folder

    def test_without_cargo_and_maturin_when_fresh(self, check_out: CheckOut) -> None:
        project = check_out("mixed-path-dep")
        _, before = self.prepare(project)
        _, wheel = project.build("wheel")
        project.spy.clear()
        _, folder = self.prepare(project)
        project.spy.assert_idle()
        assert metadata(folder) == in_wheel(wheel) == metadata(before)
        names = {
            path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file()
        }
        theirs = {
            path.relative_to(before).as_posix() for path in before.rglob("*") if path.is_file()
        }
        assert names == theirs

    def test_not_when_something_changed(self, check_out: CheckOut) -> None:
        project = check_out("mixed-path-dep")
        project.build("wheel")
        project.replace("pyproject.toml", 'description = "', 'description = "Other: ')
        project.spy.clear()
        _, folder = self.prepare(project)
        assert b"Summary: Other: " in metadata(folder)
        assert project.spy.calls("maturin")

    def test_the_wheel_that_follows_has_it(self, check_out: CheckOut) -> None:
        """Even if somebody edits between the two."""
        project = check_out("mixed-path-dep")
        project.build("wheel")
        _, folder = self.prepare(project)
        (prepared,) = folder.iterdir()
        project.replace("pyproject.toml", 'description = "', 'description = "Other: ')
        out = project.output_folder()
        run = project.hook("build_wheel", out, None, prepared).ok()
        assert in_wheel(out / run.result) == metadata(folder)

    def test_never_with_reuse_never(self, check_out: CheckOut) -> None:
        project = check_out("mixed-path-dep")
        project.settings('reuse = "never"')
        project.build("wheel")
        project.spy.clear()
        self.prepare(project)
        assert project.spy.calls("maturin")


def test_what_is_said(check_out: CheckOut) -> None:
    """Nothing of the listing of sources is heard."""
    project = check_out("hello-pure")
    run, _ = project.build("wheel")
    assert "write-sdist" not in run.output
    assert len(re.findall("maturin pep517", run.output)) <= 1


def test_a_project_of_which_no_archive_can_be_made(check_out: CheckOut) -> None:
    """Its wheel has no list of sources; what reached it is compared all the same."""
    project = check_out("hello-pure")
    project.write("PKG-INFO", "Metadata-Version: 2.4\nName: hello-pure\nVersion: 0.1.0\n")
    _, wheel = project.build("wheel")
    assert "source" not in wheels.record(wheel)
    program = environment.scripts_folder(project.bench.venv()) / "wheelprint"
    project.run(program, "verify", wheel).ok()
    project.edit()
    assert project.run(program, "verify", wheel).code == 1
