//! The way through maturin: build, look at what it was made from, stamp, store.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::time::Duration;

use fs_err as fs;

use super::{Session, TICK};
use crate::cargo_mtime::{self, Note};
use crate::editable;
use crate::error::{Error, PathContext as _, Result};
use crate::fingerprint::{Record, Value, record};
use crate::freshness::Reason;
use crate::inputs::target::Target;
use crate::inputs::{self, Key, Part, Roots, Watch, cargo, extra, metadata};
use crate::interpreter::Plan;
use crate::log;
use crate::maturin;
use crate::project::Project;
use crate::publish;
use crate::report;
use crate::request::Artifact;
use crate::stat_cache;
use crate::store::BuildLock;
use crate::wheel::{Edit, Wheel, sbom};

impl Session {
    pub(super) fn build_stale(
        &self,
        hook: &'static str,
        folder: &Path,
        metadata: Option<&Path>,
        reasons: &[Reason],
    ) -> Result<String> {
        if !maturin::is_importable(&self.request.interpreter) {
            return Err(maturin::missing());
        }
        self.need_cargo()?;
        let (python, plan) = self.prepared_interpreter();
        let manifest = self.project.manifest_path(&self.request);
        let target = self.target(&plan, &manifest, reasons);
        let _lock = self.lock_target(target.as_ref());
        let layout = self.layout(&manifest);
        let before = match self.request.artifact {
            Artifact::Editable => Some(editable::Before::look(&self.project, layout.clone())?),
            _ => None,
        };

        if target.as_ref().is_some_and(Target::resolved_anew) {
            // The new lock file's time must be seen to lie before the build.
            std::thread::sleep(Duration::from_nanos(2 * TICK.unsigned_abs() as u64));
        }
        // From here on every change is a race; what came before is looked at afresh.
        let since = stat_cache::now() - TICK;
        self.digests.look_again();
        self.forget_unseen(target.as_ref());
        let made = tempfile::Builder::new()
            .prefix("wheelprint-")
            .tempdir()
            .map_err(|error| Error::io("temporary folder", &error))?;
        let built = self.maturin(&python, &plan).build(hook, made.path(), metadata);
        let products = before.map(editable::Before::products);
        let delivered = built.and_then(|name| {
            let source = made.path().join(&name);
            self.stamp(&source, folder, products.as_ref(), |modules| {
                self.record(&plan, &manifest, target.as_ref(), &layout, modules, since)
            })
        });
        if let Some(products) = &products {
            products.clean()?;
        }
        let (name, record, roots) = delivered?;
        // An ordinary wheel is not worth the room unless it may be given out again.
        let kept = self.reuses() || self.request.artifact == Artifact::Editable;
        if let Some(store) = self.store.as_ref().filter(|_| kept) {
            store.publish(self.request.artifact, &record, &roots, &folder.join(&name));
        }
        if !record.untrusted.is_empty() {
            let causes = report::named(record.untrusted.iter().cloned());
            log::info(format_args!("this build will not be reused: {causes}"));
        }
        self.digests.save();
        Ok(name)
    }

    fn lock_target(&self, target: Option<&Target>) -> Option<BuildLock> {
        self.store.as_ref()?.lock_target(&target?.metadata.target_directory)
    }

    fn need_cargo(&self) -> Result<()> {
        let installs_itself = self
            .request
            .interpreter
            .sys_path
            .iter()
            .any(|entry| entry.join("puccinialin").is_dir())
            && self.request.environment.non_empty("MATURIN_NO_INSTALL_RUST").is_none();
        if self.plan.environment.which("cargo").is_none() && !installs_itself {
            return Err(Error::missing_cargo());
        }
        Ok(())
    }

    /// Asked before the build. Where the lock file may be about to change, cargo is asked in the
    /// way that brings it up to date: a lock written during the build would look like a race.
    fn target(&self, plan: &Plan, manifest: &Path, reasons: &[Reason]) -> Option<Target> {
        let resolves = reasons.iter().any(|reason| match reason {
            Reason::NoRecord | Reason::NotReused => true,
            Reason::Changed { key, .. }
            | Reason::Added { key, .. }
            | Reason::Removed { key, .. } => key.part == Part::Manifest,
            Reason::Unreadable { .. } | Reason::Untrusted(_) => false,
        });
        match Target::read(&self.project, &self.request, &plan.environment, manifest, resolves) {
            Ok(target) => Some(target),
            Err(error) => {
                // maturin meets the same and says it in its own words.
                log::debug(error);
                None
            }
        }
    }

    fn layout(&self, manifest: &Path) -> crate::project::Layout {
        let table: toml::Table = fs::read_to_string(manifest)
            .ok()
            .and_then(|text| text.parse().ok())
            .unwrap_or_default();
        let name = |table_name: &str| {
            table.get(table_name).and_then(|table| table.get("name")).and_then(toml::Value::as_str)
        };
        self.project.layout(name("lib"), name("package"))
    }

