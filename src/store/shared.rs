//! Files of the store that belong to no single project.

use std::io::Read as _;
use std::path::{Path, PathBuf};

use fs_err as fs;

use super::prune::{modified, paths_in, touch};
use super::team::TEAM;
use super::{Store, short_hash};
use crate::cargo_mtime::Note;
use crate::digest;
use crate::interpreter;
use crate::publish::{self, private, sealed};

/// See `cargo_mtime`.
pub(super) const NOTES: &str = "notes";
/// Locks of target folders.
pub(super) const LOCKS: &str = "locks";
/// The memories, locks and failures of import checks in editable installs.
pub(super) const IMPORTS: &str = "imports";
/// See `original`.
pub(super) const ORIGINALS: &str = "init";
/// Copies of the compiled module, for imports of editable installs.
pub(super) const BACKENDS: &str = "backend";

/// The stable interpreters.
pub(super) const INTERPRETERS: &str = "interpreters";
/// Links to the programs of the frontend's environment, for each target folder.
pub(super) const PROGRAMS: &str = "programs";

/// The folders of these files.
pub(super) const ALL: [&str; 8] =
    [NOTES, LOCKS, IMPORTS, ORIGINALS, BACKENDS, INTERPRETERS, PROGRAMS, TEAM];

impl Store {
    /// A file in one of these folders. Makes the folder: `cache clean` may have removed it.
    fn shared_file(&self, folder: &str, name: &str) -> Option<PathBuf> {
        let folder = self.cache.join(folder);
        private::make(&folder).ok()?;
        Some(folder.join(name))
    }

    /// The lock file of a target folder.
    pub(super) fn target_lock(&self, target: &Path) -> Option<PathBuf> {
        self.shared_file(LOCKS, &format!("{}.lock", short_hash("target", target)))
    }

    /// The lock file of a stable interpreter.
    pub(super) fn interpreter_lock(&self, folder: &Path) -> Option<PathBuf> {
        self.shared_file(LOCKS, &format!("{}.lock", folder.file_name()?.to_str()?))
    }

    /// The folder of the stable interpreters.
    pub(crate) fn interpreters(&self) -> PathBuf {
        self.cache.join(INTERPRETERS)
    }

    /// Notes that a build uses this interpreter.
    pub(crate) fn use_interpreter(&self, python: &Path) {
        if let Some(folder) = python.parent().and_then(Path::parent) {
            touch(&folder.join(interpreter::READY));
        }
    }

    /// The file that keeps maturin's configurations for pyo3 in this target folder, as this tree's
    /// last build left them.
    pub(crate) fn pyo3_configs(&self, target: &Path) -> PathBuf {
        self.folder.join(format!("pyo3-{}.json", short_hash("target", target)))
    }

    /// The folder for links to the programs that builds in this target folder use.
    pub(crate) fn programs(&self, target: &Path) -> PathBuf {
        self.cache.join(PROGRAMS).join(short_hash("target", target))
    }

    fn note_path(&self, target: &Path) -> Option<PathBuf> {
        self.shared_file(NOTES, &format!("{}.json", short_hash("target", target)))
    }

    /// The note about the last build in a target folder, if wheelprint built there. The build may
    /// be of any project that shares the folder.
    pub(crate) fn note(&self, target: &Path) -> Option<Note> {
        let note: Note = sealed::read(&self.note_path(target)?).ok()?;
        (note.target == target).then_some(note)
    }

    /// The notes about other target folders, the latest build first.
    pub(crate) fn other_notes(&self, target: &Path) -> Vec<Note> {
        let mut paths = paths_in(&self.cache.join(NOTES));
        paths.sort_by_key(|path| std::cmp::Reverse(modified(path)));
        let notes = paths.iter().filter_map(|path| sealed::read::<Note>(path).ok());
        notes.filter(|note| note.target != target).collect()
    }

    /// Writes the note about a build in a target folder. If this fails, the old note is removed,
    /// because it does not describe the new build.
    pub(crate) fn write_note(&self, note: &Note) {
        self.prune_others();
        let Some(path) = self.note_path(&note.target) else { return };
        if sealed::write(&path, note).is_err() {
            let _ = fs::remove_file(path);
        }
    }

    /// Keeps a copy of our compiled module, which imports of editable installs ask. Gives its path;
    /// `None` if it can't be made: such an import calls the frontend. A copy that exists is compared
    /// with the module only if `is_checked`.
    pub(crate) fn keep_backend(&self, module: &Path, is_checked: bool) -> Option<PathBuf> {
        let extension = module.extension()?.to_str()?;
        // Modules for other ABIs (PyPy, free-threaded CPython) have other file names.
        let name = format!("{} {}", env!("WHEELPRINT_BUILD"), module.file_name()?.to_str()?);
        let name = format!("{}.{extension}", &digest::bytes(name.as_bytes())[..16]);
        let copy = self.cache.join(BACKENDS).join(&name);
        if copy.is_file() && !is_checked {
            return Some(copy);
        }
        if are_equal(module, &copy).unwrap_or(false) {
            touch(&copy);
            return Some(copy);
        }
        let bytes = fs::read(module).ok()?;
        publish::bytes(&self.shared_file(BACKENDS, &name)?, &bytes).ok()?;
        Some(copy)
    }
}

/// Have two files the same content? Small buffers stay in the processor's cache.
fn are_equal(one: &Path, other: &Path) -> std::io::Result<bool> {
    const BUFFER: usize = 128 * 1024;
    let (mut one, mut other) = (fs::File::open(one)?, fs::File::open(other)?);
    if one.metadata()?.len() != other.metadata()?.len() {
        return Ok(false);
    }
    let (mut left, mut right) = (vec![0; BUFFER], vec![0; BUFFER]);
    loop {
        let count = one.read(&mut left)?;
        if count == 0 {
            return Ok(other.read(&mut right)? == 0);
        }
        if other.read_exact(&mut right[..count]).is_err() || left[..count] != right[..count] {
            return Ok(false);
        }
    }
}

/// Damaged notes, and notes about target folders that are gone.
pub(super) fn stale_notes(cache: &Path) -> impl Iterator<Item = PathBuf> {
    let is_in_use = |note: Note| note.target.exists();
    let notes = paths_in(&cache.join(NOTES)).into_iter();
    notes.filter(move |path| !sealed::read(path).is_ok_and(is_in_use))
}
