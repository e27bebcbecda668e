//! Answering a hook with a stored wheel: without maturin and without cargo.

use std::collections::BTreeSet;
use std::path::Path;

use fs_err as fs;

use super::Session;
use crate::error::{Error, PathContext as _, Result};
use crate::fingerprint::{Inputs, Record, Value, record};
use crate::freshness::{self, Reason, Verdict};
use crate::inputs::{Roots, Watch};
use crate::log;
use crate::renew;
use crate::report;
use crate::request::Artifact;
use crate::settings::Reuse;
use crate::store::{Entry, What};
use crate::wheel::{Edit, Wheel};

/// Result of a lookup in the store.
pub(super) enum Lookup {
    Fresh {
        entry: Box<Entry>,
        /// Log line for the delivery.
        line: String,
    },
    /// No stored wheel matches. `nearest` is the earlier build with the fewest reasons, if there is
    /// one.
    Stale { reasons: Vec<Reason>, nearest: Option<Box<Entry>> },
}

impl Session {
    /// The lookup for a build. It is stale if the settings forbid reuse.
    pub(super) fn answer(&self) -> Lookup {
        if self.reuses() {
            self.lookup()
        } else {
            Lookup::Stale { reasons: vec![Reason::NotReused], nearest: None }
        }
    }

    /// Compares the tree with earlier builds and gives the first one that matches. If none matches,
    /// the reasons are those of the nearest one.
    pub(super) fn lookup(&self) -> Lookup {
        self.renewed(self.search())
    }

    /// As [`Self::lookup`], but renews no metadata.
    pub(super) fn search(&self) -> Lookup {
        self.search_for(What::Artifact(self.request.artifact))
    }

    /// Looks for stored dist-info of a wheel that was built from the current inputs. Needed where
    /// wheels themselves are not stored.
    pub(super) fn search_metadata(&self) -> Lookup {
        match (self.settings.reuse, self.request.artifact) {
            (Reuse::Editable, Artifact::Wheel) => self.search_for(What::Metadata),
            _ => Lookup::Stale { reasons: vec![Reason::NotReused], nearest: None },
        }
    }

    fn search_for(&self, what: What) -> Lookup {
        let mut nearest = Lookup::Stale { reasons: vec![Reason::NoRecord], nearest: None };
        let Some(store) = &self.store else { return nearest };
        let stable_prefix = self.plan.stable_prefix();
        let observer = self.observer(&stable_prefix);
        // Builds of one project mostly have the same watches, so each set is observed only once.
        let mut looks: Vec<(BTreeSet<Watch>, Roots, Inputs)> = Vec::new();
        for entry in store.candidates(what) {
            let verdict = match self.origin() {
                Some(origin) => self.compare_unpacked(origin, &entry, &observer),
                None => {
                    let (watches, roots) = (&entry.record.watches, &entry.roots);
                    if !looks.iter().any(|look| (&look.0, &look.1) == (watches, roots)) {
                        let observed = observer.observe(watches, roots);
                        looks.push((watches.clone(), roots.clone(), observed));
                    }
                    let look = looks.iter().find(|look| (&look.0, &look.1) == (watches, roots));
                    let Some((_, _, observed)) = look else { continue };
                    let record = &entry.record;
                    freshness::compare(record.pairs(), &record.untrusted, observed)
                }
            };
            match verdict {
                Verdict::Fresh { inputs } if entry.wheel.is_some() => {
                    self.digests.save();
                    let line = report::fresh(inputs);
                    return Lookup::Fresh { entry: Box::new(entry), line };
                }
                Verdict::Fresh { .. } => {}
                Verdict::Stale(reasons) => {
                    let nearer = match &nearest {
                        Lookup::Stale { reasons: known, .. } => {
                            known[..] == [Reason::NoRecord] || reasons.len() < known.len()
                        }
                        Lookup::Fresh { .. } => false,
                    };
                    if nearer {
                        nearest = Lookup::Stale { reasons, nearest: Some(Box::new(entry)) };
                    }
                }
            }
        }
        nearest
    }

    /// If only readme or licence files changed, gives the stored wheel with their new contents.
    fn renewed(&self, lookup: Lookup) -> Lookup {
        let Lookup::Stale { reasons, nearest: Some(entry) } = &lookup else { return lookup };
        match self.renew(reasons, entry) {
            Ok(Some(renewed)) => {
                let line = report::stale(reasons, &entry.record.roots);
                let line = format!("{line}; only the metadata was renewed");
                Lookup::Fresh { entry: Box::new(renewed), line }
            }
            Ok(None) => lookup,
            Err(error) => {
                log::debug(format_args!("the metadata could not be renewed: {error}"));
                lookup
            }
        }
    }

