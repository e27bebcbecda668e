//! Cargo's own fingerprints: the units in an artifact, and the inputs that cargo watches for each.
//!
//! A unit's fingerprint is `.fingerprint/PACKAGE-HASH/KIND-NAME.json`, or
//! `build/PACKAGE/HASH/fingerprint/KIND-NAME.json` in the newer layout (cargo
//! `compiler/fingerprint/mod.rs`, `compiler/layout.rs`). It names the unit's dependencies by the
//! values of their fingerprints. The unit's own value is stored, in hex, in the file of the same
//! name without `.json`. These values separate the units in use from leftovers of other features
//! and flags. The format is internal to cargo. If it is not understood, all units count.

use std::collections::{BTreeMap, BTreeSet};
use std::io::ErrorKind;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use serde::Deserialize;
use serde::de::IgnoredAny;

use super::entries::entries;
use super::{dep_info, normalize};

/// The kind of a unit.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum UnitKind {
    /// A library or a program.
    Product,
    /// The compiled build script.
    Script,
    /// The run of a build script.
    Run,
}

/// One unit of a profile folder.
#[derive(Debug, Clone)]
pub struct Unit {
    /// The folder of cargo's fingerprint.
    pub folder: PathBuf,
    profile: PathBuf,
    /// The folders that may contain rustc's dep-info: `deps` and one of its own, or, in the newer
    /// layout, only one of its own.
    pub made: Vec<PathBuf>,
    /// The file with the output of a run, which cargo keeps.
    pub output: PathBuf,
    pub package: String,
    pub kind: UnitKind,
    /// The name of the fingerprint file, such as `lib-NAME`.
    stem: String,
    /// The crate's name in file names.
    name: String,
    /// The end of cargo's names for the unit.
    pub hash: String,
    /// The value of the fingerprint, in hex.
    value: String,
    dependencies: Vec<String>,
    local: Vec<Local>,
}

#[derive(Debug, Deserialize)]
struct Written {
    deps: Vec<(IgnoredAny, IgnoredAny, IgnoredAny, u64)>,
    local: Vec<Local>,
}

/// The inputs that cargo compares for a unit, in addition to those that are hashed into its name.
#[derive(Debug, Clone, Deserialize)]
enum Local {
    /// A version, or the newest file of a package whose build script names nothing to watch.
    Precalculated(IgnoredAny),
    /// The files in rustc's dep-info.
    CheckDepInfo(IgnoredAny),
    RerunIfChanged {
        paths: Vec<PathBuf>,
    },
    RerunIfEnvChanged {
        var: String,
    },
}

impl Unit {
    fn read(place: &UnitPlace, json: &Path) -> Option<Self> {
        let stem = json.file_stem()?.to_str()?;
        let (kind, name) = if let Some(name) = stem.strip_prefix("run-build-script-") {
            (UnitKind::Run, name)
        } else if let Some(name) = stem.strip_prefix("build-script-") {
            (UnitKind::Script, name)
        } else if let Some(name) = stem.strip_prefix("lib-").or(stem.strip_prefix("bin-")) {
            (UnitKind::Product, name)
        } else {
            return None;
        };
        let written: Option<Written> =
            fs_err::read(json).ok().and_then(|bytes| serde_json::from_slice(&bytes).ok());
        let value = fs_err::read_to_string(json.with_extension("")).unwrap_or_default();
        let (dependencies, local) = match written {
            Some(Written { deps, local }) => {
                (deps.iter().map(|dep| hex::encode(dep.3.to_le_bytes())).collect(), local)
            }
            None => (vec!["unknown".to_owned()], Vec::new()),
        };
        Some(Self {
            folder: place.folder.clone(),
            profile: place.profile.clone(),
            made: place.made.clone(),
            output: place.output.clone(),
            package: place.package.clone(),
            kind,
            stem: stem.to_owned(),
            name: name.replace('-', "_"),
            hash: place.hash.clone(),
            value: value.trim().to_owned(),
            dependencies,
            local,
        })
    }

