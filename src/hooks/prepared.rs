//! The metadata that a frontend prepared and gives to a build, which must have the same (PEP 517).

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use fs_err as fs;

use crate::error::{Error, PathContext as _, Result};
use crate::fingerprint::record;
use crate::inputs::slashed;
use crate::wheel::Wheel;

/// Does the wheel have the prepared metadata and no other?
///
/// # Errors
/// A file can't be read.
pub(super) fn is_in(wheel: &mut Wheel, prepared: &Path) -> Result<bool> {
    let prepared = &folder(prepared, &wheel.dist_info);
    let names = names(prepared)?;
    let prefix = format!("{}/", wheel.dist_info);
    let own = wheel.files().filter_map(|(name, _)| name.strip_prefix(&prefix));
    let own: BTreeSet<String> =
        own.filter(|name| !is_of_the_archive(name)).map(str::to_owned).collect();
    if own != names {
        return Ok(false);
    }
    for name in names {
        let path = prepared.join(&name);
        if wheel.read(&format!("{prefix}{name}"))? != fs::read(&path).at(&path)? {
            return Ok(false);
        }
    }
    Ok(true)
}

/// A copy of the prepared metadata in this folder, for maturin. Files that describe one archive are
/// left out, because maturin makes them anew and refuses to write them twice.
///
/// # Errors
/// A file can't be read or written.
pub(super) fn copy(prepared: &Path, dist_info: &str, to: &Path) -> Result<()> {
    let prepared = folder(prepared, dist_info);
    for name in names(&prepared)? {
        let (from, to) = (prepared.join(&name), to.join(&name));
        if let Some(parent) = to.parent() {
            fs::create_dir_all(parent).at(parent)?;
        }
        fs::copy(&from, &to).at(&to)?;
    }
    Ok(())
}

/// tox gives the folder around the dist-info folder, and maturin accepts both.
fn folder(prepared: &Path, dist_info: &str) -> PathBuf {
    let inside = prepared.join(dist_info);
    if inside.is_dir() { inside } else { prepared.to_owned() }
}

/// The names of the prepared files.
fn names(prepared: &Path) -> Result<BTreeSet<String>> {
    let mut names = BTreeSet::new();
    for entry in walkdir::WalkDir::new(prepared) {
        let entry = entry.map_err(|error| Error::io(prepared, &error.into()))?;
        let name = entry.path().strip_prefix(prepared).ok().and_then(slashed);
        if let Some(name) = name.filter(|name| entry.path().is_file() && !is_of_the_archive(name)) {
            names.insert(name);
        }
    }
    Ok(names)
}

/// Does the file describe one archive? Such files differ from build to build.
fn is_of_the_archive(name: &str) -> bool {
    matches!(name, "WHEEL" | "RECORD" | record::FILE_NAME) || name.starts_with("sboms/")
}
