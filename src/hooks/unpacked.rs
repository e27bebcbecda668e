//! Building an unpacked sdist. Its inputs are named, compared and stored as those of the tree that
//! the sdist was made from.
//!
//! Frontends unpack each archive into a new folder, and files get the archive's times. In a new
//! target folder cargo would compile every dependency again. In a kept target folder cargo could
//! not tell two contents of a file apart. So archives of one project share a target folder, and
//! everything of the project's own packages is removed from it before each build.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use super::Session;
use crate::fingerprint::observe::Observer;
use crate::fingerprint::{Inputs, Record, Value};
use crate::freshness::{self, Verdict};
use crate::inputs::{CARGO_HOME, Key, Kind, PROJECT, Part, Roots, Watch, normalize, relative};
use crate::interpreter::Plan;
use crate::request::{Artifact, Environment, Request};
use crate::sdist::Origin;
use crate::sdist::origin::{self, Seen};
use crate::sdist::restore;
use crate::store::{Entry, Store};

const TARGET: &str = "CARGO_TARGET_DIR";

/// The project on this machine that the archive to be built was made from.
pub(super) fn tree(request: &Request) -> Option<PathBuf> {
    // Only wheels are built from archives. If an unpacked archive is installed as editable, its
    // folder is a tree of its own.
    let id = origin::id(&request.root).filter(|_| request.artifact == Artifact::Wheel)?;
    Store::project_of_archive(&request.environment, &id)
}

/// The plan of the build, and the environment whose variables count as inputs. For an archive of a
/// known tree the plan sets the target folder that archives share. The environment that counts does
/// not have this variable, as for a build in the tree.
pub(super) fn plan(
    request: &Request,
    store: Option<&Store>,
    is_of_a_tree: bool,
) -> (Plan, Environment) {
    let interpreters = store.map(Store::interpreters);
    let mut plan = Plan::new(&request.interpreter, &request.environment, interpreters);
    let counts = plan.environment.clone();
    let named = [TARGET, "CARGO_BUILD_TARGET_DIR"]
        .iter()
        .any(|name| request.environment.non_empty(name).is_some());
    if let Some(store) = store.filter(|_| is_of_a_tree && !named) {
        plan.environment.set(TARGET, store.archive_target().as_os_str());
    }
    (plan, counts)
}

/// Copies `CARGO_TARGET_DIR` from one environment to another.
pub(super) fn set_target(environment: &mut Environment, from: &Environment) {
    if let Some(target) = from.get(TARGET) {
        environment.set(TARGET, target);
    }
}

impl Session {
    /// The tree that an unpacked archive was made from; `None` if a tree is built.
    pub(super) fn origin(&self) -> Option<&Origin> {
        let is_wheel = self.request.artifact == Artifact::Wheel;
        self.origin.get_or_init(|| Origin::read(&self.request.root).filter(|_| is_wheel)).as_ref()
    }

    /// Does cargo compile in the target folder that archives share?
    pub(super) fn shares_target(&self, target: &Path) -> bool {
        let shared = self.store.as_ref().map(Store::archive_target);
        self.tree.is_some() && shared.as_deref() == Some(target)
    }

    /// If wheelprint set `CARGO_TARGET_DIR` for an archive, the variable does not count as an
    /// input. If the build reads it, this gives the reason why the record can't be trusted.
    pub(super) fn reads_shared_target(&self, watches: &BTreeSet<Watch>) -> Option<String> {
        let is_ours = self.environment.get(TARGET) != self.plan.environment.get(TARGET);
        (is_ours && watches.contains(&Watch::Variable { name: TARGET.to_owned() }))
            .then(|| format!("{TARGET} is read, and set for what is built of sdists"))
    }

    /// The record of a wheel that was built from an unpacked archive, as if it had been built in
    /// the tree.
    pub(super) fn record_of_tree(
        &self,
        observer: &Observer<'_>,
        origin: &Origin,
        found: &BTreeSet<Watch>,
        here: &Roots,
        inputs: &Inputs,
        own: &BTreeSet<Watch>,
    ) -> Record {
        // Leave out absent files that cargo does not track. The archive's record has them, under
        // the names that they have in the tree.
        let keys = |watches: &BTreeSet<Watch>| -> BTreeSet<Key> {
            observer.places(watches, here).into_iter().map(|located| located.key).collect()
        };
        let (by_cargo, by_us) = (keys(found), keys(own));
        let is_left_out = |key: &Key, value: &Value| {
            *value == Value::Absent && by_us.contains(key) && !by_cargo.contains(key)
        };
        let all: BTreeSet<Watch> = found.union(own).cloned().collect();
        let mut seen: BTreeMap<&Key, Seen> = inputs
            .iter()
            .filter(|(key, value)| !is_left_out(key, value))
            .map(|(key, value)| {
                let (key_of, value) = (key.clone(), value.clone());
                (key, Seen { key: key_of, value, path: None, view: None })
            })
            .collect();
        for located in observer.places(&all, here) {
            if let Some(seen) = seen.get_mut(&located.key) {
                seen.path = located.path;
                seen.view = located.view;
            }
        }
        let seen = seen.into_values().collect();
        let inputs = origin.inputs(seen, here);
        let watches = origin.watches(found, here);
        let roots = origin.roots(&watches);
        let mut record = Record::new(&inputs, watches, roots, Vec::new());
        record.source = Some(origin.source());
        record
    }

