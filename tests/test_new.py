"""`wheelprint new`: a project that works at once."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

import pytest
from support import privileges
from support.commands import wheelprint

if TYPE_CHECKING:
    from pathlib import Path

    from conftest import CheckOut
    from support.project import Project


@pytest.fixture
def project(check_out: CheckOut) -> Project:
    """For its environment; what is new lies elsewhere."""
    return check_out("pure")


@pytest.fixture
def folder(project: Project) -> Path:
    return project.output_folder()


def files(folder: Path) -> list[str]:
    return sorted(
        path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file()
    )


def test_it_works_at_once(project: Project, folder: Path) -> None:
    run = wheelprint(project, "new", "Letter-Count", cwd=folder).ok()
    root = folder / "Letter-Count"
    assert files(root) == [
        ".gitignore",
        "Cargo.toml",
        "README.md",
        "pyproject.toml",
        "python/letter_count/__init__.py",
        "python/letter_count/_core.pyi",
        "python/letter_count/py.typed",
        "src/lib.rs",
        "tests/test_letter_count.py",
    ]
    command = "import letter_count; print(letter_count.count_letters('hello'))"
    assert f'uv run python -c "{command}"' in run.stdout
    assert "next: cd Letter-Count\n" in run.stdout
    counts = "[0, 0, 0, 0, 1, 0, 0, 1, 0, 0, 0, 2, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0]"
    said = project.uv("run", "python", "-c", command, cwd=root).ok()
    assert said.stdout.strip() == counts
    # Nothing is built in the source tree but cargo's and uv's own.
    made = {path.name for path in root.iterdir()}
    assert made - {"target", ".venv", "uv.lock", "Cargo.lock"} == {
        *(".gitignore", "Cargo.toml", "README.md", "pyproject.toml", "python", "src", "tests")
    }
    project.uv("run", "--with", "pytest", "pytest", "-q", cwd=root).ok()
    # It is a wheelprint project, whose keys uv watches.
    assert "nothing to change" in wheelprint(project, "init", "--check", cwd=root).ok().stdout
    source = root / "src" / "lib.rs"
    source.write_text(source.read_text().replace("+= 1", "+= 2"))
    said = project.uv("run", "python", "-c", command, cwd=root).ok()
    assert said.stdout.strip() == counts.replace("2", "4").replace("1", "2")
    venv = project.new_venv()
    project.pip(venv, "install", "-q", "-e", root, cwd=folder).ok()
    assert project.python(venv, command) == counts.replace("2", "4").replace("1", "2")


def test_formatted(project: Project, folder: Path) -> None:
    wheelprint(project, "new", "formatted", ".", cwd=folder).ok()
    project.run("cargo", "fmt", "--check", cwd=folder).ok()


def test_a_folder_of_its_own(project: Project, folder: Path) -> None:
    run = wheelprint(project, "new", "one", "far/away", cwd=folder).ok()
    assert "next: cd far/away\n" in run.stdout
    assert (folder / "far" / "away" / "python" / "one" / "__init__.py").is_file()
    assert [path.name for path in (folder / "far").iterdir()] == ["away"]


def test_an_empty_folder(project: Project, folder: Path) -> None:
    run = wheelprint(project, "new", "one", ".", cwd=folder).ok()
    assert "cd " not in run.stdout
    assert (folder / "pyproject.toml").is_file()


@pytest.mark.skipif(sys.platform == "win32", reason="modes are POSIX's")
def test_modes(project: Project, folder: Path) -> None:
    wheelprint(project, "new", "one", cwd=folder).ok()
    (folder / "two").mkdir()
    (folder / "two" / "file").write_text("")
    root = folder / "one"
    assert root.stat().st_mode == (folder / "two").stat().st_mode
    expected = (folder / "two" / "file").stat().st_mode
    assert (root / "pyproject.toml").stat().st_mode == expected


@pytest.mark.parametrize(
    ("name", "cause"),
    [
        ("", "a name is needed"),
        ("a b", "ASCII letters"),
        ("../up", "ASCII letters"),
        ("a_", "begins and ends with"),
        ("7zip", "can't begin with a digit"),
        ("lambda", "a keyword of Python"),
        ("struct", "a keyword of Rust"),
        ("test", "a crate that comes with Rust"),
        ("core", "a crate that comes with Rust"),
        ("json", "Python's standard library"),
        ("pyo3", "what the project is built with"),
    ],
)
def test_names_that_are_refused(name: str, cause: str, project: Project, folder: Path) -> None:
    run = wheelprint(project, "new", name, cwd=folder)
    assert run.code == 2
    assert run.stderr.startswith(f"error: `{name}`: ")
    assert cause in run.stderr
    assert "hint: take another name" in run.stderr
    assert list(folder.iterdir()) == []


def test_no_module_of_this_python(project: Project) -> None:
    """Every one of its standard library is refused."""
    for name in getattr(sys, "stdlib_module_names", ["json"]):
        if not name.startswith("_"):
            run = wheelprint(project, "new", name)
            assert run.code == 2, name


def test_folders_that_are_refused(project: Project, folder: Path) -> None:
    (folder / "full").mkdir()
    (folder / "full" / "file").write_text("kept")
    (folder / "file").write_text("kept")
    for name, cause in [("full", "it is not empty"), ("file", "there is a file of this name")]:
        run = wheelprint(project, "new", name, cwd=folder)
        assert run.code == 2
        assert f"{folder / name}: {cause}" in run.stderr
        assert "hint: name another folder" in run.stderr
    assert wheelprint(project, "new", "below", "file/below", cwd=folder).code == 2
    assert files(folder) == ["file", "full/file"]
    if sys.platform != "win32":
        (folder / "lost").symlink_to("nowhere")
        run = wheelprint(project, "new", "lost", cwd=folder)
        assert run.code == 2
        assert "a link to nowhere" in run.stderr


def test_unwritable(project: Project, folder: Path) -> None:
    (folder / "empty").mkdir()
    prefix = privileges.obeying_modes()
    with privileges.mode(folder, remove=0o222):
        for where in ("one", "far/one", "empty"):
            run = wheelprint(project, "new", "one", where, prefix=prefix, cwd=folder)
            assert run.code == 2
            assert "Permission denied" in run.stderr
    assert [path.name for path in folder.iterdir()] == ["empty"]
    assert list((folder / "empty").iterdir()) == []


def test_below_a_workspace(project: Project, folder: Path) -> None:
    """Cargo refuses a package that is no member of the workspace above it."""
    (folder / "Cargo.toml").write_text('[workspace]\nmembers = ["in/*"]\n')
    run = wheelprint(project, "new", "apart", cwd=folder).ok()
    assert f"note: {folder / 'Cargo.toml'} is a workspace" in run.stdout
    run = wheelprint(project, "new", "member", "in/member", cwd=folder).ok()
    assert "note" not in run.stdout
    for name in ("apart", "in/member"):
        manifest = folder / name / "Cargo.toml"
        command = ("cargo", "metadata", "--no-deps", "--format-version=1", "--manifest-path")
        project.run(*command, manifest, cwd=folder).ok()
