"""Sources and records of a hostile author: no program is run, and nothing is written elsewhere."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import struct
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from support import archives, asking, forged, privileges
from support.commands import wheelprint

if TYPE_CHECKING:
    from conftest import CheckOut
    from support.project import Project

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="links and shell scripts")


@pytest.fixture
def project(check_out: CheckOut) -> Project:
    """A project whose folder is a repository with one commit."""
    project = check_out("bin-bindings")
    project.write(".gitignore", "/target/\n/dist/\n")
    for command in (["init", "--quiet"], ["add", "--all"], ["commit", "--quiet", "-m", "one"]):
        git(project, *command)
    return project


def git(project: Project, *arguments: str) -> str:
    return asking.git(project, *arguments, cwd=project.root).strip()


def built(project: Project, kind: str = "--wheel") -> Path:
    _, (artifact,) = archives.uv_build(project, kind)
    return artifact


def watch_package(record: dict[str, Any]) -> None:
    """Has the files of a package listed, for which git is asked."""
    watch = {"watch": "place", "look": "package", "part": "rust", "root": "project", "path": ""}
    record["watches"].append(watch)


def programs(project: Project, marker: Path) -> None:
    """Programs that git runs for a folder: a monitor of files, hooks, and filters."""
    script = project.root / ".git" / "program"
    script.write_text(f'#!/bin/sh\necho "$0" >> "{marker}"\ncat\n')
    script.chmod(0o755)
    hooks = project.root / ".git" / "hooks"
    hooks.mkdir(exist_ok=True)
    for name in ("post-index-change", "post-checkout", "reference-transaction"):
        shutil.copy(script, hooks / name)
    git(project, "config", "core.fsmonitor", str(script))
    git(project, "config", "extensions.worktreeConfig", "true")
    git(project, "config", "--worktree", "filter.two.more.smudge", str(script))
    drivers = ("one", "a=b")
    sections = [f'[filter "{name}"]\n\tsmudge = {script}\n\tclean = {script}\n' for name in drivers]
    with (project.root / ".git" / "config").open("a") as file:
        file.write("".join(sections))
    info = project.root / ".git" / "info"
    info.mkdir(exist_ok=True)
    (info / "attributes").write_text(
        "*.rs filter=one\n*.toml filter=two.more\nCargo.lock filter=a=b\n"
    )


def test_no_program_of_a_repository_is_run(project: Project, tmp_path: Path) -> None:
    wheel = built(project)
    packages = forged.changed_record(wheel, tmp_path / "packages", watch_package)
    marker = tmp_path / "was run"
    programs(project, marker)
    git(project, "checkout-index", "--all", "--force")
    assert marker.exists(), "the programs are such that git runs"
    marker.unlink()
    for source in (".", ".@HEAD"):
        for command in ("verify", "provenance"):
            run = wheelprint(project, command, wheel, "--source", source).ok()
            assert "no commit is named" not in run.stderr
        wheelprint(project, "verify", packages, "--source", source)
        assert not marker.exists(), marker.read_text()


@pytest.mark.parametrize("place", ["inner", ".."])
def test_another_work_tree_in_the_settings_of_a_repository(place: str, project: Project) -> None:
    """The folder would be outside of the revision, or another folder in it."""
    wheel = built(project)
    (project.root / place).mkdir(exist_ok=True)
    git(project, "config", "core.worktree", str((project.root / place).resolve()))
    run = wheelprint(project, "verify", wheel, "--source", ".@HEAD")
    assert run.code == 2, run.output
    assert run.stdout == ""


def test_variables_that_the_sources_name_reach_no_program(project: Project, tmp_path: Path) -> None:
    wheel = built(project)
    marker = tmp_path / "was run"
    for name in ("rustc", "git"):
        program = tmp_path / "bin" / name
        program.parent.mkdir(exist_ok=True)
        program.write_text(f'#!/bin/sh\necho "$0" >> "{marker}"\n')
        program.chmod(0o755)
    cache = tmp_path / "cache"
    lines = (
        "[tool.uv.extra-build-variables]",
        f'bin-bindings = {{ RUSTC = "{program.parent}/rustc", PATH = "{program.parent}",'
        f' WHEELPRINT_CACHE_DIR = "{cache}" }}',
    )
    project.append("pyproject.toml", "\n" + "\n".join(lines) + "\n")
    # Other users of the machine may write to the folder for temporary files.
    temporary = tmp_path / "temporary"
    (temporary / ".cargo").mkdir(parents=True)
    config = f'[build]\nrustc = "{program.parent}/rustc"\n'
    (temporary / ".cargo" / "config.toml").write_text(config)
    for command in ("verify", "provenance"):
        for source in (".", ".@HEAD"):
            run = wheelprint(project, command, wheel, "--source", source, TMPDIR=temporary)
            # pyproject.toml is not that of the wheel, or not yet in the commit.
            assert run.code in (0, 1), run.output
    assert not marker.exists(), marker.read_text()
    assert not cache.exists()


def test_an_object_with_other_content(project: Project) -> None:
    """git does not look at the content of a file's object when it writes the file."""
    honest = git(project, "rev-parse", "HEAD:src/main.rs")
    project.edit()
    other = git(project, "hash-object", "-w", "src/main.rs")
    wheel = built(project)
    objects = project.root / ".git" / "objects"
    target = objects / honest[:2] / honest[2:]
    target.chmod(0o644)
    target.write_bytes((objects / other[:2] / other[2:]).read_bytes())
    assert git(project, "show", "HEAD:src/main.rs") == project.read("src/main.rs").strip()
    run = wheelprint(project, "verify", wheel, "--source", ".@HEAD")
    assert run.code == 2, run.output
    assert "revision HEAD: " in run.stderr
    assert "hint: can git check it out?" in run.stderr


