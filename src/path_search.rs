//! Finding paths in bytes, in all usual spellings.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet};
use std::ops::Range;
use std::path::Path;

use memchr::memmem::Finder;
use percent_encoding::{AsciiSet, CONTROLS, NON_ALPHANUMERIC, utf8_percent_encode};
use unicode_normalization::UnicodeNormalization as _;

/// File systems that are usually blind to case.
const BLIND: bool = cfg!(any(windows, target_os = "macos"));

/// What the URL standard encodes in a path.
const IN_URL: &AsciiSet = &CONTROLS
    .add(b' ')
    .add(b'"')
    .add(b'#')
    .add(b'%')
    .add(b'<')
    .add(b'>')
    .add(b'?')
    .add(b'^')
    .add(b'`')
    .add(b'{')
    .add(b'}');

/// What others encode: everything but the unreserved characters of RFC 3986.
const RESERVED: &AsciiSet =
    &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~').remove(b'/');

/// Where a path may end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum End {
    Anywhere,
    /// Only where the name of its last folder ends.
    OfName,
}

/// Paths to search for.
pub(crate) struct Paths {
    finders: Vec<Finder<'static>>,
    is_blind: bool,
}

impl Paths {
    /// A separator at the end of a path is a part of it.
    pub(crate) fn new(paths: impl IntoIterator<Item: AsRef<Path>>) -> Self {
        Self::with(paths, BLIND)
    }

    fn with(paths: impl IntoIterator<Item: AsRef<Path>>, is_blind: bool) -> Self {
        let mut texts: BTreeSet<Vec<u8>> =
            paths.into_iter().flat_map(|path| spellings(path.as_ref())).collect();
        if is_blind {
            texts = texts.iter().map(|text| text.to_ascii_lowercase()).collect();
        }
        let finders = texts.iter().map(|text| Finder::new(text).into_owned()).collect();
        Self { finders, is_blind }
    }

    /// The length of the longest path.
    pub(crate) fn longest(&self) -> usize {
        self.finders.iter().map(|finder| finder.needle().len()).max().unwrap_or_default()
    }

    /// Where the paths are.
    pub(crate) fn find(&self, bytes: &[u8], end: End) -> impl Iterator<Item = Range<usize>> {
        let folded = self.is_blind.then(|| bytes.to_ascii_lowercase());
        let mut found = Vec::new();
        for finder in &self.finders {
            let bytes = folded.as_deref().unwrap_or(bytes);
            let length = finder.needle().len();
            // A root ends in a separator, and any name may follow.
            let is_root = finder.needle().ends_with(b"/") || finder.needle().ends_with(b"\\");
            let matches = finder.find_iter(bytes).filter(|start| {
                end == End::Anywhere || is_root || !goes_on(&bytes[start + length..])
            });
            found.extend(matches.map(|start| start..start + length));
        }
        found.into_iter()
    }

    /// The longest path at each place. A path inside a longer one is left out (`/tmp/t` in
    /// `/private/tmp/t`).
    pub(crate) fn places_in(&self, bytes: &[u8]) -> Places {
        let mut found: Vec<Range<usize>> = self.find(bytes, End::Anywhere).collect();
        found.sort_by_key(|place| (place.start, Reverse(place.end)));
        let mut places = Places::new();
        let mut last = 0;
        for place in found {
            if place.end > last {
                last = place.end;
                places.insert(place.start, place.end);
            }
        }
        places
    }
}

/// Where paths begin and end.
pub(crate) type Places = BTreeMap<usize, usize>;

/// Whether each of these paths is one of the other paths, or the beginning of one.
pub(crate) fn all_are_of(places: &Places, others: &Places) -> bool {
    places.iter().all(|(start, end)| others.get(start).is_some_and(|other| other >= end))
}

/// Whether a name goes on in these bytes.
fn goes_on(rest: &[u8]) -> bool {
    let is_of_name =
        |byte: &u8| byte.is_ascii_alphanumeric() || b"-_+~@".contains(byte) || !byte.is_ascii();
    match rest {
        // The end of a sentence.
        [b'.', next, ..] => is_of_name(next),
        [first, ..] => is_of_name(first),
        [] => false,
    }
}

/// The usual spellings of a path: in texts, in strings of code and JSON, and in URLs.
pub(crate) fn spellings(path: &Path) -> BTreeSet<Vec<u8>> {
    match path.to_str() {
        Some(text) => spelled(text, cfg!(windows)),
        None => BTreeSet::from([path.as_os_str().as_encoded_bytes().to_vec()]),
    }
}

