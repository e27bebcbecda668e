//! Bringing compiled packages of registries over from another tree of the project (docs/design.md,
//! D18), so that the first build in a new tree compiles the project's own packages only.
//!
//! | file | owns |
//! |---|---|
//! | `origin` | the trees that units come from, and their paths |
//! | `portable` | which units may come along |
//! | `pyo3` | a path that pyo3 may contain |
//! | `copy` | copying them |
//! | `lock` | cargo's lock of a profile folder |
//!
//! Nothing is ever hard-linked: cargo and build scripts write into files in place. The standard
//! library's copy shares the blocks where the file system can (btrfs, XFS, APFS, ReFS).

use std::collections::BTreeSet;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::SystemTime;

use crate::error::Cause;
use crate::inputs::target::{Target, entries, subfolders};
use crate::inputs::units::{self, Unit, Units};
use crate::log;
use crate::path_search::{self, Paths};
use crate::publish;

mod copy;
mod lock;
mod origin;
mod portable;
mod pyo3;

pub(crate) use copy::make_target_folder;

use lock::CargoLock;
pub(crate) use origin::OtherTree;
use origin::{Mark, remove_mark};

/// What was brought over.
#[derive(Debug)]
pub(crate) struct Brought {
    pub from: OtherTree,
    pub units: usize,
    pub bytes: u64,
}

/// Why nothing was brought over.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Nothing {
    #[error("the project was built here before")]
    BuiltBefore,
    #[error("cargo did not name all packages")]
    UnknownPackages,
    #[error("no other tree has compiled packages for the profile")]
    NoOrigin,
    #[error("cargo uses the target folder, or it can't be locked")]
    Locked,
    #[error("{0}")]
    Failed(#[source] Cause),
}

/// Copies compiled packages of registries into a target folder in which the project was not built
/// yet for the profile. `from` gives other trees of the project, the best one first; it is not
/// called if the project was built here before. The first tree that has such packages is used.
/// Hold the lock of the target folder, and call this before units are invalidated (`cargo_mtime`).
///
/// Cargo decides what it uses: a unit of another toolchain, or of other flags, has another name.
///
/// # Errors
/// Nothing was brought over. The build goes on, and compiles what it needs.
pub(crate) fn bring_over(
    from: impl FnOnce() -> Vec<OtherTree>,
    to: &Target,
) -> Result<Brought, Nothing> {
    let package = to.package().filter(|_| to.knows_all_packages);
    let package = &package.ok_or(Nothing::UnknownPackages)?.name;
    let here = units::read(&to.profiles()).units;
    if here.iter().any(|unit| unit.is_product_of(package)) {
        return Err(Nothing::BuiltBefore);
    }
    let here: BTreeSet<PathBuf> = here
        .iter()
        .filter(|unit| !unit.value().is_empty())
        .map(|unit| unit.folder.clone())
        .collect();
    for origin in from().iter().filter(|origin| !origin.is_of(to)) {
        match bring_from(origin, package, to, &here) {
            Err(Nothing::NoOrigin) => {}
            Err(cause @ Nothing::Locked) => {
                log::debug(format_args!("{}: {cause}", origin.build_root.display()));
            }
            done => return done,
        }
    }
    Err(Nothing::NoOrigin)
}

