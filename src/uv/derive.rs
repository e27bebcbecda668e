//! From inputs to cache keys. The exhaustive list lets uv see every input that it can see. The short
//! list has existing files only, folded into few globs: the import check sees the rest.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use walkdir::WalkDir;

use super::CacheKey;
use super::key_matches::{KeyMatches, is_wild, matches, split};
use crate::inputs::{MARKS, normalize, relative};
use crate::settings::KeyList;

/// Well-known variables that users set for a project. Other variables are named by the crates and
/// build scripts that read them.
pub(crate) const USUAL_VARIABLES: [&str; 8] = [
    "CARGO_BUILD_TARGET",
    "CARGO_ENCODED_RUSTFLAGS",
    "CARGO_TARGET_DIR",
    "MATURIN_PEP517_ARGS",
    "RUSTC",
    "RUSTC_WRAPPER",
    "RUSTFLAGS",
    "RUSTUP_TOOLCHAIN",
];

/// The inputs that uv could watch: absolute paths, and names of variables.
#[derive(Debug, Clone, Default)]
pub struct Wanted {
    pub list: KeyList,
    /// The folder of pyproject.toml.
    pub root: PathBuf,
    /// The folders of this checkout. Paths outside of them get no key in pyproject.toml.
    pub within: BTreeSet<PathBuf>,
    pub files: BTreeSet<PathBuf>,
    /// Files that do not exist, but would be inputs if they did.
    pub absent: BTreeSet<PathBuf>,
    /// Folders in which all files count.
    pub folders: BTreeSet<PathBuf>,
    /// Folders in which all files count, except files that git ignores and files that other tools
    /// make there.
    pub packages: BTreeSet<PathBuf>,
    /// Globs whose matching files count: a folder, and a glob relative to it.
    pub globs: BTreeSet<(PathBuf, String)>,
    /// Folders whose existence counts.
    pub places: BTreeSet<PathBuf>,
    pub variables: BTreeSet<String>,
    /// Files and folders that builds write.
    pub made: BTreeSet<PathBuf>,
}

impl Wanted {
    /// The path as it is written in a key; `None` for a path outside of the checkout.
    pub fn name(&self, path: &Path) -> Option<String> {
        let is_within = self.within.iter().any(|folder| path.starts_with(folder));
        if is_within { relative(&self.root, path) } else { None }
    }

    fn is_short(&self) -> bool {
        self.list == KeyList::Short
    }

    /// Whether this missing file gets a key. The first build makes Cargo.lock, so it is no new file
    /// that an import has to find.
    pub(crate) fn names_absent(&self, path: &Path) -> bool {
        !self.is_short() || path.file_name() == Some("Cargo.lock".as_ref())
    }

    fn is_made(&self, path: &Path) -> bool {
        self.made.iter().any(|made| path.starts_with(made))
    }
}

