//! The table as data, and the file that has it.

use std::collections::btree_map::Entry;
use std::collections::{BTreeMap, BTreeSet};
use std::ffi::OsStr;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use crate::digest;
use crate::fingerprint::record::Input;
use crate::fingerprint::{Inputs, item, walk};
use crate::inputs::target::entries;
use crate::inputs::{MARKS, Roots, Watch, environment, normalize};
use crate::request::Environment;
use crate::stat_cache::Stat;

/// The first field of the file.
const FORMAT: &str = "wheelprint check 2";
/// Separates names of variables, because no name contains it.
const BETWEEN_NAMES: &str = "=";
/// The only name in a folder that is left out: Python makes it at an import.
const PYTHONS_CACHE: &str = "__pycache__";

/// The recorded state of a path. An import can compare it without knowing what the path is for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum State {
    /// A regular file, with the digest of its bytes.
    File(String),
    /// A folder, with the digest of the names in it.
    Names(String),
    /// A folder, whatever is in it.
    Folder,
    Absent,
    /// A file that is not read, because reading it takes too long: a compiler.
    Stat(Stat),
    /// No state that an import could compare: the backend is asked.
    Unknown,
}

impl State {
    pub(super) fn of_file(path: &Path) -> Self {
        match digest::file(path) {
            Ok(digest) => Self::File(digest),
            Err(error) if item::is_absence(&error) => Self::Absent,
            Err(_) => Self::Unknown,
        }
    }

    fn of_names(folder: &Path) -> Self {
        let Ok(entries) = entries(folder) else { return Self::Unknown };
        let mut names: Vec<Vec<u8>> = entries
            .iter()
            .filter_map(|path| Some((path, path.file_name()?)))
            .filter(|(_, name)| *name != PYTHONS_CACHE)
            .map(|(path, name)| {
                // A folder in the place of a file is another thing.
                let end: &[u8] = if path.is_dir() { b"/" } else { b"" };
                [name.as_encoded_bytes(), end].concat()
            })
            .collect();
        names.sort();
        Self::Names(digest::bytes(&names.join(&0)))
    }

    /// A compiler, or what decides which compiler there is.
    pub(super) fn of_program(path: &Path) -> Self {
        match fs_err::metadata(path) {
            Ok(meta) => match Stat::of(&meta) {
                Some(stat) => Self::Stat(stat),
                None if meta.is_dir() => Self::of_names(path),
                None => Self::of_file(path),
            },
            Err(error) if item::is_absence(&error) => Self::Absent,
            Err(_) => Self::Unknown,
        }
    }

    fn to_text(&self) -> String {
        match self {
            Self::File(digest) => format!("file {digest}"),
            Self::Names(digest) => format!("names {digest}"),
            Self::Folder => "folder".to_owned(),
            Self::Absent => "absent".to_owned(),
            Self::Stat(stat) => format!("stat {} {} {}", stat.ctime, stat.inode, stat.size),
            Self::Unknown => "unknown".to_owned(),
        }
    }
}

/// Everything that an import compares.
#[derive(Debug, Clone, Default)]
pub struct AtImport {
    pub(super) paths: BTreeMap<PathBuf, State>,
    pub facts: Facts,
    /// Changes during the build: the module may be of either state.
    pub raced: Vec<String>,
}

/// Facts about the build, for the backend's verdict at import (`hooks::import_verdict`).
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct Facts {
    pub roots: Roots,
    /// Digests of the variables that the build read, as the frontend had them.
    pub variables: BTreeMap<String, Option<String>>,
    /// Variables that the frontend sets for the build only.
    pub left_out: BTreeSet<String>,
    pub settings: String,
    /// Packages of which every file counts, because it is not known what was built.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub whole: Option<Whole>,
}

#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Whole {
    pub watches: BTreeSet<Watch>,
    pub roots: Roots,
    pub inputs: Vec<Input>,
}

