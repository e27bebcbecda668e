//! Renewing a stored wheel after a readme or licence file changed. Such a file affects only the
//! wheel's metadata and nothing that cargo makes, so neither cargo nor maturin is needed.
//!
//! The old content is found in the wheel by its digest. If it is not found (converted, renamed,
//! used twice in different ways), the wheel is built in the ordinary way.

use std::collections::BTreeMap;

use crate::digest;
use crate::error::Result;
use crate::fingerprint::Value;
use crate::freshness::Reason;
use crate::inputs::{Key, Kind, Part};
use crate::wheel::Wheel;

/// The changed metadata files with their old digests. `None` if there is any other reason.
pub(crate) fn only_metadata_files(reasons: &[Reason]) -> Option<Vec<(&Key, &str)>> {
    reasons
        .iter()
        .map(|reason| match reason {
            Reason::Changed { key, old: Value::Sha256(old), new: Value::Sha256(_) }
                if key.part == Part::Metadata && key.kind == Kind::File =>
            {
                Some((key, old.as_str()))
            }
            _ => None,
        })
        .collect()
}

/// New contents for files in the wheel, by name. `changes` gives the old digest and the new bytes
/// of each changed file. `None` if an old content is not found in the wheel.
///
/// # Errors
/// The wheel can't be read.
pub(crate) fn replacements(
    wheel: &mut Wheel,
    changes: &[(String, Vec<u8>)],
) -> Result<Option<BTreeMap<String, Vec<u8>>>> {
    let metadata_name = format!("{}/METADATA", wheel.dist_info);
    let licences = format!("{}/licenses/", wheel.dist_info);
    let mut metadata = wheel.read(&metadata_name)?;
    let mut replacements = BTreeMap::new();
    for (old, new) in changes {
        let copies =
            wheel.files().filter(|(name, digest)| name.starts_with(&licences) && digest == old);
        let copies: Vec<String> = copies.map(|(name, _)| name.to_owned()).collect();
        let mut found = !copies.is_empty();
        replacements.extend(copies.into_iter().map(|name| (name, new.clone())));
        // The description is the unchanged readme plus a line end (core metadata, "Description").
        if let Some(body) = body_start(&metadata)
            && metadata.last() == Some(&b'\n')
            && digest::bytes(&metadata[body..metadata.len() - 1]) == *old
            && std::str::from_utf8(new).is_ok()
        {
            metadata.truncate(body);
            metadata.extend_from_slice(new);
            metadata.push(b'\n');
            replacements.insert(metadata_name.clone(), metadata.clone());
            found = true;
        }
        if !found {
            return Ok(None);
        }
    }
    Ok(Some(replacements))
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
}
