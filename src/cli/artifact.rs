//! The argument of `inspect` and `verify`: a wheel, an sdist, or the dist-info folder of an
//! installed wheel.

use std::io::Read as _;
use std::path::Path;

use fs_err as fs;
use serde::Deserialize;

use crate::digest;
use crate::error::{Error, Result};
use crate::fingerprint::Record;
use crate::fingerprint::record::{FILE_NAME, VERSION};
use crate::inputs::{Watch, is_device};
use crate::log::escape_controls;
use crate::sdist::{Archive, restore};
use crate::wheel::audit::{Audit, LIMIT};

/// The number of bytes of METADATA that are read. Name and version are in the first few lines.
const METADATA: u64 = 64 << 10;

/// A wheel, sdist or dist-info folder, and its record.
pub(super) struct InspectedArtifact {
    pub name: String,
    pub version: String,
    pub record: Option<Record>,
    /// The path of the record in the artifact, and the digest of its bytes.
    pub record_file: Option<(String, String)>,
    pub kind: ArtifactKind,
}

pub(super) enum ArtifactKind {
    Wheel(Box<Audit>),
    Archive(Box<Archive>),
    /// A dist-info folder.
    Installed,
}

impl InspectedArtifact {
    /// Opens an absolute path.
    pub(super) fn open(path: &Path) -> Result<Self> {
        let folder = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
        let (metadata, record, folder, kind) = if path.is_dir() && folder.ends_with(".dist-info") {
            let metadata = read_start(&path.join("METADATA"), METADATA)?;
            let record = read_start(&path.join(FILE_NAME), LIMIT + 1)?;
            (metadata, record, folder, ArtifactKind::Installed)
        } else if is_archive(path) {
            let mut archive = Archive::open(path)?;
            let (metadata, record) = (archive.metadata.clone(), archive.record.take());
            let top = archive.top.clone();
            (Some(metadata), record, top, ArtifactKind::Archive(Box::new(archive)))
        } else {
            let mut wheel = Audit::open(path)?;
            let mut read =
                |name, limit| wheel.read(name, limit).map_err(|cause| broken(path, &cause));
            let (metadata, record) = (read("METADATA", METADATA)?, read(FILE_NAME, LIMIT + 1)?);
            (metadata, record, wheel.dist_info.clone(), ArtifactKind::Wheel(Box::new(wheel)))
        };
        let digest_of = |bytes: &Vec<u8>| (format!("{folder}/{FILE_NAME}"), digest::bytes(bytes));
        let record_file = record.as_ref().map(digest_of);
        let record = record.map(|bytes| read_record(path, &bytes)).transpose()?;
        let (name, version) = named(&metadata.unwrap_or_default(), &folder);
        Ok(Self { name, version, record, record_file, kind })
    }
}

impl ArtifactKind {
    /// The files that are not what the sdist's record, or the wheel's RECORD, says: name and cause.
    pub(super) fn damage(&mut self, record: &Record) -> Vec<(String, String)> {
        match self {
            Self::Wheel(wheel) => {
                wheel.damage().into_iter().map(|file| (file.name, file.cause)).collect()
            }
            Self::Archive(archive) => {
                let damage = restore::damage(archive, record).into_iter();
                damage.map(|file| (file.name, file.cause)).collect()
            }
            Self::Installed => Vec::new(),
        }
    }
}

/// The name of a file, without its folder.
pub(super) fn file_name(path: &Path) -> String {
    path.file_name().unwrap_or(path.as_os_str()).to_string_lossy().into_owned()
}

/// Whether the file is a `.tar.gz`, by its name or by the magic bytes of gzip (RFC 1952).
fn is_archive(path: &Path) -> bool {
    let name = path.file_name().unwrap_or_default().to_string_lossy().to_ascii_lowercase();
    let mut start = [0; 2];
    // Opening a pipe would wait for its other end.
    let mut begins = || {
        path.is_file()
            && fs::File::open(path).and_then(|mut file| file.read_exact(&mut start)).is_ok()
    };
    [".tar.gz", ".tgz"].iter().any(|end| name.ends_with(end)) || (begins() && start == [0x1f, 0x8b])
}

/// The first bytes of a file; `None` if the file does not exist.
fn read_start(path: &Path, limit: u64) -> Result<Option<Vec<u8>>> {
    if !path.is_file() {
        return Ok(None);
    }
    let mut bytes = Vec::new();
    fs::File::open(path)
        .and_then(|file| file.take(limit).read_to_end(&mut bytes))
        .map_err(|error| Error::io(path, &error))?;
    Ok(Some(bytes))
}

fn read_record(path: &Path, bytes: &[u8]) -> Result<Record> {
    #[derive(Deserialize)]
    struct Version {
        wheelprint: u64,
    }
    if bytes.len() as u64 > LIMIT {
        return Err(broken(path, &"is larger than 64 MiB"));
    }
    if let Ok(Version { wheelprint }) = serde_json::from_slice(bytes)
        && wheelprint > u64::from(VERSION)
    {
        let own = env!("CARGO_PKG_VERSION");
        let cause = format!(
            "its record has version {wheelprint}, and this wheelprint ({own}) knows version \
             {VERSION}"
        );
        return Err(Error::given(path, cause, "update wheelprint"));
    }
    Record::from_json(bytes).map_err(|cause| broken(path, &cause))
}

