//! Comparing the tree with earlier builds. A lookup writes nothing.

use std::collections::BTreeSet;

use super::unpacked;
use crate::fingerprint::Inputs;
use crate::fingerprint::at_import::AtImport;
use crate::fingerprint::observe::Observer;
use crate::freshness::{self, Reason, Verdict};
use crate::inputs::{Roots, Watch};
use crate::log;
use crate::renew;
use crate::report;
use crate::sdist::Origin;
use crate::settings::Reuse;
use crate::store::{Damaged, Entry, EntryKind, Store};

/// Result of a lookup in the store.
pub(super) struct Lookup {
    pub found: Found,
    /// The look at the tree that the found or nearest build was compared with. `None` if there is
    /// no such build, or for an unpacked archive, whose inputs are compared in another way.
    pub look: Option<Observed>,
    /// Entries that were met and can't be used.
    pub damaged: Vec<Damaged>,
}

pub(super) enum Found {
    /// A stored wheel that was built from the current inputs.
    Fresh {
        entry: Box<Entry>,
        /// Log line for the delivery.
        line: String,
    },
    Stale(Stale),
}

/// One look at the tree. Builds of one project mostly have the same watches, so one look is enough
/// for many of them.
pub(super) struct Observed {
    watches: BTreeSet<Watch>,
    roots: Roots,
    /// The names in the watched folders, for the table that an import compares. They were listed
    /// before the inputs were observed. `None` if they were not asked for.
    pub names: Option<AtImport>,
    pub inputs: Inputs,
}

/// Lists the names in the watched folders.
pub(super) type List<'a> = &'a dyn Fn(&BTreeSet<Watch>, &Roots) -> AtImport;

/// No stored wheel matches the tree.
pub(super) struct Stale {
    pub reasons: Vec<Reason>,
    /// The earlier build that the reasons are about: the one with the fewest. `None` if there is no
    /// earlier build to compare with.
    pub nearest: Option<Box<Entry>>,
}

impl Lookup {
    /// For a reason that is about no earlier build.
    pub(super) fn stale(reason: Reason) -> Self {
        Self { found: Found::Stale(Stale::because(reason)), look: None, damaged: Vec::new() }
    }
}

impl Stale {
    /// For a reason that is about no earlier build.
    pub(super) fn because(reason: Reason) -> Self {
        Self { reasons: vec![reason], nearest: None }
    }

    /// Says why a build is needed. With this `reuse`, maybe nothing was compared.
    pub(super) fn tell(&self, reuse: Reuse) {
        if self.reasons == [Reason::NotReused] {
            let (what, value) = match reuse {
                Reuse::Never => ("builds are never reused", "never"),
                Reuse::Editable | Reuse::Always => ("wheels are always built", "editable"),
            };
            return log::info(format_args!("{what} (reuse = \"{value}\")"));
        }
        let roots = self.nearest.as_ref().map(|entry| entry.record.roots.clone());
        let roots = roots.unwrap_or_default();
        log::info(report::stale(&self.reasons, &roots));
        for reason in &self.reasons {
            log::debug(format_args!("  {}", report::reason(reason, &roots)));
        }
    }

    /// Farther builds have a larger rank. A build of other sources is farther than any other. A build
    /// whose metadata can be renewed is nearer than one that must be made again.
    fn rank(&self) -> (bool, bool, usize) {
        let is_renewable = renew::only_metadata_files(&self.reasons).is_some();
        let changes = self.reasons.iter().filter(|reason| **reason != Reason::WheelMissing);
        (self.reasons.contains(&Reason::OtherSources), !is_renewable, changes.count())
    }
}

/// Compares the tree with earlier builds and gives the first one that matches. If none matches, the
/// reasons are those of the nearest one. `origin` is for a build of an unpacked archive. Entries that
/// are not `accept`ed count as absent.
pub(super) fn search(
    store: &Store,
    kind: EntryKind,
    origin: Option<&Origin>,
    observer: &Observer<'_>,
    list: Option<List<'_>>,
    accepts: &dyn Fn(&Entry) -> bool,
) -> Lookup {
    let (mut damaged, mut looks) = (Vec::new(), Vec::new());
    let mut nearest: Option<(Stale, Option<usize>)> = None;
    for entry in store.candidates(kind) {
        let entry = match entry {
            Ok(entry) => entry,
            Err(unusable) => {
                damaged.push(unusable);
                continue;
            }
        };
        if !accepts(&entry) {
            continue;
        }
        let record = &entry.record;
        let (verdict, look) = match origin {
            Some(origin) => (unpacked::compare(origin, &entry, observer), None),
            None => {
                let at = look_for(&entry, observer, list, &mut looks);
                let inputs = &looks[at].inputs;
                (freshness::compare(record.pairs(), &record.untrusted, inputs), Some(at))
            }
        };
        let reasons = match verdict {
            Verdict::Fresh { inputs } if store.has_wheel(&entry) => {
                let found = Found::Fresh { entry: Box::new(entry), line: report::fresh(inputs) };
                return Lookup { found, look: look.map(|at| looks.swap_remove(at)), damaged };
            }
            Verdict::Fresh { .. } => vec![Reason::WheelMissing],
            Verdict::Stale(mut reasons) => {
                // A wheel in which only the metadata changed would be renewed.
                if renew::only_metadata_files(&reasons).is_some() && !store.has_wheel(&entry) {
                    reasons.push(Reason::WheelMissing);
                }
                reasons
            }
        };
        let stale = Stale { reasons, nearest: Some(Box::new(entry)) };
        if nearest.as_ref().is_none_or(|(nearest, _)| stale.rank() < nearest.rank()) {
            nearest = Some((stale, look));
        }
    }
    let (stale, look) = nearest.unwrap_or_else(|| (Stale::because(Reason::NoRecord), None));
    let look = look.map(|at| looks.swap_remove(at));
    Lookup { found: Found::Stale(stale), look, damaged }
}

/// Looks at the tree for the watches of this entry, unless that was done for another entry. Gives
/// the position in `looks`.
fn look_for(
    entry: &Entry,
    observer: &Observer<'_>,
    list: Option<List<'_>>,
    looks: &mut Vec<Observed>,
) -> usize {
    let (watches, roots) = (&entry.record.watches, &entry.roots);
    let is_of_it = |look: &Observed| (&look.watches, &look.roots) == (watches, roots);
    looks.iter().position(is_of_it).unwrap_or_else(|| {
        let names = list.map(|list| list(watches, roots));
        let inputs = observer.observe(watches, roots);
        looks.push(Observed { watches: watches.clone(), roots: roots.clone(), names, inputs });
        looks.len() - 1
    })
}
