"""Target folders in other places and layouts, and what lies in them when it is not as usual."""

from __future__ import annotations

import shutil
from typing import TYPE_CHECKING, Any

import pytest
from support import asking, packages, toolchains

if TYPE_CHECKING:
    from pathlib import Path

    from support.project import Project

pytestmark = [pytest.mark.spy, pytest.mark.freshness]

DERIVE = "../../crates/derive"
HELPER = "../../crates/helper"
CONFIG = ".cargo/config.toml"


def test_dep_info_with_a_base(uncompiled: Project) -> None:
    """Its paths are then relative ones."""
    uncompiled.write(CONFIG, '[build]\ndep-info-basedir = "."\n')
    asking.anew(uncompiled)
    asking.build(uncompiled)
    uncompiled.replace("src/linked.rs", "linked 1", "linked 2")
    asking.must_see(uncompiled, "linked", "linked 2")


def test_a_build_folder(uncompiled: Project) -> None:
    uncompiled.write(CONFIG, '[build]\nbuild-dir = "made/build"\n')
    asking.anew(uncompiled)
    uncompiled.env["READ_BY_CRATE"] = "set"
    asking.must_see(uncompiled, "variable", "set")


def test_a_build_folder_and_a_target_folder_by_argument(uncompiled: Project) -> None:
    uncompiled.write(CONFIG, '[build]\nbuild-dir = "made/build"\n')
    settings = {"build-args": "--target-dir made/target"}
    asking.anew(uncompiled, settings)
    asking.build(uncompiled, settings)
    uncompiled.env["READ_BY_CRATE"] = "set"
    asking.must_see(uncompiled, "variable", "set", settings=settings)


@pytest.mark.parametrize("how", ["in pyproject.toml", "as an argument"])
def test_the_target_folder_by_configuration(how: str, uncompiled: Project) -> None:
    """An old build in `target` must not be taken for the one that was made elsewhere."""
    project = uncompiled
    asking.anew(project)
    line = "build.target-dir='made/other'"
    settings: dict[str, Any] | None = None
    if how == "in pyproject.toml":
        project.replace(
            "pyproject.toml", "[tool.maturin]\n", f'[tool.maturin]\nconfig = ["{line}"]\n'
        )
    else:
        settings = {"build-args": ["--config", line]}
    project.write("src/added.rs", 'pub const TEXT: &str = "added 1";\n')
    project.replace("src/lib.rs", "mod sub;", "mod sub;\nmod added;")
    packages.show(project, "added::TEXT.to_owned()")
    asking.must_see(project, "edited", "added 1", settings=settings)
    asking.build(project, settings)
    project.write("src/added.rs", 'pub const TEXT: &str = "added 2";\n')
    asking.must_see(project, "edited", "added 2", settings=settings)


def test_a_linked_target_folder_and_generated_code(uncompiled: Project) -> None:
    """Fresh where nothing changed, too: what is generated is a product under either name."""
    project = uncompiled
    project.replace(
        "build.rs",
        "fn main() {",
        'fn main() {\n    let out = env::var("OUT_DIR").unwrap();\n'
        '    fs::write(format!("{out}/gen.rs"), "pub const GEN: &str = \\"gen\\";").unwrap();\n',
    )
    project.replace(
        "src/lib.rs", "mod sub;", 'mod sub;\ninclude!(concat!(env!("OUT_DIR"), "/gen.rs"));'
    )
    packages.show(project, "GEN.to_owned()")
    real = project.bench.folder / "state" / "real-target"
    real.mkdir(parents=True)
    link = project.path("../../made/link")
    link.parent.mkdir()
    link.symlink_to(real)
    project.env["CARGO_TARGET_DIR"] = str(link)
    assert asking.anew(project).seen["edited"] == "gen"
    asking.must_settle(project, 3)
    project.replace("build.rs", '\\"gen\\"', '\\"more\\"')
    asking.must_see(project, "edited", "more")


def test_rustcs_dep_info_removed(uncompiled: Project) -> None:
    project = uncompiled
    asking.anew(project)
    dep_info = project.compiled_files("deps/*.d", "out/*.d")
    assert dep_info
    for path in dep_info:
        path.unlink()
    asking.anew(project)
    project.env["READ_BY_CRATE"] = "set"
    asking.must_see(project, "variable", "set")


