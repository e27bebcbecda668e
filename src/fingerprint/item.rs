//! One input that a watch names, before and after its value is read.

use std::collections::BTreeMap;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};

use rayon::prelude::*;

use super::{Inputs, Value};
use crate::inputs::{Key, Kind, Part, Place, Roots, View};
use crate::stat_cache::Stat;

/// Fewer files than this are examined on one thread, because starting threads would take longer.
const WORTH_THREADS: usize = 256;

/// Examines files on all cores. The results stay in order.
pub(super) fn each<T: Send, R: Send>(
    list: Vec<T>,
    examine: impl Fn(T) -> Option<R> + Send + Sync,
) -> Vec<R> {
    if list.len() < WORTH_THREADS {
        list.into_iter().filter_map(examine).collect()
    } else {
        list.into_par_iter().filter_map(examine).collect()
    }
}

/// A place in which inputs are searched.
pub(super) struct Spot<'a> {
    pub(super) part: Part,
    pub(super) place: &'a Place,
    pub(super) path: &'a Path,
    pub(super) roots: &'a Roots,
}

impl Spot<'_> {
    pub(super) fn key(&self, kind: Kind) -> Key {
        Key::place(self.part, kind, self.place.clone())
    }

    /// The key of something in the place. `inside` is relative to it, with `/`.
    pub(super) fn key_of(&self, kind: Kind, inside: &str) -> Key {
        let path = match (self.place.path.as_str(), inside) {
            ("", inside) => inside.to_owned(),
            (path, "") => path.to_owned(),
            (path, inside) => format!("{path}/{inside}"),
        };
        Key::place(self.part, kind, Place { root: self.place.root.clone(), path })
    }
}

pub(super) struct Item {
    pub(super) key: Key,
    pub(super) probe: Probe,
}

impl Item {
    pub(super) fn known(key: Key, value: Value) -> Self {
        Self { key, probe: Probe::Known(value) }
    }

    /// The path that is asked for a value or a time.
    pub(super) fn path(&self) -> Option<&Path> {
        match &self.probe {
            Probe::Content(path, _) | Probe::Meaning(path, _) | Probe::DirMtime(path) => Some(path),
            Probe::Known(_) => None,
        }
    }
}

/// How the value of an input is found.
pub(super) enum Probe {
    /// By the content of a file. The stat is given if it is already known.
    Content(PathBuf, Option<Stat>),
    Meaning(PathBuf, View),
    Known(Value),
    /// No input itself: a folder below which every file counts. Its time tells of removals.
    DirMtime(PathBuf),
}

/// One input as it was observed.
#[derive(Debug)]
pub struct Observation {
    pub key: Key,
    pub value: Value,
    /// `None` for a variable or value.
    pub path: Option<PathBuf>,
    /// The part of a TOML file that counts.
    pub view: Option<View>,
}

/// The paths of inputs, and the views of TOML files.
pub type Places = BTreeMap<Key, (Option<PathBuf>, Option<View>)>;

pub(super) fn places(items: &[Item], roots: &Roots) -> Places {
    let place = |item: &Item| match &item.probe {
        Probe::Content(path, _) => Some((Some(path.clone()), None)),
        Probe::Meaning(path, view) => Some((Some(path.clone()), Some(*view))),
        Probe::Known(_) => Some((roots.path_of(&item.key), None)),
        Probe::DirMtime(_) => None,
    };
    items.iter().filter_map(|item| Some((item.key.clone(), place(item)?))).collect()
}

impl Observation {
    pub fn join(inputs: Inputs, mut places: Places) -> Vec<Self> {
        let joined = inputs.into_iter().map(|(key, value)| {
            let (path, view) = places.remove(&key).unwrap_or_default();
            Self { key, value, path, view }
        });
        joined.collect()
    }
}

pub(super) fn is_absence(error: &std::io::Error) -> bool {
    matches!(error.kind(), ErrorKind::NotFound | ErrorKind::NotADirectory)
}

/// A path, or one that can't be read and why.
pub(super) type Walked = Result<PathBuf, (Option<PathBuf>, String)>;

/// The result for an error of a walk. A dangling link exists, so its path is given. The walker's
/// own message is not used, because it has absolute paths, and records must not have any.
pub(super) fn failed(path: Option<PathBuf>, error: Option<&std::io::Error>) -> Walked {
    match (path, error) {
        (Some(path), Some(error)) if is_absence(error) => Ok(path),
        (path, Some(error)) => Err((path, error.kind().to_string())),
        (path, None) => Err((path, "a loop of links".to_owned())),
    }
}
