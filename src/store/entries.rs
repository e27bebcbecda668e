//! Entries: finished builds with their records.

use std::path::{Path, PathBuf};
use std::time::SystemTime;

use fs_err as fs;
use serde::{Deserialize, Serialize};

use super::prune::{Freed, modified, paths_in, prune_builds, touch};
use super::{METADATA, Store, discard, is_sha256, name_of, tree_hash};
use crate::error::{Cause, Result};
use crate::fingerprint::{Record, record};
use crate::inputs::Roots;
use crate::publish::{self, sealed};
use crate::request::Artifact;
use crate::shared::SharingFacts;
use crate::tied::Tied;

/// Version of the entry format. Entries of another version are ignored.
const VERSION: u32 = 5;
/// How many entries a lookup compares: "the latest few dozen" (docs/design.md, D3).
const CANDIDATES: usize = 32;

/// The kind of an entry.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum EntryKind {
    /// A complete wheel.
    Artifact(Artifact),
    /// Only the dist-info, in a wheel without other files. Kept if the wheel itself is built each
    /// time.
    Metadata,
}

impl EntryKind {
    pub(super) fn as_str(self) -> &'static str {
        match self {
            Self::Artifact(artifact) => artifact.as_str(),
            Self::Metadata => METADATA,
        }
    }
}

/// A finished build.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Entry {
    version: u32,
    artifact: String,
    /// The tree that the build was made in. The paths in an editable wheel are those of this tree.
    pub built_in: PathBuf,
    /// Why no other tree can use the build. Empty if another tree can.
    pub tied: Vec<Tied>,
    /// The C library that the build was made with. A container may mount the store of a machine
    /// with a newer one.
    libc: String,
    /// The tree whose folders `roots` had when the entry was written.
    roots_of: PathBuf,
    /// The folders of the record's roots on this machine, for the tree that asks.
    pub roots: Roots,
    pub record: Record,
    /// `None` for a build whose record is never matched.
    pub wheel: Option<StoredWheel>,
    /// Digest of the import table, if the wheel has one.
    pub at_import: Option<String>,
    /// Where it was fetched. `None` if it was built on this machine.
    pub fetched: Option<Fetched>,
    /// What matters for sharing the build.
    pub made: SharingFacts,
}

/// A build that was fetched from a store that a team shares.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Fetched {
    pub url: String,
    /// The key that signed it; `None` if nobody did.
    pub key: Option<String>,
}

/// What is stored of a build besides its wheel; see [`Entry`].
pub(crate) struct Finished {
    pub built_in: PathBuf,
    pub tied: Vec<Tied>,
    pub record: Record,
    pub roots: Roots,
    pub at_import: Option<String>,
    pub fetched: Option<Fetched>,
    pub made: SharingFacts,
}

/// A wheel in the store.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct StoredWheel {
    pub file_name: String,
    pub(super) sha256: String,
    pub(super) size: u64,
}

/// An entry that can't be used.
#[derive(Debug)]
pub(crate) struct Damaged {
    path: PathBuf,
    cause: Cause,
}

