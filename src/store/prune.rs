//! The store's limits, and removing what exceeds them (docs/design.md, D15).

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use fs_err as fs;
use walkdir::WalkDir;

use super::{Entry, Store, TREES, entry_files, is_of, name_of, promise, tree_of};
use crate::error::{Error, Result};
use crate::publish::{self, sealed};

/// Limits for one project.
pub(super) const MAX_ENTRIES: usize = 128;
const MAX_BYTES: u64 = 4 << 30;
/// The limit for the builds of all projects.
pub(super) const MAX_TOTAL: u64 = 8 << 30;
/// Wheels that no entry names are kept for this long, because a promise may still need them.
pub(super) const GRACE: Duration = Duration::from_secs(3600);

/// Files that were not used for this long are old. They are made again when they are needed.
pub(super) const OLD: Duration = Duration::from_secs(30 * 24 * 3600);

/// The result of removing files.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Freed {
    /// Projects whose builds were all removed.
    pub projects: usize,
    /// Trees whose part of the store was removed.
    pub trees: usize,
    /// Builds and wheels that were removed from projects that keep others.
    pub builds: usize,
    /// Files that belong to no single project, and temporary files that killed processes left.
    pub others: usize,
    pub bytes: u64,
    /// Trees that were left alone because they are being built.
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
    let bytes = bytes(path);
    match publish::remove(path) {
        Ok(()) => freed.bytes += bytes,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => {}
        Err(error) => return Err(Error::io(path, &error)),
    }
    Ok(())
}

/// The paths in a folder, sorted. None, if the folder can't be read, or is a link.
pub(super) fn paths_in(folder: &Path) -> Vec<PathBuf> {
    let entries = if folder.is_symlink() { None } else { fs::read_dir(folder).ok() };
    let entries = entries.into_iter().flatten().flatten();
    let mut paths: Vec<PathBuf> = entries.map(|entry| entry.path()).collect();
    paths.sort();
    paths
}

/// Is this a folder, and not a link to one?
pub(super) fn is_folder(path: &Path) -> bool {
    fs::symlink_metadata(path).is_ok_and(|meta| meta.is_dir())
}

/// When the file was last written, or used, see [`touch`].
pub(super) fn modified(path: &Path) -> Option<SystemTime> {
    fs::symlink_metadata(path).ok()?.modified().ok()
}

/// Sets the time of the last use to now. Is the file there?
pub(super) fn touch(path: &Path) -> bool {
    let file = fs::OpenOptions::new().write(true).open(path);
    file.map(|file| file.into_parts().0.set_modified(SystemTime::now())).is_ok()
}

/// Was the file last written longer ago than `age`?
pub(super) fn is_older(path: &Path, age: Duration) -> bool {
    modified(path).is_some_and(|time| is_before(time, age))
}

pub(super) fn is_before(time: SystemTime, age: Duration) -> bool {
    time.elapsed().is_ok_and(|elapsed| elapsed > age)
}

/// A file that a killed process left.
pub(super) fn is_left(path: &Path) -> bool {
    name_of(path).starts_with(publish::TEMPORARY) && is_older(path, GRACE)
}

impl Store {
    /// Removes what this tree needs no more. Files that can't be removed stay.
    pub(super) fn prune(&self, freed: &mut Freed) {
        self.prune_archives(freed);
        for folder in [promise::PROMISES, "."] {
            for path in paths_in(&self.folder.join(folder)) {
                if is_left(&path) || folder == promise::PROMISES && is_older(&path, GRACE) {
                    freed.others += usize::from(remove(&path, freed).is_ok());
                }
            }
        }
    }
}

/// Whether a tree of the project is promised the entry with this path. A promise holds past the
/// limits: a frontend that was told that it needs no maturin must get the wheel.
fn promised_of(project: &Path) -> impl Fn(&Path) -> bool {
    let promised = promise::fingerprints(project);
    move |path| promised.iter().any(|fingerprint| is_of(&name_of(path), fingerprint))
}

/// Keeps the builds of a project within their limits. The least recently used entries are removed
/// first, then wheels that no entry names, then temporary files that killed processes left. Files
/// that can't be removed stay.
pub(super) fn prune_builds(project: &Path, freed: &mut Freed) {
    let mut files = entry_files(project);
    files.sort_by_key(|(_, used)| std::cmp::Reverse(*used));
    let is_of_a_gone_tree = |path: &Path| {
        tree_of(&name_of(path)).is_some_and(|tree| !project.join(TREES).join(tree).exists())
    };
    let is_promised = promised_of(project);
    let mut named = BTreeSet::new();
    let mut bytes = 0;
    for (index, (path, _)) in files.iter().enumerate() {
        let wheel = sealed::read(path).ok().and_then(|entry: Entry| entry.wheel);
        bytes += wheel.as_ref().map_or(0, |wheel| wheel.size);
        // The newest entry stays, whatever its size.
        let is_too_much = index > 0 && (index >= MAX_ENTRIES || bytes > MAX_BYTES);
        if (is_too_much && !is_promised(path)) || is_of_a_gone_tree(path) {
            freed.builds += usize::from(remove(path, freed).is_ok());
        } else {
            named.extend(wheel.map(|wheel| wheel.sha256));
        }
    }
    for path in paths_in(&project.join("wheels")) {
        if !named.contains(&name_of(&path)) && is_folder(&path) && is_older(&path, GRACE) {
            freed.builds += usize::from(remove(&path, freed).is_ok());
        }
    }
    for path in ["wheels", "entries"].iter().flat_map(|folder| paths_in(&project.join(folder))) {
        if is_left(&path) {
            freed.others += usize::from(remove(&path, freed).is_ok());
        }
    }
}

/// Keeps the builds of all projects together within a limit. The least recently used entries are
/// removed first. Builds of projects without a tree are removed if they were not used for long.
pub(super) fn prune_all_builds(projects: &[PathBuf], limit: u64, freed: &mut Freed) {
    for project in projects.iter().filter(|project| paths_in(&project.join(TREES)).is_empty()) {
        let files = entry_files(project);
        if files.iter().all(|(_, used)| is_before(*used, OLD)) && is_older(project, GRACE) {
            freed.projects += usize::from(remove(project, freed).is_ok());
        }
    }
    let size = |project: &PathBuf| bytes(&project.join("wheels"));
    if projects.iter().map(size).sum::<u64>() <= limit {
        return;
    }
    let mut files = Vec::new();
    for project in projects {
        let is_promised = promised_of(project);
        files.extend(entry_files(project).into_iter().map(|(path, used)| {
            let is_promised = is_promised(&path);
            (path, used, is_promised)
        }));
    }
    files.sort_by_key(|(_, used, _)| std::cmp::Reverse(*used));
    let mut sum = 0;
    for (index, (path, _, is_promised)) in files.iter().enumerate() {
        let wheel = sealed::read(path).ok().and_then(|entry: Entry| entry.wheel);
        sum += wheel.map_or(0, |wheel| wheel.size);
        if index > 0 && sum > limit && !is_promised {
            freed.builds += usize::from(remove(path, freed).is_ok());
        }
    }
}

/// The size of a file, or of all files below a folder. Links are not followed.
pub(super) fn bytes(path: &Path) -> u64 {
    let entries = WalkDir::new(path).follow_links(false).into_iter().flatten();
    let files = entries.filter(|entry| !entry.file_type().is_dir());
    files.filter_map(|entry| Some(entry.metadata().ok()?.len())).sum()
}
