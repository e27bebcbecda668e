//! Reading a wheel that is not trusted. Memory is bounded, and damaged files are listed instead of
//! ending the reading.

use std::collections::BTreeMap;
use std::io::{Read as _, Seek as _, SeekFrom};
use std::path::Path;

use fs_err as fs;
use zip::ZipArchive;

use super::record_file::RecordFile;
use crate::error::{Error, Result};

/// Limit of the size of RECORD and of a wheelprint record, in bytes.
pub const LIMIT: u64 = 64 << 20;
/// Limit of the unpacked size, in bytes. A tiny wheel may claim to unpack to more than years of
/// reading.
const UNPACKED: u64 = 8 << 30;

/// An open wheel. Only the names and stated sizes of its files were read.
pub struct Audit {
    archive: ZipArchive<std::io::BufReader<fs::File>>,
    /// `NAME-VERSION.dist-info`
    pub dist_info: String,
    /// The size that the archive states for each file.
    sizes: BTreeMap<String, u64>,
}

/// A file of a wheel that does not match RECORD.
#[derive(Debug, PartialEq, Eq)]
pub struct Damage {
    pub name: String,
    pub cause: String,
}

impl Audit {
    /// Opens a wheel.
    ///
    /// # Errors
    /// The path is not a file or not a zip; names are unsafe or repeated; there is not exactly one
    /// dist-info folder; files overlap or unpack to too much; there are two lists of files.
    pub fn open(path: &Path) -> Result<Self> {
        let refused = |cause: String| Error::Given {
            path: path.to_owned(),
            cause,
            hint: Some("a wheel is a file like NAME-VERSION-...-PLATFORM.whl".to_owned()),
        };
        let no_wheel = |error: Error| match error {
            Error::Wheel { cause, .. } => refused(format!("not a wheel: {cause}")),
            other => other,
        };
        let meta = fs::metadata(path).map_err(|error| Error::io(path, &error))?;
        if !meta.is_file() {
            return Err(refused("not a file".to_owned()));
        }
        let file = fs::File::open(path).map_err(|error| Error::io(path, &error))?;
        let mut archive = ZipArchive::new(std::io::BufReader::new(file))
            .map_err(|error| refused(format!("not a wheel: {error}")))?;
        let mut sizes = BTreeMap::new();
        let (mut compressed, mut unpacked) = (0_u64, 0_u64);
        for index in 0..archive.len() {
            let entry = archive
                .by_index_raw(index)
                .map_err(|error| refused(format!("not a wheel: {error}")))?;
            super::check_name(path, entry.name()).map_err(no_wheel)?;
            compressed = compressed.saturating_add(entry.compressed_size());
            unpacked = unpacked.saturating_add(entry.size());
            sizes.insert(entry.name().to_owned(), entry.size());
        }
        let listed = super::count_listed(path, archive.central_directory_start())
            .map_err(|error| Error::io(path, &error))?;
        if listed != sizes.len() {
            return Err(refused("not a wheel: a name is twice in it".to_owned()));
        }
        // Entries that share bytes could make a small file take years to read.
        if compressed > meta.len() {
            return Err(refused("not a wheel: its files overlap".to_owned()));
        }
        if unpacked > UNPACKED {
            let most = UNPACKED >> 30;
            return Err(refused(format!("not a wheel: it unpacks to more than {most} GiB")));
        }
        if has_second_list(path, archive.comment().len())
            .map_err(|error| Error::io(path, &error))?
        {
            return Err(refused("not a wheel: there are two lists of files in it".to_owned()));
        }
        let dist_info = super::dist_info(path, sizes.keys()).map_err(no_wheel)?;
        Ok(Self { archive, dist_info, sizes })
    }

    /// The first `limit` bytes of a file in dist-info; `None` if the file is missing.
    ///
    /// # Errors
    /// The reason why the file can't be read.
    pub fn read(&mut self, name: &str, limit: u64) -> Result<Option<Vec<u8>>, String> {
        let name = format!("{}/{name}", self.dist_info);
        if !self.sizes.contains_key(&name) {
            return Ok(None);
        }
        let entry = self.archive.by_name(&name).map_err(|error| error.to_string())?;
        let mut bytes = Vec::new();
        entry.take(limit).read_to_end(&mut bytes).map_err(|error| error.to_string())?;
        Ok(Some(bytes))
    }