/// The keys that are needed in addition to the known ones.
pub(crate) fn missing(wanted: &Wanted, known: &[CacheKey]) -> Vec<CacheKey> {
    let seen = KeyMatches::new(&wanted.root, known);
    let junk = junk_in_folders(wanted);
    let may_have_key = |path: &&PathBuf| {
        !wanted.is_made(path)
            && wanted.name(path).is_some()
            && !path.ancestors().any(|folder| junk.contains(folder))
    };
    let is_new = |path: &&PathBuf| may_have_key(path) && seen.key_of(path).is_none();
    let rest = wanted.files.iter().filter(is_new).cloned().collect();
    let mut keys = Keys { wanted, known, rest, globs: BTreeSet::new(), files: BTreeSet::new() };

    if wanted.is_short() {
        keys.add_packages();
    }
    let inside = wanted.packages.iter().flat_map(|package| subfolders(package));
    for folder in inside.chain(wanted.folders.iter().cloned()) {
        keys.add_folder(&folder);
    }
    for (folder, glob) in &wanted.globs {
        keys.add_users_glob(folder, glob);
    }
    keys.add_by_kind();
    let absent = wanted.absent.iter().filter(|path| wanted.names_absent(path)).filter(is_new);
    let left = keys.rest.iter().chain(absent).filter_map(|path| wanted.name(path));
    keys.files.extend(left);
    keys.drop_globs_behind_links();
    // A glob may match less beside other globs than alone, so inputs that are still uncovered get
    // their own keys.
    let all = [known, &keys.to_keys()].concat();
    let seen_now = KeyMatches::new(&wanted.root, &all);
    let unseen = wanted.files.iter().filter(|path| seen_now.key_of(path).is_none());
    keys.files.extend(unseen.filter(may_have_key).filter_map(|path| wanted.name(path)));

    let mut found = keys.to_keys();
    if wanted.is_short() {
        return found;
    }
    // uv sees the removal of a folder only through a key for that folder.
    for place in wanted.places.iter().chain(&wanted.folders).collect::<BTreeSet<_>>() {
        // uv cannot check a path below a file, such as `.git/HEAD` in a git worktree.
        let is_below_a_file = place.ancestors().skip(1).any(Path::is_file);
        if seen.key_of_folder(&wanted.root, place).is_none()
            && !is_below_a_file
            && !wanted.is_made(place)
            && let Some(dir) = wanted.name(place)
        {
            found.push(CacheKey::Directory { dir });
        }
    }
    let usual = USUAL_VARIABLES.map(str::to_owned);
    let variables: BTreeSet<String> = wanted.variables.iter().cloned().chain(usual).collect();
    let variables = variables.into_iter().filter(|name| seen.key_of_variable(name).is_none());
    found.extend(variables.map(|env| CacheKey::Environment { env }));
    found
}

struct Keys<'a> {
    wanted: &'a Wanted,
    known: &'a [CacheKey],
    /// The files that no glob covers yet.
    rest: BTreeSet<PathBuf>,
    globs: BTreeSet<String>,
    files: BTreeSet<String>,
}

