//! Invalidating units that cargo would wrongly call fresh (docs/design.md, D5).
//!
//! Cargo calls a source unchanged if its mtime is not newer than the last build, whatever its
//! content (cargo issue 6529). A restored cache, `rsync -t` or `mv` brings changed content with an
//! old mtime. Cargo would then keep the old code, and a fingerprint of the new content would be
//! stamped on it.
//!
//! So each build leaves a note of what every unit in the profile folder was made from, together
//! with the state of cargo's own fingerprint of that unit. Before the next build, the fingerprint
//! of a unit is removed if content differs from the note in a way that cargo's clock cannot show;
//! cargo then builds the unit again. Units without a note, or rebuilt by another tool, are always
//! invalidated. A fingerprint that cannot be removed is a gap in the record of the build
//! ([`Remaining`]).

use std::collections::BTreeSet;
use std::path::Path;
use std::process::Stdio;
use std::time::SystemTime;

use fs_err as fs;

use crate::error::{Because as _, Cause};
use crate::freshness::Reason;
use crate::inputs::Part;
use crate::inputs::cargo_metadata::Package;
use crate::inputs::target::{Target, entries};
use crate::inputs::units::{self, Reader, Unit, UnitKind, Units};
use crate::log;

mod note;
mod remaining;
mod untracked;

pub(crate) use note::{Note, Observe, RacedInputs};
use note::{about, owners, witness};
pub(crate) use remaining::Remaining;
use remaining::removed;
pub(crate) use untracked::{OfProject, Untracked};

/// Makes cargo build anew what it would wrongly call fresh.
pub(crate) fn invalidate_stale_units(
    target: &Target,
    note: Option<&Note>,
    untracked: &Untracked,
    see: Observe,
) -> Remaining {
    let mut remaining = Remaining::default();
    let empty = Note::default();
    let note = note.unwrap_or(&empty);
    let Units { units, mut gaps } = units::read(&target.profiles());
    gaps.extend(target.unread());
    if units.is_empty() && !target.folders().is_empty() {
        log::debug("cargo keeps its fingerprints where they are not known; all is made anew");
        for folder in target.folders() {
            if let Err(cause) = clean_profile(target, &folder) {
                remaining.any = true;
                remaining.add("this project", &folder, cause);
            }
        }
    }
    // A unit that is not seen is not made anew.
    remaining.any |= !gaps.is_empty();
    remaining.causes.extend(gaps);
    for unit in units.iter().filter(|unit| !unit.is_checked_only()) {
        remaining.looked_at.insert(unit.folder.clone());
        let Some(cause) = cause(unit, target, note, untracked, see) else { continue };
        log::debug(format_args!("{}: {cause}; made anew", unit.package));
        remaining.remove(&unit.package, &unit.folder, &unit.folder);
        if unit.kind == UnitKind::Run {
            // Else cargo would run the script, and not compile what its output is for.
            remaining.remove(&unit.package, &unit.folder, &unit.output);
        }
    }
    remaining
}

/// Removes the fingerprints and compiled files of packages that can be edited. This is needed in
/// the target folder for unpacked sdists. The sdists have packages of the same name, and file times
/// do not show which one is newer, so cargo could take the module of an earlier sdist. `is_apart`:
/// only unpacked sdists are built in that folder.
pub(crate) fn invalidate_own_units(target: &Target, is_apart: bool, remaining: &mut Remaining) {
    forget_by_name(target, remaining);
    let is_left = |unit: &Unit| target.can_be_edited(unit);
    if !is_apart {
        return;
    }
    if !target.knows_all_packages
        || units::read(&target.profiles()).units.iter().any(|unit| is_left(unit))
    {
        log::debug("not all packages are known; all is made anew");
        for folder in target.profiles().into_iter().chain(target.folders()) {
            remaining.remove_of_any(&folder);
        }
    }
}

