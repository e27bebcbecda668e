//! Changes in folders, as the system reports them.

use std::collections::BTreeSet;
use std::path::PathBuf;
use std::sync::mpsc::{self, Receiver, RecvTimeoutError};
use std::time::{Duration, Instant};

use notify::event::{AccessKind, AccessMode, ModifyKind};
use notify::{Event, EventKind, RecommendedWatcher, RecursiveMode, Watcher as _};

/// How long nothing happens before a change counts as finished. Editors write several files for one
/// save.
const REST: Duration = Duration::from_millis(50);
/// A build does not wait longer for the end of changes.
const LONGEST: Duration = Duration::from_secs(2);
/// The time between two looks where the system reports nothing.
const BETWEEN_LOOKS: Duration = Duration::from_secs(2);

pub(super) struct Events {
    /// `None`: the system reports nothing.
    watcher: Option<RecommendedWatcher>,
    /// Why, if the user does not know.
    cause: Option<String>,
    reported: Receiver<notify::Result<Event>>,
    folders: BTreeSet<PathBuf>,
}

impl Events {
    /// `is_blind`: the reports of the system are not used.
    pub(super) fn new(is_blind: bool) -> Self {
        let (sender, reported) = mpsc::channel();
        let (watcher, cause) = match notify::recommended_watcher(sender) {
            _ if is_blind => (None, None),
            Ok(watcher) => (Some(watcher), None),
            Err(error) => (None, Some(format!("the system reports no changes: {error}"))),
        };
        Self { watcher, cause, reported, folders: BTreeSet::new() }
    }

    /// Watches these folders, in addition to those that are watched already.
    ///
    /// # Errors
    /// The system cannot watch that many folders, or these. From now on there are only looks.
    pub(super) fn look_at(&mut self, folders: &BTreeSet<PathBuf>) -> Result<(), String> {
        let Some(watcher) = &mut self.watcher else {
            return self.cause.take().map_or(Ok(()), Err);
        };
        self.folders.retain(|folder| folder.is_dir());
        for folder in folders {
            if self.folders.contains(folder) || !folder.is_dir() {
                continue;
            }
            if let Err(error) = watcher.watch(folder, RecursiveMode::NonRecursive) {
                self.watcher = None;
                return Err(format!("{}: it can't be watched: {error}", folder.display()));
            }
            self.folders.insert(folder.clone());
        }
        Ok(())
    }

    /// Waits for changes, and until they come to rest. Returns the paths, or `None` if any file may
    /// have changed.
    pub(super) fn wait(&mut self) -> Option<BTreeSet<PathBuf>> {
        if self.watcher.is_none() {
            std::thread::sleep(BETWEEN_LOOKS);
            return None;
        }
        let mut paths = BTreeSet::new();
        let mut is_complete = true;
        let mut began: Option<Instant> = None;
        loop {
            let reported = match began {
                None => self.reported.recv().map_err(|_| RecvTimeoutError::Disconnected),
                Some(_) => self.reported.recv_timeout(REST),
            };
            match reported {
                Ok(Ok(event)) if !is_change(&event) => {}
                Ok(Ok(event)) => {
                    is_complete &= !event.need_rescan() && !event.paths.is_empty();
                    self.forget(&event);
                    paths.extend(event.paths);
                    began.get_or_insert_with(Instant::now);
                }
                Ok(Err(_)) => {
                    is_complete = false;
                    began.get_or_insert_with(Instant::now);
                }
                Err(RecvTimeoutError::Timeout) => break,
                Err(RecvTimeoutError::Disconnected) => {
                    self.watcher = None;
                    self.cause = Some("the system reports no changes any more".to_owned());
                    return None;
                }
            }
            if began.is_some_and(|began| began.elapsed() > LONGEST) {
                break;
            }
        }
        is_complete.then_some(paths)
    }

    /// A folder that was removed or renamed is watched no more, even if there is one of that name again.
    fn forget(&mut self, event: &Event) {
        if matches!(event.kind, EventKind::Remove(_) | EventKind::Modify(ModifyKind::Name(_))) {
            for path in &event.paths {
                self.folders.remove(path);
            }
        }
    }
}

/// Reading is no change.
fn is_change(event: &Event) -> bool {
    match event.kind {
        EventKind::Access(AccessKind::Close(AccessMode::Write)) => true,
        EventKind::Access(_) => false,
        _ => true,
    }
}
