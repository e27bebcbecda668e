//! Finding out and keeping how a build was made, for builds by cargo alone (see [`crate::direct`]).

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use fs_err as fs;

use super::built::{Built, Preparation};
use super::call::Call;
use super::direct::{is_wanted, with_module};
use super::record::Recorded;
use crate::direct::{self, CargoCall, Kept, Made, Way};
use crate::editable::{self, Products};
use crate::error::{PathContext as _, Result};
use crate::fingerprint::Value;
use crate::log;
use crate::publish::{self, sealed};
use crate::store::Store;
use crate::wheel::Content;

/// Finds out how maturin made this editable wheel. If cargo alone can make it from other sources, the
/// wheel gets its module uncompressed, as such builds make it.
///
/// # Errors
/// A file can't be read or written.
pub(super) fn learn(
    recorded: Option<CargoCall>,
    preparation: &Preparation,
    built: &mut Built,
) -> Result<()> {
    let Some(target) = preparation.target.as_ref().filter(|target| target.knows_all_packages)
    else {
        return Ok(());
    };
    let (Some(call), Some(module)) = (recorded, the_module(built)?) else { return Ok(()) };
    let Some(artifact) = target.artifact(&module.digest) else { return Ok(()) };
    let wheel = if module.is_in_wheel {
        let store = |content| BTreeMap::from([(module.name.clone(), content)]);
        let empty = built.folder.path().join("empty").join(file_name(&built.path));
        with_module(&mut built.wheel, store(Content::Bytes(Vec::new())), &empty)?;
        let whole = built.folder.path().join("whole").join(file_name(&built.path));
        built.wheel = with_module(&mut built.wheel, store(Content::Bytes(module.bytes)), &whole)?;
        built.path = whole;
        empty
    } else {
        built.path.clone()
    };
    let bytes = fs::read(&wheel).at(&wheel)?;
    let made = Made {
        call,
        python: preparation.interpreter.python.clone(),
        metadata: target.metadata.clone(),
        artifact,
        module: module.name,
        is_in_wheel: module.is_in_wheel,
        wheel: file_name(&wheel),
        wheel_digest: crate::digest::bytes(&bytes),
    };
    built.way = Some(Way::Directly(Box::new(made)));
    built.without_module = Some(bytes);
    Ok(())
}

fn file_name(path: &Path) -> String {
    path.file_name().unwrap_or_default().to_string_lossy().into_owned()
}

/// The compiled module of an editable wheel.
struct Module {
    name: String,
    bytes: Vec<u8>,
    digest: String,
    is_in_wheel: bool,
}

/// The module, if the build made nothing else.
fn the_module(built: &mut Built) -> Result<Option<Module>> {
    // A portable tag depends on the module.
    let tag = built.path.file_stem().and_then(|stem| stem.to_str()).unwrap_or_default();
    let platform = tag.rsplit('-').next().unwrap_or_default();
    if cfg!(target_os = "linux") && !platform.starts_with("linux_") {
        return Ok(None);
    }
    let is_native = |name: &str| editable::is_native(Path::new(name));
    let native =
        built.wheel.files().map(|(name, _)| name.to_owned()).filter(|name| is_native(name));
    let in_wheel: Vec<String> = native.collect();
    let products = built.products.iter().flat_map(Products::contents).collect::<Vec<_>>();
    let (name, bytes, is_in_wheel) = match (products.as_slice(), in_wheel.as_slice()) {
        ([(content, name)], []) if is_native(name) => {
            ((*name).to_owned(), content.read().at(name)?.into_owned(), false)
        }
        ([], [name]) => (name.clone(), built.wheel.read(name)?, true),
        _ => return Ok(None),
    };
    let digest = crate::digest::bytes(&bytes);
    Ok(direct::is_initialized(&bytes, &name).then_some(Module { name, bytes, digest, is_in_wheel }))
}

/// Keeps how a finished build was made.
pub(super) fn keep(call: &Call, built: &Built, recorded: &Recorded) {
    let Some(store) = &call.store else { return };
    if !is_wanted(call, false) || !recorded.record.untrusted.is_empty() {
        return;
    }
    let kept = write(store, built, recorded);
    kept.unwrap_or_else(|error| log::debug(format_args!("cargo's call is not kept: {error}")));
}

fn write(store: &Store, built: &Built, recorded: &Recorded) -> Result<()> {
    let inputs = direct::digest_of_others(recorded.record.pairs())?;
    let places = store.kept_call(&inputs);
    let kept = sealed::read::<Kept>(&places.call).map(|kept| kept.way);
    if matches!(kept, Ok(Way::ThroughMaturin(_))) {
        return Ok(());
    }
    let is_complete = is_nothing_else_generated(built, recorded);
    match (&built.way, &built.without_module) {
        (Some(way), Some(wheel)) if is_complete => {
            publish::bytes(&places.wheel, wheel).at(&places.wheel)?;
            let kept = Kept { inputs, failures: 0, way: way.clone() };
            sealed::write(&places.call, &kept).at(&places.call)?;
            store.bound_kept_calls();
        }
        _ => store.forget_kept_call(&places),
    }
    Ok(())
}

/// Is every file of the wheel, apart from the module, that of an input other than a source? maturin can
/// pack files that build scripts make, and stubs that it reads from the module.
fn is_nothing_else_generated(built: &Built, recorded: &Recorded) -> bool {
    let Some(Way::Directly(made)) = &built.way else { return true };
    let inputs: BTreeSet<&str> = recorded
        .record
        .pairs()
        .filter_map(|(key, value)| match value {
            Value::Sha256(digest) if !direct::is_source(key) => Some(digest.as_str()),
            _ => None,
        })
        .collect();
    let dist_info = format!("{}/", built.wheel.dist_info);
    let is_known = |(name, digest): (&str, &str)| {
        // maturin writes an `__init__.py` and an empty `py.typed` for a project without Python files.
        name == made.module
            || name.starts_with(&dist_info)
            || name.ends_with(".pth")
            || name.ends_with("/__init__.py")
            || digest == crate::digest::bytes(b"")
            || inputs.contains(digest)
    };
    built.wheel.files().all(is_known)
}