def test_a_package_outside_of_the_revision(project: Project, tmp_path: Path) -> None:
    """A workspace may have members outside of its repository. No commit has them."""
    wheel = built(project)
    work = tmp_path / "workspace"
    work.mkdir()
    members = os.path.relpath(project.root, work)
    for text in (members, str(project.root)):
        (work / "pyproject.toml").write_text(f'[tool.uv.workspace]\nmembers = ["{text}"]\n')
        for command in (["init", "--quiet"], ["add", "."], ["commit", "--quiet", "-m", "one"]):
            asking.git(project, *command, cwd=work)
        run = wheelprint(project, "provenance", wheel, "--source", work).ok()
        assert "no commit is named" in run.stderr
        assert "gitCommit" not in run.stdout
        for command in (["verify"], ["provenance"]):
            run = wheelprint(project, *command, wheel, "--source", f"{work}@HEAD")
            assert run.code in (1, 2), run.output
        (work / "pyproject.toml").unlink()


def test_a_repository_in_an_sdist(project: Project, tmp_path: Path) -> None:
    """git would take the unpacked files for a repository, and run the program in its settings."""
    wheel, sdist = built(project), built(project, "--sdist")
    marker = tmp_path / "was run"
    config = f'[core]\n\trepositoryformatversion = 0\n\tfsmonitor = "echo >> {marker}; false"\n'
    contents = {"HEAD": "ref: refs/heads/main\n", "objects/x": "", "refs/x": "", "config": config}

    def of_name(name: str) -> Path:
        repository = {f"{name}/{file}": text.encode() for file, text in contents.items()}

        def change(record: dict[str, Any]) -> None:
            watch_package(record)
            for path, content in repository.items():
                sha256 = hashlib.sha256(content).hexdigest()
                record["source"]["files"][path] = sha256
                record["packed"].append({"path": path, "sha256": sha256, "source": path})
            record["packed"].sort(key=lambda packed: packed["path"])

        def add(files: dict[str, bytes]) -> None:
            record = forged.fitting(json.loads(files["wheelprint.json"]), change)
            files.update(repository)
            files["wheelprint.json"] = record

        return archives.rewritten(sdist, tmp_path / "sdist", add)

    packages = forged.changed_record(wheel, tmp_path / "packages", watch_package)
    for name in (".git", "sub/.GIT", ".git.", ".g\u200cit"):
        hostile = of_name(name)
        for artifact in (hostile, packages):
            run = wheelprint(project, "verify", artifact, "--source", hostile)
            assert run.code == 2, run.output
            assert "a repository of git, which may name programs" in run.stderr
    # Unpacked by somebody else's hand.
    folder = archives.unpack(of_name(".git"), tmp_path / "unpacked")
    wheelprint(project, "verify", packages, "--source", folder)
    assert not marker.exists()


