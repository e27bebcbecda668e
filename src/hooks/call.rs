//! One call: what a hook, or a command about the same build, works on.

use std::cell::OnceCell;
use std::path::{Path, PathBuf};

use super::archive_target;
use crate::error::Result;
use crate::fingerprint::observe::Observer;
use crate::interpreter::StableInterpreter;
use crate::log;
use crate::maturin::Maturin;
use crate::project::Project;
use crate::request::{Artifact, Environment, Request};
use crate::settings::{Reuse, Settings};
use crate::shared;
use crate::stat_cache::{self, Digests};
use crate::store::{BuildLock, Event, Store, stat_memory, toolchain_memory};
use crate::toolchain::Toolchain;

/// What a call may use besides the project.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Access {
    /// The store, and the compiler that the project names.
    All,
    /// The store. No program that the sources name is executed, because anybody may have written
    /// them.
    NoPrograms,
    /// Neither: earlier builds are not known, and nothing is kept.
    ProjectOnly,
}

/// The context of every stage. It is made once, and no stage changes it.
pub struct Call {
    pub(super) request: Request,
    /// Did the frontend pass config settings at all? maturin gets settings only if it did.
    has_settings: bool,
    pub(super) project: Project,
    pub(super) settings: Settings,
    /// The project's part of the store; `None` if it may not be used, or after a warning.
    pub(super) store: Option<Store>,
    /// The tree on this machine that the unpacked archive was made from. The store is that of the
    /// tree then.
    pub(super) tree: Option<PathBuf>,
    pub(super) plan: StableInterpreter,
    /// The environment whose variables count as inputs (see `archive_target::plan`).
    pub(super) counted: Environment,
    pub(super) digests: Digests,
    pub(super) toolchain: Toolchain,
    /// When the call began, in nanoseconds since 1970.
    pub(super) began: i128,
    /// Keys and passwords for the shared store, which are not in the environment of the request.
    pub(super) credentials: Environment,
    /// See [`Self::checked_backend`].
    pub(super) checked_backend: OnceCell<Option<PathBuf>>,
}

/// A folder that other users can't write to, and whose parents have no configuration of theirs.
fn folder_of_system(environment: &Environment) -> PathBuf {
    let windows = environment.non_empty("SystemRoot").map(PathBuf::from);
    windows.filter(|folder| cfg!(windows) && folder.is_dir()).unwrap_or_else(|| "/".into())
}

impl Call {
    /// Reads the project, and opens the store.
    ///
    /// # Errors
    /// pyproject.toml or a setting is wrong.
    pub fn open(mut request: Request, has_settings: bool, access: Access) -> Result<Self> {
        let began = stat_cache::now();
        let project = Project::load(&request.root)?;
        let settings = Settings::resolve(&project, &request)?;
        log::set_level(settings.log);
        // Build scripts of any dependency could read them.
        let credentials = request.environment.take(&shared::CREDENTIALS);
        let (tree, store) = match access {
            Access::All | Access::NoPrograms => {
                let tree = archive_target::tree(&request);
                let root = tree.as_deref().unwrap_or(&request.root);
                let name = project.name.as_deref();
                let store =
                    Store::open(&request.environment, root, name, &request.interpreter.libc);
                (tree, store)
            }
            Access::ProjectOnly => (None, None),
        };
        let (plan, counted) = archive_target::plan(&request, store.as_ref(), tree.is_some());
        // An unpacked archive is built only once, so digests of its files are not worth
        // remembering.
        let digests = match &store {
            Some(store) if tree.is_none() => Digests::load(stat_memory(store.folder())),
            _ => Digests::default(),
        };
        let toolchain = match access {
            Access::All => {
                let memory = store.as_ref().map(|store| toolchain_memory(store.folder()));
                Toolchain::load(request.root.clone(), memory)
            }
            Access::NoPrograms | Access::ProjectOnly => {
                Toolchain::load(folder_of_system(&request.environment), None)
            }
        };
        Ok(Self {
            request,
            has_settings,
            project,
            settings,
            store,
            tree,
            plan,
            counted,
            digests,
            toolchain,
            began,
            checked_backend: OnceCell::new(),
            credentials,
        })
    }

