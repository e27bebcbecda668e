//! What git knows of a folder.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use crate::request::Environment;

/// The files of a package that git tracks. `None` where cargo does not go by git's rules, and where
/// git can't be asked: outside of a repository, and for a package whose manifest git does not track
/// (cargo `sources/path.rs`).
pub fn tracked(folder: &Path, environment: &Environment) -> Option<Vec<PathBuf>> {
    if !folder.ancestors().any(|folder| folder.join(".git").exists()) {
        return None;
    }
    let output = Command::new(environment.which("git")?)
        .args(["ls-files", "-z", "--cached"])
        .current_dir(folder)
        .env_clear()
        .envs(environment.iter())
        .stdin(Stdio::null())
        .output()
        .ok()
        .filter(|output| output.status.success())?;
    let names = String::from_utf8(output.stdout).ok()?;
    let names: Vec<&str> = names.split_terminator('\0').collect();
    names.contains(&"Cargo.toml").then(|| names.iter().map(|name| folder.join(name)).collect())
}
