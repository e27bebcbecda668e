//! After a build: noting the inputs of cargo's units for the next build (docs/design.md, D5).

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use super::after::After;
use super::before::Before;
use super::build::Preparation;
use super::call::Call;
use super::{pyo3_config, units, untracked};
use crate::cargo_mtime::{self, Note, RacedInputs, Remaining};
use crate::inputs::target::Target;
use crate::inputs::{Key, Roots, Watch, cargo};

/// Notes the units of a finished build.
pub(super) fn finished(call: &Call, preparation: &Preparation, before: &Before, after: &After) {
    let Some(target) = after.target(preparation) else { return };
    cargo_mtime::remove_superseded_units(target, before.since_time());
    if let Some(store) = &call.store {
        pyo3_config::keep(store, target, &after.found.units);
    }
    let units = Units {
        units: &after.found.units,
        roots: &after.found.roots,
        raced: &after.raced,
        gone: &after.gone,
        remaining: &before.remaining,
    };
    units.note(call, target);
}

/// Notes the units that a failed build compiled, so that the next build need not compile them
/// again.
pub(super) fn failed(call: &Call, preparation: &Preparation, before: &Before) {
    let Some(target) = &preparation.target else { return };
    let environment = &preparation.interpreter.plan.environment;
    let found = cargo::discover_units(&call.project, environment, target, before.since_time());
    call.digests.look_again();
    let watches = found.units.values().flatten().cloned().collect();
    let seen = call.observer().observe_since(
        [&watches],
        &found.roots,
        before.since,
        &before.snapshot,
        &preparation.written(),
    );
    let units = Units {
        units: &found.units,
        roots: &found.roots,
        raced: &seen.raced,
        gone: &before.snapshot.gone().map(Path::to_owned).collect::<Vec<_>>(),
        remaining: &before.remaining,
    };
    units.note(call, target);
}

/// The units of a build, and what makes a note about them unreliable.
struct Units<'a> {
    units: &'a BTreeMap<PathBuf, BTreeSet<Watch>>,
    roots: &'a Roots,
    raced: &'a BTreeSet<Key>,
    /// Files that were removed during the build.
    gone: &'a [PathBuf],
    remaining: &'a Remaining,
}

impl Units<'_> {
    fn note(&self, call: &Call, target: &Target) {
        let Self { units, roots, raced, gone, remaining } = *self;
        let Some(store) = &call.store else { return };
        let observer = call.observer();
        let see = |watches: &BTreeSet<Watch>, roots: &Roots| observer.observe(watches, roots);
        let is_gone = |watches: &BTreeSet<Watch>| {
            gone.iter().any(|path| observer.would_name(watches, roots, path))
        };
        let raced_inputs = RacedInputs { raced, remaining, is_gone: &is_gone };
        let extra = untracked::extra_watches(&call.settings);
        let requirements = units::requirements(call);
        let untracked =
            cargo_mtime::untracked(&extra, &requirements, roots, Some(&raced_inputs), &see);
        let before = store.note(&target.metadata.target_directory);
        let mut note = Note::new(before, target, units, &untracked, roots, &raced_inputs, &see);
        note.system = units::system(call);
        store.write_note(&note);
    }
}
