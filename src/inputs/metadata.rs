//! The inputs of a wheel besides the compiled module, by maturin's rules: core metadata, readme,
//! licences, Python sources and data.

use std::path::{Path, PathBuf};

use super::{Look, Part, Place, Root, Roots, View, Watch, read_toml, slashed, workspace_of};
use crate::project::{Layout, Project, all_arguments};
use crate::request::{Artifact, Request};
use crate::settings::plain_glob;

/// The files that maturin packs by default (the usual names in PEP 639).
const LICENCE_GLOBS: &[&str] = &["LICEN[CS]E*", "COPYING*", "NOTICE*", "AUTHORS*"];

/// The watches for metadata and for the Python part of the artifact.
pub fn watches(
    project: &Project,
    layout: &Layout,
    request: &Request,
    manifest_dir: &Path,
    roots: &mut Roots,
) -> Vec<Watch> {
    // Sdists are made to build wheels from, so they have the inputs of a wheel.
    let artifact = match request.artifact {
        Artifact::Sdist => Artifact::Wheel,
        artifact => artifact,
    };
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
    for path in included_sboms(project, &request.maturin_arguments()) {
        push_path(&mut watches, Part::Python, &project.root.join(path), roots);
    }
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
    layout_files(watches, project, layout, roots);
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

/// Watches for the files whose existence decides the layout (`Project::layout`). Their content does
/// not, and an editable install reads Python sources in place.
fn layout_files(watches: &mut Vec<Watch>, project: &Project, layout: &Layout, roots: &mut Roots) {
    let package = layout.python_root.join(&layout.top);
    if !layout.top.is_empty() && package.is_dir() {
        // With a Cargo.toml and no __init__.py the folder is a crate. Where the one is there and the
        // other is not, as in most projects, no single file makes it one.
        let (init, manifest) = (package.join("__init__.py"), package.join("Cargo.toml"));
        if manifest.is_file() {
            push_existence(watches, Part::Python, &init, roots);
        }
        if manifest.is_file() || !init.is_file() {
            push_existence(watches, Part::Python, &manifest, roots);
        }
    }
    for path in project.files_that_choose_the_manifest() {
        push_existence(watches, Part::Manifest, &path, roots);
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

/// The readme and licence files that Cargo.toml names or inherits. maturin uses the readme if
/// pyproject.toml does not name one, and the licence in any case (maturin, "Python metadata").
fn metadata_files_of_cargo(project: &Project, manifest_dir: &Path) -> Vec<PathBuf> {
    let manifest = read_toml(&manifest_dir.join("Cargo.toml")).unwrap_or_default();
    let Some(package) = manifest.get("package") else { return Vec::new() };
    let mut found = Vec::new();
    for name in ["readme", "license-file"] {
        if name == "readme" && project_field(project, name).is_some() {
            continue;
        }
        match package.get(name) {
            // Cargo uses a README in the folder by default, and maturin one of another format.
            None if name == "readme" => {
                let names = ["README.md", "README.txt", "README.rst", "README"];
                found.extend(names.map(|name| manifest_dir.join(name)));
            }
            Some(toml::Value::Table(_)) => {
                found.extend(workspace_of(manifest_dir, package).and_then(|(folder, manifest)| {
                    let value = manifest.get("workspace")?.get("package")?.get(name)?;
                    named_file(&folder, value)
                }));
            }
            value => found.extend(value.and_then(|value| named_file(manifest_dir, value))),
        }
    }
    found
}

/// The file that a field of Cargo.toml names: `true` is cargo's word for README.md.
fn named_file(folder: &Path, value: &toml::Value) -> Option<PathBuf> {
    match value {
        toml::Value::String(path) => Some(folder.join(path)),
        toml::Value::Boolean(true) => Some(folder.join("README.md")),
        _ => None,
    }
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

/// The SBOMs that settings and arguments add to the wheel (PEP 770).
fn included_sboms(project: &Project, arguments: &[String]) -> Vec<String> {
    const OPTION: &str = "--sbom-include";
    let settings = project.tool("maturin").and_then(|maturin| maturin.get("sbom")?.get("include"));
    let named = settings.and_then(toml::Value::as_array).into_iter().flatten();
    let mut found: Vec<String> = named.filter_map(|path| Some(path.as_str()?.to_owned())).collect();
    found.extend(all_arguments(arguments, OPTION, None));
    // Each option may have several values.
    for (at, _) in arguments.iter().enumerate().filter(|(_, argument)| *argument == OPTION) {
        let values = arguments[at + 1..].iter().take_while(|value| !value.starts_with('-'));
        found.extend(values.skip(1).cloned());
    }
    found
}

fn push_path(watches: &mut Vec<Watch>, part: Part, path: &Path, roots: &mut Roots) {
    if let Some(place) = roots.name(path) {
        watches.push(Watch::at(Look::Content, part, place));
    }
}

/// Watches whether there is a file. An absent file is watched like any other, so that an import
/// sees it, too.
fn push_existence(watches: &mut Vec<Watch>, part: Part, path: &Path, roots: &mut Roots) {
    let Some(Place { root, path: name }) = roots.name(path) else { return };
    watches.push(if path.is_file() {
        Watch::Glob { part, root, glob: globset::escape(&name), only_names: true }
    } else {
        Watch::at(Look::Content, part, Place { root, path: name })
    });
}

fn join(folder: &str, glob: &str) -> String {
    if folder.is_empty() { glob.to_owned() } else { format!("{}/{glob}", globset::escape(folder)) }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use fs_err as fs;

    use super::*;

    fn write(root: &Path, files: &[(&str, &str)]) {
        for (name, text) in files {
            fs::create_dir_all(root.join(name).parent().unwrap()).unwrap();
            fs::write(root.join(name), text).unwrap();
        }
    }

    #[test]
    fn files_that_cargo_names_are_found_as_cargo_finds_them() {
        let project = |text: &str| format!("[project]\nname = 'a'\ndynamic = ['readme']\n{text}");
        for (in_project, package, workspace, expected) in [
            ("", "readme = 'A.md'", "", &["own/A.md"][..]),
            ("", "readme = true", "", &["own/README.md"]),
            ("", "readme = false", "", &[]),
            ("readme = 'B.md'", "readme = 'A.md'", "", &[]),
            ("", "readme.workspace = true", "readme = 'A.md'", &["A.md"]),
            ("", "readme.workspace = true", "readme = true", &["README.md"]),
            ("", "readme = false\nlicense-file = 'L'", "", &["own/L"]),
            // maturin packs it beside those that pyproject.toml names.
            ("license-files = ['M']", "readme = false\nlicense-file = 'L'", "", &["own/L"]),
            (
                "",
                "workspace = '../ws'\nreadme.workspace = true\nlicense-file.workspace = true",
                "readme = 'not/this'\nlicense-file = 'not/this'",
                &["ws/A.md", "ws/L"],
            ),
        ] {
            let folder = tempfile::tempdir().unwrap();
            let root = folder.path();
            write(
                root,
                &[
                    ("pyproject.toml", &project(in_project)),
                    ("own/Cargo.toml", &format!("[package]\n{package}\n")),
                    ("Cargo.toml", &format!("[workspace.package]\n{workspace}\n")),
                    ("ws/Cargo.toml", "[workspace.package]\nreadme = 'A.md'\nlicense-file = 'L'\n"),
                ],
            );
            let project = Project::load(root).unwrap();
            let found = metadata_files_of_cargo(&project, &root.join("own"));
            let found: Vec<PathBuf> =
                found.iter().map(|path| super::super::normalize(path)).collect();
            let expected: Vec<PathBuf> = expected.iter().map(|name| root.join(name)).collect();
            assert_eq!(found, expected, "{in_project} {package}");
        }
    }

    #[test]
    fn sboms_are_named_by_settings_and_arguments() {
        for (settings, arguments, expected) in [
            ("", &[][..], &[][..]),
            ("sbom = { include = ['a.json', 'b/c.json'] }", &[], &["a.json", "b/c.json"]),
            ("sbom = { rust = false }", &["--sbom-include=a.json"], &["a.json"]),
            (
                "",
                &["--sbom-include", "a", "b", "--strip", "c", "--sbom-include", "d"],
                &["a", "d", "b"],
            ),
        ] {
            let folder = tempfile::tempdir().unwrap();
            write(folder.path(), &[("pyproject.toml", &format!("[tool.maturin]\n{settings}\n"))]);
            let project = Project::load(folder.path()).unwrap();
            let arguments: Vec<String> = arguments.iter().map(ToString::to_string).collect();
            assert_eq!(included_sboms(&project, &arguments), expected, "{settings} {arguments:?}");
        }
    }

    /// Each flip of the layout changes a watched input. The watches are those of the state before.
    #[test]
    fn what_flips_the_layout_is_watched() {
        let init = "src/a/__init__.py";
        for (settings, files, expected) in [
            // A crate of the module's name.
            ("", &["a/Cargo.toml"][..], &["names a/Cargo.toml", "file a/__init__.py"][..]),
            (
                "",
                &["a/Cargo.toml", "a/__init__.py"],
                &["names a/Cargo.toml", "names a/__init__.py"],
            ),
            ("", &["a/__init__.py"], &[]),
            ("", &["a/other.py"], &["file a/Cargo.toml"]),
            ("", &[], &[]),
            // Another crate is built if there is Python beside it.
            ("", &["rust/Cargo.toml"], &["file src/a/__init__.py", "file src/b/__init__.py"]),
            (
                "",
                &["rust/Cargo.toml", init],
                &["names src/a/__init__.py", "file src/b/__init__.py"],
            ),
            ("python-source = 'python'", &["rust/Cargo.toml", init], &[]),
            ("", &[init], &[]),
        ] {
            let folder = tempfile::tempdir().unwrap();
            let root = folder.path();
            let text = format!(
                "[project]\nname = 'a'\n[tool.maturin]\npython-packages = ['b']\n{settings}\n"
            );
            write(root, &[("pyproject.toml", &text)]);
            files.iter().for_each(|name| write(root, &[(name, "")]));
            let project = Project::load(root).unwrap();
            let layout = project.layout(None, None);
            let mut roots = Roots::default();
            roots.add(Root::Project, root);
            let mut watches = Vec::new();
            layout_files(&mut watches, &project, &layout, &mut roots);
            let name = |watch: Watch| match watch {
                Watch::Glob { glob, only_names: true, .. } => format!("names {glob}"),
                Watch::Place { look: Look::Content, place, .. } => format!("file {}", place.path),
                other => panic!("{other:?}"),
            };
            let found: BTreeSet<String> = watches.into_iter().map(name).collect();
            let expected: BTreeSet<String> = expected.iter().map(ToString::to_string).collect();
            assert_eq!(found, expected, "{settings} {files:?}");
        }
    }
}