impl Keys<'_> {
    fn to_keys(&self) -> Vec<CacheKey> {
        let all = self.files.iter().map(|file| escape(file)).chain(self.globs.iter().cloned());
        let mut all: Vec<String> = all.collect();
        // Put pyproject.toml first, then the project's own files, then files outside of it.
        all.sort_by_key(|file| (file != "pyproject.toml", file.starts_with(".."), file.clone()));
        all.into_iter().map(|file| CacheKey::File { file }).collect()
    }

    /// Drops globs whose folder is behind a symlink. uv walks a glob from the outermost folder of
    /// all globs, and follows no symlinks on the way.
    fn drop_globs_behind_links(&mut self) {
        let base = |glob: &str| normalize(&self.wanted.root.join(split(glob).0));
        let known = self.known.iter().filter_map(CacheKey::file).filter(|file| is_wild(file));
        let globs = known.chain(self.globs.iter().map(String::as_str));
        let bases: BTreeSet<PathBuf> = globs.map(base).collect();
        self.globs.retain(|glob| {
            let base = base(glob);
            let outer = base.ancestors().filter(|folder| bases.contains(*folder)).last();
            let between = base.ancestors().take_while(|folder| Some(*folder) != outer);
            !between.into_iter().any(Path::is_symlink)
        });
    }

    fn is_known(&self, folder: &Path, pattern: &str) -> bool {
        let key = self.wanted.name(folder).map(|name| format!("{name}/{pattern}"));
        key.is_some_and(|key| self.known.iter().any(|known| known.file() == Some(&key)))
    }

    /// Adds a glob as one key, unless uv would then walk the outputs of builds. `is_fit` gets the
    /// files that match, and those that no glob covers yet.
    fn add_glob(
        &mut self,
        folder: &Path,
        pattern: &str,
        is_fit: impl FnOnce(&BTreeSet<PathBuf>, &BTreeSet<PathBuf>) -> bool,
    ) {
        let is_named = self.name_of_walked(folder).is_some();
        if is_named && is_clean(self.wanted, folder) && !has_packages(folder) {
            self.add_clean_glob(folder, pattern, is_fit);
        }
    }

    /// The folder as it is written in a glob. `None` if uv would walk the project's own folder, a
    /// folder above it or (if the name looks like a pattern) the parent folder.
    fn name_of_walked(&self, folder: &Path) -> Option<String> {
        let name = self.wanted.name(folder)?;
        (name != "." && !is_wild(&name) && !name.ends_with("..")).then_some(name)
    }

    /// The same for a folder that is known to have no outputs of builds. It may have packages.
    fn add_clean_glob(
        &mut self,
        folder: &Path,
        pattern: &str,
        is_fit: impl FnOnce(&BTreeSet<PathBuf>, &BTreeSet<PathBuf>) -> bool,
    ) {
        let Some(name) = self.name_of_walked(folder) else { return };
        let all = matches(folder, &[pattern]);
        if !all.iter().any(|path| self.wanted.is_made(path)) && is_fit(&all, &self.rest) {
            self.globs.insert(format!("{name}/{pattern}"));
            self.rest.retain(|path| !all.contains(path));
        }
    }

    /// Adds one glob for all files of a folder. Files that are added later count too, so even an
    /// empty folder gets a key.
    fn add_folder(&mut self, folder: &Path) {
        if self.is_known(folder, "**") || !folder.is_dir() {
            return;
        }
        let wanted = self.wanted;
        let is_covered = !self.rest.iter().any(|path| path.starts_with(folder));
        if wanted.is_short() && is_covered {
            return;
        }
        self.add_glob(folder, "**", |all, _| {
            // Python writes its caches beside its sources.
            let is_python = |path: &PathBuf| path.extension() == Some("py".as_ref());
            (wanted.folders.contains(folder) || all.is_subset(&wanted.files))
                && !all.iter().any(is_python)
        });
    }

    /// Adds a glob of the user as one key.
    fn add_users_glob(&mut self, folder: &Path, glob: &str) {
        let (fixed, pattern) = split(glob);
        let base = folder.join(&fixed);
        // For uv, a pattern without a slash matches at every depth, so it would match too much.
        let is_exact = pattern.contains('/') || subfolders(&base).is_empty();
        if fixed.as_os_str().is_empty() || pattern.is_empty() || !is_exact {
            return;
        }
        if !self.is_known(&base, &pattern) {
            // A pattern with this end is for files below matching folders. If nothing matches, no
            // such folder exists.
            let is_of_folders = pattern.ends_with("/**");
            self.add_glob(&base, &pattern, |all, _| !all.is_empty() || !is_of_folders);
        }
    }

    /// Replaces the manifests, build scripts and sources of packages that lie side by side by one
    /// glob each, if the glob matches no file of a package that is not built.
    fn add_packages(&mut self) {
        let wanted = self.wanted;
        let manifests = wanted.files.iter().filter(|path| path.ends_with("Cargo.toml"));
        let above = manifests.filter_map(|path| path.parent()?.parent());
        let above: BTreeSet<&Path> = above.filter(|folder| may_be_whole(wanted, folder)).collect();
        for folder in above.into_iter().filter(|folder| is_clean(wanted, folder)) {
            for pattern in ["*/Cargo.toml", "*/build.rs", "*/src/**/*.rs"] {
                self.add_clean_glob(folder, pattern, |all, rest| {
                    let package = |path: &PathBuf| {
                        path.strip_prefix(folder).ok()?.iter().next().map(ToOwned::to_owned)
                    };
                    let is_built = |path: &PathBuf| {
                        let source = package(path).map(|name| folder.join(name).join("src"));
                        wanted.files.contains(path)
                            || source.is_some_and(|source| {
                                path.starts_with(&source)
                                    && is_source_folder(&source, &wanted.files)
                            })
                    };
                    let packages: BTreeSet<_> = all.intersection(rest).map(package).collect();
                    packages.len() >= 2 && all.iter().all(is_built)
                });
            }
        }
    }

    /// Replaces files of one kind in one folder by a glob, if the glob matches no other files. In
    /// the short list, as many other files are no hindrance, except for Rust sources.
    fn add_by_kind(&mut self) {
        let wanted = self.wanted;
        let is_plain = |kind: &&str| !kind.is_empty() && kind.chars().all(char::is_alphanumeric);
        let kind_of =
            |path: &PathBuf| Some(path.extension()?.to_str().filter(is_plain)?.to_owned());
        let kinds: BTreeSet<String> = self.rest.iter().filter_map(kind_of).collect();
        for kind in kinds {
            let is_kind = |path: &&PathBuf| kind_of(path).as_ref() == Some(&kind);
            let files = self.rest.iter().filter(is_kind);
            let folders: BTreeSet<&Path> =
                files.flat_map(|path| path.ancestors().skip(1)).collect();
            let mut folders: Vec<PathBuf> = folders.into_iter().map(Path::to_owned).collect();
            // Try the outermost folder first.
            folders.sort_by_key(|folder| folder.components().count());
            for folder in folders.into_iter().filter(|folder| may_be_whole(wanted, folder)) {
                if !self.rest.iter().filter(is_kind).any(|path| path.starts_with(&folder)) {
                    continue;
                }
                let is_source = kind == "rs" && is_source_folder(&folder, &wanted.files);
                // In a package that is watched as a whole, new files count too, so one file is
                // enough for a glob.
                let is_of_package = wanted.packages.iter().any(|top| folder.starts_with(top));
                let least = if is_of_package { 1 } else { 2 };
                self.add_glob(&folder, &format!("**/*.{kind}"), |all, rest| {
                    let count = all.intersection(rest).count();
                    let others = all.difference(&wanted.files).count();
                    let is_mostly = wanted.is_short() && kind != "rs" && others * 2 <= all.len();
                    let is_fit = others == 0 || is_mostly;
                    (count > 0 && is_source) || (count >= least && is_fit)
                });
            }
        }
    }
}

