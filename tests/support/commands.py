"""wheelprint's own command line."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from . import environment

if TYPE_CHECKING:
    from pathlib import Path

    from .project import Project, Run


def wheelprint(
    project: Project, *arguments: str | Path, cwd: Path | None = None, **changes: Any
) -> Run:
    """Run `wheelprint ...` in the project, or in another folder, with variables changed."""
    script = environment.scripts_folder(project.bench.venv()) / "wheelprint"
    return project.run(script, *arguments, cwd=cwd, **changes)
