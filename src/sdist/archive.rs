//! An sdist as a file: `NAME-VERSION.tar.gz` with one folder in it. Its content is not trusted, so
//! memory and time are bounded.

use std::collections::BTreeMap;
use std::io::{BufWriter, Read as _, Write};
use std::path::{Path, PathBuf};

use flate2::Compression;
use flate2::write::GzEncoder;
use fs_err as fs;
use tar::{Builder, EntryType, Header};

use super::PKG_INFO;
use super::headers::Headers;
use super::reader::{Entry, each, refused};
use crate::digest;
use crate::error::{Cause, PathContext as _, Result, because};
use crate::fingerprint::record::FILE_NAME;
use crate::publish::is_git_folder;

/// Limit of the number of files.
const FILES: usize = 1_000_000;
/// Limit of the length of all names together, in bytes.
const NAMES: usize = 64 << 20;
/// Limit of the files that are read into memory, in bytes.
pub const READ: u64 = 64 << 20;

/// An sdist. Every file in it was read once.
#[derive(Debug)]
pub struct Archive {
    path: PathBuf,
    /// `NAME-VERSION`
    pub top: String,
    /// SHA-256 of each file, by path below the top folder, with `/`.
    pub files: BTreeMap<String, String>,
    /// The text of the record, if the sdist has one.
    pub record: Option<Vec<u8>>,
    /// The text of PKG-INFO.
    pub metadata: Vec<u8>,
    /// The texts of the manifests, by path below the top folder.
    pub manifests: BTreeMap<String, String>,
}

impl Archive {
    /// Reads a whole archive.
    ///
    /// # Errors
    /// The path is not a file or not an archive; programs could read the archive in different ways;
    /// it has no file or more than one top folder, has links, unsafe or repeated names, or exceeds a
    /// limit.
    pub fn open(path: &Path) -> Result<Self> {
        let meta = fs::metadata(path).at(path)?;
        if !meta.is_file() {
            return Err(refused(path, "not a file"));
        }
        let mut found = Self {
            path: path.to_owned(),
            top: String::new(),
            files: BTreeMap::new(),
            record: None,
            metadata: Vec::new(),
            manifests: BTreeMap::new(),
        };
        let unclear =
            |cause: Cause| refused(path, because("programs may read it in different ways", cause));
        let mut headers = Headers::default();
        each(path, true, &mut |entry| headers.check(entry).map_err(unclear))?;
        let (mut names, mut left) = (0, READ);
        each(path, false, &mut |entry| {
            let Some(name) = found.name(entry)? else { return Ok(()) };
            let digest = if name == FILE_NAME || name == PKG_INFO || is_manifest(&name) {
                let mut bytes = Vec::new();
                let read = entry.by_ref().take(left + 1).read_to_end(&mut bytes);
                read.map_err(|error| refused(path, error))?;
                left = left.checked_sub(bytes.len() as u64).ok_or_else(|| {
                    refused(path, "its record and manifests are larger than 64 MiB")
                })?;
                let digest = digest::bytes(&bytes);
                match name.as_str() {
                    FILE_NAME => found.record = Some(bytes),
                    PKG_INFO => found.metadata = bytes,
                    _ => {
                        let text = String::from_utf8(bytes);
                        found.manifests.extend(text.ok().map(|text| (name.clone(), text)));
                    }
                }
                digest
            } else {
                digest::reader(entry).map_err(|error| refused(path, error))?.0
            };
            names += name.len();
            if names > NAMES {
                return Err(refused(path, "the names in it are too long"));
            }
            if found.files.insert(name.clone(), digest).is_some() {
                return Err(refused(path, format!("{name:?} is twice in it")));
            }
            if found.files.len() > FILES {
                return Err(refused(path, "there are more than a million files in it"));
            }
            Ok(())
        })?;
        if found.files.is_empty() {
            return Err(refused(path, "there is no file in it"));
        }
        Ok(found)
    }

