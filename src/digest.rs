//! SHA-256 over files and bytes, as lower-case hex.

use std::path::Path;
use std::sync::{Arc, OnceLock, mpsc};

use fs_err as fs;
use sha2::{Digest as _, Sha256};

/// Bytes. Small enough for the stack of the threads that hash.
const BUFFER: usize = 64 << 10;
/// How [`large`] reads: pieces of so many bytes, of which there are this many.
const PIECE: usize = 256 << 10;
const PIECES: usize = 3;
/// Files of this size are hashed by a thread of their own.
pub const LARGE: u64 = 1 << 20;

/// The largest file that is read whole, in bytes.
const WHOLE: u64 = 64 << 20;

/// The digest of bytes in memory.
pub fn bytes(bytes: &[u8]) -> String {
    hex::encode(Sha256::digest(bytes))
}

/// The digest of a file's content, read in pieces.
///
/// # Errors
/// The file can't be opened or read.
pub fn file(path: &Path) -> std::io::Result<String> {
    Ok(reader(fs::File::open(path)?)?.0)
}

/// The content of a file of a sensible size, which is read whole. Reading a device or a pipe may
/// never end.
///
/// # Errors
/// It is no file, is too large, or can't be read.
pub fn content(path: &Path) -> std::io::Result<Vec<u8>> {
    let meta = fs::metadata(path)?;
    let wrong = match meta.len() {
        _ if !meta.is_file() => Some("not a file".to_owned()),
        size if size > WHOLE => Some(format!("larger than {} MiB", WHOLE >> 20)),
        _ => None,
    };
    match wrong {
        Some(wrong) => Err(std::io::Error::new(std::io::ErrorKind::InvalidData, wrong)),
        None => fs::read(path),
    }
}

/// Like [`content`], for text in UTF-8.
///
/// # Errors
/// Those of [`content`]; it is not UTF-8.
pub fn text(path: &Path) -> std::io::Result<String> {
    String::from_utf8(content(path)?)
        .map_err(|error| std::io::Error::new(std::io::ErrorKind::InvalidData, error))
}

/// The digest of everything a reader returns, and the number of bytes.
///
/// # Errors
/// The errors of the reader.
pub fn reader(reader: impl std::io::Read) -> std::io::Result<(String, u64)> {
    tee(reader, std::io::sink())
}

/// Like [`reader`], for many megabytes: another thread hashes what this one has read.
///
/// # Errors
/// The errors of the reader.
pub fn large(reader: impl std::io::Read) -> std::io::Result<(String, u64)> {
    tee_large(reader, std::io::sink())
}

fn tee_large(
    mut from: impl std::io::Read,
    mut to: impl std::io::Write,
) -> std::io::Result<(String, u64)> {
    let (read, to_hash) = mpsc::channel::<(Vec<u8>, usize)>();
    let (emptied, empty) = mpsc::channel();
    for _ in 0..PIECES {
        let _ = emptied.send(vec![0; PIECE]);
    }
    std::thread::scope(|scope| {
        let hash = move || {
            let mut hasher = Sha256::new();
            for (piece, size) in to_hash {
                hasher.update(&piece[..size]);
                let _ = emptied.send(piece);
            }
            hasher.finalize()
        };
        let Ok(hashing) = std::thread::Builder::new().spawn_scoped(scope, hash) else {
            return tee(from, to);
        };
        let mut size = 0;
        // The thread sends each piece back, so that memory is bounded.
        while let Ok(mut piece) = empty.recv() {
            let filled = fill(&mut from, &mut piece)?;
            size += filled as u64;
            to.write_all(&piece[..filled])?;
            if filled == 0 || read.send((piece, filled)).is_err() {
                break;
            }
        }
        drop(read);
        let digest = hashing.join().map_err(|_| std::io::Error::other("hashing failed"))?;
        Ok((hex::encode(digest), size))
    })
}

