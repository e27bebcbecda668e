//! Inputs around the sources: manifests, lock files, places where targets are found by name, and files
//! that arguments and settings name.

use std::path::Path;

use super::super::cargo_metadata::Package;
use super::super::target::Target;
use super::super::{Look, Part, Place, Root, View, Watch, cargo_config, normalize, read_toml};
use super::Discovered;
use crate::project::{Project, all_arguments};
use crate::request::{Environment, Request};
use crate::settings::plain_glob;

/// Adds the places where cargo finds programs of a package. A new file there is a new program in
/// the wheel.
pub(super) fn add_binaries(package: &Package, bindings: Option<&str>, found: &mut Discovered) {
    let mut kinds = package.targets.iter().flat_map(|product| &product.kind);
    // maturin packs no programs beside a module, unless the project asks for programs.
    if bindings != Some("bin") && kinds.any(|kind| kind == "cdylib") {
        return;
    }
    let folder = package.folder();
    if let Some(place) = found.roots.name(&folder.join("src/bin")) {
        found.watches.insert(Watch::at(Look::DirEntries, Part::Rust, place));
    }
    if let Some(place) = found.roots.name(&folder.join("src/main.rs")) {
        found.watches.insert(Watch::at(Look::Content, Part::Rust, place));
    }
}

fn manifest(view: View, place: Place) -> Watch {
    Watch::at(Look::Toml(view), Part::Manifest, place)
}

pub(super) fn add_manifests(used: &[&Package], target: &Target, found: &mut Discovered) {
    for package in used {
        // A build.rs that appears is a build script, unless the manifest names another.
        if let Some(place) = found.roots.name(&package.folder().join("build.rs")) {
            found.watches.insert(Watch::at(Look::Content, Part::Rust, place));
        }
    }
    // The SBOM describes the dependencies for other platforms, too, which are not compiled.
    let described = target.local_packages();
    let others = used.iter().filter(|it| !described.iter().any(|known| is_same(known, it)));
    let described: Vec<&Package> = others.copied().chain(described.iter().copied()).collect();
    for package in &described {
        let Some(place) = found.roots.name(&package.manifest_path) else { continue };
        found.watches.insert(manifest(View::Package, place));
        // It need not be the project's workspace that a package inherits from.
        if let Some(place) = found.roots.name(package.folder()) {
            found.watches.insert(Watch::at(Look::WorkspaceSearch, Part::Manifest, place));
        }
    }
    for glob in member_globs(&target.metadata.workspace_root) {
        let glob = format!("{glob}/Cargo.toml");
        let (part, root) = (Part::Manifest, Root::Workspace);
        found.watches.insert(Watch::Glob { part, root, glob, only_names: true });
    }
    let place = Place { root: Root::Workspace, path: "Cargo.toml".to_owned() };
    found.watches.insert(manifest(View::Workspace, place));
    // The dependencies of the other packages affect which versions cargo chooses.
    let is_described = |package: &Package| described.iter().any(|it| is_same(it, package));
    let others = target.metadata.packages.iter();
    for package in others.filter(|it| it.is_of_a_path() && !is_described(it)) {
        if let Some(place) = found.roots.name(&package.manifest_path) {
            found.watches.insert(manifest(View::Dependencies, place));
        }
    }
    for lock in &target.lock_files {
        match found.roots.name(lock) {
            Some(place) => found.watches.extend([manifest(View::Whole, place)]),
            None => found.gaps.push(format!("{}: name is not UTF-8", lock.display())),
        }
    }
}

fn is_same(one: &Package, other: &Package) -> bool {
    one.manifest_path == other.manifest_path
}

/// The members that a workspace names by globs: one more folder is one more member.
fn member_globs(workspace_root: &Path) -> Vec<String> {
    let table = read_toml(&workspace_root.join("Cargo.toml")).unwrap_or_default();
    let members = table.get("workspace").and_then(|workspace| workspace.get("members"));
    let members = members.and_then(toml::Value::as_array).into_iter().flatten();
    members
        .filter_map(toml::Value::as_str)
        .filter(|member| member.contains(['*', '?', '[']))
        .map(plain_glob)
        .collect()
}

/// Files that settings name: configuration given as `--config FILE`, target specifications, the
/// project's own linkers and wrappers of rustc.
pub(super) fn add_named_files(
    project: &Project,
    request: &Request,
    environment: &Environment,
    found: &mut Discovered,
) {
    let mut names = cargo_config::given(project, request);
    names.extend(all_arguments(&request.maturin_arguments(), "--target", None));
    names.extend(project.maturin.target.iter().filter_map(|target| Some(target.as_str()?.into())));
    names.extend(
        environment.get("CARGO_BUILD_TARGET").map(|target| target.to_string_lossy().into_owned()),
    );
    let mut paths = cargo_config::target_specifications(project, request, environment);
    let sources = found.roots.iter().filter(|(root, _)| root.is_of_sources());
    let folders: Vec<&Path> = sources.map(|(_, folder)| folder).collect();
    paths.extend(cargo_config::own_programs(project, request, environment, &folders));
    for name in names {
        let path = project.root.join(&name);
        if path.is_file() || name.ends_with(".toml") || name.ends_with(".json") {
            paths.extend(cargo_config::included(&path));
            paths.push(path);
        }
    }
    for path in paths {
        if let Some(place) = found.roots.name(&normalize(&path)) {
            found.watches.insert(Watch::at(Look::Content, Part::Manifest, place));
        }
    }
}

