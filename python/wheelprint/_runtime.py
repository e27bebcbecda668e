"""The runtime hook of an editable install.

A copy of this file lies in every editable wheel with modules in it, with the lines at its head
filled in. It maps the compiled modules into the package whose Python sources are still in the
project, and has the first import of the package checked (``_import_check.py``, beside it).
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
# All that the finder is concerned with: the packages that hold mapped modules, too.
NAMES = {*PACKAGES, *MODULES, *DATA, *(name.rpartition(".")[0] for name in MODULES)}


class Finder:
    """Finds the mapped modules, by the interpreter's own path machinery (so that path hooks and
    every suffix it knows work as they do elsewhere), and their packages as the finders behind it
    would."""

    # Told apart by name: two copies of this file, of two versions, are one finder's.
    owner = __name__

    @staticmethod
    def find_spec(
        name: str,
        path: "Sequence[str] | None" = None,
        target: "ModuleType | None" = None,
    ) -> "ModuleSpec | None":
        if name not in NAMES:
            return None
        error = _check(name)
        if error is not None:
            raise error
        # A rebuild may have put a new copy of this file in our place.
        now = sys.modules.get(__name__)
        return getattr(now, "find", find)(name, path, target)

    @staticmethod
    def invalidate_caches() -> None:
        """The path machinery keeps the caches, and is told itself."""


# CPython leaves its own frames out of an ImportError's traceback, and goes by this name.
_code = Finder.find_spec.__code__
Finder.find_spec.__code__ = _code.replace(co_filename="<frozen importlib._bootstrap>")


def find(
    name: str, path: "Sequence[str] | None", target: "ModuleType | None"
) -> "ModuleSpec | None":
    """A mapped module, or a package with the folders of what the build added to it."""
    folder = MODULES.get(name)
    if folder is not None:
        from importlib.machinery import PathFinder

        return PathFinder.find_spec(name, [os.path.join(HERE, folder)], target)
    for finder in sys.meta_path:
        # One behind us: those before us were asked and did not know.
        ask = getattr(finder, "find_spec", None)
        if ask is None or getattr(finder, "owner", None) == __name__:
            continue
        spec = ask(name, path, target)
        if spec is not None:
            _extend(name, spec)
            return spec
    return None


def _extend(name: str, spec: "ModuleSpec") -> None:
    """Let ``pkgutil``, and what else goes by ``__path__``, see the mapped modules; and
    ``importlib.resources`` the files."""
    below = name + "."
    folders = {
        MODULES[module]
        for module in MODULES
        if module.startswith(below) and "." not in module[len(below) :]
    }
    places = spec.submodule_search_locations
    # A namespace package's list is the machinery's own.
    if type(places) is list:
        places.extend(sorted(os.path.join(HERE, folder) for folder in folders))
    if name in DATA and hasattr(spec.loader, "get_resource_reader"):
        _read_from_both(spec, os.path.join(HERE, DATA[name]))


def _read_from_both(spec: "ModuleSpec", folder: str) -> None:
    read = spec.loader.get_resource_reader  # type: ignore[union-attr]

    def get_resource_reader(name: str) -> object:
        try:
            from importlib.abc import TraversableResources
        except ImportError:
            from importlib.resources.abc import TraversableResources
        from importlib.readers import MultiplexedPath  # Python 3.10

        class Both(TraversableResources):
            def files(self) -> "MultiplexedPath":
                return MultiplexedPath(os.path.dirname(str(spec.origin)), folder)

        return Both()

    if sys.version_info >= (3, 10) and read is not None:
        spec.loader.get_resource_reader = get_resource_reader  # type: ignore[union-attr]


def _check(name: str) -> "ImportError | None":
    """Why the package must not be imported as it is."""
    policy = os.environ.get("WHEELPRINT_ON_STALE") or ON_STALE
    if policy == "ignore":
        return None
    try:
        check = __import__(__name__ + "_check")
    except ImportError:
        # This very moment it is being replaced.
        return None
    return check.run(__name__, name, policy, ON_STALE)


def install() -> None:
    """Put the finder before the others: a module left in the source tree must not shadow ours.
    Doing it twice is doing it once (a ``.start`` file may run beside a ``.pth``), and a new copy
    takes an old one's place."""
    for index, finder in enumerate(sys.meta_path):
        if getattr(finder, "owner", None) == __name__:
            sys.meta_path[index] = Finder
            return
    sys.meta_path.insert(0, Finder)
