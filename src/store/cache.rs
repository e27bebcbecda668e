//! The whole store: what is in it, and what may be removed (`wheelprint cache`).
//!
//! All files in the store's folder are wheelprint's own. Links are not followed. Files of a running
//! build are kept until the build has ended.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant, SystemTime};

use fs_err as fs;

use super::lock::{self, TryLock};
use super::prune::{
    Freed, GRACE, MAX_TOTAL, OLD, bytes, is_before, is_folder, is_left, is_older, modified,
    paths_in, prune_all_builds, prune_builds, remove,
};
use super::shared::{self, stale_notes};
use super::{
    Entry, FOLDER, METADATA, PROJECTS, ROOT, Store, TREES, base_folder, entry_files, name_of,
    promise, tree_hash,
};
use crate::cargo_mtime::Note;
use crate::error::{Error, PathContext as _, Result};
use crate::interpreter;
use crate::publish::sealed;
use crate::request::Environment;

/// The whole store.
#[derive(Debug)]
pub(crate) struct Cache {
    pub folder: PathBuf,
}

/// What the store holds for one project.
#[derive(Debug)]
pub(crate) struct ProjectUsage {
    pub folder: PathBuf,
    pub name: String,
    pub builds: usize,
    pub bytes: u64,
    /// When a build was last used, or something of a tree was last written.
    pub used: Option<SystemTime>,
    pub trees: Vec<TreeUsage>,
}

/// What the store holds for one tree alone.
#[derive(Debug)]
pub(crate) struct TreeUsage {
    pub folder: PathBuf,
    /// The tree's path; `None` if it is not known any more.
    pub root: Option<PathBuf>,
    pub bytes: u64,
    /// When one of its files was last written.
    pub used: Option<SystemTime>,
}

