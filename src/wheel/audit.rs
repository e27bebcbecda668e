//! Reading and checking a wheel that is not trusted. Memory is bounded, and damaged files are
//! listed instead of ending the reading.

use std::collections::BTreeMap;
use std::io::Read as _;
use std::path::{Path, PathBuf};

use fs_err as fs;
use rayon::prelude::*;

use super::list::List;
use super::local;
use super::record_file::RecordFile;
use super::{BUFFER, Zip};
use crate::digest;
use crate::error::{Cause, Damage, Error, PathContext as _, Result, because};

/// Limit of the size of RECORD and of a wheelprint record, in bytes.
pub const LIMIT: u64 = 64 << 20;
/// Limit of the unpacked size, in bytes. A tiny wheel may claim to unpack to more than years of
/// reading.
const UNPACKED: u64 = 8 << 30;
/// Several threads check a wheel if it has at least twice this many bytes. Files of this size are
/// hashed on a thread of their own.
const WORTH_A_THREAD: u64 = 4 << 20;

/// An open wheel. Only the names and stated sizes of its files were read.
pub struct Audit {
    path: PathBuf,
    pub(super) archive: Zip,
    /// `NAME-VERSION.dist-info`
    pub dist_info: String,
    /// The size that the archive states for each file.
    sizes: BTreeMap<String, u64>,
}

impl Audit {
    /// Opens a wheel that the user named.
    ///
    /// # Errors
    /// The path is not a file or not a zip; programs could read the zip in different ways; names are
    /// unsafe or repeated; there is not exactly one dist-info folder; files unpack to too much.
    pub fn open(path: &Path) -> Result<Self> {
        let refused = |cause: Cause| {
            Error::given(path, cause, "a wheel is a file like NAME-VERSION-...-PLATFORM.whl")
        };
        if !fs::metadata(path).at(path)?.is_file() {
            return Err(refused("not a file".into()));
        }
        let found = Self::archive(path, false).map_err(|error| match error {
            Error::Wheel { cause, .. } => refused(cause),
            other => other,
        })?;
        if found.unpacked() > UNPACKED {
            let most = UNPACKED >> 30;
            return Err(refused(format!("not a wheel: it unpacks to more than {most} GiB").into()));
        }
        Ok(found)
    }

    /// Opens a wheel that a build made. The errors of both ways differ in their hints. `is_known`: it
    /// was opened before, and is the same file.
    pub(super) fn archive(path: &Path, is_known: bool) -> Result<Self> {
        let no_wheel = |cause: Cause| Error::wheel(path, because("not a wheel", cause));
        let mut archive = open(path).at(path)?.map_err(|error| no_wheel(error.into()))?;
        let mut file = std::io::BufReader::new(fs::File::open(path).at(path)?);
        let unclear =
            |cause: Cause| no_wheel(because("programs may read it in different ways", cause));
        let list = List::read(&mut file).map_err(unclear)?;
        if !is_known {
            local::check(&mut file, &list).map_err(unclear)?;
        }
        let sizes = agreed(&mut archive, &list).map_err(unclear)?;
        for name in sizes.keys() {
            check_name(name).map_err(no_wheel)?;
        }
        let dist_info = dist_info(sizes.keys()).map_err(no_wheel)?;
        Ok(Self { path: path.to_owned(), archive, dist_info, sizes })
    }

    /// The size of all files as the archive states it.
    fn unpacked(&self) -> u64 {
        self.sizes.values().fold(0, |sum, size| sum.saturating_add(*size))
    }

    /// The full name of a file in dist-info.
    pub(super) fn in_dist_info(&self, name: &str) -> String {
        format!("{}/{name}", self.dist_info)
    }

    /// The first `limit` bytes of a file in dist-info; `None` if the file is missing.
    ///
    /// # Errors
    /// The reason why the file can't be read.
    pub fn read(&mut self, name: &str, limit: u64) -> Result<Option<Vec<u8>>, Cause> {
        let name = self.in_dist_info(name);
        if !self.sizes.contains_key(&name) {
            return Ok(None);
        }
        let mut bytes = Vec::new();
        self.archive.by_name(&name)?.take(limit).read_to_end(&mut bytes)?;
        Ok(Some(bytes))
    }

    /// The wheel's RECORD.
    pub(super) fn record(&mut self) -> Result<RecordFile, Cause> {
        let bytes = self.read("RECORD", LIMIT)?.ok_or("is not in the wheel")?;
        RecordFile::parse(&String::from_utf8(bytes).map_err(|_| "is not UTF-8")?)
    }

    /// Reads all files and compares them with RECORD (PyPA, "Binary distribution format"). Gives
    /// each file that does not match.
    pub fn damage(&mut self) -> Vec<Damage> {
        match self.record() {
            Ok(record) => self.damage_by(&record),
            Err(cause) => vec![Damage::new(&self.in_dist_info("RECORD"), cause)],
        }
    }

