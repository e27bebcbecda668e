//! The target folder: what `cargo metadata` says of it, and what a build left there.
//!
//! Layout (cargo `compiler/layout.rs`): `TARGET/[TRIPLE/]PROFILE` holds artifacts with their
//! dep-info; `.fingerprint`, `deps` and `build` lie beside them, or in the build directory.

use std::collections::BTreeSet;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, SystemTime};

use super::cargo_metadata::{
    Metadata, Package, ask, cargo, configurations, features, is_locked, lock_files, profile,
    program,
};
use super::units::{Unit, UnitKind};
use super::{ambient, below, dep_info, is_one_folder, normalize};
use crate::digest;
use crate::error::Result;
use crate::project::{Project, argument};
use crate::request::{Environment, Request};

/// Folders inside a profile folder.
const INNER: [&str; 5] = ["deps", "build", "examples", "incremental", FINGERPRINTS];
/// Cargo's own fingerprints.
const FINGERPRINTS: &str = ".fingerprint";

/// A package, and the target folder it is built in.
#[derive(Debug)]
pub struct Target {
    pub metadata: Metadata,
    /// The Cargo.toml that maturin builds.
    pub manifest: PathBuf,
    root: PathBuf,
    environment: Environment,
    resolved_anew: bool,
    knows_all_packages: bool,
    profile: String,
    /// Where Cargo.lock may lie.
    lock_files: Vec<PathBuf>,
    /// Where cargo unpacks what Cargo.lock pins.
    unpacked: Vec<PathBuf>,
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
        // Optional packages too, where they are there already: they have a say in Cargo.lock.
        let everything = || ask(&["--all-features", "--offline", "--locked"]);
        let all = if resolve && !is_locked(project, request) {
            ask(&[]).map(|resolved| everything().unwrap_or(resolved))
        } else {
            everything().or_else(|_| ask(&["--offline", "--locked"]))
        };
        let knows_all_packages = all.is_ok();
        let mut metadata = all.or_else(|_| ask(&["--no-deps"]))?;
        // What cargo itself unpacked is pinned by Cargo.lock, and not to be edited.
        let unpacked: Vec<PathBuf> = ambient::cargo_home(environment)
            .map(|home| {
                ["registry", "git"]
                    .into_iter()
                    // Any of them may be a link.
                    .map(|name| home.join(name))
                    .flat_map(|folder| [canonical(&folder), folder])
                    .collect()
            })
            .unwrap_or_default();
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
        let lock_files = lock_files(project, request, environment, &metadata.workspace_root);
        let is_new = |lock: &PathBuf| {
            let written = fs_err::metadata(lock).and_then(|lock| lock.modified());
            written.is_ok_and(|written| written + Duration::from_secs(2) > asked)
        };
        Ok(Self {
            resolved_anew: lock_files.iter().any(is_new),
            lock_files,
            knows_all_packages,
            profile: profile(project, request),
            unpacked,
            metadata,
            manifest: manifest.to_owned(),
            root: request.root.clone(),
            environment: environment.clone(),
        })
    }

    /// The project's folder.
    pub fn root(&self) -> &Path {
        &self.root
    }

    /// Did cargo name all packages, or the workspace's only?
    pub fn knows_all_packages(&self) -> bool {
        self.knows_all_packages
    }

    /// Was Cargo.lock written just now?
    pub fn resolved_anew(&self) -> bool {
        self.resolved_anew
    }

    /// Every place where cargo may keep Cargo.lock.
    pub fn lock_files(&self) -> &[PathBuf] {
        &self.lock_files
    }

    /// cargo, to be run as maturin runs it. `None` if there is none.
    pub fn cargo(&self) -> Option<Command> {
        Some(cargo(&self.root, &self.environment, program(&self.environment)?))
    }

    /// The package of the manifest.
    pub fn package(&self) -> Option<&Package> {
        let wanted = canonical(&self.manifest);
        self.metadata.packages.iter().find(|package| canonical(&package.manifest_path) == wanted)
    }

    /// The package and those of a path that it is built with, as far as their manifests tell: what
    /// features and platforms leave out is among them.
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

    fn build_root(&self) -> &Path {
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
                    .any(|source| !self.is_pinned(source) && !self.is_product(source)))
    }

    /// The name of the folder that maturin's profile is built in.
    pub fn profile(&self) -> &str {
        &self.profile
    }

    /// Every folder of that name that cargo has compiled in, for whatever triple.
    pub fn profiles(&self) -> Vec<PathBuf> {
        let build = self.build_root();
        let triples = subfolders(build).into_iter();
        let profiles = std::iter::once(build.to_owned()).chain(triples);
        // By name: for cargo, too, a folder need not be one whose names can be read.
        profiles
            .map(|folder| folder.join(&self.profile))
            .filter(|folder| folder.is_dir() && is_profile(folder))
            .collect()
    }

    /// The folders that could not be read to find where cargo has compiled: it may have done so in
    /// more of them than is known.
    pub fn unread(&self) -> Vec<String> {
        let roots = BTreeSet::from([self.build_root(), &self.metadata.target_directory]);
        let cause = |folder: &Path| {
            let name = folder.file_name().unwrap_or_default().to_string_lossy();
            let error = entries(folder).err()?;
            Some(format!("cargo's folder {name} could not be read: {}", error.kind()))
        };
        roots.into_iter().filter_map(cause).collect()
    }

    /// The packages of this name; there may be several.
    pub fn packages_named(&self, name: &str) -> impl Iterator<Item = &Package> {
        self.metadata.packages.iter().filter(move |package| package.name == name)
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
        let target = &self.metadata.target_directory;
        let inside = |folder: &Path| {
            // The usual one by name: the names in a folder need not be readable.
            let mut folders: BTreeSet<PathBuf> = subfolders(folder).into_iter().collect();
            folders.insert(folder.join(&self.profile));
            folders
        };
        inside(target)
            .into_iter()
            .flat_map(|first| std::iter::once(first.clone()).chain(inside(&first)))
            .filter(|folder| !is_inner(folder) && holds(folder))
            .collect()
    }

    /// The profile folder whose artifact is in the wheel, byte by byte; or those that may have it,
    /// where maturin changed it on the way (RPATH, install name) or joined two (universal2). `since`
    /// is when the build began.
    pub fn folders_used(&self, modules: &BTreeSet<String>, since: SystemTime) -> Vec<PathBuf> {
        let all = self.folders();
        let stems = self.stems();
        let has = |folder: &Path, is: &dyn Fn(&Path) -> bool| {
            stems.iter().any(|stem| {
                ["so", "dylib", "dll", "exe", ""]
                    .iter()
                    .any(|suffix| is(&folder.join(stem).with_extension(suffix)))
            })
        };
        let is_in_the_wheel =
            |path: &Path| digest::file(path).is_ok_and(|digest| modules.contains(&digest));
        let used: Vec<PathBuf> =
            all.iter().filter(|folder| has(folder, &is_in_the_wheel)).cloned().collect();
        if !used.is_empty() {
            return used;
        }
        let is_new = |path: &Path| {
            let written = fs_err::metadata(path).and_then(|meta| meta.modified());
            written.is_ok_and(|written| written >= since)
        };
        let written: Vec<bool> = all.iter().map(|folder| has(folder, &is_new)).collect();
        likely(all, &written, &self.profile)
    }

    /// Where cargo keeps what it made on the way to a profile folder's artifacts.
    fn build_folder(&self, folder: &Path) -> PathBuf {
        match folder.strip_prefix(&self.metadata.target_directory) {
            Ok(profile) => self.build_root().join(profile),
            Err(_) => folder.to_owned(),
        }
    }

    /// Where cargo compiled for the artifacts in a profile folder; the host's units lie apart when
    /// a triple is named.
    pub fn unit_folders(&self, folder: &Path) -> Vec<PathBuf> {
        let mut folders = vec![self.build_folder(folder)];
        if let (Some(parent), Some(profile)) = (folder.parent(), folder.file_name())
            && parent != self.metadata.target_directory
        {
            folders.push(self.build_root().join(profile));
        }
        folders
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
            // Relative only under `build.dep-info-basedir`: rustc's own dep-info has them too.
            sources.extend(
                dep_info::parse_rules(text)
                    .into_iter()
                    .filter(|path| path.is_absolute())
                    .map(|path| normalize(&path)),
            );
        }
        sources.retain(|path| !self.is_product(path));
        (sources, gaps)
    }
}

