"""The import check of an editable install: did an input of the compiled module change?

A copy of this file is next to the runtime hook in every editable wheel with compiled modules. The
first import of the package loads it, never the start of the interpreter. ``_runtime_ask.py`` is
loaded only if an input was touched.

The file ``inputs``, next to the modules, has the inputs of the module. Its fields are separated by
NUL, so the usual case, in which nothing has changed, needs no parser:

    wheelprint check 2 | cache folder | variables | prefixes | exceptions | JSON | path | path | ...

If the stat values of all paths equal those of the last successful check, nothing has changed.
Otherwise the paths that differ are hashed. On Windows every file is hashed, because programs can
set all times of its ``stat``. If the content differs too, only the backend can say what that means.
It is asked in a child process, and answers with reasons or with a new table.

The remembered values are in the cache folder and never in site-packages, where uv's files are links
to its own cache. Deleting them changes no answer.
Standard library only.
"""

import _thread
import marshal
import os
import sys

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

FORMAT = b"wheelprint check 2"
POLICIES = ("rebuild", "warn", "error", "ignore")
# Set for the frontend of a rebuild and its child processes, so that they check nothing.
GUARD = "_WHEELPRINT_REBUILD"
# The folder of the store in the cache folder, see `FOLDER` in `store/mod.rs`.
STORE = "wheelprint-v1"
# The prefix of temporary files, see `TEMPORARY` in `publish.rs`.
TEMPORARY = ".wheelprint-"
# Variables that cargo sets for build scripts.
BUILD_SCRIPTS = {"CARGO_MANIFEST_DIR", "NUM_JOBS", "OUT_DIR", "TARGET"}
STAT_TELLS = os.name != "nt"
# Stat values of a missing file.
ABSENT = (0, 0, 0)
# Stat values that match no file, so that the input is compared again.
UNSURE = (-1, -1, -1)
# The maximum number of reasons in one line.
NAMED = 3

_lock = _thread.RLock()
_done = False


def _forget_lock() -> None:
    global _lock
    # The thread that held the lock does not exist in a forked child.
    _lock = _thread.RLock()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_forget_lock)


def run(hook: str, package: str, policy: str, configured: str) -> "ImportError | None":
    """Checks once in a process.

    Returns the error of a failed rebuild or of the policy ``error``; then the next import checks
    again. An unexpected exception of the check itself is only a warning."""
    global _done
    # A build script may run Python. It must not wait for the build that waits for it.
    if _done or GUARD in os.environ or os.environ.keys() >= BUILD_SCRIPTS:
        return None
    with _lock:
        if _done:
            return None
        try:
            if policy not in POLICIES:
                known = ", ".join(POLICIES)
                say(f"warning: WHEELPRINT_ON_STALE: `{policy}` is none of {known}")
                policy = configured
            error = None if policy == "ignore" else _check(hook, package, policy)
        except Exception as fault:
            say(f"warning: whether {package} is up to date can't be told: {fault!r}")
            error = None
        _done = error is None
        return error


def forget() -> None:
    """Makes the next import check again, because the checked files were replaced."""
    global _done
    _done = False


def _check(hook: str, package: str, policy: str) -> "ImportError | None":
    installed = Installed.load(hook)
    memory = Memory(installed)
    if memory.is_as_remembered():
        return None
    stale = memory.compare()
    if not stale:
        return None
    # Without the sources nothing can be built.
    text: str | None = load("_ask").lost(installed)
    if not text and policy == "rebuild":
        text = load("_rebuild").run(hook, installed, stale)
        return ImportError(text, name=package) if text else None
    if not text:
        installed.make_uv_look()
        text = f"{installed.stale(stale)}; to rebuild it: {installed.remedy()}"
    if policy == "error":
        return ImportError(text, name=package)
    say(f"warning: {text}")
    return None


def load(end: str) -> "Any":
    """Imports the module next to the hook whose name has that suffix."""
    hook = __name__[: -len("_check")]
    __import__(hook)
    return sys.modules[hook].load(end)


class Stale:
    """An input that has changed; ``token`` identifies its current value."""

    def __init__(self, key: str, text: str, token: str) -> None:
        self.key, self.text, self.token = key, text, token


