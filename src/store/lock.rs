//! Locks between processes that build.

use std::path::{Path, PathBuf};
use std::time::Duration;

use super::Store;
use crate::error::Result;
use crate::log;
use crate::publish::private;

/// Between two looks at a lock that is held by others.
const PAUSE: Duration = Duration::from_millis(100);

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

    /// What `ready` gives for a stable interpreter, or else `make`, and a lock that keeps the
    /// interpreter from being made or removed. Many builds may hold this lock. `make` waits until no
    /// build holds it.
    pub(crate) fn interpreter<T>(
        &self,
        folder: &Path,
        ready: impl Fn() -> Option<T>,
        make: impl FnOnce() -> Result<T>,
    ) -> (Result<T>, Option<BuildLock>) {
        let Some(path) = self.interpreter_lock(folder) else {
            return (ready().map_or_else(make, Ok), None);
        };
        let mut attempt = 0;
        loop {
            // This waits for the process that makes it, and not for builds that use it.
            let lock = lock_shared(&path);
            if let Some(found) = ready() {
                return (Ok(found), lock);
            }
            drop(lock);
            match try_lock(&path) {
                TryLock::Busy if attempt == 1 => {
                    log::info("waiting for another build of a project with the same Python");
                }
                TryLock::Busy => {}
                alone => {
                    // Another process may have made it in the meantime.
                    let made = ready().map_or_else(make, Ok);
                    drop(alone);
                    return (made, lock_shared(&path));
                }
            }
            if attempt > 0 {
                std::thread::sleep(PAUSE);
            }
            attempt += 1;
        }
    }
}

/// A lock that many processes may hold.
fn lock_shared(path: &Path) -> Option<BuildLock> {
    let file = private::open(path).ok()?;
    file.lock_shared().ok()?;
    Some(BuildLock { _file: file, waited: false })
}

fn lock_file(path: &Path, what: &str) -> Option<BuildLock> {
    let mut waited = false;
    loop {
        let file = private::open(path).ok()?;
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
    let Ok(file) = private::open(path) else { return TryLock::Free };
    match file.try_lock() {
        Ok(()) if is_at(&file, path) => TryLock::Held(BuildLock { _file: file, waited: false }),
        Ok(()) | Err(std::fs::TryLockError::WouldBlock) => TryLock::Busy,
        Err(std::fs::TryLockError::Error(_)) => TryLock::Free,
    }
}

/// Does the path still name this open file?
#[cfg(unix)]
fn is_at(file: &std::fs::File, path: &Path) -> bool {
    use std::os::unix::fs::MetadataExt as _;
    match (file.metadata(), fs_err::metadata(path)) {
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

#[cfg(test)]
mod tests {
    use std::cell::{Cell, RefCell};

    use super::*;
    use crate::request::Environment;

    fn store(folder: &Path) -> Store {
        let mut environment = Environment::default();
        environment.set("WHEELPRINT_CACHE_DIR", folder.join("cache"));
        Store::open(&environment, folder, Some("m"), "").unwrap()
    }

    #[test]
    fn an_interpreter_that_another_build_made_meanwhile_is_used_beside_that_build() {
        let folder = tempfile::tempdir().unwrap();
        let store = store(folder.path());
        let python = Path::new("cpython-3.11");
        let path = store.interpreter_lock(python).unwrap();
        // The other build makes it after the first look, and then holds its lock.
        let other = RefCell::new(None);
        let ready = || other.replace(lock_shared(&path)).map(|_| "theirs");
        let (found, lock) = store.interpreter(python, ready, || Ok("ours"));
        assert_eq!(found.unwrap(), "theirs");
        assert!(lock.is_some());
    }

    #[test]
    fn an_interpreter_is_made_when_no_build_uses_it() {
        let folder = tempfile::tempdir().unwrap();
        let store = store(folder.path());
        let python = Path::new("cpython-3.11");
        let path = store.interpreter_lock(python).unwrap();
        let in_use = RefCell::new(lock_shared(&path));
        let looks = Cell::new(0);
        let ready = || {
            looks.set(looks.get() + 1);
            if looks.get() == 4 {
                in_use.take();
            }
            None
        };
        let make = || {
            assert!(in_use.borrow().is_none(), "a build uses it");
            assert!(matches!(try_lock(&path), TryLock::Busy), "others could make it too");
            Ok("ours")
        };
        let (made, lock) = store.interpreter(python, ready, make);
        assert_eq!(made.unwrap(), "ours");
        assert!(lock.is_some() && matches!(try_lock(&path), TryLock::Busy));
    }
}
