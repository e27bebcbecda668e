//! Comparing two files that may be compiled modules.

use std::collections::BTreeMap;

use object::{File, Object as _, ObjectSection as _, SectionFlags, SectionKind};

use super::difference::{Difference, of_bytes};
use super::unloaded::{self, Found};
use super::{Reason, paths};

/// Gaps of this length behind the loaded part are padding, if they consist of zeros.
const PADDING: usize = 64;

/// The differences of two files with different contents. `None` if one of them is no native file.
pub(super) fn compare(name: &str, one: &[u8], other: &[u8]) -> Option<Vec<Difference>> {
    let (of_one, of_other) = (File::parse(one).ok()?, File::parse(other).ok()?);
    let found = unloaded::find(&of_one, one).zip(unloaded::find(&of_other, other));
    let is_proven = found.as_ref().is_some_and(|(first, second)| {
        of_one.format() == of_other.format() && counting(first, one) == counting(second, other)
    });
    match found {
        Some((first, second)) if is_proven => Some(harmless(name, &first, one, &second, other)),
        _ => Some(by_section(name, (&of_one, one), (&of_other, other))),
    }
}

/// All bytes with an effect, in pieces. In the loaded part their places count, too.
fn counting<'a>(found: &Found, bytes: &'a [u8]) -> Vec<(Option<usize>, &'a [u8])> {
    let mut pieces = Vec::new();
    let mut start = 0;
    let ends = found.unloaded.iter().map(|part| part.range.clone());
    for range in ends.chain(std::iter::once(bytes.len()..bytes.len())) {
        let piece = &bytes[start..range.start.max(start)];
        let is_loaded = start < found.loaded_end;
        let is_padding = piece.len() < PADDING && piece.iter().all(|byte| *byte == 0);
        if is_loaded || !is_padding {
            pieces.push((is_loaded.then_some(start), piece));
        }
        start = range.end;
    }
    pieces
}

fn harmless(
    name: &str,
    first: &Found,
    one: &[u8],
    second: &Found,
    other: &[u8],
) -> Vec<Difference> {
    let parts = |found: &Found, bytes: &[u8]| {
        let mut all: BTreeMap<(String, Reason), Vec<u8>> = BTreeMap::new();
        for part in &found.unloaded {
            let content = all.entry((part.name.clone(), part.reason)).or_default();
            content.extend(&bytes[part.range.clone()]);
        }
        all
    };
    let (first, mut second) = (parts(first, one), parts(second, other));
    let mut found = Vec::new();
    for ((section, reason), one) in first {
        let text = match second.remove(&(section.clone(), reason)) {
            Some(other) if other == one => continue,
            Some(other) => of_bytes(&one, &other),
            None => "only in the wheel".to_owned(),
        };
        found.push(Difference::of(name, reason, text).in_section(&section).harmless());
    }
    for (section, reason) in second.into_keys() {
        let text = "only in the rebuilt wheel";
        found.push(Difference::of(name, reason, text).in_section(&section).harmless());
    }
    if found.is_empty() {
        // The padding between what is not loaded.
        let text = of_bytes(one, other);
        found.push(Difference::of(name, Reason::Headers, text).in_section("padding").harmless());
    }
    found
}

struct Section<'a> {
    bytes: &'a [u8],
    reason: Reason,
}

