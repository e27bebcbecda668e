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

import contextlib
import importlib
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import sysconfig
import tempfile
import time
from importlib.util import find_spec

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

_name = __name__[: -len("_rebuild")] + "_check"
__import__(_name)
check: Any = sys.modules[_name]

# Seconds between two looks at the output, and between two tries to take the lock.
GLANCE = 0.1
# Seconds that a frontend has to stop before it is killed.
PATIENCE = 10
# What Windows lets nobody remove while it is loaded, and how long a virus scanner may read it.
LOADED = (".pyd", ".dll")
WAITS = (0.1, 0.4)


def run(hook: str, installed: Any, stale: list[Any]) -> str | None:
    """Rebuilds, or waits for another process that rebuilds. The next import gets the new module.

    Returns an error text with the compiler's output if the build fails. If a rebuild cannot start,
    only a warning is printed."""
    asked = time.time()
    lock, waited = _lock(installed)
    with lock:
        # Another process may have finished a rebuild already.
        if waited or check.look([os.fsencode(installed.path)]) != installed.identity:
            installed = check.Installed.load(hook)
            stale = check.Memory(installed).compare()
            if not stale:
                _load_anew(hook)
                return None
        memory = check.Memory(installed)
        path = memory.place + ".failure"
        state = check.digest_of(sorted(f"{one.key} {one.token}" for one in stale))
        output = _known_failure(path, state, asked)
        if output is None:
            check.say(f"{installed.stale(stale)}; rebuilding")
            began = time.monotonic()
            outcome, output = _build(installed)
            seconds = f"{time.monotonic() - began:.1f} s"
            if outcome == "installed":
                _settle(hook, installed, stale, seconds)
                _load_anew(hook)
                return None
            installed.make_uv_look()
            if outcome != "failed":
                check.say(f"warning: {installed.name} is imported as it is: {output}")
                return None
            check.say(f"{installed.name} could not be rebuilt ({seconds})")
            failure = f"{state}\n{time.time()}\n{output}"
            memory.write(path, failure.encode("utf-8", "replace"))
        return f"{installed.name} is stale and could not be rebuilt. The build said:\n\n{output}"


def _settle(hook: str, old: Any, stale: list[Any], seconds: str) -> None:
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
    if len(elsewhere) == len(left):
        memory.accepted.update((one.key, one.token) for one in elsewhere)
        memory.save()


def _load_anew(hook: str) -> None:
    """Replaces the hook by the one of the new wheel, which may map other modules."""
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
    # Path, digest and size. A path with a comma is in quotes; on Windows none contains a quote.
    lines = installed.recorded("RECORD").split("\n")
    names = [line.rsplit(",", 2)[0].strip('"') for line in lines]
    paths = [os.path.join(installed.site, one) for one in names if one.lower().endswith(LOADED)]
    return next((path for path in paths if _is_held(path, opened, waits)), "")


def _is_held(path: str, opened: Any, waits: tuple[float, ...]) -> bool:
    # Writing to what is loaded is refused as removing it is; nothing is written.
    for wait in (*waits, 0):
        try:
            opened(path, "r+b").close()
            return False
        except PermissionError:
            time.sleep(wait)
        except OSError:
            return False
    # A file that is only for reading can be removed.
    return os.access(path, os.W_OK)


def _lock(installed: Any) -> tuple[Any, bool]:
    """A lock, so that one process rebuilds the package of an environment and the others wait; and
    whether this process waited.

    Without a writable cache folder there is no lock; frontends have their own locks."""
    try:
        check.make_private(installed.cache)
        path = check.Memory(installed).place + ".lock"
        file = open(path, "a+b", opener=check.privately)  # noqa: SIM115
    except OSError:
        return contextlib.nullcontext(), False
    waited = False
    while not _is_taken(file):
        if not waited:
            check.say(f"waiting for another process that rebuilds {installed.name}")
        waited = True
        time.sleep(GLANCE)
    return file, waited


def _is_taken(file: Any) -> bool:
    """Tries to take the lock."""
    try:
        if os.name == "nt":
            import msvcrt

            file.seek(0)
            msvcrt.locking(file.fileno(), msvcrt.LK_NBLCK, 1)  # type: ignore[attr-defined,unused-ignore]
        else:
            import fcntl

            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        # Another error on POSIX: a file system without locks.
        return os.name != "nt" and not isinstance(error, BlockingIOError)
    return True


def _known_failure(path: str, state: str, asked: float) -> str | None:
    """The output of a build that failed while this process waited for it; it is not repeated."""
    try:
        failed, when, output = check.read(path).split("\n", 2)
        return output if failed == state and float(when) >= asked else None
    except ValueError:
        return None


def _build(installed: Any) -> tuple[str, str]:
    """Calls the frontend, and a second time if the first call could not start a build.

    Returns ``installed``, ``failed`` with the output of the build, or another outcome with its
    cause in a few lines."""
    state, output, said = "no start", "", ""
    try:
        commands = _commands(installed)
    except LookupError as error:
        commands, said = [], str(error)
    table = [os.fsencode(installed.path)]
    before = check.look(table)
    for command in commands:
        state, output, said = _call(installed, command)
        if state != "no start":
            break
    if state == "failed":
        # Without output of the compiler, that of the frontend.
        return state, output.rstrip() or said
    # Each install replaces the table.
    if state == "installed" and check.look(table) not in (before, list(check.ABSENT)):
        return state, ""
    causes = {
        "built": "the new build could not be installed:\n  ",
        "installed": "the new build was not installed where this one is:\n  ",
    }
    said = (output if state == "unable" else "") or said
    said = "\n  ".join(line for line in said.splitlines() if line.strip())
    return "not installed", causes.get(state, "it can't be rebuilt here: ") + said


