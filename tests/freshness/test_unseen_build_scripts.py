"""Build scripts: what they watch in ways that are easily misread, and what they are made of."""

from __future__ import annotations

import shutil
import time
from typing import TYPE_CHECKING

import pytest
from support import asking, packages

if TYPE_CHECKING:
    from support.project import Project

pytestmark = [pytest.mark.spy, pytest.mark.freshness]

HELPER = "../../crates/helper"
WHOLE = "../../crates/whole"


def test_an_indented_instruction(uncompiled: Project) -> None:
    """Cargo trims the lines that a script prints."""
    project = uncompiled
    project.write(
        f"{HELPER}/build.rs",
        r"""fn main() {
    print!("
        cargo::rerun-if-changed=build.rs
        cargo::rerun-if-env-changed=WATCHED_BY_HELPER
        cargo::rustc-env=FOUND_BY_HELPER={}
    ", std::env::var("WATCHED_BY_HELPER").unwrap_or("unset".into()));
}
""",
    )
    assert asking.anew(project).seen["found"] == "unset"
    project.env["WATCHED_BY_HELPER"] = "set"
    asking.must_see(project, "found", "set")


def test_an_indented_path(uncompiled: Project) -> None:
    project = uncompiled
    project.write("../../outside.txt", "one\n")
    project.write(
        f"{HELPER}/build.rs",
        r"""fn main() {
    print!("
        cargo::rerun-if-changed=../../outside.txt
        cargo::rustc-env=FOUND_BY_HELPER={}
    ", std::fs::read_to_string("../../outside.txt").unwrap().trim());
}
""",
    )
    assert asking.anew(project).seen["found"] == "one"
    project.write("../../outside.txt", "two\n")
    asking.must_see(project, "found", "two")


def test_an_empty_folder_in_a_watched_folder(uncompiled: Project) -> None:
    project = uncompiled
    project.write(f"{HELPER}/plugins/one/some.txt", "")
    project.write(
        f"{HELPER}/build.rs",
        r"""fn main() {
    println!("cargo::rerun-if-changed=plugins");
    let mut names: Vec<String> = std::fs::read_dir("plugins").unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
    names.sort();
    println!("cargo::rustc-env=FOUND_BY_HELPER={}", names.join(","));
}
""",
    )
    assert asking.anew(project).seen["found"] == "one"
    project.path(f"{HELPER}/plugins/two").mkdir()
    asking.must_see(project, "found", "one,two")


def test_a_tagged_cache_in_a_watched_folder(uncompiled: Project) -> None:
    """Backups leave such a folder out; cargo does not."""
    project = uncompiled
    tag = "Signature: 8a477f597d28d172789f06886806bc55\n"
    try:
        project.write("words/made/CACHEDIR.TAG", tag)
        project.write("words/made/third.txt", "three")
        asking.anew(project)
        project.write("words/made/third.txt", "four")
        built = asking.build(project)
    finally:
        shutil.rmtree(project.path("words/made"))
    assert "third:four" in built.seen["words"], built.verdict


def test_a_file_called_pyproject_toml_in_a_watched_folder(uncompiled: Project) -> None:
    """A template, say, whose text is embedded: a comment in it counts."""
    project = uncompiled
    project.write("words/pyproject.toml", "# one")
    assert "pyproject:# one" in asking.anew(project).seen["words"]
    project.write("words/pyproject.toml", "# two")
    built = asking.build(project)
    assert "pyproject:# two" in built.seen["words"], built.verdict


def test_names_nothing_and_a_link_to_a_folder(uncompiled: Project) -> None:
    project = uncompiled
    project.path(f"{WHOLE}/notes").rename(project.path("../../shared-notes"))
    project.path(f"{WHOLE}/notes").symlink_to("../../shared-notes")
    assert asking.anew(project).seen["notes"] == "note 1"
    project.write("../../shared-notes/first.txt", "note 2\n")
    asking.must_see(project, "notes", "note 2")


@pytest.mark.parametrize("why", ["include names it", "the manifest is not tracked"])
def test_names_nothing_and_git_ignores_it_but_cargo_does_not(why: str, uncompiled: Project) -> None:
    project = uncompiled
    project.write("../../.gitignore", "target\n*.txt\n")
    asking.git(project, "init", "-q")
    if why == "include names it":
        project.append(f"{WHOLE}/Cargo.toml", 'include = ["src", "notes"]\n')
        asking.git(project, "add", ".")
    asking.git(project, "commit", "-qm", "first", "--allow-empty")
    asking.anew(project)
    asking.build(project)
    time.sleep(0.1)
    project.write(f"{WHOLE}/notes/first.txt", "note 2\n")
    asking.must_see(project, "notes", "note 2")


def test_watching_the_package_folder_and_asking_git(uncompiled: Project) -> None:
    """`rerun-if-changed=.` holds .git too, for cargo."""
    project = uncompiled
    folder = project.path(HELPER)
    project.write("../../.gitignore", "target\n")
    asking.git(project, "init", "-q", cwd=folder)
    project.write(
        f"{HELPER}/build.rs",
        r"""fn main() {
    println!("cargo::rerun-if-changed=.");
    let git = std::process::Command::new("git").args(["rev-parse", "HEAD"]).output().unwrap();
    println!("cargo::rustc-env=FOUND_BY_HELPER={}", String::from_utf8(git.stdout).unwrap().trim());
}
""",
    )
    asking.git(project, "add", ".", cwd=folder)
    asking.git(project, "commit", "-qm", "one", cwd=folder)
    asking.anew(project)
    asking.git(project, "commit", "-qm", "two", "--allow-empty", cwd=folder)
    head = asking.git(project, "rev-parse", "HEAD", cwd=folder).strip()
    asking.must_see(project, "found", head)


