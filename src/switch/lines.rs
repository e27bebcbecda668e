//! Line endings and the byte order mark: toml_edit writes only `\n`.

use similar::{ChangeTag, TextDiff};

const MARK: char = '\u{feff}';

/// The text for toml_edit: without a byte order mark, with `\n` at the end of each line.
pub(crate) fn plain(text: &str) -> String {
    text.strip_prefix(MARK).unwrap_or(text).replace("\r\n", "\n")
}

/// Gives an edited plain text the original's byte order mark and line endings. Unchanged lines keep
/// their endings, and new lines get the ending of most other lines.
pub(crate) fn restored(original: &str, edited: &str) -> String {
    let old_plain = plain(original);
    if old_plain == edited {
        return original.to_owned();
    }
    let body = original.strip_prefix(MARK).unwrap_or(original);
    let old: Vec<&str> = body.split_inclusive('\n').collect();
    let carriage_returns = old.iter().filter(|line| line.ends_with("\r\n")).count();
    let ending = if carriage_returns * 2 > old.len() { "\r\n" } else { "\n" };
    let old_lines: Vec<&str> = old.iter().map(|line| content(line)).collect();
    let new: Vec<&str> = edited.split_inclusive('\n').map(content).collect();
    let diff = TextDiff::from_slices(&old_lines, &new);
    let mut text = String::with_capacity(original.len() + edited.len() / 2);
    text.extend(original.starts_with(MARK).then_some(MARK));
    for change in diff.iter_all_changes() {
        let is_last = change.new_index().is_some_and(|index| index + 1 == new.len());
        match (change.tag(), change.old_index().and_then(|index| old.get(index))) {
            (ChangeTag::Delete, _) => {}
            // Only the last line of a text may have no ending.
            (ChangeTag::Equal, Some(line)) if line.ends_with('\n') || is_last => {
                text.push_str(line);
            }
            _ => {
                text.push_str(change.value());
                text.push_str(ending);
            }
        }
    }
    text
}

fn content(line: &str) -> &str {
    line.strip_suffix('\n').map_or(line, |line| line.strip_suffix('\r').unwrap_or(line))
}

#[cfg(test)]
mod tests {
    use super::*;

    proptest::proptest! {
        #[test]
        fn nothing_but_endings_is_restored(
            original in "(\u{feff})?([abc]{0,2}(\r\n|\n)){0,6}[abc]?",
            edited in "([abc]{0,2}\n){0,6}",
        ) {
            let text = restored(&original, &edited);
            let same = plain(&text);
            let ended = same.clone() + "\n";
            proptest::prop_assert!(same == edited || ended == edited, "{}", text);
            proptest::prop_assert_eq!(text.starts_with(MARK), original.starts_with(MARK));
            proptest::prop_assert_eq!(restored(&original, &plain(&original)), original);
        }
    }

    #[test]
    fn endings_stay() {
        for (original, edited, expected) in [
            ("a\r\nb\r\n", "a\nx\nb\n", "a\r\nx\r\nb\r\n"),
            ("a\nb\n", "a\nx\n", "a\nx\n"),
            ("a\r\nb\nc\n", "x\nb\nc\n", "x\nb\nc\n"),
            ("a\r\nb\nc\n", "a\nb\nx\n", "a\r\nb\nx\n"),
            ("a\nb", "x\nb\n", "x\nb"),
            ("a\nb", "a\nb\nc\n", "a\nb\nc\n"),
            ("\u{feff}a\r\n", "b\n", "\u{feff}b\r\n"),
            ("", "a\n", "a\n"),
            ("a\r\n", "a\n", "a\r\n"),
        ] {
            assert_eq!(restored(original, edited), expected, "{original:?} {edited:?}");
        }
        assert_eq!(plain("\u{feff}a\r\nb\n"), "a\nb\n");
    }
}
