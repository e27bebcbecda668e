"""The verdict: what counts as a change and what does not, and what is done about it."""

from __future__ import annotations

import os
import shutil
from typing import TYPE_CHECKING, Callable

import pytest
from support import samples, wheels

if TYPE_CHECKING:
    from pathlib import Path

    from conftest import CheckOut
    from support.project import Project

pytestmark = pytest.mark.spy

Change = Callable[["Project"], object]
A_FEW = ("hello-pure", "mixed-path-dep", "workspace", "cffi-bindings", "bin-bindings")


@pytest.mark.parametrize("name", samples.each(*A_FEW))
def test_unchanged_touched_edited_and_back(name: str, check_out: CheckOut) -> None:
    project = check_out(name)
    _, first = project.build("editable")
    assert project.is_fresh()

    for file in (project.sample.source, "pyproject.toml"):
        project.touch(file)
    assert project.is_fresh()

    project.edit()
    assert not project.is_fresh()
    assert project.spy.compiled() == project.sample.recompiled
    assert project.is_fresh()

    # As after a branch switch there and back: new timestamps, known content.
    project.undo_edit()
    assert project.is_fresh()
    _, last = project.build("editable")
    assert last.read_bytes() == first.read_bytes()


def test_the_line_says_which_file_changed(check_out: CheckOut) -> None:
    project = check_out("hello-pure")
    assert project.editable(WHEELPRINT_LOG="info").verdict.startswith("stale: ")
    project.edit()
    assert project.editable(WHEELPRINT_LOG="info").verdict == "stale: src/lib.rs changed"
    project.write("src/more.rs", "pub const MORE: u8 = 1;\n")
    project.append("src/lib.rs", "\nmod more;\n")
    project.append("README.md", "More.\n")
    said = project.editable(WHEELPRINT_LOG="info").verdict
    assert "src/lib.rs changed" in said
    assert "README.md changed" in said


def test_the_line_can_be_switched_off(check_out: CheckOut) -> None:
    project = check_out("bin-bindings")
    project.editable()
    run = project.editable(WHEELPRINT_LOG="off")
    assert "fresh" not in run.output
    assert run.stderr == ""


NO_CHANGE: dict[str, Change] = {
    "a comment in pyproject.toml": lambda p: p.append("pyproject.toml", "# a comment\n"),
    "another tool's table": lambda p: p.append(
        "pyproject.toml", '\n[tool.pytest.ini_options]\ntestpaths = ["tests"]\n'
    ),
    "spaces in pyproject.toml": lambda p: p.replace("pyproject.toml", " = ", "  =  "),
    "a comment in Cargo.toml": lambda p: p.append("Cargo.toml", "# a comment\n"),
    "spaces in Cargo.toml": lambda p: p.replace("Cargo.toml", " = ", "  =  "),
    "a file that nothing reads": lambda p: p.write("notes.txt", "to do"),
    "a folder that nothing reads": lambda p: p.write("docs/src/index.md", "# Docs"),
    "a Rust file that nothing names": lambda p: p.write("scratch/old.rs", "fn main() {}"),
    "a virtual environment": lambda p: p.write(".venv/pyvenv.cfg", "home = x"),
    "a variable that is nobody's": lambda p: p.env.update(SOME_VARIABLE="1"),
    "all timestamps from long ago": lambda p: _age(p),
    "all timestamps in the future": lambda p: _age(p, 4_000_000_000),
}


def _age(project: Project, seconds: int = 1_000_000_000) -> None:
    for path in project.root.rglob("*"):
        if project.target not in path.parents:
            os.utime(path, (seconds, seconds))


@pytest.mark.parametrize("change", NO_CHANGE.values(), ids=NO_CHANGE.keys())
def test_no_change(change: Change, check_out: CheckOut) -> None:
    project = check_out("hello-pure")
    project.editable()
    change(project)
    assert project.is_fresh()


def test_without_cargos_target_folder(check_out: CheckOut) -> None:
    project = check_out("bin-bindings")
    project.editable()
    shutil.rmtree(project.target)
    assert project.is_fresh()


