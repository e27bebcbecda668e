//! Building through maturin.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use super::call::{BuildInterpreter, Call};
use super::obstacle::{need_cargo, or_obstacle};
use super::sources::Listing;
use super::{brought, pyo3_config, remapped, units, untracked};
use crate::editable::{self, Products};
use crate::error::{Error, PathContext as _, Result};
use crate::fingerprint::Source;
use crate::freshness::Reason;
use crate::inputs::target::Target;
use crate::log;
use crate::maturin::{self, HookProcess};
use crate::project::Layout;
use crate::request::{Artifact, Environment};
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
    environment: Environment,
    _target_lock: Option<BuildLock>,
}

/// What exists only until maturin's hook is called.
pub(super) struct Start {
    /// maturin loads while cargo is asked.
    process: HookProcess,
    /// The places in the tree that maturin may write to, for an editable wheel.
    places: Option<editable::Before>,
}

/// Makes everything ready for maturin's hook. `reasons` are those of the build.
///
/// # Errors
/// maturin or cargo is missing, or an obstacle prevents the build.
pub(super) fn prepare(
    call: &Call,
    is_unpacked: bool,
    reasons: &[Reason],
) -> Result<(Preparation, Start)> {
    if !maturin::is_importable(&call.request.interpreter) {
        return Err(maturin::missing());
    }
    need_cargo(call)?;
    // An archive may lack files that are inputs of its tree.
    if !is_unpacked {
        untracked::unmatched_inputs(call).iter().for_each(log::warn);
    }
    let interpreter = BuildInterpreter::prepare(call);
    let process = interpreter.maturin(call).start()?;
    let manifest = call.project.manifest_path(&call.request);
    let target = units::target(call, &interpreter.plan.environment, &manifest, reasons)?;
    let target_lock = match (&call.store, &target) {
        (Some(store), Some(target)) => store.lock_target(&target.metadata.target_directory),
        _ => None,
    };
    if let (Some(store), Some(target), false) = (&call.store, &target, is_unpacked) {
        brought::bring(call, store, target)?;
    }
    let environment = match (&call.store, &target, &target_lock) {
        (Some(store), Some(target), Some(_)) => {
            pyo3_config::restore(store, target);
            let links = store.programs(&target.metadata.target_directory);
            interpreter.plan.with_links(&links).unwrap_or_else(|error| {
                log::warn(format_args!("PATH of this build has no stable value: {error}"));
                interpreter.plan.environment.clone()
            })
        }
        _ => interpreter.plan.environment.clone(),
    };
    let environment = remapped::environment(call, environment, target.as_ref());
    if let (Some(store), Some(_)) = (&call.store, &call.tree) {
        store.bound_archive_target(target.is_some());
    }
    let layout = untracked::layout(&call.project, &manifest);
    let start = Start { process, places: places(call, &layout)? };
    let preparation = Preparation {
        interpreter,
        manifest,
        target,
        layout,
        environment,
        _target_lock: target_lock,
    };
    Ok((preparation, start))
}

fn places(call: &Call, layout: &Layout) -> Result<Option<editable::Before>> {
    Ok(match call.request.artifact {
        Artifact::Editable => Some(editable::Before::look(&call.project, layout.clone())?),
        Artifact::Wheel | Artifact::Sdist => None,
    })
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
    // The last field is dropped last: the wheel is closed before its folder is removed.
    _folder: tempfile::TempDir,
}

/// What maturin's hook is called with.
pub(super) struct Order<'a> {
    pub call: &'a Call,
    pub preparation: &'a Preparation,
    pub is_unpacked: bool,
    /// The metadata that the frontend prepared.
    pub prepared: Option<&'a Path>,
}

/// Calls maturin's hook. The wheel is made in a temporary folder, and the tree is left without the
/// files that maturin writes into it. If the result names a tree that packages were brought from, it
/// is made again without them.
///
/// # Errors
/// The build fails, or its result is not a wheel.
pub(super) fn run(order: &Order<'_>, start: Start) -> Result<Built> {
    let Order { call, preparation, .. } = order;
    let mut built = run_once(order, start)?;
    if let Some(target) = &preparation.target
        && brought::is_taken_back(target, &mut built.wheel, built.products.as_ref())?
    {
        let process = preparation.interpreter.maturin(call).start()?;
        let start = Start { process, places: places(call, &preparation.layout)? };
        return run_once(order, start);
    }
    Ok(built)
}

fn run_once(order: &Order<'_>, start: Start) -> Result<Built> {
    let Order { call, preparation, is_unpacked, prepared } = *order;
    let Preparation { interpreter, environment, .. } = preparation;
    let folder = tempfile::Builder::new()
        .prefix("wheelprint-")
        .tempdir()
        .map_err(|error| Error::io("temporary folder", &error))?;
    let artifact = call.request.artifact;
    let is_tree = artifact == Artifact::Wheel && !is_unpacked;
    let listing = is_tree.then(|| Listing::begin(call, interpreter)).flatten();
    let maturin = interpreter.maturin_in(call, environment);
    let made = maturin.build(start.process, artifact, folder.path(), prepared);
    let made = or_obstacle(call, made);
    // After a failed build, too.
    let products = start
        .places
        .map(|places| places.products().move_to(&folder.path().join("products")))
        .transpose()?;
    let path = folder.path().join(made?);
    let source = listing.and_then(|listing| listing.finish(call));
    let wheel = Wheel::open(&path)?;
    Ok(Built { wheel, path, products, source, _folder: folder })
}

impl Built {
    /// Digests of the files in the wheel, and of those that maturin wrote into the tree.
    ///
    /// # Errors
    /// A file can't be read.
    pub(super) fn digests(&self) -> Result<BTreeSet<String>> {
        let mut digests: BTreeSet<String> =
            self.wheel.files().map(|(_, digest)| digest.to_owned()).collect();
        for (path, _) in self.products.iter().flat_map(|products| &products.files) {
            digests.insert(crate::digest::file(path).at(path)?);
        }
        Ok(digests)
    }
}
