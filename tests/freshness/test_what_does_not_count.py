"""What reaches no compiled module: no cargo process runs for it, and the module stays the same.

Some of it is everyday (a branch and back, a fresh checkout, an editor that saves twice), and each
would cost a build where timestamps decide.
"""

from __future__ import annotations

import os
import shutil
import sys
from typing import TYPE_CHECKING, Callable

import pytest
from support import asking, wheels
from support.tree import Tree

if TYPE_CHECKING:
    from pathlib import Path

    from support.project import Project

pytestmark = pytest.mark.spy

Change = Callable[["Project"], object]

WORKSPACE = "../../Cargo.toml"
HELPER = "../../crates/helper"
WHOLE = "../../crates/whole"


def _files(project: Project) -> list[Path]:
    """Everything in the checkout that is not a product."""
    root = project.bench.checkout_folder
    return [
        path
        for path in sorted(root.rglob("*"))
        if path.is_file() and project.target not in path.parents and ".git" not in path.parts
    ]


def _touch(project: Project) -> None:
    for path in _files(project):
        os.utime(path)


def _set_times(seconds: int) -> Change:
    def change(project: Project) -> None:
        for path in _files(project):
            os.utime(path, (seconds, seconds))

    return change


def _rewrite(project: Project) -> None:
    for path in _files(project):
        path.write_bytes(path.read_bytes())


def _replace(project: Project) -> None:
    """As many editors save: a new file, renamed over the old one."""
    for path in _files(project):
        new = path.with_name(f"{path.name}.new")
        shutil.copyfile(path, new)
        os.replace(new, path)


def _edit_and_undo(project: Project) -> None:
    project.edit()
    project.write("words/third.txt", "three\n")
    project.undo_edit()
    project.path("words/third.txt").unlink()


def _edit_build_and_undo(project: Project) -> None:
    project.edit()
    project.replace(f"{HELPER}/src/lib.rs", "helper 1", "helper 2")
    asking.stale(project)
    project.undo_edit()
    project.replace(f"{HELPER}/src/lib.rs", "helper 2", "helper 1")


def _chmod(project: Project) -> None:
    if sys.platform == "win32":
        pytest.skip("no such modes")
    for path in _files(project):
        path.chmod(0o755)


def _new_checkout(project: Project) -> None:
    Tree(project.bench.checkout_folder).recreate()


def _move_away_and_back(project: Project) -> None:
    root = project.bench.checkout_folder
    away = root.with_name("moved")
    root.rename(away)
    away.rename(root)


TIMES: dict[str, Change] = {
    "touch": _touch,
    "times from long ago": _set_times(1_000_000_000),
    "times in the future": _set_times(4_000_000_000),
    "the same content written again": _rewrite,
    "the same content in a new file": _replace,
    "an edit and its undoing": _edit_and_undo,
    "an edit, a build, and the edit's undoing": _edit_build_and_undo,
    "chmod": _chmod,
    "a new checkout": _new_checkout,
    "the checkout moved away and back": _move_away_and_back,
    "the target folder gone": lambda p: shutil.rmtree(p.target),
}

FILES: dict[str, Change] = {
    "a file that nothing names": lambda p: p.write("notes.txt", "to do"),
    "a source that nothing names": lambda p: p.write("src/unused.rs", "fn unused() {}"),
    "a source that nothing names, in a dependency": lambda p: p.write(
        f"{HELPER}/src/unused.rs", "fn unused() {}"
    ),
    "an asset beside one that is read": lambda p: p.write("assets/other.txt", "other"),
    "tests of the crate": lambda p: p.write("tests/all.rs", "#[test]\nfn all() {}\n"),
    "examples of the crate": lambda p: p.write("examples/one.rs", "fn main() {}\n"),
    "benchmarks of the crate": lambda p: p.write("benches/one.rs", "fn main() {}\n"),
    "tests of the package": lambda p: p.write("tests/test_all.py", "def test_all(): pass\n"),
    "a Python source": lambda p: p.append("python/every_input/__init__.py", "MORE = 1\n"),
    "a new Python source": lambda p: p.write("python/every_input/more.py", "MORE = 1\n"),
    "a package beside the project": lambda p: p.write(
        "../../vendor/other/Cargo.toml", '[package]\nname = "other"\n'
    ),
    "continuous integration": lambda p: p.write("../../.github/workflows/ci.yml", "on: push"),
    "a folder of an editor": lambda p: p.write("../../.vscode/settings.json", "{}"),
    "a lock file of uv": lambda p: p.write("uv.lock", "version = 1\n"),
    "byte code of Python": lambda p: p.write("python/every_input/__pycache__/a.pyc", ""),
}