ENGINE_PROFILE = "[profile.release.package.engine]"
CHANGES: dict[str, tuple[str, Change]] = {
    "a source": ("hello-pure", lambda p: p.edit()),
    "a comment in a source": ("hello-pure", lambda p: p.append("src/lib.rs", "// more\n")),
    "a module of a crate": ("pure", lambda p: p.edit()),
    "a path dependency's source": ("mixed-path-dep", lambda p: p.edit()),
    "a path dependency's included file": (
        "mixed-path-dep",
        lambda p: p.append("../shared-core/data/stop-words.txt", "cat\n"),
    ),
    "a path dependency's manifest": (
        "mixed-path-dep",
        lambda p: p.append("../shared-core/Cargo.toml", "\n[features]\ndefault = []\n"),
    ),
    "an included file": ("watched-inputs", lambda p: p.append("assets/banner.txt", "more\n")),
    "a build script": ("watched-inputs", lambda p: p.append("build.rs", "// more\n")),
    "a file in a watched folder": (
        "watched-inputs",
        lambda p: p.write("words/second.txt", "gamma\n"),
    ),
    "a file more in a watched folder": (
        "watched-inputs",
        lambda p: p.write("words/third.txt", "gamma\n"),
    ),
    "a file less in a watched folder": (
        "watched-inputs",
        lambda p: p.path("words/first.txt").unlink(),
    ),
    "a variable watched by a build script": (
        "watched-inputs",
        lambda p: p.env.update(WATCHED_BY_BUILD_SCRIPT="now set"),
    ),
    "a variable read by the crate": (
        "watched-inputs",
        lambda p: p.env.update(READ_BY_CRATE="now set"),
    ),
    "RUSTFLAGS": ("bin-bindings", lambda p: p.env.update(RUSTFLAGS="-Copt-level=1")),
    "a profile setting by variable": (
        "bin-bindings",
        lambda p: p.env.update(CARGO_PROFILE_RELEASE_OPT_LEVEL="1"),
    ),
    "CFLAGS": ("bin-bindings", lambda p: p.env.update(CFLAGS="-O1")),
    "MATURIN_PEP517_ARGS": (
        "bin-bindings",
        lambda p: p.env.update(MATURIN_PEP517_ARGS="--features loud"),
    ),
    "Cargo.toml": (
        "bin-bindings",
        lambda p: p.append("Cargo.toml", "\n[profile.release]\nopt-level = 1\n"),
    ),
    "the version": (
        "bin-bindings",
        lambda p: p.replace("Cargo.toml", 'version = "0.1.0"', 'version = "0.2.0"'),
    ),
    "a workspace's inherited field": (
        "workspace",
        lambda p: p.replace("../../Cargo.toml", 'version = "0.3.0"', 'version = "0.4.0"'),
    ),
    "a workspace's profile": (
        "workspace",
        lambda p: p.append("../../Cargo.toml", f"\n{ENGINE_PROFILE}\nopt-level = 1\n"),
    ),
    "Cargo.lock": (
        # Both are versions that cargo leaves as they are.
        "bin-bindings",
        lambda p: p.replace("Cargo.lock", "version = 4", "version = 3"),
    ),
    "cargo's configuration appears": (
        "bin-bindings",
        lambda p: p.write(".cargo/config.toml", '[build]\nrustflags = ["-Copt-level=1"]\n'),
    ),
    "cargo's configuration appears further up": (
        "bin-bindings",
        lambda p: p.write("../.cargo/config.toml", '[build]\nrustflags = ["-Copt-level=1"]\n'),
    ),
    "a toolchain file appears": (
        "bin-bindings",
        lambda p: p.write("rust-toolchain.toml", '[toolchain]\nchannel = "stable"\n'),
    ),
    "a build script appears": ("bin-bindings", lambda p: p.write("build.rs", "fn main() {}\n")),
    "a program appears": (
        "bin-bindings",
        lambda p: p.write("src/bin/second.rs", 'fn main() { println!("two"); }\n'),
    ),
    "project metadata": (
        "hello-pure",
        lambda p: p.replace("pyproject.toml", 'description = "', 'description = "Now: '),
    ),
    "maturin's settings": (
        "hello-pure",
        lambda p: p.replace("pyproject.toml", "[tool.maturin]\n", "[tool.maturin]\nstrip = true\n"),
    ),
    "a licence file appears": ("bin-bindings", lambda p: p.write("LICENSE", "Do as you like.\n")),
}


@pytest.mark.parametrize(("name", "change"), CHANGES.values(), ids=CHANGES.keys())
def test_a_change(name: str, change: Change, check_out: CheckOut) -> None:
    project = check_out(name)
    project.editable()
    assert project.is_fresh()
    change(project)
    assert not project.is_fresh()
    assert project.is_fresh()


@pytest.mark.parametrize(
    "settings",
    [{"build-args": "--profile dev"}, {"maturin.build-args": ["--features", "loud"]}],
    ids=["text", "list"],
)
def test_other_config_settings_are_another_request(
    settings: dict[str, object], check_out: CheckOut
) -> None:
    project = check_out("bin-bindings")
    _, plain = project.build("editable")
    _, other = project.build("editable", settings)
    assert plain.read_bytes() != other.read_bytes()
    # Both are remembered.
    assert project.is_fresh()
    assert project.is_fresh(settings=settings)


def test_a_missing_lock_file_is_made_and_is_no_change_then(check_out: CheckOut) -> None:
    project = check_out("bin-bindings")
    project.path("Cargo.lock").unlink()
    project.editable()
    assert project.path("Cargo.lock").exists()
    assert project.is_fresh()


