//! Finished wheels and their records, found by the content of the inputs (docs/design.md, D3, D14,
//! D15).
//!
//! All files are in one folder below the user's cache folder, `wheelprint-v1`, which nobody else
//! uses. It is safe to delete at any time:
//!
//! ```text
//! projects/NAME-HASH/entries/KIND-FINGERPRINT.json       record, roots, which wheel
//!                    entries/KIND-FINGERPRINT-TREE.json  a build that only this tree can use
//!                    entries/KIND-untrusted-TREE.json    a build with a gap in its inputs: no wheel
//!                    wheels/SHA256/FILENAME.whl
//!                    trees/TREE/                         for one folder with the project:
//!                        root                            its path
//!                        promises/KEY.json               stored wheels promised by get_requires
//!                        build.lock, stat.bin, toolchain.json
//!                        last-KIND                       the entry that it used last
//!                        pyo3-TARGET.json                see `hooks/pyo3_config.rs`
//!                        direct-INPUTS.json, .whl        see `direct`
//!                        said                            the last report about uv's keys
//!                        log                             the last calls, see `journal`
//!                        missed                          see `team`: what its shared store lacks
//!                        archives/SHA256                 sdists made from it, by digest of record
//!                        archive-target/                 the target folder for building them
//! notes/TARGET.json                                       see `cargo_mtime`
//! init/HASH                                               see `original`
//! locks/TARGET.lock
//! imports/PLACE-ENVIRONMENT.memory, PLACE.lock, PLACE.failure, PLACE.together
//!                                                         see `_runtime_check.py`, `_runtime_rebuild.py`
//! team/                                                  see `team`: program, records, what goes out
//! backend/DIGEST.so                                       copies of the compiled module
//! interpreters/NAME/                                      see `interpreter`
//! programs/TARGET/                                        links to the frontend's programs
//! ```
//!
//! Only folders that nobody but the user can write to are used (`publish::private`).
//!
//! All data is checked when it is read. Entries carry a checksum. Wheels are hashed while they are
//! copied out. Data that does not match counts as missing.
//!
//! All trees of a project share its builds (docs/design.md, D16). A tree is named by a hash of its
//! path.

use std::path::{Path, PathBuf};
use std::time::Duration;

use fs_err as fs;

use crate::digest::Tagged;
use crate::error::{PathContext as _, Result};
use crate::log;
use crate::publish::{self, private};
use crate::request::Environment;

mod archives;
mod cache;
mod direct;
mod entries;
mod journal;
mod lock;
pub(crate) mod original;
mod promise;
mod prune;
mod shared;
mod team;
mod wheels;

pub(crate) use cache::{Cache, ProjectUsage, TreeUsage};
pub(crate) use entries::{Damaged, Entry, EntryKind, Fetched, Finished, StoredWheel};
use entries::{entry_files, is_of, tree_of};
pub(crate) use journal::{Event, Outcome};
pub(crate) use lock::BuildLock;
pub(crate) use prune::Freed;
pub(crate) use team::{Counted, Counts};

const METADATA: &str = "metadata";
/// The file that contains the path of a project's root.
const ROOT: &str = "root";
/// The folder of all parts of projects.
const PROJECTS: &str = "projects";
/// The folder of a project's trees.
const TREES: &str = "trees";
/// The folder of the store, see `STORE` in `_runtime_finder.py`. Another layout gets another name.
const FOLDER: &str = "wheelprint-v1";
/// A file that tells backup programs to leave the store out (<https://bford.info/cachedir/>).
const TAG: &str = "CACHEDIR.TAG";
const TAG_TEXT: &[u8] = b"Signature: 8a477f597d28d172789f06886806bc55
# The store of wheelprint, which can be deleted at any time.
";
/// The file of the stat cache in a tree's part of the store.
pub(crate) fn stat_memory(store: &Path) -> PathBuf {
    store.join("stat.bin")
}

