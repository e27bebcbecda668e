//! Comparing files that describe the other ones: RECORD, wheelprint's record, SBOMs.

use std::collections::BTreeSet;

use serde_json::Value;

use super::Reason;
use super::difference::Difference;
use crate::fingerprint::record::Input;
use crate::fingerprint::{Fingerprint, Inputs, Record};
use crate::freshness::{self, Verdict};
use crate::inputs::Part;
use crate::report;
use crate::strict_json;
use crate::wheel::record_file::RecordFile;

/// The number of fields of an SBOM that are shown.
const MOST: usize = 100;

/// The differences of two RECORDs. Each was compared with the files of its own wheel, so its lines
/// follow from these files.
pub(super) fn of_lists(name: &str, one: &[u8], other: &[u8]) -> Vec<Difference> {
    let parse = |bytes: &[u8]| RecordFile::parse(std::str::from_utf8(bytes).ok()?).ok();
    let (Some(one), Some(other)) = (parse(one), parse(other)) else {
        return vec![Difference::of(name, Reason::List, "one of them can't be read")];
    };
    let differing = |one: &RecordFile, other: &RecordFile| -> BTreeSet<String> {
        let lines = one.lines().filter(|line| other.get(&line.name) != Some(*line));
        lines.map(|line| line.name.clone()).collect()
    };
    let names: BTreeSet<String> =
        differing(&one, &other).union(&differing(&other, &one)).cloned().collect();
    let text = match names.len() {
        0 => "the same lines in another order or form".to_owned(),
        _ => format!("the lines of {}", names.into_iter().collect::<Vec<_>>().join(", ")),
    };
    vec![Difference::of(name, Reason::List, text).harmless()]
}

/// The differences of two records of wheelprint. What the two builds were made with (variables,
/// tools, settings) has no effect of its own: an effect would be a difference of another file. All
/// else in a record is about the sources, which both wheels should have in common. `None` if one of
/// them can't be read, or can be read in two ways.
pub(super) fn of_records(name: &str, one: &[u8], other: &[u8]) -> Option<Vec<Difference>> {
    let values = (strict_json::parse(one).ok()?, strict_json::parse(other).ok()?);
    let (one, other) = (Record::from_json(one).ok()?, Record::from_json(other).ok()?);
    let is_of_the_build = |part: Part| match part {
        Part::Environment | Part::Toolchain | Part::Request => true,
        Part::Rust | Part::Manifest | Part::Python | Part::Metadata => false,
    };
    let mut found = Vec::new();
    let inputs = other.inputs();
    if let Verdict::Stale(reasons) = freshness::compare(one.pairs(), &[], &inputs) {
        for reason in reasons {
            let text = report::reason(&reason, &one.roots);
            let difference = Difference::of(name, Reason::Record, text);
            let is_harmless = reason.key().is_some_and(|key| is_of_the_build(key.part));
            found.push(if is_harmless { difference.harmless() } else { difference });
        }
    }
    if one.cargo != other.cargo {
        let [one, other] = [&one.cargo, &other.cargo].map(|it| it.as_deref().unwrap_or("unknown"));
        let text = format!("{one} -> {other}");
        found.push(Difference::of(name, Reason::Record, text).harmless());
    }
    let about_sources = |record: &Record| {
        let of_sources = record.inputs().into_iter().filter(|(key, _)| !is_of_the_build(key.part));
        let inputs = Input::list(&of_sources.collect::<Inputs>());
        let fingerprint = Fingerprint::of(&Inputs::new());
        Record { inputs, fingerprint, cargo: None, ..record.clone() }
    };
    let (plain, plain_other) = (about_sources(&one), about_sources(&other));
    if plain != plain_other {
        // No `..`: a new field must be named.
        let Record {
            wheelprint: _,
            fingerprint: _,
            roots,
            watches,
            inputs,
            untrusted,
            source,
            cargo: _,
            packed,
        } = &plain;
        let parts = [
            ("roots", *roots != plain_other.roots),
            ("watches", *watches != plain_other.watches),
            ("inputs", *inputs != plain_other.inputs),
            ("untrusted", *untrusted != plain_other.untrusted),
            ("source", *source != plain_other.source),
            ("packed", *packed != plain_other.packed),
        ];
        let differing: Vec<&str> =
            parts.iter().filter(|(_, differs)| *differs).map(|(name, _)| *name).collect();
        let text = format!("what it says of the sources: {}", differing.join(", "));
        found.push(Difference::of(name, Reason::Record, text));
    }
    if found.is_empty() {
        let difference = |text| Difference::of(name, Reason::Record, text);
        found.push(match values.0 == values.1 {
            true => difference("the same in another form").harmless(),
            false => difference("values that are not of a record"),
        });
    }
    Some(found)
}

/// The fields that differ in two SBOMs. `None` if one of them is no JSON, or can be read in two
/// ways.
pub(super) fn of_sboms(name: &str, one: &[u8], other: &[u8]) -> Option<Vec<Difference>> {
    let (one, other) = (strict_json::parse(one).ok()?, strict_json::parse(other).ok()?);
    let mut fields = Vec::new();
    differing(String::new(), Some(&one), Some(&other), &mut fields);
    if fields.is_empty() {
        let text = "the same in another form";
        return Some(vec![Difference::of(name, Reason::Sbom, text).harmless()]);
    }
    let more = fields.len().saturating_sub(MOST);
    fields.truncate(MOST);
    let more = (more > 0).then(|| format!("and {more} more fields"));
    let found = fields.into_iter().map(|(field, one, other)| {
        let text = format!("{field}: {one}, and {other} in the rebuilt wheel");
        let difference = Difference::of(name, Reason::Sbom, text);
        // CycloneDX: a number for this document, and when it was made.
        let is_of_the_document = ["serialNumber", "metadata.timestamp"].contains(&&*field);
        if is_of_the_document { difference.harmless() } else { difference }
    });
    let more = more.map(|text| Difference::of(name, Reason::Sbom, text));
    Some(found.chain(more).collect())
}

