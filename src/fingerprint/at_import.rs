//! What an import compares with (DESIGN D9): the inputs that reach the compiled module, as paths of
//! this machine with what they held, for a reader without a TOML parser or cargo.
//!
//! The format is read by `python/wheelprint/_import_check.py`. It is stricter than the record where
//! that needs git's rules, and where Python has no TOML parser (before 3.11): a difference that makes
//! none is found out by the backend, which is asked then, and not asked again.

use std::collections::{BTreeMap, BTreeSet};
use std::ffi::OsStr;
use std::path::{Path, PathBuf};

use serde_json::json;

use super::observe::Observer;
use super::toml_view;
use super::walk::{self, Look};
use super::{Inputs, Value};
use crate::digest;
use crate::inputs::{Kind, PRODUCTS, Part, Roots, View, Watch, ambient, normalize};
use crate::request::{ConfigSettings, ConfigValue};
use crate::toolchain;

/// The first field of the file.
const FORMAT: &str = "wheelprint check 1";

/// What is compared at a path.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum Sight {
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
    /// The names in it; of new ones only those that match, if there is a pattern, as seen from a
    /// root.
    Names {
        names: Vec<String>,
        matching: Option<(PathBuf, String)>,
    },
    /// A file that decides which rustc there is.
    Program,
}

/// Everything an import compares with.
#[derive(Debug, Default)]
pub struct AtImport {
    sights: BTreeSet<(PathBuf, Sight)>,
    variables: BTreeMap<String, Option<String>>,
    /// Program and version.
    rustc: Option<(PathBuf, String)>,
    products: Vec<PathBuf>,
    /// What changed while it was built: the module may be of neither state.
    pub raced: Vec<String>,
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
                Watch::Path { place, .. } | Watch::Package { place, .. } => {
                    if let Some(path) = roots.resolve(place).filter(|path| path.is_dir()) {
                        found.add_names_below(&path, usize::MAX, None, roots);
                    }
                }
                Watch::Listing { place, .. } => {
                    if let Some(path) = roots.resolve(place) {
                        found.add_names_below(&path, 1, None, roots);
                    }
                }
                Watch::Glob { root, glob, .. } | Watch::Names { root, glob, .. } => {
                    let Some(root) = roots.get(root) else { continue };
                    let (start, depth) = walk::start_of_glob(glob, root);
                    found.add_names_below(&start, depth, Some((root, glob)), roots);
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
                (Look::Content(path), Value::Sha256(digest)) => {
                    found.sights.insert((path, Sight::File(digest.clone())));
                }
                (Look::Content(path) | Look::Meaning(path, _), Value::Absent) => {
                    found.sights.insert((path, Sight::Absent));
                }
                (Look::Meaning(path, view), Value::Sha256(meaning)) => {
                    let bytes = bytes_that_mean(&path, view, meaning);
                    let meaning = meaning.clone();
                    found.sights.insert((path, Sight::Toml { bytes, view, meaning }));
                }
                // What can't be read can't be compared.
                _ => {}
            }
        }
        for watch in &compared {
            self.add_absences(watch, roots, &mut found);
        }
        let named = inputs.keys().filter(|key| key.kind == Kind::Variable);
        for name in named.map(|key| &key.name).filter(|name| ambient::counts_at_import(name)) {
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
                    let sight = if path.is_dir() { Sight::Folder } else { Sight::Absent };
                    found.sights.insert((path, sight));
                }
            }
            Watch::WorkspaceSearch { place, .. } => {
                let folders = roots.resolve(place);
                for folder in folders.iter().flat_map(|folder| folder.ancestors().skip(1)) {
                    found.add_if_absent(folder.join("Cargo.toml"));
                }
            }
            Watch::CargoConfig => {
                let home = ambient::cargo_home(self.environment);
                let folders = root.ancestors().map(|folder| folder.join(".cargo")).chain(home);
                for folder in folders {
                    let names = ["config", "config.toml"];
                    let lacking: Vec<String> = names
                        .into_iter()
                        .filter(|name| !folder.join(name).is_file())
                        .map(str::to_owned)
                        .collect();
                    if !lacking.is_empty() {
                        found.sights.insert((folder, Sight::Lacking(lacking)));
                    }
                }
            }
            Watch::ToolchainFile => {
                let nearest = ambient::toolchain_file(root).map(|found| found.path);
                let within = nearest.as_deref().and_then(Path::parent);
                for folder in root.ancestors() {
                    for name in ["rust-toolchain", "rust-toolchain.toml"] {
                        found.add_if_absent(folder.join(name));
                    }
                    if Some(folder) == within {
                        break;
                    }
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
        found.sights.extend(deciding.into_iter().map(|path| (path, Sight::Program)));
        found.rustc = Some((program, version));
    }
}

