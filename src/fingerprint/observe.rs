//! Reading inputs: each watch becomes keys with values.

use std::collections::BTreeSet;
use std::ffi::OsStr;
use std::path::{Path, PathBuf};
use std::sync::OnceLock;

use rayon::prelude::*;

use super::item::{self, Item, Observation, Places, Probe, is_absence};
use super::snapshot::{self, Snapshot};
use super::walk;
use super::{Inputs, Value};
use crate::digest;
use crate::inputs::{Key, Look, Roots, Watch, cargo_config};
use crate::request::{Environment, Request};
use crate::settings::Settings;
use crate::stat_cache::Digests;
use crate::toolchain::Toolchain;

pub struct Observer<'a> {
    pub request: &'a Request,
    pub settings: &'a Settings,
    /// The variables that programs get.
    pub environment: &'a Environment,
    /// The variables that count. A value does not say where the stable interpreter is.
    pub counted: &'a Environment,
    pub digests: &'a Digests,
    pub toolchain: &'a Toolchain,
    /// Whether files count that a package's `include` or `exclude` leaves out.
    pub all_of_packages: bool,
    pub(super) rustc: OnceLock<Value>,
}

/// The inputs after a build.
pub struct ObservedSince<const N: usize> {
    pub inputs: Inputs,
    /// The places of the inputs, for each set of watches.
    pub places: [Places; N],
    /// The inputs that changed during the build.
    pub raced: BTreeSet<Key>,
}

impl<'a> Observer<'a> {
    pub fn new(
        request: &'a Request,
        settings: &'a Settings,
        environment: &'a Environment,
        counted: &'a Environment,
        digests: &'a Digests,
        toolchain: &'a Toolchain,
    ) -> Self {
        let rustc = OnceLock::new();
        Self {
            request,
            settings,
            environment,
            counted,
            digests,
            toolchain,
            all_of_packages: false,
            rustc,
        }
    }

    pub fn observe(&self, watches: &BTreeSet<Watch>, roots: &Roots) -> Inputs {
        self.read(self.items(watches, roots))
    }

    pub fn observations(&self, watches: &BTreeSet<Watch>, roots: &Roots) -> Vec<Observation> {
        let items = self.items(watches, roots);
        let places = item::places(&items, roots);
        Observation::join(self.read(items), places)
    }

    pub fn places(&self, watches: &BTreeSet<Watch>, roots: &Roots) -> Places {
        item::places(&self.items(watches, roots), roots)
    }

    /// The state before a build: the files that these watches name, and all files of the packages
    /// in the given folders.
    pub fn snapshot(
        &self,
        watches: &BTreeSet<Watch>,
        roots: &Roots,
        packages: &[PathBuf],
    ) -> Snapshot {
        Snapshot::new(&self.items(watches, roots), packages, roots)
    }

    /// Observes the inputs after a build. Inputs changed during the build if their time is at or
    /// after `since` (nanoseconds since 1970), or if they differ from the snapshot `before`.
    /// `written` is the folder that maturin itself writes to.
    pub fn observe_since<const N: usize>(
        &self,
        watches: [&BTreeSet<Watch>; N],
        roots: &Roots,
        since: i128,
        before: &Snapshot,
        written: &Path,
    ) -> ObservedSince<N> {
        let items = watches.map(|watches| self.items(watches, roots));
        let places = items.each_ref().map(|items| item::places(items, roots));
        let items: Vec<Item> = items.into_iter().flatten().collect();
        let paths = items.iter();
        let paths: Vec<(Key, PathBuf)> =
            paths.filter_map(|item| Some((item.key.clone(), item.path()?.to_owned()))).collect();
        // Read the content first and the time second, so that an edit between the two is noticed.
        let inputs = self.read(items);
        let mut raced: BTreeSet<Key> = paths
            .into_iter()
            .filter(|(_, path)| {
                path != written
                    && snapshot::is_changed_since(path, since)
                    && !before.lay_ahead(path)
            })
            .map(|(key, _)| key)
            .collect();
        for watches in watches {
            raced.extend(before.changed(&self.items(watches, roots), roots));
        }
        ObservedSince { inputs, places, raced }
    }

