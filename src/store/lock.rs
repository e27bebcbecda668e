//! Locks between processes that build.

use std::path::Path;

use fs_err as fs;

use super::Store;
use crate::digest::Tagged;
use crate::log;

/// Held while a project is built; released by the operating system when the process ends.
#[derive(Debug)]
pub struct BuildLock {
    _file: std::fs::File,
}

impl Store {
    /// Waits until no other process builds this project.
    pub fn lock(&self) -> Option<BuildLock> {
        lock_file(&self.folder.join("build.lock"), "this project")
    }

    /// Waits until no other project builds in the same target folder: maturin works below it, and
    /// two members of a workspace may call their modules alike. To be taken after [`Self::lock`].
    pub fn lock_target(&self, target: &Path) -> Option<BuildLock> {
        let mut tagged = Tagged::new("target");
        tagged.field("folder", &target.to_string_lossy());
        let folder = self.folder.parent()?.parent()?.join("locks");
        fs::create_dir_all(&folder).ok()?;
        lock_file(&folder.join(format!("{}.lock", &tagged.finish()[..16])), "its target folder")
    }
}

fn lock_file(path: &Path, what: &str) -> Option<BuildLock> {
    let file = fs::OpenOptions::new().create(true).truncate(false).write(true).open(path).ok()?;
    let file = file.into_parts().0;
    match file.try_lock() {
        Ok(()) => {}
        Err(std::fs::TryLockError::WouldBlock) => {
            log::info(format_args!("waiting for another build of {what}"));
            file.lock().ok()?;
        }
        // A file system without locks: cargo's own lock still orders the compiling.
        Err(std::fs::TryLockError::Error(_)) => return None,
    }
    Some(BuildLock { _file: file })
}
