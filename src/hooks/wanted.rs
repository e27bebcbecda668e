//! Which of a project's inputs uv can watch.

use std::collections::BTreeSet;
use std::ops::RangeInclusive;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use fs_err as fs;

use super::call::Call;
use super::inspect::Watched;
use crate::fingerprint::Value;
use crate::inputs::target::subfolders;
use crate::inputs::{Key, Kind, Look, Root, Roots, Watch, cargo_config, environment, read_toml};
use crate::settings::{KeyList, OnStale};
use crate::uv::derive::Wanted;

/// The inputs that cache keys could name.
pub fn wanted(call: &Call, watched: &Watched) -> Wanted {
    let root = &call.project.root;
    // What the short list leaves out, an import has to see.
    let usual = if is_import_checked(call) { KeyList::Short } else { KeyList::Exhaustive };
    let list = call.settings.cache_keys.unwrap_or(usual);
    let mut wanted = Wanted { list, root: root.clone(), ..Wanted::default() };
    let repository = root.ancestors().find(|folder| folder.join(".git").exists());
    wanted.within.extend(repository.map(Path::to_owned));
    wanted.within.insert(root.clone());
    for (name, folder) in watched.roots.iter() {
        match name {
            Root::Workspace | Root::Crate(_) => wanted.within.insert(folder.to_owned()),
            Root::Products(_) => wanted.made.insert(folder.to_owned()),
            _ => false,
        };
    }
    let runs = script_runs(&wanted.made);
    for seen in &watched.inputs {
        // A folder is as new as the last file that was put there, so only files are compared.
        let meta = seen.path.as_deref().and_then(|path| fs::metadata(path).ok());
        let written = meta.filter(|meta| meta.is_file()).and_then(|meta| meta.modified().ok());
        if let Some(path) = &seen.path
            && written.is_some_and(|written| runs.iter().any(|run| run.contains(&written)))
        {
            wanted.made.insert(path.clone());
        }
        wanted.add_input(&seen.key, &seen.value, seen.path.as_deref());
    }
    for watch in &watched.watches {
        add_watch(&call.project.root, watch, &watched.roots, &mut wanted);
    }
    let left_out = call.variables_of_uv();
    wanted.variables.retain(|name| environment::counts_at_import(name) && !left_out.contains(name));
    wanted
}

/// Whether an import of the package compares its inputs. A program without a module is never imported.
pub fn is_import_checked(call: &Call) -> bool {
    let has_module = || match call.project.maturin.bindings.as_deref() {
        Some(bindings) => bindings != "bin",
        None => {
            let manifest = call.project.manifest_path(&call.request);
            let declared = read_toml(&manifest).is_some_and(|table| table.contains_key("lib"));
            declared || manifest.with_file_name("src").join("lib.rs").is_file()
        }
    };
    call.settings.on_stale != OnStale::Ignore && has_module()
}

fn add_watch(project: &Path, watch: &Watch, roots: &Roots, wanted: &mut Wanted) {
    // Stop at the checkout: folders above it belong to this machine, not to the project.
    let above = |folder: &Path| -> Vec<PathBuf> {
        let is_ours =
            |folder: &&Path| wanted.within.iter().any(|within| folder.starts_with(within));
        folder.ancestors().take_while(is_ours).map(Path::to_owned).collect()
    };
    let mut absent = Vec::new();
    match watch {
        Watch::Place { look, place, .. } => {
            let Some(path) = roots.resolve(place) else { return };
            match look {
                Look::Content if !path.exists() && may_be_folder(&path) => {
                    // maturin's data folder is never a file.
                    if path.extension().is_some_and(|extension| extension == "data") {
                        wanted.absent.remove(&path);
                    }
                    wanted.places.insert(path);
                }
                Look::Content | Look::DirEntries if path.is_dir() => {
                    wanted.folders.insert(path);
                }
                Look::Package => wanted.packages.extend([path]),
                Look::DirExists => wanted.places.extend([path]),
                Look::WorkspaceSearch => {
                    let folders = above(&path).into_iter().skip(1);
                    absent.extend(folders.map(|folder| folder.join("Cargo.toml")));
                }
                _ => {}
            }
        }
        Watch::Glob { root, glob, .. } => {
            wanted.globs.extend(roots.get(root).map(|root| (root.to_owned(), glob.clone())));
        }
        Watch::Variable { name } => {
            wanted.variables.insert(name.clone());
        }
        Watch::CargoConfig => {
            for folder in above(project) {
                let names = cargo_config::CONFIG_NAMES;
                absent.extend(names.map(|name| folder.join(".cargo").join(name)));
            }
        }
        Watch::ToolchainFile => {
            for folder in above(project) {
                let names = cargo_config::TOOLCHAIN_NAMES;
                absent.extend(names.map(|name| folder.join(name)));
            }
        }
        _ => {}
    }
    wanted.absent.extend(absent.into_iter().filter(|path| !path.is_file()));
}

impl Wanted {
    fn add_input(&mut self, key: &Key, value: &Value, path: Option<&Path>) {
        let Some(path) = path.filter(|_| matches!(key.kind, Kind::File | Kind::Toml)) else {
            return;
        };
        if *value == Value::Absent {
            self.absent.insert(path.to_owned());
        } else {
            self.files.insert(path.to_owned());
        }
    }
}

/// Can this path be a folder? Sources and configuration files can't; maturin's data folder and a
/// name from a build script can.
fn may_be_folder(path: &Path) -> bool {
    let extension = path.extension().unwrap_or_default();
    !["rs", "toml", "h", "pyi", "md"].iter().any(|known| extension == *known)
        && !path.file_name().is_some_and(|name| name.to_string_lossy().starts_with("README"))
}

/// The periods in which build scripts ran, as recorded in these target folders. A file written in
/// such a period was written by a build script. Cargo sets `invoked.timestamp` when a run starts
/// and writes the output when it ends. It gives the file `output` the time of the start, so the
/// latest of three files is used.
fn script_runs(targets: &BTreeSet<PathBuf>) -> Vec<RangeInclusive<SystemTime>> {
    let profiles = targets.iter().flat_map(|target| {
        let profiles = subfolders(target);
        // With an explicit target triple, profiles are one folder deeper.
        let deeper: Vec<PathBuf> = profiles.iter().flat_map(|folder| subfolders(folder)).collect();
        profiles.into_iter().chain(deeper)
    });
    let runs = profiles.flat_map(|profile| subfolders(&profile.join("build")));
    let time = |path: PathBuf| fs::metadata(path).ok()?.modified().ok();
    runs.filter_map(|run| {
        let ends = ["output", "root-output", "stderr"].map(|name| time(run.join(name)));
        Some(time(run.join("invoked.timestamp"))?..=ends.into_iter().flatten().max()?)
    })
    .collect()
}
