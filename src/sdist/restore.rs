//! Restoring the tree that an archive was made from: every file is at its old place, with the text
//! it had before maturin rewrote it. The result is for comparing and cannot be built, because other
//! members of the workspace are missing.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Component, Path, PathBuf};

use fs_err as fs;

use super::rewritten::Rewritten;
use super::{Archive, Origin, PKG_INFO};
use crate::digest;
use crate::error::{Damage, Error, PathContext as _, Result};
use crate::fingerprint::record::FILE_NAME;
use crate::fingerprint::{Packed, Record};
use crate::inputs::normalize;
use crate::publish::is_git_folder;

/// How many folders up a record may lead.
pub const DEPTH: usize = 64;

/// Compares an archive with its record. Empty if they match.
pub fn damage(archive: &Archive, record: &Record) -> Vec<Damage> {
    let packed = by_name(record);
    let mut found = Vec::new();
    for (name, sha256) in &archive.files {
        match packed.get(name.as_str()) {
            _ if name == FILE_NAME => {}
            None => found.push(Damage::new(name, "is not in its record")),
            Some(packed) if packed.sha256 != *sha256 => {
                found.push(Damage::new(name, "is not what its record says"));
            }
            Some(_) => {}
        }
    }
    let missing = packed.keys().filter(|name| !archive.files.contains_key(**name));
    found.extend(missing.map(|name| Damage::new(name, "is in its record and not in the archive")));
    found.extend(contradictions(record).into_iter().map(|(name, cause)| Damage::new(name, cause)));
    let text = |name: &str| archive.manifests.get(name).map(String::as_str);
    let strange = rewritten(record, text).filter_map(|(name, keys)| Some((name, keys.err()?)));
    found.extend(strange.map(|(name, key)| Damage::new(name, not_maturins(&key))));
    found.sort_by(|one, other| one.name.cmp(&other.name));
    found
}

/// The manifests of an archive that are not as in the tree, each with the keys whose values only the
/// archive states, or with the key that maturin does not change so.
pub fn rewritten<'a>(
    record: &'a Record,
    text: impl Fn(&str) -> Option<&'a str>,
) -> impl Iterator<Item = (&'a str, Result<Vec<String>, String>)> {
    let files = Rewritten::new(record);
    let packed = record.packed.iter().filter(|packed| packed.original.is_some());
    packed.map(move |packed| {
        let checked = match text(&packed.path) {
            Some(text) => files.check(packed, text),
            None => Err("no text".to_owned()),
        };
        (packed.path.as_str(), checked)
    })
}

/// The first manifest of an unpacked archive that is as packed and not the tree's as maturin rewrites
/// it, with its key.
pub fn strange_manifest(root: &Path, record: &Record) -> Option<(String, String)> {
    let texts = texts(root, record);
    let text = |name: &str| texts.get(name).map(String::as_str);
    let strange =
        rewritten(record, text).find(|(name, it)| texts.contains_key(*name) && it.is_err());
    strange.and_then(|(name, keys)| Some((name.to_owned(), keys.err()?)))
}

/// The texts of the rewritten manifests of an unpacked archive that are as packed.
pub fn texts(root: &Path, record: &Record) -> BTreeMap<String, String> {
    let packed = record.packed.iter().filter(|packed| packed.original.is_some());
    let texts = packed.filter_map(|packed| {
        let text = digest::text(&root.join(&packed.path)).ok()?;
        let is_as_packed = digest::bytes(text.as_bytes()) == packed.sha256;
        is_as_packed.then(|| (packed.path.clone(), text))
    });
    texts.collect()
}

/// The words for a key that maturin does not change so.
pub fn not_maturins(key: &str) -> String {
    format!("is not the tree's as maturin rewrites it ({key})")
}

