"""Records the terminal session that README.md shows: edit Rust, `uv run`, the new result.

    WHEELPRINT_DIST=FOLDER python tests/recording.py

The commands run in a new project in a temporary folder. Their output and how long they took goes to
docs/pictures/session.json, and docs/pictures/session.svg is drawn from it. The test
`tests/project/test_recording.py` runs the session again and compares what is printed.
"""

from __future__ import annotations

import html
import json
import os
import subprocess
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable

PICTURES = Path(__file__).parents[1] / "docs" / "pictures"
PROGRAM = """import greet; print(sum(greet.count_letters("hello")))"""
CALL = "uv run count.py"
#: What is done before the recording: a new project, which is built once.
BEFORE = (
    "wheelprint new greet --no-workspace",
    f"echo '{PROGRAM}' > count.py",
    CALL,
    "wheelprint keys --write",
    "uv sync",
)
#: What is shown.
SHOWN = (
    "cat count.py",
    CALL,
    "sed -i.old 's/+= 1/+= 2/' src/lib.rs",
    CALL,
    "touch src/lib.rs",
    CALL,
    "wheelprint status | head -1",
)
#: The project's parent in what is shown.
HOME = "/home/me"

# Sizes in pixels. The font is one that the reader's machine has.
WIDTH, LINE, MARGIN, TOP = 560, 21, 20, 44
STYLE = """
text { font: 14px ui-monospace, SFMono-Regular, Menlo, Consolas, "DejaVu Sans Mono", monospace;
  fill: #c8ccd4; white-space: pre; }
.command { fill: #ffffff; }
.prompt { fill: #7ee787; }
.quiet { fill: #7d8590; }
.good { fill: #7ee787; }
.time { fill: #7d8590; text-anchor: end; }
@keyframes appear { from { opacity: 0 } to { opacity: 1 } }
g { animation: appear 0.01s both; }
@media (prefers-reduced-motion: reduce) { g { animation: none } }
"""


def play(run: Callable[[str, Path], str], parent: Path) -> list[dict[str, Any]]:
    """Each command that is shown, what it printed, and its seconds. `run` runs it in a folder."""
    project = parent / "greet"
    shown = []
    for number, command in enumerate((*BEFORE, *SHOWN)):
        began = time.monotonic()
        printed = run(command, parent if number == 0 else project)
        seconds = round(time.monotonic() - began, 2)
        lines = printed.replace(str(parent), HOME).rstrip().splitlines()
        # uv's line for a build that runs is replaced by the next one on a terminal.
        lines = [line.strip() for line in lines if not line.lstrip().startswith("Building ")]
        if number >= len(BEFORE):
            shown.append({"command": command, "printed": lines, "seconds": seconds})
    return shown


def draw(session: list[dict[str, Any]]) -> str:
    """The session as a picture, in which the lines appear one after the other."""
    rows: list[tuple[float, str]] = []
    clock = 0.3
    for step in session:
        command = html.escape(step["command"], quote=False)
        text = f'<tspan class="prompt">$</tspan> <tspan class="command">{command}</tspan>'
        rows.append((clock, text))
        # Nobody waits long for a picture, and each command can be read.
        clock += 0.8 + min(step["seconds"], 1.5)
        for line in step["printed"]:
            rows.append((clock, f"<tspan{class_of(line)}>{html.escape(line, quote=False)}</tspan>"))
        if step["command"] == CALL:
            rows[-1] = (rows[-1][0], rows[-1][1] + f"\0{step['seconds']:.1f} s")
        clock += 0.4
    height = TOP + len(rows) * LINE + MARGIN
    drawn = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {height}" role="img"',
        f' width="{WIDTH}" height="{height}">',
        "<title>A terminal: edit Rust, uv run, the new result</title>",
        f"<style>{STYLE}</style>",
        f'<rect width="{WIDTH}" height="{height}" rx="8" fill="#161b22"/>',
        *(f'<circle cx="{22 + 18 * dot}" cy="20" r="5" fill="#3d444d"/>' for dot in range(3)),
    ]
    for number, (when, row) in enumerate(rows):
        y = TOP + number * LINE + 14
        text, _, seconds = row.partition("\0")
        line = f'<text x="{MARGIN}" y="{y}">{text}</text>'
        if seconds:
            line += f'<text class="time" x="{WIDTH - MARGIN}" y="{y}">{seconds}</text>'
        drawn.append(f'<g style="animation-delay: {when:.1f}s">{line}</g>')
    return "\n".join([*drawn, "</svg>", ""])


def class_of(line: str) -> str:
    if line.startswith("fresh:"):
        return ' class="good"'
    is_of_uv = line.startswith(("Built ", "Uninstalled ", "Installed ", "Resolved ", "Prepared "))
    return ' class="quiet"' if is_of_uv else ""


def main() -> None:
    dist = Path(os.environ["WHEELPRINT_DIST"]).resolve()
    with tempfile.TemporaryDirectory() as folder:
        parent = Path(folder).resolve()
        environment = {
            **{name: value for name, value in os.environ.items() if name != "VIRTUAL_ENV"},
            "UV_FIND_LINKS": str(dist),
            "UV_CACHE_DIR": str(parent / "uv-cache"),
            "WHEELPRINT_CACHE_DIR": str(parent / "cache"),
            "NO_COLOR": "1",
        }
        tools = parent / "tools"
        for command in (["venv", tools], ["pip", "install", "--python", tools, "wheelprint"]):
            subprocess.run(["uv", *command], env=environment, check=True)
        environment["PATH"] = os.pathsep.join([str(tools / "bin"), environment["PATH"]])

        def run(command: str, cwd: Path) -> str:
            return subprocess.run(
                ["sh", "-c", command],
                cwd=cwd,
                env=environment,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                text=True,
                check=True,
            ).stdout

        session = play(run, parent)
    PICTURES.mkdir(exist_ok=True)
    (PICTURES / "session.json").write_text(json.dumps(session, indent=1) + "\n", encoding="utf-8")
    (PICTURES / "session.svg").write_text(draw(session), encoding="utf-8")


if __name__ == "__main__":
    main()
