//! Opening a project for a command: the environment in use, and what is installed there.

use std::path::{Path, PathBuf};

use fs_err as fs;

use super::place::Where;
use super::{Context, packages};
use crate::error::{Error, PathContext as _, Result};
use crate::hooks::{self, Access, Call};
use crate::installed::{self, Distribution, Moved};
use crate::project::Project;
use crate::request::{Artifact, Interpreter};
use crate::switch::{self, lines};
use crate::uv::{self, CacheKey, edit};

/// A project that a command works on, and its installation in the environment.
pub(super) struct Opened {
    pub call: Call,
    /// The environment's interpreter; `None` if there is no environment.
    pub interpreter: Option<Interpreter>,
    pub installed: Option<Distribution>,
}

impl Opened {
    /// Opens a project that wheelprint builds. If the user named no folder, the nearest folder with
    /// a pyproject.toml is used, from the working directory upwards.
    ///
    /// # Errors
    /// The folder has no project, another backend builds the project, a setting is wrong, or
    /// `--python` names no Python interpreter.
    pub(super) fn open(given: &Where, context: &Context) -> Result<Self> {
        let here = context.project_folder(&given.dir)?;
        let mut above = here.ancestors().filter(|folder| folder.join("pyproject.toml").is_file());
        let is_named = given.dir != Path::new(".");
        let dir = above.next().filter(|_| !is_named).unwrap_or(&here).to_owned();
        let path = dir.join("pyproject.toml");
        // Check that the folder is a project before anything else is examined.
        Project::load(&dir)?;
        let text = fs::read_to_string(&path).at(&path)?;
        let built_by = switch::backend(&path, &lines::plain(&text));
        if !matches!(built_by, Ok(switch::Backend::Wheelprint))
            && let Some(refusal) = packages::refusal(&dir)
        {
            return Err(refusal);
        }
        if built_by? == switch::Backend::Maturin {
            let field = "build-system.build-backend";
            let error = Error::field(path, field, "maturin builds it, not wheelprint");
            return Err(error.or_hint("`wheelprint init` switches it"));
        }
        Self::open_any(&Where { dir, python: given.python.clone() }, context)
    }

    /// Opens the project in exactly this folder, whatever its build backend is.
    ///
    /// # Errors
    /// The same errors as [`Self::open`], except those about the backend.
    pub(super) fn open_any(given: &Where, context: &Context) -> Result<Self> {
        let root = context.path(&given.dir);
        let name = Project::load(&root)?.name;
        let python = given.python.as_ref().map(|python| context.path(python));
        let python = installed::python_in_use(&root, &context.environment, python.as_deref());
        let interpreter = match &python {
            Some(python) if given.python.is_some() => Some(installed::describe(python)?),
            Some(python) => installed::describe(python).ok(),
            None => None,
        };
        let installed = interpreter
            .as_ref()
            .zip(name.as_deref())
            .and_then(|(interpreter, name)| installed::find(interpreter, name));
        let used = interpreter.clone().unwrap_or_else(|| context.interpreter.clone());
        let call = context.call(&given.dir, Artifact::Editable, used, Access::All)?;
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

    /// The path and the text of pyproject.toml.
    ///
    /// # Errors
    /// The file cannot be read.
    pub(super) fn text(&self) -> Result<(PathBuf, String)> {
        let path = self.root().join("pyproject.toml");
        let text = fs::read_to_string(&path).at(&path)?;
        Ok((path, text))
    }

    /// The cache keys in force, and whether the project itself declares them.
    ///
    /// # Errors
    /// The declared keys have a form that uv does not accept.
    pub(super) fn keys(&self) -> Result<(Vec<CacheKey>, bool)> {
        let (path, text) = self.text()?;
        Ok(match edit::read(&path, &text)? {
            Some(keys) => ([keys.theirs, keys.ours].concat(), true),
            None => (uv::default_keys(), false),
        })
    }

    /// Another folder, if the installed package was installed from there instead of from this one.
    pub(super) fn moved(&self) -> Option<Moved> {
        self.installed.as_ref()?.moved(self.root())
    }

    /// The record of the installed wheel, if it has a usable one.
    pub(super) fn record(&self) -> Option<&crate::fingerprint::Record> {
        self.installed.as_ref()?.record.as_ref()?.as_ref().ok()
    }
}
