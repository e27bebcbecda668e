//! Absolute paths in the bytes of a module: they tell on which machine it was built.

use std::collections::BTreeSet;

/// The end of a Rust source's name. The next string may follow at once.
const RUST: &[u8] = b".rs";

/// The ends of other names that a compiler writes.
const ENDS: [&str; 7] = [".cpp", ".cc", ".c", ".h", ".so", ".o", ".S"];

/// Shorter texts that begin with a slash are mostly no paths.
const SHORTEST: usize = 6;
const LONGEST: usize = 4096;

/// Absolute paths that only one of the two has: the first such path of each, if there is one.
pub(super) fn only_in_one(one: &[u8], other: &[u8]) -> Option<(Option<String>, Option<String>)> {
    let (one, other) = (absolute(one), absolute(other));
    let first = |one: &BTreeSet<String>, other| one.difference(other).next().cloned();
    let found = (first(&one, &other), first(&other, &one));
    (found.0.is_some() || found.1.is_some()).then_some(found)
}

/// Strings follow each other without a mark in compiled Rust, so a path ends with the name of a
/// source or library, or where no name goes on. Every byte is looked at once.
fn absolute(bytes: &[u8]) -> BTreeSet<String> {
    let is_of_path = |byte: &u8| byte.is_ascii_alphanumeric() || b"/._-+@~\\:".contains(byte);
    let mut found = BTreeSet::new();
    for run in bytes.split(|byte| !is_of_path(byte)) {
        let mut rest = run;
        while let Some(start) = start_of_path(rest) {
            let (path, next) = rest[start..].split_at(length_of_path(&rest[start..]));
            let folders = path.iter().filter(|byte| b"/\\".contains(byte)).count();
            if path.len() >= SHORTEST && folders > 1 {
                found.insert(String::from_utf8_lossy(path).into_owned());
            }
            rest = next;
        }
    }
    found
}

/// Where an absolute path begins. A slash after a letter may be inside of a relative path, or follow
/// another string. That cannot be told, so it counts.
fn start_of_path(text: &[u8]) -> Option<usize> {
    (0..text.len()).find(|start| match &text[*start..] {
        [b'/', ..] => true,
        [drive, b':', b'/' | b'\\', ..] => drive.is_ascii_alphabetic(),
        _ => false,
    })
}

fn length_of_path(text: &[u8]) -> usize {
    let mut dots = (0..text.len().min(LONGEST)).filter(|at| text[*at] == b'.');
    let end = dots.find_map(|at| {
        if text[at..].starts_with(RUST) {
            return Some(at + RUST.len());
        }
        let end = ENDS.iter().find(|end| text[at..].starts_with(end.as_bytes()))?;
        let end = at + end.len();
        // `.cargo` is no end.
        text.get(end).is_none_or(|next| !next.is_ascii_alphanumeric()).then_some(end)
    });
    end.unwrap_or(text.len().min(LONGEST))
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
            (b"\0/root/.cargo/registry/a.rsb", &["/root/.cargo/registry/a.rs"]),
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