def test_a_commit_is_what_its_name_says(project: Project) -> None:
    """`git replace` has other content shown under the name of a commit."""
    honest = git(project, "rev-parse", "HEAD")
    project.edit()
    git(project, "commit", "--quiet", "--all", "-m", "two")
    other = git(project, "rev-parse", "HEAD")
    wheel = built(project)
    git(project, "replace", honest, other)
    for command in ("verify", "provenance"):
        assert wheelprint(project, command, wheel, "--source", f".@{other}").code == 0
        assert wheelprint(project, command, wheel, "--source", f".@{honest}").code == 1


def test_a_link_that_leads_out_of_a_revision(project: Project, tmp_path: Path) -> None:
    """What it leads to is no part of the revision."""
    source = project.root / "src" / "main.rs"
    shutil.move(source, tmp_path / "main.rs")
    source.symlink_to(tmp_path / "main.rs")
    project.write("other.txt", "")
    (project.root / "src" / "inside.txt").symlink_to("../other.txt")
    git(project, "add", "--all")
    git(project, "commit", "--quiet", "-m", "links")
    wheel = built(project)
    wheelprint(project, "verify", wheel).ok()
    run = wheelprint(project, "verify", wheel, "--source", ".@HEAD")
    assert run.code == 2
    assert "src/main.rs is behind a link that leads out of the revision" in run.stderr
    run = wheelprint(project, "provenance", wheel).ok()
    assert "no commit is named" in run.stderr


def test_the_variables_of_a_git_hook_name_no_repository(project: Project, tmp_path: Path) -> None:
    wheel = built(project)
    copy = tmp_path / "copy"
    shutil.copytree(project.root, copy, ignore=shutil.ignore_patterns("target"))
    project.edit()
    git(project, "commit", "--quiet", "--all", "-m", "two")
    hook = {"GIT_DIR": str(copy / ".git"), "GIT_WORK_TREE": str(copy)}
    assert wheelprint(project, "verify", wheel, "--source", ".@HEAD", **hook).code == 1
    wheelprint(project, "verify", wheel, "--source", ".@HEAD~", **hook).ok()


def test_devices_are_not_read(project: Project, tmp_path: Path) -> None:
    wheel = built(project)

    def zero(record: dict[str, Any]) -> None:
        record["source"]["files"]["../" * 20 + "dev/zero"] = "0" * 64

    project.seconds = 60
    pipe = tmp_path / wheel.name
    os.mkfifo(pipe)
    for command in ("verify", "provenance", "inspect", "rebuild"):
        run = wheelprint(project, command, pipe)
        assert run.code == 2, run.output
        assert "not a file" in run.stderr
    hostile = forged.changed_record(wheel, tmp_path / "zero", zero)
    run = wheelprint(project, "verify", hostile)
    assert run.code == 1
    assert "dev/zero can't be relied on: not a file" in run.stdout
    for name, words in (("README.md", "README.md"), ("pyproject.toml", "not a file")):
        content = (project.root / name).read_bytes()
        (project.root / name).unlink()
        (project.root / name).symlink_to("/dev/zero")
        run = wheelprint(project, "verify", wheel)
        assert run.code in (1, 2)
        assert words in run.output
        (project.root / name).unlink()
        (project.root / name).write_bytes(content)
    # What the files of a package are found by, and what cargo's configuration includes.
    packages = forged.changed_record(wheel, tmp_path / "packages", watch_package)
    exclude = project.root / ".git/info/exclude"
    for rules in (project.root / ".gitignore", exclude):
        rules.unlink(missing_ok=True)
        os.mkfifo(rules)
        run = wheelprint(project, "verify", packages)
        assert run.code == 1
        assert "git's rules are not in a regular file" in run.stdout
        rules.unlink()
    project.write(".cargo/config.toml", 'include = ["/dev/zero"]\n')
    assert wheelprint(project, "verify", wheel).code == 1