/// Every value that differs, by its path: `components[3].version`.
fn differing(
    path: String,
    one: Option<&Value>,
    other: Option<&Value>,
    found: &mut Vec<(String, String, String)>,
) {
    match (one, other) {
        _ if one == other => {}
        (Some(Value::Object(one)), Some(Value::Object(other))) => {
            let names: BTreeSet<&String> = one.keys().chain(other.keys()).collect();
            for name in names {
                let dot = if path.is_empty() { "" } else { "." };
                differing(format!("{path}{dot}{name}"), one.get(name), other.get(name), found);
            }
        }
        (Some(Value::Array(one)), Some(Value::Array(other))) => {
            for index in 0..one.len().max(other.len()) {
                differing(format!("{path}[{index}]"), one.get(index), other.get(index), found);
            }
        }
        _ => {
            let shown = |value: Option<&Value>| match value {
                Some(Value::Object(_) | Value::Array(_)) => "another value".to_owned(),
                Some(value) => value.to_string(),
                None => "nothing".to_owned(),
            };
            found.push((path, shown(one), shown(other)));
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::{BTreeMap, BTreeSet};

    use super::*;
    use crate::fingerprint;
    use crate::inputs::{Key, Kind, Root};

    fn record(variable: &str, source: &str, root: &str) -> Vec<u8> {
        let sha = |text: &str| fingerprint::Value::Sha256(crate::digest::bytes(text.as_bytes()));
        let inputs = Inputs::from([
            (Key::named(Part::Environment, Kind::Variable, "CFLAGS"), sha(variable)),
            (Key::named(Part::Rust, Kind::File, "src/lib.rs"), sha(source)),
        ]);
        let roots = BTreeMap::from([(Root::Project, root.to_owned())]);
        Record::new(&inputs, BTreeSet::new(), roots).to_json()
    }

    #[test]
    fn what_a_build_was_made_with_is_harmless_and_its_sources_are_not() {
        let of = |one: &[u8], other: &[u8]| -> Vec<(String, bool)> {
            let found = of_records("record", one, other).unwrap();
            found.into_iter().map(|it| (it.text, it.is_harmless)).collect()
        };
        let usual = record("-O2", "one", ".");
        assert_eq!(
            of(&usual, &record("-O3", "one", ".")),
            [("CFLAGS: another value".to_owned(), true)]
        );
        assert_eq!(
            of(&usual, &record("-O2", "two", ".")),
            [
                ("src/lib.rs changed".to_owned(), false),
                ("what it says of the sources: inputs".to_owned(), false)
            ]
        );
        assert_eq!(
            of(&usual, &record("-O2", "one", "..")),
            [("what it says of the sources: roots".to_owned(), false)]
        );
        let mut spaced = usual.clone();
        spaced.push(b'\n');
        assert_eq!(of(&usual, &spaced), [("the same in another form".to_owned(), true)]);
        assert_eq!(of_records("record", &usual, b"{}"), None);
    }

    #[test]
    fn what_can_be_read_in_two_ways_is_not_the_same() {
        let usual = record("-O2", "one", ".");
        let text = String::from_utf8(usual.clone()).unwrap();
        let changed = |from: &str, to: &str| {
            assert!(text.contains(from), "{from} in {text}");
            text.replacen(from, to, 1).into_bytes()
        };
        let twice = changed("\"roots\": {", "\"roots\": { \"project\": \"other\",");
        assert!(Record::from_json(&twice).is_ok(), "it is read");
        assert_eq!(of_records("record", &usual, &twice), None);
        assert_eq!(of_records("record", &twice, &usual), None);
        let sbom = |text: &'static str| text.as_bytes();
        let (one, two) = (sbom(r#"{"a": [1]}"#), sbom(r#"{"a": [2], "a": [1]}"#));
        assert_eq!(of_sboms("sbom", one, two), None);
        assert_eq!(of_sboms("sbom", two, one), None);
        let more = changed("\"kind\": \"variable\"", "\"more\": 1, \"kind\": \"variable\"");
        let found = of_records("record", &usual, &more).unwrap();
        assert_eq!(found.len(), 1);
        assert_eq!(found[0].text, "values that are not of a record");
        assert!(!found[0].is_harmless);
    }

    #[test]
    fn fields_of_an_sbom() {
        let of = |one: &str, other: &str| -> Vec<(String, bool)> {
            let found = of_sboms("sbom", one.as_bytes(), other.as_bytes()).unwrap();
            found.into_iter().map(|it| (it.text, it.is_harmless)).collect()
        };
        assert_eq!(
            of(
                r#"{"serialNumber": "1", "components": [{"version": "1"}]}"#,
                r#"{"serialNumber": "2", "components": [{"version": "2"}, 7]}"#,
            ),
            [
                (r#"components[0].version: "1", and "2" in the rebuilt wheel"#.to_owned(), false),
                ("components[1]: nothing, and 7 in the rebuilt wheel".to_owned(), false),
                (r#"serialNumber: "1", and "2" in the rebuilt wheel"#.to_owned(), true),
            ]
        );
        assert_eq!(of("{}", "{ }"), [("the same in another form".to_owned(), true)]);
        assert_eq!(of_sboms("sbom", b"{}", b"x"), None);
    }
}
