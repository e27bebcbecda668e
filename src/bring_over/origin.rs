//! The trees that units come from, their paths in bytes, and the mark that tells a later build of
//! them.

use std::collections::BTreeSet;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};

use memchr::memmem;
use serde::{Deserialize, Serialize};

use crate::error::Cause;
use crate::inputs::target::Target;
use crate::publish::sealed;

/// Another tree of the project.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub(crate) struct Origin {
    /// The folder that its profile folders with cargo's units are in.
    pub build_root: PathBuf,
    /// Its own folder.
    pub tree: PathBuf,
}

/// Lies in the folder with the profile folders. `cargo clean` removes it with them.
pub(super) const MARK: &str = "wheelprint-brought";

impl Origin {
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
pub(super) struct Paths(BTreeSet<Vec<u8>>);

impl Paths {
    pub(super) fn of<'a>(origins: impl IntoIterator<Item = &'a Origin>) -> Self {
        let mut paths = BTreeSet::new();
        for origin in origins {
            paths.insert(origin.build_root.clone());
            paths.extend(dunce::canonicalize(&origin.build_root));
            for tree in [Ok(origin.tree.clone()), dunce::canonicalize(&origin.tree)] {
                // `/` is a part of every path. The separator at the end excludes a folder whose
                // name only begins like this one's.
                paths
                    .extend(tree.ok().filter(|tree| tree.parent().is_some()).map(|it| it.join("")));
            }
        }
        Self(paths.iter().flat_map(|path| Spellings::of(path).all()).collect())
    }

    /// Where in these bytes one of the paths starts, and its length.
    pub(super) fn places_in(&self, bytes: &[u8]) -> BTreeSet<(usize, usize)> {
        let places = |path: &Vec<u8>| {
            memmem::find_iter(bytes, path).map(|at| (at, path.len())).collect::<Vec<_>>()
        };
        self.0.iter().flat_map(places).collect()
    }

    #[cfg(test)]
    pub(super) fn are_in(&self, bytes: &[u8]) -> bool {
        self.0.iter().any(|path| memmem::find(bytes, path).is_some())
    }
}

/// The spellings of a path in text.
pub(super) struct Spellings {
    pub plain: Vec<u8>,
    /// With `\ ` for a space, as in the rules of dep-info.
    pub escaped: Vec<u8>,
    /// With a doubled backslash, as in JSON and in sources.
    pub doubled: Vec<u8>,
}

impl Spellings {
    pub(super) fn of(path: &Path) -> Self {
        let plain = path.as_os_str().as_encoded_bytes();
        let with =
            |byte: u8, text: &[u8]| plain.split(|it| *it == byte).collect::<Vec<_>>().join(text);
        Self { plain: plain.to_vec(), escaped: with(b' ', b"\\ "), doubled: with(b'\\', b"\\\\") }
    }

    pub(super) fn all(self) -> [Vec<u8>; 3] {
        [self.plain, self.escaped, self.doubled]
    }
}

/// What was brought into a target folder and may contain a path of the tree that it comes from.
#[derive(Debug, Default, Serialize, Deserialize)]
pub(super) struct Mark {
    pub origins: BTreeSet<Origin>,
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
        if path.exists() { sealed::read(&path) } else { Ok(Self::default()) }
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
