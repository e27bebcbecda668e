//! The files that maturin's binding generators read (cbindgen, uniffi, cffi).

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use super::cargo_metadata::Package;
use super::target::Target;
use super::{Look, MARKS, Part, Roots, Watch, normalize};
use crate::digest;

/// Watches for the files that the binding generators read when maturin calls them. `bindings` is the
/// kind of bindings that the project chose.
pub fn watches(bindings: Option<&str>, target: &Target, roots: &mut Roots) -> BTreeSet<Watch> {
    let Some(folder) = target.manifest.parent() else { return BTreeSet::new() };
    let mut paths = ["cbindgen.toml", "uniffi.toml"].map(|file| folder.join(file)).to_vec();
    let packages = target.local_packages();
    let names = |package: &Package, word: &str| {
        digest::text(&package.manifest_path).is_ok_and(|text| text.contains(word))
    };
    let is_uniffi = match bindings {
        Some(bindings) => bindings == "uniffi",
        None => packages.iter().any(|package| names(package, "uniffi")),
    };
    if is_uniffi {
        // uniffi-bindgen reads the settings of every crate that the library contains.
        paths.extend(packages.iter().map(|package| package.folder().join("uniffi.toml")));
    }
    let own = digest::text(&target.manifest).unwrap_or_default();
    let is_cffi = match bindings {
        Some(bindings) => bindings == "cffi",
        None => !own.contains("pyo3") && !own.contains("uniffi"),
    };
    if is_cffi {
        // maturin uses this header if it exists. Otherwise cbindgen reads all declared modules,
        // including those that rustc does not compile. With `parse_deps` it reads those of
        // dependencies, too.
        paths.extend(packages.iter().flat_map(|package| declared_modules(package, target)));
        paths.push(target.metadata.target_directory.join("header.h"));
    }
    let places = paths.iter().filter_map(|path| roots.name(path));
    places.map(|place| Watch::at(Look::Content, Part::Rust, place)).collect()
}

/// The files of all modules of a library that some source declares, including modules for other
/// platforms or features.
fn declared_modules(package: &Package, target: &Target) -> Vec<PathBuf> {
    let is_library = |kind: &String| kind.ends_with("lib");
    let library = package.targets.iter().find(|product| product.kind.iter().any(is_library));
    let Some(folder) = library.and_then(|library| library.src_path.parent()) else {
        return Vec::new();
    };
    // The folder can be the package's own, with the target folder and other packages below it.
    let is_source = |entry: &walkdir::DirEntry| {
        let has = |name: &str| entry.path().join(name).is_file();
        entry.depth() == 0
            || !entry.file_type().is_dir()
            || !(entry.file_name().as_encoded_bytes().starts_with(b".")
                || entry.path() == target.metadata.target_directory
                || entry.path() == target.build_root()
                || has("Cargo.toml")
                || MARKS.iter().any(|mark| has(mark)))
    };
    let files: Vec<PathBuf> = walkdir::WalkDir::new(folder)
        .into_iter()
        .filter_entry(is_source)
        .flatten()
        .map(walkdir::DirEntry::into_path)
        .filter(|path| path.extension().is_some_and(|extension| extension == "rs"))
        .collect();
    let texts: Vec<String> = files.iter().filter_map(|path| digest::text(path).ok()).collect();
    let is_declared = |path: &PathBuf| {
        let named = if path.ends_with("mod.rs") { path.parent() } else { Some(path.as_path()) };
        named.and_then(Path::file_stem).is_some_and(|stem| {
            let stem = stem.to_string_lossy();
            let declarations = [format!("mod {stem};"), format!("mod r#{stem};")];
            texts.iter().any(|text| declarations.iter().any(|it| text.contains(it)))
        })
    };
    let named = files.iter().flat_map(|file| modules_by_path(file));
    let named: Vec<PathBuf> = named.filter(|path| path.is_file()).collect();
    files.into_iter().filter(is_declared).chain(named).collect()
}

/// The places that `#[path]` may name in a source: beside the source, or in the folder of its
/// modules.
fn modules_by_path(source: &Path) -> Vec<PathBuf> {
    let text = digest::text(source).unwrap_or_default();
    let names = text.split("path").skip(1).filter_map(|rest| {
        let rest = rest.trim_start().strip_prefix('=')?.trim_start().strip_prefix('"')?;
        Some(rest.split('"').next()?.to_owned())
    });
    let folders = [source.parent().map(Path::to_owned), Some(source.with_extension(""))];
    names
        .filter(|name| Path::new(name).extension().is_some_and(|extension| extension == "rs"))
        .flat_map(|name| folders.clone().into_iter().flatten().map(move |it| it.join(&name)))
        .map(|path| normalize(&path))
        .collect()
}

