"""Where `cargo metadata` can't name all packages: with maturin's `locked`, and not all of them
downloaded, as in a fresh CI job."""

from __future__ import annotations

from typing import TYPE_CHECKING, Callable

import pytest
from support import asking, toolchains

if TYPE_CHECKING:
    from pathlib import Path

    from support.project import Project

pytestmark = [pytest.mark.spy, pytest.mark.freshness]

ELSEWHERE = "../../vendor/elsewhere"

SCRIPT = """fn main() {
    println!("cargo::rerun-if-changed=value.txt");
    println!("cargo::rustc-env=VALUE={}", std::fs::read_to_string("value.txt").unwrap());
}
"""


def lock(project: Project) -> None:
    """`locked` in pyproject.toml, and a lock file that is up to date."""
    bindings = 'bindings = "cffi"\n'
    project.replace("pyproject.toml", bindings, f"{bindings}locked = true\n")
    project.run("cargo", "metadata", "--format-version", "1").ok()


def download_nothing(project: Project, home: Path) -> None:
    lock(project)
    project.env["CARGO_HOME"] = str(home)


def download_for_this_platform(project: Project, home: Path) -> None:
    """One package is for another one; `cargo build` does not need it."""
    project.append("Cargo.toml", '\n[target."cfg(windows)".dependencies]\nwinapi-util = "=0.1.8"\n')
    lock(project)
    project.env["CARGO_HOME"] = str(home)
    project.run("cargo", "fetch", "--locked", "--target", toolchains.host()).ok()


def download_everything(project: Project, home: Path) -> None:
    project.env["CARGO_HOME"] = str(home)
    project.run("cargo", "fetch", "--locked").ok()


@pytest.mark.parametrize("what", ["manifest", "watched file", "the script names nothing"])
@pytest.mark.parametrize("download", [download_nothing, download_for_this_platform])
def test_a_path_dependency(
    download: Callable[[Project, Path], None], what: str, uncompiled: Project, tmp_path: Path
) -> None:
    """It lies outside of the workspace, and what decides it is not among rustc's sources."""
    project = uncompiled
    library = f"{ELSEWHERE}/src/lib.rs"
    if what == "manifest":
        project.append(f"{ELSEWHERE}/Cargo.toml", "\n[features]\nx = []\n")
        value = '= if cfg!(feature = "x") { "two" } else { "one" }'
        project.replace(library, '= "elsewhere 1"', value)
    else:
        script = SCRIPT
        if what == "the script names nothing":
            script = script.replace('println!("cargo::rerun-if-changed=value.txt");', "")
        project.write(f"{ELSEWHERE}/build.rs", script)
        project.write(f"{ELSEWHERE}/value.txt", "one")
        project.replace(library, '"elsewhere 1"', 'env!("VALUE")')
    download(project, tmp_path / "cargo-home")
    assert asking.anew(project).seen["elsewhere"] == "one"
    if what == "manifest":
        features = '[features]\ndefault = ["x"]\n'
        project.replace(f"{ELSEWHERE}/Cargo.toml", "[features]\n", features)
    else:
        project.write(f"{ELSEWHERE}/value.txt", "two")
    asking.must_see(project, "elsewhere", "two")


@pytest.mark.parametrize("download", [download_everything, download_for_this_platform])
def test_what_cargo_compiled_by_hand_of_the_registry(
    download: Callable[[Project, Path], None], uncompiled: Project, tmp_path: Path
) -> None:
    """It is not compiled again, though nothing is noted of it."""
    project = uncompiled
    download(project, tmp_path / "cargo-home")
    project.run("cargo", "rustc", "--release", "--lib", "--crate-type", "cdylib").ok()
    asking.anew(project)
    assert "cc" not in project.spy.compiled(), project.spy.compiled()