TABLES: dict[str, Change] = {
    "a comment in pyproject.toml": lambda p: p.append("pyproject.toml", "# more\n"),
    "another tool's table in pyproject.toml": lambda p: p.append(
        "pyproject.toml", "\n[tool.ruff]\nline-length = 100\n"
    ),
    "uv's own table in pyproject.toml": lambda p: p.append(
        "pyproject.toml", '\n[tool.uv.workspace]\nexclude = ["x"]\n'
    ),
    "groups of dependencies": lambda p: p.append(
        "pyproject.toml", '\n[dependency-groups]\ndev = ["pytest"]\n'
    ),
    "a comment in Cargo.toml": lambda p: p.append("Cargo.toml", "# more\n"),
    "spaces and quotes in Cargo.toml": lambda p: (
        p.replace("Cargo.toml", ' = "', "   =   '")
        or p.write("Cargo.toml", p.read("Cargo.toml").replace('"', "'"))
    ),
    "another tool's table in Cargo.toml": lambda p: p.append(
        "Cargo.toml", "\n[package.metadata.docs.rs]\nall-features = true\n"
    ),
    "lints in Cargo.toml": lambda p: p.append("Cargo.toml", '\n[lints.clippy]\nall = "warn"\n'),
    "a comment in a dependency's Cargo.toml": lambda p: p.append(f"{HELPER}/Cargo.toml", "# x\n"),
    "a comment in the workspace": lambda p: p.append(WORKSPACE, "# more\n"),
    "another tool's table in the workspace": lambda p: p.append(
        WORKSPACE, "\n[workspace.metadata.release]\nsign-tag = true\n"
    ),
    "a comment in Cargo.lock": lambda p: p.append("../../Cargo.lock", "# more\n"),
}

ENVIRONMENT: dict[str, Change] = {
    "a variable that is nobody's": lambda p: p.env.update(SOME_VARIABLE="1"),
    "how cargo shows itself": lambda p: p.env.update(CARGO_TERM_COLOR="always"),
    "how many jobs cargo runs": lambda p: p.env.update(CARGO_BUILD_JOBS="1"),
    "a token": lambda p: p.env.update(CARGO_REGISTRY_TOKEN="x", MATURIN_PYPI_TOKEN="x"),
    "PATH": lambda p: p.env.update(PATH=os.pathsep.join([p.env["PATH"], str(p.root)])),
    "an active virtual environment": lambda p: p.env.update(VIRTUAL_ENV=str(p.root / ".venv")),
    "a language": lambda p: p.env.update(LANG="C", LC_ALL="C"),
    "a temporary folder": lambda p: p.env.update(TMPDIR=str(p.output_folder())),
}


@pytest.mark.parametrize(
    "change",
    [
        pytest.param(change, id=name)
        for changes in (TIMES, FILES, TABLES, ENVIRONMENT)
        for name, change in changes.items()
    ],
)
def test_no_change(change: Change, every_input: Project) -> None:
    first = asking.build(every_input)
    change(every_input)
    again = asking.fresh(every_input)
    wheels.assert_same_but_for_inputs(again, first.wheel)
    assert asking.ask(every_input, again) == first.seen


@pytest.mark.parametrize(
    "command",
    [
        pytest.param(command.split(), id=command, marks=marks)
        for command, marks in {
            "check": pytest.mark.freshness,
            "check --release": (),
            # What rust-analyzer runs.
            "check --workspace --all-targets --message-format=json --keep-going": (),
            "build": pytest.mark.freshness,
            "build --release": (),
            "test --no-run": pytest.mark.freshness,
            "clean --package every-input": pytest.mark.freshness,
        }.items()
    ],
)
def test_cargo_in_between(command: list[str], every_input: Project) -> None:
    asking.forget_builds(every_input)
    first = asking.stale(every_input)
    every_input.run("cargo", *command).ok()
    wheels.assert_same_but_for_inputs(asking.fresh(every_input), first.wheel)
    # And it hides no change.
    every_input.edit()
    every_input.run("cargo", *command).ok()
    assert asking.stale(every_input).seen["edited"] == "edited 2"


