//! Paths as text: with `/`, as seen from a folder, without dots and without Windows' verbatim
//! prefix.

use std::path::{Component, Path, PathBuf};

/// A relative path with `/` between its parts; `None` if it is not UTF-8.
pub fn slashed(path: &Path) -> Option<String> {
    let parts: Option<Vec<&str>> =
        path.components().map(|part| part.as_os_str().to_str()).collect();
    Some(parts?.join("/"))
}

/// The way from one folder to a path, with `/`. `None` if there is none, or it is not UTF-8.
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

/// Takes `.` and `..` out of a path without asking the file system, as cargo does: the symlink
/// itself is what was named. On Windows a verbatim path becomes the plain path of the same file,
/// because build scripts often name what they watch by `canonicalize`.
pub fn normalize(path: &Path) -> PathBuf {
    let plain = if cfg!(windows) { path.to_str().and_then(without_verbatim) } else { None };
    let mut normal = PathBuf::new();
    for part in plain.as_deref().map_or(path, Path::new).components() {
        match part {
            Component::CurDir => {}
            Component::ParentDir => match normal.components().next_back() {
                // Nothing lies above the root.
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

/// `\\?\C:\a` is `C:\a`, and `\\?\UNC\server\share` is `\\server\share`. `None` where there is no
/// other way to write the path: a name that Windows would read as a device or would shorten.
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

/// A name that Windows keeps for a device, in any folder and with any extension.
fn is_device(name: &str) -> bool {
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
