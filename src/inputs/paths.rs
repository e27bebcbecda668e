//! Paths as text: with `/`, relative to a folder, without dots and without the verbatim prefix of
//! Windows.

use std::path::{Component, Path, PathBuf};

/// A relative path with `/` between its parts; `None` if it is not UTF-8.
pub fn slashed(path: &Path) -> Option<String> {
    let parts: Option<Vec<&str>> =
        path.components().map(|part| part.as_os_str().to_str()).collect();
    Some(parts?.join("/"))
}

/// The relative path from a folder to a path, with `/`. `None` if there is none, or if it is not
/// UTF-8.
pub fn relative(from: &Path, to: &Path) -> Option<String> {
    let (from, to): (Vec<Component>, Vec<Component>) =
        (from.components().collect(), to.components().collect());
    let shared = from.iter().zip(&to).take_while(|(a, b)| a == b).count();
    if shared == 0 {
        return None;
    }
    let mut parts = vec!["..".to_owned(); from.len() - shared];
    for part in &to[shared..] {
        parts.push(part.as_os_str().to_str()?.to_owned());
    }
    Some(if parts.is_empty() { ".".to_owned() } else { parts.join("/") })
}

/// The part of `path` below `folder`; `None` if `path` is not below `folder`.
///
/// On some file systems a folder has several names: they ignore case, or treat both spellings of
/// `é` as equal. This depends on the file system, not on the operating system. So two names that
/// may be the same are compared with `is_same`, which asks the file system.
pub(super) fn below<'a>(
    path: &'a Path,
    folder: &Path,
    is_same: impl Fn(&Path, &Path) -> bool,
) -> Option<&'a Path> {
    let mut parts = path.components();
    let (mut here, mut there) = (PathBuf::new(), PathBuf::new());
    for wanted in folder.components() {
        let part = parts.next()?;
        here.push(part);
        there.push(wanted);
        if part != wanted && !(may_be_one_name(part, wanted) && is_same(&here, &there)) {
            return None;
        }
    }
    Some(parts.as_path())
}

fn may_be_one_name(one: Component, other: Component) -> bool {
    let (one, other) = (one.as_os_str(), other.as_os_str());
    one.eq_ignore_ascii_case(other) || !(one.is_ascii() || other.is_ascii())
}

/// Whether two paths are names of one folder and neither path is a symlink. A symlink is excluded
/// because its target may change.
pub(super) fn is_one_folder(one: &Path, other: &Path) -> bool {
    !one.is_symlink() && !other.is_symlink() && same_file::is_same_file(one, other).unwrap_or(false)
}

/// Removes `.` and `..` from a path without asking the file system, as cargo does. So a symlink in
/// the path is kept. On Windows a verbatim path becomes the plain path of the same file, because
/// build scripts often use `canonicalize` for the paths they watch.
pub fn normalize(path: &Path) -> PathBuf {
    let plain = if cfg!(windows) { path.to_str().and_then(without_verbatim) } else { None };
    let mut normal = PathBuf::new();
    for part in plain.as_deref().map_or(path, Path::new).components() {
        match part {
            Component::CurDir => {}
            Component::ParentDir => match normal.components().next_back() {
                // The root has no parent.
                Some(Component::RootDir | Component::Prefix(_)) => {}
                Some(Component::Normal(_)) => {
                    normal.pop();
                }
                _ => normal.push(".."),
            },
            other => normal.push(other),
        }
    }
    normal
}