    /// An entry's name below the top folder; `None` for folders and global headers.
    fn name(&mut self, entry: &Entry<'_>) -> Result<Option<String>> {
        let path = &self.path;
        let bytes = entry.path_bytes();
        let name = std::str::from_utf8(&bytes)
            .map_err(|_| refused(path, "a name in it is not UTF-8"))?
            .to_owned();
        match entry.header().entry_type() {
            EntryType::Regular | EntryType::Continuous => {}
            EntryType::XGlobalHeader => return Ok(None),
            // Python's tarfile reads the data of a folder as further files.
            EntryType::Directory if entry.size() == 0 => return Ok(None),
            EntryType::Directory => {
                return Err(refused(path, format!("{name:?} has something in it")));
            }
            _ => return Err(refused(path, format!("{name:?} is a link or no file"))),
        }
        if name.split('/').any(is_git_folder) {
            return Err(refused(
                path,
                format!("{name:?}: a repository of git, which may name programs"),
            ));
        }
        let leads_outside = name.starts_with('/')
            || name.contains(['\\', '\0'])
            || name.get(1..2) == Some(":")
            || name.split('/').any(|part| ["", ".", ".."].contains(&part));
        if leads_outside {
            return Err(refused(path, format!("{name:?}: a name that leads outside")));
        }
        let Some((top, rest)) = name.split_once('/') else {
            return Err(refused(path, format!("{name:?} is in no folder")));
        };
        if self.top.is_empty() {
            self.top = top.to_owned();
        } else if self.top != top {
            return Err(refused(path, "there is more than one folder at its top"));
        }
        Ok(Some(rest.to_owned()))
    }

    /// Writes each file to the path that `place` gives; skips files for which it gives `None`.
    ///
    /// # Errors
    /// The archive can't be read again, or a file can't be written.
    pub fn unpack(&self, place: &dyn Fn(&str) -> Option<PathBuf>) -> Result<()> {
        let prefix = format!("{}/", self.top);
        each(&self.path, false, &mut |entry| {
            let bytes = entry.path_bytes().into_owned();
            let name = String::from_utf8_lossy(&bytes);
            // Only files that `open` read are written: the archive may have changed since.
            let Some(target) = name
                .strip_prefix(&prefix)
                .filter(|name| self.files.contains_key(*name))
                .and_then(place)
            else {
                return Ok(());
            };
            if let Some(folder) = target.parent() {
                fs::create_dir_all(folder).at(folder)?;
            }
            let mut file = fs::File::create(&target).at(&target)?;
            std::io::copy(entry, &mut file).map_err(|error| refused(&self.path, error))?;
            Ok(())
        })
    }

    /// Writes a copy of the archive with this record; an earlier record is replaced. All other
    /// entries are copied unchanged.
    ///
    /// # Errors
    /// The archive can't be read again, or the file can't be written.
    pub fn write_with(&self, record: &[u8], file: &mut impl Write) -> Result<()> {
        let failed = |error: std::io::Error| refused(&self.path, error);
        let mut output = Builder::new(GzEncoder::new(BufWriter::new(file), Compression::default()));
        let name = format!("{}/{FILE_NAME}", self.top);
        let mut mtime = 0;
        each(&self.path, true, &mut |entry| {
            if *entry.path_bytes() == *name.as_bytes() {
                return Ok(());
            }
            let header = entry.header().clone();
            mtime = header.mtime().map_err(failed)?;
            output.append(&header, entry).map_err(failed)
        })?;
        let mut header = Header::new_ustar();
        header.set_entry_type(EntryType::Regular);
        header.set_mode(0o644);
        header.set_uid(0);
        header.set_gid(0);
        header.set_mtime(mtime);
        header.set_size(record.len() as u64);
        output.append_data(&mut header, &name, record).map_err(failed)?;
        let mut buffer = output.into_inner().and_then(GzEncoder::finish).map_err(failed)?;
        buffer.flush().map_err(failed)
    }
}

