//! The pyproject.toml as it was before `wheelprint init`, for `wheelprint init --undo`.
//!
//! The name of `init/HASH` depends on the project's root and on the text that `init` wrote. So the
//! original is given only to a project that still has exactly that text. The file begins with a
//! digest of its name and the original.

use std::path::{Path, PathBuf};

use crate::digest::{self, Tagged};
use crate::error::{PathContext as _, Result};
use crate::publish::{self, private};
use crate::request::Environment;

/// Keeps the original of a file that is about to be written. Does nothing if there is no cache
/// folder.
///
/// # Errors
/// The cache folder can't be written to.
pub fn keep(environment: &Environment, root: &Path, written: &[u8], original: &[u8]) -> Result<()> {
    let Some(path) = place(environment, root, written) else { return Ok(()) };
    let folder = path.parent().unwrap_or(&path);
    let base = folder.parent().unwrap_or(folder);
    private::make_base(base).at(base)?;
    private::make(folder).at(folder)?;
    let kept = [sum(&path, original).as_bytes(), b"\n", original].concat();
    publish::bytes(&path, &kept).at(path)
}

/// The original of a text that `init` wrote; `None` if it is unknown or damaged.
pub fn find(environment: &Environment, root: &Path, written: &[u8]) -> Option<Vec<u8>> {
    super::trusted_base(environment)?;
    let path = place(environment, root, written)?;
    private::check(path.parent()?).ok()?;
    let kept = fs_err::read(&path).ok()?;
    let newline = kept.iter().position(|byte| *byte == b'\n')?;
    let (said, original) = (&kept[..newline], &kept[newline + 1..]);
    (sum(&path, original).as_bytes() == said).then(|| original.to_owned())
}

/// Digest of the original and the file's name. So a file that was moved to another name is
/// rejected.
fn sum(path: &Path, original: &[u8]) -> String {
    let mut tagged = Tagged::new("kept original");
    tagged.field("name", &path.file_name().unwrap_or_default().to_string_lossy());
    tagged.field("original", &digest::bytes(original));
    tagged.finish()
}

fn place(environment: &Environment, root: &Path, written: &[u8]) -> Option<PathBuf> {
    let root = dunce::canonicalize(root).unwrap_or_else(|_| root.to_owned());
    let mut tagged = Tagged::new("original");
    tagged.field("root", &root.to_string_lossy());
    tagged.field("written", &digest::bytes(written));
    Some(super::base_folder(environment)?.join("init").join(&tagged.finish()[..32]))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_very_text_of_the_very_project_has_an_original() {
        let folder = tempfile::tempdir().unwrap();
        let mut environment = Environment::default();
        environment.set("WHEELPRINT_CACHE_DIR", folder.path().join("cache").as_os_str());
        let (root, other) = (folder.path().join("a"), folder.path().join("b"));
        assert_eq!(find(&environment, &root, b"new"), None);
        keep(&environment, &root, b"new", b"old\n\xff").unwrap();
        assert_eq!(find(&environment, &root, b"new").unwrap(), b"old\n\xff");
        assert_eq!(find(&environment, &root, b"newer"), None);
        assert_eq!(find(&environment, &other, b"new"), None);
        let path = place(&environment, &root, b"new").unwrap();
        #[cfg(unix)]
        {
            use std::os::unix::fs::PermissionsExt as _;
            let mode = |path: &Path| path.metadata().unwrap().permissions().mode() & 0o777;
            assert_eq!(mode(&path), 0o600);
            assert_eq!(mode(path.parent().unwrap()), 0o700);
        }
        keep(&environment, &other, b"new", b"another project's").unwrap();
        fs_err::copy(place(&environment, &other, b"new").unwrap(), &path).unwrap();
        assert_eq!(find(&environment, &root, b"new"), None);
        fs_err::write(&path, b"damaged\nold").unwrap();
        assert_eq!(find(&environment, &root, b"new"), None);
    }
}
