"""The import check of an editable install: was the module built from what lies there now?

A copy of this file lies beside the runtime hook in every editable wheel with modules in it, and is
loaded by the first import of the package, never at interpreter start; ``_runtime_compare.py``, if
anything was touched. What the module was built
from stands in ``inputs``, beside the modules: fields with NUL between them, so that the usual
case, in which nothing has changed, needs no parser:

    wheelprint check 1 | cache folder | JSON | path | path | ...

Where the stat values of all paths are those at which they were last found right, nothing has
changed. (Not so on Windows, whose ``stat`` knows no time that nobody can set: every file is hashed
there.) Otherwise what differs is hashed. The memory lies in the cache folder, never in
site-packages, where uv's files are links to its own cache; deleting it changes no answer.
Standard library only.
"""

import _thread
import marshal
import os
import sys

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

FORMAT = b"wheelprint check 1"
POLICIES = ("rebuild", "warn", "error", "ignore")
# Set for a frontend that rebuilds on our behalf, and for all it runs: they check nothing.
GUARD = "_WHEELPRINT_REBUILD"
# Cargo sets these for build scripts.
BUILD_SCRIPTS = {"CARGO_MANIFEST_DIR", "NUM_JOBS", "OUT_DIR", "TARGET"}
STAT_TELLS = os.name != "nt"
# Stat values of what is not there.
ABSENT = (0, 0, 0)
# So many reasons are named in one line.
NAMED = 3

_lock = _thread.RLock()
_done = False


def _forget_lock() -> None:
    global _lock
    # A child of a fork has none of the threads that may have held it.
    _lock = _thread.RLock()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_forget_lock)


def run(hook: str, package: str, policy: str, configured: str) -> "ImportError | None":
    """Checks once in a process. Gives the error of a rebuild that failed or of the policy
    ``error``; the next import tries again. A fault of our own is said, and no more."""
    global _done
    # A build script that runs Python must not wait for a build that waits for it.
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
    """What was checked is not there any more; the next import checks what is."""
    global _done
    _done = False


def _check(hook: str, package: str, policy: str) -> "ImportError | None":
    installed = Installed.load(hook)
    memory = Memory(installed)
    if memory.is_as_remembered():
        return None
    stale = memory.compare()
    if not stale:
        memory.save()
        return None
    lost: str = load("_compare").lost(installed)
    if lost:
        # Nothing can be built where there are no sources.
        if policy == "error":
            return ImportError(lost, name=package)
        say(f"warning: {lost}")
        return None
    if policy == "rebuild":
        text = load("_rebuild").run(sys.modules[__name__], hook, installed, stale)
        return ImportError(text, name=package) if text else None
    installed.make_uv_look()
    text = f"{installed.name} is stale: {reasons(stale)}; to rebuild it: {installed.remedy()}"
    if policy == "error":
        return ImportError(text, name=package)
    say(f"warning: {text}")
    return None


def load(end: str) -> "Any":
    """The module beside the hook whose name ends so."""
    hook = __name__[: -len("_check")]
    __import__(hook)
    return sys.modules[hook].load(end)


class Stale:
    """One input that is not as it was; ``token`` says what it is now."""

    def __init__(self, key: str, text: str, token: str) -> None:
        self.key, self.text, self.token = key, text, token


def reasons(stale: "list[Stale]") -> str:
    """The first few, in words."""
    text = ", ".join(one.text for one in stale[:NAMED])
    more = len(stale) - NAMED
    return f"{text} and {more} more" if more > 0 else text


