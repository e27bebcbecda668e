"""Commands in a uv workspace: its root, `--package`, `--all-packages`."""

from __future__ import annotations

import io
import json
import re
import zipfile
from typing import TYPE_CHECKING, Any

import pytest
from support import schemas
from support.commands import wheelprint

if TYPE_CHECKING:
    from pathlib import Path

    from conftest import CheckOut
    from support.project import Project, Run

ROOT = '[tool.uv.workspace]\nmembers = ["packages/*", "Pure"]\nexclude = ["packages/left-out"]\n'
SOURCES = ("Cargo.toml", "Cargo.lock", "README.md", "src/lib.rs", "src/answer.rs")
HATCH = '[build-system]\nrequires = ["hatchling"]\nbuild-backend = "hatchling.build"\n'
MATURIN = '[build-system]\nrequires = ["maturin"]\nbuild-backend = "maturin"\n'


@pytest.fixture
def project(check_out: CheckOut) -> Project:
    """The root of a workspace that is no package; `Pure` in it is a wheelprint project."""
    project = check_out("pure")
    inner = project.root / "Pure"
    inner.mkdir()
    for entry in list(project.root.iterdir()):
        if entry != inner and entry.name != "target":
            entry.rename(inner / entry.name)
    project.write("pyproject.toml", ROOT)
    project.replace("Pure/pyproject.toml", 'name = "pure"', 'name = "Pure.One"')
    package(project, "two", read=project.read("Pure/pyproject.toml").replace("Pure.One", "two"))
    for name in SOURCES:
        project.write(f"packages/two/{name}", project.read(f"Pure/{name}"))
    return project


def package(project: Project, name: str, builder: str = "", read: str | None = None) -> None:
    text = read or f'[project]\nname = "{name}"\nversion = "1"\n{builder}'
    project.write(f"packages/{name}/pyproject.toml", text)


def said(run: Run, command: str) -> dict[str, Any]:
    value: dict[str, Any] = json.loads(run.stdout)
    schemas.check(command, value)
    return value


def rows(text: str) -> dict[str, list[str]]:
    """The rows of a table by their first cell: the other cells, without the headings."""
    lines = [line for line in text.splitlines()[1:] if line and not line.startswith(" ")]
    cells = [re.split(r"  +", line) for line in lines]
    return {first: rest for first, *rest in cells}


def members(project: Project) -> list[str]:
    """By uv itself."""
    return project.uv("workspace", "list").ok().stdout.split()


@pytest.mark.parametrize("command", ["status", "keys", "explain"])
def test_the_root_of_a_workspace(command: str, project: Project) -> None:
    package(project, "hatch", HATCH)
    package(project, "mat", MATURIN)
    package(project, "app")
    package(project, "left-out", MATURIN)
    assert members(project) == ["app", "hatch", "mat", "pure-one", "two"]
    for place in (".", "pyproject.toml"):
        run = wheelprint(project, command, place)
        assert run.code == 2
        assert run.stdout == ""
        assert run.stderr.startswith(f"error: {project.root / 'pyproject.toml'}: the root of a uv")
        assert "`--package NAME`" in run.stderr
        assert "--all-packages" in run.stderr
        assert "\n    Pure.One in Pure\n    two in packages/two\nand does not build\n" in run.stderr
        assert "app in packages/app: nothing builds it, it has no [build-system]" in run.stderr
        assert "hatch in packages/hatch: Hatch builds it" in run.stderr
        assert (
            "mat in packages/mat: maturin builds it; `wheelprint init packages/mat` switches it"
            in run.stderr
        )
        assert "left-out" not in run.stderr
        assert 'requires = ["maturin' not in run.stderr


def test_a_workspace_without_any(check_out: CheckOut) -> None:
    project = check_out("pure")
    project.write("pyproject.toml", ROOT)
    package(project, "mat", MATURIN)
    for options in ([], ["--all-packages"]):
        run = wheelprint(project, "status", *options)
        assert run.code == 2
        assert "a uv workspace in which wheelprint builds no package" in run.stderr
        assert "mat in packages/mat: maturin builds it" in run.stderr


def test_one_package(project: Project) -> None:
    here = project.root / "Pure"
    plain = said(wheelprint(project, "explain", "--json", cwd=here).ok(), "explain")
    for name, cwd in (("pure-one", project.root), ("PURE_one", project.root / "packages" / "two")):
        run = wheelprint(project, "explain", "--json", "--package", name, cwd=cwd).ok()
        assert said(run, "explain") == plain
    run = wheelprint(project, "status", "--json", "--package", "Pure.One")
    assert run.code == 1
    assert said(run, "status")["project"] == {"name": "Pure.One", "root": str(here)}
    # It may be the root's own folder that is named.
    run = wheelprint(
        project, "status", "--package", "two", project.root, cwd=project.output_folder()
    )
    assert run.code == 1
    assert "project      two\n" in run.stdout


