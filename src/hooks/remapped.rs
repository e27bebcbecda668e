//! The environment that maturin gets if paths are remapped. Only maturin gets it: the variables
//! that count as inputs are the ones that the user set.

use super::call::Call;
use crate::inputs::target::Target;
use crate::log;
use crate::remap;
use crate::request::{Artifact, Environment};

/// The variables of the build with rustc flags that remap paths, if that is wanted. An editable
/// install keeps real paths, because developers want to see where their sources are.
pub(super) fn environment(
    call: &Call,
    planned: Environment,
    target: Option<&Target>,
) -> Environment {
    if !call.settings.remap_paths || call.request.artifact != Artifact::Wheel {
        return planned;
    }
    let remapped = match target {
        Some(target) => remap::environment(&call.project, &call.request, &planned, target),
        None => Err("cargo could not be asked where things lie".into()),
    };
    remapped.unwrap_or_else(|cause| {
        log::warn(format_args!("remap-paths: no path is remapped: {cause}"));
        planned
    })
}
