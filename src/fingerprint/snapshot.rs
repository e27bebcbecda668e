//! The state of the tree at the start of a build.
//!
//! Not every edit during a build leaves a newer time. A removed file has no time. A moved file, or
//! a file behind a retargeted link, keeps its old time. Comparing the tree with the snapshot finds
//! these edits.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use super::item::{Item, Probe};
use super::{Value, search, walk};
use crate::digest;
use crate::inputs::{Key, Roots};
use crate::stat_cache::{self, Stat};

/// A time further ahead of the clock than this is no clock difference between machines that share a
/// file system. In nanoseconds.
const FAR_AHEAD: i128 = 10_000_000_000;

#[derive(Debug, Default)]
pub struct Snapshot {
    files: BTreeMap<PathBuf, Option<Seen>>,
    /// Folders whose list of names is an input.
    holders: BTreeMap<PathBuf, Option<Seen>>,
    /// Links to folders. They are not followed, because they may lead anywhere.
    links: BTreeMap<PathBuf, Option<Seen>>,
    /// Folders in which every file was recorded.
    folders: Vec<PathBuf>,
}

#[derive(Debug, PartialEq, Eq)]
struct Seen {
    stat: Option<Stat>,
    size: u64,
    modified: Option<std::time::SystemTime>,
    /// The digest of the content, or of the names in a folder. Only for a time ahead of the clock,
    /// because such a time does not show when the change happened.
    digest: Option<String>,
}

impl Snapshot {
    /// Takes a snapshot of these items (the inputs of earlier builds) and of all files of these
    /// packages.
    pub(super) fn new(items: &[Item], packages: &[PathBuf], roots: &Roots) -> Self {
        let mut snapshot = Self { folders: packages.to_vec(), ..Self::default() };
        for item in items {
            let Some(path) = item.path() else { continue };
            let is_holder = matches!(item.probe, Probe::DirMtime(_));
            let paths = if is_holder { &mut snapshot.holders } else { &mut snapshot.files };
            paths.insert(path.to_owned(), Seen::of(path));
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

    /// The inputs that differ from the snapshot, including new ones.
    pub(super) fn changed(&self, items: &[Item], roots: &Roots) -> BTreeSet<Key> {
        let changed = |path: &Path| match self.files.get(path) {
            Some(seen) => *seen != Seen::of(path),
            None => self.folders.iter().any(|folder| self.is_new(path, folder, roots)),
        };
        let is_changed = |item: &&Item| match &item.probe {
            Probe::Content(path, _) | Probe::Meaning(path, _) => changed(path),
            Probe::Known(_) | Probe::DirMtime(_) => false,
        };
        items.iter().filter(is_changed).map(|item| item.key.clone()).collect()
    }

    /// Whether this path is new since the snapshot: it exists, and the snapshot of the package's
    /// folder would contain it.
    fn is_new(&self, path: &Path, folder: &Path, roots: &Roots) -> bool {
        let Ok(inside) = path.strip_prefix(folder) else { return false };
        if !path.exists() {
            return false;
        }
        let above: Vec<PathBuf> = inside.ancestors().skip(1).map(|it| folder.join(it)).collect();
        // If a symlinked parent was retargeted, everything below it counts as new. If not, the
        // times of the files decide.
        let link = above.iter().rfind(|above| **above != folder && above.is_symlink());
        if let Some(link) = link {
            return self.links.get(link).is_none_or(|seen| *seen != Seen::of_link(link));
        }
        !above.iter().any(|above| above != folder && walk::is_passed_over(above, roots))
    }

    /// Whether the path is unchanged and its time is ahead of the clock. The content is compared
    /// too. Such a time alone proves nothing, because the file system's clock may also be ahead,
    /// and coarse.
    pub(super) fn lay_ahead(&self, path: &Path) -> bool {
        let seen = self.files.get(path).or_else(|| self.holders.get(path)).and_then(Option::as_ref);
        seen.is_some_and(|seen| seen.digest.is_some() && Seen::of(path).as_ref() == Some(seen))
    }

    /// Whether something in the snapshot changed at or after `since` (nanoseconds since 1970).
    pub fn is_changed_since(&self, since: i128) -> bool {
        let all = self.files.values().chain(self.holders.values()).chain(self.links.values());
        all.flatten().any(|seen| seen.is_changed_since(since))
    }

    /// The files that were removed since the snapshot.
    pub fn gone(&self) -> impl Iterator<Item = &Path> {
        self.files
            .iter()
            .filter(|(path, seen)| seen.is_some() && fs_err::symlink_metadata(path).is_err())
            .map(|(path, _)| path.as_path())
    }
}

/// Whether the file's content or the file itself changed at or after `since`.
pub(super) fn is_changed_since(path: &Path, since: i128) -> bool {
    fs_err::metadata(path).is_ok_and(|meta| Seen::from(&meta).is_changed_since(since))
}

impl Seen {
    fn of(path: &Path) -> Option<Self> {
        let meta = fs_err::metadata(path).ok()?;
        let mut seen = Self::from(&meta);
        if seen.stat.is_some_and(|stat| stat.ctime > stat_cache::now() + FAR_AHEAD) {
            seen.digest = match search::listing(path) {
                Value::Sha256(names) => Some(names),
                // Only regular files are read, because reading a pipe would wait for its end.
                _ if meta.is_file() => digest::file(path).ok(),
                _ => None,
            };
        }
        Some(seen)
    }

    /// Whether the file's content or the file itself changed at or after `since`. Uses ctime where it
    /// exists. A time without a fraction of a second may come from a clock with steps of 2 s.
    fn is_changed_since(&self, since: i128) -> bool {
        let changed = match (self.stat, self.modified) {
            // mtime is not used, because it can be set to any time, even in the future.
            (Some(stat), _) => stat.ctime,
            (None, Some(time)) => time
                .duration_since(std::time::UNIX_EPOCH)
                .map_or(0, |age| age.as_nanos().cast_signed()),
            (None, None) => i128::MAX,
        };
        let grain = if changed % 1_000_000_000 == 0 { 2_000_000_000 } else { 0 };
        changed.saturating_add(grain) >= since
    }

    fn of_link(path: &Path) -> Option<Self> {
        fs_err::symlink_metadata(path).ok().as_ref().map(Self::from)
    }

    fn from(meta: &std::fs::Metadata) -> Self {
        let (stat, size, modified) = (Stat::of(meta), meta.len(), meta.modified().ok());
        Self { stat, size, modified, digest: None }
    }
}
