//! The files that maturin writes into the source tree: finding them, moving them out, and restoring
//! the tree.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use fs_err as fs;
use walkdir::WalkDir;

use crate::digest::Loaded;
use crate::error::{PathContext as _, Result};
use crate::inputs::slashed;
use crate::log;
use crate::project::{Layout, Project};
use crate::wheel::Content;

const NATIVE: &[&str] = &["so", "pyd", "dll", "dylib", "pdb", "dwp"];

/// The state of the places that maturin may write to, before it runs.
pub(crate) struct PlacesBefore {
    pub(super) layout: Layout,
    /// Targets of `include = [{ from = "out-dir", to = ... }]`, each with the last part of its
    /// glob.
    out_dir: Vec<(PathBuf, globset::GlobMatcher)>,
    files: BTreeMap<PathBuf, Seen>,
    /// Folders that existed.
    folders: BTreeSet<PathBuf>,
}

#[derive(PartialEq)]
struct Seen {
    stamp: Stamp,
    /// Kept for files that the compiler does not make: they may be the user's own.
    content: Option<Vec<u8>>,
}

/// Values that change when maturin writes a file. It removes compiled modules first, and truncates
/// text files.
#[derive(PartialEq, Eq, Clone, Copy)]
struct Stamp {
    size: u64,
    modified: Option<std::time::SystemTime>,
    stat: Option<crate::stat_cache::Stat>,
}

/// The files that maturin wrote into the tree.
pub(crate) struct Products {
    pub(super) before: PlacesBefore,
    /// Where each file is now, and its path relative to the Python source folder.
    files: Vec<(PathBuf, String)>,
    /// The module, if cargo alone made it.
    module: Option<(Arc<Loaded>, String)>,
}

impl PlacesBefore {
    /// Reads the state of the places that maturin may write to.
    ///
    /// # Errors
    /// A file that may have to be restored can't be read.
    pub(crate) fn look(project: &Project, layout: Layout) -> Result<Self> {
        let out_dir = out_dir_includes(project, &layout.python_root);
        let mut before = Self { layout, out_dir, files: BTreeMap::new(), folders: BTreeSet::new() };
        if before.layout.mixed {
            before.folders = before.all_folders();
            for path in before.candidates() {
                let content =
                    if is_native(&path) { None } else { Some(fs::read(&path).at(&path)?) };
                if let Some(stamp) = Stamp::of(&path) {
                    before.files.insert(path, Seen { stamp, content });
                }
            }
        }
        Ok(before)
    }

    /// The files that are new or changed now.
    pub(crate) fn products(self) -> Products {
        let mut files = Vec::new();
        if self.layout.mixed {
            for path in self.candidates() {
                let unchanged =
                    self.files.get(&path).is_some_and(|seen| Some(seen.stamp) == Stamp::of(&path));
                let relative = path.strip_prefix(&self.layout.python_root).ok().and_then(slashed);
                match relative {
                    Some(relative) if !unchanged => files.push((path, relative)),
                    Some(relative) if is_native(&path) => log::warn(format_args!(
                        "{relative} was left in the source tree by an earlier `maturin develop` or \
                         build; it may be imported where no finder runs. Remove it"
                    )),
                    _ => {}
                }
            }
        }
        Products { before: self, files, module: None }
    }

    /// Folders that contain these places, and all folders inside them.
    fn all_folders(&self) -> BTreeSet<PathBuf> {
        let Layout { python_root, folder, extension, .. } = &self.layout;
        let package = python_root.join(folder);
        let mut inside = vec![package.join(extension)];
        inside.extend(self.out_dir.iter().map(|(to, _)| to.clone()));
        let below = inside.iter().flat_map(|folder| {
            WalkDir::new(folder)
                .into_iter()
                .flatten()
                .filter(|entry| entry.file_type().is_dir())
                .map(walkdir::DirEntry::into_path)
        });
        let above = inside.iter().chain([&package]).flat_map(|folder| folder.ancestors());
        let above = above.filter(|folder| folder.is_dir()).map(Path::to_owned);
        below.chain(above).collect()
    }

