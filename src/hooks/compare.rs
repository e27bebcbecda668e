//! Comparing a record with a project: was an installed wheel, or a given one, built from these
//! sources?

use std::collections::BTreeSet;
use std::path::PathBuf;

use super::call::Call;
use crate::fingerprint::{Inputs, Record};
use crate::freshness::{self, Verdict};
use crate::inputs::{Root, Roots, cargo_config, normalize};
use crate::store::EntryKind;

/// Compares a record with the project as it is now.
pub fn compare(call: &Call, record: &Record) -> Verdict {
    let observed = observe(call, record, &roots_of(call, record));
    freshness::compare(record.pairs(), &record.untrusted, &observed)
}

/// The inputs that a record names, as they are now.
pub fn observe(call: &Call, record: &Record, roots: &Roots) -> Inputs {
    let observed = call.observer().observe(&record.watches, roots);
    call.save_memories();
    observed
}

/// Folders of a record's roots. The store knows them if the record was built here. Otherwise
/// they are derived from this tree.
pub fn roots_of(call: &Call, record: &Record) -> Roots {
    let kind = EntryKind::Artifact(call.request.artifact);
    let known = call.store.iter().flat_map(|store| store.candidates(kind));
    // A lookup for a build reports damaged entries.
    for entry in known.flatten() {
        if entry.record.fingerprint == record.fingerprint && entry.record.roots == record.roots {
            return entry.roots;
        }
    }
    let mut roots = Roots::default();
    for (name, relative) in &record.roots {
        roots.add(name.clone(), normalize(&call.project.root.join(relative)));
    }
    roots.add(Root::Project, &call.project.root);
    if let Some(home) = cargo_config::cargo_home(&call.plan.environment) {
        roots.add(Root::CargoHome, home);
    }
    for (number, folder) in target_folders(call, &roots).into_iter().enumerate() {
        roots.add(Root::Products(number.to_string().into()), folder);
    }
    roots
}

/// Folders that cargo may build in, found without running cargo. Files in them are made from
/// the sources, and did not exist when a wheel was built elsewhere.
fn target_folders(call: &Call, roots: &Roots) -> BTreeSet<PathBuf> {
    let environment = &call.plan.environment;
    let root = &call.project.root;
    // Cargo writes this file. A source folder may be called `target`, too.
    let is_cargos = |folder: &PathBuf| folder.join(".rustc_info.json").is_file();
    let beside = roots.iter().map(|(_, folder)| folder.join("target")).filter(is_cargos);
    beside.chain(cargo_config::target_folders(root, environment)).collect()
}
