//! Records that no build of ours writes, and that would make `verify` read other files.

use std::path::{Path, PathBuf};

use crate::fingerprint::{Record, Value};
use crate::inputs::{Look, Root, Roots, Watch, normalize};
use crate::wheel::audit::LIMIT;

/// A watched TOML file that is a device or too large for a manifest. TOML files are read whole.
pub(super) fn no_manifest(record: &Record, roots: &Roots) -> Option<String> {
    record.watches.iter().find_map(|watch| match watch {
        Watch::Place { look: Look::Toml(_), place, .. } => {
            let meta = fs_err::metadata(roots.resolve(place)?).ok()?;
            let is_one = meta.is_dir() || (meta.is_file() && meta.len() <= LIMIT);
            (!is_one).then(|| place.path.clone())
        }
        _ => None,
    })
}

/// A folder that would be read with all folders in it, and that no project has as a source: `/proc`, the
/// whole disk, or all homes. Reading it could take hours.
pub(super) fn endless(record: &Record, roots: &Roots) -> Option<String> {
    let home = etcetera::home_dir().ok();
    let is_above_home = |folder: &Path| {
        home.as_ref().is_some_and(|home| home.starts_with(folder) && home != folder)
    };
    let is_endless = |folder: &PathBuf| {
        let is_of_the_kernel = ["/proc", "/sys", "/dev"].iter().any(|it| folder.starts_with(it));
        let is_wide = folder.parent().is_none() || is_above_home(folder);
        is_of_the_kernel || is_wide && !folder.join("Cargo.toml").is_file()
    };
    let watched = record.watches.iter().filter_map(|watch| match watch {
        Watch::Place { look: Look::Content | Look::Python | Look::Package, place, .. } => {
            roots.resolve(place)
        }
        Watch::Glob { root, glob, .. } => Some(normalize(&roots.get(root)?.join(fixed(glob)))),
        _ => None,
    });
    watched.into_iter().find(is_endless).map(|folder| folder.display().to_string())
}

/// The folder that a glob begins with.
fn fixed(glob: &str) -> PathBuf {
    glob.split('/').take_while(|part| !part.contains(['*', '?', '[', '{'])).collect()
}

/// A manifest that each build reads and that the record does not name as a source.
pub(super) fn missing_manifest(record: &Record) -> Option<&'static str> {
    let inputs = record.pairs().filter(|(key, value)| {
        key.root.as_ref().is_some_and(Root::is_of_sources) && **value != Value::Absent
    });
    let inputs: Vec<&str> = inputs.map(|(key, _)| key.name.as_str()).collect();
    let files = record.source.iter().flat_map(|source| source.files.keys()).map(String::as_str);
    let names: Vec<&str> = files.chain(inputs).collect();
    ["pyproject.toml", "Cargo.toml"]
        .into_iter()
        .find(|wanted| !names.iter().any(|name| name.rsplit('/').next() == Some(wanted)))
}