fn is_manifest(name: &str) -> bool {
    ["Cargo.toml", "pyproject.toml"].contains(&name.rsplit('/').next().unwrap_or(name))
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;

    /// Writes an archive with these files, given by full name.
    pub(crate) fn make(path: &Path, files: &[(&str, &str)]) {
        let file = fs::File::create(path).unwrap();
        let mut builder = Builder::new(GzEncoder::new(file, Compression::fast()));
        for (name, text) in files {
            let mut header = Header::new_ustar();
            header.set_mode(0o644);
            header.set_mtime(1_153_704_088);
            header.set_size(text.len() as u64);
            // `set_path` refuses names that lead outside; an attacker's tool does not.
            header.as_old_mut().name[..name.len()].copy_from_slice(name.as_bytes());
            header.set_cksum();
            builder.append(&header, text.as_bytes()).unwrap();
        }
        builder.into_inner().unwrap().finish().unwrap();
    }

    fn refusal(path: &Path) -> String {
        match Archive::open(path) {
            Ok(archive) => panic!("accepted: {archive:?}"),
            Err(error) => error.to_string(),
        }
    }

    #[test]
    fn a_record_is_put_in_and_nothing_else_changes() {
        let folder = tempfile::tempdir().unwrap();
        let (one, two) = (folder.path().join("a-1.tar.gz"), folder.path().join("b.tar.gz"));
        make(&one, &[("a-1/PKG-INFO", "Name: a\n"), ("a-1/src/lib.rs", "//")]);
        let archive = Archive::open(&one).unwrap();
        assert_eq!(archive.top, "a-1");
        assert_eq!(archive.metadata, b"Name: a\n");
        let stamp = |record: &[u8]| {
            let mut bytes = Vec::new();
            archive.write_with(record, &mut bytes).unwrap();
            bytes
        };
        assert_eq!(stamp(b"{}"), stamp(b"{}"), "reproducible");
        fs::write(&two, stamp(b"{}")).unwrap();
        let mut stamped = Archive::open(&two).unwrap();
        assert_eq!(stamped.record.as_deref(), Some(&b"{}"[..]));
        // A second record replaces the first one.
        let mut bytes = Vec::new();
        stamped.write_with(b"[]", &mut bytes).unwrap();
        fs::write(&two, &bytes).unwrap();
        stamped = Archive::open(&two).unwrap();
        assert_eq!(stamped.record.as_deref(), Some(&b"[]"[..]));
        stamped.files.remove(FILE_NAME);
        assert_eq!(stamped.files, archive.files);
    }

    #[test]
    fn a_long_name_survives() {
        let folder = tempfile::tempdir().unwrap();
        let (one, two) = (folder.path().join("a-1.tar.gz"), folder.path().join("b.tar.gz"));
        let long = format!("a-1/{}/lib.rs", ["folder"; 60].join("/"));
        let mut builder =
            Builder::new(GzEncoder::new(fs::File::create(&one).unwrap(), Compression::fast()));
        let mut header = Header::new_gnu();
        header.set_size(1);
        header.set_mode(0o755);
        builder.append_data(&mut header, &long, &b"x"[..]).unwrap();
        builder.into_inner().unwrap().finish().unwrap();
        let mut bytes = Vec::new();
        Archive::open(&one).unwrap().write_with(b"{}", &mut bytes).unwrap();
        fs::write(&two, bytes).unwrap();
        assert!(Archive::open(&two).unwrap().files.contains_key(&long["a-1/".len()..]));
    }

    #[test]
    fn what_leads_outside_or_is_there_twice_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a-1.tar.gz");
        for (files, cause) in [
            (&[("a-1/../../x", "")][..], "leads outside"),
            (&[("/etc/passwd", "")], "leads outside"),
            (&[("a-1/x\\y", "")], "leads outside"),
            (&[("c:/x", "")], "leads outside"),
            (&[("x", "")], "in no folder"),
            (&[("a-1/x", ""), ("b-1/x", "")], "more than one folder"),
            (&[("a-1/x", "1"), ("a-1/x", "2")], "twice"),
            (&[], "no file"),
        ] {
            make(&path, files);
            let refusal = refusal(&path);
            assert!(refusal.contains(cause), "{refusal}");
        }
        fs::write(&path, b"no archive").unwrap();
        assert!(refusal(&path).contains("not an sdist"));
    }

    #[test]
    fn links_are_refused_and_what_is_cut_off_too() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a-1.tar.gz");
        let mut builder =
            Builder::new(GzEncoder::new(fs::File::create(&path).unwrap(), Compression::fast()));
        let mut header = Header::new_gnu();
        header.set_entry_type(EntryType::Symlink);
        header.set_size(0);
        builder.append_link(&mut header, "a-1/x", "/etc/passwd").unwrap();
        builder.into_inner().unwrap().finish().unwrap();
        assert!(refusal(&path).contains("link"));
        make(&path, &[("a-1/x", &"text ".repeat(10_000))]);
        let bytes = fs::read(&path).unwrap();
        fs::write(&path, &bytes[..bytes.len() / 2]).unwrap();
        assert!(refusal(&path).contains("not an sdist"));
    }
}
