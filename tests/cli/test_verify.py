"""`wheelprint verify`: is this wheel from these sources?"""

from __future__ import annotations

import json
import shutil
import zipfile
from typing import TYPE_CHECKING, Any, Callable

import pytest
from support import asking, wheels
from support.commands import wheelprint
from support.schemas import check, snapshot

if TYPE_CHECKING:
    from pathlib import Path

    from conftest import CheckOut
    from support.project import Project, Run


def uv_build(project: Project) -> Path:
    """The wheel that `uv build --wheel` makes, outside of the project."""
    folder = project.output_folder()
    project.uv("build", "--wheel", "--out-dir", folder).ok()
    (wheel,) = folder.glob("*.whl")
    return wheel


def verify(project: Project, wheel: Path, *arguments: str | Path, **changes: Any) -> dict[str, Any]:
    """What `wheelprint verify --json` says, which agrees with its exit code."""
    run = wheelprint(project, "verify", "--json", wheel, *arguments, **changes)
    assert run.code in (0, 1), run.output
    said: dict[str, Any] = json.loads(run.stdout)
    check("verify", said)
    assert said["verified"] is (run.code == 0)
    return said


def texts(said: dict[str, Any], name: str = "differences") -> list[str]:
    return [reason["text"] for reason in said[name]]


def copy_of(project: Project, folder: Path) -> Path:
    """All that was checked out, without what was built, somewhere else: the project's folder."""
    leave_out = shutil.ignore_patterns("target", ".venv", "*.so")
    shutil.copytree(project.bench.checkout_folder, folder, ignore=leave_out)
    return folder / project.root.relative_to(project.bench.checkout_folder)


def rewritten(wheel: Path, folder: Path, change: Callable[[str, bytes], bytes]) -> Path:
    """The same wheel with other contents, and RECORD as it was."""
    folder.mkdir(exist_ok=True)
    target = folder / wheel.name
    with zipfile.ZipFile(wheel) as old, zipfile.ZipFile(target, "w") as new:
        for info in old.infolist():
            new.writestr(info, change(info.filename, old.read(info)))
    return target


def assert_yes(said: dict[str, Any]) -> None:
    assert said["verified"], said
    assert said["differences"] == said["damaged"] == []


@pytest.mark.parametrize("name", ["hello-pure", "mixed-path-dep", "workspace", "watched-inputs"])
@pytest.mark.parametrize("kind", ["wheel", "editable"])
def test_here_and_in_a_copy_elsewhere(
    name: str, kind: str, check_out: CheckOut, tmp_path: Path
) -> None:
    project = check_out(name)
    wheel = uv_build(project) if kind == "wheel" else project.build("editable")[1]
    assert_yes(verify(project, wheel))
    fresh = str(tmp_path / "cache")
    assert_yes(verify(project, wheel, WHEELPRINT_CACHE_DIR=fresh))
    there = copy_of(project, tmp_path / "somewhere" / "else" / "and deeper")
    elsewhere = {"cwd": tmp_path, "WHEELPRINT_CACHE_DIR": fresh}
    said = verify(project, wheel, "--source", there, **elsewhere)
    assert_yes(said)
    source = there / project.sample.source
    source.write_text(source.read_text() + "// one line\n")
    said = verify(project, wheel, "--source", there, **elsewhere)
    assert texts(said) == [f"{project.sample.source} changed"]


def test_edit_revert_touch(check_out: CheckOut) -> None:
    project = check_out("hello-pure")
    wheel = uv_build(project)
    project.edit()
    assert texts(verify(project, wheel)) == ["src/lib.rs changed"]
    project.undo_edit()
    assert_yes(verify(project, wheel))
    project.touch("src/lib.rs")
    assert_yes(verify(project, wheel))
    # It means the same, and is another file.
    project.append("pyproject.toml", "# a comment\n")
    said = "pyproject.toml changed (comments or layout only)"
    assert texts(verify(project, wheel)) == [said]
    project.append("README.md", "More.\n")
    project.append("src/hello_pure/__init__.py", "MORE = 1\n")
    project.append("Cargo.toml", "\n[profile.release]\nlto = true\n")
    found = {(reason["part"], reason["name"]) for reason in verify(project, wheel)["differences"]}
    assert ("python", "src/hello_pure/__init__.py") in found
    assert ("metadata", "README.md") in found
    assert ("manifest", "Cargo.toml") in found or ("manifest", "Cargo.toml [workspace]") in found
    assert {part for part, _ in found} == {"python", "metadata", "manifest"}


