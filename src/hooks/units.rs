//! Before the build: check for cargo, ask it for the packages, and invalidate stale units. After
//! the build: note the inputs of the units.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use super::Session;
use crate::cargo_mtime::{self, Note, RacedInputs, Remaining};
use crate::error::{Error, Result};
use crate::freshness::Reason;
use crate::inputs::target::Target;
use crate::inputs::{Key, Part, Roots, Watch};
use crate::interpreter::Plan;
use crate::log;
use crate::maturin;

impl Session {
    pub(super) fn need_cargo(&self) -> Result<()> {
        if self.plan.environment.which("cargo").is_none() && !self.installs_rust() {
            return Err(Error::missing_cargo());
        }
        Ok(())
    }

    /// Does maturin install Rust for this build because cargo is missing?
    pub(super) fn installs_rust(&self) -> bool {
        maturin::has_package(&self.request.interpreter, "puccinialin")
            && self.request.environment.non_empty("MATURIN_NO_INSTALL_RUST").is_none()
            && self.plan.environment.which("cargo").is_none()
    }

    /// Asks cargo for the packages before the build. If Cargo.lock may be out of date, cargo is
    /// asked in the way that updates it: a lock file written during the build would look like a
    /// race.
    pub(super) fn target(
        &self,
        plan: &Plan,
        manifest: &Path,
        reasons: &[Reason],
    ) -> Result<Option<Target>> {
        let resolves = reasons.iter().any(|reason| match reason {
            Reason::NoRecord | Reason::NotReused => true,
            Reason::Changed { key, .. }
            | Reason::Added { key, .. }
            | Reason::Removed { key, .. } => key.part == Part::Manifest,
            Reason::Unreadable { .. } | Reason::Untrusted(_) => false,
        });
        match Target::read(&self.project, &self.request, &plan.environment, manifest, resolves) {
            // Cargo could not resolve the packages. maturin would explain this over many lines.
            Ok(target) if resolves && !target.knows_all_packages() => match self.obstacle() {
                Some(obstacle) => Err(obstacle),
                None => Ok(Some(target)),
            },
            Ok(target) => Ok(Some(target)),
            // Rust is not installed yet.
            Err(error) if self.installs_rust() => {
                log::debug(error);
                Ok(None)
            }
            Err(error) => match self.obstacle() {
                Some(obstacle) => Err(obstacle),
                // maturin meets the same error and reports it in its own words.
                None => {
                    log::debug(error);
                    Ok(None)
                }
            },
        }
    }

    /// Notes the inputs of the units in the target folder.
    pub(super) fn note(
        &self,
        target: &Target,
        units: &BTreeMap<PathBuf, BTreeSet<Watch>>,
        roots: &Roots,
        raced: &BTreeSet<Key>,
        gone: &[&Path],
        remaining: &Remaining,
    ) {
        let Some(store) = &self.store else { return };
        let stable_prefix = self.plan.stable_prefix();
        let observer = self.observer(&stable_prefix);
        let see = |watches: &BTreeSet<Watch>, roots: &Roots| observer.observe(watches, roots);
        let is_gone = |watches: &BTreeSet<Watch>| {
            gone.iter().any(|path| observer.would_name(watches, roots, path))
        };
        let raced_inputs = RacedInputs { raced, remaining, is_gone: &is_gone };
        let extra = self.extra_watches();
        let untracked_digest =
            cargo_mtime::untracked_digest(&extra, roots, Some(&raced_inputs), &see);
        let before = store.note(&target.metadata.target_directory);
        store.write_note(&Note::new(
            before,
            target,
            units,
            &untracked_digest,
            roots,
            &raced_inputs,
            &see,
        ));
    }

    /// Invalidates stale units that cargo's clock would call fresh (docs/design.md, D5).
    pub(super) fn invalidate_stale_units(&self, target: &Target) -> Remaining {
        let stable_prefix = self.plan.stable_prefix();
        let observer = self.observer(&stable_prefix);
        let see = |watches: &BTreeSet<Watch>, roots: &Roots| observer.observe(watches, roots);
        let note =
            self.store.as_ref().and_then(|store| store.note(&target.metadata.target_directory));
        let untracked_digest =
            cargo_mtime::untracked_digest(&self.extra_watches(), &self.project_root(), None, &see);
        let mut remaining =
            cargo_mtime::invalidate_stale_units(target, note.as_ref(), &untracked_digest, &see);
        // All files of an archive have the same time, whatever their content.
        if self.origin().is_some() {
            let is_apart = self.shares_target(&target.metadata.target_directory);
            cargo_mtime::invalidate_own_units(target, is_apart, &mut remaining);
        }
        remaining
    }
}
