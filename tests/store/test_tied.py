"""Builds that depend on the place of their tree: another tree is never given them."""

from __future__ import annotations

import dataclasses
import json
import subprocess
import sys
import time
import zipfile
from typing import TYPE_CHECKING

import pytest
from support import asking
from support.commands import program, wheelprint

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from conftest import CheckOut
    from support.project import Project

SAMPLE = "cffi-bindings"
#: The module returns a number that the compiler or the build script found.
NUMBER = 'env!("NUMBER").len() as u32 + left - left + right - right'


def shows_a_number(project: Project, script: str) -> None:
    project.replace("src/lib.rs", "left.wrapping_add(right)", NUMBER)
    project.write("build.rs", script)


def tied(project: Project) -> list[str]:
    """Why no other tree can use the build."""
    said: list[str] = json.loads(wheelprint(project, "explain", "--json").ok().stdout)["tied"]
    return said


def each_has_its_own(trees: dict[str, Project]) -> None:
    """Each tree is built, and its build is found again when all have been built."""
    for number, tree in trees.items():
        run, wheel = tree.build("editable")
        assert asking.probe(tree, wheel) == number, run.verdict
        assert tied(tree) != []
    for number, tree in trees.items():
        assert asking.probe(tree, asking.fresh(tree)) == number


# Files of the checkout above the project

SCRIPT = """
use std::{env, fs, path::Path};
fn main() {
    let project = env::var("CARGO_MANIFEST_DIR").unwrap();
    let file = Path::new(&project).parent().unwrap().parent().unwrap().join("number.txt");
    println!("cargo::rerun-if-changed={}", file.display());
    println!("cargo::rustc-env=NUMBER={}", fs::read_to_string(file).unwrap().trim());
}
"""


def by_a_build_script(project: Project) -> None:
    shows_a_number(project, SCRIPT)


def by_a_variable_of_cargo(project: Project) -> None:
    line = 'FILE = { value = "number.txt", relative = true }'
    project.write("../../.cargo/config.toml", f"[env]\n{line}\n")
    number = NUMBER.replace("env!", "include_str!").replace('"NUMBER"', 'env!("FILE")')
    project.replace("src/lib.rs", "left.wrapping_add(right)", number)


@pytest.mark.parametrize("reads", [by_a_build_script, by_a_variable_of_cargo])
def test_a_file_above_the_project(
    reads: Callable[[Project], None], check_out: CheckOut, tmp_path: Path
) -> None:
    trees = {"3": check_out(SAMPLE), "5": check_out(SAMPLE, tmp_path / "other")}
    for number, tree in trees.items():
        reads(tree)
        tree.write("../../number.txt", "x" * int(number))
    each_has_its_own(trees)


# Git

ASKS_GIT = """
use std::process::Command;
fn git(what: &str) -> String {
    let output = Command::new("git").args(["rev-parse", what, "HEAD"]).output().unwrap();
    let text = String::from_utf8(output.stdout).unwrap();
    text.lines().next().unwrap().to_owned()
}
fn main() {
    println!("cargo::rerun-if-changed={}/HEAD", git("--git-dir"));
    println!("cargo::rustc-env=NUMBER={}", git("--abbrev-ref"));
}
"""


def test_a_build_script_that_asks_git(check_out: CheckOut, tmp_path: Path) -> None:
    """The name of the branch: no file of the tree differs."""
    main = check_out(SAMPLE)
    shows_a_number(main, ASKS_GIT)
    main.write("../../.gitignore", "target\n")
    asking.git(main, "init", "-q")
    asking.git(main, "add", ".")
    asking.git(main, "commit", "-qm", "all")
    trees = {"4": main}
    for branch in ("three", "second"):
        folder = tmp_path / branch
        asking.git(main, "worktree", "add", "-q", "-b", branch, str(folder))
        trees[str(len(branch))] = dataclasses.replace(main, root=folder / "bindings" / "python")
    each_has_its_own(trees)
    for tree in trees.values():
        (reason,) = tied(tree)
        assert reason.startswith("the build reads ../../"), reason
        assert reason.endswith("HEAD, a file of git that differs between trees"), reason


# Path files


def test_a_path_file_of_a_wheel_without_a_table(check_out: CheckOut, tmp_path: Path) -> None:
    """A program with Python sources: only its path file names the tree."""
    trees = [check_out("bin-bindings"), check_out("bin-bindings", tmp_path / "other")]
    for tree in trees:
        settings = '[tool.maturin]\npython-source = "py"\nmodule-name = "bin_bindings"\n'
        tree.replace("pyproject.toml", "[tool.maturin]\n", settings)
        tree.write("py/bin_bindings/__init__.py", "")
    for build in (lambda tree: tree.build("editable")[1], asking.fresh):
        for tree in trees:
            with zipfile.ZipFile(build(tree)) as archive:
                paths = [
                    line
                    for name in archive.namelist()
                    if name.endswith(".pth")
                    for line in archive.read(name).decode().splitlines()
                    if not line.startswith("import ")
                ]
            assert paths == [str(tree.path("py"))]


