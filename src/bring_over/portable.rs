//! Which units may come along: those of registry packages that contain no path of another tree.
//!
//! | what | must |
//! |---|---|
//! | the package | come from a registry; no package of its name can be edited in the new tree |
//! | sources (dep-info) | lie in cargo's registry folder, or in an `OUT_DIR` |
//! | variables (dep-info) | be compared by cargo, or be set by cargo |
//! | a library that uses `OUT_DIR` | name the tree only as the path of a source, in its metadata |
//! | every other file | not name the tree, apart from pyo3 (see `pyo3`) |
//! | the run of a build script | have been made where it lies; watch nothing outside of its package |
//! | the units it was built with | come along |
//!
//! Cargo does not notice that `OUT_DIR` moved (it leaves variables out that it sets itself). A
//! source in `OUT_DIR` is named in the metadata of nearly every library that includes it (serde,
//! thiserror), and the name gets into a module only with the place of a panic in generic code.
//! `names_out_dir` says that the finished module is to be checked for that.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

use rayon::prelude::*;

use super::origin::{self, OtherTree};
use super::pyo3;
use crate::error::Cause;
use crate::inputs::environment;
use crate::inputs::target::{Target, entries};
use crate::inputs::units::{Unit, UnitKind};
use crate::log;
use crate::path_search::{self, Paths};

/// A unit that may come along.
#[derive(Debug)]
pub(super) struct Portable<'a> {
    pub unit: &'a Unit,
    /// All files but the fingerprint.
    pub outputs: Vec<PathBuf>,
    /// `OUT_DIR`, of the run of a build script.
    pub out: Option<PathBuf>,
    /// Whether rustc was told `OUT_DIR` and used it, for this unit or pyo3.
    pub names_out_dir: bool,
}