    /// As [`Self::damage`]. Unpacking is most of the work, so large wheels are divided among all
    /// cores.
    pub(super) fn damage_by(&self, record: &RecordFile) -> Vec<Damage> {
        let signatures = ["", ".jws", ".p7s"].map(|end| self.in_dist_info("RECORD") + end);
        let mut files: Vec<(&String, u64)> = self
            .sizes
            .iter()
            .filter(|(name, _)| !name.ends_with('/') && !signatures.contains(name))
            .map(|(name, size)| (name, *size))
            .collect();
        files.sort_by_key(|(_, size)| std::cmp::Reverse(*size));
        let threads = match self.unpacked() {
            size if size < 2 * WORTH_A_THREAD => 1,
            _ => rayon::current_num_threads(),
        };
        let mut shares: Vec<(u64, Vec<(&String, u64)>)> = vec![Default::default(); threads];
        for (name, size) in files {
            if let Some(share) = shares.iter_mut().min_by_key(|(size, _)| *size) {
                share.0 = share.0.saturating_add(size);
                share.1.push((name, size));
            }
        }
        let wrong = shares.into_par_iter().flat_map_iter(|(_, files)| {
            let mut archive = open(&self.path).map_err(Cause::from).and_then(|it| Ok(it?));
            files.into_iter().filter_map(move |(name, size)| {
                let cause = match &mut archive {
                    Ok(archive) => difference(archive, name, size, record)?,
                    Err(error) => format!("can't be read: {error}"),
                };
                Some(Damage::new(name, cause))
            })
        });
        let mut found: Vec<Damage> = wrong.collect();
        let missing = record.lines().filter(|line| !self.sizes.contains_key(&line.name));
        found.extend(
            missing.map(|line| Damage::new(&line.name, "is in RECORD and not in the wheel")),
        );
        found.sort_by(|one, other| one.name.cmp(&other.name));
        found
    }
}

fn open(path: &Path) -> std::io::Result<zip::result::ZipResult<Zip>> {
    let file = fs::File::open(path)?;
    Ok(Zip::new(std::io::BufReader::with_capacity(BUFFER, file)))
}

/// How a file differs from its line in RECORD; `None` if it does not. `size` is the size that the
/// archive states.
fn difference(archive: &mut Zip, name: &str, size: u64, record: &RecordFile) -> Option<String> {
    const OTHER: &str = "is not what RECORD says";
    let Some(line) = record.get(name) else { return Some("is not in RECORD".to_owned()) };
    let Some(sha256) = &line.sha256 else { return Some("has no digest in RECORD".to_owned()) };
    if line.size.is_some_and(|listed| listed != size) {
        return Some(OTHER.to_owned());
    }
    // Read one byte more than stated: a file that is longer than stated is damaged.
    let read = archive.by_name(name).map_err(Cause::from).and_then(|entry| {
        let content = entry.take(size.saturating_add(1));
        let is_large = size >= digest::LARGE;
        Ok(if is_large { digest::large(content) } else { digest::reader(content) }?)
    });
    match read {
        Ok((digest, read)) => (digest != *sha256 || read != size).then(|| OTHER.to_owned()),
        Err(error) => Some(format!("can't be read: {error}")),
    }
}

/// The size of each file. The `zip` crate has to see the files of the list, as they are listed.
fn agreed(archive: &mut Zip, list: &List) -> Result<BTreeMap<String, u64>, Cause> {
    const OTHERS: &str = "programs see other files in it";
    if archive.len() != list.files.len() {
        return Err(OTHERS.into());
    }
    let mut sizes = BTreeMap::new();
    for (index, listed) in list.files.iter().enumerate() {
        let entry = archive.by_index_raw(index)?;
        let is_listed = entry.name_raw() == listed.name
            && entry.header_start() == listed.start
            && entry.crc32() == listed.crc
            && [entry.size(), entry.compressed_size()] == listed.sizes;
        if !is_listed {
            return Err(OTHERS.into());
        }
        sizes.insert(entry.name().to_owned(), entry.size());
    }
    Ok(sizes)
}

/// Refuses names that lead outside the folder that a wheel is unpacked into, and second names of a
/// path, such as `a//b` and `a/./b`.
fn check_name(name: &str) -> Result<(), Cause> {
    let unsafe_name = name.contains(['\\', '\0'])
        || name
            .strip_suffix('/')
            .unwrap_or(name)
            .split('/')
            .any(|it| ["", ".", ".."].contains(&it))
        || name.get(1..2) == Some(":");
    if unsafe_name {
        return Err(format!("{name:?}: a name that leads outside").into());
    }
    Ok(())
}

fn dist_info<'a>(names: impl Iterator<Item = &'a String>) -> Result<String, Cause> {
    let mut found: Vec<&str> = names
        .filter_map(|name| name.split_once('/').map(|(folder, _)| folder))
        .filter(|folder| folder.ends_with(".dist-info"))
        .collect();
    found.dedup();
    match found[..] {
        [one] => Ok(one.to_owned()),
        [] => Err("there is no dist-info folder in it".into()),
        _ => Err(format!("more than one dist-info folder: {}", found.join(", ")).into()),
    }
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
        assert_eq!(audit.read("METADATA", 4).unwrap().unwrap(), b"0123");
        assert_eq!(audit.read("nothing", 4).unwrap(), None);
    }
}
