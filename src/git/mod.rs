//! Asking git about a folder.

use std::path::{Component, Path, PathBuf};

pub(crate) use revision::{CheckedOut, NO_REVISION, check_out};

use command::{plain, said};

use crate::error::Cause;
use crate::publish::is_git_folder;
use crate::request::{Environment, run};

mod command;
mod revision;

/// The files of a package that git tracks. `None` where cargo does not use git's list (cargo
/// `sources/path.rs`) or git cannot be asked: outside of a repository, and for a package whose
/// manifest git does not track.
pub(crate) fn tracked(folder: &Path, environment: &Environment) -> Option<Vec<PathBuf>> {
    if !folder.ancestors().any(|folder| folder.join(".git").exists()) {
        return None;
    }
    let git = environment.which("git")?;
    let list = ["ls-files", "-z", "--cached"];
    let output = plain(&git, folder, environment).args(list).output().ok()?;
    let names = output.status.success().then(|| String::from_utf8(output.stdout).ok())??;
    let names: Vec<&str> = names.split_terminator('\0').collect();
    names.contains(&"Cargo.toml").then(|| names.iter().map(|name| folder.join(name)).collect())
}

/// A commit, and where its repository is.
pub(crate) struct Commit {
    /// The folder that git was asked about.
    pub folder: PathBuf,
    pub sha: String,
    /// The folder's path in the repository, with `/`; empty for the top folder.
    pub prefix: String,
    /// The address of the remote `origin`.
    pub origin: Option<String>,
}

/// The commit of a revision. `None` outside of a repository.
///
/// # Errors
/// git can't be asked, or refuses to answer; there is no such commit.
pub(crate) fn commit(
    folder: &Path,
    revision: &str,
    environment: &Environment,
) -> Result<Option<Commit>, Cause> {
    if !folder.ancestors().any(|folder| folder.join(".git").exists()) {
        return Ok(None);
    }
    let git = environment.which("git").ok_or("git: not found on PATH")?;
    let said = |arguments: &[&str]| said(plain(&git, folder, environment).args(arguments));
    let prefix = said(&["rev-parse", "--show-prefix"])?.trim_end_matches('/').to_owned();
    let verify = ["rev-parse", "--verify", "--quiet", "--end-of-options"];
    let commit = format!("{revision}^{{commit}}");
    let sha = said(&[&verify[..], &[&commit]].concat()).map_err(|cause| {
        let is_silent = cause.to_string().is_empty();
        if is_silent { format!("{revision} is no commit").into() } else { cause }
    })?;
    // Most repositories without this remote have none at all.
    let origin = said(&["remote", "get-url", "origin"]).ok();
    Ok(Some(Commit { folder: folder.to_owned(), sha, prefix, origin }))
}

/// A repository's work tree.
pub(crate) struct WorkTree {
    /// Its top folder.
    pub top: PathBuf,
    /// All files that git tracks or does not ignore, relative to the top. Submodules are folders.
    pub files: Vec<PathBuf>,
}

/// The work tree that a folder is in. `None` outside of a repository, if git cannot be asked, or if
/// the folder is ignored.
pub(crate) fn work_tree(folder: &Path, environment: &Environment) -> Option<WorkTree> {
    if !folder.ancestors().any(|folder| folder.join(".git").exists()) {
        return None;
    }
    let git = environment.which("git")?;
    let ask = |folder: &Path, arguments: &[&str]| {
        run(plain(&git, folder, environment).args(arguments)).ok()?.ok()
    };
    let top = ask(folder, &["rev-parse", "--show-toplevel"])?;
    let top = dunce::canonicalize(top.trim_end_matches(['\r', '\n'])).ok()?;
    let list = ["ls-files", "-z", "--cached", "--others", "--exclude-standard", "--deduplicate"];
    let names = ask(&top, &list)?;
    // git checks no names that are in its index already.
    let is_below = |path: &PathBuf| {
        path.components().all(|part| {
            matches!(part, Component::Normal(name) if !is_git_folder(&name.to_string_lossy()))
        })
    };
    let files: Vec<PathBuf> =
        names.split_terminator('\0').map(PathBuf::from).filter(is_below).collect();
    let inside = dunce::canonicalize(folder).ok()?.strip_prefix(&top).ok()?.to_owned();
    let is_listed = files.iter().any(|file| file.starts_with(&inside));
    is_listed.then_some(WorkTree { top, files })
}

/// Makes a folder a repository whose index has all files in it. Cargo and maturin ask git which
/// files a package has, and their answer differs outside of a repository.
pub(crate) fn track_all(folder: &Path, environment: &Environment) -> Result<(), Cause> {
    let git = environment.which("git").ok_or("git: not found on PATH")?;
    // The user's settings must not change the files.
    let settings = ["-c", "core.autocrlf=false", "-c", "core.safecrlf=false"];
    for arguments in [&["init", "--quiet", "--template="][..], &["add", "--all", "--force", "."]] {
        let mut command = plain(&git, folder, environment);
        said(command.args(settings).args(arguments))?;
    }
    Ok(())
}
