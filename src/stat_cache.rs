//! Digests remembered by stat values: (path, size, mtime, ctime, inode) -> digest. Deleting the
//! stored memory never changes a result.
//!
//! Stat values save work and prove nothing by themselves (docs/design.md, D4). A remembered digest
//! is used under two conditions. Every stat value is the same as when the file was hashed. And when
//! it was hashed, the file had been unchanged for longer than the coarsest clock tick (2 s, FAT).
//! Otherwise the file could have changed again without a visible change of its times, like git's
//! "racily clean" entries. ctime makes this sound, because `touch -r`, `rsync -t` and `tar` cannot
//! set it. Where there is no ctime (Windows), every file is hashed.

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::Mutex;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use fs_err as fs;
use serde::{Deserialize, Serialize};

use crate::digest;

mod memory;

use memory::{Memory, Name, Sha256};

/// Nanoseconds.
const SECOND: i128 = 1_000_000_000;
/// Longer than any file system's timestamp granularity. `_runtime_ask.py` has the same.
const AT_REST: Duration = Duration::from_secs(2);

/// The stat values of a file. Times are in nanoseconds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Stat {
    pub size: u64,
    pub mtime: i128,
    pub ctime: i128,
    pub inode: u64,
    pub device: u64,
}

impl Stat {
    /// `None` on a platform without ctime: there a stat proves nothing.
    #[cfg(unix)]
    pub fn of(meta: &std::fs::Metadata) -> Option<Self> {
        use std::os::unix::fs::MetadataExt as _;
        let nanos = |seconds: i64, nanos: i64| i128::from(seconds) * SECOND + i128::from(nanos);
        Some(Self {
            size: meta.size(),
            mtime: nanos(meta.mtime(), meta.mtime_nsec()),
            ctime: nanos(meta.ctime(), meta.ctime_nsec()),
            inode: meta.ino(),
            device: meta.dev(),
        })
    }

    /// `None` on a platform without ctime: there a stat proves nothing.
    #[cfg(not(unix))]
    pub fn of(_meta: &std::fs::Metadata) -> Option<Self> {
        None
    }

    /// Whether the file was unchanged for so long before `now` that a later change must give other
    /// times. A timestamp in the future (the clock was set back) does not qualify.
    fn at_rest(&self, now: i128) -> bool {
        let latest = self.mtime.max(self.ctime);
        now - latest > AT_REST.as_nanos().cast_signed()
    }
}

/// The current time in nanoseconds since 1970.
pub fn now() -> i128 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |age| age.as_nanos().cast_signed())
}

/// A digest that this process found. It has a stat if the digest may be remembered.
#[derive(Debug, Clone, Copy)]
struct Found {
    stat: Option<Stat>,
    digest: Sha256,
}

/// Digests of files. Each is computed at most once in a process.
#[derive(Debug, Default)]
pub struct Digests {
    path: Option<PathBuf>,
    remembered: Memory,
    /// The digests of this process. They are written back, and reused within the process.
    seen: Mutex<HashMap<Name, Found>>,
}

impl Digests {
    /// Reads the memory at `path`. A memory that is unreadable or of another version counts as
    /// empty.
    pub fn load(path: PathBuf) -> Self {
        let remembered = Memory::read(&path).unwrap_or_default();
        Self { path: Some(path), remembered, seen: Mutex::default() }
    }

    /// The digest of a file's content. `stat` is the file's stat, if it is known. An earlier stat is
    /// safe: if the file changed after it, the next stat is different.
    ///
    /// # Errors
    /// The file can't be read.
    pub fn file(&self, path: &Path, stat: Option<Stat>) -> std::io::Result<String> {
        self.derived(path, stat, "", digest::file)
    }

    /// A digest that is derived from a file's content alone. `view` names the derivation.
    ///
    /// # Errors
    /// The file can't be read, or the error of `derive`.
    pub fn derived(
        &self,
        path: &Path,
        stat: Option<Stat>,
        view: &str,
        derive: impl FnOnce(&Path) -> std::io::Result<String>,
    ) -> std::io::Result<String> {
        let name = memory::name(view, path);
        let known = lock(&self.seen).get(&name).copied();
        if let Some(found) = known {
            return Ok(hex::encode(found.digest));
        }
        let before = match stat {
            Some(stat) => Some(stat),
            None => Stat::of(&fs::metadata(path)?),
        };
        let remembered = self.remembered.get(&name);
        let found = match remembered.filter(|(stat, _)| before == Some(*stat)) {
            Some((_, digest)) => Found { stat: before, digest },
            None => {
                let now = now();
                // The stat is from before hashing: if the file changes while it is hashed, the next
                // stat is different.
                let digest = derive(path)?;
                let digest = memory::from_hex(&digest)
                    .ok_or_else(|| std::io::Error::other("what was derived is no SHA-256"))?;
                Found { digest, stat: before.filter(|stat| stat.at_rest(now)) }
            }
        };
        lock(&self.seen).insert(name, found);
        Ok(hex::encode(found.digest))
    }