impl Cache {
    /// Finds the place of the store, which need not exist.
    ///
    /// # Errors
    /// There is no cache folder.
    pub(crate) fn at(environment: &Environment) -> Result<Self> {
        match base_folder(environment) {
            Some(base) => Ok(Self { folder: base.join(FOLDER) }),
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
        let mut kept: Vec<ProjectUsage> = Vec::new();
        for folder in self.project_folders()? {
            kept.push(usage(&folder, self.trees_in(&folder)));
        }
        kept.sort_by(|one, other| (other.used, &one.folder).cmp(&(one.used, &other.folder)));
        Ok(kept)
    }

    /// The size of the files that belong to no single project.
    pub(crate) fn shared_bytes(&self) -> u64 {
        shared::ALL.iter().map(|name| bytes(&self.folder.join(name))).sum()
    }

    /// Names of the stable interpreters, like `cpython-3.12.1`.
    pub(crate) fn interpreters(&self) -> Vec<String> {
        let folders = paths_in(&self.folder.join(shared::INTERPRETERS)).into_iter();
        let names = folders.filter_map(|path| Some(name_of(&path).rsplit_once('-')?.0.to_owned()));
        let mut names: Vec<String> = names.collect();
        names.dedup();
        names
    }

    /// Removes what is stored for trees that are gone, builds beyond the store's limits, wheels that no
    /// entry names, temporary files that killed processes left, and old locks and memories of import
    /// checks.
    ///
    /// # Errors
    /// The store can't be read, or a file can't be removed.
    pub(crate) fn prune(&self) -> Result<Freed> {
        let mut freed = Freed::default();
        for tree in self.trees()? {
            // Trying the lock writes to the tree's folder.
            let is_gone = tree.is_gone();
            match tree.try_lock() {
                TryLock::Busy => freed.busy.push(tree.root),
                lock if is_gone => tree.remove(lock, &mut freed)?,
                _lock => tree.prune(&mut freed),
            }
        }
        for project in self.project_folders()? {
            prune_builds(&project, &mut freed);
            remove_if_unused(&project, &mut freed)?;
        }
        prune_all_builds(&self.project_folders()?, MAX_TOTAL, &mut freed);
        for path in stale_notes(&self.folder) {
            freed.other(&path)?;
        }
        for name in shared::ALL {
            // Notes and the originals for `init --undo` can't be made again, so age does not count.
            let may_be_old = ![shared::NOTES, shared::ORIGINALS].contains(&name);
            for path in paths_in(&self.folder.join(name)) {
                let is_old = match name {
                    shared::INTERPRETERS => is_unused_interpreter(&path),
                    _ => may_be_old && is_older(&path, OLD),
                };
                if is_left(&path) || is_old {
                    self.remove_unlocked(&path, &mut freed)?;
                }
            }
        }
        Ok(freed)
    }

    /// Removes everything of the project in this tree: what is kept for the tree alone, and the builds
    /// of all trees of the project. Waits for a build in this tree.
    ///
    /// # Errors
    /// The store can't be read, or a file can't be removed.
    pub(crate) fn clean(&self, root: &Path) -> Result<Freed> {
        let root = dunce::canonicalize(root).unwrap_or_else(|_| root.to_owned());
        let hash = tree_hash(&root);
        let mut freed = Freed::default();
        for tree in self.trees()?.iter().filter(|tree| name_of(&tree.folder) == hash) {
            self.clean_tree(tree, &mut freed)?;
            self.clean_project(&tree.project, &mut freed)?;
        }
        Ok(freed)
    }

    /// Removes everything of every project. Waits for builds.
    ///
    /// # Errors
    /// As [`Self::clean`].
    pub(crate) fn clean_all(&self) -> Result<Freed> {
        let mut freed = Freed::default();
        for tree in self.trees()? {
            self.clean_tree(&tree, &mut freed)?;
        }
        for project in self.project_folders()? {
            self.clean_project(&project, &mut freed)?;
        }
        for path in paths_in(&self.folder) {
            for inside in paths_in(&path) {
                // The folder of a project that is built meanwhile.
                let is_project = path.ends_with(PROJECTS) && is_folder(&inside);
                if !is_project {
                    self.remove_unlocked(&inside, &mut freed)?;
                }
            }
            // A folder is removed only if it is empty.
            if !is_folder(&path) {
                remove(&path, &mut freed)?;
            } else {
                let _ = fs::remove_dir(path);
            }
        }
        let _ = fs::remove_dir(&self.folder);
        Ok(freed)
    }

    /// Removes a file, unless it is a lock that is held, or an interpreter that a build uses.
    fn remove_unlocked(&self, path: &Path, freed: &mut Freed) -> Result<()> {
        let is_lock = path.extension().is_some_and(|end| end == "lock");
        // A build that uses one of these folders holds the lock of its name.
        let folders = [shared::INTERPRETERS, shared::PROGRAMS].map(|name| self.folder.join(name));
        let is_locked = folders.iter().any(|folder| path.parent() == Some(folder));
        let beside = self.folder.join(shared::LOCKS).join(format!("{}.lock", name_of(path)));
        let lock = match (is_lock, is_locked) {
            (true, _) => lock::try_lock(path),
            (_, true) if beside.exists() => lock::try_lock(&beside),
            _ => TryLock::Free,
        };
        if matches!(lock, TryLock::Busy) {
            return Ok(());
        }
        let held = lock.held_while_removed();
        let removed = freed.other(path);
        drop(held);
        removed
    }

    fn clean_tree(&self, tree: &Store, freed: &mut Freed) -> Result<()> {
        tree.wait_for_promises();
        let lock = tree.lock_if_there();
        let mut targets = BTreeSet::new();
        for (path, _) in tree.entry_files() {
            let entry = sealed::read(&path).ok();
            let entry = entry.filter(|entry: &Entry| entry.built_in == tree.root);
            let roots = entry.map(|entry| entry.roots).unwrap_or_default();
            targets.extend(roots.products().map(Path::to_owned));
        }
        for path in paths_in(&self.folder.join(shared::NOTES)) {
            let is_below =
                |target: &Path| tree.known_root().is_some_and(|root| target.starts_with(root));
            if let Ok(Note { target, .. }) = sealed::read(&path)
                && (targets.contains(&target) || is_below(&target))
            {
                // Another project may build in this target folder, too.
                let _lock = tree.lock_target(&target);
                freed.other(&path)?;
            }
        }
        tree.remove(lock.map_or(TryLock::Free, TryLock::Held), freed)
    }

    /// Removes the builds of a project, and its folder if none of its trees is known any more.
    fn clean_project(&self, project: &Path, freed: &mut Freed) -> Result<()> {
        self.trees_in(project).iter().for_each(Store::wait_for_promises);
        for name in ["entries", "wheels"] {
            remove(&project.join(name), freed)?;
        }
        freed.projects += 1;
        remove_if_unused(project, freed)
    }

    /// The folders of all projects.
    ///
    /// # Errors
    /// The store can't be read.
    fn project_folders(&self) -> Result<Vec<PathBuf>> {
        let projects = self.folder.join(PROJECTS);
        let link = [&self.folder, &projects].into_iter().find(|folder| folder.is_symlink());
        if let Some(link) = link {
            return Err(Error::path(link, "is a link, which wheelprint did not make"));
        }
        match fs::read_dir(&projects) {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => Err(error).at(projects),
            _ => Ok(paths_in(&projects).into_iter().filter(|path| is_folder(path)).collect()),
        }
    }

    /// All trees of all projects.
    ///
    /// # Errors
    /// The store can't be read.
    pub(super) fn trees(&self) -> Result<Vec<Store>> {
        let projects = self.project_folders()?;
        Ok(projects.iter().flat_map(|project| self.trees_in(project)).collect())
    }

    fn trees_in(&self, project: &Path) -> Vec<Store> {
        let folders = paths_in(&project.join(TREES)).into_iter().filter(|path| is_folder(path));
        folders.map(|folder| Store::at(self.folder.clone(), project.to_owned(), folder)).collect()
    }
}

fn usage(project: &Path, trees: Vec<Store>) -> ProjectUsage {
    let trees: Vec<TreeUsage> = trees.iter().map(Store::usage).collect();
    let files = entry_files(project);
    // Dist-info alone can't be delivered as a build.
    let is_build = |path: &Path| !name_of(path).starts_with(&format!("{METADATA}-"));
    let name = name_of(project);
    ProjectUsage {
        name: name.rsplit_once('-').map_or(&*name, |(name, _)| name).to_owned(),
        builds: files.iter().filter(|(path, _)| is_build(path)).count(),
        bytes: bytes(project),
        used: files
            .iter()
            .map(|(_, used)| *used)
            .chain(trees.iter().filter_map(|it| it.used))
            .max(),
        trees,
        folder: project.to_owned(),
    }
}

/// A build that uses an interpreter writes to the time of its last file. Without this file the process
/// that made the interpreter was killed.
fn is_unused_interpreter(folder: &Path) -> bool {
    let ready = folder.join(interpreter::READY);
    if ready.exists() { is_older(&ready, OLD) } else { is_older(folder, GRACE) }
}

/// Removes the folder of a project that has neither trees nor builds.
fn remove_if_unused(project: &Path, freed: &mut Freed) -> Result<()> {
    let _ = fs::remove_dir(project.join(TREES));
    if project.join(TREES).exists() || !entry_files(project).is_empty() {
        return Ok(());
    }
    remove(project, freed)
}

impl Store {
    /// The tree whose part of the store is in this folder. Its root is empty if the file with it is
    /// missing or damaged, or if the root's path can't be written as text.
    fn at(cache: PathBuf, project: PathBuf, folder: PathBuf) -> Self {
        let root = fs::read_to_string(folder.join(ROOT)).unwrap_or_default();
        let is_known = name_of(&folder) == tree_hash(root.as_ref()) && !root.contains('\u{fffd}');
        let root = if is_known { root.into() } else { PathBuf::new() };
        Self { cache, project, folder, root, libc: String::new(), warned: false.into() }
    }