impl Store {
    /// Entries of earlier builds, the last used first. Each entry is read only when it is asked
    /// for, because usually the first one matches.
    pub(crate) fn candidates(
        &self,
        kind: EntryKind,
    ) -> impl Iterator<Item = std::result::Result<Entry, Damaged>> + use<'_> {
        let mut files = self.entry_files();
        let start = format!("{}-", kind.as_str());
        let own = tree_hash(&self.root);
        let is_of_it = |name: String| {
            name.starts_with(&start) && tree_of(&name).is_none_or(|tree| tree == own)
        };
        files.retain(|(path, _)| is_of_it(name_of(path)));
        files.sort_by_key(|(_, used)| std::cmp::Reverse(*used));
        // Other trees may have made many builds since this one's last build.
        let last = fs::read_to_string(self.last(kind.as_str())).unwrap_or_default();
        files.sort_by_key(|(path, _)| name_of(path) != last);
        let entries = files.into_iter().take(CANDIDATES);
        let entries = entries.map(move |(path, _)| self.read_entry(&path, kind));
        entries.filter(|entry| entry.as_ref().map_or(true, |entry| entry.libc == self.libc))
    }

    /// The file with the name of the entry that this tree used last.
    fn last(&self, artifact: &str) -> PathBuf {
        self.folder.join(format!("last-{artifact}"))
    }

    /// Notes that this tree uses the entry: it is compared first, and removed last.
    pub(super) fn remember(&self, entry: &Entry) {
        let path = self.entry_path(entry);
        touch(&path);
        let (last, name) = (self.last(&entry.artifact), name_of(&path));
        if !fs::read_to_string(&last).is_ok_and(|known| known == name) {
            let _ = publish::bytes(&last, name.as_bytes());
        }
    }

    /// The stored build with this fingerprint.
    pub(crate) fn built(&self, kind: EntryKind, fingerprint: &str) -> Option<Entry> {
        if !is_sha256(fingerprint) {
            return None;
        }
        let name = format!("{}-{}", kind.as_str(), &fingerprint[..40]);
        [String::new(), self.tree_end()].into_iter().find_map(|end| {
            let path = self.entries().join(format!("{name}{end}.json"));
            let entry = path.is_file().then(|| self.read_entry(&path, kind).ok())??;
            // The file may hold another entry by now.
            let is_it = entry.record.fingerprint.sha256 == fingerprint && entry.libc == self.libc;
            is_it.then_some(entry)
        })
    }

    /// Changes whenever a build is stored, unless the clock is coarse.
    pub(crate) fn generation(&self) -> Option<SystemTime> {
        fs::metadata(self.entries()).ok()?.modified().ok()
    }

    pub(super) fn entry_files(&self) -> Vec<(PathBuf, SystemTime)> {
        entry_files(&self.project)
    }

    pub(super) fn read_entry(
        &self,
        path: &Path,
        kind: EntryKind,
    ) -> std::result::Result<Entry, Damaged> {
        sealed::read(path)
            .and_then(|entry| self.checked(entry, kind))
            .map_err(|cause| Damaged { path: path.to_owned(), cause })
    }

    /// Removes an entry that can't be used, and warns of it.
    pub(crate) fn discard(&self, damaged: &Damaged) {
        let Damaged { path, cause } = damaged;
        self.warn(format_args!("{}: {cause}; it is not used", path.display()));
        discard(path);
    }

    /// Checks that an entry is of this version and for this tree, and of the kind that is asked for.
    /// Its roots become those of this tree.
    fn checked(&self, mut entry: Entry, kind: EntryKind) -> Result<Entry, Cause> {
        if entry.version != VERSION {
            return Err(format!("written by another version ({})", entry.version).into());
        }
        if entry.record.wheelprint != record::VERSION {
            return Err("its record is of another version".into());
        }
        let is_for_this_tree = entry.built_in == self.root || entry.is_shared();
        if !is_for_this_tree || entry.artifact != kind.as_str() {
            return Err("made for another tree".into());
        }
        if entry.roots_of != self.root {
            entry.roots = entry.roots.moved_to(&self.root).ok_or("it does not name its tree")?;
        }
        Ok(entry)
    }

    /// Stores a finished wheel under its record; of an untrusted build only the record. `None`,
    /// after a warning, if storing fails: the build does not fail because of it.
    pub(crate) fn publish(
        &self,
        kind: EntryKind,
        finished: Finished,
        wheel: &Path,
    ) -> Option<Entry> {
        let Finished { built_in, tied, record, roots, at_import, fetched, made } = finished;
        let stored = if record.untrusted.is_empty() {
            match self.store_wheel(wheel) {
                Ok(stored) => Some(stored),
                Err(error) => {
                    let folder = self.folder.display();
                    self.warn(format_args!("{folder}: the wheel could not be stored: {error}"));
                    return None;
                }
            }
        } else {
            None
        };
        let entry = Entry {
            version: VERSION,
            artifact: kind.as_str().to_owned(),
            built_in,
            tied,
            libc: self.libc.clone(),
            roots_of: self.root.clone(),
            roots,
            record,
            wheel: stored,
            at_import,
            fetched,
            made,
        };
        let path = self.entry_path(&entry);
        if let Err(error) = sealed::write(&path, &entry) {
            self.warn(format_args!("{}: {error}", path.display()));
            return None;
        }
        self.remember(&entry);
        self.prune(&mut Freed::default());
        prune_builds(&self.project, &mut Freed::default());
        Some(entry)
    }

    pub(super) fn entry_path(&self, entry: &Entry) -> PathBuf {
        let name = if entry.wheel.is_some() {
            &entry.record.fingerprint.sha256[..40]
        } else {
            "untrusted"
        };
        let end = if entry.is_shared() { String::new() } else { self.tree_end() };
        self.entries().join(format!("{}-{name}{end}.json", entry.artifact))
    }

    /// The end of the name of an entry that only this tree can use.
    fn tree_end(&self) -> String {
        format!("-{}", tree_hash(&self.root))
    }
}

