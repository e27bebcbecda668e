//! The path of another tree that pyo3 may contain.
//!
//! pyo3-build-config before 0.29 contains the path of its `OUT_DIR`, and so does every build script
//! and procedural macro that is built with it. It looks there for a configuration for cross
//! compiling, `TRIPLE/pyo3-build-config.txt`, when a build script runs. As long as there is no such
//! folder, the path has no effect. So pyo3 may come along, and each later build looks again.

use std::io::ErrorKind;
use std::path::{MAIN_SEPARATOR, Path, PathBuf};

use memchr::memmem;

const PACKAGE: &str = "pyo3-build-config";
/// More than the rest of a path after a target folder.
const LONGEST: usize = 500;

/// The `OUT_DIR` of pyo3-build-config that the text begins with. `below` are the bytes that are
/// known to be its beginning.
pub(super) fn folder(text: &[u8], below: usize) -> Option<PathBuf> {
    let text = &text[..text.len().min(below + LONGEST)];
    let package = below + memmem::find(&text[below..], PACKAGE.as_bytes())?;
    let out = format!("{MAIN_SEPARATOR}out");
    let end = package + memmem::find(&text[package..], out.as_bytes())? + out.len();
    let path = std::str::from_utf8(&text[..end]).ok()?;
    let is_path = !path.chars().any(char::is_control);
    is_path.then(|| path.into())
}

/// Whether there is a configuration for cross compiling. In doubt there is one.
pub(super) fn has_configuration(out: &Path) -> bool {
    match fs_err::read_dir(out) {
        Ok(entries) => entries.into_iter().any(|entry| {
            entry.and_then(|entry| entry.file_type()).map_or(true, |kind| !kind.is_file())
        }),
        Err(error) => error.kind() != ErrorKind::NotFound,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_folder_is_found_in_compiled_code() {
        let out = Path::new("/t/target/release/build/pyo3-build-config-1f/out");
        let text = format!("{}pyo3-build-config.txtimplementation=CPython", out.display());
        assert_eq!(folder(text.as_bytes(), 9).as_deref(), Some(out).filter(|_| cfg!(unix)));
        for other in ["/t/target/release/build/serde-1f/out", "/t/target\0pyo3-build-config/out"] {
            assert_eq!(folder(other.as_bytes(), 9), None, "{other}");
        }
    }

    #[test]
    fn a_configuration_is_a_folder_or_doubt() {
        let folder = tempfile::tempdir().unwrap();
        assert!(!has_configuration(&folder.path().join("none")));
        fs_err::write(folder.path().join("pyo3-build-config.txt"), "").unwrap();
        assert!(!has_configuration(folder.path()));
        assert!(has_configuration(&folder.path().join("pyo3-build-config.txt")));
        fs_err::create_dir(folder.path().join("aarch64-unknown-linux-gnu")).unwrap();
        assert!(has_configuration(folder.path()));
    }
}