/// Whether a glob may start at this folder. The roots of packages and checkouts are excluded,
/// because folders that no build reads appear there later.
fn may_be_whole(wanted: &Wanted, folder: &Path) -> bool {
    !wanted.root.starts_with(folder)
        && !folder.join("Cargo.toml").is_file()
        && !folder.join(".git").exists()
        && wanted.name(folder).is_some()
}

/// Whether this is the source folder of a crate. There a file that no module names yet may be named
/// after the next edit.
fn is_source_folder(folder: &Path, inputs: &BTreeSet<PathBuf>) -> bool {
    ["lib.rs", "main.rs"].iter().any(|name| inputs.contains(&folder.join(name)))
}

fn subfolders(folder: &Path) -> Vec<PathBuf> {
    let inside = WalkDir::new(folder).min_depth(1).max_depth(1).sort_by_file_name();
    let folders = inside.into_iter().flatten().filter(|entry| entry.file_type().is_dir());
    folders.map(walkdir::DirEntry::into_path).collect()
}

/// Whether nothing below this folder is made by builds, or takes long to walk.
fn is_clean(wanted: &Wanted, folder: &Path) -> bool {
    let is_made =
        |path: &Path| wanted.made.iter().any(|made| made == path && made.is_dir()) || is_junk(path);
    !WalkDir::new(folder)
        .into_iter()
        .flatten()
        .any(|entry| entry.file_type().is_dir() && is_made(entry.path()))
}

fn has_packages(folder: &Path) -> bool {
    let below = WalkDir::new(folder).min_depth(2).into_iter().flatten();
    below.into_iter().any(|entry| entry.file_name() == "Cargo.toml" && entry.path().is_file())
}