fn forget_by_name(target: &Target, remaining: &mut Remaining) {
    let mut names = BTreeSet::new();
    // Vendored packages too: if two sdists are unpacked into the same folder, one after the other,
    // cargo takes the vendored packages of both for the same.
    for package in &target.metadata.packages {
        names.insert(package.name.replace('-', "_"));
        names.extend(package.targets.iter().map(|product| product.name.replace('-', "_")));
    }
    let is_own = |path: &Path| {
        let name = path.file_name().unwrap_or_default().to_string_lossy().replace('-', "_");
        let name = name.split('.').next().unwrap_or_default();
        // `NAME_HASH`, `libNAME_HASH`; of a product, without a hash.
        let stem = match name.rsplit_once('_') {
            Some((stem, hash)) if is_hash(hash) => stem,
            _ => name,
        };
        [Some(stem), stem.strip_prefix("lib")]
            .into_iter()
            .flatten()
            .any(|stem| names.contains(stem))
    };
    let folders = target.profiles().into_iter().chain(target.folders());
    for folder in folders.collect::<BTreeSet<_>>() {
        for inside in ["", ".fingerprint", "build", "deps", "incremental", "examples"] {
            let folder = folder.join(inside);
            match entries(&folder) {
                Ok(paths) => {
                    paths.iter().filter(|path| is_own(path)).for_each(|path| {
                        remaining.remove_of_any(path);
                    });
                }
                Err(error) => {
                    remaining.any = true;
                    remaining.add("this project", &folder, error);
                }
            }
        }
    }
}

/// Whether a text looks like a hash in one of cargo's file names: 16 hexadecimal digits for a unit,
/// letters and digits for incremental compilation.
fn is_hash(text: &str) -> bool {
    (13..=16).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_alphanumeric())
}

/// Runs `cargo clean` for the packages that can be edited, in one profile folder.
fn clean_profile(target: &Target, folder: &Path) -> Result<(), Cause> {
    let name = |path: Option<&Path>| Some(path?.file_name()?.to_str()?.to_owned());
    let mut command = target.cargo().ok_or("there is no cargo")?;
    let profile = name(Some(folder)).ok_or("the folder's name is not UTF-8")?;
    command.arg("clean").arg("--manifest-path").arg(&target.manifest);
    // Not `--target-dir`: with that, cargo refuses a folder without CACHEDIR.TAG from 1.97 on.
    command.env("CARGO_TARGET_DIR", &target.metadata.target_directory);
    command.args(["--profile", if profile == "debug" { "dev" } else { &profile }]);
    if let Some(parent) = folder.parent()
        && parent != target.metadata.target_directory
    {
        command.args(name(Some(parent)).iter().flat_map(|triple| ["--target", triple]));
    }
    for package in target.metadata.packages.iter().filter(|package| package.is_of_a_path()) {
        command.args(["--package", &package.name]);
    }
    let done = command.stdin(Stdio::null()).stdout(Stdio::null()).output();
    let done = done.because("cargo clean")?;
    if done.status.success() {
        return Ok(());
    }
    let said = String::from_utf8_lossy(&done.stderr);
    let first = said.lines().find(|line| line.starts_with("error")).unwrap_or("it failed");
    Err(format!("cargo clean: {first}").into())
}

