//! Building through maturin: run the build, find its inputs, stamp the wheel, store it.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use fs_err as fs;

use super::{Session, TICK};
use crate::cargo_mtime::{self, Remaining};
use crate::editable;
use crate::error::{Error, Result};
use crate::fingerprint::at_import::{AtImport, is_in_environment};
use crate::fingerprint::snapshot::Snapshot;
use crate::fingerprint::{Record, Value};
use crate::freshness::Reason;
use crate::inputs::target::Target;
use crate::inputs::{self, Key, Roots, Watch, cargo, extra, metadata};
use crate::interpreter::Plan;
use crate::log;
use crate::maturin;
use crate::project::{Layout, Project};
use crate::report;
use crate::request::Artifact;
use crate::sdist::Origin;
use crate::stat_cache;
use crate::store::{BuildLock, Entry, What};

/// Inputs of a finished build.
pub(super) struct Recorded {
    pub record: Record,
    pub roots: Roots,
    /// The inputs that an editable wheel compares at import.
    pub at_import: AtImport,
}

/// A running build.
struct BuildContext<'a> {
    plan: &'a Plan,
    manifest: &'a Path,
    target: Option<&'a Target>,
    layout: &'a Layout,
    snapshot: Snapshot,
    /// Units that could not be invalidated, and that cargo may wrongly call fresh.
    remaining: Remaining,
    /// Nanoseconds since 1970.
    since: i128,
}

impl Session {
    pub(super) fn build_stale(
        &self,
        hook: &'static str,
        folder: &Path,
        metadata: Option<&Path>,
        reasons: &[Reason],
        nearest: Option<&Entry>,
    ) -> Result<String> {
        if !maturin::is_importable(&self.request.interpreter) {
            return Err(maturin::missing());
        }
        self.need_cargo()?;
        self.unmatched_inputs().iter().for_each(log::warn);
        let (python, plan) = self.prepared_interpreter();
        // maturin loads while cargo is asked. If paths are remapped, maturin needs cargo's answer
        // first.
        let started = match self.remaps() {
            false => Some(self.maturin(&python, &plan).start()?),
            true => None,
        };
        let manifest = self.project.manifest_path(&self.request);
        let target = self.target(&plan, &manifest, reasons)?;
        let _lock = self.lock_target(target.as_ref());
        if let (Some(store), Some(_)) = (&self.store, &self.tree) {
            store.bound_archive_target(target.is_some());
        }
        let layout = self.layout(&manifest);
        let before = match self.request.artifact {
            Artifact::Editable => Some(editable::Before::look(&self.project, layout.clone())?),
            _ => None,
        };

        if target.as_ref().is_some_and(Target::resolved_anew) {
            // The new lock file's time must be visibly earlier than the start of the build.
            std::thread::sleep(Duration::from_nanos(2 * TICK.unsigned_abs() as u64));
        }
        // An edit before this call is no race. So wait until one clock tick has passed since the
        // call.
        let early = self.opened + TICK - stat_cache::now();
        // If the clock was set back in between, the wait would be too long; skip it.
        if (1..=TICK).contains(&early) {
            std::thread::sleep(Duration::from_nanos(early.cast_unsigned() as u64));
        }
        // Every change after `since` counts as a race. Files that were read before are read again.
        let since = stat_cache::now() - TICK;
        self.digests.look_again();
        let snapshot = self.snapshot(target.as_ref(), &layout, &manifest, nearest);
        let remaining =
            target.as_ref().map(|target| self.invalidate_stale_units(target)).unwrap_or_default();
        let made = tempfile::Builder::new()
            .prefix("wheelprint-")
            .tempdir()
            .map_err(|error| Error::io("temporary folder", &error))?;
        let context = BuildContext {
            plan: &plan,
            manifest: &manifest,
            target: target.as_ref(),
            layout: &layout,
            snapshot,
            remaining,
            since,
        };
        let is_tree = self.request.artifact == Artifact::Wheel && self.origin().is_none();
        let sources = is_tree.then(|| self.begin_sources(&python, &plan)).flatten();
        let remapped = self.remapped(&plan, target.as_ref());
        let built = self.maturin(&python, &remapped).build(started, hook, made.path(), metadata);
        if built.is_err() {
            self.note_failure(&context);
        }
        let built = self.or_obstacle(built);
        let products = before
            .map(|before| before.products().move_to(&made.path().join("products")))
            .transpose()?;
        let delivered = built.and_then(|name| {
            let wheel = made.path().join(&name);
            let source = sources.and_then(|sources| self.sources(sources));
            self.stamp(&wheel, folder, products.as_ref(), |modules| {
                let mut recorded = self.record(&context, modules);
                recorded.record.source = source.or(recorded.record.source);
                recorded
            })
        });
        let (name, Recorded { record, roots, .. }, inputs_file) = delivered?;
        // An ordinary wheel is stored only if it may be delivered again.
        let kept = self.reuses() || self.request.artifact == Artifact::Editable;
        let roots_kept = match self.origin() {
            // The folder of an unpacked archive will be removed. So the wheel is stored for the
            // tree, or not at all.
            Some(_) => self.roots_in_tree(&record, &roots),
            None => Some(roots.clone()),
        };
        let wheel = folder.join(&name);
        match (&self.store, &roots_kept) {
            (Some(store), Some(roots)) if kept => {
                let what = What::Artifact(self.request.artifact);
                store.publish(what, &record, roots, inputs_file, &wheel);
            }
            (Some(_), Some(roots)) if record.untrusted.is_empty() => {
                self.keep_metadata(&record, roots, &wheel).unwrap_or_else(log::debug);
            }
            _ => {}
        }
        if !record.untrusted.is_empty() {
            let causes = report::named(record.untrusted.iter().cloned());
            log::info(format_args!("this build will not be reused: {causes}"));
        }
        if self.request.artifact == Artifact::Editable {
            self.tell_of_uv(&record, &roots);
        }
        self.digests.save();
        Ok(name)
    }

