//! Asking git about a folder.

use std::path::{Component, Path, PathBuf};
use std::process::Command;

use crate::error::{Because as _, Cause};
use crate::publish::is_git_folder;
use crate::request::{Environment, run};

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
        command.args(settings).args(arguments);
        run(&mut command).because("git")?.map_err(|said| said.trim().to_owned())?;
    }
    Ok(())
}

/// git as it answers about any folder, also one that came from somebody else: without the variables
/// of a hook, which name another repository; without replacements of objects (`git replace`), because
/// a commit must be what its name says; and without programs and servers that the configuration of
/// the repository names.
fn plain(git: &Path, folder: &Path, environment: &Environment) -> Command {
    let mut command = environment.command(git, folder);
    for (name, _) in environment.iter() {
        let is_named = |start: &[u8]| name.as_encoded_bytes().starts_with(start);
        // GIT_CONFIG has the user's own settings, such as `safe.directory`.
        if is_named(b"GIT_") && !is_named(b"GIT_CONFIG") {
            command.env_remove(name);
        }
    }
    command.env("GIT_NO_REPLACE_OBJECTS", "1").env("GIT_TERMINAL_PROMPT", "0");
    // A partial clone would get missing objects from its remote.
    command.env("GIT_ALLOW_PROTOCOL", "none").env("GIT_NO_LAZY_FETCH", "1");
    command.args(["-c", "core.fsmonitor=false", "-c", "core.hooksPath=/dev/null"]);
    command
}

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
pub(crate) fn check_out(
    folder: &Path,
    revision: &str,
    to: &Path,
    environment: &Environment,
) -> Result<CheckedOut, Cause> {
    let git = environment.which("git").ok_or("git: not found on PATH")?;
    let tree = to.join("tree");
    fs_err::create_dir_all(&tree)?;
    let run = |command: &mut Command| -> Result<String, Cause> {
        let said = run(command).because("git")?.map_err(|said| said.trim().to_owned())?;
        Ok(said.trim_end_matches(['\r', '\n']).to_owned())
    };
    let theirs = |arguments: &[&str]| {
        let mut command = plain(&git, folder, environment);
        command.args(arguments);
        command
    };
    let prefix = run(&mut theirs(&["rev-parse", "--show-prefix"]))?;
    let prefix = prefix.trim_end_matches('/');
    let place = run(&mut theirs(&["rev-parse", "--is-inside-work-tree", "--is-bare-repository"]))?;
    let is_outside = place.lines().all(|answer| answer == "false");
    if is_outside || !is_end_of(prefix, &dunce::canonicalize(folder)?) {
        return Err("the settings of its repository name another folder as work tree".into());
    }
    let verify = ["rev-parse", "--verify", "--quiet", "--end-of-options"];
    let named = |kind| run(theirs(&verify).arg(format!("{revision}{kind}")));
    let object = named("^{commit}").or_else(|cause| {
        // The user may name a tree. That of a commit which can't be read is none.
        let tree = named("^{tree}")?;
        if named("")? == tree { Ok(tree) } else { Err(cause) }
    });
    let object = object.map_err(|said| match said.to_string().is_empty() {
        true => NO_REVISION.into(),
        false => said,
    })?;

    let file = |name: &str| fs_err::File::create(to.join(name)).map(fs_err::File::into_parts);
    let opened = |name: &str| fs_err::File::open(to.join(name)).map(fs_err::File::into_parts);
    let list = ["rev-list", "--objects", "--no-walk", &object];
    run(theirs(&list).stdout(file("objects")?.0))?;
    let pack = ["pack-objects", "--quiet", "--stdout"];
    run(theirs(&pack).stdin(opened("objects")?.0).stdout(file("pack")?.0))?;
    // An old git knows no other format, and not the question.
    let format = run(&mut theirs(&["rev-parse", "--show-object-format"]));
    let format = format!("--object-format={}", format.as_deref().unwrap_or("sha1"));
    let init = ["init", "--quiet", "--template=", &format, "repository"];
    run(plain(&git, to, environment).args(init))?;
    let ours = |arguments: &[&str]| {
        let mut command = plain(&git, &tree, environment);
        command.env("GIT_DIR", to.join("repository/.git")).env("GIT_WORK_TREE", &tree);
        command.env("GIT_INDEX_FILE", to.join("index")).args(arguments);
        command
    };
    run(ours(&["index-pack", "--stdin"]).stdin(opened("pack")?.0))?;
    run(&mut ours(&["read-tree", &object]))?;
    run(&mut ours(&["checkout-index", "--all", "--force"]))?;
    let listed = run(&mut ours(&["ls-files", "--stage", "-z"]))?;
    let of_mode = |mode: &str| -> Vec<PathBuf> {
        let entries = listed.split('\0').filter_map(|line| line.split_once('\t'));
        let entries = entries.filter(|(stage, _)| stage.starts_with(mode));
        entries.map(|(_, name)| tree.join(name)).collect()
    };
    let (links, submodules) = (of_mode("120000"), of_mode("160000"));
    let inside = dunce::canonicalize(&tree)?;
    let leads_outside = |link: &&PathBuf| {
        link.is_symlink() && !dunce::canonicalize(link).is_ok_and(|it| it.starts_with(&inside))
    };
    // All are looked at before one is removed: a link may lead through another.
    let outside: Vec<PathBuf> = links.iter().filter(leads_outside).cloned().collect();
    for link in &outside {
        fs_err::remove_file(link)?;
    }
    let folder = tree.join(prefix);
    let with = |paths: Vec<PathBuf>, why| paths.into_iter().map(move |path| (path, why));
    let submodules = with(submodules, "lies in a submodule, which a revision does not hold");
    let outside = with(outside, "is behind a link that leads out of the revision");
    Ok(CheckedOut { top: tree, folder, left_out: submodules.chain(outside).collect() })
}

/// Whether a folder's path ends with this one. Some systems ignore case.
fn is_end_of(prefix: &str, folder: &Path) -> bool {
    let folder = folder.to_string_lossy().replace('\\', "/").to_lowercase();
    prefix.is_empty() || folder.ends_with(&format!("/{}", prefix.to_lowercase()))
}