/// The units that may come along.
pub(super) fn select<'a>(
    used: &[&'a Unit],
    to: &Target,
    origin: &OtherTree,
    origins: &BTreeSet<OtherTree>,
) -> (Vec<Portable<'a>>, BTreeSet<PathBuf>) {
    let paths = origin::paths(origins);
    let roots = origins.iter().flat_map(|it| path_search::spellings(&it.build_root)).collect();
    let check = Check { to, origin, origins, paths, roots, pyo3: Mutex::default() };
    let units = used.par_iter().filter(|unit| to.packages_named(&unit.package).next().is_none());
    let checked = units.map(|unit| check.unit(unit).map_err(|cause| (*unit, cause)));
    let (found, left): (Vec<Portable<'a>>, Vec<(&Unit, Cause)>) =
        checked.partition_map(|checked| {
            checked.map_or_else(rayon::iter::Either::Right, rayon::iter::Either::Left)
        });
    for (unit, cause) in left {
        log::debug(format_args!("{}: it is not brought over: {cause}", unit.package));
    }
    (with_dependencies(found), check.pyo3.into_inner().unwrap_or_else(PoisonError::into_inner))
}

/// Removes the units that were built with a unit that does not come along. This is repeated,
/// because each removal may exclude further units.
pub(super) fn with_dependencies(mut found: Vec<Portable<'_>>) -> Vec<Portable<'_>> {
    loop {
        let kinds: BTreeMap<&str, UnitKind> =
            found.iter().map(|found| (found.unit.value(), found.unit.kind)).collect();
        let is_whole = |unit: &Unit| {
            let needed = unit.dependencies();
            // If cargo's configuration overrides a build script, there is a run, but no compiled
            // script. Such a run depends on the configuration, so it does not come along.
            let has_script =
                || needed.iter().any(|value| kinds.get(value.as_str()) == Some(&UnitKind::Script));
            needed.iter().all(|value| kinds.contains_key(value.as_str()))
                && (unit.kind != UnitKind::Run || has_script())
        };
        let whole: Vec<bool> = found.iter().map(|found| is_whole(found.unit)).collect();
        if whole.iter().all(|whole| *whole) {
            return found;
        }
        let mut whole = whole.into_iter();
        found.retain(|_| whole.next().unwrap_or(false));
    }
}

struct Check<'a> {
    to: &'a Target,
    origin: &'a OtherTree,
    origins: &'a BTreeSet<OtherTree>,
    paths: Paths,
    /// The build folders of the origins, in all spellings.
    roots: BTreeSet<Vec<u8>>,
    /// The folders in which pyo3 looks for a configuration.
    pyo3: Mutex<BTreeSet<PathBuf>>,
}

impl Check<'_> {
    fn unit<'a>(&self, unit: &'a Unit) -> Result<Portable<'a>, Cause> {
        let outputs = outputs(unit)?;
        for file in entries(&unit.folder)? {
            self.names_no_tree(&file)?;
        }
        if unit.kind == UnitKind::Run {
            let out = out_folder(unit).ok_or("its OUT_DIR is not known")?;
            self.run(unit, &outputs, &out)?;
            return Ok(Portable { unit, outputs, out: Some(out), names_out_dir: false });
        }
        let sources = self.sources(unit)?;
        let variables = unit.variables();
        let is_set_by_cargo = |(name, _): &(String, Option<String>)| {
            name == "OUT_DIR"
                || name == "CARGO_MANIFEST_DIR"
                || name.starts_with("CARGO_PKG_") && environment::is_set_for_each_crate(name)
        };
        if !unit.is_compared_by_dep_info() && !variables.iter().all(is_set_by_cargo) {
            return Err("it reads variables that this cargo does not compare".into());
        }
        let names_out_dir = variables.iter().any(|(name, _)| name == "OUT_DIR")
            || !sources.is_empty()
            || unit.package.starts_with("pyo3");
        self.products(&outputs, &sources)?;
        Ok(Portable { unit, outputs, out: None, names_out_dir })
    }

    /// The sources in `OUT_DIR`.
    fn sources(&self, unit: &Unit) -> Result<BTreeSet<PathBuf>, Cause> {
        let dep_infos = unit.dep_infos();
        let [dep_info] = dep_infos.as_slice() else { return Err("it has no dep-info".into()) };
        let name = dep_info.file_stem().unwrap_or_default().to_string_lossy();
        if !name.ends_with(&format!("-{}", unit.hash)) {
            return Err("the name of its dep-info has no hash".into());
        }
        let sources = unit.sources(&self.to.metadata.workspace_root).into_iter();
        let (pinned, generated): (BTreeSet<_>, BTreeSet<_>) =
            sources.map(|(path, _)| path).partition(|source| self.to.is_of_a_registry(source));
        if pinned.is_empty() {
            return Err("it is of no registry".into());
        }
        let build = |source: &PathBuf| {
            let inside = source.strip_prefix(&self.origin.build_root).ok();
            inside.is_some_and(|inside| inside.iter().any(|part| part == "build"))
        };
        match generated.iter().find(|source| !build(source)) {
            Some(other) => Err(format!("{} is a source of it", other.display()).into()),
            None => Ok(generated),
        }
    }

    /// A library's file contains its metadata. If it names the tree more often than the metadata
    /// does, compiled code names it.
    fn products(&self, outputs: &[PathBuf], sources: &BTreeSet<PathBuf>) -> Result<(), Cause> {
        let inside =
            sources.iter().filter_map(|source| source.strip_prefix(&self.origin.build_root).ok());
        let allowed = Paths::new(inside.flat_map(|inside| {
            self.origins.iter().map(move |origin| origin.build_root.join(inside))
        }));
        let mut counts: BTreeMap<&str, usize> = BTreeMap::new();
        for file in outputs {
            let extension = file.extension().and_then(|it| it.to_str()).unwrap_or_default();
            match extension {
                // Rewritten on the way.
                "d" => {}
                "rmeta" | "rlib" => {
                    let bytes = fs_err::read(file)?;
                    let mut places = self.paths.places_in(&bytes);
                    places.retain(|at, _| !self.is_of_pyo3(&bytes[*at..]));
                    if !path_search::all_are_of(&places, &allowed.places_in(&bytes)) {
                        return Err(named(file));
                    }
                    *counts.entry(extension).or_default() += places.len();
                }
                _ => self.names_no_tree(file)?,
            }
        }
        if counts.get("rlib").unwrap_or(&0) > counts.get("rmeta").unwrap_or(&0) {
            return Err("its compiled code names the other tree".into());
        }
        Ok(())
    }

    /// Cargo rewrites `OUT_DIR`, and nothing else, in the output of a script.
    fn run(&self, unit: &Unit, outputs: &[PathBuf], out: &Path) -> Result<(), Cause> {
        if unit.watched_paths().any(|path| path.is_absolute() && !self.to.is_of_a_registry(path)) {
            return Err("its build script watches files outside of its package".into());
        }
        let out = out.as_os_str().as_encoded_bytes();
        for file in outputs {
            let name = file.file_name().unwrap_or_default();
            if name == "stderr" {
                continue;
            }
            if *file != unit.output && name != "root-output" {
                self.names_no_tree(file)?;
                continue;
            }
            let bytes = fs_err::read(file)?;
            if name == "root-output" && bytes != out {
                return Err("its folder was moved".into());
            }
            let places = self.paths.places_in(&bytes);
            if !places.keys().all(|at| bytes[*at..].starts_with(out)) {
                return Err(named(file));
            }
        }
        Ok(())
    }

    fn names_no_tree(&self, file: &Path) -> Result<(), Cause> {
        let bytes = fs_err::read(file)?;
        let places = self.paths.places_in(&bytes);
        let is_allowed = places.keys().all(|at| self.is_of_pyo3(&bytes[*at..]));
        if is_allowed { Ok(()) } else { Err(named(file)) }
    }

    /// Whether the path at this place is one that pyo3 may contain.
    fn is_of_pyo3(&self, text: &[u8]) -> bool {
        let roots = self.roots.iter().filter(|root| text.starts_with(root));
        let length = roots.map(Vec::len).max();
        let Some(out) = length.and_then(|it| pyo3::folder(text, it)) else { return false };
        let is_without_effect = !pyo3::has_configuration(&out);
        if is_without_effect && let Ok(mut folders) = self.pyo3.lock() {
            folders.insert(out);
        }
        is_without_effect
    }
}