def test_no_such_package(project: Project) -> None:
    package(project, "hatch", HATCH)
    for name, hint in (
        ("pur-one", "did you mean `pure-one`?"),
        ("zzz", "its packages are hatch, pure-one, two"),
    ):
        run = wheelprint(project, "keys", "--package", name)
        assert run.code == 2
        assert f"--package: the workspace {project.root} has no package `{name}`" in run.stderr
        assert f"hint: {hint}\n" in run.stderr
    run = wheelprint(project, "keys", "--package", "hatch")
    assert run.code == 2
    assert "Hatch builds it" in run.stderr
    run = wheelprint(project, "keys", "--package", "x", cwd=project.output_folder())
    assert run.code == 2
    assert "no uv project" in run.stderr


@pytest.mark.parametrize("command", ["status", "keys", "explain", "verify"])
def test_one_or_all(command: str, project: Project) -> None:
    file = ["x.whl"] if command == "verify" else []
    run = wheelprint(project, command, "--package", "two", "--all-packages", *file)
    assert (run.code, run.stdout) == (2, "")
    assert "'--package <NAME>' cannot be used with '--all-packages'" in run.stderr


def test_keys_of_all(project: Project) -> None:
    package(project, "hatch", HATCH)
    before = project.read("packages/two/pyproject.toml")
    run = wheelprint(project, "keys", "--all-packages", "--check")
    assert run.code == 1
    assert run.stdout.splitlines()[0].split() == ["package", "folder", "inputs", "no", "key"]
    found = rows(run.stdout)
    assert [*found] == ["Pure.One", "two", "hatch"]
    assert found["hatch"] == ["packages/hatch", "Hatch builds it"]
    folder, _, missing = found["two"]
    assert (folder, missing != "0") == ("packages/two", True)
    assert "\n    README.md\n" in run.stdout
    assert "RUSTFLAGS" not in run.stdout
    # A note says which package it is about.
    assert "note: Pure.One: nothing was built yet" in run.stderr
    assert "note: two: nothing was built yet" in run.stderr
    assert project.read("packages/two/pyproject.toml") == before
    printed = wheelprint(project, "keys", "--all-packages").ok().stdout
    assert printed.count("\n    cache-keys = [\n") == 2
    assert project.read("packages/two/pyproject.toml") == before
    wheelprint(project, "keys", "--package", "two", "--write").ok()
    assert project.read("packages/two/pyproject.toml") != before
    assert wheelprint(project, "keys", "--all-packages", "--check").code == 1
    assert wheelprint(project, "keys", "--package", "two", "--check").code == 0
    run = wheelprint(project, "keys", "--all-packages", "--write").ok()
    found = rows(run.stdout)
    assert found["two"][2:] == ["nothing to change"]
    assert found["Pure.One"][2:] == ["written"]
    assert '\n    + { file = "README.md" }\n' in run.stdout
    run = wheelprint(project, "keys", "--all-packages", "--check", cwd=project.root / "Pure").ok()
    assert [row[2:] for row in rows(run.stdout).values()] == [["0"], ["0"], []]


def test_status_of_all(project: Project) -> None:
    package(project, "app")
    project.uv("sync", "--package", "two").ok()
    run = wheelprint(project, "status", "--all-packages", "--json")
    assert run.code == 1
    value = said(run, "status")
    assert value["workspace"] == str(project.root)
    found = [(one["project"]["name"], one["verdict"]) for one in value["packages"]]
    assert found == [("Pure.One", "stale"), ("two", "fresh")]
    app = {"name": "app", "root": str(project.root / "packages" / "app")}
    assert value["others"] == [{"project": app, "built-by": None}]
    run = wheelprint(project, "status", "--all-packages")
    assert run.code == 1
    found = rows(run.stdout)
    assert [*found] == ["Pure.One", "two", "app"]
    assert found["Pure.One"][:3] == ["Pure", "stale", "no"]
    assert found["Pure.One"][3].startswith("builds")
    assert found["two"] == ["packages/two", "fresh", "0.1.0, editable", "does nothing"]
    assert found["app"] == ["packages/app", "nothing builds it, it has no [build-system]"]
    assert "\n    it is not installed\n" in run.stdout
    project.append("packages/two/src/lib.rs", "// edited\n")
    run = wheelprint(project, "status", "--package", "two", "--package", "Pure_One")
    assert [*rows(run.stdout)] == ["two", "Pure.One"]
    assert "\n    src/lib.rs changed\n" in run.stdout
    value = said(wheelprint(project, "status", "--all-packages", "--json"), "status")
    schemas.snapshot("status-all-packages", value)