def test_what_it_was_built_with_does_not_count(check_out: CheckOut) -> None:
    project = check_out("bin-bindings")
    project.append("src/main.rs", 'const _: Option<&str> = option_env!("READ_BY_CRATE");\n')
    _, wheel = project.build("wheel", READ_BY_CRATE="one", RUSTFLAGS="--cfg something")
    said = verify(project, wheel, READ_BY_CRATE="two")
    assert_yes(said)
    assert "READ_BY_CRATE: another value" in texts(said, "built-with")
    assert "RUSTFLAGS: set -> unset" in texts(said, "built-with")


def test_what_lies_above_the_tree_does_not_count(check_out: CheckOut, tmp_path: Path) -> None:
    project = check_out("hello-pure")
    wheel = uv_build(project)
    there = copy_of(project, tmp_path / "home" / "tree")
    config = tmp_path / "home" / ".cargo" / "config.toml"
    config.parent.mkdir()
    config.write_text("[profile.release]\nlto = true\n")
    said = verify(project, wheel, "--source", there)
    assert_yes(said)
    assert any(text.endswith(".cargo/config.toml is new") for text in texts(said, "built-with"))
    own = there / ".cargo" / "config.toml"
    own.parent.mkdir()
    own.write_text("[profile.release]\nlto = true\n")
    assert ".cargo/config.toml is new" in texts(verify(project, wheel, "--source", there))


def test_what_is_not_here_is_not_compared(check_out: CheckOut, tmp_path: Path) -> None:
    """maturin of another environment, and a file outside of every package."""
    project = check_out("hello-pure")
    header = tmp_path / "outside" / "words.txt"
    header.parent.mkdir()
    header.write_text("words")
    project.append("src/lib.rs", f'const _: &str = include_str!("{header.as_posix()}");\n')
    wheel = uv_build(project)
    venv = project.new_venv()
    project.uv("pip", "install", "--python", venv, "wheelprint").ok()
    program = next(path for path in venv.glob("*/wheelprint*") if path.is_file())
    fresh = str(tmp_path / "cache")
    run = project.run(program, "verify", "--json", wheel, WHEELPRINT_CACHE_DIR=fresh)
    said = json.loads(run.ok().stdout)
    assert_yes(said)
    named = {reason["name"] for reason in said["not-compared"]}
    assert named == {"maturin", "outside:1: words.txt"}


def test_another_projects_wheel(check_out: CheckOut, tmp_path: Path) -> None:
    wheel = uv_build(check_out("hello-pure"))
    kept = shutil.copy(wheel, tmp_path)
    said = verify(check_out("mixed-path-dep"), kept)
    assert not said["verified"]
    assert "src/lib.rs changed" in texts(said)


def test_a_module_that_was_replaced(check_out: CheckOut, tmp_path: Path) -> None:
    project = check_out("hello-pure")
    wheel = uv_build(project)

    def other(name: str, content: bytes) -> bytes:
        return content + b"x" if name.endswith((".so", ".pyd")) else content

    said = verify(project, rewritten(wheel, tmp_path, other))
    assert not said["verified"]
    assert said["differences"] == []
    (damage,) = said["damaged"]
    assert damage["cause"] == "is not what RECORD says"
    assert damage["name"].startswith("hello_pure/_core")
    run = wheelprint(project, "verify", tmp_path / wheel.name)
    assert run.code == 1
    assert damage["name"] in run.stdout


def test_a_file_that_was_added(check_out: CheckOut, tmp_path: Path) -> None:
    project = check_out("hello-pure")
    wheel = tmp_path / uv_build(project).name
    shutil.copy(uv_build(project), wheel)
    with zipfile.ZipFile(wheel, "a") as archive:
        archive.writestr("hello_pure/evil.py", "")
    (damage,) = verify(project, wheel)["damaged"]
    assert damage == {"name": "hello_pure/evil.py", "cause": "is not in RECORD"}


def test_an_untrusted_record(check_out: CheckOut, tmp_path: Path) -> None:
    project = check_out("hello-pure")
    wheel = uv_build(project)

    def untrusted(name: str, content: bytes) -> bytes:
        if not name.endswith("/wheelprint.json"):
            return content
        record = json.loads(content)
        record["untrusted"] = ["src/lib.rs changed while it was being built"]
        return json.dumps(record).encode()

    said = verify(project, rewritten(wheel, tmp_path, untrusted))
    assert texts(said) == ["src/lib.rs changed while it was being built"]


def test_the_tree_has_what_was_built_from_it(check_out: CheckOut) -> None:
    """Files below cargo's target folder are no sources, though a build script watches all."""
    project = check_out("watched-inputs")
    script = project.read("build.rs")
    project.write("build.rs", script.replace("fn main() {", WATCH_ALL, 1))
    # The first build's own products are new to it.
    uv_build(project)
    wheel = uv_build(project)
    if wheels.record(wheel).get("untrusted"):
        pytest.skip("the build itself is not sure of what it watched")
    said = verify(project, wheel)
    assert_yes(said)


