"""The finder of an editable install, loaded by the first import of the package.

A copy of this file lies beside the runtime hook (``_runtime.py``), which has the maps. Mapped
modules are found by the interpreter's own path machinery, so that path hooks and every suffix it
knows work as they do elsewhere, and their packages as the finders behind the hook would find them.
Standard library only.
"""

import os
import sys

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence
    from importlib.machinery import ModuleSpec
    from types import ModuleType


def find_spec(
    hook: str, name: str, path: "Sequence[str] | None", target: "ModuleType | None"
) -> "ModuleSpec | None":
    """A mapped module, or a package with the folders of what the build added to it."""
    error = _check(hook, name)
    if error is not None:
        raise error
    # A rebuild may have put a new copy of the hook in the old one's place.
    maps = sys.modules[hook]
    folder = maps.MODULES.get(name)
    if folder is not None:
        return _path_finder().find_spec(name, [os.path.join(maps.HERE, folder)], target)
    for finder in sys.meta_path:
        # One behind us: those before us were asked and did not know.
        ask = getattr(finder, "find_spec", None)
        if ask is None or getattr(finder, "owner", None) == hook:
            continue
        spec: ModuleSpec | None = ask(name, path, target)
        if spec is not None:
            _extend(maps, name, spec)
            return spec
    return None


# See the hook.
_code = find_spec.__code__
find_spec.__code__ = _code.replace(co_filename="<frozen importlib._bootstrap>")


def _path_finder() -> "type":
    for finder in sys.meta_path:
        if getattr(finder, "__name__", None) == "PathFinder":
            return finder  # type: ignore[return-value]
    from importlib.machinery import PathFinder

    return PathFinder


def _check(hook: str, name: str) -> "ImportError | None":
    """Why the package must not be imported as it is."""
    configured = sys.modules[hook].ON_STALE
    policy = os.environ.get("WHEELPRINT_ON_STALE") or configured
    if policy == "ignore":
        return None
    try:
        check = __import__(hook + "_check")
    except ImportError:
        # This very moment it is being replaced.
        return None
    error: ImportError | None = check.run(hook, name, policy, configured)
    return error


def _extend(maps: "ModuleType", name: str, spec: "ModuleSpec") -> None:
    """Let ``pkgutil``, and what else goes by ``__path__``, see the mapped modules; and
    ``importlib.resources`` the files."""
    below = name + "."
    folders = {
        maps.MODULES[module]
        for module in maps.MODULES
        if module.startswith(below) and "." not in module[len(below) :]
    }
    places = spec.submodule_search_locations
    # A namespace package's list is the machinery's own.
    if type(places) is list:
        places.extend(sorted(os.path.join(maps.HERE, folder) for folder in folders))
    if name in maps.DATA and hasattr(spec.loader, "get_resource_reader"):
        _read_from_both(spec, os.path.join(maps.HERE, maps.DATA[name]))


def _read_from_both(spec: "ModuleSpec", folder: str) -> None:
    if sys.version_info < (3, 10):
        return
    from importlib.readers import MultiplexedPath
    from pathlib import Path

    try:
        from importlib.resources.abc import TraversableResources
    except ImportError:
        from importlib.abc import TraversableResources

    class Both(TraversableResources):  # type: ignore[misc,unused-ignore]
        def files(self) -> MultiplexedPath:
            return MultiplexedPath(Path(str(spec.origin)).parent, Path(folder))

    spec.loader.get_resource_reader = lambda name: Both()  # type: ignore[union-attr]
