//! Absolute paths in the bytes of a module: they tell on which machine it was built.

use std::collections::BTreeSet;

/// The ends of names that a compiler writes.
const ENDS: [&str; 8] = [".rs", ".c", ".cc", ".cpp", ".h", ".so", ".o", ".S"];

/// Shorter texts that begin with a slash are mostly no paths.
const SHORTEST: usize = 6;

/// Absolute paths that only one of the two has: the first such path of each, if there is one.
pub(super) fn only_in_one(one: &[u8], other: &[u8]) -> Option<(Option<String>, Option<String>)> {
    let (one, other) = (absolute(one), absolute(other));
    let first = |one: &BTreeSet<String>, other| one.difference(other).next().cloned();
    let found = (first(&one, &other), first(&other, &one));
    (found.0.is_some() || found.1.is_some()).then_some(found)
}

/// Strings follow each other without a mark in compiled Rust, so a path ends with the name of a
/// source or library, or where no name goes on.
fn absolute(bytes: &[u8]) -> BTreeSet<String> {
    let is_of_path = |byte: &u8| byte.is_ascii_alphanumeric() || b"/._-+@~\\:".contains(byte);
    let mut found = BTreeSet::new();
    for run in bytes.split(|byte| !is_of_path(byte)) {
        let text = String::from_utf8_lossy(run);
        let mut rest = &*text;
        while let Some(start) = start_of_path(rest) {
            let path = &rest[start..];
            let end = ENDS.iter().filter_map(|end| Some(path.find(end)? + end.len())).min();
            let (path, next) = path.split_at(end.unwrap_or(path.len()));
            let folders = path.matches(['/', '\\']).count();
            if path.len() >= SHORTEST && folders > 1 {
                found.insert(path.to_owned());
            }
            rest = next;
        }
    }
    found
}

fn start_of_path(text: &str) -> Option<usize> {
    let drive = text.as_bytes().windows(3).position(|window| {
        window[0].is_ascii_alphabetic() && window[1] == b':' && b"/\\".contains(&window[2])
    });
    // A slash after a letter is inside of a relative path, unless another string precedes it. That
    // cannot be told, so such a path counts.
    let root = text.find('/');
    match (drive, root) {
        (Some(drive), Some(root)) => Some(drive.min(root)),
        (found, other) => found.or(other),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_are_found_between_other_strings() {
        for (bytes, expected) in [
            (
                &b"\0called/home/me/a/src/lib.rsassertion/home/me/b.rs\0"[..],
                &["/home/me/a/src/lib.rs", "/home/me/b.rs"][..],
            ),
            (b"x /opt/lib/libz.so.1\0", &["/opt/lib/libz.so"]),
            (b"C:\\w\\a.rs", &["C:\\w\\a.rs"]),
            (b"a/b text/plain /x", &[]),
        ] {
            let found: Vec<String> = absolute(bytes).into_iter().collect();
            assert_eq!(found, expected);
        }
        let found = only_in_one(b"/home/one/a.rs /lib/x/c.rs", b"/lib/x/c.rs").unwrap();
        assert_eq!(found, (Some("/home/one/a.rs".into()), None));
        assert_eq!(only_in_one(b"/lib/x/c.rs", b"/lib/x/c.rs"), None);
    }
}