    /// Forgets the digests of this process, so that the files are examined again.
    pub fn look_again(&self) {
        lock(&self.seen).clear();
    }

    /// Writes the memory back. A failed write is ignored, because it only makes later runs slower.
    pub fn save(&self) {
        let Some(path) = &self.path else { return };
        let seen = lock(&self.seen);
        let is_known = |name: &Name, found: &Found| {
            self.remembered.get(name).map(|(stat, _)| stat) == found.stat
        };
        // If the memory is much larger than the files seen now, drop all other files, also those
        // under other roots of this project.
        let forgets = self.remembered.len() > 4 * seen.len() + 1000;
        if !forgets && seen.iter().all(|(name, found)| is_known(name, found)) {
            return;
        }
        let others =
            self.remembered.iter().filter(|(name, ..)| !forgets && !seen.contains_key(name));
        let new = seen.iter().filter_map(|(name, found)| Some((*name, found.stat?, found.digest)));
        let _ = Memory::write(path, others.chain(new));
    }
}

fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
}

#[cfg(unix)]
#[cfg(test)]
mod tests {
    use super::*;

    fn set_mtime(path: &Path, time: SystemTime) {
        let file = fs::OpenOptions::new().write(true).open(path).unwrap();
        file.into_parts().0.set_modified(time).unwrap();
    }

    #[test]
    fn a_damaged_memory_is_none() {
        let folder = tempfile::tempdir().unwrap();
        let (path, memory) = (folder.path().join("lib.rs"), folder.path().join("stat.bin"));
        fs::write(&path, "text").unwrap();
        set_mtime(&path, SystemTime::now() - Duration::from_secs(1000));
        std::thread::sleep(Duration::from_millis(2100));
        let digests = Digests::load(memory.clone());
        digests.file(&path, None).unwrap();
        digests.save();
        let bytes = fs::read(&memory).unwrap();
        let text = digest::bytes(b"text");
        assert_eq!(Memory::read(&memory).unwrap().len(), 1, "it is remembered");
        for position in 0..bytes.len() {
            let mut damaged = bytes.clone();
            damaged[position] ^= 1;
            fs::write(&memory, &damaged).unwrap();
            assert_eq!(
                Digests::load(memory.clone()).file(&path, None).unwrap(),
                text,
                "{position}"
            );
        }
    }

    #[test]
    fn the_same_size_and_mtime_do_not_hide_a_change() {
        // As in jj's test of racy timestamps: many quick rewrites of the same length, each with the
        // old mtime.
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("lib.rs");
        let memory = folder.path().join("stat.bin");
        let old = SystemTime::now() - Duration::from_secs(1000);
        for round in 0..200 {
            let text = format!("{round:08}");
            fs::write(&path, &text).unwrap();
            set_mtime(&path, old);
            let digests = Digests::load(memory.clone());
            assert_eq!(
                digests.file(&path, None).unwrap(),
                digest::bytes(text.as_bytes()),
                "{round}"
            );
            digests.save();
        }
    }

    #[test]
    fn a_file_at_rest_is_not_read_again() {
        let stat = Stat { size: 1, mtime: 0, ctime: 0, inode: 1, device: 1 };
        let second = 1_000_000_000;
        assert!(!stat.at_rest(second));
        assert!(stat.at_rest(3 * second));
        assert!(!Stat { ctime: 10 * second, ..stat }.at_rest(5 * second), "a clock that went back");
    }

    #[test]
    fn remembered_digests_are_used_and_a_damaged_memory_is_empty() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a");
        let memory = folder.path().join("stat.bin");
        fs::write(&path, "a").unwrap();
        let stat = Stat::of(&fs::metadata(&path).unwrap()).unwrap();
        let name = memory::name("", &path);
        Memory::write(&memory, [(name, stat, [7; 32])].into_iter()).unwrap();
        let bytes = fs::read(&memory).unwrap();
        assert_eq!(Digests::load(memory.clone()).file(&path, None).unwrap(), "07".repeat(32));
        for wrong in [&bytes[..bytes.len() / 2], &bytes[..bytes.len() - 1], b"", b"{}"] {
            fs::write(&memory, wrong).unwrap();
            assert_eq!(
                Digests::load(memory.clone()).file(&path, None).unwrap(),
                digest::bytes(b"a")
            );
        }
    }
}
