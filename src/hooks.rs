//! The order of the stages; nothing else (DESIGN section 3).

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::time::Duration;

use fs_err as fs;

use crate::cargo_mtime::{self, Note};
use crate::editable;
use crate::error::{Error, PathContext as _, Result};
use crate::fingerprint::observe::{Observer, changed_since};
use crate::fingerprint::{Record, Value, record};
use crate::freshness::{self, Reason, Verdict};
use crate::inputs;
use crate::inputs::target::Target;
use crate::inputs::{Key, Part, Place, Roots, Watch, cargo, extra, metadata};
use crate::interpreter::Plan;
use crate::log;
use crate::maturin::{self, Maturin};
use crate::project::Project;
use crate::publish;
use crate::renew;
use crate::report;
use crate::request::{Artifact, Request};
use crate::settings::{Reuse, Settings};
use crate::stat_cache::{self, Digests};
use crate::store::{BuildLock, Entry, Store};
use crate::wheel::{Edit, Wheel, sbom};

/// The coarsest clock tick the kernel stamps files with, with room to spare.
const TICK: i128 = 20_000_000;

/// Everything one hook call works with.
pub struct Session {
    request: Request,
    /// Did the frontend give config settings at all? maturin is told the same.
    has_settings: bool,
    project: Project,
    settings: Settings,
    store: Option<Store>,
    plan: Plan,
    digests: Digests,
    /// When pyproject.toml was about to be read, in nanoseconds since 1970.
    opened: i128,
}

/// The answer from the store.
enum Lookup {
    Fresh {
        entry: Box<Entry>,
        /// What there is to say of it.
        line: String,
    },
    /// With the earlier build that comes nearest, if there is one.
    Stale { reasons: Vec<Reason>, nearest: Option<Box<Entry>> },
}

impl Session {
    /// Reads the project and opens the store.
    ///
    /// # Errors
    /// pyproject.toml or a setting is wrong.
    pub fn open(request: Request, has_settings: bool) -> Result<Self> {
        let opened = stat_cache::now() - TICK;
        let project = Project::load(&request.root)?;
        let settings = Settings::resolve(&project, &request)?;
        log::set_level(settings.log);
        let store = Store::open(&request, project.name.as_deref());
        let plan = Plan::new(
            &request.interpreter,
            &request.environment,
            store.as_ref().map(Store::interpreters),
        );
        let digests = store
            .as_ref()
            .map_or_else(Digests::default, |store| Digests::load(store.stat_memory()));
        Ok(Self { request, has_settings, project, settings, store, plan, digests, opened })
    }

    /// `get_requires_for_build_*`: maturin only if a build is coming (DESIGN D12).
    ///
    /// # Errors
    /// maturin's hook fails, where it is asked.
    pub fn requires(&self, hook: &'static str) -> Result<Vec<String>> {
        if self.reuses()
            && let Lookup::Fresh { entry, .. } = self.lookup()
            && let Some(store) = &self.store
        {
            store.promise(&self.request, &entry);
            return Ok(Vec::new());
        }
        self.end_promise();
        if maturin::is_importable(&self.request.interpreter) {
            let (python, plan) = self.prepared_interpreter();
            return self.maturin(&python, &plan).requires(hook);
        }
        let mut requires = maturin::requires(
            self.project.maturin.bindings.as_deref(),
            &self.request.interpreter,
            &self.request.environment,
            self.request.artifact != Artifact::Sdist,
        );
        if !self.project.pins_maturin() {
            requires.push(maturin::REQUIREMENT.to_owned());
        }
        Ok(requires)
    }

    /// `prepare_metadata_for_build_*`: the dist-info folder's name.
    ///
    /// # Errors
    /// As [`Self::build`].
    pub fn prepare_metadata(&self, hook: &'static str, folder: &Path) -> Result<String> {
        if self.reuses() {
            if let Lookup::Fresh { entry, .. } = self.lookup()
                && let Some(name) = self.stored_metadata(&entry, folder)?
            {
                return Ok(name);
            }
            if !maturin::is_importable(&self.request.interpreter)
                && let Some(entry) = self.promised()
                && let Some(name) = self.stored_metadata(&entry, folder)?
            {
                return Ok(name);
            }
        }
        let _lock = self.store.as_ref().and_then(Store::lock);
        let (python, plan) = self.prepared_interpreter();
        self.maturin(&python, &plan).make(hook, folder)
    }

    /// `build_sdist`: the archive's file name.
    ///
    /// # Errors
    /// As [`Self::build`].
    pub fn build_sdist(&self, folder: &Path) -> Result<String> {
        let _lock = self.store.as_ref().and_then(Store::lock);
        let (python, plan) = self.prepared_interpreter();
        self.maturin(&python, &plan).make("build_sdist", folder)
    }

