//! What became of the last calls of frontends, for `wheelprint log`.

use std::io::Write as _;
use std::path::PathBuf;

use fs_err as fs;
use serde::{Deserialize, Serialize};

use super::Store;
use crate::publish::{self, private};

/// The file, in a tree's part of the store. Each line is an [`Event`].
const JOURNAL: &str = "log";
/// A longer file loses its older half.
const MOST: u64 = 256 << 10;

/// One call of a hook that builds.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct Event {
    /// When it began, in nanoseconds since 1970.
    pub at: i128,
    pub hook: String,
    /// Who called it.
    pub by: String,
    pub interpreter: String,
    pub seconds: f64,
    pub outcome: Outcome,
    /// Why it was not answered from a store; the first of `reasons`.
    pub why: Vec<String>,
    pub reasons: usize,
}

/// How the wheel was made.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Outcome {
    /// By this tree, earlier.
    Stored,
    /// By another tree of this machine, earlier.
    StoredByAnotherTree,
    /// On another machine.
    Shared,
    /// By cargo, which was called without maturin.
    ByCargo,
    ByMaturin,
    /// It was not. The cause.
    Failed(String),
}

impl Store {
    /// Adds an event. A failure is no reason to fail a build.
    pub(crate) fn note_event(&self, event: &Event) {
        let path = self.journal();
        if fs::symlink_metadata(&path).is_ok_and(|meta| meta.len() > MOST) {
            let text = fs::read_to_string(&path).unwrap_or_default();
            let lines: Vec<&str> = text.split_inclusive('\n').collect();
            let _ = publish::bytes(&path, lines[lines.len() / 2..].concat().as_bytes());
        }
        let Ok(mut line) = serde_json::to_vec(event) else { return };
        line.push(b'\n');
        // One write, so that the lines of two processes do not mix.
        let _ = private::open(&path).and_then(|mut file| file.write_all(&line));
    }

    /// The last events of this tree, the newest first. Lines that can't be read are left out.
    pub(crate) fn events(&self) -> Vec<Event> {
        let text = fs::read(self.journal()).unwrap_or_default();
        let lines = text.rsplit(|byte| *byte == b'\n');
        lines.filter_map(|line| serde_json::from_slice(line).ok()).collect()
    }

    fn journal(&self) -> PathBuf {
        self.folder.join(JOURNAL)
    }
}

#[cfg(test)]
mod tests {
    use super::super::tests::filled;
    use super::*;

    fn event(number: usize) -> Event {
        Event {
            at: 1,
            hook: "build_editable".into(),
            by: "uv".into(),
            interpreter: "cpython 3.13".into(),
            seconds: 0.5,
            outcome: Outcome::Failed("no cargo".into()),
            why: vec!["x".repeat(1000)],
            reasons: number,
        }
    }

    #[test]
    fn the_last_events_are_kept() {
        let folder = tempfile::tempdir().unwrap();
        let store = filled(folder.path(), &[]);
        assert_eq!(store.events(), []);
        for number in 0..400 {
            store.note_event(&event(number));
        }
        let events = store.events();
        assert_eq!(events[0], event(399));
        assert!(events.is_sorted_by_key(|event| std::cmp::Reverse(event.reasons)));
        assert!((100..400).contains(&events.len()), "{}", events.len());
        // A process was killed while it wrote.
        let mut file = fs::OpenOptions::new().append(true).open(store.journal()).unwrap();
        file.write_all(b"{\"at\": 3, \"ho\n").unwrap();
        assert_eq!(store.events(), events);
    }
}
