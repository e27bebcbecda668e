"""The reference is what the program says.

docs/commands.md shows what `--help` prints, docs/settings.md names every setting, and the messages
in docs/troubleshooting.md are those of the program.
"""

from __future__ import annotations

import re
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
import reference
from support import environment

if TYPE_CHECKING:
    from support.workbench import Workbench

REPOSITORY = Path(__file__).resolve().parents[2]


@pytest.mark.skipif(sys.platform == "win32", reason="the name of the program ends with .exe")
def test_the_page_shows_the_help_of_each_command(bench: Workbench) -> None:
    page = reference.PAGE.read_text(encoding="utf-8")
    program = environment.scripts_folder(bench.venv()) / "wheelprint"
    assert reference.written(page, program) == page, "run: python tests/reference.py PROGRAM"


def test_the_page_names_every_setting() -> None:
    source = (REPOSITORY / "src" / "settings.rs").read_text(encoding="utf-8")
    lists = re.findall(r"const (?:CONFIG_)?KEYS: &\[&str\] =\s+&\[(.*?)\];", source, re.DOTALL)
    assert len(lists) == 2, "where are the names of the settings?"
    known = {name for text in lists for name in re.findall(r'"([\w-]+)"', text)}
    page = (REPOSITORY / "docs" / "settings.md").read_text(encoding="utf-8")
    rows = [row for row in page.splitlines() if row.startswith("| ")]
    missing = {name for name in known if not any(name in row for row in rows)}
    assert not missing


def plain(text: str) -> str:
    """A text without line breaks in strings, and without backticks and quotes."""
    text = re.sub(r"\\\n\s*", "", text)
    return re.sub(r"\s+", " ", re.sub(r"[`\"']", "", text))


def test_the_messages_are_those_of_the_program() -> None:
    files = [*REPOSITORY.glob("src/**/*.rs"), *REPOSITORY.glob("python/**/*.py")]
    program = plain("\n".join(file.read_text(encoding="utf-8") for file in files))
    page = (REPOSITORY / "docs" / "troubleshooting.md").read_text(encoding="utf-8")
    rows = [row.split(" | ")[0] for row in page.splitlines() if row.startswith("| `")]
    messages = [message for row in rows for message in re.findall(r"`+(.+?)`+", row)]
    assert len(messages) > 50
    # Names of things are in capitals; numbers are examples.
    varies = r"\b[A-Z]{2,}[A-Z_]*\b|\.\.\.|[\d.]+ s\b|[\d.]+|\bN\b|->|[:;,()]"
    parts = [(part.strip(), one) for one in messages for part in re.split(varies, plain(one))]
    assert [(part, message) for part, message in parts if part not in program] == []