    fn renew(&self, reasons: &[Reason], entry: &Entry) -> Result<Option<Entry>> {
        let (Some(store), Some(files)) = (&self.store, renew::only_metadata_files(reasons)) else {
            return Ok(None);
        };
        let mut record = entry.record.clone();
        let mut changes = Vec::new();
        for (key, old) in files {
            let Some(path) = entry.roots.resolve(&key.as_place()) else { return Ok(None) };
            let bytes = fs::read(&path).at(&path)?;
            record.set(key, Value::Sha256(crate::digest::bytes(&bytes)));
            changes.push((old.to_owned(), bytes));
        }
        let unpacked =
            tempfile::tempdir().map_err(|error| Error::io("temporary folder", &error))?;
        let Some(name) = self.deliver(entry, unpacked.path())? else { return Ok(None) };
        let mut wheel = Wheel::open(&unpacked.path().join(&name))?;
        let Some(mut replace) = renew::replacements(&mut wheel, &changes)? else {
            return Ok(None);
        };
        replace.insert(format!("{}/{}", wheel.dist_info, record::FILE_NAME), record.to_json());
        let folder = tempfile::tempdir().map_err(|error| Error::io("temporary folder", &error))?;
        let target = folder.path().join(&name);
        let file = fs::File::create(&target).at(&target)?;
        wheel.rewrite(file, &target, Edit { replace, ..Edit::default() })?;
        let (what, roots) = (What::Artifact(self.request.artifact), &entry.roots);
        Ok(store.publish(what, &record, roots, entry.at_import.clone(), &target))
    }

    /// Delivers the wheel of a fresh lookup. `None` if the lookup is stale, or if the stored wheel
    /// is damaged or does not have the prepared metadata.
    pub(super) fn deliver_if_fresh(
        &self,
        lookup: &Lookup,
        folder: &Path,
        metadata: Option<&Path>,
    ) -> Result<Option<String>> {
        let Lookup::Fresh { entry, line } = lookup else { return Ok(None) };
        if let Some(metadata) = metadata
            && !self.metadata_fits(entry, metadata)
        {
            return Ok(None);
        }
        let refreshed = self.refreshed(entry).unwrap_or_else(|error| {
            log::debug(format_args!("what it tells an import could not be renewed: {error}"));
            None
        });
        let name = self.deliver(refreshed.as_ref().unwrap_or(entry), folder)?;
        if name.is_some() {
            self.end_promise();
            log::info(line);
        }
        Ok(name)
    }

    /// Unpacks the dist-info of a stored wheel as `prepare_metadata_*` would have written it.
    pub(super) fn stored_metadata(&self, entry: &Entry, folder: &Path) -> Result<Option<String>> {
        let Ok(unpacked) = tempfile::tempdir() else { return Ok(None) };
        let Some(name) = self.deliver(entry, unpacked.path())? else { return Ok(None) };
        let mut wheel = Wheel::open(&unpacked.path().join(name))?;
        let dist_info = wheel.dist_info.clone();
        for name in metadata_names(&wheel) {
            let target = folder.join(&name);
            if let Some(parent) = target.parent() {
                fs::create_dir_all(parent).at(parent)?;
            }
            let bytes = wheel.read(&name)?;
            fs::write(&target, bytes).at(&target)?;
        }
        Ok(Some(dist_info))
    }

    /// Stores the dist-info of a wheel that is not stored itself.
    pub(super) fn keep_metadata(&self, record: &Record, roots: &Roots, path: &Path) -> Result<()> {
        let (Some(store), Reuse::Editable) = (&self.store, self.settings.reuse) else {
            return Ok(());
        };
        let mut wheel = Wheel::open(path)?;
        let kept = metadata_names(&wheel);
        let prefix = format!("{}/RECORD", wheel.dist_info);
        let is_left_out = |name: &&str| **name != prefix && !kept.iter().any(|kept| kept == name);
        let names = wheel.files().map(|(name, _)| name);
        let remove = names.filter(is_left_out).map(str::to_owned).collect();
        let folder = tempfile::tempdir().map_err(|error| Error::io("temporary folder", &error))?;
        let target = folder.path().join(path.file_name().unwrap_or_default());
        let file = fs::File::create(&target).at(&target)?;
        wheel.rewrite(file, &target, Edit { remove, ..Edit::default() })?;
        store.publish(What::Metadata, record, roots, None, &target);
        Ok(())
    }

    /// Does the stored wheel have the prepared METADATA, as PEP 517 requires?
    pub(super) fn metadata_fits(&self, entry: &Entry, prepared: &Path) -> bool {
        let fits = || -> Result<bool> {
            let unpacked =
                tempfile::tempdir().map_err(|error| Error::io("temporary folder", &error))?;
            let Some(name) = self.deliver(entry, unpacked.path())? else { return Ok(false) };
            let mut wheel = Wheel::open(&unpacked.path().join(name))?;
            let stored = wheel.read(&format!("{}/METADATA", wheel.dist_info))?;
            let prepared = prepared.join("METADATA");
            Ok(fs::read(&prepared).at(&prepared)? == stored)
        };
        fits().unwrap_or(false)
    }
}

/// Names of the dist-info files that are metadata. The record and the SBOMs are left out, because
/// they describe one archive.
fn metadata_names(wheel: &Wheel) -> Vec<String> {
    let prefix = format!("{}/", wheel.dist_info);
    wheel
        .files()
        .map(|(name, _)| name)
        .filter(|name| {
            name.strip_prefix(&prefix)
                .is_some_and(|rest| rest != record::FILE_NAME && !rest.starts_with("sboms/"))
        })
        .map(str::to_owned)
        .collect()
}
