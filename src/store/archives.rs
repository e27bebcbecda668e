//! Sdists that were made from a project, and the target folder for building unpacked sdists.
//!
//! An archive does not say which machine or folder it was made in. The store knows, by the digest
//! of the record in the archive, which project it was made from. So a build of the archive can use
//! that project's stable interpreter and the dependencies that were compiled before.

use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use fs_err as fs;

use super::cache::{Cache, Root, root_of};
use super::prune::{Freed, bytes, is_older, remove};
use super::shared::is_hex;
use super::{Store, trusted_base};
use crate::publish::{self, private};
use crate::request::Environment;

const ARCHIVES: &str = "archives";
const TARGET: &str = "archive-target";
/// Archives that were not unpacked for this long will not be unpacked any more.
const OLD: Duration = Duration::from_secs(30 * 24 * 3600);
/// Limit of the target folder's size. Units for other profiles, features and versions are never
/// removed singly.
const MAX_TARGET: u64 = 4 << 30;

impl Store {
    /// Notes that an archive with this record was made from the project. Forgets old archives.
    pub(crate) fn remember_archive(&self, id: &str) {
        let folder = self.folder.join(ARCHIVES);
        let _ = private::make(&folder);
        if publish::bytes(&folder.join(id), b"").is_err() {
            return;
        }
        for entry in fs::read_dir(&folder).into_iter().flatten().flatten() {
            if is_older(&entry.path(), OLD) {
                let _ = fs::remove_file(entry.path());
            }
        }
    }

    /// The project on this machine that an archive with this record was made from, if its folder
    /// exists.
    pub(crate) fn project_of_archive(environment: &Environment, id: &str) -> Option<PathBuf> {
        if !is_hex(id, 64) {
            return None;
        }
        let whole = Cache { folder: trusted_base(environment)? };
        // Clones of one project make equal archives, and some of the clones may be gone.
        whole.stores().ok()?.into_iter().find_map(|store| {
            let file = store.folder.join(ARCHIVES).join(id);
            let file = fs::OpenOptions::new().write(true).open(file).ok()?;
            let Root::Known(root) = root_of(&store.folder) else { return None };
            // The time of the last use: archives in use are kept.
            let _ = file.into_parts().0.set_modified(SystemTime::now());
            root.is_dir().then_some(root)
        })
    }

    /// The target folder for builds of unpacked archives: one per project, apart from the project's
    /// own.
    pub(crate) fn archive_target(&self) -> PathBuf {
        self.folder.join(TARGET)
    }

    /// Empties this target folder if it is too large. Also empties it if `is_known` is false: cargo
    /// could not be asked, so it is unclear which packages its units are from. Call this under the
    /// build lock.
    pub(crate) fn bound_archive_target(&self, is_known: bool) {
        let target = self.archive_target();
        if !is_known || bytes(&target) > MAX_TARGET {
            let _ = remove(&target, &mut Freed::default());
        }
    }

    /// Removes this target folder if no archive was used for a long time.
    pub(super) fn prune_archives(&self, freed: &mut Freed) {
        let newest = |folder: &Path| {
            let entries = fs::read_dir(folder).into_iter().flatten().flatten();
            entries.filter_map(|entry| entry.metadata().ok()?.modified().ok()).max()
        };
        let is_used = newest(&self.folder.join(ARCHIVES))
            .is_some_and(|time| time.elapsed().is_ok_and(|age| age < OLD));
        let target = self.archive_target();
        if !is_used && target.is_dir() {
            freed.others += usize::from(remove(&target, freed).is_ok());
        }
    }
}
