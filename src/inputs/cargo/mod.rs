//! The inputs that cargo knows, read after a build (docs/design.md, D1).
//!
//! `cargo metadata --no-deps` says where things lie. The dep-info beside the artifact names every
//! local source file. rustc's dep-info and the recorded outputs of build scripts name variables and
//! files outside. Registry and git dependencies are pinned by Cargo.lock and count through it.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use super::cargo_config;
use super::cargo_metadata::Package;
use super::dep_info::BuildScript;
use super::generators;
use super::target::{Modules, Target};
use super::units::{self, Reader, Unit, UnitKind, Units};
use super::{Look, Part, Root, Roots, View, Watch, below, environment, is_one_folder, normalize};
use crate::log;
use crate::project::Project;
use crate::request::{Environment, Request};

mod manifests;
mod told;

use manifests::{add_binaries, add_manifests, add_named_files};
pub use told::Told;

/// Cargo built something, but its fingerprints are in no folder that wheelprint knows.
const UNKNOWN_LAYOUT: &str = "cargo keeps its fingerprints where they are not known";

/// The inputs cargo knows of, with where their roots lie.
#[derive(Debug, Default)]
pub struct Discovered {
    pub watches: BTreeSet<Watch>,
    pub roots: Roots,
    /// The profile folders the artifact was made in.
    pub folders: Vec<PathBuf>,
    /// What each unit in use was made from, by cargo's folder for its fingerprint.
    pub units: BTreeMap<PathBuf, BTreeSet<Watch>>,
    /// The units among them that cargo took from earlier builds, with their packages.
    pub kept: BTreeMap<PathBuf, String>,
    /// What rustc and the build scripts said of the units in use.
    pub told: Vec<Told>,
    /// What could not be found out; a record with any of it is never matched.
    pub gaps: Vec<String>,
    /// What was read of cargo's units, for the stages after this one.
    pub read: Reader,
}

/// Reads what a finished build, begun at `since`, was made from. The compiled
/// `modules` in the wheel show which profile folder the build used.
pub fn discover(
    project: &Project,
    request: &Request,
    environment: &Environment,
    target: &Target,
    modules: &Modules,
    since: SystemTime,
) -> Discovered {
    let mut found = Discovered::new(project, target, environment);
    let Some(package) = target.package() else {
        found.gaps.push(format!("{}: not a package of its workspace", target.manifest.display()));
        return found;
    };
    let mut used = BTreeSet::from([package.manifest_path.clone()]);
    add_compiled(package, target, modules, since, &mut used, &mut found);
    let used: Vec<&Package> = target
        .metadata
        .packages
        .iter()
        .filter(|package| used.contains(&package.manifest_path))
        .collect();
    let bindings = project.bindings(request);
    add_binaries(package, bindings.as_deref(), &mut found);
    add_manifests(&used, target, &mut found);
    let generated = generators::watches(bindings.as_deref(), target, &mut found.roots);
    found.watches.extend(generated);
    add_named_files(project, request, environment, &mut found);

    found.watches.extend([Watch::CargoConfig, Watch::ToolchainFile, Watch::Variables]);
    found.watches.extend([Watch::Toolchain, Watch::Request]);
    found
}

/// Adds what cargo and rustc say of the artifact's units, and the manifests of their packages.
fn add_compiled(
    package: &Package,
    target: &Target,
    modules: &Modules,
    since: SystemTime,
    used: &mut BTreeSet<PathBuf>,
    found: &mut Discovered,
) {
    found.folders = target.folders_used(modules, since);
    found.gaps.extend(target.unread());
    // Before the build, stale units were searched and invalidated in this profile only.
    if found.folders.iter().any(|folder| !folder.ends_with(&target.profile)) {
        found.gaps.push(format!("it was not built in the profile {}", target.profile));
    }
    if !target.knows_all_packages {
        found.gaps.push("cargo could not name all packages".to_owned());
    }
    if found.folders.is_empty() {
        found.gaps.push(format!("no dep-info of {} in the target folder", package.name));
    }
    for folder in found.folders.clone() {
        let (sources, gaps) = target.sources(&folder);
        found.gaps.extend(gaps);
        let Units { units, gaps } = found.read.read(&target.unit_folders(&folder));
        found.gaps.extend(gaps);
        if units.is_empty() {
            found.gaps.push(UNKNOWN_LAYOUT.to_owned());
        }
        for unit in units::live(&units, &package.name, since) {
            add_unit(unit, target, used, found);
            let is_new = unit.built().is_some_and(|built| built >= since);
            if found.units.contains_key(&unit.folder) && !is_new && !unit.is_checked_only() {
                found.kept.insert(unit.folder.clone(), unit.package.clone());
            }
        }
        // Cargo's list names the same files with links resolved. Only files that are new are added.
        let known: BTreeSet<PathBuf> = found
            .watches
            .iter()
            .filter_map(|watch| match watch {
                Watch::Place { look: Look::Content, place, .. } => found.roots.resolve(place),
                _ => None,
            })
            .flat_map(|path| [dunce::canonicalize(&path).unwrap_or_default(), path])
            .collect();
        for source in sources.iter().filter(|source| !known.contains(*source)) {
            used.extend(owner(target, source).map(|owner| owner.manifest_path.clone()));
            if !is_manifest_of_a_package(target, source) {
                log::debug(format_args!("{}: in cargo's own list only", source.display()));
                let watch = found.source(source);
                found.watches.extend(watch);
            }
        }
    }
}

