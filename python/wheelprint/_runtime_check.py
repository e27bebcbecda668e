"""The import check of an editable install: did an input of the compiled module change?

A copy of this file is next to the runtime hook in every editable wheel with compiled modules. The
first import of the package loads it, unless the fast check in ``_runtime_finder.py`` finds nothing
changed. ``_runtime_ask.py`` is loaded only if an input was touched.

The file ``inputs``, next to the modules, has the inputs of the module. Its fields are separated by
NUL, so the fast check needs no parser, and only the first fields:

    wheelprint check 2 | cache folder | variables | prefixes | exceptions | JSON | path | path | ...

If the stat values of all paths equal those of the last successful check, nothing has changed.
Otherwise the paths that differ are hashed. On Windows every file is hashed, because programs can
set all times of its ``stat``. If the content differs too, only the backend can say what that means.
It is asked in a child process, and answers with reasons or with a new table.

The remembered paths and values are in the cache folder and never in site-packages, where uv's files
are links to its own cache. Deleting them changes no answer.
Standard library only.
"""

import _thread
import marshal
import os
import sys

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from . import _runtime_finder as finder
else:
    _name = __name__[: -len("_check")] + "_finder"
    __import__(_name)
    finder = sys.modules[_name]

# For the modules that this one loads.
ABSENT, GUARD, STAT_TELLS = finder.ABSENT, finder.GUARD, finder.STAT_TELLS
digest_of, is_private, look = finder.digest_of, finder.is_private, finder.look
sha256 = finder.sha256
# The prefix of temporary files, see `TEMPORARY` in `publish.rs`.
TEMPORARY = ".wheelprint-"
# Stat values that match no file, so that the input is compared again.
UNSURE = (-1, -1, -1)
# The maximum number of reasons in one line.
NAMED = 3

_lock = _thread.RLock()


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
    with _lock:
        if finder.done:
            return None
        try:
            if policy not in finder.POLICIES:
                known = ", ".join(finder.POLICIES)
                say(f"warning: WHEELPRINT_ON_STALE: `{policy}` is none of {known}")
                policy = configured
            error = None if policy == "ignore" else _check(hook, package, policy)
        except Exception as fault:
            say(f"warning: whether {package} is up to date can't be told: {fault!r}")
            error = None
        finder.done = error is None
        return error


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


class Installed(finder.Head):
    """The file ``inputs`` of the installed wheel."""

    def __init__(self, path: str) -> None:
        super().__init__(path)
        fields = self.rest.split(b"\0")
        self._json, self.paths = fields[0], fields[1:]
        self.site = os.path.dirname(os.path.dirname(path))
        # The reason why the backend could not be asked.
        self.doubt = ""
        self._facts: dict[str, Any] | None = None

    @classmethod
    def load(cls, hook: str) -> "Installed":
        """Reads the installed file, and waits for an installer that is replacing it."""
        __import__(hook)
        maps: Any = sys.modules[hook]
        path = os.path.join(maps.HERE, maps.INPUTS)
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

    def reasons(self, stale: "list[Stale]") -> str:
        """The first reasons, as text."""
        texts = list(dict.fromkeys(one.text for one in stale))
        text = ", ".join(texts[:NAMED])
        more = len(texts) - NAMED
        return text + (f" and {more} more" if more > 0 else "")

    def stale(self, stale: "list[Stale]") -> str:
        """What is stale, and why, as text."""
        text = self.reasons(stale)
        if self.doubt:
            return f"{self.name} may be stale ({text}; wheelprint can't be asked: {self.doubt})"
        return f"{self.name} is stale: {text}"

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


class Memory(finder.Memory):
    """The remembered values, if they count for this table; otherwise the table alone.

    ``_states`` belongs to the table if the backend gave a new one. ``accepted`` has differences
    that a rebuild did not remove, because they exist only here and not where the frontend
    builds."""

    def __init__(self, installed: Installed) -> None:
        super().__init__(installed)
        self.installed, self.paths = installed, installed.paths
        self.knows_environment = self.about == self.here
        # Path and environment, and then the identity of the table.
        if self.about[:2] != self.here[:2]:
            self.accepted = {}
        if self.about[:3] != self.here[:3]:
            self.stats, self._states = [], None
        if self._states is not None:
            self.paths = [os.path.join(self.root, name) for name in self.names]

    @property
    def states(self) -> "list[str]":
        """The states of the paths. Those of the wheel are parsed only if an input was touched."""
        return self.installed.facts["states"] if self._states is None else self._states

    def take(self, paths: "list[bytes]", states: "list[str]") -> None:
        """Takes over the backend's table. The environment was judged too."""
        known = dict(zip(self.paths, zip(*[iter(self.stats)] * 3)))
        self.paths, self._states, self.knows_environment = paths, states, True
        self.stats = [value for path in paths for value in known.get(path, UNSURE)]

    def compare(self) -> "list[Stale]":
        """Returns all changed inputs, and updates the values of the others. Without changes the
        values are saved."""
        found: list[Stale] = load("_ask").compare(self)
        found = [one for one in found if self.accepted.get(one.key) != one.token]
        if not found:
            self.save()
        return found

    def save(self) -> None:
        root = self._best_root()
        start = os.path.join(root, b"")
        names = [path[len(start) :] if path.startswith(start) else path for path in self.paths]
        table = (self.here, root, names, self.stats, self._states, self.accepted)
        content = marshal.dumps(table)
        self.write(self.path + ".memory", finder.source_hash(0, content) + content)

    def _best_root(self) -> bytes:
        """The project, or a folder above it: the one that makes the names shortest."""

        def saved(folder: bytes) -> int:
            start = os.path.join(folder, b"")
            return len(start) * sum(path.startswith(start) for path in self.paths)

        # Without `O_PATH` (macOS), a folder that can't be read can't be opened.
        folders = [one for one in upward(self.installed.project) if os.access(one, os.R_OK)]
        return max(map(os.fsencode, folders or [self.installed.project]), key=saved)

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


def make_private(folder: str) -> None:
    """Creates the store and the folder in it: ``makedirs`` applies the mode to the last one."""
    store = os.path.dirname(folder)
    for each in (os.path.dirname(store), store, folder):
        os.makedirs(each, 0o700, exist_ok=True)


def privately(path: str, flags: int) -> int:
    """An opener for private files, which does not follow links."""
    return os.open(path, flags | getattr(os, "O_NOFOLLOW", 0), 0o600)


def no_window() -> int:
    """Flags for starting a program: on Windows, no console of its own if this program has none."""
    return 0x08000000 if os.name == "nt" and sys.stderr is None else 0


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


def say(text: str) -> None:
    """Writes one line to stderr, if there is a stderr."""
    try:
        sys.stderr.write(f"wheelprint: {text}\n")
        sys.stderr.flush()
    except (AttributeError, OSError, ValueError):
        pass