@pytest.mark.skipif(sys.platform == "win32", reason="makes a symlink")
def test_a_tree_that_was_moved_and_left_a_link(check_out: CheckOut, tmp_path: Path) -> None:
    tree = check_out(SAMPLE, tmp_path / "old")
    _, wheel = tree.build("editable")
    assert asking.probe(tree, wheel) == "8"
    (tmp_path / "old").rename(tmp_path / "new")
    (tmp_path / "old").symlink_to("new")
    moved = dataclasses.replace(tree, root=tmp_path / "new" / "bindings" / "python")
    with zipfile.ZipFile(asking.fresh(moved)) as archive:
        told = b"".join(
            archive.read(name)
            for name in archive.namelist()
            if name.endswith((".pth", ".editable/inputs"))
        )
    assert str(tmp_path / "new").encode() in told
    assert str(tmp_path / "old").encode() not in told
    moved.edit()
    run, wheel = moved.build("editable")
    assert run.verdict == "stale: src/lib.rs changed"
    assert asking.probe(moved, wheel) == "15"


# Promises: the frontend was told that it needs no maturin


def _last_stored(project: Project) -> Path:
    """The wheel that was stored last."""
    wheels = project.cache.glob("projects/*/wheels/*/*.whl")
    return max(wheels, key=lambda wheel: wheel.stat().st_mtime_ns)


def test_a_wheel_that_is_gone_is_not_promised(check_out: CheckOut) -> None:
    project = check_out("bin-bindings")
    project.editable()
    stored = _last_stored(project)
    stored.unlink()
    hook = "get_requires_for_build_editable"
    (asked,) = project.hook(hook, None, venv=None).ok().result
    assert asked.startswith("maturin")
    missing = "the stored wheel is missing"
    (reason,) = json.loads(wheelprint(project, "status", "--json").stdout)["next-sync"]["reasons"]
    assert (reason["reason"], reason["text"]) == ("wheel-missing", missing)
    said = "The stored wheel is missing: the next build makes it again.\n"
    assert said in wheelprint(project, "explain").ok().stdout
    assert project.editable().verdict == f"stale: {missing}"
    assert said not in wheelprint(project, "explain").ok().stdout
    assert project.hook(hook, None, venv=None).ok().result == []


def test_a_wheel_that_is_gone_is_named_after_all_hooks(check_out: CheckOut) -> None:
    """The metadata is prepared in a process of its own, which finds the same."""
    project = check_out("bin-bindings")
    project.editable()
    project.append("README.md", "\nanother text\n")
    stored = _last_stored(project)
    stored.unlink()
    project.hook("prepare_metadata_for_build_editable", project.output_folder()).ok()
    verdict = project.editable().verdict
    assert verdict == "stale: README.md changed, the stored wheel is missing"


def test_a_wheel_that_is_damaged_is_named(check_out: CheckOut) -> None:
    project = check_out("bin-bindings")
    project.editable()
    stored = _last_stored(project)
    stored.write_bytes(b"damaged")
    assert project.editable().verdict == "stale: the stored wheel is damaged"
    assert project.is_fresh()


def test_a_wheel_that_goes_between_the_hooks(check_out: CheckOut) -> None:
    """The promise can't be kept. The error says what is missing, and the next build asks for it."""
    project = check_out("bin-bindings")
    project.editable()
    hook = "get_requires_for_build_editable"
    assert project.hook(hook, None, venv=None).ok().result == []
    stored = _last_stored(project)
    stored.unlink()
    folder = project.output_folder()
    run = project.hook("build_editable", folder, None, venv=None).failed()
    assert "maturin" in run.last_line
    assert "Traceback" not in run.stderr
    (asked,) = project.hook(hook, None, venv=None).ok().result
    assert asked.startswith("maturin")
    project.editable()


def test_cleaning_another_tree_waits_for_a_promise(check_out: CheckOut, tmp_path: Path) -> None:
    tree = check_out(SAMPLE)
    _, wheel = tree.build("editable")
    other = check_out(SAMPLE, tmp_path / "other")
    asking.fresh(other)
    hook = "get_requires_for_build_editable"
    assert tree.hook(hook, None, venv=None).ok().result == []
    command = [str(program(other)), "cache", "clean"]
    cleaning = subprocess.Popen(command, cwd=other.root, env=other.env, stdout=subprocess.DEVNULL)
    time.sleep(1)
    assert cleaning.poll() is None
    # An edit after the promise is seen by the next build.
    tree.edit()
    _, kept = tree.build("editable", venv=None)
    assert asking.probe(tree, kept) == asking.probe(tree, wheel) == "8"
    assert cleaning.wait(30) == 0
    assert not list(tree.cache.glob("projects/*/wheels/*"))
    assert tree.hook(hook, None, venv=None).ok().result != []
