//! Comparing two wheels: the archive, each file in it, and its contents.

use std::collections::BTreeMap;
use std::path::Path;

use super::difference::{Difference, of_bytes};
use super::{Reason, listed, module};
use crate::digest;
use crate::error::{Cause, Error, PathContext as _, Result, because};
use crate::fingerprint::record::FILE_NAME;
use crate::log::escape_controls;
use crate::wheel::audit::Audit;
use crate::wheel::entries::Entry;
use crate::wheel::sbom;

/// The longest piece of a text's line that is shown.
const LINE: usize = 120;

/// All differences between a wheel and the one that was built again; none if they have the same
/// name and the same bytes.
///
/// # Errors
/// One of them is no wheel or can't be read.
pub(crate) fn compare(wheel: &Path, rebuilt: &Path) -> Result<Vec<Difference>> {
    let mut found = Vec::new();
    let [name, other] = [wheel, rebuilt].map(|path| path.file_name().unwrap_or_default());
    if name != other {
        let other = other.to_string_lossy();
        found.push(Difference::of_archive(Reason::FileName, format!("the rebuilt one is {other}")));
    }
    if digest::file(wheel).at(wheel)? == digest::file(rebuilt).at(rebuilt)? {
        return Ok(found);
    }
    let [mut one, mut other] = [Audit::open(wheel)?, Audit::open(rebuilt)?];
    let failed = |cause: Cause| Error::path(wheel, because("can't be compared", cause));
    found.extend(of_archives(&mut one, &mut other).map_err(failed)?);
    Ok(found)
}

fn of_archives(one: &mut Audit, other: &mut Audit) -> Result<Vec<Difference>, Cause> {
    let (entries, others) = (one.entries()?, other.entries()?);
    let mut found = Vec::new();
    let by_name = |entries: &[Entry]| -> BTreeMap<String, Entry> {
        entries.iter().map(|entry| (entry.name.clone(), entry.clone())).collect()
    };
    let (first, second) = (by_name(&entries), by_name(&others));
    let in_both = |entries: &[Entry]| -> Vec<String> {
        let names = entries.iter().map(|entry| entry.name.clone());
        names.filter(|name| first.contains_key(name) && second.contains_key(name)).collect()
    };
    if in_both(&entries) != in_both(&others) {
        let text = "the files are in another order";
        found.push(Difference::of_archive(Reason::Order, text).harmless());
    }
    for name in first.keys().filter(|name| !second.contains_key(*name)) {
        found.push(Difference::of(name, Reason::Missing, "is not in the rebuilt wheel"));
    }
    for name in second.keys().filter(|name| !first.contains_key(*name)) {
        found.push(Difference::of(name, Reason::Added, "is only in the rebuilt wheel"));
    }
    for (name, entry) in &first {
        let Some(rebuilt) = second.get(name) else { continue };
        found.extend(of_entries(entry, rebuilt));
        if entry.packed == rebuilt.packed && entry.compression == rebuilt.compression {
            continue;
        }
        let contents = (one.content(name)?, other.content(name)?);
        if contents.0 != contents.1 {
            let dist_info = format!("{}/", one.dist_info);
            found.extend(of_contents(name, &dist_info, &contents.0, &contents.1));
        } else if entry.compression == rebuilt.compression {
            let text = "the same content has other compressed bytes";
            found.push(Difference::of(name, Reason::Compression, text).harmless());
        }
    }
    found = grouped(found);
    if found.is_empty() {
        let text = "the headers of the archive differ, and all files are the same";
        found.push(Difference::of_archive(Reason::Archive, text));
    }
    Ok(found)
}

/// Times and compression mostly differ in the same way for many files: one difference stands for
/// them.
fn grouped(all: Vec<Difference>) -> Vec<Difference> {
    let can_stand_for_many =
        |it: &Difference| it.is_harmless && matches!(it.reason, Reason::Time | Reason::Compression);
    let (many, others): (Vec<_>, Vec<_>) = all.into_iter().partition(can_stand_for_many);
    let mut groups: BTreeMap<(Reason, String), Vec<Difference>> = BTreeMap::new();
    for difference in many {
        groups.entry((difference.reason, difference.text.clone())).or_default().push(difference);
    }
    let groups = groups.into_iter().flat_map(|((reason, text), group)| match group.len() {
        1 => group,
        count => {
            let text = format!("{count} files: {text}");
            vec![Difference::of_archive(reason, text).harmless()]
        }
    });
    groups.chain(others).collect()
}

