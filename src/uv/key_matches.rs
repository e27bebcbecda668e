//! The files that uv sees through cache keys: the same files as in uv's own walk (`uv-cache-info`,
//! `globwalk`).
//!
//! uv's globs have the rules of a `.gitignore`. The folder before the first wildcard is walked as a
//! whole, and a pattern without a slash matches at any depth below it. Links to folders are not
//! followed. If the folder of one glob is inside the folder of another glob, both are walked from
//! the outer folder. So a glob may match other files beside another glob than alone.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use globwalk::{FileType, GlobWalkerBuilder};
use ignore::overrides::{Override, OverrideBuilder};

use super::CacheKey;
use crate::inputs::{normalize, slashed};

/// A project's cache keys, and what they match now.
pub(crate) struct KeyMatches<'a> {
    keys: &'a [CacheKey],
    /// The first key that matches each path.
    files: BTreeMap<PathBuf, usize>,
    groups: Vec<Group>,
}

/// Globs that uv walks together.
struct Group {
    base: PathBuf,
    /// The globs of the whole group.
    all: Override,
    /// The glob of each key, with the key's index.
    each: Vec<(usize, Override)>,
}

impl Group {
    /// The first key that matches this file.
    fn key_of(&self, path: &Path) -> Option<usize> {
        let path = path.strip_prefix(&self.base).ok()?;
        if !self.all.matched(path, false).is_whitelist() {
            return None;
        }
        let matches = |(_, glob): &&(usize, Override)| glob.matched(path, false).is_whitelist();
        self.each.iter().find(matches).map(|(index, _)| *index)
    }
}

impl<'a> KeyMatches<'a> {
    /// Finds the files as uv's walk does. `root` is the folder of pyproject.toml.
    pub(crate) fn new(root: &Path, keys: &'a [CacheKey]) -> Self {
        let mut seen = Self { keys, files: BTreeMap::new(), groups: Vec::new() };
        for (index, key) in keys.iter().enumerate() {
            if let Some(file) = key.file().filter(|file| !is_glob(file)) {
                seen.files.entry(normalize(&root.join(file))).or_insert(index);
            }
        }
        for (base, globs) in clusters(keys) {
            let base = normalize(&root.join(base));
            let patterns: Vec<&str> = globs.iter().map(|(_, pattern)| pattern.as_str()).collect();
            let Some(all) = overrides(&base, &patterns) else { continue };
            let own = |(index, pattern): &(usize, String)| {
                Some((*index, overrides(&base, &[pattern.as_str()])?))
            };
            let each = globs.iter().filter_map(own).collect();
            let group = Group { base, all, each };
            for path in matches(&group.base, &patterns) {
                if let Some(index) = group.key_of(&path) {
                    let first = seen.files.entry(path).or_insert(index);
                    *first = index.min(*first);
                }
            }
            seen.groups.push(group);
        }
        seen
    }

    /// The key through which uv sees this file. For a missing file, the key through which uv would
    /// see it.
    pub(crate) fn key_of(&self, path: &Path) -> Option<&'a CacheKey> {
        if let Some(index) = self.files.get(path) {
            return self.keys.get(*index);
        }
        // The walk found every existing file, except those behind a symlink to a folder.
        if path.exists() {
            return None;
        }
        let index = self.groups.iter().filter_map(|group| group.key_of(path)).min()?;
        self.keys.get(index)
    }

    pub(crate) fn key_of_folder(&self, root: &Path, path: &Path) -> Option<&'a CacheKey> {
        self.keys.iter().find(|key| match key {
            CacheKey::Directory { dir } => normalize(&root.join(dir)) == path,
            _ => false,
        })
    }

    pub(crate) fn key_of_variable(&self, name: &str) -> Option<&'a CacheKey> {
        self.keys.iter().find(|key| matches!(key, CacheKey::Environment { env } if env == name))
    }

    /// All existing files that uv sees.
    pub(crate) fn files(&self) -> BTreeSet<&Path> {
        self.files.keys().map(PathBuf::as_path).filter(|path| path.is_file()).collect()
    }

    /// The keys that match files in folders that builds write to, each with the first such file.
    pub(crate) fn made(&self, folders: &[PathBuf]) -> Vec<(&'a CacheKey, &Path)> {
        let mut found: BTreeMap<usize, &Path> = BTreeMap::new();
        for (path, index) in &self.files {
            if folders.iter().any(|folder| path.starts_with(folder)) && path.exists() {
                found.entry(*index).or_insert(path);
            }
        }
        found.into_iter().filter_map(|(index, path)| Some((self.keys.get(index)?, path))).collect()
    }
}

/// Whether uv reads a part of a glob as a pattern.
pub(super) fn is_wild(part: &str) -> bool {
    part.contains(['*', '?', '[', ']', '{', '}'])
}

/// Splits a glob into the folder before the first wildcard and the rest.
pub(super) fn split(file: &str) -> (PathBuf, String) {
    let parts: Vec<&str> =
        file.split('/').filter(|part| !part.is_empty() && *part != ".").collect();
    let fixed = parts.iter().position(|part| is_wild(part)).unwrap_or(parts.len());
    let base = if file.starts_with('/') { PathBuf::from("/") } else { PathBuf::new() };
    let pattern = parts[fixed..].join("/");
    (parts[..fixed].iter().fold(base, |base, part| base.join(part)), pattern)
}

