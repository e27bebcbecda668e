"""The runtime hook of an editable install.

Every editable wheel with compiled modules has a copy of this file, with the values below filled in.
The hook notices the first import of the package and passes it to ``_runtime_finder.py``.

It uses only the standard library, and at interpreter start only modules that are loaded already,
because it runs in every process of the environment. pip's build isolation runs it with nothing else
on ``sys.path``, so not even ``__future__`` can be imported.
"""

import os
import sys

TYPE_CHECKING = False
if TYPE_CHECKING:
    from types import ModuleType

# Filled in when the wheel is made.
# Module to folder, relative to the folder of this file.
MODULES: "dict[str, str]" = {}
# The packages whose first import is checked.
PACKAGES: "tuple[str, ...]" = ()
# Package to folder, for packages to which the build added files other than modules.
DATA: "dict[str, str]" = {}
# `on-stale`, and the file with the inputs of the modules, relative to the folder of this file.
ON_STALE = "ignore"
INPUTS = ""

HERE = os.path.dirname(os.path.abspath(__file__))
# ABOVE: the packages that contain mapped modules or added files, at any depth.
# NAMES: all names that the finder handles.
ABOVE = {*DATA}
for _name in (*MODULES, *DATA):
    while "." in _name:
        _name = _name.rpartition(".")[0]
        ABOVE.add(_name)
NAMES = {*PACKAGES, *MODULES, *ABOVE}
# An installer that replaces the package removes all old files before it writes the new ones. So a
# missing file is looked up again, at most this many times in a process.
_patience = 40


def wait() -> bool:
    """Waits a moment for an installer. Returns False if the process has waited long enough."""
    global _patience
    _patience -= 1
    if _patience < 0:
        return False
    import time

    time.sleep(0.05)
    # The path machinery caches the contents of folders.
    sys.path_importer_cache.clear()
    return True


def load(end: str) -> "ModuleType":
    """Imports the module next to this one whose name has that suffix."""
    name = __name__ + end
    while True:
        try:
            __import__(name)
            return sys.modules[name]
        except (ImportError, OSError):
            if not wait():
                raise


class Finder:
    # Copies of this file from two versions have the same owner, so a new one replaces the old one.
    owner = __name__

    @staticmethod
    def find_spec(name, path=None, target=None):  # type: ignore[no-untyped-def] # noqa: ANN001, ANN205
        if name not in NAMES:
            return None
        return load("_finder").find_spec(__name__, name, path, target)


# With this file name CPython removes our frames from the traceback of an ImportError.
_code = Finder.find_spec.__code__
Finder.find_spec.__code__ = _code.replace(co_filename="<frozen importlib._bootstrap>")


def install() -> None:
    """Puts the finder first, so that an old module in the source tree cannot shadow ours.

    A second call changes nothing: a ``.start`` file may run in addition to a ``.pth``. A new copy
    of the hook replaces an old one."""
    for index, finder in enumerate(sys.meta_path):
        if getattr(finder, "owner", None) == __name__:
            sys.meta_path[index] = Finder
            return
    sys.meta_path.insert(0, Finder)
