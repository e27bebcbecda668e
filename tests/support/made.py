"""Every wheel and every sdist that a frontend or a hook makes in the tests is kept until the run's
end, and all of them are checked then, at once: the checkers take longer to start than to check.

A pytest plugin, which `conftest.py` loads. Workers keep; the process that the run was started in
checks, and makes the run fail. What is kept is a copy: a test may damage a file afterwards, and one
that it damaged before a command ran isn't new after it.
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
#: What uv calls its folder of built wheels, and how deep they lie in it.
_IN_UV_CACHE = "sdists-*/*/*/*/*.whl"

#: What a file was when it was seen last.
Seen = tuple[int, int, int]


class Made:
    """The folder where a run keeps what was made, each file in a folder named by its content."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._in_uv_caches: dict[Path, Seen] = {}

    @contextlib.contextmanager
    def by(self, args: Iterable[str | Path], cwd: Path, env: Mapping[str, str]) -> Iterator[None]:
        """Keep what a command makes in the folders that it names, where it runs, and in uv's
        cache."""
        folders = {cwd, cwd / "dist", *(cwd / arg for arg in args if not str(arg).startswith("-"))}
        before = _look(folders)
        yield
        for path, seen in _look(folders).items():
            if before.get(path) != seen:
                self.keep(path)
        self.in_uv_cache(env)

    def in_uv_cache(self, env: Mapping[str, str]) -> None:
        """Keep what uv built since the last time; an import may have asked it to."""
        for path in Path(env["UV_CACHE_DIR"]).glob(_IN_UV_CACHE):
            seen = _seen(path)
            if self._in_uv_caches.get(path) != seen:
                self._in_uv_caches[path] = seen
                self.keep(path)

    def keep_all(self, folder: Path) -> None:
        """Keep all that lies in a folder."""
        for path in _look([folder]):
            self.keep(path)

    def keep(self, path: Path) -> None:
        """Keep this one, and which test it was made in."""
        content = path.read_bytes()
        digest = hashlib.sha256(path.name.encode() + content).hexdigest()[:20]
        place = self._folder / digest
        if place.exists():
            return
        # Under its name at once and as a whole: another worker may have made the same.
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
#: How a worker is told the folder.
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