def test_the_new_layout_of_the_build_folder(uncompiled: Project) -> None:
    project = uncompiled
    toolchains.new_layout(project)
    shutil.rmtree(project.target)
    asking.forget_builds(project)
    asking.build(project)
    asking.build(project)
    project.env["READ_BY_CRATE"] = "set"
    project.env["WATCHED_BY_SCRIPT"] = "set"
    asking.must_see(project, "variable", "set")
    asking.must_see(project, "script_variable", "set")


def test_a_layout_that_is_not_known(uncompiled: Project, tmp_path: Path) -> None:
    """All is made anew, and the user is told."""
    project = uncompiled
    for name in toolchains.variables(project.bench.build_folders):
        project.env.pop(name)
    folder = project.target / "release"
    cargo = tmp_path / "cargo"
    # Either layout has one of these.
    cargo.write_text(
        f"""#!/bin/sh
move() {{
    for name in .fingerprint build; do
        [ ! -d "{folder}/$1$name" ] || mv "{folder}/$1$name" "{folder}/$2$name"
    done
}}
move of-tomorrow ''
'{project.spy.programs / "cargo"}' "$@"
code=$?
move '' of-tomorrow
exit $code
"""
    )
    cargo.chmod(0o755)
    project.env["CARGO"] = str(cargo)
    built = asking.anew(project)
    warning = "wheelprint: warning: this cargo lays out its build folder in a way that is not known"
    assert built.stderr.count(warning) == 1, built.stderr
    asking.replace_old(project, f"{HELPER}/src/lib.rs", "helper 1", "helper 2")
    built = asking.must_see(project, "helper", "helper 2")
    assert built.stderr.count(warning) == 1, built.stderr
    for unknown in folder.glob("of-tomorrow*"):
        shutil.rmtree(unknown)


@pytest.mark.parametrize("how", ["configuration", "variable", "argument"])
def test_cargo_lock_in_another_place(how: str, uncompiled: Project) -> None:
    """`resolver.lockfile-path`, which cargo 1.97 has; older ones have it as an unstable feature."""
    project = uncompiled
    project.env.update(RUSTC_BOOTSTRAP="1", CARGO_UNSTABLE_LOCKFILE_PATH="true")
    settings: dict[str, Any] | None = None
    if how == "configuration":
        project.write(CONFIG, '[resolver]\nlockfile-path = "locks/Cargo.lock"\n')
    elif how == "variable":
        project.env["CARGO_RESOLVER_LOCKFILE_PATH"] = "locks/Cargo.lock"
    else:
        line = "resolver.lockfile-path='locks/Cargo.lock'"
        settings = {"build-args": ["--config", line]}
    project.write("locks/Cargo.lock", project.read("../../Cargo.lock"))
    asking.anew(project, settings)
    asking.build(project, settings)
    asking.fresh(project, settings)
    project.replace("locks/Cargo.lock", "version = 4", "version = 3")
    assert "locks/Cargo.lock" in asking.stale(project, settings).verdict


def test_fingerprints_by_content(uncompiled: Project) -> None:
    """Cargo looks at digests of sources, not at their times."""
    project = uncompiled
    project.env.update(RUSTC_BOOTSTRAP="1", CARGO_UNSTABLE_CHECKSUM_FRESHNESS="true")
    asking.anew(project)
    asking.must_settle(project)
    asking.replace_old(project, f"{HELPER}/src/lib.rs", "helper 1", "helper 2")
    asking.must_see(project, "helper", "helper 2")
    project.replace("src/linked.rs", "linked 1", "linked 2")
    asking.must_see(project, "linked", "linked 2")
    project.env["READ_BY_CRATE"] = "set"
    project.env["WATCHED_BY_SCRIPT"] = "set"
    built = asking.must_see(project, "variable", "set")
    assert built.seen["script_variable"] == "set"


def _macro_with_option_env(project: Project) -> None:
    project.write(
        f"{DERIVE}/src/word.rs",
        'pub const WORD: &str = match option_env!("READ_BY_MACRO") '
        '{ Some(text) => text, None => "unset" };\n',
    )


