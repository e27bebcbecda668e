//! A change of a file, as `diff -u` shows it.

use similar::{ChangeTag, TextDiff};

use super::terminal::{BAD, GOOD, NAME, STRONG, Terminal};

/// The unified diff of a text file; empty if the texts are equal.
pub(super) fn unified(terminal: &Terminal, name: &str, old: &str, new: &str) -> String {
    let diff = TextDiff::from_lines(old, new);
    let mut shown = String::new();
    let mut line = |text: String| {
        shown.push_str(&text);
        shown.push('\n');
    };
    for (index, hunk) in diff.unified_diff().context_radius(3).iter_hunks().enumerate() {
        if index == 0 {
            line(terminal.paint(STRONG, format_args!("--- {name}")));
            line(terminal.paint(STRONG, format_args!("+++ {name}")));
        }
        line(terminal.paint(NAME, hunk.header()));
        for change in hunk.iter_changes() {
            let text = format!("{}{}", change.tag(), change.value().trim_end_matches(['\r', '\n']));
            line(match change.tag() {
                ChangeTag::Equal => text,
                ChangeTag::Delete => terminal.paint(BAD, text),
                ChangeTag::Insert => terminal.paint(GOOD, text),
            });
            if change.missing_newline() {
                line("\\ No newline at end of file".to_owned());
            }
        }
    }
    shown
}
