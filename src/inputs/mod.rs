//! What counts: the names of all inputs of an artifact, and the part of a TOML file that counts.
//!
//! A [`Watch`] is a recipe ("this file", "every file below this folder", "this variable") for
//! finding inputs again later. `fingerprint::observe` turns it into [`Key`]s with values. A place
//! is named by a root and a path below that root (docs/design.md, D13), so that a name means the
//! same on every machine.

use std::path::Path;

use serde::{Deserialize, Serialize};

pub mod cargo;
pub mod cargo_config;
pub mod cargo_metadata;
pub mod dep_info;
mod entries;
pub mod environment;
pub mod extra;
pub mod generators;
pub mod metadata;
pub mod obstacle;
mod paths;
mod roots;
pub mod target;
pub mod units;
mod view;

pub use entries::{read_toml, workspace_of};
use paths::{below, is_one_folder};
pub use paths::{is_device, normalize, relative, slashed};
pub use roots::{Root, Roots};
pub use view::View;

/// Files that mark a folder as a cache or as a virtual environment: nothing below it is a source.
pub const MARKS: [&str; 2] = ["CACHEDIR.TAG", "pyvenv.cfg"];

/// The parts of a fingerprint. Each has its own digest.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Part {
    /// Sources of the crate and of its local dependencies, and files that their build scripts
    /// watch.
    Rust,
    /// Cargo.toml, Cargo.lock, cargo configuration, `[tool.maturin]`.
    Manifest,
    /// Python sources and data that go into the wheel.
    Python,
    /// `[project]`, readme, licences.
    Metadata,
    Environment,
    Toolchain,
    Request,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Kind {
    File,
    /// The meaning of a TOML file (its parsed value).
    Toml,
    /// A folder: its existence, or the names in it.
    Folder,
    /// Neither a file nor a folder: a dangling link, a socket.
    Special,
    Variable,
    Value,
}

/// A place: a path inside a root, with `/` between its parts.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Place {
    pub root: Root,
    pub path: String,
}

#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Key {
    pub part: Part,
    pub kind: Kind,
    /// The root of a place; `None` for a variable or value.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub root: Option<Root>,
    /// The path inside the root, or the name of a variable or value.
    pub name: String,
    /// The view, for a manifest that can be two inputs.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub view: Option<View>,
}

impl Key {
    pub fn place(part: Part, kind: Kind, place: Place) -> Self {
        Self { part, kind, root: Some(place.root), name: place.path, view: None }
    }

    /// The place that this key names; `None` for a variable or value.
    pub fn as_place(&self) -> Option<Place> {
        Some(Place { root: self.root.clone()?, path: self.name.clone() })
    }

    pub fn named(part: Part, kind: Kind, name: impl Into<String>) -> Self {
        Self { part, kind, root: None, name: name.into(), view: None }
    }
}

/// A recipe for finding inputs again. `fingerprint` finds them, in `expand.rs`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(tag = "watch", rename_all = "kebab-case", rename_all_fields = "kebab-case")]
pub enum Watch {
    Place {
        look: Look,
        part: Part,
        #[serde(flatten)]
        place: Place,
    },
    /// The files below a root that match a glob: their content, or only their names.
    Glob {
        part: Part,
        root: Root,
        glob: String,
        #[serde(default, skip_serializing_if = "std::ops::Not::not")]
        only_names: bool,
    },
    /// Every cargo configuration file on cargo's search path, from the project root upwards.
    CargoConfig,
    /// Every toolchain file on rustup's search path.
    ToolchainFile,
    /// One variable, including its absence.
    Variable { name: String },
    /// The well-known variables that are set.
    Variables,
    /// rustc, maturin, interpreter.
    Toolchain,
    /// Artifact, config settings, and the wheelprint settings that affect the wheel.
    Request,
}

