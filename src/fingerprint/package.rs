//! The files of a cargo package, as cargo lists them (cargo `sources/path.rs`). They are inputs if
//! the build script names nothing to watch.

use std::path::{Path, PathBuf};

use ignore::gitignore::{Gitignore, GitignoreBuilder};
use ignore::{DirEntry, WalkBuilder};
use toml::{Table, Value};

use super::item::{Item, Spot};
use super::{by_rules, walk};
use crate::git;
use crate::inputs::{is_built, read_toml, workspace_of};
use crate::request::Environment;

/// `include` and `exclude` of a Cargo.toml. If they are not understood, more files count than cargo
/// lists, never fewer.
pub(super) struct Rules {
    /// Whether `include` replaces git's rules.
    pub has_include: bool,
    include: Option<Gitignore>,
    exclude: Option<Gitignore>,
}

impl Rules {
    pub(super) fn read(folder: &Path) -> Self {
        let manifest = manifest(folder);
        let package = manifest.get("package");
        let field = |name: &str| match package?.get(name)? {
            Value::Array(globs) => Some(Some(globs.clone())),
            Value::Table(_) => Some(inherited(folder, package?, name)),
            _ => Some(None),
        };
        let (include, exclude) = (field("include"), field("exclude"));
        let has_include = include.as_ref().is_some_and(|globs| {
            // `None`: the workspace's list was not found. The list may be
            // empty. It is treated as not empty.
            globs.as_ref().is_none_or(|globs| !globs.is_empty())
        });
        let matcher = |globs: Option<Option<Vec<Value>>>| matcher(folder, &globs??);
        Self {
            has_include,
            include: if has_include { matcher(include) } else { None },
            // If there is an `include`, cargo ignores `exclude`.
            exclude: if has_include { None } else { matcher(exclude) },
        }
    }

    /// Whether this file belongs to the package. `file` is relative to the package's folder.
    fn counts(&self, file: &Path) -> bool {
        if file == Path::new("Cargo.toml") || file == Path::new("Cargo.lock") {
            return true;
        }
        let is_matched =
            |rules: &Gitignore| rules.matched_path_or_any_parents(file, false).is_ignore();
        self.include.as_ref().is_none_or(is_matched)
            && !self.exclude.as_ref().is_some_and(is_matched)
    }
}

fn manifest(folder: &Path) -> Table {
    // An unreadable manifest is an input of its own, which reports the problem.
    read_toml(&folder.join("Cargo.toml")).unwrap_or_default()
}

/// The list that a package inherits from its workspace.
fn inherited(folder: &Path, package: &Value, name: &str) -> Option<Vec<Value>> {
    let (_, workspace) = workspace_of(folder, package)?;
    let globs = workspace.get("workspace")?.get("package")?.get(name)?;
    globs.as_array().cloned()
}

fn matcher(folder: &Path, globs: &[Value]) -> Option<Gitignore> {
    let mut builder = GitignoreBuilder::new(folder);
    for glob in globs {
        builder.add_line(None, glob.as_str()?).ok()?;
    }
    builder.build().ok()
}

pub(super) struct Looked<'a> {
    pub environment: &'a Environment,
    /// Whether wheelprint unpacked the package from an sdist.
    pub is_unpacked: bool,
    /// Whether files that `include` or `exclude` leaves out count too. If the compiled files are
    /// not known, such files may have been compiled.
    pub all: bool,
}