    /// Every file at a place where maturin puts what it builds or generates.
    fn candidates(&self) -> Vec<PathBuf> {
        let Layout { python_root, folder, extension, .. } = &self.layout;
        let package = python_root.join(folder);
        let mut found = Vec::new();
        // The module, its debug information and its stub.
        let starts =
            [format!("{extension}."), format!("{extension}_d."), format!("lib{extension}.")];
        for path in files_in(&package, 1) {
            let name = path.file_name().unwrap_or_default().to_string_lossy();
            let ours = starts.iter().any(|start| name.starts_with(start));
            if ours && (is_native(&path) || name == format!("{extension}.pyi")) {
                found.push(path);
            }
        }
        // Files that cffi and uniffi generate, stubs in several files, and debug bundles.
        for name in [extension.clone(), format!("{extension}.dSYM"), format!("lib{extension}.dSYM")]
        {
            found.extend(files_in(&package.join(name), usize::MAX));
        }
        // Import libraries are put beside the packages.
        for path in files_in(python_root, 1) {
            let name = path.file_name().unwrap_or_default().to_string_lossy();
            let is_library = name.ends_with(".lib") || name.ends_with(".dll.a");
            if is_library && name.contains(extension.as_str()) {
                found.push(path);
            }
        }
        for (to, glob) in &self.out_dir {
            found.extend(
                files_in(to, usize::MAX)
                    .into_iter()
                    .filter(|path| path.file_name().is_some_and(|name| glob.is_match(name))),
            );
        }
        found.sort();
        found.dedup();
        found
    }
}

impl Products {
    /// Adds the module that cargo alone made.
    pub(crate) fn add_module(&mut self, module: Arc<Loaded>, path: String) {
        self.module = Some((module, path));
    }

    /// The content of each file, and its path relative to the Python source folder.
    pub(crate) fn contents(&self) -> impl Iterator<Item = (Content, &str)> {
        let module = self.module.iter();
        let module =
            module.map(|(module, name)| (Content::Loaded(Arc::clone(module)), name.as_str()));
        let files = self.files.iter();
        files.map(|(path, name)| (Content::File(path.clone()), name.as_str())).chain(module)
    }

    /// Moves the products into a folder and restores the tree. Files that are read there later are
    /// the user's own.
    ///
    /// # Errors
    /// A file can't be moved, removed or written.
    pub(crate) fn move_to(mut self, folder: &Path) -> Result<Self> {
        let mut moved = Vec::new();
        for (index, (path, relative)) in self.files.iter().enumerate() {
            let target = folder.join(format!("{index}")).join(path.file_name().unwrap_or_default());
            if let Some(parent) = target.parent() {
                fs::create_dir_all(parent).at(parent)?;
            }
            // A file can't be renamed to another file system, so it is copied.
            if fs::rename(path, &target).is_err() {
                fs::copy(path, &target).at(path)?;
            }
            moved.push((target, relative.clone()));
        }
        self.clean()?;
        self.files = moved;
        Ok(self)
    }

    /// Removes the products from the tree, and restores the files that they replaced.
    ///
    /// # Errors
    /// A file can't be removed or written.
    fn clean(&self) -> Result<()> {
        for (path, _) in &self.files {
            let seen = self.before.files.get(path);
            match seen.and_then(|seen| Some((seen, seen.content.as_ref()?))) {
                Some((seen, content)) => {
                    if fs::read(path).ok().as_ref() != Some(content) {
                        fs::write(path, content).at(path)?;
                    }
                    if let (Some(modified), Ok(file)) =
                        (seen.stamp.modified, fs::OpenOptions::new().write(true).open(path))
                    {
                        let _ = file.into_parts().0.set_modified(modified);
                    }
                }
                None => {
                    if path.exists() {
                        fs::remove_file(path).at(path)?;
                    }
                    self.remove_empty_folders(path);
                }
            }
        }
        Ok(())
    }

