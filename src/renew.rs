//! Renewing a stored wheel after a readme or licence file changed. Such a file affects only the
//! wheel's metadata and nothing that cargo makes, so neither cargo nor maturin is needed.
//!
//! The old content is found in the wheel by its digest, and a licence also by its path. If it is
//! not found (converted, renamed), or if two files had the same text, the wheel is built in the
//! ordinary way.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use crate::digest;
use crate::error::Result;
use crate::fingerprint::{Record, Value};
use crate::freshness::Reason;
use crate::inputs::{Key, Kind, Part};
use crate::wheel::Wheel;

/// The changed metadata files with their old digests. `None` if there is any other reason.
pub(crate) fn only_metadata_files(reasons: &[Reason]) -> Option<Vec<(&Key, &str)>> {
    let changes = changes(reasons)?.into_iter();
    Some(changes.map(|(key, old, _)| (key, old)).collect())
}

/// The changed metadata files with their old and new digests.
fn changes(reasons: &[Reason]) -> Option<Vec<(&Key, &str, &str)>> {
    reasons
        .iter()
        .map(|reason| match reason {
            Reason::Changed { key, old: Value::Sha256(old), new: Value::Sha256(new) }
                if key.part == Part::Metadata && key.kind == Kind::File =>
            {
                Some((key, old.as_str(), new.as_str()))
            }
            _ => None,
        })
        .collect()
}

/// Whether each old text belongs to one changed file. If another metadata file has the same text, a
/// copy in the wheel could be of either file.
pub(crate) fn are_told_apart(record: &Record, reasons: &[Reason]) -> bool {
    let Some(changes) = changes(reasons) else { return false };
    changes.iter().all(|(_, old, new)| {
        let mut alike = record.pairs().filter(|(key, value)| {
            let is_file = key.part == Part::Metadata && key.kind == Kind::File;
            is_file && matches!(value, Value::Sha256(sha256) if sha256 == old)
        });
        // Files that were alike and still are, such as a link and its target, need no choice.
        alike.all(|(key, _)| changes.contains(&(key, old, new)))
    })
}

/// A metadata file that changed.
pub(crate) struct Change {
    pub path: PathBuf,
    /// The digest of the old content.
    pub old: String,
    pub new: Vec<u8>,
}

/// New contents for files in the wheel, by name. `None` if it is not certain which files of the
/// wheel have an old content.
///
/// # Errors
/// The wheel can't be read.
pub(crate) fn replacements(
    wheel: &mut Wheel,
    changes: &[Change],
) -> Result<Option<BTreeMap<String, Vec<u8>>>> {
    let metadata_name = format!("{}/METADATA", wheel.dist_info);
    let mut metadata = wheel.read(&metadata_name)?;
    // The description is the unchanged readme plus a line end (core metadata, "Description").
    let body = body_start(&metadata).filter(|_| metadata.last() == Some(&b'\n'));
    let description = body.map(|body| digest::bytes(&metadata[body..metadata.len() - 1]));
    let folder = format!("{}/licenses/", wheel.dist_info);
    let licences: Vec<(&str, &str)> = wheel
        .files()
        .filter_map(|(name, digest)| Some((name.strip_prefix(&folder)?, digest)))
        .collect();
    let mut replacements = BTreeMap::new();
    for change in changes {
        match copy_of(change, changes, &licences, description.as_deref()) {
            Some(InWheel::Licences(names)) => {
                let named = |name: &str| (format!("{folder}{name}"), change.new.clone());
                replacements.extend(names.into_iter().map(named));
            }
            Some(InWheel::Description) if std::str::from_utf8(&change.new).is_ok() => {
                metadata.truncate(body.unwrap_or_default());
                metadata.extend_from_slice(&change.new);
                metadata.push(b'\n');
                replacements.insert(metadata_name.clone(), metadata.clone());
            }
            _ => return Ok(None),
        }
    }
    Ok(Some(replacements))
}

/// Where a wheel has the old content of a file.
#[derive(Debug, PartialEq, Eq)]
enum InWheel<'a> {
    /// These files in `licenses`.
    Licences(Vec<&'a str>),
    Description,
}

