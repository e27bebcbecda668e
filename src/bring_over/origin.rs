//! The trees that units come from, their paths, and the mark that tells a later build of them.

use std::collections::BTreeSet;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use crate::error::Cause;
use crate::inputs::target::Target;
use crate::path_search::Paths;
use crate::publish::sealed;

/// Another tree of the project.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub(crate) struct OtherTree {
    /// The folder that its profile folders with cargo's units are in.
    pub build_root: PathBuf,
    /// Its own folder.
    pub tree: PathBuf,
}

/// Lies in the folder with the profile folders. `cargo clean` removes it with them.
pub(super) const MARK: &str = "wheelprint-brought";

impl OtherTree {
    pub(super) fn of(target: &Target) -> Self {
        let (build_root, tree) = (target.build_root(), &target.metadata.workspace_root);
        Self { build_root: build_root.to_owned(), tree: tree.clone() }
    }

    pub(super) fn is_of(&self, to: &Target) -> bool {
        self.build_root == to.build_root()
            || same_file::is_same_file(&self.build_root, to.build_root()).unwrap_or(false)
    }

    /// The place in another target folder of a file below this one.
    pub(super) fn moved(&self, path: &Path, to: &Target) -> Option<PathBuf> {
        Some(to.build_root().join(path.strip_prefix(&self.build_root).ok()?))
    }
}

/// The paths that show that something belongs to one of some trees.
pub(super) fn paths<'a>(origins: impl IntoIterator<Item = &'a OtherTree>) -> Paths {
    let mut paths = Vec::new();
    for OtherTree { build_root, tree } in origins {
        let as_named = |path: &PathBuf| [Some(path.clone()), dunce::canonicalize(path).ok()];
        paths.extend(as_named(build_root).into_iter().flatten());
        // `/` is a part of every path. The separator at the end excludes a folder whose name only
        // begins like this one's.
        let trees = as_named(tree).into_iter().flatten().filter(|tree| tree.parent().is_some());
        paths.extend(trees.map(|tree| tree.join("")));
    }
    Paths::new(paths)
}

/// What was brought into a target folder and may contain a path of the tree that it comes from.
#[derive(Debug, Default, Serialize, Deserialize)]
pub(super) struct Mark {
    pub origins: BTreeSet<OtherTree>,
    /// Cargo's folders for their fingerprints.
    pub units: BTreeSet<PathBuf>,
    /// Folders of the other trees, see `pyo3`.
    pub pyo3: BTreeSet<PathBuf>,
}

impl Mark {
    /// What is known of a target folder.
    ///
    /// # Errors
    /// The mark is damaged.
    pub(super) fn read(build_root: &Path) -> Result<Self, Cause> {
        let path = build_root.join(MARK);
        if path.try_exists()? { sealed::read(&path) } else { Ok(Self::default()) }
    }

    pub(super) fn write(&self, build_root: &Path) -> std::io::Result<()> {
        sealed::write(&build_root.join(MARK), self)
    }
}

/// Forgets what is known of a target folder.
pub(super) fn remove_mark(build_root: &Path) -> std::io::Result<()> {
    match fs_err::remove_file(build_root.join(MARK)) {
        Err(error) if error.kind() != ErrorKind::NotFound => Err(error),
        _ => Ok(()),
    }
}