/// The file that remembers the toolchain's version, in a tree's part of the store.
pub(crate) fn toolchain_memory(store: &Path) -> PathBuf {
    store.join("toolchain.json")
}

/// One project's part of the store, for one of the project's trees.
#[derive(Debug)]
pub(crate) struct Store {
    /// The folder of the whole store.
    cache: PathBuf,
    /// The folder that all trees of the project share.
    project: PathBuf,
    /// The folder of this tree alone.
    folder: PathBuf,
    /// The tree's path. Empty if it is unknown, see [`Self::at`].
    root: PathBuf,
    /// See [`Interpreter::libc`](crate::request::Interpreter).
    libc: String,
    /// One warning is enough, whatever is wrong: the build goes on without the store.
    warned: std::cell::Cell<bool>,
}

/// Result of copying a stored wheel out of the store.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Delivery {
    /// The wheel has this name in the folder.
    Done(String),
    Missing,
    Damaged,
}

impl Store {
    /// Opens a project's part of the store, and makes it if needed. `None`, after one warning, if
    /// it can't be written: builds go on without it.
    pub(crate) fn open(
        environment: &Environment,
        root: &Path,
        name: Option<&str>,
        libc: &str,
    ) -> Option<Self> {
        let Some(base) = base_folder(environment) else {
            log::warn("no cache folder: neither WHEELPRINT_CACHE_DIR nor a home folder is set");
            return None;
        };
        let root = dunce::canonicalize(root).unwrap_or_else(|_| root.to_owned());
        let name = name.unwrap_or("project");
        let is_plain = |char: &char| char.is_ascii_alphanumeric() || "-_".contains(*char);
        let slug: String = name.chars().filter(is_plain).take(40).collect();
        let cache = base.join(FOLDER);
        let hash = short_hash("project", name.as_ref());
        let project = cache.join(PROJECTS).join(format!("{slug}-{hash}"));
        let folder = project.join(TREES).join(tree_hash(&root));
        let libc = libc.to_owned();
        let store = Self { cache, project, folder, root, libc, warned: false.into() };
        if let Err(error) = store.make_folders() {
            log::warn(format_args!(
                "the cache folder can't be used, builds go on without it: {error}"
            ));
            return None;
        }
        Some(store)
    }

    fn warn(&self, text: std::fmt::Arguments<'_>) {
        if !self.warned.replace(true) {
            log::warn(text);
        }
    }

    fn make_folders(&self) -> Result<()> {
        make_store(&self.cache)?;
        let entries = self.entries();
        let above = [self.cache.join(PROJECTS), self.project.clone(), self.project.join(TREES)];
        let own = [self.folder.clone(), self.folder.join(promise::PROMISES)];
        let shared = [entries.clone(), self.project.join("wheels")];
        for folder in above.iter().chain(&own).chain(&shared) {
            private::make(folder).at(folder)?;
        }
        for folder in shared::ALL.map(|name| self.cache.join(name)) {
            private::check(&folder).at(folder)?;
        }
        // An existing folder may be read-only.
        drop(publish::beside(&entries.join("x")).at(entries)?);
        let root = self.folder.join(ROOT);
        if !root.exists() {
            publish::bytes(&root, self.root.to_string_lossy().as_bytes()).at(root)?;
        }
        Ok(())
    }

    /// This tree's folder in the store.
    pub(crate) fn folder(&self) -> &Path {
        &self.folder
    }

    /// The tree's path.
    pub(crate) fn root(&self) -> &Path {
        &self.root
    }

    fn entries(&self) -> PathBuf {
        self.project.join("entries")
    }

    /// Is this report about the project different from the last one? If so, it is remembered.
    pub(crate) fn is_news(&self, text: &str) -> bool {
        let path = self.folder.join("said");
        let is_known = fs::read_to_string(&path).is_ok_and(|said| said == text);
        !is_known && publish::bytes(&path, text.as_bytes()).is_ok()
    }
}

/// Removes a damaged file or folder.
fn discard(path: &Path) {
    let _ = publish::remove(path);
}

