"""Brings an editable install up to date, as its import would.

``wheelprint watch`` runs this text in the interpreter of the environment. Arguments: the name of
the runtime hook; and ``quiet`` or nothing. stderr gets a line about each build and the output of a
failed one. stdout gets the outcome. Standard library only.
"""

from __future__ import annotations

import atexit
import importlib
import sys

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any


def bring_up_to_date(hook: str, is_quiet: bool) -> str:
    """Returns ``fresh``, ``rebuilt``, ``failed``, or ``missing`` (there is no hook)."""
    try:
        maps: Any = importlib.import_module(hook)
    except ModuleNotFoundError:
        return "missing"
    check = maps.load("_check")
    installed = check.Installed.load(hook)
    memory = check.Memory(installed)
    stale = [] if memory.is_as_remembered() else memory.compare()
    if not stale:
        return "fresh"
    lost = check.load("_ask").lost(installed)
    if lost:
        check.say(f"warning: {lost}")
        return "failed"
    causes: list[str] = []
    say = check.say

    def say_why(text: str) -> None:
        if not is_quiet:
            say(f"{text}: {installed.reasons(stale)}")

    def give_up(installed: Any, cause: str) -> None:
        say_why(f"{installed.name} could not be rebuilt")
        causes.append(cause)

    rebuild = check.load("_rebuild")
    # After a failed import, this changes the times of pyproject.toml. Here that would look like an
    # edit.
    check.Installed.make_uv_look = lambda _: None
    # One line for each build says all.
    rebuild.announce = lambda *_: None
    rebuild.give_up = give_up
    check.say = say_why
    output = rebuild.rebuild(hook, installed, stale)
    # This process imports nothing that a later rebuild could expect.
    atexit.unregister(rebuild.note_imports)
    causes += [] if output is None else [output]
    for text in causes:
        sys.stderr.write(f"{text}\n")
    return "failed" if causes else "rebuilt"


if __name__ == "__main__":
    try:
        print(bring_up_to_date(sys.argv[1], "quiet" in sys.argv[2:]))
    except KeyboardInterrupt:
        sys.exit(130)