    /// Reads all files and compares them with RECORD (PyPA, "Binary distribution format"). Gives
    /// each file that does not match.
    pub fn damage(&mut self) -> Vec<Damage> {
        let record_name = format!("{}/RECORD", self.dist_info);
        let damage = |name: &str, cause: &str| Damage { name: name.into(), cause: cause.into() };
        let record = self.read("RECORD", LIMIT).and_then(|bytes| {
            let bytes = bytes.ok_or("is not in the wheel")?;
            let text = String::from_utf8(bytes).map_err(|_| "is not UTF-8")?;
            RecordFile::parse(&text)
        });
        let record = match record {
            Ok(record) => record,
            Err(cause) => return vec![damage(&record_name, &cause)],
        };
        let signatures = ["", ".jws", ".p7s"].map(|end| format!("{record_name}{end}"));
        let mut found: Vec<Damage> = record
            .lines()
            .filter(|line| !self.sizes.contains_key(&line.name))
            .map(|line| damage(&line.name, "is in RECORD and not in the wheel"))
            .collect();
        for (name, size) in &self.sizes {
            if name.ends_with('/') || signatures.contains(name) {
                continue;
            }
            let Some(line) = record.get(name) else {
                found.push(damage(name, "is not in RECORD"));
                continue;
            };
            // Read one byte more than stated: a file that is longer than stated is damaged.
            let read =
                self.archive.by_name(name).map_err(|error| error.to_string()).and_then(|entry| {
                    crate::digest::reader(entry.take(size.saturating_add(1)))
                        .map_err(|error| error.to_string())
                });
            match read {
                Err(error) => found.push(damage(name, &format!("can't be read: {error}"))),
                Ok(_) if line.sha256.is_none() => {
                    found.push(damage(name, "has no digest in RECORD"));
                }
                Ok((digest, read))
                    if line.size.is_none_or(|size| size == read)
                        && read == *size
                        && line.sha256.as_deref() == Some(digest.as_str()) => {}
                Ok(_) => found.push(damage(name, "is not what RECORD says")),
            }
        }
        found.sort_by(|one, other| one.name.cmp(&other.name));
        found
    }
}

/// Does a ZIP64 end record lead to a second list of files, though the ordinary end record needs no
/// such help (APPNOTE.TXT, 4.3.14 to 4.3.16)? We would read the ordinary list, and Python the
/// other.
fn has_second_list(path: &Path, comment: usize) -> std::io::Result<bool> {
    const LOCATOR: u64 = 20;
    const END: u64 = 22;
    let mut file = fs::File::open(path)?;
    let length = file.metadata()?.len();
    let Some(start) = length.checked_sub(END + LOCATOR + comment as u64) else { return Ok(false) };
    file.seek(SeekFrom::Start(start))?;
    let mut bytes = [0; (LOCATOR + END) as usize];
    file.read_exact(&mut bytes)?;
    let (locator, end) = bytes.split_at(LOCATOR as usize);
    let is_full = |field: &[u8]| field.iter().all(|byte| *byte == 0xff);
    let needs_help = is_full(&end[10..12]) || is_full(&end[12..16]) || is_full(&end[16..20]);
    Ok(locator.starts_with(b"PK\x06\x07") && !needs_help)
}

#[cfg(test)]
mod tests {
    use std::io::Write as _;

    use zip::ZipWriter;
    use zip::write::SimpleFileOptions;

    use super::*;

    const RECORD: &str = "a-1.dist-info/RECORD";

    fn make(path: &Path, files: &[(&str, &str)], record: &RecordFile) {
        let mut writer = ZipWriter::new(fs::File::create(path).unwrap());
        let text = record.to_text();
        for (name, text) in files.iter().chain([&(RECORD, text.as_str())]) {
            writer.start_file(*name, SimpleFileOptions::default()).unwrap();
            writer.write_all(text.as_bytes()).unwrap();
        }
        writer.finish().unwrap();
    }

    fn record(files: &[(&str, &str)]) -> RecordFile {
        let mut record = RecordFile::default();
        for (name, text) in files {
            let digest = crate::digest::bytes(text.as_bytes());
            record.add((*name).to_owned(), &digest, text.len() as u64);
        }
        record.add_itself(RECORD);
        record
    }

    #[test]
    fn every_damaged_file_is_named() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.whl");
        let listed = [("a.py", "1"), ("b.py", "2"), ("gone.py", "3"), ("longer.py", "4")];
        make(&path, &listed, &record(&listed));
        assert_eq!(Audit::open(&path).unwrap().damage(), []);
        let there = [("a.py", "1"), ("b.py", "x"), ("longer.py", "44"), ("new.py", "")];
        make(&path, &there, &record(&listed));
        let damage = Audit::open(&path).unwrap().damage();
        let named: Vec<(&str, &str)> =
            damage.iter().map(|one| (one.name.as_str(), one.cause.as_str())).collect();
        let other = "is not what RECORD says";
        let expected = [
            ("b.py", other),
            ("gone.py", "is in RECORD and not in the wheel"),
            ("longer.py", other),
            ("new.py", "is not in RECORD"),
        ];
        assert_eq!(named, expected);
    }

    #[test]
    fn a_name_that_is_there_twice_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.whl");
        let listed = [("a.py", "1"), ("b.py", "2")];
        make(&path, &listed, &record(&listed));
        let bytes: Vec<u8> = fs::read(&path).unwrap();
        let renamed = String::from_utf8_lossy(&bytes).contains("b.py");
        assert!(renamed, "names are stored as they are");
        let mut bytes = bytes;
        for start in 0..bytes.len() - 4 {
            if bytes[start..].starts_with(b"b.py") {
                bytes[start] = b'a';
            }
        }
        fs::write(&path, bytes).unwrap();
        let Err(error) = Audit::open(&path) else { panic!("accepted") };
        assert!(error.to_string().contains("twice"), "{error}");
    }

    #[test]
    fn no_more_is_read_than_is_allowed() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.whl");
        let files = [("a-1.dist-info/METADATA", "0123456789")];
        make(&path, &files, &record(&files));
        let mut audit = Audit::open(&path).unwrap();
        assert_eq!(audit.read("METADATA", 4), Ok(Some(b"0123".to_vec())));
        assert_eq!(audit.read("nothing", 4), Ok(None));
    }
}
