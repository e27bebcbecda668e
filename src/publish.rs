//! Writing a file so that no incomplete file is ever visible (docs/design.md, D14): write a
//! temporary file beside it, sync, rename. If a process is killed at any point, either the old or
//! the new file remains. The new file has a new inode, so mapped or hard-linked copies of the old
//! file keep their content.

use std::io::{Error, Write as _};
use std::path::Path;
use std::time::Duration;

use crate::error;
use tempfile::{Builder, NamedTempFile, PersistError};

pub mod private;
pub mod sealed;

/// The prefix of every temporary name, by which leftovers are recognised.
pub const TEMPORARY: &str = ".wheelprint-";

/// Makes a temporary file in the folder of `path`. Write to it, then call [`persist_synced`].
///
/// # Errors
/// The folder cannot be written to.
pub fn beside(path: &Path) -> std::io::Result<NamedTempFile> {
    let folder = path.parent().unwrap_or(Path::new("."));
    Builder::new().prefix(TEMPORARY).tempfile_in(folder)
}

/// Syncs a temporary file to disk, then renames it to `path`.
///
/// # Errors
/// The disk is full, or `path` cannot be written to. The temporary file is removed.
pub fn persist_synced(file: NamedTempFile, path: &Path) -> std::io::Result<()> {
    file.as_file().sync_data()?;
    persist_unsynced(file, path)
}

/// Like [`persist_synced`], but without the sync. Only for files that can be made again and are checked
/// before use: a stored wheel, whose digest is known, or its copy, which is installed at once.
///
/// # Errors
/// The same as [`persist_synced`].
pub fn persist_unsynced(file: NamedTempFile, path: &Path) -> std::io::Result<()> {
    replaced(file, is_in_use, &WAITS, |file| file.persist(path).map(drop))
}

/// Replaces the target, and retries while another program has it open. The old file stays intact
/// until it is replaced.
fn replaced(
    file: NamedTempFile,
    is_in_use: impl Fn(&Error) -> bool,
    waits: &[Duration],
    mut replace: impl FnMut(NamedTempFile) -> Result<(), PersistError>,
) -> std::io::Result<()> {
    let mut file = Some(file);
    let done = retried(&is_in_use, waits, || {
        let Some(given) = file.take() else { return Ok(()) };
        replace(given).map_err(|failed| {
            file = Some(failed.file);
            failed.error
        })
    });
    done.map_err(|error| if is_in_use(&error) { with_what_to_do(&error) } else { error })
}

/// Adds advice to the error. Callers print the path before this text.
fn with_what_to_do(error: &Error) -> Error {
    let text = format!(
        "it can't be replaced while another program has it open, or has loaded it; end that program \
         (an editor, a running Python) and try again: {error}"
    );
    Error::new(error.kind(), text)
}

/// How long to wait for a file that another program has open. A virus scanner, an indexer or
/// another build may read a new file for some milliseconds. The sum is half a second.
const WAITS: [Duration; 6] = [
    Duration::from_millis(5),
    Duration::from_millis(15),
    Duration::from_millis(40),
    Duration::from_millis(80),
    Duration::from_millis(160),
    Duration::from_millis(200),
];

/// Whether the file cannot be replaced only because a program has it open. Systems other than
/// Windows can replace open files.
fn is_in_use(error: &Error) -> bool {
    cfg!(windows) && error.raw_os_error().is_some_and(is_in_use_on_windows)
}

/// The codes of `ERROR_ACCESS_DENIED` (Windows also reports it for an open target),
/// `ERROR_SHARING_VIOLATION`, `ERROR_LOCK_VIOLATION` and `ERROR_USER_MAPPED_FILE`.
fn is_in_use_on_windows(code: i32) -> bool {
    [5, 32, 33, 1224].contains(&code)
}

/// Runs `attempt`, and again after each wait as long as `may_help` accepts the error.
fn retried(
    may_help: impl Fn(&Error) -> bool,
    waits: &[Duration],
    mut attempt: impl FnMut() -> std::io::Result<()>,
) -> std::io::Result<()> {
    for wait in waits {
        match attempt() {
            Err(error) if may_help(&error) => std::thread::sleep(*wait),
            done => return done,
        }
    }
    attempt()
}

/// Writes a small file by rename, without a sync.
///
/// # Errors
/// The same as [`beside`] and [`persist_synced`].
pub fn bytes(path: &Path, bytes: &[u8]) -> std::io::Result<()> {
    let mut file = beside(path)?;
    file.write_all(bytes)?;
    persist_unsynced(file, path)
}

/// Replaces a file that the user wrote. Its permissions stay, and a symbolic link stays a link.
///
/// # Errors
/// The file does not exist; Windows says that it is read-only, as a program for versions leaves a file
/// that is not checked out; or the errors of [`beside`] and [`persist_synced`].
pub fn replace(path: &Path, bytes: &[u8]) -> std::io::Result<()> {
    let path = dunce::canonicalize(path)?;
    let permissions = fs_err::metadata(&path)?.permissions();
    if cfg!(windows) && permissions.readonly() {
        return Err(Error::new(std::io::ErrorKind::PermissionDenied, "it is read-only"));
    }
    let mut file = beside(&path)?;
    file.write_all(bytes)?;
    file.as_file().set_permissions(permissions)?;
    persist_synced(file, &path)
}

/// A temporary folder that only the user can read.
///
/// # Errors
/// The folder for temporary files can't be written to.
pub(crate) fn temporary_folder() -> error::Result<tempfile::TempDir> {
    let mut builder = tempfile::Builder::new();
    builder.prefix("wheelprint-");
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt as _;
        builder.permissions(std::fs::Permissions::from_mode(0o700));
    }
    builder.tempdir().map_err(|error| error::Error::io("temporary folder", &error))
}