/// Impossible statements of a record about the files in an archive: each file's name and the cause.
pub fn contradictions(record: &Record) -> Vec<(&str, &'static str)> {
    let Some(source) = &record.source else { return vec![(FILE_NAME, "names no sources")] };
    let mut found = Vec::new();
    for packed in &record.packed {
        let Some(name) = &packed.source else {
            // A tree may contain wheels and sdists from earlier builds. They are packed unless git
            // ignores them.
            let is_built = packed.path.ends_with(".whl") || packed.path.ends_with(".tar.gz");
            if packed.path != PKG_INFO && !is_built {
                found.push((packed.path.as_str(), "is of no file of the tree"));
            }
            continue;
        };
        let file = packed.path.rsplit('/').next().unwrap_or_default();
        if packed.original.is_some() && !["Cargo.toml", "pyproject.toml"].contains(&file) {
            found.push((packed.path.as_str(), "is no manifest, and said to be rewritten"));
        }
        let original = packed.original.as_ref().map(|text| digest::bytes(text.as_bytes()));
        if source.files.get(name) != Some(original.as_ref().unwrap_or(&packed.sha256)) {
            found.push((packed.path.as_str(), "is not the file of the tree that it should be"));
        }
    }
    let packed: BTreeSet<&String> =
        record.packed.iter().filter_map(|packed| packed.source.as_ref()).collect();
    for name in source.files.keys() {
        if !packed.contains(name) {
            found.push((name.as_str(), "is among the sources and not in the archive"));
        }
    }
    found
}

/// Restores the tree of an archive below `folder`. Gives the project's folder.
///
/// # Errors
/// The record names paths outside, the archive can't be read, or a file can't be written.
pub fn archive(archive: &Archive, record: &Record, folder: &Path) -> Result<PathBuf> {
    let layout = Layout::new(record, folder)?;
    let packed = by_name(record);
    archive.unpack(&|name| layout.place(packed.get(name)?))?;
    for packed in &record.packed {
        if archive.files.get(&packed.path) == Some(&packed.sha256) {
            layout.restore(packed)?;
        }
    }
    Ok(layout.project)
}

/// Restores the tree of an unpacked archive below `folder`. Gives the project's folder.
///
/// # Errors
/// As [`archive`].
pub fn unpacked(origin: &Origin, folder: &Path) -> Result<PathBuf> {
    let layout = Layout::new(&origin.record, folder)?;
    for packed in &origin.record.packed {
        let from = origin.root.join(&packed.path);
        let Some(to) = layout.place(packed).filter(|_| from.is_file()) else { continue };
        if let Some(folder) = to.parent() {
            fs::create_dir_all(folder).at(folder)?;
        }
        fs::copy(&from, &to).at(&to)?;
        if origin.is_as_packed(&packed.path) {
            layout.restore(packed)?;
        }
    }
    Ok(layout.project)
}

struct Layout {
    base: PathBuf,
    project: PathBuf,
}

impl Layout {
    fn new(record: &Record, folder: &Path) -> Result<Self> {
        let base = folder.join("tree");
        let project = project_in(&base, record)?;
        fs::create_dir_all(&project).at(&project)?;
        Ok(Self { base, project })
    }

    /// `None` for a file outside, and for one of a repository: git would run programs that it names.
    fn place(&self, packed: &Packed) -> Option<PathBuf> {
        let path = normalize(&self.project.join(packed.source.as_ref()?));
        let inside = path.strip_prefix(&self.base).ok()?;
        let is_of_git = inside.iter().any(|part| is_git_folder(&part.to_string_lossy()));
        (!is_of_git).then_some(path)
    }

    fn restore(&self, packed: &Packed) -> Result<()> {
        match (self.place(packed), &packed.original) {
            (Some(path), Some(text)) => fs::write(&path, text).at(&path),
            _ => Ok(()),
        }
    }
}

/// A folder for the project below `base`, deep enough for all names in the record that lead up.
pub(super) fn project_in(base: &Path, record: &Record) -> Result<PathBuf> {
    let ups = |name: &String| {
        Path::new(name).components().filter(|part| *part == Component::ParentDir).count()
    };
    let named = record.source.iter().flat_map(|source| source.files.keys());
    let depth = named.chain(record.roots.values()).map(ups).max().unwrap_or(0);
    if depth > DEPTH {
        return Err(Error::Other(format!("its record leads {depth} folders up").into()));
    }
    Ok((0..=depth).fold(base.to_owned(), |path, _| path.join("d")))
}

fn by_name(record: &Record) -> BTreeMap<&str, &Packed> {
    record.packed.iter().map(|packed| (packed.path.as_str(), packed)).collect()
}
