//! How cargo was called in a tree, for each set of inputs but the sources (see [`crate::direct`]).

use std::path::PathBuf;

use fs_err as fs;

use super::{Store, discard};

/// How many are kept for a tree: branches, interpreters and settings have one each.
const MAX: usize = 8;

/// The places of what is kept.
pub(crate) struct KeptCall {
    pub call: PathBuf,
    pub wheel: PathBuf,
}

impl Store {
    /// The places for these inputs, which are a digest.
    pub(crate) fn kept_call(&self, inputs: &str) -> KeptCall {
        let name = inputs.get(..16).unwrap_or(inputs);
        let path = |suffix| self.folder.join(format!("direct-{name}.{suffix}"));
        KeptCall { call: path("json"), wheel: path("whl") }
    }

    /// Removes what is kept there.
    pub(crate) fn forget_kept_call(&self, places: &KeptCall) {
        discard(&places.call);
        discard(&places.wheel);
    }

    /// Removes the oldest calls with their wheels, and wheels that a killed process left without a
    /// call. The caller must hold the tree's lock.
    pub(crate) fn bound_kept_calls(&self) {
        let files = fs::read_dir(&self.folder).into_iter().flatten().flatten();
        let files =
            files.filter(|entry| entry.file_name().to_string_lossy().starts_with("direct-"));
        let (mut calls, wheels): (Vec<_>, Vec<_>) = files
            .filter_map(|entry| Some((entry.metadata().ok()?.modified().ok()?, entry.path())))
            .partition(|(_, path)| path.extension().is_some_and(|suffix| suffix == "json"));
        for (_, wheel) in wheels {
            if !wheel.with_extension("json").exists() {
                discard(&wheel);
            }
        }
        calls.sort();
        let beyond = calls.len().saturating_sub(MAX);
        for (_, call) in calls.drain(..beyond) {
            discard(&call.with_extension("whl"));
            discard(&call);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, SystemTime};

    use super::*;
    use crate::request::Environment;

    #[test]
    fn the_last_used_are_kept() {
        let folder = tempfile::tempdir().unwrap();
        let mut environment = Environment::default();
        environment.set("WHEELPRINT_CACHE_DIR", folder.path().join("cache"));
        let store = Store::open(&environment, folder.path(), Some("m"), "").unwrap();
        let places: Vec<KeptCall> = (0..=MAX)
            .map(|number| store.kept_call(&crate::digest::bytes(&[number as u8])))
            .collect();
        for (number, kept) in places.iter().enumerate() {
            fs::write(&kept.wheel, "").unwrap();
            fs::write(&kept.call, "").unwrap();
            let file = fs::OpenOptions::new().write(true).open(&kept.call).unwrap();
            // The first one was used last.
            let age = if number == 0 { 0 } else { 100 - number as u64 };
            file.file().set_modified(SystemTime::now() - Duration::from_secs(age)).unwrap();
        }
        let orphan = store.kept_call(&crate::digest::bytes(b"orphan")).wheel;
        fs::write(&orphan, "").unwrap();
        store.bound_kept_calls();
        assert!(!orphan.exists());
        let is_there: Vec<bool> = places.iter().map(|kept| kept.call.exists()).collect();
        assert!(is_there[0] && !is_there[1]);
        assert!(is_there[2..].iter().all(|there| *there));
        assert!(!places[1].wheel.exists() && places[0].wheel.exists());
    }
}
