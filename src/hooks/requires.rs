//! What a build requires beside wheelprint.

use super::call::Call;
use crate::maturin;
use crate::request::Artifact;
use crate::shared::PROGRAM;

/// The packages that maturin itself would request.
pub(super) fn of_maturin(call: &Call) -> Vec<&'static str> {
    maturin::requires(
        call.project.maturin.bindings.as_deref(),
        &call.request.interpreter,
        &call.request.environment,
        call.request.artifact != Artifact::Sdist,
    )
}

/// The program that asks the shared store, if there is one to ask, and if no earlier build has kept the
/// program. The answer must not depend on installed packages.
pub(super) fn of_the_shared_store(call: &Call) -> Option<String> {
    let shared = call.settings.shared.as_ref()?;
    let is_kept = || call.store.as_ref()?.team_program().filter(|copy| copy.is_file());
    // Publishing needs the installed program. The kept copy is not enough.
    let is_needed = shared.may_write || (call.reuses() && is_kept().is_none());
    if !is_needed {
        return None;
    }
    Some(format!("{PROGRAM}=={}", env!("CARGO_PKG_VERSION")))
}

/// Are all packages for a build installed?
pub(super) fn are_met(call: &Call) -> bool {
    let interpreter = &call.request.interpreter;
    let has = |name: &&str| maturin::has_package(interpreter, name);
    maturin::is_importable(interpreter) && of_maturin(call).iter().all(has)
}