def test_a_watched_path_through_a_link_and_back(uncompiled: Project) -> None:
    """`link/..` is the parent of where the link leads, for everybody who opens it."""
    project = uncompiled
    project.write("../../other/deep/some.txt", "")
    project.write("../../other/some.txt", "one")
    project.path(f"{HELPER}/link").symlink_to("../../other/deep")
    packages.give_helper_a_script(
        project,
        "rerun-if-changed=link/../some.txt",
        found='std::fs::read_to_string("link/../some.txt").unwrap()',
    )
    assert asking.anew(project).seen["found"] == "one"
    project.write("../../other/some.txt", "two")
    asking.must_see(project, "found", "two")


def test_a_link_on_the_way_to_a_watched_file_is_turned(uncompiled: Project) -> None:
    """Both files have old times."""
    project = uncompiled
    for name in ("one", "two"):
        asking.write_old(project, f"{HELPER}/{name}/some.txt", name)
    link = project.path(f"{HELPER}/link")
    link.symlink_to("one")
    packages.give_helper_a_script(
        project,
        "rerun-if-changed=link/some.txt",
        found='std::fs::read_to_string("link/some.txt").unwrap()',
    )
    assert asking.anew(project).seen["found"] == "one"
    link.unlink()
    link.symlink_to("two")
    asking.must_see(project, "found", "two")


def test_option_env_in_a_build_script(uncompiled: Project) -> None:
    """rustc's dep-info of a script lies in `build`, not in `deps`."""
    project = uncompiled
    project.replace(
        "build.rs",
        'set("SCRIPT", SCRIPT)',
        'set("SCRIPT", option_env!("READ_BY_SCRIPT").unwrap_or("unset"))',
    )
    project.replace("build.rs", 'const SCRIPT: &str = "script 1";\n', "")
    assert asking.anew(project).seen["script"] == "unset"
    project.env["READ_BY_SCRIPT"] = "set"
    asking.must_see(project, "script", "set")


def test_a_build_scripts_module_through_a_link(uncompiled: Project) -> None:
    project = uncompiled
    project.replace(
        "build.rs",
        'const SCRIPT: &str = "script 1";\n',
        '#[path = "scripts/part.rs"]\nmod part;\n',
    )
    project.replace("build.rs", 'set("SCRIPT", SCRIPT)', 'set("SCRIPT", part::PART)')
    for name in ("one", "two"):
        project.write(f"scripts/{name}.rs", f'pub const PART: &str = "{name}";\n')
    link = project.path("scripts/part.rs")
    link.symlink_to("one.rs")
    assert asking.anew(project).seen["script"] == "one"
    link.unlink()
    link.symlink_to("two.rs")
    asking.must_see(project, "script", "two")


def test_path_where_a_script_watches_it(uncompiled: Project) -> None:
    """PATH is no input unless a script says so."""
    project = uncompiled
    packages.give_helper_a_script(
        project,
        "rerun-if-env-changed=PATH",
        found='std::env::var("PATH").unwrap().matches("/no-such-folder").count()',
    )
    assert asking.anew(project).seen["found"] == "0"
    project.env["PATH"] += ":/no-such-folder"
    asking.must_see(project, "found", "1")


def test_a_compilers_variable_that_a_script_does_not_name(uncompiled: Project) -> None:
    """It counts, but cargo does not look at it: the script has to run all the same."""
    project = uncompiled
    packages.give_helper_a_script(
        project,
        "rerun-if-changed=build.rs",
        found='std::env::var("LDFLAGS").unwrap_or_default()',
    )
    asking.anew(project)
    project.env["LDFLAGS"] = "-lfoo"
    asking.must_see(project, "found", "-lfoo")


def test_a_table_of_another_tool_in_a_watched_manifest(uncompiled: Project) -> None:
    """As system-deps and others do: [package.metadata.TOOL] is their configuration."""
    project = uncompiled
    manifest = f"{HELPER}/Cargo.toml"
    project.append(manifest, '\n[package.metadata.tool]\nvalue = "one"\n')
    packages.give_helper_a_script(
        project,
        "rerun-if-changed=Cargo.toml",
        found='std::fs::read_to_string("Cargo.toml").unwrap()'
        '.split("value = \\"").nth(1).unwrap().split(\'"\').next().unwrap()',
    )
    assert asking.anew(project).seen["found"] == "one"
    project.replace(manifest, 'value = "one"', 'value = "two"')
    asking.must_see(project, "found", "two")


def test_a_manifest_that_the_last_crates_script_watches(uncompiled: Project) -> None:
    """Its lints change nothing of the code, but the script embeds the text."""
    project = uncompiled
    project.replace(
        "build.rs",
        "fn main() {",
        'fn main() {\n    println!("cargo::rerun-if-changed=Cargo.toml");',
    )
    project.replace(
        "build.rs",
        'set("SCRIPT", SCRIPT);',
        'set("SCRIPT", &fs::read_to_string("Cargo.toml").unwrap().len().to_string());',
    )
    asking.anew(project)
    project.append("Cargo.toml", '\n[lints.clippy]\nall = "warn"\n')
    asking.must_see(project, "script", str(len(project.read("Cargo.toml"))))