    /// `build_wheel` and `build_editable`: the wheel's file name.
    ///
    /// # Errors
    /// maturin or cargo is missing, the build fails, what comes back is no wheel, or a file can't
    /// be read or written. Nothing is delivered then.
    pub fn build(
        &self,
        hook: &'static str,
        folder: &Path,
        metadata: Option<&Path>,
    ) -> Result<String> {
        let mut lookup = self.answer();
        if let Some(name) = self.deliver_if_fresh(&lookup, folder, metadata)? {
            return Ok(name);
        }
        if self.reuses()
            && !maturin::is_importable(&self.request.interpreter)
            && let Some(entry) = self.promised()
            && let Some(name) = self.deliver(&entry, folder)?
        {
            self.end_promise();
            log::info("the sources changed since maturin was asked for; the next build sees it");
            return Ok(name);
        }
        let lock = self.store.as_ref().and_then(Store::lock);
        if lock.is_some() && self.reuses() {
            // Another process may have built just this while we waited.
            self.digests.look_again();
            lookup = self.answer();
            if let Some(name) = self.deliver_if_fresh(&lookup, folder, metadata)? {
                return Ok(name);
            }
        }
        if let Lookup::Stale { reasons, nearest } = &lookup {
            let roots =
                nearest.as_ref().map(|entry| entry.record.roots.clone()).unwrap_or_default();
            log::info(report::stale(reasons, &roots));
            for reason in reasons {
                log::debug(format_args!("  {}", report::reason(reason, &roots)));
            }
            return self.build_stale(hook, folder, metadata, reasons);
        }
        // Fresh, but the stored wheel is damaged or does not fit the prepared metadata.
        self.build_stale(hook, folder, metadata, &[Reason::NoRecord])
    }

    fn deliver_if_fresh(
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
        let name = self.deliver(entry, folder)?;
        if name.is_some() {
            self.end_promise();
            log::info(line);
        }
        Ok(name)
    }

    fn deliver(&self, entry: &Entry, folder: &Path) -> Result<Option<String>> {
        match &self.store {
            Some(store) => store.deliver(entry, folder),
            None => Ok(None),
        }
    }

    fn end_promise(&self) {
        if let Some(store) = &self.store {
            store.forget_promise(&self.request);
        }
    }

    fn promised(&self) -> Option<Entry> {
        self.store.as_ref()?.promised(&self.request)
    }

    /// May this artifact be answered from the store?
    fn reuses(&self) -> bool {
        match (self.settings.reuse, self.request.artifact) {
            (Reuse::Never, _) | (_, Artifact::Sdist) => false,
            (Reuse::Always, _) => true,
            (Reuse::Editable, artifact) => artifact == Artifact::Editable,
        }
    }

    fn answer(&self) -> Lookup {
        if self.reuses() {
            self.lookup()
        } else {
            Lookup::Stale { reasons: vec![Reason::NotReused], nearest: None }
        }
    }

    /// Compares the tree with earlier builds: the first that matches is the answer; if none does,
    /// the reasons are those of the one that comes nearest.
    fn lookup(&self) -> Lookup {
        let mut nearest = Lookup::Stale { reasons: vec![Reason::NoRecord], nearest: None };
        let Some(store) = &self.store else { return nearest };
        let hidden = self.plan.hidden();
        let observer = self.observer(&hidden);
        for entry in store.candidates(self.request.artifact) {
            let observed = observer.observe(&entry.record.watches, &entry.roots);
            let verdict =
                freshness::compare(&entry.record.inputs(), &entry.record.untrusted, &observed);
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
        self.renewed(nearest)
    }

    /// Where only readme or licence files changed, the stored wheel with their new contents.
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
            let place = Place { root: key.root.clone(), path: key.name.clone() };
            let Some(path) = entry.roots.resolve(&place) else { return Ok(None) };
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
        wheel.rewrite(file, Edit { replace, ..Edit::default() })?;
        Ok(store.publish(self.request.artifact, &record, &entry.roots, &target))
    }

    fn observer<'a>(&'a self, hidden: &'a str) -> Observer<'a> {
        Observer::new(
            &self.request,
            &self.settings,
            &self.plan.environment,
            hidden,
            &self.digests,
            self.store.as_ref().map(Store::toolchain_memory),
        )
    }

    /// The stable interpreter, or the frontend's own if none can be kept.
    fn prepared_interpreter(&self) -> (PathBuf, Plan) {
        match self.plan.prepare(&self.request.interpreter) {
            Ok(python) => (python, self.plan.clone()),
            Err(error) => {
                log::warn(format_args!(
                    "no stable interpreter, the build will compile more than it must: {error}"
                ));
                let plan = Plan::new(&self.request.interpreter, &self.request.environment, None);
                (self.request.interpreter.executable.clone(), plan)
            }
        }
    }

    fn maturin<'a>(&'a self, python: &'a Path, plan: &'a Plan) -> Maturin<'a> {
        let settings = self.request.maturin_settings();
        Maturin {
            python,
            root: &self.request.root,
            environment: &plan.environment,
            config_settings: self.has_settings.then_some(settings),
        }
    }

    fn build_stale(
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
        if changed_since(&self.project.root.join("pyproject.toml"), self.opened) {
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

    /// Unpacks the dist-info of a stored wheel as `prepare_metadata_*` would have written it.
    fn stored_metadata(&self, entry: &Entry, folder: &Path) -> Result<Option<String>> {
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

    /// PEP 517: a wheel's metadata must be what was prepared.
    fn metadata_fits(&self, entry: &Entry, prepared: &Path) -> bool {
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

/// What of dist-info is metadata, and not about this one archive.
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