class Installed:
    """The file ``inputs`` of the installed wheel."""

    def __init__(self, path: str) -> None:
        # Taken before the file is read: if the file is replaced in between, the remembered values
        # must not count for the new one.
        self.identity = look([os.fsencode(path)])
        with open(path, "rb") as file:
            version, cache, *fields = file.read().split(b"\0")
        if version != FORMAT:
            raise ValueError(f"{path}: written by another version")
        *names, self._json = fields[:4]
        self.paths = fields[4:]
        self.names, self.prefixes, self.exceptions = (
            tuple(os.fsdecode(field).split("=")) for field in names
        )
        self.path = path
        self.site = os.path.dirname(os.path.dirname(path))
        # The reason why the backend could not be asked.
        self.doubt = ""
        # Without a cache folder the path is below `os.devnull`, so no file can be written.
        folder = os.environ.get("WHEELPRINT_CACHE_DIR") or ""
        if not os.path.isabs(folder):
            # A relative folder was resolved by the build.
            folder = os.fsdecode(cache) or os.devnull
        self.cache = os.path.join(folder, STORE, "imports")
        if not is_private(self.cache):
            self.cache = os.path.join(os.devnull, "imports")
        self._facts: dict[str, Any] | None = None

    @classmethod
    def load(cls, hook: str) -> "Installed":
        """Reads the installed file, and waits for an installer that is replacing it."""
        __import__(hook)
        maps: Any = sys.modules[hook]
        path = os.path.join(os.path.dirname(os.path.abspath(__file__)), maps.INPUTS)
        while True:
            try:
                return cls(path)
            except FileNotFoundError:
                if not maps.wait():
                    raise

    @property
    def facts(self) -> "dict[str, Any]":
        """The JSON part. It is parsed only if an input was touched."""
        if self._facts is None:
            import json

            self._facts = json.loads(self._json)
            if len(self._facts["states"]) != len(self.paths):
                raise ValueError(f"{self.path}: damaged")
        return self._facts

    @property
    def name(self) -> str:
        return self.facts["name"]

    @property
    def project(self) -> str:
        return self.facts["project"]

    def stale(self, stale: "list[Stale]") -> str:
        """The first reasons, as text."""
        text = ", ".join(one.text for one in stale[:NAMED])
        more = len(stale) - NAMED
        text += f" and {more} more" if more > 0 else ""
        if self.doubt:
            return f"{self.name} may be stale ({text}; wheelprint can't be asked: {self.doubt})"
        return f"{self.name} is stale: {text}"

    def environment(self) -> str:
        """The digest of the variables that may count; empty if none is set.

        The backend computes the same digest for a build."""
        never = tuple(name for name in self.exceptions if name.endswith("_"))
        found = [
            f"{name}={os.environ[name]}"
            for name in os.environ
            if name in self.names
            or (
                name.startswith(self.prefixes)
                and not (name in self.exceptions or name.startswith(never))
            )
        ]
        return digest_of(sorted(found))

    def recorded(self, name: str) -> str:
        """The content of a file in the dist-info folder."""
        return read(os.path.join(self.site, self.facts["dist-info"], name))

    def installer(self) -> str:
        """The content of INSTALLER (PEP 376), in lower case."""
        return self.recorded("INSTALLER").strip().lower()

    def remedy(self) -> str:
        """The command with which a user can rebuild the package."""
        if self.installer() != "uv":
            return f"pip install --no-deps -e {self.project}"
        if any(os.path.exists(os.path.join(one, "uv.lock")) for one in upward(self.project)):
            return f"uv sync --reinstall-package {self.name}"
        return f"uv pip install --no-deps --reinstall-package {self.name} -e {self.project}"

    def make_uv_look(self) -> None:
        """Makes the next ``uv sync`` call the backend.

        uv cannot see a deletion, an old timestamp or a file without a cache key. But it compares
        the ctime of pyproject.toml (on Windows the mtime). Setting the same times changes the
        ctime."""
        path = os.path.join(self.project, "pyproject.toml")
        try:
            if self.installer() == "uv":
                seen = os.stat(path)
                same = (seen.st_atime_ns, seen.st_mtime_ns)
                if STAT_TELLS:
                    os.utime(path, ns=same)
                else:
                    os.utime(path)
        except OSError:
            pass


