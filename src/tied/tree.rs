//! The folders of a tree, and the search for their paths.

use std::collections::BTreeSet;
use std::io::Read as _;
use std::path::{Path, PathBuf};

use super::native;
use crate::inputs::cargo::Told;
use crate::inputs::target::Target;
use crate::path_search::{End, Paths};

/// Files are searched in pieces of this size.
const PIECE: usize = 1 << 20;
/// A file with a NUL among its first bytes is no text (as git has it).
const FIRST: usize = 8000;

/// The folders of a tree.
pub(super) struct Tree {
    /// The project, its workspace and its local packages.
    sources: Paths,
    /// The target folder and the build folder.
    products: Paths,
    pub(super) is_utf8: bool,
}

impl Tree {
    /// The tree of a project, with the build folders from which compiled packages may have come.
    pub(super) fn of(project: &Path, target: Option<&Target>, told: &[Told]) -> Self {
        let mut sources = vec![project.to_owned()];
        sources
            .extend(around(project).filter(|folder| is_of_a_checkout(folder)).map(Path::to_owned));
        let mut products = Vec::new();
        if let Some(target) = target {
            let metadata = &target.metadata;
            sources.push(metadata.workspace_root.clone());
            sources.extend(metadata.packages.iter().map(|package| package.folder().to_owned()));
            products.push(metadata.target_directory.clone());
            products.extend(metadata.build_directory.clone());
        }
        let read = told.iter().flat_map(|unit| &unit.variables);
        let folders = read.filter(|(name, _)| name == "OUT_DIR").map(|(_, value)| value.into());
        products.extend(folders);
        Self::new(sources, products)
    }

    pub(super) fn new(mut sources: Vec<PathBuf>, products: Vec<PathBuf>) -> Self {
        // A build folder that contains the sources can't tell products from sources, so it counts
        // as a folder of sources.
        let (around, products): (Vec<PathBuf>, Vec<PathBuf>) = products
            .into_iter()
            .partition(|folder| sources.iter().any(|source| source.starts_with(folder)));
        sources.extend(around);
        let is_utf8 = sources.iter().chain(&products).all(|folder| folder.to_str().is_some());
        let [sources, products] = [sources, products].map(|it| Paths::new(outermost(it)));
        Self { sources, products, is_utf8 }
    }

    /// Whether a text contains a path of the tree's sources.
    pub(super) fn is_in_sources(&self, text: &[u8]) -> bool {
        self.sources.find(text, End::OfName).next().is_some()
    }

    /// Whether a text contains a path of the tree's sources or build folders.
    pub(super) fn is_anywhere_in(&self, text: &[u8]) -> bool {
        self.is_in_sources(text) || self.products.find(text, End::OfName).next().is_some()
    }

    /// Whether a text contains a path of the tree that is not in a build folder.
    pub(super) fn is_outside_products_in(&self, text: &[u8]) -> bool {
        let starts = |paths: &Paths| -> BTreeSet<usize> {
            paths.find(text, End::OfName).map(|place| place.start).collect()
        };
        !starts(&self.sources).is_subset(&starts(&self.products))
    }

    /// Whether a file that the build made contains a path of the tree. Of a native file the debug
    /// information is left out.
    pub(super) fn is_in_product(&self, bytes: &[u8]) -> bool {
        let is_in = |part: &[u8]| {
            let end = end_in(bytes);
            [&self.sources, &self.products].iter().any(|it| it.find(part, end).next().is_some())
        };
        match native::loaded(bytes) {
            Some(parts) => parts.into_iter().any(is_in),
            None => is_in(bytes),
        }
    }

    /// Whether a file contains a path of the tree's sources.
    ///
    /// # Errors
    /// The file can't be read.
    pub(super) fn is_in_file(&self, path: &Path) -> std::io::Result<bool> {
        let mut file = fs_err::File::open(path)?;
        let mut bytes = Vec::new();
        let mut end = None;
        loop {
            let read = file.by_ref().take(PIECE as u64).read_to_end(&mut bytes)?;
            let end = *end.get_or_insert_with(|| end_in(&bytes));
            if read == 0 {
                return Ok(self.sources.find(&bytes, end).next().is_some());
            }
            // The end of the piece may cut a path, or a name that continues after a path. So the
            // end is searched again, together with the next piece.
            let whole = bytes.len().saturating_sub(self.sources.longest() + 2);
            if self.sources.find(&bytes, end).any(|place| place.start < whole) {
                return Ok(true);
            }
            bytes.drain(..whole);
        }
    }
}

