//! Cargo's own lock of a profile folder (cargo `compiler/layout.rs`).

use std::fs::File;
use std::path::Path;

/// Locks of a profile folder. They are never waited for.
pub(super) struct CargoLock {
    _files: Vec<File>,
}

/// Cargo keeps the second one from 1.97 on, beside the first.
const NAMES: [&str; 2] = [".cargo-lock", ".cargo-build-lock"];

impl CargoLock {
    /// `None` while cargo builds there, and where cargo has no lock file or locks do not work.
    pub(super) fn try_shared(profile: &Path) -> Option<Self> {
        let mut files = Vec::new();
        for path in NAMES.map(|name| profile.join(name)).iter().filter(|path| path.exists()) {
            let file = fs_err::File::open(path).ok()?.into_parts().0;
            file.try_lock_shared().ok()?;
            files.push(file);
        }
        (!files.is_empty()).then_some(Self { _files: files })
    }

    /// Makes cargo wait meanwhile. `None` while cargo builds there, and where locks do not work.
    pub(super) fn try_exclusive(profile: &Path) -> Option<Self> {
        let mut files = Vec::new();
        for name in NAMES {
            let mut options = fs_err::OpenOptions::new();
            options.read(true).write(true).create(true).truncate(false);
            let file = options.open(profile.join(name)).ok()?.into_parts().0;
            file.try_lock().ok()?;
            files.push(file);
        }
        Some(Self { _files: files })
    }
}