class Installed:
    """What the installed wheel was built from, as it says itself."""

    def __init__(self, path: str) -> None:
        # Before it is read: what is remembered of it must not be taken for a newer one's.
        self.identity = look([os.fsencode(path)])
        with open(path, "rb") as file:
            version, cache, self._json, *self.paths = file.read().split(b"\0")
        if version != FORMAT:
            raise ValueError(f"{path}: written by another version")
        self.path = path
        # Without a cache folder nothing is remembered: below a file nothing can be written.
        folder = os.environ.get("WHEELPRINT_CACHE_DIR") or ""
        if not os.path.isabs(folder):
            # Of a relative one: as the build has resolved it.
            folder = os.fsdecode(cache) or os.devnull
        self.cache = os.path.join(folder if is_private(folder) else os.devnull, "imports")
        self._facts: dict[str, Any] | None = None

    @classmethod
    def load(cls, hook: str) -> "Installed":
        """What is installed now; an installer that is replacing it takes a moment."""
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
        """The JSON part, which only a closer look needs."""
        if self._facts is None:
            import json

            self._facts = json.loads(self._json)
            if len(self._facts["entries"]) != len(self.paths):
                raise ValueError(f"{self.path}: damaged")
        return self._facts

    @property
    def name(self) -> str:
        return self.facts["name"]

    @property
    def project(self) -> str:
        return self.facts["project"]

    def named(self, path: bytes) -> str:
        """A path as a user would write it."""
        text = os.fsdecode(path)
        try:
            short = os.path.relpath(text, self.project)
        except ValueError:
            return text
        up = os.path.join(*[os.pardir] * 3)
        return text if short.startswith(up) else short.replace(os.sep, "/")

    def installer(self) -> str:
        """PEP 376's INSTALLER, in lower case."""
        here = os.path.dirname(os.path.abspath(__file__))
        try:
            with open(os.path.join(here, self.facts["dist-info"], "INSTALLER")) as file:
                return file.read().strip().lower()
        except OSError:
            return ""

    def remedy(self) -> str:
        """What a user would run to rebuild it."""
        if self.installer() != "uv":
            return f"pip install --no-deps -e {self.project}"
        folder = self.project
        while folder != os.path.dirname(folder):
            if os.path.exists(os.path.join(folder, "uv.lock")):
                return f"uv sync --reinstall-package {self.name}"
            folder = os.path.dirname(folder)
        return f"uv pip install --no-deps --reinstall-package {self.name} -e {self.project}"

    def make_uv_look(self) -> None:
        """What we saw, uv may be unable to see: a deletion, an old time, a file it was not told of.
        It goes by pyproject.toml's ctime, which changes with times that stay the same (on Windows,
        by its mtime)."""
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
    """The stat values at which every input was last found right; the variables; and which of them,
    accepted as they are, are otherwise where the frontend builds."""

    def __init__(self, installed: "Installed") -> None:
        self.installed = installed
        # Two that get one name take turns: whose it is stands inside.
        place = "".join(char if char.isalnum() else "-" for char in installed.path)
        self.path = os.path.join(installed.cache, place[-100:].lstrip("-"))
        self.wheel = installed.identity
        self.stats: list[int] = []
        self.accepted: dict[str, str] = {}
        self.names: tuple[tuple[str, ...], ...] = ()
        self.variables: str | None = None
        self.rustc: str | None = None
        try:
            with open(self.path + ".memory", "rb") as file:
                sum_, _, content = file.read().partition(b"\n")
            if sum_ != checksum(content):
                return
            path, wheel, stats, names, variables, rustc, accepted = marshal.loads(content)
        except Exception:
            # Whatever is wrong with it: it is as good as not there.
            return
        if path == installed.path:
            self.accepted = accepted
            if wheel == self.wheel:
                self.stats, self.names, self.variables, self.rustc = stats, names, variables, rustc

    def is_as_remembered(self) -> bool:
        """The usual case, quickly: nothing was touched."""
        return (
            STAT_TELLS
            and self.variables is not None
            and self.variables == digest_of(set_variables(self.names))
            and self.rustc == rustc_on_path()
            and self.stats == look(self.installed.paths)
        )

    def compare(self) -> "list[Stale]":
        """Everything that is not as it was; what is right is remembered from now on."""
        found: list[Stale] = load("_compare").compare(self)
        return [one for one in found if self.accepted.get(one.key) != one.token]

    def accept(self, stale: "list[Stale]") -> None:
        """They are so here, and are otherwise wherever the frontend builds."""
        self.accepted.update((one.key, one.token) for one in stale)

    def save(self) -> None:
        known = (self.installed.path, self.wheel, self.stats, self.names)
        known += (self.variables, self.rustc, self.accepted)  # type: ignore[assignment]
        content = marshal.dumps(known)
        self.write(".memory", checksum(content) + b"\n" + content)

    def write(self, end: str, content: bytes) -> None:
        """Writes a file beside and renames it. It is only slower without."""
        beside = f"{self.path}.{os.getpid()}-{_thread.get_ident()}"
        try:
            make_private(self.installed.cache)
            try:
                with open(beside, "xb", opener=privately) as file:
                    file.write(content)
                os.replace(beside, self.path + end)
            except OSError:
                os.unlink(beside)
        except OSError:
            pass


def is_private(base: str) -> bool:
    """Nobody else could have put there what is believed, or a link where something is written."""
    if os.name == "nt":
        return True
    for look_at, folder in ((os.stat, base), (os.lstat, os.path.join(base, "imports"))):
        try:
            seen = look_at(folder)
        except OSError:
            # It is made when it is needed.
            return True
        # A folder that not just anybody may write to.
        if seen.st_uid not in (0, os.geteuid()) or seen.st_mode & 0o040002 != 0o040000:
            return False
    return True


def make_private(folder: str) -> None:
    """Both the store and the folder in it; the mode is only that of the last."""
    for each in (os.path.dirname(folder), folder):
        os.makedirs(each, 0o700, exist_ok=True)


def privately(path: str, flags: int) -> int:
    """Opens what nobody else need see, and follows no link."""
    return os.open(path, flags | getattr(os, "O_NOFOLLOW", 0), 0o600)


def look(paths: "list[bytes]") -> "list[int]":
    """ctime, inode and size of each, one after the other."""
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


def checksum(content: bytes) -> bytes:
    """Against damage, not against malice; without loading a module."""
    return b"%d" % (int.from_bytes(content, "little") % (2**61 - 1))


def sha256() -> "Any":
    """For a few bytes: hashlib, which looks for OpenSSL, takes longer to load than all the rest."""
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


def as_environ_has(names: "dict[str, Any]", windows: bool = os.name == "nt") -> "dict[str, Any]":
    """Variables by the names that ``os.environ`` has: on Windows all are in capitals there."""
    return {name.upper(): value for name, value in names.items()} if windows else names


def set_variables(names: "tuple[tuple[str, ...], ...]") -> "list[str]":
    """Which of the variables that count are set, and to what."""
    if not names:
        return []
    named, exact, prefixes, exceptions = names
    found = []
    for name in os.environ:
        if (
            name in named
            or name == "RUSTUP_TOOLCHAIN"
            or (
                (name in exact or name.startswith(prefixes))
                and not any(
                    name.startswith(no) if no.endswith("_") else name == no for no in exceptions
                )
            )
        ):
            found.append(f"{name}={os.environ[name]}")
    return sorted(found)


def rustc_on_path() -> str:
    """The first one, if there is any."""
    name = "rustc.exe" if os.name == "nt" else "rustc"
    for folder in os.environ.get("PATH", "").split(os.pathsep):
        path = os.path.join(folder, name)
        if folder and os.access(path, os.X_OK):
            return path
    return ""


def say(text: str) -> None:
    """One line on stderr, if there is one."""
    try:
        sys.stderr.write(f"wheelprint: {text}\n")
        sys.stderr.flush()
    except (AttributeError, OSError, ValueError):
        pass
