"""Rebuilds an editable install that was found stale at import.

A copy of this file is next to the import check (``_runtime_check.py``) and is loaded only for a
rebuild. The frontend that installed the package runs the build. The variable ``GUARD`` names a
folder, in which the backend writes two files:

    state     started, then one of: built, failed (the user must fix an error of the compiler),
              unable (no cargo, no maturin, no permission to write)
    output    the output of maturin and cargo

Standard library only.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
import time

TYPE_CHECKING = False
if TYPE_CHECKING:
    from types import ModuleType
    from typing import Any

# Seconds between two looks at the output, and between two tries to take a lock on Windows.
GLANCE = 0.1
# Seconds that a frontend has to stop before it is killed.
PATIENCE = 10
# What Windows lets nobody remove while it is loaded, and how long a virus scanner may read it.
LOADED = (".pyd", ".dll")
WAITS = (0.1, 0.4)


def run(check: ModuleType, hook: str, installed: Any, stale: list[Any]) -> str | None:
    """Rebuilds, or waits for another process that rebuilds. The next import gets the new module.

    Returns an error text with the compiler's output if the build fails. If a rebuild cannot start,
    only a warning is printed."""
    asked = time.time()
    with _Lock(check, installed) as lock:
        # Another process may have finished a rebuild already.
        if lock.waited or check.look([os.fsencode(installed.path)]) != installed.identity:
            installed = check.Installed.load(hook)
            stale = _still_stale(check, installed)
            if not stale:
                _load_anew(hook)
                return None
        failures = _Failures(check, installed)
        known = failures.known(stale, asked)
        if known is not None:
            return _failure(installed, known)
        check.say(f"{installed.stale(stale)}; rebuilding")
        began = time.monotonic()
        build = _Build(check, installed)
        outcome = build.run()
        seconds = f"{time.monotonic() - began:.1f} s"
        if outcome != "installed":
            installed.make_uv_look()
        if outcome == "failed":
            check.say(f"{installed.name} could not be rebuilt ({seconds})")
            failures.remember(stale, build.output())
            return _failure(installed, build.output())
        if outcome != "installed":
            check.say(f"warning: {installed.name} is imported as it is: {build.cause(outcome)}")
            return None
        _settle(check, hook, installed, stale, seconds)
        _load_anew(hook)
        return None


def _failure(installed: Any, output: str) -> str:
    return f"{installed.name} is stale and could not be rebuilt. The build said:\n\n{output}"


def _settle(check: ModuleType, hook: str, old: Any, stale: list[Any], seconds: str) -> None:
    """Prints the result. Edits during the rebuild are left to the next import."""
    installed = check.Installed.load(hook)
    is_same = installed.facts["fingerprint"] == old.facts["fingerprint"]
    if is_same and not old.facts["raced"]:
        check.say(f"{installed.name} needed no build ({seconds})")
    else:
        check.say(f"rebuilt {installed.name} in {seconds}")
    memory = check.Memory(installed)
    tokens = {one.key: one.token for one in stale}
    left = memory.compare()
    # The frontend may build with other variables and another compiler than this process has. The
    # rebuild could not remove such a difference, so it is accepted. A file that every build
    # rewrites with the same content is no race.
    settled = {"variable", "rustc"}
    if is_same and all(one.key.startswith("raced ") for one in stale):
        settled.add("raced")
    elsewhere = [
        one
        for one in left
        if one.key.split(" ")[0] in settled and tokens.get(one.key, one.token) == one.token
    ]
    memory.accept(elsewhere)
    if len(elsewhere) == len(left):
        memory.save()


def _still_stale(check: ModuleType, installed: Any) -> list[Any]:
    memory = check.Memory(installed)
    stale: list[Any] = memory.compare()
    if not stale:
        memory.save()
    return stale


def _load_anew(hook: str) -> None:
    """Replaces the hook by the one of the new wheel, which may map other modules."""
    import importlib

    old = sys.modules.pop(hook, None)
    importlib.invalidate_caches()
    try:
        importlib.import_module(hook).install()
    except ImportError:
        # The package was uninstalled, or is being replaced again.
        if old is not None:
            sys.modules[hook] = old


def in_use(installed: Any, opened: Any = open, waits: tuple[float, ...] = WAITS) -> str:
    """A module of the package that a program has loaded, if there is one. Windows lets nobody
    remove such a file: a frontend would stop at it, when half of the package is removed."""
    import csv

    site = os.path.dirname(os.path.dirname(installed.path))
    try:
        record = os.path.join(site, installed.facts["dist-info"], "RECORD")
        with open(record, encoding="utf-8", newline="") as file:
            names = [line[0] for line in csv.reader(file) if line]
    except (OSError, ValueError, csv.Error):
        return ""
    paths = [os.path.join(site, name) for name in names if name.lower().endswith(LOADED)]
    return next((path for path in paths if _is_held(path, opened, waits)), "")


def _is_held(path: str, opened: Any, waits: tuple[float, ...]) -> bool:
    # Writing to what is loaded is refused as removing it is; nothing is written.
    for wait in (*waits, 0):
        try:
            opened(path, "r+b").close()
        except PermissionError:
            time.sleep(wait)
        except OSError:
            return False
        else:
            return False
    # A file that is only for reading can be removed.
    return os.access(path, os.W_OK)


class _Lock:
    """A lock, so that one process rebuilds the package of an environment and the others wait.

    Without a writable cache folder there is no lock; frontends have their own locks."""

    def __init__(self, check: ModuleType, installed: Any) -> None:
        self.check, self.installed, self.waited = check, installed, False
        self.file: Any = None

    def __enter__(self) -> _Lock:
        try:
            self.check.make_private(self.installed.cache)
            path = self.check.Memory(self.installed).place + ".lock"
            self.file = open(path, "a+b", opener=self.check.privately)
        except OSError:
            return self
        if not self._take(False):
            self.waited = True
            self.check.say(f"waiting for another process that rebuilds {self.installed.name}")
            self._take(True)
        return self

    def _take(self, wait: bool) -> bool:
        if os.name == "nt":
            import msvcrt

            while True:
                try:
                    self.file.seek(0)
                    msvcrt.locking(self.file.fileno(), msvcrt.LK_NBLCK, 1)  # type: ignore[attr-defined,unused-ignore]
                    return True
                except OSError:
                    if not wait:
                        return False
                    time.sleep(GLANCE)
        import fcntl

        try:
            fcntl.flock(self.file, fcntl.LOCK_EX | (0 if wait else fcntl.LOCK_NB))
        except BlockingIOError:
            return False
        except OSError:
            # A file system without locks.
            pass
        return True

    def __exit__(self, *_: object) -> None:
        if self.file is not None:
            self.file.close()


class _Failures:
    """The last failed build, so that processes which waited for it need not repeat it."""

    def __init__(self, check: ModuleType, installed: Any) -> None:
        self.check, self.installed = check, installed
        self.memory = check.Memory(installed)

    def _state(self, stale: list[Any]) -> str:
        found: str = self.check.digest_of(sorted(f"{one.key} {one.token}" for one in stale))
        return found

    def known(self, stale: list[Any], asked: float) -> str | None:
        try:
            path = self.memory.place + ".failure"
            with open(path, encoding="utf-8", errors="replace") as file:
                state, when, output = file.read().split("\n", 2)
            is_ours = state == self._state(stale) and float(when) >= asked
        except (OSError, ValueError):
            return None
        return output if is_ours else None

    def remember(self, stale: list[Any], output: str) -> None:
        text = f"{self._state(stale)}\n{time.time()}\n{output}"
        self.memory.write(self.memory.place + ".failure", text.encode("utf-8", "replace"))


class _Build:
    """A call of the frontend, and a second one if the first could not start a build."""

    def __init__(self, check: ModuleType, installed: Any) -> None:
        self.check, self.installed = check, installed
        self.folder = ""
        self.said = ""

    def run(self) -> str:
        """``installed``, ``failed``, ``unable``, ``built``, ``elsewhere`` or ``no start``."""
        if not os.access(self.installed.project, os.W_OK):
            self.said = f"{self.installed.project} can't be written to"
            return "no start"
        held = in_use(self.installed)
        if held:
            self.said = f"{held} is in use: a program that has imported it still runs. End it, and "
            self.said += "import again"
            return "no start"
        try:
            commands = self._commands()
        except LookupError as error:
            self.said = str(error)
            return "no start"
        outcome = "no start"
        before = self._identity()
        for command in commands:
            self.folder = tempfile.mkdtemp(prefix="wheelprint-")
            try:
                outcome = self._call(command)
                self._output = self._read("output")
            finally:
                shutil.rmtree(self.folder, ignore_errors=True)
            if outcome != "no start":
                break
        if outcome == "installed" and self._identity() in (before, None):
            return "elsewhere"
        return outcome

    def _identity(self) -> list[int] | None:
        """Stat values of a file that each install replaces; None if it is missing."""
        seen: list[int] = self.check.look([os.fsencode(self.installed.path)])
        return seen if seen != list(self.check.ABSENT) else None

    def output(self) -> str:
        """The compiler's output; if there is none, the frontend's."""
        return self._output.rstrip() or self.said

    def cause(self, outcome: str) -> str:
        """The reason for an outcome, in a few lines."""
        said = (self._output if outcome == "unable" else "") or self.said
        said = "\n  ".join(line for line in said.splitlines() if line.strip())
        if outcome == "built":
            return f"the new build could not be installed:\n  {said}"
        if outcome == "elsewhere":
            return f"the new build was not installed where this one is:\n  {said}"
        return f"it can't be rebuilt here: {said}"

    _output = ""

    def _commands(self) -> list[list[str]]:
        """The commands to try, in this order, until one starts a build."""
        installed = self.installed
        by_uv = installed.installer() == "uv"
        settings = _settings(installed) if by_uv else {}
        lost = [name for name in installed.facts["config-settings"] if name not in settings]
        if lost:
            raise LookupError(f"only who installed it knows its config settings: {', '.join(lost)}")
        # uv adds the settings of its own configuration, so these must not be given again.
        known = _configured(installed) if settings else set()
        options = []
        for name, values in settings.items():
            if name not in known and "*" not in known:
                for value in values if isinstance(values, list) else [values]:
                    options += ["--config-settings", f"{name}={value}"]
        project = ["--no-deps", *options, "-e", installed.project]
        environment, python = _environment(installed)
        if by_uv:
            install = [_find_uv(), "pip", "install", "--python", environment]
            install += ["--reinstall-package", installed.name, *project]
            # The build requirements are normally in uv's cache, so no index is needed.
            return [[*install, "--offline"], install]
        from importlib.util import find_spec

        if find_spec("pip") is None:
            raise LookupError("neither uv nor pip is there")
        install = [python, "-m", "pip", "install", "--disable-pip-version-check", *project]
        if find_spec("wheelprint") is not None and find_spec("maturin") is not None:
            return [[*install, "--no-build-isolation"], install]
        return [install]

    def _call(self, command: list[str]) -> str:
        environment = {**os.environ, self.check.GUARD: self.folder}
        # The first variable is only for this import: the new wheel must contain the project's own
        # setting. With the second one uv would not make an editable install.
        for name in ("WHEELPRINT_ON_STALE", "UV_NO_EDITABLE"):
            environment.pop(name, None)
        # An import must not install a toolchain.
        environment["MATURIN_NO_INSTALL_RUST"] = "1"
        with open(os.path.join(self.folder, "frontend"), "w+b") as said:
            try:
                process = subprocess.Popen(
                    command,
                    cwd=self.installed.project,
                    env=environment,
                    stdin=subprocess.DEVNULL,
                    stdout=said,
                    stderr=said,
                )
            except OSError as error:
                self.said = f"{command[0]}: {error.strerror}"
                return "no start"
            try:
                self._watch(process)
            except BaseException:
                # On Ctrl-C, stop the frontend too, and give it time to clean up.
                _stop(process)
                raise
            said.seek(0)
            self.said = said.read().decode("utf-8", "replace")
        if process.returncode == 0:
            return "installed"
        state = self._read("state").strip()
        return {"failed": "failed", "unable": "unable", "built": "built"}.get(state, "no start")

    def _watch(self, process: subprocess.Popen[bytes]) -> None:
        """Waits for the process. On a terminal, shows the last line of the output meanwhile."""
        shown = 0
        terminal = hasattr(sys.stderr, "isatty") and sys.stderr.isatty()
        while True:
            try:
                process.wait(GLANCE if terminal else None)
                break
            except subprocess.TimeoutExpired:
                lines = [line for line in self._read("output").split("\n") if line.strip()]
                line = _plain(lines[-1]) if lines else ""
                # maturin's emoji are two columns wide.
                line = line[: shutil.get_terminal_size().columns - 4]
                sys.stderr.write("\r" + line.ljust(shown) + "\r")
                sys.stderr.flush()
                shown = len(line)
        if shown:
            sys.stderr.write("\r" + " " * shown + "\r")

    def _read(self, name: str) -> str:
        try:
            path = os.path.join(self.folder, name)
            with open(path, encoding="utf-8", errors="replace") as file:
                return file.read()
        except OSError:
            return ""


def _stop(process: subprocess.Popen[bytes]) -> None:
    import signal

    try:
        process.send_signal(signal.SIGINT if os.name != "nt" else signal.SIGTERM)
        process.wait(PATIENCE)
    except BaseException:
        process.kill()
        process.wait()


def _plain(line: str) -> str:
    """The line without colour codes."""
    import re

    return re.sub(r"\x1b\[[0-9;]*[A-Za-z]", "", line).strip()


def _find_uv() -> str:
    """The uv that runs this process, else one on PATH, next to Python, or where uv is installed."""
    given = os.environ.get("UV")
    if given and os.path.isfile(given):
        return given
    home = os.path.expanduser("~")
    beside = [os.path.dirname(sys.executable), os.path.join(home, ".local", "bin")]
    beside.append(os.path.join(os.environ.get("CARGO_HOME") or os.path.join(home, ".cargo"), "bin"))
    found = shutil.which("uv") or shutil.which("uv", path=os.pathsep.join(beside))
    if found is None:
        raise LookupError("uv, which installed it, is not on PATH")
    return found


def _environment(installed: Any) -> tuple[str, str]:
    """The environment that contains the package, and the interpreter of that environment.

    The running interpreter may be another one: `uv run --with` adds an environment on top."""
    import re
    import sysconfig

    site = os.path.dirname(os.path.dirname(installed.path))
    folder = site
    while folder != os.path.dirname(folder):
        if os.path.isfile(os.path.join(folder, "pyvenv.cfg")):
            inside = os.path.relpath(site, folder).replace(os.sep, "/")
            if not re.fullmatch(r"(?i)lib(64)?/([a-z]+[0-9.]+t?/)?site-packages", inside):
                break
            programs = ("Scripts", "python.exe") if os.name == "nt" else ("bin", "python")
            return folder, os.path.join(folder, *programs)
        folder = os.path.dirname(folder)
    else:
        base = getattr(sys, "_base_executable", None) or sys.executable
        for prefix, python in ((sys.prefix, sys.executable), (sys.base_prefix, base)):
            places = sysconfig.get_paths(vars={"base": prefix, "platbase": prefix})
            known = {os.path.realpath(places[name]) for name in ("purelib", "platlib")}
            if python and os.path.realpath(site) in known:
                return python, python
    raise LookupError(f"{site} is in no environment that this interpreter knows")


def _settings(installed: Any) -> dict[str, Any]:
    """The config settings of the install, as recorded by uv."""
    import json

    site = os.path.dirname(os.path.dirname(installed.path))
    try:
        path = os.path.join(site, installed.facts["dist-info"], "uv_build.json")
        with open(path, encoding="utf-8") as file:
            return dict(json.load(file).get("config_settings") or {})
    except (OSError, ValueError, AttributeError, TypeError):
        return {}


def _configured(installed: Any) -> set[str]:
    """The config settings in uv's configuration files; `*` if they cannot be parsed."""
    home = os.environ.get("XDG_CONFIG_HOME") or os.path.join(os.path.expanduser("~"), ".config")
    files = [os.environ.get("UV_CONFIG_FILE") or "", os.path.join(home, "uv", "uv.toml")]
    files += [os.path.join(os.environ.get("APPDATA") or "", "uv", "uv.toml"), "/etc/uv/uv.toml"]
    folder = installed.project
    while True:
        files += [os.path.join(folder, name) for name in ("pyproject.toml", "uv.toml")]
        if folder == os.path.dirname(folder):
            break
        folder = os.path.dirname(folder)
    found = set()
    for file in files:
        try:
            with open(file, "rb") as opened:
                content = opened.read().decode()
        except (OSError, ValueError):
            continue
        if "config-settings" in content:
            found |= _names_in(content, installed.name)
    return found


def _names_in(content: str, package: str) -> set[str]:
    try:
        import tomllib  # type: ignore[import-not-found,unused-ignore]

        table = tomllib.loads(content)
    except (ImportError, ValueError):
        return {"*"}
    uv = table.get("tool", {}).get("uv", {}) if "tool" in table else table
    try:
        found = set(uv.get("config-settings", {}))
        for name, settings in uv.get("config-settings-package", {}).items():
            if _normal(name) == _normal(package):
                found |= set(settings)
    except AttributeError:
        return {"*"}
    return found


def _normal(name: str) -> str:
    import re

    return re.sub(r"[-_.]+", "-", name).lower()