fn bring_from(
    origin: &OtherTree,
    package: &str,
    to: &Target,
    here: &BTreeSet<PathBuf>,
) -> Result<Brought, Nothing> {
    let profiles = origin.profiles_used(package, &to.profile);
    let locks: Option<Vec<CargoLock>> =
        profiles.iter().map(|profile| CargoLock::try_shared(profile)).collect();
    let _locks = locks.ok_or(Nothing::Locked)?;
    let units = units::read(&profiles);
    if !units.gaps.is_empty() {
        return Err(Nothing::NoOrigin);
    }
    let units = units.units;
    let since = last_built(&units, package).ok_or(Nothing::NoOrigin)?;
    let used = units::used(&units, package, since).ok_or(Nothing::NoOrigin)?;
    let mark = Mark::read(&origin.build_root).map_err(Nothing::Failed)?;
    // Its own units may have been brought there from further trees.
    let origins: BTreeSet<OtherTree> = [origin.clone()].into_iter().chain(mark.origins).collect();
    let place = |path: &Path| origin.moved(path, to);
    let (mut portable, pyo3) = portable::select(&used, to, origin, &origins);
    // A unit that was compiled here may differ from the other tree's, and what was built with that
    // one does not fit it.
    let is_here = |unit: &Unit| place(&unit.folder).is_none_or(|there| here.contains(&there));
    portable.retain(|unit| !is_here(unit.unit));
    let portable = portable::with_dependencies(portable);
    if portable.is_empty() {
        return Err(Nothing::NoOrigin);
    }
    let failed = |error: std::io::Error| Nothing::Failed(error.into());
    copy::make_target_folder(to.build_root()).map_err(failed)?;
    let mut locks = Vec::new();
    for profile in profiles.iter().filter_map(|profile| place(profile)) {
        fs_err::create_dir_all(&profile).map_err(failed)?;
        locks.push(CargoLock::try_exclusive(&profile).ok_or(Nothing::Locked)?);
    }
    let mut here = Mark::read(to.build_root()).map_err(Nothing::Failed)?;
    let named = portable.iter().filter(|unit| unit.names_out_dir);
    here.units.extend(named.filter_map(|unit| place(&unit.unit.folder)));
    if !here.units.is_empty() {
        // Before the copies: if this process is killed, what they may contain is known.
        here.origins.extend(origins);
        here.pyo3.extend(pyo3);
        here.write(to.build_root()).map_err(failed)?;
    }
    let bytes = copy::all(&portable, origin, to).map_err(failed)?;
    Ok(Brought { from: origin.clone(), units: portable.len(), bytes })
}

/// When the package was last built.
fn last_built(units: &[Arc<Unit>], package: &str) -> Option<SystemTime> {
    let products = units.iter().filter(|unit| unit.is_product_of(package));
    products.filter(|unit| !unit.value().is_empty()).filter_map(|unit| unit.built()).max()
}

impl OtherTree {
    /// The profile folders of the last build of the package: the host's units lie apart from those
    /// of a triple.
    fn profiles_used(&self, package: &str, profile: &str) -> Vec<PathBuf> {
        let host = self.build_root.join(profile);
        let triples = subfolders(&self.build_root).into_iter().map(|triple| triple.join(profile));
        let built = |folder: &PathBuf| {
            let units = units::read(std::slice::from_ref(folder)).units;
            Some((last_built(&units, package)?, folder.clone()))
        };
        let folders = std::iter::once(host.clone()).chain(triples).filter(|it| it.is_dir());
        match folders.filter_map(|folder| built(&folder)).max() {
            Some((_, folder)) if folder == host => vec![host],
            Some((_, folder)) if host.is_dir() => vec![folder, host],
            Some((_, folder)) => vec![folder],
            None => Vec::new(),
        }
    }
}

/// The paths of the trees that units were brought from, which a finished module must not contain.
pub(crate) struct Suspects {
    paths: Paths,
    /// One tree may lie inside of the other one, or its name may begin like the other's.
    own: Paths,
}

impl Suspects {
    /// `None` if nothing was brought that may contain such a path.
    ///
    /// # Errors
    /// It is not known what was brought.
    pub(crate) fn of(to: &Target) -> Result<Option<Self>, Cause> {
        let origins = Mark::read(to.build_root())?.origins;
        if origins.is_empty() {
            return Ok(None);
        }
        let origins = origins.iter().filter(|origin| !origin.is_of(to));
        Ok(Some(Self::new(origins, &OtherTree::of(to))))
    }

    fn new<'a>(origins: impl Iterator<Item = &'a OtherTree>, own: &OtherTree) -> Self {
        Self { paths: origin::paths(origins), own: origin::paths([own]) }
    }

    /// Whether the finished module contains such a path. Only the module can show it, because
    /// generic code is compiled in the crate that uses it.
    pub(crate) fn are_in(&self, module: &[u8]) -> bool {
        let places = self.paths.places_in(module);
        !places.is_empty() && !path_search::all_are_of(&places, &self.own.places_in(module))
    }
}

/// Whether brought units would read a file of another tree that was made since.
///
/// # Errors
/// It is not known what was brought.
pub(crate) fn has_changed(to: &Target) -> Result<bool, Cause> {
    Ok(Mark::read(to.build_root())?.pyo3.iter().any(|it| pyo3::has_configuration(it)))
}

