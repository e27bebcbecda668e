//! The inputs that cargo does not track: metadata, Python sources, `extra-inputs`.

use std::collections::BTreeSet;
use std::path::Path;

use super::call::Call;
use crate::inputs::{Root, Roots, Watch, extra, metadata, read_toml};
use crate::project::{Layout, Project};
use crate::settings::Settings;

/// The names of the project's Python module and package, as maturin chooses them.
pub(super) fn layout(project: &Project, manifest: &Path) -> Layout {
    let table = read_toml(manifest).unwrap_or_default();
    let name = |table_name: &str| {
        table.get(table_name).and_then(|table| table.get("name")).and_then(toml::Value::as_str)
    };
    project.layout(name("lib"), name("package"))
}

/// Watches for all inputs that cargo does not track.
pub(super) fn watches(
    call: &Call,
    layout: &Layout,
    manifest: &Path,
    roots: &mut Roots,
) -> BTreeSet<Watch> {
    let folder = manifest.parent().unwrap_or(&call.project.root);
    let mut watches = extra_watches(&call.settings);
    watches.extend(metadata::watches(&call.project, layout, &call.request, folder, roots));
    watches
}

/// Watches for `extra-inputs`.
pub(super) fn extra_watches(settings: &Settings) -> BTreeSet<Watch> {
    extra::watches(settings).into_iter().collect()
}

/// Only the root of the project, in which `extra-inputs` are.
pub(super) fn project_root(project: &Path) -> Roots {
    let mut roots = Roots::default();
    roots.add(Root::Project, project);
    roots
}

/// One line for each glob of `extra-inputs` that matches no file. Such a glob is probably
/// misspelt, or its files do not exist yet.
pub fn unmatched_inputs(call: &Call) -> Vec<String> {
    let globs = &call.settings.extra_inputs;
    let roots = project_root(&call.project.root);
    let observer = call.observer();
    let matches = |glob: &str| {
        let watches = extra::watches_of(glob).into_iter().collect();
        !observer.places(&watches, &roots).is_empty()
    };
    let unmatched = globs.iter().filter(|glob| !matches(glob));
    unmatched
        .map(|glob| {
            format!("pyproject.toml: tool.wheelprint.extra-inputs: `{glob}` matches no file")
        })
        .collect()
}