    fn lock_target(&self, target: Option<&Target>) -> Option<BuildLock> {
        self.store.as_ref()?.lock_target(&target?.metadata.target_directory)
    }

    pub(super) fn layout(&self, manifest: &Path) -> Layout {
        let table: toml::Table = fs::read_to_string(manifest)
            .ok()
            .and_then(|text| text.parse().ok())
            .unwrap_or_default();
        let name = |table_name: &str| {
            table.get(table_name).and_then(|table| table.get("name")).and_then(toml::Value::as_str)
        };
        self.project.layout(name("lib"), name("package"))
    }

    /// Finds the inputs of a finished build.
    fn record(&self, context: &BuildContext<'_>, modules: &BTreeSet<String>) -> Recorded {
        let BuildContext { plan, manifest, target, layout, snapshot: before, remaining, since } =
            context;
        let since_time = time(*since);
        let environment = &plan.environment;
        // Packages that had to be downloaded are there now, so cargo can name all of them.
        let again = target.filter(|target| !target.knows_all_packages()).and_then(|_| {
            Target::read(&self.project, &self.request, environment, manifest, false).ok()
        });
        let target = &again.as_ref().or(*target);
        let mut found = match target {
            Some(target) => {
                let (project, request) = (&self.project, &self.request);
                cargo::discover(project, request, environment, target, modules, since_time)
            }
            None => {
                let mut unknown = cargo::Discovered::default();
                unknown.gaps.push("cargo could not be asked what was built".to_owned());
                unknown.roots.add(inputs::PROJECT, &self.project.root);
                unknown
            }
        };
        remaining.check(&mut found);
        found.warn_of_unknown_layout();
        let own = self.own_watches(layout, manifest, &mut found.roots);
        let by_cargo = found.watches.clone();
        found.watches.extend(own.iter().cloned());

        self.digests.look_again();
        let stable_prefix = self.plan.stable_prefix();
        let observer = self.observer(&stable_prefix);
        let written = layout.python_root.join(&layout.folder);
        let at_import = self.names_at_import(&observer, &found.watches, &found.roots);
        let (inputs, raced) =
            observer.observe_since(&found.watches, &found.roots, *since, before, &written);
        let roots = relative_roots(&self.project.root, &found.roots, &found.watches);
        let mut at_import = observer.at_import(at_import, &found.watches, &found.roots, &inputs);
        if !found.gaps.is_empty() {
            let packages = target.iter().flat_map(|target| &target.metadata.packages);
            let folders = packages
                .filter(|package| package.is_of_a_path())
                .map(|package| package.folder().to_owned())
                .chain(manifest.parent().map(Path::to_owned));
            at_import = self.whole_packages(at_import, folders);
        }
        let mut races = remaining.causes.clone();
        let describe =
            |key: &Key| format!("{} changed while it was being built", report::name(key, &roots));
        // Environments change all the time while packages are installed into them.
        let outside = |key: &&Key| {
            !found
                .roots
                .resolve(&key.as_place())
                .is_some_and(|path| is_in_environment(&path, &self.project.root))
        };
        at_import.raced.extend(raced.iter().filter(outside).map(describe));
        // pyproject.toml was read once at the start, perhaps long before we had the lock. maturin
        // reads it again.
        let now = Project::load(&self.project.root).map(|project| project.document);
        if now.ok().as_ref() != Some(&self.project.document) {
            races.push("pyproject.toml changed while a build was waited for".to_owned());
        }
        // An unpacked archive was read before the wait for the lock, too.
        if let Some(name) = self.origin().and_then(Origin::changed_since) {
            races.push(format!("{name} changed while a build was waited for"));
        }
        let gone: Vec<&Path> = before.gone().collect();
        for path in
            gone.iter().filter(|path| observer.would_name(&found.watches, &found.roots, path))
        {
            let name = inputs::relative(&self.project.root, path);
            let name = name.unwrap_or_else(|| path.to_string_lossy().into_owned());
            races.push(format!("{name} was removed while it was being built"));
        }
        at_import.raced.extend(races.iter().cloned());
        races.extend(raced.iter().map(describe));
        let mut untrusted = [found.gaps, races].concat();
        untrusted.extend(self.reads_shared_target(&found.watches));
        if self.request.is_profile_guided() {
            untrusted.push("a training run decides on the code (--pgo)".to_owned());
        }
        untrusted.extend(inputs.iter().filter_map(|(key, value)| match value {
            Value::Unreadable(cause) => {
                Some(format!("{} can't be relied on: {cause}", report::name(key, &roots)))
            }
            _ => None,
        }));
        let record = match self.origin() {
            Some(origin) => {
                let here = &found.roots;
                let mut record =
                    self.record_of_tree(&observer, origin, &by_cargo, here, &inputs, &own);
                record.untrusted = untrusted;
                record
            }
            None => Record::new(&inputs, found.watches, roots, untrusted),
        };
        if let Some(target) = target {
            cargo_mtime::remove_superseded_units(target, since_time);
            self.note(target, &found.units, &found.roots, &raced, &gone, remaining);
        }
        Recorded { record, roots: found.roots, at_import }
    }