/// The facts that the Python files of the import check need themselves.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct Head {
    pub project: PathBuf,
    pub name: String,
    pub dist_info: String,
    pub fingerprint: String,
    /// The names of the config settings. Their values stay with the frontend.
    pub config_settings: Vec<String>,
    /// The command that asks the backend, without the path of the table; empty without a store.
    pub ask: Vec<String>,
    pub store: Option<PathBuf>,
}

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
struct Document {
    #[serde(flatten)]
    head: Head,
    raced: Vec<String>,
    /// The digest of the variables at the build, and the rustc on PATH.
    environment: String,
    rustc: String,
    facts: Facts,
    /// The states of the paths that follow, in their order.
    states: Vec<String>,
}

/// Reads the parts of the file that a verdict needs.
pub fn parse(bytes: &[u8]) -> Result<(Head, Facts), serde_json::Error> {
    let json = bytes.split(|byte| *byte == 0).nth(5).unwrap_or_default();
    let Document { head, facts, .. } = serde_json::from_slice(json)?;
    Ok((head, facts))
}

impl AtImport {
    /// Adds packages of which every file counts.
    pub fn add_whole(&mut self, other: Self, watches: BTreeSet<Watch>, inputs: &Inputs) {
        for (path, state) in other.paths {
            self.add(path, state);
        }
        self.facts.variables.extend(other.facts.variables);
        let inputs = Input::list(inputs);
        self.facts.whole = Some(Whole { watches, roots: other.facts.roots, inputs });
    }

    /// Adds a path. Two states of one path cannot both be compared, so the backend is asked.
    pub(super) fn add(&mut self, path: PathBuf, state: State) {
        match self.paths.entry(path) {
            Entry::Vacant(entry) => {
                entry.insert(state);
            }
            Entry::Occupied(mut entry) => match (entry.get(), &state) {
                (State::Names(_), State::Folder) => {}
                (State::Folder, State::Names(_)) => *entry.get_mut() = state,
                (known, new) if known == new => {}
                _ => *entry.get_mut() = State::Unknown,
            },
        }
    }

    pub(super) fn knows(&self, path: &Path) -> bool {
        matches!(self.paths.get(path), Some(State::File(_)))
    }

    /// Adds a file that did not exist when the inputs were observed, even if it exists by now.
    /// Nothing is added for a folder, or for a path that the table has already.
    pub(super) fn add_absent(&mut self, path: PathBuf) {
        if !self.paths.contains_key(&path) && !path.is_dir() {
            self.paths.insert(path, State::Absent);
        }
    }

    pub(super) fn add_folders(
        &mut self,
        start: &Path,
        depth: usize,
        roots: &Roots,
        is_left_out: &dyn Fn(&Path) -> bool,
    ) {
        if !start.is_dir() {
            self.add(start.to_owned(), State::of_file(start));
            return;
        }
        for folder in walk::folders(start, depth, is_left_out) {
            for path in entries(&folder).unwrap_or_default() {
                // A folder was left out because it contains such a file.
                let is_mark = |mark: &PathBuf| mark.is_file();
                if is_left_out(&path) && !walk::is_made(&path, roots) {
                    let marks = MARKS.map(|mark| path.join(mark));
                    for mark in marks.into_iter().filter(is_mark) {
                        let state = State::of_file(&mark);
                        self.paths.insert(mark, state);
                    }
                }
            }
            let state = State::of_names(&folder);
            self.add(folder, state);
        }
    }

    /// Adds git's rules, in the package and above it. They decide which files of a package count.
    pub(super) fn add_git_rules(&mut self, package: &Path) {
        let Some(top) = package.ancestors().find(|folder| folder.join(".git").exists()) else {
            // A package without git is listed by other rules than one in a repository.
            package.ancestors().for_each(|folder| self.add_absent(folder.join(".git")));
            return;
        };
        // A rules file that git ignores itself is not among the package's files.
        let is_folder_inside = |(path, state): &(&PathBuf, &State)| {
            path.starts_with(package) && matches!(state, State::Names(_))
        };
        let inside = self.paths.iter().filter(is_folder_inside);
        let inside: Vec<PathBuf> = inside.map(|(path, _)| path.join(".gitignore")).collect();
        let above = package.ancestors().skip(1).take_while(|folder| folder.starts_with(top));
        let mut rules: Vec<PathBuf> = above.map(|folder| folder.join(".gitignore")).collect();
        rules.extend(inside.into_iter().filter(|path| path.is_file()));
        rules.push(top.join(".git/info/exclude"));
        for path in rules {
            let state = State::of_file(&path);
            self.paths.entry(path).or_insert(state);
        }
    }

