//! The table that an editable install compares at import (docs/design.md, D9): the inputs of its
//! compiled modules, as paths of this machine with their values, for a reader that has no TOML
//! parser and no cargo.
//!
//! `python/wheelprint/_runtime_compare.py` reads the format. It is stricter than the record where
//! the record's rule needs git, or a TOML parser that Python has only from 3.11 on. So it may see a
//! difference that is no change. The backend is asked then, and the same difference is not asked
//! about again.

use std::collections::{BTreeMap, BTreeSet};
use std::ffi::OsStr;
use std::path::{Path, PathBuf};

use serde_json::json;

use super::observe::Observer;
use super::package;
use super::toml_view;
use super::walk::{self, Probe};
use super::{Inputs, Value};
use crate::digest;
use crate::inputs::target::entries;
use crate::inputs::{Kind, PRODUCTS, Part, Place, Roots, View, Watch, ambient, normalize};
use crate::request::ConfigSettings;
use crate::toolchain;

/// The first field of the file.
const FORMAT: &str = "wheelprint check 1";

/// What is compared at a path.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum ImportCheckEntry {
    /// The digest of its content.
    File(String),
    /// The digests of its bytes and of what they mean.
    Toml {
        bytes: String,
        view: View,
        meaning: String,
    },
    Absent,
    /// None of these names is in it, whether or not it is there itself.
    Lacking(Vec<String>),
    Folder,
    /// It is there and can't be read: a file, or a folder.
    Unreadable,
    /// The names in it.
    Names {
        names: Vec<String>,
        counts: Counts,
    },
    /// What says of the folder that holds it that it is left out; without it the folder counts.
    Mark,
    /// A file that decides which rustc there is.
    Program,
}

/// The names of such files.
const MARKS: [&str; 2] = ["CACHEDIR.TAG", "pyvenv.cfg"];

/// Which new names in a folder count.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum Counts {
    /// All but what builds and Python make.
    All,
    /// Files that git does not ignore, if its rules count; not those of other tools' products.
    Files { git: bool },
    /// Files that match a pattern, as seen from a root.
    Matching { root: PathBuf, pattern: String },
}

/// Everything an import compares with.
#[derive(Debug, Clone, Default)]
pub struct AtImport {
    entries_at_import: BTreeSet<(PathBuf, ImportCheckEntry)>,
    variables: BTreeMap<String, Option<String>>,
    rustc: Option<Rustc>,
    products: Vec<PathBuf>,
    /// Variables that the frontend sets for the build, and nobody for an import.
    pub left_out: BTreeSet<String>,
    /// What changed while it was built: the module may be of neither state.
    pub raced: Vec<String>,
}

/// The compiler that was used.
#[derive(Debug, Clone, serde::Serialize)]
#[serde(rename_all = "kebab-case")]
struct Rustc {
    program: PathBuf,
    version: String,
    /// Is it the first one there?
    on_path: bool,
}

/// What the file says besides.
pub struct Facts<'a> {
    pub cache: Option<&'a Path>,
    pub project: &'a Path,
    pub name: &'a str,
    pub dist_info: &'a str,
    pub settings: &'a ConfigSettings,
    pub fingerprint: &'a str,
}

