"""What stands in the way of a build, in a line and with what to do: each cause, each command."""

from __future__ import annotations

import json
import os
import re
import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from support import environment, installed, schemas
from support.commands import wheelprint

if TYPE_CHECKING:
    from collections.abc import Callable

    from conftest import CheckOut
    from support.project import Project, Run
    from support.workbench import Workbench

pytestmark = pytest.mark.skipif(os.name == "nt", reason="programs are linked by symlink")


@dataclass(frozen=True)
class Cause:
    """Something that is wrong, and what has to be said of it."""

    name: str
    breaks: Callable[[Project], dict[str, Any]]
    says: str
    hint: str
    #: Does a change of the sources cause it? Then there is a reason why what is installed is stale.
    is_change: bool = False


def without(*programs: str) -> Callable[[Project], dict[str, Any]]:
    def breaks(project: Project) -> dict[str, Any]:
        path = project.env["PATH"]
        for program in programs:
            path = environment.path_without(program, path)
        return {"PATH": path, "MATURIN_NO_INSTALL_RUST": "1", "UV": str(project.bench.uv)}

    return breaks


def behind_rustup(**changes: str) -> Callable[[Project], dict[str, Any]]:
    def breaks(project: Project) -> dict[str, Any]:
        if shutil.which("rustup") is None:
            pytest.skip("no rustup")
        path = environment.path_without("maturin", environment.inherited()["PATH"])
        told = {
            name: value.format(folder=project.bench.folder / "state")
            for name, value in changes.items()
        }
        return {"PATH": path, "RUSTUP_AUTO_INSTALL": "0", **told}

    return breaks


def written(name: str, old: str, new: str) -> Callable[[Project], dict[str, Any]]:
    def breaks(project: Project) -> dict[str, Any]:
        project.replace(name, old, new)
        return {"CARGO_NET_OFFLINE": "true"}

    return breaks


def no_source(project: Project) -> dict[str, Any]:
    project.path("src/lib.rs").unlink()
    return {"CARGO_NET_OFFLINE": "true"}


CAUSES = [
    Cause("no cargo", without("cargo", "rustc"), "cargo: not found on PATH", "rustup.rs"),
    Cause(
        "no toolchain",
        behind_rustup(RUSTUP_TOOLCHAIN="1.31.0"),
        "rustc: toolchain '1.31.0",
        "rustup toolchain install",
    ),
    Cause(
        "no default toolchain",
        behind_rustup(RUSTUP_HOME="{folder}/rustup", RUSTUP_TOOLCHAIN=""),
        "rustc: rustup could not choose a version of rustc to run",
        "`rustup default stable`",
    ),
    Cause(
        "no TOML",
        written("Cargo.toml", "[package]", "[package"),
        "Cargo.toml:1:9: unclosed table",
        "correct that line",
    ),
    Cause(
        "a wrong type",
        written("Cargo.toml", 'name = "pure"', "name = 3"),
        "Cargo.toml:2:8: invalid type: integer `3`, expected a string",
        "correct that line",
        is_change=True,
    ),
    Cause(
        "no workspace member",
        written("Cargo.toml", "[features]", '[workspace]\nmembers = ["gone"]\n\n[features]'),
        "gone/Cargo.toml`: No such file or directory",
        "correct it",
        is_change=True,
    ),
    Cause("no source", no_source, "src/lib.rs", "lib.rs", is_change=True),
    Cause(
        "no such version",
        written("Cargo.toml", '"0.28.2"', '"99"'),
        'failed to select a version for the requirement `pyo3 = "^99"`',
        "choose a version that there is: 0.",
        is_change=True,
    ),
]


def named(cause: Cause) -> str:
    return cause.name.replace(" ", "-")


def assert_said(cause: Cause, text: str) -> None:
    """In few lines, with the hint."""
    words = " ".join(text.split())
    assert cause.says in words, text
    assert cause.hint in words, text
    assert "Stack backtrace" not in text, text


def refused(cause: Cause, run: Run) -> None:
    assert (run.code, run.stdout) == (2, ""), run.output
    assert_said(cause, run.stderr)
    assert len(run.stderr.strip().splitlines()) <= 3, run.stderr


@pytest.mark.first_build
@pytest.mark.parametrize("cause", CAUSES, ids=named)
def test_before_any_build(cause: Cause, check_out: CheckOut) -> None:
    project = check_out("pure")
    changes = cause.breaks(project)
    run = wheelprint(project, "status", "--json", **changes)
    assert run.code == 1, run.output
    said = json.loads(run.stdout)
    schemas.check("status", said)
    obstacle = said["next-sync"]["obstacle"]
    assert_said(cause, f"{obstacle['text']}\n{obstacle['hint']}")
    assert [reason["text"] for reason in said["reasons"]] == ["it is not installed"]
    assert_said(cause, wheelprint(project, "status", **changes).stdout)
    for command in ("keys", "explain"):
        run = wheelprint(project, command, **changes)
        # cargo was asked nothing that it needs rustc, a source or the registry for.
        if run.code != 0:
            refused(cause, run)
        else:
            assert cause.name in {"no source", "no such version"}, run.output
    project.switch_to_maturin()
    run = wheelprint(project, "init", "--yes", **changes)
    if run.code != 0:
        refused(cause, run)
    for command in (["cache", "info"], ["cache", "dir"]):
        wheelprint(project, *command, **changes).ok()


