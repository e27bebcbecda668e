//! Wheels as archives (PEP 427): reading, checking, rewriting. This module knows nothing about
//! fingerprints.
//!
//! A rewritten wheel differs from its original only in the entries that were edited, and in RECORD.
//! All other entries are copied in the same order, without recompressing.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::io::{Read as _, Seek, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use fs_err as fs;
use zip::write::SimpleFileOptions;
use zip::{CompressionMethod, ZipArchive, ZipWriter};

use crate::digest::Loaded;
use crate::error::{Cause, Damage, Error, PathContext as _, Result, because};

pub mod audit;
pub mod entries;
mod list;
mod local;
mod raw;
pub mod record_file;
pub mod sbom;
mod target;

use audit::Audit;
use record_file::RecordFile;
use target::Target;

/// Entries are copied in pieces of this size.
const BUFFER: usize = 256 << 10;

/// An open archive.
type Zip = ZipArchive<std::io::BufReader<fs::File>>;

/// An open wheel whose RECORD is correct.
pub struct Wheel {
    path: PathBuf,
    archive: Zip,
    /// `NAME-VERSION.dist-info`
    pub dist_info: String,
    record: RecordFile,
}

/// A file to add.
pub struct Addition {
    /// Its name in the archive, with `/`.
    pub name: String,
    pub content: Content,
    pub executable: bool,
}

impl Addition {
    /// A small file that is not executable.
    pub fn bytes(name: String, bytes: Vec<u8>) -> Self {
        Self { name, content: Content::Bytes(bytes), executable: false }
    }
}

/// The content of an added file.
pub enum Content {
    Bytes(Vec<u8>),
    /// The path of a large file.
    File(PathBuf),
    /// A large file in memory.
    Loaded(Arc<Loaded>),
}

impl Content {
    /// Its digest.
    ///
    /// # Errors
    /// The file can't be read.
    pub fn sha256(&self) -> std::io::Result<String> {
        match self {
            Self::Bytes(bytes) => Ok(crate::digest::bytes(bytes)),
            Self::File(path) => crate::digest::file(path),
            Self::Loaded(loaded) => Ok(loaded.sha256().to_owned()),
        }
    }

    /// All of it.
    ///
    /// # Errors
    /// The file can't be read.
    pub fn read(&self) -> std::io::Result<Cow<'_, [u8]>> {
        Ok(match self {
            Self::Bytes(bytes) => bytes.into(),
            Self::File(path) => fs::read(path)?.into(),
            Self::Loaded(loaded) => (&loaded.bytes).into(),
        })
    }
}

/// Changes to a wheel.
#[derive(Default)]
pub struct Edit {
    /// Full names of entries to leave out.
    pub remove: Vec<String>,
    /// New contents of existing entries, by full name. Position and mode stay.
    pub replace: BTreeMap<String, Vec<u8>>,
    /// The same, for contents that are not compressed.
    pub store: BTreeMap<String, Content>,
    /// Files outside dist-info. They are written before dist-info.
    pub add: Vec<Addition>,
    /// Files in dist-info, by name inside it. They are written last, before RECORD, and replace
    /// files of the same name.
    pub add_to_dist_info: Vec<(String, Vec<u8>)>,
}

impl Wheel {
    /// Opens a wheel and checks its RECORD against its contents.
    ///
    /// # Errors
    /// It is not a zip or one that programs could read in different ways, does not have exactly one
    /// dist-info folder, has unsafe or repeated names, or RECORD is missing or wrong.
    pub fn open(path: &Path) -> Result<Self> {
        let damage =
            |audit: &Audit, record: &RecordFile| audit.damage_by(record).into_iter().next();
        Self::opened(path, false, damage)
    }

    /// Opens a wheel whose contents are known to be as RECORD says: [`Self::rewrite`] wrote it in
    /// this process, or it was compared with the digest of a checked wheel.
    ///
    /// # Errors
    /// Those of [`Self::open`], without a look at the contents.
    pub fn open_checked(path: &Path) -> Result<Self> {
        Self::opened(path, true, |_, _| None)
    }

