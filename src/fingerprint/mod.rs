//! The fingerprint: one digest over all inputs, with the part digests it is made of.
//!
//! # The contract: what counts
//!
//! A wheel is fresh if everything that reached it is as it was. This is the list; for users it is
//! docs/what-counts.md.
//!
//! | input | found by | compared by | part |
//! |---|---|---|---|
//! | sources of the crate, of path dependencies, of proc-macro crates; `include_str!`, `include_bytes!`, modules by `#[path]` | rustc's dep-info of every unit in the artifact, cargo's dep-info beside it | content, under the name they were asked for by | rust |
//! | build.rs, and its absence | dep-info; its customary place | content | rust |
//! | files and folders a build script watches (`rerun-if-changed`), there or not | cargo's fingerprint of the run; the script's recorded output | content; every file and folder below a folder; a package's Cargo.toml by its whole parsed value | rust |
//! | all files of a package whose build script names nothing to watch | the same | content of what git tracks or does not ignore, where cargo asks git; else of all files but those whose name begins with a dot, as for cargo; of these the files that `include` or `exclude` in Cargo.toml leave; no files of packages in folders below; the package's own manifests by meaning, less `tool.uv.cache-keys` | rust |
//! | cbindgen.toml, uniffi.toml; for cffi also header.h in the target folder and modules of other platforms and features | maturin's rules | content | rust |
//! | `extra-inputs` | `[tool.wheelprint]` | content of the files that match, and of all below folders that do | rust |
//! | Cargo.toml of every local package in the artifact | cargo metadata | parsed value, without other tools' metadata and lints | manifest |
//! | Cargo.toml of the workspace, the project's and those that path dependencies inherit from; one that appears above | cargo metadata; cargo's search upwards | parsed value of what members inherit or are built with | manifest |
//! | the other members of the workspace and packages of a path, which affect Cargo.lock | cargo metadata; globs in `members` | which there are; parsed value of their dependencies | manifest |
//! | Cargo.lock | cargo metadata | parsed value | manifest |
//! | cargo configuration, in the project, above it and in cargo's home, with what it includes; there or not | cargo's search path | parsed value | manifest |
//! | files given by `--config` with what they include, target specifications | arguments and settings | content | manifest |
//! | pyproject.toml: `[build-system]`, `[tool.maturin]` | - | parsed value | manifest |
//! | pyproject.toml: `[project]`; readme; licence files, also those that Cargo.toml names | PEP 621, PEP 639, maturin's rules | parsed value; content | metadata |
//! | Python sources, `include`, data (not the Python sources of an editable install) | maturin's rules | content | python |
//! | `env!`, `option_env!`, in crates and build scripts | rustc's dep-info | digest of the value, or unset | environment |
//! | `rerun-if-env-changed` | cargo's fingerprint of the run; the script's recorded output | digest of the value, or unset | environment |
//! | `RUSTFLAGS`, `CARGO`, `CARGO_*`, `MATURIN_*`, `PYO3_*`, `CC`, `CFLAGS`, `CPATH` and similar | a list of well-known names | digest of the value | environment |
//! | rustc | `rustc -vV` | text | toolchain |
//! | rust-toolchain(.toml), there or not | rustup's search path | parsed value | toolchain |
//! | maturin | the version that a build there would import: if one is there, and wheelprint beside it | text | toolchain |
//! | interpreter | implementation, version, ABI, platform | text | toolchain |
//! | wheel or editable; config settings; `on-stale`; `extra-inputs`; `remap-paths`; wheelprint itself | the request | text or digest | request |
//!
//! ## What never counts
//!
//! Timestamps and modes; comments, order and spelling in TOML; other tools' tables; files outside the
//! module tree; what the build itself writes; wheels and sdists in `dist` or in another folder into which uv puts them;
//! Python's caches; variables that only say how to show,
//! fetch or publish (`CARGO_TERM_*`, `CARGO_NET_*`, `CARGO_REGISTRIES_*`, `MATURIN_PYPI_TOKEN` and the
//! like).
//!
//! A readme or licence that changed renews the stored wheel's metadata; nothing is compiled.
//!
//! ## What cargo would not see
//!
//! Cargo compares timestamps. Wheelprint keeps a note of the inputs of every unit in the target folder. A
//! unit is compiled again in these cases: an input has other content and cargo's clock does not show it;
//! another tool built the unit since; `extra-inputs` or a compiler's variable changed, which cargo does not
//! compare.
//!
//! ## What can't be relied on
//!
//! In these cases the wheel is delivered, but its record is never matched: an input can't be read
//! (permission, a loop of links, a name that is not UTF-8); an input changed, moved or went away while the
//! build ran; one of cargo's fingerprints had to be removed and could not be; dep-info is missing. The next
//! build says so. A source that a build script writes changes during the first build, so in a fresh checkout
//! the second build is the first one that is reused.
//!
//! A build with `--pgo` is never matched either: what its training run reads is not known.
//!
//! ## Secrets
//!
//! No variable's value is in a record, but its SHA-256 is, if the variable is an input. A short or
//! guessable secret can be guessed from that: don't let one reach a build of a wheel that you publish.
//!
//! ## Blind spots
//!
//! - What a build script or proc macro reads without telling cargo: a file, a variable that is not well
//!   known, git, the network. Name files in `extra-inputs`.
//! - The versions of the C compiler, the linker and system libraries; static libraries that
//!   `rustc-link-search` or a flag finds; linker scripts; profiles (`-C profile-use`). Name files of the project in
//!   `extra-inputs`.
//! - Rust sources in cargo's own registry and git checkouts, and of vendored packages, edited in place:
//!   cargo takes them for what Cargo.lock says. What their build scripts watch does count.
//! - A newer maturin on the package index, as long as none is installed: a fresh project does not ask
//!   the index.
//! - On a machine without rustup, a `rustc` wrapper script whose own file stays the same while what it
//!   runs, outside the sysroot it named, changes.
//! - A comment in a manifest, or uv's cache keys in pyproject.toml, where a build script names nothing to
//!   watch and embeds that file's text.
//! - A file that another program changes in place through a memory map without its times changing.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::digest::Tagged;
use crate::inputs::{Key, Part, Root};

