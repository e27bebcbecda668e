//! Building an sdist, and listing the sources of a wheel that is built in a tree.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::time::SystemTime;

use super::Session;
use crate::error::{Error, PathContext as _, Result};
use crate::fingerprint::{Record, Source, Value, record};
use crate::inputs::target::Target;
use crate::inputs::{
    PROJECT, Place, Roots, View, WORKSPACE, Watch, cargo, generators, normalize, relative,
};
use crate::interpreter::Plan;
use crate::log;
use crate::maturin::BackgroundHook;
use crate::publish;
use crate::report;
use crate::sdist::pack::{Packing, packing};
use crate::sdist::{Archive, Origin, TOP};
use crate::stat_cache;
use crate::store::Store;

impl Session {
    /// `build_sdist`: gives the archive's file name.
    ///
    /// # Errors
    /// maturin's hook fails, or the archive can't be written.
    pub fn build_sdist(&self, folder: &Path) -> Result<String> {
        let _lock = self.store.as_ref().and_then(Store::lock);
        // An unpacked archive must be read before cargo writes anything into it.
        let origin = Origin::read(&self.request.root);
        let (python, plan) = self.prepared_interpreter();
        let made = temporary()?;
        let made_by = self.maturin(&python, &plan).make("build_sdist", made.path());
        let name = self.or_obstacle(made_by)?;
        let (from, to) = (made.path().join(&name), folder.join(&name));
        let record = Archive::open(&from).and_then(|archive| {
            if archive.record.is_some() && origin.is_none() {
                let cause = format!("the tree has a file {} of its own", record::FILE_NAME);
                return Err(Error::Other(cause.into()));
            }
            let record = self.archive_record(&plan, &archive, origin.as_ref())?;
            Ok((archive, record.to_json()))
        });
        let mut file = publish::beside(&to).at(folder)?;
        match record {
            Ok((archive, record)) => {
                archive.write_with(&record, file.as_file_mut())?;
                if let Some(store) = &self.store {
                    store.remember_archive(&crate::digest::bytes(&record));
                }
            }
            Err(error) => {
                log::warn(format_args!("there is no record in the sdist: {error}"));
                crate::digest::copy(&from, file.as_file_mut()).at(&to)?;
            }
        }
        publish::share(&file).at(&to)?;
        publish::persist(file, &to).at(&to)?;
        self.digests.save();
        Ok(name)
    }

    /// The record of a new archive.
    fn archive_record(
        &self,
        plan: &Plan,
        archive: &Archive,
        origin: Option<&Origin>,
    ) -> Result<Record> {
        let packing = packing(archive, &self.request.root);
        // The new archive has the files of an unpacked archive; none was added or changed.
        let is_the_same = |origin: &&Origin| {
            origin.is_pristine()
                && packing.raced.is_empty()
                && packing.packed.iter().all(|packed| origin.is_as_packed(&packed.path))
        };
        if let Some(origin) = origin.filter(is_the_same) {
            return Ok(repacked(origin, &packing));
        }
        if packing.source.files.is_empty() {
            return Err(Error::Other("nothing in it is of this tree".into()));
        }
        let manifest = self.project.manifest_path(&self.request);
        let layout = self.layout(&manifest);
        let mut roots = Roots::default();
        let mut watches = BTreeSet::from([Watch::Request]);
        let environment = &plan.environment;
        let target = Target::read(&self.project, &self.request, environment, &manifest, false);
        if let Ok(target) = &target {
            // No earlier build is as new as `since`, so only what cargo names without a build is
            // found.
            let (modules, since) = (BTreeSet::new(), SystemTime::now());
            let (project, request) = (&self.project, &self.request);
            let found = cargo::discover(project, request, environment, target, &modules, since);
            roots = found.roots;
            watches.extend(generators::watches(project, target, &mut roots));
            watches.extend(found.watches.into_iter().filter(|watch| match watch {
                Watch::Names { .. } => true,
                Watch::Toml { view: View::Dependencies, place, .. } => {
                    !self.is_packed(place, &roots, &packing)
                }
                _ => false,
            }));
        }
        roots.add(PROJECT, &self.project.root);
        watches.extend(self.own_watches(&layout, &manifest, &mut roots));
        let stable_prefix = self.plan.stable_prefix();
        self.digests.look_again();
        let inputs = self.observer(&stable_prefix).observe(&watches, &roots);
        let mut places: BTreeMap<String, String> = roots
            .iter()
            .filter(|(name, _)| {
                *name == PROJECT || *name == WORKSPACE || name.starts_with("crate:")
            })
            .filter_map(|(name, folder)| {
                Some((name.to_owned(), relative(&self.project.root, folder)?))
            })
            .collect();
        places.insert(TOP.to_owned(), packing.top.clone());
        let mut untrusted: Vec<String> = packing
            .raced
            .iter()
            .cloned()
            .chain(self.rewritten_meanwhile(&packing))
            .map(|name| format!("{name} changed while it was packed"))
            .collect();
        untrusted.extend(inputs.iter().filter_map(|(key, value)| match value {
            Value::Unreadable(cause) => {
                Some(format!("{} can't be relied on: {cause}", report::name(key, &places)))
            }
            _ => None,
        }));
        let mut record = Record::new(&inputs, watches, places, untrusted);
        record.source = Some(packing.source);
        record.packed = packing.packed;
        Ok(record)
    }

