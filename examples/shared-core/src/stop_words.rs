//! The words that are not worth counting, from a list that is compiled in.

const LIST: &str = include_str!("../data/stop-words.txt");

pub fn contains(word: &str) -> bool {
    LIST.lines().any(|line| line == word)
}
