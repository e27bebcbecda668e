//! What counts: the names of everything that reaches an artifact, never its contents.
//!
//! A [`Watch`] is a recipe ("this file", "every file below this folder", "this variable") for
//! finding inputs again later. `fingerprint::observe` turns it into [`Key`]s with values. A place
//! is named by a root and a path below that root (docs/design.md, D13), so that a name means the
//! same on every machine.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

pub mod ambient;
pub mod cargo;
pub mod cargo_metadata;
pub mod dep_info;
pub mod extra;
pub mod generators;
pub mod metadata;
pub mod obstacle;
mod paths;
pub mod target;
pub mod units;

use paths::{below, is_one_folder};
pub use paths::{is_device, normalize, relative, slashed};

/// The part digests a fingerprint is made of.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Part {
    /// Sources of the crate and its local dependencies, and what their build scripts watch.
    Rust,
    /// Cargo.toml, Cargo.lock, cargo configuration, `[tool.maturin]`.
    Manifest,
    /// Python sources and data that go into the wheel.
    Python,
    /// `[project]`, readme, licences.
    Metadata,
    /// Environment variables.
    Environment,
    /// rustc, maturin, the interpreter.
    Toolchain,
    /// What was asked for: artifact, config settings.
    Request,
}

/// What kind of thing a key names.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Kind {
    /// A file's content.
    File,
    /// A TOML file's meaning.
    Toml,
    /// A folder: that it is one, or which names it holds.
    Folder,
    /// What is neither file nor folder: a link that leads nowhere, a socket.
    Special,
    /// An environment variable.
    Variable,
    /// A version or setting.
    Value,
}

/// A place: a path inside a named root, with `/` between its parts.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Place {
    /// `project`, `workspace`, `crate:NAME`, `above`, `cargo-home` or `outside:N`.
    pub root: String,
    pub path: String,
}

/// The root that is the project's own folder.
pub const PROJECT: &str = "project";
/// The folder of the workspace's Cargo.toml.
pub const WORKSPACE: &str = "workspace";
/// Roots whose contents the build itself makes, and that never count, by prefix.
pub const PRODUCTS: &str = "products:";
/// Cargo's home folder.
pub const CARGO_HOME: &str = "cargo-home";

/// One input, as it is named in a record.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Key {
    pub part: Part,
    pub kind: Kind,
    /// The root of a place; empty for what is none.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub root: String,
    /// The path inside the root, or the name of a variable or value.
    pub name: String,
    /// Of a manifest that can count twice, as what it counts here.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub view: Option<View>,
}

impl Key {
    /// The key of a place.
    pub fn place(part: Part, kind: Kind, place: &Place) -> Self {
        Self { part, kind, root: place.root.clone(), name: place.path.clone(), view: None }
    }

    /// Where it lies, if it is the key of a place.
    pub fn as_place(&self) -> Place {
        Place { root: self.root.clone(), path: self.name.clone() }
    }

    /// The key of a variable or value.
    pub fn named(part: Part, kind: Kind, name: impl Into<String>) -> Self {
        Self { part, kind, root: String::new(), name: name.into(), view: None }
    }
}

/// What of a TOML file counts (docs/design.md, D2).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum View {
    /// A package's Cargo.toml, less other tools' metadata.
    Package,
    /// The workspace's root Cargo.toml: only what members inherit or are built with.
    Workspace,
    /// All of it: Cargo.lock, cargo configuration, rust-toolchain.toml.
    Whole,
    /// Another member's Cargo.toml: what it needs.
    Dependencies,
    /// pyproject.toml: `[build-system]` and `[tool.maturin]`.
    Build,
    /// pyproject.toml: `[project]`.
    Project,
    /// pyproject.toml where it counts as one file of a package: all but `tool.uv.cache-keys`, which
    /// say what uv watches.
    Pyproject,
    /// pyproject.toml: `[tool.wheelprint]`, for an import; a build goes by what the settings say.
    Own,
}