    /// Whether this unit is a library or program of the package, and not only checked.
    pub fn is_product_of(&self, package: &str) -> bool {
        self.package == package && self.kind == UnitKind::Product && !self.is_checked_only()
    }

    /// Whether the unit was only checked (`cargo check`, rust-analyzer). Such a unit is in no
    /// artifact.
    pub fn is_checked_only(&self) -> bool {
        let own = format!("{}-{}.d", self.name, self.hash);
        self.kind == UnitKind::Product
            && self.dep_infos().iter().all(|path| path.ends_with(&own))
            && self.made_metadata_only()
    }

    /// Whether rustc's dep-info lists only metadata as output. If a library's file name has no
    /// hash, a check overwrites the dep-info of its build.
    pub fn made_metadata_only(&self) -> bool {
        let made = self.read_dep_infos(dep_info::parse_targets);
        made.iter().any(|file| file.ends_with(".rmeta"))
            && made.iter().all(|file| file.ends_with(".rmeta") || file.ends_with(".d"))
    }

    /// Whether both units are the same product, built with different features or flags.
    pub fn is_twin_of(&self, other: &Self) -> bool {
        self.package == other.package
            && self.stem == other.stem
            && self.profile == other.profile
            && self.folder != other.folder
    }

    /// The paths that a run of a build script named, as written.
    pub fn watched_paths(&self) -> impl Iterator<Item = &Path> {
        let named = self.local.iter().filter_map(|local| match local {
            Local::RerunIfChanged { paths } => Some(paths),
            _ => None,
        });
        named.flatten().map(PathBuf::as_path)
    }

    /// The variables that a run of a build script named.
    pub fn watched_variables(&self) -> impl Iterator<Item = &str> {
        self.local.iter().filter_map(|local| match local {
            Local::RerunIfEnvChanged { var } => Some(var.as_str()),
            _ => None,
        })
    }

    /// Whether a run of a build script named nothing to watch. Cargo then watches the whole
    /// package.
    pub fn names_nothing(&self) -> bool {
        self.kind == UnitKind::Run
            && self.local.iter().all(|local| matches!(local, Local::Precalculated(_)))
    }

    /// The files with rustc's dep-info of this unit. Usually this is one file. There are several if
    /// the right one is not known, and none if it was removed.
    pub fn dep_infos(&self) -> Vec<PathBuf> {
        let name = &self.name;
        for file in [format!("{name}-{}.d", self.hash), format!("{name}.d")] {
            let found = self.made.iter().map(|folder| folder.join(&file)).find(|it| it.is_file());
            if let Some(found) = found {
                return vec![found];
            }
        }
        let start = format!("{name}-");
        let alike = |file: &Path| {
            let file = file.file_name().unwrap_or_default().to_string_lossy();
            file.starts_with(&start) && file.ends_with(".d")
        };
        self.made.iter().flat_map(|folder| files_in(folder)).filter(|file| alike(file)).collect()
    }

    /// What can be read of rustc's dep-info. `unreadable` names the other files, which are gaps.
    fn read_dep_infos<T>(&self, parse: fn(&str) -> Vec<T>) -> Vec<T> {
        let texts = self.dep_infos().into_iter().filter_map(|path| fs_err::read(path).ok());
        texts.flat_map(|text| parse(&String::from_utf8_lossy(&text))).collect()
    }

    /// Files of cargo and rustc for this unit that cannot be read, so that the inputs they name are
    /// unknown.
    pub fn unreadable(&self) -> Vec<String> {
        let mut files = self.dep_infos();
        if self.kind == UnitKind::Run {
            files.push(self.output.clone());
        }
        let unreadable = |path: &PathBuf| match fs_err::read(path) {
            // The output does not exist if cargo's configuration overrides the build script.
            Err(error) if error.kind() != ErrorKind::NotFound => {
                let name = path.file_name()?.to_string_lossy();
                Some(format!("{name} of {} could not be read: {}", self.package, error.kind()))
            }
            _ => None,
        };
        files.iter().filter_map(unreadable).collect()
    }

