"""A project whose folder was renamed, moved, copied or deleted after it was installed."""

from __future__ import annotations

import dataclasses
import json
import shutil
import sys
import time
from typing import TYPE_CHECKING, Any

import pytest
from support import installed, schemas
from support.commands import wheelprint
from support.installed import Editable

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from conftest import CheckOut
    from support.project import Project

pytestmark = [
    pytest.mark.freshness,
    pytest.mark.skipif(sys.platform == "win32", reason="folders in use are not renamed"),
]


@pytest.fixture
def project(check_out: CheckOut) -> Project:
    return check_out("pure")


@pytest.fixture
def places(project: Project) -> Iterator[tuple[Path, Path]]:
    """Where the tree lies, and where it goes; it is put back after the test."""
    old, new = project.root, project.root.with_name("moved")
    yield old, new
    if new.exists():
        shutil.rmtree(old, ignore_errors=True)
        new.rename(old)


def at(project: Project, root: Path) -> Project:
    return dataclasses.replace(project, root=root)


def status(project: Project, *arguments: str) -> dict[str, Any]:
    run = wheelprint(project, "status", "--json", *arguments)
    said: dict[str, Any] = json.loads(run.stdout)
    schemas.check("status", said)
    assert run.code == (0 if said["verdict"] == "fresh" else 1), run.output
    return said


def test_moved_with_its_environment(project: Project, places: tuple[Path, Path]) -> None:
    """Both name the two folders and `uv sync`, which mends it; moved back, nothing is wrong."""
    old, new = places
    installed.synced(project)
    old.rename(new)
    moved = at(project, new)
    said = status(moved)
    assert [reason["text"] for reason in said["reasons"]] == [
        f"the project has moved: from {old}, which is installed, to {new}"
    ]
    hint = "`uv sync` installs it from here"
    assert said["moved"] == {"from": str(old), "to": str(new), "gone": True, "hint": hint}
    assert hint in " ".join(wheelprint(moved, "status").stdout.split())

    imported = Editable(moved, new / ".venv").imports()
    assert imported.shows == "42"
    warning = (
        f"warning: pure was installed from {old}, which is gone: the project has moved to {new}; "
        "`uv sync` there installs it anew"
    )
    assert imported.said == [warning]
    for policy, says in {"warn": [warning], "ignore": []}.items():
        assert Editable(moved, new / ".venv").imports(WHEELPRINT_ON_STALE=policy).said == says
    refused = Editable(moved, new / ".venv").imports(WHEELPRINT_ON_STALE="error")
    assert f"ImportError: {warning.partition(' ')[2]}" in refused.run.failed().stderr

    new.rename(old)
    assert status(project)["verdict"] == "fresh"
    Editable(project, old / ".venv").is_quiet("42")

    old.rename(new)
    moved.uv("sync").ok()
    assert (status(moved)["verdict"], status(moved)["moved"]) == ("fresh", None)
    Editable(moved, new / ".venv").is_quiet("42")


def test_moved_with_many_sources(project: Project, places: tuple[Path, Path]) -> None:
    """An import then looks at the sources relative to the project's folder, which is gone."""
    old, new = places
    for number in range(40):
        project.write(f"src/part{number}.rs", "")
        project.append("src/lib.rs", f"mod part{number};\n")
    editable = installed.install(project)
    # Until the files are at rest, nothing is remembered.
    time.sleep(2.5)
    editable.is_quiet("42")
    old.rename(new)
    for policy in ("rebuild", "warn"):
        assert "which is gone" in editable.imports(WHEELPRINT_ON_STALE=policy).said[0]
    refused = editable.imports(WHEELPRINT_ON_STALE="error").run.failed()
    assert "which is gone" in refused.stderr


def test_the_python_files_are_gone_too(check_out: CheckOut, tmp_path: Path) -> None:
    """Nothing can be imported. The error says why, after one warning at most."""
    project = check_out("hello-pure")
    editable = installed.install(project)
    old, new = project.root, project.root.with_name("moved")
    old.rename(new)
    try:
        text = f"hello-pure was installed from {old}, which is gone: "
        for policy, times in {"rebuild": 2, "warn": 2, "error": 1, "ignore": 1}.items():
            command = editable.command("import hello_pure")
            said = project.run(*command, cwd=tmp_path, WHEELPRINT_ON_STALE=policy).failed().stderr
            assert said.count(text) == times, said
            # What catches a missing module catches this, too, unless the policy refuses it first.
            kind = "ImportError" if policy == "error" else "ModuleNotFoundError"
            assert f"{kind}: {text}" in said
    finally:
        new.rename(old)


def test_the_environment_lies_elsewhere(project: Project, places: tuple[Path, Path]) -> None:
    old, new = places
    editable = installed.install(project)
    old.rename(new)
    moved = at(project, new)
    said = status(moved, "--python", str(editable.venv))
    assert said["moved"]["gone"] is True
    # From elsewhere nobody knows where it went; from within it is found.
    text = editable.imports().said[0]
    assert f"{old}, which is gone: it was moved or deleted; `uv sync` where it lies now" in text
    run = moved.run(*editable.command(), UV=project.bench.uv).ok()
    assert f"has moved to {new};" in run.stderr
    shutil.rmtree(moved.root / "src")
    assert editable.imports().shows == "42"


def test_a_copy_beside_the_tree(project: Project, tmp_path: Path) -> None:
    """What is installed is the other tree's, where nothing is wrong."""
    editable = installed.synced(project)
    copy = at(project, tmp_path / "copy")
    skipped = shutil.ignore_patterns("target", ".venv")
    shutil.copytree(project.root, copy.root, ignore=skipped)
    said = status(copy, "--python", str(editable.venv))
    assert said["moved"]["gone"] is False
    text = f"another folder is installed: {project.root}, and not {copy.root}"
    assert [reason["text"] for reason in said["reasons"]] == [text]
    assert (status(project)["verdict"], status(project)["moved"]) == ("fresh", None)
    editable.is_quiet("42")


def test_a_link_to_the_tree_is_no_move(project: Project, tmp_path: Path) -> None:
    installed.synced(project)
    link = tmp_path / "link"
    link.symlink_to(project.root)
    said = status(at(project, link))
    assert (said["verdict"], said["moved"]) == ("fresh", None)


def test_installed_by_pip(project: Project, places: tuple[Path, Path]) -> None:
    old, new = places
    editable = installed.install_with_pip(project)
    old.rename(new)
    moved = at(project, new)
    said = status(moved, "--python", str(editable.venv))
    assert said["moved"]["hint"] == "`pip install -e .` installs it from here"
    assert "`pip install -e .` where it lies now" in editable.imports().said[0]
    moved.pip(editable.venv, "install", "-e", new).ok()
    said = status(moved, "--python", str(editable.venv))
    assert (said["verdict"], said["moved"]) == ("fresh", None)
