"""The full comparison of the import check (``_runtime_check.py``), for inputs that were touched.

A copy of this file is next to that one. Each kind of entry in ``inputs`` has a function that yields
a reason for each change. Standard library only.
"""

import os
import sys
import time

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable
    from typing import Any

_name = __name__[: -len("_compare")] + "_check"
__import__(_name)
check: "Any" = sys.modules[_name]

# Longer than the resolution of any file system's clock. A file that changed more recently may
# change again without a new timestamp.
AT_REST = 2 * 10**9
# Stat values that match no file, so that the input is compared again next time.
UNSURE = (-1, -1, -1)
# The key of an entry that is no reason, but must be compared again next time.
UNDECIDED = "undecided"


def compare(memory: "Any") -> "list[Any]":
    """Returns all changed inputs, and stores the values of the others in ``memory``."""
    installed = memory.installed
    facts = installed.facts
    stats: list[int] = []
    stale = [check.Stale(f"raced {text}", text, facts["fingerprint"]) for text in facts["raced"]]
    names = check.as_environ_has(facts["variables"])
    exact, prefixes, exceptions = facts["families"]
    memory.names = (
        tuple(names),
        tuple(exact),
        tuple(prefixes),
        (*exceptions, *facts["left-out"]),
    )
    now = check.set_variables(memory.names)
    known = (memory.variables, memory.rustc)
    memory.variables, memory.rustc = check.digest_of(now), check.rustc_on_path()
    rustc_is_sure = known == (memory.variables, memory.rustc)
    stale += compare_variables(names, now)
    for index, (path, (kind, value)) in enumerate(zip(installed.paths, facts["entries"])):
        seen = check.look([path])
        if check.STAT_TELLS and seen == memory.stats[3 * index : 3 * index + 3]:
            stats.extend(seen)
            continue
        is_sure = is_at_rest(seen)
        if kind == "program":
            rustc_is_sure = False
        else:
            for one in KINDS[kind](installed, path, value):
                if one.key == UNDECIDED:
                    is_sure = False
                else:
                    stale.append(one)
        stats.extend(seen if is_sure else UNSURE)
    if not rustc_is_sure:
        stale += compare_rustc(installed)
    memory.stats = stats
    return stale


def is_at_rest(seen: "list[int]") -> bool:
    """Whether the last change is old enough that a later change must give a new timestamp."""
    return 0 <= seen[0] < time.time_ns() - AT_REST


def digest(path: bytes) -> str:
    import hashlib
    import stat

    # Reading a pipe would block.
    if not stat.S_ISREG(os.stat(path).st_mode):
        raise OSError(None, "it is no file")
    found = hashlib.sha256()
    with open(path, "rb") as file:
        while True:
            piece = file.read(1 << 18)
            if not piece:
                return found.hexdigest()
            found.update(piece)


def compare_file(installed: "Any", path: bytes, value: str) -> "Iterable[Any]":
    key, name = os.fsdecode(path), installed.named(path)
    try:
        now = digest(path)
    except (FileNotFoundError, NotADirectoryError):
        yield check.Stale(key, f"{name} is gone", "gone")
    except OSError as error:
        yield check.Stale(key, f"{name} can't be read: {error.strerror}", "unreadable")
    else:
        if now != value:
            yield check.Stale(key, f"{name} changed", now)


def compare_toml(installed: "Any", path: bytes, value: "dict[str, Any]") -> "Iterable[Any]":
    for one in compare_file(installed, path, value["bytes"]):
        if one.text.endswith(" changed"):
            meaning = check.load("_meaning")
            with open(path, "rb") as file:
                now = meaning.digest(file.read(), value["view"])
            if now == value["meaning"]:
                return
        yield one


def compare_absent(installed: "Any", path: bytes, value: None) -> "Iterable[Any]":
    if os.path.exists(path):
        try:
            now = digest(path)
        except OSError:
            now = "there"
        yield check.Stale(os.fsdecode(path), f"{installed.named(path)} is new", now)


def compare_lacking(installed: "Any", path: bytes, value: "list[str]") -> "Iterable[Any]":
    for name in value:
        yield from compare_absent(installed, os.path.join(path, os.fsencode(name)), None)


def compare_folder(installed: "Any", path: bytes, value: None) -> "Iterable[Any]":
    if not os.path.isdir(path):
        yield check.Stale(
            os.fsdecode(path), f"{installed.named(path)} is no folder any more", "gone"
        )


