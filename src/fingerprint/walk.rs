//! The files that a folder, a package or a glob stands for.

use std::fs::FileType;
use std::path::{Path, PathBuf};

use globset::{GlobBuilder, GlobMatcher};
use ignore::{DirEntry, WalkBuilder};
use walkdir::WalkDir;

use super::item::{self, Item, Probe, Spot, Walked, failed, is_absence};
use super::{Value, by_rules};
use crate::digest;
use crate::inputs::{Key, Kind, MARKS, Part, Place, Root, Roots, View, slashed};
use crate::settings::LONGEST_GLOB;
use crate::stat_cache::Stat;

pub(super) const NOT_UTF8: &str = "its name is not UTF-8";
const PYTHONS_CACHE: &str = "__pycache__";

/// Adds the inputs at a path. A file is one input. For a folder, everything below it counts,
/// including empty folders. Links are followed. Cargo's `mtime_recursive` does the same.
pub(super) fn path(spot: &Spot<'_>, items: &mut Vec<Item>) {
    let Ok(meta) = fs_err::metadata(spot.path) else {
        // A dangling link counts like a missing file, because this very path was asked for.
        let probe = Probe::Content(spot.path.to_owned(), None);
        items.push(Item { key: spot.key(Kind::File), probe });
        return;
    };
    if !meta.is_dir() {
        items.push(file(spot, "", spot.path.to_owned(), Ok(meta)));
        return;
    }
    let walk = WalkDir::new(spot.path)
        .follow_links(true)
        .into_iter()
        .filter_entry(|entry| entry.depth() == 0 || !is_made(entry.path(), spot.roots));
    let mut folders = Vec::new();
    let files = walk.map(|entry| match entry {
        Ok(entry) => {
            if entry.file_type().is_dir() {
                folders.push(entry.path().to_owned());
            }
            Ok(entry.into_path())
        }
        Err(error) => walked(&error),
    });
    push_files(spot, files.collect(), false, items);
    for folder in folders {
        if let Some(inside) = folder.strip_prefix(spot.path).ok().and_then(slashed) {
            let key = spot.key_of(Kind::Folder, &inside);
            items.push(Item::known(key, Value::Text("folder".into())));
        }
        items.push(Item { key: spot.key(Kind::Folder), probe: Probe::DirMtime(folder) });
    }
}

/// All files below a folder but those in folders of products; of links to folders the links.
pub(super) fn files_and_links<'a>(
    folder: &Path,
    roots: &'a Roots,
) -> impl Iterator<Item = PathBuf> + use<'a> {
    WalkDir::new(folder)
        .into_iter()
        .filter_entry(|entry| entry.depth() == 0 || !is_passed_over(entry.path(), roots))
        .flatten()
        .filter(|entry| !entry.file_type().is_dir())
        .map(walkdir::DirEntry::into_path)
}

/// The files of a Python package, by the walk of maturin's `write_python_part`.
pub(super) fn python(spot: &Spot<'_>, items: &mut Vec<Item>) {
    let roots = spot.roots.clone();
    let mut walk = WalkBuilder::new(spot.path);
    walk.hidden(false).parents(false).git_global(false).git_exclude(false);
    // maturin packs folders with the mark of a cache or an environment like others.
    let is_source = move |entry: &DirEntry| {
        let path = entry.path();
        let is_file = entry.file_type().is_some_and(|file_type| file_type.is_file());
        !is_junk_by_name(path) && (is_file || !roots.is_products(path))
    };
    push_files(spot, by_rules::paths(spot.path, walk, is_source), false, items);
}

