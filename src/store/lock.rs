//! Locks between processes that build.

use std::path::{Path, PathBuf};

use fs_err as fs;

use super::Store;
use crate::log;

/// A lock that is held while a project is built. The operating system releases it when the process
/// ends.
#[derive(Debug)]
pub(crate) struct BuildLock {
    _file: std::fs::File,
    /// Did another process hold the lock first?
    pub waited: bool,
}

/// The result of trying a lock without waiting.
pub(super) enum TryLock {
    Held(#[expect(dead_code, reason = "it is held")] BuildLock),
    /// No process holds the lock, and it can't be held: the folder is missing, or locks do not work
    /// there.
    Free,
    Busy,
}

impl TryLock {
    /// Keeps the lock while its file is removed. A process that waits for the lock then sees that
    /// the file is gone, and makes a new one. On Windows the lock file is closed first, because an
    /// open file would prevent the removal of its folder.
    pub(super) fn held_while_removed(self) -> Option<Self> {
        // `then_some` takes `self`, so on Windows `self` is dropped here. Without that it would
        // live until the caller returns.
        (!cfg!(windows)).then_some(self)
    }
}

impl Store {
    /// Waits until no other process builds this project.
    pub(crate) fn lock(&self) -> Option<BuildLock> {
        self.lock_if_there().or_else(|| {
            if self.folder.is_dir() {
                return None;
            }
            // `wheelprint cache clean` removed the folder meanwhile.
            self.make_folders().ok()?;
            self.lock_if_there()
        })
    }

    /// As [`Self::lock`], but for a caller that removes the store: no folder is made.
    pub(super) fn lock_if_there(&self) -> Option<BuildLock> {
        lock_file(&self.build_lock(), "this project")
    }

    /// Tries to get the lock without waiting for another build of this project.
    pub(super) fn try_lock(&self) -> TryLock {
        try_lock(&self.build_lock())
    }

    pub(super) fn build_lock(&self) -> PathBuf {
        self.folder.join("build.lock")
    }

    /// Waits until no other project builds in the same target folder. maturin writes below it, and
    /// two members of a workspace may use the same name for their modules. Take this lock after
    /// [`Self::lock`].
    pub(crate) fn lock_target(&self, target: &Path) -> Option<BuildLock> {
        lock_file(&self.target_lock(target)?, "its target folder")
    }

    /// Keeps this stable interpreter from being made or removed. Many builds may hold this lock.
    pub(crate) fn lock_interpreter(&self, folder: &Path) -> Option<BuildLock> {
        let file = open(&self.interpreter_lock(folder)?)?;
        file.lock_shared().ok()?;
        Some(BuildLock { _file: file, waited: false })
    }

    /// Waits until no build uses or makes this stable interpreter.
    pub(crate) fn lock_interpreter_alone(&self, folder: &Path) -> Option<BuildLock> {
        lock_file(&self.interpreter_lock(folder)?, "a project with the same Python")
    }
}

fn lock_file(path: &Path, what: &str) -> Option<BuildLock> {
    let mut waited = false;
    loop {
        let file = open(path)?;
        match file.try_lock() {
            Ok(()) => {}
            Err(std::fs::TryLockError::WouldBlock) => {
                log::info(format_args!("waiting for another build of {what}"));
                file.lock().ok()?;
                waited = true;
            }
            // The file system has no locks. cargo's own lock still prevents two compilations at
            // once.
            Err(std::fs::TryLockError::Error(_)) => return None,
        }
        // `cache clean` may have removed the lock file while we waited. Such a lock protects
        // nothing, so retry.
        if is_at(&file, path) {
            return Some(BuildLock { _file: file, waited });
        }
    }
}

pub(super) fn try_lock(path: &Path) -> TryLock {
    let Some(file) = open(path) else { return TryLock::Free };
    match file.try_lock() {
        Ok(()) if is_at(&file, path) => TryLock::Held(BuildLock { _file: file, waited: false }),
        Ok(()) | Err(std::fs::TryLockError::WouldBlock) => TryLock::Busy,
        Err(std::fs::TryLockError::Error(_)) => TryLock::Free,
    }
}

fn open(path: &Path) -> Option<std::fs::File> {
    if path.is_symlink() {
        // wheelprint makes no links here, so the link and its target are not ours.
        let _ = fs::remove_file(path);
    }
    let mut options = std::fs::OpenOptions::new();
    options.create(true).truncate(false).write(true);
    #[cfg(unix)]
    {
        use std::os::unix::fs::OpenOptionsExt as _;
        options.mode(0o600).custom_flags(rustix::fs::OFlags::NOFOLLOW.bits().cast_signed());
    }
    options.open(path).ok()
}

/// Does the path still name this open file?
#[cfg(unix)]
fn is_at(file: &std::fs::File, path: &Path) -> bool {
    use std::os::unix::fs::MetadataExt as _;
    match (file.metadata(), fs::metadata(path)) {
        (Ok(open), Ok(there)) => (open.dev(), open.ino()) == (there.dev(), there.ino()),
        (_, Err(error)) => error.kind() != std::io::ErrorKind::NotFound,
        (Err(_), _) => true,
    }
}

/// On these systems an open file keeps its name.
#[cfg(not(unix))]
fn is_at(_file: &std::fs::File, _path: &Path) -> bool {
    true
}
