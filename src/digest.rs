//! SHA-256 over files and bytes, as lower-case hex.

use std::io::Read as _;
use std::path::Path;

use fs_err as fs;
use sha2::{Digest as _, Sha256};

/// The digest of bytes in memory.
pub fn bytes(bytes: &[u8]) -> String {
    hex(&Sha256::digest(bytes))
}

/// The digest of a file's content, read in pieces.
///
/// # Errors
/// The file can't be opened or read.
pub fn file(path: &Path) -> std::io::Result<String> {
    let mut file = fs::File::open(path)?;
    let mut tee = Tee::new(std::io::sink());
    std::io::copy(&mut file, &mut tee)?;
    Ok(tee.finish().0)
}

/// The digest of everything a reader gives.
///
/// # Errors
/// The reader's.
pub fn reader(mut reader: impl std::io::Read) -> std::io::Result<(String, u64)> {
    let mut hasher = Sha256::new();
    let mut buffer = vec![0; 128 * 1024];
    let mut size = 0;
    loop {
        let count = reader.read(&mut buffer)?;
        if count == 0 {
            return Ok((hex(&hasher.finalize()), size));
        }
        hasher.update(&buffer[..count]);
        size += count as u64;
    }
}

/// Copies a file and gives the digest of what was copied.
///
/// # Errors
/// Either file can't be read or written.
pub fn copy(from: &Path, to: &mut impl std::io::Write) -> std::io::Result<(String, u64)> {
    let mut file = fs::File::open(from)?;
    let mut tee = Tee::new(to);
    std::io::copy(&mut file.by_ref().take(u64::MAX), &mut tee)?;
    Ok(tee.finish())
}

/// A digest made step by step from tagged, delimited fields, so that no two sequences of fields
/// give the same bytes.
pub struct Tagged(Sha256);

impl Tagged {
    /// Starts with the name of what is digested.
    pub fn new(tag: &str) -> Self {
        let mut tagged = Self(Sha256::new());
        tagged.field("tag", tag);
        tagged
    }

    /// Adds one field.
    pub fn field(&mut self, tag: &str, value: &str) {
        for text in [tag, value] {
            self.0.update((text.len() as u64).to_le_bytes());
            self.0.update(text.as_bytes());
        }
    }

    /// The digest.
    pub fn finish(self) -> String {
        hex(&self.0.finalize())
    }
}

struct Tee<W> {
    inner: W,
    hasher: Sha256,
    size: u64,
}

impl<W: std::io::Write> Tee<W> {
    fn new(inner: W) -> Self {
        Self { inner, hasher: Sha256::new(), size: 0 }
    }

    fn finish(self) -> (String, u64) {
        (hex(&self.hasher.finalize()), self.size)
    }
}

impl<W: std::io::Write> std::io::Write for Tee<W> {
    fn write(&mut self, buffer: &[u8]) -> std::io::Result<usize> {
        let count = self.inner.write(buffer)?;
        self.hasher.update(&buffer[..count]);
        self.size += count as u64;
        Ok(count)
    }

    fn flush(&mut self) -> std::io::Result<()> {
        self.inner.flush()
    }
}

fn hex(bytes: &[u8]) -> String {
    use std::fmt::Write as _;
    bytes.iter().fold(String::with_capacity(bytes.len() * 2), |mut text, byte| {
        let _ = write!(text, "{byte:02x}");
        text
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fields_are_delimited() {
        let digest = |fields: &[(&str, &str)]| {
            let mut tagged = Tagged::new("t");
            for (tag, value) in fields {
                tagged.field(tag, value);
            }
            tagged.finish()
        };
        assert_ne!(digest(&[("a", "bc")]), digest(&[("ab", "c")]));
        assert_ne!(digest(&[("a", ""), ("b", "")]), digest(&[("a", "b"), ("", "")]));
    }

    #[test]
    fn a_copy_has_the_digest_of_its_source() {
        let folder = tempfile::tempdir().unwrap();
        let from = folder.path().join("from");
        fs::write(&from, b"abc").unwrap();
        let mut to = Vec::new();
        let (digest, size) = copy(&from, &mut to).unwrap();
        assert_eq!((digest.as_str(), size), (bytes(b"abc").as_str(), 3));
        assert_eq!(file(&from).unwrap(), digest);
        assert!(digest.starts_with("ba7816bf"), "not SHA-256: {digest}");
    }
}
