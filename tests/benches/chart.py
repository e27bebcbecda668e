"""The medians as a chart: one block of bars for each case, seconds on a logarithmic scale."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING
from xml.sax.saxutils import escape

from . import cases

if TYPE_CHECKING:
    from collections.abc import Sequence

    from .cases import Raw

WIDTH, LEFT, RIGHT = 860, 210, 150
BAR, GAP, TITLE = 13, 3, 22
#: The limits, which install nothing or do nothing, are paler.
COLOURS = {
    cases.WHEELPRINT: "#d9622b",
    cases.MATURIN: "#3d6fb4",
    cases.DEVELOP: "#6d9ad1",
    cases.HOOK: "#8d6fb8",
}
OTHER = "#9aa0a6"
_STYLE = """text { font: 12px system-ui, sans-serif; fill: #24292f }
.title { font-weight: 600 }
.scale { fill: #6e7781; font-size: 11px }
line { stroke: #d0d7de }
@media (prefers-color-scheme: dark) {
  text { fill: #e6edf3 } .scale { fill: #8b949e } line { stroke: #30363d }
}"""


def draw(measured: Sequence[Raw]) -> str:
    """An SVG document with all cases; ratios are to wheelprint's own median."""
    every = [value for case in measured for value in cases.medians_of(case).values()]
    low = math.floor(math.log10(min(every)))
    high = math.ceil(math.log10(max(every)))

    def x(seconds: float) -> float:
        part = (math.log10(seconds) - low) / max(high - low, 1)
        return LEFT + part * (WIDTH - LEFT - RIGHT)

    body = []
    y = 26
    for case in measured:
        medians = cases.medians_of(case)
        title = escape(_plain(cases.title(case)))
        body.append(f'<text class="title" x="8" y="{y + 12}">{title}</text>')
        y += TITLE
        own = medians.get(cases.WHEELPRINT)
        for name, value in medians.items():
            colour = COLOURS.get(name, OTHER)
            ratio = "" if own is None or name == cases.WHEELPRINT else _times(value / own)
            width = max(x(value) - LEFT, 1)
            words, who = escape(f"{cases.words(value)}{ratio}"), escape(_plain(name))
            body += [
                f'<text x="{LEFT - 8}" y="{y + 11}" text-anchor="end">{who}</text>',
                f'<rect x="{LEFT}" y="{y}" width="{width:.1f}" height="{BAR}" fill="{colour}"/>',
                f'<text x="{LEFT + width + 6:.1f}" y="{y + 11}">{words}</text>',
            ]
            y += BAR + GAP
        y += 8
    scale = []
    for power in range(low, high + 1):
        at = x(10.0**power)
        scale += [
            f'<line x1="{at:.1f}" y1="22" x2="{at:.1f}" y2="{y}"/>',
            f'<text class="scale" x="{at:.1f}" y="14" text-anchor="middle">'
            f"{cases.words(10.0**power)}</text>",
        ]
    return "\n".join(
        [
            f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {y + 4}" role="img">',
            "<title>Medians of what was measured, in seconds; "
            "behind each the ratio to wheelprint's</title>",
            f"<style>{_STYLE}</style>",
            *scale,
            *body,
            "</svg>\n",
        ]
    )


def _times(ratio: float) -> str:
    return f" ({ratio:.0f} times)" if ratio > 99 else f" ({ratio:.2g} times)"


def _plain(words: str) -> str:
    return words.replace("`", "")
