"""What a rebuild at import shows on a terminal."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import pytest
from support import installed

if TYPE_CHECKING:
    from collections.abc import Iterator

    from support.installed import Editable
    from support.workbench import Workbench

SAMPLE = "mixed-path-dep"
#: Cargo shows no progress in the first half of a second.
SLEEP = "fn main() { std::thread::sleep(std::time::Duration::from_secs(2)); }\n"


@pytest.fixture
def editable(bench: Workbench) -> Iterator[Editable]:
    yield installed.synced(bench.check_out(SAMPLE))
    bench.put_away()


@pytest.mark.parametrize("columns", [40, 100])
def test_progress(columns: int, editable: Editable) -> None:
    editable.project.write("build.rs", SLEEP)
    code, text = editable.imports_at_terminal(columns)
    assert code == 0, text
    assert "; rebuilding\r\n" in text
    first, *shown, last = text.rstrip().split("\r")
    assert first.endswith("; rebuilding")
    assert last.startswith(f"wheelprint: rebuilt {SAMPLE} in ")
    lines = [line for line in shown if line.strip()]
    assert all(line.startswith(f"rebuilding {SAMPLE} (") for line in lines), lines
    assert any(re.search(r"\(\d+ s, \d+/\d+ ", line) for line in lines), lines
    # A line that fills the last column may wrap. The last one is wiped out whole.
    assert max(len(line.rstrip()) for line in lines) < columns
    assert shown[-1] == " " * len(lines[-1].rstrip())


def test_errors_are_coloured(editable: Editable) -> None:
    editable.project.append(editable.project.sample.source, "no Rust\n")
    assert "\x1b[1m\x1b[91merror" in editable.imports_at_terminal()[1]
    assert "\x1b" not in editable.imports_at_terminal(NO_COLOR="1")[1]
    assert "\x1b" not in editable.imports().run.stderr