/// The folders, also as the file system names them. One below another is found with it.
fn outermost(folders: Vec<PathBuf>) -> Vec<PathBuf> {
    let canonical = folders.iter().filter_map(|folder| dunce::canonicalize(folder).ok());
    let all: BTreeSet<PathBuf> = canonical.chain(folders.iter().cloned()).collect();
    let is_below = |path: &&PathBuf| path.ancestors().skip(1).any(|it| all.contains(it));
    all.iter().filter(|path| !is_below(path)).cloned().collect()
}

/// The folders around the project in which other files of the same checkout may be: neither the
/// root, nor the user's home folder or what it is in.
pub(super) fn around(project: &Path) -> impl Iterator<Item = &Path> {
    let home = etcetera::home_dir().ok();
    let is_home = move |folder: &Path| home.as_ref().is_some_and(|home| home.starts_with(folder));
    let folders = project.ancestors().skip(1);
    folders.filter(move |folder| folder.parent().is_some() && !is_home(folder))
}

/// Whether a folder looks like the top of a checkout, or like a part of one.
fn is_of_a_checkout(folder: &Path) -> bool {
    const NAMES: [&str; 5] = [".git", ".cargo", "Cargo.toml", "pyproject.toml", "uv.lock"];
    NAMES.iter().any(|name| folder.join(name).exists())
}

/// Where a path may end in this file. In a text, a path ends where its last name ends. In a binary
/// file, another text may follow the path directly.
fn end_in(bytes: &[u8]) -> End {
    let first = &bytes[..bytes.len().min(FIRST)];
    if memchr::memchr(0, first).is_some() { End::Anywhere } else { End::OfName }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn build_folders_are_told_apart_from_sources() {
        let tree = Tree::new(vec!["/w/t".into()], vec!["/w/t/target".into()]);
        for (text, is_outside) in [
            ("native=/w/t/target/release/build/a/out", false),
            ("native=/w/t/lib", true),
            ("native=/w/t/target-libs", true),
            ("/w/t/target/a:/w/t/lib", true),
            ("/usr/lib", false),
        ] {
            assert_eq!(tree.is_outside_products_in(text.as_bytes()), is_outside, "{text}");
        }
        let around = Tree::new(vec!["/w/t".into()], vec!["/w".into()]);
        assert!(around.is_outside_products_in(b"/w/t/lib"));
    }

    #[test]
    fn the_checkout_above_a_project_is_of_its_tree() {
        for mark in [".git", ".cargo/config.toml", "Cargo.toml", "pyproject.toml", "uv.lock"] {
            let folder = tempfile::tempdir().unwrap();
            let top = folder.path().join("top");
            let project = top.join("bindings/python");
            fs_err::create_dir_all(&project).unwrap();
            // `X = { value = "data", relative = true }` in the configuration; a script's library.
            let variable = top.join("data").display().to_string();
            let search = format!("native={}", top.join("lib").display());
            let told = |tree: &Tree| {
                (
                    tree.is_in_sources(variable.as_bytes()),
                    tree.is_outside_products_in(search.as_bytes()),
                )
            };
            assert_eq!(told(&Tree::of(&project, None, &[])), (false, false), "{mark}");
            fs_err::create_dir_all(top.join(mark).parent().unwrap()).unwrap();
            fs_err::write(top.join(mark), "").unwrap();
            assert_eq!(told(&Tree::of(&project, None, &[])), (true, true), "{mark}");
        }
        let home = etcetera::home_dir().unwrap();
        let far: Vec<&Path> = around(&home).collect();
        assert_eq!(far, [] as [&Path; 0], "the user's home and the folders that it is in");
        let project = home.join("top/project");
        assert_eq!(around(&project).collect::<Vec<_>>(), [home.join("top")]);
    }

    #[test]
    fn a_path_is_found_in_every_piece_of_a_file() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("file");
        let tree = Tree::new(vec!["/w/tree".into()], Vec::new());
        for place in [0, PIECE - 10, PIECE - 7, PIECE - 3, PIECE, 2 * PIECE + 5] {
            for (text, is_in) in [("/w/tree/x", true), ("/w/tree2/x", false), ("/w/tree", true)] {
                let text = format!("{}{text}", " ".repeat(place));
                fs_err::write(&file, &text).unwrap();
                assert_eq!(tree.is_in_file(&file).unwrap(), is_in, "{place} {}", text.trim());
            }
        }
        fs_err::write(&file, b"\0/w/tree2").unwrap();
        assert!(tree.is_in_file(&file).unwrap(), "a file that is no text");
    }
}
