"""The finder of an editable install, loaded by the first import of the package.

A copy of this file is next to the runtime hook (``_runtime.py``), which has the maps. The
interpreter's path machinery finds mapped modules, so path hooks and all its suffixes work as usual.
Their packages are found by the finders behind the hook. Standard library only.
"""

import os
import sys

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from importlib.machinery import ModuleSpec
    from types import ModuleType
    from typing import Any

_has_warned = False


def find_spec(
    hook: str, name: str, path: "Sequence[str] | None", target: "ModuleType | None"
) -> "ModuleSpec | None":
    """Finds a mapped module, or a package together with the folders that the build added to it."""
    while True:
        maps = _loaded(hook)
        is_ours = name in maps.MODULES or name in maps.PACKAGES
        # A namespace that distributions share belongs to none of them, so it is not checked.
        if is_ours:
            error = _check(hook, name)
            if error is not None:
                raise error
            # A rebuild may have replaced the hook.
            maps = _loaded(hook)
        spec = _find(maps, hook, name, path, target)
        # A folder without `__init__.py` is being replaced by an installer. Its new files must be
        # checked.
        if not is_ours or (spec is not None and spec.loader is not None) or not maps.wait():
            break
        _check_again(hook)
    if is_ours and (spec is None or spec.loader is None):
        error = _half_installed(maps, name, spec)
        if error is not None:
            raise error
    if spec is not None:
        if is_ours:
            _load_patiently(maps, hook, spec)
        if name not in maps.MODULES:
            _extend(maps, name, spec)
        return spec
    if name in maps.PACKAGES or name not in maps.ABOVE:
        return None
    # The source tree has no folder for this package: the folder was removed or never existed.
    return _find_in(os.path.dirname(_stored(maps, name)), name, target)


def _find(
    maps: "Any", hook: str, name: str, path: "Sequence[str] | None", target: "ModuleType | None"
) -> "ModuleSpec | None":
    folder = maps.MODULES.get(name)
    if folder is not None:
        return _find_in(os.path.join(maps.HERE, folder), name, target)
    for finder in _behind(hook):
        ask = getattr(finder, "find_spec", None)
        spec: ModuleSpec | None = None if ask is None else ask(name, path, target)
        if spec is not None:
            return spec
    return None


# See `_runtime.py`: this removes our frames from tracebacks.
_code = find_spec.__code__
find_spec.__code__ = _code.replace(co_filename="<frozen importlib._bootstrap>")


def _half_installed(maps: "Any", name: str, spec: "ModuleSpec | None") -> "ImportError | None":
    """The error for a module of the wheel whose files are missing because an installer was killed.

    Without this error the interpreter would import a folder without ``__init__.py`` as an empty
    namespace. Such a folder may be a leftover, or another folder of that name."""
    # A package of the source tree may have become a namespace on purpose.
    is_in_wheel = name in maps.MODULES or not (maps.MODULES or maps.DATA)
    if not is_in_wheel or (spec is None and not _is_there(maps)):
        return None
    try:
        installed = maps.load("_check").Installed.load(maps.__name__)
        remedy = installed.remedy() if installed.installer() else ""
    except Exception:
        # The files of the check are missing too.
        remedy = ""
    project = os.path.basename(maps.INPUTS.partition(".editable")[0])
    text = f"{name}: the installation of {project} is incomplete, its files are missing from"
    text += f" {maps.HERE}: an installer was stopped before it was done; to install it again: "
    return ImportError(text + (remedy or f"uv sync --reinstall-package {project}"), name=name)


def _is_there(maps: "Any") -> bool:
    """Whether the hook is still installed: a process may outlive an uninstallation."""
    return os.path.exists(os.path.join(maps.HERE, f"{maps.__name__}.py"))