/// A recipe for looking at inputs again.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(tag = "watch", rename_all = "kebab-case")]
pub enum Watch {
    /// A file's content or its absence; if it is a folder, every file below it.
    Path {
        part: Part,
        #[serde(flatten)]
        place: Place,
    },
    /// A TOML file's meaning or its absence.
    Toml {
        part: Part,
        view: View,
        #[serde(flatten)]
        place: Place,
    },
    /// Is there a folder of this name?
    Folder {
        part: Part,
        #[serde(flatten)]
        place: Place,
    },
    /// The names in a folder, not their contents.
    Listing {
        part: Part,
        #[serde(flatten)]
        place: Place,
    },
    /// The manifests above a package that may hold its workspace, as cargo searches for them.
    WorkspaceSearch {
        part: Part,
        #[serde(flatten)]
        place: Place,
    },
    /// The names that match a glob, not their contents.
    Names { part: Part, root: String, glob: String },
    /// Files matching a glob, from a root.
    Glob { part: Part, root: String, glob: String },
    /// Every file of a package that git does not ignore: what cargo watches for a build script
    /// that names nothing to watch.
    Package {
        part: Part,
        #[serde(flatten)]
        place: Place,
    },
    /// The Python files of a package as maturin would pack them.
    Python {
        part: Part,
        #[serde(flatten)]
        place: Place,
    },
    /// Every cargo configuration file on cargo's search path, from the project root upwards.
    CargoConfig,
    /// Every toolchain file on rustup's search path.
    ToolchainFile,
    /// One variable, set or not.
    Variable { name: String },
    /// The well-known variables that are set.
    Variables,
    /// rustc, maturin, interpreter.
    Toolchain,
    /// Artifact, config settings, wheelprint's settings that reach the wheel.
    Request,
}

impl Watch {
    /// The root this watch looks below, if it looks at a place.
    pub fn root(&self) -> Option<&str> {
        match self {
            Self::Path { place, .. }
            | Self::Toml { place, .. }
            | Self::Folder { place, .. }
            | Self::Listing { place, .. }
            | Self::WorkspaceSearch { place, .. }
            | Self::Package { place, .. }
            | Self::Python { place, .. } => Some(&place.root),
            Self::Glob { root, .. } | Self::Names { root, .. } => Some(root),
            Self::CargoConfig
            | Self::ToolchainFile
            | Self::Variable { .. }
            | Self::Variables
            | Self::Toolchain
            | Self::Request => None,
        }
    }
}

/// Where the named roots lie on this machine.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Roots(BTreeMap<String, PathBuf>);

impl Roots {
    /// Names a folder. The first folder given a name keeps it.
    pub fn add(&mut self, name: impl Into<String>, folder: impl Into<PathBuf>) {
        self.0.entry(name.into()).or_insert_with(|| folder.into());
    }

    /// The folder of a root.
    pub fn get(&self, name: &str) -> Option<&Path> {
        self.0.get(name).map(PathBuf::as_path)
    }

    /// All roots, sorted by name.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &Path)> {
        self.0.iter().map(|(name, folder)| (name.as_str(), folder.as_path()))
    }

    /// Is this a folder the build itself writes to?
    pub fn is_products(&self, path: &Path) -> bool {
        // The file system is asked only where the last names are alike: this is asked of every file.
        let may_be = |folder: &Path| {
            let names = [folder, path].map(|path| path.file_name().unwrap_or_default());
            names[0].eq_ignore_ascii_case(names[1])
        };
        self.iter().any(|(name, folder)| {
            let is = || below(path, folder, is_one_folder) == Some(Path::new(""));
            name.starts_with(PRODUCTS) && (folder == path || may_be(folder) && is())
        })
    }

    /// The path of a place, or `None` if its root is not known here.
    pub fn resolve(&self, place: &Place) -> Option<PathBuf> {
        let root = self.get(&place.root)?;
        Some(if place.path.is_empty() { root.to_owned() } else { root.join(&place.path) })
    }

    /// Names a path: by the innermost root that holds it, a crate before the workspace or project
    /// that shares its folder. A path in none gets a root of its own. `None` if it is not UTF-8.
    pub fn name(&mut self, path: &Path) -> Option<Place> {
        self.name_by(path, is_one_folder)
    }

    fn name_by(&mut self, path: &Path, is_same: fn(&Path, &Path) -> bool) -> Option<Place> {
        let path = normalize(path);
        let innermost = self
            .0
            .iter()
            .filter(|(name, _)| !name.starts_with("outside:") && !name.starts_with(PRODUCTS))
            .filter_map(|(name, folder)| Some((name, folder, below(&path, folder, is_same)?)))
            .max_by_key(|(name, folder, _)| {
                (folder.components().count(), name.starts_with("crate:"))
            })
            .map(|(name, _, inside)| (name.clone(), inside));
        let (root, inside) = match innermost {
            Some(found) => found,
            None => {
                let (root, folder) = self.outside(path.parent().unwrap_or(&path));
                (root, path.strip_prefix(&folder).ok()?)
            }
        };
        Some(Place { root, path: slashed(inside)? })
    }

    fn outside(&mut self, folder: &Path) -> (String, PathBuf) {
        let known = self
            .0
            .iter()
            .find(|(name, known)| name.starts_with("outside:") && known.as_path() == folder);
        if let Some((name, folder)) = known {
            return (name.clone(), folder.clone());
        }
        let count = self.0.keys().filter(|name| name.starts_with("outside:")).count();
        let name = format!("outside:{}", count + 1);
        self.0.insert(name.clone(), folder.to_owned());
        (name, folder.to_owned())
    }
}