#[cfg(test)]
mod tests {
    use fs_err as fs;

    use super::super::target::testing::target;
    use super::super::{Place, Root};
    use super::*;

    /// The paths of the watches for a project with these files, whose library and dependency are
    /// where `library` and `dependency` say.
    fn watched(bindings: Option<&str>, library: &str, files: &[(&str, &str)]) -> BTreeSet<String> {
        let folder = tempfile::tempdir().unwrap();
        let root = folder.path();
        for (name, text) in files {
            fs::create_dir_all(root.join(name).parent().unwrap()).unwrap();
            fs::write(root.join(name), text).unwrap();
        }
        let mut target = target(root);
        target.metadata.packages[0].targets[0].src_path = root.join(library);
        let dependency = serde_json::json!({
            "name": "dep",
            "manifest_path": root.join("dep/Cargo.toml"),
            "targets": [{ "name": "dep", "kind": ["lib"], "src_path": root.join("dep/src/lib.rs") }],
        });
        target.metadata.packages.push(serde_json::from_value(dependency).unwrap());
        let needed = serde_json::json!([{ "name": "dep", "kind": null, "path": root.join("dep") }]);
        target.metadata.packages[0].dependencies = serde_json::from_value(needed).unwrap();
        let mut roots = Roots::default();
        roots.add(Root::Project, root);
        let place_of = |watch: Watch| match watch {
            Watch::Place { place: Place { path, .. }, .. } => path,
            other => panic!("{other:?}"),
        };
        watches(bindings, &target, &mut roots).into_iter().map(place_of).collect()
    }

    #[test]
    fn settings_of_uniffi_count_beside_each_package() {
        let plain = ("Cargo.toml", "[dependencies]\npyo3 = '1'\n");
        let uniffi = ("dep/Cargo.toml", "[dependencies]\nuniffi = '1'\n");
        for (bindings, files, expected) in [
            (None, &[plain][..], false),
            (None, &[plain, uniffi], true),
            (Some("uniffi"), &[plain], true),
            (Some("pyo3"), &[plain, uniffi], false),
        ] {
            let found = watched(bindings, "src/lib.rs", files);
            assert!(found.contains("uniffi.toml"));
            assert_eq!(found.contains("dep/uniffi.toml"), expected, "{bindings:?} {files:?}");
        }
    }

    #[test]
    fn modules_that_rustc_leaves_out_count_wherever_they_are() {
        for (library, files, expected) in [
            (
                "src/lib.rs",
                &[
                    ("src/lib.rs", "#[cfg(windows)] mod win;\nmod deep;"),
                    ("src/win.rs", ""),
                    ("src/deep/mod.rs", "mod r#type;\nmod below;"),
                    ("src/deep/below.rs", ""),
                    ("src/deep/type.rs", ""),
                    ("src/scratch.rs", ""),
                ][..],
                &["src/deep/below.rs", "src/deep/mod.rs", "src/deep/type.rs", "src/win.rs"][..],
            ),
            (
                "rust/lib.rs",
                &[("rust/lib.rs", "#[cfg(windows)]\nmod win;"), ("rust/win.rs", "")],
                &["rust/win.rs"],
            ),
            (
                "lib.rs",
                &[
                    ("lib.rs", "#[cfg(windows)]\nmod win;"),
                    ("win.rs", ""),
                    ("target/win.rs", ""),
                    ("other/win.rs", ""),
                    ("other/Cargo.toml", ""),
                ],
                &["win.rs"],
            ),
            (
                "src/lib.rs",
                &[
                    (
                        "src/lib.rs",
                        "#[path = \"elsewhere.rs\"] mod win;\n#[cfg(any(), path = \"../up.rs\")] mod a;",
                    ),
                    ("src/elsewhere.rs", ""),
                    ("up.rs", ""),
                ],
                &["src/elsewhere.rs", "up.rs"],
            ),
            (
                "src/lib.rs",
                &[
                    ("src/a.rs", "#[path=\"b.rs\"] mod c;"),
                    ("src/a/b.rs", ""),
                    ("dep/src/lib.rs", "mod win;"),
                    ("dep/src/win.rs", ""),
                ],
                &["dep/src/win.rs", "src/a/b.rs"],
            ),
        ] {
            let mut found = watched(Some("cffi"), library, files);
            for always in ["cbindgen.toml", "uniffi.toml", "target/header.h"] {
                assert!(found.remove(always), "{always}");
            }
            let found: Vec<&str> = found.iter().map(String::as_str).collect();
            assert_eq!(found, expected, "{files:?}");
        }
    }
}
