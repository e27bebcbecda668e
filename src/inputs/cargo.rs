//! What cargo built an artifact from, read after the build (DESIGN D1).
//!
//! `cargo metadata --no-deps` says where things lie; the dep-info beside the artifact names every
//! local source file; rustc's dep-info and the build scripts' recorded outputs name variables and
//! what lies outside. Registry and git dependencies are pinned by Cargo.lock and count through it.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use super::dep_info::{self, BuildScript};
use super::target::{Owners, Package, Target, subfolders};
use super::{CARGO_HOME, PRODUCTS, PROJECT, Part, Place, Roots, View, WORKSPACE, Watch, normalize};
use crate::inputs::ambient;
use crate::project::{Project, all_arguments};
use crate::request::{Environment, Request};

/// The inputs cargo knows of, with where their roots lie.
#[derive(Debug, Default)]
pub struct Discovered {
    pub watches: BTreeSet<Watch>,
    pub roots: Roots,
    /// The profile folders the artifact was made in.
    pub folders: Vec<PathBuf>,
    /// What could not be found out; a record with any of it is never matched.
    pub gaps: Vec<String>,
}

/// Reads what a finished build was made from. `modules` are digests of the compiled modules in
/// the wheel: they tell the profile folder that was used from others beside it.
pub fn discover(
    project: &Project,
    request: &Request,
    environment: &Environment,
    target: &Target,
    modules: &BTreeSet<String>,
) -> Discovered {
    let mut found = Discovered::default();
    found.roots.add(PROJECT, &project.root);
    found.roots.add(WORKSPACE, &target.metadata.workspace_root);
    found.roots.add(format!("{PRODUCTS}target"), &target.metadata.target_directory);
    if let Some(folder) = &target.metadata.build_directory {
        found.roots.add(format!("{PRODUCTS}build"), folder);
    }
    if let Some(home) = ambient::cargo_home(environment) {
        found.roots.add(CARGO_HOME, home);
    }
    let Some(package) = target.package() else {
        found.gaps.push(format!("{}: not a package of its workspace", target.manifest.display()));
        return found;
    };
    for member in &target.metadata.packages {
        if let Some(folder) = member.manifest_path.parent() {
            found.roots.add(format!("crate:{}", member.name), folder);
        }
    }

    found.folders = target.folders_used(modules);
    if found.folders.is_empty() {
        found.gaps.push(format!("no dep-info of {} in the target folder", package.name));
    }
    let mut sources = BTreeSet::new();
    for folder in &found.folders {
        let (paths, gaps) = target.sources(folder);
        sources.extend(paths);
        found.gaps.extend(gaps);
    }
    let owners = owners(&sources, &target.manifest, &mut found.roots);
    add_sources(&sources, &owners, &mut found);
    add_binaries(package, &mut found);
    add_manifests(&owners, &mut found);
    add_generators(&target.manifest, &mut found);
    add_named_files(project, request, environment, &mut found);

    let build_folders: Vec<PathBuf> =
        found.folders.iter().map(|folder| target.build_folder(folder)).collect();
    add_rustc_dep_info(&build_folders, &sources, &owners, &mut found);
    add_build_scripts(&build_folders, &owners, target, &mut found);

    found.watches.insert(Watch::CargoConfig);
    found.watches.insert(Watch::ToolchainFile);
    found.watches.insert(Watch::Variables);
    found.watches.insert(Watch::Toolchain);
    found.watches.insert(Watch::Request);
    found
}

/// The packages that own sources: folder of the manifest to package name.
fn owners(
    sources: &BTreeSet<PathBuf>,
    manifest: &Path,
    roots: &mut Roots,
) -> BTreeMap<PathBuf, String> {
    let mut known = Owners::default();
    let folders = sources.iter().filter_map(|path| path.parent()).chain(manifest.parent());
    let owners: BTreeMap<PathBuf, String> = folders.filter_map(|folder| known.of(folder)).collect();
    for (folder, name) in &owners {
        let root = format!("crate:{name}");
        match roots.get(&root) {
            Some(known) if known != folder => {
                // Two local packages of one name: tell them apart by order.
                let count = roots.iter().filter(|(other, _)| other.starts_with(&root)).count();
                roots.add(format!("{root}#{}", count + 1), folder);
            }
            _ => roots.add(root, folder),
        }
    }
    owners
}

