//! Building an editable wheel with cargo alone (see [`crate::direct`]).

use std::collections::BTreeMap;
use std::path::Path;

use fs_err as fs;

use super::after::After;
use super::built::{Built, Order};
use super::call::{BuildInterpreter, Call};
use super::lookup::Stale;
use super::obstacle::or_obstacle;
use crate::digest::Loaded;
use crate::direct::{self, Compiled, Kept, Made, Way};
use crate::editable::PlacesBefore;
use crate::error::{Cause, PathContext as _, Result};
use crate::inputs::{cargo_config, environment};
use crate::log;
use crate::publish::{self, sealed};
use crate::report;
use crate::request::{Artifact, Hook};
use crate::store::Entry;
use crate::wheel::{Content, Edit, Wheel};

/// An earlier build that can be repeated by cargo alone.
pub(super) struct Repeatable {
    pub made: Made,
    /// The digest of its inputs but sources.
    inputs: String,
    /// How often cargo failed since.
    failures: u32,
    /// Its wheel, without the module.
    wheel: Vec<u8>,
}

/// maturin is called again after cargo alone failed so often, in case that it would succeed.
const MAX_FAILURES: u32 = 2;

/// Arguments of maturin by which it makes more than the module, or checks the module.
const MORE_THAN_THE_MODULE: [&str; 9] = [
    "--auditwheel",
    "--compatibility",
    "--generate-stubs",
    "--include-debuginfo",
    "--include-import-lib",
    "--manylinux",
    "--pgo",
    "--sbom-include",
    "--zig",
];
/// Settings in `[tool.maturin]` with the same effect.
const SETTINGS: [&str; 4] =
    ["auditwheel", "generate-stubs", "include-debuginfo", "include-import-lib"];

/// The earlier build with the same inputs but sources. `None` if maturin must be called; the log says
/// why.
pub(super) fn find(
    call: &Call,
    interpreter: &BuildInterpreter,
    stale: &Stale,
    is_unpacked: bool,
) -> Option<Repeatable> {
    if !is_wanted(call, is_unpacked) {
        return None;
    }
    usable(call, interpreter, stale).inspect_err(tell).ok()
}

fn tell(cause: &Cause) {
    log::debug(format_args!("built through maturin: {cause}"));
}

/// May cargo alone make a build of this kind?
pub(super) fn is_wanted(call: &Call, is_unpacked: bool) -> bool {
    let maturin = &call.project.maturin;
    // Files that build scripts make are packed by maturin.
    let packs_made_files = maturin.include.iter().flatten().any(|it| it.get("from").is_some());
    let settings = call.project.document.get("tool").and_then(|tool| tool.get("maturin"));
    let has_setting = |name: &&str| settings.and_then(|table| table.get(*name)).is_some();
    let arguments = call.request.maturin_arguments();
    let has_argument = |name: &&str| arguments.iter().any(|argument| argument.starts_with(*name));
    call.request.artifact == Artifact::Editable
        && !is_unpacked
        && !packs_made_files
        && !SETTINGS.iter().any(has_setting)
        && !MORE_THAN_THE_MODULE.iter().any(has_argument)
        && call.settings.direct_cargo
}

fn usable(call: &Call, interpreter: &BuildInterpreter, stale: &Stale) -> Result<Repeatable, Cause> {
    let store = call.store.as_ref().ok_or("there is no store")?;
    let nearest = stale.nearest.as_ref().ok_or("there is no earlier build to compare with")?;
    if let Some(reason) = direct::another_change(&stale.reasons) {
        let reason = report::reason(reason, &nearest.record.roots);
        return Err(format!("more than Rust sources changed ({reason})").into());
    }
    let inputs = direct::digest_of_others(nearest.record.pairs())?;
    let places = store.kept_call(&inputs);
    let kept: Kept = sealed::read(&places.call)
        .map_err(|error| format!("no call of cargo is kept ({error})"))?;
    if kept.inputs != inputs {
        return Err("the call of cargo that is kept is of a build with other inputs".into());
    }
    if kept.failures >= MAX_FAILURES {
        return Err("cargo failed when it was called alone".into());
    }
    let made = match kept.way {
        Way::Directly(made) => *made,
        Way::ThroughMaturin(cause) => return Err(cause.into()),
    };
    let wheel = fs::read(&places.wheel)?;
    if crate::digest::bytes(&wheel) != made.wheel_digest {
        return Err("the wheel that is kept is of another build".into());
    }
    match obstacle(call, interpreter, &made) {
        Some(obstacle) => Err(obstacle.into()),
        None => Ok(Repeatable { made, inputs, failures: kept.failures, wheel }),
    }
}

/// The reason why cargo can't be called in the same way.
fn obstacle(call: &Call, interpreter: &BuildInterpreter, made: &Made) -> Option<String> {
    if made.python != interpreter.python {
        return Some("maturin was run by another interpreter".to_owned());
    }
    let environment = &interpreter.plan.environment;
    let cargo = cargo_config::cargo(environment);
    let given = call.request.maturin_arguments();
    made.call.obstacle(cargo.as_deref(), &call.request.root, &given, environment)
}

/// Can cargo still be called in the same way? If not, the log says why.
pub(super) fn can_be_called(
    call: &Call,
    interpreter: &BuildInterpreter,
    earlier: &Repeatable,
) -> bool {
    let obstacle = obstacle(call, interpreter, &earlier.made);
    obstacle.map(Cause::from).as_ref().inspect(|cause| tell(cause)).is_none()
}

