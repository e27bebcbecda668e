"""Runs `wheelprint COMMAND` from the environment of the workbench."""

from __future__ import annotations

import os
import subprocess
import sys
import sysconfig
import time
from typing import TYPE_CHECKING, Any, Callable

import pytest

from . import environment
from .project import Run

if TYPE_CHECKING:
    from pathlib import Path

    from .project import Project


def program(project: Project) -> Path:
    """The path of the command."""
    name = "wheelprint.exe" if sys.platform == "win32" else "wheelprint"
    return environment.scripts_folder(project.bench.venv()) / name


def program_with_libraries(project: Project, folder: Path) -> Path:
    """The command in an environment of its own, beside the libraries that the tests have."""
    venv = folder / "venv"
    python = environment.python_in(venv)
    project.uv("venv", venv).ok()
    project.uv("pip", "install", "--python", python, "wheelprint").ok()
    packages = next(venv.glob("**/site-packages"))
    libraries = [sysconfig.get_path(name) for name in ("purelib", "platlib")]
    (packages / "libraries.pth").write_text("\n".join(libraries))
    return next(path for path in venv.glob("*/wheelprint*") if path.is_file())


def wheelprint(
    project: Project, *args: str | Path, prefix: tuple[str, ...] = (), **rest: Any
) -> Run:
    """Runs a command in the project's folder, without a terminal."""
    return project.run(*prefix, program(project), *args, **rest)


def wheelprint_at_terminal(
    project: Project,
    *args: str | Path,
    typed: str,
    meanwhile: Callable[[], object] | None = None,
    **changes: Any,
) -> Run:
    """Runs a command at a terminal. At the question, calls ``meanwhile`` and then types ``typed``.

    stdout and stderr are one stream, as on a terminal."""
    if sys.platform == "win32":
        pytest.skip("no pseudo-terminals")
    import pty

    ours, theirs = pty.openpty()
    command = [str(program(project)), *map(str, args)]
    process = subprocess.Popen(
        command,
        cwd=project.root,
        env=environment.with_changes(project.env, {"TERM": "xterm", **changes}),
        stdin=theirs,
        stdout=theirs,
        stderr=theirs,
        start_new_session=True,
    )
    os.close(theirs)
    said = b""
    is_asked = False
    end = time.monotonic() + 60
    while time.monotonic() < end:
        try:
            piece = os.read(ours, 4096)
        except OSError:
            break
        if not piece:
            break
        said += piece
        if not is_asked and said.endswith(b"[y/N] "):
            is_asked = True
            if meanwhile is not None:
                meanwhile()
            os.write(ours, typed.encode())
    code = process.wait(60)
    os.close(ours)
    return Run(command, code, said.decode(errors="replace").replace("\r\n", "\n"), "")
