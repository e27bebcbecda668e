"""What a `uv sync` that has nothing to do costs with different cache keys.

    nox -s bench

`examples/mixed-path-dep`, with 30,000 more files in its target folder and without them; with the
keys that `wheelprint keys --write` writes, and with the usual `**/*.rs`. Milliseconds of the whole
command, medians; the four take turns.
"""

from __future__ import annotations

import sys
import time
from typing import TYPE_CHECKING

from support import measuring, samples
from support.workbench import copy_sample

if TYPE_CHECKING:
    from pathlib import Path

    from support.measuring import Place

FILES = 30_000
ROUNDS = 41


def main() -> int:
    with measuring.place() as place:
        projects = {
            (keys, files): _project(place, keys, files)
            for keys in ("written", "wide")
            for files in (0, FILES)
        }
        times: dict[tuple[str, int], list[float]] = {key: [] for key in projects}
        for _ in range(ROUNDS):
            for key, project in projects.items():
                began = time.perf_counter()
                place.uv("sync", cwd=project)
                times[key].append(time.perf_counter() - began)
    print(f"\n`uv sync` with nothing to do, {ROUNDS} rounds, medians in ms\n")
    print(measuring.heading("files in target/", "keys as written", "`**/*.rs`"))
    for files in (0, FILES):
        medians = [measuring.milliseconds(times[keys, files]) for keys in ("written", "wide")]
        print(measuring.row(f"{files:,} more", *(f"{median:.1f}" for median in medians)))
    return 0


def _project(place: Place, keys: str, files: int) -> Path:
    folder = place.folder / f"{keys}-{files}"
    sample = samples.find("mixed-path-dep")
    for name in ("mixed-path-dep", "shared-core"):
        copy_sample(sample.folder / name, folder / name)
    project = folder / "mixed-path-dep"
    pyproject = project / "pyproject.toml"
    text = pyproject.read_text()
    start = text.index("cache-keys = [")
    end = text.index("]", start) + 1
    new = 'cache-keys = ["pyproject.toml", "**/*.rs"]' if keys == "wide" else ""
    pyproject.write_text(text[:start] + new + text[end:])
    place.uv("sync", cwd=project)
    if keys == "written":
        place.uv("tool", "run", "wheelprint", "keys", "--write", cwd=project)
    for number in range(files):
        path = project / "target" / "many" / f"{number // 500}" / f"{number}.rs"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()
    # What the keys, and the new files, make uv do once.
    place.uv("sync", cwd=project)
    return project


if __name__ == "__main__":
    sys.exit(main())
