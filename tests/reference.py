"""Writes what `wheelprint COMMAND --help` prints into docs/commands.md.

    python tests/reference.py            # with the wheelprint that is on PATH
    python tests/reference.py PROGRAM

`tests/project/test_reference.py` checks that the page is up to date.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

PAGE = Path(__file__).parents[1] / "docs" / "commands.md"
#: What of the page is written anew.
BEGIN, END = "<!-- the help of each command -->\n", "<!-- /the help of each command -->\n"
WIDTH = "88"


def help_of(program: Path, *command: str) -> str:
    # clap wraps lines at the width of the terminal, and at COLUMNS without a terminal.
    environment = {**os.environ, "COLUMNS": WIDTH, "NO_COLOR": "1"}
    done = subprocess.run(
        [program, *command, "--help"], env=environment, capture_output=True, text=True, check=True
    )
    return "\n".join(line.rstrip() for line in done.stdout.strip().splitlines())


def subcommands(text: str) -> list[str]:
    listed = text.split("\nCommands:\n")[1:]
    names = re.findall(r"(?m)^  (\w+)  ", listed[0].split("\n\n")[0]) if listed else []
    return [name for name in names if name != "help"]


def sections(program: Path, *command: str) -> list[str]:
    """The help of a command, and of the commands below it."""
    text = help_of(program, *command)
    title = f"{'#' * (len(command) + 1)} wheelprint {' '.join(command)}"
    found = [f"{title}\n\n```text\n{text}\n```\n"] if command else []
    for name in subcommands(text):
        found += sections(program, *command, name)
    return found


def written(page: str, program: Path) -> str:
    """The page, with the help that this program prints."""
    before, rest = page.split(BEGIN)
    after = rest.split(END)[1]
    return f"{before}{BEGIN}\n" + "\n".join(sections(program)) + f"\n{END}{after}"


def main() -> None:
    program = sys.argv[1] if len(sys.argv) > 1 else shutil.which("wheelprint")
    if program is None:
        sys.exit("wheelprint is not on PATH")
    PAGE.write_text(written(PAGE.read_text(encoding="utf-8"), Path(program)), encoding="utf-8")


if __name__ == "__main__":
    main()
