//! Making the record of a finished build.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use super::after::After;
use super::before::Before;
use super::built::Built;
use super::call::Call;
use super::{archive_target, unpacked};
use crate::fingerprint::at_import::{AtImport, is_in_environment};
use crate::fingerprint::{Places, Record, Value};
use crate::inputs::{self, Key, Root, Roots, Watch};
use crate::log;
use crate::project::Project;
use crate::report;
use crate::request::Artifact;
use crate::sdist::Origin;
use crate::tied::Tied;
use crate::toolchain;

/// The record of a finished build, with what only this machine knows.
pub(super) struct Recorded {
    pub record: Record,
    pub roots: Roots,
    /// Why no other tree can use the wheel. Empty if another tree can.
    pub tied: Vec<Tied>,
    /// The places of the inputs, for an editable wheel.
    pub places: Places,
    /// The inputs that an editable wheel compares at import.
    pub at_import: AtImport,
}

impl Recorded {
    /// Makes the record of the inputs after the build.
    pub(super) fn of(
        call: &Call,
        origin: Option<&Origin>,
        before: &Before,
        after: After,
        tied: Vec<Tied>,
        built: &Built,
    ) -> Self {
        let root = &call.project.root;
        let roots = relative_roots(root, &after.found.roots, &after.watches);
        let describe =
            |key: &Key| format!("{} changed while it was being built", report::name(key, &roots));
        let races = races(call, origin, before, &after);
        // Environments change all the time while packages are installed into them.
        let is_outside = |key: &&Key| {
            let path = after.found.roots.path_of(key);
            !path.is_some_and(|path| is_in_environment(&path, root))
        };
        let mut at_import = after.at_import;
        at_import.raced.extend(after.raced.iter().filter(is_outside).map(describe));
        at_import.raced.extend(races.iter().cloned());
        let mut untrusted = [after.found.gaps, races].concat();
        untrusted.extend(after.raced.iter().map(describe));
        let planned = &call.plan.environment;
        untrusted.extend(archive_target::is_read(&call.counted, planned, &after.watches));
        if call.request.is_profile_guided() {
            untrusted.push("a training run decides on the code (--pgo)".to_owned());
        }
        if built.has_older_metadata {
            untrusted.push("the metadata was prepared from other inputs".to_owned());
        }
        untrusted.extend(unreadable(&after.inputs, &roots));
        let here = after.found.roots;
        let (mut record, places) = match origin {
            Some(origin) => {
                let (watches, inputs) = (&after.found.watches, after.inputs);
                let record = unpacked::record_of_tree(origin, watches, &here, inputs, after.places);
                (record, Places::new())
            }
            None => {
                let record = Record::new(&after.inputs, after.watches, roots);
                (record, after.places.into_iter().flatten().collect())
            }
        };
        record.untrusted = untrusted;
        record.source = built.source.clone().or(record.source);
        if call.request.artifact == Artifact::Wheel {
            record.cargo = toolchain::cargo_version(root, planned);
        }
        Self { record, roots: here, places, tied, at_import }
    }

    /// Says why the build will not be reused, if so.
    pub(super) fn tell_untrusted(&self) {
        let untrusted = &self.record.untrusted;
        if !untrusted.is_empty() {
            let causes = report::named(untrusted.iter().cloned());
            log::info(format_args!("this build will not be reused: {causes}"));
        }
    }
}

/// What changed during the build, apart from the inputs that changed.
fn races(call: &Call, origin: Option<&Origin>, before: &Before, after: &After) -> Vec<String> {
    let root = &call.project.root;
    let mut races = before.remaining.causes.clone();
    // pyproject.toml was read once at the start, perhaps long before we had the lock. maturin reads
    // it again.
    let now = Project::load(root).map(|project| project.document);
    if now.ok().as_ref() != Some(&call.project.document) {
        races.push("pyproject.toml changed while a build was waited for".to_owned());
    }
    // An unpacked archive was read before the wait for the lock, too.
    if let Some(name) = origin.and_then(Origin::changed_since) {
        races.push(format!("{name} changed while a build was waited for"));
    }
    let observer = call.observer();
    let is_named = |path: &&Path| observer.would_name(&after.watches, &after.found.roots, path);
    for path in after.gone.iter().map(|path| path.as_path()).filter(is_named) {
        let name = inputs::relative(root, path);
        let name = name.unwrap_or_else(|| path.to_string_lossy().into_owned());
        races.push(format!("{name} was removed while it was being built"));
    }
    races
}

/// Reasons not to trust a record with these inputs: one for each input that can't be read.
pub(super) fn unreadable<'a>(
    inputs: impl IntoIterator<Item = (&'a Key, &'a Value)>,
    roots: &BTreeMap<Root, String>,
) -> Vec<String> {
    let reason = |(key, value): (&Key, &Value)| match value {
        Value::Unreadable(cause) => {
            Some(format!("{} can't be relied on: {cause}", report::name(key, roots)))
        }
        _ => None,
    };
    inputs.into_iter().filter_map(reason).collect()
}

/// Folders of the roots that the watches use, relative to the project. Cargo's home, roots named
/// `outside:` and folders without a relative path are left out.
fn relative_roots(
    project: &Path,
    roots: &Roots,
    watches: &BTreeSet<Watch>,
) -> BTreeMap<Root, String> {
    let used: BTreeSet<&Root> = watches.iter().filter_map(Watch::root).collect();
    roots
        .iter()
        .filter(|(root, _)| used.contains(root))
        .filter(|(root, _)| !root.is_elsewhere())
        .filter_map(|(root, folder)| Some((root.clone(), inputs::relative(project, folder)?)))
        .collect()
}
