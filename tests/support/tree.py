"""Saves the contents of a folder and restores them later, with new timestamps."""

from __future__ import annotations

import os
import shutil
import stat
from pathlib import Path

#: A file's mode and content.
Content = tuple[int, bytes]


class Tree:
    """The files below a folder, except for cargo's target folders."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self._files = self._look()

    def _look(self) -> dict[Path, Content | str]:
        found: dict[Path, Content | str] = {}
        for folder, folders, files in os.walk(self.root):
            here = Path(folder)
            links = [name for name in folders if (here / name).is_symlink()]
            folders[:] = [
                name
                for name in folders
                if name not in links and not (here / name / "CACHEDIR.TAG").exists()
            ]
            for name in (*files, *links):
                path = here / name
                if path.is_symlink():
                    found[path] = os.readlink(path)
                else:
                    found[path] = (stat.S_IMODE(path.stat().st_mode), path.read_bytes())
        return found

    def restore(self) -> None:
        """Writes files that differ and removes files that are new."""
        now = self._look()
        for path in now.keys() - self._files.keys():
            path.unlink()
        for path, content in self._files.items():
            if now.get(path) == content:
                continue
            path.parent.mkdir(parents=True, exist_ok=True)
            path.unlink(missing_ok=True)
            if isinstance(content, str):
                path.symlink_to(content)
            else:
                path.write_bytes(content[1])
                path.chmod(content[0])
        self._remove_empty_folders()

    def recreate(self) -> None:
        """Removes every file and writes it again, like a new checkout."""
        for path in self._look():
            path.unlink()
        self._remove_empty_folders()
        self.restore()

    def _remove_empty_folders(self) -> None:
        kept = {parent for path in self._files for parent in path.parents}
        for folder, folders, _ in os.walk(self.root):
            here = Path(folder)
            for name in list(folders):
                path = here / name
                if path.is_symlink() or (path / "CACHEDIR.TAG").exists():
                    folders.remove(name)
                elif path not in kept:
                    shutil.rmtree(path)
                    folders.remove(name)