    /// Installing changes the environment that it installs into. Without this, an install into an
    /// environment inside a watched folder would be stale forever.
    pub(super) fn leave_out_environments(&mut self, project: &Path) {
        let mut known: BTreeMap<PathBuf, bool> = BTreeMap::new();
        self.paths.retain(|path, state| {
            let is_mark = MARKS.iter().any(|mark| path.file_name() == Some(OsStr::new(mark)));
            let folder = match state {
                State::Names(_) | State::Folder => path,
                _ => path.parent().unwrap_or(path),
            };
            let is_inside = |folder: &Path| is_in_environment(folder, project);
            is_mark || !*known.entry(folder.to_owned()).or_insert_with(|| is_inside(folder))
        });
    }

    /// The paths and their states, as text. A path that holds a NUL, or that is not UTF-8, is left
    /// out: no record that names it is ever matched either.
    fn rows(&self) -> impl Iterator<Item = (String, String)> {
        self.paths.iter().filter_map(|(path, state)| {
            let path = normalize(path).to_str()?.to_owned();
            (!path.contains('\0')).then(|| (path, state.to_text()))
        })
    }

    /// The table for an import that asked the backend: path, state, path, state, ..., with NUL
    /// between them.
    pub fn to_answer(&self) -> String {
        self.rows().flat_map(|(path, state)| [path, state]).collect::<Vec<_>>().join("\0")
    }

    pub fn to_bytes(&self, head: Head, cache: Option<&Path>, environment: &Environment) -> Vec<u8> {
        let [exact, prefixes, exceptions] = environment::families_at_import();
        let exact = exact.into_iter().map(str::to_owned);
        let names: BTreeSet<String> = self.facts.variables.keys().cloned().chain(exact).collect();
        let names: Vec<String> = names.into_iter().map(environment::as_environ_has).collect();
        let (paths, states): (Vec<String>, Vec<String>) = self.rows().unzip();
        let document = Document {
            head,
            raced: self.raced.clone(),
            environment: environment_digest(&names, &prefixes, &exceptions, environment),
            rustc: environment.which("rustc").unwrap_or_default().to_string_lossy().into_owned(),
            facts: self.facts.clone(),
            states,
        };
        let cache = cache.map(Path::as_os_str).and_then(OsStr::to_str).unwrap_or_default();
        let json = serde_json::to_string(&document).unwrap_or_default();
        let names = names.join(BETWEEN_NAMES);
        let [prefixes, exceptions] = [prefixes, exceptions].map(|list| list.join(BETWEEN_NAMES));
        let mut fields =
            vec![FORMAT.to_owned(), cache.to_owned(), names, prefixes, exceptions, json];
        fields.extend(paths);
        fields.join("\0").into_bytes()
    }
}

/// The digest that `Head.environment` in `_runtime_finder.py` computes, too; empty if no such
/// variable is set. If the two differ, the backend is asked once.
fn environment_digest(
    names: &[String],
    prefixes: &[&str],
    exceptions: &[&str],
    environment: &Environment,
) -> String {
    let is_exception =
        |name: &str| exceptions.iter().any(|not| environment::is_exception(name, not));
    let is_in_family =
        |name: &str| prefixes.iter().any(|prefix| name.starts_with(prefix)) && !is_exception(name);
    let is_compared = |name: &str| names.iter().any(|known| known == name) || is_in_family(name);
    let mut lines: Vec<Vec<u8>> = environment
        .iter()
        .filter(|(name, _)| name.to_str().is_some_and(is_compared))
        .map(|(name, value)| [name.as_encoded_bytes(), b"=", value.as_encoded_bytes()].concat())
        .collect();
    lines.sort();
    if lines.is_empty() { String::new() } else { digest::bytes(&lines.join(&0)) }
}

