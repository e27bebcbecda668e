"""maturin is asked for when a build is coming, and only then."""

from __future__ import annotations

import os
import shutil
import time
from typing import TYPE_CHECKING, Any

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name
from packaging.version import Version
from support import environment
from support.versions import FIRST_UNSUPPORTED_MATURIN, LOWEST_MATURIN

if TYPE_CHECKING:
    from pathlib import Path

    from conftest import CheckOut
    from support.project import Project

KINDS = pytest.mark.parametrize("kind", ["wheel", "editable", "sdist"])


def required(project: Project, kind: str = "editable", **rest: Any) -> list[str]:
    """The names that `get_requires_for_build_KIND` asks for in an environment without maturin."""
    run = project.hook(f"get_requires_for_build_{kind}", None, **{"venv": None, **rest})
    return [canonicalize_name(Requirement(each).name) for each in run.ok().result]


@KINDS
def test_the_range_of_maturin(kind: str, check_out: CheckOut) -> None:
    project = check_out("pure")
    run = project.hook(f"get_requires_for_build_{kind}", None, venv=None)
    (asked,) = map(Requirement, run.ok().result)
    assert asked.name == "maturin"
    lowest = Version(LOWEST_MATURIN)
    assert lowest in asked.specifier
    assert f"{lowest.major}.{lowest.minor - 1}.99" not in asked.specifier
    assert f"{lowest.major}.999" in asked.specifier
    assert FIRST_UNSUPPORTED_MATURIN not in asked.specifier


@KINDS
def test_what_maturin_would_ask_for_too(kind: str, check_out: CheckOut) -> None:
    project = check_out("cffi-bindings")
    ours = required(project, kind)
    run = project.hook(f"get_requires_for_build_{kind}", None, backend="maturin")
    maturins = [Requirement(each).name for each in run.ok().result]
    assert sorted(ours) == sorted(["maturin", *maturins])
    assert ("cffi" in ours) is (kind != "sdist")


def test_what_is_installed_does_not_change_the_answer(check_out: CheckOut) -> None:
    """tox keeps the environment in which it builds, and makes it anew if an answer names less
    than the one before."""
    project = check_out("cffi-bindings")
    for state in ("new", "built", "edited", "built again"):
        if state == "edited":
            project.edit()
        elif state != "new":
            project.editable()
        for kind in ("wheel", "sdist", "editable"):
            hook = f"get_requires_for_build_{kind}"
            venvs = (None, "newest", LOWEST_MATURIN)
            without, newest, lowest = [project.hook(hook, None, venv=v).ok().result for v in venvs]
            assert without == newest, (state, kind)
            if kind == "editable" and state.startswith("built"):
                # What was built with another maturin is not fresh where this one is to be used.
                assert without == [] != lowest
            else:
                assert without == lowest != [], (state, kind)


@pytest.mark.parametrize(
    "own",
    ["maturin==1.11.5", "Maturin >= 1.9", "maturin[zig]>=1.9,<2", "maturin ; python_version>'3'"],
)
@KINDS
def test_a_version_the_project_pins_wins(kind: str, own: str, check_out: CheckOut) -> None:
    project = check_out("pure")
    project.requires("wheelprint", own)
    assert required(project, kind, venv="newest") == []


@pytest.mark.parametrize("other", ["maturin-import-hook", "cffi", "not-maturin"])
def test_another_requirement_is_not_maturin(other: str, check_out: CheckOut) -> None:
    project = check_out("pure")
    project.requires("wheelprint", other)
    assert required(project) == ["maturin"]


def test_the_pin_is_what_builds(check_out: CheckOut) -> None:
    project = check_out("bin-bindings")
    project.requires("wheelprint", f"maturin=={LOWEST_MATURIN}")
    run = project.uv("build", "--wheel", "-v", "-o", project.output_folder()).ok()
    assert f"maturin=={LOWEST_MATURIN}" in run.output
    # Installed with the rest of `requires`, and not asked for once more.
    assert "get_requires_for_build_wheel()" in run.output
    assert run.output.count("Selecting: maturin") == 1


@pytest.mark.spy
def test_fresh_needs_nothing(check_out: CheckOut) -> None:
    project = check_out("cffi-bindings")
    assert sorted(required(project)) == ["cffi", "maturin"]
    project.editable()
    project.spy.clear()
    assert required(project) == []
    project.spy.assert_idle()
    # Not so for what is not answered from the store.
    assert "maturin" in required(project, "wheel")
    assert "maturin" in required(project, "sdist")

    project.edit()
    assert sorted(required(project)) == ["cffi", "maturin"]


def test_fresh_is_built_by_an_environment_without_maturin(check_out: CheckOut) -> None:
    project = check_out("hello-pure")
    _, first = project.build("editable")
    assert required(project) == []
    run, second = project.build("editable", venv=None)
    assert run.verdict.startswith("fresh: ")
    assert second.read_bytes() == first.read_bytes()


def test_a_promise_made_without_maturin_is_kept(check_out: CheckOut) -> None:
    """The frontend has made the environment already: an edit between the hooks is the next
    build's."""
    project = check_out("hello-pure")
    _, first = project.build("editable")
    assert required(project) == []
    project.edit()
    _, second = project.build("editable", venv=None)
    assert second.read_bytes() == first.read_bytes()

    assert required(project) == ["maturin"]
    _, third = project.build("editable")
    assert project.python(project.installed(third), project.sample.probe) == project.sample.shows[1]


