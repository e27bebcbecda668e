"""A team: a machine that publishes to a server with a key, and machines that read from it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from . import machines, servers
from .installed import Editable

if TYPE_CHECKING:
    from pathlib import Path

    from .project import Project, Run
    from .servers import Server


class Team:
    """A machine that publishes to a server, with a key."""

    def __init__(self, project: Project, server: Server) -> None:
        self.builder = project
        self.server = server
        self.folder = machines.folder_of(project)
        # Another test published the same build.
        self.url = f"{server.url}/{self.folder.stat().st_mtime_ns}"
        self.key = self.folder / "key"
        self.public = self.make_key("key")
        machines.shares(project, self.url, f'trusted-keys = ["{self.public}"]')

    def make_key(self, name: str) -> str:
        said = machines.wheelprint(self.builder, "shared", "keygen", self.folder / name)
        return said.ok().stdout.strip()

    def publish(self, key: Path | None = None, public: str = "") -> Editable:
        """With another key than the team's, its public part is the only trusted one meanwhile."""
        variables = {**self.server.writer, "WHEELPRINT_SHARED_KEY_FILE": str(key or self.key)}
        if public:
            self.builder.replace("pyproject.toml", self.public, public)
        editable = machines.publish(self.builder, **variables)
        if public:
            self.builder.replace("pyproject.toml", public, self.public)
        return editable

    def reader(self, name: str = "reader", *, rust: bool = False) -> Project:
        folder = self.folder / name
        folder.mkdir()
        project = machines.another(self.builder, folder, rust=rust)
        project.env = servers.environment_without_credentials(project.env)
        project.env.update(self.server.reader)
        return project

    def records(self) -> list[Path]:
        """The objects of a server that keeps them in files."""
        assert self.server.objects is not None
        folder = self.server.objects / self.url.rsplit("/", 1)[1] / "records"
        return sorted(folder.iterdir()) if folder.is_dir() else []


def sync(project: Project, *options: str) -> Run:
    return project.uv("sync", "-v", *options).ok()


def shows(project: Project) -> str:
    return Editable(project, project.root / ".venv").imports().shows
