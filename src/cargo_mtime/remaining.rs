//! Removing what cargo keeps of a unit, and what is to be said where that fails.

use std::collections::BTreeSet;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};

use crate::log;
use crate::publish;

/// Units that should have been made anew, and whose fingerprints could not be removed: cargo may
/// have called them fresh. A build with any of them is never reused, and they get no note.
#[derive(Debug, Default)]
pub struct Remaining {
    units: BTreeSet<PathBuf>,
    /// Which ones they are is not known.
    pub(super) any: bool,
    /// For the record: what could not be removed, and why. Without paths of this machine.
    pub causes: Vec<String>,
}

impl Remaining {
    pub(super) fn covers(&self, unit: &Path) -> bool {
        self.any || self.units.contains(unit)
    }

    pub(super) fn add(&mut self, what: &str, path: &Path, cause: impl std::fmt::Display) {
        log::warn(format_args!(
            "{}: could not be removed, so cargo may keep old code of {what}: {cause}",
            path.display()
        ));
        self.causes.push(format!("cargo's fingerprint of {what} could not be removed: {cause}"));
    }

    /// Removes a file or folder of a unit of `package`.
    pub(super) fn remove(&mut self, package: &str, unit: &Path, path: &Path) {
        if let Err(error) = removed(path) {
            self.units.insert(unit.to_owned());
            self.add(package, path, error);
        }
    }

    /// Removes what is not known to belong to one unit.
    pub(super) fn remove_of_any(&mut self, path: &Path) {
        if let Err(error) = removed(path) {
            self.any = true;
            self.add("this project", path, error);
        }
    }
}

/// Removes a file, or a folder with all that is in it. What is not there is removed already.
pub(super) fn removed(path: &Path) -> std::io::Result<()> {
    match publish::remove(path) {
        Err(error) if error.kind() != ErrorKind::NotFound => Err(error),
        _ => Ok(()),
    }
}
