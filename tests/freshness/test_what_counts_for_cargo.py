"""Cargo's own surroundings: configuration, lock file, patches, toolchain files."""

from __future__ import annotations

import re
import shutil
import subprocess
from typing import TYPE_CHECKING, Callable

import pytest
from support import asking, environment, toolchains
from support.cases import Case, Expected, check, containing
from support.changes import CONFIGURATION
from support.changes.edits import CONFIG, HELPER, OUTPUT_FOLDER, WORKSPACE

if TYPE_CHECKING:
    from pathlib import Path

    from support.project import Project

pytestmark = [pytest.mark.spy, pytest.mark.freshness]


#: What a cargo configuration says, and what the module says then.
CONFIGURED: dict[str, tuple[str, dict[str, Expected]]] = {
    "rustflags": ('[build]\nrustflags = ["--cfg", "loud"]\n', {"flag": "true"}),
    "env": ('[env]\nREAD_BY_CRATE = "configured"\n', {"variable": "configured"}),
    "target-dir": (
        '[build]\ntarget-dir = "made/there"\n',
        {"built_in": containing("made/there/release/")},
    ),
    "target": ('[build]\ntarget = "@HOST@"\n', {"built_in": containing("/release/")}),
    "profile": ("[profile.release]\ndebug-assertions = true\n", {"debug": "true"}),
}

# The sample shows where its build script wrote, and that is in the build folder.
if toolchains.variant() == "build-dir":
    del CONFIGURED["target-dir"]


def host() -> str:
    """The triple that rustc compiles for if nothing is said."""
    said = subprocess.run(["rustc", "-vV"], check=True, capture_output=True, text=True).stdout
    return re.findall(r"(?m)^host: (\S+)$", said)[0]


def cargo_home(project: Project) -> None:
    """A home folder for cargo of the test's own, with everything that was downloaded."""
    real = project.run("cargo", "metadata", "--format-version", "1").ok()
    registry = re.findall(r'"([^"]*?)/registry/src/', real.stdout.replace("\\\\", "/"))[0]
    home = project.bench.checkout_folder.parent / "state" / "cargo-home"
    home.mkdir(parents=True, exist_ok=True)
    if not (home / "registry").exists():
        (home / "registry").symlink_to(f"{registry}/registry")
    (home / "config.toml").unlink(missing_ok=True)
    project.env["CARGO_HOME"] = str(home)


PLACES: dict[str, tuple[str, str, Callable[[Project], object]]] = {
    "in the project": (CONFIG, CONFIG, lambda p: None),
    "without its suffix": (".cargo/config", ".cargo/config", lambda p: None),
    "above it": (f"../../{CONFIG}", f"../../{CONFIG}", lambda p: None),
    "in cargo's home": ("@HOME@/config.toml", "cargo-home: config.toml", cargo_home),
}


@pytest.mark.parametrize(
    ("what", "place"),
    [
        *((what, "in the project") for what in CONFIGURED),
        *(("rustflags", place) for place in PLACES if place != "in the project"),
    ],
)
def test_cargos_configuration_appears(what: str, place: str, every_input: Project) -> None:
    name, reported, before = PLACES[place]
    text, seen = CONFIGURED[what]

    def change(project: Project) -> None:
        path = name.replace("@HOME@", project.env.get("CARGO_HOME", ""))
        project.write(path, text.replace("@HOST@", host()))

    if what == "target":
        seen = {"built_in": containing(f"/{host()}/release/")}
    check(
        every_input,
        Case(change, seen, f"{reported} is new", before=before, besides=OUTPUT_FOLDER),
    )


@pytest.mark.parametrize("name", CONFIGURATION)
def test_cargos_configuration(name: str, every_input: Project) -> None:
    check(every_input, CONFIGURATION[name])


def git_dependency(project: Project, folder: Path) -> None:
    """Replace the helper by a package that lies in a git repository."""
    if shutil.which("git") is None:
        pytest.skip("no git")
    cargo_home(project)
    shutil.copytree(project.path(HELPER), folder)
    text = project.read(f"{HELPER}/Cargo.toml")
    text = re.sub(r"(?m)^(version|edition|publish)\.workspace = true\n", "", text)
    (folder / "Cargo.toml").write_text(f'{text}version = "1.0.0"\nedition = "2021"\n')
    asking.git(project, "init", "-q", cwd=folder)
    commit(project, folder, "helper 1")
    shutil.rmtree(project.path(HELPER))
    url = folder.as_uri()
    project.replace(WORKSPACE, 'path = "crates/helper"', f'git = "{url}"')