WATCH_ALL = 'fn main() {\n    println!("cargo:rerun-if-changed=.");\n'


def test_json_keeps_its_shape(check_out: CheckOut) -> None:
    project = check_out("hello-pure")
    wheel = uv_build(project)
    project.edit()
    project.append("src/hello_pure/__init__.py", "MORE = 1\n")
    snapshot("verify", verify(project, wheel, RUSTFLAGS="-g"))


def test_words(check_out: CheckOut) -> None:
    project = check_out("hello-pure")
    wheel = uv_build(project)
    run = wheelprint(project, "verify", wheel, "--source", ".").ok()
    assert run.stdout.splitlines()[0] == f"{wheel.name}: verified"
    several = wheelprint(project, "verify", wheel, wheel, "--source", ".").ok()
    assert several.stdout.splitlines()[-1] == "2 of 2 files verified"
    project.edit()
    run = wheelprint(project, "verify", wheel)
    assert run.code == 1
    assert run.stdout.splitlines()[0] == f"{wheel.name}: not verified"
    assert "  src/lib.rs changed" in run.stdout.splitlines()
    assert "\x1b" not in run.stdout
    assert "\x1b[31m" in wheelprint(project, "verify", wheel, FORCE_COLOR="1").stdout


def change_record(change: Callable[[dict[str, Any]], Any]) -> Callable[[str, bytes], bytes]:
    def changed(name: str, content: bytes) -> bytes:
        if not name.endswith("/wheelprint.json"):
            return content
        record = json.loads(content)
        return json.dumps(change(record) or record).encode()

    return changed


def nothing_recorded(record: dict[str, Any]) -> None:
    empty = "6c7d3c0f"
    record.update(watches=[], inputs=[], fingerprint={"sha256": empty, "parts": {}})


BAD_RECORDS = {
    "a place of this machine": lambda record: record["roots"].update({"project": "/etc"}),
    "an endless file": lambda record: record["watches"].append(
        {
            **{"watch": "place", "look": {"toml": "whole"}, "part": "rust"},
            **{"root": "project", "path": "../" * 30 + "dev/zero"},
        }
    ),
    "nothing in it": nothing_recorded,
}


@pytest.mark.parametrize("case", BAD_RECORDS)
def test_records_that_no_build_writes(case: str, check_out: CheckOut, tmp_path: Path) -> None:
    project = check_out("hello-pure")
    _, wheel = project.build("wheel")
    bad = rewritten(wheel, tmp_path, change_record(BAD_RECORDS[case]))
    run = wheelprint(project, "verify", bad)
    assert_refused(run)


def assert_refused(run: Run) -> None:
    """Exit 2, with the reason and what to do, and nothing on stdout."""
    assert run.code == 2, run.output
    assert run.stdout == ""
    assert run.stderr.startswith("error: ")
    assert "internal error" not in run.stderr


def test_what_cannot_be_done(check_out: CheckOut, tmp_path: Path) -> None:
    project = check_out("hello-pure")
    _, wheel = project.build("wheel")
    run = wheelprint(project, "verify", wheel, "--source", tmp_path)
    assert_refused(run)
    assert "pyproject.toml" in run.stderr
    run = wheelprint(project, "verify", tmp_path / "nothing.whl")
    assert_refused(run)

    plain = tmp_path / wheel.name
    with zipfile.ZipFile(wheel) as old, zipfile.ZipFile(plain, "w") as new:
        for info in old.infolist():
            if not info.filename.endswith("/wheelprint.json"):
                new.writestr(info, old.read(info))
    run = wheelprint(project, "verify", plain)
    assert_refused(run)
    assert "there is no record in it" in run.stderr
    assert "hint: " in run.stderr


def built_through_an_sdist(project: Project) -> list[Path]:
    """What `uv build` makes: an sdist, and a wheel of it."""
    folder = project.output_folder()
    project.uv("build", "--out-dir", folder).ok()
    return sorted(folder.glob("*.tar.gz")) + sorted(folder.glob("*.whl"))


def watch_everything(project: Project) -> None:
    """A build script that names nothing to watch: cargo watches all files of the package."""
    project.write("build.rs", "fn main() {}\n")