/// Is a cargo product of this kind left out of a wheel's build?
pub fn is_beside_the_artifact(kind: &str) -> bool {
    ["bench", "custom-build", "example", "test"].contains(&kind)
}

/// A wheel or sdist where frontends put them: in `dist`, or in a folder that ignores itself, as uv
/// has it. What was built before is no source of what is built next.
pub fn is_built(path: &Path) -> bool {
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    let Some(folder) = path.parent() else { return false };
    let ignores_itself =
        || fs_err::read_to_string(folder.join(".gitignore")).is_ok_and(|rules| rules.trim() == "*");
    // NAME-VERSION: not everything in such a folder was built.
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
    fn a_path_is_named_by_the_innermost_root() {
        let mut roots = Roots::default();
        roots.add(PROJECT, "/w/py");
        roots.add("crate:core", "/w/core");
        roots.add("crate:py", "/w/py");
        roots.add(WORKSPACE, "/w");
        let mut named = |path: &str| {
            let place = roots.name(Path::new(path)).unwrap();
            format!("{} {}", place.root, place.path)
        };
        assert_eq!(named("/w/py/src/lib.rs"), "crate:py src/lib.rs");
        assert_eq!(named("/w/core/src/../data.txt"), "crate:core data.txt");
        assert_eq!(named("/w/Cargo.lock"), "workspace Cargo.lock");
        assert_eq!(named("/usr/include/z.h"), "outside:1 z.h");
        assert_eq!(named("/opt/x/y.h"), "outside:2 y.h");
        assert_eq!(named("/usr/include/a.h"), "outside:1 a.h");
    }

    #[test]
    fn a_path_in_another_case_is_in_its_root() {
        let mut roots = Roots::default();
        roots.add(PROJECT, "/w/py");
        roots.add("crate:core", "/w/py/core");
        let blind: fn(&Path, &Path) -> bool =
            |one, other| one.as_os_str().eq_ignore_ascii_case(other);
        // Outside of all roots it would be the file of this tree for every other tree, too.
        for (path, name) in [
            ("/W/Py/src/lib.rs", "project src/lib.rs"),
            ("/w/py/Core/src/lib.rs", "crate:core src/lib.rs"),
            ("/w/PY/Cargo.toml", "project Cargo.toml"),
            ("/w/other/a.h", "outside:1 a.h"),
        ] {
            let place = roots.name_by(Path::new(path), blind).unwrap();
            assert_eq!(format!("{} {}", place.root, place.path), name, "{path}");
        }
    }

    #[test]
    #[cfg(windows)]
    fn places_on_windows() {
        let mut roots = Roots::default();
        roots.add(PROJECT, r"C:\p");
        roots.add("crate:core", r"D:\core");
        for (path, name) in [
            (r"C:\p\src\lib.rs", "project src/lib.rs"),
            (r"c:/p/src/../data.txt", "project data.txt"),
            (r"\\?\C:\p\src\lib.rs", "project src/lib.rs"),
            (r"\\?\D:\core\lib.rs", "crate:core lib.rs"),
            (r"E:\x\y.h", "outside:1 y.h"),
        ] {
            let place = roots.name(Path::new(path)).unwrap();
            assert_eq!(format!("{} {}", place.root, place.path), name, "{path}");
        }
        assert_eq!(relative(Path::new(r"C:\p"), Path::new(r"D:\core")), None);
        assert_eq!(relative(Path::new(r"C:\p"), Path::new(r"c:\q")).as_deref(), Some("../q"));
    }

    #[test]
    fn a_place_leads_back_to_its_path() {
        let mut roots = Roots::default();
        roots.add(PROJECT, "/p");
        for path in ["/p/a/b.rs", "/p", "/elsewhere/c.h"] {
            let place = roots.name(Path::new(path)).unwrap();
            assert_eq!(roots.resolve(&place), Some(PathBuf::from(path)));
        }
    }
}