/// A manifest counts by its meaning, unless the compiler itself read it.
fn is_manifest_of_a_package(target: &Target, path: &Path) -> bool {
    target.metadata.packages.iter().any(|package| package.manifest_path == path)
}

/// The innermost package whose folder holds a file.
fn owner<'a>(target: &'a Target, path: &Path) -> Option<&'a Package> {
    let packages = target.metadata.packages.iter();
    packages
        .filter(|package| {
            package.is_of_a_path() && below(path, package.folder(), is_one_folder).is_some()
        })
        .max_by_key(|package| package.folder().components().count())
}

/// The units that a failed build compiled before it failed. No other inputs are searched.
pub fn discover_units(
    project: &Project,
    environment: &Environment,
    target: &Target,
    since: SystemTime,
) -> Discovered {
    let mut found = Discovered::new(project, target, environment);
    let mut used = BTreeSet::new();
    for unit in found.read.read(&target.profiles()).units {
        if unit.built().is_some_and(|built| built >= since) {
            add_unit(&unit, target, &mut used, &mut found);
        }
    }
    found
}

impl Discovered {
    /// An empty result, with the roots by which inputs are named.
    fn new(project: &Project, target: &Target, environment: &Environment) -> Self {
        let mut roots = Roots::default();
        roots.add(Root::Project, &project.root);
        roots.add(Root::Workspace, &target.metadata.workspace_root);
        roots.add(Root::Products("target".into()), &target.metadata.target_directory);
        if let Some(folder) = &target.metadata.build_directory {
            roots.add(Root::Products("build".into()), folder);
        }
        if let Some(home) = cargo_config::cargo_home(environment) {
            roots.add(Root::CargoHome, home);
        }
        // Every package has a root of its own; those of one name are told apart by order.
        let mut seen: BTreeMap<&str, usize> = BTreeMap::new();
        for package in &target.metadata.packages {
            let count = seen.entry(&package.name).or_default();
            *count += 1;
            let number = if *count > 1 { format!("#{count}") } else { String::new() };
            roots.add(Root::Crate(format!("{}{number}", package.name).into()), package.folder());
        }
        Self { roots, ..Self::default() }
    }

    /// Said after a build: the user would otherwise only wonder why every build is slow.
    pub fn warn_of_unknown_layout(&self) {
        if self.gaps.iter().any(|gap| gap == UNKNOWN_LAYOUT) {
            log::warn(
                "this cargo lays out its build folder in a way that is not known here, so every \
                 build compiles the project's own packages anew; a newer wheelprint may know it, \
                 and if not, please report it with what `cargo --version` says",
            );
        }
    }

    /// A file that the compiler read, or one that a build script watches.
    fn source(&mut self, path: &Path) -> Option<Watch> {
        match self.roots.name(path) {
            Some(place) => Some(Watch::at(Look::Content, Part::Rust, place)),
            None => {
                self.gaps.push(format!("{}: name is not UTF-8", path.display()));
                None
            }
        }
    }

    /// The same, of a file with this name. A name that leads out of all roots is kept.
    fn named_source(&mut self, path: PathBuf, name: &Path, told: &mut Told) -> Option<Watch> {
        let watch = self.source(&path)?;
        if matches!(watch.root(), Some(Root::Outside(_))) {
            told.outside.insert((path, name.to_owned()));
        }
        Some(watch)
    }
}