    /// Removes the empty folders that the build made for this path.
    fn remove_empty_folders(&self, path: &Path) {
        let PlacesBefore { layout, folders, .. } = &self.before;
        let made =
            |folder: &&Path| folder.starts_with(&layout.python_root) && !folders.contains(*folder);
        let mut folder = path.parent();
        while let Some(empty) = folder.filter(made) {
            if fs::remove_dir(empty).is_err() {
                return;
            }
            folder = empty.parent();
        }
    }
}

impl Stamp {
    fn of(path: &Path) -> Option<Self> {
        let meta = fs::symlink_metadata(path).ok()?;
        Some(Self {
            size: meta.len(),
            modified: meta.modified().ok(),
            stat: crate::stat_cache::Stat::of(&meta),
        })
    }
}

pub(crate) fn is_native(path: &Path) -> bool {
    path.extension().is_some_and(|suffix| NATIVE.iter().any(|native| suffix == *native))
}

fn files_in(folder: &Path, depth: usize) -> Vec<PathBuf> {
    WalkDir::new(folder)
        .max_depth(depth)
        .into_iter()
        .filter_entry(|entry| entry.file_name() != "__pycache__")
        .flatten()
        .map(walkdir::DirEntry::into_path)
        // maturin does not write links to folders or broken links, and such links can't be read as
        // files.
        .filter(|path| path.is_file())
        .collect()
}

fn out_dir_includes(project: &Project, python_root: &Path) -> Vec<(PathBuf, globset::GlobMatcher)> {
    project
        .maturin
        .include
        .iter()
        .flatten()
        .filter_map(|pattern| {
            let table = pattern.as_table().filter(|table| table.contains_key("from"))?;
            let to = table.get("to")?.as_str()?;
            let path = table.get("path")?.as_str()?;
            let name = path.rsplit('/').next().unwrap_or(path);
            Some((python_root.join(to), globset::Glob::new(name).ok()?.compile_matcher()))
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn layout(root: &Path) -> Layout {
        Layout {
            python_root: root.to_owned(),
            top: "pkg".into(),
            folder: "pkg".into(),
            extension: "_core".into(),
            mixed: true,
            packages: vec!["pkg".into()],
        }
    }

    #[test]
    fn only_what_was_written_is_taken_and_the_rest_is_put_back() {
        let folder = tempfile::tempdir().unwrap();
        let root = folder.path();
        let package = root.join("pkg");
        fs::create_dir_all(&package).unwrap();
        fs::write(package.join("_core.pyi"), "mine").unwrap();
        fs::write(package.join("__init__.py"), "").unwrap();
        fs::create_dir_all(package.join("_core/own")).unwrap();
        let link = package.join("_core/own/link");
        let has_link = crate::publish::link_to_folder(&package, &link);
        let mut before = PlacesBefore {
            layout: layout(root),
            out_dir: Vec::new(),
            files: BTreeMap::new(),
            folders: BTreeSet::new(),
        };
        before.folders = before.all_folders();
        for path in before.candidates() {
            let stamp = Stamp::of(&path).unwrap();
            let content = Some(fs::read(&path).unwrap());
            before.files.insert(path, Seen { stamp, content });
        }
        // What maturin writes, and a file that a user adds meanwhile.
        fs::write(package.join("_core.abi3.so"), "module").unwrap();
        fs::write(package.join("_core.pyi"), "generated").unwrap();
        fs::create_dir(package.join("_core/made")).unwrap();
        fs::write(package.join("_core/made/ffi.py"), "generated").unwrap();
        fs::write(package.join("new.py"), "by the user").unwrap();
        let products = before.products();
        let names: Vec<&str> = products.files.iter().map(|(_, name)| name.as_str()).collect();
        assert_eq!(names, ["pkg/_core/made/ffi.py", "pkg/_core.abi3.so", "pkg/_core.pyi"]);
        products.clean().unwrap();
        assert_eq!(fs::read_to_string(package.join("_core.pyi")).unwrap(), "mine");
        assert!(!package.join("_core.abi3.so").exists());
        assert!(!package.join("_core/made").exists());
        assert!(!has_link || link.is_dir());
        assert_eq!(fs::read_to_string(package.join("new.py")).unwrap(), "by the user");
    }
}
