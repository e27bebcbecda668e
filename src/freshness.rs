//! The verdict: compares recorded inputs with observed inputs, and gives every reason. No I/O.

use crate::fingerprint::{Inputs, Value};
use crate::inputs::{Key, Kind, Part, Root};

/// Whether a new build would give the same result as the recorded one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Verdict {
    /// No input has changed; the number of compared inputs.
    Fresh {
        inputs: usize,
    },
    Stale(Vec<Reason>),
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Reason {
    Changed {
        key: Key,
        old: Value,
        new: Value,
    },
    Added {
        key: Key,
        new: Value,
    },
    Removed {
        key: Key,
        old: Value,
    },
    /// An input cannot be read, so it cannot be compared.
    Unreadable {
        key: Key,
        cause: String,
    },
    /// The record of the last build must not be matched, for this cause. For `status` also: there is
    /// no record to compare with, because of this cause.
    Untrusted(String),
    /// There is no earlier build to compare with.
    NoRecord,
    /// The earlier build is of other sources than those that are unpacked here.
    OtherSources,
    /// The stored wheel is missing. It would have been delivered, or renewed.
    WheelMissing,
    /// All inputs are unchanged, but the stored wheel is damaged.
    WheelDamaged,
    /// All inputs are unchanged, but the stored wheel does not have the metadata that
    /// `prepare_metadata_for_build_*` gave.
    OtherMetadata,
    /// The setting `reuse` requests a build.
    NotReused,
}

impl Reason {
    pub fn key(&self) -> Option<&Key> {
        match self {
            Self::Changed { key, .. }
            | Self::Added { key, .. }
            | Self::Removed { key, .. }
            | Self::Unreadable { key, .. } => Some(key),
            _ => None,
        }
    }

    /// The sort key. Reasons without an input come first.
    fn place(&self) -> Option<(Part, Option<&Root>, &str, Kind)> {
        self.key().map(|key| (key.part, key.root.as_ref(), key.name.as_str(), key.kind))
    }
}

/// Compares recorded with observed inputs. Reasons are sorted by part and place, a folder before
/// its content. Both lists are walked once, in the order of their keys. So recorded inputs that are
/// out of order do not match.
pub fn compare<'a>(
    recorded: impl IntoIterator<Item = (&'a Key, &'a Value)>,
    untrusted: &[String],
    observed: &Inputs,
) -> Verdict {
    let mut reasons: Vec<Reason> = untrusted.iter().cloned().map(Reason::Untrusted).collect();
    let added = |key: &Key, new: &Value| match new {
        Value::Absent => None,
        Value::Unreadable(cause) => {
            Some(Reason::Unreadable { key: key.clone(), cause: cause.clone() })
        }
        _ => Some(Reason::Added { key: key.clone(), new: new.clone() }),
    };
    let mut now = observed.iter().peekable();
    let mut inputs = 0;
    for (key, old) in recorded {
        inputs += 1;
        while let Some((key, new)) = now.next_if(|(other, _)| *other < key) {
            reasons.extend(added(key, new));
        }
        match now.next_if(|(other, _)| *other == key) {
            // The path may now be an input of another kind, for example a folder.
            None if *old == Value::Absent => {}
            None => reasons.push(Reason::Removed { key: key.clone(), old: old.clone() }),
            Some((_, new)) => reasons.extend(compare_values(key, old, new)),
        }
    }
    reasons.extend(now.filter_map(|(key, new)| added(key, new)));
    reasons.sort_by(|one, other| one.place().cmp(&other.place()));
    if reasons.is_empty() { Verdict::Fresh { inputs } } else { Verdict::Stale(reasons) }
}

