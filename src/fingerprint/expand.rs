//! From watches to the inputs that they name: each with its key, and how to look at it.

use std::collections::BTreeSet;

use super::item::{Item, Probe, Spot};
use super::observe::Observer;
use super::package::{self, Looked};
use super::{Value, search, walk};
use crate::digest;
use crate::inputs::{Key, Kind, Look, Part, Place, Roots, View, Watch, cargo_config, environment};
use crate::request::Artifact;

impl Observer<'_> {
    pub(super) fn items(&self, watches: &BTreeSet<Watch>, roots: &Roots) -> Vec<Item> {
        let mut items = Vec::new();
        let mut watches = watches.iter().peekable();
        while let Some(watch) = watches.next() {
            let Watch::Glob { part, root, glob, only_names: false } = watch else {
                self.expand(watch, roots, &mut items);
                continue;
            };
            // A glob of the user, together with the glob for everything below matching folders.
            let mut globs = vec![glob.as_str()];
            while let Some(Watch::Glob { glob: next, .. }) = watches.next_if(|next| {
                matches!(next, Watch::Glob { part: its_part, root: its_root, glob: next, only_names }
                    if (its_part, its_root, *only_names) == (part, root, false)
                        && walk::begin_alike(glob, next))
            }) {
                globs.push(next);
            }
            walk::globs(*part, root, &globs, roots, &mut items);
        }
        items
    }

    fn expand(&self, watch: &Watch, roots: &Roots, items: &mut Vec<Item>) {
        match watch {
            Watch::Place { look, part, place } => match roots.resolve(place) {
                Some(path) => {
                    let spot = Spot { part: *part, place, path: &path, roots };
                    self.place(*look, &spot, items);
                }
                None => {
                    let cause = format!("no folder is known for {}", place.root);
                    let key = Key::place(*part, kind(*look), place.clone());
                    items.push(Item::known(key, Value::Unreadable(cause)));
                }
            },
            Watch::Glob { part, root, glob, only_names: true } => {
                let place = Place { root: root.clone(), path: glob.clone() };
                let key = Key::place(*part, Kind::Folder, place);
                items.push(Item::known(key, walk::names(root, glob, roots)));
            }
            Watch::Glob { part, root, glob, only_names: false } => {
                walk::globs(*part, root, &[glob], roots, items);
            }
            Watch::CargoConfig => {
                let found = cargo_config::config_files(&self.request.root, self.environment);
                items.extend(found.into_iter().map(|found| whole_toml(watch.part(), found)));
            }
            Watch::ToolchainFile => {
                let found = cargo_config::toolchain_file(&self.request.root);
                items.extend(found.map(|found| whole_toml(watch.part(), found)));
            }
            Watch::Variable { name } => items.push(self.variable(name)),
            Watch::Variables => {
                let names = environment::set_variables(self.counted);
                items.extend(names.iter().map(|name| self.variable(name)));
            }
            Watch::Toolchain => self.toolchain(items),
            Watch::Request => self.request(items),
        }
    }

    fn place(&self, look: Look, spot: &Spot<'_>, items: &mut Vec<Item>) {
        let (key, path) = (spot.key(kind(look)), spot.path);
        match look {
            Look::Content => walk::path(spot, items),
            Look::Toml(view) => {
                let view_of_key = match view {
                    // The workspace's manifest can be two inputs: as a member's manifest and as the
                    // root's.
                    View::Workspace => Some(view),
                    // The manifest of a package whose build script watches it.
                    View::Whole if spot.place.path.ends_with("Cargo.toml") => Some(view),
                    _ => None,
                };
                let key = Key { view: view_of_key, ..key };
                items.push(Item { key, probe: Probe::Meaning(path.to_owned(), view) });
            }
            Look::DirExists => {
                let value =
                    if path.is_dir() { Value::Text("folder".into()) } else { Value::Absent };
                items.push(Item::known(key, value));
            }
            Look::DirEntries => {
                items.push(Item::known(key.clone(), search::listing(path)));
                // Also watch for a name that is added during the build.
                items.push(Item { key, probe: Probe::DirMtime(path.to_owned()) });
            }
            Look::WorkspaceSearch => search::workspaces(spot, items),
            Look::Package => {
                let looked = Looked {
                    environment: self.environment,
                    is_unpacked: self.request.root.join(super::record::FILE_NAME).is_file(),
                    all: self.all_of_packages,
                };
                package::files(spot, &looked, items);
            }
            Look::Python => walk::python(spot, items),
        }
    }

    fn variable(&self, name: &str) -> Item {
        let value = match self.counted.get(name) {
            None => Value::Absent,
            Some(value) => match value.to_str() {
                Some(value) => Value::Sha256(digest::bytes(value.as_bytes())),
                None => Value::Unreadable("the value is not UTF-8".into()),
            },
        };
        let key = Key::named(Part::Environment, Kind::Variable, name);
        Item::known(key, value)
    }

    fn toolchain(&self, items: &mut Vec<Item>) {
        let rustc = self.rustc.get_or_init(|| match self.toolchain.rustc(self.environment) {
            Ok(version) => Value::Text(version),
            Err(_) if self.needs_no_rustc() => Value::Unknown,
            Err(cause) => Value::Unreadable(cause.to_string()),
        });
        let maturin = match environment::maturin_version(&self.request.interpreter) {
            Some(version) => Value::Text(version),
            None => Value::Unknown,
        };
        let python = Value::Text(self.request.interpreter.identity());
        for (name, value) in [("rustc", rustc.clone()), ("maturin", maturin), ("python", python)] {
            let key = Key::named(Part::Toolchain, Kind::Value, name);
            items.push(Item::known(key, value));
        }
    }

    /// Whether builds of any rustc are used, because this machine has none.
    fn needs_no_rustc(&self) -> bool {
        let is_accepted = self.settings.shared.as_ref().is_some_and(|it| it.without_toolchain);
        is_accepted && cargo_config::rustc(&self.request.root, self.environment).is_none()
    }

    fn request(&self, items: &mut Vec<Item>) {
        let mut value = |name: String, value: Value| {
            let key = Key::named(Part::Request, Kind::Value, name);
            items.push(Item::known(key, value));
        };
        value("artifact".into(), Value::Text(self.request.artifact.as_str().into()));
        value("wheelprint".into(), Value::Text(env!("CARGO_PKG_VERSION").into()));
        for (name, setting) in self.request.maturin_settings() {
            let text = serde_json::to_string(&setting).unwrap_or_default();
            value(format!("config setting {name}"), Value::Sha256(digest::bytes(text.as_bytes())));
        }
        if !self.settings.extra_inputs.is_empty() {
            let globs = self.settings.extra_inputs.join("\n");
            value("extra-inputs".into(), Value::Sha256(digest::bytes(globs.as_bytes())));
        }
        if self.settings.remap_paths && self.request.artifact == Artifact::Wheel {
            value("remap-paths".into(), Value::Text("true".into()));
        }
        if self.request.artifact == Artifact::Editable {
            value("on-stale".into(), Value::Text(self.settings.on_stale.as_str().into()));
            let hook = digest::bytes(crate::editable::RUNTIME.concat().as_bytes());
            value("runtime hook".into(), Value::Sha256(hook));
        }
    }
}

