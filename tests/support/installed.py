"""A project as an editable install, and the output and effects of its import."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from . import environment, terminals

if TYPE_CHECKING:
    from pathlib import Path

    from .project import Project, Run

#: The variable in which `uv run` gives its own path.
_UV = "UV"


@dataclass(frozen=True)
class Imported:
    """A process that imported the package."""

    run: Run

    @property
    def shows(self) -> str:
        """The output of the probe."""
        return self.run.ok().stdout.strip()

    @property
    def is_renewed(self) -> bool:
        """Whether it says that another module is installed: a new one, or one of the store."""
        return bool(re.match(r"rebuilt |[\w-]+ needed no build", self.said[-1]))

    @property
    def said(self) -> list[str]:
        """The messages of wheelprint, with seconds replaced."""
        lines = self.run.stderr.splitlines()
        own = [line for line in lines if line.startswith("wheelprint: ")]
        return [re.sub(r"\d+\.\d s", "N s", line[len("wheelprint: ") :]) for line in own]


def seen(imported: Imported) -> dict[str, str]:
    """The inputs that the module of the sample with every kind of input returns."""
    found: dict[str, str] = json.loads(imported.shows)
    return found


def hear_interrupts() -> None:
    # A background process of a shell ignores interrupts, and its children inherit that.
    signal.signal(signal.SIGINT, signal.SIG_DFL)


@dataclass
class Editable:
    """A virtual environment with an editable install of the project in it."""

    project: Project
    venv: Path

    @property
    def python(self) -> Path:
        return environment.python_in(self.venv)

    @property
    def site(self) -> Path:
        """The site-packages of the environment."""
        code = "import sysconfig; print(sysconfig.get_path('purelib'))"
        python = self.project.run(self.python, "-I", "-c", code)
        return type(self.venv)(python.ok().stdout.strip())

    def command(self, code: str | None = None) -> list[str]:
        return [str(self.python), "-c", code or self.project.sample.probe]

    def environment(self, **changes: Any) -> dict[str, str]:
        changes = {_UV: self.project.bench.uv, **changes}
        return environment.with_changes(self.project.env, changes)

    def imports(self, code: str | None = None, **changes: Any) -> Imported:
        """Runs the sample's probe, or other code that imports the package, in a new process."""
        changes = {_UV: self.project.bench.uv, **changes}
        return Imported(self.project.run(*self.command(code), cwd=self.venv, **changes))

    def start(self, code: str | None = None, **changes: Any) -> subprocess.Popen[str]:
        """Like `imports`, without waiting for the end."""
        return subprocess.Popen(
            self.command(code),
            cwd=self.venv,
            env=self.environment(**changes),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            encoding="utf-8",
            start_new_session=os.name != "nt",
            preexec_fn=None if os.name == "nt" else hear_interrupts,
        )

    def imports_at_terminal(self, columns: int = 80, **changes: Any) -> tuple[int, str]:
        """The exit code of the probe, and what stderr shows of it on a terminal of that width."""
        env = self.environment(**changes)
        return terminals.shown(self.command(), columns, self.venv, env, stdout=False)

    def is_quiet(self, shows: str, code: str | None = None) -> None:
        """The import prints no message and starts no cargo or maturin process."""
        self.project.spy.clear()
        imported = self.imports(code)
        assert (imported.shows, imported.run.stderr) == (shows, "")
        self.project.spy.assert_idle()


def install(
    project: Project,
    *options: str,
    name: str = "editable",
    python: str | None = None,
    **changes: Any,
) -> Editable:
    """Installs the project with `uv pip install -e` into a new environment of that name."""
    venv = project.bench.folder / "state" / name
    which = ("--python", python) if python else ()
    project.uv("venv", "--clear", *which, venv).ok()
    into = ("--python", environment.python_in(venv))
    project.uv("pip", "install", *into, *options, "-e", project.root, **changes).ok()
    return Editable(project, venv)


def install_with_pip(project: Project, *options: str) -> Editable:
    """Installs the project with pip."""
    venv = project.new_venv()
    project.pip(venv, "install", *options, "-e", project.root).ok()
    return Editable(project, venv)


def synced(project: Project) -> Editable:
    """Installs the project with `uv sync` into the project's own environment."""
    project.uv("sync").ok()
    return Editable(project, project.root / ".venv")


def hears_nothing(project: Project) -> None:
    """Runs a `uv sync` that must have nothing to do."""
    run = project.uv("sync", "-v").ok()
    assert "Building" not in run.output.replace("build-backend", ""), run.output
    assert "Prepared" not in run.output, run.output
