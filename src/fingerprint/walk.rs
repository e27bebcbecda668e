//! Which files a folder, a package or a glob stands for.

use std::path::{Path, PathBuf};

use ignore::WalkBuilder;
use walkdir::WalkDir;

use super::Value;
use super::observe::is_absence;
use crate::inputs::{Key, Kind, Part, Place, Roots, View, slashed};

/// One input to look at.
pub(super) struct Item {
    pub(super) key: Key,
    pub(super) look: Look,
}

/// How it is looked at.
pub(super) enum Look {
    Content(PathBuf),
    Meaning(PathBuf, View),
    Known(Value),
    /// No input itself: a folder below which every file counts. Its time tells of removals.
    Holder(PathBuf),
}

/// Every file of a package by git's rules, as cargo's own listing of a package obeys them, and no
/// others. `tracked` are those git tracks though it would ignore them; `None` without git.
pub(super) fn package(
    part: Part,
    place: &Place,
    folder: &Path,
    tracked: Option<Vec<PathBuf>>,
    roots: &Roots,
    items: &mut Vec<Item>,
) {
    let walk = WalkBuilder::new(folder)
        .hidden(false)
        .ignore(false)
        .git_ignore(tracked.is_some())
        .git_exclude(tracked.is_some())
        .git_global(tracked.is_some())
        .filter_entry({
            let roots = roots.clone();
            move |entry| !is_junk(entry.path(), &roots)
        })
        .build();
    let files = walk.map(ignored_path).chain(tracked.into_iter().flatten().map(Ok));
    push_files(part, place, folder, files, items);
}

/// The files of a Python package, by the walk of maturin's `write_python_part`.
pub(super) fn python(
    part: Part,
    place: &Place,
    folder: &Path,
    roots: &Roots,
    items: &mut Vec<Item>,
) {
    let walk = WalkBuilder::new(folder)
        .hidden(false)
        .parents(false)
        .git_global(false)
        .git_exclude(false)
        .filter_entry({
            let roots = roots.clone();
            move |entry| !is_junk(entry.path(), &roots)
        })
        .build();
    push_files(part, place, folder, walk.map(ignored_path), items);
}

type Walked = Result<PathBuf, (Option<PathBuf>, String)>;

fn ignored_path(entry: Result<ignore::DirEntry, ignore::Error>) -> Walked {
    entry.map(ignore::DirEntry::into_path).map_err(|error| ignored_cause(&error))
}

/// A file is one input; a folder is all the files below it, links followed, as cargo's own
/// `mtime_recursive` does.
pub(super) fn path(part: Part, place: &Place, path: PathBuf, roots: &Roots, items: &mut Vec<Item>) {
    if !path.is_dir() {
        let key = Key::place(part, Kind::File, place);
        items.push(Item { key, look: Look::Content(path) });
        return;
    }
    let key = Key::place(part, Kind::Folder, place);
    items.push(Item { key: key.clone(), look: Look::Known(Value::Text("folder".into())) });
    let walk = WalkDir::new(&path)
        .follow_links(true)
        .into_iter()
        .filter_entry(|entry| entry.depth() == 0 || !is_junk(entry.path(), roots));
    let mut items_of_holders = Vec::new();
    let files = walk.map(|entry| {
        entry
            .map(walkdir::DirEntry::into_path)
            .map_err(|error| (error.path().map(Path::to_owned), walk_cause(&error)))
    });
    let files = files.inspect(|file| {
        if let Ok(file) = file
            && file.is_dir()
        {
            items_of_holders.push(Item { key: key.clone(), look: Look::Holder(file.clone()) });
        }
    });
    push_files(part, place, &path, files, items);
    items.extend(items_of_holders);
}

fn push_files(
    part: Part,
    place: &Place,
    folder: &Path,
    files: impl Iterator<Item = Walked>,
    items: &mut Vec<Item>,
) {
    for file in files {
        let path = match file {
            Ok(path) => path,
            Err((path, cause)) => {
                let path = path.as_deref().and_then(|path| path.strip_prefix(folder).ok());
                let name = path.map_or_else(|| "?".into(), Path::to_string_lossy);
                let key = Key::place(part, Kind::Folder, &child(place, &name));
                items.push(Item { key, look: Look::Known(Value::Unreadable(cause)) });
                continue;
            }
        };
        let relative = path.strip_prefix(folder).ok().and_then(slashed);
        if path.is_dir() {
            continue;
        }
        match relative {
            // Manifests count by meaning here too: a comment in one is no change to anybody.
            Some(relative) if is_manifest(&path) => items.push(Item {
                key: Key::place(part, Kind::Toml, &child(place, &relative)),
                look: Look::Meaning(path, View::Whole),
            }),
            Some(relative) => items.push(Item {
                key: Key::place(part, Kind::File, &child(place, &relative)),
                look: Look::Content(path),
            }),
            None => items.push(Item {
                key: Key::place(part, Kind::File, &child(place, &path.to_string_lossy())),
                look: Look::Known(Value::Unreadable(NOT_UTF8.into())),
            }),
        }
    }
}

