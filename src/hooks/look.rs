//! What commands ask about a project. The same lookups as for a build; nothing is built.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use super::Session;
use super::answer::Lookup;
use crate::error::{Error, Result};
use crate::fingerprint::{Inputs, Record, Value};
use crate::freshness::Reason;
use crate::inputs::obstacle::obstacle;
use crate::inputs::target::Target;
use crate::inputs::{
    Key, Part, Roots, View, Watch, cargo, extra, is_beside_the_artifact, relative,
};
use crate::renew;

/// One input as it is now.
pub struct Seen {
    pub key: Key,
    pub value: Value,
    /// Where it lies, if it lies somewhere.
    pub path: Option<PathBuf>,
}

/// All that counts for the editable wheel of a project.
pub struct Watched {
    pub inputs: Vec<Seen>,
    /// The watches they come from; one of them is the reason why each input counts.
    pub watches: BTreeSet<Watch>,
    pub roots: Roots,
    /// Where the roots lie as seen from the project.
    pub names: BTreeMap<String, String>,
    /// Known from a build, and not only from what cargo says of the packages.
    pub exact: bool,
}

/// What the next build of a project would be.
pub enum Next {
    /// A wheel of the store; why no other one would do is empty if it is the one of the inputs.
    Stored { renewed: Vec<Reason> },
    /// A run of maturin.
    Build { reasons: Vec<Reason>, roots: BTreeMap<String, String> },
}

impl Session {
    /// What a build that is asked for now would do.
    pub fn next(&self) -> Next {
        if !self.reuses() {
            return Next::Build { reasons: vec![Reason::NotReused], roots: BTreeMap::new() };
        }
        match self.search() {
            Lookup::Fresh { .. } => Next::Stored { renewed: Vec::new() },
            Lookup::Stale { reasons, nearest } => {
                let roots = nearest.map(|entry| entry.record.roots).unwrap_or_default();
                if !reasons.is_empty() && renew::only_metadata_files(&reasons).is_some() {
                    Next::Stored { renewed: reasons }
                } else {
                    Next::Build { reasons, roots }
                }
            }
        }
    }

    /// What stands in the way of a build that is asked for now, if anything does.
    pub fn obstacle(&self) -> Option<Error> {
        let manifest = self.project.manifest_path(&self.request);
        obstacle(&self.project, &self.request, &self.plan.environment, &manifest)
    }

    /// What a hook of maturin's gave. Where the hook failed because of an obstacle, the obstacle is
    /// the error: maturin's output, shown already, does not say what to do.
    pub(super) fn or_obstacle<T>(&self, made: Result<T>) -> Result<T> {
        made.map_err(|error| match error {
            Error::BuildFailed { .. } if !self.installs_rust() => self.obstacle().unwrap_or(error),
            _ => error,
        })
    }

    /// What counts: by the record of the build that is nearest to the tree, or, if `installed` is
    /// given, by that one; without any by what cargo says.
    ///
    /// # Errors
    /// Nothing was built yet, and cargo can't be asked.
    pub fn watched(&self, installed: Option<&Record>) -> Result<Watched> {
        let known = match self.search() {
            Lookup::Fresh { entry, .. } | Lookup::Stale { nearest: Some(entry), .. } => {
                Some((entry.record, entry.roots))
            }
            Lookup::Stale { nearest: None, .. } => {
                installed.map(|record| (record.clone(), self.roots_of(record)))
            }
        };
        let (watches, roots, exact) = match known {
            Some((record, roots)) => (record.watches, roots, true),
            None => {
                let (watches, roots) = self.expected()?;
                (watches, roots, false)
            }
        };
        Ok(self.look_at(watches, roots, exact))
    }

    /// A line for each glob of `extra-inputs` that matches no file: most likely it is misspelt, or
    /// what it names is no input yet.
    pub fn unmatched_inputs(&self) -> Vec<String> {
        let globs = &self.settings.extra_inputs;
        // An archive need not hold what is an input of its tree.
        if globs.is_empty() || self.origin().is_some() {
            return Vec::new();
        }
        let (hidden, roots) = (self.plan.hidden(), self.project_root());
        let observer = self.observer(&hidden);
        let matches = |glob: &str| {
            let watches = extra::watches_of(glob).into_iter().collect();
            !observer.places(&watches, &roots).is_empty()
        };
        let unmatched = globs.iter().filter(|glob| !matches(glob));
        unmatched
            .map(|glob| {
                format!("pyproject.toml: tool.wheelprint.extra-inputs: `{glob}` matches no file")
            })
            .collect()
    }

    pub(super) fn look_at(&self, watches: BTreeSet<Watch>, roots: Roots, exact: bool) -> Watched {
        let hidden = self.plan.hidden();
        let observer = self.observer(&hidden);
        let inputs: Inputs = observer.observe(&watches, &roots);
        let places = observer.places(&watches, &roots).into_iter();
        let mut places: BTreeMap<Key, Option<PathBuf>> =
            places.map(|located| (located.key, located.path)).collect();
        self.digests.save();
        let inputs = inputs
            .into_iter()
            .map(|(key, value)| {
                let path = places.remove(&key).flatten();
                Seen { key, value, path }
            })
            .collect();
        let names = roots.iter().filter_map(|(name, folder)| {
            Some((name.to_owned(), relative(&self.project.root, folder)?))
        });
        let names = names.collect();
        Watched { inputs, watches, names, roots, exact }
    }

    /// Before any build: the sources of the packages that cargo names.
    fn expected(&self) -> Result<(BTreeSet<Watch>, Roots)> {
        let manifest = self.project.manifest_path(&self.request);
        let environment = &self.plan.environment;
        let target = Target::read(&self.project, &self.request, environment, &manifest, false)
            .map_err(|error| self.obstacle().unwrap_or(error))?;
        // Nothing that was ever built is as new as this.
        let (modules, since) = (BTreeSet::new(), SystemTime::now());
        let (project, request) = (&self.project, &self.request);
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
                    found.watches.insert(Watch::Glob { part: Part::Rust, root: place.root, glob });
                }
            }
            if let Some(place) = found.roots.name(&package.manifest_path) {
                let view = View::Package;
                found.watches.insert(Watch::Toml { part: Part::Manifest, view, place });
            }
        }
        let layout = self.layout(&manifest);
        found.watches.extend(self.own_watches(&layout, &manifest, &mut found.roots));
        Ok((found.watches, found.roots))
    }
}
