//! What the command line asks: the looks of a build, and nothing is made.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::RangeInclusive;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use fs_err as fs;

use super::Session;
use super::answer::Lookup;
use crate::error::Result;
use crate::fingerprint::{Inputs, Record, Value};
use crate::freshness::{self, Reason, Verdict};
use crate::inputs::target::{Target, subfolders};
use crate::inputs::{
    CARGO_HOME, Key, Kind, PROJECT, Part, Roots, WORKSPACE, Watch, ambient, cargo, normalize,
};
use crate::project::Project;
use crate::renew;
use crate::settings::Settings;
use crate::store::Store;
use crate::uv::derive::Wanted;

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
    /// Compares a record with the project as it is now.
    pub fn compare(&self, record: &Record) -> Verdict {
        let hidden = self.plan.hidden();
        let observer = self.observer(&hidden);
        let observed = observer.observe(&record.watches, &self.roots_of(record));
        let verdict = freshness::compare(&record.inputs(), &record.untrusted, &observed);
        self.digests.save();
        verdict
    }

    /// Where a record's roots lie: as the store knows them, if it was built here; else where they
    /// would lie in this tree.
    pub fn roots_of(&self, record: &Record) -> Roots {
        let entries = self.store.iter().flat_map(|store| store.candidates(self.request.artifact));
        for entry in entries {
            if entry.record.fingerprint == record.fingerprint && entry.record.roots == record.roots
            {
                return entry.roots;
            }
        }
        let mut roots = Roots::default();
        for (name, relative) in &record.roots {
            roots.add(name.clone(), normalize(&self.project.root.join(relative)));
        }
        roots.add(PROJECT, &self.project.root);
        if let Some(home) = ambient::cargo_home(&self.plan.environment) {
            roots.add(CARGO_HOME, home);
        }
        roots
    }

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

    pub(super) fn look_at(&self, watches: BTreeSet<Watch>, roots: Roots, exact: bool) -> Watched {
        let hidden = self.plan.hidden();
        let observer = self.observer(&hidden);
        let inputs: Inputs = observer.observe(&watches, &roots);
        let mut places: BTreeMap<Key, Option<PathBuf>> =
            observer.places(&watches, &roots).into_iter().collect();
        self.digests.save();
        let inputs = inputs
            .into_iter()
            .map(|(key, value)| {
                let path = places.remove(&key).flatten();
                Seen { key, value, path }
            })
            .collect();
        let names = roots.iter().filter_map(|(name, folder)| {
            Some((name.to_owned(), crate::inputs::relative(&self.project.root, folder)?))
        });
        let names = names.collect();
        Watched { inputs, watches, names, roots, exact }
    }

    /// Before any build: the sources of the packages that cargo names.
    fn expected(&self) -> Result<(BTreeSet<Watch>, Roots)> {
        let manifest = self.project.manifest_path(&self.request);
        let environment = &self.plan.environment;
        let target = Target::read(&self.project, &self.request, environment, &manifest, false)?;
        // Nothing that was ever built is as new as this.
        let (modules, since) = (BTreeSet::new(), SystemTime::now());
        let (project, request) = (&self.project, &self.request);
        let mut found = cargo::discover(project, request, environment, &target, &modules, since);
        for package in target.local_packages() {
            let folders: BTreeSet<&Path> = package
                .targets
                .iter()
                .filter(|product| product.kind.iter().any(|kind| is_of_the_artifact(kind)))
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
                let view = crate::inputs::View::Package;
                found.watches.insert(Watch::Toml { part: Part::Manifest, view, place });
            }
        }
        let layout = self.layout(&manifest);
        found.watches.extend(self.own_watches(&layout, &manifest, &mut found.roots));
        Ok((found.watches, found.roots))
    }

    /// The same for uv: what it could look at.
    pub fn wanted(&self, watched: &Watched) -> Wanted {
        let root = &self.project.root;
        let mut wanted = Wanted { root: root.clone(), ..Wanted::default() };
        let repository = root.ancestors().find(|folder| folder.join(".git").exists());
        wanted.within.extend(repository.map(Path::to_owned));
        wanted.within.insert(root.clone());
        for (name, folder) in watched.roots.iter() {
            if name == WORKSPACE || name.starts_with("crate:") {
                wanted.within.insert(folder.to_owned());
            } else if name.starts_with(crate::inputs::PRODUCTS) {
                wanted.made.insert(folder.to_owned());
            }
        }
        let runs = script_runs(&wanted.made);
        for seen in &watched.inputs {
            let written =
                seen.path.as_deref().and_then(|path| fs::metadata(path).ok()?.modified().ok());
            if let Some(path) = &seen.path
                && written.is_some_and(|written| runs.iter().any(|run| run.contains(&written)))
            {
                wanted.made.insert(path.clone());
            }
            wanted.add_input(&seen.key, &seen.value, seen.path.as_deref());
        }
        for watch in &watched.watches {
            self.add_watch(watch, &watched.roots, &mut wanted);
        }
        let left_out = self.variables_of_uv();
        wanted.variables.retain(|name| ambient::counts_at_import(name) && !left_out.contains(name));
        wanted
    }

    fn add_watch(&self, watch: &Watch, roots: &Roots, wanted: &mut Wanted) {
        // No further up than the checkout: what lies above is this machine's.
        let above = |folder: &Path| -> Vec<PathBuf> {
            let is_ours =
                |folder: &&Path| wanted.within.iter().any(|within| folder.starts_with(within));
            folder.ancestors().take_while(is_ours).map(Path::to_owned).collect()
        };
        let mut absent = Vec::new();
        match watch {
            Watch::Path { place, .. } => {
                if let Some(path) = roots.resolve(place) {
                    if path.is_dir() {
                        wanted.folders.insert(path);
                    } else if !path.exists() && may_be_folder(&path) {
                        // maturin's data folder is never a file.
                        if path.extension().is_some_and(|extension| extension == "data") {
                            wanted.absent.remove(&path);
                        }
                        wanted.places.insert(path);
                    }
                }
            }
            Watch::Package { place, .. } => wanted.packages.extend(roots.resolve(place)),
            Watch::Glob { root, glob, .. } | Watch::Names { root, glob, .. } => {
                wanted.globs.extend(roots.get(root).map(|root| (root.to_owned(), glob.clone())));
            }
            Watch::Listing { place, .. } => {
                wanted.folders.extend(roots.resolve(place).filter(|path| path.is_dir()));
            }
            Watch::Folder { place, .. } => wanted.places.extend(roots.resolve(place)),
            Watch::Variable { name } => {
                wanted.variables.insert(name.clone());
            }
            Watch::WorkspaceSearch { place, .. } => {
                let folders = roots.resolve(place).map(|folder| above(&folder)).unwrap_or_default();
                absent.extend(folders.iter().skip(1).map(|folder| folder.join("Cargo.toml")));
            }
            Watch::CargoConfig => {
                for folder in above(&self.project.root) {
                    let names = ["config", "config.toml"];
                    absent.extend(names.map(|name| folder.join(".cargo").join(name)));
                }
            }
            Watch::ToolchainFile => {
                for folder in above(&self.project.root) {
                    let names = ["rust-toolchain", "rust-toolchain.toml"];
                    absent.extend(names.map(|name| folder.join(name)));
                }
            }
            _ => {}
        }
        wanted.absent.extend(absent.into_iter().filter(|path| !path.is_file()));
    }

    /// The project's pyproject.toml.
    pub fn project(&self) -> &Project {
        &self.project
    }

    /// What is in force for it.
    pub fn settings(&self) -> &Settings {
        &self.settings
    }

    /// Its part of the store, if there can be one.
    pub fn store(&self) -> Option<&Store> {
        self.store.as_ref()
    }
}

