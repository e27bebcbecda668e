//! Asking git about a folder.

use std::ffi::OsStr;
use std::path::{Path, PathBuf};

use crate::error::{Because as _, Cause};
use crate::request::Environment;

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

/// A revision that was written to a folder.
pub(crate) struct CheckedOut {
    pub folder: PathBuf,
    /// The places of submodules, whose content is not checked out.
    pub submodules: Vec<PathBuf>,
}

/// Writes the tree of a revision into an empty folder, like a checkout: git applies its line
/// endings and filters. The result has the place of `folder` in that tree. The repository and its
/// index do not change.
///
/// # Errors
/// The message of git: no repository, no such revision, no space on the disk.
pub(crate) fn check_out(
    folder: &Path,
    revision: &str,
    to: &Path,
    environment: &Environment,
) -> Result<CheckedOut, Cause> {
    let git = environment.which("git").ok_or("git: not found on PATH")?;
    let tree = to.join("tree");
    fs_err::create_dir_all(&tree)?;
    let run = |arguments: &[&OsStr]| -> Result<String, Cause> {
        let output = environment
            .command(&git, folder)
            .args(arguments)
            .env("GIT_INDEX_FILE", to.join("index"))
            .env("GIT_TERMINAL_PROMPT", "0")
            .output()
            .because("git")?;
        if !output.status.success() {
            return Err(String::from_utf8_lossy(&output.stderr).trim().into());
        }
        Ok(String::from_utf8_lossy(&output.stdout).trim_end_matches(['\r', '\n']).to_owned())
    };
    let words = |text: &'static str| text.split(' ').map(OsStr::new);
    let ask = |text: &'static str| run(&words(text).collect::<Vec<_>>());
    let prefix = ask("rev-parse --show-prefix")?;
    let peeled = format!("{revision}^{{tree}}");
    let verify = words("rev-parse --verify --quiet --end-of-options").chain([OsStr::new(&peeled)]);
    let object = run(&verify.collect::<Vec<_>>()).map_err(|said| {
        if said.to_string().is_empty() { "there is no such revision".into() } else { said }
    })?;
    let read = words("read-tree").chain([OsStr::new(&object)]);
    run(&read.collect::<Vec<_>>())?;
    let mut work_tree = std::ffi::OsString::from("--work-tree=");
    work_tree.push(&tree);
    // Run git at the top: in a subfolder it would write only that subfolder.
    let top = ask("rev-parse --show-toplevel")?;
    let from_top = [OsStr::new("-C"), OsStr::new(&top), &work_tree];
    let write = from_top.into_iter().chain(words("checkout-index --all --force"));
    run(&write.collect::<Vec<_>>())?;
    let listed = from_top[..2].iter().copied().chain(words("ls-files --stage -z"));
    let listed = run(&listed.collect::<Vec<_>>())?;
    let submodules = listed.split('\0').filter_map(|line| {
        let (stage, name) = line.split_once('\t')?;
        stage.starts_with("160000").then(|| tree.join(name))
    });
    let submodules = submodules.collect();
    Ok(CheckedOut { folder: tree.join(prefix.trim_end_matches('/')), submodules })
}
