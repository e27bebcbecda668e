"""What docs/ shows is what the program prints.

A page that begins with `<!-- project: SAMPLE -->` has its ```console blocks run, one after the
other, in a fresh checkout of that sample (with `maturin` as its backend where the page says so). Of
the output that is shown, `...` stands for any lines, and digests, versions of tools, seconds and
sizes may be others.
"""

from __future__ import annotations

import os
import re
import shutil
import sys
from typing import TYPE_CHECKING

import pytest
from support import environment, samples, toolchains
from support.layouts import THIS_PYTHON

if TYPE_CHECKING:
    from pathlib import Path

    from conftest import CheckOut

DOCS = samples.EXAMPLES.parent / "docs"
PAGES = sorted(page.name for page in DOCS.glob("*.md") if "<!-- project: " in page.read_text())

pytestmark = pytest.mark.skipif(
    shutil.which("sh") is None, reason="the pages are for a POSIX shell"
)

#: What differs from one machine or day to the next, and what stands for it.
VARIES = [
    (r"\b[0-9a-f]{64}\b", "DIGEST"),
    (r"\b[0-9a-f]{12}\b", "DIGEST"),
    (r"\b(rustc|cpython|maturin|CPython) \d[\w.+-]*", r"\1 VERSION"),
    (r"cp\d+-abi3|cp\d+-cp\d+\w*", "cpXY"),
    (r"\b(manylinux|musllinux|linux|macosx|win)_\w+", "PLATFORM"),
    (r"\d+(\.\d+)? ?(ms|s|[KMG]i?B|kB|bytes)\b", "N"),
    (r"^/\S+/(?=[\w-]+$)", "/FOLDER/"),
    (r" +", " "),
]


def normal(line: str) -> str:
    for pattern, text in VARIES:
        line = re.sub(pattern, text, line)
    return line.rstrip()


def commands(page: str) -> list[tuple[str, list[str]]]:
    """Each command of a page's console blocks, with the lines shown after it."""
    found: list[tuple[str, list[str]]] = []
    for block in re.findall(r"(?ms)^```console\n(.*?)^```$", page):
        for line in block.splitlines():
            if line.startswith("$ "):
                found.append((line[2:], []))
            else:
                assert found, f"output before any command: {line}"
                found[-1][1].append(line)
    return found


LONG = ("docker.md", "getting-started.md", "monorepo.md")


def matches(shown: list[str], printed: list[str]) -> bool:
    """Do the lines agree? `...` is any number of them."""
    if not shown:
        return not printed
    if shown[0].strip() == "...":
        return any(matches(shown[1:], printed[start:]) for start in range(len(printed) + 1))
    return bool(printed) and shown[0] == printed[0] and matches(shown[1:], printed[1:])


@pytest.mark.parametrize(
    "name",
    [
        # They compile pyo3 in places of their own.
        pytest.param(name, marks=pytest.mark.freshness) if name in LONG else name
        for name in PAGES
    ],
)
@pytest.mark.first_build
@pytest.mark.skipif(bool(toolchains.variant()), reason="what chooses a layout is one more input")
def test_a_page(name: str, check_out: CheckOut, tmp_path: Path) -> None:
    page = (DOCS / name).read_text(encoding="utf-8")
    sample = re.findall(r"<!-- project: (\S+)( maturin)? -->", page)[0]
    project = check_out(sample[0])
    project.replace("pyproject.toml", ">=3.9", THIS_PYTHON)
    if sample[1]:
        project.switch_to_maturin()
    text = project.read("pyproject.toml")
    text = re.sub(r"(?s)\[tool\.uv\]\ncache-keys = \[.*?\]\n\n", "", text)
    project.write("pyproject.toml", text)
    if "git init" in page:
        # What an earlier test compiled stays in the checkout.
        project.write(".gitignore", "target/\n")
    scripts = environment.scripts_folder(project.bench.venv())
    programs = tmp_path / "programs"
    programs.mkdir()
    for program in (scripts / "wheelprint", project.bench.uv):
        (programs / program.name).symlink_to(program)
    folder = project.root
    path = os.pathsep.join([str(programs), project.env["PATH"]])
    for command, shown in commands(page):
        if command.startswith("cd "):
            folder = (folder / command[3:]).resolve()
            continue
        run = project.run("sh", "-c", command, cwd=folder, PATH=path, NO_COLOR="1")
        # uv says on stderr what it does; what is shown is wheelprint's own.
        printed = (run.stdout + run.stderr) if command.startswith("wheelprint") else run.stdout
        got = [normal(line) for line in printed.splitlines()]
        wanted = [normal(line) for line in shown if line or command.startswith("wheelprint")]
        while wanted and not wanted[-1]:
            wanted.pop()
        while got and not got[-1]:
            got.pop()
        if command.startswith("wheelprint") or wanted:
            assert matches(wanted, got), f"{name}: $ {command}\n{printed}"
        if not command.startswith("wheelprint"):
            run.ok()


def test_the_pages_are_run() -> None:
    assert len(PAGES) >= 6, PAGES


@pytest.mark.skipif(sys.platform == "win32", reason="text mode")
def test_the_comparison_can_fail() -> None:
    assert matches(["a", "...", "z"], ["a", "b", "c", "z"])
    assert matches(["a", "..."], ["a"])
    assert not matches(["a", "...", "z"], ["a", "b"])
    assert not matches(["a"], ["a", "b"])
    assert normal("fresh " + "0" * 64) == normal("fresh " + "1" * 64)
    assert normal("src/lib.rs changed") != normal("src/main.rs changed")
