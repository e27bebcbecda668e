"""Edits in the moments when a build has looked at a file and not yet begun, and the like.

Such moments last microseconds. Here they are held open by means that anybody's machine has.
"""

from __future__ import annotations

import contextlib
import os
import sys
import time
from typing import TYPE_CHECKING

import pytest
from support import asking
from support.asking import LONG_AGO, set_mtime
from support.background import HOLD, Build, wait_for

if TYPE_CHECKING:
    from support.project import Project

pytestmark = [pytest.mark.spy, pytest.mark.freshness]

HELPER = "../../crates/helper/src/lib.rs"


class Stopper:
    """A pipe as a process's stderr: when it is full, the next line it says stops it."""

    _SIZE = 4096

    def __init__(self) -> None:
        fcntl = pytest.importorskip("fcntl")
        if not hasattr(fcntl, "F_SETPIPE_SZ"):
            pytest.skip("a pipe's size can't be set here")
        self.read_end, self.write_end = os.pipe()
        fcntl.fcntl(self.write_end, fcntl.F_SETPIPE_SZ, self._SIZE)
        # A description of its own, so that only we don't wait.
        self._filling = os.open(f"/proc/self/fd/{self.write_end}", os.O_WRONLY | os.O_NONBLOCK)
        self.said = ""

    def read_until(self, text: str) -> None:
        while text not in self.said:
            self.said += os.read(self.read_end, 1).decode(errors="replace")

    def fill(self) -> None:
        with contextlib.suppress(BlockingIOError):
            for _ in range(2 * self._SIZE):
                os.write(self._filling, b"\n")

    def let_go(self) -> None:
        os.close(self._filling)
        os.close(self.write_end)
        with os.fdopen(self.read_end, errors="replace") as rest:
            self.said += rest.read()


@pytest.mark.skipif(sys.platform != "linux", reason="stops it by a pipe of known size")
def test_an_edit_after_the_look_at_what_cargo_would_not_see(every_input: Project) -> None:
    """Cargo's fingerprints were compared with the sources; then one changes, with an old time."""
    project = every_input
    asking.build(project)
    project.replace("src/linked.rs", "linked 1", "linked 2")
    set_mtime(project.path("src/linked.rs"), LONG_AGO)
    project.env["WHEELPRINT_LOG"] = "debug"
    stopper = Stopper()
    build = Build(project, stderr=stopper.write_end)
    stopper.read_until("the project was built here before\n")
    stopper.fill()
    # The next thing to be said is of the look.
    time.sleep(3)
    project.replace(HELPER, "helper 1", "helper 2")
    set_mtime(project.path(HELPER), LONG_AGO)
    time.sleep(0.2)
    stopper.let_go()
    raced = asking.ask(project, build.wheel())
    rest = stopper.said.strip().rpartition("built here before\n")[2].strip()
    assert rest.startswith("wheelprint: every-input: cargo's clock can't be relied on"), rest
    assert raced["linked"] == "linked 2"
    del project.env["WHEELPRINT_LOG"]
    built = asking.stale(project)
    assert "changed while it was being built" in built.verdict
    assert built.seen["helper"] == "helper 2"


def test_pyproject_toml_changed_while_another_build_is_waited_for(every_input: Project) -> None:
    """It was read before the wait; maturin reads it afterwards."""
    project = every_input
    project.replace("build.rs", "fn set(", f"fn hold() {{{HOLD}}}\n\nfn set(")
    project.replace("build.rs", "fn main() {", "fn main() {\n    hold();")
    project.write("OTHER.md", "First.\n")
    first = Build(project, hold=True)
    first.wait_until_held()
    second = Build(project)
    wait_for(lambda: "waiting for another build" in second.log)
    project.replace("pyproject.toml", "README.md", "OTHER.md")
    first.wheel()
    second.wheel()
    assert "pyproject.toml changed while a build was waited for" in second.log
    assert asking.build(project).verdict.startswith("stale: pyproject.toml changed while")
    project.write("OTHER.md", "Second.\n")
    run, _ = project.build("editable")
    assert "OTHER.md changed" in run.verdict
