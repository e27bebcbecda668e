"""`wheelprint new`: a project that works at once."""

from __future__ import annotations

import re
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from support import privileges
from support.commands import wheelprint

if TYPE_CHECKING:
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


def test_a_path_is_no_name(project: Project, folder: Path) -> None:
    run = wheelprint(project, "new", "packages/basket", cwd=folder)
    assert run.code == 2
    assert "`wheelprint new basket packages/basket`" in run.stderr
    assert files(folder) == []


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
        ("a!b", "ASCII letters"),
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


CARGO_ROOT = '[package]\nname = "top-crate"\nversion = "0.1.0"\nedition = "2021"\n'
UV_ROOT = '[project]\nname = "top-package"\nversion = "0.1.0"\nrequires-python = ">=3.9"\n'


def is_taken(project: Project, root: Path) -> None:
    """By cargo, which refuses a package that does not fit into the workspace around it."""
    project.run("cargo", "metadata", "--no-deps", "--format-version=1", cwd=root).ok()


def works(project: Project, root: Path, package: str) -> None:
    """uv builds it from its own folder."""
    command = f"import {package}; print({package}.count_letters('hello')[4])"
    assert project.uv("run", "python", "-c", command, cwd=root).ok().stdout.strip() == "1"


def workspace_of(project: Project, folder: Path) -> Path:
    """The folder of the workspace, by cargo itself."""
    command = ("cargo", "locate-project", "--workspace", "--message-format", "plain")
    return Path(project.run(*command, cwd=folder).ok().stdout.strip()).parent


def members(project: Project, folder: Path) -> list[str]:
    """By uv itself."""
    return project.uv("workspace", "list", cwd=folder).ok().stdout.split()


GLOBS = '# all\nmembers = [\n    "in/*", # below\n]\n'
MANIFESTS = {
    "virtual": "[workspace]\nresolver = '3'\nmembers = []\n",
    "package": CARGO_ROOT + "\n[workspace]\n",
    "glob": f"[workspace]\nresolver = '3'\n{GLOBS}",
}
PYPROJECTS = {
    "virtual": "[tool.uv.workspace]\nmembers = []\n",
    "package": f"{UV_ROOT}\n[tool.uv.workspace]\nmembers = []\n",
    "glob": f"[tool.uv.workspace]\n{GLOBS}",
    "project": UV_ROOT,
}


def make_workspace(folder: Path, cargo: str, uv: str) -> None:
    if cargo:
        (folder / "Cargo.toml").write_text(MANIFESTS[cargo])
        (folder / "src").mkdir()
        (folder / "src" / "lib.rs").write_text("")
    if uv:
        (folder / "pyproject.toml").write_text(PYPROJECTS[uv])


@pytest.mark.parametrize("cargo", ["", *MANIFESTS])
@pytest.mark.parametrize("uv", ["", *PYPROJECTS])
def test_it_joins_a_workspace(cargo: str, uv: str, project: Project, folder: Path) -> None:
    """Of cargo, of uv, of both: as `cargo new` and `uv init` do."""
    make_workspace(folder, cargo, uv)
    root = folder / "in" / "new"
    run = wheelprint(project, "new", "New.One", "in/new", cwd=folder).ok()
    joined = 'joined: {}: {} has "in/new" in it now\n'
    field = "tool.uv.workspace.members"
    assert (joined.format("Cargo.toml", "workspace.members") in run.stdout) is (
        cargo in ("virtual", "package")
    )
    assert (joined.format("pyproject.toml", field) in run.stdout) is (
        uv in ("virtual", "package", "project")
    )
    assert run.stdout.count("note: a member of the workspace") == (cargo, uv).count("glob")
    assert run.stderr == ""
    if cargo == "glob":
        assert (folder / "Cargo.toml").read_text() == MANIFESTS[cargo]
    if uv == "glob":
        assert (folder / "pyproject.toml").read_text() == PYPROJECTS[uv]
    assert "[workspace]" not in (root / "Cargo.toml").read_text()
    assert workspace_of(project, root) == (folder if cargo else root)
    is_taken(project, root)
    if uv:
        names = ["new-one", "top-package"] if uv in ("package", "project") else ["new-one"]
        assert members(project, folder) == names


@pytest.mark.freshness
@pytest.mark.parametrize(
    ("cargo", "uv"), [("virtual", "virtual"), ("package", ""), ("", "project"), ("glob", "package")]
)
def test_members_are_built(cargo: str, uv: str, project: Project, folder: Path) -> None:
    make_workspace(folder, cargo, uv)
    root, second = folder / "in" / "new", folder / "in" / "second"
    wheelprint(project, "new", "New.One", "in/new", cwd=folder).ok()
    works(project, root, "new_one")
    # A second one stands beside it.
    wheelprint(project, "new", "second", "in/second", cwd=folder).ok()
    works(project, second, "second")
    works(project, root, "new_one")
    wheelprint(project, "status", cwd=root).ok()
    # Crates of one workspace share a target folder. Of two libraries with one name cargo keeps one
    # file, and takes the other crate for fresh all the same.
    manifests = [(each / "Cargo.toml").read_text() for each in (root, second)]
    names = [re.findall(r'(?m)^name = "(.*)"', manifest) for manifest in manifests]
    assert names == [["new-one"], ["second"]]


