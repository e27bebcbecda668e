//! The target folder: what `cargo metadata` says of it, and what a build left there.
//!
//! Layout (cargo `compiler/layout.rs`): `TARGET/[TRIPLE/]PROFILE` holds artifacts with their
//! dep-info; `.fingerprint`, `deps` and `build` lie beside them, or in the build directory.

use std::collections::BTreeSet;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, SystemTime};

use super::cargo_metadata::{Metadata, Package, ask, configurations, features, is_locked, profile};
use super::units::{Unit, UnitKind};
use super::{below, cargo_config, dep_info, is_one_folder, normalize};
use crate::error::Result;
use crate::project::{Project, argument};
use crate::request::{Environment, Request};

/// Folders inside a profile folder.
const INNER: [&str; 5] = ["deps", "build", "examples", "incremental", FINGERPRINTS];
/// Cargo's own fingerprints.
const FINGERPRINTS: &str = ".fingerprint";

mod folders;
#[cfg(test)]
pub(crate) mod testing;

pub use crate::inputs::entries::{entries, subfolders};
pub use folders::Modules;
use folders::is_profile;

/// A package, and the target folder it is built in.
#[derive(Debug)]
pub struct Target {
    pub metadata: Metadata,
    /// The Cargo.toml that maturin builds.
    pub manifest: PathBuf,
    /// The project's folder.
    pub root: PathBuf,
    environment: Environment,
    /// Whether Cargo.lock was written just now.
    pub resolved_anew: bool,
    /// Whether cargo named all packages, and not only the workspace's.
    pub knows_all_packages: bool,
    /// The name of the folder that maturin's profile is built in.
    pub profile: String,
    /// Every place where cargo may keep Cargo.lock.
    pub lock_files: Vec<PathBuf>,
    /// Where cargo unpacks what Cargo.lock pins.
    unpacked: Vec<PathBuf>,
    /// The part of it that comes from registries.
    registries: Vec<PathBuf>,
}