    /// What the finished build was made from.
    fn record(
        &self,
        plan: &Plan,
        manifest: &Path,
        target: Option<&Target>,
        layout: &crate::project::Layout,
        modules: &BTreeSet<String>,
        since: i128,
    ) -> (Record, Roots) {
        let mut found = match target {
            Some(target) => {
                cargo::discover(&self.project, &self.request, &plan.environment, target, modules)
            }
            None => cargo::Discovered {
                gaps: vec!["cargo could not be asked what was built".to_owned()],
                ..Default::default()
            },
        };
        let manifest_dir = manifest.parent().unwrap_or(&self.project.root);
        found.watches.extend(metadata::watches(
            &self.project,
            layout,
            self.request.artifact,
            manifest_dir,
            &mut found.roots,
        ));
        found.watches.extend(extra::watches(&self.settings));

        self.digests.look_again();
        let hidden = self.plan.hidden();
        let observer = self.observer(&hidden);
        let written = layout.python_root.join(&layout.folder);
        let (inputs, raced) = observer.observe_since(&found.watches, &found.roots, since, &written);
        let roots = relative_roots(&self.project.root, &found.roots, &found.watches);
        let mut untrusted = found.gaps;
        // We read it once, at the start, perhaps long before we had the lock; maturin reads it anew.
        let now = Project::load(&self.project.root).map(|project| project.document);
        if now.ok().as_ref() != Some(&self.project.document) {
            untrusted.push("pyproject.toml changed while a build was waited for".to_owned());
        }
        untrusted.extend(
            raced.iter().map(|key| {
                format!("{} changed while it was being built", report::name(key, &roots))
            }),
        );
        untrusted.extend(inputs.iter().filter_map(|(key, value)| match value {
            Value::Unreadable(cause) => {
                Some(format!("{} can't be relied on: {cause}", report::name(key, &roots)))
            }
            _ => None,
        }));
        let record = Record::new(&inputs, found.watches, roots, untrusted);
        if let Some(target) = target {
            for folder in &found.folders {
                cargo_mtime::retire_twins(target, folder, since);
            }
        }
        self.note(target, &found.folders, &record, &found.roots, &raced);
        (record, found.roots)
    }

    /// Makes cargo compile what its clock would not show (DESIGN D5).
    fn forget_unseen(&self, target: Option<&Target>) {
        let Some(target) = target else { return };
        let hidden = self.plan.hidden();
        let observer = self.observer(&hidden);
        for folder in target.folders() {
            let note = self.store.as_ref().and_then(|store| store.note(&folder));
            let unseen = cargo_mtime::unseen(target, &folder, note.as_ref(), |record, roots| {
                observer.observe(&record.watches, roots)
            });
            cargo_mtime::forget(target, &folder, &unseen);
        }
    }

    fn note(
        &self,
        target: Option<&Target>,
        folders: &[PathBuf],
        record: &Record,
        roots: &Roots,
        raced: &BTreeSet<Key>,
    ) {
        let (Some(target), Some(store)) = (target, &self.store) else { return };
        for folder in folders {
            store.write_note(folder, &Note::new(target, folder, record, roots, raced));
        }
    }

    /// Writes the finished wheel, with its record, into the frontend's folder.
    fn stamp(
        &self,
        source: &Path,
        folder: &Path,
        products: Option<&editable::Products>,
        record: impl FnOnce(&BTreeSet<String>) -> (Record, Roots),
    ) -> Result<(String, Record, Roots)> {
        let mut wheel = Wheel::open(source)?;
        let mut modules: BTreeSet<String> =
            wheel.files().map(|(_, digest)| digest.to_owned()).collect();
        for (path, _) in products.iter().flat_map(|products| &products.files) {
            modules.insert(crate::digest::file(path).at(path)?);
        }
        let (record, roots) = record(&modules);
        let mut edit = match products {
            Some(products) => products.edit(&mut wheel)?,
            None => Default::default(),
        };
        settle_sboms(&mut wheel, &mut edit)?;
        edit.add_to_dist_info.push((record::FILE_NAME.to_owned(), record.to_json()));

        let name = source
            .file_name()
            .and_then(|name| name.to_str())
            .ok_or_else(|| Error::wheel(source, "its name is not UTF-8"))?
            .to_owned();
        let target = folder.join(&name);
        let mut file = publish::beside(&target).at(folder)?;
        wheel.rewrite(file.as_file_mut(), edit)?;
        publish::share(&file).at(&target)?;
        publish::persist(file, &target).at(&target)?;
        Ok((name, record, roots))
    }
}

/// Takes chance out of what maturin generated (see `wheel::sbom`).
fn settle_sboms(wheel: &mut Wheel, edit: &mut Edit) -> Result<()> {
    let prefix = format!("{}/", wheel.dist_info);
    let generated: Vec<String> = wheel
        .files()
        .map(|(name, _)| name.to_owned())
        .filter(|name| name.strip_prefix(&prefix).is_some_and(sbom::is_generated))
        .collect();
    for name in generated {
        if let Some(bytes) = sbom::settled(&wheel.read(&name)?) {
            edit.replace.insert(name, bytes);
        }
    }
    Ok(())
}

/// Where the roots that inputs name lie as seen from the project; those that have no such place
/// are left out.
fn relative_roots(
    project: &Path,
    roots: &Roots,
    watches: &BTreeSet<Watch>,
) -> BTreeMap<String, String> {
    let used: BTreeSet<&str> = watches.iter().filter_map(Watch::root).collect();
    roots
        .iter()
        .filter(|(name, _)| used.contains(name))
        .filter(|(name, _)| !name.starts_with("outside:") && *name != crate::inputs::CARGO_HOME)
        .filter_map(|(name, folder)| Some((name.to_owned(), inputs::relative(project, folder)?)))
        .collect()
}
