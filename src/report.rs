//! Verdicts in words, and as JSON. The names in the JSON are part of the public contract: names may be
//! added, but none may change.

use std::collections::BTreeMap;

use serde_json::{Value as Json, json};

use crate::fingerprint::{Value, part_name};
use crate::freshness::{Reason, Verdict};
use crate::inputs::{Key, Kind, Part, Root, View};
use crate::tied::Tied;

/// How many reasons are named in one line.
const NAMED: usize = 3;

/// `fresh: 214 inputs unchanged`
pub(crate) fn fresh(inputs: usize) -> String {
    format!("fresh: {inputs} inputs unchanged")
}

/// `stale: src/lib.rs changed, ../core/src/a.rs is new and 2 more`
pub(crate) fn stale(reasons: &[Reason], roots: &BTreeMap<Root, String>) -> String {
    format!("stale: {}", named(reasons.iter().map(|reason| self::reason(reason, roots))))
}

/// The first few texts, and the number of further ones.
pub(crate) fn named(words: impl ExactSizeIterator<Item = String>) -> String {
    let more = words.len().saturating_sub(NAMED);
    let first: Vec<String> = words.take(NAMED).collect();
    let first = first.join(", ");
    if more > 0 { format!("{first} and {more} more") } else { first }
}

/// One reason in words.
pub(crate) fn reason(reason: &Reason, roots: &BTreeMap<Root, String>) -> String {
    match reason {
        Reason::Changed { key, old, new } => match (key.kind, old, new) {
            (Kind::Value, Value::Text(old), Value::Text(new)) => {
                let (old, new) = (shorten(&key.name, old), shorten(&key.name, new));
                format!("{}: {old} -> {new}", key.name)
            }
            (Kind::Variable, ..) => format!("{}: another value", key.name),
            _ => format!("{} changed", name(key, roots)),
        },
        Reason::Added { key, .. } => match key.kind {
            Kind::Variable => format!("{}: unset -> set", key.name),
            Kind::Value => format!("{}: now given", key.name),
            _ => format!("{} is new", name(key, roots)),
        },
        Reason::Removed { key, .. } => match key.kind {
            Kind::Variable => format!("{}: set -> unset", key.name),
            Kind::Value => format!("{}: no longer given", key.name),
            _ => format!("{} is gone", name(key, roots)),
        },
        Reason::Unreadable { key, cause } => {
            format!("{} can't be relied on: {cause}", name(key, roots))
        }
        Reason::Untrusted(cause) => cause.clone(),
        Reason::NoRecord => "no earlier build to compare with".to_owned(),
        Reason::OtherSources => "the earlier build is of other sources".to_owned(),
        Reason::WheelMissing => "the stored wheel is missing".to_owned(),
        Reason::WheelDamaged => "the stored wheel is damaged".to_owned(),
        Reason::OtherMetadata => "the metadata changed since the frontend asked for it".to_owned(),
        Reason::NotReused => "the setting `reuse` allows no stored wheel".to_owned(),
    }
}

/// Why a build can serve only the tree that made it.
pub(crate) fn tied(tied: &Tied, roots: &BTreeMap<Root, String>) -> String {
    const PATH: &str = "a path of this tree";
    match tied {
        Tied::Read { package, variable } => {
            format!("{package} was compiled with {variable}, {PATH}")
        }
        Tied::Instruction { package, instruction } => {
            format!("the build script of {package} printed `{instruction}` with {PATH}")
        }
        Tied::Product { name } => format!("{name} in the wheel contains {PATH}"),
        Tied::Input { key } => format!("{} contains {PATH}", name(key, roots)),
        Tied::Setting { name } => format!("the config setting {name} contains {PATH}"),
        Tied::Outside { key } => {
            format!("{} lies outside of the tree and may be found relative to it", name(key, roots))
        }
        Tied::Git { key } => {
            format!(
                "the build reads {}, a file of git that differs between trees",
                name(key, roots)
            )
        }
        Tied::Unsearched { name, cause } => {
            format!("{name} could not be searched for paths of this tree: {cause}")
        }
        Tied::NotUtf8 => "the path of this tree is not UTF-8".to_owned(),
        Tied::Linked => "a folder of this tree is reached through a link".to_owned(),
    }
}

