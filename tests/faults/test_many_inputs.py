"""A hundred thousand inputs: every answer is right, and time and memory are bounded."""

from __future__ import annotations

import json
import sys
import time
import zipfile
from functools import partial
from typing import TYPE_CHECKING, Any

import pytest
from support import environment
from support.commands import wheelprint
from support.peak import Peak

if TYPE_CHECKING:
    from conftest import CheckOut
    from support.project import Project

COUNT = 100_000
MEMORY = 1 << 30
#: Of one command on a slow machine under load; it is some seconds on a quiet one.
SECONDS = 100


def lay_out(project: Project) -> None:
    project.settings('extra-inputs = ["data/**"]')
    for number in range(COUNT):
        if number % 500 == 0:
            folder = project.path(f"data/{number // 500:03}")
            folder.mkdir(parents=True)
        (folder / f"{number:06}").write_text(str(number))


@pytest.mark.skipif(sys.platform == "win32", reason="no resource module")
def test_a_hundred_thousand_inputs(check_out: CheckOut) -> None:
    project = check_out("every-input")
    lay_out(project)
    peak = Peak(project.output_folder() / "peak")
    took: dict[str, float] = {}

    def timed(name: str, run: Any) -> Any:
        start = time.monotonic()
        done = run()
        took[name] = round(time.monotonic() - start, 1)
        assert took[name] < SECONDS, took
        return done

    _, wheel = timed("build", lambda: project.build("editable", prefix=peak.prefix))
    assert timed("fresh", lambda: project.is_fresh(prefix=peak.prefix))

    # The import check.
    folder = project.output_folder()
    with zipfile.ZipFile(wheel) as archive:
        archive.extractall(folder)
    python = environment.python_in(project.bench.venv())
    code = "import site, sys; site.addsitedir(sys.argv[1]); import every_input"
    command = (*peak.prefix, python, "-c", code, folder)

    def imported(name: str) -> Any:
        return timed(name, lambda: project.run(*command, cwd=folder, WHEELPRINT_ON_STALE="error"))

    imported("first import").ok()
    imported("import").ok()

    for arguments in (("status", "--json"), ("explain", "--json"), ("keys", "--check")):
        asked = partial(wheelprint, project, *arguments, prefix=peak.prefix)
        run = timed(arguments[0], asked)
        assert run.code in (0, 1), run.stderr
        if "--json" in arguments:
            json.loads(run.stdout)
        if "explain" in arguments:
            assert run.stdout.count("data/") >= COUNT

    # One of them changed, one is gone, one is new.
    changed = project.path("data/100/050123")
    assert changed.exists()
    for change in (
        lambda: changed.write_text("another"),
        lambda: project.path("data/000/000007").unlink(),
        lambda: project.write("data/199/new", ""),
    ):
        change()
        assert "is stale" in imported("stale import").failed().stderr
        run, wheel = timed("stale", lambda: project.build("editable", prefix=peak.prefix))
        assert run.verdict.startswith("stale: data/"), run.verdict
        with zipfile.ZipFile(wheel) as archive:
            archive.extractall(folder)
        imported("import").ok()
    took["MiB"] = peak.bytes() >> 20
    print(took)
    assert took["MiB"] < MEMORY >> 20, took
