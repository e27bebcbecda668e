"""The command with which a frontend installs an editable package again.

A copy of this file is next to the import check (``_runtime_check.py``) and is loaded only for a
rebuild. Standard library only.
"""

from __future__ import annotations

import json
import os
import re
import sys
import sysconfig
import time
from importlib.util import find_spec

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

_name = __name__[: -len("_frontend")] + "_check"
__import__(_name)
check: Any = sys.modules[_name]

# Files that Windows lets nobody remove while they are loaded. pip moves a running program away; uv
# fails. WAITS: seconds between tries, because a virus scanner may read a file for a moment.
LOADED = (".pyd", ".dll")
PROGRAM = ".exe"
WAITS = (0.1, 0.4)


def commands(installed: Any) -> list[list[str]]:
    """The commands to try, in this order, until one starts a build.

    Raises LookupError with the cause if none can be called."""
    if not os.access(installed.project, os.W_OK):
        raise LookupError(f"{installed.project} can't be written to")
    by_uv = installed.installer() == "uv"
    held = in_use(installed, (*LOADED, PROGRAM) if by_uv else LOADED)
    if held.lower().endswith(PROGRAM):
        text = f"{held} runs, and uv can't replace it: run `uv sync` before it, or start it by "
        raise LookupError(text + "`python -m`")
    if held:
        text = f"{held} is in use: a program that has imported it still runs. End it, and "
        raise LookupError(text + "import again")
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


def cause(said: str) -> str:
    """The line of pip's output that has the cause, and what to do; all output of another frontend.

    pip prints twenty lines if it cannot install the build requirements."""
    missing = "Could not find a version that satisfies the requirement"
    found = re.search(rf"(?m)^ *ERROR: ({missing} .*?)(?: \(from versions.*)?$", said)
    if not found:
        return said
    hint = "`pip install wheelprint maturin` lets pip rebuild without an index, and faster"
    return f"{found.group(1)}; {hint}"


def can_join(installed: Any, other: Any) -> bool:
    """Whether one call of uv rebuilds both packages as two calls would: the two calls differ only
    in name and folder, and in one uv workspace they read the same configuration.

    Raises LookupError if one of them can't be rebuilt."""
    differing = {installed.name: other.name, installed.project: other.project}
    return (
        installed.installer() == "uv"
        and _workspace(installed) == _workspace(other) != ""
        and _settings(installed) == _settings(other)
        and [differing.get(part, part) for part in commands(installed)[0]] == commands(other)[0]
    )


def with_others(command: list[str], others: list[Any]) -> list[str]:
    """The command of uv that rebuilds these packages too."""
    added = [("--reinstall-package", one.name, "-e", one.project) for one in others]
    return [*command, *(part for parts in added for part in parts)]


def _workspace(installed: Any) -> str:
    """The folder with the lock file of a uv workspace that the package is a member of; empty if
    there is none, or before Python 3.11, which can't parse it. Another project below that folder
    has a configuration of its own."""
    try:
        import tomllib  # type: ignore[import-not-found,unused-ignore]

        for folder in check.upward(installed.project):
            content = check.read(os.path.join(folder, "uv.lock"))
            if content:
                members = tomllib.loads(content).get("manifest", {}).get("members", [])
                is_member = check.normal(installed.name) in map(check.normal, members)
                return folder if is_member else ""
    except (ImportError, ValueError, AttributeError):
        pass
    return ""


def in_use(
    installed: Any, endings: tuple[str, ...], opened: Any = open, waits: tuple[float, ...] = WAITS
) -> str:
    """A file of the package with one of these endings that a program has loaded; empty if there is
    none. Windows lets nobody remove such a file. A frontend would fail at it after it has removed
    half of the package."""
    # Path, digest and size. A path with a comma is in quotes; on Windows none contains a quote.
    lines = installed.recorded("RECORD").split("\n")
    names = [line.rsplit(",", 2)[0].strip('"') for line in lines]
    paths = [os.path.join(installed.site, one) for one in names if one.lower().endswith(endings)]
    return next((path for path in paths if _is_held(path, opened, waits)), "")


def _is_held(path: str, opened: Any, waits: tuple[float, ...]) -> bool:
    # Windows refuses to open a loaded file for writing, as it refuses to remove it. Nothing is
    # written.
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


def _find_uv() -> str:
    """The uv that runs this process, else one on PATH, next to Python, or where uv is installed."""
    given = os.environ.get("UV")
    if given and os.path.isfile(given):
        return given
    home = os.path.expanduser("~")
    beside = [os.path.dirname(sys.executable), os.path.join(home, ".local", "bin")]
    beside.append(os.path.join(os.environ.get("CARGO_HOME") or os.path.join(home, ".cargo"), "bin"))
    # On Windows `shutil.which` begins with the working directory, which may have anybody's uv.exe.
    names = ("uv.exe", "uv.cmd", "uv.bat") if os.name == "nt" else ("uv",)
    for folder in [*os.environ.get("PATH", "").split(os.pathsep), *beside]:
        for path in (os.path.join(folder, name) for name in names):
            if folder and os.path.isfile(path) and os.access(path, os.X_OK):
                return path
    raise LookupError("uv, which installed it, is not on PATH")


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
