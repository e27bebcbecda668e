//! The table that an editable install compares at import (docs/design.md, D9).
//!
//! The table needs no judgement: it has paths of this machine, each with a [`State`], and a digest of
//! the environment. `_runtime_finder.py` and `_runtime_ask.py` compare it. An import that finds a
//! difference asks the backend what the difference means (`hooks::import_verdict`), so no rule of what
//! counts exists twice. The table may hold more than what counts, and never less.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use super::item::{Item, Probe};
use super::observe::Observer;
use super::walk;
use super::{Inputs, Value, package};
use crate::digest;
use crate::inputs::{Key, Kind, Look, Part, Roots, View, Watch, cargo_config, environment};
use crate::request::Environment;

mod table;

pub use table::{AtImport, Facts, Head, Whole, is_in_environment, parse};
use table::{State, is_environment};

impl Observer<'_> {
    /// The names in the folders that these watches look into, and the manifests above that may become
    /// workspaces. To be called before the inputs are observed: a file that is added in between must
    /// be new to an import.
    pub fn names_at_import(&self, watches: &BTreeSet<Watch>, roots: &Roots) -> AtImport {
        let mut found = AtImport::default();
        // An environment is never looked at: installing changes it again.
        let is_made = |path: &Path| is_environment(path) || walk::is_made(path, roots);
        let is_junk = |path: &Path| is_environment(path) || walk::is_junk(path, roots);
        for watch in watches.iter().filter(|watch| is_compared(watch)) {
            match watch {
                Watch::Place { look, place, .. } => {
                    let Some(path) = roots.resolve(place) else { continue };
                    match look {
                        Look::Content if path.is_dir() => {
                            found.add_folders(&path, usize::MAX, roots, &is_made);
                        }
                        // A folder in it may become a program by a `main.rs` (`search::listing`).
                        Look::DirEntries => found.add_folders(&path, 2, roots, &is_made),
                        Look::Package => {
                            found.add_folders(&path, usize::MAX, roots, &is_junk);
                            if !package::Rules::read(&path).has_include {
                                found.add_git_rules(&path);
                            }
                        }
                        Look::WorkspaceSearch => {
                            for folder in path.ancestors().skip(1) {
                                let path = folder.join("Cargo.toml");
                                let state = State::of_file(&path);
                                found.add(path, state);
                            }
                        }
                        Look::Content | Look::Toml(_) | Look::DirExists | Look::Python => {}
                    }
                }
                Watch::Glob { root, glob, .. } => {
                    if let Some(root) = roots.get(root) {
                        let (start, depth) = walk::start_of_glob(glob, root);
                        found.add_folders(&start, depth, roots, &is_junk);
                    }
                }
                _ => {}
            }
        }
        found
    }

    /// Adds all other paths. `inputs` are the recorded inputs of these watches.
    pub fn at_import(
        &self,
        mut found: AtImport,
        watches: &BTreeSet<Watch>,
        roots: &Roots,
        inputs: &Inputs,
    ) -> AtImport {
        let compared: BTreeSet<Watch> =
            watches.iter().filter(|watch| is_compared(watch)).cloned().collect();
        let items = self.items(&compared, roots);
        let keys: BTreeSet<Key> = items.iter().map(|item| item.key.clone()).collect();
        let is_lost = inputs.keys().any(|key| is_compared_key(key) && !keys.contains(key));
        for item in items {
            let value = inputs.get(&item.key);
            if let Some((path, state)) = value.and_then(|value| state_of(item, value, roots)) {
                found.add(path, state);
            }
        }
        found.leave_out_environments(&self.request.root);
        for watch in &compared {
            self.add_absences(watch, roots, inputs, &mut found);
        }
        let pyproject = self.request.root.join("pyproject.toml");
        let state = match fs_err::read(&pyproject) {
            Ok(content) => {
                found.facts.settings = View::Own.digest(&content);
                State::File(digest::bytes(&content))
            }
            Err(_) => State::Unknown,
        };
        // If an input went away since it was observed, the backend must be asked.
        found.add(pyproject, if is_lost { State::Unknown } else { state });
        for key in inputs.keys().filter(|key| key.kind == Kind::Variable) {
            if counts(&key.name, &found.facts.left_out) {
                let value = digest_of(&self.request.environment, &key.name);
                found.facts.variables.insert(key.name.clone(), value);
            }
        }
        let program = cargo_config::rustc(&self.request.root, self.environment);
        for path in self.toolchain.deciding(self.environment).into_iter().chain(program) {
            let state = State::of_program(&path);
            found.paths.insert(path, state);
        }
        found.facts.roots = roots.clone();
        found
    }

    fn add_absences(&self, watch: &Watch, roots: &Roots, inputs: &Inputs, found: &mut AtImport) {
        let root = &self.request.root;
        match watch {
            Watch::Place { look: Look::DirExists, part, place } => {
                if let Some(path) = roots.resolve(place) {
                    let state = match inputs.get(&Key::place(*part, Kind::Folder, place.clone())) {
                        Some(Value::Absent) => State::Absent,
                        _ => State::Folder,
                    };
                    found.add(path, state);
                }
            }
            Watch::CargoConfig => {
                for folder in cargo_config::config_folders(root, self.environment) {
                    let folder = folder.path;
                    let [first, second] = cargo_config::CONFIG_NAMES.map(|it| folder.join(it));
                    if !folder.is_dir() {
                        found.add_absent(folder);
                    } else if !found.knows(&first) {
                        // The first takes the second's place.
                        found.add_absent(first);
                        found.add_absent(second);
                    }
                }
            }
            Watch::ToolchainFile => {
                for folder in root.ancestors() {
                    let [first, second] = cargo_config::TOOLCHAIN_NAMES.map(|it| folder.join(it));
                    let is_nearest = found.knows(&first) || found.knows(&second);
                    found.add_absent(first);
                    if is_nearest {
                        break;
                    }
                    found.add_absent(second);
                }
            }
            _ => {}
        }
    }
}