fn add_sources(
    sources: &BTreeSet<PathBuf>,
    owners: &BTreeMap<PathBuf, String>,
    found: &mut Discovered,
) {
    for source in sources {
        let folder = source.parent().unwrap_or(source);
        match found.roots.name(source) {
            // Manifests count by meaning, not by content.
            Some(_) if source.ends_with("Cargo.toml") && owners.contains_key(folder) => {}
            Some(place) => {
                found.watches.insert(Watch::Path { part: Part::Rust, place });
            }
            None => found.gaps.push(format!("{}: name is not UTF-8", source.display())),
        }
    }
}

/// Binaries are found by their place: one more file is one more script in the wheel.
fn add_binaries(package: &Package, found: &mut Discovered) {
    let has_library =
        package.targets.iter().any(|product| product.kind.iter().any(|kind| kind == "cdylib"));
    let Some(folder) = package.manifest_path.parent().filter(|_| !has_library) else { return };
    if let Some(place) = found.roots.name(&folder.join("src/bin")) {
        found.watches.insert(Watch::Listing { part: Part::Rust, place });
    }
    if let Some(place) = found.roots.name(&folder.join("src/main.rs")) {
        found.watches.insert(Watch::Path { part: Part::Rust, place });
    }
}

fn add_manifests(owners: &BTreeMap<PathBuf, String>, found: &mut Discovered) {
    for folder in owners.keys() {
        let Some(place) = found.roots.name(&folder.join("Cargo.toml")) else { continue };
        // A build.rs that appears is a build script, unless the manifest names another.
        let build = Place { root: place.root.clone(), path: "build.rs".to_owned() };
        found.watches.insert(Watch::Path { part: Part::Rust, place: build });
        found.watches.insert(Watch::Toml { part: Part::Manifest, view: View::Package, place });
    }
    let workspace = |path: &str| Place { root: WORKSPACE.to_owned(), path: path.to_owned() };
    found.watches.insert(Watch::Toml {
        part: Part::Manifest,
        view: View::Workspace,
        place: workspace("Cargo.toml"),
    });
    found.watches.insert(Watch::Toml {
        part: Part::Manifest,
        view: View::Whole,
        place: workspace("Cargo.lock"),
    });
}

/// Configuration of the binding generators maturin calls itself.
fn add_generators(manifest: &Path, found: &mut Discovered) {
    let Some(folder) = manifest.parent() else { return };
    for file in ["cbindgen.toml", "uniffi.toml"] {
        if let Some(place) = found.roots.name(&folder.join(file)) {
            found.watches.insert(Watch::Path { part: Part::Rust, place });
        }
    }
}

/// Files that settings name: configuration given as `--config FILE`, target specifications.
fn add_named_files(
    project: &Project,
    request: &Request,
    environment: &Environment,
    found: &mut Discovered,
) {
    let arguments = request.maturin_arguments();
    let mut names = all_arguments(&arguments, "--config", None);
    names.extend(all_arguments(&arguments, "--target", None));
    names.extend(project.maturin.config.iter().flatten().cloned());
    names.extend(project.maturin.target.iter().filter_map(|target| Some(target.as_str()?.into())));
    names.extend(
        environment.get("CARGO_BUILD_TARGET").map(|target| target.to_string_lossy().into_owned()),
    );
    for name in names {
        let path = project.root.join(&name);
        if (path.is_file() || name.ends_with(".toml") || name.ends_with(".json"))
            && let Some(place) = found.roots.name(&path)
        {
            found.watches.insert(Watch::Path { part: Part::Manifest, place });
        }
    }
}

/// What rustc's own dep-info says of every crate in these folders: the variables that `env!` and
/// `option_env!` read (crates of the registry are among them; what they read is as good an input),
/// and the local sources under the names they were asked for by. Those tell two things that
/// cargo's dep-info does not: a source reached through a link, which may be pointed elsewhere, and
/// a source that was removed during the build, whose absence must not be taken for what was built.
fn add_rustc_dep_info(
    build_folders: &[PathBuf],
    sources: &BTreeSet<PathBuf>,
    owners: &BTreeMap<PathBuf, String>,
    found: &mut Discovered,
) {
    // rustc runs in the package's or the workspace's folder, and names sources relative to it.
    let mut bases: Vec<PathBuf> = owners.keys().cloned().collect();
    bases.extend(found.roots.get(WORKSPACE).map(Path::to_owned));
    for folder in build_folders {
        for path in files_ending(&folder.join("deps"), ".d") {
            let Ok(bytes) = fs_err::read(&path) else { continue };
            let text = String::from_utf8_lossy(&bytes);
            for name in dep_info::parse_env_deps(&text) {
                add_variable(name, found);
            }
            for source in dep_info::parse_rules(&text) {
                for base in &bases {
                    add_compiled(&normalize(&base.join(&source)), sources, found);
                }
            }
        }
    }
}