    fn opened(
        path: &Path,
        is_known: bool,
        damage: impl FnOnce(&Audit, &RecordFile) -> Option<Damage>,
    ) -> Result<Self> {
        let mut audit = Audit::archive(path, is_known)?;
        let wrong = |name: &str, cause: Cause| Error::wheel(path, because(name, cause));
        let record = audit.record().map_err(|cause| wrong(&audit.in_dist_info("RECORD"), cause))?;
        if let Some(Damage { name, cause }) = damage(&audit, &record) {
            return Err(wrong(&name, cause.into()));
        }
        let Audit { archive, dist_info, .. } = audit;
        Ok(Self { path: path.to_owned(), archive, dist_info, record })
    }

    /// Names and digests of all files for which RECORD has a digest.
    pub fn files(&self) -> impl Iterator<Item = (&str, &str)> {
        self.record.lines().filter_map(|line| Some((line.name.as_str(), line.sha256.as_deref()?)))
    }

    /// The content of a small file.
    ///
    /// # Errors
    /// The file is missing or can't be read.
    pub fn read(&mut self, name: &str) -> Result<Vec<u8>> {
        let mut bytes = Vec::new();
        self.archive
            .by_name(name)
            .map_err(Cause::from)
            .and_then(|mut entry| Ok(entry.read_to_end(&mut bytes)?))
            .map_err(|error| Error::wheel(&self.path, because(name, error)))?;
        Ok(bytes)
    }

    /// Writes the edited wheel to an open file. `target` is the path that the file will have.
    ///
    /// # Errors
    /// The original can't be read or the target can't be written.
    pub fn rewrite(&mut self, file: impl Write + Seek, target: &Path, edit: Edit) -> Result<()> {
        let mut file = Target::new(file);
        let written = self.write_edited(&mut file, edit);
        match file.take_failure() {
            Some(error) => Err(Error::io(target, &error)),
            None => written,
        }
    }

    fn write_edited(&mut self, target: impl Write + Seek, edit: Edit) -> Result<()> {
        let path = self.path.clone();
        let failed = |error: zip::result::ZipError| Error::wheel(&path, error);
        let Edit { remove, mut replace, mut store, add, add_to_dist_info } = edit;
        let added: Vec<String> =
            add_to_dist_info.iter().map(|(name, _)| format!("{}/{name}", self.dist_info)).collect();
        let is_removed = |name: &str| remove.iter().chain(&added).any(|removed| removed == name);
        let mut record = self.record.clone();
        record.remove(is_removed);

        let mut writer = ZipWriter::new(std::io::BufWriter::with_capacity(BUFFER, target));
        let record_name = format!("{}/RECORD", self.dist_info);
        // Added entries get the compression method and the time of an existing one.
        let old_record = self.archive.by_name(&record_name).map_err(failed)?;
        let options = SimpleFileOptions::default()
            .compression_method(old_record.compression())
            .last_modified_time(old_record.last_modified().unwrap_or_default());
        drop(old_record);
        let mut additions = Some(add);
        for index in 0..self.archive.len() {
            let entry = self.archive.by_index_raw(index).map_err(failed)?;
            let name = entry.name().to_owned();
            if name == record_name || is_removed(&name) {
                continue;
            }
            // PEP 427 recommends that dist-info comes last.
            if name.starts_with(&self.dist_info)
                && let Some(additions) = additions.take()
            {
                for addition in additions {
                    add_file(&mut writer, &path, options, &mut record, addition)?;
                }
            }
            let stored = options.compression_method(CompressionMethod::Stored);
            let new = replace.remove(&name).map(|bytes| (Content::Bytes(bytes), options));
            if let Some((content, options)) = new.or_else(|| Some((store.remove(&name)?, stored))) {
                let executable = entry.unix_mode().is_some_and(|mode| mode & 0o111 != 0);
                drop(entry);
                record.remove(|known| known == name);
                let addition = Addition { name, content, executable };
                add_file(&mut writer, &path, options, &mut record, addition)?;
                continue;
            }
            writer.raw_copy_file(entry).map_err(failed)?;
        }
        for (name, bytes) in add_to_dist_info {
            let addition = Addition::bytes(format!("{}/{name}", self.dist_info), bytes);
            add_file(&mut writer, &path, options, &mut record, addition)?;
        }
        writer.start_file(&record_name, options.unix_permissions(0o644)).map_err(failed)?;
        let io = |error: std::io::Error| Error::wheel(&path, error);
        writer.write_all(record.to_text().as_bytes()).map_err(io)?;
        writer.finish().map_err(failed)?.flush().map_err(io)
    }
}

