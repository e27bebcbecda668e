//! Verdicts as JSON. The names are part of the public contract: names may be added, but none may
//! change.

use std::collections::BTreeMap;

use serde_json::{Value as Json, json};

use crate::fingerprint::{Value, part_name};
use crate::freshness::{Reason, Verdict};
use crate::inputs::{Key, Kind, Part};

/// `{"verdict": "fresh", "inputs": 214}` or `{"verdict": "stale", "reasons": [...]}`. `roots` gives
/// the folders of roots relative to the project; inputs are named with them.
pub(crate) fn verdict(verdict: &Verdict, roots: &BTreeMap<String, String>) -> Json {
    match verdict {
        Verdict::Fresh { inputs } => json!({ "verdict": "fresh", "inputs": inputs }),
        Verdict::Stale(reasons) => {
            let reasons: Json = reasons.iter().map(|reason| self::reason(reason, roots)).collect();
            json!({ "verdict": "stale", "reasons": reasons })
        }
    }
}

/// One reason: its kind (`reason`), the input, old and new values if there are any, and the words
/// of [`super::reason`] (`text`).
pub(crate) fn reason(reason: &Reason, roots: &BTreeMap<String, String>) -> Json {
    let (name, old, new, cause) = match reason {
        Reason::Changed { old, new, .. } => ("changed", Some(old), Some(new), None),
        Reason::Added { new, .. } => ("added", None, Some(new), None),
        Reason::Removed { old, .. } => ("removed", Some(old), None, None),
        Reason::Unreadable { cause, .. } => ("unreadable", None, None, Some(cause)),
        Reason::Untrusted(cause) => ("untrusted", None, None, Some(cause)),
        Reason::NoRecord => ("no-record", None, None, None),
        Reason::OtherSources => ("other-sources", None, None, None),
        Reason::WheelMissing => ("wheel-missing", None, None, None),
        Reason::WheelDamaged => ("wheel-damaged", None, None, None),
        Reason::OtherMetadata => ("other-metadata", None, None, None),
        Reason::NotReused => ("not-reused", None, None, None),
    };
    let mut json = json!({ "reason": name, "text": super::reason(reason, roots) });
    let mut add = |name: &str, value: Option<Json>| {
        if let Some(value) = value {
            json[name] = value;
        }
    };
    if let Some(key) = reason.key() {
        // No `..`: each new field must be written, or left out on purpose.
        let Key { part, kind, root, name: _, view: _ } = key;
        add("part", Some(part_name(*part).into()));
        add("kind", Some(json!(kind)));
        add("name", Some(super::name(key, roots).into()));
        add("package", root.strip_prefix("crate:").map(Json::from));
        add("old", old.and_then(|old| public(key, old)));
        add("new", new.and_then(|new| public(key, new)));
    }
    add("cause", cause.map(|cause| json!(cause)));
    json
}

/// A value that may be shown to anyone. `None` for a value that may be a secret: a short one can be
/// guessed from its digest.
fn public(key: &Key, value: &Value) -> Option<Json> {
    if key.part == Part::Environment || key.kind == Kind::Variable {
        return None;
    }
    match value {
        Value::Sha256(_) if key.kind == Kind::Value => None,
        Value::Sha256(digest) => Some(json!({ "sha256": digest })),
        Value::Text(text) => Some(json!({ "text": text })),
        Value::Absent | Value::Unreadable(_) | Value::Unknown => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(part: Part, kind: Kind, root: &str, name: &str) -> Key {
        Key { part, kind, root: root.into(), name: name.into(), view: None }
    }

    fn sha(text: &str) -> Value {
        Value::Sha256(text.into())
    }

    /// The whole format. Programs that read it must not have to change.
    #[test]
    fn every_reason_is_written() {
        let roots = BTreeMap::from([("crate:core".to_owned(), "../core".to_owned())]);
        let file = key(Part::Rust, Kind::File, "crate:core", "src/lib.rs");
        let rustc = key(Part::Toolchain, Kind::Value, "", "rustc");
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
            key(Part::Environment, Kind::Variable, "", "TOKEN"),
            key(Part::Request, Kind::Value, "", "config setting token"),
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