@pytest.mark.parametrize("git", ["git", "no git"])
@pytest.mark.parametrize("rule", ["include", "exclude", "maturin's exclude"])
def test_a_file_that_sdists_leave_out(git: str, rule: str, check_out: CheckOut) -> None:
    """Also a file that is there only since `uv lock`."""
    project = check_out("bin-bindings")
    watch_everything(project)
    if rule == "include":
        include = '["/src", "/build.rs", "/README.md", "/pyproject.toml"]'
        project.replace("Cargo.toml", "publish = false", f"publish = false\ninclude = {include}")
    elif rule == "exclude":
        exclude = '["/uv.lock", "*.orig"]'
        project.replace("Cargo.toml", "publish = false", f"publish = false\nexclude = {exclude}")
    else:
        project.replace("pyproject.toml", "[tool.maturin]", '[tool.maturin]\nexclude = ["uv.lock"]')
    if git == "git":
        # What a warm build left is there already, and nobody tracks it.
        project.write(".gitignore", "/target/\n")
        asking.git(project, "init", "--quiet", cwd=project.root)
        asking.git(project, "add", ".", cwd=project.root)
    project.write("uv.lock", "version = 1\n")
    sdist, wheel = built_through_an_sdist(project)
    assert_yes(verify(project, sdist))
    assert_yes(verify(project, wheel))
    project.append("src/main.rs", "// one line\n")
    assert texts(verify(project, wheel)) == ["src/main.rs changed"]


def test_a_new_file_that_the_package_holds_is_one(check_out: CheckOut) -> None:
    project = check_out("bin-bindings")
    watch_everything(project)
    _, wheel = built_through_an_sdist(project)
    project.write("data.txt", "new\n")
    assert texts(verify(project, wheel)) == ["data.txt is new"]


@pytest.mark.parametrize("git", ["git", "no git"])
def test_a_workspace_whose_root_watches_everything(git: str, check_out: CheckOut) -> None:
    """The members' files lie below the root package, and are not its own."""
    project = check_out("bin-bindings")
    watch_everything(project)
    project.append("Cargo.toml", '\n[workspace]\nmembers = ["crates/*"]\n')
    project.append("Cargo.toml", '\n[dependencies]\nused = { path = "crates/used" }\n')
    for member in ("used", "unused"):
        package = f'[package]\nname = "{member}"\nversion = "0.1.0"\nedition = "2024"\n'
        project.write(f"crates/{member}/Cargo.toml", package)
        project.write(f"crates/{member}/src/lib.rs", f"//! {member}\n")
        project.write(f"crates/{member}/README.md", f"{member}\n")
    project.run("cargo", "generate-lockfile", "--offline").ok()
    if git == "git":
        # What a warm build left is there already, and nobody tracks it.
        project.write(".gitignore", "/target/\n")
        asking.git(project, "init", "--quiet", cwd=project.root)
        asking.git(project, "add", ".", cwd=project.root)
    sdist, wheel = built_through_an_sdist(project)
    assert_yes(verify(project, sdist))
    assert_yes(verify(project, wheel))
    _, of_the_tree = project.build("wheel")
    assert_yes(verify(project, of_the_tree))
    project.append("crates/unused/src/lib.rs", "// one line\n")
    assert_yes(verify(project, of_the_tree))
    project.append("crates/used/src/lib.rs", "// one line\n")
    assert texts(verify(project, wheel)) == ["crates/used/src/lib.rs changed"]


def test_a_manifest_in_a_folder_with_brackets(check_out: CheckOut) -> None:
    """What stands in brackets is a part of its path."""
    project = check_out("bin-bindings")
    manifest = "a [b]/Cargo.toml"
    package = '[package]\nname = "inner"\nversion = "0.1.0"\nedition = "2024"\n'
    project.write(manifest, package)
    project.write("a [b]/src/lib.rs", 'pub const WORD: &str = "one";\n')
    project.append("Cargo.toml", '\n[dependencies]\ninner = { path = "a [b]" }\n')
    project.run("cargo", "generate-lockfile", "--offline").ok()
    _, wheel = project.build("wheel")
    assert_yes(verify(project, wheel))
    project.append(manifest, "# a comment\n")
    assert texts(verify(project, wheel)) == [f"{manifest} changed (comments or layout only)"]
    project.append(manifest, 'license = "MIT"\n')
    assert texts(verify(project, wheel)) == [f"{manifest} changed"]


def test_a_record_that_was_taken_out(check_out: CheckOut, tmp_path: Path) -> None:
    """RECORD still lists it, so somebody changed the wheel."""
    project = check_out("bin-bindings")
    wheel = uv_build(project)
    target = tmp_path / wheel.name
    with zipfile.ZipFile(wheel) as old, zipfile.ZipFile(target, "w") as new:
        for info in old.infolist():
            if not info.filename.endswith("/wheelprint.json"):
                new.writestr(info, old.read(info))
    run = wheelprint(project, "verify", target)
    assert run.code == 2
    assert "wheelprint.json is in RECORD and not in the wheel" in run.stderr, run.output
    assert "somebody changed the file" in run.stderr