@pytest.mark.parametrize("place", ["apart", "in/apart"])
def test_it_stays_out_of_workspaces(place: str, project: Project, folder: Path) -> None:
    manifest = '[workspace]\nmembers = ["in/[!a]*"]\n'
    (folder / "Cargo.toml").write_text(manifest)
    (folder / "pyproject.toml").write_text(pyproject := "[tool.uv.workspace]\nmembers = []\n")
    run = wheelprint(project, "new", "apart", place, "--no-workspace", cwd=folder).ok()
    assert "note: no member of the workspace Cargo.toml\n" in run.stdout
    assert "note: no member of the workspace pyproject.toml\n" in run.stdout
    assert (folder / "Cargo.toml").read_text() == manifest
    assert (folder / "pyproject.toml").read_text() == pyproject
    root = folder / place
    assert workspace_of(project, root) == root
    assert members(project, root) == ["apart"]
    is_taken(project, root)


def test_workspaces_that_leave_it_out(project: Project, folder: Path) -> None:
    (folder / "Cargo.toml").write_text(manifest := '[workspace]\nexclude = ["out"]\n')
    pyproject = '[tool.uv.workspace]\nmembers = ["*/*"]\nexclude = ["out/*"]\n'
    (folder / "pyproject.toml").write_text(pyproject)
    run = wheelprint(project, "new", "apart", "out/apart", cwd=folder).ok()
    assert "note: the workspace Cargo.toml leaves this folder out\n" in run.stdout
    assert "note: the workspace pyproject.toml leaves this folder out\n" in run.stdout
    assert (folder / "Cargo.toml").read_text() == manifest
    assert (folder / "pyproject.toml").read_text() == pyproject
    root = folder / "out" / "apart"
    assert workspace_of(project, root) == root
    assert members(project, root) == ["apart"]
    is_taken(project, root)


def test_workspaces_that_cannot_be_joined(project: Project, folder: Path) -> None:
    """Nothing is made, and nothing is changed."""
    taken = f"{UV_ROOT}\n[tool.uv.workspace]\nmembers = []\n".replace("top-package", "New_One")
    for name, text, cause in [
        ("pyproject.toml", "[project\n", "pyproject.toml:1:9: "),
        ("pyproject.toml", "[tool.uv.workspace]\nmembers = 3\n", "tool.uv.workspace: invalid type"),
        ("pyproject.toml", taken, "has a package of this name, in ."),
        ("Cargo.toml", "[workspace\n", "Cargo.toml:1:11: "),
        ("Cargo.toml", "[workspace]\nmembers = 3\n", "workspace.members: expected a list"),
    ]:
        (folder / name).write_text(text)
        run = wheelprint(project, "new", "new-one", cwd=folder)
        assert run.code == 2, text
        assert cause in run.stderr
        hint = "mend that one" if text == "[workspace\n" else "--no-workspace"
        assert hint in run.stderr
        assert files(folder) == [name]
        assert (folder / name).read_text() == text
        (folder / name).unlink()


@pytest.mark.skipif(sys.platform == "win32", reason="modes are POSIX's")
def test_a_workspace_that_cannot_be_written(project: Project, folder: Path) -> None:
    """One of the two manifests: the other one is as it was."""
    (folder / "Cargo.toml").write_text(manifest := "[workspace]\r\nresolver = '3' # three\r\n")
    (folder / "in").mkdir()
    pyproject = folder / "in" / "pyproject.toml"
    pyproject.write_text(UV_ROOT)
    inner = folder / "in" / "new"
    inner.mkdir()
    prefix = privileges.obeying_modes()
    with privileges.mode(folder / "in", remove=0o222):
        run = wheelprint(project, "new", "new-one", "in/new", cwd=folder, prefix=prefix)
    assert run.code == 2
    assert "Permission denied" in run.stderr
    assert (folder / "Cargo.toml").read_bytes() == manifest.encode()
    assert files(folder) == ["Cargo.toml", "in/pyproject.toml"]
    wheelprint(project, "new", "new-one", "in/new", cwd=folder).ok()
    after = b"[workspace]\r\nresolver = '3' # three\r\nmembers = [\"in/new\"]\r\n"
    assert (folder / "Cargo.toml").read_bytes() == after


def test_without_cargo(project: Project, folder: Path) -> None:
    """The project is made; what is missing is said."""
    empty = folder / "empty"
    empty.mkdir()
    run = wheelprint(project, "new", "one", cwd=folder, PATH=str(empty)).ok()
    assert "made: one\n" in run.stdout
    assert "note: cargo: not found on PATH\n      install Rust from https://rustup.rs" in run.stdout
    assert run.stderr == ""
    assert "cache-keys" in (folder / "one" / "pyproject.toml").read_text()
    assert "note: " not in wheelprint(project, "new", "two", cwd=folder).ok().stdout
