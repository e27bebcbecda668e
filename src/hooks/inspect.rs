//! Queries of commands about a project. They use the same lookups as a build, and build nothing.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use super::call::Call;
use super::lookup::{Found, Stale};
use super::obstacle::obstacle;
use super::{compare, stored, untracked};
use crate::error::Result;
use crate::fingerprint::{Observation, Record};
use crate::freshness::Reason;
use crate::inputs::target::{Modules, Target};
use crate::inputs::{
    Look, Part, Root, Roots, View, Watch, cargo, is_beside_the_artifact, relative,
};
use crate::renew;
use crate::store::EntryKind;
use crate::tied::Tied;

/// All inputs of a project's editable wheel.
pub struct Watched {
    pub inputs: Vec<Observation>,
    /// The watches that found the inputs. Each input counts because of one of them.
    pub watches: BTreeSet<Watch>,
    pub roots: Roots,
    /// Folders of the roots, relative to the project.
    pub names: BTreeMap<Root, String>,
    /// True if the inputs are known from a build. False if they come from cargo's list of packages.
    pub exact: bool,
    /// Why no other tree can use that build.
    pub(crate) tied: Vec<Tied>,
    /// Is the stored wheel of that build missing, though it is needed now?
    pub lacks_wheel: bool,
}

/// What the next build of a project would be.
pub enum Next {
    /// A stored wheel. `renewed` names the changed metadata files. It is empty if the wheel matches
    /// all inputs.
    Stored { renewed: Vec<Reason> },
    /// A run of maturin, with the reasons. `roots` are those of the nearest record.
    Build { reasons: Vec<Reason>, roots: BTreeMap<Root, String> },
}

/// What a build would do now.
pub fn next(call: &Call) -> Next {
    if !call.reuses() {
        return Next::Build { reasons: vec![Reason::NotReused], roots: BTreeMap::new() };
    }
    match search(call) {
        Found::Fresh { .. } => Next::Stored { renewed: Vec::new() },
        Found::Stale(Stale { reasons, nearest }) => {
            let can_renew = nearest.as_ref().is_some_and(|entry| {
                !reasons.is_empty() && renew::are_told_apart(&entry.record, &reasons)
            });
            let roots = nearest.map(|entry| entry.record.roots).unwrap_or_default();
            if can_renew {
                Next::Stored { renewed: reasons }
            } else {
                Next::Build { reasons, roots }
            }
        }
    }
}

/// Compares the project with earlier builds of the artifact.
fn search(call: &Call) -> Found {
    stored::search(call, EntryKind::Artifact(call.request.artifact), None, None).found
}

/// Finds all inputs. They come from the record of the build nearest to the tree. Without such a
/// build they come from the record `installed`, and without that from cargo's list of packages.
///
/// # Errors
/// Nothing was built yet, and cargo can't be asked.
pub fn watched(call: &Call, installed: Option<&Record>) -> Result<Watched> {
    let mut tied = Vec::new();
    let found = search(call);
    let lacks_wheel = matches!(
        &found,
        Found::Stale(Stale { reasons, .. }) if reasons.contains(&Reason::WheelMissing)
    );
    let known = match found {
        Found::Fresh { entry, .. } | Found::Stale(Stale { nearest: Some(entry), .. }) => {
            tied = entry.tied;
            Some((entry.record, entry.roots))
        }
        Found::Stale(Stale { nearest: None, .. }) => {
            installed.map(|record| (record.clone(), compare::roots_of(call, record)))
        }
    };
    let (watches, roots, exact) = match known {
        Some((record, roots)) => (record.watches, roots, true),
        None => {
            let (watches, roots) = expected(call)?;
            (watches, roots, false)
        }
    };
    let inputs = call.observer().observations(&watches, &roots);
    call.save_memories();
    Ok(Watched { tied, lacks_wheel, ..Watched::new(call, inputs, watches, roots, exact) })
}

/// The tree that made the build with this record. `None` if the store does not know the build.
pub fn built_in(call: &Call, record: &Record) -> Option<PathBuf> {
    let kind = EntryKind::Artifact(call.request.artifact);
    Some(call.store.as_ref()?.built(kind, &record.fingerprint.sha256)?.built_in)
}

impl Watched {
    pub(super) fn new(
        call: &Call,
        inputs: Vec<Observation>,
        watches: BTreeSet<Watch>,
        roots: Roots,
        exact: bool,
    ) -> Self {
        let names = roots.iter().filter_map(|(root, folder)| {
            Some((root.clone(), relative(&call.project.root, folder)?))
        });
        let names = names.collect();
        Self { inputs, watches, names, roots, exact, tied: Vec::new(), lacks_wheel: false }
    }
}

/// Watches for a project without any build: the sources of the packages that cargo names.
fn expected(call: &Call) -> Result<(BTreeSet<Watch>, Roots)> {
    let manifest = call.project.manifest_path(&call.request);
    let environment = &call.plan.environment;
    let target = Target::read(&call.project, &call.request, environment, &manifest, false)
        .map_err(|error| obstacle(call).unwrap_or(error))?;
    // No earlier build is as new as `since`, so none is read.
    let (modules, since) = (Modules::none(), SystemTime::now());
    let (project, request) = (&call.project, &call.request);
    let mut found = cargo::discover(project, request, environment, &target, &modules, since);
    for package in target.local_packages() {
        let folders: BTreeSet<&Path> = package
            .targets
            .iter()
            .filter(|product| !product.kind.iter().all(|kind| is_beside_the_artifact(kind)))
            .filter_map(|product| product.src_path.parent())
            .collect();
        for folder in folders {
            let glob = if folder == package.folder() { "*.rs" } else { "**/*.rs" };
            if let Some(place) = found.roots.name(&folder.join("lib.rs")) {
                let inside = place.path.strip_suffix("lib.rs").unwrap_or_default();
                let glob = format!("{}{glob}", globset::escape(inside));
                found.watches.insert(Watch::glob(Part::Rust, place.root, glob));
            }
        }
        if let Some(place) = found.roots.name(&package.manifest_path) {
            let look = Look::Toml(View::Package);
            found.watches.insert(Watch::at(look, Part::Manifest, place));
        }
    }
    let layout = untracked::layout(&call.project, &manifest);
    found.watches.extend(untracked::watches(call, &layout, &manifest, &mut found.roots));
    Ok((found.watches, found.roots))
}
