"""The tests' own tools, on plain maturin: what they are to notice, they notice."""

from __future__ import annotations

import shutil
import subprocess
import sys
import zipfile
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from support import samples, sets, wheels
from support.workbench import Workbench

if TYPE_CHECKING:
    from conftest import CheckOut

MATURIN = "maturin"


@pytest.mark.parametrize(
    ("name", "of_set"),
    [("smoke", sets.SMOKE), ("slow", sets.SLOW), ("slow", tuple(sets.CASES))],
    ids=["smoke", "slow", "slow cases"],
)
def test_each_test_of_a_set_is_one(name: str, of_set: tuple[str, ...]) -> None:
    tests = Path(__file__).parents[1]
    pytest_command = [
        sys.executable,
        "-m",
        "pytest",
        "--collect-only",
        "-q",
        "-p",
        "no:cacheprovider",
    ]
    run = subprocess.run(
        [*pytest_command, "-m", name, *(str(tests / test) for test in of_set)],
        cwd=tests.parent,
        capture_output=True,
        text=True,
        check=False,
    )
    assert run.returncode == 0, run.stdout + run.stderr
    assert all(test.partition("[")[0] in run.stdout for test in of_set)


@pytest.mark.spy
def test_the_spy_sees_cargo_maturin_and_what_is_compiled(check_out: CheckOut) -> None:
    project = check_out("workspace", built_by=MATURIN)
    project.switch_to_maturin()
    project.build("wheel", backend=MATURIN)
    assert project.spy.compiled() >= {"engine", "workspace-sample"}

    project.spy.clear()
    project.write("src/lib.rs", project.read("src/lib.rs") + "\n// more\n")
    project.build("wheel", backend=MATURIN)
    assert project.spy.compiled() == {"workspace-sample"}
    assert project.spy.calls("maturin")
    with pytest.raises(AssertionError, match="no cargo and no maturin"):
        project.spy.assert_idle()

    project.spy.clear()
    project.run("rustc", "-vV").ok()
    project.spy.assert_idle()


@pytest.mark.spy
def test_what_crates_io_gave_stays_compiled_and_nothing_else_does(check_out: CheckOut) -> None:
    for name in ("hello-pure", "separate-rust", "hello-pure"):
        project = check_out(name, built_by=MATURIN)
        project.switch_to_maturin()
        project.build("wheel", backend=MATURIN)
    assert project.spy.compiled() == {"hello_pure"}


def test_what_is_tested_is_what_was_built(bench: Workbench, tmp_path: Path) -> None:
    dist = shutil.copytree(bench.dist, tmp_path / "dist")
    (wheel,) = dist.glob("wheelprint-*.whl")
    names = []
    for number in range(2):
        name = f"wheelprint/build_{number}.py"
        with zipfile.ZipFile(wheel, "a") as archive:
            archive.writestr(name, "")
        venv = Workbench(tmp_path, dist, bench.wheelhouse, bench.made).venv(None)
        (package,) = venv.glob("[lL]ib/**/site-packages")
        names.append((package / name).exists())
    assert names == [True, True]


@pytest.mark.parametrize("name", samples.each("hello-pure", "cffi-bindings", "bin-bindings"))
def test_every_sample_builds_and_shows_its_edit(name: str, check_out: CheckOut) -> None:
    project = check_out(name, built_by=MATURIN)
    project.switch_to_maturin()
    shown = []
    for edited in (False, True):
        if edited:
            project.edit()
        _, wheel = project.build("wheel", backend=MATURIN)
        shown.append(project.python(project.installed(wheel), project.sample.probe))
    assert tuple(shown) == project.sample.shows


class TestWheels:
    """The checks refuse what is wrong."""

    @pytest.fixture
    def wheel(self, tmp_path: Path) -> Path:
        folder = "app-1.dist-info"
        path = tmp_path / "app-1-py3-none-any.whl"
        record = (
            f"app.py,sha256=47DEQpj8HBSa-_TImW-5JCeuQeRkm5NMpJWZG3hSuFU,0\n"
            f"{folder}/METADATA,sha256=47DEQpj8HBSa-_TImW-5JCeuQeRkm5NMpJWZG3hSuFU,0\n"
            f"{folder}/RECORD,,\n"
        )
        _write(path, {"app.py": "", f"{folder}/METADATA": "", f"{folder}/RECORD": record})
        return path

    def test_a_good_one_passes(self, wheel: Path) -> None:
        wheels.check(wheel)

    @pytest.mark.parametrize(
        ("old", "new"),
        [
            ("47DEQpj8", "48DEQpj8"),
            (",0\n", ",1\n"),
            ("app.py,sha256=47DEQpj8HBSa-_TImW-5JCeuQeRkm5NMpJWZG3hSuFU,0\n", ""),
            ("app.py,", "other.py,"),
        ],
    )
    def test_a_wrong_record_does_not(self, wheel: Path, old: str, new: str) -> None:
        content = _read(wheel)
        changed = content["app-1.dist-info/RECORD"].replace(old, new)
        assert changed != content["app-1.dist-info/RECORD"]
        _write(wheel, {**content, "app-1.dist-info/RECORD": changed})
        with pytest.raises((AssertionError, KeyError)):
            wheels.check(wheel)

    def test_a_record_in_the_middle_does_not(self, wheel: Path) -> None:
        content = _read(wheel)
        _write(wheel, dict(reversed(content.items())))
        with pytest.raises(AssertionError, match="comes last"):
            wheels.check(wheel)

    @pytest.mark.parametrize("difference", ["content", "mode", "method", "time", "order", "extra"])
    def test_more_than_the_stamp_is_noticed(
        self, wheel: Path, tmp_path: Path, difference: str
    ) -> None:
        content = _read(wheel)
        name = "app-1.dist-info/wheelprint.json"
        record = content.pop("app-1.dist-info/RECORD")
        last = {"app-1.dist-info/RECORD": f"{name},sha256=x,2\n{record}"}
        stamped = tmp_path / "stamped" / wheel.name
        stamped.parent.mkdir()
        _write(stamped, {**content, name: "{}", **last})
        wheels.assert_only_stamped(stamped, wheel)

        if difference == "content":
            _write(stamped, {**content, "app.py": "pass", name: "{}", **last})
        elif difference == "order":
            _write(stamped, {**dict(reversed(content.items())), name: "{}", **last})
        elif difference == "extra":
            _write(stamped, {**content, name: "{}", "more": "", **last})
        else:
            _write(stamped, {**content, name: "{}", **last}, odd=difference)
        with pytest.raises((AssertionError, ValueError)):
            wheels.assert_only_stamped(stamped, wheel)


def _read(wheel: Path) -> dict[str, str]:
    with zipfile.ZipFile(wheel) as archive:
        return {name: archive.read(name).decode() for name in archive.namelist()}


def _write(wheel: Path, content: dict[str, str], odd: str = "") -> None:
    with zipfile.ZipFile(wheel, "w", zipfile.ZIP_DEFLATED) as archive:
        for number, (name, text) in enumerate(content.items()):
            info = zipfile.ZipInfo(name)
            info.compress_type = zipfile.ZIP_DEFLATED
            info.external_attr = 0o100644 << 16
            if number == 0 and odd == "mode":
                info.external_attr = 0o100755 << 16
            if number == 0 and odd == "method":
                info.compress_type = zipfile.ZIP_STORED
            if number == 0 and odd == "time":
                info.date_time = (2020, 2, 2, 0, 0, 0)
            archive.writestr(info, text)
