"""What `uv build` costs with plain maturin and with wheelprint, side by side.

    nox -s bench

rpds-py, taken as an sdist from PyPI. `uv build` makes an sdist and then the wheel from it, in a
temporary folder each time. Measured are the first one in a new copy of the project, with caches
that know nothing of it, and then, in that copy, one after nothing was changed and one after an edit
of src/lib.rs. The backends take turns; each has its own copy and its own caches. A wheel that does
not show the last edit ends the script with an error.
"""

from __future__ import annotations

import json
import shutil
import statistics
import sys
import zipfile
from typing import TYPE_CHECKING

from support import measuring
from support.measuring import BACKENDS, Outcome, Side

if TYPE_CHECKING:
    from pathlib import Path

#: New copies, and in the last one of each backend, turns.
COPIES = 2
TURNS = 4
STEPS = ("first", "nothing changed", "an edit of src/lib.rs")


def main() -> int:
    source, text, _ = measuring.RPDS_EDIT
    shown = dict.fromkeys(BACKENDS, text)
    outcomes: dict[str, dict[str, list[Outcome]]] = {
        step: {backend: [] for backend in BACKENDS} for step in STEPS
    }
    with measuring.place() as place:
        original = measuring.unpack_rpds(place.folder / "rpds-py")
        # Written for an index; maturin refuses to overwrite it, and no checkout has one.
        (original / "PKG-INFO").unlink()
        print(f"\n`uv build` of {original.name}\n", flush=True)
        for copy in range(COPIES):
            sides = [
                _side(backend, place.folder / f"{backend}-{copy}", original) for backend in BACKENDS
            ]
            for side in sides:
                outcomes["first"][side.backend].append(_build(side, text))
        for turn in range(TURNS):
            for step in STEPS[1:]:
                for side in sides:
                    if step == STEPS[2]:
                        edited = f'{text[:-1]}, after edit {turn}"'
                        side.change(source, shown[side.backend], edited)
                        shown[side.backend] = edited
                    outcomes[step][side.backend].append(_build(side, shown[side.backend]))
    columns = [cell for backend in BACKENDS for cell in (f"{backend} s", "crates")]
    print(measuring.heading("`uv build`", "times", *columns, "wheelprint / maturin"))
    for step, by_backend in outcomes.items():
        print(_row(step, by_backend))
    print(
        "\nfirst: a new copy, new caches. Seconds are medians; crates are those that were compiled."
        "\nEach build:\n"
    )
    for step, by_backend in outcomes.items():
        for backend, builds in by_backend.items():
            seconds = [round(build.seconds, 2) for build in builds]
            crates = [len(build.compiled) for build in builds]
            raw = {"step": step, "backend": backend, "seconds": seconds, "crates": crates}
            print(json.dumps(raw))
    return 0


def _side(backend: str, folder: Path, original: Path) -> Side:
    # New timestamps, as in a new checkout.
    root = shutil.copytree(original, folder / original.name, copy_function=shutil.copyfile)
    return Side(backend, folder, root)


def _build(side: Side, text: str) -> Outcome:
    """Run `uv build`; the module in the wheel must have that text in it."""
    dist = side.folder / "dist"
    shutil.rmtree(dist, ignore_errors=True)
    outcome, _ = side.measured("build", "--out-dir", dist)
    (wheel,) = dist.glob("*.whl")
    assert list(dist.glob("*.tar.gz")), "an sdist too"
    with zipfile.ZipFile(wheel) as archive:
        (module,) = (name for name in archive.namelist() if name.endswith((".so", ".pyd")))
        if text.strip('"').encode() not in archive.read(module):
            sys.exit(f"{side.backend}: {wheel.name} does not say {text}")
    return outcome


def _row(step: str, by_backend: dict[str, list[Outcome]]) -> str:
    medians = {
        backend: statistics.median(build.seconds for build in builds)
        for backend, builds in by_backend.items()
    }
    cells = []
    for backend, builds in by_backend.items():
        crates = sorted({len(build.compiled) for build in builds})
        cells += [f"{medians[backend]:.2f}", " to ".join(map(str, (crates[0], *crates[1:][-1:])))]
    times = len(by_backend["maturin"])
    ratio = medians["wheelprint"] / medians["maturin"]
    return measuring.row(step, str(times), *cells, f"{ratio:.2f}")


if __name__ == "__main__":
    sys.exit(main())
