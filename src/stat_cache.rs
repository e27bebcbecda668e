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
use crate::publish::sealed;

/// Longer than any file system's timestamp granularity.
const AT_REST: Duration = Duration::from_secs(2);
/// The version of the memory's format. A memory of another version counts as empty.
const VERSION: u32 = 2;

/// The stat values of a file. Times are in nanoseconds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(from = "Written", into = "Written")]
pub struct Stat {
    pub size: u64,
    pub mtime: i128,
    pub ctime: i128,
    pub inode: u64,
    pub device: u64,
}

/// The stored form of [`Stat`], for speed: parsing 128-bit numbers or field names would take as
/// long as parsing everything else.
type Written = (u64, (i64, u32), (i64, u32), u64, u64);

const SECOND: i128 = 1_000_000_000;

impl From<Written> for Stat {
    fn from((size, mtime, ctime, inode, device): Written) -> Self {
        let nanos = |(seconds, nanos): (i64, u32)| i128::from(seconds) * SECOND + i128::from(nanos);
        Self { size, mtime: nanos(mtime), ctime: nanos(ctime), inode, device }
    }
}

impl From<Stat> for Written {
    fn from(Stat { size, mtime, ctime, inode, device }: Stat) -> Self {
        // The casts lose nothing, because the file system gave the two parts in these types.
        let parts =
            |nanos: i128| (nanos.div_euclid(SECOND) as i64, nanos.rem_euclid(SECOND) as u32);
        (size, parts(mtime), parts(ctime), inode, device)
    }
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

#[derive(Debug, Clone, Serialize, Deserialize)]
struct Remembered {
    stat: Stat,
    digest: String,
}

#[derive(Debug, Default, Serialize, Deserialize)]
struct Memory {
    version: u32,
    files: HashMap<String, Remembered>,
}

/// A digest that this process found. It has a stat if the digest may be remembered.
#[derive(Debug, Clone)]
struct Found {
    stat: Option<Stat>,
    digest: String,
}

/// Digests of files. Each is computed at most once in a process.
#[derive(Debug, Default)]
pub struct Digests {
    path: Option<PathBuf>,
    remembered: HashMap<String, Remembered>,
    /// The digests of this process. They are written back, and reused within the process.
    seen: Mutex<HashMap<String, Found>>,
}

impl Digests {
    /// Reads the memory at `path`. A memory that is unreadable or of another version counts as
    /// empty.
    pub fn load(path: PathBuf) -> Self {
        let memory = sealed::read(&path)
            .ok()
            .filter(|memory: &Memory| memory.version == VERSION)
            .unwrap_or_default();
        Self { path: Some(path), remembered: memory.files, seen: Mutex::default() }
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
        let Some(name) = path.to_str().map(|path| format!("{view}:{path}")) else {
            return derive(path);
        };
        if let Some(found) = lock(&self.seen).get(&name) {
            return Ok(found.digest.clone());
        }
        let before = match stat {
            Some(stat) => Some(stat),
            None => Stat::of(&fs::metadata(path)?),
        };
        let remembered = self.remembered.get(&name);
        let found = match remembered.filter(|remembered| before == Some(remembered.stat)) {
            Some(remembered) => Found { stat: before, digest: remembered.digest.clone() },
            None => {
                let now = now();
                // The stat is from before hashing: if the file changes while it is hashed, the next
                // stat is different.
                Found { digest: derive(path)?, stat: before.filter(|stat| stat.at_rest(now)) }
            }
        };
        let digest = found.digest.clone();
        lock(&self.seen).insert(name, found);
        Ok(digest)
    }

    /// Forgets the digests of this process, so that the files are examined again.
    pub fn look_again(&self) {
        lock(&self.seen).clear();
    }

    /// Writes the memory back. A failed write is ignored, because it only makes later runs slower.
    pub fn save(&self) {
        let Some(path) = &self.path else { return };
        let seen = lock(&self.seen);
        let is_known = |name: &String, found: &Found| match (self.remembered.get(name), found.stat)
        {
            (Some(remembered), Some(stat)) => remembered.stat == stat,
            (known, stat) => known.is_none() && stat.is_none(),
        };
        // If the memory is much larger than the files seen now, drop all other files, also those
        // under other roots of this project.
        let forgets = self.remembered.len() > 4 * seen.len() + 1000;
        if !forgets && seen.iter().all(|(name, found)| is_known(name, found)) {
            return;
        }
        let mut files = self.remembered.clone();
        files.retain(|name, _| !forgets && !seen.contains_key(name));
        files.extend(seen.iter().filter_map(|(name, Found { stat, digest })| {
            Some((name.clone(), Remembered { stat: (*stat)?, digest: digest.clone() }))
        }));
        // Seal the memory, because a digest that was damaged on the disk must not be used for a file.
        let _ = sealed::write(path, &Memory { version: VERSION, files });
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
        let (path, memory) = (folder.path().join("lib.rs"), folder.path().join("stat.json"));
        fs::write(&path, "text").unwrap();
        set_mtime(&path, SystemTime::now() - Duration::from_secs(1000));
        std::thread::sleep(Duration::from_millis(2100));
        let digests = Digests::load(memory.clone());
        digests.file(&path, None).unwrap();
        digests.save();
        let bytes = fs::read(&memory).unwrap();
        let text = digest::bytes(b"text");
        assert!(String::from_utf8_lossy(&bytes).contains(&text), "it is remembered");
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
        let memory = folder.path().join("stat.json");
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
        let memory = folder.path().join("stat.json");
        fs::write(&path, "a").unwrap();
        let stat = Stat::of(&fs::metadata(&path).unwrap()).unwrap();
        let name = format!(":{}", path.display());
        let remembered = Remembered { stat, digest: "remembered".into() };
        let files = [(name, remembered)].into_iter().collect();
        sealed::write(&memory, &Memory { version: VERSION, files }).unwrap();
        let bytes = fs::read(&memory).unwrap();
        assert_eq!(Digests::load(memory.clone()).file(&path, None).unwrap(), "remembered");
        fs::write(&memory, &bytes[..bytes.len() / 2]).unwrap();
        assert_eq!(Digests::load(memory).file(&path, None).unwrap(), digest::bytes(b"a"));
    }
}