    pub(super) fn known_root(&self) -> Option<&Path> {
        Some(&*self.root).filter(|root| !root.as_os_str().is_empty())
    }

    /// Is the tree's folder gone? If it is not known, the last use decides. A tree that was used just
    /// now is not gone: another process may see it where this one does not, in a container.
    fn is_gone(&self) -> bool {
        let is_unused = |age| self.usage().used.is_none_or(|used| is_before(used, age));
        match self.known_root() {
            Some(root) => !root.exists() && is_unused(GRACE),
            None => is_unused(OLD),
        }
    }

    /// Removes what is stored for trees that are gone: `uv build` unpacks each sdist into a new
    /// folder. Also keeps all builds together within their limit, and removes notes about target
    /// folders that are gone.
    pub(super) fn prune_others(&self) {
        let cache = Cache { folder: self.cache.clone() };
        let mut freed = Freed::default();
        for tree in cache.trees().unwrap_or_default() {
            if tree.known_root().is_some() && tree.is_gone() && tree.folder != self.folder {
                let lock = tree.try_lock();
                if !matches!(lock, TryLock::Busy) {
                    let _ = tree.remove(lock, &mut freed);
                }
            }
        }
        prune_all_builds(&cache.project_folders().unwrap_or_default(), MAX_TOTAL, &mut freed);
        for note in stale_notes(&self.cache) {
            let _ = fs::remove_file(note);
        }
    }

