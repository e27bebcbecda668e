"""Why something is rebuilt: every reason, with old and new values, and never a secret's."""

from __future__ import annotations

import json
import shutil
import zipfile
from typing import TYPE_CHECKING

import pytest
from support import asking, wheels
from support.spy import real_tool

if TYPE_CHECKING:
    from pathlib import Path

    from support.project import HookRun, Project

pytestmark = pytest.mark.spy

HELPER = "../../crates/helper"


def reasons(run: HookRun) -> list[str]:
    """All of them, as the detailed log has them."""
    lines = run.stderr.splitlines()
    (start,) = [number for number, line in enumerate(lines) if "wheelprint: stale: " in line]
    found = []
    for line in lines[start + 1 :]:
        if not line.startswith("wheelprint:   "):
            break
        found.append(line.split("wheelprint:   ")[1])
    return found


def test_all_reasons_are_given(every_input: Project) -> None:
    project = every_input
    asking.build(project)
    project.edit()
    project.path("words/first.txt").unlink()
    project.write("words/third.txt", "three\n")
    project.replace(f"{HELPER}/src/lib.rs", "helper 1", "helper 2")
    project.append(f"{HELPER}/Cargo.toml", "\n[features]\nmore = []\n")
    project.write(".cargo/config.toml", '[env]\nA = "1"\n')
    project.append("README.md", "More.\n")
    project.write("rust-toolchain.toml", '[toolchain]\nchannel = "stable"\n')
    project.env.update(READ_BY_CRATE="x", CFLAGS="-DLOUD")
    run, _ = project.build("editable", {"build-args": "--features loud"}, WHEELPRINT_LOG="debug")
    expected = {
        "src/lib.rs changed",
        "words/first.txt is gone",
        "words/third.txt is new",
        f"{HELPER}/src/lib.rs changed",
        f"{HELPER}/Cargo.toml changed",
        ".cargo/config.toml is new",
        "README.md changed",
        "rust-toolchain.toml is new",
        "READ_BY_CRATE: unset -> set",
        "CFLAGS: unset -> set",
        "config setting build-args: now given",
    }
    assert set(reasons(run)) == expected
    assert run.verdict.endswith(f" and {len(expected) - 3} more")
    assert sum(reason in run.verdict for reason in expected) == 3


@pytest.mark.parametrize("count", [1, 2, 3, 4])
def test_one_line_names_up_to_three(count: int, every_input: Project) -> None:
    asking.build(every_input)
    names = ("odd/place.rs", "src/lib.rs", "src/linked.rs", "src/part.rs")[:count]
    for name in names:
        every_input.append(name, "// more\n")
    said = ", ".join(f"{name} changed" for name in names[:3])
    more = " and 1 more" if count > 3 else ""
    assert asking.stale(every_input).verdict == f"stale: {said}{more}"


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        (None, "on", "MY_FLAG: unset -> set"),
        ("on", None, "MY_FLAG: set -> unset"),
        ("on", "off", "MY_FLAG: another value"),
        (None, "", "MY_FLAG: unset -> set"),
        ("", "on", "MY_FLAG: another value"),
    ],
)
def test_a_variable(old: str | None, new: str | None, said: str, every_input: Project) -> None:
    project = every_input
    project.replace("src/lib.rs", "READ_BY_CRATE", "MY_FLAG")
    asking.forget_builds(project)
    assert asking.stale(project, MY_FLAG=old).seen["variable"] == ("unset" if old is None else old)
    built = asking.stale(project, MY_FLAG=new)
    assert built.verdict == f"stale: {said}"
    assert built.seen["variable"] == ("unset" if new is None else new)
    asking.fresh(project, MY_FLAG=old)