    /// Folders of such a record's roots in the tree. `None` if the tree is not on this machine, or
    /// if the unpacked sources were changed.
    pub(super) fn roots_in_tree(&self, record: &Record, here: &Roots) -> Option<Roots> {
        let tree = self.tree.as_ref()?;
        let is_same = record.source == self.origin()?.record.source;
        let mut roots = Roots::default();
        for (name, place) in &record.roots {
            roots.add(name.clone(), normalize(&tree.join(place)));
        }
        roots.add(PROJECT, tree);
        let elsewhere = here.iter().filter(|(name, _)| is_elsewhere(name));
        for (name, folder) in elsewhere {
            roots.add(name, folder);
        }
        is_same.then_some(roots)
    }

    /// Was this entry built from the sources that are unpacked here, and are all other inputs
    /// unchanged?
    pub(super) fn compare_unpacked(
        &self,
        origin: &Origin,
        entry: &Entry,
        observer: &Observer<'_>,
    ) -> Verdict {
        let record = &entry.record;
        let is_same =
            origin.is_pristine() && origin.is_alone() && record.source == origin.record.source;
        let recorded = record.inputs();
        let files = record.source.iter().flat_map(|source| source.files.keys());
        let files: BTreeSet<&str> = files.map(String::as_str).collect();
        // Each recorded input must be one of the sources, or is observed now.
        let covered = recorded
            .iter()
            .all(|(key, value)| is_looked_at(key) || self.is_covered(key, value, record, &files));
        if !is_same || !covered {
            return Verdict::Stale(vec![freshness::Reason::NoRecord]);
        }
        let watches = record.watches.iter().filter(|watch| match watch.root() {
            Some(root) => is_elsewhere(root),
            None => true,
        });
        let observed = observer.observe(&watches.cloned().collect(), &entry.roots);
        let only = |inputs: Inputs| -> Inputs {
            inputs.into_iter().filter(|(key, _)| is_looked_at(key)).collect()
        };
        let count = recorded.len();
        match freshness::compare(&only(recorded), &record.untrusted, &only(observed)) {
            Verdict::Fresh { .. } => Verdict::Fresh { inputs: count },
            stale => stale,
        }
    }

    /// Is an input of the tree a file of the archive, or absent here as it was in the tree?
    fn is_covered(
        &self,
        key: &Key,
        value: &Value,
        record: &Record,
        files: &BTreeSet<&str>,
    ) -> bool {
        let named = record.roots.get(&key.root).and_then(|place| name_in_tree(place, &key.name));
        match (named, value) {
            // An archive holds no empty folder, so the folder must hold a packed file.
            (Some(name), Value::Text(_)) if key.kind == Kind::Folder => {
                let inside = format!("{}/", name.trim_start_matches("./"));
                name == "."
                    || name.ends_with("..")
                    || files.iter().any(|file| file.starts_with(&inside))
            }
            // The names in a folder follow from the names of the files.
            (Some(_), _) if key.kind == Kind::Folder => true,
            (Some(name), Value::Absent) => self.origin().is_some_and(|origin| {
                !origin.places_here(&name).into_iter().flatten().any(|path| path.exists())
            }),
            (Some(name), _) if files.contains(name.as_str()) => true,
            // The manifest of a workspace member that was not packed.
            (Some(_), Value::Sha256(_)) if key.kind == Kind::Toml && key.part == Part::Manifest => {
                self.origin().is_some_and(|origin| {
                    let stated = origin.record.inputs();
                    stated.get(key) == Some(value)
                })
            }
            _ => false,
        }
    }
}

/// How an input is named in the tree: `place` is where its root lies as seen from the project, and
/// may lead up further than there are folders here.
fn name_in_tree(place: &str, name: &str) -> Option<String> {
    // An invented folder, as deep as a record may lead up.
    let tree = PathBuf::from("/d".repeat(restore::DEPTH));
    relative(&tree, &normalize(&tree.join(place).join(name)))
}

fn is_elsewhere(root: &str) -> bool {
    root == CARGO_HOME || root.starts_with("outside:")
}

/// Is the input no part of the sources, so that it must be observed now?
fn is_looked_at(key: &Key) -> bool {
    key.root == "above"
        || is_elsewhere(&key.root)
        || matches!(key.part, Part::Environment | Part::Toolchain | Part::Request)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_may_lead_up_as_far_as_a_record_may() {
        let up = "../".repeat(restore::DEPTH);
        for (place, name, expected) in [
            (".", "src/lib.rs", "src/lib.rs".to_owned()),
            ("../core", "a/../b.rs", "../core/b.rs".to_owned()),
            (&up[..], "b.rs", format!("{up}b.rs")),
        ] {
            assert_eq!(name_in_tree(place, name), Some(expected), "{place} {name}");
        }
    }
}
