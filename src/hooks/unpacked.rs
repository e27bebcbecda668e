//! Building an unpacked sdist. Its inputs are named, compared and stored as those of the tree that
//! the sdist was made from. `archive_target` has the target folder for such builds.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use crate::fingerprint::observe::Observer;
use crate::fingerprint::record::FILE_NAME;
use crate::fingerprint::{Inputs, Observation, Places, Record, Value};
use crate::freshness::{self, Verdict};
use crate::inputs::{Key, Kind, Part, Root, Roots, Watch, normalize, relative, slashed};
use crate::log;
use crate::request::{Artifact, Request};
use crate::sdist::Origin;
use crate::sdist::restore;
use crate::store::Entry;

const MANIFEST: &str = "Cargo.toml";

/// The unpacked archive that a wheel is built from; `None` if a tree is built, or after a warning.
/// Cargo writes into the folder, so this must be read before a build.
pub(super) fn origin(request: &Request) -> Option<Origin> {
    if request.artifact != Artifact::Wheel {
        return None;
    }
    Origin::read(&request.root).unwrap_or_else(|cause| {
        let path = request.root.join(FILE_NAME);
        let cause = log::escape_controls(&cause.to_string());
        log::warn(format_args!("{}: {cause}; the folder counts as a tree", path.display()));
        None
    })
}

/// The record of a wheel that was built from an unpacked archive, as if it had been built in
/// the tree. `by_cargo` are the watches for the inputs that cargo tracks. `places` are those of
/// these inputs, and of the others.
pub(super) fn record_of_tree(
    origin: &Origin,
    by_cargo: &BTreeSet<Watch>,
    here: &Roots,
    mut inputs: Inputs,
    places: [Places; 2],
) -> Record {
    // Leave out absent files that cargo does not track. The archive's record has them, under
    // the names that they have in the tree.
    let [tracked, others] = places;
    let is_left_out = |key: &Key, value: &Value| {
        *value == Value::Absent && others.contains_key(key) && !tracked.contains_key(key)
    };
    inputs.retain(|key, value| !is_left_out(key, value));
    let seen = Observation::join(inputs, tracked.into_iter().chain(others).collect());
    let inputs = origin.inputs(seen, here);
    let watches = origin.watches(by_cargo, here);
    let roots = origin.roots(&watches);
    let mut record = Record::new(&inputs, watches, roots);
    record.source = Some(origin.source());
    record
}

/// Folders of such a record's roots in the tree. `None` if the unpacked sources were changed.
pub(super) fn roots_in_tree(
    tree: &Path,
    origin: &Origin,
    record: &Record,
    here: &Roots,
) -> Option<Roots> {
    let is_same = record.source == origin.record.source;
    let mut roots = Roots::default();
    for (name, place) in &record.roots {
        roots.add(name.clone(), normalize(&tree.join(place)));
    }
    roots.add(Root::Project, tree);
    for (root, folder) in here.iter().filter(|(root, _)| root.is_elsewhere()) {
        roots.add(root.clone(), folder);
    }
    is_same.then_some(roots)
}

/// Was this entry built from the sources that are unpacked here, and are all other inputs
/// unchanged?
pub(super) fn compare(origin: &Origin, entry: &Entry, observer: &Observer<'_>) -> Verdict {
    let record = &entry.record;
    let is_same =
        origin.is_pristine() && origin.is_alone() && record.source == origin.record.source;
    let recorded = record.inputs();
    let files = record.source.iter().flat_map(|source| source.files.keys());
    let files: BTreeSet<&str> = files.map(String::as_str).collect();
    // Each recorded input must be one of the sources, or is observed now.
    let covered = recorded
        .iter()
        .all(|(key, value)| is_looked_at(key) || is_covered(origin, key, value, record, &files));
    if !is_same || !covered {
        return Verdict::Stale(vec![freshness::Reason::OtherSources]);
    }
    let watches = record.watches.iter().filter(|watch| watch.root().is_none_or(Root::is_elsewhere));
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
    origin: &Origin,
    key: &Key,
    value: &Value,
    record: &Record,
    files: &BTreeSet<&str>,
) -> bool {
    let place = key.root.as_ref().and_then(|root| record.roots.get(root));
    let named = place.and_then(|place| name_in_tree(place, &key.name));
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
        (Some(name), Value::Absent) => {
            !origin.places_here(&name).into_iter().flatten().any(|path| path.exists())
        }
        (Some(name), _) if files.contains(name.as_str()) => true,
        // The manifest of a workspace member that was not packed.
        (Some(_), Value::Sha256(_)) if key.kind == Kind::Toml && key.part == Part::Manifest => {
            origin.record.inputs().get(key) == Some(value)
        }
        _ => false,
    }
}

/// How an input is named in the tree: `place` is where its root lies as seen from the project, and
/// may lead up further than there are folders here.
fn name_in_tree(place: &str, name: &str) -> Option<String> {
    // An invented folder, as deep as a record may lead up.
    let tree = PathBuf::from("/d".repeat(restore::DEPTH));
    relative(&tree, &normalize(&tree.join(place).join(name)))
}

/// Where a package of the archive was in the tree, relative to the project. `None` if the folder here
/// has no packed manifest.
pub(super) fn package_in_tree(origin: &Origin, folder: &Path) -> Option<String> {
    let manifest = slashed(&folder.strip_prefix(&origin.root).ok()?.join(MANIFEST))?;
    let packed = origin.record.packed.iter().find(|packed| packed.path == manifest)?;
    name_in_tree(".", packed.source.as_ref()?.strip_suffix(MANIFEST)?)
}

/// Is the input no part of the sources, so that it must be observed now?
fn is_looked_at(key: &Key) -> bool {
    key.root.as_ref().is_some_and(|root| *root == Root::Above || root.is_elsewhere())
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
            (".", "", ".".to_owned()),
            (".", "../../crates/engine/", "../../crates/engine".to_owned()),
            (&up[..], "b.rs", format!("{up}b.rs")),
        ] {
            assert_eq!(name_in_tree(place, name), Some(expected), "{place} {name}");
        }
    }
}
