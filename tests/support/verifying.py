"""What `verify --json` says of artifacts; all of one project must have one fingerprint."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from . import archives, wheels
from .commands import wheelprint
from .schemas import check

if TYPE_CHECKING:
    from pathlib import Path

    from .project import Project


def verify(
    project: Project, *artifacts: Path, source: str | Path = ".", **changes: Any
) -> list[dict[str, Any]]:
    """What `verify --json` says of each, which agrees with its exit code."""
    run = wheelprint(project, "verify", "--json", *artifacts, "--source", source, **changes)
    assert run.code in (0, 1), run.output
    said: dict[str, Any] = json.loads(run.stdout)
    check("verify", said)
    assert said["verified"] is (run.code == 0)
    found: list[dict[str, Any]] = said["artifacts"] if len(artifacts) > 1 else [said]
    return found


def names(said: dict[str, Any]) -> set[str]:
    return {reason["name"] for reason in said["differences"]}


def assert_one(built: archives.Built) -> None:
    """The same fingerprint, inputs and sources, by every record."""
    tree, unpacked = wheels.record(built.from_tree), wheels.record(built.from_sdist)
    assert tree.get("untrusted", []) == unpacked.get("untrusted", []) == []
    assert tree["inputs"] == unpacked["inputs"]
    assert tree["watches"] == unpacked["watches"]
    assert tree == unpacked
    sources = archives.record(built.sdist)["source"]
    assert sources["files"] == tree["source"]["files"]
    assert sources == tree["source"]


def assert_verified(project: Project, built: archives.Built, **changes: Any) -> None:
    """Every one against the tree and against every other one."""
    for source in (project.root, *built.all):
        for said in verify(project, *built.all, source=source, **changes):
            assert said["verified"], (source, said)
