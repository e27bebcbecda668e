//! The state of the tree when a build began.
//!
//! Not every edit during a build leaves a newer time. A deleted file has no time any more, and a
//! file that was moved, or that lies behind a link that was retargeted, keeps its old one.
//! Comparing with the snapshot finds these edits.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use super::walk::{self, Item, Look};
use super::{Value, search};
use crate::digest;
use crate::inputs::{Key, Roots};
use crate::stat_cache::{self, Stat};

/// More than the clocks of machines that share a file system differ, in nanoseconds.
const FAR_AHEAD: i128 = 10_000_000_000;

/// Files with what the file system said of them.
#[derive(Debug, Default)]
pub struct Snapshot {
    files: BTreeMap<PathBuf, Option<Seen>>,
    /// Folders whose listing counts.
    holders: BTreeMap<PathBuf, Option<Seen>>,
    /// Links to folders, which are not followed: they may lead anywhere.
    links: BTreeMap<PathBuf, Option<Seen>>,
    /// Folders of which every file is known.
    folders: Vec<PathBuf>,
}

#[derive(Debug, PartialEq, Eq)]
struct Seen {
    stat: Option<Stat>,
    size: u64,
    modified: Option<std::time::SystemTime>,
    /// Of the content, or of the names in a folder, where the time lies ahead of the clock and so
    /// says nothing of when it was changed.
    digest: Option<String>,
}

impl Snapshot {
    /// Of what the inputs of earlier builds are, and of all files of these packages.
    pub(super) fn new(items: &[Item], packages: &[PathBuf], roots: &Roots) -> Self {
        let mut snapshot = Self { folders: packages.to_vec(), ..Self::default() };
        for path in items.iter().filter_map(path_of) {
            snapshot.files.insert(path.to_owned(), Seen::of(path));
        }
        for item in items {
            if let Look::Holder(path) = &item.look {
                snapshot.holders.insert(path.clone(), Seen::of(path));
            }
        }
        for path in packages.iter().flat_map(|folder| walk::files_and_links(folder, roots)) {
            if path.is_dir() {
                let seen = Seen::of_link(&path);
                snapshot.links.insert(path, seen);
            } else {
                let seen = Seen::of(&path);
                snapshot.files.insert(path, seen);
            }
        }
        snapshot
    }

    /// The inputs that are not the files they were, and those that were not there.
    pub(super) fn changed(&self, items: &[Item], roots: &Roots) -> BTreeSet<Key> {
        let changed = |path: &Path| match self.files.get(path) {
            Some(seen) => *seen != Seen::of(path),
            None => self.folders.iter().any(|folder| self.is_new(path, folder, roots)),
        };
        items
            .iter()
            .filter(|item| path_of(item).is_some_and(changed))
            .map(|item| item.key.clone())
            .collect()
    }

    /// Would this file, below a package's folder, have been seen if it had been there?
    fn is_new(&self, path: &Path, folder: &Path, roots: &Roots) -> bool {
        let Ok(inside) = path.strip_prefix(folder) else { return false };
        if !path.exists() {
            return false;
        }
        let above: Vec<PathBuf> = inside.ancestors().skip(1).map(|it| folder.join(it)).collect();
        // Behind a link that has been turned all is new; behind one that has not, times tell.
        let link = above.iter().rfind(|above| **above != folder && above.is_symlink());
        if let Some(link) = link {
            return self.links.get(link).is_none_or(|seen| *seen != Seen::of_link(link));
        }
        !above.iter().any(|above| above != folder && walk::is_passed_over(above, roots))
    }

    /// Is it as it was, by its content too, with a time that lies ahead of the clock? The time alone
    /// would be proof of nothing: the file system's clock may be ahead as well, and a coarse one.
    pub(super) fn lay_ahead(&self, path: &Path) -> bool {
        let seen = self.files.get(path).or_else(|| self.holders.get(path)).and_then(Option::as_ref);
        seen.is_some_and(|seen| seen.digest.is_some() && Seen::of(path).as_ref() == Some(seen))
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
        let mut seen = Self::from(&meta)?;
        if seen.stat.is_some_and(|stat| stat.ctime > stat_cache::now() + FAR_AHEAD) {
            seen.digest = match search::listing(path) {
                Value::Sha256(names) => Some(names),
                // Of a pipe the end would be waited for.
                _ if meta.is_file() => digest::file(path).ok(),
                _ => None,
            };
        }
        Some(seen)
    }

    fn of_link(path: &Path) -> Option<Self> {
        Self::from(&fs_err::symlink_metadata(path).ok()?)
    }

    fn from(meta: &std::fs::Metadata) -> Option<Self> {
        Some(Self {
            stat: Stat::of(meta),
            size: meta.len(),
            modified: meta.modified().ok(),
            digest: None,
        })
    }
}

fn path_of(item: &Item) -> Option<&Path> {
    match &item.look {
        Look::Content(path, _) | Look::Meaning(path, _) => Some(path),
        Look::Known(_) | Look::Holder(_) => None,
    }
}
