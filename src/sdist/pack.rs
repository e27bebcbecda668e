//! Finding, for each file of a new archive, the file of the tree that it was made from.
//!
//! Files are matched by content, not by maturin's rules. A file matches if it has the same bytes
//! and the same path below the archive's top or below the project. A manifest at such a path with
//! other bytes was rewritten by maturin.

use std::cmp::Reverse;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use fs_err as fs;

use super::{Archive, PKG_INFO};
use crate::digest;
use crate::fingerprint::record::FILE_NAME;
use crate::fingerprint::{Packed, Source};
use crate::inputs::{is_built, normalize, read_toml, relative};
use crate::stat_cache::Digests;

/// Where the files of an archive come from.
#[derive(Debug)]
pub struct Packing {
    pub source: Source,
    pub packed: Vec<Packed>,
    /// The archive's top in the tree, relative to the project (see `Root::Archive`).
    pub top: String,
    /// Files that changed while they were packed.
    pub raced: Vec<String>,
}

/// Finds the files of the tree around `project` that an archive was made from.
pub fn packing(archive: &Archive, project: &Path) -> Packing {
    let names: Vec<&String> =
        archive.files.keys().filter(|name| *name != FILE_NAME && *name != PKG_INFO).collect();
    // maturin's top folder contains all packed files, so most files keep their path below it.
    let digests = Digests::default();
    let is_same = |path: &Path, sha256: &str| {
        path.is_file() && digests.file(path, None).is_ok_and(|digest| digest == sha256)
    };
    let is_there = |top: &Path, name: &str| is_same(&top.join(name), &archive.files[name]);
    let top = project
        .ancestors()
        .map(|top| (names.iter().filter(|name| is_there(top, name)).count(), top))
        // Of several such folders use the innermost: `min_by_key` gives the first one.
        .min_by_key(|(count, _)| Reverse(*count))
        .map_or(project, |(_, top)| top);
    let mut files = BTreeMap::new();
    let mut packed = vec![];
    let mut raced = Vec::new();
    for (name, sha256) in &archive.files {
        if name == FILE_NAME {
            continue;
        }
        let entry = |source: Option<String>, original: Option<String>| Packed {
            path: name.clone(),
            sha256: sha256.clone(),
            source,
            original,
        };
        let named = |path: &Path| relative(project, &normalize(path));
        let found = match name.as_str() {
            PKG_INFO => None,
            name if is_built(&top.join(name)) => None,
            name => places(name, top, project).into_iter().find(|path| is_same(path, sha256)),
        };
        if let Some(source) = found.as_deref().and_then(named) {
            files.insert(source.clone(), sha256.clone());
            packed.push(entry(Some(source), None));
        } else if let Some((source, text)) =
            rewritten(name, top, project).and_then(|(path, text)| Some((named(&path)?, text)))
        {
            files.insert(source.clone(), digest::bytes(text.as_bytes()));
            packed.push(entry(Some(source), Some(text)));
        } else {
            if name != PKG_INFO
                && !is_built(&top.join(name))
                && [top, project].iter().any(|base| base.join(name).is_file())
            {
                raced.push(name.clone());
            }
            packed.push(entry(None, None));
        }
    }
    let top = relative(project, top).unwrap_or_else(|| ".".to_owned());
    Packing { source: Source::new(files), packed, top, raced }
}

/// Files that maturin packs without a setting (PEP 639).
const LICENCES: [&str; 5] = ["LICENSE", "LICENCE", "COPYING", "NOTICE", "AUTHORS"];

/// Paths that a file may have come from: the same path below the top; the path below the project,
/// because its pyproject.toml and Python sources are moved to the top; for a readme or licence also
/// the path that a manifest names, and any folder above.
fn places(name: &str, top: &Path, project: &Path) -> Vec<PathBuf> {
    let path = top.join(name);
    let mut places = vec![path.clone(), project.join(name)];
    let (Some(folder), Some(file)) = (path.parent(), path.file_name()) else { return places };
    // A file that is moved to the top replaces the file that was there.
    let own = named_by_manifest(&project.join("pyproject.toml"), file);
    let is_licence = LICENCES.iter().any(|start| name.starts_with(start));
    if folder == top && (is_licence || own.contains(&project.join(name))) {
        places.swap(0, 1);
    }
    places.extend(named_by_manifest(&folder.join("Cargo.toml"), file));
    places.extend(named_by_manifest(&project.join("pyproject.toml"), file));
    let above = folder.ancestors().skip(1).take_while(|above| above.starts_with(top));
    places.extend(above.map(|above| above.join(file)));
    places
}

