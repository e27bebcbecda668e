//! The target folder for builds of unpacked sdists.
//!
//! Frontends unpack each archive into a new folder, and files get the archive's times. In a new
//! target folder cargo would compile every dependency again. In a kept target folder cargo could
//! not tell two contents of a file apart. So archives of one project share a target folder, and
//! everything of the project's own packages is removed from it before each build.

use std::collections::BTreeSet;
use std::path::PathBuf;

use crate::inputs::Watch;
use crate::interpreter::StableInterpreter;
use crate::request::{Artifact, Environment, Request};
use crate::sdist::origin;
use crate::store::Store;

const TARGET: &str = "CARGO_TARGET_DIR";

/// The project on this machine that the archive to be built was made from.
pub(super) fn tree(request: &Request) -> Option<PathBuf> {
    // Only wheels are built from archives. If an unpacked archive is installed as editable, its
    // folder is a tree of its own.
    let id = origin::id(&request.root).filter(|_| request.artifact == Artifact::Wheel)?;
    Store::project_of_archive(&request.environment, &id)
}

/// The plan of the build, and the environment whose variables count as inputs. For an archive of a
/// known tree the plan sets the target folder that archives share. The environment that counts does
/// not have this variable, as for a build in the tree.
pub(super) fn plan(
    request: &Request,
    store: Option<&Store>,
    is_of_a_tree: bool,
) -> (StableInterpreter, Environment) {
    let interpreters = store.map(Store::interpreters);
    let mut plan = StableInterpreter::new(&request.interpreter, &request.environment, interpreters);
    let counted = plan.counted();
    let named = [TARGET, "CARGO_BUILD_TARGET_DIR"]
        .iter()
        .any(|name| request.environment.non_empty(name).is_some());
    if let Some(store) = store.filter(|_| is_of_a_tree && !named) {
        plan.environment.set(TARGET, store.archive_target().as_os_str());
    }
    (plan, counted)
}

/// Copies `CARGO_TARGET_DIR` from one environment to another.
pub(super) fn set(environment: &mut Environment, from: &Environment) {
    if let Some(target) = from.get(TARGET) {
        environment.set(TARGET, target);
    }
}

/// If wheelprint set `CARGO_TARGET_DIR` for an archive, the variable does not count as an input. If
/// the build reads it, this gives the reason why the record can't be trusted.
pub(super) fn is_read(
    counted: &Environment,
    planned: &Environment,
    watches: &BTreeSet<Watch>,
) -> Option<String> {
    let is_ours = counted.get(TARGET) != planned.get(TARGET);
    (is_ours && watches.contains(&Watch::Variable { name: TARGET.to_owned() }))
        .then(|| format!("the build reads {TARGET}, which is set for builds of unpacked sdists"))
}
