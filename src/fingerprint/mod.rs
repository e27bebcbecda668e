//! The fingerprint: one digest over all inputs, with the part digests it is made of.
//!
//! # The contract: what counts
//!
//! | input | found by | compared by | part |
//! |---|---|---|---|
//! | sources of the crate, of path dependencies, of proc-macro crates | cargo's dep-info beside the artifact | content | rust |
//! | `include_str!`, `include_bytes!`, modules by `#[path]` | the same | content | rust |
//! | where a link leads through which a source was asked for | rustc's dep-info | the way | rust |
//! | build.rs, and its absence | dep-info; its customary place | content | rust |
//! | files and folders a build script watches | dep-info; the script's recorded output | content, every file below a folder | rust |
//! | all files of a package whose build script names nothing | the script's recorded output | content of what git tracks or does not ignore; manifests by meaning | rust |
//! | `extra-inputs` | `[tool.wheelprint]` | content of the files that match | rust |
//! | Cargo.toml of every local package | owners of the sources | parsed value, without other tools' metadata | manifest |
//! | the workspace's Cargo.toml | cargo metadata | parsed value of what members inherit or are built with | manifest |
//! | Cargo.lock | cargo metadata | parsed value | manifest |
//! | cargo configuration, upwards and in cargo's home; present or absent | cargo's search path | parsed value | manifest |
//! | rust-toolchain(.toml), present or absent | rustup's search path | parsed value | toolchain |
//! | pyproject.toml: `[build-system]`, `[tool.maturin]` | - | parsed value | manifest |
//! | pyproject.toml: `[project]`; readme; licence files | PEP 621, PEP 639 | parsed value; content | metadata |
//! | Python sources, `include`, data (not the sources of an editable install) | maturin's rules | content | python |
//! | `env!`, `option_env!` | rustc's dep-info | value's digest, or unset | environment |
//! | `rerun-if-env-changed` | build scripts' recorded outputs | value's digest, or unset | environment |
//! | RUSTFLAGS, `CARGO_*`, `MATURIN_*`, `PYO3_*`, CC, CFLAGS and kin | `inputs::ambient` | value's digest | environment |
//! | rustc | `rustc -vV` | text | toolchain |
//! | maturin | version of the one that would be imported, if one is there | text | toolchain |
//! | interpreter | implementation, version, ABI, platform | text | toolchain |
//! | wheel or editable; config settings; `on-stale`; `extra-inputs`; wheelprint itself | the request | text or digest | request |
//!
//! Never counts: timestamps, modes, comments and formatting in TOML, other tools' tables, files
//! outside the module tree, what the build itself writes (below the target folder).
//!
//! # Known blind spots
//!
//! - What a build script or proc macro reads without telling cargo (a file, a variable, git, the
//!   network): cargo does not see it either. Name it in `extra-inputs`.
//! - The C compiler's, linker's and system libraries' versions.
//! - A newer maturin on the package index, as long as none is installed: a fresh project does not
//!   ask the index.
//! - On a machine without rustup, a `rustc` wrapper script whose own file stays the same while
//!   what it runs, outside the sysroot it named, changes.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::digest::Tagged;
use crate::inputs::{Key, Part};

pub mod observe;
pub mod record;
pub mod toml_view;
mod walk;

pub use record::Record;

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
    /// Every input is tagged and delimited (see [`Tagged`]); a part without inputs has no digest.
    pub fn of(inputs: &Inputs) -> Self {
        let mut parts: BTreeMap<Part, Tagged> = BTreeMap::new();
        for (key, value) in inputs {
            // No `..`: a new field must be hashed, or left out on purpose.
            let Key { part, kind, root, name } = key;
            let tagged = parts.entry(*part).or_insert_with(|| Tagged::new(part_name(*part)));
            tagged.field("kind", &format!("{kind:?}"));
            tagged.field("root", root);
            tagged.field("name", name);
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
