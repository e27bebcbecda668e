"""`wheelprint init`: a maturin project becomes a wheelprint one, and back."""

from __future__ import annotations

import os
import re
import shutil
import stat
import sys
from typing import TYPE_CHECKING

import pytest
from support import privileges
from support.commands import wheelprint, wheelprint_at_terminal

if TYPE_CHECKING:
    from conftest import CheckOut
    from support.project import Project

PYPROJECT = """\
# The whole project.

[build-system]  # who builds it
requires = ["maturin>=1.9,<2"]  # the usual range
build-backend = "maturin"

[project]
name   =   "pure"   # as it is written
requires-python = ">=3.9"
dynamic = ["version"]

[tool.uv]
# seen by uv
cache-keys = [
    { file = "pyproject.toml" },  # itself
]
"""
COSTLY = '\n[profile.release]\nlto = "fat"\ncodegen-units = 1\n'
MARK = "# `wheelprint keys --write` replaces the lines below"


@pytest.fixture
def project(check_out: CheckOut) -> Project:
    """A maturin project."""
    project = check_out("pure")
    project.write("pyproject.toml", PYPROJECT)
    return project


def raw(project: Project) -> bytes:
    return project.path("pyproject.toml").read_bytes()


def without_our_keys(text: str) -> str:
    """The text without what stands below our mark, and without our comment above `requires`."""
    text = re.sub(r"(?m)^# `wheelprint init --undo` puts back: .*\n", "", text)
    return re.sub(rf"    {re.escape(MARK)}.*\n(    .*\n)*", "", text)


def switched(text: str) -> str:
    text = text.replace('"maturin>=1.9,<2"', '"wheelprint>=0.1,<1"')
    return text.replace('"maturin"', '"wheelprint"')


@pytest.mark.first_build
def test_the_whole_way(check_out: CheckOut) -> None:
    project = check_out("hello-pure")
    project.switch_to_maturin()
    before = raw(project)
    run = wheelprint(project, "init", "--yes").ok()
    assert "next: uv sync" in run.stdout
    assert "then: wheelprint keys --write" in run.stdout
    assert project.uv("sync", "-v").ok().verdict.startswith("stale: ")
    assert project.uv_run() == project.sample.shows[0]
    project.edit()
    assert project.uv_run() == project.sample.shows[1]
    # What was built is known.
    project.append("pyproject.toml", "\n")
    project.replace("pyproject.toml", MARK, "# not ours any more")
    assert "then: " not in wheelprint(project, "init", "--yes").ok().stdout
    project.path("pyproject.toml").write_bytes(before)
    wheelprint(project, "init", "--yes").ok()
    wheelprint(project, "init", "--undo", "--yes").ok()
    assert raw(project) == before


def test_nothing_else_is_edited(project: Project) -> None:
    run = wheelprint(project, "init", "--yes").ok()
    text = project.read("pyproject.toml")
    assert MARK in text
    assert without_our_keys(text) == switched(PYPROJECT)
    assert run.stdout.startswith("--- pyproject.toml\n+++ pyproject.toml\n@@ -1,8 +1,9 @@\n")
    assert '-requires = ["maturin>=1.9,<2"]  # the usual range\n' in run.stdout
    assert '+requires = ["wheelprint>=0.1,<1"]  # the usual range\n' in run.stdout
    assert "\x1b[" not in run.output


def test_once_more_changes_nothing(project: Project) -> None:
    wheelprint(project, "init", "--yes").ok()
    before = raw(project)
    stamp = project.path("pyproject.toml").stat().st_mtime_ns
    for options in ([], ["--yes"], ["--check"]):
        run = wheelprint(project, "init", *options).ok()
        assert run.stdout == "pyproject.toml: nothing to change, wheelprint builds this project\n"
    assert raw(project) == before
    assert project.path("pyproject.toml").stat().st_mtime_ns == stamp


def test_check(project: Project) -> None:
    run = wheelprint(project, "init", "--check")
    assert run.code == 1
    assert '+build-backend = "wheelprint"' in run.stdout
    assert project.read("pyproject.toml") == PYPROJECT
    undo = wheelprint(project, "init", "--undo", "--check").ok()
    assert undo.stdout == "pyproject.toml: nothing to change, maturin builds this project\n"
    wheelprint(project, "init", "--yes").ok()
    assert wheelprint(project, "init", "--check").code == 0
    assert wheelprint(project, "init", "--undo", "--check").code == 1


