//! Watches a folder and a variable.

use std::{env, fs};

fn main() {
    println!("cargo:rerun-if-changed=words");
    println!("cargo:rerun-if-env-changed=WATCHED_BY_BUILD_SCRIPT");
    let mut words: Vec<String> = fs::read_dir("words")
        .expect("words is a folder")
        .map(|entry| fs::read_to_string(entry.expect("readable").path()).expect("UTF-8"))
        .map(|text| text.trim().to_owned())
        .collect();
    words.sort();
    println!("cargo:rustc-env=WORDS={}", words.join(","));
    let variable = env::var("WATCHED_BY_BUILD_SCRIPT").unwrap_or_else(|_| "unset".to_owned());
    println!("cargo:rustc-env=SEEN_BY_BUILD_SCRIPT={variable}");
}