def _commands(installed: Any) -> list[list[str]]:
    """The commands to try, in this order, until one starts a build.

    Raises LookupError with the cause if none can be called."""
    if not os.access(installed.project, os.W_OK):
        raise LookupError(f"{installed.project} can't be written to")
    held = in_use(installed)
    if held:
        text = f"{held} is in use: a program that has imported it still runs. End it, and "
        raise LookupError(text + "import again")
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
    if find_spec("pip") is None:
        raise LookupError("neither uv nor pip is there")
    install = [python, "-m", "pip", "install", "--disable-pip-version-check", *project]
    if find_spec("wheelprint") is not None and find_spec("maturin") is not None:
        return [[*install, "--no-build-isolation"], install]
    return [install]


def _call(installed: Any, command: list[str]) -> tuple[str, str, str]:
    """Calls the frontend. Returns the state of the build, its output, and the frontend's output."""
    folder = tempfile.mkdtemp(prefix="wheelprint-")
    state, output, frontend = (
        os.path.join(folder, name) for name in ("state", "output", "frontend")
    )
    # An import must not install a toolchain.
    environment = {**os.environ, check.GUARD: folder, "MATURIN_NO_INSTALL_RUST": "1"}
    # The first variable is only for this import: the new wheel must contain the project's own
    # setting. With the second one uv would not make an editable install.
    for name in ("WHEELPRINT_ON_STALE", "UV_NO_EDITABLE"):
        environment.pop(name, None)
    try:
        with open(frontend, "wb") as said:
            try:
                process = subprocess.Popen(
                    command,
                    cwd=installed.project,
                    env=environment,
                    stdin=subprocess.DEVNULL,
                    stdout=said,
                    stderr=said,
                )
            except OSError as error:
                return "no start", "", f"{command[0]}: {error.strerror}"
        try:
            _watch(process, output)
        except BaseException:
            # On Ctrl-C, stop the frontend too, and give it time to clean up.
            _stop(process)
            raise
        outcome = check.read(state).strip() if process.returncode else "installed"
        if outcome not in ("installed", "failed", "unable", "built"):
            outcome = "no start"
        return outcome, check.read(output), check.read(frontend)
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _watch(process: subprocess.Popen[bytes], output: str) -> None:
    """Waits for the process. On a terminal, shows the last line of the output meanwhile."""
    shown = 0
    terminal = hasattr(sys.stderr, "isatty") and sys.stderr.isatty()
    while True:
        try:
            process.wait(GLANCE if terminal else None)
            break
        except subprocess.TimeoutExpired:
            lines = [line for line in check.read(output).split("\n") if line.strip()]
            # Without colour codes.
            line = re.sub(r"\x1b\[[0-9;]*[A-Za-z]", "", lines[-1]).strip() if lines else ""
            # maturin's emoji are two columns wide.
            line = line[: shutil.get_terminal_size().columns - 4]
            sys.stderr.write("\r" + line.ljust(shown) + "\r")
            sys.stderr.flush()
            shown = len(line)
    if shown:
        sys.stderr.write("\r" + " " * shown + "\r")


def _stop(process: subprocess.Popen[bytes]) -> None:
    try:
        process.send_signal(signal.SIGINT if os.name != "nt" else signal.SIGTERM)
        process.wait(PATIENCE)
    except BaseException:
        process.kill()
        process.wait()


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
    site = installed.site
    for folder in check.upward(site):
        if os.path.isfile(os.path.join(folder, "pyvenv.cfg")):
            inside = os.path.relpath(site, folder).replace(os.sep, "/")
            if not re.fullmatch(r"(?i)lib(64)?/([a-z]+[0-9.]+t?/)?site-packages", inside):
                break
            programs = ("Scripts", "python.exe") if os.name == "nt" else ("bin", "python")
            return folder, os.path.join(folder, *programs)
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
    try:
        recorded = json.loads(installed.recorded("uv_build.json"))
        return dict(recorded.get("config_settings") or {})
    except (ValueError, AttributeError, TypeError):
        return {}


def _configured(installed: Any) -> set[str]:
    """The config settings in uv's configuration files; `*` if they cannot be parsed."""
    home = os.environ.get("XDG_CONFIG_HOME") or os.path.join(os.path.expanduser("~"), ".config")
    files = [os.environ.get("UV_CONFIG_FILE") or "", os.path.join(home, "uv", "uv.toml")]
    files += [os.path.join(os.environ.get("APPDATA") or "", "uv", "uv.toml"), "/etc/uv/uv.toml"]
    for folder in check.upward(installed.project):
        files += [os.path.join(folder, name) for name in ("pyproject.toml", "uv.toml")]
    contents = [content for content in map(check.read, files) if "config-settings" in content]
    return {name for content in contents for name in _names_in(content, installed.name)}


def _names_in(content: str, package: str) -> set[str]:
    try:
        import tomllib  # type: ignore[import-not-found,unused-ignore]

        table = tomllib.loads(content)
        uv = table.get("tool", {}).get("uv", {}) if "tool" in table else table
        found = set(uv.get("config-settings", {}))
        for name, settings in uv.get("config-settings-package", {}).items():
            if check.normal(name) == check.normal(package):
                found |= set(settings)
        return found
    except (ImportError, ValueError, AttributeError):
        return {"*"}