@pytest.mark.parametrize("hook", ["build_wheel", "build_editable", "build_sdist"])
@pytest.mark.parametrize("cause", CAUSES, ids=named)
def test_hooks(cause: Cause, hook: str, check_out: CheckOut) -> None:
    project = check_out("pure")
    changes = cause.breaks(project)
    folder = project.output_folder()
    arguments = (folder, None) if hook == "build_sdist" else (folder, None, None)
    run = project.hook(hook, *arguments, **changes)
    if run.code == 0:
        # An archive is packed without a compiler, and with what a lock file pins.
        assert hook == "build_sdist", run.output
        return
    assert_said(cause, run.stderr)
    assert "hint: " in run.last_line
    assert not list(folder.iterdir())


@pytest.mark.freshness
@pytest.mark.parametrize("cause", CAUSES, ids=named)
def test_after_a_build(cause: Cause, check_out: CheckOut) -> None:
    """Where there is still a yes or no it is given, and the cause beside it."""
    project = check_out("pure")
    editable = installed.synced(project)
    assert editable.imports().shows == "42"
    changes = cause.breaks(project)
    run = wheelprint(project, "status", "--json", **changes)
    if run.code == 2:
        assert not cause.is_change, run.output
        refused(cause, run)
    else:
        assert run.code == 1, run.output
        said = json.loads(run.stdout)
        schemas.check("status", said)
        obstacle = said["next-sync"]["obstacle"]
        assert_said(cause, f"{obstacle['text']}\n{obstacle['hint']}")
        assert "no folder is known" not in run.stdout
    for command in (["keys"], ["explain"]):
        run = wheelprint(project, *command, **changes)
        assert run.code == 0 or cause.says in run.stderr, run.output


def test_what_is_fresh_needs_no_cargo(check_out: CheckOut, tmp_path: Path) -> None:
    """The hook answers, and so does `status`, as long as rustc can be told to be the same."""
    project = check_out("pure")
    installed.synced(project)
    rustc = shutil.which("rustc", path=project.env["PATH"])
    assert rustc is not None
    (tmp_path / "rustc").symlink_to(rustc)
    path = environment.path_without("cargo", project.env["PATH"])
    changes = {"PATH": os.pathsep.join([str(tmp_path), path])}
    assert wheelprint(project, "status", **changes).ok().stdout.startswith("fresh: ")
    run, _ = project.build("editable", **changes)
    assert run.verdict.startswith("fresh: ")


# What needs no cargo


@pytest.fixture(scope="module")
def built(bench: Workbench, tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    """An sdist and a wheel of the sample, from before anything was wrong."""
    project = bench.check_out("pure")
    project.run("cargo", "generate-lockfile", "--offline").ok()
    folder = tmp_path_factory.mktemp("built")
    return [Path(shutil.copy(project.build(kind)[1], folder)) for kind in ("sdist", "wheel")]


@pytest.fixture
def tree(built: list[Path], check_out: CheckOut) -> Project:
    """The tree that they were built from."""
    project = check_out("pure")
    project.run("cargo", "generate-lockfile", "--offline").ok()
    return project


@pytest.mark.parametrize("cause", CAUSES, ids=named)
def test_verify_builds_nothing(cause: Cause, built: list[Path], tree: Project) -> None:
    """What hinders a build does not hinder `verify`: a broken source is one that changed, and of a
    rustc that does not run it says why it was not compared."""
    changes = cause.breaks(tree)
    is_of_sources = cause.is_change or cause.name == "no TOML"
    run = wheelprint(tree, "verify", *built, **changes)
    assert (run.code, run.stderr) == (int(is_of_sources), ""), run.output
    run = wheelprint(tree, "verify", "--json", built[1], **changes)
    said = json.loads(run.stdout)
    schemas.check("verify", said)
    if is_of_sources:
        changed = {reason["text"] for reason in said["differences"]}
        assert changed & {"Cargo.toml changed", "src/lib.rs is gone"}, changed
    else:
        assert said["differences"] == []
        (rustc,) = [one for one in said["not-compared"] if one["name"] == "rustc"]
        assert cause.says.partition(": ")[2] in rustc["cause"], rustc


@pytest.mark.parametrize("cause", CAUSES, ids=named)
def test_inspect_needs_nothing(cause: Cause, built: list[Path], tree: Project) -> None:
    changes = cause.breaks(tree)
    for artifact in built:
        run = wheelprint(tree, "inspect", artifact, **changes).ok()
        assert run.stderr == ""
        assert run.stdout.startswith("pure 0.1.0\n")


def test_a_broken_pyproject(built: list[Path], tree: Project) -> None:
    """`verify` needs it to know which sources are compared, and names the line; `inspect` does
    not read it."""
    tree.replace("pyproject.toml", "[build-system]", "[build-system")
    run = wheelprint(tree, "verify", *built)
    assert (run.code, run.stdout) == (2, ""), run.output
    where = re.escape(str(tree.path("pyproject.toml")))
    # Once, though it is so for both.
    (error,) = run.stderr.strip().splitlines()
    assert re.match(rf"error: {where}:\d+:\d+: unclosed table", error), error
    for artifact in built:
        wheelprint(tree, "inspect", artifact).ok()
