//! After a build: noting the inputs of cargo's units for the next build (docs/design.md, D5).

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use super::after::After;
use super::before::Before;
use super::built::Preparation;
use super::call::Call;
use super::{pyo3_config, units, untracked};
use crate::cargo_mtime::{self, Note, RacedInputs, Remaining};
use crate::fingerprint::observe::ObservedSince;
use crate::inputs::target::Target;
use crate::inputs::{Key, Roots, Watch, cargo};

/// Notes the units of a finished build.
pub(super) fn finished(call: &Call, preparation: &Preparation, before: &Before, after: &After) {
    let Some(target) = after.target(preparation) else { return };
    let found = &after.found;
    cargo_mtime::remove_superseded_units(target, &found.read, before.since_time());
    if let Some(store) = &call.store {
        pyo3_config::keep(store, target, found);
    }
    let units = Units {
        found,
        race: &|watches, roots| race(call, preparation, before, watches, roots),
        raced: &after.raced,
        gone: &after.gone,
        remaining: &before.remaining,
    };
    units.note(call, target);
}

/// Notes the units that were compiled by a build that failed or is not used. The next build need not
/// compile them again.
pub(super) fn failed(call: &Call, preparation: &Preparation, before: &Before) {
    let Some(target) = &preparation.target else { return };
    let environment = &preparation.interpreter.plan.environment;
    let found = cargo::discover_units(&call.project, environment, target, before.since_time());
    call.digests.look_again();
    let watches = found.units.values().flatten().cloned().collect();
    let seen = race(call, preparation, before, &watches, &found.roots);
    let units = Units {
        found: &found,
        race: &|watches, roots| race(call, preparation, before, watches, roots),
        raced: &seen.raced,
        gone: &before.snapshot.gone().map(Path::to_owned).collect::<Vec<_>>(),
        remaining: &before.remaining,
    };
    units.note(call, target);
}

/// Looks at inputs, and whether they changed during the build.
fn race(
    call: &Call,
    preparation: &Preparation,
    before: &Before,
    watches: &BTreeSet<Watch>,
    roots: &Roots,
) -> ObservedSince<1> {
    let written = preparation.written();
    call.observer().observe_since([watches], roots, before.since, &before.snapshot, &written)
}

/// The units of a build, and what makes a note about them unreliable.
struct Units<'a> {
    found: &'a cargo::Discovered,
    race: &'a dyn Fn(&BTreeSet<Watch>, &Roots) -> ObservedSince<1>,
    raced: &'a BTreeSet<Key>,
    /// Files that were removed during the build.
    gone: &'a [PathBuf],
    remaining: &'a Remaining,
}

impl Units<'_> {
    fn note(&self, call: &Call, target: &Target) {
        let Self { found, race, raced, gone, remaining } = *self;
        let Some(store) = &call.store else { return };
        let observer = call.observer();
        let see = |watches: &BTreeSet<Watch>, roots: &Roots| observer.observe(watches, roots);
        let names_gone = |watches: &BTreeSet<Watch>, roots: &Roots| {
            gone.iter().any(|path| observer.would_name(watches, roots, path))
        };
        let is_gone = |watches: &BTreeSet<Watch>| names_gone(watches, &found.roots);
        let raced_inputs = RacedInputs { raced, remaining, is_gone: &is_gone };
        let before = store.note(&target.metadata.target_directory);
        let look = |project: &Path, extra: &BTreeSet<Watch>| {
            let roots = untracked::project_root(project);
            let seen = race(extra, &roots);
            let is_settled = seen.raced.is_empty() && !names_gone(extra, &roots);
            is_settled.then_some(seen.inputs)
        };
        let untracked = super::units::untracked(call, target, before.as_ref(), &look);
        let mut note = Note::new(before, target, found, &untracked, &raced_inputs, &see);
        note.system = units::system(call);
        store.write_note(&note);
    }
}
