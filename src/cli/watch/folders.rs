//! The folders in which `wheelprint watch` looks for changes.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use fs_err as fs;
use ignore::WalkBuilder;

use super::nearest_folder;
use crate::cli::open::OpenedProject;
use crate::cli::terminal::Terminal;
use crate::error::Result;
use crate::inputs::MARKS;

/// All files in some folders, with their times and sizes.
pub(super) type Files = BTreeMap<PathBuf, (Option<SystemTime>, u64)>;

/// The files that lie in these folders now.
pub(super) fn files(folders: &BTreeSet<PathBuf>) -> Files {
    let entries = folders.iter().filter_map(|folder| fs::read_dir(folder).ok()).flatten().flatten();
    let files = entries.filter_map(|entry| {
        let meta = entry.metadata().ok().filter(|meta| !meta.is_dir())?;
        Some((entry.path(), (meta.modified().ok(), meta.len())))
    });
    files.collect()
}

/// The folders of all inputs in the checkout, and all folders of its packages except those that git
/// ignores. A folder is watched without the folders in it.
///
/// # Errors
/// Nothing was built yet, and cargo can't be asked.
pub(super) fn of(opened: &OpenedProject, terminal: &Terminal) -> Result<BTreeSet<PathBuf>> {
    let (watched, wanted) = opened.watched(terminal)?;
    let is_made = |path: &Path| wanted.made.iter().any(|made| path.starts_with(made));
    let files = wanted.files.iter().chain(&wanted.absent).chain(&wanted.places);
    let parents = files.filter(|path| wanted.name(path).is_some());
    let mut found: BTreeSet<PathBuf> = parents.filter_map(|path| nearest_folder(path)).collect();
    for (_, folder) in watched.roots.iter().filter(|(root, _)| root.package().is_some()) {
        add_all(folder, true, &wanted.made, &mut found);
    }
    for folder in &wanted.packages {
        add_all(folder, true, &wanted.made, &mut found);
    }
    for folder in &wanted.folders {
        add_all(folder, false, &wanted.made, &mut found);
    }
    found.retain(|folder| !is_made(folder));
    // macOS reports changes by the real path.
    Ok(found.iter().map(|it| dunce::canonicalize(it).unwrap_or_else(|_| it.clone())).collect())
}

fn add_all(
    folder: &Path,
    passes_over_ignored: bool,
    made: &BTreeSet<PathBuf>,
    found: &mut BTreeSet<PathBuf>,
) {
    let made = made.clone();
    let is_source = move |path: &Path| {
        !made.contains(path) && !MARKS.iter().any(|mark| path.join(mark).is_file())
    };
    let walk = WalkBuilder::new(folder)
        .standard_filters(passes_over_ignored)
        .require_git(false)
        .filter_entry(move |entry| {
            entry.depth() == 0
                || entry.file_type().is_some_and(|kind| kind.is_dir()) && is_source(entry.path())
        })
        .build();
    found.extend(walk.flatten().map(ignore::DirEntry::into_path));
}