pub mod at_import;
mod expand;
mod item;
pub mod observe;
mod package;
pub mod record;
mod search;
pub mod snapshot;
pub mod source;
#[cfg(test)]
mod testing;
mod walk;

pub use item::{Observation, Places};
pub use record::Record;
pub use source::{Packed, Source};

/// What was seen when an input was looked at.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Value {
    /// There is no such file, folder or variable.
    Absent,
    /// The digest of a content.
    Sha256(String),
    /// A version or the like that may be read by anyone.
    Text(String),
    /// It is there and can't be read; nothing may be concluded from it.
    Unreadable(String),
    /// It can't be known here, and that is no reason to rebuild (a maturin not installed).
    Unknown,
}

/// Inputs and their values, sorted.
pub type Inputs = BTreeMap<Key, Value>;

/// One digest over all inputs, and one for each part.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Fingerprint {
    pub sha256: String,
    pub parts: BTreeMap<Part, String>,
}

impl Fingerprint {
    /// The fingerprint of inputs in the order of their keys. Every input is tagged and delimited (see
    /// [`Tagged`]); a part without inputs has no digest.
    pub fn of<'a>(inputs: impl IntoIterator<Item = (&'a Key, &'a Value)>) -> Self {
        let mut parts: BTreeMap<Part, Tagged> = BTreeMap::new();
        for (key, value) in inputs {
            // No `..`: a new field must be hashed, or left out on purpose.
            let Key { part, kind, root, name, view } = key;
            let tagged = parts.entry(*part).or_insert_with(|| Tagged::new(part_name(*part)));
            tagged.field("kind", &format!("{kind:?}"));
            tagged.field("root", &root.as_ref().map(Root::to_string).unwrap_or_default());
            tagged.field("name", name);
            if let Some(view) = view {
                tagged.field("view", &format!("{view:?}"));
            }
            match value {
                Value::Absent => tagged.field("absent", ""),
                Value::Sha256(digest) => tagged.field("sha256", digest),
                Value::Text(text) => tagged.field("text", text),
                Value::Unreadable(cause) => tagged.field("unreadable", cause),
                Value::Unknown => tagged.field("unknown", ""),
            }
        }
        let parts: BTreeMap<Part, String> =
            parts.into_iter().map(|(part, tagged)| (part, tagged.finish())).collect();
        let mut whole = Tagged::new("wheelprint fingerprint 1");
        for (part, digest) in &parts {
            whole.field(part_name(*part), digest);
        }
        Self { sha256: whole.finish(), parts }
    }
}

/// The part's name in records and reports.
pub fn part_name(part: Part) -> &'static str {
    match part {
        Part::Rust => "rust",
        Part::Manifest => "manifest",
        Part::Python => "python",
        Part::Metadata => "metadata",
        Part::Environment => "environment",
        Part::Toolchain => "toolchain",
        Part::Request => "request",
    }
}