    /// Notes the units that a failed build compiled, so that the next build need not compile them
    /// again.
    fn note_failure(&self, context: &BuildContext<'_>) {
        let BuildContext { plan, target: Some(target), layout, snapshot, remaining, since, .. } =
            context
        else {
            return;
        };
        let since_time = time(*since);
        let found = cargo::discover_units(&self.project, &plan.environment, target, since_time);
        self.digests.look_again();
        let stable_prefix = self.plan.stable_prefix();
        let observer = self.observer(&stable_prefix);
        let written = layout.python_root.join(&layout.folder);
        let watches = found.units.values().flatten().cloned().collect();
        let (_, raced) = observer.observe_since(&watches, &found.roots, *since, snapshot, &written);
        let gone: Vec<&Path> = snapshot.gone().collect();
        self.note(target, &found.units, &found.roots, &raced, &gone, remaining);
    }

    /// State of the files before the build: the inputs of the nearest earlier build, and all files
    /// that may be inputs of this build.
    fn snapshot(
        &self,
        target: Option<&Target>,
        layout: &Layout,
        manifest: &Path,
        nearest: Option<&Entry>,
    ) -> Snapshot {
        let stable_prefix = self.plan.stable_prefix();
        let observer = self.observer(&stable_prefix);
        let mut roots = nearest.map(|entry| entry.roots.clone()).unwrap_or_default();
        roots.add(inputs::PROJECT, &self.project.root);
        let mut watches = nearest.map(|entry| entry.record.watches.clone()).unwrap_or_default();
        watches.extend(self.own_watches(layout, manifest, &mut roots));
        watches.extend([Watch::CargoConfig, Watch::ToolchainFile]);
        let packages: Vec<PathBuf> = target
            .iter()
            .flat_map(|target| &target.metadata.packages)
            .map(|package| package.folder().to_owned())
            .collect();
        if let Some(target) = target {
            roots.add(format!("{}now", inputs::PRODUCTS), &target.metadata.target_directory);
        }
        observer.snapshot(&watches, &roots, &packages)
    }

    /// Watches for the inputs that cargo does not track: metadata, Python sources, `extra-inputs`.
    pub(super) fn own_watches(
        &self,
        layout: &Layout,
        manifest: &Path,
        roots: &mut Roots,
    ) -> BTreeSet<Watch> {
        let folder = manifest.parent().unwrap_or(&self.project.root);
        let mut watches = self.extra_watches();
        // Sdists are made to build wheels from, so they have the inputs of a wheel.
        let artifact = match self.request.artifact {
            Artifact::Sdist => Artifact::Wheel,
            artifact => artifact,
        };
        watches.extend(metadata::watches(&self.project, layout, artifact, folder, roots));
        watches
    }

    pub(super) fn extra_watches(&self) -> BTreeSet<Watch> {
        extra::watches(&self.settings).into_iter().collect()
    }

    pub(super) fn project_root(&self) -> Roots {
        let mut roots = Roots::default();
        roots.add(inputs::PROJECT, &self.project.root);
        roots
    }
}

fn time(nanoseconds: i128) -> SystemTime {
    UNIX_EPOCH + Duration::from_nanos(nanoseconds.max(0).cast_unsigned() as u64)
}

/// Folders of the roots that the watches use, relative to the project. Cargo's home, roots named
/// `outside:` and folders without a relative path are left out.
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
