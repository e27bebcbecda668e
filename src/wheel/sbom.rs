//! Making maturin's SBOM reproducible.
//!
//! The SBOM contains a random serial number, the time of its creation, and the folders of local
//! packages, which may be temporary. Each of these is replaced by a value that follows from the
//! contents, so that two wheels of one tree are equal.
//!
//! CycloneDX 1.5: `serialNumber` is a UUID, `metadata.timestamp` the time of creation. Local
//! packages are named by cargo's package ID (cargo book, "Package ID Specifications") and by a
//! purl.

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, percent_decode_str, utf8_percent_encode};

/// What the generator encodes in the path of a URL.
const NOT_PLAIN: &AsciiSet =
    &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~').remove(b'/').remove(b'+');

/// Is this the name of an SBOM that maturin generated (PEP 770)?
pub fn is_generated(name_in_dist_info: &str) -> bool {
    name_in_dist_info
        .strip_prefix("sboms/")
        .is_some_and(|name| name.ends_with(".cyclonedx.json") && !name.contains('/'))
}

/// Replaces the values in an SBOM that differ between builds; `None` if it has none. All other
/// bytes stay. The time becomes that of the archive's entries: 1980. If `SOURCE_DATE_EPOCH` is set,
/// the generator itself uses that time. `place` gives a folder's path relative to the project.
pub fn settled(bytes: &[u8], place: impl Fn(&str) -> Option<String>) -> Option<Vec<u8>> {
    let text = std::str::from_utf8(bytes).ok()?;
    if !text.contains("cargo-cyclonedx") {
        return None;
    }
    let placed = placed(text, cfg!(windows), place);
    let settled = with_serial(&placed).unwrap_or(placed);
    (settled != text).then(|| settled.into_bytes())
}

/// Sets the time, and a serial number that follows from the contents. `None` if the SBOM has no
/// serial number.
fn with_serial(text: &str) -> Option<String> {
    const NO_SERIAL: &str = "urn:uuid:00000000-0000-0000-0000-000000000000";
    let timed = replace_string(text, "timestamp", "1980-01-01T00:00:00Z");
    let blank = replace_string(timed.as_deref().unwrap_or(text), "serialNumber", NO_SERIAL)?;
    let digest = crate::digest::bytes(blank.as_bytes());
    // UUID version 8 is for custom UUIDs; variant 10 is that of RFC 9562.
    let serial = format!(
        "urn:uuid:{}-{}-8{}-8{}-{}",
        &digest[..8],
        &digest[8..12],
        &digest[13..16],
        &digest[17..20],
        &digest[20..32]
    );
    replace_string(&blank, "serialNumber", &serial)
}

/// Names folders as the generator names the project's own: `file://.`, `file://../core`. On Windows
/// a path starts with a drive and not with the root.
fn placed(text: &str, windows: bool, place: impl Fn(&str) -> Option<String>) -> String {
    let mut pieces = text.split("file:///");
    let mut placed = pieces.next().unwrap_or_default().to_owned();
    for piece in pieces {
        let end = piece.find(['"', '#', '?', '&', ' ']).unwrap_or(piece.len());
        let (url, rest) = piece.split_at(end);
        let is_package_id = placed.ends_with("path+");
        let folder = percent_decode_str(url).decode_utf8().ok();
        let folder =
            folder.map(|folder| if windows { folder } else { format!("/{folder}").into() });
        let Some(found) = folder.as_deref().and_then(&place) else {
            placed.push_str("file:///");
            placed.push_str(piece);
            continue;
        };
        let is_dotted = found == "." || found.starts_with("../");
        placed.push_str(if is_dotted { "file://" } else { "file://./" });
        placed.extend(utf8_percent_encode(&found, NOT_PLAIN));
        // Cargo leaves out a package's name if its folder has the same name.
        let name = url.rsplit('/').next().unwrap_or_default();
        match rest.strip_prefix('#') {
            Some(version)
                if is_package_id && version.starts_with(|it: char| it.is_ascii_digit()) =>
            {
                placed.push_str(&format!("#{name}@{version}"));
            }
            _ => placed.push_str(rest),
        }
    }
    placed
}

/// Replaces the string value of the first such key. The keys used here come before any text that
/// the generator did not write itself.
fn replace_string(text: &str, key: &str, value: &str) -> Option<String> {
    let start = text.find(&format!("\"{key}\""))? + key.len() + 2;
    let rest = &text[start..];
    let open = rest.find('"').filter(|open| rest[..*open].trim() == ":")? + 1;
    let close = rest[open..].find('"')?;
    Some(format!("{}{value}{}", &text[..start + open], &rest[open + close..]))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sbom(serial: &str, time: &str, name: &str) -> Vec<u8> {
        format!(
            "{{\"serialNumber\": \"urn:uuid:{serial}\", \"metadata\": {{\"timestamp\": \"{time}\", \
             \"tools\": [\"cargo-cyclonedx\"]}}, \"name\": \"{name}\"}}"
        )
        .into_bytes()
    }

    #[test]
    fn chance_is_taken_out_and_contents_stay() {
        let settle = |serial, time, name| settled(&sbom(serial, time, name), |_| None).unwrap();
        let one = settle("1", "2026", "a");
        assert_eq!(one, settle("2", "2027", "a"));
        assert_ne!(one, settle("1", "2026", "b"));
        let text = String::from_utf8(one).unwrap();
        assert!(text.contains("\"name\": \"a\""), "{text}");
        assert!(text.contains("1980-01-01"), "{text}");
    }

    #[test]
    fn folders_are_named_as_seen_from_the_project() {
        let place = |folder: &str| {
            let found = match folder {
                "/tmp/x y" | "C:/tmp/x y" => ".",
                "/tmp/x y/a" | "C:/tmp/x y/a" => "a",
                "/opt/core" | "C:/opt/core" => "../core",
                _ => return None,
            };
            Some(found.to_owned())
        };
        for (written, expected) in [
            (
                "\"path+file:///tmp/x%20y/a#0.1.0 bin-target-0\"",
                "\"path+file://./a#a@0.1.0 bin-target-0\"",
            ),
            ("\"path+file:///tmp/x%20y#a@0.1.0\"", "\"path+file://.#a@0.1.0\""),
            (
                "\"pkg:cargo/core@1?download_url=file:///opt/core#src/lib.rs\"",
                "\"pkg:cargo/core@1?download_url=file://../core#src/lib.rs\"",
            ),
            ("\"pkg:cargo/a@1?download_url=file://.\"", "\"pkg:cargo/a@1?download_url=file://.\""),
        ] {
            assert_eq!(placed(written, false, place), expected);
            let on_a_drive = written.replace("file:///", "file:///C:/");
            assert_eq!(placed(&on_a_drive, true, place), expected);
        }
        for elsewhere in ["file:///%zz/other#1.0", "file:///other%2", "file:///D:/tmp/x%20y#1"] {
            for windows in [false, true] {
                assert_eq!(placed(elsewhere, windows, place), elsewhere);
            }
        }
    }

    #[test]
    fn what_the_generator_did_not_make_is_left_alone() {
        assert_eq!(settled(b"{\"serialNumber\": \"mine\"}", |_| None), None);
        assert_eq!(settled(b"\xff", |_| None), None);
        assert!(is_generated("sboms/a.cyclonedx.json"));
        assert!(!is_generated("sboms/mine.json"));
    }
}
