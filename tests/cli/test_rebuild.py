"""`wheelprint rebuild`: builds the wheel again, and says how the two differ."""

from __future__ import annotations

import json
import os
import shutil
import sys
import time
import zipfile
from pathlib import Path
from typing import TYPE_CHECKING, Any, Callable

import pytest
from support import asking, packages, wheels
from support.archives import sorted_by_kind, uv_build
from support.commands import program, wheelprint
from support.forged import changed_record, rewritten
from support.killing import Started
from support.schemas import check, snapshot

if TYPE_CHECKING:
    from conftest import CheckOut
    from support.project import Project, Run


@pytest.fixture
def temporary(tmp_path: Path) -> Path:
    """The folder for temporary files of a command."""
    folder = tmp_path / "temporary"
    folder.mkdir()
    return folder


def run_rebuild(
    project: Project, wheel: Path, *arguments: str | Path, temporary: Path, **changes: Any
) -> Run:
    """Runs the command. It leaves no temporary file behind."""
    changes.setdefault("UV", project.bench.uv)
    run = wheelprint(project, "rebuild", wheel, *arguments, TMPDIR=temporary, **changes)
    assert list(temporary.iterdir()) == [], run.output
    return run


def rebuild(
    project: Project, wheel: Path, *arguments: str | Path, temporary: Path, **changes: Any
) -> dict[str, Any]:
    """What `wheelprint rebuild --json` says, which agrees with its exit code."""
    run = run_rebuild(project, wheel, "--json", *arguments, temporary=temporary, **changes)
    assert run.code in (0, 1), run.output
    said: dict[str, Any] = json.loads(run.stdout)
    check("rebuild", said)
    is_yes = said["result"] == "identical" or (
        said["result"] == "harmless" and "--allow-harmless" in arguments
    )
    assert is_yes is (run.code == 0)
    return said


def refused(run: Run) -> str:
    """The error of a command that failed: exit 2, and nothing on stdout."""
    assert run.code == 2, run.output
    assert run.stdout == ""
    assert "internal error" not in run.stderr
    assert "error: " in run.stderr
    return run.stderr


def assert_identical(said: dict[str, Any]) -> None:
    assert said["result"] == "identical", said
    assert said["rebuilt"]["differences"] == []
    assert said["rebuilt"]["not-recreated"] == []
    assert said["rebuilt"]["wheel-sha256"] == said["rebuilt"]["rebuilt-sha256"]


def files_that_differ(said: dict[str, Any], *, harmless: bool) -> set[str]:
    """The names of files with such a difference, without their folders."""
    found = [it for it in said["rebuilt"]["differences"] if it["harmless"] is harmless]
    return {(it["file"] or "").rsplit("/", 1)[-1] for it in found}


def built(project: Project, **changes: Any) -> Path:
    """A wheel from the tree, as uv builds it."""
    _, (wheel,) = uv_build(project, "--wheel", **changes)
    return wheel


def other_rustc(version: str) -> Callable[[dict[str, Any]], None]:
    def change(record: dict[str, Any]) -> None:
        for entry in record["inputs"]:
            if entry["name"] == "rustc":
                host = next(
                    line for line in entry["value"]["text"].split("; ") if line.startswith("host")
                )
                entry["value"] = {"text": f"rustc {version} (a b); {host}; release: {version}"}

    return change


def other_maturin(version: str) -> Callable[[dict[str, Any]], None]:
    def change(record: dict[str, Any]) -> None:
        for entry in record["inputs"]:
            if entry["name"] == "maturin":
                entry["value"] = {"text": version}

    return change


def copied(project: Project, folder: Path) -> Path:
    """The project in another folder, without what was built."""
    leave_out = shutil.ignore_patterns("target", ".venv", "*.so")
    shutil.copytree(project.root, folder, ignore=leave_out)
    return folder


