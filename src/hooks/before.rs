//! The state of the tree at the start of a build: the first of two looks. The second one, in
//! `after`, is compared with it.

use std::path::PathBuf;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use super::built::Preparation;
use super::call::Call;
use super::{units, untracked};
use crate::cargo_mtime::Remaining;
use crate::fingerprint::snapshot::Snapshot;
use crate::inputs::{Root, Watch};
use crate::stat_cache;
use crate::store::Entry;

/// More than the coarsest clock tick of file times, in nanoseconds. Linux takes them from a clock that
/// ticks every 10 ms or more often, Windows from one that ticks every 15.6 ms.
pub(super) const TICK: i128 = if cfg!(windows) { 20_000_000 } else { 12_000_000 };

/// The state at the start of a build.
pub(super) struct Before {
    /// Every change at or after this time counts as a race. In nanoseconds since 1970.
    pub since: i128,
    pub snapshot: Snapshot,
    /// Units that could not be invalidated, and that cargo may wrongly call fresh.
    pub remaining: Remaining,
}

impl Before {
    /// Takes the snapshot, waits until a later change has another time, and invalidates stale units.
    /// `nearest` is the earlier build that is most like this one.
    pub(super) fn look(
        call: &Call,
        preparation: &Preparation,
        nearest: Option<&Entry>,
        is_unpacked: bool,
    ) -> Self {
        let target = preparation.target.as_ref();
        if target.is_some_and(|target| target.resolved_anew) {
            // The new lock file's time must be visibly earlier than the start of the build.
            std::thread::sleep(Duration::from_nanos(2 * TICK.unsigned_abs() as u64));
        }
        let (mut since, mut snapshot) = look(call, preparation, nearest);
        // An edit shortly before this look is no race, and has a time that an edit during the build
        // could have too. So look again when a later change must have another time.
        if snapshot.is_changed_since(since) {
            std::thread::sleep(Duration::from_nanos(TICK.unsigned_abs() as u64));
            (since, snapshot) = look(call, preparation, nearest);
        }
        let remaining = target
            .map(|target| units::invalidate_stale(call, target, is_unpacked))
            .unwrap_or_default();
        Self { since, snapshot, remaining }
    }

    /// The start as a time.
    pub(super) fn since_time(&self) -> SystemTime {
        UNIX_EPOCH + Duration::from_nanos(self.since.max(0).cast_unsigned() as u64)
    }
}

/// The time since which every change counts as a race, and a snapshot that was taken after it.
fn look(call: &Call, preparation: &Preparation, nearest: Option<&Entry>) -> (i128, Snapshot) {
    let since = stat_cache::now() - TICK;
    // Files that were read before are read again.
    call.digests.look_again();
    (since, snapshot(call, preparation, nearest))
}

/// State of the files before the build: the inputs of the nearest earlier build, and all files that
/// may be inputs of this build.
fn snapshot(call: &Call, preparation: &Preparation, nearest: Option<&Entry>) -> Snapshot {
    let Preparation { target, layout, manifest, .. } = preparation;
    let mut roots = nearest.map(|entry| entry.roots.clone()).unwrap_or_default();
    roots.add(Root::Project, &call.project.root);
    let mut watches = nearest.map(|entry| entry.record.watches.clone()).unwrap_or_default();
    watches.extend(untracked::watches(call, layout, manifest, &mut roots));
    watches.extend([Watch::CargoConfig, Watch::ToolchainFile]);
    let packages: Vec<PathBuf> = target
        .iter()
        .flat_map(|target| &target.metadata.packages)
        .map(|package| package.folder().to_owned())
        .collect();
    if let Some(target) = target {
        roots.add(Root::Products("now".into()), &target.metadata.target_directory);
    }
    call.observer().snapshot(&watches, &roots, &packages)
}
