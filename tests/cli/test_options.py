"""The options that every command has, with uv's names."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest
from support.commands import wheelprint

if TYPE_CHECKING:
    from conftest import CheckOut
    from support.project import Project

RED = "\x1b[31m"


@pytest.fixture
def project(check_out: CheckOut) -> Project:
    return check_out("pure")


def test_colour_is_as_asked_for(project: Project) -> None:
    def output(*options: str, **changes: str) -> str:
        return wheelprint(project, *options, "verify", "no.whl", **changes).failed().output

    assert RED not in output()
    assert RED in output("--color", "always")
    assert RED in output("--color", "always", NO_COLOR="1")
    assert RED not in output("--color", "never", FORCE_COLOR="1")
    refused = wheelprint(project, "--color", "red", "status").failed()
    assert "possible values: auto, always, never" in refused.output


def test_quiet_prints_errors_and_data(project: Project) -> None:
    said = wheelprint(project, "status", "--quiet")
    assert (said.code, said.output) == (1, "")
    said = wheelprint(project, "-q", "status", "--json")
    assert json.loads(said.stdout)["verdict"] != "fresh"
    assert wheelprint(project, "cache", "dir", "-q").ok().stdout.strip() == str(project.cache)
    said = wheelprint(project, "-q", "verify", "no.whl")
    assert (said.code, said.stdout) == (2, "")
    assert said.stderr.startswith("error: ")
    both = wheelprint(project, "-q", "-v", "status").failed()
    assert "cannot be used with" in both.stderr


def test_another_folder_is_named(project: Project) -> None:
    elsewhere = project.bench.folder
    here = wheelprint(project, "status")
    there = project.run(*here.command, "--directory", project.root, cwd=elsewhere)
    assert (there.code, there.stdout) == (here.code, here.stdout)
    refused = wheelprint(project, "--directory", "no-such", "status").failed()
    assert "no-such: no such folder" in refused.stderr


def test_manual_pages(project: Project) -> None:
    page = wheelprint(project, "man").ok().stdout
    assert page.startswith((".ie", ".TH", ".\\"))
    assert ".TH wheelprint 1" in page
    page = wheelprint(project, "man", "shared", "push").ok().stdout
    assert "wheelprint-shared-push" in page
    refused = wheelprint(project, "man", "shred").failed()
    assert refused.stderr.startswith("error: wheelprint man: there is no command `shred`")