/// Adds every file of a package: by git's rules where cargo uses them, else all files. Files that
/// `include` or `exclude` leaves out are removed.
pub(super) fn files(spot: &Spot<'_>, looked: &Looked<'_>, items: &mut Vec<Item>) {
    let Looked { environment, is_unpacked, all } = *looked;
    let folder = spot.path;
    let mut rules = Rules::read(folder);
    if all {
        (rules.include, rules.exclude) = (None, None);
    }
    let tracked = if rules.has_include { None } else { git::tracked(folder, environment) };
    // Outside of git, cargo ignores names that begin with a dot (cargo issue 7183). An sdist that
    // was packed by git's rules contains such files on purpose.
    let dots = rules.has_include
        || folder.ancestors().any(|folder| folder.join(".git").exists())
        || is_unpacked;
    let mut walk = WalkBuilder::new(folder);
    walk.hidden(false).ignore(false).follow_links(true);
    let by_git = tracked.is_some();
    walk.git_ignore(by_git).git_exclude(by_git).git_global(by_git);
    let roots = spot.roots.clone();
    // A nested package does not belong to this package. Neither does `target`, even if cargo does
    // not build there.
    let is_source = move |entry: &DirEntry| {
        let path = entry.path();
        let is_target = || entry.depth() == 1 && entry.file_name() == "target";
        let is_passed_over = !dots && entry.file_name().as_encoded_bytes().starts_with(b".");
        let is_file = entry.file_type().is_some_and(|file_type| file_type.is_file());
        let is_package = || path.join("Cargo.toml").is_file();
        !walk::is_junk_of(path, entry.file_type(), &roots)
            && (entry.depth() == 0
                || !(is_passed_over || !is_file && (is_target() || is_package())))
    };
    let walked = by_rules::paths(folder, walk, is_source).into_iter();
    let walked = walked.filter(|path| !path.as_ref().is_ok_and(|path| is_built(path)));
    // Add files that git tracks although an ignore rule matches them.
    let tracked = outside_of_packages(folder, tracked.unwrap_or_default());
    let mut files: Vec<_> = walked.chain(tracked.into_iter().map(Ok)).collect();
    files.retain(|file| match file {
        Ok(path) => !path.strip_prefix(folder).is_ok_and(|inside| !rules.counts(inside)),
        Err(_) => true,
    });
    walk::push_files(spot, files, true, items);
}

/// Removes the files of nested packages, because git lists them together with this package's files.
fn outside_of_packages(folder: &Path, tracked: Vec<PathBuf>) -> Vec<PathBuf> {
    let manifests = tracked.iter().filter(|path| path.ends_with("Cargo.toml") && path.is_file());
    let packages: Vec<PathBuf> = manifests
        .filter_map(|manifest| manifest.parent())
        .filter(|package| *package != folder)
        .map(Path::to_owned)
        .collect();
    let is_outside = |path: &PathBuf| !packages.iter().any(|package| path.starts_with(package));
    tracked.into_iter().filter(is_outside).collect()
}

#[cfg(test)]
mod tests {
    use fs_err as fs;

    use super::*;
    use crate::inputs::{Part, Place, Root, Roots};

    fn package(text: &str) -> (tempfile::TempDir, PathBuf) {
        let folder = tempfile::tempdir().unwrap();
        let inner = folder.path().join("inner");
        fs::create_dir(&inner).unwrap();
        fs::write(inner.join("Cargo.toml"), format!("[package]\n{text}")).unwrap();
        let workspace = "[workspace.package]\ninclude = [\"/src\"]\nexclude = []\n";
        fs::write(folder.path().join("Cargo.toml"), workspace).unwrap();
        (folder, inner)
    }

    /// The files of the package in this folder, relative to it.
    fn names(folder: &Path, all: bool) -> Vec<String> {
        let mut roots = Roots::default();
        roots.add(Root::Project, folder);
        let place = Place { root: Root::Project, path: String::new() };
        let environment = Environment::default();
        let looked = Looked { environment: &environment, is_unpacked: false, all };
        let mut items = Vec::new();
        let spot = Spot { part: Part::Rust, place: &place, path: folder, roots: &roots };
        files(&spot, &looked, &mut items);
        let mut names: Vec<String> = items.into_iter().map(|item| item.key.name).collect();
        names.sort();
        names
    }

