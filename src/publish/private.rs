//! Folders that only the user can write to. wheelprint does not read or write in a folder that
//! others can write to: they could forge files there, or redirect writes through links.

use std::io::Result;
use std::path::Path;

/// Makes the base folder and its missing parents. The base folder may be a symlink, which the user
/// made.
///
/// # Errors
/// The folder cannot be made, or others can write to it.
pub fn make_base(folder: &Path) -> Result<()> {
    create(folder)?;
    check_base(folder)
}

/// Makes a folder inside the base folder. It must not be a symlink.
///
/// # Errors
/// The same as [`make_base`], or the folder is a link.
pub fn make(folder: &Path) -> Result<()> {
    create(folder)?;
    check(folder)
}

/// Checks the base folder. A missing folder passes the check.
///
/// # Errors
/// Others can write to the folder.
pub fn check_base(folder: &Path) -> Result<()> {
    judge(std::fs::metadata(folder))
}

/// Checks a folder inside the base folder.
///
/// # Errors
/// The same as [`check_base`], or the folder is a link.
pub fn check(folder: &Path) -> Result<()> {
    judge(std::fs::symlink_metadata(folder))
}

/// Creates the folder with mode 0700. The umask can only remove permissions from that.
fn create(folder: &Path) -> Result<()> {
    let mut builder = std::fs::DirBuilder::new();
    builder.recursive(true);
    #[cfg(unix)]
    std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
    builder.create(folder)
}

/// Opens a file in a private folder for writing at its end, and makes it if it is missing. A link in its
/// place is removed.
///
/// # Errors
/// The file can't be made or opened.
pub fn open(path: &Path) -> Result<std::fs::File> {
    if path.is_symlink() {
        // wheelprint makes no links here, so the link and its target are not ours.
        let _ = fs_err::remove_file(path);
    }
    let mut options = std::fs::OpenOptions::new();
    // Windows locks no file that can't be read.
    options.create(true).append(true).read(true);
    #[cfg(unix)]
    {
        use std::os::unix::fs::OpenOptionsExt as _;
        options.mode(0o600).custom_flags(rustix::fs::OFlags::NOFOLLOW.bits().cast_signed());
    }
    options.open(path)
}

fn judge(seen: Result<std::fs::Metadata>) -> Result<()> {
    let refused = |cause| Err(std::io::Error::new(std::io::ErrorKind::PermissionDenied, cause));
    match seen {
        Ok(seen) if seen.is_symlink() => refused("is a link, which wheelprint did not make"),
        Ok(seen) => whose(&seen).map_or(Ok(()), refused),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(()),
        Err(error) => Err(error),
    }
}

/// The reason why a folder is not trusted. Folders of the superuser are trusted, because root can
/// change everything anyway.
#[cfg(unix)]
fn whose(seen: &std::fs::Metadata) -> Option<&'static str> {
    use std::os::unix::fs::MetadataExt as _;
    if ![0, rustix::process::geteuid().as_raw()].contains(&seen.uid()) {
        Some("belongs to another user, and is not trusted")
    } else if seen.mode() & 0o002 != 0 {
        Some("anybody may write to it, and it is not trusted")
    } else {
        None
    }
}

/// On other systems (Windows) a user's folders already belong to that user, so nothing is checked.
#[cfg(not(unix))]
fn whose(_seen: &std::fs::Metadata) -> Option<&'static str> {
    None
}

#[cfg(all(test, unix))]
mod tests {
    use std::os::unix::fs::{PermissionsExt as _, symlink};

    use super::*;

    #[test]
    fn what_anybody_may_write_to_is_not_trusted() {
        let base = tempfile::tempdir().unwrap();
        let folder = base.path().join("a/b");
        make(&folder).unwrap();
        for folder in [&folder, &base.path().join("a")] {
            let mode = folder.metadata().unwrap().permissions().mode();
            assert_eq!(mode & 0o777, 0o700);
        }
        let link = base.path().join("link");
        symlink(&folder, &link).unwrap();
        assert!(make(&link).is_err() && check(&link).is_err());
        make_base(&link).unwrap();
        let mode = std::fs::Permissions::from_mode(0o777);
        std::fs::set_permissions(&folder, mode).unwrap();
        assert!(make(&folder).is_err() && make_base(&link).is_err());
        check(&base.path().join("none")).unwrap();
    }
}
