//! One input that a watch names, before its value is read.

use std::io::ErrorKind;
use std::path::PathBuf;

use super::Value;
use crate::inputs::{Key, View};
use crate::stat_cache::Stat;

/// Fewer files than this are examined on one thread, because starting threads would take longer.
pub(super) const WORTH_THREADS: usize = 256;

/// One input to look at.
pub(super) struct Item {
    pub(super) key: Key,
    pub(super) look: Probe,
}

impl Item {
    pub(super) fn known(key: Key, value: Value) -> Self {
        Self { key, look: Probe::Known(value) }
    }
}

/// How it is looked at.
pub(super) enum Probe {
    /// With what was already asked of the file system.
    Content(PathBuf, Option<Stat>),
    Meaning(PathBuf, View),
    Known(Value),
    /// No input itself: a folder below which every file counts. Its time tells of removals.
    DirMtime(PathBuf),
}

/// Whether the error says that nothing is there.
pub(super) fn is_absence(error: &std::io::Error) -> bool {
    matches!(error.kind(), ErrorKind::NotFound | ErrorKind::NotADirectory)
}
