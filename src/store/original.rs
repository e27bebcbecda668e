//! The pyproject.toml as it was before `wheelprint init`, for `wheelprint init --undo`.
//!
//! The name of `init/HASH` depends on the project's root and on the text that `init` wrote. So the
//! original is given only to a project that still has exactly that text.

use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use super::shared::ORIGINALS;
use super::{FOLDER, base_folder, make_store, name_of, trusted_folder};
use crate::digest::Tagged;
use crate::error::{PathContext as _, Result};
use crate::publish::{private, sealed};
use crate::request::Environment;

#[derive(Serialize, Deserialize)]
struct Kept {
    /// The file's name. So a file that was moved to another name is rejected.
    name: String,
    text: String,
}

/// Keeps the original of a file that is about to be written. Does nothing if there is no cache
/// folder.
///
/// # Errors
/// The cache folder can't be written to.
pub(crate) fn keep(
    environment: &Environment,
    root: &Path,
    written: &str,
    original: &str,
) -> Result<()> {
    let Some(path) = place(environment, root, written) else { return Ok(()) };
    let folder = path.parent().unwrap_or(&path);
    make_store(folder.parent().unwrap_or(folder))?;
    private::make(folder).at(folder)?;
    sealed::write(&path, &Kept { name: name_of(&path), text: original.to_owned() }).at(path)
}

/// The original of a text that `init` wrote; `None` if it is unknown or damaged.
pub(crate) fn find(environment: &Environment, root: &Path, written: &str) -> Option<String> {
    trusted_folder(environment)?;
    let path = place(environment, root, written)?;
    private::check(path.parent()?).ok()?;
    let kept: Kept = sealed::read(&path).ok()?;
    (kept.name == name_of(&path)).then_some(kept.text)
}

fn place(environment: &Environment, root: &Path, written: &str) -> Option<PathBuf> {
    let root = dunce::canonicalize(root).unwrap_or_else(|_| root.to_owned());
    let mut tagged = Tagged::new("original");
    tagged.field("root", &root.to_string_lossy());
    tagged.field("written", written);
    let folder = base_folder(environment)?.join(FOLDER).join(ORIGINALS);
    Some(folder.join(&tagged.finish()[..32]))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_very_text_of_the_very_project_has_an_original() {
        let folder = tempfile::tempdir().unwrap();
        let mut environment = Environment::default();
        environment.set("WHEELPRINT_CACHE_DIR", folder.path().join("cache").as_os_str());
        let (root, other) = (folder.path().join("a"), folder.path().join(""));
        assert_eq!(find(&environment, &root, "new"), None);
        keep(&environment, &root, "new", "old\n").unwrap();
        assert_eq!(find(&environment, &root, "new").unwrap(), "old\n");
        assert_eq!(find(&environment, &root, "newer"), None);
        assert_eq!(find(&environment, &other, "new"), None);
        let path = place(&environment, &root, "new").unwrap();
        #[cfg(unix)]
        {
            use std::os::unix::fs::PermissionsExt as _;
            let mode = |path: &Path| path.metadata().unwrap().permissions().mode() & 0o777;
            assert_eq!(mode(&path), 0o600);
            assert_eq!(mode(path.parent().unwrap()), 0o700);
        }
        keep(&environment, &other, "new", "another project's").unwrap();
        fs_err::copy(place(&environment, &other, "new").unwrap(), &path).unwrap();
        assert_eq!(find(&environment, &root, "new"), None);
        fs_err::write(&path, "damaged\nold").unwrap();
        assert_eq!(find(&environment, &root, "new"), None);
    }
}