/// What the two archives say of a file.
fn of_entries(one: &Entry, other: &Entry) -> Vec<Difference> {
    const TYPE: u32 = 0o170_000;
    const REGULAR: u32 = 0o100_000;
    const EXECUTABLE: u32 = 0o111;
    // No `..`: a new field must be compared.
    let Entry { name, compression, time, mode, packed: _ } = one;
    let mut found = Vec::new();
    let changed = |one: &str, other: &str| format!("{one}, and {other} in the rebuilt wheel");
    if *compression != other.compression {
        let text = changed(compression, &other.compression);
        found.push(Difference::of(name, Reason::Compression, text).harmless());
    }
    if *time != other.time {
        let text = changed(time, &other.time);
        found.push(Difference::of(name, Reason::Time, text).harmless());
    }
    if *mode != other.mode {
        let octal = |mode: &Option<u32>| mode.map_or("no mode".into(), |it| format!("{it:o}"));
        let text = changed(&octal(mode), &octal(&other.mode));
        let difference = Difference::of(name, Reason::Mode, text);
        // Installers keep the permission to execute, and ignore the others.
        let is_regular = |mode: u32| mode & TYPE == REGULAR;
        let is_harmless = mode.zip(other.mode).is_some_and(|(one, other)| {
            is_regular(one) && is_regular(other) && (one ^ other) & EXECUTABLE == 0
        });
        found.push(if is_harmless { difference.harmless() } else { difference });
    }
    found
}

/// The differences of two contents of one file.
fn of_contents(name: &str, dist_info: &str, one: &[u8], other: &[u8]) -> Vec<Difference> {
    let in_dist_info = name.strip_prefix(dist_info).unwrap_or_default();
    let found = match in_dist_info {
        "RECORD" => Some(listed::of_lists(name, one, other)),
        FILE_NAME => listed::of_records(name, one, other),
        _ if sbom::is_generated(in_dist_info) => listed::of_sboms(name, one, other),
        _ => module::compare(name, one, other),
    };
    found.unwrap_or_else(|| match (as_text(one), as_text(other)) {
        (Some(one), Some(other)) => {
            vec![Difference::of(name, Reason::Text, first_line(one, other))]
        }
        _ => vec![Difference::of(name, Reason::Bytes, of_bytes(one, other))],
    })
}

fn as_text(bytes: &[u8]) -> Option<&str> {
    std::str::from_utf8(bytes).ok().filter(|text| !text.contains('\0'))
}

/// The first differing line of two texts.
pub(super) fn first_line(one: &str, other: &str) -> String {
    let (mut first, mut second) = (one.split('\n'), other.split('\n'));
    for number in 1.. {
        let (one, other) = (first.next(), second.next());
        if one == other && one.is_some() {
            continue;
        }
        let shown = |line: Option<&str>| match line {
            Some(line) => {
                let short: String = line.chars().take(LINE).collect();
                format!("`{}`", escape_controls(&short))
            }
            None => "the end of the file".to_owned(),
        };
        return format!("line {number}: {}, and {} in the rebuilt wheel", shown(one), shown(other));
    }
    String::new()
}

#[cfg(test)]
mod tests {
    use std::io::Write as _;

    use fs_err as fs;
    use zip::write::SimpleFileOptions;
    use zip::{CompressionMethod, DateTime, ZipWriter};

    use super::*;
    use crate::wheel::record_file::RecordFile;