/// Makes cargo compile those brought units anew that may contain a path of the tree that they come
/// from; all units, if it is not known which ones they are.
///
/// # Errors
/// A fingerprint can't be removed, or there may be more of them than can be seen.
pub(crate) fn take_back(to: &Target) -> std::io::Result<()> {
    let units = match Mark::read(to.build_root()) {
        Ok(mark) => mark.units,
        Err(_) => all_units(to.build_root())?,
    };
    for unit in units {
        match publish::remove(&unit) {
            Err(error) if error.kind() != ErrorKind::NotFound => return Err(error),
            _ => {}
        }
    }
    remove_mark(to.build_root())
}

/// The units of all profiles.
fn all_units(build_root: &Path) -> std::io::Result<BTreeSet<PathBuf>> {
    let mut folders = entries(build_root)?;
    folders.extend(folders.iter().flat_map(|triple| subfolders(triple)).collect::<Vec<_>>());
    folders.retain(|folder| folder.is_dir());
    let Units { units, gaps } = units::read(&folders);
    match gaps.into_iter().next() {
        Some(gap) => Err(std::io::Error::other(gap)),
        None => Ok(units.iter().map(|unit| unit.folder.clone()).collect()),
    }
}

#[cfg(test)]
mod tests {
    use fs_err as fs;

    use super::*;
    use crate::inputs::target::testing;
    use crate::project::Project;
    use crate::request::{Artifact, Environment, Interpreter, Request};

    /// A tree of one project. `serde_core` has a build script, and includes a file of its OUT_DIR.
    fn tree(root: &Path) -> Target {
        tree_with(root, "serde_core")
    }

    fn tree_with(root: &Path, dependency: &str) -> Target {
        let root = dunce::canonicalize(root).unwrap();
        fs::create_dir_all(root.join("src")).unwrap();
        fs::write(root.join("src/lib.rs"), format!("pub use {dependency}::Serialize;")).unwrap();
        fs::write(root.join("pyproject.toml"), "[project]\nname = \"app\"\n").unwrap();
        let manifest = format!(
            "[package]\nname = \"app\"\nversion = \"1.0.0\"\nedition = \"2021\"\n\n\
                        [dependencies]\nitoa = \"1\"\n{dependency} = \"1\"\n\n[workspace]\n"
        );
        fs::write(root.join("Cargo.toml"), manifest).unwrap();
        let mut environment = Environment::current();
        environment.set("CARGO_NET_OFFLINE", "true");
        // Others than the project's own would lead elsewhere.
        environment.set("CARGO_TARGET_DIR", "target");
        let request = Request {
            artifact: Artifact::Editable,
            root: root.clone(),
            config_settings: Default::default(),
            interpreter: Interpreter::default(),
            environment: environment.clone(),
        };
        let project = Project::load(&root).unwrap();
        Target::read(&project, &request, &environment, &root.join("Cargo.toml"), true).unwrap()
    }

    fn build(target: &Target) -> String {
        let done = target.cargo().unwrap().args(["build", "--release", "-v"]).output().unwrap();
        let said = String::from_utf8(done.stderr).unwrap();
        assert!(done.status.success(), "{said}");
        said
    }

    fn files(target: &Target, is: impl Fn(&str) -> bool) -> Vec<PathBuf> {
        let all = walkdir::WalkDir::new(target.build_root()).into_iter();
        let paths = all.map(|entry| entry.unwrap().into_path());
        paths.filter(|path| path.is_file() && is(&path.to_string_lossy())).collect()
    }

    /// Adds a path to a file, with the time that the file had.
    fn add_path(file: &Path, path: &Path) {
        let modified = fs::metadata(file).unwrap().modified().unwrap();
        let mut bytes = fs::read(file).unwrap();
        bytes.extend(path.as_os_str().as_encoded_bytes());
        fs::write(file, bytes).unwrap();
        let file = fs::OpenOptions::new().write(true).open(file).unwrap();
        file.into_parts().0.set_modified(modified).unwrap();
    }