/// Whether no build reads this folder: a virtual environment, a cache, git's own folder.
fn is_junk(folder: &Path) -> bool {
    let name = folder.file_name().unwrap_or_default();
    [".git", "node_modules", "__pycache__"].iter().any(|junk| name == *junk)
        || MARKS.iter().any(|mark| folder.join(mark).is_file())
}

/// Folders below watched folders that no build reads (see [`is_junk`]). A build script that watches
/// `..` also watches the virtual environment, and each `uv sync` writes there.
fn junk_in_folders(wanted: &Wanted) -> BTreeSet<PathBuf> {
    let mut below: BTreeSet<&Path> = BTreeSet::new();
    for top in wanted.folders.iter().chain(&wanted.packages) {
        for file in wanted.files.iter().filter(|file| file.starts_with(top)) {
            below.extend(file.ancestors().skip(1).take_while(|folder| *folder != top.as_path()));
        }
    }
    below.into_iter().filter(|folder| is_junk(folder)).map(Path::to_owned).collect()
}

/// Escapes wildcards in a file's name, because uv would read the name as a pattern.
fn escape(file: &str) -> String {
    if file.contains(['*', '?', '[', '{']) { globset::escape(file) } else { file.to_owned() }
}

#[cfg(test)]
mod tests {
    use fs_err as fs;

    use super::*;

    struct Tree {
        _folder: tempfile::TempDir,
        top: PathBuf,
    }

    impl Tree {
        fn new(files: &[&str]) -> Self {
            let folder = tempfile::tempdir().unwrap();
            let top = dunce::canonicalize(folder.path()).unwrap();
            for name in files {
                let path = top.join(name);
                fs::create_dir_all(path.parent().unwrap()).unwrap();
                fs::write(path, "").unwrap();
            }
            Self { _folder: folder, top }
        }

        fn paths(&self, names: &[&str]) -> BTreeSet<PathBuf> {
            names.iter().map(|name| self.top.join(name)).collect()
        }

        fn wanted(&self, files: &[&str]) -> Wanted {
            Wanted {
                list: KeyList::Exhaustive,
                root: self.top.join("p"),
                within: [self.top.clone()].into(),
                files: self.paths(files),
                made: self.paths(&["p/target"]),
                ..Wanted::default()
            }
        }
    }

    fn files(keys: &[CacheKey]) -> Vec<&str> {
        keys.iter().filter_map(CacheKey::file).collect()
    }

    #[test]
    fn sources_become_globs_at_their_folders() {
        let names = [
            "p/pyproject.toml",
            "p/Cargo.toml",
            "p/build.rs",
            "p/src/lib.rs",
            "p/src/a/b.rs",
            "p/words/one.txt",
            "p/words/two.txt",
            "p/mixed/in.txt",
            "core/src/lib.rs",
        ];
        let tree = Tree::new(&names);
        for name in ["p/target/x.rs", "p/mixed/out.txt", "p/src/orphan.rs"] {
            fs::create_dir_all(tree.top.join(name).parent().unwrap()).unwrap();
            fs::write(tree.top.join(name), "").unwrap();
        }
        let wanted = tree.wanted(&names);
        let keys = missing(&wanted, &[]);
        assert_eq!(
            files(&keys),
            [
                "pyproject.toml",
                "Cargo.toml",
                "build.rs",
                "mixed/in.txt",
                "src/**/*.rs",
                "words/**/*.txt",
                "../core/src/**/*.rs",
            ]
        );
        assert_eq!(missing(&wanted, &keys), []);
    }

