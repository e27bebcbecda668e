"""Keeps every wheel and sdist that frontends and hooks make in the tests, to check them at the end.

All files are checked at once, because the checkers take longer to start than to check a file. This
is a pytest plugin, which `conftest.py` loads. Workers keep files. The main process checks them, and
makes the run fail. Copies are kept, because a test may damage a file later. If a test damaged a
file before a command ran, the file is not new after the command, so it is not kept.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import shutil
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from . import checkers

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

_SUFFIXES = (".whl", ".tar.gz")
_TEST = "made-by.txt"
#: The pattern for built wheels in uv's cache.
_IN_UV_CACHE = "sdists-*/*/*/*/*.whl"

#: Stat values of a file when it was last seen.
Seen = tuple[int, int, int]


class Made:
    """The folder with all files of a run. Each file has its own folder, named by a digest."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._in_uv_caches: dict[Path, Seen] = {}

    @contextlib.contextmanager
    def by(self, args: Iterable[str | Path], cwd: Path, env: Mapping[str, str]) -> Iterator[None]:
        """Keeps the new files of a command: in its arguments, where it runs, and in uv's cache."""
        folders = {cwd, cwd / "dist", *(cwd / arg for arg in args if not str(arg).startswith("-"))}
        before = _look(folders)
        yield
        for path, seen in _look(folders).items():
            if before.get(path) != seen:
                self.keep(path)
        self.in_uv_cache(env)

    def in_uv_cache(self, env: Mapping[str, str]) -> None:
        """Keeps wheels that uv built since the last call. An import may have started a build."""
        for path in Path(env["UV_CACHE_DIR"]).glob(_IN_UV_CACHE):
            seen = _seen(path)
            if self._in_uv_caches.get(path) != seen:
                self._in_uv_caches[path] = seen
                self.keep(path)

    def keep_all(self, folder: Path) -> None:
        """Keeps all wheels and sdists in a folder."""
        for path in _look([folder]):
            self.keep(path)

    def keep(self, path: Path) -> None:
        """Keeps a file, and the name of the test that made it."""
        content = path.read_bytes()
        digest = hashlib.sha256(path.name.encode() + content).hexdigest()[:20]
        place = self._folder / digest
        if place.exists():
            return
        # Write to a temporary folder and rename, because another worker may keep the same file.
        scratch = Path(tempfile.mkdtemp(prefix=".", dir=self._folder))
        (scratch / path.name).write_bytes(content)
        test = os.environ.get("PYTEST_CURRENT_TEST", "no test").rpartition(" (")[0]
        (scratch / _TEST).write_text(test, encoding="utf-8")
        try:
            scratch.rename(place)
        except OSError:
            shutil.rmtree(scratch)


def _look(folders: Iterable[Path]) -> dict[Path, Seen]:
    found = {}
    for folder in folders:
        with contextlib.suppress(OSError, ValueError), os.scandir(folder) as entries:
            names = [entry.name for entry in entries if entry.name.endswith(_SUFFIXES)]
            found.update({folder / name: _seen(folder / name) for name in names})
    return found


def _seen(path: Path) -> Seen:
    status = path.stat()
    return (status.st_mtime_ns, status.st_size, status.st_ino)


# The plugin

KEY = pytest.StashKey[Made]()
_FOLDER = pytest.StashKey[Path]()
_FOUND = pytest.StashKey[str]()
_CHECKED = pytest.StashKey[str]()
#: The key with which a worker gets the folder.
_INPUT = "wheelprint_made"


def pytest_configure(config: pytest.Config) -> None:
    told: dict[str, Any] = getattr(config, "workerinput", {})
    if _INPUT in told:
        folder = Path(told[_INPUT])
    else:
        folder = Path(tempfile.mkdtemp(prefix="wheelprint-made-"))
        config.stash[_FOLDER] = folder
    config.stash[KEY] = Made(folder)


@pytest.hookimpl(optionalhook=True)
def pytest_configure_node(node: Any) -> None:
    node.workerinput[_INPUT] = str(node.config.stash[_FOLDER])


def pytest_sessionfinish(session: pytest.Session) -> None:
    folder = session.config.stash.get(_FOLDER, None)
    if folder is None:
        return
    files = sorted(path for path in folder.glob("*/*") if path.name != _TEST)
    began = time.monotonic()
    ended = session.exitstatus != pytest.ExitCode.INTERRUPTED
    findings = [
        finding
        for finding in (checkers.check(folder, files) if files and ended else [])
        if not checkers.is_on_purpose(finding, _test_of(finding))
    ]
    seconds = time.monotonic() - began
    if files and ended:
        session.config.stash[_CHECKED] = (
            f"{len(files)} wheels and sdists checked in {seconds:.0f} s"
        )
    if not findings:
        shutil.rmtree(folder)
        return
    lines = []
    for finding in findings:
        where = "all"
        if finding.file:
            where = f"{finding.file.relative_to(folder)}, made in {_test_of(finding)}"
        lines.append(f"{finding.checker}: {where}\n{finding.said}\n")
    lines.append(f"{len(findings)} findings on {len(files)} files, which are kept in {folder}")
    session.config.stash[_FOUND] = "\n".join(lines)
    if session.exitstatus in (pytest.ExitCode.OK, pytest.ExitCode.NO_TESTS_COLLECTED):
        session.exitstatus = pytest.ExitCode.TESTS_FAILED


def _test_of(finding: checkers.Finding) -> str:
    """The test that made the file, if the finding is about one."""
    return (finding.file.parent / _TEST).read_text(encoding="utf-8") if finding.file else ""


def pytest_terminal_summary(terminalreporter: Any, config: pytest.Config) -> None:
    if _FOUND in config.stash:
        terminalreporter.section("what the tests made is refused", red=True)
        terminalreporter.write_line(config.stash[_FOUND])
    if _CHECKED in config.stash:
        terminalreporter.write_line(config.stash[_CHECKED])