@pytest.mark.parametrize("where", ["outside", "beside"])
def test_rebuild_writes_nothing_behind_a_link(where: str, project: Project, tmp_path: Path) -> None:
    """A record names files behind a link that leads out of the tree: absolute, or relative."""
    outside = tmp_path / "data"
    (outside / "deep").mkdir(parents=True)
    for name in ("notes.txt", "deep/more.txt"):
        (outside / name).write_text("precious\n")
    target = outside if where == "outside" else Path(os.path.relpath(outside, project.root))
    (project.root / "out").symlink_to(target)
    project.write("out.txt", "")
    wheel = built(project)
    sha256 = hashlib.sha256(b"precious\n").hexdigest()

    def change(record: dict[str, Any]) -> None:
        record["source"]["files"].update({"out/notes.txt": sha256, "out/deep": sha256})

    hostile = forged.changed_record(wheel, tmp_path / "hostile", change)
    run = wheelprint(project, "rebuild", hostile, UV=project.bench.uv)
    assert run.code in (1, 2), run.output
    for name in ("notes.txt", "deep/more.txt"):
        assert (outside / name).read_text() == "precious\n"
    # The honest wheel of the same tree.
    run = wheelprint(project, "rebuild", wheel, UV=project.bench.uv).ok()
    assert "identical" in run.stdout
    # A folder that was tracked, and is a link now. git still lists its files.
    for name in ("notes.txt", "deep/more.txt"):
        project.write(f"tracked/{name}", "tracked\n")
    git(project, "add", "tracked")
    shutil.rmtree(project.root / "tracked")
    (project.root / "tracked").symlink_to(target)
    wheelprint(project, "rebuild", wheel, UV=project.bench.uv)
    for name in ("notes.txt", "deep/more.txt"):
        assert (outside / name).read_text() == "precious\n"


def test_rebuild_of_read_only_sources(project: Project) -> None:
    wheel = built(project)
    for path in project.root.glob("src/*"):
        path.chmod(0o444)
    as_user = privileges.obeying_modes()
    run = wheelprint(project, "rebuild", wheel, prefix=as_user, UV=project.bench.uv).ok()
    assert "identical" in run.stdout


def index(entries: dict[str, int]) -> bytes:
    """git's list of files (gitformat-index, version 2), with names that git itself would refuse."""
    content = b"DIRC" + struct.pack(">LL", 2, len(entries))
    for name, mode in sorted(entries.items()):
        entry = struct.pack(">10L20sH", *[0] * 6, mode, 0, 0, 0, bytes(20), len(name.encode()))
        # Mode is the seventh number.
        entry += name.encode()
        content += entry + b"\0" * (8 - len(entry) % 8)
    return content + hashlib.sha1(content).digest()


def test_rebuild_of_a_repository_with_a_hostile_index(project: Project, tmp_path: Path) -> None:
    """It lists files behind a link, and above the repository."""
    outside = tmp_path / "data"
    outside.mkdir()
    (outside / "notes.txt").write_text("precious\n")
    (project.root / "out").symlink_to(outside)
    (project.root.parent / "above.txt").write_text("above\n")
    wheel = built(project)
    names = git(project, "ls-files").splitlines()
    hidden = ("out/notes.txt", "../above.txt", ".git/config")
    entries = dict.fromkeys([*names, *hidden], 0o100644)
    marker = tmp_path / "was run"
    git(project, "config", "filter.one.clean", f"echo >> {marker}; cat")
    project.write(".gitattributes", "*.rs filter=one\n")
    entries["out"] = 0o120000
    (project.root / ".git" / "index").write_bytes(index(entries))
    assert "../above.txt" in git(project, "ls-files").splitlines()
    keep = tmp_path / "keep"
    run = wheelprint(project, "rebuild", wheel, "--keep", keep, UV=project.bench.uv)
    assert "built again with rustc" in run.stdout
    assert (outside / "notes.txt").read_text() == "precious\n"
    assert not list(keep.rglob("above.txt"))
    assert not marker.exists()
