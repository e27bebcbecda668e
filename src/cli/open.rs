//! The projects that a command is about: one folder, or packages of a uv workspace. Opening a project
//! finds the environment in use, and what is installed there.

use std::path::{Path, PathBuf};

use fs_err as fs;

use super::members::{self, MemberArguments};
use super::table::{self, Columns};
use super::terminal::Terminal;
use super::{Answer, Context};
use crate::error::{Error, PathContext as _, Result};
use crate::fingerprint::Record;
use crate::hooks::inspect::{self, Watched};
use crate::hooks::wanted::wanted;
use crate::hooks::{self, Access, Call};
use crate::installed::{self, Distribution, Moved};
use crate::project::Project;
use crate::request::{Artifact, Interpreter};
use crate::switch::{self, Backend, lines};
use crate::uv::derive::Wanted;
use crate::uv::{self, CacheKey, edit};

/// The arguments that say which projects a command is about. Without `--package` and
/// `--all-packages` it is the project in the folder.
#[derive(Debug, clap::Args)]
pub(super) struct ProjectArguments {
    #[command(flatten)]
    members: MemberArguments,
    /// The folder with pyproject.toml, or that file
    #[arg(default_value = ".")]
    dir: PathBuf,
    /// The interpreter, or the environment, that the project is installed in
    #[arg(long, value_name = "PATH")]
    python: Option<PathBuf>,
}

impl ProjectArguments {
    /// The interpreter or environment that the user named.
    pub(super) fn python(&self) -> Option<&Path> {
        self.python.as_deref()
    }

    /// Runs a command for each requested project, as if it ran in the project's folder. Several
    /// packages are printed as a table, or as the JSON list `packages`. The exit code is the
    /// highest one.
    pub(super) fn each(
        &self,
        columns: &Columns,
        as_json: bool,
        context: &Context,
        run: impl Fn(OpenedProject, &Context) -> Result<Answer>,
    ) -> Result<Answer> {
        let run = |dir: &Path, context: &Context| {
            run(OpenedProject::open(dir, self.python.as_deref(), context)?, context)
        };
        if !self.members.are_given() {
            return run(&self.dir, context);
        }
        let selection = self.members.select(&context.project_folder(&self.dir)?)?;
        if let Some(member) = self.members.only(&selection) {
            return run(&member.project.root, context);
        }
        let answers = selection.chosen().map(|member| {
            let answer = run(&member.project.root, &context.about(&member.name));
            (member, answer)
        });
        let answers = answers.collect();
        Ok(table::of_packages(&selection, answers, columns, as_json, context))
    }
}

/// A project that a command works on, and its installation in the environment.
pub(super) struct OpenedProject {
    pub call: Call,
    /// The environment's interpreter; `None` if there is no environment.
    pub interpreter: Option<Interpreter>,
    pub installed: Option<Distribution>,
}

impl OpenedProject {
    /// Opens a project that wheelprint builds: the nearest folder with a pyproject.toml, from the
    /// folder upwards. A folder that does not exist is an error.
    fn open(dir: &Path, python: Option<&Path>, context: &Context) -> Result<Self> {
        let here = context.project_folder(dir)?;
        let is_project = |folder: &&Path| folder.join("pyproject.toml").is_file();
        let nearest = here.ancestors().find(is_project);
        let root = nearest.filter(|_| here.is_dir()).unwrap_or(&here);
        let path = root.join("pyproject.toml");
        // Check that the folder is a project before anything else is examined.
        Project::load(root)?;
        let text = fs::read_to_string(&path).at(&path)?;
        let built_by = switch::backend(&path, &lines::plain(&text));
        if !matches!(built_by, Ok(Backend::Wheelprint))
            && let Some(refusal) = members::refusal(root)
        {
            return Err(refusal);
        }
        if built_by? == Backend::Maturin {
            let field = "build-system.build-backend";
            let error = Error::field(path, field, "maturin builds it, not wheelprint");
            return Err(error.or_hint("`wheelprint init` switches it"));
        }
        Self::open_any(root, python, context)
    }

    /// Opens the project in exactly this folder, whatever its build backend is.
    pub(super) fn open_any(root: &Path, python: Option<&Path>, context: &Context) -> Result<Self> {
        let named = python.map(|python| context.path(python));
        let found = installed::python_in_use(root, &context.environment, named.as_deref());
        let interpreter = match found {
            Some(python) if named.is_some() => Some(installed::describe(&python)?),
            Some(python) => installed::describe(&python).ok(),
            None => None,
        };
        let used = interpreter.as_ref().unwrap_or(&context.interpreter);
        let call = context.call(root, Artifact::Editable, used, Access::All)?;
        let name = call.project().name.as_deref();
        let installed = interpreter.as_ref().zip(name);
        let installed =
            installed.and_then(|(interpreter, name)| installed::find(interpreter, name));
        Ok(Self { call, interpreter, installed })
    }

    /// Warns about globs of `extra-inputs` that match nothing, because they may be misspelt.
    pub(super) fn warn_of_unmatched_inputs(&self, context: &Context) {
        for line in hooks::unmatched_inputs(&self.call) {
            context.terminal.warn(&line);
        }
    }

    /// The folder of pyproject.toml.
    pub(super) fn root(&self) -> &Path {
        &self.call.project().root
    }

    pub(super) fn text(&self) -> Result<(PathBuf, String)> {
        let path = self.root().join("pyproject.toml");
        let text = fs::read_to_string(&path).at(&path)?;
        Ok((path, text))
    }

    /// The cache keys in force: the declared ones, or else uv's default.
    pub(super) fn keys(&self) -> Result<Vec<CacheKey>> {
        let (path, text) = self.text()?;
        let keys = edit::read(&path, &text)?;
        Ok(keys.map_or_else(uv::default_keys, |keys| [keys.theirs, keys.ours].concat()))
    }

    /// All inputs, and what cache keys should cover of them.
    pub(super) fn watched(&self, terminal: &Terminal) -> Result<(Watched, Wanted)> {
        let _progress = terminal.progress("looking at the sources");
        let watched = inspect::watched(&self.call, self.record())?;
        let wanted = wanted(&self.call, &watched);
        Ok((watched, wanted))
    }

    /// Another folder, if the installed package was installed from there instead of from this one.
    pub(super) fn moved(&self) -> Option<Moved> {
        self.installed.as_ref()?.moved(self.root())
    }

    /// The record of the installed wheel, if it has a usable one.
    pub(super) fn record(&self) -> Option<&Record> {
        self.installed.as_ref()?.record.as_ref()?.as_ref().ok()
    }
}