/// Calls cargo, and makes the wheel that maturin would have made. `None` if maturin must be called; the
/// log says why.
///
/// # Errors
/// The build fails, or a file can't be read or written.
pub(super) fn build(
    order: &Order<'_>,
    earlier: Repeatable,
    places: PlacesBefore,
) -> Result<Option<Built>> {
    let Order { call, preparation, .. } = *order;
    let Repeatable { made, inputs, failures, wheel: without_module } = earlier;
    let through_maturin = |cause: &str| {
        tell(&cause.into());
        Ok(None)
    };
    let keep = |failures, way| {
        keep(call, Kept { inputs: inputs.clone(), failures, way });
    };
    let folder = publish::temporary_folder()?;
    let mut path = folder.path().join(&made.wheel);
    fs::write(&path, &without_module).at(&path)?;
    let mut wheel = Wheel::open_checked(&path)?;
    let hook = Hook::Build(call.request.artifact).to_string();
    let given = call.request.maturin_arguments();
    let meanwhile = || drop(call.checked_backend());
    let compiled = made.call.repeat(&preparation.environment, &given, &hook, meanwhile);
    let compiled = or_obstacle(call, compiled)
        .inspect_err(|_| keep(failures + 1, Way::Directly(Box::new(made.clone()))))?;
    if let Some(cause) = difference(&compiled, &made) {
        return through_maturin(cause);
    }
    let version = environment::maturin_version(&call.request.interpreter);
    let writes_all = version.is_none_or(|version| is_before(&version, [1, 12]));
    if compiled.has_shared_libraries || (compiled.has_linked_folders && writes_all) {
        let cause = "maturin writes the folders of shared libraries into the module";
        keep(0, Way::ThroughMaturin(cause.to_owned()));
        return through_maturin(cause);
    }
    // `maturin develop` moves the file away for a moment.
    let bytes = match fs::read(&made.artifact) {
        Ok(bytes) => bytes,
        Err(error) => return through_maturin(&error.to_string()),
    };
    if !direct::is_initialized(&bytes, &made.module) {
        return through_maturin("the module has no function for Python to call");
    }
    let module = Loaded::new(bytes);
    let artifact = Some(made.artifact.clone());
    let mut products = places.products();
    if made.is_in_wheel {
        let store = BTreeMap::from([(made.module.clone(), Content::Loaded(module))]);
        path = folder.path().join("whole").join(&made.wheel);
        wheel = with_module(&mut wheel, store, &path)?;
    } else {
        products.add_module(module, made.module.clone());
    }
    log::debug("cargo was called as maturin called it in an earlier build");
    let way = Some(Way::Directly(Box::new(made)));
    let (products, without_module) = (Some(products), Some(without_module));
    Ok(Some(Built {
        wheel,
        path,
        products,
        source: None,
        way,
        without_module,
        artifact,
        has_older_metadata: false,
        folder,
    }))
}

/// Keeps what is known of this call of cargo for later builds.
fn keep(call: &Call, kept: Kept) {
    if let Some(store) = &call.store {
        let path = store.kept_call(&kept.inputs).call;
        sealed::write(&path, &kept).unwrap_or_else(log::debug);
    }
}

/// How cargo worked differently from the earlier build.
fn difference(compiled: &Compiled, made: &Made) -> Option<&'static str> {
    let folders: Vec<&Path> = [&made.metadata.target_directory]
        .into_iter()
        .chain(&made.metadata.build_directory)
        .map(|folder| folder.as_path())
        .collect();
    if compiled.has_unknown_messages {
        return Some("a message of cargo is not known");
    }
    let is_same = compiled.is_in(&folders) && compiled.files.contains(&made.artifact);
    (!is_same).then_some("cargo works in another folder now")
}

/// Is this version of maturin before that one?
fn is_before(version: &str, other: [u64; 2]) -> bool {
    let mut numbers = version.split('.').map(|part| part.parse::<u64>());
    match (numbers.next(), numbers.next()) {
        (Some(Ok(major)), Some(Ok(minor))) => [major, minor] < other,
        _ => true,
    }
}

/// Writes the wheel with these files, which are not compressed.
pub(super) fn with_module(
    wheel: &mut Wheel,
    store: BTreeMap<String, Content>,
    path: &Path,
) -> Result<Wheel> {
    if let Some(folder) = path.parent() {
        fs::create_dir_all(folder).at(folder)?;
    }
    let file = fs::File::create(path).at(path)?;
    wheel.rewrite(file, path, Edit { store, ..Edit::default() })?;
    Wheel::open_checked(path)
}

/// Was the wheel built from the inputs in `after`? If cargo was called alone, everything in the
/// wheel except its module fits the inputs of the lookup. So no input other than a Rust source may
/// have changed since the lookup. If one has, the log says so.
pub(super) fn is_right(built: &Built, nearest: Option<&Entry>, after: &After) -> bool {
    let Some(nearest) = nearest.filter(|_| built.artifact.is_some()) else { return true };
    let before = nearest.record.inputs();
    let changed = direct::differences(&before, &after.inputs);
    let Some(first) = changed.first() else { return true };
    tell(&format!("{} changed meanwhile", report::name(first, &nearest.record.roots)).into());
    false
}