/// The plain form of a verbatim path: `\\?\C:\a` is `C:\a`, and `\\?\UNC\server\share` is
/// `\\server\share`. `None` if there is no plain form, because Windows would read a name as a
/// device or shorten it.
fn without_verbatim(path: &str) -> Option<String> {
    let rest = path.strip_prefix(r"\\?\")?;
    let (start, names) = match rest.strip_prefix(r"UNC\") {
        Some(names) => (r"\\", names),
        None if rest.as_bytes().get(1..3) == Some(br":\".as_slice()) => rest.split_at(3),
        None => return None,
    };
    let is_plain = |name: &str| {
        !is_device(name) && !name.ends_with(['.', ' ']) && !name.contains(['/', ':', '*', '?', '"'])
    };
    names.split('\\').all(is_plain).then(|| format!("{start}{names}"))
}

/// Whether Windows reserves this name for a device. It does so in any folder and with any
/// extension.
pub fn is_device(name: &str) -> bool {
    let stem = name.split('.').next().unwrap_or_default().trim_end().to_ascii_uppercase();
    let is_numbered = |kind: &str| {
        stem.strip_prefix(kind).is_some_and(|rest| {
            let mut chars = rest.chars();
            matches!(chars.next(), Some('1'..='9' | '¹' | '²' | '³')) && chars.next().is_none()
        })
    };
    ["CON", "PRN", "AUX", "NUL", "CONIN$", "CONOUT$"].contains(&stem.as_str())
        || is_numbered("COM")
        || is_numbered("LPT")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dots_are_taken_out() {
        for (path, expected) in [
            ("/a/./b/../c", "/a/c"),
            ("/a/../../b", "/b"),
            ("a/../b", "b"),
            ("../a", "../a"),
            ("../../a", "../../a"),
            ("a/../../../b", "../../b"),
        ] {
            assert_eq!(normalize(Path::new(path)), Path::new(expected), "{path}");
        }
    }

    #[test]
    fn a_folder_may_have_several_names() {
        use unicode_normalization::UnicodeNormalization as _;

        let never: fn(&Path, &Path) -> bool = |_, _| false;
        // Like macOS: names are equal if they differ only in case or Unicode form.
        let blind: fn(&Path, &Path) -> bool = |one, other| {
            let folded = |path: &Path| path.to_str().unwrap().to_lowercase().nfc().to_string();
            folded(one) == folded(other)
        };
        for (path, folder, told_apart, one_name) in [
            ("/Users/me/P/src/lib.rs", "/Users/me/P", Some("src/lib.rs"), Some("src/lib.rs")),
            ("/users/Me/p/src/lib.rs", "/Users/me/P", None, Some("src/lib.rs")),
            // The part below the folder keeps its spelling.
            ("/w/CORE/Src/Lib.rs", "/w/core", None, Some("Src/Lib.rs")),
            ("/w/caf\u{e9}/a.rs", "/w/cafe\u{301}", None, Some("a.rs")),
            ("/w/cafe\u{301}/a.rs", "/w/caf\u{e9}", None, Some("a.rs")),
            ("/w/caf\u{e9}/a.rs", "/w/caf\u{ea}", None, None),
            ("/w/core", "/w/core", Some(""), Some("")),
            ("/w/Core", "/w/core", None, Some("")),
            ("/w/cores/lib.rs", "/w/core", None, None),
            ("/w", "/w/core", None, None),
            ("core/lib.rs", "/core", None, None),
        ] {
            for (is_same, expected) in [(never, told_apart), (blind, one_name)] {
                let found = below(Path::new(path), Path::new(folder), is_same);
                assert_eq!(found, expected.map(Path::new), "{path} in {folder}");
            }
        }
        // The file system is asked only about names that may be the same.
        below(Path::new("/w/other/a"), Path::new("/w/core"), |_, _| panic!("asked"));
    }

    #[test]
    #[cfg(any(windows, target_os = "macos"))]
    fn names_that_differ_in_case_are_one_folders() {
        let folder = tempfile::tempdir().unwrap();
        let (one, other) = (folder.path().join("Core"), folder.path().join("core"));
        fs_err::create_dir(&one).unwrap();
        // Windows and macOS can have file systems that distinguish case.
        assert_eq!(is_one_folder(&one, &other), other.exists());
    }

    #[test]
    #[cfg(unix)]
    fn a_link_is_no_other_name() {
        let folder = tempfile::tempdir().unwrap();
        let (real, link) = (folder.path().join("core"), folder.path().join("Core"));
        fs_err::create_dir(&real).unwrap();
        assert!(is_one_folder(&real, &folder.path().join("./core")));
        if fs_err::os::unix::fs::symlink(&real, &link).is_ok() {
            assert!(!is_one_folder(&link, &real) && !is_one_folder(&real, &link));
        }
        assert!(!is_one_folder(&real, &folder.path().join("none")));
    }

    #[test]
    fn verbatim_paths_have_a_plain_form() {
        for (path, plain) in [
            (r"\\?\C:\p\src\lib.rs", Some(r"C:\p\src\lib.rs")),
            (r"\\?\c:\", Some(r"c:\")),
            (r"\\?\UNC\server\share\p", Some(r"\\server\share\p")),
            (r"\\?\C:\p\aux.rs", None),
            (r"\\?\C:\CON\lib.rs", None),
            (r"\\?\C:\p\ends with a dot.", None),
            (r"\\?\C:\p\ends with a space ", None),
            (r"\\?\C:\p\..\q", None),
            (r"\\?\Volume{b75e2c83-0000-0000-0000-602f00000000}\p", None),
            (r"\\.\COM1", None),
            (r"C:\p", None),
            ("/p", None),
        ] {
            assert_eq!(without_verbatim(path).as_deref(), plain, "{path}");
        }
        let long = format!(r"C:\{}", [r"a folder"; 40].join(r"\"));
        assert_eq!(without_verbatim(&format!(r"\\?\{long}")), Some(long));
    }

    #[test]
    fn names_of_devices() {
        for name in ["con", "NUL", "aux.rs", "Com1", "lpt9.tar.gz", "COM²", "nul .txt"] {
            assert!(is_device(name), "{name}");
        }
        for name in ["cons", "auxiliary.rs", "com", "com0", "com10", "lib.rs", "", "null"] {
            assert!(!is_device(name), "{name}");
        }
    }

    #[test]
    fn roots_are_named_as_seen_from_the_project() {
        let relative = |to: &str| relative(Path::new("/w/py/app"), Path::new(to));
        assert_eq!(relative("/w/py/app").as_deref(), Some("."));
        assert_eq!(relative("/w/core").as_deref(), Some("../../core"));
        assert_eq!(relative("/w/py/app/rust").as_deref(), Some("rust"));
    }
}
