//! The fingerprint: one digest over all inputs, with the part digests it is made of.
//!
//! docs/what-counts.md is the contract: which inputs count, how each is found and compared, and which
//! are not seen. A change of what counts changes that page.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::digest::Tagged;
use crate::inputs::{Key, Part, Root};

pub mod at_import;
mod by_rules;
mod expand;
mod item;
pub mod observe;
mod package;
pub mod record;
mod search;
pub mod snapshot;
pub mod source;
#[cfg(test)]
mod testing;
mod walk;

pub use item::{Observation, Places};
pub use record::Record;
pub use source::{Packed, Source};

/// What was seen when an input was looked at.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Value {
    /// There is no such file, folder or variable.
    Absent,
    /// The digest of a content.
    Sha256(String),
    /// A version or the like that may be read by anyone.
    Text(String),
    /// It is there and can't be read; nothing may be concluded from it.
    Unreadable(String),
    /// It can't be known here, and that is no reason to rebuild (a maturin not installed).
    Unknown,
}

/// Inputs and their values, sorted.
pub type Inputs = BTreeMap<Key, Value>;

/// One digest over all inputs, and one for each part.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Fingerprint {
    pub sha256: String,
    pub parts: BTreeMap<Part, String>,
}

impl Fingerprint {
    /// The fingerprint of inputs in the order of their keys. Every input is tagged and delimited (see
    /// [`Tagged`]); a part without inputs has no digest.
    pub fn of<'a>(inputs: impl IntoIterator<Item = (&'a Key, &'a Value)>) -> Self {
        let mut parts: BTreeMap<Part, Tagged> = BTreeMap::new();
        for (key, value) in inputs {
            // No `..`: a new field must be hashed, or left out on purpose.
            let Key { part, kind, root, name, view } = key;
            let tagged = parts.entry(*part).or_insert_with(|| Tagged::new(part_name(*part)));
            tagged.field("kind", &format!("{kind:?}"));
            tagged.field("root", &root.as_ref().map(Root::to_string).unwrap_or_default());
            tagged.field("name", name);
            if let Some(view) = view {
                tagged.field("view", &format!("{view:?}"));
            }
            match value {
                Value::Absent => tagged.field("absent", ""),
                Value::Sha256(digest) => tagged.field("sha256", digest),
                Value::Text(text) => tagged.field("text", text),
                Value::Unreadable(cause) => tagged.field("unreadable", cause),
                Value::Unknown => tagged.field("unknown", ""),
            }
        }
        let parts: BTreeMap<Part, String> =
            parts.into_iter().map(|(part, tagged)| (part, tagged.finish())).collect();
        let mut whole = Tagged::new("wheelprint fingerprint 1");
        for (part, digest) in &parts {
            whole.field(part_name(*part), digest);
        }
        Self { sha256: whole.finish(), parts }
    }
}

/// The part's name in records and reports.
pub fn part_name(part: Part) -> &'static str {
    match part {
        Part::Rust => "rust",
        Part::Manifest => "manifest",
        Part::Python => "python",
        Part::Metadata => "metadata",
        Part::Environment => "environment",
        Part::Toolchain => "toolchain",
        Part::Request => "request",
    }
}