/// Makes the folder of the store, and the cache folder that it is in.
fn make_store(folder: &Path) -> Result<()> {
    let base = folder.parent().unwrap_or(folder);
    private::make_base(base).at(base)?;
    private::make(folder).at(folder)?;
    let tag = folder.join(TAG);
    if !tag.exists() {
        publish::bytes(&tag, TAG_TEXT).at(tag)?;
    }
    Ok(())
}

/// The user's cache folder for wheelprint: `WHEELPRINT_CACHE_DIR`, else the platform's usual place.
pub(crate) fn base_folder(environment: &Environment) -> Option<PathBuf> {
    use etcetera::BaseStrategy as _;
    match environment.non_empty("WHEELPRINT_CACHE_DIR") {
        Some(folder) => std::path::absolute(Path::new(folder)).ok(),
        None => Some(etcetera::choose_base_strategy().ok()?.cache_dir().join("wheelprint")),
    }
}

/// The folder of the store; `None` if another user could have put files there.
fn trusted_folder(environment: &Environment) -> Option<PathBuf> {
    let base = base_folder(environment)?;
    let folder = base.join(FOLDER);
    (private::check_base(&base).is_ok() && private::check(&folder).is_ok()).then_some(folder)
}

/// The last component of a path.
fn name_of(path: &Path) -> String {
    path.file_name().unwrap_or_default().to_string_lossy().into_owned()
}

/// The time since a file was written. If the clock was turned back, the file's time may be in the
/// future. Then this is the time until then.
fn age(path: &Path) -> std::io::Result<Duration> {
    let modified = fs::metadata(path)?.modified()?;
    Ok(modified.elapsed().unwrap_or_else(|error| error.duration()))
}

/// Is this a SHA-256? Then it can be a file name in the store.
fn is_sha256(text: &str) -> bool {
    text.len() == 64 && text.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'))
}

/// The name of a tree's folder in the store.
fn tree_hash(root: &Path) -> String {
    short_hash("tree", root)
}

/// A short digest of a path, for file names.
fn short_hash(kind: &str, path: &Path) -> String {
    let mut tagged = Tagged::new(kind);
    tagged.field("path", &path.to_string_lossy());
    tagged.finish()[..16].to_owned()
}

#[cfg(test)]
mod tests {
    use std::time::SystemTime;

    use super::prune::{GRACE, MAX_ENTRIES, prune_builds};
    use super::*;
    use crate::fingerprint::{Inputs, Record, Value};
    use crate::inputs::{Key, Kind, Part, Root, Roots};
    use crate::request::Artifact;
    use crate::tied::Tied;

    pub(super) const EDITABLE: EntryKind = EntryKind::Artifact(Artifact::Editable);

    /// The runtime hook, in Python, writes to the same folder.
    #[test]
    fn the_runtime_hook_has_the_same_names() {
        let runtime = crate::editable::RUNTIME.concat();
        let names = [("STORE", FOLDER), ("TEMPORARY", crate::publish::TEMPORARY)];
        for (constant, name) in names {
            let line = format!("\n{constant} = \"{name}\"\n");
            assert_eq!(runtime.matches(&line).count(), 1, "{line}");
        }
    }

    fn open(folder: &Path) -> Option<Store> {
        let mut environment = Environment::default();
        environment.set("WHEELPRINT_CACHE_DIR", folder.join("cache").as_os_str());
        let root = folder.join("project");
        fs::create_dir_all(&root).unwrap();
        Store::open(&environment, &root, Some("p"), "")
    }

    pub(super) fn record(value: &str) -> Record {
        let key = Key::named(Part::Request, Kind::Value, "x");
        let inputs = Inputs::from([(key, Value::Text(value.into()))]);
        Record::new(&inputs, Default::default(), Default::default())
    }