impl Observer<'_> {
    /// The names in the folders that these watches look into. To be asked before the inputs are
    /// looked at: what is added in between must be new to an import.
    pub fn names_at_import(&self, watches: &BTreeSet<Watch>, roots: &Roots) -> AtImport {
        let mut found = AtImport {
            products: roots
                .iter()
                .filter(|(name, _)| name.starts_with(PRODUCTS))
                .map(|(_, folder)| folder.to_owned())
                .collect(),
            ..AtImport::default()
        };
        for watch in watches.iter().filter(|watch| is_compared(watch)) {
            match watch {
                Watch::Path { place, .. } => {
                    if let Some(path) = roots.resolve(place).filter(|path| path.is_dir()) {
                        found.add_names_below(&path, usize::MAX, &Counts::All, roots);
                    }
                }
                Watch::Listing { place, .. } => {
                    if let Some(path) = roots.resolve(place) {
                        found.add_names_below(&path, 1, &Counts::All, roots);
                    }
                }
                Watch::Package { place, .. } => {
                    if let Some(path) = roots.resolve(place) {
                        let git = !package::Rules::read(&path).has_include
                            && path.ancestors().any(|folder| folder.join(".git").exists());
                        found.add_names_below(&path, usize::MAX, &Counts::Files { git }, roots);
                        if git {
                            found.add_git_rules(&path);
                        }
                    }
                }
                Watch::Glob { root, glob, .. } | Watch::Names { root, glob, .. } => {
                    let Some(root) = roots.get(root) else { continue };
                    let (start, depth) = walk::start_of_glob(glob, root);
                    let Some(pattern) = walk::pattern(glob) else { continue };
                    let counts = Counts::Matching { root: root.to_owned(), pattern };
                    found.add_names_below(&start, depth, &counts, roots);
                }
                _ => {}
            }
        }
        found
    }

    /// All the rest. `inputs` are what the record says of these watches.
    pub fn at_import(
        &self,
        mut found: AtImport,
        watches: &BTreeSet<Watch>,
        roots: &Roots,
        inputs: &Inputs,
    ) -> AtImport {
        let compared: BTreeSet<Watch> =
            watches.iter().filter(|watch| is_compared(watch)).cloned().collect();
        for item in self.items(&compared, roots) {
            let Some(value) = inputs.get(&item.key) else { continue };
            match (item.look, value) {
                (Probe::Content(path, _), Value::Sha256(digest)) => {
                    found.entries_at_import.insert((path, ImportCheckEntry::File(digest.clone())));
                }
                (Probe::Content(path, _) | Probe::Meaning(path, _), Value::Absent) => {
                    found.entries_at_import.insert((path, ImportCheckEntry::Absent));
                }
                (Probe::Content(path, _) | Probe::Meaning(path, _), Value::Unreadable(_)) => {
                    found.entries_at_import.insert((path, ImportCheckEntry::Unreadable));
                }
                (Probe::Meaning(path, view), Value::Sha256(meaning)) => {
                    let bytes = bytes_that_mean(&path, view, meaning);
                    let meaning = meaning.clone();
                    found
                        .entries_at_import
                        .insert((path, ImportCheckEntry::Toml { bytes, view, meaning }));
                }
                // A link that leads nowhere is none once there is something.
                (Probe::Known(_), Value::Sha256(_)) if item.key.kind == Kind::Special => {
                    let place = Place { root: item.key.root, path: item.key.name };
                    found
                        .entries_at_import
                        .extend(roots.resolve(&place).map(|path| (path, ImportCheckEntry::Absent)));
                }
                _ => {}
            }
        }
        found.leave_out_environments(&self.request.root);
        for watch in &compared {
            self.add_absences(watch, roots, &mut found);
        }
        let path = self.request.root.join("pyproject.toml");
        if let Ok(content) = fs_err::read(&path) {
            let (bytes, meaning) =
                (digest::bytes(&content), toml_view::digest(&content, View::Own));
            found
                .entries_at_import
                .insert((path, ImportCheckEntry::Toml { bytes, view: View::Own, meaning }));
        }
        let named = inputs.keys().filter(|key| key.kind == Kind::Variable);
        let is_counted = |name: &&String| {
            ambient::counts_at_import(name) && !found.left_out.contains(name.as_str())
        };
        let named: Vec<&String> = named.map(|key| &key.name).filter(is_counted).collect();
        for name in named {
            let value = self.request.environment.get(name);
            let digest = value.map(|value| digest::bytes(value.as_encoded_bytes()));
            found.variables.insert(name.clone(), digest);
        }
        self.add_rustc(inputs, &mut found);
        found
    }

    fn add_absences(&self, watch: &Watch, roots: &Roots, found: &mut AtImport) {
        let root = &self.request.root;
        match watch {
            Watch::Folder { place, .. } => {
                if let Some(path) = roots.resolve(place) {
                    let sight = if path.is_dir() {
                        ImportCheckEntry::Folder
                    } else {
                        ImportCheckEntry::Absent
                    };
                    found.entries_at_import.insert((path, sight));
                }
            }
            Watch::WorkspaceSearch { place, .. } => {
                let folders = roots.resolve(place);
                for folder in folders.iter().flat_map(|folder| folder.ancestors().skip(1)) {
                    let path = folder.join("Cargo.toml");
                    match digest::file(&path) {
                        // No workspace yet.
                        Ok(digest) if !found.knows(&path) => {
                            found.entries_at_import.insert((path, ImportCheckEntry::File(digest)));
                        }
                        Ok(_) => {}
                        Err(_) => found.add_absent(path),
                    }
                }
            }
            Watch::CargoConfig => {
                let home = ambient::cargo_home(self.environment);
                let folders = root.ancestors().map(|folder| folder.join(".cargo")).chain(home);
                for folder in folders {
                    let [first, second] = ["config", "config.toml"].map(|name| folder.join(name));
                    if !folder.is_dir() {
                        let names = ["config", "config.toml"].map(str::to_owned).to_vec();
                        found.entries_at_import.insert((folder, ImportCheckEntry::Lacking(names)));
                    } else if !found.knows(&first) {
                        // The first takes the second's place.
                        found.add_absent(first);
                        found.add_absent(second);
                    }
                }
            }
            Watch::ToolchainFile => {
                for folder in root.ancestors() {
                    let names = ["rust-toolchain", "rust-toolchain.toml"];
                    let files = names.map(|name| folder.join(name));
                    if files.iter().any(|file| found.knows(file)) {
                        // The nearest one counts; in one folder, the first.
                        let [first, _] = files;
                        found.add_absent(first);
                        break;
                    }
                    files.into_iter().for_each(|file| found.add_absent(file));
                }
            }
            _ => {}
        }
    }

    fn add_rustc(&self, inputs: &Inputs, found: &mut AtImport) {
        let version = inputs.iter().find_map(|(key, value)| match value {
            Value::Text(version) if key.part == Part::Toolchain && key.name == "rustc" => {
                Some(version.clone())
            }
            _ => None,
        });
        let program = ambient::rustc(&self.request.root, self.environment);
        let (Some(version), Some(program)) = (version, program) else { return };
        let memory = self.toolchain_memory.as_deref();
        let mut deciding = toolchain::deciding(memory, self.environment);
        deciding.push(program.clone());
        found
            .entries_at_import
            .extend(deciding.into_iter().map(|path| (path, ImportCheckEntry::Program)));
        let on_path = self.environment.which("rustc").as_ref() == Some(&program);
        found.rustc = Some(Rustc { program, version, on_path });
    }
}