def test_identical_from_another_path(check_out: CheckOut, tmp_path: Path, temporary: Path) -> None:
    project = check_out("bin-bindings")
    wheel = built(project)
    there = copied(project, tmp_path / "another" / "and deeper" / "path")
    fresh = {"HOME": str(tmp_path), "CARGO_HOME": cargo_home()}
    assert_identical(rebuild(project, wheel, "--source", there, temporary=temporary, **fresh))
    words = run_rebuild(project, wheel, "--source", there, temporary=temporary).ok().stdout
    assert words.splitlines()[0] == f"{wheel.name}: identical"
    assert "built again with rustc " in words


def cargo_home() -> str:
    return os.environ.get("CARGO_HOME") or str(Path.home() / ".cargo")


def test_identical_from_git_and_from_an_sdist(check_out: CheckOut, temporary: Path) -> None:
    """A wheel that was built through an sdist. The tree has a file that only git's rules leave
    out, and one that git does not know."""
    project = check_out("bin-bindings")
    project.write(".gitignore", "/target/\n/notes.txt\n")
    asking.git(project, "init", "--quiet", cwd=project.root)
    asking.git(project, "add", ".", cwd=project.root)
    asking.git(project, "commit", "--quiet", "-m", "one", cwd=project.root)
    project.write("notes.txt", "not for git\n")
    _, (sdist, wheel) = sorted_by_kind(*uv_build(project))
    for source in (".", ".@HEAD", sdist):
        said = rebuild(project, wheel, "--source", source, temporary=temporary)
        assert_identical(said)
    # The index and the tree are as they were.
    assert asking.git(project, "status", "--porcelain", cwd=project.root) == ""
    project.edit()
    said = rebuild(project, wheel, temporary=temporary)
    assert said["result"] == "other-sources"
    assert_identical(rebuild(project, wheel, "--source", ".@HEAD", temporary=temporary))


def test_a_project_below_its_workspace(check_out: CheckOut, temporary: Path) -> None:
    """From the tree and through an sdist, in which maturin moves the project to the top. Also the
    SBOMs are equal, which name the folders of packages."""
    project = check_out("bin-bindings")
    members = '["bindings/python", "crates/engine"]'
    project.write("../../Cargo.toml", f'[workspace]\nmembers = {members}\nresolver = "2"\n')
    packages.add(project, "../../crates/engine", source="pub const POWER: u32 = 90;\n")
    project.append("Cargo.toml", '\n[dependencies]\nengine = { path = "../../crates/engine" }\n')
    project.append("src/main.rs", "const _: u32 = engine::POWER;\n")
    project.path("Cargo.lock").unlink()
    project.run("cargo", "generate-lockfile", "--offline").ok()
    of_tree = built(project)
    _, (sdist, of_sdist) = sorted_by_kind(*uv_build(project))
    assert of_tree.read_bytes() == of_sdist.read_bytes()
    for source in (".", sdist):
        assert_identical(rebuild(project, of_sdist, "--source", source, temporary=temporary))
    project.append("../../crates/engine/src/lib.rs", "// one line\n")
    assert rebuild(project, of_tree, temporary=temporary)["result"] == "other-sources"


def test_other_sources_are_not_built(check_out: CheckOut, temporary: Path) -> None:
    project = check_out("bin-bindings")
    wheel = built(project)
    project.edit()
    project.spy.clear()
    said = rebuild(project, wheel, temporary=temporary)
    assert said["result"] == "other-sources"
    assert said["rebuilt"] is None
    assert [it["text"] for it in said["sources"]["differences"]] == ["src/main.rs changed"]
    project.spy.assert_idle()
    words = run_rebuild(project, wheel, temporary=temporary).stdout.splitlines()
    assert words[0] == f"{wheel.name}: not verified"
    assert words[-1] == "nothing was built"