fn add_file(
    writer: &mut ZipWriter<impl Write + Seek>,
    wheel: &Path,
    options: SimpleFileOptions,
    record: &mut RecordFile,
    addition: Addition,
) -> Result<()> {
    let Addition { name, content, executable } = addition;
    let stored = options.compression_method(CompressionMethod::Stored);
    let (size, options) = match &content {
        Content::Bytes(bytes) => (bytes.len() as u64, options),
        // Compiled modules of an editable wheel are installed at once: time matters more than size.
        Content::File(path) => (fs::metadata(path).at(path)?.len(), stored),
        Content::Loaded(loaded) => (loaded.bytes.len() as u64, stored),
    };
    let options = options
        .unix_permissions(if executable { 0o755 } else { 0o644 })
        .large_file(size > u64::from(u32::MAX));
    writer.start_file(&name, options).map_err(|error| Error::wheel(wheel, error))?;
    let written = match content {
        Content::Bytes(bytes) => {
            writer.write_all(&bytes).map(|()| (crate::digest::bytes(&bytes), size))
        }
        Content::File(path) => crate::digest::copy(&path, writer),
        Content::Loaded(loaded) => {
            writer.write_all(&loaded.bytes).map(|()| (loaded.sha256().to_owned(), size))
        }
    };
    let (sha256, size) = written.map_err(|error| Error::wheel(wheel, because(&name, error)))?;
    record.add(name, &sha256, size);
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::io::SeekFrom;

    use super::*;

    fn make(path: &Path, files: &[(&str, &str)], record: Option<&str>) {
        let mut writer = ZipWriter::new(fs::File::create(path).unwrap());
        let mut lines = RecordFile::default();
        for (name, text) in files {
            writer.start_file(*name, SimpleFileOptions::default()).unwrap();
            writer.write_all(text.as_bytes()).unwrap();
            lines.add(
                (*name).to_owned(),
                &crate::digest::bytes(text.as_bytes()),
                text.len() as u64,
            );
        }
        lines.add_itself("a-1.dist-info/RECORD");
        let own = lines.to_text();
        if let Some(text) = record.or(Some(&own)).filter(|text| !text.is_empty()) {
            writer.start_file("a-1.dist-info/RECORD", SimpleFileOptions::default()).unwrap();
            writer.write_all(text.as_bytes()).unwrap();
        }
        writer.finish().unwrap();
    }

    fn refused(files: &[(&str, &str)], record: Option<&str>) -> String {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a-1-py3-none-any.whl");
        make(&path, files, record);
        let Err(error) = Wheel::open(&path) else { panic!("accepted") };
        let text = error.to_string();
        assert!(text.contains("a-1-py3-none-any.whl: "), "{text}");
        text
    }

    const GOOD: &[(&str, &str)] = &[("a/__init__.py", "x = 1"), ("a-1.dist-info/METADATA", "m")];

    #[test]
    fn a_rewritten_wheel_is_right_again() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a-1-py3-none-any.whl");
        make(&path, GOOD, None);
        let mut wheel = Wheel::open(&path).unwrap();
        let edit = Edit {
            remove: vec!["a/__init__.py".into()],
            replace: [("a-1.dist-info/METADATA".into(), b"new".to_vec())].into(),
            add: vec![Addition {
                name: "b, with comma.py".into(),
                content: Content::Bytes(b"y = 1".to_vec()),
                executable: true,
            }],
            store: BTreeMap::new(),
            add_to_dist_info: vec![("extra.json".into(), b"{}".to_vec())],
        };
        let target = folder.path().join("b-1-py3-none-any.whl");
        wheel.rewrite(fs::File::create(&target).unwrap(), &target, edit).unwrap();
        let mut again = Wheel::open(&target).unwrap();
        let names: Vec<&str> = again.archive.file_names().collect();
        assert_eq!(
            names,
            [
                "b, with comma.py",
                "a-1.dist-info/METADATA",
                "a-1.dist-info/extra.json",
                "a-1.dist-info/RECORD"
            ]
        );
        assert_eq!(again.read("b, with comma.py").unwrap(), b"y = 1");
        assert_eq!(again.read("a-1.dist-info/METADATA").unwrap(), b"new");
    }

    /// A file on a disk with this much space.
    struct Full {
        file: std::io::Cursor<Vec<u8>>,
        room: usize,
    }

    impl Write for Full {
        fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
            if self.file.position() as usize + bytes.len() > self.room {
                return Err(std::io::ErrorKind::StorageFull.into());
            }
            self.file.write(bytes)
        }

        fn flush(&mut self) -> std::io::Result<()> {
            self.file.flush()
        }
    }

    impl Seek for Full {
        fn seek(&mut self, to: SeekFrom) -> std::io::Result<u64> {
            self.file.seek(to)
        }
    }

    #[test]
    fn a_full_disk_is_the_targets() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a-1-py3-none-any.whl");
        make(&path, GOOD, None);
        let target = Path::new("target/a-1-py3-none-any.whl");
        let large: Vec<u8> = (0..BUFFER as u64)
            .flat_map(|number| number.wrapping_mul(0x9e37_79b9_7f4a_7c15).to_le_bytes())
            .collect();
        for room in [0, BUFFER, 2 * BUFFER] {
            let mut wheel = Wheel::open(&path).unwrap();
            let file = Full { file: Default::default(), room };
            let content = || Content::Bytes(large.clone());
            let names = ["b.so", "c.so"].map(String::from).into_iter();
            let add = names.map(|name| Addition { name, content: content(), executable: false });
            let edit = Edit { add: add.collect(), ..Edit::default() };
            let error = wheel.rewrite(file, target, edit).unwrap_err();
            assert!(matches!(&error, Error::Path { path, .. } if path == target), "{error}");
            assert!(error.hint().is_none(), "{error}");
        }
    }

    #[test]
    fn wrong_wheels_are_refused_with_the_reason() {
        assert!(refused(GOOD, Some("")).contains("RECORD: is not in the wheel"));
        assert!(refused(GOOD, Some("a/__init__.py,,\n")).contains("is not in RECORD"));
        assert!(refused(&[("../x", "")], None).contains("leads outside"));
        assert!(refused(&[("/x", "")], None).contains("leads outside"));
        assert!(refused(&[("b-1.dist-info/METADATA", "")], None).contains("more than one"));
        let wrong = |from: &str, to: &str| {
            let mut lines = RecordFile::default();
            for (name, text) in GOOD {
                lines.add(
                    (*name).into(),
                    &crate::digest::bytes(text.as_bytes()),
                    text.len() as u64,
                );
            }
            lines.add_itself("a-1.dist-info/RECORD");
            refused(GOOD, Some(&lines.to_text().replace(from, to)))
        };
        assert!(wrong(",5\n", ",6\n").contains("a/__init__.py: is not what RECORD says"));
        assert!(wrong("sha256=", "sha256=A").contains("RECORD"));
        assert!(
            wrong("a-1.dist-info/METADATA", "a-1.dist-info/METADATB").contains("not in RECORD")
        );
    }

    #[test]
    fn a_large_file_is_compared_like_a_small_one() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a-1-py3-none-any.whl");
        let (large, other) = ("x".repeat(5 << 20), "y".repeat(5 << 20));
        make(&path, &[GOOD[1], ("a/large.so", &large)], None);
        let record = Wheel::open(&path).unwrap().record.to_text();
        let files = [GOOD[1], ("a/large.so", other.as_str())];
        let text = refused(&files, Some(&record));
        assert!(text.contains("a/large.so: is not what RECORD says"), "{text}");
        // Of a wheel that was checked before, only names and RECORD are read.
        make(&path, &files, Some(&record));
        assert!(Wheel::open_checked(&path).is_ok());
        make(&path, &files, Some("a/large.so,md5=0,1\n"));
        assert!(Wheel::open_checked(&path).is_err());
    }

    #[test]
    fn what_is_no_zip_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.whl");
        fs::write(&path, "no zip").unwrap();
        assert!(Wheel::open(&path).err().unwrap().to_string().contains("not a wheel"));
    }
}
