"""Many processes that sync and import one project, while somebody saves its source again and again.

What is promised: an import that began after a save was completed shows what was saved then, or
later; what a module shows was saved at some time; after the last save one more sync and import show
that; and every command comes to its end.

uv removes all files of the old version before it puts down those of the new one. An interpreter
that starts, or an import that looks, in between finds no package, whatever built it: that much is
uv's, and is counted here. Where the hook is there and something behind it is missing, it waits for
the installer (see `_runtime_finder.py`), so what was found at all is imported.
"""

from __future__ import annotations

import os
import random
import re
import subprocess
import sys
import threading
import time
from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import pytest
from support.installed import Editable, synced

if TYPE_CHECKING:
    from pathlib import Path

    from conftest import CheckOut

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="open files can't be replaced")

#: How long it goes on; set it to something shorter to try a change.
SECONDS = float(os.environ.get("WHEELPRINT_LOAD_SECONDS", "600"))
SYNCING, IMPORTING = 16, 16
#: A command that takes longer hangs.
DEADLINE = 300
SOURCE = "src/answer.rs"

#: What may go wrong, by no fault of ours, and what is said then.
EXPLAINED = {
    # A save empties the file, and then writes it.
    "half saved": re.compile(r"cannot find value `ANSWER`|unresolved import|E0425|E0432"),
    # See above; the whole message: `No module named 'pure.x'` would be another thing.
    "uv replaces it": re.compile(r"^ModuleNotFoundError: No module named 'pure'$", re.MULTILINE),
}


class Editor(threading.Thread):
    """Saves one number after the other."""

    def __init__(self, path: Path) -> None:
        super().__init__(daemon=True)
        self.path = path
        #: The last number whose saving has begun, and the last that is saved.
        self.begun = self.saved = 1000
        self.stopped = threading.Event()
        self._rng = random.Random(7)

    def run(self) -> None:
        while not self.stopped.is_set():
            self.begun += 1
            ways = (self._empty_and_write, self._rename, self._in_place)
            text = f"pub const ANSWER: u32 = {self.begun};\n"
            self._rng.choice(ways)(text)
            self.saved = self.begun
            # Now and then somebody saves twice in a moment.
            self.stopped.wait(self._rng.choice((0, 0.05, 1, 2, 4, 8)))

    def _empty_and_write(self, text: str) -> None:
        self.path.write_text(text)

    def _rename(self, text: str) -> None:
        beside = self.path.with_name("answer.rs~")
        beside.write_text(text)
        beside.replace(self.path)

    def _in_place(self, text: str) -> None:
        with self.path.open("r+") as file:
            file.write(text)


@dataclass
class Log:
    """What the commands did."""

    done: Counter[str] = field(default_factory=Counter)
    wrong: list[str] = field(default_factory=list)
    longest: dict[str, float] = field(default_factory=dict)

    def ended(self, kind: str, seconds: float) -> None:
        self.done[kind] += 1
        self.longest[kind] = max(seconds, self.longest.get(kind, 0))

    def failed(self, what: str, output: str) -> None:
        for name, pattern in EXPLAINED.items():
            if pattern.search(output):
                self.done[f"{what}: {name}"] += 1
                return
        self.wrong.append(f"{what} failed:\n{output}")


