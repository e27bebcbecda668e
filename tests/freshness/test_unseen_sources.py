"""Sources off the beaten track: patched, vendored, linked and generated ones, and extra inputs."""

from __future__ import annotations

import os
import shutil
import time
from typing import TYPE_CHECKING

import pytest
from support import asking, packages
from support.asking import set_mtime

if TYPE_CHECKING:
    from pathlib import Path

    from support.project import Project

pytestmark = [pytest.mark.spy, pytest.mark.freshness]

WORKSPACE = "../../Cargo.toml"
HELPER = "../../crates/helper"
WHOLE = "../../crates/whole"
ELSEWHERE = "../../vendor/elsewhere"
VENDOR = "../../vendor"


def test_a_patched_dependency_of_a_dependency(uncompiled: Project, tmp_path: Path) -> None:
    """Cargo's dep-info goes no further than the first package that is not local."""
    project = uncompiled
    _own_cargo_home(project, tmp_path / "cargo-home")
    inner, outer = tmp_path / "inner", tmp_path / "outer"
    for folder, source, more in (
        (inner, 'pub const INNER: &str = "inner 1";\n', ""),
        (
            outer,
            "pub const OUTER: &str = inner::INNER;\n",
            f'[dependencies]\ninner = {{ git = "{inner.as_uri()}" }}\n',
        ),
    ):
        packages.add(project, str(folder), source=source, more=more)
        asking.git(project, "init", "-q", cwd=folder)
        asking.git(project, "add", ".", cwd=folder)
        asking.git(project, "commit", "-qm", "first", cwd=folder)
    shutil.copytree(inner, project.path(f"{VENDOR}/inner"), ignore=shutil.ignore_patterns(".git"))
    packages.depend_on(project, f'outer = {{ git = "{outer.as_uri()}" }}')
    project.append(
        WORKSPACE, f'\n[patch."{inner.as_uri()}"]\ninner = {{ path = "vendor/inner" }}\n'
    )
    packages.show(project, "outer::OUTER.to_owned()")
    assert asking.anew(project).seen["edited"] == "inner 1"
    project.replace(f"{VENDOR}/inner/src/lib.rs", "inner 1", "inner 2")
    asking.must_see(project, "edited", "inner 2")


def _own_cargo_home(project: Project, home: Path) -> None:
    """What cargo fetches by git must not stay in the user's own; what it has of crates.io does."""
    said = project.run("cargo", "metadata", "--format-version", "1").ok().stdout
    real = said.partition("/registry/src/")[0].rpartition('"')[2]
    home.mkdir()
    (home / "registry").symlink_to(f"{real}/registry")
    project.env["CARGO_HOME"] = str(home)


def test_two_local_packages_of_one_name(uncompiled: Project) -> None:
    """Both with a script that names nothing."""
    project = uncompiled
    shutil.copytree(project.path(WHOLE), project.path(f"{VENDOR}/whole"))
    project.write(
        f"{VENDOR}/whole/Cargo.toml",
        '[package]\nname = "whole"\nversion = "2.0.0"\nedition = "2021"\n[workspace]\n',
    )
    packages.depend_on(project, 'other = { package = "whole", path = "../../vendor/whole" }')
    packages.show(project, "other::NOTES.to_owned()")
    assert asking.anew(project).seen["edited"] == "note 1"
    project.write(f"{VENDOR}/whole/notes/first.txt", "note 2\n")
    asking.must_see(project, "edited", "note 2")
    project.write(f"{WHOLE}/notes/first.txt", "note 3\n")
    asking.must_see(project, "notes", "note 3")


def test_a_local_build_dependency(uncompiled: Project) -> None:
    project = uncompiled
    packages.add(
        project,
        f"{VENDOR}/tool",
        version="2.0.0",
        source='pub const TOOL: &str = "tool 1";\n',
        more="[workspace]\n",
    )
    project.append(
        f"{HELPER}/Cargo.toml",
        '\n[build-dependencies]\ntool = { path = "../../vendor/tool" }\n',
    )
    packages.give_helper_a_script(project, "rerun-if-changed=build.rs", found="tool::TOOL")
    assert asking.anew(project).seen["found"] == "tool 1"
    project.replace(f"{VENDOR}/tool/src/lib.rs", "tool 1", "tool 2")
    asking.must_see(project, "found", "tool 2")


def test_a_path_dependency_through_a_link(uncompiled: Project) -> None:
    project = uncompiled
    shutil.copytree(project.path(ELSEWHERE), project.path(f"{VENDOR}/v2"))
    project.replace(f"{VENDOR}/v2/src/lib.rs", "elsewhere 1", "elsewhere 2")
    project.path(ELSEWHERE).rename(project.path(f"{VENDOR}/v1"))
    project.path(ELSEWHERE).symlink_to("v1")
    assert asking.anew(project).seen["elsewhere"] == "elsewhere 1"
    project.path(ELSEWHERE).unlink()
    project.path(ELSEWHERE).symlink_to("v2")
    asking.must_see(project, "elsewhere", "elsewhere 2")


def test_what_a_vendored_packages_script_watches(uncompiled: Project) -> None:
    """A directory source that is edited in place: cargo runs its build script again."""
    project = uncompiled
    packages.vendor_everything(project)
    source = 'pub const VEND: &str = env!("VEND");\n'
    folder = packages.add_vendored(project, "vend", "1.0.0", source)
    project.write(f"{folder}/value.txt", "one")
    project.write(
        f"{folder}/build.rs",
        """fn main() {
    println!("cargo::rerun-if-changed=value.txt");
    println!("cargo::rustc-env=VEND={}", std::fs::read_to_string("value.txt").unwrap());
}
""",
    )
    packages.depend_on(project, 'vend = "1"')
    packages.show(project, "vend::VEND.to_owned()")
    assert asking.anew(project).seen["edited"] == "one"
    project.write(f"{folder}/value.txt", "two")
    asking.must_see(project, "edited", "two")