class Memory:
    """The values of the last successful check in an environment like this one: the table, if the
    backend gave a new one, and the stat values of its paths.

    ``accepted`` has differences that a rebuild did not remove, because they exist only here and not
    where the frontend builds."""

    def __init__(self, installed: "Installed") -> None:
        self.installed = installed
        # Two installs may get the same name. The file contains the path of its install.
        place = "".join(char if char.isalnum() else "-" for char in installed.path)
        self.place = os.path.join(installed.cache, place[-100:].lstrip("-"))
        self.environment = installed.environment()
        self.rustc = rustc_on_path()
        self.path = f"{self.place}-{self.environment[:16]}".rstrip("-")
        self.paths = installed.paths
        self._states: list[str] | None = None
        self.stats: list[int] = []
        self.accepted: dict[str, str] = {}
        self.knows_environment = False
        try:
            with open(self.path + ".memory", "rb") as file:
                sum_, _, content = file.read().partition(b"\n")
            if sum_ != checksum(content):
                return
            about, paths, states, stats, accepted = marshal.loads(content)
        except Exception:
            # A damaged file counts as missing.
            return
        path, environment, identity, rustc = about
        if (path, environment) == (installed.path, self.environment):
            self.accepted = accepted
            if identity == installed.identity:
                self.stats, self.knows_environment = stats, rustc == self.rustc
                if paths:
                    self.paths, self._states = paths, states

    @property
    def states(self) -> "list[str]":
        """The states of the paths. Those of the wheel are parsed only if an input was touched."""
        return self.installed.facts["states"] if self._states is None else self._states

    def take(self, paths: "list[bytes]", states: "list[str]") -> None:
        """Takes over the backend's table. The environment was judged too."""
        known = dict(zip(self.paths, zip(*[iter(self.stats)] * 3)))
        self.paths, self._states, self.knows_environment = paths, states, True
        self.stats = [value for path in paths for value in known.get(path, UNSURE)]

    def is_as_remembered(self) -> bool:
        """The fast check of the usual case: nothing was touched."""
        return STAT_TELLS and self.knows_environment and self.stats == look(self.paths)

    def compare(self) -> "list[Stale]":
        """Returns all changed inputs, and updates the values of the others. Without changes the
        values are saved."""
        found: list[Stale] = load("_ask").compare(self)
        found = [one for one in found if self.accepted.get(one.key) != one.token]
        if not found:
            self.save()
        return found

    def save(self) -> None:
        about = (self.installed.path, self.environment, self.installed.identity, self.rustc)
        table = ([], []) if self._states is None else (self.paths, self._states)
        content = marshal.dumps((about, *table, self.stats, self.accepted))
        self.write(self.path + ".memory", checksum(content) + b"\n" + content)

    def write(self, path: str, content: bytes) -> None:
        """Writes a temporary file and renames it. If that fails, the next check is only slower."""
        beside = f"{TEMPORARY}{os.getpid()}-{_thread.get_ident()}"
        beside = os.path.join(self.installed.cache, beside)
        try:
            make_private(self.installed.cache)
            try:
                with open(beside, "xb", opener=privately) as file:
                    file.write(content)
                os.replace(beside, path)
            except OSError:
                os.unlink(beside)
        except OSError:
            pass


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


def make_private(folder: str) -> None:
    """Creates the store and the folder in it: ``makedirs`` applies the mode to the last one."""
    store = os.path.dirname(folder)
    for each in (os.path.dirname(store), store, folder):
        os.makedirs(each, 0o700, exist_ok=True)


def privately(path: str, flags: int) -> int:
    """An opener for private files, which does not follow links."""
    return os.open(path, flags | getattr(os, "O_NOFOLLOW", 0), 0o600)


def look(paths: "list[bytes]") -> "list[int]":
    """ctime, inode and size of each path, in one flat list."""
    stat, found = os.stat, []
    add = found.extend
    for path in paths:
        try:
            seen = stat(path)
        except (OSError, ValueError):
            add(ABSENT)
        else:
            add((seen.st_ctime_ns, seen.st_ino, seen.st_size))
    return found


def upward(folder: str) -> "list[str]":
    """The folder, and the folders above it."""
    found = [folder]
    while folder != os.path.dirname(folder):
        folder = os.path.dirname(folder)
        found.append(folder)
    return found


def read(path: str) -> str:
    """The content of a text file; empty if it can't be read."""
    try:
        with open(path, encoding="utf-8", errors="replace") as file:
            return file.read()
    except (OSError, ValueError):
        return ""


def normal(name: str) -> str:
    """The normal form of a project's name (PEP 503)."""
    import re

    return re.sub(r"[-_.]+", "-", name).lower()


def checksum(content: bytes) -> bytes:
    """Detects damage, but no manipulation. Needs no import."""
    return b"%d" % (int.from_bytes(content, "little") % (2**61 - 1))


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
    if not lines:
        return ""
    return sha256()("\0".join(lines).encode("utf-8", "surrogateescape")).hexdigest()


def rustc_on_path() -> str:
    """The path of the first rustc on PATH; empty if there is none."""
    name = "rustc.exe" if os.name == "nt" else "rustc"
    for folder in os.environ.get("PATH", "").split(os.pathsep):
        path = os.path.join(folder, name)
        if folder and os.access(path, os.X_OK):
            return path
    return ""


def say(text: str) -> None:
    """Writes one line to stderr, if there is a stderr."""
    try:
        sys.stderr.write(f"wheelprint: {text}\n")
        sys.stderr.flush()
    except (AttributeError, OSError, ValueError):
        pass
