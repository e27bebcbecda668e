//! What lay in the tree when a build began: an edit during it may leave no time of its own.
//!
//! A file that is deleted is no longer there to be asked; one that is moved, with its folder or by
//! a link that is turned, brings the times it had.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use super::walk::{self, Item, Look};
use crate::inputs::{Key, Roots};
use crate::stat_cache::Stat;

/// Files with what the file system said of them.
#[derive(Debug, Default)]
pub struct Snapshot {
    files: BTreeMap<PathBuf, Option<Seen>>,
    /// Folders of which every file is known.
    folders: Vec<PathBuf>,
}

#[derive(Debug, PartialEq, Eq)]
struct Seen {
    stat: Option<Stat>,
    size: u64,
    modified: Option<std::time::SystemTime>,
}

impl Snapshot {
    /// Of what the inputs of earlier builds are, and of all files of these packages.
    pub(super) fn new(items: &[Item], packages: &[PathBuf], roots: &Roots) -> Self {
        let files = items
            .iter()
            .filter_map(path_of)
            .map(Path::to_owned)
            .chain(packages.iter().flat_map(|folder| walk::files(folder, roots)))
            .map(|path| {
                let seen = Seen::of(&path);
                (path, seen)
            })
            .collect();
        Self { files, folders: packages.to_vec() }
    }

    /// The inputs that are not the files they were, and those that were not there.
    pub(super) fn changed(&self, items: &[Item], roots: &Roots) -> BTreeSet<Key> {
        let changed = |path: &Path| match self.files.get(path) {
            Some(seen) => *seen != Seen::of(path),
            None => {
                let walked = |folder: &PathBuf| {
                    path.strip_prefix(folder).is_ok_and(|inside| {
                        inside
                            .ancestors()
                            .skip(1)
                            .all(|part| !walk::is_junk(&folder.join(part), roots))
                    })
                };
                self.folders.iter().any(walked) && path.exists()
            }
        };
        items
            .iter()
            .filter(|item| path_of(item).is_some_and(changed))
            .map(|item| item.key.clone())
            .collect()
    }

    /// The files that are gone.
    pub fn gone(&self) -> impl Iterator<Item = &Path> {
        self.files
            .iter()
            .filter(|(path, seen)| seen.is_some() && fs_err::symlink_metadata(path).is_err())
            .map(|(path, _)| path.as_path())
    }
}

impl Seen {
    fn of(path: &Path) -> Option<Self> {
        let meta = fs_err::metadata(path).ok()?;
        Some(Self { stat: Stat::of(&meta), size: meta.len(), modified: meta.modified().ok() })
    }
}

fn path_of(item: &Item) -> Option<&Path> {
    match &item.look {
        Look::Content(path) | Look::Meaning(path, _) => Some(path),
        Look::Known(_) | Look::Holder(_) => None,
    }
}
