//! A change of a text file, as `diff -u` shows it.

use std::path::Path;

use similar::TextDiff;

use super::terminal::{BAD, GOOD, NAME, STRONG, Terminal};
use crate::error::{Error, PathContext as _, Result};

/// An error if the file no longer has the text that was read before. The user may have saved it in
/// an editor since then.
pub(super) fn check_unchanged(path: &Path, before: &str) -> Result<()> {
    if fs_err::read(path).at(path)? == before.as_bytes() {
        return Ok(());
    }
    Err(Error::path(path, "changed in the meantime, so it was not written; run this again"))
}

/// The unified diff of a text file; empty if the texts are equal.
pub(super) fn unified(terminal: &Terminal, name: &str, old: &str, new: &str) -> String {
    let diff = TextDiff::from_lines(old, new);
    let diff = diff.unified_diff().context_radius(3).header(name, name).to_string();
    let mut shown = String::new();
    for (index, line) in diff.lines().enumerate() {
        shown += &match line.chars().next() {
            Some('-' | '+') if index < 2 => terminal.paint(STRONG, line),
            Some('@') => terminal.paint(NAME, line),
            Some('-') => terminal.paint(BAD, line),
            Some('+') => terminal.paint(GOOD, line),
            _ => line.to_owned(),
        };
        shown.push('\n');
    }
    shown
}