/// Finds the old content of a file. `licences` has the paths below `licenses` with their digests,
/// and `description` is the digest of the description. `None` if it is not certain where it is.
fn copy_of<'a>(
    change: &Change,
    changes: &[Change],
    licences: &[(&'a str, &str)],
    description: Option<&str>,
) -> Option<InWheel<'a>> {
    let copies: Vec<&str> = licences
        .iter()
        .filter(|(_, digest)| *digest == change.old)
        .map(|(name, _)| *name)
        .collect();
    match (copies.is_empty(), description == Some(&change.old)) {
        (true, true) => Some(InWheel::Description),
        // maturin writes the path below the project, below the workspace or below the crate, or only
        // the name. Each is the end of the file's path. Another path is that of a file which is not
        // known to have changed.
        (false, false) => {
            let is_of = |name: &str, it: &Change| {
                it.old == change.old && it.path.ends_with(Path::new(name))
            };
            let is_known = |name: &&str| changes.iter().any(|it| is_of(name, it));
            copies.iter().all(is_known).then_some(InWheel::Licences(copies))
        }
        _ => None,
    }
}

/// Start of the body, after the empty line that ends the headers.
fn body_start(metadata: &[u8]) -> Option<usize> {
    metadata.windows(2).position(|pair| pair == b"\n\n").map(|position| position + 2)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn changed(part: Part, kind: Kind) -> Reason {
        let value = |text: &str| Value::Sha256(text.to_owned());
        Reason::Changed { key: Key::named(part, kind, "x"), old: value("1"), new: value("2") }
    }

    #[test]
    fn one_other_reason_is_enough_to_build() {
        let readme = changed(Part::Metadata, Kind::File);
        assert_eq!(
            only_metadata_files(std::slice::from_ref(&readme)).map(|files| files.len()),
            Some(1)
        );
        for other in
            [changed(Part::Rust, Kind::File), changed(Part::Metadata, Kind::Toml), Reason::NoRecord]
        {
            assert_eq!(only_metadata_files(&[readme.clone(), other]), None);
        }
    }

    #[test]
    fn texts_that_two_files_had_are_not_told_apart() {
        let value = |text: &str| Value::Sha256(text.to_owned());
        let key = |name: &str| Key::named(Part::Metadata, Kind::File, name);
        let changed = |(name, new): &(&str, &str)| Reason::Changed {
            key: key(name),
            old: value("old"),
            new: value(new),
        };
        let record = |other: &str| {
            let inputs = [(key("A"), value("old")), (key("B"), value(other))].into();
            Record::new(&inputs, [].into(), [].into())
        };
        for (other, changes, expected) in [
            ("other", &[("A", "new")][..], true),
            ("old", &[("A", "new")], false),
            ("old", &[("A", "new"), ("B", "newer")], false),
            // A link and its target.
            ("old", &[("A", "new"), ("B", "new")], true),
        ] {
            let reasons: Vec<Reason> = changes.iter().map(changed).collect();
            assert_eq!(are_told_apart(&record(other), &reasons), expected, "{other} {changes:?}");
        }
    }

    #[test]
    fn a_copy_has_the_digest_and_the_path_of_the_file() {
        let change =
            |path: &str| Change { path: path.into(), old: "old".to_owned(), new: Vec::new() };
        let licences = |names: &[&'static str]| Some(InWheel::Licences(names.to_vec()));
        for (paths, in_wheel, description, expected) in [
            (&["/p/LICENSE"][..], &[("LICENSE", "old")][..], "", licences(&["LICENSE"])),
            (&["/p/LICENSE"], &[("LICENSE", "old"), ("NOTICE", "x")], "", licences(&["LICENSE"])),
            (&["/p/a/b.txt"], &[("a/b.txt", "old")], "", licences(&["a/b.txt"])),
            // The licence of a crate, by its name.
            (&["/p/rust/COPYING"], &[("COPYING", "old")], "", licences(&["COPYING"])),
            (&["/p/README.md"], &[("LICENSE", "x")], "old", Some(InWheel::Description)),
            // Two files that are alike, both changed.
            (&["/p/A", "/p/B"], &[("A", "old"), ("B", "old")], "", licences(&["A", "B"])),
            // A licence that no change names.
            (&["/p/A"], &[("A", "old"), ("B", "old")], "", None),
            (&["/p/README.md"], &[("LICENSE", "old")], "", None),
            (&["/p/README.md"], &[("LICENSE", "old")], "old", None),
            // Converted, or not in the wheel.
            (&["/p/README.md"], &[("LICENSE", "x")], "y", None),
        ] {
            let changes: Vec<Change> = paths.iter().map(|path| change(path)).collect();
            let found = copy_of(&changes[0], &changes, in_wheel, Some(description));
            assert_eq!(found, expected, "{paths:?} {in_wheel:?}");
        }
    }
}