fn spelled(path: &str, windows: bool) -> BTreeSet<Vec<u8>> {
    let mut plain: BTreeSet<String> = BTreeSet::from([path.to_owned()]);
    // On macOS a letter has two spellings, and `/private/tmp` is `/tmp`.
    plain.extend([path.nfc().collect(), path.nfd().collect()]);
    if let Some(rest) = path.strip_prefix("/private").filter(|rest| rest.starts_with('/')) {
        plain.insert(rest.to_owned());
    }
    if windows {
        let slashed = path.replace('\\', "/");
        if let [drive, b':', b'/', ..] = slashed.as_bytes() {
            plain.insert(format!("/{}{}", char::from(*drive), &slashed[2..]));
        }
        plain.insert(slashed);
    }
    let mut found: BTreeSet<Vec<u8>> = BTreeSet::new();
    for text in &plain {
        found.insert(text.replace('\\', r"\\").into_bytes());
        found.insert(text.replace(' ', r"\ ").into_bytes());
        for set in [IN_URL, RESERVED] {
            // The colon of a drive stays as it is.
            let encoded = utf8_percent_encode(text, set).to_string();
            found.insert(encoded.replacen("%3A", ":", 1).into_bytes());
        }
        found.extend(escaped(text).map(String::into_bytes));
        if windows {
            found.insert(text.encode_utf16().flat_map(u16::to_le_bytes).collect());
        }
    }
    found.extend(plain.into_iter().map(String::into_bytes));
    found
}

/// With JSON's escapes; `None` if the path needs none.
fn escaped(path: &str) -> Option<String> {
    if path.is_ascii() {
        return None;
    }
    let mut text = String::new();
    for char in path.chars() {
        match char {
            '\\' => text.push_str(r"\\"),
            char if char.is_ascii() => text.push(char),
            char => {
                let mut units = [0; 2];
                for unit in char.encode_utf16(&mut units) {
                    text.push_str(&format!("\\u{unit:04x}"));
                }
            }
        }
    }
    Some(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn is_in(paths: &Paths, text: &str, end: End) -> bool {
        paths.find(text.as_bytes(), end).next().is_some()
    }

    #[test]
    fn a_path_ends_where_the_name_of_its_last_folder_ends() {
        let paths = Paths::with(["/w/tree", "/w/tree-b"], false);
        for (text, in_text, in_binary) in [
            ("/w/tree", true, true),
            ("a = \"/w/tree/src/lib.rs\"", true, true),
            ("see /w/tree. Then", true, true),
            ("-L/w/tree:/usr/lib", true, true),
            ("file:///w/tree/core", true, true),
            ("/w/tree-b/x", true, true),
            ("/w/tree2/x", false, true),
            ("/w/tree-c", false, true),
            ("/w/tree.old/x", false, true),
            // Another text follows at once, as strings do in a compiled module.
            ("/w/treepanicked", false, true),
            ("/w/tre", false, false),
            ("/W/Tree/x", false, false),
        ] {
            assert_eq!(is_in(&paths, text, End::OfName), in_text, "{text}");
            assert_eq!(is_in(&paths, text, End::Anywhere), in_binary, "{text}");
        }
        let blind = Paths::with(["/w/Tree"], true);
        assert!(is_in(&blind, "/W/tREE/x", End::OfName));
        let root = Paths::with(["/"], false);
        assert!(is_in(&root, "/usr", End::OfName));
    }

    #[test]
    fn places_have_the_longest_path() {
        let paths = Paths::with(["/private/w/app/", "/private/w/app/target"], false);
        for (text, expected) in [
            ("/private/w/app/target/x", &[(0, 21)][..]),
            ("a/w/app/target:/w/app/src", &[(1, 14), (15, 22)]),
            ("/private/w/app", &[]),
            ("/private/w/app-feature/target", &[]),
        ] {
            let places = paths.places_in(text.as_bytes()).into_iter().collect::<Vec<_>>();
            assert_eq!(places, expected, "{text}");
        }
        let of = |others: &[(usize, usize)]| {
            let [places, others] = [&[(3, 9)], others].map(|it| it.iter().copied().collect());
            all_are_of(&places, &others)
        };
        assert!(of(&[(0, 2), (3, 9)]) && of(&[(3, 12)]));
        assert!(!of(&[(3, 8)]) && !of(&[(2, 9)]) && !of(&[]));
    }

    #[test]
    fn paths_have_several_spellings() {
        for (path, windows, text) in [
            ("/w/my tree", false, "file:///w/my%20tree"),
            ("/w/my tree", false, r"/w/my\ tree"),
            ("/w/a(b)", false, "file:///w/a%28b%29"),
            ("/w/caf\u{e9}", false, "file:///w/caf%C3%A9"),
            ("/w/caf\u{e9}", false, r#""/w/caf\u00e9""#),
            ("/w/caf\u{e9}", false, "/w/cafe\u{301}"),
            ("/private/tmp/t", false, "/tmp/t"),
            (r"C:\w\tree", true, r"C:\w\tree"),
            (r"C:\w\tree", true, r"C:\\w\\tree"),
            (r"C:\w\tree", true, "C:/w/tree"),
            (r"C:\w\tree", true, "/C/w/tree"),
            (r"C:\my tree", true, "file:///C:/my%20tree"),
        ] {
            let found = spelled(path, windows);
            let is_found = |spelling: &Vec<u8>| text.contains(&*String::from_utf8_lossy(spelling));
            assert!(found.iter().any(is_found), "{path}: {text}");
        }
        let wide: Vec<u8> = "C:\\w".encode_utf16().flat_map(u16::to_le_bytes).collect();
        assert!(spelled("C:\\w", true).contains(&wide));
    }
}
