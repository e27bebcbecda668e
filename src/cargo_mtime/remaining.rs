//! Removing cargo's fingerprints of units, and reporting the ones that could not be removed.

use std::collections::BTreeSet;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};

use crate::inputs::cargo::Discovered;
use crate::log;
use crate::publish;

/// Units that should have been made anew, and whose fingerprints could not be removed: cargo may
/// have called them fresh. A build with any of them is never reused, and they get no note.
#[derive(Debug, Default)]
pub(crate) struct Remaining {
    units: BTreeSet<PathBuf>,
    /// True if it is not known which units could not be invalidated. Then every unit may be one.
    pub(super) any: bool,
    /// For the record: what could not be removed, and why. Without paths of this machine.
    pub causes: Vec<String>,
    /// The units that were there before the build, each looked at.
    pub(super) looked_at: BTreeSet<PathBuf>,
}

impl Remaining {
    pub(super) fn covers(&self, unit: &Path) -> bool {
        self.any || self.units.contains(unit)
    }

    /// Called after a build. Every unit that cargo took from an earlier build should have been
    /// examined before this build. A unit that was not examined may be stale, for example in an
    /// unknown layout of cargo's folder. Then the record gets a gap, and the unit gets no note.
    pub(crate) fn check(&self, found: &mut Discovered) {
        let unseen = found.kept.iter().filter(|(folder, _)| !self.looked_at.contains(*folder));
        let mut packages = BTreeSet::new();
        for (folder, package) in unseen {
            packages.insert(package);
            found.units.remove(folder);
        }
        let gap = |package| format!("cargo's unit of {package} was not looked at before the build");
        found.gaps.extend(packages.into_iter().map(gap));
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn units_of_earlier_builds_that_were_not_looked_at_are_gaps_and_get_no_note() {
        let mut found = Discovered::default();
        for (name, is_kept) in [("seen", true), ("unseen", true), ("new", false)] {
            found.units.insert(name.into(), BTreeSet::new());
            if is_kept {
                found.kept.insert(name.into(), format!("package-{name}"));
            }
        }
        let remaining = Remaining { looked_at: ["seen".into()].into(), ..Remaining::default() };
        remaining.check(&mut found);
        assert_eq!(
            found.gaps,
            ["cargo's unit of package-unseen was not looked at before the build"]
        );
        let left: Vec<&Path> = found.units.keys().map(PathBuf::as_path).collect();
        assert_eq!(left, [Path::new("new"), Path::new("seen")]);
    }
}