def test_nobody_to_ask(project: Project) -> None:
    run = wheelprint(project, "init")
    assert run.code == 2
    assert '+build-backend = "wheelprint"' in run.stdout
    assert "error: stdin: no terminal" in run.stderr
    assert "hint: `--yes` writes it without asking" in run.stderr
    assert project.read("pyproject.toml") == PYPROJECT


@pytest.mark.parametrize(
    ("typed", "is_written"), [("y\n", True), ("YES\n", True), ("n\n", False), ("\n", False)]
)
def test_the_question(typed: str, is_written: bool, project: Project) -> None:
    run = wheelprint_at_terminal(project, "init", typed=typed).ok()
    assert "Write this? [y/N]" in run.stdout
    assert "\x1b[32m+build-backend" in run.stdout
    assert ("nothing changed" in run.stdout) is not is_written
    assert (project.read("pyproject.toml") != PYPROJECT) is is_written


def test_the_question_without_colour(project: Project) -> None:
    run = wheelprint_at_terminal(project, "init", typed="\x04", NO_COLOR="1").ok()
    assert "nothing changed" in run.stdout
    assert "\x1b[" not in run.stdout


def test_saved_while_the_question_stood(project: Project) -> None:
    run = wheelprint_at_terminal(
        project,
        "init",
        typed="y\n",
        meanwhile=lambda: project.append("pyproject.toml", "# saved\n"),
    )
    assert run.code == 2
    assert "pyproject.toml: changed in the meantime" in run.stdout
    assert project.read("pyproject.toml") == PYPROJECT + "# saved\n"


def test_line_endings(project: Project) -> None:
    path = project.path("pyproject.toml")
    before = PYPROJECT.replace("\n", "\r\n").encode()
    path.write_bytes(before)
    wheelprint(project, "init", "--yes").ok()
    after = raw(project)
    assert after.count(b"\n") == after.count(b"\r\n")
    text = after.decode().replace("\r\n", "\n")
    assert without_our_keys(text) == switched(PYPROJECT)
    # Also where undoing is an edit.
    path.write_bytes(after + b"# more\r\n")
    wheelprint(project, "init", "--undo", "--yes").ok()
    assert raw(project) == before + b"# more\r\n"


def test_odd_bytes_are_kept(project: Project) -> None:
    """A byte order mark, both kinds of line endings, no newline at the end."""
    before = b"\xef\xbb\xbf" + PYPROJECT.replace("# seen by uv\n", "# seen\r\n").encode() + b"# end"
    project.path("pyproject.toml").write_bytes(before)
    wheelprint(project, "init", "--yes").ok()
    after = raw(project)
    assert after.startswith(b"\xef\xbb\xbf# The whole")
    assert after.endswith(b"\n# end")
    assert b"# seen\r\n" in after
    assert after.count(b"\r\n") == 1
    wheelprint(project, "init", "--undo", "--yes").ok()
    assert raw(project) == before


@pytest.mark.skipif(sys.platform == "win32", reason="links and modes are POSIX's here")
def test_links_and_modes(project: Project) -> None:
    path = project.path("pyproject.toml")
    real = project.path("elsewhere/real.toml")
    real.parent.mkdir()
    path.rename(real)
    path.symlink_to("elsewhere/real.toml")
    real.chmod(0o640)
    inode = real.stat().st_ino
    wheelprint(project, "init", "--yes").ok()
    assert path.is_symlink()
    assert os.readlink(path) == "elsewhere/real.toml"
    assert without_our_keys(real.read_text()) == switched(PYPROJECT)
    assert stat.S_IMODE(real.stat().st_mode) == 0o640
    assert real.stat().st_ino != inode
    assert [each.name for each in real.parent.iterdir()] == ["real.toml"]
    for kept in (project.cache / "init").iterdir():
        assert stat.S_IMODE(kept.stat().st_mode) == 0o600
    wheelprint(project, "init", "--undo", "--yes").ok()
    assert path.is_symlink()
    assert real.read_text() == PYPROJECT