def test_new_code_with_an_old_timestamp_is_compiled(check_out: CheckOut) -> None:
    """As after restoring a cache, `rsync -t` or COPY in an image: cargo alone would not see it."""
    project = check_out("pure")
    project.editable()
    source = project.path("src/answer.rs")
    before = source.stat()
    project.edit()
    assert source.stat().st_size == before.st_size
    os.utime(source, ns=(before.st_atime_ns, before.st_mtime_ns))
    assert not project.is_fresh()
    _, wheel = project.build("editable")
    assert project.python(project.installed(wheel), project.sample.probe) == "43"


def test_new_code_in_a_path_dependency_with_an_old_timestamp(check_out: CheckOut) -> None:
    project = check_out("mixed-path-dep")
    project.editable()
    source = project.path(project.sample.source)
    before = source.stat()
    project.edit()
    os.utime(source, ns=(before.st_atime_ns, before.st_mtime_ns))
    _, wheel = project.build("editable")
    shown = project.python(project.installed(wheel), project.sample.probe)
    assert shown == project.sample.shows[1]


def test_edits_in_quick_succession_are_all_seen(check_out: CheckOut) -> None:
    """Same size, within one tick of a coarse clock: content decides."""
    project = check_out("bin-bindings")
    project.editable()
    for word in ("aaaaa", "bbbbb", "ccccc"):
        old = project.read("src/main.rs")
        new = old.replace(old.split('"')[3], word)
        project.write("src/main.rs", new)
        assert not project.is_fresh()
    assert project.is_fresh()


def test_a_build_that_raced_an_edit_is_delivered_and_not_trusted(check_out: CheckOut) -> None:
    project = check_out("watched-inputs")
    # A build script is what runs while a build is under way; it plays the user's part.
    project.replace(
        "build.rs",
        "fn main() {",
        'fn main() {\n    fs::write("assets/banner.txt", "hullo raced\\n").unwrap();',
    )
    _, wheel = project.build("editable")
    wheels.check(wheel)
    project.write("assets/banner.txt", "hullo again\n")
    assert not project.is_fresh()
    project.write("assets/banner.txt", "hullo raced\n")
    assert not project.is_fresh()


def test_only_editable_builds_are_answered_from_the_store(check_out: CheckOut) -> None:
    project = check_out("bin-bindings")
    project.build("wheel")
    project.spy.clear()
    project.build("wheel")
    assert project.spy.calls("cargo")


@pytest.mark.parametrize("kind", ["wheel", "editable"])
@pytest.mark.parametrize("reuse", ["always", "never"])
def test_reuse(kind: str, reuse: str, check_out: CheckOut) -> None:
    project = check_out("bin-bindings")
    project.reproducible()
    project.settings(f'reuse = "{reuse}"')
    _, first = project.build(kind)
    project.spy.clear()
    _, second = project.build(kind)
    assert bool(project.spy.calls("cargo")) is (reuse == "never")
    assert first.read_bytes() == second.read_bytes()


def test_a_wheel_does_not_answer_for_an_editable_one(check_out: CheckOut) -> None:
    project = check_out("hello-pure")
    project.settings('reuse = "always"')
    _, wheel = project.build("wheel")
    _, editable = project.build("editable")
    assert wheels.names(wheel) != wheels.names(editable)


def test_another_copy_of_the_tree_is_not_mistaken_for_this_one(
    check_out: CheckOut, tmp_path: Path
) -> None:
    project = check_out("bin-bindings")
    other = check_out("bin-bindings", tmp_path / "copy")
    project.editable()
    other.edit()
    _, wheel = other.build("editable")
    shown = other.python(other.installed(wheel), other.sample.probe)
    assert shown == other.sample.shows[1]
    assert project.is_fresh()


@pytest.mark.freshness
def test_names_with_brackets(check_out: CheckOut) -> None:
    """`a [workspace]/Cargo.toml` is a path, and nothing stands behind it."""
    project = check_out("bin-bindings")
    crate, data = "a [workspace]", "data [whole].toml"
    package = '[package]\nname = "inner"\nversion = "0.1.0"\nedition = "2024"\n'
    project.write(f"{crate}/Cargo.toml", package)
    project.write(f"{crate}/src/lib.rs", 'pub const WORD: &str = "one";\n')
    project.write(data, "word = 1\n")
    project.write("build.rs", f'fn main() {{ println!("cargo:rerun-if-changed={data}"); }}\n')
    project.append("Cargo.toml", f'\n[dependencies]\ninner = {{ path = "{crate}" }}\n')
    project.run("cargo", "generate-lockfile", "--offline").ok()
    project.editable()
    assert project.is_fresh()
    for name, line in {
        f"{crate}/Cargo.toml": 'description = "other"\n',
        f"{crate}/src/lib.rs": "// one line\n",
        data: "more = 2\n",
    }.items():
        project.append(name, line)
        assert project.editable().verdict == f"stale: {name} changed"
        assert project.is_fresh()
