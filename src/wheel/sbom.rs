//! maturin's SBOM holds a random serial number and the time it was made, and so no two wheels of
//! one tree would be the same. Both are given values that follow from the contents.
//!
//! CycloneDX 1.5: `serialNumber` is a UUID, `metadata.timestamp` the time of creation.

/// Where maturin puts the SBOM it generates (PEP 770).
pub fn is_generated(name_in_dist_info: &str) -> bool {
    name_in_dist_info
        .strip_prefix("sboms/")
        .is_some_and(|name| name.ends_with(".cyclonedx.json") && !name.contains('/'))
}

/// The SBOM without chance in it; `None` if there is none to take out. All other bytes stay.
/// The time is that of the archive's entries: 1980, unless `SOURCE_DATE_EPOCH` named another,
/// which the generator obeys itself.
pub fn settled(bytes: &[u8]) -> Option<Vec<u8>> {
    let text = std::str::from_utf8(bytes).ok()?;
    if !text.contains("cargo-cyclonedx") {
        return None;
    }
    const NO_SERIAL: &str = "urn:uuid:00000000-0000-0000-0000-000000000000";
    let timed = replace_string(text, "timestamp", "1980-01-01T00:00:00Z");
    let timed = timed.as_deref().unwrap_or(text);
    let blank = replace_string(timed, "serialNumber", NO_SERIAL)?;
    let digest = crate::digest::bytes(blank.as_bytes());
    // Version 8 is for UUIDs of one's own making, variant 10 is RFC 9562's.
    let serial = format!(
        "urn:uuid:{}-{}-8{}-8{}-{}",
        &digest[..8],
        &digest[8..12],
        &digest[13..16],
        &digest[17..20],
        &digest[20..32]
    );
    Some(replace_string(&blank, "serialNumber", &serial)?.into_bytes())
}

/// Replaces the string value of the first such key. The keys wanted here come before any text
/// that is not the generator's.
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
        let settle = |serial, time, name| settled(&sbom(serial, time, name)).unwrap();
        let one = settle("1", "2026", "a");
        assert_eq!(one, settle("2", "2027", "a"));
        assert_ne!(one, settle("1", "2026", "b"));
        let text = String::from_utf8(one).unwrap();
        assert!(text.contains("\"name\": \"a\""), "{text}");
        assert!(text.contains("1980-01-01"), "{text}");
    }

    #[test]
    fn what_the_generator_did_not_make_is_left_alone() {
        assert_eq!(settled(b"{\"serialNumber\": \"mine\"}"), None);
        assert_eq!(settled(b"\xff"), None);
        assert!(is_generated("sboms/a.cyclonedx.json"));
        assert!(!is_generated("sboms/mine.json"));
    }
}
