//! What prevents a build: no cargo, or sources that cargo can't use.

use super::call::Call;
use crate::error::{Error, Result};
use crate::inputs::obstacle;
use crate::log;
use crate::maturin;

/// The error that prevents a build now, if there is one.
pub fn obstacle(call: &Call) -> Option<Error> {
    let manifest = call.project.manifest_path(&call.request);
    obstacle::obstacle(&call.project, &call.request, &call.plan.environment, &manifest)
}

/// Passes on the result of a maturin hook. If an obstacle made the hook fail, the obstacle is the
/// error: maturin's output, which is already shown, does not say how to fix it.
pub(super) fn or_obstacle<T>(call: &Call, made: Result<T>) -> Result<T> {
    made.map_err(|error| match error {
        Error::BuildFailed { .. } if !installs_rust(call) => obstacle(call).unwrap_or(error),
        _ => error,
    })
}

/// # Errors
/// cargo is missing, and maturin will not install it.
pub(super) fn need_cargo(call: &Call) -> Result<()> {
    if call.plan.environment.which("cargo").is_some() {
        return Ok(());
    }
    if !installs_rust(call) {
        return Err(Error::missing_cargo());
    }
    log::warn(
        "no cargo on PATH: maturin downloads Rust now, if it has not done so before (more than 600 MB, \
         and it says nothing meanwhile); https://rustup.rs installs it for all projects, and with \
         MATURIN_NO_INSTALL_RUST=1 this is an error",
    );
    Ok(())
}

/// Does maturin install Rust for this build because cargo is missing?
pub(super) fn installs_rust(call: &Call) -> bool {
    maturin::has_package(&call.request.interpreter, "puccinialin")
        && call.request.environment.non_empty("MATURIN_NO_INSTALL_RUST").is_none()
        && call.plan.environment.which("cargo").is_none()
}