impl AtImport {
    /// The names in a folder and in those below it; that it is not there, if it is not.
    fn add_names_below(
        &mut self,
        start: &Path,
        depth: usize,
        glob: Option<(&Path, &str)>,
        roots: &Roots,
    ) {
        self.add_if_absent(start.to_owned());
        let matching = glob.and_then(|(root, glob)| Some((root.to_owned(), walk::pattern(glob)?)));
        for folder in walk::folders(start, depth, roots) {
            self.add_names(&folder, matching.clone(), roots);
        }
    }

    fn add_names(&mut self, folder: &Path, matching: Option<(PathBuf, String)>, roots: &Roots) {
        let Ok(entries) = fs_err::read_dir(folder) else { return };
        let names: BTreeSet<String> = entries
            .flatten()
            .filter(|entry| !walk::is_junk(&entry.path(), roots))
            .map(|entry| entry.file_name().to_string_lossy().into_owned())
            .collect();
        let names = names.into_iter().collect();
        self.sights.insert((folder.to_owned(), Sight::Names { names, matching }));
    }

    fn add_if_absent(&mut self, path: PathBuf) {
        if fs_err::symlink_metadata(&path).is_err() {
            self.sights.insert((path, Sight::Absent));
        }
    }

    /// As it is written into the wheel. A path that holds a NUL, or can't be told in UTF-8, is not
    /// there: no record that names it is ever matched either.
    pub fn to_bytes(&self, facts: &Facts<'_>) -> Vec<u8> {
        let (mut entries, mut paths) = (Vec::new(), Vec::new());
        for (path, sight) in &self.sights {
            let Some(path) = normalize(path).to_str().map(str::to_owned) else { continue };
            paths.push(path);
            entries.push(match sight {
                Sight::File(digest) => json!(["file", digest]),
                Sight::Toml { bytes, view, meaning } => {
                    json!(["toml", { "bytes": bytes, "view": view, "meaning": meaning }])
                }
                Sight::Absent => json!(["absent", null]),
                Sight::Lacking(names) => json!(["lacking", names]),
                Sight::Folder => json!(["folder", null]),
                Sight::Names { names, matching: None } => json!(["names", { "names": names }]),
                Sight::Names { names, matching: Some((root, pattern)) } => {
                    json!(["names", { "names": names, "root": root, "pattern": pattern }])
                }
                Sight::Program => json!(["program", null]),
            });
        }
        let settings: BTreeMap<&String, serde_json::Value> = facts
            .settings
            .iter()
            .map(|(name, value)| match value {
                ConfigValue::Text(text) => (name, json!(text)),
                ConfigValue::List(list) => (name, json!(list)),
                ConfigValue::Flag(flag) => (name, json!(flag.to_string())),
            })
            .collect();
        let rustc = self
            .rustc
            .as_ref()
            .map(|(program, version)| json!({ "program": program, "version": version }));
        let rest = json!({
            "name": facts.name,
            "project": facts.project,
            "dist-info": facts.dist_info,
            "fingerprint": facts.fingerprint,
            "settings": settings,
            "entries": entries,
            "variables": self.variables,
            "families": ambient::families_at_import(),
            "rustc": rustc,
            "products": self.products,
            "raced": self.raced,
        });
        let cache = facts.cache.map(Path::as_os_str).and_then(OsStr::to_str).unwrap_or_default();
        let mut fields = vec![FORMAT.to_owned(), cache.to_owned(), rest.to_string()];
        fields.extend(paths);
        fields.join("\0").into_bytes()
    }
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