/// Whether the variable is compared at import.
pub fn counts(name: &str, left_out: &BTreeSet<String>) -> bool {
    environment::counts_at_import(name) && !left_out.contains(name)
}

/// The digest of a variable; `None` if it is not set.
pub fn digest_of(environment: &Environment, name: &str) -> Option<String> {
    environment.get(name).map(|value| digest::bytes(value.as_encoded_bytes()))
}

/// Whether the inputs of this watch reach the compiled module. Python sources of an editable install
/// are read from the tree.
pub fn is_compared(watch: &Watch) -> bool {
    is_of_module(watch.part()) || *watch == Watch::ToolchainFile
}

/// Whether the input was found by a watch that [`is_compared`].
pub fn is_compared_key(key: &Key) -> bool {
    is_of_module(key.part) || key.part == Part::Toolchain && key.kind != Kind::Value
}

fn is_of_module(part: Part) -> bool {
    matches!(part, Part::Rust | Part::Manifest)
}

/// The path of an input, and the state in which it has the recorded value.
fn state_of(item: Item, value: &Value, roots: &Roots) -> Option<(PathBuf, State)> {
    Some(match (item.probe, value) {
        (Probe::Content(path, _), Value::Sha256(digest)) => (path, State::File(digest.clone())),
        (Probe::Meaning(path, view), Value::Sha256(meaning)) => {
            let state = match fs_err::read(&path) {
                Ok(bytes) if view.digest(&bytes) == *meaning => State::File(digest::bytes(&bytes)),
                _ => State::Unknown,
            };
            (path, state)
        }
        (Probe::Content(path, _) | Probe::Meaning(path, _), Value::Absent) => (path, State::Absent),
        (Probe::Content(path, _) | Probe::Meaning(path, _), Value::Unreadable(_)) => {
            (path, State::Unknown)
        }
        // A dangling link: its target must still be absent.
        (Probe::Known(_), Value::Sha256(_)) if item.key.kind == Kind::Special => {
            (roots.path_of(&item.key)?, State::Absent)
        }
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use fs_err as fs;

    use super::super::testing::with_observer;
    use super::*;
    use crate::inputs::{Place, Root};

    /// A folder below `src/bin` becomes a program by one more file.
    #[test]
    fn a_program_that_a_folder_becomes_is_seen() {
        let project = tempfile::tempdir().unwrap();
        let tool = project.path().join("src/bin/tool");
        fs::create_dir_all(&tool).unwrap();
        let mut roots = Roots::default();
        roots.add(Root::Project, project.path());
        let place = Place { root: Root::Project, path: "src/bin".to_owned() };
        let watches = BTreeSet::from([Watch::at(Look::DirEntries, Part::Rust, place)]);
        let table = || {
            with_observer(project.path(), &Environment::default(), |observer| {
                observer.names_at_import(&watches, &roots).paths
            })
        };
        let before = table();
        assert!(table() == before);
        fs::write(tool.join("main.rs"), "").unwrap();
        assert!(table() != before);
    }

    /// What changes between the two looks at the tree must differ from the table.
    #[test]
    fn a_change_after_the_inputs_were_observed_is_not_in_the_table() {
        let above = tempfile::tempdir().unwrap();
        let project = above.path().join("project");
        fs::create_dir_all(project.join("member")).unwrap();
        fs::create_dir_all(project.join(".cargo")).unwrap();
        fs::write(project.join(".cargo/config.toml"), "[build]").unwrap();
        fs::write(project.join("pyproject.toml"), "").unwrap();
        let mut roots = Roots::default();
        roots.add(Root::Project, project.clone());
        let place = |path: &str| Place { root: Root::Project, path: path.to_owned() };
        let part = Part::Manifest;
        let watches: BTreeSet<Watch> = [
            Watch::CargoConfig,
            Watch::at(Look::DirExists, part, place("member")),
            Watch::at(Look::WorkspaceSearch, part, place("")),
        ]
        .into();
        let table = |change: &dyn Fn()| {
            with_observer(&project, &Environment::default(), |observer| {
                let names = observer.names_at_import(&watches, &roots);
                let inputs = observer.observe(&watches, &roots);
                change();
                observer.at_import(names, &watches, &roots, &inputs)
            })
        };
        let state = |table: &AtImport, path: &Path| table.paths.get(path).cloned();
        let pyproject = project.join("pyproject.toml");
        let unchanged = table(&|| {});
        assert!(matches!(state(&unchanged, &pyproject), Some(State::File(_))));

        let manifest: PathBuf = above.path().join("Cargo.toml");
        let with_workspace = table(&|| fs::write(&manifest, "[workspace]").unwrap());
        assert_eq!(state(&with_workspace, &manifest), Some(State::Absent));
        let without_folder = table(&|| fs::remove_dir(project.join("member")).unwrap());
        assert_eq!(state(&without_folder, &project.join("member")), Some(State::Folder));
        let without_config =
            table(&|| fs::remove_file(project.join(".cargo/config.toml")).unwrap());
        assert_eq!(state(&without_config, &pyproject), Some(State::Unknown));
    }
}
