//! Calling cargo as maturin called it in an earlier build (docs/design.md, D19).
//!
//! maturin reads the project, asks the interpreter and cargo, runs cargo, and packs the result. If
//! only Rust sources changed since a build, all of this gives the same again but for the compiled
//! module. So the next build calls cargo alone, and takes everything else from the earlier build.

use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use crate::digest::Tagged;
use crate::error::{Because as _, Result};
use crate::fingerprint::{Inputs, Value};
use crate::freshness::Reason;
use crate::inputs::cargo_metadata::Metadata;
use crate::inputs::{Key, Kind, Part};

mod cargo_call;
mod recorder;

pub(crate) use cargo_call::{CargoCall, Compiled};
pub(crate) use recorder::Recorder;

/// Files by which cargo finds out what a package builds, if the manifest does not say it.
const DECIDING_FILES: [&str; 3] = ["lib.rs", "main.rs", "build.rs"];
/// Folders with the same effect.
const DECIDING_FOLDERS: [&str; 4] = ["bin", "examples", "tests", "benches"];

/// Did only Rust sources change, in a way that matters to cargo alone? If not, gives another change.
pub(crate) fn another_change(reasons: &[Reason]) -> Option<&Reason> {
    reasons.iter().find(|reason| match reason {
        Reason::Changed { key, .. } => !is_source(key),
        // A new file may be a new program, which maturin would see.
        Reason::Added { key, .. } | Reason::Removed { key, .. } => {
            !is_source(key) || decides_what_is_built(&key.name)
        }
        _ => true,
    })
}

/// The inputs that another build of the same call of cargo has with other values. Files that sources
/// include, and variables that they read, may come and go with an edit.
pub(crate) fn differences<'a>(before: &'a Inputs, after: &'a Inputs) -> Vec<&'a Key> {
    let both = before.iter().chain(after.iter()).map(|(key, _)| key);
    let may_come = |key: &Key| matches!(key.part, Part::Rust | Part::Environment);
    both.filter(|key| !is_source(key))
        .filter(|key| match (before.get(key), after.get(key)) {
            (Some(before), Some(after)) => before != after,
            _ => !may_come(key),
        })
        .collect()
}

/// A digest of all inputs but the Rust sources.
///
/// # Errors
/// An input can't be written as JSON.
pub(crate) fn digest_of_others<'a>(
    inputs: impl IntoIterator<Item = (&'a Key, &'a Value)>,
) -> Result<String> {
    let mut tagged = Tagged::new("inputs-but-sources");
    for (key, value) in inputs.into_iter().filter(|(key, _)| !is_source(key)) {
        let json = |what: serde_json::Result<String>| what.because("an input");
        tagged.field(&json(serde_json::to_string(key))?, &json(serde_json::to_string(value))?);
    }
    Ok(tagged.finish())
}

/// Is this input a Rust source?
pub(crate) fn is_source(key: &Key) -> bool {
    (key.part, key.kind) == (Part::Rust, Kind::File) && key.name.ends_with(".rs")
}

fn decides_what_is_built(path: &str) -> bool {
    let (folder, name) = path.rsplit_once('/').unwrap_or(("", path));
    DECIDING_FILES.contains(&name) || folder.split('/').any(|part| DECIDING_FOLDERS.contains(&part))
}

/// Does the module have the function that Python calls to initialize it? maturin warns if not.
/// `path` is the module's.
pub(crate) fn is_initialized(module: &[u8], path: &str) -> bool {
    let file = path.rsplit('/').next().unwrap_or(path);
    let name = file.split('.').next().unwrap_or(file);
    ["PyInit_", "PyModExport_"]
        .iter()
        .any(|start| memchr::memmem::find(module, format!("{start}{name}\0").as_bytes()).is_some())
}

/// What is kept of an earlier build in a tree.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Kept {
    /// See [`digest_of_others`].
    pub inputs: String,
    /// How often cargo failed since, when it was called alone.
    pub failures: u32,
    pub way: Way,
}

