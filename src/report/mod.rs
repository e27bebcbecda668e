//! Verdicts in words. [`json`] gives them as JSON.

use std::collections::BTreeMap;

use crate::fingerprint::Value;
use crate::freshness::Reason;
use crate::inputs::{Key, Kind, Root, View};

pub(crate) mod json;

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
        Reason::OtherMetadata => {
            "the stored wheel has other metadata than the frontend prepared".to_owned()
        }
        Reason::NotReused => "always built, as `reuse` has it".to_owned(),
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::inputs::{Part, Place};

    fn key(root: Root, name: &str) -> Key {
        Key::place(Part::Rust, Kind::File, Place { root, path: name.into() })
    }

    fn changed(key: Key) -> Reason {
        Reason::Changed { key, old: Value::Absent, new: Value::Absent }
    }

    #[test]
    fn paths_are_relative_to_the_project() {
        let roots = [("app", "."), ("core", "../core")]
            .map(|(name, path)| (Root::Crate(name.into()), path.to_owned()))
            .into();
        let reasons = [
            changed(key(Root::Crate("app".into()), "src/lib.rs")),
            Reason::Removed {
                key: key(Root::Crate("core".into()), "src/a.rs"),
                old: Value::Absent,
            },
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
}