def _load_patiently(maps: "Any", hook: str, spec: "ModuleSpec") -> None:
    """Makes loading retry, because an installer may remove a file after it was found."""
    origin, loader = str(spec.origin), spec.loader

    def patiently(call: "Any") -> "Any":
        def called(*args: "Any") -> "Any":
            while True:
                before = _identity(origin)
                try:
                    return call(*args)
                except (ImportError, OSError):
                    # Retry only if the file was missing or was replaced. Otherwise the error is
                    # the module's own.
                    if before == _identity(origin) is not None or not maps.wait():
                        raise
                # The new file was not checked.
                _check_again(hook)
                error = _check(hook, spec.name)
                if error is not None:
                    raise error

        called.__code__ = called.__code__.replace(co_filename="<frozen importlib._bootstrap>")
        return called

    for name in ("create_module", "get_code"):
        if hasattr(loader, name):
            setattr(loader, name, patiently(getattr(loader, name)))


def _identity(path: str) -> "tuple[int, int] | None":
    try:
        seen = os.stat(path)
    except OSError:
        return None
    return seen.st_ino, seen.st_size


def _loaded(hook: str) -> "Any":
    # Test suites of other projects may remove modules from `sys.modules`.
    __import__(hook)
    return sys.modules[hook]


def _find_in(folder: str, name: str, target: "ModuleType | None") -> "ModuleSpec | None":
    spec: ModuleSpec | None = _path_finder().find_spec(name, [folder], target)
    return spec


def _path_finder() -> "Any":
    for finder in sys.meta_path:
        # Importing importlib.machinery would take longer than the rest of the lookup.
        if getattr(finder, "__name__", None) == "PathFinder":
            return finder
    from importlib.machinery import PathFinder

    return PathFinder


def _behind(hook: str) -> "Sequence[object]":
    """The finders after ours in ``sys.meta_path``."""
    for index, finder in enumerate(sys.meta_path):
        if getattr(finder, "owner", None) == hook:
            return sys.meta_path[index + 1 :]
    # Another finder has removed ours and calls it: calling that finder would recurse forever.
    return [_path_finder()]


def _check(hook: str, name: str) -> "ImportError | None":
    """Runs the check, and returns the error if the package must not be imported."""
    configured = _loaded(hook).ON_STALE
    policy = os.environ.get("WHEELPRINT_ON_STALE") or configured
    if policy == "ignore":
        return None
    try:
        check = _loaded(hook).load("_check")
    except (ImportError, OSError) as fault:
        # If the hook is missing too, the package was uninstalled, and a warning would be wrong.
        if _is_there(_loaded(hook)):
            _warn(f"whether {name} is up to date can't be told: {fault!r}")
        return None
    error: ImportError | None = check.run(hook, name, policy, configured)
    return error


def _warn(text: str) -> None:
    """Warns once in a process. ``_runtime_check.py`` has the usual function, but it is missing."""
    global _has_warned
    if not _has_warned and sys.stderr is not None:
        _has_warned = True
        sys.stderr.write(f"wheelprint: warning: {text}\n")


def _check_again(hook: str) -> None:
    check = sys.modules.get(hook + "_check")
    if check is not None:
        check.forget()


def _stored(maps: "ModuleType", name: str) -> str:
    """The folder with the files that the build added to a package."""
    return os.path.join(maps.HERE, os.path.dirname(maps.INPUTS), *name.split("."))


def _extend(maps: "ModuleType", name: str, spec: "ModuleSpec") -> None:
    """Makes mapped modules visible to ``pkgutil`` and other users of ``__path__``, and the added
    files to ``importlib.resources``."""
    folder = _stored(maps, name)
    places = spec.submodule_search_locations
    if name in maps.ABOVE and places is not None and folder not in places:
        # A namespace drops this folder when `sys.path` changes. Mapped modules are found anyway.
        places.append(folder)
    has_data = any(f"{package}.".startswith(f"{name}.") for package in maps.DATA)
    if has_data and sys.version_info >= (3, 10) and hasattr(spec.loader, "get_resource_reader"):
        spec.loader.get_resource_reader = lambda _: _reader(str(spec.origin), folder)  # type: ignore[union-attr]


def _reader(origin: str, folder: str) -> object:
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
