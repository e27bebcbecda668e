//! Writing the tree of a revision into a folder.

use std::path::{Path, PathBuf};
use std::process::Command;

use super::command::{plain, said};
use crate::error::Cause;
use crate::request::Environment;

/// The cause of [`check_out`] if the repository has no such revision.
pub(crate) const NO_REVISION: &str = "there is no such revision";

/// A revision that was written to a folder.
pub(crate) struct CheckedOut {
    /// The top of the tree.
    pub top: PathBuf,
    pub folder: PathBuf,
    /// The places whose content is no part of the revision, and why.
    pub left_out: Vec<(PathBuf, &'static str)>,
}

/// Writes the tree of a revision into an empty folder, as a fresh clone would check it out: git applies
/// the line endings and filters of the user. The result has the place of `folder` in that tree. The
/// repository and its index do not change. A symbolic link that leads out of the tree is left out,
/// because what it leads to is no part of the revision.
///
/// The objects are copied into a repository of our own, which gives each one the name of its content.
/// So no setting of the other repository counts, and a damaged or forged object is missing.
///
/// # Errors
/// git can't be asked, or refuses to answer; there is no such revision; its settings name another
/// folder; a file can't be written.
pub(crate) fn check_out(
    folder: &Path,
    revision: &str,
    to: &Path,
    environment: &Environment,
) -> Result<CheckedOut, Cause> {
    let git = environment.which("git").ok_or("git: not found on PATH")?;
    let theirs = |arguments: &[&str]| {
        let mut command = plain(&git, folder, environment);
        command.args(arguments);
        command
    };
    let prefix = prefix(folder, &theirs)?;
    let object = object(revision, &theirs)?;
    // An old git knows no other format, and not the question.
    let format = said(&mut theirs(&["rev-parse", "--show-object-format"]));
    let format = format!("--object-format={}", format.as_deref().unwrap_or("sha1"));
    let init = ["init", "--quiet", "--template=", &format, "repository"];
    said(plain(&git, to, environment).args(init))?;

    let tree = to.join("tree");
    fs_err::create_dir_all(&tree)?;
    let ours = |arguments: &[&str]| {
        let mut command = plain(&git, &tree, environment);
        command.env("GIT_DIR", to.join("repository/.git")).env("GIT_WORK_TREE", &tree);
        command.env("GIT_INDEX_FILE", to.join("index")).args(arguments);
        command
    };
    copy_objects(&object, to, &theirs, &ours)?;
    said(&mut ours(&["read-tree", &object]))?;
    said(&mut ours(&["checkout-index", "--all", "--force"]))?;
    let listed = said(&mut ours(&["ls-files", "--stage", "-z"]))?;
    let left_out = left_out(&tree, &listed)?;
    Ok(CheckedOut { folder: tree.join(prefix), top: tree, left_out })
}

/// The folder's path in its repository, with `/`. It must be the path that the folder really has.
fn prefix(folder: &Path, theirs: &impl Fn(&[&str]) -> Command) -> Result<String, Cause> {
    let prefix = said(&mut theirs(&["rev-parse", "--show-prefix"]))?;
    let prefix = prefix.trim_end_matches('/');
    let place = said(&mut theirs(&["rev-parse", "--is-inside-work-tree", "--is-bare-repository"]))?;
    let is_outside = place.lines().all(|answer| answer == "false");
    if is_outside || !is_end_of(prefix, &dunce::canonicalize(folder)?) {
        return Err("the settings of its repository name another folder as work tree".into());
    }
    Ok(prefix.to_owned())
}

/// The name of the object that a revision stands for: a commit or a tree.
fn object(revision: &str, theirs: &impl Fn(&[&str]) -> Command) -> Result<String, Cause> {
    let verify = ["rev-parse", "--verify", "--quiet", "--end-of-options"];
    let named = |kind| said(theirs(&verify).arg(format!("{revision}{kind}")));
    let object = named("^{commit}").or_else(|cause| {
        // The user may name a tree object. If a commit can't be read, its tree is not used instead.
        let tree = named("^{tree}")?;
        if named("")? == tree { Ok(tree) } else { Err(cause) }
    });
    object.map_err(|said| match said.to_string().is_empty() {
        true => NO_REVISION.into(),
        false => said,
    })
}

/// Copies an object and all that it needs into our own repository.
fn copy_objects(
    object: &str,
    to: &Path,
    theirs: &impl Fn(&[&str]) -> Command,
    ours: &impl Fn(&[&str]) -> Command,
) -> Result<(), Cause> {
    let file = |name: &str| fs_err::File::create(to.join(name)).map(fs_err::File::into_parts);
    let opened = |name: &str| fs_err::File::open(to.join(name)).map(fs_err::File::into_parts);
    let list = ["rev-list", "--objects", "--no-walk", object];
    said(theirs(&list).stdout(file("objects")?.0))?;
    let pack = ["pack-objects", "--quiet", "--stdout"];
    said(theirs(&pack).stdin(opened("objects")?.0).stdout(file("pack")?.0))?;
    said(ours(&["index-pack", "--stdin"]).stdin(opened("pack")?.0))?;
    Ok(())
}

/// Removes the links that lead out of the tree, and names what the revision does not hold.
fn left_out(tree: &Path, listed: &str) -> Result<Vec<(PathBuf, &'static str)>, Cause> {
    let of_mode = |mode: &str| -> Vec<PathBuf> {
        let entries = listed.split('\0').filter_map(|line| line.split_once('\t'));
        let entries = entries.filter(|(stage, _)| stage.starts_with(mode));
        entries.map(|(_, name)| tree.join(name)).collect()
    };
    let (links, submodules) = (of_mode("120000"), of_mode("160000"));
    let inside = dunce::canonicalize(tree)?;
    let leads_outside = |link: &&PathBuf| {
        link.is_symlink() && !dunce::canonicalize(link).is_ok_and(|it| it.starts_with(&inside))
    };
    // All are looked at before one is removed: a link may lead through another.
    let outside: Vec<PathBuf> = links.iter().filter(leads_outside).cloned().collect();
    for link in &outside {
        fs_err::remove_file(link)?;
    }
    let with = |paths: Vec<PathBuf>, why| paths.into_iter().map(move |path| (path, why));
    let submodules = with(submodules, "lies in a submodule, which a revision does not hold");
    let outside = with(outside, "is behind a link that leads out of the revision");
    Ok(submodules.chain(outside).collect())
}

/// Whether a folder's path ends with this one. Some systems ignore case.
fn is_end_of(prefix: &str, folder: &Path) -> bool {
    let folder = folder.to_string_lossy().replace('\\', "/").to_lowercase();
    prefix.is_empty() || folder.ends_with(&format!("/{}", prefix.to_lowercase()))
}
