"""Several stale packages of one environment: an import rebuilds those that the program will import
with one call of uv."""

from __future__ import annotations

import sys
import textwrap
from typing import TYPE_CHECKING

import pytest
from support import asking, environment, installed, many
from support.installed import Editable

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from support.installed import Imported
    from support.many import Many
    from support.spy import Call
    from support.workbench import Workbench

pytestmark = [
    pytest.mark.spy,
    pytest.mark.skipif(sys.version_info < (3, 11), reason="uv's lock file can't be parsed"),
]
BOTH = "import one, two; print(one.answer(), two.answer())"
STALE = "is stale: ../../crates/shared/src/lib.rs changed"
ONE_CALL = [
    f"one {STALE}; rebuilding",
    f"two {STALE}; rebuilding it too",
    "rebuilt one in N s",
    "rebuilt two in N s",
]
TWO_CALLS = [
    f"one {STALE}; rebuilding",
    "rebuilt one in N s",
    f"two {STALE}; rebuilding",
    "rebuilt two in N s",
]
BROKEN = "pub const OWN: u32 = missing;\n"


@pytest.fixture(scope="module")
def made(bench: Workbench) -> Iterator[Many]:
    workspace = many.workspace(bench.check_out(many.SAMPLE), {"one": "stable", "two": "stable"})
    programs = workspace.top.output_folder()
    bench.spy.wrap("uv", bench.uv, programs)
    workspace.top.env["UV"] = str(programs / "uv")
    workspace.sync()
    yield workspace
    bench.put_away()


@pytest.fixture
def workspace(made: Many) -> Many:
    """Both packages are up to date, and the last program that rebuilt `one` imported both."""
    for name in made.packages:
        made.edit(name, 0)
    made.edit_shared(8)
    # Removes what other tests installed.
    made.sync()
    made.edit_shared(1)
    assert imports(made, BOTH).shows == "100 100"
    asking.forget_builds(made.top)
    made.spy.clear()
    return made


def editable(workspace: Many) -> Editable:
    return Editable(workspace.top, workspace.top.root / ".venv")


def imports(workspace: Many, code: str) -> Imported:
    return editable(workspace).imports(textwrap.dedent(code), UV=workspace.top.env["UV"])


def calls(workspace: Many) -> list[list[str]]:
    """The packages that each call of uv was to rebuild."""
    return [_rebuilt_by(call) for call in workspace.spy.calls("uv")]


def _rebuilt_by(call: Call) -> list[str]:
    pairs = zip(call.arguments, call.arguments[1:])
    return [name for option, name in pairs if option == "--reinstall-package"]


def is_quiet(workspace: Many, shows: str) -> None:
    imported = imports(workspace, BOTH)
    assert (imported.shows, imported.run.stderr) == (shows, "")


def test_one_call_for_both(workspace: Many) -> None:
    workspace.edit_shared(2)
    imported = imports(workspace, BOTH)
    assert (imported.shows, imported.said) == ("200 200", ONE_CALL)
    assert calls(workspace) == [["one", "two"]]
    is_quiet(workspace, "200 200")
    installed.hears_nothing(workspace.top)


def test_only_what_the_last_program_imported(workspace: Many) -> None:
    """The first program without `two` rebuilds it in vain, the next one does not."""
    only_one = "import one; print(one.answer())"
    for number, expected in ((2, [["one", "two"]]), (3, [["one"]])):
        workspace.edit_shared(number)
        workspace.spy.clear()
        assert imports(workspace, only_one).shows == f"{number}00"
        assert calls(workspace) == expected
    # `two` is stale since then, and `one` is not.
    assert imports(workspace, BOTH).shows == "300 300"
    workspace.edit_shared(4)
    imported = imports(workspace, BOTH)
    assert (imported.shows, imported.said) == ("400 400", TWO_CALLS)
    # Now both belong together again.
    workspace.edit_shared(5)
    assert imports(workspace, BOTH).said == ONE_CALL


def test_what_is_not_stale_is_left_alone(workspace: Many) -> None:
    workspace.edit("one", 7)
    assert imports(workspace, BOTH).shows == "107 100"
    assert calls(workspace) == [["one"]]


def test_the_modules_of_the_new_wheel_are_mapped(workspace: Many) -> None:
    """The hooks of both packages are loaded when the interpreter starts."""
    names = ("Cargo.toml", "pyproject.toml", "src/lib.rs", "python/two/__init__.py")
    two = workspace.packages["two"]
    before = {name: two.read(name) for name in names}
    try:
        for name, text in before.items():
            two.write(name, text.replace("two_native", "renamed"))
        workspace.edit_shared(2)
        assert imports(workspace, BOTH).shows == "200 200"
        assert calls(workspace) == [["one", "two"]]
    finally:
        for name, text in before.items():
            two.write(name, text)


