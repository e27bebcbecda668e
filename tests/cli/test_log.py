"""`wheelprint log`: what became of the last calls, as it really was."""

from __future__ import annotations

import dataclasses
import json
import shutil
from typing import TYPE_CHECKING, Any

import pytest
from support import direct_cargo, schemas
from support.commands import wheelprint

if TYPE_CHECKING:
    from conftest import CheckOut
    from support.project import Project


def events(project: Project, *arguments: str) -> list[dict[str, Any]]:
    said = json.loads(wheelprint(project, "log", "--json", *arguments).ok().stdout)
    schemas.check("log", said)
    found: list[dict[str, Any]] = said["events"]
    return found


def test_what_uv_asked_for(check_out: CheckOut) -> None:
    project = check_out("pure")
    assert events(project) == []
    said = wheelprint(project, "log").ok().stdout
    assert said == "No frontend has asked for a build of this tree yet.\n"

    project.uv("sync").ok()
    project.uv("sync", "--reinstall-package", "pure").ok()
    fresh, built = events(project)
    assert (built["by"], built["hook"]) == ("uv", "build_editable")
    assert (built["outcome"], built["why"]) == ("by-maturin", ["no earlier build to compare with"])
    assert built["seconds"] > fresh["seconds"]
    assert (fresh["outcome"], fresh["why"], fresh["reasons"]) == ("stored", [], 0)

    project.edit()
    project.uv("sync", "--reinstall-package", "pure").ok()
    project.write(project.sample.source, "no Rust")
    project.uv("sync", "--reinstall-package", "pure").failed()
    broken, edited = events(project, "--number", "2")
    assert edited["outcome"] == ("by-maturin" if direct_cargo.IS_OFF else "by-cargo")
    assert edited["why"] == ["src/answer.rs changed"]
    assert broken["outcome"] == "failed"
    assert "reported an error" in broken["error"]

    lines = wheelprint(project, "log").ok().stdout.splitlines()
    assert lines[0].split() == ["when", "asked", "by", "took", "result"]
    assert [line.split("  ")[-1] for line in lines if "just now" in line] == [
        *("failed", lines[3].split("  ")[-1], "fresh", "built by maturin")
    ]
    assert "  src/answer.rs changed" in lines


def test_who_asked(check_out: CheckOut) -> None:
    project = check_out("pure")
    project.editable()
    project.editable(PIP_BUILD_TRACKER="/tmp/x")
    project.editable(_WHEELPRINT_REBUILD=str(project.root))
    found = [(event["by"], event["outcome"]) for event in events(project)]
    assert [by for by, _ in found][:2] == ["import", "pip"]
    assert [outcome for _, outcome in found] == ["stored", "stored", "by-maturin"]


@pytest.mark.first_build
def test_another_tree_has_its_own(check_out: CheckOut) -> None:
    project = check_out("pure")
    project.editable()
    other = project.path("../../../other")
    shutil.rmtree(other, ignore_errors=True)
    shutil.copytree(project.path("../.."), other)
    moved = dataclasses.replace(project, root=other / "bindings" / "python")
    assert events(moved) == []
    moved.editable()
    assert [event["outcome"] for event in events(moved)] == ["stored-by-another-tree"]
    assert len(events(project)) == 1


def test_a_damaged_log_is_no_failure(check_out: CheckOut) -> None:
    project = check_out("pure")
    project.editable()
    (log,) = project.cache.glob("projects/*/trees/*/log")
    log.write_bytes(b"\xff\xfe{}\n" + log.read_bytes() + b'{"at": ')
    assert [event["outcome"] for event in events(project)] == ["by-maturin"]
    project.editable()
    assert len(events(project)) == 1
    project.editable()
    assert len(events(project)) == 2