impl Target {
    /// Asks cargo. With `resolve` it also brings Cargo.lock up to date as the build would, unless
    /// the project says that it must not.
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
        let mut common = configurations(project, request);
        common.extend(features(project, request));
        let ask = |arguments: &[&str]| ask(request, environment, manifest, &common, arguments);
        let asked = SystemTime::now();
        // Optional packages count too if they are downloaded, because they affect Cargo.lock.
        let everything = || ask(&["--all-features", "--offline", "--locked"]);
        let all = if resolve && !is_locked(project, request) {
            ask(&[]).map(|resolved| everything().unwrap_or(resolved))
        } else {
            everything().or_else(|_| ask(&["--offline", "--locked"]))
        };
        let knows_all_packages = all.is_ok();
        let metadata = all.or_else(|_| ask(&["--no-deps"]))?;
        let mut target = Self::remembered(project, request, environment, manifest, metadata);
        let is_new = |lock: &PathBuf| {
            let written = fs_err::metadata(lock).and_then(|lock| lock.modified());
            written.is_ok_and(|written| written + Duration::from_secs(2) > asked)
        };
        target.resolved_anew = target.lock_files.iter().any(is_new);
        target.knows_all_packages = knows_all_packages;
        Ok(target)
    }

    /// The same from an earlier answer of cargo, which named all packages.
    pub fn remembered(
        project: &Project,
        request: &Request,
        environment: &Environment,
        manifest: &Path,
        mut metadata: Metadata,
    ) -> Self {
        // What cargo itself unpacked is pinned by Cargo.lock, and not to be edited.
        let home = cargo_config::cargo_home(environment);
        let inside = |name: &str| -> Vec<PathBuf> {
            let folders = home.iter().map(|home| home.join(name));
            // Any of them may be a link.
            folders.flat_map(|folder| [canonical(&folder), folder]).collect()
        };
        let registries = inside("registry");
        let unpacked = [registries.clone(), inside("git")].concat();
        metadata.packages.retain(|package| {
            package.is_of_a_path()
                || !unpacked.iter().any(|home| canonical(&package.manifest_path).starts_with(home))
        });
        metadata.packages.sort_by(|a, b| a.manifest_path.cmp(&b.manifest_path));
        if let Some(folder) = argument(&request.maturin_arguments(), "--target-dir", None) {
            let folder = normalize(&request.root.join(&folder));
            // A build directory of its own stays where the configuration says.
            if metadata.build_directory.as_ref() == Some(&metadata.target_directory) {
                metadata.build_directory = None;
            }
            metadata.target_directory = folder;
        }
        let lock_files =
            cargo_config::lock_files(project, request, environment, &metadata.workspace_root);
        Self {
            resolved_anew: false,
            lock_files,
            knows_all_packages: true,
            profile: profile(project, request),
            unpacked,
            registries,
            metadata,
            manifest: manifest.to_owned(),
            root: request.root.clone(),
            environment: environment.clone(),
        }
    }

    /// cargo, to be run as maturin runs it. `None` if there is none.
    pub fn cargo(&self) -> Option<Command> {
        Some(self.environment.command(cargo_config::cargo(&self.environment)?, &self.root))
    }

    /// The package of the manifest.
    pub fn package(&self) -> Option<&Package> {
        let wanted = canonical(&self.manifest);
        self.metadata.packages.iter().find(|package| canonical(&package.manifest_path) == wanted)
    }

    /// The package and all path dependencies that the manifests name, directly or indirectly,
    /// except dev-dependencies. Those that features or platforms leave out are included.
    pub fn local_packages(&self) -> Vec<&Package> {
        let mut found: Vec<&Package> = self.package().into_iter().collect();
        let mut next = 0;
        while let Some(package) = found.get(next).copied() {
            next += 1;
            let needed = package.dependencies.iter();
            let folders = needed
                .filter(|needed| needed.kind.as_deref() != Some("dev"))
                .filter_map(|needed| needed.path.as_deref());
            for folder in folders {
                let package = self.metadata.packages.iter().find(|known| known.folder() == folder);
                if let Some(package) = package
                    && !found.iter().any(|known| known.manifest_path == package.manifest_path)
                {
                    found.push(package);
                }
            }
        }
        found
    }

    /// The folder that the profile folders with cargo's units are in.
    pub fn build_root(&self) -> &Path {
        self.metadata.build_directory.as_deref().unwrap_or(&self.metadata.target_directory)
    }

    /// Did the build itself make this file? Other tools may keep theirs below the target folder.
    pub fn is_product(&self, path: &Path) -> bool {
        [&self.metadata.target_directory, self.build_root()].into_iter().any(|root| {
            let Some(inside) = below(path, root, is_one_folder) else { return false };
            let mut folder = root.to_owned();
            for (depth, part) in inside.components().take(3).enumerate() {
                let is = |names: &[&str]| names.iter().any(|name| part.as_os_str() == *name);
                if (depth == 0 && is(&["maturin", "wheels"]))
                    || (depth > 0 && is(&INNER) && is_profile(&folder))
                {
                    return true;
                }
                folder.push(part);
            }
            false
        })
    }

    /// Is it a file of a package that Cargo.lock pins?
    pub fn is_pinned(&self, path: &Path) -> bool {
        self.unpacked.iter().any(|folder| below(path, folder, is_one_folder).is_some())
    }

    /// Is it a file of a package that comes from a registry?
    pub fn is_of_a_registry(&self, path: &Path) -> bool {
        self.registries.iter().any(|folder| below(path, folder, is_one_folder).is_some())
    }

    /// Can what this unit was made of be edited? Where cargo did not name all packages, rustc's
    /// dep-info tells.
    pub fn can_be_edited(&self, unit: &Unit) -> bool {
        let mut packages = self.packages_named(&unit.package);
        if unit.kind == UnitKind::Run {
            return packages.next().is_some();
        }
        packages.any(Package::is_of_a_path)
            || (!self.knows_all_packages
                && unit
                    .sources(&self.metadata.workspace_root)
                    .iter()
                    .any(|(source, _)| !self.is_pinned(source) && !self.is_product(source)))
    }

    /// The packages of this name; there may be several.
    pub fn packages_named(&self, name: &str) -> impl Iterator<Item = &Package> {
        self.metadata.packages.iter().filter(move |package| package.name == name)
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
            let bytes = match fs_err::read(folder.join(format!("{stem}.d"))) {
                Ok(bytes) => bytes,
                Err(error) if error.kind() == ErrorKind::NotFound => continue,
                Err(error) => {
                    gaps.push(format!("{stem}.d could not be read: {}", error.kind()));
                    continue;
                }
            };
            let Ok(text) = std::str::from_utf8(&bytes) else {
                gaps.push(format!("{stem}.d names a source that is not UTF-8"));
                continue;
            };
            // With `build.dep-info-basedir` some names are relative. They are skipped here, because
            // rustc's own dep-info has these files too.
            let names = dep_info::parse_rules(text).into_iter().filter(|path| path.is_absolute());
            sources.extend(names.map(|path| normalize(&path)));
        }
        sources.retain(|path| !self.is_product(path));
        (sources, gaps)
    }
}

fn canonical(path: &Path) -> PathBuf {
    dunce::canonicalize(path).unwrap_or_else(|_| path.to_owned())
}
