//! Comparing the files of the sources byte by byte.

use std::collections::BTreeSet;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};

use fs_err as fs;
use ignore::gitignore::{Gitignore, GitignoreBuilder};

use crate::digest;
use crate::fingerprint::{Source, Value};
use crate::freshness::Reason;
use crate::inputs::{Key, Kind, Part, Place, Root, Roots, normalize};

/// Compares the files that `source` lists with those in the project's folder. No reason is given
/// for paths in `told`, which were already reported. Returns the reasons and the number of equal
/// files.
pub(super) fn compare(
    source: &Source,
    project: &Path,
    told: &BTreeSet<PathBuf>,
) -> (Vec<Reason>, usize) {
    let mut reasons = Vec::new();
    let mut same = 0;
    for (name, stated) in &source.files {
        let path = normalize(&project.join(name));
        let found = match fs::metadata(&path).map(|meta| meta.is_file()) {
            // Reading a device or a pipe may never end.
            Ok(false) => Value::Unreadable("not a file".into()),
            is_file => match is_file.and_then(|_| digest::file(&path)) {
                Ok(digest) => Value::Sha256(digest),
                Err(error) if error.kind() != ErrorKind::PermissionDenied && !path.exists() => {
                    Value::Absent
                }
                Err(error) => Value::Unreadable(error.kind().to_string()),
            },
        };
        match difference(name, stated, found) {
            None => same += 1,
            Some(_) if told.contains(&path) => {}
            Some(reason) => reasons.push(reason),
        }
    }
    (reasons, same)
}

/// Compares two lists of files. Returns the reasons and the number of equal files.
pub(super) fn compare_lists(source: &Source, other: &Source) -> (Vec<Reason>, usize) {
    let sha256 = |digest: &String| Value::Sha256(digest.clone());
    let changed = source.files.iter().filter_map(|(name, stated)| {
        difference(name, stated, other.files.get(name).map_or(Value::Absent, sha256))
    });
    let mut reasons: Vec<Reason> = changed.collect();
    let same = source.files.len() - reasons.len();
    let added = other.files.iter().filter(|(name, _)| !source.files.contains_key(*name));
    reasons
        .extend(added.map(|(name, digest)| Reason::Added { key: key(name), new: sha256(digest) }));
    (reasons, same)
}

fn difference(name: &str, stated: &str, found: Value) -> Option<Reason> {
    let (key, old) = (key(name), Value::Sha256(stated.to_owned()));
    match found {
        new if new == old => None,
        Value::Absent => Some(Reason::Removed { key, old }),
        Value::Unreadable(cause) => Some(Reason::Unreadable { key, cause }),
        new => Some(Reason::Changed { key, old, new }),
    }
}

pub(super) fn paths<'a>(keys: impl Iterator<Item = &'a Key>, roots: &Roots) -> BTreeSet<PathBuf> {
    keys.filter_map(|key| Some(normalize(&super::base(key, roots)?.join(&key.name)))).collect()
}

/// The files that `[tool.maturin] exclude` leaves out of sdists. Like maturin, this uses the rules
/// of .gitignore, relative to the project's folder.
pub(super) struct LeftOut(Option<Gitignore>);

impl LeftOut {
    pub(super) fn read(pyproject: &toml::Table, project: &Path) -> Self {
        let exclude = pyproject.get("tool").and_then(|tool| tool.get("maturin")?.get("exclude"));
        let globs = exclude.and_then(toml::Value::as_array).into_iter().flatten();
        let mut builder = GitignoreBuilder::new(project);
        let added = globs
            .filter_map(of_sdists)
            .try_for_each(|glob| builder.add_line(None, glob).map(|_| ()));
        Self(added.and_then(|()| builder.build()).ok())
    }

    pub(super) fn has(&self, path: &Path, project: &Path) -> bool {
        let inside = path.strip_prefix(project).ok();
        self.0.as_ref().zip(inside).is_some_and(|(globs, inside)| {
            globs.matched_path_or_any_parents(inside, false).is_ignore()
        })
    }
}

/// The glob, if it applies to sdists. A plain string applies to all formats;
/// `{ path = "...", format = "sdist" }` names one or more formats.
fn of_sdists(exclude: &toml::Value) -> Option<&str> {
    let is_sdist = |format: &toml::Value| format.as_str() == Some("sdist");
    let applies = exclude.get("format").is_none_or(|format| {
        is_sdist(format) || format.as_array().is_some_and(|formats| formats.iter().any(is_sdist))
    });
    exclude.as_str().or_else(|| exclude.get("path").filter(|_| applies)?.as_str())
}

pub(super) fn key(name: &str) -> Key {
    let file = name.rsplit('/').next().unwrap_or(name);
    let end = file.rsplit_once('.').map_or("", |(_, end)| end);
    let part = match (file, end) {
        ("Cargo.toml" | "Cargo.lock" | "pyproject.toml", _) => Part::Manifest,
        (_, "py" | "pyi") => Part::Python,
        (_, "md" | "rst" | "txt") => Part::Metadata,
        _ if file.starts_with("LICEN") || file.starts_with("README") => Part::Metadata,
        _ => Part::Rust,
    };
    Key::place(part, Kind::File, Place { root: Root::Project, path: name.to_owned() })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn brackets_in_a_path_are_a_part_of_it() {
        let mut roots = Roots::default();
        roots.add(Root::Project, "/p");
        let place = Place { root: Root::Project, path: "a [b]/more.toml".to_owned() };
        let key = Key::place(Part::Manifest, Kind::Toml, place);
        let expected = BTreeSet::from([PathBuf::from("/p/a [b]/more.toml")]);
        assert_eq!(paths([&key].into_iter(), &roots), expected);
        let key = Key { view: Some(crate::inputs::View::Workspace), ..key };
        assert_eq!(paths([&key].into_iter(), &roots), expected);
    }

    #[test]
    fn excludes_are_those_of_sdists() {
        let text = r#"
            [tool.maturin]
            exclude = [
                "ci/**",
                { path = "notes/*", format = "sdist" },
                { path = "both.txt", format = ["wheel", "sdist"] },
                { path = "wheels.txt", format = "wheel" },
            ]
        "#;
        let project = Path::new("/p");
        let left_out = LeftOut::read(&text.parse().unwrap(), project);
        for (path, expected) in [
            ("/p/ci/a/b", true),
            ("/p/notes/one", true),
            ("/p/both.txt", true),
            ("/p/wheels.txt", false),
            ("/p/src/lib.rs", false),
            ("/elsewhere/ci/a", false),
        ] {
            assert_eq!(left_out.has(Path::new(path), project), expected, "{path}");
        }
        assert!(!LeftOut::read(&toml::Table::new(), project).has(Path::new("/p/a"), project));
    }
}