    /// The same call, which compares these variables with those of a build, too.
    #[must_use]
    pub fn with_counted(self, variables: &Environment) -> Self {
        Self { counted: self.counted.with(variables), ..self }
    }

    /// The same call for another artifact.
    ///
    /// # Errors
    /// pyproject.toml or a setting is wrong.
    pub(super) fn for_artifact(&self, artifact: Artifact) -> Result<Self> {
        let environment = self.request.environment.with(&self.credentials);
        let request = Request { artifact, environment, ..self.request.clone() };
        Self::open(request, self.has_settings, Access::All)
    }

    /// The project's pyproject.toml.
    pub fn project(&self) -> &Project {
        &self.project
    }

    /// The settings in force for the project.
    pub fn settings(&self) -> &Settings {
        &self.settings
    }

    /// May this artifact be delivered from the store?
    pub(super) fn reuses(&self) -> bool {
        match (self.settings.reuse, self.request.artifact) {
            (Reuse::Never, _) | (_, Artifact::Sdist) => false,
            (Reuse::Always, _) => true,
            (Reuse::Editable, artifact) => artifact == Artifact::Editable,
        }
    }

    /// The last calls for a build of this tree, the newest first.
    pub(crate) fn events(&self) -> Vec<Event> {
        self.store.as_ref().map(Store::events).unwrap_or_default()
    }

    /// Reads inputs as they are now.
    pub(super) fn observer(&self) -> Observer<'_> {
        Observer::new(
            &self.request,
            &self.settings,
            &self.plan.environment,
            &self.counted,
            &self.digests,
            &self.toolchain,
        )
    }

    /// Writes back what was learned of files and of rustc. Call this after the verdict.
    pub(super) fn save_memories(&self) {
        self.digests.save();
        self.toolchain.save();
    }

    /// Is an unpacked archive built in the target folder that archives share?
    pub(super) fn shares_target(&self, target: &Path) -> bool {
        let shared = self.store.as_ref().map(Store::archive_target);
        self.tree.is_some() && shared.as_deref() == Some(target)
    }
}

/// The interpreter that runs maturin's hooks, and the plan with their variables.
pub(super) struct BuildInterpreter {
    pub python: PathBuf,
    pub plan: StableInterpreter,
    /// Keeps the interpreter from being removed.
    _lock: Option<BuildLock>,
}

impl BuildInterpreter {
    /// The stable interpreter, or the frontend's own one if no stable interpreter can be made.
    pub(super) fn prepare(call: &Call) -> Self {
        let interpreter = &call.request.interpreter;
        let (python, lock) = match (&call.store, call.plan.folder()) {
            (Some(store), Some(folder)) => Self::shared(call, store, folder),
            _ => (Ok(interpreter.executable.clone()), None),
        };
        match python {
            Ok(python) => Self { python, plan: call.plan.clone(), _lock: lock },
            Err(error) => {
                log::warn(format_args!(
                    "no stable interpreter, the build will compile more than it must: {error}"
                ));
                let mut plan = StableInterpreter::new(interpreter, &call.request.environment, None);
                archive_target::set(&mut plan.environment, &call.plan.environment);
                Self { python: interpreter.executable.clone(), plan, _lock: lock }
            }
        }
    }

    /// The stable interpreter in this folder, which is made if needed, and its lock.
    fn shared(call: &Call, store: &Store, folder: &Path) -> (Result<PathBuf>, Option<BuildLock>) {
        let make = || call.plan.make(&call.request.interpreter);
        let (python, lock) = store.interpreter(folder, || call.plan.ready(), make);
        if let Ok(python) = &python {
            store.use_interpreter(python);
        }
        (python, lock)
    }

    /// maturin with the variables of this plan.
    pub(super) fn maturin<'a>(&'a self, call: &'a Call) -> Maturin<'a> {
        self.maturin_in(call, &self.plan.environment)
    }

    /// maturin with these variables.
    pub(super) fn maturin_in<'a>(
        &'a self,
        call: &'a Call,
        environment: &'a Environment,
    ) -> Maturin<'a> {
        Maturin {
            python: &self.python,
            root: &call.request.root,
            environment,
            config_settings: call.has_settings.then(|| call.request.maturin_settings()),
        }
    }
}
