//! What is kept of the store that a team shares (see `shared`).

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::Duration;

use fs_err as fs;
use serde::{Deserialize, Serialize};

use super::{Store, age, short_hash};
use crate::publish::{self, private, sealed};

/// The folder of the shared store's part.
pub(super) const TEAM: &str = "team";
/// After a failure the shared store is not asked for this long.
const OFF: Duration = Duration::from_secs(300);
/// "Not there" is remembered for this long.
const MISSED: Duration = Duration::from_secs(60);
/// A program that publishes has ended after this time.
const LEFT: Duration = Duration::from_secs(3600 + 60);
/// At most so many records of published builds are kept.
const KEPT: usize = 1000;
/// See [`Counts`].
const COUNTS: &str = "counts.json";

/// A failure to ask the shared store.
#[derive(Debug, Serialize, Deserialize)]
struct Off {
    url: String,
    cause: String,
}

/// What became of one question to the shared store.
pub(crate) enum Counted {
    /// A build of so many seconds was replaced by a download.
    Hit {
        bytes: u64,
        seconds: f64,
    },
    /// `kind` is for statistics.
    Miss {
        kind: &'static str,
        cause: String,
    },
    Failure,
}

/// What became of all questions.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub(crate) struct Counts {
    pub hits: u64,
    /// By kind.
    pub misses: BTreeMap<String, u64>,
    /// The cause of the last one.
    pub last_miss: Option<String>,
    pub failures: u64,
    /// Downloaded.
    pub bytes: u64,
    /// Of builds that were not made.
    pub seconds: f64,
}

impl Store {
    /// Counts a question. Two processes at once may lose one of them.
    pub(crate) fn count(&self, counted: Counted) {
        let mut counts = self.counts();
        match counted {
            Counted::Hit { bytes, seconds } => {
                counts.hits += 1;
                counts.bytes += bytes;
                counts.seconds += seconds;
            }
            Counted::Miss { kind, cause } => {
                *counts.misses.entry(kind.to_owned()).or_default() += 1;
                counts.last_miss = Some(cause);
            }
            Counted::Failure => counts.failures += 1,
        }
        if let Some(folder) = self.team() {
            let _ = sealed::write(&folder.join(COUNTS), &counts);
        }
    }

    /// What became of all questions of this user's projects.
    pub(crate) fn counts(&self) -> Counts {
        self.team().and_then(|folder| sealed::read(&folder.join(COUNTS)).ok()).unwrap_or_default()
    }

    /// Removes the folders of builds that have gone out, or that were left behind, and gives the failures.
    /// `published` says what became of one.
    pub(crate) fn gone_out<T, E>(
        &self,
        published: impl Fn(&Path) -> std::result::Result<Option<T>, E>,
    ) -> Vec<E> {
        let mut failures = Vec::new();
        let folders = self.out().map(|out| super::prune::paths_in(&out)).unwrap_or_default();
        for folder in folders {
            match published(&folder) {
                Ok(None) if is_younger(&folder, LEFT) => continue,
                Ok(_) => {}
                Err(failure) => failures.push(failure),
            }
            super::discard(&folder);
        }
        failures
    }

    /// Removes the records of others that were kept first, if there are too many.
    pub(crate) fn bound_kept_records(&self) {
        let Some(folder) = self.team() else { return };
        let mut records = super::prune::paths_in(&folder.join("records"));
        if records.len() > KEPT {
            records.sort_by_key(|path| std::cmp::Reverse(super::prune::modified(path)));
            records.iter().skip(KEPT / 2).for_each(|path| super::discard(path));
        }
    }

    /// The folder of what is kept of the shared store; `None` if it can't be made.
    pub(crate) fn team(&self) -> Option<PathBuf> {
        let folder = self.cache.join(TEAM);
        private::make(&folder).ok()?;
        Some(folder)
    }

    /// The folder of builds that are being published.
    pub(crate) fn out(&self) -> Option<PathBuf> {
        let folder = self.team()?.join("out");
        private::make(&folder).ok()?;
        Some(folder)
    }

    /// Why the shared store at this address is not asked now.
    pub(crate) fn team_is_off(&self, url: &str) -> Option<String> {
        let path = self.off(url)?;
        let off: Off = is_younger(&path, OFF).then(|| sealed::read(&path).ok())??;
        (off.url == url).then_some(off.cause)
    }

    /// Notes that the shared store could not be asked.
    pub(crate) fn switch_team_off(&self, url: &str, cause: &str) {
        let off = Off { url: url.to_owned(), cause: cause.to_owned() };
        if let Some(path) = self.off(url) {
            let _ = sealed::write(&path, &off);
        }
    }

    fn off(&self, url: &str) -> Option<PathBuf> {
        Some(self.team()?.join(format!("off-{}", short_hash("url", Path::new(url)))))
    }

    /// Was this question answered with "not there" a moment ago?
    pub(crate) fn team_missed(&self, question: &str) -> bool {
        let path = self.folder.join("missed");
        is_younger(&path, MISSED) && fs::read_to_string(path).is_ok_and(|known| known == question)
    }

    /// Notes that this question was answered with "not there".
    pub(crate) fn note_missed(&self, question: &str) {
        let _ = publish::bytes(&self.folder.join("missed"), question.as_bytes());
    }

    /// Keeps a copy of the program that asks the shared store. The frontend's environment is removed
    /// after a build.
    pub(crate) fn keep_team_program(&self, program: &Path) -> Option<PathBuf> {
        let copy = self.team_program()?;
        let is_same = |one: &Path, other: &Path| {
            let meta = |path| fs::metadata(path).ok().map(|it| (it.len(), it.modified().ok()));
            meta(one).is_some() && meta(one) == meta(other)
        };
        if !is_same(program, &copy) {
            let file = publish::beside(&copy).ok()?;
            fs::copy(program, file.path()).ok()?;
            let modified = fs::metadata(program).ok()?.modified().ok()?;
            file.as_file().set_modified(modified).ok()?;
            publish::persist_unsynced(file, &copy).ok()?;
        }
        Some(copy)
    }

    /// Removes the copy, if it is this program.
    pub(crate) fn forget_team_program(&self, program: &Path) {
        if self.team_program().is_some_and(|copy| copy == program) {
            let _ = fs::remove_file(program);
        }
    }

    /// The copy that [`Self::keep_team_program`] made, if there is one, or its place.
    pub(crate) fn team_program(&self) -> Option<PathBuf> {
        let version = env!("CARGO_PKG_VERSION");
        Some(self.team()?.join(format!("program-{version}{}", std::env::consts::EXE_SUFFIX)))
    }
}

fn is_younger(path: &Path, than: Duration) -> bool {
    age(path).is_ok_and(|age| age < than)
}
