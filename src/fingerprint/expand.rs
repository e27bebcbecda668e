//! From watches to the inputs that they name: each with its key, and how to look at it.

use std::collections::BTreeSet;
use std::path::PathBuf;

use super::item::{Item, Probe};
use super::observe::Observer;
use super::package::{self, Looked};
use super::{Value, search, walk};
use crate::digest;
use crate::inputs::{Key, Kind, Part, Place, Roots, View, Watch, cargo_config, environment};
use crate::request::Artifact;
use crate::toolchain;

impl Observer<'_> {
    pub(super) fn items(&self, watches: &BTreeSet<Watch>, roots: &Roots) -> Vec<Item> {
        let mut items = Vec::new();
        let mut watches = watches.iter().peekable();
        while let Some(watch) = watches.next() {
            let Watch::Glob { part, root, glob } = watch else {
                self.expand(watch, roots, &mut items);
                continue;
            };
            // A glob of the user, together with the glob for everything below matching folders.
            let mut globs = vec![glob.as_str()];
            while let Some(Watch::Glob { glob: next, .. }) = watches.next_if(|next| {
                matches!(next, Watch::Glob { part: its_part, root: its_root, glob: next }
                    if (its_part, its_root) == (part, root) && walk::begin_alike(glob, next))
            }) {
                globs.push(next);
            }
            walk::globs(*part, root, &globs, roots, &mut items);
        }
        items
    }

    fn expand(&self, watch: &Watch, roots: &Roots, items: &mut Vec<Item>) {
        match watch {
            Watch::Path { part, place } => {
                located(*part, Kind::File, place, roots, items, |path, items| {
                    walk::path(*part, place, &path, roots, items);
                });
            }
            Watch::Toml { part, view, place } => {
                located(*part, Kind::Toml, place, roots, items, |path, items| {
                    items.push(Item {
                        key: toml_key(*part, *view, place),
                        look: Probe::Meaning(path, *view),
                    });
                });
            }
            Watch::Folder { part, place } => {
                located(*part, Kind::Folder, place, roots, items, |path, items| {
                    let value =
                        if path.is_dir() { Value::Text("folder".into()) } else { Value::Absent };
                    let key = Key::place(*part, Kind::Folder, place);
                    items.push(Item { key, look: Probe::Known(value) });
                });
            }
            Watch::Listing { part, place } => {
                located(*part, Kind::Folder, place, roots, items, |path, items| {
                    let key = Key::place(*part, Kind::Folder, place);
                    let names = Probe::Known(search::listing(&path));
                    items.push(Item { key: key.clone(), look: names });
                    // Also watch for a name that is added during the build.
                    items.push(Item { key, look: Probe::DirMtime(path) });
                });
            }
            Watch::WorkspaceSearch { part, place } => {
                located(*part, Kind::Toml, place, roots, items, |path, items| {
                    search::workspaces(*part, place, &path, roots, items);
                });
            }
            Watch::Names { part, root, glob } => {
                let key = Key::place(
                    *part,
                    Kind::Folder,
                    &Place { root: root.clone(), path: glob.clone() },
                );
                items.push(Item { key, look: Probe::Known(walk::names(root, glob, roots)) });
            }
            Watch::Glob { part, root, glob } => walk::globs(*part, root, &[glob], roots, items),
            Watch::Package { part, place } => {
                located(*part, Kind::Folder, place, roots, items, |path, items| {
                    let looked = Looked {
                        environment: self.environment,
                        is_unpacked: self.request.root.join(super::record::FILE_NAME).is_file(),
                        all: self.all_of_packages,
                    };
                    package::files(*part, place, &path, &looked, roots, items);
                });
            }
            Watch::Python { part, place } => {
                located(*part, Kind::Folder, place, roots, items, |path, items| {
                    walk::python(*part, place, &path, roots, items);
                });
            }
            Watch::CargoConfig => {
                let found = cargo_config::config_files(&self.request.root, self.environment);
                items.extend(found.into_iter().map(|found| whole_toml(Part::Manifest, found)));
            }
            Watch::ToolchainFile => {
                let found = cargo_config::toolchain_file(&self.request.root);
                items.extend(found.map(|found| whole_toml(Part::Toolchain, found)));
            }
            Watch::Variable { name } => items.push(self.variable(name)),
            Watch::Variables => {
                let names = environment::set_variables(self.environment);
                items.extend(names.iter().map(|name| self.variable(name)));
            }
            Watch::Toolchain => self.toolchain(items),
            Watch::Request => self.request(items),
        }
    }

    fn variable(&self, name: &str) -> Item {
        let value = match self.environment.get(name) {
            None => Value::Absent,
            Some(value) => match value.to_str() {
                Some(value) => Value::Sha256(digest::bytes(
                    value.replace(self.stable_prefix, "{python}").as_bytes(),
                )),
                None => Value::Unreadable("the value is not UTF-8".into()),
            },
        };
        let key = Key::named(Part::Environment, Kind::Variable, name);
        Item { key, look: Probe::Known(value) }
    }

    fn toolchain(&self, items: &mut Vec<Item>) {
        let rustc = self.rustc.get_or_init(|| {
            let memory = self.toolchain_memory.as_deref();
            match toolchain::rustc(&self.toolchain_root, self.environment, memory) {
                Ok(version) => Value::Text(version),
                Err(cause) => Value::Unreadable(cause.to_string()),
            }
        });
        let maturin = match environment::maturin_version(&self.request.interpreter) {
            Some(version) => Value::Text(version),
            None => Value::Unknown,
        };
        let python = Value::Text(self.request.interpreter.identity());
        for (name, value) in [("rustc", rustc.clone()), ("maturin", maturin), ("python", python)] {
            let key = Key::named(Part::Toolchain, Kind::Value, name);
            items.push(Item { key, look: Probe::Known(value) });
        }
    }

    fn request(&self, items: &mut Vec<Item>) {
        let mut value = |name: String, value: Value| {
            let key = Key::named(Part::Request, Kind::Value, name);
            items.push(Item { key, look: Probe::Known(value) });
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

fn located(
    part: Part,
    kind: Kind,
    place: &Place,
    roots: &Roots,
    items: &mut Vec<Item>,
    expand: impl FnOnce(PathBuf, &mut Vec<Item>),
) {
    match roots.resolve(place) {
        Some(path) => expand(path, items),
        None => {
            let value = Value::Unreadable(format!("no folder is known for {}", place.root));
            items.push(Item { key: Key::place(part, kind, place), look: Probe::Known(value) });
        }
    }
}

fn toml_key(part: Part, view: View, place: &Place) -> Key {
    let mut key = Key::place(part, Kind::Toml, place);
    // The workspace's manifest can be two inputs: as a member's manifest and as the root's.
    match view {
        View::Workspace => key.view = Some(view),
        // The manifest of a package whose build script watches it.
        View::Whole if place.path.ends_with("Cargo.toml") => key.view = Some(view),
        _ => {}
    }
    key
}

fn whole_toml(part: Part, found: cargo_config::Found) -> Item {
    let place = Place { root: found.root.to_owned(), path: found.name };
    let key = Key::place(part, Kind::Toml, &place);
    Item { key, look: Probe::Meaning(found.path, View::Whole) }
}