impl AtImport {
    /// All that another one compares, too.
    pub fn add(&mut self, other: Self) {
        self.entries_at_import.extend(other.entries_at_import);
        self.variables.extend(other.variables);
        self.rustc = other.rustc.or(self.rustc.take());
        self.products.extend(other.products);
        self.left_out.extend(other.left_out);
        self.raced.extend(other.raced);
    }

    /// The names in a folder and in those below it; that it is not there, if it is not.
    fn add_names_below(&mut self, start: &Path, depth: usize, counts: &Counts, roots: &Roots) {
        let is_all = *counts == Counts::All;
        let is_left_out = |path: &Path| {
            // An environment is never looked at: installing would change it again.
            is_environment(path)
                || if is_all { walk::is_made(path, roots) } else { walk::is_junk(path, roots) }
        };
        if !start.is_dir() {
            let sight = if matches!(counts, Counts::Matching { .. }) {
                ImportCheckEntry::Names { names: Vec::new(), counts: counts.clone() }
            } else {
                ImportCheckEntry::Absent
            };
            self.entries_at_import.insert((start.to_owned(), sight));
            return;
        }
        for folder in walk::folders(start, depth, &is_left_out) {
            let Ok(entries) = entries(&folder) else {
                self.entries_at_import.insert((folder, ImportCheckEntry::Unreadable));
                continue;
            };
            let mut names = BTreeSet::new();
            for path in entries {
                if is_left_out(&path) {
                    let marks = MARKS.map(|mark| path.join(mark));
                    let is_marked = |mark: &PathBuf| !walk::is_made(&path, roots) && mark.is_file();
                    self.entries_at_import.extend(
                        marks
                            .into_iter()
                            .find(is_marked)
                            .map(|mark| (mark, ImportCheckEntry::Mark)),
                    );
                } else if let Some(name) = path.file_name() {
                    // What was a file and is a folder now is another thing.
                    let end = if path.is_dir() { "/" } else { "" };
                    names.insert(format!("{}{end}", name.to_string_lossy()));
                }
            }
            if *counts == (Counts::Files { git: true }) {
                self.add_git_rules_in(&folder);
            }
            let names = names.into_iter().collect();
            self.entries_at_import
                .insert((folder, ImportCheckEntry::Names { names, counts: counts.clone() }));
        }
    }

    /// One that git ignores itself is not among the package's files.
    fn add_git_rules_in(&mut self, folder: &Path) {
        let rules = folder.join(".gitignore");
        if let Ok(digest) = digest::file(&rules) {
            self.entries_at_import.insert((rules, ImportCheckEntry::File(digest)));
        }
    }

    /// What git ignores is decided above the package, too.
    fn add_git_rules(&mut self, package: &Path) {
        for folder in package.ancestors().skip(1) {
            let is_root = folder.join(".git").exists();
            let mut files = vec![folder.join(".gitignore")];
            files.extend(is_root.then(|| folder.join(".git/info/exclude")));
            for file in files {
                let sight =
                    digest::file(&file).map_or(ImportCheckEntry::Absent, ImportCheckEntry::File);
                self.entries_at_import.insert((file, sight));
            }
            if is_root {
                return;
            }
        }
    }

    /// Installing changes the environment it installs into: one inside a folder that a build script
    /// watches would be stale for ever.
    fn leave_out_environments(&mut self, project: &Path) {
        let mut known: BTreeMap<PathBuf, bool> = BTreeMap::new();
        self.entries_at_import.retain(|(path, sight)| {
            let folder = match sight {
                ImportCheckEntry::Mark => return true,
                ImportCheckEntry::Names { .. } | ImportCheckEntry::Folder => path,
                _ => path.parent().unwrap_or(path),
            };
            !*known.entry(folder.to_owned()).or_insert_with(|| is_in_environment(folder, project))
        });
    }

