//! What uv sees through cache keys: the same files its own walk gives (`uv-cache-info`, `globwalk`).
//!
//! Its globs have the rules of a `.gitignore`: below the folder before the first wildcard, a pattern
//! without a slash matches at any depth, and the whole of that folder is walked. Links to folders
//! are not followed.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use globwalk::{FileType, GlobWalkerBuilder};
use ignore::overrides::{Override, OverrideBuilder};

use super::CacheKey;
use crate::inputs::normalize;

/// A project's cache keys, and what they match now.
pub struct Seen<'a> {
    keys: &'a [CacheKey],
    /// Path to the first key that matches it.
    files: BTreeMap<PathBuf, usize>,
    globs: Vec<(usize, PathBuf, Override)>,
}

impl<'a> Seen<'a> {
    /// Walks as uv does. `root` is the folder of pyproject.toml.
    pub fn new(root: &Path, keys: &'a [CacheKey]) -> Self {
        let mut seen = Self { keys, files: BTreeMap::new(), globs: Vec::new() };
        for (index, key) in keys.iter().enumerate() {
            let Some(file) = key.file() else { continue };
            let (base, pattern) = split(file);
            if pattern.is_empty() {
                seen.files.entry(normalize(&root.join(base))).or_insert(index);
                continue;
            }
            let base = normalize(&root.join(base));
            for path in matches(&base, &pattern) {
                seen.files.entry(path).or_insert(index);
            }
            let mut builder = OverrideBuilder::new(&base);
            if builder.add(&pattern).is_ok()
                && let Ok(matcher) = builder.build()
            {
                seen.globs.push((index, base, matcher));
            }
        }
        seen
    }

    /// The key through which uv sees this file, or would if it were there.
    pub fn key_of(&self, path: &Path) -> Option<&'a CacheKey> {
        if let Some(index) = self.files.get(path) {
            return self.keys.get(*index);
        }
        // One that is there and was not met lies behind a link to a folder.
        if path.exists() {
            return None;
        }
        let (index, ..) = self.globs.iter().find(|(_, base, matcher)| {
            path.strip_prefix(base).is_ok_and(|path| matcher.matched(path, false).is_whitelist())
        })?;
        self.keys.get(*index)
    }

    /// The key for a folder's being there.
    pub fn key_of_folder(&self, root: &Path, path: &Path) -> Option<&'a CacheKey> {
        self.keys.iter().find(|key| match key {
            CacheKey::Directory { dir } => normalize(&root.join(dir)) == path,
            _ => false,
        })
    }

    /// The key for a variable.
    pub fn key_of_variable(&self, name: &str) -> Option<&'a CacheKey> {
        self.keys.iter().find(|key| matches!(key, CacheKey::Environment { env } if env == name))
    }

    /// All files that are seen and there.
    pub fn files(&self) -> BTreeSet<&Path> {
        self.files.keys().map(PathBuf::as_path).filter(|path| path.is_file()).collect()
    }

    /// Of the files in these folders, which a build writes to, the first one for each key that
    /// matches any.
    pub fn made(&self, folders: &[PathBuf]) -> Vec<(&'a CacheKey, &Path)> {
        let mut found: BTreeMap<usize, &Path> = BTreeMap::new();
        for (path, index) in &self.files {
            if folders.iter().any(|folder| path.starts_with(folder)) && path.exists() {
                found.entry(*index).or_insert(path);
            }
        }
        found.into_iter().filter_map(|(index, path)| Some((self.keys.get(index)?, path))).collect()
    }
}

/// The folder before the first wildcard, and the rest; an empty rest for a plain path.
fn split(file: &str) -> (PathBuf, String) {
    if !is_glob(file) {
        return (PathBuf::from(file), String::new());
    }
    let parts: Vec<&str> =
        file.split('/').filter(|part| !part.is_empty() && *part != ".").collect();
    let fixed = parts.iter().position(|part| is_glob(part)).unwrap_or(parts.len());
    let base = if file.starts_with('/') { PathBuf::from("/") } else { PathBuf::new() };
    let pattern = parts[fixed..].join("/");
    // As globwalk has it: a lone asterisk is one level.
    let pattern = if pattern == "*" { "/*".to_owned() } else { pattern };
    (parts[..fixed].iter().fold(base, |base, part| base.join(part)), pattern)
}

fn is_glob(text: &str) -> bool {
    text.contains(['*', '?', '[', '{'])
}

/// The files below a folder that a pattern matches; links to files among them.
pub(super) fn matches(base: &Path, pattern: &str) -> BTreeSet<PathBuf> {
    let walk = GlobWalkerBuilder::from_patterns(base, &[pattern])
        .file_type(FileType::FILE | FileType::SYMLINK)
        .build();
    let entries = walk.into_iter().flatten().flatten();
    entries.map(globwalk::DirEntry::into_path).filter(|path| path.is_file()).collect()
}

#[cfg(test)]
mod tests {
    use fs_err as fs;

    use super::*;

    fn file(file: &str) -> CacheKey {
        CacheKey::File { file: file.to_owned() }
    }

    #[test]
    fn keys_match_as_uv_matches_them() {
        let folder = tempfile::tempdir().unwrap();
        let top = dunce::canonicalize(folder.path()).unwrap();
        for name in ["p/src/lib.rs", "p/src/a/b.rs", "p/src/a/c.txt", "core/x.rs", "p/Cargo.toml"] {
            fs::create_dir_all(top.join(name).parent().unwrap()).unwrap();
            fs::write(top.join(name), "").unwrap();
        }
        let root = top.join("p");
        let seen = |key: &str, path: &str| {
            let keys = [file(key)];
            Seen::new(&root, &keys).key_of(&normalize(&root.join(path))).is_some()
        };
        assert!(seen("src/**/*.rs", "src/lib.rs") && seen("src/**/*.rs", "src/a/b.rs"));
        assert!(!seen("src/**/*.rs", "src/a/c.txt") && seen("src/**", "src/a/c.txt"));
        // Without a slash, at any depth.
        assert!(seen("src/*.rs", "src/a/b.rs"));
        assert!(seen("src/*", "src/lib.rs") && !seen("src/*", "src/a/b.rs"));
        assert!(seen("../core/**/*.rs", "../core/x.rs") && seen("./Cargo.toml", "Cargo.toml"));
        // What is not there yet.
        assert!(seen(".cargo/config.toml", ".cargo/config.toml"));
        assert!(seen("src/**/*.rs", "src/new.rs") && !seen("src/**/*.rs", "other/new.rs"));
    }
}
