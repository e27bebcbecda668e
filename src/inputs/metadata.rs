//! The inputs of a wheel besides the compiled module, by maturin's rules: core metadata, readme,
//! licences, Python sources and data.

use std::path::{Path, PathBuf};

use super::read_toml;
use super::{Look, Part, Place, Root, Roots, View, Watch, slashed};
use crate::project::{Layout, Project};
use crate::request::Artifact;
use crate::settings::plain_glob;

/// The files that maturin packs by default (the usual names in PEP 639).
const LICENCE_GLOBS: &[&str] = &["LICEN[CS]E*", "COPYING*", "NOTICE*", "AUTHORS*"];

/// The watches for metadata and for the Python part of the artifact.
pub fn watches(
    project: &Project,
    layout: &Layout,
    artifact: Artifact,
    manifest_dir: &Path,
    roots: &mut Roots,
) -> Vec<Watch> {
    let mut watches = Vec::new();
    let pyproject = Place { root: Root::Project, path: "pyproject.toml".to_owned() };
    watches.push(Watch::at(Look::Toml(View::Build), Part::Manifest, pyproject.clone()));
    watches.push(Watch::at(Look::Toml(View::Project), Part::Metadata, pyproject));
    for file in metadata_files(project) {
        push_path(&mut watches, Part::Metadata, &project.root.join(file), roots);
    }
    // maturin may prefer `rust/Cargo.toml` to the manifest that it builds now, and that file may
    // appear later.
    let first = project.root.join("rust");
    if manifest_dir != first {
        push_path(&mut watches, Part::Manifest, &first.join("Cargo.toml"), roots);
    }
    for path in metadata_files_of_cargo(project, manifest_dir) {
        push_path(&mut watches, Part::Metadata, &path, roots);
    }
    for glob in licence_globs(project) {
        watches.push(Watch::glob(Part::Metadata, Root::Project, glob));
    }
    if manifest_dir != project.root
        && let Some(place) = roots.name(manifest_dir)
    {
        for glob in LICENCE_GLOBS {
            let glob = join(&place.path, glob);
            watches.push(Watch::glob(Part::Metadata, place.root.clone(), glob));
        }
    }
    python_part(&mut watches, project, layout, artifact, roots);
    watches
}

fn python_part(
    watches: &mut Vec<Watch>,
    project: &Project,
    layout: &Layout,
    artifact: Artifact,
    roots: &mut Roots,
) {
    // The existence of this folder decides between the pure and the mixed layout.
    if let Some(place) = roots.name(&layout.python_root.join(&layout.top)) {
        watches.push(Watch::at(Look::DirExists, Part::Python, place));
    }
    let data = match &project.maturin.data {
        Some(data) => project.root.join(data),
        None => project.root.join(format!("{}.data", data_name(layout))),
    };
    push_path(watches, Part::Python, &data, roots);
    if !layout.mixed {
        let stub = project.root.join(format!("{}.pyi", layout.extension));
        push_path(watches, Part::Python, &stub, roots);
    }
    // An editable install reads the Python sources in place.
    if artifact == Artifact::Wheel {
        for package in &layout.packages {
            if let Some(place) = roots.name(&layout.python_root.join(package)) {
                watches.push(Watch::at(Look::Python, Part::Python, place));
            }
        }
        for glob in wheel_includes(project) {
            for root in [project.root.as_path(), layout.python_root.as_path()] {
                if let Some(place) = roots.name(root) {
                    let glob = join(&place.path, &glob);
                    watches.push(Watch::glob(Part::Python, place.root, glob));
                }
            }
        }
    }
}

fn data_name(layout: &Layout) -> String {
    let folder = slashed(&layout.folder).unwrap_or_default();
    let mut parts: Vec<&str> = folder.split('/').collect();
    if parts.last() != Some(&layout.extension.as_str()) {
        parts.push(&layout.extension);
    }
    parts.join(".")
}

fn project_field<'a>(project: &'a Project, field: &str) -> Option<&'a toml::Value> {
    project.document.get("project")?.get(field)
}

/// The readme and licence files that `[project]` names.
fn metadata_files(project: &Project) -> Vec<String> {
    ["readme", "license"]
        .into_iter()
        .filter_map(|field| match project_field(project, field)? {
            toml::Value::String(path) if field == "readme" => Some(path.clone()),
            toml::Value::Table(table) => Some(table.get("file")?.as_str()?.to_owned()),
            _ => None,
        })
        .collect()
}

/// The readme and licence files that Cargo.toml names or inherits. maturin uses them for core
/// metadata if pyproject.toml does not name its own (maturin, "Python metadata").
fn metadata_files_of_cargo(project: &Project, manifest_dir: &Path) -> Vec<PathBuf> {
    let read = |folder: &Path| read_toml(&folder.join("Cargo.toml"));
    let Some(own) = read(manifest_dir) else { return Vec::new() };
    let mut found = Vec::new();
    for (name, own_field) in [("readme", "readme"), ("license-file", "license-files")] {
        if project_field(project, own_field).is_some() {
            continue;
        }
        match own.get("package").and_then(|table| table.get(name)) {
            Some(toml::Value::String(path)) => found.push(manifest_dir.join(path)),
            Some(toml::Value::Table(_)) => {
                found.extend(manifest_dir.ancestors().find_map(|folder| {
                    let manifest = read(folder)?;
                    let value = manifest.get("workspace")?.get("package")?.get(name)?;
                    Some(folder.join(value.as_str()?))
                }));
            }
            // Cargo uses a README in the folder by default.
            None if name == "readme" => {
                let names = ["README.md", "README.txt", "README"];
                found.extend(names.map(|name| manifest_dir.join(name)));
            }
            _ => {}
        }
    }
    found
}

fn licence_globs(project: &Project) -> Vec<String> {
    match project_field(project, "license-files").and_then(toml::Value::as_array) {
        Some(globs) => globs.iter().filter_map(|glob| Some(plain_glob(glob.as_str()?))).collect(),
        None => LICENCE_GLOBS.iter().map(ToString::to_string).collect(),
    }
}

/// The globs of `[tool.maturin] include` that apply to wheels. Files from OUT_DIR are left out,
/// because the build itself makes them.
fn wheel_includes(project: &Project) -> Vec<String> {
    project
        .maturin
        .include
        .iter()
        .flatten()
        .filter_map(|pattern| match pattern {
            toml::Value::String(glob) => Some(plain_glob(glob)),
            toml::Value::Table(table) if !table.contains_key("from") => {
                Some(plain_glob(table.get("path")?.as_str()?))
            }
            _ => None,
        })
        .collect()
}

fn push_path(watches: &mut Vec<Watch>, part: Part, path: &Path, roots: &mut Roots) {
    if let Some(place) = roots.name(path) {
        watches.push(Watch::at(Look::Content, part, place));
    }
}

fn join(folder: &str, glob: &str) -> String {
    if folder.is_empty() { glob.to_owned() } else { format!("{}/{glob}", globset::escape(folder)) }
}