/// Removes a file, a folder with its content, or a link. The target of a link stays.
///
/// # Errors
/// The path does not exist, or cannot be removed.
pub fn remove(path: &Path) -> std::io::Result<()> {
    let meta = fs_err::symlink_metadata(path)?;
    if meta.is_dir() {
        return fs_err::remove_dir_all(path);
    }
    // On Windows a link to a folder, or a junction, is removed like a folder.
    fs_err::remove_file(path)
        .or_else(|error| if meta.is_symlink() { fs_err::remove_dir(path) } else { Err(error) })
}

/// Whether some system takes this name for `.git`: names differ in case, and Windows drops dots and
/// spaces at the end, has short names (`git~1`), and names streams after a colon. macOS leaves out
/// characters without width.
pub(crate) fn is_git_folder(name: &str) -> bool {
    let has_width = |it: &char| !matches!(it, '\u{200c}'..='\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{206a}'..='\u{206f}' | '\u{feff}');
    let name: String = name.chars().filter(has_width).collect();
    let name = name.split(':').next().unwrap_or_default();
    let name = name.trim_end_matches(['.', ' ']);
    [".git", "git~1"].iter().any(|git| name.eq_ignore_ascii_case(git))
}

/// Makes a link to a folder that needs no privilege; on Windows this is a junction. Returns false
/// if the link cannot be made: Wine has no junctions.
#[cfg(test)]
pub fn link_to_folder(target: &Path, link: &Path) -> bool {
    #[cfg(unix)]
    fs_err::os::unix::fs::symlink(target, link).unwrap();
    #[cfg(windows)]
    let _ = junction::create(target, link);
    link.is_symlink()
}

/// Gives a temporary file the permissions of an ordinary new file. Temporary files start private.
/// On other systems than Unix the folder decides who can access the file.
///
/// # Errors
/// The mode cannot be set.
#[cfg_attr(not(unix), expect(unused_variables))]
pub fn share(file: &NamedTempFile) -> std::io::Result<()> {
    #[cfg(unix)]
    file.as_file().set_permissions(std::os::unix::fs::PermissionsExt::from_mode(0o644))?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_stays_in_use_is_left_whole_and_named() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("module.pyd");
        bytes(&path, b"old").unwrap();
        for (code, is_in_use, tries) in [(32, true, 3), (5, true, 3), (112, false, 1)] {
            let mut file = beside(&path).unwrap();
            file.write_all(b"new").unwrap();
            let mut count = 0;
            let may_help = |error: &Error| error.raw_os_error().is_some_and(is_in_use_on_windows);
            let error = replaced(file, may_help, &[Duration::ZERO; 2], |file| {
                count += 1;
                Err(PersistError { error: Error::from_raw_os_error(code), file })
            })
            .unwrap_err();
            assert_eq!(count, tries, "{code}");
            let said = crate::error::Error::io(&path, &error).to_string();
            assert!(said.starts_with(&path.display().to_string()), "{said}");
            assert_eq!(said.contains("end that program"), is_in_use, "{said}");
            assert!(said.contains(&format!("(os error {code})")), "{said}");
            assert_eq!(fs_err::read(&path).unwrap(), b"old");
            assert_eq!(fs_err::read_dir(folder.path()).unwrap().count(), 1);
        }
    }

    #[test]
    fn what_a_link_leads_to_stays() {
        let folder = tempfile::tempdir().unwrap();
        let kept = folder.path().join("kept");
        fs_err::create_dir(&kept).unwrap();
        fs_err::write(kept.join("file"), "").unwrap();
        let (link, above) = (folder.path().join("link"), folder.path().join("above"));
        fs_err::create_dir(&above).unwrap();
        if !link_to_folder(&kept, &link) || !link_to_folder(&kept, &above.join("link")) {
            return;
        }
        assert!(link.is_dir());
        for path in [link, above, kept.join("file"), kept.clone()] {
            assert!(kept.is_dir());
            remove(&path).unwrap();
            assert!(!path.exists() && !path.is_symlink(), "{}", path.display());
        }
        assert!(remove(&kept).is_err());
    }

    #[test]
    fn what_is_in_use_is_tried_again() {
        // Number of failures, error code, expected attempts, and whether the last attempt works.
        for (failures, code, tried, works) in [
            (0, 32, 1, true),
            (1, 32, 2, true),
            (2, 5, 3, true),
            (3, 1224, 3, false),
            (1, 112, 1, false),
        ] {
            let mut count = 0;
            let done = retried(
                |error| error.raw_os_error().is_some_and(is_in_use_on_windows),
                &[Duration::ZERO; 2],
                || {
                    count += 1;
                    if count > failures { Ok(()) } else { Err(Error::from_raw_os_error(code)) }
                },
            );
            assert_eq!((count, done.is_ok()), (tried, works), "{failures} times {code}");
        }
    }

    #[test]
    fn a_file_that_is_open_for_a_moment_is_replaced() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("file");
        bytes(&path, b"old").unwrap();
        let open = fs_err::File::open(&path).unwrap();
        std::thread::scope(|scope| {
            scope.spawn(|| {
                std::thread::sleep(Duration::from_millis(30));
                drop(open);
            });
            bytes(&path, b"new").unwrap();
        });
        assert_eq!(fs_err::read(&path).unwrap(), b"new");
        assert_eq!(fs_err::read_dir(folder.path()).unwrap().count(), 1);
    }
}