fn compare_values(key: &Key, old: &Value, new: &Value) -> Option<Reason> {
    match (old, new) {
        // An input that cannot be read proves nothing, even if the record says the same.
        (_, Value::Unreadable(cause)) | (Value::Unreadable(cause), _) => {
            Some(Reason::Unreadable { key: key.clone(), cause: cause.clone() })
        }
        (_, Value::Unknown) => None,
        (old, new) if old == new => None,
        (Value::Absent, _) => Some(Reason::Added { key: key.clone(), new: new.clone() }),
        (_, Value::Absent) => Some(Reason::Removed { key: key.clone(), old: old.clone() }),
        _ => Some(Reason::Changed { key: key.clone(), old: old.clone(), new: new.clone() }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(name: &str) -> Key {
        Key::named(Part::Rust, Kind::File, name)
    }

    fn sha(text: &str) -> Value {
        Value::Sha256(text.to_owned())
    }

    fn inputs(entries: &[(&str, Value)]) -> Inputs {
        entries.iter().map(|(name, value)| (key(name), value.clone())).collect()
    }

    #[test]
    fn equal_inputs_are_fresh() {
        let inputs = inputs(&[("a", sha("1")), ("b", Value::Absent)]);
        assert_eq!(compare(&inputs, &[], &inputs), Verdict::Fresh { inputs: 2 });
    }

    #[test]
    fn recorded_inputs_out_of_order_do_not_match() {
        let observed = inputs(&[("a", sha("1")), ("b", sha("1"))]);
        let (a, b) = ((key("a"), sha("1")), (key("b"), sha("1")));
        let compare = |recorded: &[&(Key, Value)]| {
            super::compare(recorded.iter().map(|(key, value)| (key, value)), &[], &observed)
        };
        assert_eq!(compare(&[&a, &b]), Verdict::Fresh { inputs: 2 });
        for recorded in [&[&b, &a][..], &[&a, &a, &b], &[&a, &b, &a], &[&a, &b, &b]] {
            assert!(matches!(compare(recorded), Verdict::Stale(_)), "{recorded:?}");
        }
    }

    #[test]
    fn every_reason_is_given() {
        let recorded = inputs(&[
            ("changed", sha("1")),
            ("gone", sha("1")),
            ("appeared", Value::Absent),
            ("unlisted", sha("1")),
        ]);
        let observed = inputs(&[
            ("changed", sha("2")),
            ("gone", Value::Absent),
            ("appeared", sha("1")),
            ("new", sha("1")),
        ]);
        let Verdict::Stale(reasons) = compare(&recorded, &["raced".into()], &observed) else {
            panic!("stale expected");
        };
        assert_eq!(reasons.len(), 6, "{reasons:?}");
        assert_eq!(reasons[0], Reason::Untrusted("raced".into()));
    }

    #[test]
    fn a_new_input_that_cannot_be_read_is_not_called_new() {
        let observed = inputs(&[("a", Value::Unreadable("permission denied".into()))]);
        let reason = Reason::Unreadable { key: key("a"), cause: "permission denied".into() };
        assert_eq!(compare(&Inputs::new(), &[], &observed), Verdict::Stale(vec![reason]));
    }

    #[test]
    fn a_folder_is_named_before_what_is_in_it() {
        let of = |kind, name: &str| (Key::named(Part::Rust, kind, name), sha("1"));
        let observed: Inputs = [
            of(Kind::File, "words/one.txt"),
            of(Kind::Folder, "words"),
            of(Kind::File, "a.rs"),
            of(Kind::Toml, "Cargo.toml"),
        ]
        .into();
        let Verdict::Stale(reasons) = compare(&Inputs::new(), &[], &observed) else {
            panic!("stale expected");
        };
        let names: Vec<&str> =
            reasons.iter().filter_map(|reason| Some(reason.place()?.2)).collect();
        assert_eq!(names, ["Cargo.toml", "a.rs", "words", "words/one.txt"]);
    }

    #[test]
    fn absence_under_another_kind_is_no_reason_of_its_own() {
        let there = inputs(&[("words", sha("1"))]);
        let gone: Inputs = [(Key::named(Part::Rust, Kind::Folder, "words"), Value::Absent)].into();
        for (recorded, observed) in [(&there, &gone), (&gone, &there)] {
            let Verdict::Stale(reasons) = compare(recorded, &[], observed) else {
                panic!("stale expected");
            };
            assert_eq!(reasons.len(), 1, "{reasons:?}");
        }
    }

    #[test]
    fn what_cannot_be_read_is_never_fresh() {
        let inputs = inputs(&[("a", Value::Unreadable("no permission".into()))]);
        assert!(matches!(compare(&inputs, &[], &inputs), Verdict::Stale(_)));
    }

    #[test]
    fn what_cannot_be_known_is_no_reason() {
        let recorded = inputs(&[("maturin", Value::Text("1.0".into()))]);
        let observed = inputs(&[("maturin", Value::Unknown)]);
        assert_eq!(compare(&recorded, &[], &observed), Verdict::Fresh { inputs: 1 });
    }
}