/// Why cargo can't be relied on for this unit.
fn cause(
    unit: &Unit,
    target: &Target,
    note: &Note,
    untracked: &Untracked,
    see: Observe,
) -> Option<&'static str> {
    let owners = owners(target, unit);
    let can_be_edited = target.can_be_edited(unit);
    let noted = match note.units.get(&unit.folder) {
        Some(noted) if noted.witness == witness(unit) && noted.owners == owners => noted,
        Some(_) if can_be_edited => return Some("somebody else built it"),
        None if can_be_edited || watches_elsewhere(unit, target) => {
            return Some("it is not known what it was made from");
        }
        Some(_) if watches_elsewhere(unit, target) => return Some("somebody else built it"),
        _ => return None,
    };
    let is_ours = target.packages_named(&unit.package).any(Package::is_of_a_path);
    // The script of a package that this build does not use was run with the build requirements of
    // another build. So they are not compared.
    let is_unused = unit.kind == UnitKind::Run
        && !target.local_packages().iter().any(|package| package.name == unit.package);
    if is_ours && !is_unused && !untracked.is(&noted.untracked, unit.kind)
        || can_be_edited && noted.about != about(target, unit)
    {
        return Some("an input that cargo does not know of changed");
    }
    let built = unit.built();
    let unseen = noted.changes(see).into_iter().any(|reason| {
        let Some(key) = reason.key() else { return false };
        if key.part == Part::Environment {
            // Of its own packages cargo compares variables; of the registry's it does not.
            return !can_be_edited && unit.kind != UnitKind::Run;
        }
        // Of the files of a package, cargo compares only the newest time. One file with a time in the
        // future hides the changes of all others.
        if unit.names_nothing() {
            return true;
        }
        // A removed file has no time that cargo could compare.
        if matches!(reason, Reason::Removed { .. }) {
            return true;
        }
        // A manifest that counts by its meaning. Its time is not compared.
        if key.view.is_some() {
            return true;
        }
        let Some(path) = noted.roots.path_of(key) else { return true };
        // A link that leads elsewhere brings times of its own.
        let linked = dunce::canonicalize(&path).is_ok_and(|resolved| resolved != path);
        let changed = fs::metadata(&path).and_then(|meta| meta.modified()).ok();
        linked || changed.zip(built).is_none_or(|(changed, built)| changed <= built)
    });
    unseen.then_some("cargo's clock can't be relied on")
}

/// Does the script of a package of the registry watch something that can be edited?
fn watches_elsewhere(unit: &Unit, target: &Target) -> bool {
    unit.watched_paths().any(|path| {
        path.is_absolute() && !target.is_pinned(path) && !target.is_product(path) && path.exists()
    })
}