/// The kind of the key of a place.
fn kind(look: Look) -> Kind {
    match look {
        Look::Content => Kind::File,
        Look::Toml(_) | Look::WorkspaceSearch => Kind::Toml,
        Look::DirExists | Look::DirEntries | Look::Package | Look::Python => Kind::Folder,
    }
}

fn whole_toml(part: Part, found: cargo_config::Found) -> Item {
    let place = Place { root: found.root, path: found.name };
    let key = Key::place(part, Kind::Toml, place);
    Item { key, probe: Probe::Meaning(found.path, View::Whole) }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use fs_err as fs;

    use super::super::testing::with_observer;
    use super::*;
    use crate::freshness::{self, Reason, Verdict};
    use crate::inputs::Root;
    use crate::request::Environment;

    fn write(root: &Path, name: &str, text: &str) {
        let path = root.join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    }

    fn a_tree(root: &Path) {
        write(root, "Cargo.toml", "[package]\nname = 'a'\ninclude = ['src/**', 'data/*']\n");
        write(root, "src/lib.rs", "one");
        write(root, "src/bin/one.rs", "");
        write(root, "data/a.json", "{}");
        write(root, "data/deep/b.json", "{}");
        write(root, "data/c.txt", "");
        write(root, "python/pkg/__init__.py", "");
        write(root, "python/pkg/__pycache__/x.pyc", "");
        write(root, "pyproject.toml", "[project]\nname = 'a'\n[tool.maturin]\nfeatures = []\n");
        write(root, ".cargo/config.toml", "[build]\n");
        fs::create_dir(root.join("empty")).unwrap();
    }

    /// What a change of the tree does to the inputs of one watch: `~` changed, `+` added, `-` removed.
    fn change(watch: &Watch, change: impl FnOnce(&Path)) -> Vec<String> {
        let folder = tempfile::tempdir().unwrap();
        let root = folder.path().join("above/project");
        a_tree(&root);
        let mut roots = Roots::default();
        roots.add(Root::Project, &root);
        roots.add(Root::Products("target".into()), root.join("target"));
        let observe = || {
            let watches = [watch.clone()].into();
            with_observer(&root, &Environment::default(), |it| it.observe(&watches, &roots))
        };
        let before = observe();
        assert!(matches!(freshness::compare(&before, &[], &observe()), Verdict::Fresh { .. }));
        change(&root);
        let Verdict::Stale(reasons) = freshness::compare(&before, &[], &observe()) else {
            return Vec::new();
        };
        let word = |reason: &Reason| match reason {
            Reason::Changed { key, .. } => format!("~{}", key.name),
            Reason::Added { key, .. } => format!("+{}", key.name),
            Reason::Removed { key, .. } => format!("-{}", key.name),
            other => panic!("{other:?}"),
        };
        reasons.iter().map(word).collect()
    }

    fn at(look: Look, path: &str) -> Watch {
        Watch::at(look, Part::Rust, Place { root: Root::Project, path: path.into() })
    }

    fn glob(glob: &str, only_names: bool) -> Watch {
        Watch::Glob { part: Part::Rust, root: Root::Project, glob: glob.into(), only_names }
    }

    type Change = fn(&Path);

    #[test]
    fn every_watch_sees_what_it_is_for_and_nothing_else() {
        let edit: Change = |root| write(root, "src/lib.rs", "two");
        let same: Change = |root| write(root, "src/lib.rs", "one");
        let remove: Change = |root| fs::remove_file(root.join("src/lib.rs")).unwrap();
        let add: Change = |root| write(root, "src/bin/two.rs", "");
        let add_deep: Change = |root| write(root, "src/bin/three/main.rs", "");
        let json: Change = |root| write(root, "data/deep/new.json", "{}");
        let text: Change = |root| write(root, "data/new.txt", "");
        let edit_json: Change = |root| write(root, "data/a.json", "[]");
        let outputs: Change = |root| write(root, "target/debug/a.json", "{}");
        let no_folder: Change = |root| fs::remove_dir_all(root.join("data")).unwrap();
        let no_empty: Change = |root| fs::remove_dir(root.join("empty")).unwrap();
        let become_a_folder: Change = |root| {
            fs::remove_file(root.join("src/lib.rs")).unwrap();
            write(root, "src/lib.rs/inside", "");
        };
        let comment: Change = |root| {
            let known = fs::read_to_string(root.join("pyproject.toml")).unwrap();
            write(root, "pyproject.toml", &format!("# a comment\n{known}"));
        };
        let features: Change = |root| {
            write(root, "pyproject.toml", "[project]\nname='a'\n[tool.maturin]\nfeatures=['x']")
        };
        let rename: Change = |root| {
            write(root, "pyproject.toml", "[project]\nname='b'\n[tool.maturin]\nfeatures=[]")
        };
        let above: Change = |root| write(root, "../Cargo.toml", "[workspace]\n");
        let above_is_none: Change = |root| write(root, "../Cargo.toml", "[package]\n");
        let pyc: Change = |root| write(root, "python/pkg/__pycache__/y.pyc", "");
        let module: Change = |root| write(root, "python/pkg/new.py", "");
        let config: Change = |root| write(root, ".cargo/config.toml", "[build]\njobs = 1\n");
        let first: Change = |root| write(root, ".cargo/config", "[build]\n");
        let config_above: Change = |root| write(root, "../.cargo/config.toml", "[build]\n");
        let toolchain: Change = |root| write(root, "rust-toolchain", "1.90");

        let lib = at(Look::Content, "src/lib.rs");
        let sources = at(Look::Content, "src");
        let rows: &[(&Watch, Change, &[&str])] = &[
            (&lib, edit, &["~src/lib.rs"]),
            (&lib, same, &[]),
            (&lib, remove, &["-src/lib.rs"]),
            (&lib, add, &[]),
            (&at(Look::Content, "data/new.txt"), text, &["+data/new.txt"]),
            (&sources, edit, &["~src/lib.rs"]),
            (&sources, add, &["+src/bin/two.rs"]),
            (&sources, add_deep, &["+src/bin/three", "+src/bin/three/main.rs"]),
            (&sources, remove, &["-src/lib.rs"]),
            (&sources, become_a_folder, &["-src/lib.rs", "+src/lib.rs", "+src/lib.rs/inside"]),
            (&at(Look::Content, ""), outputs, &[]),
            (&at(Look::Content, ""), no_empty, &["-empty"]),
            (&at(Look::DirExists, "data"), no_folder, &["-data"]),
            (&at(Look::DirExists, "data"), text, &[]),
            (&at(Look::DirEntries, "src/bin"), add, &["~src/bin"]),
            (&at(Look::DirEntries, "src/bin"), add_deep, &["~src/bin"]),
            (&at(Look::DirEntries, "data"), edit_json, &[]),
            (&at(Look::DirEntries, "data"), json, &[]),
            (&at(Look::Toml(View::Build), "pyproject.toml"), comment, &[]),
            (&at(Look::Toml(View::Build), "pyproject.toml"), features, &["~pyproject.toml"]),
            (&at(Look::Toml(View::Build), "pyproject.toml"), rename, &[]),
            (&at(Look::Toml(View::Project), "pyproject.toml"), rename, &["~pyproject.toml"]),
            (&at(Look::Toml(View::Project), "pyproject.toml"), features, &[]),
            (&at(Look::WorkspaceSearch, ""), above, &["+../Cargo.toml"]),
            (&at(Look::WorkspaceSearch, ""), above_is_none, &[]),
            (&at(Look::Package, ""), edit, &["~src/lib.rs"]),
            (&at(Look::Package, ""), text, &["+data/new.txt"]),
            (&at(Look::Package, ""), module, &[]),
            (&at(Look::Package, ""), outputs, &[]),
            (&at(Look::Python, "python/pkg"), module, &["+python/pkg/new.py"]),
            (&at(Look::Python, "python/pkg"), pyc, &[]),
            (&glob("data/**/*.json", false), json, &["+data/deep/new.json"]),
            (&glob("data/**/*.json", false), edit_json, &["~data/a.json"]),
            (&glob("data/**/*.json", false), text, &[]),
            (&glob("**/*.json", false), outputs, &[]),
            (&glob("data/*/*.json", true), json, &["~data/*/*.json"]),
            (&glob("data/*.json", true), edit_json, &[]),
            (&Watch::CargoConfig, config, &["~.cargo/config.toml"]),
            (&Watch::CargoConfig, first, &["-.cargo/config.toml", "+.cargo/config"]),
            (&Watch::CargoConfig, config_above, &["+../.cargo/config.toml"]),
            (&Watch::ToolchainFile, toolchain, &["+rust-toolchain"]),
            (&Watch::ToolchainFile, edit, &[]),
        ];
        let mut wrong = Vec::new();
        for (row, (watch, make, expected)) in rows.iter().enumerate() {
            let mut found = change(watch, make);
            found.sort();
            let mut expected = expected.to_vec();
            expected.sort_unstable();
            if found != expected {
                wrong.push(format!("row {row}: {watch:?}: {found:?}, not {expected:?}"));
            }
        }
        assert!(wrong.is_empty(), "{wrong:#?}");
    }

    #[test]
    fn a_place_below_an_unknown_root_is_unreadable() {
        let place = Place { root: Root::Workspace, path: "a".into() };
        let watches = [Watch::at(Look::Content, Part::Rust, place)].into();
        let inputs = with_observer(Path::new("/nowhere"), &Environment::default(), |it| {
            it.observe(&watches, &Roots::default())
        });
        let cause = Value::Unreadable("no folder is known for workspace".into());
        assert_eq!(inputs.into_values().collect::<Vec<_>>(), [cause]);
    }

    #[test]
    fn a_variable_that_is_not_set_is_absent() {
        let value = |text: Option<&str>| {
            let mut environment = Environment::default();
            text.into_iter().for_each(|text| environment.set("PYO3_PYTHON", text));
            let watches = [Watch::Variable { name: "PYO3_PYTHON".into() }].into();
            let inputs = with_observer(Path::new("/nowhere"), &environment, |it| {
                it.observe(&watches, &Roots::default())
            });
            inputs.into_values().next().unwrap()
        };
        assert_eq!(value(None), Value::Absent);
        assert_eq!(value(Some("/python")), Value::Sha256(digest::bytes(b"/python")));
    }
}