    /// Manifests that maturin rewrote, and that changed since this call began.
    fn rewritten_meanwhile(&self, packing: &Packing) -> Vec<String> {
        let rewritten = packing.packed.iter().filter(|packed| packed.original.is_some());
        rewritten
            .filter_map(|packed| packed.source.clone())
            .filter(|name| {
                let path = normalize(&self.project.root.join(name));
                let stat = fs_err::metadata(path).ok().and_then(|meta| stat_cache::Stat::of(&meta));
                stat.is_some_and(|stat| stat.ctime > self.opened + super::TICK)
            })
            .collect()
    }

    fn is_packed(&self, place: &Place, roots: &Roots, packing: &Packing) -> bool {
        let path = roots.resolve(place).map(|path| normalize(&path));
        path.and_then(|path| relative(&self.project.root, &path))
            .is_some_and(|name| packing.source.files.contains_key(&name))
    }

    /// Starts to list the sources of a wheel that is built in a tree: the files that maturin would
    /// put into an sdist of that tree. Listing takes as long as a small build, so it runs beside
    /// the build.
    pub(super) fn begin_sources(&self, python: &Path, plan: &Plan) -> Option<Sources> {
        let made = temporary().ok()?;
        let begun = self.maturin(python, plan).begin("build_sdist", made.path());
        let begun = begun.inspect_err(|error| log::debug(error)).ok()?;
        Some(Sources { begun, made })
    }

    /// Waits for the list. `None` if maturin can't make an sdist, or if a source changed meanwhile.
    pub(super) fn sources(&self, sources: Sources) -> Option<Source> {
        let Sources { begun, made } = sources;
        let found = begun.finish().and_then(|name| {
            let archive = Archive::open(&made.path().join(name))?;
            Ok(packing(&archive, &self.request.root))
        });
        match found {
            Ok(packing) if packing.raced.is_empty() => Some(packing.source),
            Ok(packing) => {
                log::debug(format_args!("{} changed while sources were listed", packing.raced[0]));
                None
            }
            Err(error) => {
                log::debug(format_args!("no list of sources: {error}"));
                None
            }
        }
    }
}

/// A running process that lists sources.
pub(super) struct Sources {
    // The first field is dropped first: the process must end before its folder is removed.
    begun: BackgroundHook,
    made: tempfile::TempDir,
}

/// The record of an archive that was made from an unpacked archive. Both are of the same tree.
fn repacked(origin: &Origin, packing: &Packing) -> Record {
    let mut record = origin.record.clone();
    let stated = |name: &str| record.packed.iter().find(|packed| packed.path == name).cloned();
    let packed = packing.packed.iter().map(|packed| {
        let before = stated(packed.source.as_deref().unwrap_or(&packed.path));
        let mut now = packed.clone();
        now.source = before.as_ref().and_then(|before| before.source.clone());
        if let Some(before) = before {
            let is_the_trees = before.original.is_none() && packed.original.is_none();
            now.original = if is_the_trees { None } else { before.original.or(now.original) };
        }
        now
    });
    record.packed = packed.collect();
    record
}

fn temporary() -> Result<tempfile::TempDir> {
    let made = tempfile::Builder::new().prefix("wheelprint-").tempdir();
    made.map_err(|error| Error::io("temporary folder", &error))
}
