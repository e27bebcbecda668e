"""The finder of an editable install, and the fast check, loaded by the first import of the package.

A copy of this file is next to the runtime hook (``_runtime.py``), which has the maps. The
interpreter's path machinery finds mapped modules, so path hooks and all its suffixes work as usual.
Their packages are found by the finders behind the hook. Standard library only.

The fast check is in this file, too, because loading another module takes longer than checking a
small package. If anything has changed, ``_runtime_check.py`` is loaded, which describes the check.
"""

import marshal
import os
import sys

# Of importlib itself.
from _imp import source_hash

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence
    from importlib.machinery import ModuleSpec
    from types import ModuleType
    from typing import Any

# The first field of the file `inputs`, see `FORMAT` in `fingerprint/at_import/table.rs`.
FORMAT = b"wheelprint check 2"
# The fast check reads so many bytes of that file. If `Head` needs more, the full check follows.
HEAD = 1 << 14
POLICIES = ("rebuild", "warn", "error", "ignore")
# Set for the frontend of a rebuild and its child processes, so that they check nothing.
GUARD = "_WHEELPRINT_REBUILD"
# Variables that cargo sets for build scripts.
BUILD_SCRIPTS = {"CARGO_MANIFEST_DIR", "NUM_JOBS", "OUT_DIR", "TARGET"}
# The folder of the store in the cache folder, see `FOLDER` in `store/mod.rs`.
STORE = "wheelprint-v1"
STAT_TELLS = os.name != "nt"
# Stat values of a missing file.
ABSENT = (0, 0, 0)

# Whether this process has checked the package.
done = False
_has_warned = False


def find_spec(
    hook: str, name: str, path: "Sequence[str] | None", target: "ModuleType | None"
) -> "ModuleSpec | None":
    """Finds a mapped module, or a package together with the folders that the build added to it."""
    global done
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
        if is_ours and spec is None and name not in maps.MODULES:
            error = _lost(maps, name)
            if error is not None:
                raise error
        # A folder without `__init__.py` is being replaced by an installer. Its new files must be
        # checked.
        if not is_ours or (spec is not None and spec.loader is not None) or not maps.wait():
            break
        done = False
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


def _lost(maps: "Any", name: str) -> "ImportError | None":
    """The error for a package whose Python files are gone, together with the project's folder."""
    try:
        text = maps.load("_ask").lost(maps.load("_check").Installed.load(maps.__name__))
    except Exception:
        # The files of the check are missing too.
        return None
    return ModuleNotFoundError(text, name=name) if text else None


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
    origin, loader = [os.fsencode(str(spec.origin))], spec.loader

    def patiently(call: "Any") -> "Any":
        def called(*args: "Any") -> "Any":
            global done
            while True:
                # Inode and size.
                before = look(origin)[1:]
                try:
                    return call(*args)
                except (ImportError, OSError):
                    # Retry only if the file was missing or was replaced. Otherwise the error is
                    # the module's own.
                    if before == look(origin)[1:] != [*ABSENT[1:]] or not maps.wait():
                        raise
                # The new file was not checked.
                done = False
                error = _check(hook, spec.name)
                if error is not None:
                    raise error

        called.__code__ = called.__code__.replace(co_filename="<frozen importlib._bootstrap>")
        return called

    for name in ("create_module", "get_code"):
        if hasattr(loader, name):
            setattr(loader, name, patiently(getattr(loader, name)))


def _loaded(hook: str) -> "Any":
    # Test suites of other projects may remove modules from `sys.modules`.
    __import__(hook)
    return sys.modules[hook]


def _find_in(folder: str, name: str, target: "ModuleType | None") -> "ModuleSpec | None":
    return _path_finder().find_spec(name, [folder], target)  # type: ignore[no-any-return,unused-ignore]


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
    global done
    maps = _loaded(hook)
    policy = os.environ.get("WHEELPRINT_ON_STALE") or maps.ON_STALE
    # A build script may run Python. It must not wait for the build that waits for it.
    is_build = GUARD in os.environ or os.environ.keys() >= BUILD_SCRIPTS
    if done or is_build or policy == "ignore":
        return None
    # After the other check was loaded, a thread may be rebuilding. Then the others wait in `run`.
    if STAT_TELLS and policy in POLICIES and hook + "_check" not in sys.modules:
        try:
            done = Memory(Head(os.path.join(maps.HERE, maps.INPUTS), HEAD)).is_as_remembered()
            if done:
                return None
        except Exception:
            # `run` meets the same exception, and handles it.
            done = False
    try:
        check = maps.load("_check")
    except (ImportError, OSError) as fault:
        # If the hook is missing too, the package was uninstalled, and a warning would be wrong.
        if _is_there(_loaded(hook)):
            _warn(f"whether {name} is up to date can't be told: {fault!r}")
        return None
    return check.run(hook, name, policy, maps.ON_STALE)  # type: ignore[no-any-return]