/// Files that match one of the globs, which all begin in one folder: that is walked once.
pub(super) fn globs(part: Part, root: &Root, globs: &[&str], roots: &Roots, items: &mut Vec<Item>) {
    let mut matchers = Vec::new();
    for glob in globs {
        match (roots.get(root), matcher(glob)) {
            (Some(folder), Some(matcher)) => matchers.push((start_of_glob(glob, folder), matcher)),
            _ => {
                let place = Place { root: root.clone(), path: (*glob).into() };
                let key = Key::place(part, Kind::Folder, place);
                let cause = "not a glob, or its root is not known";
                items.push(Item::known(key, Value::Unreadable(cause.into())));
            }
        }
    }
    let (Some(folder), Some(((start, _), _))) = (roots.get(root), matchers.first()) else { return };
    let depth = matchers.iter().map(|((_, depth), _)| *depth).max().unwrap_or(usize::MAX);
    let matches = |path: &Path| {
        let relative = path.strip_prefix(folder);
        relative.is_ok_and(|path| matchers.iter().any(|(_, matcher)| matcher.is_match(path)))
    };
    let walk =
        WalkDir::new(start).follow_links(true).max_depth(depth).into_iter().filter_entry(|entry| {
            entry.depth() == 0 || !is_junk_of(entry.path(), Some(entry.file_type()), roots)
        });
    let files = walk.filter_map(|entry| match entry {
        Ok(entry) if entry.file_type().is_dir() => None,
        Ok(entry) => Some(Ok(entry.into_path())),
        Err(error) if error.depth() == 0 && error.io_error().is_some_and(is_absence) => None,
        // A folder that can't be entered may hold matches: it is named whether it matches or not.
        Err(error) => Some(walked(&error)),
    });
    let matching = |found: Walked| match &found {
        Ok(path) => matches(path).then_some(found),
        Err(_) => Some(found),
    };
    let files = item::each(files.collect(), matching);
    let place = Place { root: root.clone(), path: String::new() };
    let spot = Spot { part, place: &place, path: folder, roots };
    push_files(&spot, files, false, items);
}

/// Do these globs, which have the same root, begin in the same folder?
pub(super) fn begin_alike(one: &str, other: &str) -> bool {
    // Compared as text, because globs match text. `Path` treats `a/./b` and `a/b` as equal.
    let start = |glob: &str| start_of_glob(glob, Path::new("")).0.into_os_string();
    start(one) == start(other)
}

/// Only the folders before the first wildcard have to be walked, and no deeper than it says.
pub(super) fn start_of_glob(glob: &str, folder: &Path) -> (PathBuf, usize) {
    let fixed: PathBuf =
        glob.split('/').take_while(|part| !part.contains(['*', '?', '[', '{'])).collect();
    let start = folder.join(fixed);
    let depth = if glob.contains("**") {
        usize::MAX
    } else {
        (glob.split('/').count() + folder.components().count())
            .saturating_sub(start.components().count())
    };
    (start, depth)
}

/// A folder and all folders below it in which files up to that depth may lie.
pub(super) fn folders(
    folder: &Path,
    depth: usize,
    is_left_out: &dyn Fn(&Path) -> bool,
) -> Vec<PathBuf> {
    WalkDir::new(folder)
        .follow_links(true)
        .max_depth(depth.saturating_sub(1))
        .into_iter()
        .filter_entry(|entry| entry.depth() == 0 || !is_left_out(entry.path()))
        .flatten()
        .filter(|entry| entry.file_type().is_dir())
        .map(walkdir::DirEntry::into_path)
        .collect()
}

/// The names that match, not what they hold.
pub(super) fn names(root: &Root, glob: &str, roots: &Roots) -> Value {
    let mut items = Vec::new();
    globs(Part::Manifest, root, &[glob], roots, &mut items);
    // The glob is invalid, so the names are unknown. An unknown list must differ from an empty list.
    if let [Item { key, probe: Probe::Known(unknown @ Value::Unreadable(_)) }] = &items[..]
        && key.name == glob
    {
        return unknown.clone();
    }
    let mut names: Vec<String> = items.into_iter().map(|item| item.key.name).collect();
    names.sort();
    Value::Sha256(digest::bytes(names.join("\n").as_bytes()))
}

/// Would the glob name this path, if it were there?
pub(super) fn is_matched(glob: &str, folder: &Path, path: &Path) -> bool {
    matcher(glob)
        .is_some_and(|matcher| path.strip_prefix(folder).is_ok_and(|path| matcher.is_match(path)))
}

fn matcher(glob: &str) -> Option<GlobMatcher> {
    // The glob may come from an untrusted record, so its length is limited. The limit is twice that
    // of the settings, because a glob of the settings may get `/**` at its end.
    if glob.len() > 2 * LONGEST_GLOB {
        return None;
    }
    let glob = GlobBuilder::new(glob).literal_separator(true).build().ok()?;
    Some(glob.compile_matcher())
}

fn walked(error: &walkdir::Error) -> Walked {
    failed(error.path().map(Path::to_owned), error.io_error())
}