def compare_unreadable(installed: "Any", path: bytes, value: None) -> "Iterable[Any]":
    """A file, or a folder of which the names are not known."""
    try:
        if os.path.isdir(path):
            now = check.digest_of(sorted(map(os.fsdecode, os.listdir(path)))) or "empty"
        else:
            now = digest(path)
    except OSError:
        return
    yield check.Stale(os.fsdecode(path), f"{installed.named(path)} can be read now", now)


def compare_names(installed: "Any", path: bytes, value: "dict[str, Any]") -> "Iterable[Any]":
    """Compares the names in a folder. A removed file with an entry of its own is reported there."""
    counts_all, pattern = value.get("all", False), value.get("pattern")
    try:
        with os.scandir(path) as entries:
            # Not `entry.is_dir()`, which raises where a link leads to itself.
            now = {
                os.fsdecode(entry.name) + ("/" if os.path.isdir(entry.path) else "")
                for entry in entries
                if not is_product(installed, path, entry.name, counts_all)
            }
    except (FileNotFoundError, NotADirectoryError):
        # The folder of a glob need not exist.
        if pattern is None:
            yield check.Stale(os.fsdecode(path), f"{installed.named(path)} is gone", "gone")
        return
    except OSError as error:
        text = f"{installed.named(path)} can't be read: {error.strerror}"
        yield check.Stale(os.fsdecode(path), text, "unreadable")
        return
    before = set(value["names"])
    token = check.digest_of(sorted(now))
    for name in sorted(now - before):
        inside = os.path.join(path, os.fsencode(name.rstrip("/")))
        if value.get("git") and ignored_by_git(path, [inside]):
            # An ignored folder is ignored with all its contents.
            continue
        if counts_all or has_file_that_counts(installed, inside, value):
            yield check.Stale(os.fsdecode(inside), f"{installed.named(inside)} is new", token)
        elif name.endswith("/"):
            # Files that are put into this folder later are not visible in any remembered value.
            yield check.Stale(UNDECIDED, "", "")
    gone = [os.path.join(path, os.fsencode(name.rstrip("/"))) for name in sorted(before - now)]
    if counts_all and gone:
        known = set(installed.paths)
        for inside in gone:
            if inside not in known and not os.path.lexists(inside):
                yield check.Stale(os.fsdecode(inside), f"{installed.named(inside)} is gone", token)


def is_product(installed: "Any", folder: bytes, name: bytes, counts_all: bool) -> bool:
    """Whether a name in a folder is no input.

    Products of builds, Python's caches and virtual environments are never inputs: an install would
    change an environment again. A git folder and a folder with CACHEDIR.TAG are inputs only if
    ``counts_all`` is set, because a build script then names the folder."""
    path = os.path.join(folder, name)
    return (
        name == b"__pycache__"
        or os.path.normcase(os.fsdecode(path)) in map(os.path.normcase, installed.facts["products"])
        or os.path.isfile(os.path.join(path, b"pyvenv.cfg"))
        or (
            not counts_all
            and (name == b".git" or os.path.isfile(os.path.join(path, b"CACHEDIR.TAG")))
        )
    )


def has_file_that_counts(installed: "Any", path: bytes, value: "dict[str, Any]") -> bool:
    """Whether the path is a file that counts, or a folder that contains one."""
    files = [path] if not os.path.isdir(path) or "pattern" in value else []
    unreadable: list[OSError] = []
    for above, folders, inside in os.walk(path, onerror=unreadable.append):
        folders[:] = [name for name in folders if not is_product(installed, above, name, False)]
        files += [os.path.join(above, name) for name in inside]
    if unreadable and os.path.isdir(path):
        # It may hold one.
        return True
    if "pattern" in value:
        import re

        root = os.fsencode(value["root"])
        names = [os.path.relpath(file, root).replace(os.sep.encode(), b"/") for file in files]
        # The pattern is meant for bytes.
        return any(re.search(value["pattern"].encode(), name) for name in names)
    if value.get("git"):
        return len(ignored_by_git(os.path.dirname(path), files)) < len(files)
    return bool(files)


def ignored_by_git(folder: bytes, paths: "list[bytes]") -> "list[bytes]":
    """The paths that git ignores; empty if git cannot be run."""
    import subprocess

    if not paths:
        return []
    try:
        done = subprocess.run(
            ["git", "check-ignore", "-z", "--stdin"],
            cwd=folder,
            input=b"\0".join(paths),
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
        )
    except OSError:
        return []
    return [path for path in done.stdout.split(b"\0") if path]