    /// Whether these watches would have named this file, which was removed.
    pub fn would_name(&self, watches: &BTreeSet<Watch>, roots: &Roots, path: &Path) -> bool {
        let home = cargo_config::cargo_home(self.environment);
        let name = path.file_name().and_then(OsStr::to_str).unwrap_or_default();
        watches.iter().any(|watch| match watch {
            Watch::Place { look, place, .. } => {
                let Some(named) = roots.resolve(place) else { return false };
                match look {
                    Look::DirExists => false,
                    Look::WorkspaceSearch => {
                        let folder = path.parent().filter(|folder| *folder != named);
                        name == "Cargo.toml"
                            && folder.is_some_and(|folder| named.starts_with(folder))
                    }
                    _ => path.starts_with(named),
                }
            }
            Watch::Glob { root, glob, .. } => {
                roots.get(root).is_some_and(|folder| walk::is_matched(glob, folder, path))
            }
            Watch::CargoConfig => {
                let folder = path.parent();
                cargo_config::CONFIG_NAMES.contains(&name)
                    && (folder == home.as_deref()
                        || folder.is_some_and(|folder| folder.ends_with(".cargo")))
            }
            Watch::ToolchainFile => cargo_config::TOOLCHAIN_NAMES.contains(&name),
            Watch::Variable { .. } | Watch::Variables | Watch::Toolchain | Watch::Request => false,
        })
    }

    fn read(&self, items: Vec<Item>) -> Inputs {
        let read = |item: Item| {
            let value = match &item.probe {
                Probe::Known(value) => value.clone(),
                Probe::DirMtime(_) => return None,
                Probe::Content(path, stat) => content(self.digests.file(path, *stat)),
                Probe::Meaning(path, view) => {
                    content(self.digests.derived(path, None, &format!("{view:?}"), |path| {
                        Ok(view.digest(&digest::content(path)?))
                    }))
                }
            };
            Some((item.key, value))
        };
        let mut found = item::each(items, read);
        // Of equal keys the last one counts, so the sort must be stable.
        found.par_sort_by(|(one, _), (other, _)| one.cmp(other));
        found.into_iter().collect()
    }
}

fn content(digest: std::io::Result<String>) -> Value {
    match digest {
        Ok(digest) => Value::Sha256(digest),
        Err(error) if is_absence(&error) => Value::Absent,
        Err(error) => Value::Unreadable(error.kind().to_string()),
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use fs_err as fs;

    use super::super::testing::with_observer;
    use super::*;
    use crate::inputs::{Part, Place, Root};
    use crate::stat_cache;

    #[test]
    fn an_edit_while_others_are_hashed_is_a_race() {
        let folder = tempfile::tempdir().unwrap();
        let (large, edited) = (folder.path().join("large"), folder.path().join("edited"));
        // A sparse file takes long to hash, but no disk space.
        fs::File::create(&large).unwrap().set_len(512 << 20).unwrap();
        fs::write(&edited, "one").unwrap();
        std::thread::sleep(Duration::from_millis(100));
        let since = stat_cache::now();

        let mut roots = Roots::default();
        roots.add(Root::Project, folder.path());
        let watches = ["large", "edited"].map(|name| {
            let place = Place { root: Root::Project, path: name.into() };
            Watch::at(Look::Content, Part::Rust, place)
        });
        let before = Snapshot::default();
        let editor = std::thread::spawn({
            let edited = edited.clone();
            move || {
                std::thread::sleep(Duration::from_millis(30));
                fs::write(&edited, "two").unwrap();
            }
        });
        let watches = watches.into();
        let seen = with_observer(folder.path(), &Environment::default(), |observer| {
            let written = Path::new("nowhere");
            observer.observe_since([&watches], &roots, since, &before, written)
        });
        editor.join().unwrap();
        let names: Vec<&str> = seen.raced.iter().map(|key| key.name.as_str()).collect();
        assert_eq!(names, ["edited"]);
    }
}