impl Entry {
    /// Can other trees use this build?
    fn is_shared(&self) -> bool {
        self.wheel.is_some() && self.tied.is_empty()
    }
}

/// The tree that alone can use the entry with this file name. `None` if all trees can.
pub(super) fn tree_of(name: &str) -> Option<&str> {
    name.strip_suffix(".json")?.splitn(3, '-').nth(2)
}

/// Has an entry with this file name this fingerprint?
pub(super) fn is_of(name: &str, fingerprint: &str) -> bool {
    let start = name.strip_suffix(".json").and_then(|name| name.split('-').nth(1));
    start.is_some_and(|start| start.len() == 40 && fingerprint.starts_with(start))
}

/// The files of all entries of a project, with the time of the last use.
pub(super) fn entry_files(project: &Path) -> Vec<(PathBuf, SystemTime)> {
    paths_in(&project.join("entries"))
        .into_iter()
        .filter(|path| path.extension().is_some_and(|extension| extension == "json"))
        .filter_map(|path| modified(&path).map(|used| (path, used)))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::tests::{EDITABLE, age, publish, record, two_trees};

    fn first(store: &Store) -> Record {
        store.candidates(EDITABLE).next().unwrap().unwrap().record
    }

    /// A lookup compares only some of the builds.
    #[test]
    fn the_build_that_a_tree_used_last_is_compared_first() {
        let folder = tempfile::tempdir().unwrap();
        let [one, two] = two_trees(folder.path());
        let shared = one.entry_path(&publish(&one, "shared", &[]));
        let tied = two.entry_path(&publish(&two, "tied", &[Tied::NotUtf8]));
        for number in 0..CANDIDATES + 8 {
            publish(&one, &number.to_string(), &[]);
        }
        age(&shared, 2);
        age(&tied, 2);
        assert_eq!(two.candidates(EDITABLE).count(), CANDIDATES);
        assert_eq!(first(&two), record("tied"));

        let entry = two.read_entry(&shared, EDITABLE).unwrap();
        two.deliver(&entry, folder.path()).unwrap();
        age(&shared, 2);
        assert_eq!(first(&two), record("shared"));
        assert_ne!(first(&one), record("shared"), "each tree has its own");
    }

    #[test]
    #[cfg(unix)]
    fn folders_are_those_of_the_tree_that_asks() {
        use crate::inputs::Root;
        use crate::store::tests::finished;

        let folder = tempfile::tempdir().unwrap();
        let [one, two] = two_trees(folder.path());
        let entry = publish(&one, "moved", &[]);
        let tied = publish(&one, "tied", &[Tied::NotUtf8]);
        // The first tree was moved, and a link leads from its old place to the new one.
        fs::remove_dir(&two.root).unwrap();
        fs::rename(&one.root, &two.root).unwrap();
        fs::os::unix::fs::symlink(&two.root, &one.root).unwrap();
        let found: Vec<Entry> = two.candidates(EDITABLE).map(Result::unwrap).collect();
        assert_eq!(found.len(), 1, "{tied:?}");
        assert_eq!((&found[0].record, &found[0].built_in), (&entry.record, &one.root));
        assert_eq!(found[0].roots.get(&Root::Project), Some(&*two.root));

        // A tree that is used through a link keeps the names that its build used.
        let linked = finished(&one, "linked", &[]);
        let wheel = folder.path().join("p-1-py3-none-any.whl");
        fs::write(&wheel, "linked").unwrap();
        two.publish(EDITABLE, linked, &wheel).unwrap();
        let found = two.candidates(EDITABLE).next().unwrap().unwrap();
        assert_eq!(found.record, record("linked"));
        assert_eq!(found.roots.get(&Root::Project), Some(&*one.root));
    }
}
