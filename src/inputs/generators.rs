//! The files that maturin's binding generators read (cbindgen, uniffi, cffi).

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use super::target::Target;
use super::{Look, Part, Roots, Watch};
use crate::digest;
use crate::project::Project;

/// Watches for the files that the binding generators read when maturin calls them.
pub fn watches(project: &Project, target: &Target, roots: &mut Roots) -> BTreeSet<Watch> {
    let Some(folder) = target.manifest.parent() else { return BTreeSet::new() };
    let mut paths = ["cbindgen.toml", "uniffi.toml"].map(|file| folder.join(file)).to_vec();
    let text = digest::text(&target.manifest).unwrap_or_default();
    let is_cffi = match project.maturin.bindings.as_deref() {
        Some(bindings) => bindings == "cffi",
        None => !text.contains("pyo3") && !text.contains("uniffi"),
    };
    if is_cffi {
        // maturin uses this header if it exists. Otherwise cbindgen reads all declared modules,
        // including those that rustc does not compile.
        paths.extend(declared_modules(&folder.join("src")));
        paths.push(target.metadata.target_directory.join("header.h"));
    }
    let places = paths.iter().filter_map(|path| roots.name(path));
    places.map(|place| Watch::at(Look::Content, Part::Rust, place)).collect()
}

/// The files of all modules that some source declares, including modules for other platforms or
/// features.
fn declared_modules(folder: &Path) -> Vec<PathBuf> {
    let files: Vec<PathBuf> = walkdir::WalkDir::new(folder)
        .into_iter()
        .flatten()
        .map(walkdir::DirEntry::into_path)
        .filter(|path| path.extension().is_some_and(|extension| extension == "rs"))
        .collect();
    let texts: Vec<String> = files.iter().filter_map(|path| digest::text(path).ok()).collect();
    let is_declared = |path: &PathBuf| {
        let named = if path.ends_with("mod.rs") { path.parent() } else { Some(path.as_path()) };
        named.and_then(Path::file_stem).is_some_and(|stem| {
            let declaration = format!("mod {};", stem.to_string_lossy());
            texts.iter().any(|text| text.contains(&declaration))
        })
    };
    files.into_iter().filter(is_declared).collect()
}