/// Reads until the buffer is full or the reader ends.
fn fill(from: &mut impl std::io::Read, buffer: &mut [u8]) -> std::io::Result<usize> {
    let mut filled = 0;
    while filled < buffer.len() {
        match from.read(&mut buffer[filled..]) {
            Ok(0) => break,
            Ok(count) => filled += count,
            Err(error) if error.kind() == std::io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    Ok(filled)
}

/// Copies a file. Returns the digest and the size of the copied bytes.
///
/// # Errors
/// The file cannot be read, or `to` cannot be written.
pub fn copy(from: &Path, to: &mut impl std::io::Write) -> std::io::Result<(String, u64)> {
    let from = fs::File::open(from)?;
    if from.metadata()?.len() >= LARGE { tee_large(from, to) } else { tee(from, to) }
}

/// A large file in memory. Another thread computes its digest, so that this costs the caller nothing.
pub struct Loaded {
    pub bytes: Vec<u8>,
    sha256: OnceLock<String>,
}

impl Loaded {
    /// Starts to compute the digest.
    pub fn new(bytes: Vec<u8>) -> Arc<Self> {
        let loaded = Arc::new(Self { bytes, sha256: OnceLock::new() });
        let other = Arc::clone(&loaded);
        // Without a thread, whoever asks for the digest computes it.
        let _ = std::thread::Builder::new().spawn(move || other.sha256().len());
        loaded
    }

    /// The digest of the bytes.
    pub fn sha256(&self) -> &str {
        self.sha256.get_or_init(|| bytes(&self.bytes))
    }
}

fn tee(
    mut from: impl std::io::Read,
    mut to: impl std::io::Write,
) -> std::io::Result<(String, u64)> {
    let mut hasher = Sha256::new();
    let mut buffer = [0; BUFFER];
    let mut size = 0;
    loop {
        let count = match from.read(&mut buffer) {
            Ok(0) => return Ok((hex::encode(hasher.finalize()), size)),
            Ok(count) => count,
            Err(error) if error.kind() == std::io::ErrorKind::Interrupted => continue,
            Err(error) => return Err(error),
        };
        hasher.update(&buffer[..count]);
        to.write_all(&buffer[..count])?;
        size += count as u64;
    }
}

/// A digest over tagged, delimited fields, so that two different sequences of fields never hash the
/// same bytes.
pub struct Tagged(Sha256);

impl Tagged {
    /// Starts a digest. The tag names the kind of thing that is hashed.
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

    /// The finished digest.
    pub fn finish(self) -> String {
        hex::encode(self.0.finalize())
    }
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
    fn a_large_stream_has_the_digest_of_its_bytes() {
        for size in [0, 1, PIECE - 1, PIECE, PIECE + 1, 2 * PIECES * PIECE + 7] {
            let content: Vec<u8> = (0..size).map(|at| (at % 251) as u8).collect();
            assert_eq!(large(&content[..]).unwrap(), (bytes(&content), size as u64));
        }
        struct Broken(u64);
        impl std::io::Read for Broken {
            fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
                self.0 = self.0.checked_sub(1).ok_or_else(|| std::io::Error::other("broken"))?;
                Ok(buffer.len())
            }
        }
        assert_eq!(large(Broken(5)).unwrap_err().to_string(), "broken");
    }

    #[test]
    fn a_copy_has_the_digest_of_its_source() {
        let folder = tempfile::tempdir().unwrap();
        let from = folder.path().join("from");
        let large = vec![7; LARGE as usize + 1];
        for content in [b"abc".as_slice(), &large] {
            fs::write(&from, content).unwrap();
            let mut to = Vec::new();
            let (digest, size) = copy(&from, &mut to).unwrap();
            assert_eq!((digest.as_str(), size), (bytes(content).as_str(), content.len() as u64));
            assert!(to == content);
            assert_eq!(file(&from).unwrap(), digest);
            assert_eq!(Loaded::new(to).sha256(), digest);
            // A full disk.
            let mut room = [0; 2];
            let error = copy(&from, &mut room.as_mut_slice()).unwrap_err();
            assert_eq!(error.kind(), std::io::ErrorKind::WriteZero);
        }
        assert!(bytes(b"abc").starts_with("ba7816bf"), "not SHA-256");
    }
}
