//! The store's limits, and removing what exceeds them (docs/design.md, D15).

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::time::Duration;

use fs_err as fs;
use walkdir::WalkDir;

use super::{Entry, Store};
use crate::error::{Error, Result};
use crate::publish::{self, sealed};

pub(super) const MAX_ENTRIES: usize = 64;
const MAX_BYTES: u64 = 2 << 30;
/// Wheels that no entry names are kept for this long, because a promise may still need them.
pub(super) const GRACE: Duration = Duration::from_secs(3600);

/// The result of removing files.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Freed {
    /// Projects whose whole part of the store was removed.
    pub projects: usize,
    /// Builds and wheels that were removed from projects that keep their part of the store.
    pub builds: usize,
    /// Files that belong to no single project, and temporary files that killed processes left.
    pub others: usize,
    pub bytes: u64,
    /// Projects that were left alone because they are being built.
    pub busy: Vec<PathBuf>,
}

impl Freed {
    /// Removes a file that belongs to no single project.
    ///
    /// # Errors
    /// The file can't be removed.
    pub(super) fn other(&mut self, path: &Path) -> Result<()> {
        remove(path, self)?;
        self.others += 1;
        Ok(())
    }
}

/// Removes a file or a whole folder, if it exists. If the path is a link, only the link is removed.
pub(super) fn remove(path: &Path, freed: &mut Freed) -> Result<()> {
    let failed = |error: std::io::Error| Error::io(path, &error);
    let bytes = bytes(path);
    match publish::remove(path) {
        Ok(()) => {
            freed.bytes += bytes;
            Ok(())
        }
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(()),
        Err(error) => Err(failed(error)),
    }
}

/// Was the file last written longer ago than `age`?
pub(super) fn is_older(path: &Path, age: Duration) -> bool {
    fs::symlink_metadata(path)
        .and_then(|meta| meta.modified())
        .is_ok_and(|time| time.elapsed().is_ok_and(|elapsed| elapsed > age))
}

impl Store {
    /// Keeps the store within its limits. The least recently used entries are removed first, then
    /// wheels that no entry names, then temporary files that killed processes left. Files that
    /// can't be removed stay.
    pub(super) fn prune(&self, freed: &mut Freed) {
        self.prune_archives(freed);
        let mut files = self.entry_files();
        files.sort_by_key(|(_, used)| std::cmp::Reverse(*used));
        let mut named = BTreeSet::new();
        let mut bytes = 0;
        for (index, (path, _)) in files.iter().enumerate() {
            let wheel = sealed::read(path).ok().and_then(|entry: Entry| entry.wheel);
            bytes += wheel.as_ref().map_or(0, |wheel| wheel.size);
            // The newest entry stays, whatever its size.
            if index > 0 && (index >= MAX_ENTRIES || bytes > MAX_BYTES) {
                freed.builds += usize::from(remove(path, freed).is_ok());
            } else {
                named.extend(wheel.map(|wheel| wheel.sha256));
            }
        }
        for folder in ["wheels", "entries", "promises", ""] {
            let Ok(entries) = fs::read_dir(self.folder.join(folder)) else { continue };
            for entry in entries.flatten() {
                let (path, name) = (entry.path(), entry.file_name().to_string_lossy().into_owned());
                if !is_older(&path, GRACE) {
                    continue;
                }
                let is_folder = entry.file_type().is_ok_and(|kind| kind.is_dir());
                if folder == "wheels" && !named.contains(&name) && is_folder {
                    freed.builds += usize::from(remove(&path, freed).is_ok());
                } else if !is_folder
                    && (name.starts_with(publish::TEMPORARY) || folder == "promises")
                {
                    freed.others += usize::from(remove(&path, freed).is_ok());
                }
            }
        }
    }
}

/// The size of a file, or of all files below a folder. Links are not followed.
pub(super) fn bytes(path: &Path) -> u64 {
    let entries = WalkDir::new(path).follow_links(false).into_iter().flatten();
    let files = entries.filter(|entry| !entry.file_type().is_dir());
    files.filter_map(|entry| Some(entry.metadata().ok()?.len())).sum()
}
