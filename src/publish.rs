//! Publish last (DESIGN D14): write beside, sync, rename. A process killed at any point leaves the
//! old file or the new one, and a new inode: what is mapped or linked elsewhere stays as it was.

use std::io::Write as _;
use std::path::Path;

use tempfile::{Builder, NamedTempFile};

pub mod private;

/// The start of every temporary name, so that leftovers can be told.
pub const TEMPORARY: &str = ".wheelprint-";

/// A temporary file in the folder of `path`, to be written and then [`persist`]ed.
///
/// # Errors
/// The folder can't be written to.
pub fn beside(path: &Path) -> std::io::Result<NamedTempFile> {
    let folder = path.parent().unwrap_or(Path::new("."));
    Builder::new().prefix(TEMPORARY).tempfile_in(folder)
}

/// Puts a written temporary file in its place, once the disk has it.
///
/// # Errors
/// The disk is full, or the place can't be written to; the temporary file is removed.
pub fn persist(file: NamedTempFile, path: &Path) -> std::io::Result<()> {
    file.as_file().sync_data()?;
    persist_unsynced(file, path)
}

/// The same for what can be made again, and is looked at before it is believed: a wheel of the
/// store, whose digest is known, or its copy, which is installed at once.
///
/// # Errors
/// As [`persist`].
pub fn persist_unsynced(file: NamedTempFile, path: &Path) -> std::io::Result<()> {
    file.persist(path).map_err(|error| error.error)?;
    Ok(())
}

/// Writes a small file whole.
///
/// # Errors
/// As [`beside`] and [`persist`].
pub fn bytes(path: &Path, bytes: &[u8]) -> std::io::Result<()> {
    let mut file = beside(path)?;
    file.write_all(bytes)?;
    persist_unsynced(file, path)
}

/// Replaces a file that people wrote: its permissions stay, and a symbolic link stays a link.
///
/// # Errors
/// It is not there, or as [`beside`] and [`persist`].
pub fn replace(path: &Path, bytes: &[u8]) -> std::io::Result<()> {
    let path = dunce::canonicalize(path)?;
    let permissions = fs_err::metadata(&path)?.permissions();
    let mut file = beside(&path)?;
    file.write_all(bytes)?;
    file.as_file().set_permissions(permissions)?;
    persist(file, &path)
}

/// Makes a temporary file readable as an ordinary new file would be; temporary files start private.
///
/// # Errors
/// The mode can't be set.
#[cfg(unix)]
pub fn share(file: &NamedTempFile) -> std::io::Result<()> {
    use std::os::unix::fs::PermissionsExt as _;
    file.as_file().set_permissions(std::fs::Permissions::from_mode(0o644))
}

/// On other systems a file's access is its folder's.
///
/// # Errors
/// None.
#[cfg(not(unix))]
pub fn share(_file: &NamedTempFile) -> std::io::Result<()> {
    Ok(())
}
