"""Rebuilds an editable install that was found stale at import.

A copy of this file is next to the import check (``_runtime_check.py``) and is loaded only for a
rebuild. The frontend that installed the package runs the build. The variable ``GUARD`` names a
folder, in which the backend of the project ``PROJECT`` writes four files:

    state     started, then one of: built, failed (the user must fix an error of the compiler),
              unable (no cargo, no maturin, no permission to write)
    output    the output of maturin and cargo
    stored    nothing was compiled
    progress  how many of cargo's steps are done, and how many there are: 3/30

One call of uv also rebuilds other stale packages that the program will probably import: those that
were imported by the last program that rebuilt this one. If that call fails, this package is rebuilt
alone. The others are then left to their own imports, which also report their errors.

Standard library only.
"""

from __future__ import annotations

import atexit
import contextlib
import importlib
import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import time

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

_name = __name__[: -len("_rebuild")] + "_check"
__import__(_name)
check: Any = sys.modules[_name]
frontend: Any = check.load("_frontend")

# See `IMPORT_PROJECT` in `log.rs`.
PROJECT = "_WHEELPRINT_REBUILD_PROJECT"
# Seconds between two looks at the output, and between two tries to take the lock.
GLANCE = 0.1
# Seconds that a frontend has to stop before it is killed.
PATIENCE = 10


def run(hook: str, installed: Any, stale: list[Any]) -> str | None:
    """Rebuilds, or waits for another process that rebuilds. The next import gets the new module.

    Returns an error text with the compiler's output if the build fails. If a rebuild cannot start,
    only a warning is printed."""
    try:
        output = rebuild(hook, installed, stale)
    except KeyboardInterrupt as error:
        _end_in_one_line(error, f"the rebuild of {installed.name} was interrupted")
        raise
    if output is None:
        return None
    return (
        f"{installed.name} is stale and could not be rebuilt. The build said:\n\n{output}\n\n"
        "hint: with WHEELPRINT_ON_STALE=ignore (and `uv run --no-sync`) the module is imported as "
        "it was last built"
    )


def rebuild(hook: str, installed: Any, stale: list[Any]) -> str | None:
    """The same, but returns only the compiler's output."""
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
            announce(installed, stale)
            began = time.monotonic()
            with contextlib.ExitStack() as locks:
                others = _others(memory, locks)
                outcome, output = _build(installed, [other for _, other, _ in others])
                seconds = f"{time.monotonic() - began:.1f} s"
                if outcome in ("installed", "stored"):
                    _settle(hook, installed, stale, seconds, outcome == "stored")
                    for name, other, changes in others:
                        if check.look([os.fsencode(other.path)]) != other.identity:
                            with contextlib.suppress(Exception):
                                # The backend tells of one project only.
                                _settle(name, other, changes, seconds, False)
                    atexit.register(note_imports, memory)
                    return None
            installed.make_uv_look()
            if outcome != "failed":
                give_up(installed, output)
                return None
            check.say(f"{installed.name} could not be rebuilt ({seconds})")
            failure = f"{state}\n{time.time()}\n{output}"
            memory.write(path, failure.encode("utf-8", "replace"))
        return output


def announce(installed: Any, stale: list[Any], what: str = "rebuilding") -> None:
    """Says why a rebuild begins."""
    check.say(f"{installed.stale(stale)}; {what}")


def give_up(installed: Any, cause: str) -> None:
    """Says why a rebuild could not begin."""
    check.say(f"warning: {installed.name} is imported as it is: {cause}")


def _settle(hook: str, old: Any, stale: list[Any], seconds: str, is_stored: bool) -> None:
    """Prints the result, and loads the new hook. Edits during the rebuild are left to the next
    import."""
    installed = check.Installed.load(hook)
    is_same = installed.facts["fingerprint"] == old.facts["fingerprint"]
    if is_stored:
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
    _load_anew(hook)


