//! What counts: the names of all inputs of an artifact, never their contents.
//!
//! A [`Watch`] is a recipe ("this file", "every file below this folder", "this variable") for
//! finding inputs again later. `fingerprint::observe` turns it into [`Key`]s with values. A place
//! is named by a root and a path below that root (docs/design.md, D13), so that a name means the
//! same on every machine.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

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
pub mod target;
pub mod units;

use paths::{below, is_one_folder};
pub use paths::{is_device, normalize, relative, slashed};

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
    /// Environment variables.
    Environment,
    /// rustc, maturin, the interpreter.
    Toolchain,
    /// The request: artifact, config settings.
    Request,
}

/// The kind of thing that a key names.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Kind {
    /// A file's content.
    File,
    /// The meaning of a TOML file (its parsed value).
    Toml,
    /// A folder: its existence, or the names in it.
    Folder,
    /// Neither a file nor a folder: a dangling link, a socket.
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

/// The root for the project's own folder.
pub const PROJECT: &str = "project";
/// The root for the folder of the workspace's Cargo.toml.
pub const WORKSPACE: &str = "workspace";
/// The prefix of roots that contain the outputs of builds. Nothing in them counts.
pub const PRODUCTS: &str = "products:";
/// The root for cargo's home folder.
pub const CARGO_HOME: &str = "cargo-home";

/// The name of one input in a record.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Key {
    pub part: Part,
    pub kind: Kind,
    /// The root of a place; empty for a variable or value.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub root: String,
    /// The path inside the root, or the name of a variable or value.
    pub name: String,
    /// The view, for a manifest that can be two inputs.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub view: Option<View>,
}

impl Key {
    /// The key of a place.
    pub fn place(part: Part, kind: Kind, place: &Place) -> Self {
        Self { part, kind, root: place.root.clone(), name: place.path.clone(), view: None }
    }

    /// The place that this key names. Only for the key of a place.
    pub fn as_place(&self) -> Place {
        Place { root: self.root.clone(), path: self.name.clone() }
    }

    /// The key of a variable or value.
    pub fn named(part: Part, kind: Kind, name: impl Into<String>) -> Self {
        Self { part, kind, root: String::new(), name: name.into(), view: None }
    }
}

/// The part of a TOML file that counts (docs/design.md, D2).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum View {
    /// A package's Cargo.toml, without the metadata of other tools.
    Package,
    /// The workspace's root Cargo.toml: only the tables that members inherit or that affect their
    /// build.
    Workspace,
    /// The whole file: Cargo.lock, cargo configuration, rust-toolchain.toml.
    Whole,
    /// The Cargo.toml of another member: its dependencies.
    Dependencies,
    /// pyproject.toml: `[build-system]` and `[tool.maturin]`.
    Build,
    /// pyproject.toml: `[project]`.
    Project,
    /// pyproject.toml as one file of a package: everything except `tool.uv.cache-keys`, which only
    /// name the files that uv watches.
    Pyproject,
    /// pyproject.toml: `[tool.wheelprint]`. For the import check only; in a build the resolved
    /// settings count.
    Own,
}

/// A recipe for finding inputs again.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(tag = "watch", rename_all = "kebab-case")]
pub enum Watch {
    /// A file's content or its absence. If the path is a folder, every file below it.
    Path {
        part: Part,
        #[serde(flatten)]
        place: Place,
    },
    /// A TOML file's meaning, or its absence.
    Toml {
        part: Part,
        view: View,
        #[serde(flatten)]
        place: Place,
    },
    /// The existence of a folder.
    Folder {
        part: Part,
        #[serde(flatten)]
        place: Place,
    },
    /// The names in a folder, without the contents.
    Listing {
        part: Part,
        #[serde(flatten)]
        place: Place,
    },
    /// The manifests above a package that could be its workspace's, in the order of cargo's search.
    WorkspaceSearch {
        part: Part,
        #[serde(flatten)]
        place: Place,
    },
    /// The names that match a glob, without the contents.
    Names { part: Part, root: String, glob: String },
    /// The content of files that match a glob, relative to a root.
    Glob { part: Part, root: String, glob: String },
    /// Every file of a package that git does not ignore. Cargo watches these files if the build
    /// script names nothing to watch.
    Package {
        part: Part,
        #[serde(flatten)]
        place: Place,
    },
    /// The Python files of a package that maturin would pack.
    Python {
        part: Part,
        #[serde(flatten)]
        place: Place,
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

impl Watch {
    /// The root of this watch's place, if it has a place.
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

/// The folders of the named roots on this machine.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Roots(BTreeMap<String, PathBuf>);

impl Roots {
    /// Adds a root. If the name exists already, its folder stays.
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

    /// Whether this is a folder that the build itself writes to.
    pub fn is_products(&self, path: &Path) -> bool {
        // This runs for every file, so ask the file system only if the last names are alike.
        let may_be = |folder: &Path| {
            let names = [folder, path].map(|path| path.file_name().unwrap_or_default());
            names[0].eq_ignore_ascii_case(names[1])
        };
        self.iter().any(|(name, folder)| {
            let is = || below(path, folder, is_one_folder) == Some(Path::new(""));
            name.starts_with(PRODUCTS) && (folder == path || may_be(folder) && is())
        })
    }

    /// The path of a place; `None` if its root is unknown here.
    pub fn resolve(&self, place: &Place) -> Option<PathBuf> {
        let root = self.get(&place.root)?;
        Some(if place.path.is_empty() { root.to_owned() } else { root.join(&place.path) })
    }

    /// Names a path by the innermost root that contains it. A crate has priority over the workspace
    /// or project with the same folder. A path outside of all roots gets a new root. `None` if the
    /// path is not UTF-8.
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
        || fs_err::read_to_string(folder.join(".gitignore")).is_ok_and(|rules| rules.trim() == "*");
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
        // If the path were named outside of all roots, its name would mean this tree's file for
        // every other tree too.
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
