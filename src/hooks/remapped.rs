//! The environment that maturin gets if paths are remapped. Only maturin gets it: the variables
//! that count as inputs are the ones that the user set.

use super::Session;
use crate::inputs::target::Target;
use crate::interpreter::Plan;
use crate::log;
use crate::remap;
use crate::request::Artifact;

impl Session {
    /// Does maturin get an environment in which paths are remapped?
    pub(super) fn remaps(&self) -> bool {
        self.settings.remap_paths && self.request.artifact == Artifact::Wheel
    }

    /// The plan with rustc flags that remap paths. An editable install keeps real paths, because
    /// developers want to see where their sources are.
    pub(super) fn remapped(&self, plan: &Plan, target: Option<&Target>) -> Plan {
        let mut plan = plan.clone();
        if !self.remaps() {
            return plan;
        }
        let environment = match target {
            Some(target) => {
                remap::environment(&self.project, &self.request, &plan.environment, target)
            }
            None => Err("cargo could not be asked where things lie".into()),
        };
        match environment {
            Ok(environment) => plan.environment = environment,
            Err(cause) => log::warn(format_args!("remap-paths: no path is remapped: {cause}")),
        }
        plan
    }
}
