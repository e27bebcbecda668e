//! What is in a folder, and in a TOML file of cargo.

use std::fs::FileType;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};

use crate::digest;

/// The folders in a folder, sorted; none of one that can't be read.
pub fn subfolders(folder: &Path) -> Vec<PathBuf> {
    folders(folder).unwrap_or_default()
}

/// The folders in a folder, sorted; none if there is no such folder.
///
/// # Errors
/// As [`entries`].
pub(super) fn folders(folder: &Path) -> std::io::Result<Vec<PathBuf>> {
    entries_that(folder, FileType::is_dir, Path::is_dir)
}

/// The files in a folder, sorted; none if there is no such folder.
///
/// # Errors
/// As [`entries`].
pub(super) fn files(folder: &Path) -> std::io::Result<Vec<PathBuf>> {
    entries_that(folder, FileType::is_file, Path::is_file)
}

/// What is in a folder, sorted; nothing, if there is no such folder.
///
/// # Errors
/// It can't be read, or not to its end.
pub fn entries(folder: &Path) -> std::io::Result<Vec<PathBuf>> {
    entries_that(folder, |_| true, |_| true)
}

/// The entries of a folder that `is` accepts by their file type. Listing the folder gives the type,
/// so no further system call is needed. For a link, `is_at` decides by the link's target.
fn entries_that(
    folder: &Path,
    is: fn(&FileType) -> bool,
    is_at: fn(&Path) -> bool,
) -> std::io::Result<Vec<PathBuf>> {
    let entries = match fs_err::read_dir(folder) {
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(Vec::new()),
        entries => entries?,
    };
    let mut paths = Vec::new();
    for entry in entries {
        let entry = entry?;
        let path = entry.path();
        let is_one = match entry.file_type() {
            Ok(kind) if !kind.is_symlink() => is(&kind),
            _ => is_at(&path),
        };
        if is_one {
            paths.push(path);
        }
    }
    paths.sort();
    Ok(paths)
}

/// Reads a manifest or a configuration file. If it can't be read, the program that it belongs to will
/// report that. A pipe or a device is not read.
pub fn read_toml(path: &Path) -> Option<toml::Table> {
    digest::text(path).ok()?.parse().ok()
}

/// The folder and the manifest of the workspace that a package inherits from: the one that it names,
/// or the nearest above. `package` is the table of that name in the package's Cargo.toml.
pub fn workspace_of(folder: &Path, package: &toml::Value) -> Option<(PathBuf, toml::Table)> {
    let manifest =
        |folder: &Path| Some((folder.to_owned(), read_toml(&folder.join("Cargo.toml"))?));
    match package.get("workspace").and_then(toml::Value::as_str) {
        Some(place) => manifest(&folder.join(place)),
        None => folder
            .ancestors()
            .filter_map(manifest)
            .find(|(_, manifest)| manifest.contains_key("workspace")),
    }
}
