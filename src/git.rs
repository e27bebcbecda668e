//! What git knows of a folder.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use crate::request::Environment;

/// The files below a folder that git tracks although its own rules ignore them (`git add -f`).
/// Empty outside of a repository; `None` if there is one and git can't be asked.
pub fn tracked_though_ignored(folder: &Path, environment: &Environment) -> Option<Vec<PathBuf>> {
    if !folder.ancestors().any(|folder| folder.join(".git").exists()) {
        return Some(Vec::new());
    }
    let output = Command::new(environment.which("git")?)
        .args(["ls-files", "-z", "--ignored", "--cached", "--exclude-standard"])
        .current_dir(folder)
        .env_clear()
        .envs(environment.iter())
        .stdin(Stdio::null())
        .output()
        .ok()
        .filter(|output| output.status.success())?;
    let names = String::from_utf8(output.stdout).ok()?;
    Some(names.split_terminator('\0').map(|name| folder.join(name)).collect())
}
