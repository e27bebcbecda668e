"""The runtime hook of an editable install.

A copy of this file lies in every editable wheel that holds a compiled module, with ``MODULES``
filled in. It maps those modules into the package whose Python sources are still in the project.
Standard library only, and at interpreter start nothing that is not loaded already: this runs in
every process of the environment, whether or not the package is imported, and pip's isolation runs
it with nothing else on ``sys.path`` (so not even ``__future__`` can be imported).
"""

import os
import sys

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence
    from importlib.machinery import ModuleSpec
    from types import ModuleType

# Module to folder, relative to this file's. Filled in when the wheel is made.
MODULES: "dict[str, str]" = {}


class Finder:
    """Finds the mapped modules, by the interpreter's own path machinery (so that path hooks and
    every suffix it knows work as they do elsewhere)."""

    # Told apart by name: two copies of this file, of two versions, are one finder's.
    owner = __name__

    @staticmethod
    def find_spec(
        name: str,
        path: "Sequence[str] | None" = None,
        target: "ModuleType | None" = None,
    ) -> "ModuleSpec | None":
        folder = MODULES.get(name)
        if folder is None:
            return None
        from importlib.machinery import PathFinder

        here = os.path.dirname(os.path.abspath(__file__))
        return PathFinder.find_spec(name, [os.path.join(here, folder)], target)

    @staticmethod
    def invalidate_caches() -> None:
        """The path machinery keeps the caches, and is told itself."""


def install() -> None:
    """Put the finder before the others: a module left in the source tree must not shadow ours.
    Doing it twice is doing it once (a ``.start`` file may run beside a ``.pth``)."""
    if not any(getattr(finder, "owner", None) == __name__ for finder in sys.meta_path):
        sys.meta_path.insert(0, Finder)