def test_a_program_with_one_other_byte(
    check_out: CheckOut, tmp_path: Path, temporary: Path
) -> None:
    """`verify` accepts it, because record and RECORD fit. `rebuild` does not."""
    project = check_out("bin-bindings")
    wheel = built(project)
    honest = wheels.read(wheel, "*/scripts/bin-bindings*")
    place = honest.index(b"quiet")

    def other(name: str, content: bytes) -> bytes:
        if "/scripts/bin-bindings" not in name:
            return content
        return content[:place] + b"Q" + content[place + 1 :]

    false = rewritten(wheel, tmp_path / "false", other)
    wheelprint(project, "verify", false).ok()
    said = rebuild(project, false, "--allow-harmless", temporary=temporary)
    assert said["result"] == "different"
    (name,) = files_that_differ(said, harmless=False)
    assert name.startswith("bin-bindings")
    (found,) = [it for it in said["rebuilt"]["differences"] if not it["harmless"]]
    assert found["text"].startswith("1 of ")
    if sys.platform == "linux":
        assert (found["section"], found["reason"]) == (".rodata", "data")


def test_what_has_no_effect_is_allowed_if_asked(
    check_out: CheckOut, tmp_path: Path, temporary: Path
) -> None:
    project = check_out("bin-bindings")
    wheel = built(project)
    later = rewritten(wheel, tmp_path / "later", lambda _, content: content, time=2020)
    said = rebuild(project, later, temporary=temporary)
    assert said["result"] == "harmless"
    assert {it["reason"] for it in said["rebuilt"]["differences"]} >= {"time"}
    assert rebuild(project, later, "--allow-harmless", temporary=temporary)["result"] == "harmless"
    snapshot("rebuild", said)
    words = run_rebuild(project, later, temporary=temporary)
    assert words.code == 1
    assert "different, without effect on what runs" in words.stdout.splitlines()


@pytest.mark.skipif(sys.platform != "linux", reason="where debug information is differs")
def test_debug_information_is_without_effect(check_out: CheckOut, temporary: Path) -> None:
    """It names the folder of the build, and no program reads its own."""
    project = check_out("bin-bindings")
    changes = {"CARGO_PROFILE_RELEASE_DEBUG": "true", "CARGO_PROFILE_RELEASE_STRIP": "none"}
    wheel = built(project, **changes)
    said = rebuild(project, wheel, temporary=temporary, **changes)
    assert said["result"] == "harmless", said
    reasons = {it["reason"] for it in said["rebuilt"]["differences"]}
    assert "debug-information" in reasons
    assert reasons <= {"debug-information", "symbols", "headers", "build-id", "list"}


def test_a_toolchain_that_is_missing(check_out: CheckOut, tmp_path: Path, temporary: Path) -> None:
    """Everything that is missing is named at once."""
    project = check_out("bin-bindings")

    def change(record: dict[str, Any]) -> None:
        other_rustc("1.60.0")(record)
        for entry in record["inputs"]:
            if entry["name"] == "maturin":
                entry["value"] = {"text": "1.9.99"}
            if entry["name"] == "python":
                entry["value"]["text"] = entry["value"]["text"].replace(".", ".99.", 1)

    wheel = changed_record(built(project), tmp_path / "changed", change)
    said = refused(run_rebuild(project, wheel, temporary=temporary))
    assert "rustc 1.60.0 (a b): " in said
    assert "maturin 1.9.99: uv can't find it" in said
    assert "uv python install cpython-3.99." in said
    if shutil.which("rustup"):
        assert "`rustup toolchain install 1.60.0`" in said


def test_a_variable_that_cannot_be_recreated(check_out: CheckOut, temporary: Path) -> None:
    project = check_out("bin-bindings")
    project.append("src/main.rs", 'const _: Option<&str> = option_env!("READ_BY_CRATE");\n')
    one = {"READ_BY_CRATE": "one", "RUSTFLAGS": "--cfg something"}
    wheel = built(project, **one)
    assert_identical(rebuild(project, wheel, temporary=temporary, **one, CFLAGS="-O1"))
    said = rebuild(project, wheel, temporary=temporary, READ_BY_CRATE="two")
    assert [it["name"] for it in said["rebuilt"]["not-recreated"]] == ["READ_BY_CRATE", "RUSTFLAGS"]
    # The constant is not used, so that only the record differs.
    assert said["result"] == "harmless"
    assert files_that_differ(said, harmless=True) == {"wheelprint.json", "RECORD"}
    texts = {it["text"] for it in said["rebuilt"]["differences"]}
    assert {"READ_BY_CRATE: another value", "RUSTFLAGS: set -> unset"} <= texts