def _load_anew(hook: str) -> None:
    """Runs the hook of the new wheel, which may map other modules, in place of the old one."""
    importlib.invalidate_caches()
    # An error: the package was uninstalled, or is being replaced again.
    with contextlib.suppress(ImportError):
        importlib.reload(importlib.import_module(hook)).install()


def _siblings(installed: Any) -> list[Any]:
    """The hooks of the other editable packages in the environment."""
    owners = [str(getattr(finder, "owner", "")) for finder in sys.meta_path]
    hooks: list[Any] = [sys.modules[name] for name in owners if name in sys.modules]
    hooks = [maps for maps in hooks if getattr(maps, "HERE", "") == installed.site]
    return [maps for maps in hooks if os.path.join(maps.HERE, maps.INPUTS) != installed.path]


def _is_imported(maps: Any) -> bool:
    return any(name in sys.modules for name in (*maps.PACKAGES, *maps.MODULES))


def note_imports(memory: Any) -> None:
    """At the end of a program: writes which other packages it imported."""
    # An error would print a traceback.
    with contextlib.suppress(Exception):
        siblings = _siblings(memory.installed)
        names = "\n".join(sorted(maps.__name__ for maps in siblings if _is_imported(maps)))
        if names != check.read(memory.place + ".together"):
            memory.write(memory.place + ".together", names.encode())


def _others(memory: Any, locks: contextlib.ExitStack) -> list[tuple[str, Any, list[Any]]]:
    """The stale packages that the same call can rebuild: hook, installed package, changes.

    Their locks are kept. A package that another process is rebuilding is left out: waiting for it
    could be a deadlock."""
    found = []
    expected = check.read(memory.place + ".together").split("\n")
    for maps in _siblings(memory.installed):
        policy = os.environ.get("WHEELPRINT_ON_STALE") or maps.ON_STALE
        if maps.__name__ not in expected or policy != "rebuild" or _is_imported(maps):
            continue
        # Errors are left to the import of that package.
        with contextlib.suppress(Exception):
            other = check.Installed(os.path.join(maps.HERE, maps.INPUTS))
            its = check.Memory(other)
            if its.is_as_remembered() or not frontend.can_join(memory.installed, other):
                continue
            if not _is_taken(locks.enter_context(_open_lock(other))):
                continue
            stale = its.compare()
            if stale:
                announce(other, stale, "rebuilding it too")
                found.append((maps.__name__, other, stale))
    return found


def _lock(installed: Any) -> tuple[Any, bool]:
    """A lock, so that one process rebuilds the package of an environment and the others wait; and
    whether this process waited.

    Without a writable cache folder there is no lock; frontends have their own locks."""
    try:
        file = _open_lock(installed)
    except OSError:
        return contextlib.nullcontext(), False
    waited = False
    while not _is_taken(file):
        if not waited:
            check.say(f"waiting for another process that rebuilds {installed.name}")
        waited = True
        time.sleep(GLANCE)
    return file, waited


def _open_lock(installed: Any) -> Any:
    check.make_private(installed.cache)
    return open(check.Memory(installed).place + ".lock", "a+b", opener=check.privately)


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


def _build(installed: Any, others: list[Any]) -> tuple[str, str]:
    """Calls the frontend, and again if the first call could not start a build, or if another
    package made it fail.

    Returns ``installed``, ``failed`` with the output of the build, or another outcome with its
    cause in a few lines."""
    state, output, said = "no start", "", ""
    try:
        commands = frontend.commands(installed)
    except LookupError as error:
        commands, said = [], str(error)
    table = [os.fsencode(installed.path)]
    before = check.look(table)
    if others and commands:
        # Offline: without the network the fallback is quick.
        commands.insert(0, frontend.with_others(commands[0], others))
    for count, command in enumerate(commands, start=1):
        state, output, said = _call(installed, command)
        # With others, "built" may mean that another one failed.
        if state != "no start" and not (state == "built" and others and count == 1):
            break
    if state == "failed":
        # Without output of the compiler, that of the frontend.
        return state, output.rstrip() or said
    # Each install replaces the table.
    if state in ("installed", "stored") and check.look(table) not in (before, list(check.ABSENT)):
        return state, ""
    causes = {
        "built": "the new build could not be installed:\n  ",
        "installed": "the new build was not installed where this one is:\n  ",
    }
    causes["stored"] = causes["installed"]
    said = (output if state == "unable" else "") or frontend.cause(said)
    said = "\n  ".join(line for line in said.splitlines() if line.strip())
    return "not installed", causes.get(state, "it can't be rebuilt here: ") + said


