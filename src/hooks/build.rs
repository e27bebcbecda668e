//! Building: through maturin, or with cargo alone.

use std::path::Path;

use super::built::{Built, Order, Preparation};
use super::call::{BuildInterpreter, Call};
use super::direct::{self, Repeatable};
use super::lookup::Stale;
use super::obstacle::{need_cargo, or_obstacle};
use super::sources::Listing;
use super::{brought, learned, prepared, pyo3_config, remapped, units, untracked};
use crate::direct::Recorder;
use crate::editable;
use crate::error::Result;
use crate::inputs::cargo_config;
use crate::inputs::target::Target;
use crate::log;
use crate::maturin::{self, HookProcess};
use crate::project::Layout;
use crate::publish;
use crate::request::{Artifact, Environment};
use crate::store::Store;
use crate::wheel::Wheel;

/// What exists only until maturin's hook, or cargo, is called.
pub(super) struct Start {
    /// maturin loads while cargo is asked. `None` if only cargo will be called.
    process: Option<HookProcess>,
    /// The earlier build that cargo alone will repeat, if maturin need not be called.
    direct: Option<Repeatable>,
    /// The places in the tree that maturin may write to, for an editable wheel.
    places: Option<editable::PlacesBefore>,
}

/// Prepares a build through maturin's hook or, if it `may_be_direct`, by cargo alone. `stale` has
/// the reasons for the build. `None` if cargo alone was chosen, but can't be called in the same way
/// now.
///
/// # Errors
/// maturin or cargo is missing, or an obstacle prevents the build.
pub(super) fn prepare(
    call: &Call,
    is_unpacked: bool,
    stale: &Stale,
    may_be_direct: bool,
) -> Result<Option<(Preparation, Start)>> {
    if !maturin::is_importable(&call.request.interpreter) {
        return Err(maturin::missing());
    }
    need_cargo(call)?;
    // An archive may lack files that are inputs of its tree.
    if !is_unpacked {
        untracked::unmatched_inputs(call).iter().for_each(log::warn);
    }
    let interpreter = BuildInterpreter::prepare(call);
    let manifest = call.project.manifest_path(&call.request);
    let direct = match may_be_direct {
        true => direct::find(call, &interpreter, stale, is_unpacked),
        false => None,
    };
    let (process, target) = match &direct {
        Some(earlier) => {
            (None, Some(units::remembered(call, &interpreter, &manifest, &earlier.made)))
        }
        None => {
            let process = interpreter.maturin(call).start()?;
            let environment = &interpreter.plan.environment;
            (Some(process), units::target(call, environment, &manifest, &stale.reasons)?)
        }
    };
    let target_lock = match (&call.store, &target) {
        (Some(store), Some(target)) => store.lock_target(&target.metadata.target_directory),
        _ => None,
    };
    if let (Some(store), Some(target), false) = (&call.store, &target, is_unpacked) {
        brought::bring(call, store, target)?;
    }
    let environment = match (&call.store, &target, &target_lock) {
        (Some(store), Some(target), Some(_)) => stable(store, target, &interpreter),
        _ => interpreter.plan.environment.clone(),
    };
    // Another package may have written pyo3's configuration until the lock was taken.
    if direct.as_ref().is_some_and(|earlier| !direct::can_be_called(call, &interpreter, earlier)) {
        return Ok(None);
    }
    let environment = remapped::environment(call, environment, target.as_ref());
    if let (Some(store), Some(_)) = (&call.store, &call.tree) {
        store.bound_archive_target(target.is_some());
    }
    let layout = untracked::layout(&call.project, &manifest);
    let start = Start { process, direct, places: places(call, &layout)? };
    let preparation = Preparation {
        interpreter,
        manifest,
        target,
        layout,
        environment,
        _target_lock: target_lock,
    };
    Ok(Some((preparation, start)))
}

/// The environment for cargo, with values that are equal in each build of this target folder.
fn stable(store: &Store, target: &Target, interpreter: &BuildInterpreter) -> Environment {
    pyo3_config::restore(store, target);
    let links = store.programs(&target.metadata.target_directory);
    interpreter.plan.with_links(&links).unwrap_or_else(|error| {
        log::warn(format_args!("PATH of this build has no stable value: {error}"));
        interpreter.plan.environment.clone()
    })
}

