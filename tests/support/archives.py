"""What `uv build` makes of a project, from the tree and by way of an sdist."""

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
    """All that can be built of one tree."""

    from_tree: Path
    sdist: Path
    from_sdist: Path

    @property
    def all(self) -> tuple[Path, Path, Path]:
        return self.from_tree, self.sdist, self.from_sdist


def uv_build(project: Project, *options: str | Path, **changes: Any) -> tuple[Run, list[Path]]:
    """`uv build`, which must succeed, into a folder of its own: the run, and the files."""
    folder = project.output_folder()
    # Only with `-v` uv shows what the backend says.
    run = project.uv("build", "-v", "--out-dir", folder, *options, **changes).ok()
    return run, sorted(path for path in folder.iterdir() if path.name != ".gitignore")


def archive_target(project: Project) -> Path:
    """Where cargo compiles what is unpacked from this project's archives."""
    (root,) = (
        path
        for path in project.cache.glob("projects/*/root")
        if path.read_text() == str(project.root.resolve())
    )
    return root.with_name("archive-target")


def warm_archive_target(project: Project) -> None:
    """What was compiled of other people's packages in the tree, for archives too."""
    target = archive_target(project)
    if project.target.exists() and not target.exists():
        shutil.copytree(project.target, target)


def build_all(project: Project) -> Built:
    """`uv build --wheel`, then `uv build`."""
    _, (from_tree,) = uv_build(project, "--wheel")
    warm_archive_target(project)
    _, (sdist, from_sdist) = sorted_by_kind(*uv_build(project))
    return Built(from_tree, sdist, from_sdist)


def sorted_by_kind(run: Run, files: list[Path]) -> tuple[Run, tuple[Path, Path]]:
    """The archive, then the wheel."""
    (sdist,) = (path for path in files if path.name.endswith(".tar.gz"))
    (wheel,) = (path for path in files if path.suffix == ".whl")
    return run, (sdist, wheel)


def members(sdist: Path) -> dict[str, bytes]:
    """What is in an archive, by the path below its top folder."""
    with tarfile.open(sdist) as archive:
        found = {}
        for member in archive.getmembers():
            file = archive.extractfile(member)
            assert file is not None, member.name
            found[member.name.split("/", 1)[1]] = file.read()
        return found


def record(sdist: Path) -> dict[str, Any]:
    """The record in an archive."""
    read: dict[str, Any] = json.loads(members(sdist)[RECORD_NAME])
    return read


def unpack(sdist: Path, folder: Path) -> Path:
    """Unpacks it as frontends do, with the times in the archive; the project's folder."""
    with tarfile.open(sdist) as archive:
        if hasattr(tarfile, "data_filter"):
            archive.extractall(folder, filter="data")
        else:
            archive.extractall(folder)
    (top,) = folder.iterdir()
    return top


def rewritten(sdist: Path, folder: Path, change: Callable[[dict[str, bytes]], None]) -> Path:
    """The same archive with other files in it."""
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