/// The folders of the profile, of all architectures, if the build wrote artifacts there and in no
/// other; else all: more folders mean more inputs, never fewer.
fn likely(all: Vec<PathBuf>, written: &[bool], profile: &str) -> Vec<PathBuf> {
    let mut new = all.iter().zip(written).filter(|(_, written)| **written).peekable();
    if new.peek().is_none() || !new.all(|(folder, _)| folder.ends_with(profile)) {
        return all;
    }
    all.into_iter().filter(|folder| folder.ends_with(profile)).collect()
}

/// Does cargo build in this folder? In the newer layout only lock files lie there beside what it
/// made, and whoever removes the artifacts removes them as well; then the units tell, or may be there
/// where their folder can't be read.
fn is_profile(folder: &Path) -> bool {
    let has_units = || {
        let Ok(packages) = entries(&folder.join("build")) else { return true };
        packages
            .iter()
            .flat_map(|package| subfolders(package))
            .any(|unit| unit.join("fingerprint").is_dir())
    };
    [FINGERPRINTS, ".cargo-lock", ".cargo-build-lock"].iter().any(|it| folder.join(it).exists())
        || has_units()
}

/// The folders in a folder, sorted; none of one that can't be read.
pub fn subfolders(folder: &Path) -> Vec<PathBuf> {
    let entries = entries(folder).unwrap_or_default();
    entries.into_iter().filter(|path| path.is_dir()).collect()
}

