"""Two builds in two places: what is the same, and what `remap-paths` makes the same.

The wheels are of a program that has no dependency to compile: it prints which flags it was compiled
with, and where a crate beside the project lay, which is what rustc writes into panic messages too.
"""

from __future__ import annotations

import json
import subprocess
import zipfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from support import samples, wheels

if TYPE_CHECKING:
    from conftest import CheckOut
    from support.project import Project

MAIN = """fn main() {
    let marks = [cfg!(one), cfg!(two), cfg!(three)];
    let folder = include!(concat!(env!("OUT_DIR"), "/folder.rs"));
    println!("{marks:?}|{}|{folder}", beside::place());
}
"""
BUILD = """fn main() {
    println!("cargo:rerun-if-changed=build.rs");
    println!("cargo:rerun-if-env-changed=CARGO_ENCODED_RUSTFLAGS");
    println!("cargo:rerun-if-env-changed=RUSTFLAGS");
    let folder = std::env::var("OUT_DIR").unwrap();
    std::fs::write(std::path::Path::new(&folder).join("folder.rs"), "file!()").unwrap();
}
"""
CHECKED = '\n[lints.rust]\nunexpected_cfgs = "allow"\n'
ON = {"WHEELPRINT_REMAP_PATHS": "true"}
HOST = next(
    line.removeprefix("host: ")
    for line in subprocess.run(
        ["rustc", "-vV"], capture_output=True, text=True, check=True
    ).stdout.splitlines()
    if line.startswith("host: ")
)


def program(check_out: CheckOut, folder: Path | None = None) -> Project:
    """The program, and beside it the crate that it needs."""
    project = check_out("bin-bindings", folder)
    project.write("src/main.rs", MAIN)
    project.write("build.rs", BUILD)
    project.append("Cargo.toml", '\n[dependencies]\nbeside = { path = "../beside" }\n' + CHECKED)
    project.write(
        "../beside/Cargo.toml", '[package]\nname = "beside"\nversion = "1.0.0"\nedition = "2024"\n'
    )
    project.write("../beside/src/lib.rs", "pub fn place() -> &'static str {\n    file!()\n}\n")
    return project


def said(wheel: Path, folder: Path) -> tuple[list[bool], str, str]:
    """What the program in the wheel prints."""
    with zipfile.ZipFile(wheel) as archive:
        (name,) = (name for name in archive.namelist() if "/scripts/" in name)
        path = Path(archive.extract(name, folder))
    path.chmod(0o755)
    printed = subprocess.run([str(path)], capture_output=True, text=True, check=True).stdout
    marks, beside, generated = printed.strip().split("|")
    return json.loads(marks), beside, generated


def cargo_home(project: Project) -> Path:
    return Path(project.env.get("CARGO_HOME") or Path.home() / ".cargo")


def test_two_uv_builds(check_out: CheckOut, tmp_path: Path) -> None:
    """uv builds the wheel from the sdist, which it unpacks to another folder each time."""
    built = []
    for place in (tmp_path / "here", tmp_path / "over there" / "deeper"):
        project = check_out("bin-bindings", place)
        out = place / "dist"
        project.uv("build", "--out-dir", out, WHEELPRINT_CACHE_DIR=str(place / "cache")).ok()
        built.append({path.name: path.read_bytes() for path in out.glob("bin_bindings-*")})
    assert sorted(Path(name).suffix for name in built[0]) == [".gz", ".whl"]
    assert built[0] == built[1]


def test_two_sdists_with_a_crate_outside(check_out: CheckOut, tmp_path: Path) -> None:
    projects = [check_out("mixed-path-dep", tmp_path / place) for place in ("one", "an other/one")]
    first, second = (project.build("sdist")[1] for project in projects)
    assert first.read_bytes() == second.read_bytes()


def test_the_sbom_names_no_folder_of_this_machine(check_out: CheckOut) -> None:
    project = program(check_out)
    _, wheel = project.build("wheel")
    text = wheels.read(wheel, "*.cyclonedx.json").decode()
    assert "path+file://.#bin-bindings@0.1.0" in text
    assert "path+file://../beside#beside@1.0.0" in text
    assert "file:///" not in text
    assert str(project.root) not in text


