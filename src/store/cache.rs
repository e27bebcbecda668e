//! The whole store: what is in it, and what may be removed (`wheelprint cache`).
//!
//! The base folder may be any folder of the user's, with other things in it. Only files with our
//! names, in our folders, are counted or removed. Links are not followed. Files of a running build
//! are kept until the build has ended.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant, SystemTime};

use fs_err as fs;

use super::lock::{self, TryLock};
use super::prune::{Freed, GRACE, bytes, is_older, remove};
use super::shared::{Shared, is_hex, name_of};
use super::{Entry, METADATA, ROOT, Store, base_folder, promise};
use crate::cargo_mtime::Note;
use crate::digest::Tagged;
use crate::error::{Error, PathContext as _, Result};
use crate::publish::{self, sealed};
use crate::request::Environment;

/// Files that were not used for this long are old. They are made again when they are needed.
const OLD: Duration = Duration::from_secs(30 * 24 * 3600);
/// The names in a project's part of the store.
const PARTS: [&str; 10] = [
    "entries",
    "wheels",
    "promises",
    "interpreters",
    "archives",
    "archive-target",
    "stat.json",
    "toolchain.json",
    "said",
    ROOT,
];
const BUILD_LOCK: &str = "build.lock";

/// The whole store, by its base folder.
#[derive(Debug)]
pub(crate) struct Cache {
    pub folder: PathBuf,
}

/// What the store holds for one project.
#[derive(Debug)]
pub(crate) struct ProjectUsage {
    pub folder: PathBuf,
    /// The project's folder; `None` if it is not known any more.
    pub root: Option<PathBuf>,
    pub builds: usize,
    pub bytes: u64,
    /// When an entry or the stat cache was last written or used.
    pub used: Option<SystemTime>,
    /// Names of the stable interpreters, like `cpython-3.12.1`.
    pub interpreters: Vec<String>,
}

impl Cache {
    /// Finds the place of the store, which need not exist.
    ///
    /// # Errors
    /// There is no cache folder.
    pub(crate) fn at(environment: &Environment) -> Result<Self> {
        match base_folder(environment) {
            Some(folder) => Ok(Self { folder }),
            None => Err(Error::Missing {
                name: "cache folder".to_owned(),
                cause: "there is no home folder".to_owned(),
                hint: "set WHEELPRINT_CACHE_DIR".to_owned(),
            }),
        }
    }

    /// What the store holds for each project, the last used first. A missing store is empty.
    ///
    /// # Errors
    /// The store can't be read.
    pub(crate) fn projects(&self) -> Result<Vec<ProjectUsage>> {
        let mut kept: Vec<ProjectUsage> = self.stores()?.iter().map(look).collect();
        kept.sort_by(|one, other| (other.used, &one.folder).cmp(&(one.used, &other.folder)));
        Ok(kept)
    }

    /// The size of the files that belong to no single project.
    pub(crate) fn shared_bytes(&self) -> u64 {
        let files = Shared::ALL.iter().flat_map(|shared| shared.files(&self.folder));
        files.filter_map(|path| Some(fs::symlink_metadata(path).ok()?.len())).sum()
    }

    /// Removes what is stored for projects that are gone, wheels that no entry names, temporary
    /// files that killed processes left, and old locks and memories of import checks.
    ///
    /// # Errors
    /// The store can't be read, or a file can't be removed.
    pub(crate) fn prune(&self) -> Result<Freed> {
        let mut freed = Freed::default();
        for store in self.stores()? {
            let is_gone = match root_of(&store.folder) {
                Root::Known(root) => !root.exists(),
                Root::Unsure => false,
                Root::Lost => look(&store).used.is_none_or(is_old),
            };
            let lock = store.try_lock();
            if matches!(lock, TryLock::Busy) {
                freed.busy.push(store.root.clone());
            } else if is_gone {
                store.remove(lock, &mut freed)?;
            } else {
                store.prune(&mut freed);
            }
        }
        for path in stale_notes(&self.folder) {
            freed.other(&path)?;
        }
        for shared in [Shared::Locks, Shared::Imports, Shared::Backends] {
            for path in shared.files(&self.folder).filter(|path| is_older(path, OLD)) {
                remove_unlocked(&path, &mut freed)?;
            }
        }
        for shared in Shared::ALL {
            for path in shared.temporaries(&self.folder).filter(|path| is_older(path, GRACE)) {
                freed.other(&path)?;
            }
        }
        Ok(freed)
    }

