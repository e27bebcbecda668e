//! Comparing a record with a project: was an installed wheel, or a given one, built from these
//! sources?

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use super::Session;
use crate::fingerprint::{Inputs, Record};
use crate::freshness::{self, Verdict};
use crate::inputs::{CARGO_HOME, PRODUCTS, PROJECT, Roots, ambient, normalize};
use crate::project::Project;
use crate::settings::Settings;
use crate::store::{Store, What};

impl Session {
    /// Compares a record with the project as it is now.
    pub fn compare(&self, record: &Record) -> Verdict {
        let observed = self.observe(record, &self.roots_of(record));
        freshness::compare(record.pairs(), &record.untrusted, &observed)
    }

    /// The inputs that a record names, as they are now.
    pub fn observe(&self, record: &Record, roots: &Roots) -> Inputs {
        let stable_prefix = self.plan.stable_prefix();
        let observed = self.observer(&stable_prefix).observe(&record.watches, roots);
        self.digests.save();
        observed
    }

    /// Folders of a record's roots. The store knows them if the record was built here. Otherwise
    /// they are derived from this tree.
    pub fn roots_of(&self, record: &Record) -> Roots {
        let entries = self
            .store
            .iter()
            .flat_map(|store| store.candidates(What::Artifact(self.request.artifact)));
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
        for (number, folder) in self.target_folders(&roots).into_iter().enumerate() {
            roots.add(format!("{PRODUCTS}{number}"), folder);
        }
        roots
    }

    /// Folders that cargo may build in, found without running cargo. Files in them are made from
    /// the sources, and did not exist when a wheel was built elsewhere.
    fn target_folders(&self, roots: &Roots) -> BTreeSet<PathBuf> {
        let environment = &self.plan.environment;
        let root = &self.project.root;
        // Cargo writes this file. A source folder may be called `target`, too.
        let is_cargos = |folder: &PathBuf| folder.join(".rustc_info.json").is_file();
        let beside = roots.iter().map(|(_, folder)| folder.join("target")).filter(is_cargos);
        let named = ["CARGO_TARGET_DIR", "CARGO_BUILD_TARGET_DIR", "CARGO_BUILD_BUILD_DIR"]
            .into_iter()
            .filter_map(|name| Some(normalize(&root.join(environment.non_empty(name)?))));
        let configured = ambient::cargo_configs(root, environment).into_iter().flat_map(|config| {
            let text = fs_err::read_to_string(&config.path).unwrap_or_default();
            let table: toml::Table = text.parse().unwrap_or_default();
            // Relative paths start at the folder that holds `.cargo`.
            let folder = config.path.parent().and_then(Path::parent).unwrap_or(root).to_owned();
            ["target-dir", "build-dir"].into_iter().filter_map(move |name| {
                let named = table.get("build")?.get(name)?.as_str()?;
                Some(normalize(&folder.join(named)))
            })
        });
        beside.chain(named).chain(configured).collect()
    }

    /// The project's pyproject.toml.
    pub fn project(&self) -> &Project {
        &self.project
    }

    /// The settings in force for the project.
    pub fn settings(&self) -> &Settings {
        &self.settings
    }

    /// The project's part of the store; `None` if there is no usable store.
    pub fn store(&self) -> Option<&Store> {
        self.store.as_ref()
    }
}
