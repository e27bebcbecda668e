//! Walks by git's rules, with the crate `ignore`.

use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use ignore::{DirEntry, WalkBuilder};

use super::item::{Walked, failed};

/// The paths below a folder that git's rules and the filter let through.
///
/// The crate reads the files of rules to their end, even a pipe or a device. A folder with such a
/// file is not entered, and named with the cause.
pub(super) fn paths(
    folder: &Path,
    mut walk: WalkBuilder,
    filter: impl Fn(&DirEntry) -> bool + Send + Sync + 'static,
) -> Vec<Walked> {
    // The crate reads the rules of the folders above too.
    if let Some(rules) = folder.ancestors().find_map(endless_rules) {
        return vec![unreadable(rules)];
    }
    let endless: Arc<Mutex<Vec<PathBuf>>> = Arc::default();
    let seen = Arc::clone(&endless);
    walk.filter_entry(move |entry| {
        if !filter(entry) {
            return false;
        }
        let is_file = entry.file_type().is_some_and(|file_type| file_type.is_file());
        let rules = if is_file { None } else { endless_rules(entry.path()) };
        let is_entered = rules.is_none();
        seen.lock().unwrap_or_else(PoisonError::into_inner).extend(rules);
        is_entered
    });
    let mut found: Vec<_> = walk.build().map(path).collect();
    let mut endless = endless.lock().unwrap_or_else(PoisonError::into_inner);
    found.extend(endless.drain(..).map(unreadable));
    found
}

/// The first file of rules in this folder that is a pipe, a device or a socket.
fn endless_rules(folder: &Path) -> Option<PathBuf> {
    let names = [".gitignore", ".ignore", ".git/info/exclude"].map(|name| folder.join(name));
    names.into_iter().find(|rules| {
        let is_special =
            fs_err::metadata(rules).is_ok_and(|meta| !meta.is_file() && !meta.is_dir());
        // A link to it is a usual way to have no rules.
        is_special && !dunce::canonicalize(rules).is_ok_and(|it| it == Path::new("/dev/null"))
    })
}

fn unreadable(rules: PathBuf) -> Walked {
    Err((Some(rules), "git's rules are not in a regular file".to_owned()))
}

fn path(entry: Result<DirEntry, ignore::Error>) -> Walked {
    entry.map(DirEntry::into_path).or_else(|error| {
        let path = match &error {
            ignore::Error::WithPath { path, .. } => Some(path.clone()),
            ignore::Error::WithDepth { err, .. } => match err.as_ref() {
                ignore::Error::WithPath { path, .. } => Some(path.clone()),
                _ => None,
            },
            ignore::Error::Loop { child, .. } => Some(child.clone()),
            _ => None,
        };
        failed(path, error.io_error())
    })
}

#[cfg(all(test, unix))]
mod tests {
    use std::os::unix::fs::symlink;

    use fs_err as fs;

    use super::*;

    fn names(folder: &Path) -> Vec<String> {
        let mut walk = WalkBuilder::new(folder);
        walk.hidden(false).require_git(false);
        let mut names: Vec<_> = paths(folder, walk, |_| true)
            .into_iter()
            .map(|found| match found {
                Ok(path) => path.strip_prefix(folder).unwrap().display().to_string(),
                Err((path, cause)) => {
                    format!("{}: {cause}", path.unwrap().strip_prefix(folder).unwrap().display())
                }
            })
            .collect();
        names.sort();
        names
    }

    #[test]
    fn rules_without_an_end_are_named_and_not_read() {
        let folder = tempfile::tempdir().unwrap();
        for inner in ["a", "b"] {
            fs::create_dir(folder.path().join(inner)).unwrap();
            fs::write(folder.path().join(inner).join("file"), "").unwrap();
        }
        symlink("/dev/zero", folder.path().join("a/.ignore")).unwrap();
        symlink("/dev/null", folder.path().join("b/.gitignore")).unwrap();
        let cause = "git's rules are not in a regular file";
        let expected = ["", &format!("a/.ignore: {cause}"), "b", "b/.gitignore", "b/file"];
        assert_eq!(names(folder.path()), expected);

        symlink("/dev/zero", folder.path().join(".gitignore")).unwrap();
        assert_eq!(names(folder.path()), [format!(".gitignore: {cause}")]);
    }
}
