//! What cargo built an artifact from, read after the build (DESIGN D1).
//!
//! `cargo metadata --no-deps` says where things lie; the dep-info beside the artifact names every
//! local source file; rustc's dep-info and the build scripts' recorded outputs name variables and
//! what lies outside. Registry and git dependencies are pinned by Cargo.lock and count through it.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use serde::Deserialize;

use super::dep_info::{self, BuildScript};
use super::{CARGO_HOME, PROJECT, Part, Place, Roots, View, WORKSPACE, Watch, normalize};
use crate::digest;
use crate::error::{Error, Result};
use crate::inputs::ambient;
use crate::project::{Project, all_arguments, argument};
use crate::request::{Environment, Request};

/// The part of `cargo metadata` that is read here.
#[derive(Debug, Deserialize)]
pub struct Metadata {
    pub packages: Vec<Package>,
    pub workspace_root: PathBuf,
    pub target_directory: PathBuf,
    /// Where intermediate artifacts go, if not below the target directory (cargo 1.91).
    pub build_directory: Option<PathBuf>,
}

/// A package of the workspace or another local one.
#[derive(Debug, Deserialize)]
pub struct Package {
    /// `None` for local packages.
    source: Option<String>,
    pub name: String,
    pub manifest_path: PathBuf,
    pub targets: Vec<Target>,
}

/// A target of a package.
#[derive(Debug, Deserialize)]
pub struct Target {
    pub name: String,
    pub kind: Vec<String>,
}

impl Metadata {
    /// Asks cargo. Without `resolve` it reads manifests only; with it, it also brings Cargo.lock
    /// up to date as the build would, unless the project says that it must not.
    ///
    /// # Errors
    /// cargo is missing or does not understand the manifest.
    pub fn read(
        project: &Project,
        request: &Request,
        environment: &Environment,
        manifest: &Path,
        resolve: bool,
    ) -> Result<Self> {
        if resolve && !is_locked(project, request) {
            let resolved = Self::ask(request, environment, manifest, &[]);
            if resolved.is_ok() {
                return resolved;
            }
        }
        Self::ask(request, environment, manifest, &["--no-deps"])
    }

    fn ask(
        request: &Request,
        environment: &Environment,
        manifest: &Path,
        arguments: &[&str],
    ) -> Result<Self> {
        let cargo = environment.which("cargo").ok_or_else(Error::missing_cargo)?;
        let output = Command::new(cargo)
            .args(["metadata", "--format-version", "1", "--manifest-path"])
            .arg(manifest)
            .args(arguments)
            .current_dir(&request.root)
            .env_clear()
            .envs(environment.iter())
            .stdin(Stdio::null())
            .output()
            .map_err(|error| Error::io("cargo", &error))?;
        if !output.status.success() {
            let cause = String::from_utf8_lossy(&output.stderr).trim().to_owned();
            return Err(Error::Path { path: manifest.to_owned(), cause });
        }
        let mut metadata: Self = serde_json::from_slice(&output.stdout)
            .map_err(|error| Error::Other(format!("cargo metadata: {error}")))?;
        metadata.packages.retain(|package| package.source.is_none());
        if let Some(folder) = argument(&request.maturin_arguments(), "--target-dir", None) {
            metadata.target_directory = request.root.join(&folder);
            metadata.build_directory = None;
        }
        Ok(metadata)
    }

    /// The package of a manifest.
    pub fn package(&self, manifest: &Path) -> Option<&Package> {
        let wanted = canonical(manifest);
        self.packages.iter().find(|package| canonical(&package.manifest_path) == wanted)
    }

    fn build_root(&self) -> &Path {
        self.build_directory.as_deref().unwrap_or(&self.target_directory)
    }
}

/// Did somebody ask for an unchanged Cargo.lock, or for no network?
fn is_locked(project: &Project, request: &Request) -> bool {
    const FLAGS: [&str; 3] = ["--locked", "--frozen", "--offline"];
    request.maturin_arguments().iter().any(|argument| FLAGS.contains(&argument.as_str()))
        || project.maturin.locked == Some(true)
        || project.maturin.frozen == Some(true)
}

/// The inputs cargo knows of, with where their roots lie.
#[derive(Debug, Default)]
pub struct Discovered {
    pub watches: BTreeSet<Watch>,
    pub roots: Roots,
    /// What could not be found out; a record with any of it is never matched.
    pub gaps: Vec<String>,
}

