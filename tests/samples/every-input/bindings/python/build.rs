//! Watches a file, a folder and two variables, and reads one file that it says nothing of.

use std::process::Command;
use std::{env, fs};

const SCRIPT: &str = "script 1";

fn main() {
    println!("cargo::rerun-if-changed=build.rs");
    println!("cargo::rerun-if-changed=assets/watched.txt");
    println!("cargo::rerun-if-changed=words");
    println!("cargo::rerun-if-env-changed=WATCHED_BY_SCRIPT");
    println!("cargo::rerun-if-env-changed=PYTHON_SYS_EXECUTABLE");
    set("SCRIPT", SCRIPT);
    set("WATCHED", fs::read_to_string("assets/watched.txt").unwrap_or("none".into()).trim());
    set("UNDECLARED", fs::read_to_string("assets/undeclared.txt").unwrap_or_default().trim());
    let mut words = Vec::new();
    read_below("words".as_ref(), &mut words);
    words.sort();
    set("WORDS", &words.join(","));
    set("SCRIPT_VARIABLE", &env::var("WATCHED_BY_SCRIPT").unwrap_or("unset".into()));
    set("BUILT_IN", &env::var("OUT_DIR").expect("cargo sets it"));
    set("RUSTC_VERSION", &first_line(&env::var("RUSTC").expect("cargo sets it")));
    let python = env::var("PYTHON_SYS_EXECUTABLE").unwrap_or("python3".into());
    set("PYTHON_VERSION", &first_line(&python));
}

fn set(name: &str, value: &str) {
    println!("cargo::rustc-env={name}={value}");
}

fn read_below(folder: &std::path::Path, words: &mut Vec<String>) {
    for entry in fs::read_dir(folder).into_iter().flatten() {
        let path = entry.expect("readable").path();
        if path.is_dir() {
            read_below(&path, words);
            continue;
        }
        let name = path.file_stem().expect("a name").to_string_lossy().into_owned();
        words.push(format!("{name}:{}", fs::read_to_string(&path).expect("UTF-8").trim()));
    }
}

fn first_line(program: &str) -> String {
    match Command::new(program).arg("--version").output() {
        Ok(output) => String::from_utf8_lossy(&output.stdout).lines().next().unwrap_or("").into(),
        Err(error) => error.to_string(),
    }
}