    struct File(&'static str, Vec<u8>, SimpleFileOptions);

    fn file(name: &'static str, content: impl Into<Vec<u8>>) -> File {
        File(name, content.into(), SimpleFileOptions::default().unix_permissions(0o644))
    }

    /// Compares two wheels with these files and a matching RECORD.
    fn compared(one: Vec<File>, other: Vec<File>) -> Vec<Difference> {
        let folder = tempfile::tempdir().unwrap();
        let [one, other] = [("one", one), ("other", other)].map(|(part, files)| {
            let path = folder.path().join(part).join("a-1-py3-none-any.whl");
            fs::create_dir(path.parent().unwrap()).unwrap();
            let mut writer = ZipWriter::new(fs::File::create(&path).unwrap());
            let mut record = RecordFile::default();
            for File(name, content, options) in files {
                writer.start_file(name, options).unwrap();
                writer.write_all(&content).unwrap();
                record.add(name.to_owned(), &digest::bytes(&content), content.len() as u64);
            }
            record.add_itself("a-1.dist-info/RECORD");
            writer.start_file("a-1.dist-info/RECORD", SimpleFileOptions::default()).unwrap();
            writer.write_all(record.to_text().as_bytes()).unwrap();
            writer.finish().unwrap();
            path
        });
        compare(&one, &other).unwrap()
    }

    fn reasons(found: &[Difference]) -> Vec<(&str, Reason, bool)> {
        let file = |it: &'_ Difference| it.file.clone().unwrap_or_default();
        let mut found: Vec<_> =
            found.iter().map(|it| (file(it), it.reason, it.is_harmless)).collect();
        found.sort();
        found.into_iter().map(|(file, reason, is)| (&*file.leak(), reason, is)).collect()
    }

    #[test]
    fn equal_wheels_have_no_difference() {
        let files = || vec![file("a/b.py", "x = 1\n")];
        assert_eq!(compared(files(), files()), []);
    }

    #[test]
    fn what_the_archive_says() {
        let (a, b) = (|| file("a/a.py", "1"), || file("a/b.py", "2"));
        let with = |options: SimpleFileOptions| vec![File("a/a.py", b"1".to_vec(), options)];
        let usual = SimpleFileOptions::default().unix_permissions(0o644);
        let later = DateTime::from_date_and_time(2026, 1, 2, 3, 4, 6).unwrap();
        let record = "a-1.dist-info/RECORD";
        for (one, other, expected) in [
            (
                vec![a(), b()],
                vec![b(), a()],
                vec![("", Reason::Order, true), (record, Reason::List, true)],
            ),
            (
                with(usual),
                with(usual.last_modified_time(later)),
                vec![("a/a.py", Reason::Time, true)],
            ),
            (
                with(usual),
                with(usual.compression_method(CompressionMethod::Stored)),
                vec![("a/a.py", Reason::Compression, true)],
            ),
            (
                with(usual),
                with(usual.unix_permissions(0o664)),
                vec![("a/a.py", Reason::Mode, true)],
            ),
            (
                with(usual),
                with(usual.unix_permissions(0o755)),
                vec![("a/a.py", Reason::Mode, false)],
            ),
            (
                vec![a(), b()],
                vec![a()],
                vec![(record, Reason::List, true), ("a/b.py", Reason::Missing, false)],
            ),
            (
                vec![a()],
                vec![a(), b()],
                vec![(record, Reason::List, true), ("a/b.py", Reason::Added, false)],
            ),
        ] {
            assert_eq!(reasons(&compared(one, other)), expected);
        }
    }

    #[test]
    fn one_difference_stands_for_many_files() {
        let files = |options: SimpleFileOptions| {
            let file = |name| File(name, b"1".to_vec(), options);
            vec![file("a/a.py"), file("a/b.py")]
        };
        let usual = SimpleFileOptions::default().unix_permissions(0o644);
        let stored = usual.compression_method(CompressionMethod::Stored);
        let found = compared(files(usual), files(stored));
        assert_eq!(reasons(&found), [("", Reason::Compression, true)]);
        assert_eq!(found[0].text, "2 files: Deflated, and Stored in the rebuilt wheel");
    }

    #[test]
    fn the_first_line_that_differs_is_shown() {
        let found = compared(
            vec![file("a/b.py", "one\ntwo\n"), file("a/c.bin", b"\0\x01")],
            vec![file("a/b.py", "one\nt\x1bo\n"), file("a/c.bin", b"\0\x02")],
        );
        let text = |name| {
            let mut of_file = found.iter().filter(|it| it.file.as_deref() == Some(name));
            of_file.next().unwrap().text.clone()
        };
        assert_eq!(text("a/b.py"), "line 2: `two`, and `t\\u{1b}o` in the rebuilt wheel");
        assert_eq!(text("a/c.bin"), "1 of 2 bytes differ, the first at offset 0x1");
        assert_eq!(
            first_line("a\n", "a"),
            "line 2: ``, and the end of the file in the rebuilt wheel"
        );
    }

    #[test]
    fn a_list_that_does_not_follow_is_a_difference() {
        let files = || vec![file("a/b.py", "x")];
        let mut changed = files();
        changed.push(file("a-1.dist-info/RECORD.jws", "{}"));
        let found = compared(files(), changed);
        assert!(found.iter().any(|it| it.reason == Reason::Added && !it.is_harmless), "{found:?}");
    }
}
