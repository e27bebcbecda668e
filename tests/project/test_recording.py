"""The recording that README.md shows: the picture is of the session, and the session is real."""

from __future__ import annotations

import json
import os
import sys
from typing import TYPE_CHECKING

import pytest
import recording
from support import environment
from test_docs import normal

if TYPE_CHECKING:
    from pathlib import Path

    from conftest import CheckOut


def test_the_picture_is_of_the_session() -> None:
    session = json.loads((recording.PICTURES / "session.json").read_text(encoding="utf-8"))
    drawn = (recording.PICTURES / "session.svg").read_text(encoding="utf-8")
    assert recording.draw(session) == drawn
    assert [step["command"] for step in session] == list(recording.SHOWN)


@pytest.mark.freshness  # It compiles pyo3 in a place of its own.
@pytest.mark.skipif(sys.platform != "linux", reason="the session is for a shell on Linux")
def test_the_session_is_what_the_commands_print(check_out: CheckOut, tmp_path: Path) -> None:
    project = check_out("hello-pure")
    scripts = environment.scripts_folder(project.bench.venv())
    programs = tmp_path / "programs"
    programs.mkdir()
    for program in (scripts / "wheelprint", project.bench.uv):
        (programs / program.name).symlink_to(program)
    path = os.pathsep.join([str(programs), project.env["PATH"]])

    def run(command: str, folder: Path) -> str:
        return (
            project.run("sh", "-c", f"{command} 2>&1", cwd=folder, PATH=path, NO_COLOR="1")
            .ok()
            .stdout
        )

    session = json.loads((recording.PICTURES / "session.json").read_text(encoding="utf-8"))
    for recorded, played in zip(session, recording.play(run, tmp_path)):
        assert list(map(normal, recorded["printed"])) == list(map(normal, played["printed"]))
