//! `extra-inputs`: additional inputs, as globs relative to the project's root.

use unicode_normalization::UnicodeNormalization as _;

use super::{Part, Root, Watch};
use crate::settings::Settings;

/// The watches for the user's own globs.
pub fn watches(settings: &Settings) -> Vec<Watch> {
    settings.extra_inputs.iter().flat_map(|glob| watches_of(glob)).collect()
}

/// The watches for one glob: the files that match, and everything below folders that match. macOS
/// may store a name in another Unicode form than it was typed in (`é` as one character or as two).
/// So the watches cover both forms.
pub fn watches_of(glob: &str) -> Vec<Watch> {
    let mut spellings = vec![glob.to_owned(), glob.nfc().collect(), glob.nfd().collect()];
    spellings.sort();
    spellings.dedup();
    let below = |glob: &String| (!glob.ends_with("**")).then(|| format!("{glob}/**"));
    let globs = spellings.iter().flat_map(|glob| std::iter::once(glob.clone()).chain(below(glob)));
    globs.map(|glob| Watch::glob(Part::Rust, Root::Project, glob)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_spellings_of_a_name_are_watched() {
        for (glob, expected) in [
            ("a/*.txt", &["a/*.txt", "a/*.txt/**"][..]),
            ("a/**", &["a/**"]),
            ("\u{e9}*/**", &["e\u{301}*/**", "\u{e9}*/**"]),
            ("e\u{301}*/**", &["e\u{301}*/**", "\u{e9}*/**"]),
            ("\u{e9}*", &["e\u{301}*", "e\u{301}*/**", "\u{e9}*", "\u{e9}*/**"]),
        ] {
            let watches = watches_of(glob).into_iter();
            let globs: Vec<String> = watches
                .filter_map(|watch| match watch {
                    Watch::Glob { glob, .. } => Some(glob),
                    _ => None,
                })
                .collect();
            assert_eq!(globs, expected, "{glob}");
        }
    }
}