def test_off_it_changes_nothing(check_out: CheckOut, tmp_path: Path) -> None:
    project = program(check_out)
    _, plain = project.build("wheel")
    _, beside, generated = said(plain, tmp_path)
    assert beside == str(project.path("../beside/src/lib.rs"))
    assert generated.startswith(str(project.target))
    _, off = project.build("wheel", WHEELPRINT_REMAP_PATHS="false")
    assert plain.read_bytes() == off.read_bytes()


def test_on_no_path_of_this_machine_is_left(check_out: CheckOut, tmp_path: Path) -> None:
    """Debug information names every folder there is; the compiler's own is stripped of nothing."""
    folder = tmp_path / "with spaces = and more"
    project = program(check_out, folder)
    project.append("Cargo.toml", "\n[profile.release]\ndebug = true\n")
    _, plain = project.build("wheel")
    assert str(folder).encode() in wheels.read(plain, "*/scripts/*")
    run, wheel = project.build("wheel", **ON)
    assert run.warnings == []
    content = wheels.read(wheel, "*/scripts/*")
    for place in (folder, cargo_home(project)):
        assert str(place).encode() not in content
    _, beside, generated = said(wheel, tmp_path)
    assert beside == "/cargo/deps/beside/src/lib.rs"
    assert generated.startswith("/cargo/target/release/build/bin-bindings-")


def with_a_package_of_the_registry(project: Project, name: str, code: str) -> Project:
    """A program that needs it and prints what this code gives."""
    lock = (samples.EXAMPLES / "hello-pure" / "Cargo.lock").read_text()
    (package,) = (part for part in lock.split("\n\n") if f'name = "{name}"' in part)
    version = package.split('version = "')[1].split('"')[0]
    project.append("Cargo.toml", f'\n[dependencies]\n{name} = "={version}"\n')
    project.append("Cargo.toml", "\n[profile.release]\ndebug = true\n")
    needs = f'version = "0.1.0"\ndependencies = ["{name}"]\n'
    project.replace("Cargo.lock", 'version = "0.1.0"\n', needs)
    project.append("Cargo.lock", f"\n{package}\n")
    project.write("src/main.rs", f'fn main() {{\n    println!("{{}}", {code});\n}}\n')
    return project


def other_home(project: Project, place: Path) -> str:
    """Another home of cargo's, with the same registry."""
    home = place / "home of cargo"
    home.mkdir(parents=True)
    (home / "registry").symlink_to((cargo_home(project) / "registry").resolve())
    return str(home)


def test_on_two_places_give_the_same_wheel(check_out: CheckOut, tmp_path: Path) -> None:
    """Another path, another folder of cargo's; that the wheels differ without the setting is the
    proof that there was something to do."""

    # once_cell writes its own path into panic messages.
    code = "once_cell::sync::OnceCell::new().get_or_init(|| std::env::args().count())"

    def build(place: Path, **variables: str) -> bytes:
        project = check_out("bin-bindings", place)
        with_a_package_of_the_registry(project, "once_cell", code)
        home = other_home(project, place)
        _, wheel = project.build("wheel", CARGO_HOME=home, **variables)
        return wheel.read_bytes()

    places = [tmp_path / name for name in ("one", "two and", "three", "four/deeper")]
    assert build(places[0]) != build(places[1])
    assert build(places[2], **ON) == build(places[3], **ON)


def test_a_registry_that_is_a_link(check_out: CheckOut, tmp_path: Path) -> None:
    # libc has a build script.
    project = with_a_package_of_the_registry(
        check_out("bin-bindings"), "libc", "unsafe { libc::getpid() }"
    )
    _, plain = project.build("wheel")
    _, linked = project.build("wheel", CARGO_HOME=other_home(project, tmp_path))
    assert wheels.record(plain) == wheels.record(linked)


