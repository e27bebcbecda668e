"""The runtime hook of an editable install.

A copy of this file lies in every editable wheel with modules in it, with the lines at its head
filled in. It notices the first import of the package and leaves it to ``_runtime_finder.py``.
Standard library only, and at interpreter start nothing that is not loaded already: this runs in
every process of the environment, whether or not the package is imported, and pip's isolation runs
it with nothing else on ``sys.path`` (so not even ``__future__`` can be imported).
"""

import os
import sys

TYPE_CHECKING = False
if TYPE_CHECKING:
    from types import ModuleType

# Filled in when the wheel is made.
# Module to folder, relative to this file's.
MODULES: "dict[str, str]" = {}
# The packages whose first import is checked.
PACKAGES: "tuple[str, ...]" = ()
# Package to folder, for packages to which the build added files that are no modules.
DATA: "dict[str, str]" = {}
# `on-stale`, and the file of what the modules were built from, relative to this one's folder.
ON_STALE = "ignore"
INPUTS = ""

HERE = os.path.dirname(os.path.abspath(__file__))
# The packages that hold something the build added, at any depth; and all that the finder knows.
ABOVE = {*DATA}
for _name in (*MODULES, *DATA):
    while "." in _name:
        _name = _name.rpartition(".")[0]
        ABOVE.add(_name)
NAMES = {*PACKAGES, *MODULES, *ABOVE}
# An installer that replaces the package removes all of its files before it puts down the new ones:
# what is missing is looked for again, so often in a process.
_patience = 40


def wait() -> bool:
    """Give an installer a moment; False if it had enough of them."""
    global _patience
    _patience -= 1
    if _patience < 0:
        return False
    import time

    time.sleep(0.05)
    # What the path machinery knows of folders may be older than that.
    sys.path_importer_cache.clear()
    return True


def load(end: str) -> "ModuleType":
    """The module beside this one whose name ends so."""
    name = __name__ + end
    while True:
        try:
            __import__(name)
            return sys.modules[name]
        except (ImportError, OSError):
            if not wait():
                raise


class Finder:
    # Told apart by name: two copies of this file, of two versions, are one finder's.
    owner = __name__

    @staticmethod
    def find_spec(name, path=None, target=None):  # type: ignore[no-untyped-def] # noqa: ANN001, ANN205
        if name not in NAMES:
            return None
        return load("_finder").find_spec(__name__, name, path, target)

    @staticmethod
    def invalidate_caches() -> None:
        """The path machinery keeps the caches, and is told itself."""


# CPython leaves its own frames out of an ImportError's traceback, and goes by this name.
_code = Finder.find_spec.__code__
Finder.find_spec.__code__ = _code.replace(co_filename="<frozen importlib._bootstrap>")


def install() -> None:
    """Put the finder before the others: a module left in the source tree must not shadow ours.
    Doing it twice is doing it once (a ``.start`` file may run beside a ``.pth``), and a new copy
    takes an old one's place."""
    for index, finder in enumerate(sys.meta_path):
        if getattr(finder, "owner", None) == __name__:
            sys.meta_path[index] = Finder
            return
    sys.meta_path.insert(0, Finder)