/// Every section that differs. None of these differences is proven to be without effect.
fn by_section(
    name: &str,
    (of_one, one): (&File<'_>, &[u8]),
    (of_other, other): (&File<'_>, &[u8]),
) -> Vec<Difference> {
    let (first, mut second) = (sections(of_one, one), sections(of_other, other));
    let mut found = Vec::new();
    for (section, Section { bytes, reason }) in first {
        let (reason, text) = match second.remove(&section) {
            Some(other) if other.bytes == bytes => continue,
            Some(other) => match paths::only_in_one(bytes, other.bytes) {
                Some(paths) if reason != Reason::Code => (Reason::Paths, told(paths)),
                _ => (reason, of_bytes(bytes, other.bytes)),
            },
            None => (reason, "only in the wheel".to_owned()),
        };
        found.push(Difference::of(name, reason, text).in_section(&section));
    }
    for (section, Section { reason, .. }) in second {
        let text = "only in the rebuilt wheel";
        found.push(Difference::of(name, reason, text).in_section(&section));
    }
    if found.is_empty() {
        let text = format!("outside of every section: {}", of_bytes(one, other));
        found.push(Difference::of(name, Reason::Headers, text));
    }
    found
}

fn told((one, other): (Option<String>, Option<String>)) -> String {
    match (one, other) {
        (Some(one), Some(other)) => {
            format!("`{one}` in the wheel, `{other}` in the rebuilt one")
        }
        (Some(only), None) => format!("`{only}` in the wheel only"),
        (None, only) => format!("`{}` in the rebuilt wheel only", only.unwrap_or_default()),
    }
}

/// The contents of all sections by name; further sections of one name are `NAME (2)`.
fn sections<'a>(file: &File<'_>, bytes: &'a [u8]) -> BTreeMap<String, Section<'a>> {
    let (mut found, mut counts) = (BTreeMap::new(), BTreeMap::new());
    for section in file.sections() {
        let range = section.file_range().and_then(|(start, size)| {
            let start = usize::try_from(start).ok()?;
            Some(start..start.checked_add(usize::try_from(size).ok()?)?)
        });
        let Some(bytes) = range.and_then(|range| bytes.get(range)) else { continue };
        let plain = section.name().unwrap_or("without a name");
        let plain = match section.segment_name() {
            Ok(Some(segment)) => format!("{segment},{plain}"),
            _ => plain.to_owned(),
        };
        let count: &mut usize = counts.entry(plain.clone()).or_default();
        *count += 1;
        let name = if *count == 1 { plain.clone() } else { format!("{plain} ({count})") };
        found.insert(name, Section { bytes, reason: reason(&plain, &section) });
    }
    found
}

fn reason(name: &str, section: &object::Section<'_, '_>) -> Reason {
    const SYMBOLS: [&str; 8] = [
        ".symtab",
        ".strtab",
        ".dynsym",
        ".dynstr",
        ".hash",
        ".gnu.hash",
        ".gnu.version",
        ".gnu.version_r",
    ];
    let is_executable = matches!(
        section.flags(),
        SectionFlags::Elf { sh_flags } if sh_flags & u64::from(object::elf::SHF_EXECINSTR) != 0
    );
    match section.kind() {
        _ if is_executable => Reason::Code,
        SectionKind::Text => Reason::Code,
        _ if SYMBOLS.contains(&name) => Reason::Symbols,
        _ if name == ".note.gnu.build-id" => Reason::BuildId,
        SectionKind::Debug | SectionKind::DebugString => Reason::DebugInformation,
        _ => Reason::Data,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A small ELF file: what it loads is `.text`, a build ID and its headers.
    #[derive(Clone)]
    struct Elf {
        build_id: [u8; 8],
        text: [u8; 16],
        /// Sections that are not loaded.
        others: Vec<(&'static str, Vec<u8>)>,
        overlay: Vec<u8>,
        /// The place that the header of the first other section states, instead of its own.
        lies_about: Option<(u64, u64)>,
    }

    const TEXT: u64 = 64 + 2 * 56 + 24;

    impl Elf {
        fn usual() -> Self {
            let others =
                vec![(".debug_info", b"/home/one/a.rs".to_vec()), (".symtab", vec![1; 24])];
            let (build_id, text, overlay) = ([7; 8], [0x90; 16], Vec::new());
            Self { build_id, text, others, overlay, lies_about: None }
        }

        fn bytes(&self) -> Vec<u8> {
            let end = TEXT + 16;
            let mut file = b"\x7fELF\x02\x01\x01\0\0\0\0\0\0\0\0\0".to_vec();
            // A shared library for x86-64.
            file.extend([3, 0, 62, 0, 1, 0, 0, 0]);
            file.extend([0; 8]);
            file.extend(64_u64.to_le_bytes());
            file.extend([0; 8]);
            file.extend([0; 4]);
            for half in [64_u16, 56, 2, 64, 0, 0] {
                file.extend(half.to_le_bytes());
            }
            for (kind, start, size) in [(1_u32, 0, end), (4, TEXT - 24, 24)] {
                file.extend(kind.to_le_bytes());
                file.extend(5_u32.to_le_bytes());
                for word in [start, start, start, size, size, 4_u64] {
                    file.extend(word.to_le_bytes());
                }
            }
            for word in [4_u32, 8, 3] {
                file.extend(word.to_le_bytes());
            }
            file.extend(b"GNU\0");
            file.extend(self.build_id);
            assert_eq!(file.len() as u64, TEXT);
            file.extend(self.text);
            let mut names = b"\0.text\0.shstrtab\0".to_vec();
            let mut headers: Vec<(u32, u32, u64, u64, u64)> =
                vec![(0, 0, 0, 0, 0), (1, 1, 6, TEXT, 16)];
            for (index, (name, content)) in self.others.iter().enumerate() {
                let own = (file.len() as u64, content.len() as u64);
                let (start, size) = self.lies_about.filter(|_| index == 0).unwrap_or(own);
                headers.push((names.len() as u32, 1, 0, start, size));
                names.extend(name.as_bytes());
                names.push(0);
                file.extend(content);
            }
            headers.push((7, 3, 0, file.len() as u64, names.len() as u64));
            file.extend(names);
            let table = file.len() as u64;
            file[40..48].copy_from_slice(&table.to_le_bytes());
            let count = headers.len() as u16;
            file[60..62].copy_from_slice(&count.to_le_bytes());
            file[62..64].copy_from_slice(&(count - 1).to_le_bytes());
            for (name, kind, flags, start, size) in headers {
                file.extend(name.to_le_bytes());
                file.extend(kind.to_le_bytes());
                for word in [flags, start, start, size] {
                    file.extend(word.to_le_bytes());
                }
                file.extend([0; 8]);
                file.extend([1_u64, 0].map(u64::to_le_bytes).concat());
            }
            file.extend(&self.overlay);
            file
        }
    }

    /// Each difference as section, reason, and whether it is harmless.
    fn differences(one: &Elf, other: &Elf) -> Vec<(String, Reason, bool)> {
        let found = compare("a.so", &one.bytes(), &other.bytes()).unwrap();
        found
            .into_iter()
            .map(|it| (it.section.unwrap_or_default(), it.reason, it.is_harmless))
            .collect()
    }

    fn are_harmless(one: &Elf, other: &Elf) -> bool {
        differences(one, other).iter().all(|(.., is_harmless)| *is_harmless)
    }

    #[test]
    fn what_is_not_loaded_is_harmless() {
        let usual = Elf::usual();
        let with = |change: &dyn Fn(&mut Elf)| {
            let mut other = usual.clone();
            change(&mut other);
            other
        };
        let found = differences(&usual, &with(&|it| it.build_id = [8; 8]));
        assert_eq!(found, [(".note.gnu.build-id".to_owned(), Reason::BuildId, true)]);
        // Another length moves the section headers.
        let other = with(&|it| it.others[0].1 = b"/home/another/b.rs".to_vec());
        let found = differences(&usual, &other);
        let debug = (".debug_info".to_owned(), Reason::DebugInformation, true);
        assert!(found.contains(&debug), "{found:?}");
        assert!(are_harmless(&usual, &other));
        assert!(are_harmless(&usual, &with(&|it| it.others[1].1[3] = 9)));
        assert!(are_harmless(&usual, &with(&|it| drop(it.others.pop()))));
        assert!(are_harmless(&with(&|it| it.others.clear()), &usual));
    }

    #[test]
    fn everything_else_makes_another_module() {
        let usual = Elf::usual();
        let with = |change: &dyn Fn(&mut Elf)| {
            let mut other = usual.clone();
            change(&mut other);
            other
        };
        let found = differences(&usual, &with(&|it| it.text[5] = 0x91));
        assert_eq!(found, [(".text".to_owned(), Reason::Code, false)]);
        for (what, other) in [
            ("code and a build ID", with(&|it| (it.text[5], it.build_id) = (1, [8; 8]))),
            ("bytes at the end, which a program may read", with(&|it| it.overlay = vec![1])),
            ("a section of unknown purpose", with(&|it| it.others.push((".payload", vec![1])))),
            // Its section headers call the code debug information. They do not decide.
            (
                "code under a false name",
                with(&|it| {
                    (it.text[5], it.lies_about) = (0x91, Some((TEXT, 16)));
                }),
            ),
        ] {
            assert!(!are_harmless(&usual, &other), "{what}");
            assert!(!are_harmless(&other, &usual), "{what}");
        }
        assert_eq!(compare("a.py", b"x", &usual.bytes()), None);
    }

    #[test]
    fn paths_are_a_reason_and_no_excuse() {
        let with = |path: &[u8]| {
            let mut elf = Elf::usual();
            elf.text.copy_from_slice(path);
            elf
        };
        let [one, other] = [b"\0/home/one/a.rs\0", b"\0/home/two/a.rs\0"].map(|it| with(it));
        // In code they are bytes like any other.
        let found = differences(&one, &other);
        assert_eq!(found, [(".text".to_owned(), Reason::Code, false)]);
        let with = |path: &[u8]| {
            let mut elf = Elf::usual();
            elf.others.push((".rodata", path.to_vec()));
            elf
        };
        let found = differences(&with(b"\0/home/one/a.rs\0"), &with(b"\0/home/two/a.rs\0"));
        assert_eq!(found, [(".rodata".to_owned(), Reason::Paths, false)]);
    }
}
