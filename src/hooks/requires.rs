//! What a build requires beside wheelprint.

use super::call::Call;
use crate::maturin;
use crate::request::Artifact;

/// The packages that maturin itself would request.
pub(super) fn of_maturin(call: &Call) -> Vec<&'static str> {
    maturin::requires(
        call.project.maturin.bindings.as_deref(),
        &call.request.interpreter,
        &call.request.environment,
        call.request.artifact != Artifact::Sdist,
    )
}

/// Are all packages for a build installed?
pub(super) fn are_met(call: &Call) -> bool {
    let interpreter = &call.request.interpreter;
    let has = |name: &&str| maturin::has_package(interpreter, name);
    maturin::is_importable(interpreter) && of_maturin(call).iter().all(has)
}