/// An input's name as a user would write it: relative to the project.
pub(crate) fn name(key: &Key, roots: &BTreeMap<Root, String>) -> String {
    let name = if key.name.is_empty() { "." } else { key.name.as_str() };
    let place = match &key.root {
        None | Some(Root::Above) => name.to_owned(),
        Some(root) => match roots.get(root).map(String::as_str) {
            Some("." | "") => name.to_owned(),
            Some(folder) => format!("{folder}/{name}"),
            None => format!("{root}: {name}"),
        },
    };
    match key.view {
        Some(View::Workspace) => format!("{place} [workspace]"),
        Some(_) => format!("{place} [whole]"),
        None => place,
    }
}

/// Shortens a version text for one line: of `rustc -vV` only the number remains, like `1.95.0`.
fn shorten(key: &str, text: &str) -> String {
    let first = text.split(';').next().unwrap_or(text);
    if key == "rustc" {
        first.split(" (").next().unwrap_or(first).trim_start_matches("rustc ").to_owned()
    } else {
        first.to_owned()
    }
}

/// `{"verdict": "fresh", "inputs": 214}` or `{"verdict": "stale", "reasons": [...]}`. `roots` gives
/// the folders of roots relative to the project; inputs are named with them.
pub(crate) fn verdict_as_json(verdict: &Verdict, roots: &BTreeMap<Root, String>) -> Json {
    match verdict {
        Verdict::Fresh { inputs } => json!({ "verdict": "fresh", "inputs": inputs }),
        Verdict::Stale(reasons) => {
            let reasons: Json =
                reasons.iter().map(|reason| reason_as_json(reason, roots)).collect();
            json!({ "verdict": "stale", "reasons": reasons })
        }
    }
}