/// How builds with these inputs are made.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) enum Way {
    Directly(Box<Made>),
    /// Through maturin, for this cause.
    ThroughMaturin(String),
}

/// How the compiled module of an editable wheel was made.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Made {
    pub call: CargoCall,
    /// The interpreter that ran maturin.
    pub python: PathBuf,
    /// What cargo said of the packages.
    pub metadata: Metadata,
    /// Cargo's file. The module is the same, byte by byte.
    pub artifact: PathBuf,
    /// The module's path in the Python source folder or in the wheel, with `/`.
    pub module: String,
    /// Is the module in maturin's wheel, or in the Python source folder?
    pub is_in_wheel: bool,
    /// The file name of the wheel.
    pub wheel: String,
    /// The digest of the wheel, which is kept without the module.
    pub wheel_digest: String,
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::inputs::{Place, Root};

    fn key(part: Part, name: &str) -> Key {
        Key::place(part, Kind::File, Place { root: Root::Project, path: name.into() })
    }

    fn value(text: &str) -> Value {
        Value::Text(text.into())
    }

    #[test]
    fn what_concerns_cargo_alone() {
        let changed = |key: Key| Reason::Changed { key, old: value("a"), new: value("b") };
        let added = |key: Key| Reason::Added { key, new: value("b") };
        let removed = |key: Key| Reason::Removed { key, old: value("b") };
        let rust = |name| key(Part::Rust, name);
        for reason in [
            changed(rust("src/lib.rs")),
            changed(rust("build.rs")),
            added(rust("src/new.rs")),
            removed(rust("src/parser/mod.rs")),
        ] {
            assert_eq!(another_change(std::slice::from_ref(&reason)), None, "{reason:?}");
        }
        let folder = Key { kind: Kind::Folder, ..rust("src/a.rs") };
        for reason in [
            changed(rust("src/text.txt")),
            changed(key(Part::Python, "python/m/a.rs")),
            changed(folder),
            changed(Key::named(Part::Environment, Kind::Variable, "a.rs")),
            added(rust("src/main.rs")),
            added(rust("build.rs")),
            removed(rust("src/lib.rs")),
            added(rust("src/bin/tool.rs")),
            removed(rust("src/bin/tool/parts.rs")),
            Reason::NoRecord,
            Reason::Untrusted("a race".into()),
            Reason::Unreadable { key: rust("src/lib.rs"), cause: "denied".into() },
        ] {
            let both = [changed(rust("src/lib.rs")), reason.clone()];
            assert_eq!(another_change(&both), Some(&reason));
        }
    }

    #[test]
    fn the_digest_is_of_all_inputs_but_sources() {
        let digest = |inputs: &[(Key, Value)]| {
            digest_of_others(inputs.iter().map(|(key, value)| (key, value))).unwrap()
        };
        let lock = (key(Part::Manifest, "Cargo.lock"), value("1"));
        let source = |text| (key(Part::Rust, "src/lib.rs"), value(text));
        let plain = digest(std::slice::from_ref(&lock));
        assert_eq!(digest(&[lock.clone(), source("a")]), plain);
        assert_eq!(digest(&[lock.clone(), source("b")]), plain);
        assert_ne!(digest(&[(lock.0.clone(), value("2"))]), plain);
        assert_ne!(digest(&[lock, (key(Part::Rust, "src/text.txt"), value("a"))]), plain);
        assert_ne!(digest(&[]), plain);
    }

    #[test]
    fn a_module_without_its_entry_point() {
        assert!(is_initialized(b"..\0PyInit__core\0..", "m/_core.abi3.so"));
        assert!(is_initialized(b"..\0PyModExport__core\0..", "_core"));
        assert!(!is_initialized(b"..\0PyInit__core2\0..", "_core"));
        assert!(!is_initialized(b"", "_core"));
    }
}
