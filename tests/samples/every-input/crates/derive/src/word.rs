pub const WORD: &str = "macro 1";
