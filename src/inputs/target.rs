//! The folder cargo builds in: what `cargo metadata` says of it, and what a build left there.
//!
//! Layout (cargo `compiler/layout.rs`): `TARGET/[TRIPLE/]PROFILE` holds artifacts with their
//! dep-info; `.fingerprint`, `deps` and `build` lie beside them, or in the build directory.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, SystemTime};

use serde::Deserialize;

use super::{dep_info, normalize};
use crate::digest;
use crate::error::{Error, Result};
use crate::project::{Project, argument};
use crate::request::{Environment, Request};

/// Folders inside a profile folder.
const INNER: [&str; 5] = ["deps", "build", "examples", "incremental", ".fingerprint"];

/// A package, and the target folder it is built in.
#[derive(Debug)]
pub struct Target {
    pub metadata: Metadata,
    /// The Cargo.toml that maturin builds.
    pub manifest: PathBuf,
    root: PathBuf,
    environment: Environment,
    resolved_anew: bool,
}

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
    pub targets: Vec<Product>,
}

/// Something a package builds; cargo calls it a target.
#[derive(Debug, Deserialize)]
pub struct Product {
    pub name: String,
    pub kind: Vec<String>,
}

impl Target {
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
        let ask = |arguments: &[&str]| ask(request, environment, manifest, arguments);
        let asked = SystemTime::now();
        let mut metadata = if resolve && !is_locked(project, request) {
            ask(&[]).or_else(|_| ask(&["--no-deps"]))?
        } else {
            ask(&["--no-deps"])?
        };
        metadata.packages.retain(|package| package.source.is_none());
        if let Some(folder) = argument(&request.maturin_arguments(), "--target-dir", None) {
            metadata.target_directory = request.root.join(&folder);
            metadata.build_directory = None;
        }
        let lock = fs_err::metadata(metadata.workspace_root.join("Cargo.lock"));
        let written = lock.and_then(|lock| lock.modified());
        Ok(Self {
            resolved_anew: written.is_ok_and(|written| written + Duration::from_secs(2) > asked),
            metadata,
            manifest: manifest.to_owned(),
            root: request.root.clone(),
            environment: environment.clone(),
        })
    }

    /// Was Cargo.lock written just now?
    pub fn resolved_anew(&self) -> bool {
        self.resolved_anew
    }

    /// cargo, to be run as maturin runs it. `None` if there is none.
    pub fn cargo(&self) -> Option<Command> {
        Some(cargo(&self.root, &self.environment, self.environment.which("cargo")?))
    }

    /// The package of the manifest.
    pub fn package(&self) -> Option<&Package> {
        let wanted = canonical(&self.manifest);
        self.metadata.packages.iter().find(|package| canonical(&package.manifest_path) == wanted)
    }

    fn build_root(&self) -> &Path {
        self.metadata.build_directory.as_deref().unwrap_or(&self.metadata.target_directory)
    }

    /// Did the build itself make this file?
    pub fn is_product(&self, path: &Path) -> bool {
        path.starts_with(&self.metadata.target_directory) || path.starts_with(self.build_root())
    }

    /// The profile folders that hold the artifact's dep-info.
    pub fn folders(&self) -> Vec<PathBuf> {
        let stems = self.stems();
        // rustc's dep-info in `deps` bears the same names and is another thing.
        let is_inner = |folder: &PathBuf| {
            folder.file_name().is_some_and(|name| INNER.iter().any(|inner| name == *inner))
        };
        let holds =
            |folder: &PathBuf| stems.iter().any(|stem| folder.join(format!("{stem}.d")).is_file());
        subfolders(&self.metadata.target_directory)
            .into_iter()
            .flat_map(|first| std::iter::once(first.clone()).chain(subfolders(&first)))
            .filter(|folder| !is_inner(folder) && holds(folder))
            .collect()
    }

    /// The profile folder whose artifact is in the wheel, byte by byte, or, where maturin changed
    /// it on the way (RPATH, strip), all of them. More folders mean more inputs, never fewer.
    pub fn folders_used(&self, modules: &BTreeSet<String>) -> Vec<PathBuf> {
        let all = self.folders();
        let stems = self.stems();
        let is_used = |folder: &&PathBuf| {
            stems.iter().any(|stem| {
                ["so", "dylib", "dll", "exe", ""].iter().any(|suffix| {
                    let artifact = folder.join(stem).with_extension(suffix);
                    digest::file(&artifact).is_ok_and(|digest| modules.contains(&digest))
                })
            })
        };
        let used: Vec<PathBuf> = all.iter().filter(is_used).cloned().collect();
        if used.is_empty() { all } else { used }
    }

    /// Where cargo keeps what it made on the way to a profile folder's artifacts.
    pub fn build_folder(&self, folder: &Path) -> PathBuf {
        match folder.strip_prefix(&self.metadata.target_directory) {
            Ok(profile) => self.build_root().join(profile),
            Err(_) => folder.to_owned(),
        }
    }

    /// Cargo's fingerprints of a profile folder's units; those of the host lie apart when a
    /// triple is named.
    pub fn fingerprint_folders(&self, folder: &Path) -> Vec<PathBuf> {
        let mut folders = vec![self.build_folder(folder)];
        if let (Some(parent), Some(profile)) = (folder.parent(), folder.file_name())
            && parent != self.metadata.target_directory
        {
            folders.push(self.build_root().join(profile));
        }
        folders.into_iter().map(|folder| folder.join(".fingerprint")).collect()
    }

    /// The names the artifact's dep-info may have: `libNAME.d` on Unix, `NAME.d` on Windows and
    /// for binaries.
    fn stems(&self) -> Vec<String> {
        let mut stems = Vec::new();
        for product in self.package().iter().flat_map(|package| &package.targets) {
            let is =
                |wanted: &[&str]| product.kind.iter().any(|kind| wanted.contains(&kind.as_str()));
            if is(&["cdylib", "dylib", "lib", "rlib", "staticlib"]) {
                let name = product.name.replace('-', "_");
                stems.push(format!("lib{name}"));
                stems.push(name);
            } else if is(&["bin"]) {
                stems.push(product.name.clone());
            }
        }
        stems
    }

    /// Every local file the artifact's dep-info names, without what the build itself made; and
    /// what of it could not be understood.
    pub fn sources(&self, folder: &Path) -> (BTreeSet<PathBuf>, Vec<String>) {
        let mut sources = BTreeSet::new();
        let mut gaps = Vec::new();
        for stem in self.stems() {
            let Ok(bytes) = fs_err::read(folder.join(format!("{stem}.d"))) else { continue };
            let Ok(text) = std::str::from_utf8(&bytes) else {
                gaps.push(format!("{stem}.d names a source that is not UTF-8"));
                continue;
            };
            for path in dep_info::parse_rules(text) {
                // Relative only under `build.dep-info-basedir`.
                sources.insert(normalize(&self.metadata.workspace_root.join(path)));
            }
        }
        sources.retain(|path| !self.is_product(path));
        (sources, gaps)
    }
}

