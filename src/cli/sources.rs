//! The sources that `verify` and `rebuild` compare with: a tree, a revision of one, an sdist, or
//! another wheel.

use std::path::{Path, PathBuf};

use serde_json::Value as Json;

use super::Context;
use super::artifact::{ArtifactKind, InspectedArtifact, leads_astray};
use super::members::{self, MemberArguments, Selection};
use crate::digest;
use crate::error::{Error, PathContext as _, Result};
use crate::fingerprint::record::FILE_NAME;
use crate::fingerprint::{Inputs, Record};
use crate::git;
use crate::hooks::{Access, Call};
use crate::inputs::{self, Root};
use crate::log::escape_controls;
use crate::provenance;
use crate::request::Artifact;
use crate::sdist::{Origin, restore};

/// The sources, and the packages of their uv workspace if the user asked for packages.
pub(super) struct Sources {
    pub base: Base,
    selection: Option<Selection>,
}

/// The arguments that say which sources artifacts are compared with.
#[derive(Debug, clap::Args)]
pub(super) struct SourceArguments {
    /// The sources: a folder with pyproject.toml (of a uv workspace its root will do),
    /// FOLDER@REVISION for a revision that git knows, or an sdist; `verify` takes a wheel, too
    #[arg(long, default_value = ".")]
    pub source: PathBuf,
    #[command(flatten)]
    pub members: MemberArguments,
}

/// The package of a workspace that an artifact belongs to.
#[derive(serde::Serialize)]
pub(super) struct Package {
    pub name: String,
    /// Relative to the root of the workspace.
    pub folder: String,
}

impl Sources {
    /// The sources of one tree. It may be the root of a uv workspace.
    pub(super) fn of_tree(tree: Tree) -> Self {
        Self { base: Base::Tree(tree), selection: None }
    }

    /// Opens the sources without a choice of packages.
    pub(super) fn open_one(given: &Path, context: &Context) -> Result<Self> {
        Ok(Self { base: Base::open(given, context)?, selection: None })
    }

    pub(super) fn open(given: &Path, members: &MemberArguments, context: &Context) -> Result<Self> {
        let base = Base::open(given, context)?;
        let selection = match &base {
            _ if !members.are_given() => None,
            Base::Tree(tree) => Some(members.select(&tree.folder)?),
            Base::Stated { path, .. } => {
                let hint = "packages are found in a folder or in FOLDER@REVISION";
                return Err(Error::given(path, "a wheel, which has no packages", hint));
            }
        };
        Ok(Self { base, selection })
    }

    /// A folder's path relative to the folder that the user named.
    pub(super) fn place_of(&self, folder: &Path) -> Option<String> {
        match &self.base {
            Base::Tree(tree) => inputs::relative(&tree.folder, folder),
            Base::Stated { .. } => None,
        }
    }

    /// The package that an artifact of this name belongs to, and its sources if they are not the
    /// base itself. If the user asked for packages, it must be one of them. If not, the root of a
    /// workspace stands for all packages below it.
    pub(super) fn of(&self, file: &Path, name: &str) -> Result<(Option<Package>, Option<Base>)> {
        let Base::Tree(tree) = &self.base else { return Ok((None, None)) };
        let (member, folder) = match &self.selection {
            Some(selection) => {
                let member = selection.package_of(file, name)?;
                (member.clone(), selection.place(&member.project.root))
            }
            None => match members::below(&tree.folder, name) {
                Some(found) => found,
                None => return Ok((None, None)),
            },
        };
        let root = member.project.root;
        if !tree.holds(&root) {
            let cause = format!("its package in {folder} is no part of the revision or the sdist");
            return Err(Error::given(file, cause, "check the sources out and name the folder"));
        }
        let base = (root != tree.folder).then(|| tree.at(root));
        Ok((Some(Package { name: member.name, folder }), base))
    }
}

/// The sources that artifacts are compared with.
pub(super) enum Base {
    Tree(Tree),
    /// The inputs that the record of another wheel states.
    Stated {
        record: Box<Record>,
        path: PathBuf,
    },
}