    /// Removes everything of one project. Waits for a build of it.
    ///
    /// # Errors
    /// The store can't be read, or a file can't be removed.
    pub(crate) fn clean(&self, root: &Path) -> Result<Freed> {
        let root = dunce::canonicalize(root).unwrap_or_else(|_| root.to_owned());
        let end = format!("-{}", hash_of(&root.to_string_lossy()));
        let mut freed = Freed::default();
        for store in self.stores()? {
            let name = store.folder.file_name().unwrap_or_default().to_string_lossy();
            if name.ends_with(&end) {
                self.clean_store(&store, &mut freed)?;
            }
        }
        Ok(freed)
    }

    /// Removes everything of every project. Waits for builds.
    ///
    /// # Errors
    /// As [`Self::clean`].
    pub(crate) fn clean_all(&self) -> Result<Freed> {
        let mut freed = Freed::default();
        for store in self.stores()? {
            self.clean_store(&store, &mut freed)?;
        }
        for path in Shared::Notes.files(&self.folder) {
            freed.other(&path)?;
        }
        for shared in [Shared::Locks, Shared::Imports] {
            for path in shared.files(&self.folder) {
                remove_unlocked(&path, &mut freed)?;
            }
        }
        for shared in [Shared::Originals, Shared::Backends] {
            for path in shared.files(&self.folder) {
                freed.other(&path)?;
            }
        }
        for shared in Shared::ALL {
            for path in shared.temporaries(&self.folder) {
                freed.other(&path)?;
            }
            // This removes the folder only if it is empty.
            let _ = fs::remove_dir(self.folder.join(shared.name()));
        }
        let _ = fs::remove_dir(self.folder.join("projects"));
        Ok(freed)
    }

    fn clean_store(&self, store: &Store, freed: &mut Freed) -> Result<()> {
        store.wait_for_promises();
        let lock = store.lock_if_there();
        let mut targets = BTreeSet::new();
        for (path, _) in store.entry_files() {
            let roots = sealed::read(&path).map(|entry: Entry| entry.roots).unwrap_or_default();
            targets.extend(roots.products().map(Path::to_owned));
        }
        for path in Shared::Notes.files(&self.folder) {
            let is_below = |target: &Path| {
                !store.root.as_os_str().is_empty() && target.starts_with(&store.root)
            };
            if let Ok(note) = sealed::read::<Note>(&path)
                && (targets.contains(&note.target) || is_below(&note.target))
            {
                // Another project may build in this target folder, too.
                let _lock = store.lock_target(&note.target);
                freed.other(&path)?;
            }
        }
        store.remove(lock.map_or(TryLock::Free, TryLock::Held), freed)
    }

    /// The folders that are recognisably a project's part of the store.
    pub(super) fn stores(&self) -> Result<Vec<Store>> {
        let projects = self.folder.join("projects");
        let entries = match fs::read_dir(&projects) {
            Ok(entries) => entries,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(Vec::new()),
            Err(error) => return Err(Error::io(projects, &error)),
        };
        if projects.is_symlink() {
            return Err(Error::path(projects, "is a link, which wheelprint did not make"));
        }
        let mut folders = Vec::new();
        for entry in entries {
            folders.push(entry.at(&projects)?.path());
        }
        folders.sort();
        Ok(folders.into_iter().filter_map(Store::at).collect())
    }
}

/// Damaged notes, and notes about target folders that are gone.
fn stale_notes(base: &Path) -> impl Iterator<Item = PathBuf> + use<> {
    let is_in_use = |note: Note| note.target.exists();
    Shared::Notes.files(base).filter(move |path| !sealed::read(path).is_ok_and(is_in_use))
}

impl Store {
    /// Recognises a project's part of the store by the folder's name and content.
    fn at(folder: PathBuf) -> Option<Self> {
        let name = name_of(&folder);
        let (_, hash) = name.rsplit_once('-')?;
        let is_folder = |path: &Path| fs::symlink_metadata(path).is_ok_and(|meta| meta.is_dir());
        if !is_hex(hash, 16) || !is_folder(&folder) {
            return None;
        }
        let root = match root_of(&folder) {
            Root::Known(root) => root,
            Root::Unsure => PathBuf::new(),
            Root::Lost if is_folder(&folder.join("entries")) => PathBuf::new(),
            Root::Lost => return None,
        };
        Some(Self { folder, root, warned: std::cell::Cell::new(false) })
    }

    /// Removes what is stored for projects whose folder is gone: `uv build` unpacks each sdist into
    /// a new folder. Also removes notes about target folders that are gone.
    pub(super) fn prune_projects(&self) {
        let Some(base) = self.folder.parent().and_then(Path::parent) else { return };
        let whole = Cache { folder: base.to_owned() };
        let mut freed = Freed::default();
        for store in whole.stores().unwrap_or_default() {
            let gone = matches!(root_of(&store.folder), Root::Known(root) if !root.exists());
            if gone && is_older(&store.folder.join(ROOT), GRACE) && store.folder != self.folder {
                let lock = store.try_lock();
                if !matches!(lock, TryLock::Busy) {
                    let _ = store.remove(lock, &mut freed);
                }
            }
        }
        for note in stale_notes(base) {
            let _ = fs::remove_file(note);
        }
    }

