//! Cargo's own fingerprints: the units in an artifact, and the inputs that cargo watches for each.
//!
//! A unit's fingerprint is `.fingerprint/PACKAGE-HASH/KIND-NAME.json`, or
//! `build/PACKAGE/HASH/fingerprint/KIND-NAME.json` in the newer layout (cargo
//! `compiler/fingerprint/mod.rs`, `compiler/layout.rs`). It names the unit's dependencies by the
//! values of their fingerprints. The unit's own value is stored, in hex, in the file of the same
//! name without `.json`. These values separate the units in use from leftovers of other features
//! and flags. The format is internal to cargo. If it is not understood, all units count.

use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::SystemTime;

use super::entries::{files, folders};

mod unit;

pub use unit::{Unit, UnitKind};

/// The places of one unit's files.
struct UnitPlace {
    folder: PathBuf,
    profile: PathBuf,
    made: Vec<PathBuf>,
    output: PathBuf,
    package: String,
    hash: String,
}

impl UnitPlace {
    fn all(profile: &Path, units: &mut Units) -> Vec<Self> {
        let name = |path: &Path| Some(path.file_name()?.to_str()?.to_owned());
        let mut found = Vec::new();
        for folder in units.folders(&profile.join(".fingerprint")) {
            let Some(id) = name(&folder) else { continue };
            let Some((package, hash)) = id.rsplit_once('-') else { continue };
            let own = profile.join("build").join(&id);
            found.push(Self {
                made: vec![profile.join("deps"), own.clone()],
                output: own.join("output"),
                package: package.to_owned(),
                hash: hash.to_owned(),
                profile: profile.to_owned(),
                folder,
            });
        }
        for package in units.folders(&profile.join("build")) {
            for unit in units.folders(&package) {
                let folder = unit.join("fingerprint");
                if let (Some(package), Some(hash), true) =
                    (name(&package), name(&unit), folder.is_dir())
                {
                    found.push(Self {
                        made: vec![unit.join("out")],
                        output: unit.join("run").join("stdout"),
                        profile: profile.to_owned(),
                        package,
                        hash,
                        folder,
                    });
                }
            }
        }
        found
    }
}

/// The units of some profile folders.
#[derive(Debug, Default, Clone)]
pub struct Units {
    pub units: Vec<Arc<Unit>>,
    /// Folders of cargo that could not be read, and may contain further units.
    pub gaps: Vec<String>,
}

impl Units {
    /// The files or folders in one of cargo's folders. A failure is added to `gaps`.
    fn list(&mut self, folder: &Path, list: fn(&Path) -> io::Result<Vec<PathBuf>>) -> Vec<PathBuf> {
        list(folder).unwrap_or_else(|error| {
            let name = folder.file_name().unwrap_or_default().to_string_lossy();
            self.gaps.push(format!("cargo's folder {name} could not be read: {}", error.kind()));
            Vec::new()
        })
    }

    fn folders(&mut self, folder: &Path) -> Vec<PathBuf> {
        self.list(folder, folders)
    }

    fn of(profile: &Path) -> Self {
        let mut found = Self::default();
        for place in UnitPlace::all(profile, &mut found) {
            let files = found.list(&place.folder, files);
            let json = |path: &&PathBuf| path.extension().is_some_and(|it| it == "json");
            let units = files.iter().filter(json).filter_map(|json| Unit::read(&place, json));
            found.units.extend(units.map(Arc::new));
        }
        found
    }
}

/// All units in these profile folders (the folders that contain `build`).
pub fn read(profiles: &[PathBuf]) -> Units {
    Reader::default().read(profiles)
}

/// Reads each profile folder once, as long as nobody builds there.
#[derive(Debug, Default)]
pub struct Reader(Mutex<BTreeMap<PathBuf, Units>>);

impl Reader {
    /// All units in these profile folders, as they were when each was first read.
    pub fn read(&self, profiles: &[PathBuf]) -> Units {
        let mut read = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let mut found = Units::default();
        for profile in profiles {
            let units = read.entry(profile.clone()).or_insert_with(|| Units::of(profile));
            found.units.extend(units.units.iter().cloned());
            found.gaps.extend(units.gaps.iter().cloned());
        }
        found
    }
}