fn child(place: &Place, relative: &str) -> Place {
    let path = if place.path.is_empty() {
        relative.to_owned()
    } else {
        format!("{}/{relative}", place.path)
    };
    Place { root: place.root.clone(), path }
}

pub(super) fn glob(part: Part, root: &str, glob: &str, roots: &Roots, items: &mut Vec<Item>) {
    let folder = roots.get(root);
    let matcher = globset::GlobBuilder::new(glob)
        .literal_separator(true)
        .build()
        .map(|glob| glob.compile_matcher());
    let (Some(folder), Ok(matcher)) = (folder, matcher) else {
        let key = Key { part, kind: Kind::Folder, root: root.to_owned(), name: glob.to_owned() };
        let value = Value::Unreadable("not a glob, or its root is not known".into());
        items.push(Item { key, look: Look::Known(value) });
        return;
    };
    // Only the folders before the first wildcard have to be walked, and no deeper than it says.
    let fixed: PathBuf =
        glob.split('/').take_while(|part| !part.contains(['*', '?', '[', '{'])).collect();
    let start = if fixed == Path::new(glob) { folder.join(&fixed) } else { folder.join(fixed) };
    let depth = if glob.contains("**") {
        usize::MAX
    } else {
        (glob.split('/').count() + folder.components().count())
            .saturating_sub(start.components().count())
    };
    let walk = WalkDir::new(&start)
        .follow_links(true)
        .max_depth(depth)
        .into_iter()
        .filter_entry(|entry| entry.depth() == 0 || !is_junk(entry.path(), roots));
    for entry in walk {
        let (path, unreadable) = match entry {
            Ok(entry) if entry.file_type().is_dir() => continue,
            Ok(entry) => (entry.into_path(), None),
            Err(error) if error.io_error().is_some_and(is_absence) => continue,
            Err(error) => match error.path() {
                Some(path) => (path.to_owned(), Some(walk_cause(&error))),
                None => continue,
            },
        };
        let Ok(relative) = path.strip_prefix(folder) else { continue };
        // A folder that can't be entered may hold matches: it is named whether it matches or not.
        if unreadable.is_none() && !matcher.is_match(relative) {
            continue;
        }
        let (name, unreadable) = match slashed(relative) {
            Some(name) => (name, unreadable),
            None => (relative.to_string_lossy().into_owned(), Some(NOT_UTF8.to_owned())),
        };
        let key = Key { part, kind: Kind::File, root: root.to_owned(), name };
        let look = match unreadable {
            Some(cause) => Look::Known(Value::Unreadable(cause)),
            None => Look::Content(path),
        };
        items.push(Item { key, look });
    }
}

pub(super) const NOT_UTF8: &str = "its name is not UTF-8";

fn ignored_cause(error: &ignore::Error) -> (Option<PathBuf>, String) {
    let path = match error {
        ignore::Error::WithPath { path, .. } => Some(path.clone()),
        ignore::Error::Loop { child, .. } => Some(child.clone()),
        _ => None,
    };
    let cause = match error.io_error() {
        Some(error) => error.kind().to_string(),
        None => "a loop of links".to_owned(),
    };
    (path, cause)
}

/// The walker's own message holds absolute paths; records must not.
fn walk_cause(error: &walkdir::Error) -> String {
    match error.io_error() {
        Some(error) => error.kind().to_string(),
        None => "a loop of links".to_owned(),
    }
}

fn is_manifest(path: &Path) -> bool {
    path.file_name().is_some_and(|name| {
        ["Cargo.toml", "Cargo.lock", "pyproject.toml"].iter().any(|manifest| name == *manifest)
    })
}

/// Folders that hold products, not sources: they say so themselves.
fn is_junk(path: &Path, roots: &Roots) -> bool {
    let named = path.file_name().is_some_and(|name| name == ".git" || name == "__pycache__");
    named
        || roots.is_products(path)
        || (path.is_dir()
            && (path.join("CACHEDIR.TAG").is_file() || path.join("pyvenv.cfg").is_file()))
}