@pytest.mark.parametrize(
    ("above", "config", "variables", "expected"),
    [
        ("", "", {}, ""),
        ("", "", {"RUSTFLAGS": "--cfg one  --cfg two"}, "one two"),
        ("", "", {"CARGO_ENCODED_RUSTFLAGS": "--cfg\x1fone\x1f--cfg=two"}, "one two"),
        # One place only: set and empty is set.
        ("", "[build]\nrustflags = '--cfg one'", {"RUSTFLAGS": ""}, ""),
        ("", "[build]\nrustflags = '--cfg one'", {"CARGO_ENCODED_RUSTFLAGS": ""}, ""),
        ("", "[build]\nrustflags = '--cfg one'", {}, "one"),
        # The lists of all files, and the variable's words.
        (
            "[build]\nrustflags = ['--cfg', 'one']",
            "[build]\nrustflags = ['--cfg', 'two']",
            {"CARGO_BUILD_RUSTFLAGS": "--cfg three"},
            "one two three",
        ),
        # Those of the target are in force where there are any, and no others then.
        (
            "[build]\nrustflags = ['--cfg', 'one']",
            "[target.'cfg(all())']\nrustflags = ['--cfg', 'two']\n"
            f"[target.{HOST}]\nrustflags = ['--cfg', 'three']",
            {},
            "two three",
        ),
        (
            "",
            "[build]\nrustflags = ['--cfg', 'one']\n"
            "[target.'cfg(any())']\nrustflags = ['--cfg', 'two']",
            {},
            "one",
        ),
        # What a flag says holds for the next.
        (
            "",
            f"[target.{HOST}]\nrustflags = ['--cfg', 'one']\n"
            "[target.'cfg(one)']\nrustflags = ['--cfg', 'two']",
            {},
            "one two",
        ),
        (
            "",
            "",
            {f"CARGO_TARGET_{HOST.upper().replace('-', '_')}_RUSTFLAGS": "--cfg one"},
            "one",
        ),
    ],
)
def test_the_flags_of_others_stay_in_force(
    above: str,
    config: str,
    variables: dict[str, str],
    expected: str,
    check_out: CheckOut,
    tmp_path: Path,
) -> None:
    project = program(check_out)
    project.write("../.cargo/config.toml", above)
    project.write(".cargo/config.toml", config)
    run, wheel = project.build("wheel", **variables, **ON)
    marks, beside, _ = said(wheel, tmp_path)
    assert marks == [mark in expected.split() for mark in ("one", "two", "three")], run.stderr
    assert beside.startswith("/cargo/deps/"), run.stderr
    assert run.warnings == []


def test_where_a_target_is_named(check_out: CheckOut, tmp_path: Path) -> None:
    project = program(check_out)
    flags = {"one": HOST, "two": "riscv64gc-unknown-linux-gnu"}
    tables = [f"[target.{it}]\nrustflags = ['--cfg={mark}']\n" for mark, it in flags.items()]
    project.write(".cargo/config.toml", "".join(tables))
    _, wheel = project.build("wheel", {"build-args": f"--target {HOST}"}, **ON)
    marks, beside, generated = said(wheel, tmp_path)
    assert marks == [True, False, False]
    assert beside.startswith("/cargo/deps/")
    assert generated.startswith(f"/cargo/target/{HOST}/release/build/")


@pytest.mark.parametrize(
    ("files", "settings", "named"),
    [
        ({}, {"build-args": ["--config", "build.rustflags=['--cfg=one']"]}, "--config build"),
        (
            {"own.toml": "[build]\nrustflags = ['--cfg=one']"},
            {"build-args": "--config own.toml"},
            "own.toml",
        ),
        (
            {
                ".cargo/config.toml": "include = [{ path = 'more.toml', optional = true }]",
                ".cargo/more.toml": "[build]\nrustflags = ['--cfg=one']",
            },
            None,
            "more.toml, which is included",
        ),
    ],
)
def test_what_can_not_be_added_to_is_left_alone(
    files: dict[str, str], settings: Any, named: str, check_out: CheckOut, tmp_path: Path
) -> None:
    project = program(check_out)
    for name, text in files.items():
        project.write(name, text)
    run, wheel = project.build("wheel", settings, **ON)
    marks, beside, _ = said(wheel, tmp_path)
    # Only a cargo of 2026 knows `include`.
    assert settings is None or marks == [True, False, False]
    assert beside == str(project.path("../beside/src/lib.rs"))
    (warning,) = run.warnings
    assert "remap-paths: no path is remapped: " in warning
    assert named in warning