/// What counts of a place. Inputs of a later variant replace those of an earlier one with the same
/// key.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Look {
    /// A file's content or its absence. If the path is a folder, every file below it.
    Content,
    /// A TOML file's meaning, or its absence.
    Toml(View),
    DirExists,
    DirEntries,
    /// The manifests above a package that could be its workspace's, in the order of cargo's search.
    WorkspaceSearch,
    /// Every file of a package that git does not ignore. Cargo watches these files if the build
    /// script names nothing to watch.
    Package,
    /// The Python files of a package that maturin would pack.
    Python,
}

impl Watch {
    pub fn at(look: Look, part: Part, place: Place) -> Self {
        Self::Place { look, part, place }
    }

    /// The watch of the content of files that match a glob.
    pub fn glob(part: Part, root: Root, glob: String) -> Self {
        Self::Glob { part, root, glob, only_names: false }
    }

    pub fn part(&self) -> Part {
        match self {
            Self::Place { part, .. } | Self::Glob { part, .. } => *part,
            Self::CargoConfig => Part::Manifest,
            Self::ToolchainFile | Self::Toolchain => Part::Toolchain,
            Self::Variable { .. } | Self::Variables => Part::Environment,
            Self::Request => Part::Request,
        }
    }

    pub fn root(&self) -> Option<&Root> {
        match self {
            Self::Place { place: Place { root, .. }, .. } | Self::Glob { root, .. } => Some(root),
            _ => None,
        }
    }
}

/// Whether a cargo target of this kind is left out of a wheel's build.
pub fn is_beside_the_artifact(kind: &str) -> bool {
    ["bench", "custom-build", "example", "test"].contains(&kind)
}

/// Whether the file is a wheel or sdist of an earlier build, which is no source of the next build.
/// Frontends put such files into `dist`, or (uv) into a folder with a .gitignore that ignores
/// everything.
pub fn is_built(path: &Path) -> bool {
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    let Some(folder) = path.parent() else { return false };
    let ignores_itself =
        || crate::digest::text(&folder.join(".gitignore")).is_ok_and(|rules| rules.trim() == "*");
    // The name must be NAME-VERSION, because such a folder may have other files too.
    let has_version = || {
        let version = name.split_once('-').map_or("", |(_, rest)| rest);
        version.starts_with(|first: char| first.is_ascii_digit())
    };
    (name.ends_with(".whl") || name.ends_with(".tar.gz"))
        && has_version()
        && (folder.ends_with("dist") || ignores_itself())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn watches_have_the_documented_form() {
        let place = Place { root: Root::Crate("a".into()), path: "b.rs".into() };
        let glob = |only_names| {
            let (root, glob) = (Root::Project, "*.txt".to_owned());
            Watch::Glob { part: Part::Rust, root, glob, only_names }
        };
        for (watch, text) in [
            (
                Watch::at(Look::Content, Part::Rust, place.clone()),
                r#"{"watch":"place","look":"content","part":"rust","root":"crate:a","path":"b.rs"}"#,
            ),
            (
                Watch::at(Look::Toml(View::Whole), Part::Manifest, place),
                r#"{"watch":"place","look":{"toml":"whole"},"part":"manifest","root":"crate:a","path":"b.rs"}"#,
            ),
            (glob(false), r#"{"watch":"glob","part":"rust","root":"project","glob":"*.txt"}"#),
            (
                glob(true),
                r#"{"watch":"glob","part":"rust","root":"project","glob":"*.txt","only-names":true}"#,
            ),
            (Watch::Variable { name: "CC".into() }, r#"{"watch":"variable","name":"CC"}"#),
            (Watch::CargoConfig, r#"{"watch":"cargo-config"}"#),
        ] {
            assert_eq!(serde_json::to_string(&watch).unwrap(), text);
            assert_eq!(serde_json::from_str::<Watch>(text).unwrap(), watch);
        }
        for text in [
            r#"{"watch":"path","part":"rust","root":"project","path":"b.rs"}"#,
            r#"{"watch":"place","look":"other","part":"rust","root":"project","path":"b.rs"}"#,
            r#"{"watch":"place","look":"content","part":"rust","root":"other","path":"b.rs"}"#,
        ] {
            assert!(serde_json::from_str::<Watch>(text).is_err(), "{text}");
        }
    }
}
