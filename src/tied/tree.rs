//! The folders of a tree, and the search for their paths.

use std::io::Read as _;
use std::path::{Path, PathBuf};

use super::native;
use super::search::{End, Paths};
use crate::inputs::cargo::Told;
use crate::inputs::target::Target;

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
        // A build folder around the sources sets nothing apart.
        let (around, products): (Vec<PathBuf>, Vec<PathBuf>) = products
            .into_iter()
            .partition(|folder| sources.iter().any(|source| source.starts_with(folder)));
        sources.extend(around);
        let is_utf8 = sources.iter().chain(&products).all(|folder| folder.to_str().is_some());
        Self { sources: Paths::new(&sources), products: Paths::new(&products), is_utf8 }
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
        let products: Vec<usize> = self.products.find(text, End::OfName).collect();
        self.sources.find(text, End::OfName).any(|start| !products.contains(&start))
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
            // The end of a piece may cut a path, and may hide how a name goes on.
            let whole = bytes.len().saturating_sub(self.sources.longest() + 2);
            if self.sources.find(&bytes, end).any(|start| start < whole) {
                return Ok(true);
            }
            bytes.drain(..whole);
        }
    }
}

/// A text says where a path ends. In other files another text may follow at once.
fn end_in(bytes: &[u8]) -> End {
    let first = &bytes[..bytes.len().min(FIRST)];
    if memchr::memchr(0, first).is_some() { End::Anywhere } else { End::OfName }
}