    #[test]
    fn cargo_calls_what_was_brought_fresh_and_nothing_names_the_other_tree_but_metadata() {
        let folder = tempfile::tempdir().unwrap();
        let [one, two] = ["one", "the second"].map(|name| {
            fs::create_dir(folder.path().join(name)).unwrap();
            tree(&folder.path().join(name))
        });
        build(&one);
        let brought = bring_over(|| vec![OtherTree::of(&two), OtherTree::of(&one)], &two).unwrap();
        assert_eq!((brought.units, &brought.from), (4, &OtherTree::of(&one)));
        let paths = origin::paths([&OtherTree::of(&one)]);
        let named = files(&two, |_| true)
            .into_iter()
            .filter(|file| !paths.places_in(&fs::read(file).unwrap()).is_empty());
        for file in named {
            let name = file.file_name().unwrap().to_string_lossy().into_owned();
            assert!(
                name.starts_with("libserde_core-")
                    || name == "stderr"
                    || file.ends_with(origin::MARK),
                "{name} names the other tree"
            );
        }
        let said = build(&two);
        for name in ["itoa", "serde_core"] {
            assert!(said.contains(&format!("Fresh {name} v")), "{said}");
        }
        assert!(said.contains("Compiling app v"), "{said}");
        assert!(!said.contains("Compiling serde_core"), "{said}");

        let suspects = Suspects::of(&two).unwrap().unwrap();
        assert!(suspects.are_in(one.build_root().as_os_str().as_encoded_bytes()));
        assert!(!suspects.are_in(two.build_root().as_os_str().as_encoded_bytes()));
        take_back(&two).unwrap();
        let said = build(&two);
        assert!(said.contains("Compiling serde_core") && said.contains("Fresh itoa"), "{said}");
        assert!(Suspects::of(&two).unwrap().is_none());

        let again = bring_over(|| vec![OtherTree::of(&one)], &two).unwrap_err();
        assert!(matches!(again, Nothing::BuiltBefore), "{again}");
    }

    #[test]
    fn what_names_the_other_tree_stays_and_so_does_what_was_built_with_it() {
        let folder = tempfile::tempdir().unwrap();
        let [one, two, three] = ["one", "two", "three"].map(|name| {
            fs::create_dir(folder.path().join(name)).unwrap();
            tree(&folder.path().join(name))
        });
        build(&one);
        // Compiled code that contains the path.
        let library = files(&one, |path| path.contains("libitoa-") && path.ends_with(".rlib"));
        add_path(&library[0], one.build_root());
        assert_eq!(bring_over(|| vec![OtherTree::of(&one)], &two).unwrap().units, 3);

        // A file that the build script of serde_core made: its run and its library stay.
        let made = files(&one, |path| path.ends_with("private.rs"));
        add_path(&made[0], one.build_root());
        assert_eq!(bring_over(|| vec![OtherTree::of(&one)], &three).unwrap().units, 1);
        build(&three);
    }

    #[test]
    fn nothing_is_brought_while_cargo_builds_and_a_half_copied_unit_is_copied_again() {
        let folder = tempfile::tempdir().unwrap();
        let [one, two] = ["one", "two"].map(|name| {
            fs::create_dir(folder.path().join(name)).unwrap();
            tree(&folder.path().join(name))
        });
        build(&one);
        let lock = CargoLock::try_exclusive(&one.build_root().join("release")).unwrap();
        let nothing = bring_over(|| vec![OtherTree::of(&one)], &two).unwrap_err();
        assert!(matches!(nothing, Nothing::NoOrigin), "{nothing}");
        assert!(!two.build_root().exists());
        drop(lock);

        bring_over(|| vec![OtherTree::of(&one)], &two).unwrap();
        assert!(two.build_root().join("CACHEDIR.TAG").is_file());
        // As a killed copy leaves it: the value of the fingerprint is not there yet.
        let value = files(&two, |path| path.ends_with("/lib-itoa"));
        fs::remove_file(&value[0]).unwrap();
        assert_eq!(bring_over(|| vec![OtherTree::of(&one)], &two).unwrap().units, 1);
        assert!(!build(&two).contains("Compiling itoa"));
    }

