//! One difference between two wheels.

use serde::Serialize;

/// What differs, or why.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Reason {
    /// The wheel's file name, which has the tags.
    FileName,
    /// The order of the archive's entries.
    Order,
    /// The time of an entry.
    Time,
    /// How an entry is compressed.
    Compression,
    /// The mode of an entry.
    Mode,
    /// Headers of the archive without effect on its files.
    Archive,
    /// The file is in the wheel, and not in the rebuilt one.
    Missing,
    /// The file is in the rebuilt wheel only.
    Added,
    Text,
    Bytes,
    /// An input of the record, or another part of it.
    Record,
    /// A field of the SBOM.
    Sbom,
    /// A line of RECORD, which lists the other files.
    List,
    BuildId,
    DebugInformation,
    Timestamp,
    Symbols,
    /// The contents name other folders.
    Paths,
    Code,
    Data,
    /// A header of a module, or bytes that no section has.
    Headers,
}

/// A difference between the wheel and the one that was built again.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) struct Difference {
    /// The file in the wheel; `None` for the archive itself.
    pub file: Option<String>,
    /// The section of a module.
    pub section: Option<String>,
    pub reason: Reason,
    /// Whether it is proven to have no effect on what runs.
    #[serde(rename = "harmless")]
    pub is_harmless: bool,
    pub text: String,
}

impl Difference {
    /// A difference of this file.
    pub(super) fn of(file: &str, reason: Reason, text: impl Into<String>) -> Self {
        let (file, text) = (Some(file.to_owned()), text.into());
        Self { file, section: None, reason, is_harmless: false, text }
    }

    pub(super) fn of_archive(reason: Reason, text: impl Into<String>) -> Self {
        Self { file: None, ..Self::of("", reason, text) }
    }

    pub(super) fn in_section(self, section: &str) -> Self {
        Self { section: Some(section.to_owned()), ..self }
    }

    pub(super) fn harmless(self) -> Self {
        Self { is_harmless: true, ..self }
    }
}

/// The first difference of two byte strings, in words.
pub(super) fn of_bytes(one: &[u8], other: &[u8]) -> String {
    let differing = one.iter().zip(other).filter(|(one, other)| one != other).count();
    let first = one.iter().zip(other).position(|(one, other)| one != other);
    let first = first.unwrap_or_else(|| one.len().min(other.len()));
    if one.len() == other.len() {
        format!("{differing} of {} bytes differ, the first at offset {first:#x}", one.len())
    } else {
        format!(
            "{} and {} bytes, the first difference at offset {first:#x}",
            one.len(),
            other.len()
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_in_words() {
        for (one, other, text) in [
            (&b"abcd"[..], &b"axcy"[..], "2 of 4 bytes differ, the first at offset 0x1"),
            (b"abc", b"abcd", "3 and 4 bytes, the first difference at offset 0x3"),
            (b"abc", b"xbcd", "3 and 4 bytes, the first difference at offset 0x0"),
        ] {
            assert_eq!(of_bytes(one, other), text);
        }
    }
}
