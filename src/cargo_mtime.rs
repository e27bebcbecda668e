//! Cargo must not be fooled either (DESIGN D5).
//!
//! Cargo calls a source unchanged if its mtime is not newer than the last build, whatever its
//! content (cargo issue 6529). A restored cache, `rsync -t` or `mv` brings changed content with an
//! old mtime, and a fingerprint of the new content would be stamped on the old code. So each build
//! leaves a note of what this profile folder was built from, together with the state of cargo's
//! own fingerprints. Before the next build, where content differs from the note and cargo's clock
//! would not show it, the owning packages' fingerprints are removed, and cargo compiles them anew.
//! A folder without a note, or that somebody else built in since, is believed nothing.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::SystemTime;

use fs_err as fs;
use serde::{Deserialize, Serialize};

use crate::fingerprint::{Record, Value};
use crate::freshness::{self, Reason, Verdict};
use crate::inputs::target::{Owners, Target};
use crate::inputs::{Key, Part, Place, Roots, Watch};
use crate::log;

/// What a profile folder was last built from.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Note {
    record: Record,
    roots: Roots,
    /// Cargo's fingerprint files of the local packages, with size and mtime.
    witness: BTreeMap<String, (u64, SystemTime)>,
}

/// A package whose change cargo would not see, and one file that shows it.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Unseen {
    pub package: String,
    pub path: PathBuf,
}

impl Note {
    /// Made after a build. Values of inputs that changed meanwhile are not noted.
    pub fn new(
        target: &Target,
        folder: &Path,
        record: &Record,
        roots: &Roots,
        raced: &BTreeSet<Key>,
    ) -> Self {
        let mut record = record.clone();
        for input in &mut record.inputs {
            if raced.contains(&input.key) {
                input.value = Value::Unreadable("changed while it was being built".into());
            }
        }
        Self { record, roots: roots.clone(), witness: witness(target, folder) }
    }
}

/// The packages that cargo would wrongly call fresh in this folder.
///
/// `observe` looks at a record's inputs as they are now.
pub fn unseen(
    target: &Target,
    folder: &Path,
    note: Option<&Note>,
    observe: impl FnOnce(&Record, &Roots) -> crate::fingerprint::Inputs,
) -> BTreeSet<Unseen> {
    let mut found = BTreeSet::new();
    match note.filter(|note| note.witness == witness(target, folder)) {
        Some(note) => {
            let rust_part = |inputs: crate::fingerprint::Inputs| -> crate::fingerprint::Inputs {
                inputs.into_iter().filter(|(key, _)| key.part == Part::Rust).collect()
            };
            let observed = rust_part(observe(&note.record, &note.roots));
            let verdict = freshness::compare(&rust_part(note.record.inputs()), &[], &observed);
            let Verdict::Stale(reasons) = verdict else { return found };
            for reason in reasons {
                let (key, gone) = match reason {
                    Reason::Changed { key, .. }
                    | Reason::Added { key, .. }
                    | Reason::Unreadable { key, .. } => (key, false),
                    Reason::Removed { key, .. } => (key, true),
                    Reason::Untrusted(_) | Reason::NoRecord | Reason::NotReused => continue,
                };
                let place = Place { root: key.root.clone(), path: key.name.clone() };
                let Some(path) = note.roots.resolve(&place) else { continue };
                // What is gone leaves no time of its own; a link that leads elsewhere, and what
                // only we watch, cargo does not look at.
                let blind = gone || is_linked(&path) || !is_watched_by_cargo(&place, &note.record);
                for package in owners_of(target, folder, &path) {
                    if blind || !is_newer(&path, target, folder, &package) {
                        found.insert(Unseen { package, path: path.clone() });
                    }
                }
            }
        }
        None => {
            for path in target.sources(folder).0 {
                for package in owners_of(target, folder, &path) {
                    if path.is_file() && !is_newer(&path, target, folder, &package) {
                        found.insert(Unseen { package, path: path.clone() });
                    }
                }
            }
        }
    }
    found
}

/// Is the path reached through a link?
fn is_linked(path: &Path) -> bool {
    dunce::canonicalize(path).is_ok_and(|resolved| resolved != path)
}

/// Does cargo itself look at this place, by dep-info or because a build script named it?
fn is_watched_by_cargo(place: &Place, record: &Record) -> bool {
    record.watches.iter().any(|watch| match watch {
        Watch::Path { part: Part::Rust, place: watched } => {
            watched.root == place.root
                && place
                    .path
                    .strip_prefix(&watched.path)
                    .is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
        }
        _ => false,
    })
}

