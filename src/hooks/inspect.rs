//! Queries of commands about a project. They use the same lookups as a build, and build nothing.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use super::Session;
use super::lookup::Lookup;
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
    /// Path of the file or folder, if the input has one.
    pub path: Option<PathBuf>,
}

/// All inputs of a project's editable wheel.
pub struct Watched {
    pub inputs: Vec<Seen>,
    /// The watches that found the inputs. Each input counts because of one of them.
    pub watches: BTreeSet<Watch>,
    pub roots: Roots,
    /// Folders of the roots, relative to the project.
    pub names: BTreeMap<String, String>,
    /// True if the inputs are known from a build. False if they come from cargo's list of packages.
    pub exact: bool,
}

/// What the next build of a project would be.
pub enum Next {
    /// A stored wheel. `renewed` names the changed metadata files. It is empty if the wheel matches
    /// all inputs.
    Stored { renewed: Vec<Reason> },
    /// A run of maturin, with the reasons. `roots` are those of the nearest record.
    Build { reasons: Vec<Reason>, roots: BTreeMap<String, String> },
}

impl Session {
    /// What a build would do now.
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

    /// The error that prevents a build now, if there is one.
    pub fn obstacle(&self) -> Option<Error> {
        let manifest = self.project.manifest_path(&self.request);
        obstacle(&self.project, &self.request, &self.plan.environment, &manifest)
    }

    /// Passes on the result of a maturin hook. If an obstacle made the hook fail, the obstacle is
    /// the error: maturin's output, which is already shown, does not say how to fix it.
    pub(super) fn or_obstacle<T>(&self, made: Result<T>) -> Result<T> {
        made.map_err(|error| match error {
            Error::BuildFailed { .. } if !self.installs_rust() => self.obstacle().unwrap_or(error),
            _ => error,
        })
    }

    /// Finds all inputs. They come from the record of the build nearest to the tree. Without such a
    /// build they come from the record `installed`, and without that from cargo's list of packages.
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

    /// One line for each glob of `extra-inputs` that matches no file. Such a glob is probably
    /// misspelt, or its files do not exist yet.
    pub fn unmatched_inputs(&self) -> Vec<String> {
        let globs = &self.settings.extra_inputs;
        // An archive may lack files that are inputs of its tree.
        if globs.is_empty() || self.origin().is_some() {
            return Vec::new();
        }
        let (stable_prefix, roots) = (self.plan.stable_prefix(), self.project_root());
        let observer = self.observer(&stable_prefix);
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
        let stable_prefix = self.plan.stable_prefix();
        let observer = self.observer(&stable_prefix);
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

    /// Watches for a project without any build: the sources of the packages that cargo names.
    fn expected(&self) -> Result<(BTreeSet<Watch>, Roots)> {
        let manifest = self.project.manifest_path(&self.request);
        let environment = &self.plan.environment;
        let target = Target::read(&self.project, &self.request, environment, &manifest, false)
            .map_err(|error| self.obstacle().unwrap_or(error))?;
        // No earlier build is as new as `since`, so none is read.
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