    /// Is its content compared?
    fn knows(&self, path: &Path) -> bool {
        let is_file = |sight: &ImportCheckEntry| {
            matches!(sight, ImportCheckEntry::File(_) | ImportCheckEntry::Toml { .. })
        };
        self.entries_at_import.iter().any(|(known, sight)| known == path && is_file(sight))
    }

    /// It was not there when the inputs were looked at, whatever is there by now.
    fn add_absent(&mut self, path: PathBuf) {
        if !self.knows(&path) && !path.is_dir() {
            self.entries_at_import.insert((path, ImportCheckEntry::Absent));
        }
    }

    /// As it is written into the wheel. A path that holds a NUL, or can't be told in UTF-8, is not
    /// there: no record that names it is ever matched either.
    pub fn to_bytes(&self, facts: &Facts<'_>) -> Vec<u8> {
        let (mut entries, mut paths) = (Vec::new(), Vec::new());
        for (path, sight) in &self.entries_at_import {
            let Some(path) = normalize(path).to_str().map(str::to_owned) else { continue };
            paths.push(path);
            entries.push(match sight {
                ImportCheckEntry::File(digest) => json!(["file", digest]),
                ImportCheckEntry::Toml { bytes, view, meaning } => {
                    json!(["toml", { "bytes": bytes, "view": view, "meaning": meaning }])
                }
                ImportCheckEntry::Absent => json!(["absent", null]),
                ImportCheckEntry::Lacking(names) => json!(["lacking", names]),
                ImportCheckEntry::Folder => json!(["folder", null]),
                ImportCheckEntry::Unreadable => json!(["unreadable", null]),
                ImportCheckEntry::Names { names, counts: Counts::All } => {
                    json!(["names", { "names": names, "all": true }])
                }
                ImportCheckEntry::Names { names, counts: Counts::Files { git } } => {
                    json!(["names", { "names": names, "git": git }])
                }
                ImportCheckEntry::Names { names, counts: Counts::Matching { root, pattern } } => {
                    json!(["names", { "names": names, "root": root, "pattern": pattern }])
                }
                ImportCheckEntry::Mark => json!(["mark", null]),
                ImportCheckEntry::Program => json!(["program", null]),
            });
        }
        // Never their values: who installs keeps them, or does not.
        let settings: Vec<&String> = facts.settings.keys().collect();
        let rest = json!({
            "name": facts.name,
            "project": facts.project,
            "dist-info": facts.dist_info,
            "fingerprint": facts.fingerprint,
            "settings": settings,
            "entries": entries,
            "variables": self.variables,
            "families": ambient::families_at_import(),
            "left-out": self.left_out,
            "rustc": self.rustc,
            "products": self.products,
            "raced": self.raced,
        });
        let cache = facts.cache.map(Path::as_os_str).and_then(OsStr::to_str).unwrap_or_default();
        let mut fields = vec![FORMAT.to_owned(), cache.to_owned(), rest.to_string()];
        fields.extend(paths);
        fields.join("\0").into_bytes()
    }
}

/// Does it lie in a virtual environment, and not because the whole project does?
pub fn is_in_environment(path: &Path, project: &Path) -> bool {
    path.ancestors().take_while(|folder| !project.starts_with(folder)).any(is_environment)
}

fn is_environment(folder: &Path) -> bool {
    folder.join("pyvenv.cfg").is_file()
}

/// Does it reach the compiled module? Python sources of an editable install are read from the tree.
fn is_compared(watch: &Watch) -> bool {
    match watch {
        Watch::Path { part, .. }
        | Watch::Toml { part, .. }
        | Watch::Folder { part, .. }
        | Watch::Listing { part, .. }
        | Watch::WorkspaceSearch { part, .. }
        | Watch::Names { part, .. }
        | Watch::Glob { part, .. }
        | Watch::Package { part, .. }
        | Watch::Python { part, .. } => matches!(part, Part::Rust | Part::Manifest),
        Watch::CargoConfig | Watch::ToolchainFile | Watch::Variable { .. } | Watch::Variables => {
            true
        }
        Watch::Toolchain | Watch::Request => false,
    }
}

/// The digest of a TOML file's bytes, if they mean what was recorded; else one that fits nothing.
fn bytes_that_mean(path: &Path, view: View, meaning: &str) -> String {
    match fs_err::read(path) {
        Ok(bytes) if toml_view::digest(&bytes, view) == meaning => digest::bytes(&bytes),
        _ => String::new(),
    }
}
