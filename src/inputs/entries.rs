//! What is in a folder, and in a TOML file of cargo.

use std::io::ErrorKind;
use std::path::{Path, PathBuf};

/// The folders in a folder, sorted; none of one that can't be read.
pub fn subfolders(folder: &Path) -> Vec<PathBuf> {
    let entries = entries(folder).unwrap_or_default();
    entries.into_iter().filter(|path| path.is_dir()).collect()
}

/// What is in a folder, sorted; nothing, if there is no such folder.
///
/// # Errors
/// It can't be read, or not to its end.
pub fn entries(folder: &Path) -> std::io::Result<Vec<PathBuf>> {
    let entries = match fs_err::read_dir(folder) {
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(Vec::new()),
        entries => entries?,
    };
    let paths = entries.map(|entry| Ok(entry?.path()));
    let mut paths = paths.collect::<std::io::Result<Vec<PathBuf>>>()?;
    paths.sort();
    Ok(paths)
}

/// Reads a file of cargo. If it can't be read, cargo will report that.
pub fn read_toml(path: &Path) -> Option<toml::Table> {
    fs_err::read_to_string(path).ok()?.parse().ok()
}
