//! The sources that `verify` compares with: a tree, a revision of one, an sdist, or another wheel.

use std::path::{Path, PathBuf};

use super::super::given::{Given, GivenKind};
use super::super::{Context, packages};
use crate::error::{Error, Result};
use crate::fingerprint::{Inputs, Record};
use crate::git;
use crate::hooks::{Access, Call};
use crate::request::Artifact;
use crate::sdist::{Origin, restore};

/// The sources that artifacts are compared with.
pub(super) enum Base {
    /// A folder that is inspected.
    Tree(Tree),
    /// The inputs that the record of another wheel states.
    Stated { record: Box<Record>, path: PathBuf },
}

/// A folder with the sources.
pub(super) struct Tree {
    folder: PathBuf,
    /// Inputs that cannot be observed in the folder. The record of an sdist states them.
    pub stated: Inputs,
    /// Submodules that the checked-out revision names but does not contain.
    pub submodules: Vec<PathBuf>,
    /// Whether the folder is temporary, so that nothing of it must be kept.
    is_apart: bool,
    /// Deletes the temporary folder on drop.
    _made: Option<tempfile::TempDir>,
}

impl Base {
    /// Opens the sources: a folder, a file, or `FOLDER@REVISION`.
    ///
    /// # Errors
    /// The path does not exist, or it cannot be used as sources.
    pub(super) fn open(given: &Path, context: &Context) -> Result<Self> {
        let mut path = context.path(given);
        if path.is_file() && path.ends_with("pyproject.toml") {
            path = context.project_folder(given)?;
        }
        if path.is_dir() {
            return match Origin::read(&path) {
                Some(origin) => {
                    let made = temporary()?;
                    let folder = restore::unpacked(&origin, made.path())?;
                    Ok(Self::Tree(Tree::made(folder, made, &origin.record)))
                }
                None => Ok(Self::Tree(Tree::of(path))),
            };
        }
        if path.is_file() {
            return Self::artifact(&path);
        }
        let Some((folder, revision)) = split_revision(&given.to_string_lossy(), context) else {
            return Err(refused(&path, "no such file or folder"));
        };
        let made = temporary()?;
        let tree = git::check_out(&folder, &revision, made.path(), &context.environment).map_err(
            |cause| {
                let cause = super::super::line::tame(&cause.to_string());
                let hint = "name a commit, tag or branch of its repository";
                Error::given(&folder, format!("revision {revision}: {cause}"), hint)
            },
        )?;
        let git::CheckedOut { folder, submodules } = tree;
        let tree = Tree { submodules, is_apart: true, _made: Some(made), ..Tree::of(folder) };
        Ok(Self::Tree(tree))
    }

    /// The sources of the package `name`, if these sources are the root of a uv workspace.
    pub(super) fn member(&self, name: &str) -> Option<Self> {
        let Self::Tree(tree) = self else { return None };
        let folder = packages::folder_of(name, &tree.folder)?;
        let submodules = tree.submodules.clone();
        Some(Self::Tree(Tree { submodules, is_apart: tree.is_apart, ..Tree::of(folder) }))
    }

    fn artifact(path: &Path) -> Result<Self> {
        let given = Given::open(path)?;
        let Some(record) = given.record else {
            return Err(refused(path, "there is no record in it"));
        };
        if let Some(cause) = super::leads_astray(&record) {
            return Err(refused(path, &format!("its record can't be used: {cause}")));
        }
        match given.kind {
            GivenKind::Archive(archive) => {
                if let Some(first) = restore::damage(&archive, &record).first() {
                    let name = super::super::line::tame(&first.name);
                    return Err(refused(path, &format!("damaged: {name} {}", first.cause)));
                }
                let made = temporary()?;
                let folder = restore::archive(&archive, &record, made.path())?;
                Ok(Self::Tree(Tree::made(folder, made, &record)))
            }
            GivenKind::Wheel(mut wheel) => {
                if let Some(first) = wheel.damage().first() {
                    let name = super::super::line::tame(&first.name);
                    return Err(refused(path, &format!("damaged: {name} {}", first.cause)));
                }
                Ok(Self::Stated { record: Box::new(record), path: path.to_owned() })
            }
            GivenKind::Installed => {
                Ok(Self::Stated { record: Box::new(record), path: path.to_owned() })
            }
        }
    }
}

impl Tree {
    fn made(folder: PathBuf, made: tempfile::TempDir, record: &Record) -> Self {
        let stated = record.inputs();
        Self { stated, is_apart: true, _made: Some(made), ..Self::of(folder) }
    }

    /// A folder that is used in place.
    fn of(folder: PathBuf) -> Self {
        let (stated, submodules) = (Inputs::new(), Vec::new());
        Self { folder, stated, submodules, is_apart: false, _made: None }
    }

    /// Opens the folder as for a build of `artifact`. No program that the sources name is executed.
    ///
    /// # Errors
    /// The folder has no project, or a setting is wrong.
    pub(super) fn call(&self, artifact: Artifact, context: &Context) -> Result<Call> {
        if self.is_apart {
            return context.call_in_temporary(self.folder.clone(), artifact);
        }
        let interpreter = context.interpreter.clone();
        context.call(&self.folder, artifact, interpreter, Access::NoPrograms)
    }

    /// The folder of the project.
    pub(super) fn folder(&self) -> &Path {
        &self.folder
    }
}

/// Splits `FOLDER@REVISION`. A folder's name and a revision (`HEAD@{1}`) may themselves contain an
/// @.
fn split_revision(given: &str, context: &Context) -> Option<(PathBuf, String)> {
    let splits: Vec<(PathBuf, String)> = given
        .match_indices('@')
        .map(|(at, _)| (&given[..at], &given[at + 1..]))
        .filter(|(_, revision)| !revision.is_empty())
        .map(|(folder, revision)| {
            let folder = if folder.is_empty() { "." } else { folder };
            (context.path(Path::new(folder)), revision.to_owned())
        })
        .filter(|(folder, _)| folder.is_dir())
        .collect();
    let is_project = |(folder, _): &&(PathBuf, String)| folder.join("pyproject.toml").is_file();
    splits.iter().find(is_project).or(splits.first()).cloned()
}

/// A temporary folder with a canonical path, because inputs are named by canonical paths.
fn temporary() -> Result<tempfile::TempDir> {
    let failed = |error: std::io::Error| Error::io("temporary folder", &error);
    let parent = dunce::canonicalize(std::env::temp_dir()).map_err(failed)?;
    tempfile::Builder::new().prefix("wheelprint-").tempdir_in(parent).map_err(failed)
}

fn refused(path: &Path, cause: &str) -> Error {
    let hint = "--source takes a folder with pyproject.toml, FOLDER@REVISION, an sdist or a wheel";
    Error::given(path, cause, hint)
}