/// Whether the path is in a virtual environment that does not contain the whole project.
pub fn is_in_environment(path: &Path, project: &Path) -> bool {
    path.ancestors().take_while(|folder| !project.starts_with(folder)).any(is_environment)
}

pub(super) fn is_environment(folder: &Path) -> bool {
    folder.join("pyvenv.cfg").is_file()
}

#[cfg(test)]
mod tests {
    use fs_err as fs;

    use super::*;

    #[test]
    fn names_of_a_folder_are_compared_by_kind_and_without_pythons_cache() {
        let folder = tempfile::tempdir().unwrap();
        let folder = folder.path();
        let state = || State::of_names(folder);
        let mut before = state();
        assert!(matches!(before, State::Names(_)));
        fs::create_dir(folder.join("__pycache__")).unwrap();
        assert_eq!(state(), before);
        for change in [
            &|| fs::write(folder.join("a"), "").unwrap() as (),
            &|| {
                fs::remove_file(folder.join("a")).unwrap();
                fs::create_dir(folder.join("a")).unwrap();
            },
            &|| fs::rename(folder.join("a"), folder.join("b")).unwrap(),
        ] as [&dyn Fn(); 3]
        {
            change();
            assert_ne!(state(), before);
            before = state();
        }
    }

    #[test]
    fn two_states_of_one_path_cannot_be_compared() {
        let names = || State::Names("1".into());
        let file = |digest: &str| State::File(digest.into());
        for (one, other, both) in [
            (file("1"), file("1"), file("1")),
            (file("1"), file("2"), State::Unknown),
            (file("1"), State::Absent, State::Unknown),
            (names(), State::Folder, names()),
            (State::Folder, names(), names()),
            (State::Folder, State::Absent, State::Unknown),
        ] {
            let mut table = AtImport::default();
            table.add("path".into(), one);
            table.add("path".into(), other);
            assert_eq!(table.paths[Path::new("path")], both);
        }
    }

    #[test]
    fn the_file_holds_no_value_of_a_variable() {
        let mut environment = Environment::default();
        environment.set("RUSTFLAGS", "--cfg=secret");
        environment.set("CARGO_REGISTRY_TOKEN", "secret");
        let mut table = AtImport::default();
        table.facts.variables.insert("RUSTFLAGS".into(), Some("digest".into()));
        table.add("src/lib.rs".into(), State::File("1".into()));
        let head = Head {
            project: "project".into(),
            name: "name".into(),
            dist_info: "name-1.dist-info".into(),
            fingerprint: "2".into(),
            config_settings: Vec::new(),
            ask: Vec::new(),
            store: None,
        };
        let bytes = table.to_bytes(head, None, &environment);
        assert!(!String::from_utf8_lossy(&bytes).contains("secret"));
        let fields: Vec<&[u8]> = bytes.split(|byte| *byte == 0).collect();
        assert_eq!(
            (fields.len(), fields[0], fields[6]),
            (7, FORMAT.as_bytes(), &b"src/lib.rs"[..])
        );
        let (head, facts) = parse(&bytes).unwrap();
        assert_eq!((head.name.as_str(), facts.variables.len()), ("name", 1));
        assert!(parse(b"wheelprint check 2\0\0\0").is_err());
    }

    #[test]
    fn another_environment_has_another_digest() {
        let digest = |variables: &[(&str, &str)]| {
            let mut environment = Environment::default();
            variables.iter().for_each(|(name, value)| environment.set(name, *value));
            environment_digest(
                &["CC".to_owned()],
                &["CARGO_"],
                &["CARGO_HOME", "CARGO_PKG_"],
                &environment,
            )
        };
        let none = digest(&[]);
        assert!(none.is_empty());
        assert_eq!(digest(&[("HOME", "/home"), ("CARGO_HOME", "/"), ("CARGO_PKG_X", "1")]), none);
        let seen = [&[("CC", "a")][..], &[("CC", "b")], &[("CARGO_HOMES", "a")], &[("CC", "")]];
        let mut digests: BTreeSet<String> = seen.into_iter().map(digest).collect();
        digests.insert(none);
        assert_eq!(digests.len(), 5);
    }
}
