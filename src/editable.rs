//! The self-contained editable wheel (DESIGN D8).
//!
//! maturin copies the compiled module, and whatever it generates beside it, into the Python source
//! folder. Here those files move into the wheel, below `NAME.editable/`, and the source tree is
//! left as it was found. A copy of the runtime hook in the wheel maps the modules into their
//! package; the `.pth` keeps its plain path line, for the interpreter and for static tools.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use fs_err as fs;
use walkdir::WalkDir;

use crate::error::{PathContext as _, Result};
use crate::inputs::slashed;
use crate::log;
use crate::project::{Layout, Project};
use crate::wheel::{Addition, Content, Edit, Wheel};

/// The runtime hook's source, as it is copied into wheels.
pub const RUNTIME_HOOK: &str = include_str!("../python/wheelprint/_runtime.py");
/// The line of the hook that a wheel's own data replaces.
const CONFIG_LINE: &str = "MODULES: \"dict[str, str]\" = {}";

const NATIVE: &[&str] = &["so", "pyd", "dll", "dylib", "pdb", "dwp"];

/// What lay where maturin may write, before it ran.
pub struct Before {
    layout: Layout,
    /// Targets of `include = [{ from = "out-dir", to = ... }]`, with the glob's last part.
    out_dir: Vec<(PathBuf, globset::GlobMatcher)>,
    files: BTreeMap<PathBuf, Seen>,
}

#[derive(PartialEq)]
struct Seen {
    stamp: Stamp,
    /// Kept for what is not a product of the compiler: it may be the user's own file.
    content: Option<Vec<u8>>,
}

/// What changes when maturin writes a file: it removes compiled modules first, and truncates text.
#[derive(PartialEq, Eq, Clone, Copy)]
struct Stamp {
    size: u64,
    modified: Option<std::time::SystemTime>,
    stat: Option<crate::stat_cache::Stat>,
}

/// What maturin wrote into the tree.
pub struct Products {
    before: Before,
    /// Path in the tree, and path relative to the Python source folder.
    pub files: Vec<(PathBuf, String)>,
}