@pytest.mark.parametrize("command", ["log", "shared status"])
def test_json_of_all_names_each_package(command: str, project: Project, tmp_path: Path) -> None:
    package(project, "app")
    url = (tmp_path / "shared").as_uri()
    options = ("--all-packages", "--json")
    run = wheelprint(project, *command.split(), *options, WHEELPRINT_SHARED_URL=url).ok()
    value = said(run, command.replace(" ", "-"))
    names = [one["project"]["name"] for one in value["packages"]]
    assert names == ["Pure.One", "two"]
    assert [one["project"]["name"] for one in value["others"]] == ["app"]
    one = wheelprint(
        project, *command.split(), "--json", "--package", "two", WHEELPRINT_SHARED_URL=url
    )
    assert "project" not in said(one.ok(), command.replace(" ", "-"))


def test_explain_of_all(project: Project) -> None:
    package(project, "app")
    run = wheelprint(project, "explain", "--all-packages").ok()
    value = said(wheelprint(project, "explain", "--all-packages", "--json").ok(), "explain")
    found = rows(run.stdout)
    for one in value["packages"]:
        missing = [input["no-key-because"] == "no key covers it" for input in one["inputs"]]
        _, inputs, uncovered, parts = found[one["project"]["name"]]
        assert (inputs, uncovered) == (str(len(missing)), str(sum(missing)))
        rust = [input for input in one["inputs"] if input["part"] == "rust"]
        assert parts.startswith(f"rust {len(rust)}, ")
    assert "\n    README.md: no key covers it\n" in run.stdout
    assert run.stdout.endswith(
        "\n`wheelprint explain --package NAME` lists the inputs of one package.\n"
    )
    asked = ("--package", "two", "--package", "pure.one", "--package", "TWO")
    several = said(wheelprint(project, "explain", "--json", *asked).ok(), "explain")
    assert [one["project"]["name"] for one in several["packages"]] == ["two", "Pure.One"]
    assert several["others"] == []


def test_one_that_is_broken(project: Project) -> None:
    """uv refuses the workspace; the others are told of all the same."""
    project.write("packages/lost/file", "")
    assert "missing a `pyproject.toml`" in project.uv("workspace", "list").failed().stderr
    project.write("packages/torn/pyproject.toml", "[project\n")
    project.append("packages/two/pyproject.toml", "[tool.wheelprint]\non-stal = 1\n")
    for command in (["status"], ["explain"], ["keys"], ["keys", "--check"], ["keys", "--write"]):
        run = wheelprint(project, *command, "--all-packages")
        assert run.code == 2
        lines = [line.split() for line in run.stdout.splitlines() if line[0:1] not in ("", " ")]
        assert [line[:2] for line in lines[1:5]] == [
            ["-", "packages/lost"],
            ["-", "packages/torn"],
            ["Pure.One", "Pure"],
            ["two", "packages/two"],
        ]
        assert [line[2] == "error" for line in lines[1:5]] == [True, True, False, True]
        assert "no pyproject.toml\n    hint: mend it, or name the folder" in run.stdout
        assert "\n    pyproject.toml: tool.wheelprint.on-stal: unk" in run.stdout
    value = said(wheelprint(project, "explain", "--all-packages", "--json"), "explain")
    assert [one["project"]["name"] for one in value["packages"]] == [None, None, "Pure.One", "two"]
    assert "mend it" in value["packages"][0]["hint"]
    run = wheelprint(project, "keys", "--package", "lost")
    assert run.code == 2
    assert "no pyproject.toml" in run.stderr


def test_a_root_that_is_a_package(project: Project) -> None:
    text = project.read("Pure/pyproject.toml").replace("Pure.One", "top")
    project.write("pyproject.toml", text + "\n" + ROOT)
    for name in SOURCES:
        project.write(name, project.read(f"Pure/{name}"))
    assert members(project) == ["pure-one", "top", "two"]
    assert "project      top\n" in wheelprint(project, "status").stdout
    run = wheelprint(project, "status", "--all-packages")
    assert rows(run.stdout)["top"][0] == "."
    project.replace("pyproject.toml", '"wheelprint"\n', '"maturin"\n')
    assert "top in .: maturin builds it" in wheelprint(project, "status").stderr


