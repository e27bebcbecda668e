//! maturin's configuration files for pyo3, in packages that share a target folder.
//!
//! For abi3 and pyo3 0.29 or later, maturin writes `TARGET/maturin/pyo3-config-TRIPLE-VERSION.txt`.
//! Packages with different lowest Python versions use the same file with different contents. Cargo
//! compares only its time, so each package would make pyo3 stale for the others. Their units of pyo3
//! are not the same ones, because the lowest version is a feature of pyo3. So before a build, the
//! file gets the content and the time that it had after this package's last build.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use fs_err as fs;
use serde::{Deserialize, Serialize};

use crate::error::{PathContext as _, Result};
use crate::inputs::cargo::Discovered;
use crate::inputs::target::Target;
use crate::inputs::units::{Reader, UnitKind};
use crate::log;
use crate::publish::{self, sealed};
use crate::store::Store;

/// What a build left.
#[derive(Serialize, Deserialize)]
struct Kept {
    files: Files,
    /// The units that read the files, and when each was built. If another build compiled them since,
    /// they were not made from these contents.
    readers: Readers,
}

/// Content and time of each file, by name.
type Files = BTreeMap<String, Config>;
type Readers = BTreeMap<PathBuf, Option<SystemTime>>;

#[derive(PartialEq, Serialize, Deserialize)]
struct Config {
    content: String,
    modified: SystemTime,
}

/// Gives the files the contents of this package's last build, if the units that read them are still
/// those of that build. Call this under the lock of the target folder.
pub(super) fn restore(store: &Store, built: &Target) {
    let target = &built.metadata.target_directory;
    let Ok(kept) = sealed::read::<Kept>(&store.pyo3_configs(target)) else { return };
    let now = readers(built, &Reader::default());
    if kept.readers.is_empty() || kept.readers.iter().any(|(unit, at)| now.get(unit) != Some(at)) {
        return;
    }
    let now = read(target);
    let is_other = |(name, config): &(&String, &Config)| now.get(*name) != Some(*config);
    for (name, config) in kept.files.iter().filter(is_other) {
        // A file that is gone is written by maturin.
        if now.contains_key(name) {
            let path = target.join("maturin").join(name);
            write(&path, config).unwrap_or_else(log::debug);
        }
    }
}

/// Keeps the files after a finished build, in which `found` was found.
pub(super) fn keep(store: &Store, built: &Target, found: &Discovered) {
    let target = &built.metadata.target_directory;
    let (path, files) = (store.pyo3_configs(target), read(target));
    let mut readers = readers(built, &found.read);
    readers.retain(|unit, _| found.units.contains_key(unit));
    if !files.is_empty() && sealed::write(&path, &Kept { files, readers }).is_err() {
        let _ = fs::remove_file(path);
    }
}

/// The runs of build scripts that watch such a file, and when each was made.
fn readers(built: &Target, read: &Reader) -> Readers {
    let folder = built.metadata.target_directory.join("maturin");
    let runs = read.read(&built.profiles()).units.into_iter();
    runs.filter(|unit| unit.kind == UnitKind::Run)
        .filter(|unit| unit.watched_paths().any(|path| path.starts_with(&folder)))
        .map(|unit| (unit.folder.clone(), unit.built()))
        .collect()
}

fn read(target: &Path) -> Files {
    let entries = fs::read_dir(target.join("maturin")).into_iter().flatten().flatten();
    let config = |entry: fs::DirEntry| {
        let name = entry.file_name().into_string().ok()?;
        let is_one = name.starts_with("pyo3-config-") && name.ends_with(".txt");
        let content = is_one.then(|| fs::read_to_string(entry.path()).ok())??;
        Some((name, Config { content, modified: entry.metadata().ok()?.modified().ok()? }))
    };
    entries.filter_map(config).collect()
}

fn write(path: &Path, config: &Config) -> Result<()> {
    let mut file = publish::beside(path).at(path)?;
    std::io::Write::write_all(&mut file, config.content.as_bytes()).at(path)?;
    file.as_file().set_modified(config.modified).at(path)?;
    publish::share(&file).at(path)?;
    publish::persist_unsynced(file, path).at(path)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;
    use std::time::Duration;

    use super::*;
    use crate::inputs::target::testing;
    use crate::request::Environment;

    /// A unit that reads a configuration.
    const READER: &str = "pyo3-ffi-01";

    /// The content that a build finds, if another build left its own after this project's last
    /// build, and `change` was made in the folder with cargo's fingerprints.
    fn restored(change: impl FnOnce(&Path)) -> String {
        let folder = tempfile::tempdir().unwrap();
        let mut environment = Environment::default();
        environment.set("WHEELPRINT_CACHE_DIR", folder.path().join("cache"));
        let store = Store::open(&environment, folder.path(), Some("m"), "").unwrap();
        let target = testing::target(folder.path());
        let config = target.metadata.target_directory.join("maturin/pyo3-config-x.txt");
        fs::create_dir_all(config.parent().unwrap()).unwrap();
        fs::write(&config, "own").unwrap();
        let profile = target.build_root().join("release");
        let fingerprints = profile.join(".fingerprint");
        let local = serde_json::json!([{ "RerunIfChanged": { "output": "o", "paths": [config] } }]);
        let run = "run-build-script-build-script-build";
        testing::unit(&profile, READER, run, 1, &[], &local.to_string());
        let units = BTreeMap::from([(fingerprints.join(READER), BTreeSet::new())]);
        keep(&store, &target, &Discovered { units, ..Discovered::default() });
        fs::write(&config, "another's").unwrap();
        change(&fingerprints);
        restore(&store, &target);
        fs::read_to_string(config).unwrap()
    }

    #[test]
    fn contents_come_back_only_while_their_readers_are_those_of_the_build() {
        assert_eq!(restored(|_| {}), "own");
        let compiled_again = restored(|fingerprints| {
            let value = fingerprints.join(READER).join("run-build-script-build-script-build");
            let file = fs::OpenOptions::new().write(true).open(value).unwrap();
            file.file().set_modified(SystemTime::now() + Duration::from_secs(9)).unwrap();
        });
        assert_eq!(compiled_again, "another's");
        let removed = restored(|fingerprints| {
            fs::remove_dir_all(fingerprints.join(READER)).unwrap();
        });
        assert_eq!(removed, "another's");
    }

    #[test]
    fn a_file_gets_its_content_and_time_back() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("maturin/pyo3-config-x-3.11-abi3.txt");
        fs::create_dir(path.parent().unwrap()).unwrap();
        fs::write(&path, "version=3.9").unwrap();
        fs::write(folder.path().join("maturin/other.txt"), "").unwrap();
        let before = read(folder.path());
        assert_eq!(before.len(), 1);
        fs::write(&path, "version=3.10").unwrap();
        write(&path, before.values().next().unwrap()).unwrap();
        assert!(read(folder.path()) == before);
        assert_eq!(fs::read_to_string(path).unwrap(), "version=3.9");
    }
}