def _call(installed: Any, command: list[str]) -> tuple[str, str, str]:
    """Calls the frontend. Returns the state of the build, its output, and the frontend's output."""
    folder = tempfile.mkdtemp(prefix="wheelprint-")
    state, stored, output, progress, frontend = (
        os.path.join(folder, name) for name in ("state", "stored", "output", "progress", "frontend")
    )
    # An import must not install a toolchain.
    environment = {**os.environ, check.GUARD: folder, "MATURIN_NO_INSTALL_RUST": "1"}
    environment[PROJECT] = installed.project
    if _is_terminal() and not os.environ.get("NO_COLOR"):
        environment.setdefault("CARGO_TERM_COLOR", "always")
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
                    creationflags=check.no_window(),
                )
            except OSError as error:
                return "no start", "", f"{command[0]}: {error.strerror}"
        try:
            _show(process, output, progress, installed.name)
        except BaseException:
            # On Ctrl-C, stop the frontend too, and give it time to clean up.
            _stop(process)
            raise
        outcome = "stored" if os.path.exists(stored) else "installed"
        if process.returncode:
            outcome = check.read(state).strip()
        if outcome not in ("installed", "stored", "failed", "unable", "built"):
            outcome = "no start"
        return outcome, check.read(output), check.read(frontend)
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _show(process: subprocess.Popen[bytes], output: str, progress: str, name: str) -> None:
    """Waits for the process. On a terminal, shows the seconds, how much of cargo's work is done,
    and the last line of the output meanwhile."""
    terminal = _is_terminal()
    began = time.monotonic()
    shown = 0
    try:
        while True:
            try:
                # On Windows a wait without an end can't be interrupted.
                process.wait(GLANCE if terminal or os.name == "nt" else None)
                break
            except subprocess.TimeoutExpired:
                if not terminal:
                    continue
                # Without colour codes, and in characters of one column each.
                text = re.sub(r"\x1b\[[0-9;]*[A-Za-z]|[^\n -~]", "", check.read(output))
                lines = [line.strip() for line in text.split("\n") if line.strip()]
                done = check.read(progress)
                parts = [f"{time.monotonic() - began:.0f} s", *([f"{done} crates"] if done else [])]
                line = f"rebuilding {name} ({', '.join(parts)})  {''.join(lines[-1:])}"
                line = line[: _columns() - 1].rstrip()
                sys.stderr.write("\r" + line.ljust(shown))
                sys.stderr.flush()
                shown = len(line)
    finally:
        if shown:
            sys.stderr.write("\r" + " " * shown + "\r")


def _is_terminal() -> bool:
    return hasattr(sys.stderr, "isatty") and sys.stderr.isatty()


def _columns() -> int:
    """The width of the terminal. stdout may be a file."""
    try:
        return os.get_terminal_size(sys.stderr.fileno()).columns or 80
    except (AttributeError, OSError, ValueError):
        return 80


def _end_in_one_line(error: KeyboardInterrupt, text: str) -> None:
    """Python prints a line in place of the traceback, if this Ctrl-C ends the program."""
    before = sys.excepthook

    def hook(kind: Any, value: Any, trace: Any) -> None:
        if value is error:
            check.say(text)
        else:
            before(kind, value, trace)

    sys.excepthook = hook


def _stop(process: subprocess.Popen[bytes]) -> None:
    try:
        process.send_signal(signal.SIGINT if os.name != "nt" else signal.SIGTERM)
        process.wait(PATIENCE)
    except BaseException:
        process.kill()
        process.wait()