def commit(project: Project, folder: Path, text: str) -> None:
    source = folder / "src" / "lib.rs"
    source.write_text(re.sub(r'"helper[^"]*"', f'"{text}"', source.read_text()))
    asking.git(project, "add", ".", cwd=folder)
    asking.git(project, "commit", "-qm", "x", "--allow-empty", cwd=folder)


def test_cargos_lock_file(every_input: Project, tmp_path: Path) -> None:
    repository = tmp_path / "repository"

    def before(project: Project) -> None:
        git_dependency(project, repository)
        commit(project, repository, "helper one")

    def change(project: Project) -> None:
        commit(project, repository, "helper two")
        # Nothing of it reaches the project before the lock file says so.
        asking.fresh(project)
        project.run("cargo", "update", "helper").ok()

    check(
        every_input,
        Case(change, {"helper": "helper two"}, "../../Cargo.lock changed", before=before),
    )


def test_a_patch(every_input: Project, tmp_path: Path) -> None:
    repository = tmp_path / "repository"

    def change(project: Project) -> None:
        shutil.copytree(repository, project.path("../../vendor/helper"))
        source = "../../vendor/helper/src/lib.rs"
        project.write(source, project.read(source).replace("helper 1", "patched"))
        table = f'[patch."{repository.as_uri()}"]\nhelper = {{ path = "vendor/helper" }}\n'
        project.append(WORKSPACE, f"\n{table}")

    reason = f"{WORKSPACE} [workspace] changed"
    case = Case(
        change,
        {"helper": "patched"},
        reason,
        before=lambda project: git_dependency(project, repository),
    )
    check(every_input, case)
    # What the patch brought in counts now.
    every_input.replace("../../vendor/helper/src/lib.rs", "patched", "patched again")
    built = asking.stale(every_input)
    assert built.verdict == "stale: ../../vendor/helper/src/lib.rs changed"
    assert built.seen["helper"] == "patched again"


def test_a_toolchain_file(every_input: Project) -> None:
    """It reaches the module where rustup chooses the toolchain by it."""
    rustup = shutil.which("rustup")
    if rustup is None:
        pytest.skip("no rustup")
    listed = subprocess.run([rustup, "toolchain", "list"], capture_output=True, text=True).stdout
    toolchains = [line.split()[0] for line in listed.splitlines() if line.strip()]
    versions = {}
    for name in toolchains:
        said = subprocess.run([rustup, "run", name, "rustc", "-V"], capture_output=True, text=True)
        versions.setdefault(said.stdout.strip(), name)
    if len(versions) < 2:
        pytest.skip("only one toolchain")
    # rustup's proxies, not the spy's wrappers around one toolchain.
    path = environment.path_without("maturin", environment.inherited()["PATH"])
    every_input.env["PATH"] = path
    shown = []
    for version, name in list(versions.items())[:2]:
        every_input.write("rust-toolchain.toml", f'[toolchain]\nchannel = "{name}"\n')
        built = asking.build(every_input)
        assert built.verdict.startswith("stale: ")
        assert built.seen["rustc"] == version
        shown.append(built.verdict)
    assert "rust-toolchain.toml changed" in shown[1]
    assert re.search(r"rustc: \S+ -> \S+", shown[1])


def test_a_toolchain_file_appears(every_input: Project) -> None:
    every_input.write("rust-toolchain.toml", '[toolchain]\nchannel = "stable"\n')
    assert asking.stale(every_input).verdict == "stale: rust-toolchain.toml is new"
    every_input.write("rust-toolchain.toml", '[toolchain]\nchannel = "1.85"\n')
    assert asking.stale(every_input).verdict == "stale: rust-toolchain.toml changed"
    every_input.path("rust-toolchain.toml").unlink()
    every_input.write("../rust-toolchain", "stable\n")
    assert asking.stale(every_input).verdict == "stale: ../rust-toolchain is new"