    #[test]
    fn what_builds_write_is_not_matched() {
        let names = ["p/src/lib.rs", "p/src/made.rs", "p/src/a.rs", "p/data/x.bin", "p/data/y.bin"];
        let tree = Tree::new(&names);
        let mut wanted = tree.wanted(&names);
        wanted.made.extend(tree.paths(&["p/src/made.rs"]));
        fs::create_dir_all(tree.top.join("p/data/env")).unwrap();
        fs::write(tree.top.join("p/data/env/pyvenv.cfg"), "").unwrap();
        let keys = missing(&wanted, &[]);
        assert_eq!(files(&keys), ["data/x.bin", "data/y.bin", "src/a.rs", "src/lib.rs"]);
    }

    #[test]
    fn keys_of_people_are_not_repeated() {
        let names = ["p/pyproject.toml", "p/src/lib.rs", "p/src/a.rs", "p/build.rs"];
        let tree = Tree::new(&names);
        let mut wanted = tree.wanted(&names);
        wanted.absent = tree.paths(&["p/.cargo/config.toml"]);
        wanted.places = tree.paths(&["p/app"]);
        wanted.variables = ["WORD".to_owned()].into();
        let file = |file: &str| CacheKey::File { file: file.to_owned() };
        let theirs = [
            file("src/*.rs"),
            CacheKey::Path("pyproject.toml".into()),
            CacheKey::Environment { env: "WORD".into() },
            CacheKey::Environment { env: "RUSTFLAGS".into() },
        ];
        let keys = missing(&wanted, &theirs);
        assert_eq!(files(&keys), [".cargo/config.toml", "build.rs"]);
        assert!(keys.contains(&CacheKey::Directory { dir: "app".into() }));
        let variables = keys.iter().filter(|key| matches!(key, CacheKey::Environment { .. }));
        assert_eq!(variables.count(), USUAL_VARIABLES.len() - 1);
    }

    #[test]
    fn what_lies_outside_is_not_named() {
        let tree = Tree::new(&["p/src/lib.rs"]);
        let mut wanted = tree.wanted(&["p/src/lib.rs"]);
        wanted.files.insert(PathBuf::from("/usr/include/stdio.h"));
        assert_eq!(files(&missing(&wanted, &[])), ["src/**/*.rs"]);
    }

    #[test]
    fn folders_and_globs_stay_what_they_are() {
        let names =
            ["p/words/one.txt", "p/words/deep/two", "p/schema/a.json", "p/py/x.py", "p/py/y"];
        let tree = Tree::new(&names);
        let mut wanted = tree.wanted(&names);
        wanted.folders = tree.paths(&["p/words", "p/py", "p/nowhere"]);
        wanted.globs = [(tree.top.join("p"), "schema/**/*.json".to_owned())].into();
        let keys = missing(&wanted, &[]);
        assert_eq!(files(&keys), ["py/x.py", "py/y", "schema/**/*.json", "words/**"]);
        assert!(keys.contains(&CacheKey::Directory { dir: "words".into() }));
        assert_eq!(missing(&wanted, &keys), []);
    }

    #[test]
    fn a_package_is_watched_by_its_folders() {
        let names = ["p/build.rs", "p/src/lib.rs", "p/notes/a.txt", "p/py/x.py", "p/some/in.c"];
        let tree = Tree::new(&names);
        fs::write(tree.top.join("p/some/ignored.o"), "").unwrap();
        fs::create_dir_all(tree.top.join("p/target/x")).unwrap();
        let mut wanted = tree.wanted(&names);
        wanted.packages = tree.paths(&["p"]);
        let keys = missing(&wanted, &[]);
        assert_eq!(files(&keys), ["build.rs", "notes/**", "py/**/*.py", "some/**/*.c", "src/**"]);
        assert_eq!(missing(&wanted, &keys), []);
    }

    #[test]
    fn wildcards_in_names_are_escaped() {
        let tree = Tree::new(&["p/data/[a].txt"]);
        let wanted = tree.wanted(&["p/data/[a].txt"]);
        let keys = missing(&wanted, &[]);
        assert_eq!(files(&keys), ["data/[[]a[]].txt"]);
        assert_eq!(missing(&wanted, &keys), []);
    }