    #[test]
    fn what_was_built_with_a_unit_of_the_other_tree_stays_if_that_unit_was_compiled_here() {
        let folder = tempfile::tempdir().unwrap();
        let [one, two] = ["one", "two"].map(|name| {
            fs::create_dir(folder.path().join(name)).unwrap();
            tree_with(&folder.path().join(name), "serde")
        });
        // Earlier than in the other tree: cargo would call a copy of serde fresh, and rustc would
        // look for the other tree's serde_core (E0460, E0463).
        let mut cargo = two.cargo().unwrap();
        let done = cargo.args(["build", "--release", "-p", "serde_core"]).output().unwrap();
        assert!(done.status.success(), "{done:?}");
        build(&one);
        bring_over(|| vec![OtherTree::of(&one)], &two).unwrap();
        let said = build(&two);
        assert!(said.contains("Compiling serde v") && said.contains("Fresh itoa v"), "{said}");
    }

    #[test]
    fn trees_whose_paths_begin_alike() {
        let origin =
            |(tree, build): (&str, &str)| OtherTree { build_root: build.into(), tree: tree.into() };
        const APP: (&str, &str) = ("/w/app", "/w/app/target");
        const FEATURE: (&str, &str) = ("/w/app-feature", "/w/app-feature/target");
        const INSIDE: (&str, &str) = ("/w/app/trees/x", "/w/app/trees/x/target");
        // Build folders of their own.
        const BUILT: (&str, &str) = ("/w/app", "/b/app");
        const FEATURE_BUILT: (&str, &str) = ("/w/app-feature", "/b/app-feature");
        for (other, own, text, is_found) in [
            (APP, FEATURE, "/w/app/target/release/build/a/out/x.rs", true),
            (APP, FEATURE, "/w/app/src/lib.rs", true),
            (APP, FEATURE, "/w/app-feature/target/release/build/a/out/x.rs", false),
            (APP, FEATURE, "/w/app-feature/src/lib.rs:/w/app/src/lib.rs", true),
            (FEATURE, APP, "/w/app-feature/target/release/build/a/out/x.rs", true),
            (FEATURE, APP, "/w/app/target/release/build/a/out/x.rs", false),
            (BUILT, FEATURE_BUILT, "/b/app/release/build/a/out/x.rs", true),
            (BUILT, FEATURE_BUILT, "/b/app-feature/release/build/a/out/x.rs", false),
            (FEATURE_BUILT, BUILT, "/b/app-feature/release/build/a/out/x.rs", true),
            (FEATURE_BUILT, BUILT, "/b/app/release/build/a/out/x.rs", false),
            (APP, INSIDE, "/w/app/trees/x/target/release/build/a/out/x.rs", false),
            (APP, INSIDE, "/w/app/target/release/build/a/out/x.rs", true),
            (INSIDE, APP, "/w/app/trees/x/target/release/build/a/out/x.rs", true),
            (INSIDE, APP, "/w/app/target/release/build/a/out/x.rs", false),
            // Two target folders of one tree.
            (BUILT, APP, "/w/app/src/lib.rs", false),
            (BUILT, APP, "/b/app/release/build/a/out/x.rs", true),
            (APP, ("/w/app", "/w/app/target-b"), "/w/app/target/release/a", true),
            (APP, ("/w/app", "/w/app/target-b"), "/w/app/target-b/release/a", false),
            (APP, FEATURE, "/w/apps and /usr/lib", false),
        ] {
            let other = origin(other);
            let suspects = Suspects::new([&other].into_iter(), &origin(own));
            assert_eq!(suspects.are_in(text.as_bytes()), is_found, "{other:?} {own:?} {text}");
        }
    }

    #[test]
    fn with_a_damaged_mark_no_unit_of_any_profile_is_left() {
        let folder = tempfile::tempdir().unwrap();
        let target = testing::target(folder.path());
        assert!(!has_changed(&target).unwrap());
        let root = target.build_root();
        let profiles = ["release", "debug", "aarch64-apple-darwin/release"].map(|it| root.join(it));
        for profile in &profiles {
            testing::unit(profile, "a-01", "lib-a", 1, &[], "[]");
        }
        fs::write(root.join(origin::MARK), "x").unwrap();
        has_changed(&target).unwrap_err();
        assert!(Suspects::of(&target).is_err());
        take_back(&target).unwrap();
        assert!(units::read(&profiles).units.is_empty());
        assert!(!has_changed(&target).unwrap() && Suspects::of(&target).unwrap().is_none());
    }
}
