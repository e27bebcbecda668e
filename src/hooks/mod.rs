//! The order of the steps, and nothing else (docs/design.md).
//!
//! `lookup` delivers a stored wheel, and `build` builds one through maturin; `pack` makes sdists,
//! and `unpacked` has what differs where an unpacked sdist is built. `units` asks cargo and
//! invalidates its units, `stamp` puts the record into the wheel, `at_import` makes the table that
//! editable wheels compare, `inspect` answers commands, and `uv_hint` reports what uv will not
//! notice.

use std::cell::OnceCell;
use std::path::{Path, PathBuf};

use crate::error::Result;
use crate::fingerprint::observe::Observer;
use crate::freshness::Reason;
use crate::interpreter::Plan;
use crate::log;
use crate::maturin::{self, Maturin};
use crate::project::Project;
use crate::report;
use crate::request::{Artifact, Environment, Request};
use crate::sdist::Origin;
use crate::settings::{Reuse, Settings};
use crate::stat_cache::{self, Digests};
use crate::store::{Entry, Store};

mod at_import;
mod build;
mod compare;
mod import_verdict;
pub mod inspect;
mod lookup;
mod pack;
mod remapped;
mod stamp;
mod units;
mod unpacked;
mod uv_hint;
mod wanted;

pub use import_verdict::import_verdict;
use lookup::Lookup;

/// More than the coarsest clock tick of file times, in nanoseconds.
const TICK: i128 = 20_000_000;

/// The state of one hook call.
pub struct Session {
    request: Request,
    /// Did the frontend pass config settings at all? maturin gets settings only if it did.
    has_settings: bool,
    project: Project,
    settings: Settings,
    store: Option<Store>,
    plan: Plan,
    /// The environment whose variables count as inputs (see `unpacked::plan`).
    environment: Environment,
    digests: Digests,
    /// When the session was opened, in nanoseconds since 1970.
    opened: i128,
    /// The tree that an unpacked archive was made from, if one is built.
    origin: OnceCell<Option<Origin>>,
    /// The folder of that tree, if it is on this machine. The session then uses the store of the
    /// tree.
    tree: Option<PathBuf>,
    /// If set, no program named by the sources is executed.
    never_executes: bool,
}

impl Session {
    /// Reads the project and opens the store.
    ///
    /// # Errors
    /// pyproject.toml or a setting is wrong.
    pub fn open(request: Request, has_settings: bool) -> Result<Self> {
        let tree = unpacked::tree(&request);
        let mut session = Self::open_without_store(request)?;
        session.has_settings = has_settings;
        let root = tree.as_deref().unwrap_or(&session.request.root);
        let name = session.project.name.as_deref();
        session.store = Store::open(&session.request.environment, root, name);
        session.tree = tree;
        let (plan, environment) =
            unpacked::plan(&session.request, session.store.as_ref(), session.tree.is_some());
        (session.plan, session.environment) = (plan, environment);
        // An unpacked archive is built only once, so digests of its files are not worth
        // remembering.
        if let Some(store) = session.store.as_ref().filter(|_| session.tree.is_none()) {
            session.digests = Digests::load(store.stat_memory());
        }
        Ok(session)
    }

    /// As [`Self::open`], but without a store: earlier builds are not known, and nothing is kept.
    ///
    /// # Errors
    /// As [`Self::open`].
    pub fn open_without_store(request: Request) -> Result<Self> {
        let opened = stat_cache::now();
        let project = Project::load(&request.root)?;
        let settings = Settings::resolve(&project, &request)?;
        log::set_level(settings.log);
        let (plan, environment) = unpacked::plan(&request, None, false);
        Ok(Self {
            request,
            has_settings: false,
            project,
            settings,
            store: None,
            plan,
            environment,
            digests: Digests::default(),
            opened,
            origin: OnceCell::new(),
            tree: None,
            never_executes: false,
        })
    }

    /// Prepares the session for sources that anybody may have written: a compiler that they name is
    /// not asked for its version.
    pub fn without_execution(mut self) -> Self {
        self.never_executes = true;
        self
    }

    /// `get_requires_for_build_*`: requests maturin only if a build is coming (docs/design.md,
    /// D12).
    ///
    /// The answer must not depend on installed packages. tox keeps the environment of a build and
    /// compares each answer with the one before. If a requirement is missing in the new answer, tox
    /// recreates the environment. If we left out maturin because it is installed, the next build
    /// would have no maturin.
    ///
    /// # Errors
    /// maturin's own hook is called, and fails.
    pub fn requires(&self, hook: &'static str) -> Result<Vec<String>> {
        if self.reuses()
            && let Lookup::Fresh { entry, .. } = self.lookup()
            && let Some(store) = &self.store
        {
            store.promise(&self.request, &entry);
            return Ok(Vec::new());
        }
        self.end_promise();
        let pins_maturin = self.project.pins_maturin();
        // The frontend installs the maturin that the project itself requires before it calls any
        // hook.
        if pins_maturin && maturin::is_importable(&self.request.interpreter) {
            let (python, plan) = self.prepared_interpreter();
            return self.or_obstacle(self.maturin(&python, &plan).requires(hook));
        }
        let mut requires: Vec<String> =
            self.maturins_requirements().into_iter().map(str::to_owned).collect();
        if !pins_maturin {
            requires.push(maturin::REQUIREMENT.to_owned());
        }
        Ok(requires)
    }

