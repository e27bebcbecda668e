//! Gives each build of wheelprint an identity: the store keeps a copy of the compiled module under
//! this name, and an import must not ask the copy of another build.

// cargo reads standard output, and fs-err would be a dependency for a few lines.
#![allow(clippy::disallowed_macros, clippy::disallowed_methods, clippy::disallowed_types)]

use std::hash::{DefaultHasher, Hash as _, Hasher as _};
use std::path::{Path, PathBuf};

fn main() {
    let mut files = vec![PathBuf::from("Cargo.toml"), PathBuf::from("Cargo.lock")];
    for folder in ["src", "python"] {
        println!("cargo::rerun-if-changed={folder}");
        add(Path::new(folder), &mut files);
    }
    println!("cargo::rerun-if-changed=Cargo.toml");
    println!("cargo::rerun-if-changed=Cargo.lock");
    files.sort();
    let mut hasher = DefaultHasher::new();
    // Machines of several kinds may share a home folder.
    std::env::var_os("TARGET").hash(&mut hasher);
    for file in files {
        // Without a Cargo.lock the versions of the dependencies are not known.
        std::fs::read(&file).unwrap_or_default().hash(&mut hasher);
        file.hash(&mut hasher);
    }
    println!("cargo::rustc-env=WHEELPRINT_BUILD={:016x}", hasher.finish());
}

fn add(folder: &Path, files: &mut Vec<PathBuf>) {
    for entry in std::fs::read_dir(folder).into_iter().flatten().flatten() {
        let path = entry.path();
        if path.is_dir() {
            add(&path, files);
        } else if path.extension().is_some_and(|extension| extension == "rs" || extension == "py") {
            files.push(path);
        }
    }
}