def test_a_source_in_the_target_folder(uncompiled: Project) -> None:
    """Another tool's products may lie there too."""
    project = uncompiled
    project.write("../../target/generated/text.txt", "one")
    packages.show(project, 'include_str!("../../../target/generated/text.txt").to_owned()')
    assert asking.anew(project).seen["edited"] == "one"
    project.write("../../target/generated/text.txt", "two")
    asking.must_see(project, "edited", "two")


def test_an_edit_through_a_hard_link(uncompiled: Project) -> None:
    """The folder of the source is not touched, and the time is the one it was."""
    project = uncompiled
    project.path("elsewhere").mkdir()
    other = project.path("elsewhere/hard.rs")
    os.link(project.path("src/linked.rs"), other)
    asking.anew(project)
    time.sleep(2.5)
    asking.fresh(project)
    asking.fresh(project)
    before = other.stat().st_mtime_ns
    with other.open("r+") as file:
        file.write(other.read_text().replace("linked 1", "linked 2"))
    set_mtime(other, before)
    asking.must_see(project, "linked", "linked 2")


def test_folders_exchanged_with_old_times(uncompiled: Project) -> None:
    project = uncompiled
    shutil.copytree(project.path(f"{HELPER}/src"), project.path(f"{HELPER}/new"))
    project.replace(f"{HELPER}/new/lib.rs", "helper 1", "helper 2")
    asking.anew(project)
    time.sleep(2.5)
    asking.fresh(project)
    project.path(f"{HELPER}/src").rename(project.path(f"{HELPER}/old"))
    project.path(f"{HELPER}/new").rename(project.path(f"{HELPER}/src"))
    asking.must_see(project, "helper", "helper 2")


@pytest.mark.parametrize("spelling", ["./assets/undeclared.txt", "assets", "assets/"])
def test_an_extra_input_spelled_in_another_way(spelling: str, uncompiled: Project) -> None:
    uncompiled.settings(f'extra-inputs = ["{spelling}"]')
    asking.anew(uncompiled)
    uncompiled.write("assets/undeclared.txt", "undeclared 2\n")
    asking.must_see(uncompiled, "undeclared", "undeclared 2")


def test_an_absolute_extra_input_is_refused(uncompiled: Project) -> None:
    """As good as seeing it."""
    uncompiled.settings(f'extra-inputs = ["{uncompiled.root}/assets/undeclared.txt"]')
    run = uncompiled.hook("build_editable", uncompiled.output_folder(), None).failed()
    assert "extra-inputs" in run.stderr
    assert "absolute" in run.stderr


def test_an_extra_input_of_another_packages_script(uncompiled: Project) -> None:
    """It lies in the project's package, and a dependency's build script reads it."""
    project = uncompiled
    project.settings('extra-inputs = ["assets/schema.txt"]')
    project.write("assets/schema.txt", "one\n")
    packages.give_helper_a_script(
        project,
        "rerun-if-changed=build.rs",
        found='std::fs::read_to_string("../../bindings/python/assets/schema.txt").unwrap().trim()',
    )
    assert asking.anew(project).seen["found"] == "one"
    asking.build(project)
    project.write("assets/schema.txt", "two\n")
    asking.must_see(project, "found", "two")


def test_an_extra_input_above_the_project(uncompiled: Project) -> None:
    """A hidden folder below it, too."""
    project = uncompiled
    project.write("../../shared/.hidden/a.txt", "one")
    project.settings('extra-inputs = ["../../shared/**"]')
    asking.anew(project)
    asking.must_settle(project, 1)
    project.write("../../shared/.hidden/a.txt", "two")
    asking.stale(project)


@pytest.mark.parametrize("name", ["CARGO_PKG_OTHER", "CARGO_BIN_NAME", "CARGO_TARGET_TMPDIR"])
def test_a_variable_that_cargo_sets_for_other_crates_only(name: str, uncompiled: Project) -> None:
    """The environment's own value reaches a library."""
    project = uncompiled
    packages.show(project, f'option_env!("{name}").unwrap_or("unset").to_owned()')
    assert asking.anew(project).seen["edited"] == "unset"
    project.env[name] = "set"
    asking.must_see(project, "edited", "set")


def test_a_text_through_a_link_to_a_package_and_back(uncompiled: Project) -> None:
    """`link/../..` is a parent of where the link leads. By its name it is another file."""
    project = uncompiled
    project.write("../../shared/text.txt", "one")
    project.path(HELPER).rename(project.path("../../shared/helper"))
    project.path(HELPER).symlink_to("../shared/helper")
    project.write("../../crates/text.txt", "decoy")
    project.replace(f"{HELPER}/src/lib.rs", '"helper 1"', 'include_str!("../../text.txt")')
    assert asking.anew(project).seen["helper"] == "one"
    project.write("../../shared/text.txt", "two")
    asking.must_see(project, "helper", "two")


def test_a_module_through_a_link_and_back(uncompiled: Project) -> None:
    project = uncompiled
    module = 'pub const TEXT: &str = "{}";\n'
    project.write("../../lib/inner/some.rs", "")
    project.write("../../lib/common.rs", module.format("one"))
    project.write("src/common.rs", module.format("decoy"))
    project.path("src/ext").symlink_to("../../../lib/inner")
    project.append("src/lib.rs", '\n#[path = "ext/../common.rs"]\nmod common;\n')
    packages.show(project, "common::TEXT.to_owned()")
    assert asking.anew(project).seen["edited"] == "one"
    project.write("../../lib/common.rs", module.format("two"))
    asking.must_see(project, "edited", "two")
