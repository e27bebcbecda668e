//! The record: versioned JSON. A wheel carries it as `NAME-VERSION.dist-info/wheelprint.json`.
//!
//! A record is portable and reproducible (docs/design.md, D13): it has no absolute path, no time
//! and no variable's value, and it is sorted.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

use super::{Fingerprint, Inputs, Packed, Source, Value};
use crate::error::{Because as _, Cause};
use crate::inputs::{Key, Kind, Part, Root, View, Watch};

/// The name of the record in dist-info. PEP 770 reserves subfolders.
pub const FILE_NAME: &str = "wheelprint.json";
/// The version of the format that is written. Records of other versions are never compared.
pub const VERSION: u32 = 1;

/// A fingerprint with its inputs and watches.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Record {
    pub wheelprint: u32,
    pub fingerprint: Fingerprint,
    /// The folders of the roots, relative to the project, with `/`.
    pub roots: BTreeMap<Root, String>,
    pub watches: BTreeSet<Watch>,
    pub inputs: Vec<Input>,
    /// Reasons why this record must never be matched (docs/design.md, D6).
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub untrusted: Vec<String>,
    /// The files of the sources. `None` for an editable wheel, and if maturin makes no sdist of the
    /// project.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub source: Option<Source>,
    /// The text of `cargo -V`. It is not compared: cargo's own check of what is up to date does
    /// not look at its version. `None` for an editable wheel and an sdist, and if cargo gave no answer.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cargo: Option<String>,
    /// For an sdist: the files in it whose place or content differs from the tree, sorted by path.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub packed: Vec<Packed>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(from = "Flat")]
pub struct Input {
    #[serde(flatten)]
    pub key: Key,
    pub value: Value,
}

impl Input {
    pub fn list(inputs: &Inputs) -> Vec<Self> {
        inputs.iter().map(|(key, value)| Self { key: key.clone(), value: value.clone() }).collect()
    }
}

/// The form in which an [`Input`] is read. Reading with `serde(flatten)` takes twice as long.
#[derive(Deserialize)]
struct Flat {
    part: Part,
    kind: Kind,
    #[serde(default)]
    root: Option<Root>,
    name: String,
    #[serde(default)]
    view: Option<View>,
    value: Value,
}

impl From<Flat> for Input {
    fn from(Flat { part, kind, root, name, view, value }: Flat) -> Self {
        Self { key: Key { part, kind, root, name, view }, value }
    }
}

impl Record {
    pub fn new(inputs: &Inputs, watches: BTreeSet<Watch>, roots: BTreeMap<Root, String>) -> Self {
        Self {
            wheelprint: VERSION,
            fingerprint: Fingerprint::of(inputs),
            roots,
            watches,
            inputs: Input::list(inputs),
            untrusted: Vec::new(),
            source: None,
            cargo: None,
            packed: Vec::new(),
        }
    }

    /// The inputs as pairs for a comparison. They are in order if wheelprint wrote the record.
    pub fn pairs(&self) -> impl Iterator<Item = (&Key, &Value)> {
        self.inputs.iter().map(|input| (&input.key, &input.value))
    }

    pub fn inputs(&self) -> Inputs {
        self.inputs.iter().map(|input| (input.key.clone(), input.value.clone())).collect()
    }

    /// The text of an input that describes the request or the toolchain: `artifact`, `rustc`,
    /// `maturin`, `python`.
    pub fn text(&self, part: Part, name: &str) -> Option<&str> {
        let key = Key::named(part, Kind::Value, name);
        let input = self.inputs.iter().find(|input| input.key == key)?;
        if let Value::Text(text) = &input.value { Some(text) } else { None }
    }

    pub fn set(&mut self, key: &Key, value: Value) {
        for input in &mut self.inputs {
            if input.key == *key {
                input.value = value.clone();
            }
        }
        self.fingerprint = Fingerprint::of(self.pairs());
    }

    pub fn to_json(&self) -> Vec<u8> {
        let mut bytes = serde_json::to_vec_pretty(self).unwrap_or_default();
        bytes.push(b'\n');
        bytes
    }

    /// Reads a record, and checks all that a comparison relies on.
    ///
    /// # Errors
    /// The reason why the record cannot be compared.
    pub fn from_json(bytes: &[u8]) -> Result<Self, Cause> {
        #[derive(Deserialize)]
        struct Version {
            wheelprint: u32,
        }
        let Version { wheelprint } =
            serde_json::from_slice(bytes).because("not a wheelprint record")?;
        if wheelprint != VERSION {
            return Err(format!("record version {wheelprint}; this program knows {VERSION}").into());
        }
        let record: Self = serde_json::from_slice(bytes).because("not a wheelprint record")?;
        // A repeated input could be read in two ways.
        if !record.inputs.is_sorted_by(|one, next| one.key < next.key) {
            return Err("its inputs are not in order".into());
        }
        if Fingerprint::of(record.pairs()) != record.fingerprint {
            return Err("the fingerprint is not that of the inputs it names".into());
        }
        if record.source.as_ref().is_some_and(|source| !source.is_consistent()) {
            return Err("the source digest is not that of the files it names".into());
        }
        if !record.packed.is_sorted_by(|one, next| one.path < next.path) {
            return Err("its packed files are not in order".into());
        }
        Ok(record)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn record() -> Record {
        let inputs = Inputs::from([(
            Key::named(Part::Toolchain, Kind::Value, "rustc"),
            Value::Text("rustc 1.0".into()),
        )]);
        Record::new(&inputs, BTreeSet::from([Watch::Toolchain]), BTreeMap::new())
    }

    #[test]
    fn a_record_survives_the_way_through_json() {
        let record = record();
        assert_eq!(Record::from_json(&record.to_json()).unwrap(), record);
    }

    #[test]
    fn an_unknown_root_is_refused() {
        let mut record = record();
        record.roots.insert(Root::Archive, ".".into());
        let text = String::from_utf8(record.to_json()).unwrap().replace("archive", "other");
        let error = Record::from_json(text.as_bytes()).unwrap_err().to_string();
        assert!(error.contains("unknown root \"other\", written by another version"), "{error}");
    }

    #[test]
    fn an_input_given_twice_is_refused() {
        let mut record = record();
        let twice = record.inputs[0].clone();
        record.inputs.push(twice);
        let error = Record::from_json(&record.to_json()).unwrap_err();
        assert_eq!(error.to_string(), "its inputs are not in order");
    }

    #[test]
    fn what_was_tampered_with_is_refused() {
        let text = String::from_utf8(record().to_json()).unwrap();
        for (from, to, why) in [
            ("rustc 1.0", "rustc 2.0", "not that of the inputs"),
            ("\"wheelprint\": 1", "\"wheelprint\": 2", "record version 2"),
            ("{", "[", "not a wheelprint record"),
        ] {
            let error = Record::from_json(text.replace(from, to).as_bytes()).unwrap_err();
            assert!(error.to_string().contains(why), "{error}");
        }
    }
}
