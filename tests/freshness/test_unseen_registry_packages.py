"""Packages that are not local: from a registry, vendored, or fetched by git."""

from __future__ import annotations

import shutil
from typing import TYPE_CHECKING

import pytest
from support import asking, packages
from support.asking import LONG_AGO, set_mtime

if TYPE_CHECKING:
    from pathlib import Path

    from support.project import Project

pytestmark = [pytest.mark.spy, pytest.mark.freshness]

VEND = 'pub const VEND: &str = "one";\n'


def vendor_one_more(project: Project, source: str, script: str = "") -> str:
    """The project depends on it, and the module says what it says: its folder."""
    packages.vendor_everything(project)
    folder = packages.add_vendored(project, "vend", "1.0.0", source)
    if script:
        project.write(f"{folder}/build.rs", script)
    packages.depend_on(project, 'vend = "1"')
    packages.show(project, "vend::VEND.to_owned()")
    return folder


def move_to_cargos_home(project: Project, home: Path) -> None:
    """The directory source, so that its packages are as those that cargo unpacks."""
    source = home / "registry" / "src" / "vendored"
    source.parent.mkdir(parents=True)
    shutil.move(str(project.path("../../vendored")), str(source))
    old = 'directory = "vendored"'
    project.replace("../../.cargo/config.toml", old, f'directory = "{source}"')
    project.env["CARGO_HOME"] = str(home)


def build_by_hand(project: Project) -> None:
    project.run("cargo", "rustc", "--release", "--lib", "--crate-type", "cdylib").ok()


def forget_notes(project: Project) -> None:
    """What was noted of the target folder."""
    for note in project.cache.glob("notes/*"):
        note.unlink()


@pytest.mark.parametrize("before", ["cargo by hand", "notes deleted", "another cache"])
def test_a_variable(before: str, uncompiled: Project, tmp_path: Path) -> None:
    """It was compiled with another value, and nothing is noted of that."""
    project = uncompiled
    vendor_one_more(
        project,
        'pub const VEND: &str = match option_env!("READ_BY_VEND") '
        '{ Some(text) => text, None => "unset" };\n',
    )
    project.env["READ_BY_VEND"] = "one"
    if before == "cargo by hand":
        build_by_hand(project)
    else:
        assert asking.anew(project).seen["edited"] == "one"
    asking.forget_builds(project)
    if before == "notes deleted":
        forget_notes(project)
    if before == "another cache":
        project.env["WHEELPRINT_CACHE_DIR"] = str(tmp_path / "cache")
    project.env["READ_BY_VEND"] = "two"
    asking.must_see(project, "edited", "two")


@pytest.mark.parametrize("before", ["cargo by hand", "notes deleted"])
def test_a_file_that_its_script_watches(before: str, uncompiled: Project, tmp_path: Path) -> None:
    """An absolute path, as in PYO3_CONFIG_FILE, with an old time; and nothing is noted of it."""
    project = uncompiled
    value = tmp_path / "value.txt"
    value.write_text("one")
    set_mtime(value, LONG_AGO)
    vendor_one_more(
        project,
        'pub const VEND: &str = env!("VEND");\n',
        f"""fn main() {{
    println!("cargo::rerun-if-changed={value}");
    println!("cargo::rustc-env=VEND={{}}", std::fs::read_to_string("{value}").unwrap());
}}
""",
    )
    move_to_cargos_home(project, tmp_path / "cargo-home")
    if before == "cargo by hand":
        build_by_hand(project)
    else:
        assert asking.anew(project).seen["edited"] == "one"
    asking.forget_builds(project)
    forget_notes(project)
    value.write_text("two")
    set_mtime(value, LONG_AGO)
    asking.must_see(project, "edited", "two")


def fresh_or_seen(project: Project) -> None:
    """A blind spot, but the record must not name the new content for the old code."""
    built = asking.build(project)
    fresh = built.verdict.startswith("fresh: ")
    assert fresh or built.seen["edited"] == "two", (built.verdict, built.seen["edited"])


def test_a_vendored_source_edited_in_place(uncompiled: Project) -> None:
    """Either it is not seen at all, or it reaches the module."""
    project = uncompiled
    folder = vendor_one_more(project, VEND)
    assert asking.anew(project).seen["edited"] == "one"
    project.write(f"{folder}/src/lib.rs", VEND.replace("one", "two"))
    fresh_or_seen(project)


def test_a_git_dependency_edited_in_place(uncompiled: Project, tmp_path: Path) -> None:
    """In cargo's own checkout of it."""
    project = uncompiled
    inner, home = tmp_path / "inner", tmp_path / "cargo-home"
    (inner / "src").mkdir(parents=True)
    (inner / "src/lib.rs").write_text(VEND)
    manifest = '[package]\nname = "inner"\nversion = "1.0.0"\nedition = "2021"\n'
    (inner / "Cargo.toml").write_text(manifest)
    for command in (("init", "-q"), ("add", "."), ("commit", "-qm", "first")):
        asking.git(project, *command, cwd=inner)
    packages.depend_on(project, f'inner = {{ git = "{inner.as_uri()}" }}')
    packages.show(project, "inner::VEND.to_owned()")
    project.env["CARGO_HOME"] = str(home)
    project.run("cargo", "metadata", "--format-version", "1").ok()
    assert asking.anew(project).seen["edited"] == "one"
    asking.build(project)
    [source] = home.glob("git/checkouts/*/*/src/lib.rs")
    source.write_text(VEND.replace("one", "two"))
    fresh_or_seen(project)


@pytest.mark.parametrize("time", ["a new time", "an old time"])
def test_a_local_package_called_as_one_of_the_registry(time: str, uncompiled: Project) -> None:
    """Which is used too."""
    project = uncompiled
    folder = "../../crates/shlex"
    packages.add(project, folder, version="9.0.0", source=VEND)
    packages.depend_on(project, 'shlex = { path = "../../crates/shlex" }')
    packages.show(project, "shlex::VEND.to_owned()")
    assert asking.anew(project).seen["edited"] == "one"
    source = project.write(f"{folder}/src/lib.rs", VEND.replace("one", "two"))
    if time == "an old time":
        set_mtime(source, LONG_AGO)
    asking.must_see(project, "edited", "two")


def test_registry_sources_are_no_inputs(uncompiled: Project, tmp_path: Path) -> None:
    """Cargo.lock pins them, and what CI keeps of cargo's home leaves registry/src out."""
    project = uncompiled
    home = tmp_path / "cargo-home"
    project.env["CARGO_HOME"] = str(home)
    project.run("cargo", "metadata", "--format-version", "1").ok()
    asking.anew(project)
    asking.must_settle(project, 1)
    shutil.rmtree(home / "registry/src")
    asking.must_settle(project, 1)


def test_the_first_build_with_a_new_cargo_home(uncompiled: Project, tmp_path: Path) -> None:
    """Everything in it is made during the build; the next one is fresh."""
    uncompiled.env["CARGO_HOME"] = str(tmp_path / "cargo-home")
    asking.anew(uncompiled)
    asking.must_settle(uncompiled, 1)


def test_an_extra_input_does_not_compile_them_again(uncompiled: Project) -> None:
    """Whatever reads it, a vendored package does not."""
    project = uncompiled
    vendor_one_more(project, VEND)
    project.settings('extra-inputs = ["assets/undeclared.txt"]')
    asking.anew(project)
    project.write("assets/undeclared.txt", "more\n")
    project.spy.clear()
    run, _ = project.build("editable")
    assert not project.spy.compiled() & {"vend", "cc"}, (run.verdict, project.spy.compiled())