@pytest.mark.parametrize(
    "pin",
    [
        "maturin==1.9.4",
        "maturin~=1.9",
        "maturin!=1.10.0,>=1.9",
        "maturin[zig]>=1.9,<2",
        "maturin>=1.9,<2; python_version > '3'",
        "maturin>=1.9,<1.12",
        "maturin @ https://example.com/maturin-1.9.4-py3-none-any.whl",
    ],
)
def test_a_pin_stays(pin: str, project: Project) -> None:
    project.replace("pyproject.toml", '"maturin>=1.9,<2"', f'"setuptools", "{pin}"')
    before = project.read("pyproject.toml")
    run = wheelprint(project, "init", "--yes").ok()
    assert f"note: `{pin}` stays, since the project chose it" in run.stdout
    expected = f'requires = ["setuptools", "wheelprint>=0.1,<1", "{pin}"]  # the usual range\n'
    assert expected in project.read("pyproject.toml")
    project.append("pyproject.toml", "# more\n")
    wheelprint(project, "init", "--undo", "--yes").ok()
    assert project.read("pyproject.toml") == before + "# more\n"


def test_undo_of_a_file_edited_since(project: Project) -> None:
    wheelprint(project, "init", "--yes").ok()
    project.append("pyproject.toml", "\n[tool.other]\nx = 1\n")
    wheelprint(project, "init", "--undo", "--yes").ok()
    assert project.read("pyproject.toml") == PYPROJECT + "\n[tool.other]\nx = 1\n"


def test_undo_without_an_original(project: Project) -> None:
    before = PYPROJECT.replace("maturin>=1.9,<2", "maturin >= 1.0")
    project.write("pyproject.toml", before)
    wheelprint(project, "init", "--yes").ok()
    after = raw(project)
    for damage in (b"", b"no digest", b"0" * 64 + b"\nbuild-system = 3\n"):
        project.path("pyproject.toml").write_bytes(after)
        for kept in (project.cache / "init").iterdir():
            kept.write_bytes(damage)
        wheelprint(project, "init", "--undo", "--yes").ok()
        assert project.read("pyproject.toml") == before
        shutil.rmtree(project.cache / "init")
        (project.cache / "init").mkdir()


REQUIRES = [
    '["maturin>=1.0,<2.0"]',
    "['maturin']",
    '["Maturin >= 1.2",\n    "cffi; python_version > \'3\'", # why\n]',
    "[\n    # first\n    'cffi',  # of it\n    # why\n    \"maturin (>=1.1)\"  # so\n    # end\n]",
    '["maturin[zig]>=1.0; sys_platform == \'linux\'", "maturin>=1.2"]',
    '["maturin==1.9.4"]',
]


@pytest.mark.parametrize("ending", ["\n", "\r\n"], ids=["lf", "crlf"])
@pytest.mark.parametrize("requires", REQUIRES)
def test_undo_where_the_store_is_gone(requires: str, ending: str, project: Project) -> None:
    """The file itself says what it was, also in a clone on another machine."""
    path = project.path("pyproject.toml")
    before = PYPROJECT.replace('["maturin>=1.9,<2"]', requires).replace("\n", ending).encode()
    path.write_bytes(before)
    wheelprint(project, "init", "--yes").ok()
    wheelprint(project, "keys", "--write").ok()
    shutil.rmtree(project.cache)
    once = raw(project)
    wheelprint(project, "init", "--undo", "--yes").ok()
    assert raw(project) == before
    # With edits in between: here, and of another wheelprint.
    more = f"{ending}[tool.other]{ending}x = 1{ending}".encode()
    edited = once.replace(b"# The whole", b"# Most of the").replace(b">=0.1,<1", b">=0.1.2,<1")
    path.write_bytes(edited + more)
    wheelprint(project, "init", "--undo", "--yes").ok()
    assert raw(project) == before.replace(b"# The whole", b"# Most of the") + more
    # There and back once more.
    wheelprint(project, "init", "--yes").ok()
    wheelprint(project, "init", "--undo", "--yes").ok()
    assert raw(project) == before.replace(b"# The whole", b"# Most of the") + more


def test_undo_where_somebody_edited_the_comment(project: Project) -> None:
    wheelprint(project, "init", "--yes").ok()
    shutil.rmtree(project.cache)
    project.replace("pyproject.toml", 'puts back: ["maturin', 'puts back: ["something else')
    wheelprint(project, "init", "--undo", "--yes").ok()
    assert project.read("pyproject.toml") == PYPROJECT