/// A source under the name rustc was asked for it by.
fn add_compiled(source: &Path, sources: &BTreeSet<PathBuf>, found: &mut Discovered) {
    if sources.contains(source) {
        if !source.exists() {
            let name = source.file_name().unwrap_or_default().to_string_lossy();
            found.gaps.push(format!("{name} was removed while it was being built"));
        }
    } else if let Ok(resolved) = dunce::canonicalize(source)
        && sources.contains(&resolved)
        && let Some(place) = found.roots.name(source)
    {
        found.watches.insert(Watch::Link { part: Part::Rust, place });
    }
}

fn add_variable(name: String, found: &mut Discovered) {
    // cargo sets these for rustc itself, whatever the environment says; their sources, the
    // manifests, are inputs already.
    let set_by_cargo = name.starts_with("CARGO_PKG_")
        || [
            "CARGO",
            "CARGO_CRATE_NAME",
            "CARGO_MANIFEST_DIR",
            "CARGO_MANIFEST_PATH",
            "CARGO_PRIMARY_PACKAGE",
            "CARGO_TARGET_TMPDIR",
        ]
        .contains(&name.as_str());
    if !set_by_cargo {
        found.watches.insert(Watch::Variable { name });
    }
}

fn files_ending(folder: &Path, ending: &str) -> Vec<PathBuf> {
    let Ok(entries) = fs_err::read_dir(folder) else { return Vec::new() };
    entries
        .flatten()
        .map(|entry| entry.path())
        .filter(|path| {
            path.file_name().is_some_and(|name| name.to_string_lossy().ends_with(ending))
        })
        .collect()
}

/// What build scripts told cargo to watch, for local packages and for those of the registry.
fn add_build_scripts(
    build_folders: &[PathBuf],
    owners: &BTreeMap<PathBuf, String>,
    target: &Target,
    found: &mut Discovered,
) {
    let locked = locked_packages(&target.metadata.workspace_root);
    for folder in build_folders {
        for run in subfolders(&folder.join("build")) {
            let Ok(bytes) = fs_err::read(run.join("output")) else { continue };
            let name = run.file_name().map(|name| name.to_string_lossy().into_owned());
            let name = name.unwrap_or_default();
            // PKG-HASH: leftovers of packages that are no longer in use are passed over.
            let package = name.rsplit_once('-').map_or(name.as_str(), |(package, _)| package);
            if locked.as_ref().is_some_and(|locked| !locked.contains(package)) {
                continue;
            }
            let script = BuildScript::parse(&String::from_utf8_lossy(&bytes));
            let owner = owners.iter().find(|(_, name)| *name == package).map(|(folder, _)| folder);
            add_script(&script, owner.map(PathBuf::as_path), target, found);
        }
    }
}

fn add_script(script: &BuildScript, owner: Option<&Path>, target: &Target, found: &mut Discovered) {
    for name in &script.variables {
        add_variable(name.clone(), found);
    }
    for path in &script.paths {
        let absolute = match owner {
            Some(folder) => normalize(&folder.join(path)),
            None if path.is_absolute() => normalize(path),
            // Relative to a package of the registry: pinned by Cargo.lock.
            None => continue,
        };
        let pinned = found.roots.get(CARGO_HOME).is_some_and(|home| {
            absolute.starts_with(home.join("registry")) || absolute.starts_with(home.join("git"))
        });
        if pinned || target.is_product(&absolute) {
            continue;
        }
        match found.roots.name(&absolute) {
            Some(place) => {
                found.watches.insert(Watch::Path { part: Part::Rust, place });
            }
            None => found.gaps.push(format!("{}: name is not UTF-8", absolute.display())),
        }
    }
    if let Some(owner) = owner
        && script.names_nothing()
        && let Some(place) = found.roots.name(owner)
    {
        found.watches.insert(Watch::Package { part: Part::Rust, place });
    }
}

/// The names in Cargo.lock, or `None` if it can't be read: then every leftover counts.
fn locked_packages(workspace_root: &Path) -> Option<BTreeSet<String>> {
    let text = fs_err::read_to_string(workspace_root.join("Cargo.lock")).ok()?;
    let table: toml::Table = text.parse().ok()?;
    let packages = table.get("package")?.as_array()?;
    Some(
        packages
            .iter()
            .filter_map(|package| Some(package.get("name")?.as_str()?.to_owned()))
            .collect(),
    )
}