/// After a build: a unit that was compiled just now may have twins, compiled with other features,
/// that were not. They were made from other sources, which the note will not remember; cargo must
/// not call them fresh by their times. Twins share the names of their fingerprint files.
pub fn retire_twins(target: &Target, folder: &Path, since: i128) {
    for package in packages(target, folder) {
        let units: Vec<(PathBuf, BTreeSet<std::ffi::OsString>, bool)> =
            fingerprints(target, folder, &package)
                .into_iter()
                .map(|unit| {
                    let files = files(&unit);
                    let is_new = files.iter().any(|file| modified(file) >= since);
                    let json = |file: &PathBuf| file.extension().is_some_and(|it| it == "json");
                    let names = files
                        .iter()
                        .filter(|file| json(file))
                        .filter_map(|file| Some(file.file_name()?.to_owned()))
                        .collect();
                    (unit, names, is_new)
                })
                .collect();
        for (unit, names, is_new) in &units {
            let has_new_twin =
                units.iter().any(|(_, others, is_new)| *is_new && !others.is_disjoint(names));
            if !is_new && has_new_twin {
                let _ = fs::remove_dir_all(unit);
            }
        }
    }
}

fn modified(file: &Path) -> i128 {
    let modified = fs::metadata(file).and_then(|meta| meta.modified());
    modified
        .ok()
        .and_then(|time| time.duration_since(SystemTime::UNIX_EPOCH).ok())
        .map_or(0, |age| age.as_nanos().cast_signed())
}

/// Makes cargo compile these packages anew, in this folder and in that of the host's units.
pub fn forget(target: &Target, folder: &Path, unseen: &BTreeSet<Unseen>) {
    let packages: BTreeSet<&str> = unseen.iter().map(|unseen| unseen.package.as_str()).collect();
    for package in packages {
        let folders = fingerprints(target, folder, package);
        log::debug(format_args!("{package}: cargo's clock can't be relied on; compiled anew"));
        if folders.is_empty() {
            clean(target, package);
        }
        for folder in folders {
            let _ = fs::remove_dir_all(folder);
        }
    }
}

/// For a cargo that keeps its fingerprints elsewhere than we know.
fn clean(target: &Target, package: &str) {
    let Some(mut command) = target.cargo() else { return };
    let _ = command
        .args(["clean", "--package", package, "--manifest-path"])
        .arg(&target.manifest)
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .status();
}

/// Would cargo see that this file changed since it last built the package?
fn is_newer(path: &Path, target: &Target, folder: &Path, package: &str) -> bool {
    let built = fingerprints(target, folder, package)
        .iter()
        .flat_map(|folder| files(folder))
        .filter_map(|file| fs::metadata(file).ok()?.modified().ok())
        .max();
    let changed = fs::metadata(path).and_then(|meta| meta.modified());
    match (built, changed) {
        (Some(built), Ok(changed)) => changed > built,
        // Never built here: cargo has nothing to call fresh.
        (None, _) => target.fingerprint_folders(folder).iter().any(|folder| folder.is_dir()),
        (Some(_), Err(_)) => false,
    }
}

fn witness(target: &Target, folder: &Path) -> BTreeMap<String, (u64, SystemTime)> {
    let mut witness = BTreeMap::new();
    for package in packages(target, folder) {
        for fingerprint in fingerprints(target, folder, &package) {
            for file in files(&fingerprint) {
                if let Ok(meta) = fs::metadata(&file)
                    && let Ok(modified) = meta.modified()
                {
                    witness.insert(file.to_string_lossy().into_owned(), (meta.len(), modified));
                }
            }
        }
    }
    witness
}

/// The local packages whose sources are in this folder's artifact.
fn packages(target: &Target, folder: &Path) -> BTreeSet<String> {
    let mut owners = Owners::default();
    let sources = target.sources(folder).0;
    let folders = sources.iter().filter_map(|path| path.parent()).chain(target.manifest.parent());
    folders.filter_map(|folder| owners.of(folder)).map(|(_, name)| name).collect()
}

/// The package a file belongs to. One that lies outside of all may be anybody's.
fn owners_of(target: &Target, folder: &Path, path: &Path) -> BTreeSet<String> {
    let known = packages(target, folder);
    match path.parent().and_then(|folder| Owners::default().of(folder)) {
        Some((_, name)) if known.contains(&name) => BTreeSet::from([name]),
        _ => known,
    }
}

/// `.fingerprint/PACKAGE-HASH` below the profile folder and, when cross-compiling, below the
/// host's (cargo `compiler/layout.rs`).
fn fingerprints(target: &Target, folder: &Path, package: &str) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for folder in target.fingerprint_folders(folder) {
        let Ok(entries) = fs::read_dir(folder) else { continue };
        for entry in entries.flatten() {
            let name = entry.file_name().to_string_lossy().into_owned();
            let is_ours =
                name.strip_prefix(package).and_then(|rest| rest.strip_prefix('-')).is_some_and(
                    |hash| hash.len() == 16 && hash.bytes().all(|byte| byte.is_ascii_hexdigit()),
                );
            if is_ours {
                found.push(entry.path());
            }
        }
    }
    found.sort();
    found
}

fn files(folder: &Path) -> Vec<PathBuf> {
    let Ok(entries) = fs::read_dir(folder) else { return Vec::new() };
    entries.flatten().map(|entry| entry.path()).filter(|path| path.is_file()).collect()
}