def test_undo_of_a_new_project(project: Project) -> None:
    """It becomes what `uv init` makes: with maturin alone uv sees no edit without its keys."""
    folder = project.output_folder()
    wheelprint(project, "new", "ours", cwd=folder).ok()
    wheelprint(project, "init", "--undo", "--yes", cwd=folder / "ours").ok()
    options = ("--build-backend", "maturin", "--vcs", "none", "--no-workspace")
    project.uv("init", *options, "theirs", cwd=folder).ok()
    text = (folder / "ours" / "pyproject.toml").read_text()
    assert "wheelprint" not in text
    keys = [
        re.findall(r'{ file = "([^"]+)" }', (folder / name / "pyproject.toml").read_text())
        for name in ("ours", "theirs")
    ]
    assert keys[0] == keys[1]
    # And back again: those keys are the project's own now.
    wheelprint(project, "init", "--yes", cwd=folder / "ours").ok()
    shutil.rmtree(project.cache)
    wheelprint(project, "init", "--undo", "--yes", cwd=folder / "ours").ok()
    assert (folder / "ours" / "pyproject.toml").read_text() == text


def test_undo_of_two_in_a_row(project: Project) -> None:
    """The second one's original is the first one's."""
    wheelprint(project, "init", "--yes").ok()
    wheelprint(project, "init", "--yes", "--editable-profile", "dev").ok()
    assert '[tool.maturin]\neditable-profile = "dev"\n' in project.read("pyproject.toml")
    wheelprint(project, "init", "--undo", "--yes").ok()
    assert project.read("pyproject.toml") == PYPROJECT


def test_no_cache_folder(project: Project) -> None:
    """The original can't be kept: said, and no more than that."""
    blocked = project.write("blocked", "")
    changes = {"WHEELPRINT_CACHE_DIR": str(blocked / "cache")}
    run = wheelprint(project, "init", "--yes", **changes).ok()
    assert "warning: the original can't be kept" in run.stderr
    wheelprint(project, "init", "--undo", "--yes", **changes).ok()
    assert project.read("pyproject.toml") == PYPROJECT


def test_unwritable(project: Project) -> None:
    prefix = privileges.obeying_modes()
    with privileges.mode(project.root, remove=0o222):
        run = wheelprint(project, "init", "--yes", prefix=prefix)
    assert run.code == 2
    assert "pyproject.toml: Permission denied" in run.stderr
    assert project.read("pyproject.toml") == PYPROJECT
    with privileges.mode(project.path("pyproject.toml"), remove=0o666):
        run = wheelprint(project, "init", "--yes", prefix=prefix)
    assert run.code == 2
    assert "pyproject.toml: Permission denied" in run.stderr


def test_the_release_profile(project: Project) -> None:
    assert "note:" not in wheelprint(project, "init", "--check").stdout
    project.append("Cargo.toml", COSTLY)
    hint = "wheelprint init --editable-profile dev"
    said = 'note: Cargo.toml: profile.release: lto = "fat", codegen-units = 1:'
    run = wheelprint(project, "init", "--yes").ok()
    assert said in run.stdout
    assert hint in run.stdout
    # Also later.
    assert said in wheelprint(project, "init").ok().stdout
    run = wheelprint(project, *hint.split()[1:], "--yes").ok()
    assert "note:" not in run.stdout
    assert project.read("pyproject.toml").endswith('\n[tool.maturin]\neditable-profile = "dev"\n')
    assert "note:" not in wheelprint(project, "init").ok().stdout


def test_the_release_profile_of_a_workspace(check_out: CheckOut) -> None:
    project = check_out("workspace")
    project.append("../../Cargo.toml", "\n[profile.release]\nlto = true\n")
    run = wheelprint(project, "init", "--check")
    assert "note: ../../Cargo.toml: profile.release: lto = true: " in run.stdout