fn places(call: &Call, layout: &Layout) -> Result<Option<editable::PlacesBefore>> {
    Ok(match call.request.artifact {
        Artifact::Editable => Some(editable::PlacesBefore::look(&call.project, layout.clone())?),
        Artifact::Wheel | Artifact::Sdist => None,
    })
}

/// Makes the wheel in a temporary folder, with cargo alone or through maturin's hook. Files that
/// maturin writes into the tree are removed from it. The wheel is built again without the packages
/// of another tree if it contains a path of that tree. It is built again with the prepared metadata
/// if it has other metadata. `None` if cargo was called alone, and maturin is needed after all.
///
/// # Errors
/// The build fails, or its result is not a wheel.
pub(super) fn run(order: &Order<'_>, mut start: Start) -> Result<Option<Built>> {
    let Order { call, preparation, .. } = order;
    let again = |prepared| {
        let places = places(call, &preparation.layout)?;
        through_maturin(order, Start { process: None, direct: None, places }, prepared)
    };
    let mut built = match (start.direct.take(), start.places.take()) {
        (Some(earlier), Some(places)) => match direct::build(order, earlier, places)? {
            Some(built) => built,
            None => return Ok(None),
        },
        (_, places) => through_maturin(order, Start { places, ..start }, None)?,
    };
    if let Some(target) = &preparation.target
        && brought::is_taken_back(target, &mut built.wheel, built.products.as_ref())?
    {
        built = again(None)?;
    }
    // maturin makes metadata from the current files if it is not given the prepared ones.
    if let Some(folder) = order.prepared
        && !prepared::is_in(&mut built.wheel, folder)?
    {
        log::debug("built again, because the frontend prepared other metadata");
        let dist_info = built.wheel.dist_info.clone();
        let copy = publish::temporary_folder()?;
        let place = copy.path().join(&dist_info);
        prepared::copy(folder, &dist_info, &place)?;
        built = again(Some(&place))?;
        built.has_older_metadata = true;
    }
    Ok(Some(built))
}

/// Calls maturin's hook. It copies the `prepared` metadata into the wheel, if that is given.
fn through_maturin(order: &Order<'_>, start: Start, prepared: Option<&Path>) -> Result<Built> {
    let Order { call, preparation, is_unpacked, .. } = *order;
    let Preparation { interpreter, environment, target, .. } = preparation;
    let folder = publish::temporary_folder()?;
    let artifact = call.request.artifact;
    let is_tree = artifact == Artifact::Wheel && !is_unpacked;
    let listing = is_tree.then(|| Listing::begin(call, interpreter, target.as_ref())).flatten();
    let recorder = match cargo_config::cargo(environment) {
        // A build with prepared metadata is not recorded, because the next build has other
        // metadata.
        Some(cargo) if direct::is_wanted(call, is_unpacked) && prepared.is_none() => {
            let calls = folder.path().join("calls");
            Recorder::begin(&calls, &interpreter.python, &cargo, environment)
        }
        _ => None,
    };
    let recorded = recorder.as_ref().map_or(environment, |recorder| &recorder.environment);
    let maturin = interpreter.maturin_in(call, recorded);
    let process = start.process.map_or_else(|| maturin.start(), Ok)?;
    let made = maturin.build(process, artifact, folder.path(), prepared);
    let made = or_obstacle(call, made);
    // After a failed build, too.
    let products = start
        .places
        .map(|places| places.products().move_to(&folder.path().join("products")))
        .transpose()?;
    let path = folder.path().join(made?);
    let source = listing.and_then(|listing| listing.finish(call));
    let wheel = Wheel::open(&path)?;
    let mut built = Built {
        wheel,
        path,
        products,
        source,
        way: None,
        without_module: None,
        artifact: None,
        has_older_metadata: false,
        folder,
    };
    // If nothing can be learned from the recording, the wheel is still right.
    let given = call.request.maturin_arguments();
    let recorded = recorder.and_then(|recorder| recorder.finish(&given));
    learned::learn(recorded, preparation, &mut built)
        .unwrap_or_else(|error| log::debug(format_args!("cargo's call is not kept: {error}")));
    Ok(built)
}