    /// Removes this part of the store. Files that are not wheelprint's stay, and so does the
    /// folder.
    pub(super) fn remove(&self, lock: TryLock, freed: &mut Freed) -> Result<()> {
        for part in PARTS {
            remove(&self.folder.join(part), freed)?;
        }
        for entry in fs::read_dir(&self.folder).into_iter().flatten().flatten() {
            if entry.file_name().to_string_lossy().starts_with(publish::TEMPORARY) {
                remove(&entry.path(), freed)?;
            }
        }
        let held = lock.held_while_removed();
        remove(&self.folder.join(BUILD_LOCK), freed)?;
        drop(held);
        let _ = fs::remove_dir(&self.folder);
        freed.projects += 1;
        Ok(())
    }

    /// Waits until promises are kept, but not forever: a frontend that was told that it needs no
    /// maturin must get the promised wheel.
    fn wait_for_promises(&self) {
        let began = Instant::now();
        while began.elapsed() < promise::WAIT && self.has_promised() {
            std::thread::sleep(Duration::from_millis(50));
        }
    }

    fn has_promised(&self) -> bool {
        let promises = fs::read_dir(self.folder.join("promises")).into_iter().flatten().flatten();
        promises.map(|entry| entry.path()).any(|path| !is_older(&path, promise::WAIT))
    }

    /// The size of wheelprint's files. Links are not followed.
    fn bytes(&self) -> u64 {
        PARTS.iter().map(|part| bytes(&self.folder.join(part))).sum()
    }
}

/// The project that a folder of the store belongs to.
pub(super) enum Root {
    Known(PathBuf),
    /// The root's path can't be written as text.
    Unsure,
    /// The file with the root's path is missing, damaged, or not wheelprint's.
    Lost,
}

/// Reads the root's path. The folder's name must end with the digest of that path.
pub(super) fn root_of(folder: &Path) -> Root {
    let Ok(text) = fs::read_to_string(folder.join(ROOT)) else { return Root::Lost };
    if !name_of(folder).ends_with(&format!("-{}", hash_of(&text))) {
        Root::Lost
    } else if text.contains('\u{fffd}') {
        Root::Unsure
    } else {
        Root::Known(PathBuf::from(text))
    }
}

/// The end of the name of a project's folder in the store.
pub(super) fn hash_of(root: &str) -> String {
    let mut tagged = Tagged::new("project");
    tagged.field("root", root);
    tagged.finish()[..16].to_owned()
}

fn look(store: &Store) -> ProjectUsage {
    let files = store.entry_files();
    let memory = fs::metadata(store.stat_memory()).and_then(|meta| meta.modified()).ok();
    let interpreters = fs::read_dir(store.interpreters()).into_iter().flatten().flatten();
    let mut interpreters: Vec<String> = interpreters
        .filter(|entry| entry.file_type().is_ok_and(|kind| kind.is_dir()))
        .filter_map(|entry| {
            let name = entry.file_name().to_string_lossy().into_owned();
            Some(name.rsplit_once('-')?.0.to_owned())
        })
        .collect();
    interpreters.sort();
    interpreters.dedup();
    ProjectUsage {
        root: match root_of(&store.folder) {
            Root::Known(root) => Some(root),
            Root::Unsure | Root::Lost => None,
        },
        builds: files.iter().filter(|(path, _)| !is_metadata(path)).count(),
        bytes: store.bytes(),
        used: files.into_iter().map(|(_, used)| used).chain(memory).max(),
        interpreters,
        folder: store.folder.clone(),
    }
}

/// Does the entry hold only dist-info, which can't be delivered as a build?
fn is_metadata(entry: &Path) -> bool {
    name_of(entry).starts_with(&format!("{METADATA}-"))
}

/// Removes a file, unless it is a lock that is held.
fn remove_unlocked(path: &Path, freed: &mut Freed) -> Result<()> {
    let is_lock = path.extension().is_some_and(|end| end == "lock");
    let lock = if is_lock { lock::try_lock(path) } else { TryLock::Free };
    if matches!(lock, TryLock::Busy) {
        return Ok(());
    }
    let held = lock.held_while_removed();
    let removed = freed.other(path);
    drop(held);
    removed
}

fn is_old(time: SystemTime) -> bool {
    time.elapsed().is_ok_and(|age| age > OLD)
}