/// Paths of readmes and licences in a manifest that have this file name.
fn named_by_manifest(manifest: &Path, file: &std::ffi::OsStr) -> Vec<PathBuf> {
    let table = read_toml(manifest).unwrap_or_default();
    let folder = manifest.parent().unwrap_or(manifest);
    ["package", "project"]
        .into_iter()
        .filter_map(|name| table.get(name))
        .flat_map(|table| ["readme", "license-file", "license"].map(|field| table.get(field)))
        .flatten()
        .filter_map(|value| value.as_str().or_else(|| value.get("file")?.as_str()))
        .map(|named| normalize(&folder.join(named)))
        .filter(|path| path.file_name() == Some(file))
        .collect()
}

/// The manifest in the tree that maturin rewrote, and its text.
fn rewritten(name: &str, top: &Path, project: &Path) -> Option<(PathBuf, String)> {
    let path = match name {
        "pyproject.toml" => project.join(name),
        _ if name == "Cargo.toml" || name.ends_with("/Cargo.toml") => top.join(name),
        _ => return None,
    };
    let text = fs::read_to_string(&path).ok()?;
    Some((path, text))
}

#[cfg(test)]
mod tests {
    use super::super::archive::tests::make;
    use super::*;

    fn write(folder: &Path, files: &[(&str, &str)]) {
        for (name, text) in files {
            let path = folder.join(name);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, text).unwrap();
        }
    }

    fn named(packing: &Packing) -> Vec<(&str, Option<&str>, bool)> {
        let line = |packed: &'_ Packed| packed.original.is_some();
        packing
            .packed
            .iter()
            .map(|packed| (packed.path.as_str(), packed.source.as_deref(), line(packed)))
            .collect()
    }

    #[test]
    fn files_are_found_where_they_lay() {
        let folder = tempfile::tempdir().unwrap();
        write(
            folder.path(),
            &[
                ("py/pyproject.toml", "[project]"),
                ("py/app/__init__.py", "app"),
                ("py/Cargo.toml", "[package]\nreadme = '../docs/READ.md'"),
                ("py/src/lib.rs", "lib"),
                ("docs/READ.md", "read"),
                ("core/Cargo.toml", "core"),
                ("core/src/lib.rs", "core lib"),
                ("core/src/changed.rs", "new"),
                ("Cargo.toml", "[workspace]\nmembers = ['py', 'core', 'other']"),
                ("LICENSE", "MIT"),
            ],
        );
        let path = folder.path().join("a-1.tar.gz");
        make(
            &path,
            &[
                ("a-1/PKG-INFO", "Name: a"),
                ("a-1/Cargo.toml", "[workspace]\nmembers = ['py', 'core']"),
                ("a-1/app/__init__.py", "app"),
                ("a-1/core/Cargo.toml", "core"),
                ("a-1/core/LICENSE", "MIT"),
                ("a-1/core/src/changed.rs", "old"),
                ("a-1/core/src/lib.rs", "core lib"),
                ("a-1/py/Cargo.toml", "[package]\nreadme = 'READ.md'"),
                ("a-1/py/READ.md", "read"),
                ("a-1/py/src/lib.rs", "lib"),
                ("a-1/pyproject.toml", "[project] # moved"),
            ],
        );
        let archive = Archive::open(&path).unwrap();
        let packing = packing(&archive, &folder.path().join("py"));
        assert_eq!(packing.top, "..");
        assert_eq!(packing.raced, ["core/src/changed.rs"]);
        let expected = [
            ("Cargo.toml", Some("../Cargo.toml"), true),
            ("PKG-INFO", None, false),
            ("app/__init__.py", Some("app/__init__.py"), false),
            ("core/Cargo.toml", Some("../core/Cargo.toml"), false),
            ("core/LICENSE", Some("../LICENSE"), false),
            ("core/src/changed.rs", None, false),
            ("core/src/lib.rs", Some("../core/src/lib.rs"), false),
            ("py/Cargo.toml", Some("Cargo.toml"), true),
            ("py/READ.md", Some("../docs/READ.md"), false),
            ("py/src/lib.rs", Some("src/lib.rs"), false),
            ("pyproject.toml", Some("pyproject.toml"), true),
        ];
        assert_eq!(named(&packing), expected);
        assert_eq!(
            packing.source.files["../Cargo.toml"],
            digest::bytes(b"[workspace]\nmembers = ['py', 'core', 'other']")
        );
        assert_eq!(packing.source.files.len(), 9);
    }
}
