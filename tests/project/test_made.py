"""What the tests make is kept and checked at their end: what is wrong makes the run fail."""

from __future__ import annotations

import base64
import hashlib
import os
import re
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest
from support.checkers import HAS_TWINE, Finding, is_on_purpose
from support.made import Made

TAG = "py3-none-any"
METADATA = """Metadata-Version: 2.1
Name: {name}
Version: 1
Description-Content-Type: text/markdown

# {name}
"""
#: A run of its own, whose one test makes what lies in a folder.
TEST = """
from pathlib import Path

from support import made


def test_that_makes(pytestconfig):
    pytestconfig.stash[made.KEY].keep_all(Path(__file__).parent / "made")
"""


def pack(folder: Path, name: str, tag: str = TAG, metadata: str = METADATA, **files: bytes) -> Path:
    """A wheel with a module of its name in it, and more files."""
    info = f"{name}-1.dist-info"
    content = {
        f"{name}.py": b"answer = 42\n",
        **{file.replace("__", "."): text for file, text in files.items()},
        f"{info}/METADATA": metadata.format(name=name).encode(),
        f"{info}/WHEEL": f"Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: {tag}\n".encode(),
    }
    lines = []
    for file, text in content.items():
        digest = base64.urlsafe_b64encode(hashlib.sha256(text).digest()).decode().rstrip("=")
        lines.append(f"{file},sha256={digest},{len(text)}\n")
    record = f"{info}/RECORD"
    content[record] = "".join([*lines, f"{record},,\n"]).encode()
    folder.mkdir(exist_ok=True)
    wheel = folder / f"{name}-1-{tag}.whl"
    with zipfile.ZipFile(wheel, "w") as archive:
        for file, text in content.items():
            archive.writestr(file, text)
    return wheel


def damage(wheel: Path) -> None:
    """Other content than RECORD says, of the same length."""
    content = wheel.read_bytes()
    with zipfile.ZipFile(wheel) as archive:
        files = {name: archive.read(name) for name in archive.namelist()}
    with zipfile.ZipFile(wheel, "w") as archive:
        for name, text in files.items():
            archive.writestr(name, text.replace(b"answer = 42", b"answer = 43"))
    assert wheel.read_bytes() != content


def run(folder: Path, *options: str) -> tuple[int, str]:
    """pytest's exit code, and what it prints."""
    (folder / "test_one.py").write_text(TEST)
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-p", "support.made", *options, folder],
        cwd=folder,
        env={**os.environ, "PYTHONPATH": str(Path(__file__).parents[1]), "TMPDIR": str(folder)},
        capture_output=True,
        text=True,
    )
    return done.returncode, done.stdout + done.stderr


@pytest.mark.parametrize("options", [("-p", "no:xdist"), ("-n", "2")], ids=["alone", "workers"])
def test_what_a_checker_refuses_makes_the_run_fail(
    options: tuple[str, ...], tmp_path: Path
) -> None:
    good = pack(tmp_path / "made", "good")
    bad = {
        "RECORD": pack(tmp_path / "made", "damaged"),
        "twine check --strict": pack(tmp_path / "made", "silent", metadata=METADATA[:-11]),
        "check-wheel-contents": pack(tmp_path / "made", "crowded", more__txt=b"more"),
    }
    damage(bad["RECORD"])
    if not HAS_TWINE:
        del bad["twine check --strict"]
    code, said = run(tmp_path, *options)
    assert code == pytest.ExitCode.TESTS_FAILED, said
    assert "1 passed" in said
    assert good.name not in said
    for checker, wheel in bad.items():
        line = rf"{checker}: \w+/{wheel.name}, made in test_one.py::test_that_makes"
        assert re.search(f"(?m)^{line}$", said), said
    assert "W003: Wheel contains non-module at library toplevel" in said


@pytest.mark.skipif(sys.platform != "linux", reason="reads a module of Linux")
def test_a_module_outside_of_the_stable_abi_makes_it_fail(tmp_path: Path) -> None:
    rpds = pytest.importorskip("rpds.rpds")
    content = Path(rpds.__file__).read_bytes()
    wheel = pack(tmp_path / "made", "unstable", "cp39-abi3-linux_x86_64", _core__so=content)
    code, said = run(tmp_path, "-p", "no:xdist")
    assert code == pytest.ExitCode.TESTS_FAILED, said
    assert f"{wheel.name}, made in" in said
    assert "abi3audit --strict: " in said


def test_it_passes_with_nothing_wrong(tmp_path: Path) -> None:
    for name in ("good", "better"):
        pack(tmp_path / "made", name)
    code, said = run(tmp_path, "-p", "no:xdist")
    assert code == pytest.ExitCode.OK, said
    assert "refused" not in said


def test_only_what_a_command_made_is_kept(tmp_path: Path) -> None:
    folder = tmp_path / "dist"
    one, other = (pack(folder, name) for name in ("one", "other"))
    damage(one)
    env = {"UV_CACHE_DIR": str(tmp_path / "uv-cache")}
    made = Made(tmp_path / "made")
    (tmp_path / "made").mkdir()
    with made.by(["-o", "dist"], tmp_path, env):
        other.write_bytes(pack(tmp_path / "elsewhere", "other", more__py=b"").read_bytes())
        third = pack(folder, "third")
    kept = {path.name for path in (tmp_path / "made").glob("*/*.whl")}
    assert kept == {other.name, third.name}


#: What a checker says of a wheel, made in which test, and whether that test wanted it so.
HOSTILE = "tests/faults/test_hostile_wheels.py::test_from_maturin"
WANTED = {
    "a file with a space": (
        f"{HOSTILE}[named 'a b']",
        "check-wheel-contents",
        "W003: x:\n  a b",
        True,
    ),
    "two files": (f"{HOSTILE}[named 'a b']", "check-wheel-contents", "W003: x:\n  a\n  b", False),
    "something else": (f"{HOSTILE}[named 'a b']", "check-wheel-contents", "W001: x:\n  a b", False),
    "another checker": (f"{HOSTILE}[named 'a b']", "RECORD", "W003: x:\n  a b", False),
    "another test": ("tests/test_uv.py::test_one", "check-wheel-contents", "W003: x:\n  a", False),
    "no file": ("", "check-wheel-contents", "W003: x:\n  a", False),
}


@pytest.mark.parametrize("case", WANTED)
def test_what_a_test_makes_wrong_on_purpose_is_not_refused(case: str) -> None:
    test, checker, said, is_wanted = WANTED[case]
    assert is_on_purpose(Finding(checker, None, said), test) == is_wanted