# Failures

SHOW_ERRORS = """
    import importlib
    for name in ("one", "two"):
        try:
            print(importlib.import_module(name).answer())
        except ImportError as error:
            print(str(error).split("The build said")[0], "missing" in str(error))
"""
FAILED = "two is stale and could not be rebuilt.  True"


def test_the_other_package_fails(workspace: Many) -> None:
    workspace.edit_shared(2)
    workspace.packages["two"].write(many.OWN, BROKEN)
    imported = imports(workspace, SHOW_ERRORS)
    assert imported.shows.splitlines() == ["200", FAILED]
    assert "missing" not in imported.run.stderr.partition("rebuilt one")[0].replace(STALE, "")
    assert calls(workspace) == [["one", "two"], ["one"], ["two"]]
    # It was not imported, so the next rebuild leaves it out.
    workspace.edit_shared(3)
    workspace.spy.clear()
    assert imports(workspace, SHOW_ERRORS).shows.splitlines() == ["300", FAILED]
    assert calls(workspace) == [["one"], ["two"]]
    workspace.edit("two", 5)
    assert imports(workspace, BOTH).shows == "300 305"


def test_a_failure_of_the_package_itself_is_not_repeated(workspace: Many) -> None:
    workspace.edit_shared(2)
    workspace.packages["one"].write(many.OWN, BROKEN)
    run = imports(workspace, BOTH).run.failed()
    assert "one is stale and could not be rebuilt" in run.stderr
    assert "cannot find value `missing`" in run.stderr
    assert calls(workspace) == [["one", "two"]]


# Packages that are left out


def test_a_package_that_is_imported_already(workspace: Many) -> None:
    code = f"""
        import two
        with open({str(workspace.top.path(many.SHARED))!r}, "w") as file:
            file.write("pub const SHARED: u32 = 2;\\n")
        import one
        print(one.answer(), two.answer())
    """
    assert imports(workspace, code).shows == "200 100"
    assert calls(workspace) == [["one"]]
    assert imports(workspace, BOTH).shows == "200 200"


def test_a_package_that_pip_installed(workspace: Many) -> None:
    venv, top = editable(workspace).venv, workspace.top
    top.uv("pip", "install", "--python", environment.python_in(venv), "pip").ok()
    top.pip(venv, "install", "--no-deps", "-e", workspace.packages["two"].root).ok()
    workspace.edit_shared(2)
    assert imports(workspace, BOTH).shows == "200 200"
    assert calls(workspace) == [["one"]]


def test_a_package_with_other_config_settings(workspace: Many) -> None:
    python = environment.python_in(editable(workspace).venv)
    options = ("--python", python, "--no-deps", "--reinstall-package", "two")
    settings = ("--config-settings", "build-args=--profile dev")
    root = workspace.packages["two"].root
    workspace.top.uv("pip", "install", *options, *settings, "-e", root).ok()
    workspace.edit_shared(2)
    workspace.spy.clear()
    assert imports(workspace, BOTH).shows == "200 200"
    assert calls(workspace) == [["one"], ["two"]]


def test_a_package_with_another_policy(workspace: Many) -> None:
    two = workspace.packages["two"]
    before = two.read("pyproject.toml")
    try:
        two.settings('on-stale = "ignore"')
        workspace.sync()
        workspace.edit_shared(2)
        assert imports(workspace, BOTH).shows == "200 100"
        assert calls(workspace) == [["one"]]
    finally:
        two.write("pyproject.toml", before)


def test_two_processes_in_opposite_order(workspace: Many) -> None:
    codes = [BOTH, "import two, one; print(one.answer(), two.answer())"]
    # Each package knows of the other one.
    workspace.edit_shared(9)
    assert imports(workspace, codes[1]).shows == "900 900"
    for number in range(2, 6):
        workspace.edit_shared(number)
        uv = workspace.top.env["UV"]
        processes = [editable(workspace).start(code, UV=uv) for code in codes]
        ends = [process.communicate(timeout=100) for process in processes]
        assert [out.strip() for out, _ in ends] == [f"{number}00 {number}00"] * 2, ends
    is_quiet(workspace, "500 500")


def test_the_notes_are_in_the_cache(workspace: Many) -> None:
    """Without them each package is rebuilt at its own import."""
    notes: list[Path] = list((workspace.top.cache / "imports").glob("*.together"))
    assert "_wheelprint_two" in [path.read_text() for path in notes]
    for path in notes:
        path.write_bytes(b"\xff damaged")
    workspace.edit_shared(2)
    imported = imports(workspace, BOTH)
    assert (imported.shows, imported.said) == ("200 200", TWO_CALLS)
