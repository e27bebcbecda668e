"""The sdist of wheelprint itself."""

from __future__ import annotations

import subprocess
import sys
import tarfile
from pathlib import Path

ROOT = Path(__file__).parents[2]


def test_it_has_what_a_build_needs_and_nothing_else(tmp_path: Path) -> None:
    """`include` in Cargo.toml has the rules of .gitignore: `LICENSE` matches in every folder, such
    as those of nox."""
    command = [sys.executable, "-m", "maturin", "sdist", "--out", str(tmp_path)]
    subprocess.run(command, cwd=ROOT, check=True, capture_output=True)
    (sdist,) = tmp_path.iterdir()
    with tarfile.open(sdist) as archive:
        names = {name.partition("/")[2] for name in archive.getnames()}
    assert {"Cargo.lock", "pyproject.toml", ".ci/itself.py", "src/lib.rs"} <= names
    folders = {name.split("/")[0] for name in names if "/" in name}
    assert folders == {".ci", "benches", "python", "src"}
