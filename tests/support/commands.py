"""The command line, as it is installed."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any

from . import environment

if TYPE_CHECKING:
    from pathlib import Path

    from .project import Project, Run


def wheelprint(project: Project, *arguments: str | Path, **changes: Any) -> Run:
    """Run `wheelprint` in the project's folder (or in `cwd`), with variables changed."""
    scripts = environment.scripts_folder(project.bench.venv())
    program = scripts / ("wheelprint.exe" if os.name == "nt" else "wheelprint")
    return project.run(program, *arguments, **changes)
