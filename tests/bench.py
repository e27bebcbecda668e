"""What the runtime hook and the import check cost, beside the same import without them.

    nox -s bench

`examples/mixed-path-dep` with 10, 1,000 and 10,000 inputs, installed twice: as an editable, and as
an ordinary wheel, which has no hook. Processes of both kinds are started in turn, so that whatever
else the machine does falls on both; the medians are shown, in milliseconds. Imports are timed
inside the process, starts from outside.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import time
from typing import TYPE_CHECKING

from support import environment, measuring, samples

if TYPE_CHECKING:
    from pathlib import Path

    from support.measuring import Place

SIZES = (10, 1_000, 10_000)
ROUNDS = 41
#: Nothing of what is timed is the first of its kind: `re` and such are there in most programs, and
#: the modules of the standard library that the check needs are counted as its cost.
IMPORT = "import time; t = time.perf_counter(); import text_stats; print(time.perf_counter() - t)"


def main() -> int:
    with measuring.place() as place:
        # Not by a variable, which an import would have to compare.
        (place.folder / ".cargo").mkdir()
        target = (place.folder / "target").as_posix()
        (place.folder / ".cargo" / "config.toml").write_text(f'[build]\ntarget-dir = "{target}"\n')
        print(f"Python {sys.version.split()[0]}, {ROUNDS} rounds, medians in ms\n")
        columns = ("inputs", "start", "+ hook", "import", "ignore", "checked", "all touched")
        print(measuring.heading(*columns))
        for size in SIZES:
            _measure(place, size)
    print(
        "\nstart: the interpreter alone, without and with the hook. import: of the ordinary wheel;"
        "\nof the editable under WHEELPRINT_ON_STALE=ignore; checked, nothing changed; checked with"
        "\nevery input touched, so that all are hashed."
    )
    return 0


def _measure(place: Place, size: int) -> None:
    env = place.env
    project = place.folder / f"with-{size}" / "mixed-path-dep"
    sample = samples.find("mixed-path-dep")
    for name in ("mixed-path-dep", "shared-core"):
        shutil.copytree(sample.folder / name, project.parent / name, dirs_exist_ok=True)
    pyproject = project / "pyproject.toml"
    pyproject.write_text(
        pyproject.read_text() + '\n[tool.wheelprint]\nextra-inputs = ["many/**/*.txt"]\n'
    )
    files = []
    # The sample has a handful of inputs of its own.
    for number in range(max(size - 10, 0)):
        path = project / "many" / f"{number // 50}" / f"{number}.txt"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(f"number {number}\n" * 40)
        files.append(path)
    plain, editable = (_install(place, project, kind) for kind in ("plain", "editable"))
    _seconds(editable, env)
    # What is at rest is remembered.
    time.sleep(2.5)
    assert _said(editable, env) == ""

    starts: dict[str, list[float]] = {"plain": [], "editable": []}
    imports: dict[str, list[float]] = {"plain": [], "ignore": [], "checked": [], "touched": []}
    for _ in range(ROUNDS):
        for kind, python in (("plain", plain), ("editable", editable)):
            began = time.perf_counter()
            subprocess.run([python, "-c", "pass"], env=env, check=True)
            starts[kind].append(time.perf_counter() - began)
        imports["plain"].append(_seconds(plain, env))
        imports["ignore"].append(_seconds(editable, {**env, "WHEELPRINT_ON_STALE": "ignore"}))
        imports["checked"].append(_seconds(editable, env))
    for _ in range(5):
        for path in files:
            os.utime(path)
        imports["touched"].append(_seconds(editable, env))
    medians = map(measuring.milliseconds, (*starts.values(), *imports.values()))
    print(measuring.row(f"{size:,}", *(f"{median:.2f}" for median in medians)), flush=True)


def _install(place: Place, project: Path, kind: str) -> str:
    venv = place.folder / f"{kind}-{project.parent.name}"
    place.uv("venv", venv)
    python = str(environment.python_in(venv))
    option = ["-e"] if kind == "editable" else []
    place.uv("pip", "install", "--python", python, "--no-deps", *option, project)
    # Compiled once, as after any first import.
    place.run(python, "-c", "import text_stats")
    return python


def _seconds(python: str, env: dict[str, str]) -> float:
    command = [python, "-c", IMPORT]
    return float(subprocess.run(command, env=env, check=True, stdout=subprocess.PIPE).stdout)


def _said(python: str, env: dict[str, str]) -> str:
    command = [python, "-c", "import text_stats"]
    done = subprocess.run(command, env=env, check=True, stderr=subprocess.PIPE)
    return done.stderr.decode()


if __name__ == "__main__":
    sys.exit(main())