/// Reads what a finished build was made from. `modules` are digests of the compiled modules in
/// the wheel: they tell the profile folder that was used from others beside it.
pub fn discover(
    project: &Project,
    request: &Request,
    environment: &Environment,
    metadata: &Metadata,
    manifest: &Path,
    modules: &BTreeSet<String>,
) -> Discovered {
    let mut found = Discovered::default();
    found.roots.add(PROJECT, &project.root);
    found.roots.add(WORKSPACE, &metadata.workspace_root);
    if let Some(home) = ambient::cargo_home(environment) {
        found.roots.add(CARGO_HOME, home);
    }
    let Some(package) = metadata.package(manifest) else {
        found.gaps.push(format!("{}: not a package of its workspace", manifest.display()));
        return found;
    };
    for member in &metadata.packages {
        if let Some(folder) = member.manifest_path.parent() {
            found.roots.add(format!("crate:{}", member.name), folder);
        }
    }

    let folders = profile_folders(metadata, package, modules);
    if folders.is_empty() {
        found.gaps.push(format!(
            "{}: no dep-info of {} below it",
            metadata.target_directory.display(),
            package.name
        ));
    }
    let sources = local_sources(metadata, package, &folders, &mut found.gaps);
    let owners = owners(&sources, manifest, &mut found.roots);
    add_sources(&sources, &owners, request, metadata, &mut found);
    add_manifests(&owners, &mut found);
    add_generators(manifest, &mut found);
    add_named_files(project, request, environment, &mut found);

    let build_folders: Vec<PathBuf> = folders
        .iter()
        .filter_map(|folder| folder.strip_prefix(&metadata.target_directory).ok())
        .map(|profile| metadata.build_root().join(profile))
        .collect();
    add_rustc_dep_info(&build_folders, &sources, &owners, &mut found);
    add_build_scripts(&build_folders, &owners, metadata, &mut found);

    found.watches.insert(Watch::CargoConfig);
    found.watches.insert(Watch::ToolchainFile);
    found.watches.insert(Watch::Variables);
    found.watches.insert(Watch::Toolchain);
    found.watches.insert(Watch::Request);
    found
}

/// The names the artifact's dep-info may have: `libNAME.d` on Unix, `NAME.d` on Windows and for
/// binaries.
fn artifact_stems(package: &Package) -> Vec<String> {
    let mut stems = Vec::new();
    for target in &package.targets {
        let is = |wanted: &[&str]| target.kind.iter().any(|kind| wanted.contains(&kind.as_str()));
        if is(&["cdylib", "dylib", "lib", "rlib", "staticlib"]) {
            let name = target.name.replace('-', "_");
            stems.push(format!("lib{name}"));
            stems.push(name);
        } else if is(&["bin"]) {
            stems.push(target.name.clone());
        }
    }
    stems
}

/// The folders `target/[TRIPLE/]PROFILE` that hold the artifact: the one whose artifact is in the
/// wheel, byte by byte, or, where maturin changed it on the way (RPATH, strip), all of them. More
/// folders mean more inputs, never fewer.
fn profile_folders(
    metadata: &Metadata,
    package: &Package,
    modules: &BTreeSet<String>,
) -> Vec<PathBuf> {
    let stems = artifact_stems(package);
    let mut all = Vec::new();
    let mut matching = Vec::new();
    for first in subfolders(&metadata.target_directory) {
        for folder in std::iter::once(first.clone()).chain(subfolders(&first)) {
            if !stems.iter().any(|stem| folder.join(format!("{stem}.d")).is_file()) {
                continue;
            }
            let is_ours = stems.iter().any(|stem| {
                ["so", "dylib", "dll", "exe", ""].iter().any(|suffix| {
                    let artifact = folder.join(stem).with_extension(suffix);
                    digest::file(&artifact).is_ok_and(|digest| modules.contains(&digest))
                })
            });
            if is_ours {
                matching.push(folder.clone());
            }
            all.push(folder);
        }
    }
    if matching.is_empty() { all } else { matching }
}

fn subfolders(folder: &Path) -> Vec<PathBuf> {
    let Ok(entries) = fs_err::read_dir(folder) else { return Vec::new() };
    let mut folders: Vec<PathBuf> =
        entries.flatten().map(|entry| entry.path()).filter(|path| path.is_dir()).collect();
    folders.sort();
    folders
}