/// The units in the artifacts of this package; all units, if this is unknown.
///
/// If several units build the same product, only those built at or after `since` count, if there
/// are any. The others have different features or flags.
pub fn live<'a>(units: &'a [Arc<Unit>], package: &str, since: SystemTime) -> Vec<&'a Unit> {
    used(units, package, since).unwrap_or_else(|| units.iter().map(|unit| &**unit).collect())
}

/// As [`live`]; `None` if it is unknown which units are in the artifacts.
pub fn used<'a>(units: &'a [Arc<Unit>], package: &str, since: SystemTime) -> Option<Vec<&'a Unit>> {
    let products = || units.iter().map(|unit| &**unit).filter(|unit| unit.is_product_of(package));
    let is_new = |unit: &&Unit| unit.built().is_some_and(|built| built >= since);
    // A library and a program may have the same name. Their stems differ.
    let new: BTreeSet<&str> = products().filter(is_new).map(|unit| unit.stem.as_str()).collect();
    let roots = products().filter(|unit| is_new(unit) || !new.contains(unit.stem.as_str()));

    let mut by_value: BTreeMap<&str, Vec<&Unit>> = BTreeMap::new();
    for unit in units {
        by_value.entry(&unit.value).or_default().push(unit);
    }
    let mut live: BTreeMap<(&Path, &str), &Unit> = BTreeMap::new();
    let mut open: Vec<&Unit> = roots.collect();
    if open.is_empty() {
        return None;
    }
    while let Some(unit) = open.pop() {
        if live.insert((&unit.folder, &unit.value), unit).is_some() {
            continue;
        }
        for dependency in &unit.dependencies {
            match by_value.get(dependency.as_str()) {
                Some(found) => open.extend(found),
                None => return None,
            }
        }
    }
    Some(live.into_values().collect())
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use fs_err as fs;

    use super::*;
    use crate::inputs::target::testing::unit;

    fn names(units: &[&Unit]) -> Vec<String> {
        units
            .iter()
            .map(|unit| unit.folder.file_name().unwrap().to_string_lossy().into_owned())
            .collect()
    }

    const PATH: &str = r#"[{"CheckDepInfo":{"dep_info":"x","checksum":false}}]"#;
    const RUN: &str = r#"[{"RerunIfChanged":{"output":"o","paths":["a","b"]}},
        {"RerunIfEnvChanged":{"var":"X","val":null}}]"#;

    fn example(root: &Path) {
        unit(root, "app-0000000000000001", "lib-_native", 10, &[20, 30], PATH);
        unit(root, "core-0000000000000002", "lib-core", 20, &[], PATH);
        unit(root, "core-0000000000000003", "lib-core", 21, &[], PATH);
        unit(root, "app-0000000000000004", "run-build-script-build-script-build", 30, &[], RUN);
    }

    #[test]
    fn leftovers_are_told_from_what_is_in_use() {
        let folder = tempfile::tempdir().unwrap();
        example(folder.path());
        let units = read(&[folder.path().to_owned()]).units;
        assert_eq!(units.len(), 4);
        let live = live(&units, "app", SystemTime::UNIX_EPOCH);
        assert_eq!(
            names(&live),
            ["app-0000000000000001", "app-0000000000000004", "core-0000000000000002"]
        );
        let run = live.iter().find(|unit| unit.kind == UnitKind::Run).unwrap();
        assert_eq!(run.watched_paths().collect::<Vec<_>>(), [Path::new("a"), Path::new("b")]);
        assert_eq!(run.watched_variables().collect::<Vec<_>>(), ["X"]);
        assert!(!run.names_nothing());
    }

    #[test]
    fn the_newer_layout_is_known() {
        let folder = tempfile::tempdir().unwrap();
        let unit = folder.path().join("build/core/0000000000000002");
        for inner in ["fingerprint", "out"] {
            fs::create_dir_all(unit.join(inner)).unwrap();
        }
        fs::write(unit.join("fingerprint/lib-core"), "00").unwrap();
        fs::write(unit.join("fingerprint/lib-core.json"), r#"{"deps": [], "local": []}"#).unwrap();
        fs::write(unit.join("out/core-0000000000000002.d"), "").unwrap();
        let units = read(&[folder.path().to_owned()]).units;
        assert_eq!(units.len(), 1);
        assert_eq!((units[0].package.as_str(), units[0].kind), ("core", UnitKind::Product));
        assert_eq!(units[0].dep_infos(), [unit.join("out/core-0000000000000002.d")]);
    }

    #[test]
    fn what_is_not_understood_lets_all_count() {
        let folder = tempfile::tempdir().unwrap();
        example(folder.path());
        let profiles = [folder.path().to_owned()];
        let app = profiles[0].join(".fingerprint/app-0000000000000001/lib-_native.json");
        for text in ["{}", "not JSON", r#"{"deps": [[1, "x", false, 99]], "local": []}"#] {
            fs::write(&app, text).unwrap();
            let units = read(&profiles).units;
            assert_eq!(live(&units, "app", SystemTime::UNIX_EPOCH).len(), 4, "{text}");
        }
        let units = read(&profiles).units;
        assert_eq!(live(&units, "other", SystemTime::UNIX_EPOCH).len(), 4);
    }

    /// Sets the times of a unit's files to long ago.
    fn age(root: &Path, id: &str) {
        let long_ago = SystemTime::now() - Duration::from_secs(1000);
        for entry in fs::read_dir(root.join(".fingerprint").join(id)).unwrap() {
            let file = fs::OpenOptions::new().write(true).open(entry.unwrap().path()).unwrap();
            file.into_parts().0.set_modified(long_ago).unwrap();
        }
    }

    #[test]
    fn a_program_just_built_does_not_stand_for_the_library_of_its_name() {
        let folder = tempfile::tempdir().unwrap();
        unit(folder.path(), "app-0000000000000001", "lib-app", 10, &[], PATH);
        unit(folder.path(), "app-0000000000000002", "bin-app", 11, &[], PATH);
        age(folder.path(), "app-0000000000000001");
        let units = read(&[folder.path().to_owned()]).units;
        let since = SystemTime::now() - Duration::from_secs(500);
        let live = live(&units, "app", since);
        assert_eq!(names(&live), ["app-0000000000000001", "app-0000000000000002"]);
    }

    #[test]
    fn what_was_only_checked_just_now_does_not_stand_for_the_artifact() {
        let folder = tempfile::tempdir().unwrap();
        let deps = folder.path().join("deps");
        fs::create_dir_all(&deps).unwrap();
        for (hash, value, made) in
            [("0000000000000001", 10, "libapp-x.rlib"), ("0000000000000002", 11, "libapp-x.rmeta")]
        {
            unit(folder.path(), &format!("app-{hash}"), "lib-app", value, &[], PATH);
            fs::write(deps.join(format!("app-{hash}.d")), format!("{made}: src/lib.rs\n")).unwrap();
        }
        age(folder.path(), "app-0000000000000001");
        let units = read(&[folder.path().to_owned()]).units;
        let since = SystemTime::now() - Duration::from_secs(500);
        assert_eq!(names(&live(&units, "app", since)), ["app-0000000000000001"]);
    }

    #[test]
    fn of_two_units_of_one_artifact_the_one_just_built_counts() {
        let folder = tempfile::tempdir().unwrap();
        example(folder.path());
        unit(folder.path(), "app-0000000000000005", "lib-_native", 11, &[21], PATH);
        let long_ago = SystemTime::now() - Duration::from_secs(1000);
        for file in ["lib-_native", "lib-_native.json"] {
            let old = folder.path().join(".fingerprint/app-0000000000000001").join(file);
            let file = fs::OpenOptions::new().write(true).open(old).unwrap();
            file.into_parts().0.set_modified(long_ago).unwrap();
        }
        let units = read(&[folder.path().to_owned()]).units;
        let since = SystemTime::now() - Duration::from_secs(500);
        assert_eq!(
            names(&live(&units, "app", since)),
            ["app-0000000000000005", "core-0000000000000003"]
        );
    }
}
