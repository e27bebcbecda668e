//! Text statistics, without Python.

mod stop_words;

use std::collections::BTreeMap;

/// How often each word occurs in `text`, in lower case and without the stop words.
#[must_use]
pub fn word_counts(text: &str) -> BTreeMap<String, usize> {
    let mut counts = BTreeMap::new();
    let words = text
        .split(|c: char| !c.is_alphanumeric())
        .filter(|word| !word.is_empty())
        .map(str::to_lowercase)
        .filter(|word| !stop_words::contains(word));
    for word in words {
        *counts.entry(word).or_default() += 1;
    }
    counts
}

/// The mean length of the words of `text` in characters, or `None` for a text without words.
#[must_use]
pub fn mean_word_length(text: &str) -> Option<f64> {
    let counts = word_counts(text);
    let words: usize = counts.values().sum();
    let letters: usize = counts.iter().map(|(word, count)| word.chars().count() * count).sum();
    // Texts with more than 2^52 words are not expected here.
    #[allow(clippy::cast_precision_loss)]
    (words > 0).then(|| letters as f64 / words as f64)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn stop_words_do_not_count() {
        let counts = word_counts("The cat and the hat: a cat.");
        assert_eq!(counts.get("cat"), Some(&2));
        assert_eq!(counts.get("hat"), Some(&1));
        assert_eq!(counts.get("the"), None);
    }

    #[test]
    fn a_text_without_words_has_no_mean() {
        assert_eq!(mean_word_length(" ,.; "), None);
        assert_eq!(mean_word_length("ab abcd"), Some(3.0));
    }
}
