"""What wheelprint costs and saves, beside others, in one table.

    nox -s bench                    everything
    nox -s bench -- verdict "import, nothing"       the cases whose names contain one of these

Contenders take turns, each with its own copy of the project and its own caches, so that whatever
else the machine does falls on all of them; figures are made of medians. The raw data is written as
JSON, and drawn as a chart; `--publish` puts both into docs/.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import sys
import tempfile
import time
from itertools import product
from pathlib import Path
from typing import Any

from benches.sides import Ground
from support import measuring

from benches import (
    builds,
    cases,
    chart,
    imports,
    keys,
    shared,
    stamping,
    syncs,
    verdicts,
    workspaces,
    worktrees,
)

DOCS = Path(__file__).resolve().parents[1] / "docs"
#: What of docs/speed.md is written anew.
PAGE, BEGIN, END = "speed.md", "<!-- the last run -->\n", "<!-- /the last run -->\n"
GROUPS = tuple(
    group.measure
    for group in (syncs, workspaces, worktrees, shared, keys, imports, verdicts, stamping, builds)
)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("wanted", nargs="*", default=[""], help="a part of the cases' names")
    parser.add_argument("--publish", action="store_true", help="put data and chart into docs/")
    parser.add_argument("--out", type=Path, default=Path(), help="where data and chart go")
    options = parser.parse_args()
    out = DOCS if options.publish else options.out
    began = time.time()
    measured: list[cases.Raw] = []
    print(measuring.heading(*cases.HEADING), flush=True)
    with tempfile.TemporaryDirectory(prefix="wheelprint-bench-") as folder:
        ground = Ground.prepare(Path(folder).resolve())
        for group, wanted in product(GROUPS, options.wanted):
            for case in group(ground, wanted):
                measured.append(case.raw())
                for row in cases.rows(measured[-1]):
                    print(measuring.row(*row), flush=True)
                # What takes half an hour is not lost to what fails at its end.
                _write(out, measured, began)
    if not measured:
        parser.error(f"no case is called {', '.join(options.wanted)}")
    print(f"\n{_machine()}; {out / 'bench.json'} has each measurement, {out / 'bench.svg'} a chart")
    if options.publish:
        page = DOCS / PAGE
        data = json.loads((out / "bench.json").read_text(encoding="utf-8"))
        text = with_table(page.read_text(encoding="utf-8"), data)
        page.write_text(text, encoding="utf-8")
    return 0


def _data(measured: list[cases.Raw], began: float) -> dict[str, Any]:
    return {
        "machine": _machine(),
        "day": time.strftime("%Y-%m-%d"),
        "took": round(time.time() - began),
        "cases": measured,
    }


def _write(out: Path, measured: list[cases.Raw], began: float) -> None:
    text = json.dumps(_data(measured, began), indent=1)
    (out / "bench.json").write_text(f"{text}\n", encoding="utf-8")
    (out / "bench.svg").write_text(chart.draw(measured), encoding="utf-8")


def with_table(page: str, data: dict[str, Any]) -> str:
    """The page with the table of that run."""
    before, rest = page.split(BEGIN)
    _, after = rest.split(END)
    lines = [measuring.heading(*cases.HEADING)]
    lines += [measuring.row(*row) for case in data["cases"] for row in cases.rows(case)]
    about = f"{data['machine']}; {data['took'] // 60} minutes, {data['day']}."
    return f"{before}{BEGIN}\n{about}\n\n" + "\n".join(lines) + f"\n\n{END}{after}"


def _machine() -> str:
    cores = os.cpu_count()
    return (
        f"{platform.system()} {platform.machine()}, {cores} cores, Python {sys.version.split()[0]}"
    )


if __name__ == "__main__":
    sys.exit(main())