def compare_mark(installed: "Any", path: bytes, value: None) -> "Iterable[Any]":
    """A folder was left out because it contained this file. If only the file is gone, it counts."""
    folder = os.path.dirname(path)
    if not os.path.exists(path) and os.path.isdir(folder):
        yield check.Stale(os.fsdecode(path), f"{installed.named(path)} is gone", "gone")


KINDS = {
    "file": compare_file,
    "toml": compare_toml,
    "absent": compare_absent,
    "lacking": compare_lacking,
    "folder": compare_folder,
    "unreadable": compare_unreadable,
    "mark": compare_mark,
    "names": compare_names,
}


def compare_variables(names: "dict[str, str | None]", now: "list[str]") -> "Iterable[Any]":
    values = dict(line.split("=", 1) for line in now)
    for name in sorted({*names, *values}):
        before = names.get(name)
        after = check.digest_of([values[name]]) if name in values else None
        # This variable only selects a rustc, and `compare_rustc` asks that rustc.
        if before != after and name != "RUSTUP_TOOLCHAIN":
            was, is_ = ("unset" if it is None else "set" for it in (before, after))
            text = f"{name}: {was} -> {is_}" if was != is_ else f"{name}: another value"
            yield check.Stale("variable " + name, text, f"{before} {after}")


def compare_rustc(installed: "Any") -> "Iterable[Any]":
    """Compares the version of rustc. If rustc cannot be run, nothing is reported, because a rebuild
    would not be possible either."""
    import subprocess

    known = installed.facts["rustc"]
    if not known:
        return
    environment = {**os.environ, "RUSTUP_AUTO_INSTALL": "0", check.GUARD: ""}
    program = known["program"]
    if known["on-path"]:
        program = check.rustc_on_path() or program
    try:
        done = subprocess.run(
            [program, "-vV"],
            cwd=installed.project,
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
        )
    except OSError:
        return
    now = "; ".join(line.strip() for line in os.fsdecode(done.stdout).splitlines())
    if done.returncode == 0 and now != known["version"]:
        was, is_ = (text.split(" (")[0].replace("rustc ", "") for text in (known["version"], now))
        text = f"rustc: {was} -> {is_}" if was != is_ else "rustc: another build"
        yield check.Stale("rustc", text, f"{known['version']} {now}")


def lost(installed: "Any") -> str:
    """The message if the project is no longer in the folder of its install; otherwise empty."""
    old = installed.project
    if os.path.exists(os.path.join(old, "pyproject.toml")):
        return ""
    text = f"{installed.name} was installed from {old}, which is gone"
    by_uv = installed.installer() == "uv"
    command = "uv sync" if by_uv else "pip install -e ."
    new = _found_again(installed)
    if new:
        return f"{text}: the project has moved to {new}; `{command}` there installs it anew"
    return f"{text}: it was moved or deleted; `{command}` where it lies now installs it anew"


def _found_again(installed: "Any") -> str:
    """The new folder of a moved project; empty if it is not found.

    The search goes up from the environment and from the working directory. In each folder it also
    tries the last one to three parts of the old path."""
    parts = installed.project.split(os.sep)
    inner = [""] + [os.path.join(*parts[-count:]) for count in (1, 2, 3) if count < len(parts)]
    environment = os.path.dirname(os.path.abspath(__file__))
    try:
        here = os.getcwd()
    except OSError:
        # The working directory was removed.
        here = environment
    for folder in (environment, here):
        while True:
            for below in inner:
                place = os.path.join(folder, below) if below else folder
                if _is_called(os.path.join(place, "pyproject.toml"), installed.name):
                    return place
            if folder == os.path.dirname(folder):
                break
            folder = os.path.dirname(folder)
    return ""


def _is_called(path: str, name: str) -> bool:
    """Whether this pyproject.toml has that project name."""

    def plain(text: str) -> str:
        return text.strip().strip("\"'").replace("_", "-").replace(".", "-").lower()

    try:
        with open(path, encoding="utf-8") as file:
            lines = [line.partition("#")[0].partition("=") for line in file]
    except (OSError, ValueError):
        return False
    return any(key.strip() == "name" and plain(value) == plain(name) for key, _, value in lines)