impl Wanted {
    fn add_input(&mut self, key: &Key, value: &Value, path: Option<&Path>) {
        let Some(path) = path.filter(|_| matches!(key.kind, Kind::File | Kind::Toml)) else {
            return;
        };
        if *value == Value::Absent {
            self.absent.insert(path.to_owned());
        } else {
            self.files.insert(path.to_owned());
        }
    }
}

/// What is no source and no configuration: maturin's data folder, a name from a build script.
fn may_be_folder(path: &Path) -> bool {
    let extension = path.extension().unwrap_or_default();
    !["rs", "toml", "h", "pyi", "md"].iter().any(|known| extension == *known)
        && !path.file_name().is_some_and(|name| name.to_string_lossy().starts_with("README"))
}

/// When the build scripts ran whose traces lie in these target folders: what was written meanwhile
/// was written by them. Cargo stamps the start of a run, and writes its output at the end.
fn script_runs(targets: &BTreeSet<PathBuf>) -> Vec<RangeInclusive<SystemTime>> {
    let profiles = targets.iter().flat_map(|target| {
        let profiles = subfolders(target);
        // For a target of its own they lie one folder deeper.
        let deeper: Vec<PathBuf> = profiles.iter().flat_map(|folder| subfolders(folder)).collect();
        profiles.into_iter().chain(deeper)
    });
    let runs = profiles.flat_map(|profile| subfolders(&profile.join("build")));
    let time = |path: PathBuf| fs::metadata(path).ok()?.modified().ok();
    runs.filter_map(|run| Some(time(run.join("invoked.timestamp"))?..=time(run.join("output"))?))
        .collect()
}

/// Is a product of this kind built for the wheel?
fn is_of_the_artifact(kind: &str) -> bool {
    !["bench", "custom-build", "example", "test"].contains(&kind)
}