    #[test]
    fn nothing_is_named_below_a_file() {
        let tree = Tree::new(&["p/src/lib.rs", "p/.git"]);
        let mut wanted = tree.wanted(&["p/src/lib.rs"]);
        wanted.places = tree.paths(&["p/.git/HEAD", "p/app"]);
        let keys = missing(&wanted, &[]);
        let is_folder = |key: &&CacheKey| matches!(key, CacheKey::Directory { .. });
        let folders: Vec<&CacheKey> = keys.iter().filter(is_folder).collect();
        assert_eq!(folders, [&CacheKey::Directory { dir: "app".into() }]);
    }

    #[test]
    fn an_environment_in_a_watched_folder_gets_no_key() {
        let names = ["p/build.rs", "up/x.txt", "up/env/pyvenv.cfg", "up/env/lib/y.txt"];
        let tree = Tree::new(&names);
        let mut wanted = tree.wanted(&names);
        wanted.folders = tree.paths(&["up"]);
        assert_eq!(files(&missing(&wanted, &[])), ["build.rs", "../up/x.txt"]);
        // If the build names the file itself, it is an ordinary input.
        wanted.folders = BTreeSet::new();
        wanted.files = tree.paths(&["up/env/pyvenv.cfg"]);
        assert_eq!(files(&missing(&wanted, &[])), ["../up/env/pyvenv.cfg"]);
    }

    #[test]
    #[cfg(unix)]
    fn what_lies_behind_a_link_in_a_folder_gets_its_own_key() {
        let tree = Tree::new(&["p/src/lib.rs", "o/d/mod.rs", "o/d/e.rs", "q/main.rs", "q/x.rs"]);
        fs::os::unix::fs::symlink("../../o/d", tree.top.join("p/src/d")).unwrap();
        fs::os::unix::fs::symlink("../q", tree.top.join("p/linked")).unwrap();
        let names = ["p/src/lib.rs", "p/src/d/mod.rs", "p/src/d/e.rs"];
        let wanted = tree.wanted(&[&names[..], &["p/linked/main.rs", "p/linked/x.rs"]].concat());
        let keys = missing(&wanted, &[]);
        assert_eq!(files(&keys), ["linked/**/*.rs", "src/**/*.rs", "src/d/e.rs", "src/d/mod.rs"]);
        assert_eq!(missing(&wanted, &keys), []);
    }

    #[test]
    fn what_other_globs_hide_gets_its_own_key() {
        let names = ["p/src/lib.rs", "p/[d]/a.txt", "p/!x/a.txt", "p/a]b.txt"];
        let tree = Tree::new(&names);
        let mut wanted = tree.wanted(&names);
        wanted.folders = tree.paths(&["p/!x"]);
        let keys = missing(&wanted, &[]);
        assert!(files(&keys).contains(&"!x/a.txt"), "{:?}", files(&keys));
        assert!(files(&keys).contains(&"a]b.txt"), "{:?}", files(&keys));
        assert_eq!(missing(&wanted, &keys), []);
    }

    /// The short list for these files. `others` are files that the build does not read.
    fn short(files_read: &[&str], others: &[&str]) -> (Tree, Wanted, Vec<CacheKey>) {
        let tree = Tree::new(&[files_read, others].concat());
        let wanted = Wanted { list: KeyList::Short, ..tree.wanted(files_read) };
        let keys = missing(&wanted, &[]);
        assert_eq!(missing(&wanted, &keys), []);
        (tree, wanted, keys)
    }

