//! The inputs of a finished build: the second of two looks at the tree. The first one is in
//! `before`.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use super::before::Before;
use super::built::Preparation;
use super::call::Call;
use super::untracked;
use crate::fingerprint::at_import::AtImport;
use crate::fingerprint::observe::ObservedSince;
use crate::fingerprint::{Inputs, Places};
use crate::inputs::target::{Modules, Target};
use crate::inputs::{Key, Root, Watch, cargo};

/// The inputs of a finished build.
pub(super) struct After {
    /// The inputs that cargo tracks, its units, and the roots of all inputs.
    pub found: cargo::Discovered,
    /// All watches.
    pub watches: BTreeSet<Watch>,
    pub inputs: Inputs,
    /// The places of the inputs that cargo tracks, and of those that it does not track.
    pub places: [Places; 2],
    /// Inputs that changed during the build.
    pub raced: BTreeSet<Key>,
    /// Files that were removed during the build.
    pub gone: Vec<PathBuf>,
    /// The inputs that an editable wheel compares at import.
    pub at_import: AtImport,
    /// Cargo's packages, if cargo could not name all of them before the build.
    asked_again: Option<Target>,
}

impl After {
    /// Finds the inputs, and compares them with the state before the build. `modules` are those in
    /// the wheel.
    pub(super) fn look(
        call: &Call,
        preparation: &Preparation,
        before: &Before,
        modules: &Modules,
    ) -> Self {
        let Preparation { interpreter, manifest, layout, target, .. } = preparation;
        let environment = &interpreter.plan.environment;
        // Packages that had to be downloaded are there now, so cargo can name all of them.
        let incomplete = target.as_ref().filter(|target| !target.knows_all_packages);
        let asked_again = incomplete.and_then(|_| {
            Target::read(&call.project, &call.request, environment, manifest, false).ok()
        });
        let target = asked_again.as_ref().or(target.as_ref());
        let mut found = match target {
            Some(target) => {
                let (project, request) = (&call.project, &call.request);
                let since = before.since_time();
                cargo::discover(project, request, environment, target, modules, since)
            }
            None => {
                let mut unknown = cargo::Discovered::default();
                unknown.gaps.push("cargo could not be asked what was built".to_owned());
                unknown.roots.add(Root::Project, &call.project.root);
                unknown
            }
        };
        before.remaining.check(&mut found);
        found.warn_of_unknown_layout();
        let untracked = untracked::watches(call, layout, manifest, &mut found.roots);
        let watches: BTreeSet<Watch> = found.watches.union(&untracked).cloned().collect();

        call.digests.look_again();
        let observer = call.observer();
        let names = call.names_at_import(&observer, &watches, &found.roots);
        let ObservedSince { inputs, places, raced } = observer.observe_since(
            [&found.watches, &untracked],
            &found.roots,
            before.since,
            &before.snapshot,
            &preparation.written(),
        );
        let mut at_import = observer.at_import(names, &watches, &found.roots, &inputs);
        if !found.gaps.is_empty() {
            let packages = target.iter().flat_map(|target| &target.metadata.packages);
            let folders = packages
                .filter(|package| package.is_of_a_path())
                .map(|package| package.folder().to_owned())
                .chain(manifest.parent().map(Path::to_owned));
            at_import = call.whole_packages(at_import, folders);
        }
        let gone = before.snapshot.gone().map(Path::to_owned).collect();
        Self { found, watches, inputs, places, raced, gone, at_import, asked_again }
    }

    /// Cargo's packages; `None` if cargo could not be asked.
    pub(super) fn target<'a>(&'a self, preparation: &'a Preparation) -> Option<&'a Target> {
        self.asked_again.as_ref().or(preparation.target.as_ref())
    }
}