/// Adds files as inputs. With `by_meaning`, the package's own manifests count by their meaning, so
/// that a changed comment is no change.
pub(super) fn push_files(
    spot: &Spot<'_>,
    files: Vec<Walked>,
    by_meaning: bool,
    items: &mut Vec<Item>,
) {
    items.extend(item::each(files, |found| {
        let path = match found {
            Ok(path) => path,
            Err((path, cause)) => {
                let path = path.as_deref().and_then(|path| path.strip_prefix(spot.path).ok());
                let name = path.map_or_else(|| "?".into(), Path::to_string_lossy);
                let key = spot.key_of(Kind::Folder, &name);
                return Some(Item::known(key, Value::Unreadable(cause)));
            }
        };
        let meta = fs_err::metadata(&path);
        if meta.as_ref().is_ok_and(std::fs::Metadata::is_dir) {
            return None;
        }
        Some(match path.strip_prefix(spot.path).ok().and_then(slashed) {
            Some(inside) => match view_of(&inside).filter(|_| by_meaning) {
                Some(view) => Item {
                    key: spot.key_of(Kind::Toml, &inside),
                    probe: Probe::Meaning(path, view),
                },
                None => file(spot, &inside, path, meta),
            },
            None => {
                let key = spot.key_of(Kind::File, &path.to_string_lossy());
                Item::known(key, Value::Unreadable(NOT_UTF8.into()))
            }
        })
    }));
}

/// A file counts by its content. A pipe or a device counts by its presence only, because reading it
/// may never end.
fn file(
    spot: &Spot<'_>,
    inside: &str,
    path: PathBuf,
    meta: std::io::Result<std::fs::Metadata>,
) -> Item {
    let special = match &meta {
        Ok(meta) if !meta.is_file() => Some(Value::Text("neither file nor folder".into())),
        // A digest: links may name places of this machine.
        Err(error) if is_absence(error) => fs_err::read_link(&path)
            .ok()
            .map(|target| Value::Sha256(digest::bytes(target.as_os_str().as_encoded_bytes()))),
        _ => None,
    };
    if let Some(value) = special {
        return Item::known(spot.key_of(Kind::Special, inside), value);
    }
    let stat = meta.ok().as_ref().and_then(Stat::of);
    let probe = Probe::Content(path, stat);
    Item { key: spot.key_of(Kind::File, inside), probe }
}

/// The view of a package's own manifest.
fn view_of(name: &str) -> Option<View> {
    match name {
        "pyproject.toml" => Some(View::Pyproject),
        "Cargo.toml" | "Cargo.lock" => Some(View::Whole),
        _ => None,
    }
}

/// What the build itself makes, Python's caches among it.
pub(super) fn is_made(path: &Path, roots: &Roots) -> bool {
    path.file_name().is_some_and(|name| name == PYTHONS_CACHE) || roots.is_products(path)
}

/// Whether this is a folder of products, not of sources: git's, Python's cache, one of the build's, or
/// one with a file that marks a cache or an environment.
pub(super) fn is_junk(path: &Path, roots: &Roots) -> bool {
    is_junk_of(path, None, roots)
}

fn is_junk_by_name(path: &Path) -> bool {
    path.file_name().is_some_and(|name| name == ".git" || name == PYTHONS_CACHE)
}

/// Like `is_junk`, for a caller that knows the file type. This saves a system call.
pub(super) fn is_junk_of(path: &Path, file_type: Option<FileType>, roots: &Roots) -> bool {
    let is_file = file_type.is_some_and(|file_type| file_type.is_file());
    is_junk_by_name(path)
        || (!is_file
            && (roots.is_products(path)
                || path.is_dir() && MARKS.iter().any(|mark| path.join(mark).is_file())))
}

