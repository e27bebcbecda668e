//! Verdicts as JSON. The names are part of the public contract: names may be added, but none may
//! change.

use std::collections::BTreeMap;

use serde::Serialize;

use crate::fingerprint::{Value, part_name};
use crate::freshness::{Reason, Verdict};
use crate::inputs::{Key, Kind, Part, Root};

/// `{"verdict": "fresh", "inputs": 214}` or `{"verdict": "stale", "reasons": [...]}`. `roots` gives
/// the folders of roots relative to the project; inputs are named with them.
pub(crate) fn verdict(verdict: &Verdict, roots: &BTreeMap<Root, String>) -> serde_json::Value {
    match verdict {
        Verdict::Fresh { inputs } => serde_json::json!({ "verdict": "fresh", "inputs": inputs }),
        Verdict::Stale(reasons) => {
            let reasons: Vec<serde_json::Value> =
                reasons.iter().map(|reason| self::reason(reason, roots)).collect();
            serde_json::json!({ "verdict": "stale", "reasons": reasons })
        }
    }
}

/// One reason: its kind (`reason`), the input, old and new values if there are any, and the words
/// of [`super::reason`] (`text`).
pub(crate) fn reason(reason: &Reason, roots: &BTreeMap<Root, String>) -> serde_json::Value {
    let text = super::reason(reason, roots);
    let of = |name, key, old, new, cause| Written {
        reason: name,
        input: Some(Input::of(key, roots)),
        old,
        new,
        cause,
        text: text.clone(),
    };
    let plain = |name, cause| Written {
        reason: name,
        input: None,
        old: None,
        new: None,
        cause,
        text: text.clone(),
    };
    let written = match reason {
        Reason::Changed { key, old, new } => {
            of("changed", key, State::of(key, old), State::of(key, new), None)
        }
        Reason::Added { key, new } => of("added", key, None, State::of(key, new), None),
        Reason::Removed { key, old } => of("removed", key, State::of(key, old), None, None),
        Reason::Unreadable { key, cause } => of("unreadable", key, None, None, Some(cause)),
        Reason::Untrusted(cause) => plain("untrusted", Some(cause)),
        Reason::NoRecord => plain("no-record", None),
        Reason::OtherSources => plain("other-sources", None),
        Reason::WheelMissing => plain("wheel-missing", None),
        Reason::WheelDamaged => plain("wheel-damaged", None),
        Reason::OtherMetadata => plain("other-metadata", None),
        Reason::NotReused => plain("not-reused", None),
    };
    serde_json::to_value(written).unwrap_or_default()
}

#[derive(Serialize)]
struct Written<'a> {
    reason: &'static str,
    #[serde(flatten)]
    input: Option<Input<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    old: Option<State<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    new: Option<State<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    cause: Option<&'a String>,
    text: String,
}

#[derive(Serialize)]
struct Input<'a> {
    part: &'static str,
    kind: Kind,
    /// A path relative to the project, or the name of a variable, version or setting.
    name: String,
    /// The package that the input belongs to, if any.
    #[serde(skip_serializing_if = "Option::is_none")]
    package: Option<&'a str>,
}

impl<'a> Input<'a> {
    fn of(key: &'a Key, roots: &BTreeMap<Root, String>) -> Self {
        // No `..`: each new field must be written, or left out on purpose.
        let Key { part, kind, root, name: _, view: _ } = key;
        let package = root.as_ref().and_then(Root::package);
        Self { part: part_name(*part), kind: *kind, name: super::name(key, roots), package }
    }
}

