//! The files of the sources, compared byte by byte.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use crate::digest;
use crate::fingerprint::{Source, Value};
use crate::freshness::Reason;
use crate::inputs::{Key, Kind, PROJECT, Part, Roots, normalize};

/// Compares the files that are stated with those in a folder, the project's. `told` are paths of
/// which something was said already. Gives how many are the same, too.
pub fn compare(source: &Source, project: &Path, told: &BTreeSet<PathBuf>) -> (Vec<Reason>, usize) {
    let mut reasons = Vec::new();
    let mut same = 0;
    for (name, stated) in &source.files {
        let path = normalize(&project.join(name));
        let found = digest::file(&path);
        let old = Value::Sha256(stated.clone());
        let key = key(name);
        match found {
            Ok(digest) if digest == *stated => same += 1,
            _ if told.contains(&path) => {}
            Ok(digest) => {
                let new = Value::Sha256(digest);
                reasons.push(Reason::Changed { key, old, new });
            }
            Err(error)
                if !path.exists() && error.kind() != std::io::ErrorKind::PermissionDenied =>
            {
                reasons.push(Reason::Removed { key, old });
            }
            Err(error) => {
                reasons.push(Reason::Unreadable { key, cause: error.kind().to_string() });
            }
        }
    }
    (reasons, same)
}

/// Compares two lists.
pub fn compare_lists(source: &Source, other: &Source) -> (Vec<Reason>, usize) {
    let mut reasons = Vec::new();
    let mut same = 0;
    for (name, stated) in &source.files {
        let old = Value::Sha256(stated.clone());
        match other.files.get(name) {
            Some(digest) if digest == stated => same += 1,
            Some(digest) => {
                let new = Value::Sha256(digest.clone());
                reasons.push(Reason::Changed { key: key(name), old, new });
            }
            None => reasons.push(Reason::Removed { key: key(name), old }),
        }
    }
    for (name, digest) in &other.files {
        if !source.files.contains_key(name) {
            let new = Value::Sha256(digest.clone());
            reasons.push(Reason::Added { key: key(name), new });
        }
    }
    (reasons, same)
}

/// Where inputs lie, without what stands behind the path of a manifest that counts twice.
pub fn paths<'a>(keys: impl Iterator<Item = &'a Key>, roots: &Roots) -> BTreeSet<PathBuf> {
    keys.filter_map(|key| {
        let name = match key.name.rfind(" [") {
            Some(at) if key.kind == Kind::Toml => &key.name[..at],
            _ => &key.name,
        };
        let base = if key.root == "above" { PROJECT } else { &key.root };
        Some(normalize(&roots.get(base)?.join(name)))
    })
    .collect()
}

fn key(name: &str) -> Key {
    let file = name.rsplit('/').next().unwrap_or(name);
    let end = file.rsplit_once('.').map_or("", |(_, end)| end);
    let part = match (file, end) {
        ("Cargo.toml" | "Cargo.lock" | "pyproject.toml", _) => Part::Manifest,
        (_, "py" | "pyi") => Part::Python,
        (_, "md" | "rst" | "txt") => Part::Metadata,
        _ if file.starts_with("LICEN") || file.starts_with("README") => Part::Metadata,
        _ => Part::Rust,
    };
    Key { part, kind: Kind::File, root: PROJECT.to_owned(), name: name.to_owned() }
}
