//! The stored form of the stat cache: one block of bytes that is searched as it is.
//!
//! ```text
//! HEAD, with the version     16 bytes
//! SHA-256 of all that follows
//! for each file, sorted by name:
//!     name                   16 bytes, see `name`
//!     size, mtime, ctime, inode, device
//!     digest                 32 bytes
//! ```
//!
//! Numbers are little-endian; a time is seconds (8 bytes) and nanoseconds (4 bytes).

use std::path::Path;

use sha2::Digest as _;

use super::{SECOND, Stat};
use crate::publish;

/// The last byte is the version. A memory of another version counts as empty.
const HEAD: [u8; 16] = *b"wheelprint stat\x03";
const NAME: usize = 16;
const STAT: usize = 48;
const LINE: usize = NAME + STAT + 32;

/// The start of a SHA-256 over view and path.
pub(super) type Name = [u8; NAME];
pub(super) type Sha256 = [u8; 32];

/// What is remembered of one file.
pub(super) type Line = (Name, Stat, Sha256);

/// A memory in the form in which it is stored.
#[derive(Debug, Default)]
pub(super) struct Memory(Vec<u8>);

/// The name of a digest that is derived from a file.
pub(super) fn name(view: &str, path: &Path) -> Name {
    let mut hasher = sha2::Sha256::new();
    hasher.update(view);
    // No view has this byte.
    hasher.update([0]);
    hasher.update(path.as_os_str().as_encoded_bytes());
    part(&hasher.finalize(), 0)
}

/// The bytes of a digest; `None` if the text is none.
pub(super) fn from_hex(digest: &str) -> Option<Sha256> {
    let mut bytes = [0; 32];
    hex::decode_to_slice(digest, &mut bytes).ok()?;
    Some(bytes)
}

impl Memory {
    /// `None` if there is no memory, or if it is damaged or of another version.
    pub(super) fn read(path: &Path) -> Option<Self> {
        let bytes = fs_err::read(path).ok()?;
        let (checksum, lines) = bytes.strip_prefix(&HEAD)?.split_first_chunk::<32>()?;
        if *checksum != *sha2::Sha256::digest(lines) {
            return None;
        }
        lines.len().is_multiple_of(LINE).then_some(Self(bytes))
    }

    /// Writes a memory, sealed: a digest that was damaged on the disk must not be used for a file.
    pub(super) fn write(path: &Path, lines: impl Iterator<Item = Line>) -> std::io::Result<()> {
        let mut lines: Vec<[u8; LINE]> = lines.map(|line| to_bytes(&line)).collect();
        lines.sort_unstable();
        let lines = lines.as_flattened();
        publish::bytes(path, &[&HEAD, &*sha2::Sha256::digest(lines), lines].concat())
    }

    fn lines(&self) -> &[[u8; LINE]] {
        self.0.get(HEAD.len() + 32..).unwrap_or_default().as_chunks().0
    }

    pub(super) fn len(&self) -> usize {
        self.lines().len()
    }

    pub(super) fn get(&self, name: &Name) -> Option<(Stat, Sha256)> {
        let lines = self.lines();
        let at = lines.binary_search_by(|line| line[..NAME].cmp(name)).ok()?;
        let (_, stat, digest) = from_bytes(&lines[at]);
        Some((stat, digest))
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = Line> {
        self.lines().iter().map(from_bytes)
    }
}

fn to_bytes((name, stat, digest): &Line) -> [u8; LINE] {
    let Stat { size, mtime, ctime, inode, device } = stat;
    // The casts lose nothing, because the file system gave the two parts of a time in these types.
    let seconds = |nanos: i128| (nanos.div_euclid(SECOND) as i64).to_le_bytes();
    let rest = |nanos: i128| (nanos.rem_euclid(SECOND) as u32).to_le_bytes();
    let mut line = Vec::with_capacity(LINE);
    line.extend(name);
    line.extend(size.to_le_bytes());
    for time in [*mtime, *ctime] {
        line.extend(seconds(time));
        line.extend(rest(time));
    }
    line.extend(inode.to_le_bytes());
    line.extend(device.to_le_bytes());
    line.extend(digest);
    part(&line, 0)
}

fn from_bytes(line: &[u8; LINE]) -> Line {
    let number = |at| u64::from_le_bytes(part(line, NAME + at));
    let time = |at| {
        let seconds = i64::from_le_bytes(part(line, NAME + at));
        let nanos = u32::from_le_bytes(part(line, NAME + at + 8));
        i128::from(seconds) * SECOND + i128::from(nanos)
    };
    let stat = Stat {
        size: number(0),
        mtime: time(8),
        ctime: time(20),
        inode: number(32),
        device: number(40),
    };
    (part(line, 0), stat, part(line, NAME + STAT))
}

/// So many bytes from there on.
fn part<const N: usize>(bytes: &[u8], at: usize) -> [u8; N] {
    std::array::from_fn(|index| bytes[at + index])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_field_survives() {
        let stat = Stat {
            size: u64::MAX,
            mtime: -1,
            ctime: i128::from(i64::MAX) * SECOND + 999_999_999,
            inode: 1 << 63,
            device: 2,
        };
        let other = Stat { mtime: 0, ctime: 1, ..stat };
        let lines = [([9; NAME], stat, [3; 32]), ([1; NAME], other, [4; 32])];
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("stat");
        Memory::write(&path, lines.into_iter()).unwrap();
        let memory = Memory::read(&path).unwrap();
        assert_eq!(memory.len(), 2);
        assert_eq!(memory.get(&[9; NAME]), Some((stat, [3; 32])));
        assert_eq!(memory.get(&[1; NAME]), Some((other, [4; 32])));
        assert_eq!(memory.get(&[2; NAME]), None);
        assert_eq!(memory.iter().collect::<Vec<_>>(), [lines[1], lines[0]]);
    }

    #[test]
    fn names_tell_views_and_paths_apart() {
        let all = [("", "a"), ("", "b"), ("Whole", "a"), ("Whol", "ea")];
        let names: std::collections::BTreeSet<Name> =
            all.iter().map(|(view, path)| name(view, Path::new(path))).collect();
        assert_eq!(names.len(), all.len());
    }
}