def _macro_with_a_script(project: Project, instruction: str) -> None:
    project.write(
        f"{DERIVE}/build.rs",
        f"""fn main() {{
    {instruction}
    let value = std::env::var("READ_BY_MACRO")
        .or_else(|_| std::fs::read_to_string("value.txt")).unwrap_or("unset".into());
    println!("cargo::rustc-env=FOUND_BY_MACRO={{}}", value.trim());
}}
""",
    )
    project.write(f"{DERIVE}/src/word.rs", 'pub const WORD: &str = env!("FOUND_BY_MACRO");\n')


@pytest.mark.parametrize("how", ["option_env", "its build script watches", "the script names none"])
def test_a_macro_where_a_target_is_named(how: str, uncompiled: Project) -> None:
    """What runs on the host lies in another folder than what is made for the target."""
    project = uncompiled
    project.write(CONFIG, f'[build]\ntarget = "{toolchains.host()}"\n')
    if how == "option_env":
        _macro_with_option_env(project)
    elif how == "its build script watches":
        watch = 'println!("cargo::rerun-if-env-changed=READ_BY_MACRO");'
        _macro_with_a_script(project, watch)
    else:
        _macro_with_a_script(project, "")
    assert asking.anew(project).seen["macro"] == "unset"
    if how == "the script names none":
        project.write(f"{DERIVE}/value.txt", "set")
    else:
        project.env["READ_BY_MACRO"] = "set"
    asking.must_see(project, "macro", "set")


def test_another_tools_folder_called_as_one_of_cargo(uncompiled: Project) -> None:
    """A folder `build` in the target folder that is not cargo's."""
    project = uncompiled
    text = project.target / "codegen" / "build" / "text.txt"
    text.parent.mkdir(parents=True)
    text.write_text("one")
    packages.show(project, 'include_str!("../../../target/codegen/build/text.txt").to_owned()')
    try:
        assert asking.anew(project).seen["edited"] == "one"
        text.write_text("two")
        asking.must_see(project, "edited", "two")
    finally:
        shutil.rmtree(project.target / "codegen")


def test_a_dependency_that_is_a_shared_library_too(uncompiled: Project) -> None:
    """Its files bear no hash, so that those with other features overwrite them."""
    project = uncompiled
    library = f"{HELPER}/src/lib.rs"
    more = '\n[features]\nx = []\n[lib]\ncrate-type = ["cdylib", "rlib"]\n'
    project.append(f"{HELPER}/Cargo.toml", more)
    value = '= if cfg!(feature = "x") { "one with" } else { "one" }'
    project.replace(library, '= "helper 1"', value)
    assert asking.anew(project).seen["helper"] == "one"
    plain = "helper.workspace = true"
    loud = 'helper = { workspace = true, features = ["x"] }'
    project.replace("Cargo.toml", plain, loud)
    asking.must_see(project, "helper", "one with")
    text = project.read(library)
    asking.write_old(project, library, text.replace('"one', '"two'))
    project.replace("Cargo.toml", loud, plain)
    asking.must_see(project, "helper", "two")
    project.replace("Cargo.toml", plain, loud)
    asking.must_see(project, "helper", "two with")
    asking.write_old(project, library, text)
    asking.must_see(project, "helper", "one with")
    project.replace("Cargo.toml", loud, plain)
    asking.must_see(project, "helper", "one")


def test_a_build_by_hand_for_a_member_that_wants_a_feature(uncompiled: Project) -> None:
    """It depends on the last crate as a Rust library, and cargo overwrites the module."""
    project = uncompiled
    project.replace("Cargo.toml", 'crate-type = ["cdylib"]', 'crate-type = ["cdylib", "rlib"]')
    dependency = 'every-input = { path = "../../bindings/python", features = ["loud"] }'
    packages.add(project, "../../crates/tool", more=f"[dependencies]\n{dependency}\n")
    project.write("../../crates/tool/src/main.rs", "fn main() { let _ = _native::seen(); }\n")
    assert asking.anew(project).seen["feature"] == "false"
    project.run("cargo", "build", "--release", "-p", "tool").ok()
    asking.forget_builds(project)
    asking.must_see(project, "feature", "false")
    project.run("cargo", "build", "--release", "-p", "tool").ok()
    asking.replace_old(project, f"{HELPER}/src/lib.rs", "helper 1", "helper 2")
    asking.must_see(project, "helper", "helper 2")
    asking.must_see(project, "feature", "false")
