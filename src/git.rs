//! Asking git about a folder.

use std::path::{Path, PathBuf};
use std::process::Command;

use crate::error::{Because as _, Cause};
use crate::request::{Environment, run};

/// The files of a package that git tracks. `None` where cargo does not use git's list (cargo
/// `sources/path.rs`) or git cannot be asked: outside of a repository, and for a package whose
/// manifest git does not track.
pub(crate) fn tracked(folder: &Path, environment: &Environment) -> Option<Vec<PathBuf>> {
    if !folder.ancestors().any(|folder| folder.join(".git").exists()) {
        return None;
    }
    let output = environment
        .command(environment.which("git")?, folder)
        .args(["ls-files", "-z", "--cached"])
        .output()
        .ok()
        .filter(|output| output.status.success())?;
    let names = String::from_utf8(output.stdout).ok()?;
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
    let said = |arguments: &[&str]| -> Result<String, Cause> {
        let said = run(plain(&git, folder, environment).args(arguments)).because("git")?;
        let said = said.map_err(|said| said.trim().trim_start_matches("error: ").to_owned())?;
        Ok(said.trim_end_matches(['\r', '\n']).to_owned())
    };
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
    let files: Vec<PathBuf> = names.split_terminator('\0').map(PathBuf::from).collect();
    let inside = dunce::canonicalize(folder).ok()?.strip_prefix(&top).ok()?.to_owned();
    let is_listed = files.iter().any(|file| file.starts_with(&inside));
    is_listed.then_some(WorkTree { top, files })
}

/// Makes a folder a repository whose index has all files in it. Cargo and maturin ask git which
/// files a package has, and their answer differs outside of a repository.
pub(crate) fn track_all(folder: &Path, environment: &Environment) -> Result<(), Cause> {
    let git = environment.which("git").ok_or("git: not found on PATH")?;
    // The user's settings must not change the files.
    let settings =
        ["-c", "core.autocrlf=false", "-c", "core.safecrlf=false", "-c", "core.fsmonitor=false"];
    for arguments in [&["init", "--quiet", "--template="][..], &["add", "--all", "--force", "."]] {
        let mut command = plain(&git, folder, environment);
        command.args(settings).args(arguments);
        run(&mut command).because("git")?.map_err(|said| said.trim().to_owned())?;
    }
    Ok(())
}

/// git without its variables: inside of a hook they name another repository.
fn plain(git: &Path, folder: &Path, environment: &Environment) -> Command {
    let mut command = environment.command(git, folder);
    for (name, _) in environment.iter() {
        if name.as_encoded_bytes().starts_with(b"GIT_") {
            command.env_remove(name);
        }
    }
    command
}

/// A revision that was written to a folder.
pub(crate) struct CheckedOut {
    /// The top of the tree.
    pub top: PathBuf,
    pub folder: PathBuf,
    /// The places of submodules, whose content is not checked out.
    pub submodules: Vec<PathBuf>,
}

/// Writes the tree of a revision into an empty folder, like a checkout: git applies its line
/// endings and filters. The result has the place of `folder` in that tree. The repository and its
/// index do not change.
pub(crate) fn check_out(
    folder: &Path,
    revision: &str,
    to: &Path,
    environment: &Environment,
) -> Result<CheckedOut, Cause> {
    let git = environment.which("git").ok_or("git: not found on PATH")?;
    let tree = to.join("tree");
    fs_err::create_dir_all(&tree)?;
    let command = || {
        let mut command = environment.command(&git, folder);
        command.env("GIT_INDEX_FILE", to.join("index")).env("GIT_TERMINAL_PROMPT", "0");
        command
    };
    let run = |command: &mut Command| -> Result<String, Cause> {
        let said = run(command).because("git")?.map_err(|said| said.trim().to_owned())?;
        Ok(said.trim_end_matches(['\r', '\n']).to_owned())
    };
    let prefix = run(command().args(["rev-parse", "--show-prefix"]))?;
    let verify = ["rev-parse", "--verify", "--quiet", "--end-of-options"];
    let object = run(command().args(verify).arg(format!("{revision}^{{tree}}")));
    let object = object.map_err(|said| match said.to_string().is_empty() {
        true => "there is no such revision".into(),
        false => said,
    })?;
    run(command().args(["read-tree", &object]))?;
    // Run git at the top: in a subfolder it would write only that subfolder.
    let top = run(command().args(["rev-parse", "--show-toplevel"]))?;
    let write = ["-C", &top, "checkout-index", "--all", "--force"];
    run(command().env("GIT_WORK_TREE", &tree).args(write))?;
    let listed = run(command().args(["-C", &top, "ls-files", "--stage", "-z"]))?;
    let submodules = listed.split('\0').filter_map(|line| {
        let (stage, name) = line.split_once('\t')?;
        stage.starts_with("160000").then(|| tree.join(name))
    });
    let folder = tree.join(prefix.trim_end_matches('/'));
    let submodules = submodules.collect();
    Ok(CheckedOut { top: tree, folder, submodules })
}