fn broken(path: &Path, cause: &dyn std::fmt::Display) -> Error {
    let cause = format!("its record can't be used: {}", escape_controls(&cause.to_string()));
    Error::given(path, cause, "somebody changed the file after it was built; build it again")
}

/// Name and version from METADATA, or else from the folder's name.
fn named(metadata: &[u8], folder: &str) -> (String, String) {
    let text = String::from_utf8_lossy(metadata);
    let field = |name: &str| {
        let mut lines = text.lines().take_while(|line| !line.is_empty());
        Some(lines.find_map(|line| line.strip_prefix(name)?.strip_prefix(": "))?.trim().to_owned())
    };
    let plain = folder.strip_suffix(".dist-info").unwrap_or(folder);
    let (name, version) = plain.split_once('-').unwrap_or((plain, ""));
    (
        field("Name").unwrap_or_else(|| name.to_owned()),
        field("Version").unwrap_or_else(|| version.to_owned()),
    )
}

/// Refuses paths that no build of ours writes: absolute ones, and paths that climb out of their
/// root.
pub(super) fn leads_astray(record: &Record) -> Option<String> {
    let climbs = |text: &str| text.split(['/', '\\']).any(|part| part == "..");
    let sources = record.source.iter().flat_map(|source| source.files.keys());
    let packed_from = record.packed.iter().flat_map(|packed| packed.source.iter());
    let may_climb = record.roots.values().chain(sources).chain(packed_from);
    let packed = record.packed.iter().map(|packed| (&packed.path, false));
    let watched = record.watches.iter().filter_map(|watch| match watch {
        Watch::Place { place, .. } => Some((&place.path, false)),
        Watch::Glob { glob, .. } => Some((glob, true)),
        Watch::CargoConfig
        | Watch::ToolchainFile
        | Watch::Variable { .. }
        | Watch::Variables
        | Watch::Toolchain
        | Watch::Request => None,
    });
    let mut paths = may_climb.map(|path| (path, true)).chain(packed).chain(watched);
    paths
        .find(|(path, may_climb)| {
            is_of_some_machine(path, cfg!(windows)) || !may_climb && climbs(path)
        })
        .map(|(path, _)| format!("{:?} is a place of some machine", escape_controls(path)))
}

/// Whether the path ignores the folder that it is joined to, as an absolute path does. On Windows
/// this includes drives, and devices, whose names work in every folder: reading `CON` would wait
/// for somebody to type.
fn is_of_some_machine(path: &str, windows: bool) -> bool {
    let has_drive = || path.as_bytes().get(1) == Some(&b':');
    path.starts_with(['/', '\\'])
        || windows && (has_drive() || path.split(['/', '\\']).any(is_device))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fingerprint::Inputs;
    use crate::inputs::{Look, Part, Root};

    #[test]
    fn metadata_names_a_wheel_or_else_its_folder() {
        let of = |metadata: &str| named(metadata.as_bytes(), "a_b-1.0.dist-info");
        let pair = |name: &str, version: &str| (name.to_owned(), version.to_owned());
        assert_eq!(of("Metadata-Version: 2.4\nName: a-b\nVersion: 1.0\n"), pair("a-b", "1.0"));
        assert_eq!(of("Name: a-b\r\nVersion: 2.0\r\n\r\nName: no"), pair("a-b", "2.0"));
        assert_eq!(of("\nName: description\n"), pair("a_b", "1.0"));
        assert_eq!(of("\r\nName: description\r\n"), pair("a_b", "1.0"));
    }

    #[test]
    fn a_newer_record_is_told_from_a_broken_one() {
        let said = |bytes: &[u8]| {
            let error = read_record(Path::new("a.whl"), bytes).unwrap_err();
            format!("{error}; {}", error.hint().unwrap_or_default())
        };
        let newer = said(br#"{"wheelprint": 99, "more": [1]}"#);
        assert!(newer.contains("version 99") && newer.contains("version 1"), "{newer}");
        assert!(newer.contains("update wheelprint"), "{newer}");
        assert!(said(b"\x1b[31m").contains("not a wheelprint record"));
        assert!(said(b"{\"wheelprint\": 1}").contains("missing field"));
    }

    #[test]
    fn a_record_that_names_places_of_a_machine_is_refused() {
        let with = |root: &str, path: &str| {
            let crate_root = Root::Crate("a".into());
            let place = crate::inputs::Place { root: crate_root.clone(), path: path.into() };
            let watches = [Watch::at(Look::Content, Part::Rust, place)].into();
            let roots = [(crate_root, root.to_owned())].into();
            leads_astray(&Record::new(&Inputs::new(), watches, roots))
        };
        assert_eq!(with("../a", "src/lib.rs"), None);
        for (root, path) in [("/etc", "a"), (".", "../../a"), (".", "/etc/a"), ("\\\\host", "a")] {
            assert!(with(root, path).is_some(), "{root} {path}");
        }
    }

    #[test]
    fn paths_that_are_below_no_folder() {
        for (path, windows, is) in [
            ("src/lib.rs", true, false),
            ("/etc/a", false, true),
            (r"\\a", false, true),
            ("C:/a", true, true),
            ("C:a", true, true),
            // Elsewhere a name like any other.
            ("C:a", false, false),
            ("src/CON", true, true),
            (r"src\nul.txt", true, true),
            ("src/aux.rs", false, false),
            ("src/console.rs", true, false),
        ] {
            assert_eq!(is_of_some_machine(path, windows), is, "{path} {windows}");
        }
    }
}