/// The packages that own files: folder of the manifest to package name.
#[derive(Debug, Default)]
pub struct Owners(BTreeMap<PathBuf, Option<(PathBuf, String)>>);

impl Owners {
    /// The innermost package whose folder holds this folder.
    pub fn of(&mut self, folder: &Path) -> Option<(PathBuf, String)> {
        if let Some(known) = self.0.get(folder) {
            return known.clone();
        }
        let owner = match package_name(folder) {
            Some(name) => Some((folder.to_owned(), name)),
            None => folder.parent().and_then(|parent| self.of(parent)),
        };
        self.0.insert(folder.to_owned(), owner.clone());
        owner
    }
}

fn ask(
    request: &Request,
    environment: &Environment,
    manifest: &Path,
    arguments: &[&str],
) -> Result<Metadata> {
    let program = environment.which("cargo").ok_or_else(Error::missing_cargo)?;
    let output = cargo(&request.root, environment, program)
        .args(["metadata", "--format-version", "1", "--manifest-path"])
        .arg(manifest)
        .args(arguments)
        .output()
        .map_err(|error| Error::io("cargo", &error))?;
    if !output.status.success() {
        let cause = String::from_utf8_lossy(&output.stderr).trim().to_owned();
        return Err(Error::Path { path: manifest.to_owned(), cause });
    }
    serde_json::from_slice(&output.stdout)
        .map_err(|error| Error::Other(format!("cargo metadata: {error}")))
}

fn cargo(root: &Path, environment: &Environment, program: PathBuf) -> Command {
    let mut command = Command::new(program);
    command.current_dir(root).env_clear().envs(environment.iter()).stdin(Stdio::null());
    command
}

/// Did somebody ask for an unchanged Cargo.lock, or for no network?
fn is_locked(project: &Project, request: &Request) -> bool {
    const FLAGS: [&str; 3] = ["--locked", "--frozen", "--offline"];
    request.maturin_arguments().iter().any(|argument| FLAGS.contains(&argument.as_str()))
        || project.maturin.locked == Some(true)
        || project.maturin.frozen == Some(true)
}

/// The folders in a folder, sorted.
pub fn subfolders(folder: &Path) -> Vec<PathBuf> {
    let Ok(entries) = fs_err::read_dir(folder) else { return Vec::new() };
    let mut folders: Vec<PathBuf> =
        entries.flatten().map(|entry| entry.path()).filter(|path| path.is_dir()).collect();
    folders.sort();
    folders
}

fn package_name(folder: &Path) -> Option<String> {
    let text = fs_err::read_to_string(folder.join("Cargo.toml")).ok()?;
    let table: toml::Table = text.parse().ok()?;
    Some(table.get("package")?.get("name")?.as_str()?.to_owned())
}

fn canonical(path: &Path) -> PathBuf {
    dunce::canonicalize(path).unwrap_or_else(|_| path.to_owned())
}