@dataclass
class Load:
    """The loops."""

    editable: Editable
    editor: Editor
    log: Log = field(default_factory=Log)
    end: float = 0

    def sync(self) -> None:
        uv = str(self.editable.project.bench.uv)
        self._loop("sync", [uv, "sync"], self.editable.project.root)

    def imports(self) -> None:
        self._loop("import", self.editable.command(), self.editable.venv)

    def _loop(self, kind: str, command: list[str], cwd: Path) -> None:
        while time.monotonic() < self.end and not self.log.wrong:
            saved, began = self.editor.saved, time.monotonic()
            try:
                run = subprocess.run(
                    command,
                    cwd=cwd,
                    env=self.editable.environment(),
                    stdin=subprocess.DEVNULL,
                    capture_output=True,
                    text=True,
                    timeout=DEADLINE,
                )
            except subprocess.TimeoutExpired as error:
                self.log.wrong.append(f"{kind} hangs:\n{error.stdout!r}\n{error.stderr!r}")
                return
            self.log.ended(kind, time.monotonic() - began)
            if run.returncode != 0:
                self.log.failed(kind, run.stdout + run.stderr)
            elif kind == "import":
                self._judge(run, saved)

    def _judge(self, run: subprocess.CompletedProcess[str], saved: int) -> None:
        self.log.done["rebuilt at import"] += "; rebuilding" in run.stderr
        shown = int(run.stdout)
        if not saved <= shown <= self.editor.begun:
            cause = f"{saved} was saved when it began, {shown} was shown"
            self.log.wrong.append(f"{cause}, {self.editor.begun} is the last:\n{run.stderr}")
        for line in run.stderr.splitlines():
            if "warning" in line:
                self.log.wrong.append(run.stderr)


def test_many_processes_and_an_editor(check_out: CheckOut) -> None:
    project = check_out("pure")
    project.write(SOURCE, "pub const ANSWER: u32 = 1000;\n")
    editable = synced(project)
    load = Load(editable, Editor(project.path(SOURCE)), end=time.monotonic() + SECONDS)
    threads = [threading.Thread(target=load.sync) for _ in range(SYNCING)]
    threads += [threading.Thread(target=load.imports) for _ in range(IMPORTING)]
    load.editor.start()
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    load.editor.stopped.set()
    load.editor.join()
    print(dict(load.log.done), f"saves: {load.editor.saved - 1000}", load.log.longest)
    assert not load.log.wrong, "\n\n".join(load.log.wrong[:5])

    # What a save that nobody saw has left is made good by the next sync or import.
    project.uv("sync").ok()
    assert editable.imports().shows == str(load.editor.saved)
    editable.is_quiet(str(load.editor.saved))


#: Without the hook, which uv has removed or not put down yet, nothing of ours is run, and there
#: is no package, or half of one, as with a wheel of any other backend. So a process says whether
#: the hook is there.
#: Nor has the hook a say where uv has put down a package's `__init__.py` and not yet the module
#: beside it, which the interpreter finds by itself.
MODULE_IN_A_PACKAGE = re.compile(r"No module named 'pure\.pure'|/pure/pure\.[^/]*so: cannot open")
_HOOK_THERE = """
import sys
hook = any(getattr(finder, "owner", None) for finder in sys.meta_path)
sys.stderr.write("the hook is there" if hook else "")
"""


@pytest.mark.parametrize("sample", ["pure", "mixed-path-dep"])
def test_imports_while_it_is_reinstalled(sample: str, check_out: CheckOut) -> None:
    """Nothing is edited; uv removes the files and puts them down again, as often as it can. In one
    sample the module lies in an ordinary package, in the other the hook finds it."""
    project = check_out(sample)
    editable = synced(project)
    log, end = Log(), time.monotonic() + min(SECONDS, 60)
    shows = project.sample.shows[0]

    def reinstall() -> None:
        while time.monotonic() < end:
            project.uv("sync", "--reinstall-package", sample).ok()
            log.done["reinstalled"] += 1

    def imports() -> None:
        code = _HOOK_THERE + project.sample.probe
        while time.monotonic() < end:
            run = editable.imports(code).run
            if (run.stdout.strip(), run.stderr) == (shows, "the hook is there"):
                log.done["imported"] += 1
            elif MODULE_IN_A_PACKAGE.search(run.stderr):
                log.done["package without module"] += 1
            elif run.stderr.startswith("the hook is there") or (
                run.code == 0 and run.stdout.strip() != shows
            ):
                log.wrong.append(run.output)
            else:
                log.done["without the hook"] += 1

    threads = [threading.Thread(target=work) for work in (reinstall, imports, imports, imports)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    print(dict(log.done))
    assert not log.wrong, f"{len(log.wrong)} times\n" + "\n\n".join(log.wrong[:5])
