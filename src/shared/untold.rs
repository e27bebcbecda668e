//! Files that a build script may read without telling cargo.
//!
//! Neither cargo nor a record knows these files. An example is a header beside a C source that the
//! script names. On one machine, cargo itself misses a change of the header as long as its target
//! folder exists. Another machine has no target folder and would compile everything, so it must not
//! get a build with another header.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
#[cfg(unix)]
use std::time::Duration;
use std::time::SystemTime;

use fs_err as fs;

use crate::digest::{self, Tagged};
use crate::error::{Because as _, Cause, Result};
use crate::inputs::{Root, Roots, read_toml};

/// Folders of tools, and of what a build writes.
const FOLDERS: [&str; 4] = [".git", ".venv", "node_modules", "target"];
/// Names and endings of files that no build script compiles. Manifests and lock files are compared by
/// meaning, as inputs.
const NAMES: [&str; 4] = ["pyproject.toml", "uv.lock", "Cargo.toml", "Cargo.lock"];
const ENDINGS: [&str; 9] = ["py", "pyi", "pyc", "md", "rst", "so", "pyd", "dylib", "whl"];

/// The digest of the files that git may track in the packages of a project that have a build script, or are
/// procedural macros. `None` if there is no such package. Only the roots in a record (`named`) count: other
/// machines do not know the rest. `before`: the files must be older than this.
///
/// # Errors
/// A file can't be read, or was written since.
pub(crate) fn untold(
    roots: &Roots,
    named: &BTreeMap<Root, String>,
    before: Option<SystemTime>,
) -> Result<Option<String>, Cause> {
    let mut tagged = Tagged::new("shared untold 1");
    let mut is_empty = true;
    for (root, folder) in roots.iter() {
        if !root.is_of_sources() || !named.contains_key(root) || !runs_at_build(folder) {
            continue;
        }
        is_empty = false;
        tagged.field("package", &root.to_string());
        for path in files(folder)? {
            if let Some(before) = before
                && last_change(&fs::metadata(&path)?)? > before
            {
                return Err(format!("{} was written during the build", path.display()).into());
            }
            let name = path.strip_prefix(folder).unwrap_or(&path);
            let parts: Vec<_> = name.iter().map(|part| part.to_string_lossy()).collect();
            tagged.field("path", &parts.join("/"));
            tagged.field("digest", &digest::file(&path)?);
        }
    }
    Ok((!is_empty).then(|| tagged.finish()))
}

/// When the content or the name of a file changed last. A file that is moved here keeps the time of its
/// content.
fn last_change(meta: &std::fs::Metadata) -> std::io::Result<SystemTime> {
    let modified = meta.modified()?;
    #[cfg(unix)]
    {
        use std::os::unix::fs::MetadataExt as _;
        let changed = Duration::new(
            meta.ctime().max(0).cast_unsigned(),
            u32::try_from(meta.ctime_nsec()).unwrap_or_default(),
        );
        Ok(modified.max(SystemTime::UNIX_EPOCH + changed))
    }
    #[cfg(not(unix))]
    Ok(modified)
}

/// Has the package code that cargo runs?
fn runs_at_build(folder: &Path) -> bool {
    let Some(manifest) = read_toml(&folder.join("Cargo.toml")) else { return false };
    let of = |table: &str, key: &str| manifest.get(table).and_then(|it| it.get(key));
    let is_macro = ["proc-macro", "proc_macro"]
        .iter()
        .any(|key| of("lib", key).and_then(toml::Value::as_bool) == Some(true));
    let has_script = match of("package", "build") {
        Some(toml::Value::Boolean(has)) => *has,
        Some(_) => true,
        None => folder.join("build.rs").is_file(),
    };
    is_macro || has_script
}