#[derive(Default)]
pub(super) struct Tree {
    pub folder: PathBuf,
    /// Inputs that cannot be observed in the folder. The record of an sdist states them.
    pub stated: Inputs,
    /// What the checked-out revision names but does not contain, and why.
    pub left_out: Vec<(PathBuf, &'static str)>,
    /// Everything of a revision or an sdist is below it. `None`: sources of this machine may be
    /// anywhere.
    top: Option<PathBuf>,
    /// Whether the folder is temporary, so that nothing of it must be kept.
    is_temporary: bool,
    /// Deletes the temporary folder on drop.
    _temporary: Option<tempfile::TempDir>,
}

impl Base {
    /// Opens the sources: a folder, a file, or `FOLDER@REVISION`.
    pub(super) fn open(given: &Path, context: &Context) -> Result<Self> {
        let mut path = context.path(given);
        if path.is_file() && path.ends_with("pyproject.toml") {
            path = context.project_folder(given)?;
        }
        if path.is_dir() {
            let origin = Origin::read(&path).unwrap_or_else(|cause| {
                let (record, cause) = (path.join(FILE_NAME), escape_controls(&cause.to_string()));
                let line = format!("{}: {cause}; the folder counts as a tree", record.display());
                context.terminal.warn(&line);
                None
            });
            let Some(origin) = origin else {
                return Ok(Self::Tree(Tree { folder: path, ..Tree::default() }));
            };
            return Tree::restored(&origin.record, |folder| restore::unpacked(&origin, folder));
        }
        if path.is_file() {
            return Self::artifact(&path);
        }
        let (folder, revision) = split_revision(given, context)?;
        let made = temporary()?;
        let (tree, _) = Tree::checked_out(&folder, &revision, made.path(), context)?;
        if !tree.folder.join("pyproject.toml").is_file() {
            let hint = "name the folder of the project in front of the `@`";
            return Err(Error::given(given, "there is no pyproject.toml in the folder", hint));
        }
        Ok(Self::Tree(Tree { _temporary: Some(made), ..tree }))
    }

    fn artifact(path: &Path) -> Result<Self> {
        let InspectedArtifact { record, mut kind, .. } = InspectedArtifact::open(path)?;
        let record = record.ok_or_else(|| refused(path, "there is no record in it"))?;
        if let Some(cause) = leads_astray(&record) {
            return Err(refused(path, &format!("its record can't be used: {cause}")));
        }
        if let Some((name, cause)) = kind.damage(&record).first() {
            return Err(refused(path, &format!("damaged: {} {cause}", escape_controls(name))));
        }
        match kind {
            ArtifactKind::Archive(archive) => {
                Tree::restored(&record, |folder| restore::archive(&archive, &record, folder))
            }
            ArtifactKind::Wheel(_) | ArtifactKind::Installed => {
                Ok(Self::Stated { record: Box::new(record), path: path.to_owned() })
            }
        }
    }
}

impl Tree {
    /// A temporary folder with sources, which the caller deletes.
    pub(super) fn clean(folder: PathBuf) -> Self {
        Self { folder, is_temporary: true, ..Self::default() }
    }

    /// The tree of a revision, which is written to the folder `to`, and its top folder. The caller
    /// deletes it.
    pub(super) fn checked_out(
        folder: &Path,
        revision: &str,
        to: &Path,
        context: &Context,
    ) -> Result<(Self, PathBuf)> {
        let tree = git::check_out(folder, revision, to, &context.environment);
        let git::CheckedOut { top, folder, left_out } = tree.map_err(|cause| {
            let cause = escape_controls(&cause.to_string());
            // For example a partial clone, or a damaged repository.
            let hint = match &*cause {
                git::NO_REVISION => "name a commit, tag or branch of its repository",
                _ => "can git check it out? A folder with its files can be named, too",
            };
            Error::given(folder, format!("revision {revision}: {cause}"), hint)
        })?;
        let own = Self { left_out, top: Some(top.clone()), ..Self::clean(folder) };
        Ok((own, top))
    }

    /// Whether a folder is part of the sources.
    fn holds(&self, folder: &Path) -> bool {
        self.top.as_ref().is_none_or(|top| {
            dunce::canonicalize(folder).is_ok_and(|folder| folder.starts_with(top))
        })
    }

    /// The sources in another folder of the same tree.
    fn at(&self, folder: PathBuf) -> Base {
        let (left_out, top) = (self.left_out.clone(), self.top.clone());
        let is_temporary = self.is_temporary;
        Base::Tree(Self { folder, left_out, top, is_temporary, ..Self::default() })
    }

    /// The tree that an sdist was made from, restored in a temporary folder.
    fn restored(record: &Record, restore: impl FnOnce(&Path) -> Result<PathBuf>) -> Result<Base> {
        let made = temporary()?;
        let (folder, stated) = (restore(made.path())?, record.inputs());
        let top = Some(made.path().to_owned());
        let _temporary = Some(made);
        Ok(Base::Tree(Self {
            folder,
            stated,
            top,
            is_temporary: true,
            _temporary,
            ..Self::default()
        }))
    }

