//! Comparing the tree with earlier builds. A lookup writes nothing.

use std::collections::BTreeSet;

use super::unpacked;
use crate::fingerprint::Inputs;
use crate::fingerprint::observe::Observer;
use crate::freshness::{self, Reason, Verdict};
use crate::inputs::{Roots, Watch};
use crate::log;
use crate::report;
use crate::sdist::Origin;
use crate::store::{Damaged, Entry, Store, What};

/// Result of a lookup in the store.
pub(super) struct Lookup {
    pub found: Found,
    /// Entries that were met and can't be used.
    pub damaged: Vec<Damaged>,
}

pub(super) enum Found {
    /// A stored wheel that was built from the current inputs.
    Fresh {
        entry: Box<Entry>,
        inputs: usize,
    },
    Stale(Stale),
}

/// No stored wheel matches the tree.
pub(super) struct Stale {
    pub reasons: Vec<Reason>,
    /// The earlier build that the reasons are about: the one with the fewest. `None` if there is no
    /// earlier build to compare with.
    pub nearest: Option<Box<Entry>>,
}

impl Stale {
    /// For a reason that is about no earlier build.
    pub fn because(reason: Reason) -> Self {
        Self { reasons: vec![reason], nearest: None }
    }

    /// Says why a build is needed.
    pub fn tell(&self) {
        let roots = self.nearest.as_ref().map(|entry| entry.record.roots.clone());
        let roots = roots.unwrap_or_default();
        log::info(report::stale(&self.reasons, &roots));
        for reason in &self.reasons {
            log::debug(format_args!("  {}", report::reason(reason, &roots)));
        }
    }

    /// Farther builds have a larger rank. A build of other sources is farther than any other.
    fn rank(&self) -> (bool, usize) {
        (self.reasons.contains(&Reason::OtherSources), self.reasons.len())
    }
}

/// Compares the tree with earlier builds and gives the first one that matches. If none matches, the
/// reasons are those of the nearest one. `origin` is for a build of an unpacked archive.
pub(super) fn search(
    store: &Store,
    what: What,
    origin: Option<&Origin>,
    observer: &Observer<'_>,
) -> Lookup {
    let mut nearest: Option<Stale> = None;
    let mut damaged = Vec::new();
    let mut seen = Vec::new();
    for entry in store.candidates(what) {
        let entry = match entry {
            Ok(entry) => entry,
            Err(unusable) => {
                damaged.push(unusable);
                continue;
            }
        };
        let verdict = match origin {
            Some(origin) => unpacked::compare(origin, &entry, observer),
            None => compare(&entry, observer, &mut seen),
        };
        match verdict {
            Verdict::Fresh { inputs } if entry.wheel.is_some() => {
                let entry = Box::new(entry);
                return Lookup { found: Found::Fresh { entry, inputs }, damaged };
            }
            Verdict::Fresh { .. } => {}
            Verdict::Stale(reasons) => {
                let stale = Stale { reasons, nearest: Some(Box::new(entry)) };
                if nearest.as_ref().is_none_or(|nearest| stale.rank() < nearest.rank()) {
                    nearest = Some(stale);
                }
            }
        }
    }
    let stale = nearest.unwrap_or_else(|| Stale::because(Reason::NoRecord));
    Lookup { found: Found::Stale(stale), damaged }
}

/// Compares an entry with the tree. Builds of one project mostly have the same watches, so each set
/// is observed only once and kept in `seen`.
fn compare(
    entry: &Entry,
    observer: &Observer<'_>,
    seen: &mut Vec<(BTreeSet<Watch>, Roots, Inputs)>,
) -> Verdict {
    let (record, roots) = (&entry.record, &entry.roots);
    let known = seen
        .iter()
        .position(|(watches, its_roots, _)| (watches, its_roots) == (&record.watches, roots));
    let known = known.unwrap_or_else(|| {
        let observed = observer.observe(&record.watches, roots);
        seen.push((record.watches.clone(), roots.clone(), observed));
        seen.len() - 1
    });
    freshness::compare(record.pairs(), &record.untrusted, &seen[known].2)
}