fn files(folder: &Path) -> Result<Vec<PathBuf>, Cause> {
    let top = folder.to_owned();
    let is_wanted = move |entry: &ignore::DirEntry| {
        let name = entry.file_name().to_string_lossy();
        let is_folder = entry.file_type().is_some_and(|kind| kind.is_dir());
        let is_another = || entry.path() != top && entry.path().join("Cargo.toml").exists();
        if is_folder {
            return !FOLDERS.contains(&&*name) && !is_another();
        }
        let ending = Path::new(&*name).extension().map(|ending| ending.to_string_lossy());
        !NAMES.contains(&&*name) && !ending.is_some_and(|ending| ENDINGS.contains(&&*ending))
    };
    let mut walk = ignore::WalkBuilder::new(folder);
    // Files of the project alone decide, so that each machine sees the same.
    walk.hidden(false).ignore(false).git_global(false).git_exclude(false).require_git(false);
    let mut found = Vec::new();
    for entry in walk.filter_entry(is_wanted).build() {
        let path = entry.because("files of a build script")?.into_path();
        if path.is_file() {
            found.push(path);
        }
    }
    found.sort();
    Ok(found)
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    const SCRIPT: [(&str, &str); 4] = [
        ("Cargo.toml", "[package]\nname = 'a'"),
        ("build.rs", "fn main() {}"),
        ("c/a.h", "one"),
        (".gitignore", "*.ignored"),
    ];

    fn digest_of(files: &[(&str, &str)]) -> Option<String> {
        let folder = tempfile::tempdir().unwrap();
        for (name, text) in files {
            let path = folder.path().join(name);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, text).unwrap();
        }
        let mut roots = Roots::default();
        roots.add(Root::Project, folder.path());
        untold(&roots, &project(), None).unwrap()
    }

    /// The roots of a record that names the project alone.
    fn project() -> BTreeMap<Root, String> {
        BTreeMap::from([(Root::Project, ".".to_owned())])
    }

    #[test]
    fn a_package_that_the_record_does_not_name_does_not_count() {
        let folder = tempfile::tempdir().unwrap();
        fs::write(folder.path().join("Cargo.toml"), "[lib]\nproc-macro = true").unwrap();
        let mut roots = Roots::default();
        roots.add(Root::Crate("vendored".into()), folder.path());
        assert_eq!(untold(&roots, &project(), None).unwrap(), None);
    }

    #[test]
    fn all_that_a_build_script_may_read_counts() {
        let with = |more: &[(&str, &str)]| digest_of(&[&SCRIPT[..], more].concat()).unwrap();
        let plain = with(&[]);
        for same in [
            ("python/a/__init__.py", ""),
            ("README.md", ""),
            ("target/out.h", ""),
            ("x.ignored", ""),
            ("Cargo.toml", "[package]\nname = 'a' # a"),
        ] {
            assert_eq!(with(&[same]), plain, "{same:?}");
        }
        assert_eq!(with(&[("crates/b/Cargo.toml", ""), ("crates/b/b.h", "")]), plain);
        for other in [("c/a.h", "two"), (".dotfile", ""), ("query.sql", "")] {
            assert_ne!(with(&[other]), plain, "{other:?}");
        }
    }

    #[test]
    fn a_package_without_code_for_the_build_reads_nothing() {
        let of = |manifest: &str, script: &str| {
            digest_of(&[("Cargo.toml", manifest), (script, ""), ("a.h", "")])
        };
        assert!(of("[package]", "src/lib.rs").is_none());
        assert!(of("[package]\nbuild = false", "build.rs").is_none());
        assert!(of("[package]\nbuild = 'make.rs'", "make.rs").is_some());
        assert!(of("[lib]\nproc-macro = true", "src/lib.rs").is_some());
    }

    #[test]
    fn a_file_that_was_written_meanwhile_is_an_error() {
        let folder = tempfile::tempdir().unwrap();
        for (name, text) in SCRIPT.iter().filter(|(name, _)| !name.contains('/')) {
            fs::write(folder.path().join(name), text).unwrap();
        }
        let mut roots = Roots::default();
        roots.add(Root::Project, folder.path());
        let now = SystemTime::now();
        assert!(untold(&roots, &project(), Some(now + Duration::from_secs(60))).is_ok());
        let error = untold(&roots, &project(), Some(now - Duration::from_secs(60))).unwrap_err();
        assert!(error.to_string().contains("was written during the build"), "{error}");
    }
}