    pub(super) fn filled(folder: &Path, values: &[&str]) -> Store {
        let store = open(folder).unwrap();
        let wheel = folder.join("p-1-py3-none-any.whl");
        for value in values {
            fs::write(&wheel, value).unwrap();
            store.publish(EDITABLE, finished(&store, value, &[]), &wheel);
        }
        store
    }

    pub(super) fn finished(store: &Store, value: &str, tied: &[Tied]) -> Finished {
        let mut roots = Roots::default();
        roots.add(Root::Project, &store.root);
        let (built_in, record) = (store.root.clone(), record(value));
        Finished {
            built_in,
            tied: tied.to_vec(),
            record,
            roots,
            at_import: None,
            fetched: None,
            made: Default::default(),
        }
    }

    #[test]
    fn what_was_stored_is_delivered() {
        let folder = tempfile::tempdir().unwrap();
        let store = filled(folder.path(), &["a", "b"]);
        let candidates: Vec<Entry> = store.candidates(EDITABLE).flatten().collect();
        assert_eq!(candidates.len(), 2);
        assert!(store.candidates(EntryKind::Artifact(Artifact::Wheel)).next().is_none());
        let entry = candidates.iter().find(|entry| entry.record == record("a")).unwrap();
        let name = entry.wheel.as_ref().unwrap().file_name.clone();
        let delivered = store.deliver(entry, folder.path()).unwrap();
        assert_eq!(fs::read_to_string(folder.path().join(&name)).unwrap(), "a");
        assert_eq!(delivered, Delivery::Done(name));
    }

    #[test]
    fn a_flipped_bit_anywhere_is_never_served() {
        let folder = tempfile::tempdir().unwrap();
        let store = filled(folder.path(), &["a"]);
        let path = store.entry_files()[0].0.clone();
        let bytes = fs::read(&path).unwrap();
        for position in 0..bytes.len() {
            let mut damaged = bytes.clone();
            damaged[position] ^= 1;
            fs::write(&path, &damaged).unwrap();
            assert!(store.candidates(EDITABLE).next().unwrap().is_err(), "byte {position}");
        }
        fs::write(&path, &bytes).unwrap();
        let entry = store.candidates(EDITABLE).next().unwrap().unwrap();
        let wheel = store.wheel_path(entry.wheel.as_ref().unwrap()).unwrap();
        fs::write(wheel, "b").unwrap();
        assert_eq!(store.deliver(&entry, folder.path()).unwrap(), Delivery::Damaged);
    }

    /// Stores a build, whose wheel contains only its name.
    pub(super) fn publish(store: &Store, value: &str, tied: &[Tied]) -> Entry {
        let folder = tempfile::tempdir().unwrap();
        let wheel = folder.path().join("p-1-py3-none-any.whl");
        fs::write(&wheel, value).unwrap();
        store.publish(EDITABLE, finished(store, value, tied), &wheel).unwrap()
    }

    /// Sets the time of a file or folder to hours ago.
    pub(super) fn age(path: &Path, hours: u64) {
        let time = SystemTime::now() - std::time::Duration::from_secs(hours * 3600);
        let mut options = fs::OpenOptions::new();
        // A folder can't be opened for writing.
        #[cfg(unix)]
        options.read(true);
        #[cfg(windows)]
        {
            use fs::os::windows::fs::OpenOptionsExt as _;
            // FILE_WRITE_ATTRIBUTES, FILE_FLAG_BACKUP_SEMANTICS
            options.access_mode(0x100).custom_flags(0x0200_0000);
        }
        options.open(path).unwrap().into_parts().0.set_modified(time).unwrap();
    }

    /// Two trees of one project.
    pub(super) fn two_trees(folder: &Path) -> [Store; 2] {
        ["one", "two"].map(|tree| {
            let mut environment = Environment::default();
            environment.set("WHEELPRINT_CACHE_DIR", folder.join("cache").as_os_str());
            let root = folder.join(tree);
            fs::create_dir_all(&root).unwrap();
            Store::open(&environment, &root, Some("p"), "").unwrap()
        })
    }