/// Groups the globs as uv walks them: a glob is walked from the outermost folder of any glob above
/// it, unless a `..` is between.
fn clusters(keys: &[CacheKey]) -> BTreeMap<PathBuf, Vec<(usize, String)>> {
    let globs: Vec<(usize, PathBuf, String)> = keys
        .iter()
        .enumerate()
        .filter_map(|(index, key)| {
            let (base, pattern) = split(key.file().filter(|file| is_glob(file))?);
            Some((index, base, pattern))
        })
        .collect();
    let bases: BTreeSet<&Path> = globs.iter().map(|(_, base, _)| base.as_path()).collect();
    let mut clusters: BTreeMap<PathBuf, Vec<(usize, String)>> = BTreeMap::new();
    for (index, base, pattern) in &globs {
        let above = std::iter::successors(Some(base.as_path()), |folder| {
            folder.file_name().and_then(|_| folder.parent())
        });
        let outer = above.filter(|folder| bases.contains(folder)).last().unwrap_or(base);
        let inside = base.strip_prefix(outer).unwrap_or(base).join(pattern);
        // Join with slashes, because a backslash escapes wildcards on systems other than Windows.
        let pattern = slashed(&inside).unwrap_or_default();
        clusters.entry(outer.to_owned()).or_default().push((*index, pattern));
    }
    clusters
}

fn is_glob(text: &str) -> bool {
    text.contains(['*', '?', '[', '{'])
}

fn overrides(base: &Path, patterns: &[&str]) -> Option<Override> {
    let mut builder = OverrideBuilder::new(base);
    for pattern in patterns {
        // globwalk reads a lone asterisk as one level.
        builder.add(if *pattern == "*" { "/*" } else { pattern }).ok()?;
    }
    builder.build().ok()
}

/// The files below a folder that the patterns match, including symlinks to files.
pub(super) fn matches(base: &Path, patterns: &[&str]) -> BTreeSet<PathBuf> {
    let walk = GlobWalkerBuilder::from_patterns(base, patterns)
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
            KeyMatches::new(&root, &keys).key_of(&normalize(&root.join(path))).is_some()
        };
        assert!(seen("src/**/*.rs", "src/lib.rs") && seen("src/**/*.rs", "src/a/b.rs"));
        assert!(!seen("src/**/*.rs", "src/a/c.txt") && seen("src/**", "src/a/c.txt"));
        // A pattern without a slash matches at any depth.
        assert!(seen("src/*.rs", "src/a/b.rs"));
        assert!(seen("src/*", "src/lib.rs") && !seen("src/*", "src/a/b.rs"));
        assert!(seen("../core/**/*.rs", "../core/x.rs") && seen("./Cargo.toml", "Cargo.toml"));
        // Keys also cover files that do not exist yet.
        assert!(seen(".cargo/config.toml", ".cargo/config.toml"));
        assert!(seen("src/**/*.rs", "src/new.rs") && !seen("src/**/*.rs", "other/new.rs"));
    }

    #[test]
    fn keys_have_slashes_between_folders_on_every_system() {
        let keys = ["src/**/*.rs", "src/a/*.h", "./src//b/*.c", "../core/**", "*.md"].map(file);
        let found: Vec<(PathBuf, Vec<String>)> = clusters(&keys[..4])
            .into_iter()
            .map(|(base, globs)| (base, globs.into_iter().map(|(_, pattern)| pattern).collect()))
            .collect();
        let expected = [
            (PathBuf::from("../core"), vec!["**".to_owned()]),
            (PathBuf::from("src"), ["**/*.rs", "a/*.h", "b/*.c"].map(str::to_owned).into()),
        ];
        assert_eq!(found, expected);
        let all = clusters(&keys);
        let patterns: Vec<&str> = all[Path::new("")].iter().map(|(_, it)| it.as_str()).collect();
        assert_eq!(patterns, ["src/**/*.rs", "src/a/*.h", "src/b/*.c", "*.md"]);
    }

    #[test]
    #[cfg(unix)]
    fn a_wildcard_behind_a_backslash_is_none() {
        let folder = tempfile::tempdir().unwrap();
        let root = dunce::canonicalize(folder.path()).unwrap();
        fs::create_dir(root.join("[a]")).unwrap();
        fs::write(root.join("[a]/b.rs"), "").unwrap();
        let keys = [file(r"\[a\]/*.rs")];
        assert!(KeyMatches::new(&root, &keys).key_of(&root.join("[a]/b.rs")).is_some());
    }

    #[test]
    fn a_glob_is_walked_from_the_outermost_one() {
        let folder = tempfile::tempdir().unwrap();
        let root = dunce::canonicalize(folder.path()).unwrap();
        for name in ["src/a/b.rs", "src/c.rs", "!x/d", "top.md"] {
            fs::create_dir_all(root.join(name).parent().unwrap()).unwrap();
            fs::write(root.join(name), "").unwrap();
        }
        let seen = |keys: &[&CacheKey], path: &str| {
            let keys: Vec<CacheKey> = keys.iter().copied().cloned().collect();
            KeyMatches::new(&root, &keys).key_of(&root.join(path)).cloned()
        };
        let (sources, texts, odd) = (file("src/*.rs"), file("*.md"), file("!x/**"));
        assert_eq!(seen(&[&sources], "src/a/b.rs"), Some(sources.clone()));
        assert_eq!(seen(&[&sources, &texts], "src/a/b.rs"), None);
        assert_eq!(seen(&[&sources, &texts], "src/c.rs"), Some(sources.clone()));
        assert_eq!(seen(&[&odd], "!x/d"), Some(odd.clone()));
        assert_eq!(seen(&[&odd, &texts], "!x/d"), None);
        assert_eq!(seen(&[&texts], "top.md"), Some(texts.clone()));
    }
}
