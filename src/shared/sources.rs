//! The list of builds of the same Rust sources.

use std::path::{Path, PathBuf};

use crate::digest::{self, Tagged};
use crate::inputs::{MARKS, read_toml};

/// More sources than this have no list of their own: to read them would take too long.
const MOST: usize = 20_000;

/// Names the list of the builds of a request that have these Rust sources. `None` if the sources can't be
/// read, or are too many.
///
/// It is a hint. It says nothing of other inputs, and sources that do not count are in it. So the record of
/// each build is compared, and the recent builds of a request have a list, too. `manifest`: the Cargo.toml
/// of the package.
pub(crate) fn list_of_sources(request: &str, manifest: &Path) -> Option<String> {
    let top = top_folder(manifest)?;
    let mut tagged = Tagged::new("shared sources 1");
    tagged.field("request", request);
    let mut sources = sources(&top)?;
    sources.sort();
    for name in sources {
        // The same on each system.
        let path: Vec<_> = name.iter().map(|part| part.to_string_lossy()).collect();
        tagged.field("path", &path.join("/"));
        // Not through the digests that this process knows: a build must see its files anew.
        tagged.field("digest", &digest::file(&top.join(&name)).ok()?);
    }
    Some(tagged.finish())
}

/// The folder of the workspace, or of the package if it is alone.
fn top_folder(manifest: &Path) -> Option<PathBuf> {
    let is_workspace = |folder: &&Path| {
        read_toml(&folder.join("Cargo.toml")).is_some_and(|table| table.contains_key("workspace"))
    };
    let own = manifest.parent()?;
    Some(own.ancestors().find(is_workspace).unwrap_or(own).to_path_buf())
}

/// The paths of the sources, from the folder on. What a tool wrote is left out.
fn sources(top: &Path) -> Option<Vec<PathBuf>> {
    let is_wanted = |entry: &walkdir::DirEntry| {
        let name = entry.file_name().to_string_lossy();
        let is_written = || MARKS.iter().any(|mark| entry.path().join(mark).exists());
        entry.depth() == 0
            || !entry.file_type().is_dir()
            || !(name.starts_with('.')
                || name == "target"
                || name == "node_modules"
                || is_written())
    };
    let mut found = Vec::new();
    for entry in walkdir::WalkDir::new(top).into_iter().filter_entry(is_wanted) {
        let path = entry.ok()?.into_path();
        let is_source = path.extension().is_some_and(|extension| extension == "rs");
        if is_source && path.is_file() {
            found.push(path.strip_prefix(top).ok()?.to_path_buf());
        }
        if found.len() > MOST {
            return None;
        }
    }
    Some(found)
}

#[cfg(test)]
mod tests {
    use fs_err as fs;

    use super::*;

    fn tree(files: &[(&str, &str)]) -> tempfile::TempDir {
        let folder = tempfile::tempdir().unwrap();
        for (name, text) in files {
            let path = folder.path().join(name);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, text).unwrap();
        }
        folder
    }

    #[test]
    fn a_list_is_of_the_sources_of_the_whole_workspace() {
        const SOURCES: [(&str, &str); 4] = [
            ("Cargo.toml", "[workspace]\nmembers = ['a', 'b']"),
            ("a/Cargo.toml", "[package]\nname = 'a'"),
            ("a/src/lib.rs", "// a"),
            ("b/src/lib.rs", "// b"),
        ];
        let list = |files: &[(&str, &str)]| {
            let folder = tree(&[&SOURCES[..], files].concat());
            list_of_sources("request", &folder.path().join("a/Cargo.toml")).unwrap()
        };
        let plain = list(&[]);
        let written = [
            ("target/debug/build/out.rs", ""),
            ("a/.venv/x.rs", ""),
            ("cache/CACHEDIR.TAG", ""),
            ("cache/x.rs", ""),
            ("Cargo.lock", "another"),
            ("a/README.md", "another"),
        ];
        assert_eq!(list(&written), plain);
        for changed in [("b/src/lib.rs", "// c"), ("b/src/new.rs", ""), ("a/src/lib.rs", "")] {
            assert_ne!(list(&[changed]), plain, "{changed:?}");
        }
        // A file that changed its name is another source.
        assert_ne!(list(&[("b/src/other.rs", "")]), list(&[("b/src/new.rs", "")]));
    }

    #[test]
    fn a_package_alone_has_the_sources_of_its_folder() {
        let folder = tree(&[("a/Cargo.toml", ""), ("a/src/lib.rs", ""), ("b/src/lib.rs", "")]);
        let manifest = folder.path().join("a/Cargo.toml");
        let list = |request| list_of_sources(request, &manifest).unwrap();
        let before = list("one");
        assert_ne!(list("other"), before);
        fs::write(folder.path().join("b/src/lib.rs"), "// b").unwrap();
        assert_eq!(list("one"), before);
    }
}
