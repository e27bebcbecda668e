//! What a build starts from, and what it makes.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use super::call::{BuildInterpreter, Call};
use crate::direct::Way;
use crate::editable::Products;
use crate::error::{PathContext as _, Result};
use crate::fingerprint::Source;
use crate::inputs::target::{Modules, Target};
use crate::project::Layout;
use crate::request::Environment;
use crate::store::BuildLock;
use crate::wheel::Wheel;

/// What is known before the build.
pub(super) struct Preparation {
    pub interpreter: BuildInterpreter,
    pub manifest: PathBuf,
    /// Cargo's packages; `None` if cargo could not be asked.
    pub target: Option<Target>,
    pub layout: Layout,
    /// The variables of maturin and cargo.
    pub environment: Environment,
    /// Keeps other builds out of the target folder.
    pub _target_lock: Option<BuildLock>,
}

impl Preparation {
    /// The folder that maturin itself writes to.
    pub(super) fn written(&self) -> PathBuf {
        self.layout.python_root.join(&self.layout.folder)
    }
}

/// The wheel that maturin made.
pub(super) struct Built {
    pub wheel: Wheel,
    pub path: PathBuf,
    /// The files that maturin wrote into the tree, for an editable wheel.
    pub products: Option<Products>,
    /// The files of the tree, if maturin can list them.
    pub source: Option<Source>,
    /// How the next build with these inputs can be made. `None` if that is not known.
    pub way: Option<Way>,
    /// The wheel without its module, if cargo alone can make the next one.
    pub without_module: Option<Vec<u8>>,
    /// The artifact that the wheel's module is a copy of, if cargo was called alone.
    pub artifact: Option<PathBuf>,
    /// Does the wheel have metadata that the frontend prepared, and that the current inputs do not make?
    pub has_older_metadata: bool,
    // The last field is dropped last: the wheel is closed before its folder is removed.
    pub folder: tempfile::TempDir,
}

/// What maturin's hook is called with.
pub(super) struct Order<'a> {
    pub call: &'a Call,
    pub preparation: &'a Preparation,
    pub is_unpacked: bool,
    /// The metadata that the frontend prepared.
    pub prepared: Option<&'a Path>,
}

impl Built {
    /// What is known of the modules in the wheel, and among the files that maturin wrote into the tree.
    ///
    /// # Errors
    /// A file can't be read.
    pub(super) fn modules(&self) -> Result<Modules> {
        if let Some(artifact) = &self.artifact {
            return Ok(Modules::Copied(artifact.clone()));
        }
        let mut digests: BTreeSet<String> =
            self.wheel.files().map(|(_, digest)| digest.to_owned()).collect();
        for (content, name) in self.products.iter().flat_map(Products::contents) {
            digests.insert(content.sha256().at(name)?);
        }
        Ok(Modules::OfDigests(digests))
    }
}
