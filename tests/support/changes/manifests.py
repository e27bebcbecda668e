"""Changes of manifests."""

from __future__ import annotations

from ..cases import Case, containing
from .edits import HELPER, OUTPUT_FOLDER, WORKSPACE, in_maturin_table

MANIFESTS = {
    "the version": Case(
        lambda p: p.replace("Cargo.toml", "version.workspace = true", 'version = "0.9.0"'),
        {"version": "0.9.0"},
        "Cargo.toml changed",
        besides=OUTPUT_FOLDER,
    ),
    "features by default": Case(
        lambda p: p.replace("Cargo.toml", "[features]\n", '[features]\ndefault = ["loud"]\n'),
        {"feature": "true"},
        "Cargo.toml changed",
        besides=OUTPUT_FOLDER,
    ),
    "an inherited version": Case(
        lambda p: p.replace(WORKSPACE, "0.5.0", "0.6.0"),
        {"version": "0.6.0"},
        f"{WORKSPACE} [workspace] changed",
        besides=OUTPUT_FOLDER,
    ),
    "an inherited description": Case(
        lambda p: p.replace(WORKSPACE, "first description", "second description"),
        {"description": "second description"},
        f"{WORKSPACE} [workspace] changed",
    ),
    "an inherited licence": Case(
        lambda p: p.replace(WORKSPACE, '"MIT"', '"Apache-2.0"'),
        {"license": "Apache-2.0"},
        f"{WORKSPACE} [workspace] changed",
    ),
    "a profile": Case(
        lambda p: p.append(WORKSPACE, "\n[profile.release]\ndebug-assertions = true\n"),
        {"debug": "true"},
        f"{WORKSPACE} [workspace] changed",
        besides=OUTPUT_FOLDER,
    ),
    "an inherited dependency": Case(
        lambda p: (
            p.write(f"{HELPER}-two/src/lib.rs", p.read(f"{HELPER}/src/lib.rs").replace("1", "2")),
            p.write(f"{HELPER}-two/Cargo.toml", p.read(f"{HELPER}/Cargo.toml")),
            p.replace(WORKSPACE, "crates/*", "crates/[dnw]*"),
            p.replace(WORKSPACE, 'path = "crates/helper"', 'path = "crates/helper-two"'),
            p.replace(WORKSPACE, "[workspace.package]", '[workspace.package]\nauthors = ["x"]'),
        ),
        {"helper": "helper 2"},
        f"{WORKSPACE} [workspace] changed, ../../crates/*/Cargo.toml changed",
    ),
    "a path dependency's edition and name of the library": Case(
        lambda p: (
            p.append(f"{HELPER}/Cargo.toml", '\n[lib]\npath = "src/other.rs"\n'),
            p.write(f"{HELPER}/src/other.rs", p.read(f"{HELPER}/src/lib.rs").replace("1", "3")),
        ),
        {"helper": "helper 3"},
        f"{HELPER}/Cargo.toml changed",
    ),
    "maturin's features": Case(
        in_maturin_table('features = ["loud"]'),
        {"feature": "true"},
        "pyproject.toml changed",
        besides=OUTPUT_FOLDER,
    ),
    "maturin's profile": Case(
        in_maturin_table('profile = "dev"'),
        {"debug": "true", "built_in": containing("/debug/")},
        "pyproject.toml changed",
    ),
    "maturin's profile for editable builds": Case(
        in_maturin_table('editable-profile = "dev"'),
        {"debug": "true", "built_in": containing("/debug/")},
        "pyproject.toml changed",
    ),
    "maturin's arguments for rustc": Case(
        in_maturin_table('rustc-args = ["--cfg", "loud"]'),
        {"flag": "true"},
        "pyproject.toml changed",
        besides=OUTPUT_FOLDER,
    ),
    "maturin's configuration for cargo": Case(
        in_maturin_table('config = ["profile.release.debug-assertions = true"]'),
        {"debug": "true"},
        "pyproject.toml changed",
        besides=OUTPUT_FOLDER,
    ),
}