#[cfg(test)]
mod tests {
    use fs_err as fs;

    use super::super::super::target::testing::target;
    use super::*;
    use crate::request::{Artifact, ConfigSettings, Interpreter};

    #[test]
    fn a_new_program_counts_where_programs_are_packed() {
        let folder = tempfile::tempdir().unwrap();
        for (kind, bindings, expected) in [
            ("cdylib", None, false),
            ("cdylib", Some("cffi"), false),
            ("cdylib", Some("bin"), true),
            ("rlib", None, true),
            ("rlib", Some("bin"), true),
        ] {
            let mut target = target(folder.path());
            target.metadata.packages[0].targets[0].kind = vec![kind.to_owned()];
            let mut found = Discovered::default();
            found.roots.add(Root::Project, folder.path());
            add_binaries(target.package().unwrap(), bindings, &mut found);
            let place = Place { root: Root::Project, path: "src/bin".to_owned() };
            let watch = Watch::at(Look::DirEntries, Part::Rust, place);
            assert_eq!(found.watches.contains(&watch), expected, "{kind} {bindings:?}");
        }
    }

    #[test]
    fn the_manifest_of_a_dependency_that_is_not_compiled_counts_by_all_of_it() {
        let folder = tempfile::tempdir().unwrap();
        let package = |name: &str| {
            let manifest = folder.path().join(name).join("Cargo.toml");
            serde_json::json!({ "name": name, "manifest_path": manifest, "targets": [] })
        };
        let mut target = target(folder.path());
        for name in ["windows", "tested", "member"] {
            target.metadata.packages.push(serde_json::from_value(package(name)).unwrap());
        }
        let needed = serde_json::json!([
            { "name": "windows", "kind": null, "path": folder.path().join("windows") },
            { "name": "tested", "kind": "dev", "path": folder.path().join("tested") },
        ]);
        target.metadata.packages[0].dependencies = serde_json::from_value(needed).unwrap();
        let mut found = Discovered::default();
        found.roots.add(Root::Project, folder.path());
        add_manifests(&[target.package().unwrap()], &target, &mut found);
        for (name, view) in [
            ("Cargo.toml", View::Package),
            ("windows/Cargo.toml", View::Package),
            ("tested/Cargo.toml", View::Dependencies),
            ("member/Cargo.toml", View::Dependencies),
        ] {
            let place = Place { root: Root::Project, path: name.to_owned() };
            assert!(found.watches.contains(&manifest(view, place)), "{name} {view:?}");
        }
    }

    #[test]
    fn a_target_specification_is_found_wherever_it_is_named() {
        let folder = tempfile::tempdir().unwrap();
        let root = folder.path().join("project");
        fs::create_dir_all(root.join(".cargo")).unwrap();
        fs::write(root.join("Cargo.toml"), "[package]\nname = 'a'\nversion = '1.0.0'\n").unwrap();
        let pyproject = "[project]\nname = 'a'\nversion = '1.0.0'\n[tool.maturin]\n";
        for (config, settings, variable, expected) in [
            ("target = 'one.json'", "", "", &["one.json"][..]),
            (
                "target = ['one.json', 'in/two.json', 'wasm32-wasip1']",
                "",
                "",
                &["in/two.json", "one.json"],
            ),
            ("", "config = [\"build.target = 'one.json'\"]", "", &["one.json"]),
            ("", "target = 'one.json'", "", &["one.json"]),
            ("", "", "one.json", &["one.json"]),
            ("target = 'wasm32-wasip1'", "", "", &[]),
        ] {
            fs::write(root.join(".cargo/config.toml"), format!("[build]\n{config}\n")).unwrap();
            fs::write(root.join("pyproject.toml"), format!("{pyproject}{settings}\n")).unwrap();
            let mut environment = Environment::default();
            environment.set("CARGO_BUILD_TARGET", variable);
            let request = Request {
                artifact: Artifact::Editable,
                root: root.clone(),
                config_settings: ConfigSettings::default(),
                interpreter: Interpreter::default(),
                environment: environment.clone(),
            };
            let mut found = Discovered::default();
            found.roots.add(Root::Project, &root);
            let project = Project::load(&root).unwrap();
            add_named_files(&project, &request, &environment, &mut found);
            let at = |path: &&str| {
                let place = Place { root: Root::Project, path: (*path).to_owned() };
                Watch::at(Look::Content, Part::Manifest, place)
            };
            assert_eq!(found.watches, expected.iter().map(at).collect(), "{config} {settings}");
        }
    }
}
