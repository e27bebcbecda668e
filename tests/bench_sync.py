"""What a `uv sync` that has nothing to do costs with different cache keys.

    nox -s bench

`examples/mixed-path-dep`, with 30,000 more files in its target folder and without them; with the
keys that `wheelprint keys --write` writes, and with the usual `**/*.rs`. Milliseconds of the whole
command, medians; the four take turns.
"""

from __future__ import annotations

import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from support import environment, samples
from support.workbench import copy_sample, find_uv

FILES = 30_000
ROUNDS = 41


def main() -> int:
    dist = Path(os.environ["WHEELPRINT_DIST"]).resolve()
    with tempfile.TemporaryDirectory(prefix="wheelprint-bench-") as folder:
        base = Path(folder)
        env = environment.inherited()
        env["UV_CACHE_DIR"] = str(base / "uv-cache")
        env["UV_FIND_LINKS"] = dist.as_uri()
        env["WHEELPRINT_CACHE_DIR"] = str(base / "cache")
        env["UV_PYTHON"] = sys.executable
        projects = {
            (keys, files): _project(base / f"{keys}-{files}", keys, files, env)
            for keys in ("written", "wide")
            for files in (0, FILES)
        }
        times: dict[tuple[str, int], list[float]] = {key: [] for key in projects}
        for _ in range(ROUNDS):
            for key, project in projects.items():
                began = time.perf_counter()
                _run(env, project, find_uv(), "sync", "-q")
                times[key].append(time.perf_counter() - began)
    print(f"\n`uv sync` with nothing to do, {ROUNDS} rounds, medians in ms\n")
    print(f"| files in target/ | keys as written | `**/*.rs` |\n|{'---|' * 3}")
    for files in (0, FILES):
        medians = [statistics.median(times[keys, files]) * 1000 for keys in ("written", "wide")]
        print(f"| {files:,} more | " + " | ".join(f"{median:.1f}" for median in medians) + " |")
    return 0


def _project(folder: Path, keys: str, files: int, env: dict[str, str]) -> Path:
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
    _run(env, project, find_uv(), "sync", "-q")
    if keys == "written":
        _run(env, project, find_uv(), "tool", "run", "-q", "wheelprint", "keys", "--write")
    for number in range(files):
        path = project / "target" / "many" / f"{number // 500}" / f"{number}.rs"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()
    # What the keys, and the new files, make uv do once.
    _run(env, project, find_uv(), "sync", "-q")
    return project


def _run(env: dict[str, str], folder: Path, *command: str | Path) -> None:
    subprocess.run(command, cwd=folder, env=env, check=True, stdout=subprocess.DEVNULL)


if __name__ == "__main__":
    sys.exit(main())
