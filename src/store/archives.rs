//! Sdists that were made from a project, and the target folder for building unpacked sdists.
//!
//! An archive does not say which machine or folder it was made in. The store knows, by the digest
//! of the record in the archive, which project it was made from. So a build of the archive can use
//! that project's stable interpreter and the dependencies that were compiled before.

use std::path::PathBuf;

use super::cache::Cache;
use super::prune::{Freed, OLD, bytes, is_folder, is_older, paths_in, remove, touch};
use super::{Store, is_sha256, trusted_folder};
use crate::publish::{self, private};
use crate::request::Environment;

const ARCHIVES: &str = "archives";
const TARGET: &str = "archive-target";
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
        for path in paths_in(&folder).iter().filter(|path| is_older(path, OLD)) {
            let _ = publish::remove(path);
        }
    }

    /// The project on this machine that an archive with this record was made from, if its folder
    /// exists.
    pub(crate) fn project_of_archive(environment: &Environment, id: &str) -> Option<PathBuf> {
        if !is_sha256(id) {
            return None;
        }
        let cache = Cache { folder: trusted_folder(environment)? };
        // Clones of one project make equal archives, and some of the clones may be gone.
        cache.trees().ok()?.into_iter().find_map(|store| {
            let root = store.known_root().filter(|root| root.is_dir())?;
            touch(&store.folder.join(ARCHIVES).join(id)).then(|| root.to_owned())
        })
    }

    /// The target folder for builds of unpacked archives: one for each tree, apart from the tree's
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
        let archives = paths_in(&self.folder.join(ARCHIVES));
        let is_used = archives.iter().any(|path| !is_older(path, OLD));
        let target = self.archive_target();
        if !is_used && is_folder(&target) {
            freed.others += usize::from(remove(&target, freed).is_ok());
        }
    }
}