    #[test]
    fn another_tree_uses_a_build_that_is_not_tied() {
        let folder = tempfile::tempdir().unwrap();
        let [one, two] = two_trees(folder.path());
        let wheel = folder.path().join("p-1-py3-none-any.whl");
        fs::write(&wheel, "wheel").unwrap();
        one.publish(EDITABLE, finished(&one, "shared", &[]), &wheel).unwrap();
        let tied = one.publish(EDITABLE, finished(&one, "tied", &[Tied::NotUtf8]), &wheel);
        let found: Vec<Entry> = two.candidates(EDITABLE).map(Result::unwrap).collect();
        assert_eq!(found.len(), 1);
        assert_eq!(found[0].record, record("shared"));
        assert_eq!(found[0].built_in, one.root);
        assert_eq!(found[0].roots.get(&Root::Project), Some(&*two.root));
        assert_eq!(one.candidates(EDITABLE).flatten().count(), 2);

        // A container with another C library.
        let mut elsewhere = two_trees(folder.path()).into_iter().next().unwrap();
        elsewhere.libc = "glibc 2.17".to_owned();
        assert_eq!(elsewhere.candidates(EDITABLE).count(), 0);

        // The tied entry under the name of one that is shared.
        let tied = one.entry_path(&tied.unwrap());
        fs::copy(&tied, two.entries().join("editable-x.json")).unwrap();
        assert_eq!(two.candidates(EDITABLE).filter(Result::is_err).count(), 1);
        fs::remove_dir_all(&one.folder).unwrap();
        prune_builds(&two.project, &mut Freed::default());
        assert!(!tied.exists(), "its tree is gone");
        assert_eq!(two.candidates(EDITABLE).flatten().count(), 1);
    }

    #[test]
    fn all_builds_together_are_bounded() {
        let folder = tempfile::tempdir().unwrap();
        let store = filled(folder.path(), &["a", "b", "c"]);
        let count = || store.entry_files().len();
        let prune = |limit| {
            super::prune::prune_all_builds(
                std::slice::from_ref(&store.project),
                limit,
                &mut Freed::default(),
            );
        };
        prune(3);
        assert_eq!(count(), 3);
        prune(2);
        assert_eq!(count(), 2);
    }

    #[test]
    fn trees_that_are_no_more_are_forgotten() {
        let folder = tempfile::tempdir().unwrap();
        let store = filled(folder.path(), &["a"]);
        let long_ago = SystemTime::now() - 2 * GRACE;
        let tree = |root: &Path, time: SystemTime| {
            let folder = store.folder.with_file_name(tree_hash(root));
            fs::create_dir_all(&folder).unwrap();
            fs::write(folder.join(ROOT), root.to_string_lossy().as_bytes()).unwrap();
            let file = fs::OpenOptions::new().write(true).open(folder.join(ROOT)).unwrap();
            file.into_parts().0.set_modified(time).unwrap();
            folder
        };
        let gone = tree(&folder.path().join("nowhere"), long_ago);
        let just_gone = tree(&folder.path().join("no more"), SystemTime::now());
        let there = tree(folder.path(), long_ago);
        store.prune_others();
        assert!(!gone.exists());
        assert!(just_gone.exists() && there.exists() && store.folder.exists());
    }

    #[test]
    fn the_store_is_bounded_and_private() {
        let folder = tempfile::tempdir().unwrap();
        let values: Vec<String> = (0..MAX_ENTRIES + 10).map(|value| value.to_string()).collect();
        let values: Vec<&str> = values.iter().map(String::as_str).collect();
        let store = filled(folder.path(), &values);
        assert_eq!(store.entry_files().len(), MAX_ENTRIES);
        #[cfg(unix)]
        {
            use std::os::unix::fs::PermissionsExt as _;
            let mode = fs::metadata(&store.folder).unwrap().permissions().mode();
            assert_eq!(mode & 0o077, 0, "{mode:o}");
        }
    }
}
