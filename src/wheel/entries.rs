//! The entries of a wheel for a comparison.

use std::io::Read as _;

use super::audit::Audit;
use crate::error::Cause;

/// What the archive says of one entry.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    pub name: String,
    /// The compression method, in words.
    pub compression: String,
    /// The time of the last change, in words.
    pub time: String,
    /// The Unix mode, with the file's type.
    pub mode: Option<u32>,
    /// SHA-256 of the compressed bytes.
    pub packed: String,
}

/// Limit of the size of one file that is compared, in bytes: two of them are in memory.
const CONTENT: u64 = 1 << 30;

impl Audit {
    /// All entries, in the order of the archive's list.
    ///
    /// # Errors
    /// The archive can't be read.
    pub fn entries(&mut self) -> Result<Vec<Entry>, Cause> {
        (0..self.archive.len())
            .map(|index| {
                let mut entry = self.archive.by_index_raw(index)?;
                let time = entry.last_modified().map(|time| time.to_string());
                Ok(Entry {
                    name: entry.name().to_owned(),
                    compression: entry.compression().to_string(),
                    time: time.unwrap_or_else(|| "no time".to_owned()),
                    mode: entry.unix_mode(),
                    packed: crate::digest::reader(&mut entry)?.0,
                })
            })
            .collect()
    }

    /// The whole content of an entry.
    ///
    /// # Errors
    /// There is no such entry, or it can't be read.
    pub fn content(&mut self, name: &str) -> Result<Vec<u8>, Cause> {
        let mut entry = self.archive.by_name(name)?;
        if entry.size() > CONTENT {
            return Err(format!("{name} is larger than {} GiB", CONTENT >> 30).into());
        }
        let mut bytes = Vec::new();
        // The stated size may be wrong.
        entry.by_ref().take(CONTENT).read_to_end(&mut bytes)?;
        Ok(bytes)
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write as _;
    use std::path::Path;

    use fs_err as fs;
    use zip::ZipWriter;
    use zip::write::SimpleFileOptions;

    use super::*;

    fn archive(path: &Path, comment: &str) {
        let mut writer = ZipWriter::new(fs::File::create(path).unwrap());
        for name in ["a/__init__.py", "a-1.dist-info/RECORD"] {
            writer.start_file(name, SimpleFileOptions::default()).unwrap();
            writer.write_all(name.as_bytes()).unwrap();
        }
        writer.set_comment(comment).unwrap();
        writer.finish().unwrap();
    }

    #[test]
    fn an_archive_with_more_in_it_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a-1-py3-none-any.whl");
        archive(&path, "");
        let mut audit = Audit::open(&path).unwrap();
        let names: Vec<String> =
            audit.entries().unwrap().into_iter().map(|entry| entry.name).collect();
        assert_eq!(names, ["a/__init__.py", "a-1.dist-info/RECORD"]);
        assert_eq!(audit.content("a/__init__.py").unwrap(), b"a/__init__.py");
        let plain = fs::read(&path).unwrap();
        archive(&path, "a comment");
        assert!(Audit::open(&path).is_err());
        // Flags (encrypted), method, CRC, sizes and name in the file's own header: some installers
        // read these.
        for at in [6, 8, 14, 18, 22, 30] {
            let mut other = plain.clone();
            other[at] ^= 1;
            fs::write(&path, other).unwrap();
            assert!(Audit::open(&path).is_err(), "{at}");
        }
    }
}