/// A value that may be shown to anyone.
#[derive(Serialize)]
#[serde(rename_all = "kebab-case")]
enum State<'a> {
    Sha256(&'a str),
    Text(&'a str),
}

impl<'a> State<'a> {
    /// `None` for a value that may be a secret: a short one can be guessed from its digest.
    fn of(key: &Key, value: &'a Value) -> Option<Self> {
        if matches!(key.part, Part::Environment) || matches!(key.kind, Kind::Variable) {
            return None;
        }
        match value {
            Value::Sha256(_) if key.kind == Kind::Value => None,
            Value::Sha256(digest) => Some(Self::Sha256(digest)),
            Value::Text(text) => Some(Self::Text(text)),
            Value::Absent | Value::Unreadable(_) | Value::Unknown => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(part: Part, kind: Kind, root: Option<Root>, name: &str) -> Key {
        Key { part, kind, root, name: name.into(), view: None }
    }

    fn sha(text: &str) -> Value {
        Value::Sha256(text.into())
    }

    /// The whole format. Programs that read it must not have to change.
    #[test]
    fn every_reason_is_written() {
        let roots = BTreeMap::from([(Root::Crate("core".into()), "../core".to_owned())]);
        let file = key(Part::Rust, Kind::File, Some(Root::Crate("core".into())), "src/lib.rs");
        let rustc = key(Part::Toolchain, Kind::Value, None, "rustc");
        let reasons = vec![
            Reason::NoRecord,
            Reason::OtherSources,
            Reason::WheelMissing,
            Reason::WheelDamaged,
            Reason::OtherMetadata,
            Reason::NotReused,
            Reason::Untrusted("src/a.rs changed while it was being built".into()),
            Reason::Changed { key: file.clone(), old: sha("aa"), new: sha("bb") },
            Reason::Added { key: file.clone(), new: sha("bb") },
            Reason::Removed { key: file.clone(), old: sha("aa") },
            Reason::Unreadable { key: file, cause: "permission denied".into() },
            Reason::Changed {
                key: rustc,
                old: Value::Text("rustc 1.94.1 (a 2026)".into()),
                new: Value::Text("rustc 1.95.0 (b)".into()),
            },
        ];
        let written = verdict(&Verdict::Stale(reasons), &roots);
        let lib = |reason: &str, words: &str| {
            serde_json::json!({
                "reason": reason, "part": "rust", "kind": "file", "name": "../core/src/lib.rs",
                "package": "core", "text": format!("../core/src/lib.rs {words}"),
            })
        };
        let with = |mut value: serde_json::Value, more: serde_json::Value| {
            let serde_json::Value::Object(more) = more else { panic!("an object") };
            value.as_object_mut().unwrap().extend(more);
            value
        };
        let (old, new) =
            (serde_json::json!({ "sha256": "aa" }), serde_json::json!({ "sha256": "bb" }));
        let expected = serde_json::json!({
            "verdict": "stale",
            "reasons": [
                { "reason": "no-record", "text": "no earlier build to compare with" },
                { "reason": "other-sources", "text": "the earlier build is of other sources" },
                { "reason": "wheel-missing", "text": "the stored wheel is missing" },
                { "reason": "wheel-damaged", "text": "the stored wheel is damaged" },
                {
                    "reason": "other-metadata",
                    "text": "the stored wheel has other metadata than the frontend prepared",
                },
                { "reason": "not-reused", "text": "always built, as `reuse` has it" },
                {
                    "reason": "untrusted",
                    "cause": "src/a.rs changed while it was being built",
                    "text": "src/a.rs changed while it was being built",
                },
                with(lib("changed", "changed"), serde_json::json!({ "old": old, "new": new })),
                with(lib("added", "is new"), serde_json::json!({ "new": new })),
                with(lib("removed", "is gone"), serde_json::json!({ "old": old })),
                with(
                    lib("unreadable", "can't be relied on: permission denied"),
                    serde_json::json!({ "cause": "permission denied" }),
                ),
                {
                    "reason": "changed", "part": "toolchain", "kind": "value", "name": "rustc",
                    "old": { "text": "rustc 1.94.1 (a 2026)" },
                    "new": { "text": "rustc 1.95.0 (b)" },
                    "text": "rustc: 1.94.1 -> 1.95.0",
                },
            ],
        });
        assert_eq!(written, expected);
        assert_eq!(
            verdict(&Verdict::Fresh { inputs: 214 }, &roots),
            serde_json::json!({ "verdict": "fresh", "inputs": 214 })
        );
    }

    #[test]
    fn what_may_be_a_secret_is_not_written_not_even_its_digest() {
        for key in [
            key(Part::Environment, Kind::Variable, None, "TOKEN"),
            key(Part::Request, Kind::Value, None, "config setting token"),
        ] {
            let reasons = [
                Reason::Changed { key: key.clone(), old: sha("5ec7e7"), new: sha("5ec7e7") },
                Reason::Added { key: key.clone(), new: sha("5ec7e7") },
                Reason::Removed { key: key.clone(), old: sha("5ec7e7") },
            ];
            for one in &reasons {
                let written = reason(one, &BTreeMap::new()).to_string();
                assert!(written.contains(&key.name), "{written}");
                assert!(!written.contains("5ec7e7"), "{written}");
            }
        }
    }
}