    /// The files that rustc read, each with the name under which rustc opened it. A relative name is
    /// relative to the workspace's folder, where rustc runs.
    pub fn sources(&self, workspace_root: &Path) -> BTreeSet<(PathBuf, PathBuf)> {
        let names = self.read_dep_infos(dep_info::parse_rules);
        names.into_iter().map(|name| (normalize(&workspace_root.join(&name)), name)).collect()
    }

    /// The variables that `env!` and `option_env!` read, with their values.
    pub fn variables(&self) -> BTreeSet<(String, Option<String>)> {
        self.read_dep_infos(dep_info::parse_env_deps).into_iter().collect()
    }

    /// Cargo's files of this unit. Their contents and times show whether the unit was rebuilt.
    pub fn files(&self) -> Vec<PathBuf> {
        let mut files = files_in(&self.folder);
        if self.kind == UnitKind::Run {
            files.push(self.output.clone());
        }
        files
    }

    /// The value of the unit's fingerprint; empty while cargo builds the unit, or after that failed.
    pub fn value(&self) -> &str {
        &self.value
    }

    /// The values of the fingerprints of the units that this one was built with.
    pub fn dependencies(&self) -> &[String] {
        &self.dependencies
    }

    /// Whether cargo compares the files and variables in rustc's dep-info. Older versions of cargo
    /// compare only the version of a package of a registry.
    pub fn is_compared_by_dep_info(&self) -> bool {
        self.local.iter().any(|local| matches!(local, Local::CheckDepInfo(_)))
    }

    /// The time when cargo last built the unit.
    pub fn built(&self) -> Option<SystemTime> {
        self.files().iter().filter_map(|file| fs_err::metadata(file).ok()?.modified().ok()).max()
    }
}

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
#[derive(Debug, Default)]
pub struct Units {
    pub units: Vec<Unit>,
    /// Folders of cargo that could not be read, and may contain further units.
    pub gaps: Vec<String>,
}

impl Units {
    /// The entries of one of cargo's folders. A failure is added to `gaps`.
    fn list(&mut self, folder: &Path) -> Vec<PathBuf> {
        entries(folder).unwrap_or_else(|error| {
            let name = folder.file_name().unwrap_or_default().to_string_lossy();
            self.gaps.push(format!("cargo's folder {name} could not be read: {}", error.kind()));
            Vec::new()
        })
    }

    fn folders(&mut self, folder: &Path) -> Vec<PathBuf> {
        self.list(folder).into_iter().filter(|path| path.is_dir()).collect()
    }
}

/// All units in these profile folders (the folders that contain `build`).
pub fn read(profiles: &[PathBuf]) -> Units {
    let mut found = Units::default();
    for profile in profiles {
        for place in UnitPlace::all(profile, &mut found) {
            let files = found.list(&place.folder);
            let json = |path: &&PathBuf| {
                path.extension().is_some_and(|extension| extension == "json") && path.is_file()
            };
            let units = files.iter().filter(json).filter_map(|json| Unit::read(&place, json));
            found.units.extend(units);
        }
    }
    found
}

fn files_in(folder: &Path) -> Vec<PathBuf> {
    let entries = entries(folder).unwrap_or_default();
    entries.into_iter().filter(|path| path.is_file()).collect()
}

/// The units in the artifacts of this package; all units, if this is unknown.
///
/// If several units build the same product, only those built at or after `since` count, if there
/// are any. The others have different features or flags.
pub fn live<'a>(units: &'a [Unit], package: &str, since: SystemTime) -> Vec<&'a Unit> {
    used(units, package, since).unwrap_or_else(|| units.iter().collect())
}

/// As [`live`]; `None` if it is unknown which units are in the artifacts.
pub fn used<'a>(units: &'a [Unit], package: &str, since: SystemTime) -> Option<Vec<&'a Unit>> {
    let products = || units.iter().filter(|unit| unit.is_product_of(package));
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