    /// Opens the folder as for a build of `artifact`. No program that the sources name is executed.
    pub(super) fn call(&self, artifact: Artifact, context: &Context) -> Result<Call> {
        let access = if self.is_temporary { Access::ProjectOnly } else { Access::NoPrograms };
        context.call(&self.folder, artifact, &context.interpreter, access)
    }
}

/// The commit that the sources are of, if they are a revision or a folder in a git repository.
/// Whether the folder is as in that commit is not looked at.
///
/// # Errors
/// git can't tell, although the folder is in a repository.
pub(super) fn commit_of(given: &Path, context: &Context) -> Result<Option<git::Commit>> {
    let path = context.path(given);
    let (folder, revision) = match path.is_dir() {
        true => (path, "HEAD".to_owned()),
        false if path.is_file() => return Ok(None),
        false => split_revision(given, context)?,
    };
    git::commit(&folder, &revision, &context.environment)
        .map_err(|cause| Error::path(folder, escape_controls(&cause.to_string())))
}

/// The Cargo.lock that belongs to a project's folder.
pub(super) struct Lock {
    pub path: PathBuf,
    /// Its path as a record names it.
    pub name: String,
    pub text: String,
}

impl Lock {
    /// `None` if there is no such file.
    pub(super) fn of(folder: &Path, record: &Record) -> Result<Option<Self>> {
        let workspace = record.roots.get(&Root::Workspace).map_or("", String::as_str);
        let name = provenance::below(workspace, "Cargo.lock");
        let path = folder.join(&name);
        match digest::text(&path) {
            Ok(text) => Ok(Some(Self { path, name, text })),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(Error::io(&path, &error)),
        }
    }

    /// Whether the record names its digest, or does not name it.
    pub(super) fn is_as_in(&self, record: &Record) -> bool {
        let recorded = provenance::files(record).get(&self.name).copied();
        recorded.is_none_or(|recorded| recorded == digest::bytes(self.text.as_bytes()))
    }

    /// Its crates, as a statement names them.
    pub(super) fn crates(&self) -> Result<Vec<Json>> {
        provenance::crates::of_lock(&self.text).map_err(|cause| Error::path(&self.path, cause))
    }
}

/// Splits `FOLDER@REVISION`. A folder's name and a revision (`HEAD@{1}`) may themselves contain an
/// @.
pub(super) fn split_revision(given: &Path, context: &Context) -> Result<(PathBuf, String)> {
    let text = given.to_string_lossy();
    let given = &*text;
    let splits = given.match_indices('@').filter_map(|(at, _)| {
        let (folder, revision) = (context.path(Path::new(&given[..at])), &given[at + 1..]);
        (!revision.is_empty() && folder.is_dir()).then(|| (folder, revision.to_owned()))
    });
    let splits: Vec<(PathBuf, String)> = splits.collect();
    let is_project = |(folder, _): &&(PathBuf, String)| folder.join("pyproject.toml").is_file();
    let found = splits.iter().find(is_project).or(splits.first()).cloned();
    found.ok_or_else(|| refused(&context.path(Path::new(given)), "no such file or folder"))
}

/// A temporary folder with a canonical path, because inputs are named by canonical paths.
fn temporary() -> Result<tempfile::TempDir> {
    dunce::canonicalize(std::env::temp_dir())
        .and_then(|parent| tempfile::Builder::new().prefix("wheelprint-").tempdir_in(parent))
        .at("temporary folder")
}

fn refused(path: &Path, cause: &str) -> Error {
    let hint = "--source takes a folder with pyproject.toml, FOLDER@REVISION, an sdist or a wheel";
    Error::given(path, cause, hint)
}

#[cfg(test)]
mod tests {
    use std::collections::{BTreeMap, BTreeSet};

    use fs_err as fs;

    use super::*;
    use crate::fingerprint::Source;

    #[test]
    fn a_lock_file_that_changed_is_noticed() {
        let folder = tempfile::tempdir().unwrap();
        let project = folder.path().join("python");
        fs::create_dir(&project).unwrap();
        let roots = BTreeMap::from([(Root::Workspace, "..".to_owned())]);
        let mut record = Record::new(&Inputs::new(), BTreeSet::new(), roots);
        assert!(Lock::of(&project, &record).unwrap().is_none());
        fs::write(folder.path().join("Cargo.lock"), "version = 4\n").unwrap();
        let lock = Lock::of(&project, &record).unwrap().unwrap();
        assert_eq!(lock.crates().unwrap(), Vec::<Json>::new());
        assert!(lock.is_as_in(&record), "the record does not name it");
        for (text, is_same) in [("version = 4\n", true), ("version = 3\n", false)] {
            let files = [("../Cargo.lock".to_owned(), digest::bytes(text.as_bytes()))];
            record.source = Some(Source::new(files.into()));
            assert_eq!(lock.is_as_in(&record), is_same, "{text}");
        }
    }
}