impl Before {
    /// Looks at the places maturin may write to.
    ///
    /// # Errors
    /// A file that would have to be put back can't be read.
    pub fn look(project: &Project, layout: Layout) -> Result<Self> {
        let out_dir = out_dir_includes(project, &layout.python_root);
        let mut before = Self { layout, out_dir, files: BTreeMap::new() };
        if before.layout.mixed {
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

    /// What of it is new or changed now.
    pub fn products(self) -> Products {
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
        Products { before: self, files }
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
            let name = path.file_name().map(|name| name.to_string_lossy().into_owned());
            let name = name.unwrap_or_default();
            let ours = starts.iter().any(|start| name.starts_with(start));
            if ours && (is_native(&path) || name == format!("{extension}.pyi")) {
                found.push(path);
            }
        }
        // What cffi and uniffi generate, stubs in pieces, and debug bundles.
        for name in [extension.clone(), format!("{extension}.dSYM"), format!("lib{extension}.dSYM")]
        {
            found.extend(files_in(&package.join(name), usize::MAX));
        }
        // Import libraries go beside the packages.
        for path in files_in(python_root, 1) {
            let name = path.file_name().map(|name| name.to_string_lossy().into_owned());
            if name.is_some_and(|name| {
                (name.ends_with(".lib") || name.ends_with(".dll.a"))
                    && name.contains(extension.as_str())
            }) {
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
    /// Moves the products into a folder and leaves the tree as it was: what is looked at next is
    /// the user's own.
    ///
    /// # Errors
    /// A file can't be moved, removed or written.
    pub fn move_to(mut self, folder: &Path) -> Result<Self> {
        let mut moved = Vec::new();
        for (index, (path, relative)) in self.files.iter().enumerate() {
            let target = folder.join(format!("{index}")).join(path.file_name().unwrap_or_default());
            if let Some(parent) = target.parent() {
                fs::create_dir_all(parent).at(parent)?;
            }
            // On another file system it can only be copied.
            if fs::rename(path, &target).is_err() {
                fs::copy(path, &target).at(path)?;
            }
            moved.push((target, relative.clone()));
        }
        self.clean()?;
        self.files = moved;
        Ok(self)
    }

    /// Takes the products out of the tree and puts back what lay in their place.
    ///
    /// # Errors
    /// A file can't be removed or written.
    fn clean(&self) -> Result<()> {
        for (path, _) in &self.files {
            match self
                .before
                .files
                .get(path)
                .and_then(|seen| seen.content.as_ref().map(|content| (seen, content)))
            {
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

    fn remove_empty_folders(&self, path: &Path) {
        let stop = self.before.layout.python_root.join(&self.before.layout.folder);
        let mut folder = path.parent();
        while let Some(empty) = folder.filter(|folder| *folder != stop && folder.starts_with(&stop))
        {
            if fs::remove_dir(empty).is_err() {
                return;
            }
            folder = empty.parent();
        }
    }

    /// What has to be changed in maturin's wheel for it to stand on its own. Nothing, if maturin
    /// wrote nothing into the tree: then it does already.
    ///
    /// # Errors
    /// The wheel's `.pth` can't be read.
    pub fn edit(&self, wheel: &mut Wheel) -> Result<Edit> {
        let mut edit = Edit::default();
        if self.files.is_empty() {
            return Ok(edit);
        }
        let name = wheel.dist_info.split('-').next().unwrap_or_default().to_owned();
        let module = format!(
            "_wheelprint_{}",
            name.replace(|char: char| !char.is_ascii_alphanumeric(), "_").to_ascii_lowercase()
        );
        let store = format!("{name}.editable");
        let mut modules = BTreeMap::new();
        for (path, relative) in &self.files {
            if let Some(module) = module_name(relative) {
                let folder = match relative.rsplit_once('/') {
                    Some((folder, "__init__.py")) => {
                        folder.rsplit_once('/').map_or("", |(parent, _)| parent)
                    }
                    Some((folder, _)) => folder,
                    None => "",
                };
                modules
                    .insert(module, format!("{store}/{folder}").trim_end_matches('/').to_owned());
            }
            edit.add.push(Addition {
                name: format!("{store}/{relative}"),
                content: Content::File(path.clone()),
                executable: is_native(path),
            });
        }
        let mut config = String::from("MODULES: \"dict[str, str]\" = {\n");
        for (module, folder) in &modules {
            config.push_str(&format!("    {module:?}: {folder:?},\n"));
        }
        config.push('}');
        let file = |name: String, text: String| Addition {
            name,
            content: Content::Bytes(text.into_bytes()),
            executable: false,
        };
        edit.add.push(file(format!("{module}.py"), RUNTIME_HOOK.replace(CONFIG_LINE, &config)));
        let pth = format!("{name}.pth");
        let path_line = String::from_utf8_lossy(&wheel.read(&pth)?).trim().to_owned();
        let import_line = format!("import {module}; {module}.install()");
        edit.remove.push(pth.clone());
        edit.add.push(file(pth, format!("{path_line}\n{import_line}\n")));
        // PEP 829: from Python 3.15 on this takes the import line's place.
        edit.add.push(file(format!("{name}.start"), format!("{module}:install\n")));
        Ok(edit)
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

/// `pkg/_core.abi3.so` is `pkg._core`, `pkg/_core/__init__.py` too; `None` for what is no module.
fn module_name(relative: &str) -> Option<String> {
    let (folder, file) = relative.rsplit_once('/').unwrap_or(("", relative));
    let suffix = file.rsplit_once('.').map(|(_, suffix)| suffix)?;
    let stem = file.split('.').next()?;
    let parts = match (suffix, stem) {
        ("py", "__init__") => folder.to_owned(),
        ("py" | "so" | "pyd", stem) if !stem.starts_with("lib") || suffix == "py" => {
            format!("{folder}/{stem}")
        }
        _ => return None,
    };
    Some(parts.trim_start_matches('/').replace('/', "."))
}

fn is_native(path: &Path) -> bool {
    path.extension().is_some_and(|suffix| NATIVE.iter().any(|native| suffix == *native))
}

fn files_in(folder: &Path, depth: usize) -> Vec<PathBuf> {
    WalkDir::new(folder)
        .max_depth(depth)
        .into_iter()
        .filter_entry(|entry| entry.file_name() != "__pycache__")
        .flatten()
        .filter(|entry| !entry.file_type().is_dir())
        .map(walkdir::DirEntry::into_path)
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

    #[test]
    fn the_hook_has_the_line_that_is_replaced() {
        assert_eq!(RUNTIME_HOOK.matches(CONFIG_LINE).count(), 1);
    }

    #[test]
    fn modules_are_named_by_their_files() {
        assert_eq!(module_name("pkg/_core.abi3.so").as_deref(), Some("pkg._core"));
        assert_eq!(
            module_name("a/b/_core.cpython-311-x86_64-linux-gnu.so").as_deref(),
            Some("a.b._core")
        );
        assert_eq!(module_name("pkg/_core/__init__.py").as_deref(), Some("pkg._core"));
        assert_eq!(module_name("pkg/_core/ffi.py").as_deref(), Some("pkg._core.ffi"));
        assert_eq!(module_name("pkg/_core/lib_core.so"), None);
        assert_eq!(module_name("pkg/_core.pyi"), None);
    }

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
        let before = Before { layout: layout(root), out_dir: Vec::new(), files: BTreeMap::new() };
        let mut before = before;
        for path in before.candidates() {
            let stamp = Stamp::of(&path).unwrap();
            let content = Some(fs::read(&path).unwrap());
            before.files.insert(path, Seen { stamp, content });
        }
        // What maturin does, and what a user does meanwhile.
        fs::write(package.join("_core.abi3.so"), "module").unwrap();
        fs::write(package.join("_core.pyi"), "generated").unwrap();
        fs::create_dir(package.join("_core")).unwrap();
        fs::write(package.join("_core/ffi.py"), "generated").unwrap();
        fs::write(package.join("new.py"), "by the user").unwrap();
        let products = before.products();
        let names: Vec<&str> = products.files.iter().map(|(_, name)| name.as_str()).collect();
        assert_eq!(names, ["pkg/_core/ffi.py", "pkg/_core.abi3.so", "pkg/_core.pyi"]);
        products.clean().unwrap();
        assert_eq!(fs::read_to_string(package.join("_core.pyi")).unwrap(), "mine");
        assert!(!package.join("_core.abi3.so").exists());
        assert!(!package.join("_core").exists());
        assert_eq!(fs::read_to_string(package.join("new.py")).unwrap(), "by the user");
    }
}