def test_a_mapping_of_the_users_own_wins(check_out: CheckOut, tmp_path: Path) -> None:
    project = program(check_out)
    own = f"--remap-path-prefix={project.path('../beside')}=theirs"
    _, wheel = project.build("wheel", RUSTFLAGS=own, **ON)
    assert said(wheel, tmp_path)[1] == "theirs/src/lib.rs"


def test_the_record_knows_the_setting_and_no_path(check_out: CheckOut, tmp_path: Path) -> None:
    project = program(check_out)
    records = []
    for variables in ({}, ON):
        _, wheel = project.build("wheel", **variables)
        records.append(wheels.record(wheel))
    plain, remapped = records
    added = [one for one in remapped["inputs"] if one not in plain["inputs"]]
    assert [(one["part"], one["name"]) for one in added] == [("request", "remap-paths")]
    assert [one for one in plain["inputs"] if one not in remapped["inputs"]] == []
    assert remapped["watches"] == plain["watches"]
    # What the build script watches is the user's.
    (watched,) = (one for one in remapped["inputs"] if one["name"] == "CARGO_ENCODED_RUSTFLAGS")
    assert watched["value"] == "absent"
    _, wheel = program(check_out, tmp_path / "else where").build("wheel", **ON)
    assert wheels.record(wheel) == remapped


def test_the_record_names_the_same_inputs(check_out: CheckOut) -> None:
    """Of every kind that there is: rustc says what it read, and must not say it by other names."""
    project = check_out("every-input")
    records = [wheels.record(project.build("wheel", **it)[1]) for it in ({}, ON)]
    plain, remapped = (
        [one for one in record["inputs"] if one["name"] != "remap-paths"] for record in records
    )
    assert len(plain) > 40
    assert plain == remapped


@pytest.mark.parametrize(
    ("in_project", "config_setting", "variable", "expected"),
    [
        ("true", None, None, True),
        ("true", "false", None, False),
        ("false", "true", None, True),
        ("true", "true", "false", False),
        ("false", "false", "true", True),
    ],
)
def test_precedence(
    in_project: str,
    config_setting: str | None,
    variable: str | None,
    expected: bool,
    check_out: CheckOut,
) -> None:
    project = check_out("bin-bindings")
    project.settings(f"remap-paths = {in_project}")
    settings = None if config_setting is None else {"wheelprint.remap-paths": config_setting}
    variables: dict[str, Any] = {} if variable is None else {"WHEELPRINT_REMAP_PATHS": variable}
    _, wheel = project.build("wheel", settings, **variables)
    names = {one["name"] for one in wheels.record(wheel)["inputs"]}
    assert ("remap-paths" in names) is expected


def test_with_it_a_wheel_is_found_again(check_out: CheckOut) -> None:
    project = program(check_out)
    always = {"WHEELPRINT_REUSE": "always"}
    verdicts = []
    for variables in ({}, ON, ON, {}):
        run, _ = project.build("wheel", **always, **variables)
        verdicts.append(run.verdict)
    assert verdicts[1] == "stale: remap-paths: now given"
    assert [verdict.split(":")[0] for verdict in verdicts] == ["stale", "stale", "fresh", "fresh"]


def test_an_editable_install_keeps_its_paths(check_out: CheckOut, tmp_path: Path) -> None:
    project = program(check_out)
    _, wheel = project.build("editable", **ON)
    assert said(wheel, tmp_path)[1] == str(project.path("../beside/src/lib.rs"))
    assert project.is_fresh()
