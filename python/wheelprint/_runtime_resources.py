"""The files that the build added to a package, for ``importlib.resources``.

A copy of this file is next to the finder of an editable install (``_runtime_finder.py``), and is
loaded when the first resource of the package is read. Standard library only.
"""

import os

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import Any


def reader(origin: str, folder: str) -> object:
    """A resource reader for the files next to a package's sources and the files from the build."""
    from importlib.readers import MultiplexedPath
    from pathlib import Path

    try:
        from importlib.resources.abc import TraversableResources
    except ImportError:
        from importlib.abc import TraversableResources

    class Merged(MultiplexedPath):
        """Merges nested folders too; ``MultiplexedPath`` does so only from Python 3.12 on."""

        def __init__(self, *folders: Path) -> None:
            super().__init__(*folders)
            self.folders = folders

        def iterdir(self) -> "Iterator[Path]":
            names = {inside.name for folder in self.folders for inside in folder.iterdir()}
            return map(self.joinpath, sorted(names))

        def joinpath(self, *names: "str | os.PathLike[str]") -> "Any":
            found = [folder.joinpath(*names) for folder in self.folders]
            there = [path for path in found if path.exists()]
            if len(there) > 1 and all(path.is_dir() for path in there):
                return Merged(*there)
            return (there or found)[0]

        __truediv__ = joinpath  # type: ignore[assignment]

    class Both(TraversableResources):  # type: ignore[misc,unused-ignore]
        def files(self) -> Merged:
            return Merged(Path(origin).parent, Path(folder))

    return Both()