def test_verify_at_the_root(project: Project) -> None:
    """`uv build --all-packages` puts all wheels into one folder: each has sources of its own."""
    project.uv("build", "--wheel", "--all-packages").ok()
    made = sorted(project.path("dist").glob("*.whl"))
    assert [wheel.name.split("-")[0] for wheel in made] == ["pure_one", "two"]
    wheelprint(project, "verify", *made).ok()
    project.append("packages/two/src/lib.rs", "// edited\n")
    for source in (".", "pyproject.toml"):
        run = wheelprint(project, "verify", *made, "--source", source, "--json")
        assert run.code == 1
        verified = {one["wheel"]: one["verified"] for one in json.loads(run.stdout)["artifacts"]}
        assert list(verified.values()) == [True, False]


def test_verify_of_all(project: Project) -> None:
    """Files are matched by name, from anywhere in the workspace."""
    project.uv("build", "--wheel", "--all-packages").ok()
    package(project, "hatch", HATCH)
    one, two = (next(project.path("dist").glob(f"{name}-*.whl")) for name in ("pure_one", "two"))
    for cwd in (project.root, project.root / "packages" / "two"):
        run = wheelprint(project, "verify", "--all-packages", two, one, cwd=cwd).ok()
        assert run.stdout.splitlines()[0].split() == ["file", "package", "folder", "state"]
        assert rows(run.stdout) == {
            two.name: ["two", "packages/two", "verified"],
            one.name: ["Pure.One", "Pure", "verified"],
        }
    project.append("packages/two/src/lib.rs", "// edited\n")
    # Of a package that another backend builds, of none, and no wheel at all.
    hatch, none, empty = (project.path("dist") / f"{name}-1-py3-none-any.whl" for name in "hne")
    hatch.write_bytes(renamed(one, "hatch"))
    none.write_bytes(renamed(one, "pure-zzz"))
    empty.write_bytes(b"")
    run = wheelprint(project, "verify", "--all-packages", hatch, none, empty, one, two)
    assert run.code == 2
    found = rows(run.stdout)
    assert [*found] == [hatch.name, none.name, empty.name, one.name, two.name]
    assert [row[2] for row in found.values()] == ["error"] * 3 + ["verified", "not verified"]
    assert "a file of `hatch`: Hatch builds it\n" in run.stdout
    assert "has no package `pure-zzz`\n" in run.stdout
    assert "\n      src/lib.rs changed\n" in run.stdout
    run = wheelprint(project, "verify", "--all-packages", "--json", none, one, two)
    value = said(run, "verify")
    assert (run.code, value["verified"]) == (2, False)
    places = [file.get("project") for file in value["artifacts"]]
    folders = [{"name": "Pure.One", "folder": "Pure"}, {"name": "two", "folder": "packages/two"}]
    assert places == [None, *folders]
    schemas.snapshot("verify-all-packages", value)
    run = wheelprint(project, "verify", "--package", "pure.one", one, two)
    assert run.code == 2
    assert rows(run.stdout)[one.name] == ["Pure.One", "Pure", "verified"]
    assert "a file of `two`, which `--package` does not name" in run.stdout
    run = wheelprint(project, "verify", "--package", "x", one)
    assert (run.code, run.stdout) == (2, "")
    assert "has no package `x`" in run.stderr
    run = wheelprint(project, "verify", "--all-packages", one, "--source", two)
    assert (run.code, run.stdout) == (2, "")
    assert "a wheel, which has no packages" in run.stderr


def renamed(wheel: Path, name: str) -> bytes:
    """The wheel with another name in its METADATA."""
    made = io.BytesIO()
    with zipfile.ZipFile(wheel) as old, zipfile.ZipFile(made, "w") as new:
        for info in old.infolist():
            content = old.read(info)
            if info.filename.endswith("/METADATA"):
                content = content.replace(b"Name: Pure.One", f"Name: {name}".encode())
            new.writestr(info, content)
    return made.getvalue()


def test_a_file_instead_of_its_folder(project: Project) -> None:
    for command in (["status"], ["explain"], ["keys"], ["init", "--check"]):
        folder = wheelprint(project, *command, "Pure")
        assert folder.code == (1 if command[0] in ("status", "init") else 0)
        file = wheelprint(project, *command, "Pure/pyproject.toml")
        assert (file.code, file.stdout) == (folder.code, folder.stdout), command
        run = wheelprint(project, *command, "Pure/Cargo.toml")
        assert run.code == 2
        assert "Cargo.toml: a file, where a project's folder is needed" in run.stderr