/// Whether a snapshot of the tree leaves out this path. Looking at such folders before each build
/// would take too long, although a build script might watch them.
pub(super) fn is_passed_over(path: &Path, roots: &Roots) -> bool {
    is_junk(path, roots) || path.file_name().is_some_and(|name| name == "node_modules")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn globs_that_begin_alike_give_what_each_gives() {
        let folder = tempfile::tempdir().unwrap();
        let mut roots = Roots::default();
        roots.add(Root::Project, folder.path());
        roots.add(Root::Products("now".into()), folder.path().join("a/target"));
        for file in ["a/1.txt", "a/b/2.txt", "a/b.txt/c/3", "a/4.md", "a/target/5.txt", "d/6.txt"] {
            let path = folder.path().join(file);
            fs_err::create_dir_all(path.parent().unwrap()).unwrap();
            fs_err::write(path, file).unwrap();
        }
        let names = |globs: &[&str]| {
            let mut items = Vec::new();
            super::globs(Part::Rust, &Root::Project, globs, &roots, &mut items);
            items.into_iter().map(|item| item.key.name).collect::<std::collections::BTreeSet<_>>()
        };
        for [one, other] in [["a/*.txt", "a/*.txt/**"], ["a/**/*.txt", "a/*"], ["a/{", "a/*"]] {
            let apart: std::collections::BTreeSet<_> =
                names(&[one]).union(&names(&[other])).cloned().collect();
            assert_eq!(names(&[one, other]), apart, "{one} {other}");
        }
        let expected = ["a/1.txt", "a/b.txt/c/3"].map(str::to_owned);
        assert_eq!(names(&["a/*.txt", "a/*.txt/**"]), expected.into());
        assert!(begin_alike("a/*.txt", "a/*.txt/**") && !begin_alike("a/*.txt", "d/*.txt"));
        assert!(!begin_alike("a/./b/*.txt", "a/b/*.txt"));
    }

    #[test]
    fn a_marked_folder_of_a_python_package_counts() {
        let folder = tempfile::tempdir().unwrap();
        for file in ["in/pyvenv.cfg", "in/a.py", "c/CACHEDIR.TAG", "__pycache__/b.pyc", "d.py"] {
            let path = folder.path().join(file);
            fs_err::create_dir_all(path.parent().unwrap()).unwrap();
            fs_err::write(path, "").unwrap();
        }
        let mut roots = Roots::default();
        roots.add(Root::Project, folder.path());
        let place = Place { root: Root::Project, path: String::new() };
        let spot = Spot { part: Part::Python, place: &place, path: folder.path(), roots: &roots };
        let mut items = Vec::new();
        python(&spot, &mut items);
        let mut names: Vec<String> = items.into_iter().map(|item| item.key.name).collect();
        names.sort();
        assert_eq!(names, ["c/CACHEDIR.TAG", "d.py", "in/a.py", "in/pyvenv.cfg"]);
    }

    /// Junctions are links, too.
    #[test]
    fn links_to_folders_are_followed_where_a_folder_is_watched() {
        let folder = tempfile::tempdir().unwrap();
        let (watched, other) = (folder.path().join("watched"), folder.path().join("other"));
        fs_err::create_dir(&watched).unwrap();
        fs_err::create_dir(&other).unwrap();
        fs_err::write(other.join("a.txt"), "").unwrap();
        if !crate::publish::link_to_folder(&other, &watched.join("link")) {
            return;
        }
        let mut roots = Roots::default();
        roots.add(Root::Project, folder.path());
        let place = Place { root: Root::Project, path: "watched".into() };
        let spot = Spot { part: Part::Rust, place: &place, path: &watched, roots: &roots };
        let mut items = Vec::new();
        path(&spot, &mut items);
        let keys = items.iter().filter(|item| !matches!(item.probe, Probe::DirMtime(_)));
        let mut keys: Vec<_> = keys.map(|item| (item.key.kind, item.key.name.as_str())).collect();
        keys.sort_unstable();
        let expected = [
            (Kind::File, "watched/link/a.txt"),
            (Kind::Folder, "watched"),
            (Kind::Folder, "watched/link"),
        ];
        assert_eq!(keys, expected);
        let links: Vec<PathBuf> = files_and_links(&watched, &roots).collect();
        assert_eq!(links, [watched.join("link")]);
        let mut items = Vec::new();
        globs(Part::Rust, &Root::Project, &["watched/**/*.txt"], &roots, &mut items);
        let names: Vec<String> = items.into_iter().map(|item| item.key.name).collect();
        assert_eq!(names, ["watched/link/a.txt"]);
        // One that leads back up is no way without an end.
        assert!(crate::publish::link_to_folder(&watched, &other.join("back")));
        let mut items = Vec::new();
        path(&spot, &mut items);
        let is_loop = |item: &Item| matches!(&item.probe, Probe::Known(Value::Unreadable(_)));
        assert_eq!(items.iter().filter(|item| is_loop(item)).count(), 1);
    }

    #[test]
    fn names_by_what_is_no_glob_are_not_known() {
        let folder = tempfile::tempdir().unwrap();
        let mut roots = Roots::default();
        roots.add(Root::Project, folder.path());
        let known = |glob: &str| matches!(names(&Root::Project, glob, &roots), Value::Sha256(_));
        assert!(known("crates/*/Cargo.toml"));
        assert!(!known("crates/{a/Cargo.toml"));
        assert!(!known(&"a".repeat(3 * LONGEST_GLOB)));
    }
}