fn named(file: &Path) -> Cause {
    let name = file.file_name().unwrap_or_default().to_string_lossy();
    format!("{name} names the other tree").into()
}

/// `OUT_DIR` of the run of a build script.
fn out_folder(unit: &Unit) -> Option<PathBuf> {
    Some(match unit.made.as_slice() {
        [_, own] => own.join("out"),
        made => made.first()?.clone(),
    })
}

/// All files that were made for a unit, apart from the fingerprint.
fn outputs(unit: &Unit) -> Result<Vec<PathBuf>, Cause> {
    let end = format!("-{}", unit.hash);
    let is_own = |path: &PathBuf| {
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        name.split('.').next().unwrap_or_default().ends_with(&end)
    };
    let roots: Vec<PathBuf> = match unit.made.as_slice() {
        [deps, own] => entries(deps)?.into_iter().filter(is_own).chain([own.clone()]).collect(),
        _ => {
            let unit_folder = unit.folder.parent().ok_or("it has no folder")?;
            entries(unit_folder)?.into_iter().filter(|path| *path != unit.folder).collect()
        }
    };
    let mut files = Vec::new();
    for entry in roots.iter().filter(|root| root.exists()).flat_map(walkdir::WalkDir::new) {
        let entry = entry?;
        if entry.file_type().is_file() {
            files.push(entry.into_path());
        } else if !entry.file_type().is_dir() {
            return Err(format!("{} is a link", entry.path().display()).into());
        }
    }
    Ok(files)
}