    #[test]
    fn the_short_list_folds() {
        let cases: [(&[&str], &[&str], &[&str]); 9] = [
            // Several files of one kind in one folder, though others lie there too.
            (&["p/a/1.txt", "p/a/b/2.txt"], &["p/a/3.txt"], &["a/**/*.txt"]),
            (&["p/a/1.txt", "p/a/2.bin"], &[], &["a/1.txt", "a/2.bin"]),
            // Most files of that kind are read by nobody.
            (
                &["p/a/1.txt", "p/a/2.txt"],
                &["p/a/3.txt", "p/a/4.txt", "p/a/5.txt"],
                &["a/1.txt", "a/2.txt"],
            ),
            // Rust sources that no module names.
            (&["p/odd/a.rs", "p/odd/b.rs"], &["p/odd/c.rs"], &["odd/a.rs", "odd/b.rs"]),
            (&["p/src/lib.rs"], &["p/src/c.rs"], &["src/**/*.rs"]),
            // Packages that lie side by side.
            (
                &[
                    "c/a/Cargo.toml",
                    "c/a/src/lib.rs",
                    "c/a/build.rs",
                    "c/b/Cargo.toml",
                    "c/b/src/lib.rs",
                    "c/b/src/x/y.rs",
                ],
                &["c/a/src/new.rs", "c/a/tests/t.rs"],
                &["../c/*/Cargo.toml", "../c/*/src/**/*.rs", "../c/a/build.rs"],
            ),
            // One of them is only a member of the workspace, and its sources are not built.
            (
                &[
                    "c/a/Cargo.toml",
                    "c/a/src/lib.rs",
                    "c/b/Cargo.toml",
                    "c/b/src/lib.rs",
                    "c/d/Cargo.toml",
                ],
                &["c/d/src/lib.rs"],
                &["../c/*/Cargo.toml", "../c/a/src/**/*.rs", "../c/b/src/**/*.rs"],
            ),
            // A glob over all of them would walk a target folder.
            (
                &["c/a/Cargo.toml", "c/b/Cargo.toml"],
                &["c/a/target/CACHEDIR.TAG"],
                &["../c/a/Cargo.toml", "../c/b/Cargo.toml"],
            ),
            // A glob over the siblings of the project would walk the project itself.
            (
                &["p/Cargo.toml", "q/Cargo.toml", "r/Cargo.toml"],
                &[],
                &["Cargo.toml", "../q/Cargo.toml", "../r/Cargo.toml"],
            ),
        ];
        for (read, others, expected) in cases {
            assert_eq!(files(&short(read, others).2), expected, "{read:?}");
        }
    }

    #[test]
    fn the_short_list_has_existing_files_only() {
        let names = ["p/pyproject.toml", "p/src/lib.rs", "p/words/a", "p/.cargo/config.toml"];
        let (tree, mut wanted, _) = short(&names, &[]);
        wanted.absent =
            tree.paths(&["p/build.rs", "p/rust-toolchain.toml", "p/Cargo.lock", "Cargo.toml"]);
        wanted.places = tree.paths(&["p/app"]);
        wanted.folders = tree.paths(&["p/words"]);
        wanted.variables = ["WORD".to_owned()].into();
        let keys = missing(&wanted, &[]);
        let expected =
            ["pyproject.toml", ".cargo/config.toml", "Cargo.lock", "src/**/*.rs", "words/**"];
        assert_eq!(files(&keys), expected);
        assert_eq!(keys.len(), expected.len());
    }

    #[test]
    fn a_new_file_in_a_covered_folder_changes_nothing() {
        let names =
            ["p/src/lib.rs", "p/data/a.csv", "p/data/b.csv", "c/a/src/lib.rs", "c/a/Cargo.toml"];
        let (tree, mut wanted, keys) = short(&names, &["c/b/src/lib.rs", "c/b/Cargo.toml"]);
        let more = ["p/src/a.rs", "p/src/b/c.rs", "p/data/c.csv", "c/a/src/x.rs"];
        for name in more {
            let path = tree.top.join(name);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(&path, "").unwrap();
            assert_eq!(missing(&wanted, &[]), keys, "{name}");
            wanted.files.insert(path);
            assert_eq!(missing(&wanted, &[]), keys, "{name}");
        }
    }
}