/// One reason: its kind (`reason`), the input, old and new values if there are any, and the words
/// of [`reason`] (`text`).
pub(crate) fn reason_as_json(reason: &Reason, roots: &BTreeMap<Root, String>) -> Json {
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
    let mut json = json!({ "reason": name, "text": self::reason(reason, roots) });
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
        add("name", Some(self::name(key, roots).into()));
        add("package", root.as_ref().and_then(Root::package).map(Json::from));
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

    fn key(root: Root, name: &str) -> Key {
        any_key(Part::Rust, Kind::File, Some(root), name)
    }

    fn changed(key: Key) -> Reason {
        Reason::Changed { key, old: Value::Absent, new: Value::Absent }
    }

    #[test]
    fn paths_are_relative_to_the_project() {
        let crate_of = |name: &str| Root::Crate(name.into());
        let roots = BTreeMap::from([
            (crate_of("app"), ".".to_owned()),
            (crate_of("core"), "../core".to_owned()),
        ]);
        let reasons = [
            changed(key(crate_of("app"), "src/lib.rs")),
            Reason::Removed { key: key(crate_of("core"), "src/a.rs"), old: Value::Absent },
            Reason::Added { key: key(Root::Above, "../.cargo/config.toml"), new: Value::Absent },
            Reason::NoRecord,
        ];
        assert_eq!(
            stale(&reasons, &roots),
            "stale: src/lib.rs changed, ../core/src/a.rs is gone, ../.cargo/config.toml is new and 1 more"
        );
        assert_eq!(stale(&reasons[..1], &roots), "stale: src/lib.rs changed");
    }

    #[test]
    fn versions_are_short_and_variables_are_never_shown() {
        let value = |kind, name: &str, old: Value, new: Value| {
            let key = Key::named(Part::Toolchain, kind, name);
            reason(&Reason::Changed { key, old, new }, &BTreeMap::new())
        };
        let text = |text: &str| Value::Text(text.into());
        assert_eq!(
            value(
                Kind::Value,
                "rustc",
                text("rustc 1.94.1 (a 2026); x"),
                text("rustc 1.95.0 (b); y")
            ),
            "rustc: 1.94.1 -> 1.95.0"
        );
        let sha = |text: &str| Value::Sha256(text.into());
        assert_eq!(value(Kind::Variable, "TOKEN", sha("aa"), sha("bb")), "TOKEN: another value");
    }

    fn any_key(part: Part, kind: Kind, root: Option<Root>, name: &str) -> Key {
        Key { part, kind, root, name: name.into(), view: None }
    }

    fn sha(text: &str) -> Value {
        Value::Sha256(text.into())
    }

    /// The whole format. Programs that read it must not have to change.
    #[test]
    fn every_reason_is_written() {
        let roots = BTreeMap::from([(Root::Crate("core".into()), "../core".to_owned())]);
        let file = any_key(Part::Rust, Kind::File, Some(Root::Crate("core".into())), "src/lib.rs");
        let rustc = any_key(Part::Toolchain, Kind::Value, None, "rustc");
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
        let written = verdict_as_json(&Verdict::Stale(reasons), &roots);
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
                    "text": "the metadata changed since the frontend asked for it",
                },
                { "reason": "not-reused", "text": "the setting `reuse` allows no stored wheel" },
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
            verdict_as_json(&Verdict::Fresh { inputs: 214 }, &roots),
            serde_json::json!({ "verdict": "fresh", "inputs": 214 })
        );
    }

    /// `wheelprint explain` shows these words, also as JSON.
    #[test]
    fn every_reason_for_a_tied_build_has_words() {
        let roots = BTreeMap::from([(Root::Outside(1), "../shared".to_owned())]);
        let key = any_key(Part::Rust, Kind::File, Some(Root::Outside(1)), "a.h");
        let (package, name) = ("core".to_owned(), "a.so".to_owned());
        for (reason, words) in [
            (
                Tied::Read { package: package.clone(), variable: "OUT_DIR".into() },
                "core was compiled with OUT_DIR, a path of this tree",
            ),
            (
                Tied::Instruction { package, instruction: "rustc-link-search".into() },
                "the build script of core printed `rustc-link-search` with a path of this tree",
            ),
            (
                Tied::Product { name: name.clone() },
                "a.so in the wheel contains a path of this tree",
            ),
            (Tied::Input { key: key.clone() }, "../shared/a.h contains a path of this tree"),
            (
                Tied::Setting { name: "build-args".into() },
                "the config setting build-args contains a path of this tree",
            ),
            (
                Tied::Outside { key },
                "../shared/a.h lies outside of the tree and may be found relative to it",
            ),
            (
                Tied::Git { key: any_key(Part::Rust, Kind::File, None, ".git/HEAD") },
                "the build reads .git/HEAD, a file of git that differs between trees",
            ),
            (
                Tied::Unsearched { name, cause: "permission denied".into() },
                "a.so could not be searched for paths of this tree: permission denied",
            ),
            (Tied::NotUtf8, "the path of this tree is not UTF-8"),
            (Tied::Linked, "a folder of this tree is reached through a link"),
        ] {
            assert_eq!(tied(&reason, &roots), words);
        }
    }

    #[test]
    fn what_may_be_a_secret_is_not_written_not_even_its_digest() {
        for key in [
            any_key(Part::Environment, Kind::Variable, None, "TOKEN"),
            any_key(Part::Request, Kind::Value, None, "config setting token"),
        ] {
            let reasons = [
                Reason::Changed { key: key.clone(), old: sha("5ec7e7"), new: sha("5ec7e7") },
                Reason::Added { key: key.clone(), new: sha("5ec7e7") },
                Reason::Removed { key: key.clone(), old: sha("5ec7e7") },
            ];
            for one in &reasons {
                let written = reason_as_json(one, &BTreeMap::new()).to_string();
                assert!(written.contains(&key.name), "{written}");
                assert!(!written.contains("5ec7e7"), "{written}");
            }
        }
    }
}