class Head:
    """The first fields of the file ``inputs`` of the installed wheel."""

    def __init__(self, path: str, size: int = -1) -> None:
        # Taken before the file is read: if the file is replaced in between, the remembered values
        # must not count for the new one.
        self.identity = look([os.fsencode(path)])
        with open(path, "rb", 0) as file:
            fields = file.read(size).split(b"\0", 5)
        version, cache, *lists = fields[:5]
        self.rest = fields[5]
        if version != FORMAT:
            raise ValueError(f"{path}: written by another version")
        names, self.prefixes, self.exceptions = (
            tuple(os.fsdecode(field).split("=")) for field in lists
        )
        self.names = frozenset(names)
        self.path = path
        # Without a cache folder the path is below `os.devnull`, so no file can be written.
        folder = os.environ.get("WHEELPRINT_CACHE_DIR") or ""
        if not os.path.isabs(folder):
            # A relative folder was resolved by the build.
            folder = os.fsdecode(cache) or os.devnull
        self.cache = os.path.join(folder, STORE, "imports")
        if not is_private(self.cache):
            self.cache = os.path.join(os.devnull, "imports")

    def environment(self) -> str:
        """The digest of the variables that may count, as the backend computes it for a build."""
        never = tuple(name for name in self.exceptions if name.endswith("_"))

        def counts(name: str) -> bool:
            is_of_family = name.startswith(self.prefixes) and name not in self.exceptions
            return name in self.names or (is_of_family and not name.startswith(never))

        return digest_of(
            sorted(f"{name}={os.environ[name]}" for name in os.environ if counts(name))
        )


class Memory:
    """The values of the last successful check in an environment like this one.

    ``names`` are the paths of the table; those below ``root`` are relative to it. ``stats`` has
    their stat values. The full check uses the rest."""

    def __init__(self, installed: Head) -> None:
        # Two installs may get the same name. The file contains the path of its install.
        place = "".join(char if char.isalnum() else "-" for char in installed.path)
        self.place = os.path.join(installed.cache, place[-100:].lstrip("-"))
        self.environment = installed.environment()
        self.rustc = rustc_on_path()
        self.path = f"{self.place}-{self.environment[:16]}".rstrip("-")
        # The values count only if they were remembered for the same.
        self.here = (installed.path, self.environment, installed.identity, self.rustc)
        self.about: tuple[object, ...] = ()
        self.root = b""
        self.names: list[bytes] = []
        self.stats: list[int] = []
        self._states: list[str] | None = None
        self.accepted: dict[str, str] = {}
        try:
            with open(self.path + ".memory", "rb", 0) as file:
                content = file.read()
            if content[:8] == source_hash(0, content[8:]):
                table = marshal.loads(content[8:])
                self.about, self.root, self.names, self.stats, self._states, self.accepted = table
        except Exception:
            # A damaged file counts as missing.
            return

    def is_as_remembered(self) -> bool:
        """The fast check of the usual case: nothing was touched."""
        is_for_here = STAT_TELLS and self.about == self.here
        try:
            return is_for_here and self.stats == look(self.names, self.root)
        except OSError:
            # The root is gone, or can't be opened.
            return False


def _warn(text: str) -> None:
    """Warns once in a process. ``_runtime_check.py`` has the usual function, but it is missing."""
    global _has_warned
    if not _has_warned and sys.stderr is not None:
        _has_warned = True
        sys.stderr.write(f"wheelprint: warning: {text}\n")


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
        spec.loader.get_resource_reader = (  # type: ignore[union-attr]
            lambda _: maps.load("_resources").reader(str(spec.origin), folder)
        )


def look(paths: "list[bytes]", root: "bytes | None" = None) -> "list[int]":
    """ctime, inode and size of each path, in one flat list. With ``root``, an open folder, the
    kernel walks only the part of a path below it."""
    found: list[int] = []
    stat, add = os.stat, found.extend
    at = None if root is None else os.open(root, os.O_DIRECTORY | getattr(os, "O_PATH", 0))
    try:
        for path in paths:
            try:
                seen = stat(path, dir_fd=at)
            except (OSError, ValueError):
                add(ABSENT)
            else:
                add((seen.st_ctime_ns, seen.st_ino, seen.st_size))
    finally:
        if at is not None:
            os.close(at)
    return found


def is_private(folder: str) -> bool:
    """Whether no other user can put files or links into this folder of the store."""
    if os.name == "nt":
        return True
    store = os.path.dirname(folder)
    # The cache folder may be a link, which the user made.
    for look_at, each in ((os.stat, os.path.dirname(store)), (os.lstat, store), (os.lstat, folder)):
        try:
            seen = look_at(each)
        except OSError:
            # A missing folder is created later, with safe permissions.
            return True
        # Refuse a folder of another user, a folder that everybody may write to, and a file.
        if seen.st_uid not in (0, os.geteuid()) or seen.st_mode & 0o040002 != 0o040000:
            return False
    return True


def sha256() -> "Any":
    """The SHA-256 constructor, for short texts.

    ``hashlib`` loads OpenSSL, which takes longer than the rest of the check."""
    for module in ("_sha2", "_sha256", "hashlib"):
        try:
            return __import__(module).sha256
        except ImportError:
            pass
    raise ImportError("hashlib")


def digest_of(lines: "list[str]") -> str:
    text = "\0".join(lines).encode("utf-8", "surrogateescape")
    return str(sha256()(text).hexdigest()) if lines else ""


def rustc_on_path() -> str:
    """The path of the first rustc on PATH; empty if there is none."""
    name = "rustc.exe" if os.name == "nt" else "rustc"
    for folder in os.environ.get("PATH", "").split(os.pathsep):
        path = os.path.join(folder, name)
        if folder and os.access(path, os.X_OK):
            return path
    return ""