/// Every local file the dep-info names, without what the build itself made.
fn local_sources(
    metadata: &Metadata,
    package: &Package,
    folders: &[PathBuf],
    gaps: &mut Vec<String>,
) -> BTreeSet<PathBuf> {
    let mut sources = BTreeSet::new();
    for folder in folders {
        for stem in artifact_stems(package) {
            let Ok(bytes) = fs_err::read(folder.join(format!("{stem}.d"))) else { continue };
            let Ok(text) = std::str::from_utf8(&bytes) else {
                gaps.push(format!("{stem}.d names a source that is not UTF-8"));
                continue;
            };
            for path in dep_info::parse_rules(text) {
                // Relative only under `build.dep-info-basedir`.
                sources.insert(normalize(&metadata.workspace_root.join(path)));
            }
        }
    }
    sources.retain(|path| !is_product(path, metadata));
    sources
}

fn is_product(path: &Path, metadata: &Metadata) -> bool {
    path.starts_with(&metadata.target_directory) || path.starts_with(metadata.build_root())
}

/// The packages that own sources: folder of the manifest to package name.
fn owners(
    sources: &BTreeSet<PathBuf>,
    manifest: &Path,
    roots: &mut Roots,
) -> BTreeMap<PathBuf, String> {
    let mut owners = BTreeMap::new();
    let mut seen: BTreeMap<PathBuf, Option<PathBuf>> = BTreeMap::new();
    let folders = sources.iter().filter_map(|path| path.parent()).chain(manifest.parent());
    for folder in folders {
        let owner = seen
            .entry(folder.to_owned())
            .or_insert_with(|| {
                folder.ancestors().find(|dir| package_name(dir).is_some()).map(Path::to_owned)
            })
            .clone();
        if let Some(owner) = owner
            && let Some(name) = package_name(&owner)
        {
            owners.entry(owner).or_insert(name);
        }
    }
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

fn package_name(folder: &Path) -> Option<String> {
    let text = fs_err::read_to_string(folder.join("Cargo.toml")).ok()?;
    let table: toml::Table = text.parse().ok()?;
    Some(table.get("package")?.get("name")?.as_str()?.to_owned())
}

fn add_sources(
    sources: &BTreeSet<PathBuf>,
    owners: &BTreeMap<PathBuf, String>,
    request: &Request,
    metadata: &Metadata,
    found: &mut Discovered,
) {
    for source in sources {
        match found.roots.name(source) {
            // Manifests count by meaning, not by content.
            Some(place)
                if place.path == "Cargo.toml"
                    && owners.contains_key(source.parent().unwrap_or(source)) => {}
            Some(place) => {
                found.watches.insert(Watch::Path { part: Part::Rust, place });
            }
            None => found.gaps.push(format!("{}: name is not UTF-8", source.display())),
        }
    }
    // Binaries are found by their place: one more file is one more script in the wheel.
    let manifest = metadata.packages.iter().find(|package| {
        package.targets.iter().all(|target| !target.kind.iter().any(|kind| kind == "cdylib"))
            && request.root.starts_with(package.manifest_path.parent().unwrap_or(&request.root))
    });
    if let Some(folder) = manifest.and_then(|package| package.manifest_path.parent()) {
        if let Some(place) = found.roots.name(&folder.join("src/bin")) {
            found.watches.insert(Watch::Listing { part: Part::Rust, place });
        }
        if let Some(place) = found.roots.name(&folder.join("src/main.rs")) {
            found.watches.insert(Watch::Path { part: Part::Rust, place });
        }
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
/// and the sources that were compiled. One of those that is no longer there was removed during
/// the build; its absence must not be taken for what was built.
fn add_rustc_dep_info(
    build_folders: &[PathBuf],
    sources: &BTreeSet<PathBuf>,
    owners: &BTreeMap<PathBuf, String>,
    found: &mut Discovered,
) {
    let missing: Vec<&PathBuf> = sources.iter().filter(|path| !path.exists()).collect();
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
            if missing.is_empty() {
                continue;
            }
            for source in dep_info::parse_rules(&text) {
                for base in &bases {
                    let source = normalize(&base.join(&source));
                    if missing.iter().any(|missing| **missing == source) {
                        let name = source.file_name().unwrap_or_default().to_string_lossy();
                        found.gaps.push(format!("{name} was removed while it was being built"));
                    }
                }
            }
        }
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
    metadata: &Metadata,
    found: &mut Discovered,
) {
    let locked = locked_packages(&metadata.workspace_root);
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
            add_script(&script, owner.map(PathBuf::as_path), metadata, found);
        }
    }
}

fn add_script(
    script: &BuildScript,
    owner: Option<&Path>,
    metadata: &Metadata,
    found: &mut Discovered,
) {
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
        if pinned || is_product(&absolute, metadata) {
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

fn canonical(path: &Path) -> PathBuf {
    fs_err::canonicalize(path).unwrap_or_else(|_| path.to_owned())
}
