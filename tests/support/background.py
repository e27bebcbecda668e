"""A build that runs while the test does something else: edits, switches branches, kills it."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Callable

from . import asking, environment
from .project import CALL_HOOK, HookRun

if TYPE_CHECKING:
    from .project import Project

_SECONDS = 120

#: Code for a build script: it reports that it got here, and waits for permission to go on.
HOLD = """
    if let Some(folder) = std::env::var_os("HOLD_IN") {
        let folder = std::path::PathBuf::from(folder);
        std::fs::write(folder.join("here"), "").unwrap();
        while !folder.join("go").exists() {
            std::thread::sleep(std::time::Duration::from_millis(5));
        }
    }
"""


def let_it_be_held(project: Project) -> None:
    """Makes the build script of the last crate hold a build after it has read all inputs."""
    project.replace("build.rs", "fn set(", f"fn hold() {{{HOLD}}}\n\nfn set(")
    text = project.read("build.rs")
    end = text.index("}\n\nfn hold()")
    project.write("build.rs", f"{text[:end]}    hold();\n{text[end:]}")
    asking.forget_builds(project)


def start_held(project: Project) -> Build:
    """Starts a build and waits until its script holds it and its dependencies are compiled."""
    # Crates that compile in parallel with the script are finished soon after it holds the build.
    project.touch("build.rs")
    project.append("build.rs", "// once more\n")
    project.touch("../../crates/helper/src/lib.rs")
    project.spy.clear()
    build = Build(project, hold=True)
    build.wait_until_held()
    wait_for(lambda: "helper" in project.spy.compiled())
    time.sleep(1)
    return build


class Build:
    """A running `build_editable`."""

    def __init__(
        self,
        project: Project,
        *,
        venv: Path | None = None,
        hold: bool = False,
        stderr: int | None = None,
    ) -> None:
        self._project = project
        self.output = project.output_folder()
        self._notes = project.output_folder()
        self._answer = self._notes / "answer.json"
        venv = venv or project.bench.venv("newest")
        env = dict(project.env)
        env["PATH"] = os.pathsep.join([str(environment.scripts_folder(venv)), env["PATH"]])
        if hold:
            env["HOLD_IN"] = str(self._notes)
        arguments = json.dumps([[str(self.output), None], {}])
        self._command = [
            *(str(environment.python_in(venv)), str(CALL_HOOK), "wheelprint", "build_editable"),
            *(arguments, str(self._answer)),
        ]
        with (self._notes / "log").open("wb") as log:
            self._process = subprocess.Popen(
                self._command,
                cwd=project.root,
                env=env,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log if stderr is None else stderr,
                start_new_session=True,
            )

    @property
    def log(self) -> str:
        """The output so far."""
        return (self._notes / "log").read_text(errors="replace")

    def wait_until_held(self) -> None:
        """Waits until the build script holds the build."""
        wait_for(lambda: (self._notes / "here").exists() or self._process.poll() is not None)
        assert (self._notes / "here").exists(), self.log

    def go_on(self) -> None:
        (self._notes / "go").write_text("")

    def finish(self) -> HookRun:
        """Lets the build go on and waits for its end."""
        self.go_on()
        code = self._process.wait(_SECONDS)
        self._project.bench.made.keep_all(self.output)
        result = json.loads(self._answer.read_text()) if self._answer.exists() else None
        return HookRun(self._command, code, "", self.log, result)

    def wheel(self) -> Path:
        """Waits for the build, which must succeed, and returns the wheel."""
        return self.output / self.finish().ok().result

    def ends_within(self, seconds: float) -> bool:
        """Whether the build ends in that time. Kills it otherwise."""
        try:
            self._process.wait(seconds)
        except subprocess.TimeoutExpired:
            self.kill()
            return False
        return True

    def kill(self) -> None:
        """Kills the build and all its child processes, without a chance to clean up."""
        assert sys.platform != "win32"
        os.killpg(self._process.pid, signal.SIGKILL)
        self._process.wait(_SECONDS)


def wait_for(condition: Callable[[], bool]) -> None:
    """Waits until the condition is true; fails after a timeout."""
    end = time.monotonic() + _SECONDS
    while not condition():
        assert time.monotonic() < end, "waited for too long"
        time.sleep(0.01)