    fn maturins_requirements(&self) -> Vec<&'static str> {
        maturin::requires(
            self.project.maturin.bindings.as_deref(),
            &self.request.interpreter,
            &self.request.environment,
            self.request.artifact != Artifact::Sdist,
        )
    }

    /// The stored wheel that `get_requires_for_build_*` promised when it requested nothing. `None`
    /// if a build is possible now, or if nothing was promised.
    fn promised(&self) -> Option<Entry> {
        let interpreter = &self.request.interpreter;
        let lacks = |name: &&str| !maturin::has_package(interpreter, name);
        let can_build =
            maturin::is_importable(interpreter) && !self.maturins_requirements().iter().any(lacks);
        if !self.reuses() || can_build {
            return None;
        }
        self.store.as_ref()?.promised(&self.request)
    }

    /// `prepare_metadata_for_build_*`: gives the name of the dist-info folder.
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
            if let Some(entry) = self.promised()
                && let Some(name) = self.stored_metadata(&entry, folder)?
            {
                return Ok(name);
            }
        }
        if let Lookup::Fresh { entry, line } = self.search_metadata()
            && let Some(name) = self.stored_metadata(&entry, folder)?
        {
            log::debug(line);
            return Ok(name);
        }
        self.need_cargo()?;
        let _lock = self.store.as_ref().and_then(Store::lock);
        let (python, plan) = self.prepared_interpreter();
        self.or_obstacle(self.maturin(&python, &plan).make(hook, folder))
    }

    /// `build_wheel` and `build_editable`: gives the wheel's file name.
    ///
    /// # Errors
    /// maturin or cargo is missing, the build fails, its result is not a wheel, or a file can't be
    /// read or written. Nothing is delivered then.
    pub fn build(
        &self,
        hook: &'static str,
        folder: &Path,
        metadata: Option<&Path>,
    ) -> Result<String> {
        // An unpacked archive must be read before cargo writes anything into it.
        let _ = self.origin();
        let generation = self.store.as_ref().and_then(Store::generation);
        let mut lookup = self.answer();
        if let Some(name) = self.deliver_if_fresh(&lookup, folder, metadata)? {
            return Ok(name);
        }
        if let Some(entry) = self.promised()
            && let Some(name) = self.deliver(&entry, folder)?
        {
            self.end_promise();
            log::info("the sources changed since maturin was asked for; the next build sees it");
            return Ok(name);
        }
        let lock = self.store.as_ref().and_then(Store::lock);
        let is_as_before = |store: &Store| generation.is_some() && store.generation() == generation;
        if let (Some(lock), Some(store)) = (&lock, &self.store)
            && self.reuses()
            && (lock.waited || !is_as_before(store))
        {
            // Another process may have built the same wheel in the meantime.
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
            return self.build_stale(hook, folder, metadata, reasons, nearest.as_deref());
        }
        // The lookup was fresh, but the stored wheel is damaged or does not have the prepared
        // metadata.
        self.build_stale(hook, folder, metadata, &[Reason::NoRecord], None)
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

    /// May this artifact be delivered from the store?
    fn reuses(&self) -> bool {
        match (self.settings.reuse, self.request.artifact) {
            (Reuse::Never, _) | (_, Artifact::Sdist) => false,
            (Reuse::Always, _) => true,
            (Reuse::Editable, artifact) => artifact == Artifact::Editable,
        }
    }

    fn observer<'a>(&'a self, stable_prefix: &'a str) -> Observer<'a> {
        let memory = self.store.as_ref().map(Store::toolchain_memory);
        let mut observer = Observer::new(
            &self.request,
            &self.settings,
            &self.environment,
            stable_prefix,
            &self.digests,
            memory.filter(|_| !self.never_executes),
        );
        if self.never_executes {
            observer.toolchain_root = std::env::temp_dir();
        }
        observer
    }

    /// The stable interpreter, or the frontend's own one if no stable interpreter can be made.
    fn prepared_interpreter(&self) -> (PathBuf, Plan) {
        match self.plan.prepare(&self.request.interpreter) {
            Ok(python) => (python, self.plan.clone()),
            Err(error) => {
                log::warn(format_args!(
                    "no stable interpreter, the build will compile more than it must: {error}"
                ));
                let mut plan =
                    Plan::new(&self.request.interpreter, &self.request.environment, None);
                unpacked::set_target(&mut plan.environment, &self.plan.environment);
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
}