/// Adds what one unit was made from. rustc's dep-info names the sources, under the names by which they
/// were asked for, and the variables that `env!` and `option_env!` read. Cargo's fingerprint and the
/// script's output name what a build script watches. Of units of a registry only the variables are
/// added, because Cargo.lock pins their sources.
fn add_unit(unit: &Unit, target: &Target, used: &mut BTreeSet<PathBuf>, found: &mut Discovered) {
    let mut watches = BTreeSet::new();
    let packages: Vec<&Package> = target.packages_named(&unit.package).collect();
    let is_local = target.can_be_edited(unit);
    let mut told = Told { package: unit.package.clone(), is_local, ..Told::default() };
    found.gaps.extend(unit.unreadable());
    if is_local {
        used.extend(packages.iter().map(|package| package.manifest_path.clone()));
    }
    if unit.kind == UnitKind::Run {
        add_run(unit, &packages, target, &mut watches, &mut told, found);
    } else {
        if is_local && unit.dep_infos().is_empty() {
            found.gaps.push(format!("no dep-info of {}", unit.package));
        }
        if is_local && unit.kind == UnitKind::Product && unit.made_metadata_only() {
            found.gaps.push(format!("{} was checked while it was being built", unit.package));
        }
        for (name, value) in unit.variables() {
            told.variables.extend(value.map(|value| (name.clone(), value)));
            add_variable(name, &mut watches);
        }
        let sources =
            if is_local { unit.sources(&target.metadata.workspace_root) } else { BTreeSet::new() };
        for (source, name) in sources {
            if target.is_product(&source) || target.is_pinned(&source) {
                continue;
            }
            if goes_up_from_a_link(&target.metadata.workspace_root.join(&name)) {
                found.gaps.push(leads_back_up(&name));
            } else if !source.exists() {
                let name = source.file_name().unwrap_or_default().to_string_lossy();
                found.gaps.push(format!("{name} was removed while it was being built"));
            }
            watches.extend(found.named_source(source, &name, &mut told));
        }
    }
    if !told.is_empty() {
        found.told.push(told);
    }
    found.watches.extend(watches.iter().cloned());
    if !watches.is_empty() || is_local {
        found.units.entry(unit.folder.clone()).or_default().extend(watches);
    }
}

/// What a build script told cargo to watch, of a package that can be edited or of any other.
fn add_run(
    unit: &Unit,
    packages: &[&Package],
    target: &Target,
    watches: &mut BTreeSet<Watch>,
    told: &mut Told,
    found: &mut Discovered,
) {
    let output = fs_err::read(&unit.output).unwrap_or_default();
    let script = BuildScript::parse(&String::from_utf8_lossy(&output));
    for name in script.variables.iter().map(String::as_str).chain(unit.watched_variables()) {
        add_variable(name.to_owned(), watches);
    }
    let names: BTreeSet<&Path> =
        script.paths.iter().map(PathBuf::as_path).chain(unit.watched_paths()).collect();
    for name in names {
        if packages.iter().any(|package| goes_up_from_a_link(&package.folder().join(name))) {
            found.gaps.push(leads_back_up(name));
        }
        let places: Vec<PathBuf> = if name.is_absolute() {
            vec![normalize(name)]
        } else {
            // `packages` has no package of a registry: Cargo.lock pins the files of such a package.
            packages.iter().map(|package| normalize(&package.folder().join(name))).collect()
        };
        for path in places {
            if target.is_pinned(&path) || target.is_product(&path) {
                continue;
            }
            if is_manifest_of_a_package(target, &path) {
                if let Some(place) = found.roots.name(&path) {
                    let view = View::Whole;
                    watches.insert(Watch::at(Look::Toml(view), Part::Manifest, place));
                }
                continue;
            }
            watches.extend(found.named_source(path, name, told));
        }
    }
    told.instructions.extend(script.others.iter().cloned());
    if script.names_nothing() && unit.names_nothing() {
        for package in packages.iter().filter(|package| package.is_of_a_path()) {
            if let Some(place) = found.roots.name(package.folder()) {
                watches.insert(Watch::at(Look::Package, Part::Rust, place));
            }
        }
    }
}

/// The file system, and so cargo and rustc, read `link/..` as the folder above the link's target.
/// `normalize` would give the folder that contains the link.
fn goes_up_from_a_link(path: &Path) -> bool {
    let mut so_far = PathBuf::new();
    path.components().any(|part| {
        if part != std::path::Component::ParentDir {
            so_far.push(part);
            return false;
        }
        // Of `link/folder/../..`, the second step leaves the link.
        let up = fs_err::symlink_metadata(&so_far).is_ok_and(|meta| meta.is_symlink());
        so_far.pop();
        up
    })
}

fn leads_back_up(name: &Path) -> String {
    format!("{}: leads through a link and back up", name.display())
}

fn add_variable(name: String, watches: &mut BTreeSet<Watch>) {
    if !environment::is_set_for_each_crate(&name) {
        watches.insert(Watch::Variable { name });
    }
}

#[cfg(all(test, unix))]
mod tests {
    use fs_err as fs;

    use super::*;

    #[test]
    fn a_path_through_a_link_and_back_up() {
        let folder = tempfile::tempdir().unwrap();
        let root = folder.path();
        fs::create_dir_all(root.join("shared/core/src")).unwrap();
        fs::create_dir(root.join("plain")).unwrap();
        std::os::unix::fs::symlink("shared/core", root.join("core")).unwrap();
        for (path, expected) in [
            ("core/../a", true),
            ("core/src/../../a", true),
            ("plain/../core/./../a", true),
            ("core/src/../a", false),
            ("plain/../core/a", false),
            ("absent/../a", false),
        ] {
            assert_eq!(goes_up_from_a_link(&root.join(path)), expected, "{path}");
        }
    }
}