def test_config_settings(check_out: CheckOut, temporary: Path) -> None:
    project = check_out("bin-bindings")
    setting = "build-args=--locked"
    _, (wheel,) = uv_build(project, "--wheel", "-C", setting)
    said = rebuild(project, wheel, temporary=temporary)
    (lost,) = said["rebuilt"]["not-recreated"]
    assert lost["name"] == "config setting build-args"
    # The setting has no effect here, so only the records differ.
    assert said["result"] == "harmless"
    assert_identical(rebuild(project, wheel, "-C", setting, temporary=temporary))
    error = refused(run_rebuild(project, wheel, "-C", "other=1", temporary=temporary))
    assert "was not built with this setting" in error


def test_what_cannot_be_built_again(check_out: CheckOut, tmp_path: Path, temporary: Path) -> None:
    project = check_out("bin-bindings")
    wheel = built(project)
    plain = tmp_path / wheel.name
    with zipfile.ZipFile(wheel) as old, zipfile.ZipFile(plain, "w") as new:
        for info in old.infolist():
            if not info.filename.endswith("/wheelprint.json"):
                new.writestr(info, old.read(info))
    error = refused(run_rebuild(project, plain, temporary=temporary))
    assert "there is no record in it" in error
    _, editable = project.build("editable")
    error = refused(run_rebuild(project, editable, temporary=temporary))
    assert "an editable wheel" in error
    _, sdist = project.build("sdist")
    assert "an sdist" in refused(run_rebuild(project, sdist, temporary=temporary))
    error = refused(run_rebuild(project, wheel, "--source", wheel, temporary=temporary))
    assert "a wheel, which has no sources" in error
    keep = tmp_path / "full"
    keep.mkdir()
    keep.joinpath("file").write_text("")
    error = refused(run_rebuild(project, wheel, "--keep", keep, temporary=temporary))
    assert "there are files in it" in error
    error = refused(run_rebuild(project, wheel, "--keep", keep / "file", temporary=temporary))
    assert "file: not a folder" in error
    for source, cause in (
        ("gone", "no such file or folder"),
        (keep, "pyproject.toml: no such file"),
    ):
        error = refused(run_rebuild(project, wheel, "--source", source, temporary=temporary))
        assert cause in error
        assert "or an sdist\n" in error
        assert str(temporary) not in error


def test_a_build_that_fails(check_out: CheckOut, tmp_path: Path, temporary: Path) -> None:
    """The sources are those of the record, and need a variable that is not set here."""
    project = check_out("bin-bindings")
    project.append("src/main.rs", 'const _: &str = env!("NEEDED_BY_CRATE");\n')
    wheel = built(project, NEEDED_BY_CRATE="1")
    run = run_rebuild(project, wheel, temporary=temporary)
    error = refused(run)
    assert "NEEDED_BY_CRATE` not defined" in error
    assert error.index("not defined") < error.index("it could not be built again")
    kept = tmp_path / "kept"
    run = wheelprint(project, "rebuild", wheel, "--keep", kept, UV=project.bench.uv)
    refused(run)
    assert kept.joinpath("tree").is_dir()


def test_what_is_kept(check_out: CheckOut, tmp_path: Path, temporary: Path) -> None:
    project = check_out("bin-bindings")
    wheel = built(project)
    kept = tmp_path / "kept"
    said = rebuild(project, wheel, "--keep", kept, temporary=temporary)
    assert_identical(said)
    assert Path(said["rebuilt"]["kept"]).read_bytes() == wheel.read_bytes()
    assert [path.name for path in kept.joinpath("wheel").glob("*.whl")] == [wheel.name]


