//! The store's limits, and what is removed (DESIGN D15).

use std::collections::BTreeSet;
use std::path::Path;
use std::time::Duration;

use fs_err as fs;

use super::seal::unseal;
use super::{Entry, ROOT, Store};
use crate::cargo_mtime::Note;
use crate::publish;

pub(super) const MAX_ENTRIES: usize = 64;
const MAX_BYTES: u64 = 2 << 30;
/// Wheels nobody names are kept for this long: a promise may be about to be kept.
pub(super) const GRACE: Duration = Duration::from_secs(3600);

impl Store {
    /// Forgets projects that are no more: `uv build` unpacks each sdist into a folder of its own.
    pub(super) fn prune_projects(&self) {
        let Some(Ok(projects)) = self.folder.parent().map(fs::read_dir) else { return };
        for project in projects.flatten().map(|project| project.path()) {
            let root = project.join(ROOT);
            let gone = fs::read_to_string(&root).is_ok_and(|root| !Path::new(&root).exists());
            let old = fs::metadata(&root)
                .and_then(|meta| meta.modified())
                .is_ok_and(|time| time.elapsed().is_ok_and(|age| age > GRACE));
            if gone && old && project != self.folder {
                let _ = fs::remove_dir_all(project);
            }
        }
        let notes = self.folder.parent().and_then(Path::parent).map(|base| base.join("notes"));
        let Some(Ok(notes)) = notes.map(fs::read_dir) else { return };
        for note in notes.flatten().map(|note| note.path()) {
            let known = fs::read(&note).ok().and_then(|bytes| unseal::<Note>(&bytes).ok());
            if known.is_none_or(|known| !known.target.exists()) {
                let _ = fs::remove_file(note);
            }
        }
    }

    /// Keeps the store within its limits: the entries used longest ago go first, then the wheels
    /// nobody names, then what killed processes left.
    pub(super) fn prune(&self) {
        let mut files = self.entry_files();
        files.sort_by_key(|(_, used)| std::cmp::Reverse(*used));
        let mut named = BTreeSet::new();
        let mut bytes = 0;
        for (index, (path, _)) in files.iter().enumerate() {
            let entry = fs::read(path).ok().and_then(|bytes| unseal::<Entry>(&bytes).ok());
            let wheel = entry.and_then(|entry| entry.wheel);
            bytes += wheel.as_ref().map_or(0, |wheel| wheel.size);
            // The newest stays, however large.
            if index > 0 && (index >= MAX_ENTRIES || bytes > MAX_BYTES) {
                let _ = fs::remove_file(path);
            } else {
                named.extend(wheel.map(|wheel| wheel.sha256));
            }
        }
        for folder in ["wheels", "entries", "promises", ""] {
            let Ok(entries) = fs::read_dir(self.folder.join(folder)) else { continue };
            for entry in entries.flatten() {
                let name = entry.file_name().to_string_lossy().into_owned();
                let old = entry
                    .metadata()
                    .and_then(|meta| meta.modified())
                    .is_ok_and(|time| time.elapsed().is_ok_and(|age| age > GRACE));
                if folder == "wheels" && old && !named.contains(&name) && entry.path().is_dir() {
                    let _ = fs::remove_dir_all(entry.path());
                } else if old && (name.starts_with(publish::TEMPORARY) || folder == "promises") {
                    let _ = fs::remove_file(entry.path());
                }
            }
        }
    }
}
