//! From watches to the inputs that they name: each with its key, and how to look at it.

use std::collections::BTreeSet;

use super::item::{Item, Probe, Spot};
use super::observe::Observer;
use super::package::{self, Looked};
use super::{Value, search, walk};
use crate::digest;
use crate::inputs::{Key, Kind, Look, Part, Place, Roots, View, Watch, cargo_config, environment};
use crate::request::Artifact;
use crate::toolchain;

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
                let names = environment::set_variables(self.environment);
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
        Item::known(key, value)
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
            items.push(Item::known(key, value));
        }
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