def test_without_uv(check_out: CheckOut, temporary: Path) -> None:
    """`python -m build` builds, if it is in the environment of the command."""
    project = check_out("bin-bindings")
    wheel = built(project)
    uv = project.bench.uv
    path = os.pathsep.join(
        entry
        for entry in project.env["PATH"].split(os.pathsep)
        if not (Path(entry) / uv.name).exists()
    )
    error = refused(run_rebuild(project, wheel, temporary=temporary, UV=None, PATH=path))
    assert "neither uv is on PATH nor `build`" in error
    # A record is not trusted, and pip reads options from the file that gets the version.
    injected = changed_record(wheel, temporary.parent / "injected", other_maturin("1\n--no-index"))
    venv = project.new_venv()
    project.uv("pip", "install", "--python", venv, "wheelprint", "build").ok()
    command = next(found for found in venv.glob("*/wheelprint*") if found.is_file())
    run = project.run(command, "rebuild", injected, PATH=path, UV=None)
    assert "this is no version" in refused(run)
    run = project.run(command, "rebuild", "--json", wheel, PATH=path, UV=None)
    said = json.loads(run.ok().stdout)
    assert_identical(said)
    assert said["rebuilt"]["frontend"] == "python -m build"


@pytest.mark.skipif(sys.platform == "win32", reason="no signals for groups")
def test_ctrl_c(check_out: CheckOut, tmp_path: Path, temporary: Path) -> None:
    """While it builds: the programs end, and the temporary folder is removed."""
    project = check_out("bin-bindings")
    project.write("build.rs", SLEEPS)
    wheel = built(project)
    env = {**project.env, "UV": str(project.bench.uv), "TMPDIR": str(temporary), "SLEEP": "60"}
    command = [program(project), "rebuild", wheel]
    started = Started(command, project.root, env, tmp_path / "log")
    end = time.monotonic() + 60
    while not started.runs("build-script-build") and time.monotonic() < end:
        assert not started.has_ended(), started.said
        time.sleep(0.05)
    assert started.runs("build-script-build"), started.said
    assert started.interrupt() == 130, started.said
    assert "interrupted" in started.said
    assert list(temporary.iterdir()) == []
    assert not started.runs("build-script-build")


#: Reads the variable without telling cargo, so that it is no input.
SLEEPS = """\
fn main() {
    println!("cargo:rerun-if-changed=build.rs");
    let seconds = std::env::var("SLEEP").map_or(0, |text| text.parse().unwrap());
    std::thread::sleep(std::time::Duration::from_secs(seconds));
}
"""


@pytest.mark.freshness
@pytest.mark.parametrize("name", ["hello-pure", "workspace"])
def test_samples_with_pyo3(name: str, check_out: CheckOut, temporary: Path) -> None:
    """From the tree and through an sdist, built again in another folder."""
    project = check_out(name)
    project.seconds = 600
    assert_identical(rebuild(project, built(project), temporary=temporary))
    _, (sdist, wheel) = sorted_by_kind(*uv_build(project))
    assert_identical(rebuild(project, wheel, "--source", sdist, temporary=temporary))


@pytest.mark.freshness
@pytest.mark.skipif(sys.platform != "linux", reason="where symbols are differs")
def test_a_path_dependency_outside_of_the_workspace(check_out: CheckOut, temporary: Path) -> None:
    """Cargo derives names of symbols from its folder. It depends on the two folders whether only
    the table of symbols differs, or also the order of what is loaded."""
    project = check_out("mixed-path-dep")
    project.seconds = 600
    wheel = built(project)
    said = rebuild(project, wheel, temporary=temporary)
    assert said["result"] in ("harmless", "different")
    module = {name for name in wheels.names(wheel) if name.endswith(".so")}
    found = [it for it in said["rebuilt"]["differences"] if it["reason"] != "list"]
    assert {it["file"] for it in found} == module
    assert "symbols" in {it["reason"] for it in found}