    /// The examples of cargo's documentation for these fields, and inherited fields.
    #[test]
    fn include_and_exclude_are_read_as_cargo_reads_them() {
        for (text, has_include, counts, does_not) in [
            ("", false, &["a.txt", "data/b.txt"][..], &[][..]),
            ("include = []", false, &["a.txt"], &[]),
            ("include = [\"src\"]", true, &["src/lib.rs", "x/src/y"], &["uv.lock", "data/b"]),
            ("include = [\"/src\", \"*.md\"]", true, &["src/lib.rs", "a/b.md"], &["x/src/y"]),
            ("include = [\"/data/**\", \"!b.txt\"]", true, &["data/a"], &["data/b.txt"]),
            ("include = [\"/src\"]", true, &["Cargo.toml", "Cargo.lock"], &["a/Cargo.toml"]),
            ("include.workspace = true", true, &["src/lib.rs"], &["uv.lock"]),
            ("exclude = [\"/ci\", \"*.log\"]", false, &["x/ci/a", "src/a"], &["ci/a", "x/b.log"]),
            ("exclude = [\"data/\"]", false, &["data"], &["data/a", "x/data/b"]),
            ("exclude.workspace = true", false, &["ci/a"], &[]),
            ("include = [\"/src\"]\nexclude = [\"src\"]", true, &["src/lib.rs"], &["x"]),
        ] {
            let (_folder, inner) = package(text);
            let rules = Rules::read(&inner);
            assert_eq!(rules.has_include, has_include, "{text}");
            for file in counts {
                assert!(rules.counts(Path::new(file)), "{text}: {file} counts");
            }
            for file in does_not {
                assert!(!rules.counts(Path::new(file)), "{text}: {file} does not count");
            }
        }
    }

    #[test]
    fn what_is_not_understood_leaves_nothing_out() {
        for text in ["include = [1]", "include = 3", "exclude = [\"*\", 1]", "[[["] {
            let (_folder, inner) = package(text);
            assert!(Rules::read(&inner).counts(Path::new("any.txt")), "{text}");
        }
    }

    #[test]
    fn where_nothing_is_known_all_files_are_looked_at() {
        let (_folder, inner) = package("include = [\"/src\"]");
        fs::create_dir(inner.join("src")).unwrap();
        fs::write(inner.join("src/lib.rs"), "").unwrap();
        fs::write(inner.join("text.txt"), "").unwrap();
        assert_eq!(names(&inner, false), ["Cargo.toml", "src/lib.rs"]);
        assert_eq!(names(&inner, true), ["Cargo.toml", "src/lib.rs", "text.txt"]);
    }

    #[test]
    fn the_folder_that_cargo_calls_target_is_left_out() {
        let (_folder, inner) = package("");
        for name in ["target/.rustc_info.json", "target/a.txt", "src/target/b.txt"] {
            fs::create_dir_all(inner.join(name).parent().unwrap()).unwrap();
            fs::write(inner.join(name), "").unwrap();
        }
        // In a git repository, because elsewhere cargo ignores names that begin with a dot.
        fs::create_dir(inner.join(".git")).unwrap();
        assert_eq!(names(&inner, false), ["Cargo.toml", "src/target/b.txt"]);
    }

    #[test]
    fn tracked_files_of_packages_below_are_left_out() {
        let folder = tempfile::tempdir().unwrap();
        let paths: Vec<PathBuf> = ["Cargo.toml", "a.rs", "in/Cargo.toml", "in/b.rs", "gone/c.rs"]
            .map(|name| folder.path().join(name))
            .into();
        fs::create_dir(folder.path().join("in")).unwrap();
        fs::write(&paths[0], "").unwrap();
        fs::write(&paths[2], "").unwrap();
        let mut tracked = paths.clone();
        tracked.push(folder.path().join("gone/Cargo.toml"));
        let left = outside_of_packages(folder.path(), tracked.clone());
        let expected = [&tracked[0], &tracked[1], &tracked[4], &tracked[5]].map(Clone::clone);
        assert_eq!(left, expected);
    }
}