    /// Removes what is stored for this tree alone.
    fn remove(&self, lock: TryLock, freed: &mut Freed) -> Result<()> {
        let build_lock = self.build_lock();
        for path in paths_in(&self.folder).iter().filter(|path| **path != build_lock) {
            remove(path, freed)?;
        }
        let held = lock.held_while_removed();
        remove(&build_lock, freed)?;
        drop(held);
        let _ = fs::remove_dir(&self.folder);
        freed.trees += 1;
        Ok(())
    }

    /// Waits until promises are kept, but not forever: a frontend that was told that it needs no
    /// maturin must get the promised wheel.
    fn wait_for_promises(&self) {
        let began = Instant::now();
        let promises = self.folder.join(promise::PROMISES);
        let is_kept = |path: &PathBuf| is_older(path, promise::WAIT);
        while began.elapsed() < promise::WAIT && !paths_in(&promises).iter().all(is_kept) {
            std::thread::sleep(Duration::from_millis(50));
        }
    }

    fn usage(&self) -> TreeUsage {
        TreeUsage {
            root: self.known_root().map(Path::to_owned),
            bytes: bytes(&self.folder),
            used: paths_in(&self.folder).iter().filter_map(|path| modified(path)).max(),
            folder: self.folder.clone(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::tests::{age, two_trees};

    #[test]
    fn an_interpreter_that_was_never_finished_is_removed() {
        let folder = tempfile::tempdir().unwrap();
        let [store, _] = two_trees(folder.path());
        let make = |name: &str, is_ready: bool, hours: u64| {
            let path = store.interpreters().join(name);
            fs::create_dir_all(path.join("bin")).unwrap();
            if is_ready {
                fs::write(path.join(interpreter::READY), "{}").unwrap();
                age(&path.join(interpreter::READY), hours);
            }
            age(&path, hours);
            path
        };
        let left = make("cpython-3.9.1-left", false, 2);
        let at_work = make("cpython-3.10.1-locked", false, 2);
        let begun = make("cpython-3.11.1-begun", false, 0);
        let used = make("cpython-3.12.1-used", true, 2);
        let unused = make("cpython-3.13.1-unused", true, 24 * 31);
        let lock = lock::try_lock(&store.interpreter_lock(&at_work).unwrap());
        Cache { folder: store.cache.clone() }.prune().unwrap();
        for (path, stays) in
            [(&left, false), (&at_work, true), (&begun, true), (&used, true), (&unused, false)]
        {
            assert_eq!(path.exists(), stays, "{}", path.display());
        }
        drop(lock);
        Cache { folder: store.cache.clone() }.prune().unwrap();
        assert!(!at_work.exists());
    }
}
