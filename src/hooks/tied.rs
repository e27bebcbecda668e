//! Why the finished build can serve only this tree (see [`crate::tied`]).

use super::after::After;
use super::built::{Built, Preparation};
use super::call::Call;
use crate::editable::Products;
use crate::fingerprint::Value;
use crate::inputs::Key;
use crate::store::{Entry, Store};
use crate::tied::{Build, Tied};

/// The reasons; empty if any tree of the project can use the build. `nearest` is an earlier build:
/// what it has in common with this one is not searched again.
pub(super) fn reasons(
    call: &Call,
    preparation: &Preparation,
    after: &After,
    built: &mut Built,
    nearest: Option<&Entry>,
) -> Vec<Tied> {
    // A build without a store is not kept.
    let Some(store) = &call.store else { return Vec::new() };
    let roots = &after.found.roots;
    let searched = nearest.filter(|entry| is_searched(entry, store) && entry.roots == *roots);
    let inputs = searched.map(|entry| entry.record.inputs()).unwrap_or_default();
    let is_known = |key: &Key, value: &Value| {
        inputs.get(key) == Some(value)
            && !searched.is_some_and(|entry| entry.tied.iter().any(|tied| tied.is_about(key)))
    };
    let products = built.products.iter().flat_map(Products::contents).collect::<Vec<_>>();
    let build = Build {
        request: &call.request,
        environment: &preparation.interpreter.plan.environment,
        target: after.target(preparation),
        told: &after.found.told,
        inputs: &after.inputs,
        roots,
        products: &products,
    };
    build.reasons(&mut built.wheel, is_known)
}

/// Was every input of this build searched for the paths of this tree?
fn is_searched(entry: &Entry, store: &Store) -> bool {
    entry.built_in == store.root() && entry.wheel.is_some()
}