/// What is in a folder, sorted; nothing, if there is no such folder.
///
/// # Errors
/// It can't be read, or not to its end.
pub fn entries(folder: &Path) -> std::io::Result<Vec<PathBuf>> {
    let entries = match fs_err::read_dir(folder) {
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(Vec::new()),
        entries => entries?,
    };
    let paths = entries.map(|entry| Ok(entry?.path()));
    let mut paths = paths.collect::<std::io::Result<Vec<PathBuf>>>()?;
    paths.sort();
    Ok(paths)
}

fn canonical(path: &Path) -> PathBuf {
    dunce::canonicalize(path).unwrap_or_else(|_| path.to_owned())
}

#[cfg(test)]
mod tests {
    use fs_err as fs;

    use super::*;

    /// A package `m` with these artifacts: folder, content, and whether the build wrote it.
    fn target(root: &Path, artifacts: &[(&str, &str, bool)], since: SystemTime) -> Target {
        let metadata = serde_json::json!({
            "packages": [{
                "name": "m",
                "manifest_path": root.join("Cargo.toml"),
                "targets": [{ "name": "m", "kind": ["cdylib"], "src_path": root.join("src/lib.rs") }],
            }],
            "workspace_root": root,
            "target_directory": root.join("target"),
        });
        for (folder, content, is_new) in artifacts {
            let folder = root.join("target").join(folder);
            fs::create_dir_all(&folder).unwrap();
            fs::write(folder.join("libm.d"), "").unwrap();
            fs::write(folder.join("libm.dylib"), content).unwrap();
            let age = Duration::from_secs(60);
            let time = if *is_new { since + age } else { since - age };
            let file = fs::OpenOptions::new().write(true).open(folder.join("libm.dylib")).unwrap();
            file.file().set_modified(time).unwrap();
        }
        Target {
            metadata: serde_json::from_value(metadata).unwrap(),
            manifest: root.join("Cargo.toml"),
            root: root.to_owned(),
            environment: Environment::default(),
            resolved_anew: false,
            knows_all_packages: true,
            profile: "release".to_owned(),
            lock_files: Vec::new(),
            unpacked: Vec::new(),
        }
    }

    #[test]
    fn the_folders_that_a_wheels_module_may_be_from() {
        const ARM: &str = "aarch64-apple-darwin/release";
        const INTEL: &str = "x86_64-apple-darwin/release";
        for (artifacts, expected) in [
            // The wheel holds the very file, wherever it lies and whenever it was built.
            (&[("release", "module", false), ("debug", "other", true)][..], &["release"][..]),
            (&[("release", "other", true), ("debug", "module", false)], &["debug"]),
            // Its install name was changed.
            (&[("release", "other", true), ("debug", "other", false)], &["release"]),
            // Two were joined; only one of them may have changed.
            (&[(ARM, "a", true), (INTEL, "b", true), ("debug", "c", false)], &[ARM, INTEL]),
            (&[(ARM, "a", true), (INTEL, "b", false), ("debug", "c", false)], &[ARM, INTEL]),
            (&[(ARM, "a", true), (INTEL, "b", false)], &[ARM, INTEL]),
            // Which one it was can't be told.
            (&[("release", "a", false), ("debug", "b", false)], &["debug", "release"]),
            (&[("release", "a", true), ("debug", "b", true)], &["debug", "release"]),
            (&[("release", "a", false), ("debug", "b", true)], &["debug", "release"]),
            (&[(ARM, "a", false), (INTEL, "b", false)], &[ARM, INTEL]),
        ] {
            let folder = tempfile::tempdir().unwrap();
            let since = SystemTime::now();
            let target = target(folder.path(), artifacts, since);
            let modules = BTreeSet::from([digest::bytes(b"module")]);
            let used = target.folders_used(&modules, since);
            let expected: Vec<PathBuf> =
                expected.iter().map(|name| folder.path().join("target").join(name)).collect();
            assert_eq!(used, expected, "{artifacts:?}");
        }
    }

    #[test]
    fn a_profile_folder_is_known_by_any_of_its_marks() {
        for mark in
            [".fingerprint", ".cargo-lock", ".cargo-build-lock", "build/app/0a1b/fingerprint"]
        {
            let folder = tempfile::tempdir().unwrap();
            fs::create_dir_all(folder.path().join("build/app/0a1b/out")).unwrap();
            assert!(!is_profile(folder.path()), "{mark}");
            fs::create_dir_all(folder.path().join(mark)).unwrap();
            assert!(is_profile(folder.path()), "{mark}");
        }
    }
}