def test_a_promise_is_kept_once(check_out: CheckOut) -> None:
    """Nobody else is given old code for it, without isolation and without maturin."""
    project = check_out("hello-pure")
    project.build("editable")
    assert required(project) == []
    project.edit()
    project.build("editable", venv=None)
    folder = project.output_folder()
    run = project.hook("build_editable", folder, None, venv=None).failed()
    assert "maturin" in run.output
    assert not list(folder.iterdir())


def promise_of(project: Project) -> Path:
    """The file that says what was promised."""
    (promise,) = project.cache.glob("projects/*/trees/*/promises/*.json")
    return promise


@pytest.mark.parametrize(("minutes", "is_kept"), [(5, True), (15, False)])
def test_a_promise_outlives_a_slow_download(
    minutes: int, is_kept: bool, check_out: CheckOut
) -> None:
    """The frontend may install wheelprint anew between the two hooks."""
    project = check_out("bin-bindings")
    _, first = project.build("editable")
    assert required(project) == []
    project.edit()
    then = time.time() - 60 * minutes
    os.utime(promise_of(project), (then, then))
    folder = project.output_folder()
    run = project.hook("build_editable", folder, None, venv=None)
    if is_kept:
        assert (folder / run.ok().result).read_bytes() == first.read_bytes()
    else:
        assert "maturin" in run.failed().last_line


def test_a_promise_is_made_to_one_environment(check_out: CheckOut) -> None:
    """Another one is not given old code for it, at the same moment and with the same Python."""
    project = check_out("bin-bindings")
    project.editable()
    assert required(project) == []
    project.edit()
    other = project.output_folder()
    run = project.hook("build_editable", project.output_folder(), None, venv=None, PYTHONPATH=other)
    assert "maturin" in run.failed().last_line
    project.build("editable", venv=None)


def test_a_promise_is_kept_where_maturin_is_and_cffi_is_not(check_out: CheckOut) -> None:
    """The project asks for maturin itself. cffi was not asked for, because nothing was to build."""
    project = check_out("cffi-bindings")
    project.requires("wheelprint", "maturin")
    _, first = project.build("editable")
    assert required(project, venv="newest") == []
    project.edit()
    python = environment.python_in(project.bench.venv())
    project.uv("pip", "uninstall", "--python", python, "cffi").ok()
    try:
        _, second = project.build("editable")
        assert second.read_bytes() == first.read_bytes()
        assert required(project, venv="newest") == ["cffi"]
    finally:
        project.uv("pip", "install", "--python", python, "cffi").ok()
    _, third = project.build("editable")
    assert project.python(project.installed(third), project.sample.probe) == project.sample.shows[1]


def test_a_promise_is_no_excuse_where_maturin_is_at_hand(check_out: CheckOut) -> None:
    project = check_out("hello-pure")
    project.editable()
    assert required(project) == []
    project.edit()
    _, wheel = project.build("editable")
    assert project.python(project.installed(wheel), project.sample.probe) == project.sample.shows[1]


def test_config_settings_count_in_both_hooks(check_out: CheckOut) -> None:
    project = check_out("bin-bindings")
    settings = {"build-args": "--profile dev"}
    project.build("editable")
    run = project.hook("get_requires_for_build_editable", settings, venv=None).ok()
    assert run.result
    project.build("editable", settings)
    run = project.hook("get_requires_for_build_editable", settings, venv=None).ok()
    assert run.result == []


def test_never_reusing_always_needs_it(check_out: CheckOut) -> None:
    project = check_out("bin-bindings")
    project.editable()
    assert required(project, WHEELPRINT_REUSE="never") == ["maturin"]
    assert required(project, WHEELPRINT_REUSE="editable") == []


@pytest.mark.skipif(os.name == "nt", reason="programs are linked into a folder by symlink")
class TestWithoutCargo:
    """maturin asks for a package that brings a toolchain."""

    @pytest.fixture
    def path(self, tmp_path: Path) -> str:
        """The programs of a system without Rust."""
        for program in ("sh", "uname", "cc", "ld", "env"):
            found = shutil.which(program, path=os.defpath)
            if found is not None:
                (tmp_path / program).symlink_to(found)
        return str(tmp_path)

    @KINDS
    def test_a_toolchain_is_asked_for(self, kind: str, path: str, check_out: CheckOut) -> None:
        project = check_out("pure")
        assert sorted(required(project, kind, PATH=path)) == ["maturin", "puccinialin"]

    def test_unless_it_is_not_wanted(self, path: str, check_out: CheckOut) -> None:
        project = check_out("pure")
        asked = required(project, PATH=path, MATURIN_NO_INSTALL_RUST="1")
        assert asked == ["maturin"]

    def test_fresh_needs_none(self, path: str, check_out: CheckOut) -> None:
        project = check_out("bin-bindings")
        project.editable()
        # Whatever rustc it was built with is not there to be asked: what is known counts.
        asked = required(project, PATH=path)
        assert sorted(asked) in ([], ["maturin", "puccinialin"])