/// Removes superseded units after a build. If an artifact's file name has no hash, there may be
/// several units of it, with different features or flags. They overwrite each other's file, and
/// cargo would call the old ones fresh by their times. If this build made one of them, the old ones
/// are removed.
pub(crate) fn remove_superseded_units(target: &Target, read: &Reader, since: SystemTime) {
    let Some(package) = target.package() else { return };
    let units = read.read(&target.profiles()).units;
    let products: Vec<&Unit> =
        units.iter().map(|unit| &**unit).filter(|unit| unit.is_product_of(&package.name)).collect();
    let is_new = |unit: &Unit| unit.built().is_some_and(|built| built >= since);
    for unit in &products {
        if !is_new(unit) && products.iter().any(|other| other.is_twin_of(unit) && is_new(other)) {
            // If the removal fails, the next build tries again: the new unit's dep-info replaced
            // the old unit's, so the old unit does not match its note any more.
            if let Err(error) = removed(&unit.folder) {
                log::debug(format_args!("{}: {error}", unit.folder.display()));
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;
    use crate::fingerprint::{Inputs, Value};
    use crate::inputs::cargo::Discovered;
    use crate::inputs::cargo_metadata::About;
    use crate::inputs::target::testing;
    use crate::inputs::{Key, Kind, Look, Place, Root, Roots, Watch};

    fn of_project(requirements: &str) -> OfProject {
        let (extra, configuration) = (BTreeSet::new(), String::new());
        OfProject { extra, configuration, to_scripts: requirements.to_owned() }
    }

    /// The units that are left in a build of `m` with these build requirements. Earlier, `m` and
    /// `other`, which it does not use, were built with `cffi=1`.
    fn left(requirements: &str) -> Vec<String> {
        const RUN: &str = "run-build-script-build-script-build";
        let folder = tempfile::tempdir().unwrap();
        let mut target = testing::target(folder.path());
        let other = folder.path().join("other/Cargo.toml");
        target.metadata.packages.push(Package {
            source: None,
            name: "other".to_owned(),
            manifest_path: other,
            targets: Vec::new(),
            dependencies: Vec::new(),
            about: About::default(),
        });
        let profile = target.build_root().join("release");
        for (id, file) in [
            ("m-01", "lib-m"),
            ("m-02", "build-script-build-script-build"),
            ("m-03", RUN),
            ("other-04", RUN),
        ] {
            testing::unit(&profile, id, file, 1, &[], "[]");
        }
        let units = || units::read(std::slice::from_ref(&profile)).units.into_iter();
        let see = |_: &BTreeSet<Watch>, _: &Roots| BTreeMap::new();
        let with = |requirements: &str| {
            Untracked::new(folder.path(), of_project(requirements), None, |_, _| None, &see)
        };
        let raced_inputs = RacedInputs {
            raced: &BTreeSet::new(),
            remaining: &Remaining::default(),
            is_gone: &|_| false,
        };
        let built = units().map(|unit| (unit.folder.clone(), BTreeSet::new())).collect();
        let found = Discovered { units: built, ..Discovered::default() };
        let note = Note::new(None, &target, &found, &with("cffi=1"), &raced_inputs, &see);
        invalidate_stale_units(&target, Some(&note), &with(requirements), &see);
        units().map(|unit| format!("{}-{}", unit.package, unit.hash)).collect()
    }

    #[test]
    fn other_build_requirements_concern_the_projects_own_build_scripts() {
        assert_eq!(left("cffi=1"), ["m-01", "m-02", "m-03", "other-04"]);
        assert_eq!(left("cffi=2"), ["m-01", "m-02", "other-04"]);
    }

    /// The units that are left after a change of `data.txt`, which has a later time than the build.
    /// `local` is what cargo compares for a run of a build script.
    fn left_after_an_edit(local: &str) -> usize {
        let folder = tempfile::tempdir().unwrap();
        let target = testing::target(folder.path());
        let profile = target.build_root().join("release");
        testing::unit(&profile, "m-01", "run-build-script-build-script-build", 1, &[], local);
        let data = folder.path().join("data.txt");
        let write = |text: &str| {
            fs::write(&data, text).unwrap();
            let file = fs::File::options().append(true).open(&data).unwrap();
            let later = SystemTime::now() + std::time::Duration::from_secs(100);
            file.set_modified(later).unwrap();
        };
        write("one");
        let see = |watches: &BTreeSet<Watch>, _: &Roots| {
            let value = || Value::Text(fs::read_to_string(&data).unwrap());
            let key = |watch: &Watch| match watch {
                Watch::Place { part, place, .. } => Key::place(*part, Kind::File, place.clone()),
                other => panic!("{other:?}"),
            };
            watches.iter().map(|watch| (key(watch), value())).collect::<Inputs>()
        };
        let nothing = |_: &BTreeSet<Watch>, _: &Roots| Inputs::new();
        let untracked = Untracked::new(folder.path(), of_project(""), None, |_, _| None, &nothing);
        let raced_inputs = RacedInputs {
            raced: &BTreeSet::new(),
            remaining: &Remaining::default(),
            is_gone: &|_| false,
        };
        let units = || units::read(std::slice::from_ref(&profile)).units.into_iter();
        let place = Place { root: Root::Project, path: "data.txt".to_owned() };
        let watches = BTreeSet::from([Watch::at(Look::Content, Part::Rust, place)]);
        let mut found = Discovered::default();
        found.roots.add(Root::Project, dunce::canonicalize(folder.path()).unwrap());
        found.units = units().map(|unit| (unit.folder.clone(), watches.clone())).collect();
        let note = Note::new(None, &target, &found, &untracked, &raced_inputs, &see);
        invalidate_stale_units(&target, Some(&note), &untracked, &see);
        assert_eq!(units().count(), 1, "unchanged");
        write("two");
        invalidate_stale_units(&target, Some(&note), &untracked, &see);
        units().count()
    }

    #[test]
    fn the_newest_time_of_a_package_does_not_show_each_change() {
        let named = r#"[{"RerunIfChanged": {"output": "output", "paths": ["data.txt"]}}]"#;
        assert_eq!(left_after_an_edit(named), 1, "cargo compares the time of the file");
        assert_eq!(left_after_an_edit(r#"[{"Precalculated": "1.0s (other.txt)"}]"#), 0);
    }
}
