"""More packages for a sample, written or vendored, and values that the module gets from them."""

from __future__ import annotations

import hashlib
import re
import shutil
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from .project import Project

HELPER = "../../crates/helper"
_VENDORED = "../../vendored"


def add(
    project: Project,
    folder: str,
    *,
    name: str = "",
    version: str = "1.0.0",
    source: str = "",
    more: str = "",
) -> None:
    """Writes a package with one source file. Its default name is that of its folder."""
    name = name or folder.rsplit("/", 1)[1]
    project.write(f"{folder}/src/lib.rs", source)
    project.write(
        f"{folder}/Cargo.toml",
        f'[package]\nname = "{name}"\nversion = "{version}"\nedition = "2021"\n{more}',
    )


def depend_on(project: Project, line: str) -> None:
    """Adds a dependency to the project's own package."""
    project.replace("Cargo.toml", "[dependencies]\n", f"[dependencies]\n{line}\n")


def show(project: Project, expression: str) -> None:
    """Makes the module return that Rust expression as `edited`."""
    project.replace("src/lib.rs", "EDITED.to_owned()", expression)


def answer(project: Project, expression: str) -> None:
    """Makes the module of another sample return that Rust expression."""
    project.replace(project.sample.source, project.sample.edit[0], expression)


def answer_from_core(project: Project) -> None:
    """Makes the module return 1, from a path dependency."""
    add(project, "core", name="core-rs", version="0.1.0", source="pub const CORE: u32 = 1;\n")
    project.append("Cargo.toml", '\n[dependencies]\ncore-rs = { path = "core" }\n[workspace]\n')
    answer(project, "core_rs::CORE")


def give_helper_a_script(project: Project, *instructions: str, found: str) -> None:
    """Gives the helper crate a build script that prints these instructions for cargo.

    The module returns the Rust expression as `found`."""
    lines = [f'    println!("cargo::{text}");\n' for text in instructions]
    lines.append(f'    println!("cargo::rustc-env=FOUND_BY_HELPER={{}}", {found});\n')
    project.write(f"{HELPER}/build.rs", f"fn main() {{\n{''.join(lines)}}}\n")


def vendor_everything(project: Project) -> None:
    """Vendors all packages of the lock file, without checksums of their files."""
    said = project.run("cargo", "metadata", "--format-version", "1").ok().stdout
    places = ("Cargo.lock", "../../Cargo.lock")
    lock = project.read(next(place for place in places if project.path(place).exists()))
    for source in set(re.findall(r'"manifest_path":"([^"]*/registry/src/[^"]*)/Cargo.toml"', said)):
        name, _, version = source.rsplit("/", 1)[1].rpartition("-")
        entry = rf'name = "{name}"\nversion = "{version}"\nsource = .*\nchecksum = "(.*)"'
        shutil.copytree(source, project.path(f"{_VENDORED}/{name}"))
        _do_not_check(project, name, re.findall(entry, lock)[0])
    project.write(
        "../../.cargo/config.toml",
        '[source.crates-io]\nreplace-with = "vendored"\n'
        '[source.vendored]\ndirectory = "vendored"\n',
    )


def add_vendored(project: Project, name: str, version: str, source: str) -> str:
    """Adds a vendored package, as if it came from crates.io. Returns its folder."""
    folder = f"{name}-{version}"
    add(project, f"{_VENDORED}/{folder}", name=name, version=version, source=source)
    _do_not_check(project, folder, hashlib.sha256(folder.encode()).hexdigest())
    return f"{_VENDORED}/{folder}"


def _do_not_check(project: Project, folder: str, checksum: str) -> None:
    text = f'{{"files":{{}},"package":"{checksum}"}}'
    project.write(f"{_VENDORED}/{folder}/.cargo-checksum.json", text)
