"""Projects without cache keys."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from .layouts import THIS_PYTHON

if TYPE_CHECKING:
    from .project import Project


def without_keys(project: Project) -> Project:
    text = project.read("pyproject.toml").replace(">=3.9", THIS_PYTHON)
    text = re.sub(r"(?s)\[tool\.uv\]\ncache-keys = \[.*?\]\n\n", "", text)
    project.write("pyproject.toml", text)
    project.env["UV_PROJECT_ENVIRONMENT"] = str(project.bench.folder / "state" / "venv")
    return project