def test_a_profile_that_is_not_there(check_out: CheckOut) -> None:
    project = check_out("bin-bindings")
    project.switch_to_maturin()
    before = project.read("pyproject.toml")
    project.append("Cargo.toml", '\n[profile.quick]\ninherits = "dev"\n')
    run = wheelprint(project, "init", "--yes", "--editable-profile", "quik")
    assert run.code == 2
    assert "error: --editable-profile: " in run.stderr
    assert "Cargo.toml has no profile `quik`" in run.stderr
    assert "hint: there are dev, release, test, bench, quick" in run.stderr
    assert project.read("pyproject.toml") == before
    wheelprint(project, "init", "--yes", "--editable-profile", "quick").ok()
    assert project.uv("sync").ok()
    assert (project.target / "quick").is_dir()


SETUPTOOLS = '[build-system]\nrequires = ["setuptools-rust"]\nbuild-backend = "{}"\n'


@pytest.mark.parametrize(
    ("text", "said", "hint"),
    [
        (None, "pyproject.toml: no such file", "name the project's folder"),
        ("", "build-system: no such table", 'build-backend = "maturin"'),
        ('[build-system]\nrequires = ["setuptools"]\n', "not there, so setuptools", "a maturin"),
        (SETUPTOOLS.format("setuptools.build_meta"), "(or setuptools-rust) builds it", "a maturin"),
        (SETUPTOOLS.format("hatchling.build"), "Hatch builds it", "a maturin project has"),
        (SETUPTOOLS.format("scikit_build_core.build"), "scikit-build-core builds it", "a maturin"),
        (SETUPTOOLS.format("of_our_own"), "`of_our_own` builds it", "a maturin project has"),
        (
            '[build-system]\nrequires = []\nbuild-backend = "maturin"\nbackend-path = ["."]\n',
            "build-system.backend-path: `maturin` is taken from the project itself",
            "maturin's own backend only",
        ),
        ("[build-system\n", "pyproject.toml:1:14: ", None),
        ("[build-system]\nrequires = 3\n", "pyproject.toml:2:12: build-system.requires: ", None),
        (PYPROJECT + "[tool.wheelprint]\non-stal = 1\n", "wheelprint.on-stal: unknown", "on-stale"),
        ("# \x00\n", "pyproject.toml:1:3: ", None),
    ],
)
@pytest.mark.parametrize("options", [["--yes"], ["--check"], ["--undo", "--yes"]], ids=" ".join)
def test_refusals(
    options: list[str], text: str | None, said: str, hint: str | None, project: Project
) -> None:
    project.path("pyproject.toml").unlink()
    if text is not None:
        project.write("pyproject.toml", text)
    run = wheelprint(project, "init", *options)
    assert run.code == 2
    assert run.stdout == ""
    assert said in run.stderr
    assert run.stderr.startswith("error: ")
    assert (hint is None) is ("hint: " not in run.stderr)
    assert hint is None or hint in run.stderr
    if text is None:
        assert not project.path("pyproject.toml").exists()
    else:
        assert project.read("pyproject.toml") == text


def test_another_folder(project: Project) -> None:
    folder = project.root.relative_to(project.root.parents[1])
    run = wheelprint(project, "init", "--yes", folder, cwd=project.root.parents[1]).ok()
    name = folder / "pyproject.toml"
    assert run.stdout.startswith(f"--- {name}\n+++ {name}\n")
    assert without_our_keys(project.read("pyproject.toml")) == switched(PYPROJECT)


def test_what_uv_init_makes(project: Project) -> None:
    folder = project.output_folder() / "made-by-uv"
    project.uv(
        "init",
        *("--build-backend", "maturin", "--lib", "--vcs", "none", "--no-pin-python"),
        folder,
        cwd=folder.parent,
    ).ok()
    before = (folder / "pyproject.toml").read_bytes()
    wheelprint(project, "init", "--yes", folder).ok()
    after = (folder / "pyproject.toml").read_text()
    assert 'requires = ["wheelprint>=0.1,<1"]' in after
    assert 'build-backend = "wheelprint"' in after
    wheelprint(project, "init", "--undo", "--yes", folder).ok()
    assert (folder / "pyproject.toml").read_bytes() == before


def test_quiet(check_out: CheckOut) -> None:
    project = check_out("bin-bindings")
    project.switch_to_maturin()
    check = wheelprint(project, "init", "--check", "--quiet")
    assert (check.code, check.output) == (1, "")
    assert wheelprint(project, "init", "--yes", "--quiet").ok().output == ""
    assert "wheelprint" in project.read("pyproject.toml")