def test_the_readme_is_renewed_without_cargo(every_input: Project) -> None:
    first = asking.build(every_input)
    every_input.write("README.md", "Another text.\n")
    every_input.spy.clear()
    _, wheel = every_input.build("editable")
    assert b"Another text." in wheels.read(wheel, "*/METADATA")
    assert asking.ask(every_input, wheel) == first.seen
    assert every_input.spy.calls("cargo") == []


def test_a_file_that_git_ignores(every_input: Project) -> None:
    """In a package whose build script names nothing to watch: cargo would not look at it."""
    _need_git()
    every_input.write("../../.gitignore", "target\n*.log\n")
    asking.git(every_input, "init", "-q")
    # Cargo goes by git's rules once git tracks the manifest.
    asking.git(every_input, "add", ".")
    asking.forget_builds(every_input)
    first = asking.stale(every_input)
    every_input.write(f"{WHOLE}/some.log", "a line\n")
    wheels.assert_same_but_for_inputs(asking.fresh(every_input), first.wheel)


class TestGit:
    """What git does to files and to its own folder."""

    @pytest.fixture
    def repository(self, every_input: Project) -> Project:
        _need_git()
        every_input.write("../../.gitignore", "target\n")
        asking.git(every_input, "init", "-q")
        asking.git(every_input, "add", ".")
        asking.git(every_input, "commit", "-qm", "first")
        return every_input

    def test_a_commit_and_a_tag(self, repository: Project) -> None:
        first = asking.build(repository)
        asking.git(repository, "commit", "-qm", "second", "--allow-empty")
        asking.git(repository, "tag", "v1")
        wheels.assert_same_but_for_inputs(asking.fresh(repository), first.wheel)

    def test_an_edit_that_is_committed(self, repository: Project) -> None:
        repository.edit()
        first = asking.stale(repository)
        asking.git(repository, "commit", "-qam", "second")
        wheels.assert_same_but_for_inputs(asking.fresh(repository), first.wheel)

    def test_another_branch_and_back(self, repository: Project) -> None:
        first = asking.build(repository)
        asking.git(repository, "checkout", "-qb", "other")
        repository.edit()
        _new_checkout(repository)
        asking.git(repository, "commit", "-qam", "second")
        asking.git(repository, "checkout", "-q", "main")
        wheels.assert_same_but_for_inputs(asking.fresh(repository), first.wheel)

    def test_a_stash_and_back(self, repository: Project) -> None:
        repository.edit()
        first = asking.stale(repository)
        asking.git(repository, "stash", "-q")
        asking.git(repository, "stash", "pop", "-q")
        wheels.assert_same_but_for_inputs(asking.fresh(repository), first.wheel)

    def test_a_new_clone_in_the_same_place(self, repository: Project) -> None:
        first = asking.build(repository)
        root = repository.bench.checkout_folder
        clone = root.with_name("clone")
        shutil.rmtree(clone, ignore_errors=True)
        asking.git(repository, "clone", "-q", str(root), str(clone))
        for entry in root.iterdir():
            if entry != repository.target:
                shutil.rmtree(entry) if entry.is_dir() else entry.unlink()
        for entry in clone.iterdir():
            shutil.move(str(entry), root / entry.name)
        clone.rmdir()
        wheels.assert_same_but_for_inputs(asking.fresh(repository), first.wheel)


def _need_git() -> None:
    if shutil.which("git") is None:
        pytest.skip("no git")


def test_new_virtual_environments(every_input: Project) -> None:
    this_python = f">={sys.version_info.major}.{sys.version_info.minor}"
    every_input.replace("pyproject.toml", ">=3.9", this_python)
    probe = "import every_input; print(every_input.seen()['edited'])"
    assert every_input.uv_run(probe) == "edited 1"
    every_input.spy.clear()
    for _ in range(2):
        shutil.rmtree(every_input.path(".venv"))
        assert every_input.uv_run(probe) == "edited 1"
    every_input.spy.assert_idle()
