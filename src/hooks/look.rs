//! What the command line asks: the looks of a build, and nothing is made.

use super::Session;
use crate::fingerprint::Record;
use crate::freshness::{self, Verdict};
use crate::inputs::{CARGO_HOME, PROJECT, Roots, ambient, normalize};
use crate::project::Project;
use crate::settings::Settings;
use crate::store::Store;

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
