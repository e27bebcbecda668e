"""The second step of the import check (``_runtime_check.py``), if an input was touched.

It compares content, and asks the backend. A copy of this file is next to that one. Standard library
only.
"""

import os
import sys
import time

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

_name = __name__[: -len("_ask")] + "_check"
__import__(_name)
check: "Any" = sys.modules[_name]

# Longer than the resolution of any file system's clock. A file that changed more recently may
# change again without a new timestamp. `stat_cache.rs` has the same.
AT_REST = 2 * 10**9
# How often files may change while the backend looks at them.
TRIES = 3


def compare(memory: "Any") -> "list[Any]":
    """Returns all changes that count, and updates ``memory``."""
    installed = memory.installed
    facts = installed.facts
    stale = [check.Stale(f"raced {text}", text, facts["fingerprint"]) for text in facts["raced"]]
    asked = False
    # Taken before the backend looks: a path that changed since then is not remembered.
    since = time.time_ns() - AT_REST
    for _ in range(TRIES):
        differing = differences(memory, since, asked)
        here, there = (memory.environment, memory.rustc), (facts["environment"], facts["rustc"])
        if not memory.knows_environment and here != there:
            text = "the variables or the rustc on PATH differ"
            differing.append(check.Stale("variable", text, "".join(here)))
        if not differing:
            break
        try:
            verdict, *answer = ask(installed)
        except LookupError as error:
            installed.doubt = str(error)
            return stale + differing
        if verdict != b"fresh":
            fields = [os.fsdecode(field) for field in answer]
            return stale + [check.Stale(*fields[at : at + 3]) for at in range(0, len(fields), 3)]
        memory.take(answer[::2], [os.fsdecode(state) for state in answer[1::2]])
        asked = True
    else:
        # Files change faster than they can be judged.
        return stale + differences(memory, since, asked)
    return stale


def differences(memory: "Any", since: int, asked: bool) -> "list[Any]":
    """The paths whose state is not the one in the table. Stat values of the others are remembered
    if they were at rest ``since``. After the backend was ``asked``, a state that cannot be compared
    is the one that the backend saw."""
    found, stats = [], []
    for index, (path, state) in enumerate(zip(memory.paths, memory.states)):
        seen = check.look([path])
        if check.STAT_TELLS and seen == memory.stats[3 * index : 3 * index + 3]:
            stats.extend(seen)
            continue
        now = "unknown" if asked and state == "unknown" else state_of(path, state, seen)
        is_same = now == state and (asked or state != "unknown")
        if not is_same:
            found.append(check.Stale(os.fsdecode(path), words(memory.installed, path, state), now))
        stats.extend(seen if is_same and 0 <= seen[0] < since else check.UNSURE)
    memory.stats = stats
    return found


def state_of(path: bytes, state: str, seen: "list[int]") -> str:
    """The present state of a path, in the form that the table has for it (``State`` in the source
    code of wheelprint)."""
    kind = state.partition(" ")[0]
    path = reachable(path, os.name == "nt")
    if kind == "stat":
        return "stat {} {} {}".format(*seen)
    try:
        if kind == "names":
            with os.scandir(path) as entries:
                # Not `entry.is_dir()`, which raises where a link leads to itself.
                names = sorted(
                    entry.name + (b"/" if os.path.isdir(entry.path) else b"")
                    for entry in entries
                    if entry.name != b"__pycache__"
                )
            return "names " + check.sha256()(b"\0".join(names)).hexdigest()
        if kind == "folder":
            return "folder" if os.path.isdir(path) else "absent"
        if kind == "file":
            return "file " + digest(path)
        os.stat(path)
    except (FileNotFoundError, NotADirectoryError):
        return "absent"
    except OSError:
        pass
    return "another"


def reachable(path: bytes, windows: bool) -> bytes:
    """The path in a form that Windows opens however long it is. The backend sees long paths."""
    if not windows or len(path) < 248 or path.startswith(b"\\\\?\\"):
        return path
    path = path.replace(b"/", b"\\")
    is_share = path.startswith(b"\\\\")
    return b"\\\\?\\UNC\\" + path[2:] if is_share else b"\\\\?\\" + path


def digest(path: bytes) -> str:
    import hashlib
    import stat

    # Reading a pipe would block.
    if not stat.S_ISREG(os.stat(path).st_mode):
        raise OSError(None, "it is no file")
    found = hashlib.sha256()
    with open(path, "rb") as file:
        while piece := file.read(1 << 18):
            found.update(piece)
    return found.hexdigest()


def words(installed: "Any", path: bytes, state: str) -> str:
    """What happened to a path, as far as it can be told without the backend."""
    text = os.fsdecode(path)
    try:
        short = os.path.relpath(text, installed.project)
    except ValueError:
        short = text
    up = os.path.join(*[os.pardir] * 3)
    name = text if short.startswith(up) else short.replace(os.sep, "/")
    if state == "absent":
        return f"{name} is new"
    return f"{name} changed" if os.path.lexists(path) else f"{name} is gone"


def ask(installed: "Any") -> "list[bytes]":
    """The backend's verdict, as fields; see ``import_verdict`` in the source code of wheelprint.

    Raises LookupError with the cause if the backend can't be asked."""
    import subprocess

    command = installed.facts["ask"]
    if not command:
        raise LookupError("the build kept no copy of it")
    folder = os.path.dirname(command[-1])
    if not check.is_private(folder):
        raise LookupError(f"other users can write to {folder}")
    environment = {**os.environ, "RUSTUP_AUTO_INSTALL": "0", check.GUARD: ""}
    try:
        done = subprocess.run(
            [*command, installed.path],
            cwd=installed.project,
            env=environment,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            creationflags=check.no_window(),
        )
    except OSError as error:
        raise LookupError(f"{command[0]}: {error.strerror}") from None
    if done.returncode != 0:
        said = done.stderr.decode("utf-8", "replace").strip().split("\n")[-1]
        raise LookupError(said.strip() or f"{command[0]} ended with {done.returncode}")
    return done.stdout.split(b"\0")


def lost(installed: "Any") -> str:
    """The message if the project is no longer in the folder of its install; otherwise empty."""
    old = installed.project
    if os.path.exists(os.path.join(old, "pyproject.toml")):
        return ""
    command = "uv sync" if installed.installer() == "uv" else "pip install -e ."
    new = _found_again(installed)
    if new:
        text = f"the project has moved to {new}; `{command}` there"
    else:
        text = f"it was moved or deleted; `{command}` where it lies now"
    return f"{installed.name} was installed from {old}, which is gone: {text} installs it anew"


def _found_again(installed: "Any") -> str:
    """The new folder of a moved project; empty if it is not found.

    The search goes up from the environment and from the working directory. In each folder it also
    tries the last one to three parts of the old path."""
    parts = installed.project.split(os.sep)
    inner = [""] + [os.path.join(*parts[-count:]) for count in (1, 2, 3) if count < len(parts)]
    try:
        here = os.getcwd()
    except OSError:
        # The working directory was removed.
        here = installed.site
    for folder in check.upward(installed.site) + check.upward(here):
        for below in inner:
            place = os.path.join(folder, below) if below else folder
            if _is_called(os.path.join(place, "pyproject.toml"), installed.name):
                return place
    return ""


def _is_called(path: str, name: str) -> bool:
    """Whether this pyproject.toml has that project name."""
    lines = [line.partition("#")[0].partition("=") for line in check.read(path).split("\n")]
    names = [value.strip().strip("\"'") for key, _, value in lines if key.strip() == "name"]
    return check.normal(name) in map(check.normal, names)
