"""Results of `uv build`: wheels from the tree, sdists, and wheels from sdists."""

from __future__ import annotations

import gzip
import io
import json
import shutil
import tarfile
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Callable

from .wheels import RECORD_NAME

if TYPE_CHECKING:
    from pathlib import Path

    from .project import Project, Run


@dataclass(frozen=True)
class Built:
    """The wheels and the sdist that are built from one tree."""

    from_tree: Path
    sdist: Path
    from_sdist: Path

    @property
    def all(self) -> tuple[Path, Path, Path]:
        return self.from_tree, self.sdist, self.from_sdist


def uv_build(project: Project, *options: str | Path, **changes: Any) -> tuple[Run, list[Path]]:
    """Runs `uv build` into a new folder. It must succeed. Returns the run and the files."""
    folder = project.output_folder()
    # Without `-v` uv does not show the backend's output.
    run = project.uv("build", "-v", "--out-dir", folder, *options, **changes).ok()
    return run, sorted(path for path in folder.iterdir() if path.name != ".gitignore")


def archive_target(project: Project) -> Path:
    """The target folder for unpacked sdists of this project."""
    (root,) = (
        path
        for path in project.cache.glob("projects/*/trees/*/root")
        if path.read_text() == str(project.root.resolve())
    )
    return root.with_name("archive-target")


def warm_archive_target(project: Project) -> None:
    """Copies the tree's target folder for sdists, so that pyo3 is not compiled again."""
    target = archive_target(project)
    if project.target.exists() and not target.exists():
        shutil.copytree(project.target, target)


def build_all(project: Project) -> Built:
    """Runs `uv build --wheel`, then `uv build`."""
    _, (from_tree,) = uv_build(project, "--wheel")
    warm_archive_target(project)
    _, (sdist, from_sdist) = sorted_by_kind(*uv_build(project))
    return Built(from_tree, sdist, from_sdist)


def sorted_by_kind(run: Run, files: list[Path]) -> tuple[Run, tuple[Path, Path]]:
    """The sdist, then the wheel."""
    (sdist,) = (path for path in files if path.name.endswith(".tar.gz"))
    (wheel,) = (path for path in files if path.suffix == ".whl")
    return run, (sdist, wheel)


def members(sdist: Path) -> dict[str, bytes]:
    """The contents of an sdist, by path below its top folder."""
    with tarfile.open(sdist) as archive:
        found = {}
        for member in archive.getmembers():
            file = archive.extractfile(member)
            assert file is not None, member.name
            found[member.name.split("/", 1)[1]] = file.read()
        return found


def record(sdist: Path) -> dict[str, Any]:
    """The record in an sdist."""
    read: dict[str, Any] = json.loads(members(sdist)[RECORD_NAME])
    return read


def unpack(sdist: Path, folder: Path) -> Path:
    """Unpacks an sdist as frontends do, with its timestamps. Returns the project's folder."""
    with tarfile.open(sdist) as archive:
        if hasattr(tarfile, "data_filter"):
            archive.extractall(folder, filter="data")
        else:
            archive.extractall(folder)
    (top,) = folder.iterdir()
    return top


def rewritten(sdist: Path, folder: Path, change: Callable[[dict[str, bytes]], None]) -> Path:
    """A copy of an sdist with changed files."""
    files = members(sdist)
    change(files)
    top = sdist.name.removesuffix(".tar.gz")
    folder.mkdir(parents=True, exist_ok=True)
    target = folder / sdist.name
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as archive:
        for name, data in files.items():
            info = tarfile.TarInfo(f"{top}/{name}")
            info.size = len(data)
            archive.addfile(info, io.BytesIO(data))
    target.write_bytes(gzip.compress(buffer.getvalue()))
    return target