def pretend(folder: Path, version: str) -> Path:
    """A rustc which says that it is of that version, and is the real one in everything else."""
    real = real_tool("rustc")
    script = f"""#!/bin/sh
if [ "$*" = "-vV" ] || [ "$*" = "--version --verbose" ]; then
    '{real}' -vV | sed 's/^rustc [^ ]*/rustc {version}/; s/^release: .*/release: {version}/'
    exit
fi
exec '{real}' "$@"
"""
    folder.mkdir()
    path = folder / "rustc"
    path.write_text(script)
    path.chmod(0o755)
    return path


def test_another_rustc(every_input: Project, tmp_path: Path) -> None:
    project = every_input
    old, new = (pretend(tmp_path / version, version) for version in ("1.94.1", "1.95.0"))
    path = project.env["PATH"]
    project.env["PATH"] = f"{old.parent}:{path}"
    asking.forget_builds(project)
    asking.stale(project)
    project.env["PATH"] = f"{new.parent}:{path}"
    assert asking.stale(project).verdict == "stale: rustc: 1.94.1 -> 1.95.0"
    project.env["PATH"] = f"{old.parent}:{path}"
    asking.fresh(project)


def test_a_rustc_that_was_updated_in_place(every_input: Project, tmp_path: Path) -> None:
    project = every_input
    rustc = pretend(tmp_path / "bin", "1.94.1")
    project.env["PATH"] = f"{rustc.parent}:{project.env['PATH']}"
    asking.forget_builds(project)
    asking.stale(project)
    shutil.copyfile(pretend(tmp_path / "newer", "1.95.0"), rustc)
    assert asking.stale(project).verdict == "stale: rustc: 1.94.1 -> 1.95.0"


def test_another_maturin(every_input: Project, bench_versions: tuple[str, str]) -> None:
    lowest, newest = bench_versions
    asking.build(every_input)
    verdict = asking.stale(every_input, venv=lowest).verdict
    assert verdict == f"stale: maturin: {newest} -> {lowest}"


SECRET = "5f0c3aSECRETb7"


def test_a_secret_is_nowhere(every_input: Project) -> None:
    """Not in the log, not in the record, not in the store, not in the wheel."""
    project = every_input
    project.write(
        f"{HELPER}/build.rs",
        "fn main() {\n"
        '    println!("cargo::rerun-if-env-changed=API_TOKEN");\n'
        '    println!("cargo::rerun-if-env-changed=OTHER_TOKEN");\n'
        "}\n",
    )
    asking.forget_builds(project)
    secrets = {
        "API_TOKEN": f"{SECRET}1",
        "CFLAGS": f"-DTOKEN={SECRET}2",
        "CARGO_REGISTRIES_MINE_TOKEN": f"{SECRET}3",
        "MATURIN_PYPI_TOKEN": f"{SECRET}4",
        "PYO3_TOKEN": f"{SECRET}5",
    }
    settings = {"some-token": f"{SECRET}6"}
    said = []
    produced = []
    for values, given in ((secrets, None), ({**secrets, "API_TOKEN": f"{SECRET}7"}, settings)):
        run, wheel = project.build("editable", given, WHEELPRINT_LOG="debug", **values)
        said.append(run.output)
        produced.append(wheel)
    run, wheel = project.build("editable", WHEELPRINT_LOG="debug", OTHER_TOKEN=f"{SECRET}8")
    said.append(run.output)
    produced.append(wheel)
    assert "API_TOKEN: another value" in said[1]
    assert "config setting some-token" in said[1]
    assert "API_TOKEN" in json.dumps(wheels.record(produced[0])), "it is an input"

    assert not any(SECRET in text for text in said)
    for wheel in produced:
        with zipfile.ZipFile(wheel) as archive:
            for name in archive.namelist():
                assert SECRET.encode() not in archive.read(name), name
    stored = [path for path in project.cache.rglob("*") if path.is_file() and not path.is_symlink()]
    assert len(stored) > 3
    for path in stored:
        if path.suffix == ".whl":
            continue
        assert SECRET.encode() not in path.read_bytes(), path
