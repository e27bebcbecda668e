//! The headers of an sdist (POSIX "pax Interchange Format", and the ustar and GNU formats before it).
//!
//! An archive that was made for the purpose shows other files to Python's `tarfile` than to the `tar`
//! crate. So an archive is refused if it has a header that the two may read in different ways.

use std::io::Read as _;

use tar::{EntryType, Header};

use super::reader::{Entry, HEADERS};
use crate::error::Cause;

/// What a header for the next file may say of it. Sizes are not among them: no file is as large as
/// to need this.
const OF_ONE_FILE: [&str; 9] =
    ["path", "mtime", "atime", "ctime", "uid", "gid", "uname", "gname", "comment"];

/// Headers, in their order.
#[derive(Default)]
pub(super) struct Headers {
    /// The last header was one for the next file.
    is_extended: bool,
}

impl Headers {
    /// Checks one header. The entry is of an archive whose extending headers are entries.
    ///
    /// # Errors
    /// Programs may read it in different ways.
    pub(super) fn check(&mut self, entry: &mut Entry<'_>) -> Result<(), Cause> {
        let kind = entry.header().entry_type();
        numbers(entry.header())?;
        match kind {
            EntryType::XHeader | EntryType::GNULongName => {
                if std::mem::replace(&mut self.is_extended, true) {
                    return Err("more than one header for one file".into());
                }
                if kind == EntryType::XHeader {
                    let names = keywords(&content(entry)?)?;
                    if let Some(name) = names.iter().find(|it| !OF_ONE_FILE.contains(&&***it)) {
                        return Err(format!("a header with {name:?} for one file").into());
                    }
                }
                return Ok(());
            }
            EntryType::XGlobalHeader => {
                if self.is_extended || keywords(&content(entry)?)?.iter().any(|it| it != "comment")
                {
                    return Err("a header for all files that is no comment".into());
                }
            }
            EntryType::GNULongLink | EntryType::GNUSparse => {
                return Err("a header of a link, or of a file with holes".into());
            }
            _ => name(entry.header())?,
        }
        self.is_extended = false;
        Ok(())
    }
}

fn content(entry: &mut Entry<'_>) -> Result<Vec<u8>, Cause> {
    let mut bytes = Vec::new();
    entry.take(HEADERS + 1).read_to_end(&mut bytes)?;
    if bytes.len() as u64 > HEADERS {
        return Err("more than 1 MiB is said of one file".into());
    }
    Ok(bytes)
}

/// Numbers are octal digits. Only those without effect on the content may have the GNU form for large
/// numbers, which begins with a bit.
fn numbers(header: &Header) -> Result<(), Cause> {
    let fields = header.as_old();
    let is_octal = |field: &[u8]| {
        let end = field.iter().position(|byte| *byte == 0).unwrap_or(field.len());
        let (number, rest) = field.split_at(end);
        number.trim_ascii().iter().all(|byte| (b'0'..=b'7').contains(byte))
            && rest.iter().all(|byte| matches!(byte, 0 | b' '))
    };
    let is_large = |field: &[u8]| field[0] == 0x80;
    let strict = [&fields.mode[..], &fields.size, &fields.cksum];
    let others = [&fields.uid[..], &fields.gid, &fields.mtime];
    // devmajor and devminor, which the oldest format has not.
    let devices = [&header.as_bytes()[329..337], &header.as_bytes()[337..345]];
    let is_right = strict.into_iter().chain(devices).all(is_octal)
        && others.into_iter().all(|field| is_octal(field) || is_large(field))
        && fields.size.iter().any(u8::is_ascii_digit);
    if is_right { Ok(()) } else { Err("a number in a header is no number".into()) }
}

/// A name in a header. Python puts the prefix in front of it in each format, and takes a file whose
/// name ends in `/` for a folder.
fn name(header: &Header) -> Result<(), Cause> {
    let has_prefix = header.as_bytes()[345..500].iter().any(|byte| *byte != 0);
    if has_prefix && header.as_ustar().is_none() {
        return Err("a header has a prefix that not all programs read".into());
    }
    let name = &header.as_old().name;
    let name = &name[..name.iter().position(|byte| *byte == 0).unwrap_or(name.len())];
    let is_folders = name.ends_with(b"/") || name.is_empty() && has_prefix;
    if header.entry_type() != EntryType::Directory && is_folders {
        return Err("a file with the name of a folder".into());
    }
    Ok(())
}

/// The keywords of a pax header, each of them once: `LENGTH KEYWORD=VALUE\n` and so on.
fn keywords(mut rest: &[u8]) -> Result<Vec<String>, Cause> {
    const BROKEN: &str = "a header is no list of keywords and values";
    let mut names = Vec::new();
    while !rest.is_empty() {
        let digits = rest.iter().take_while(|byte| byte.is_ascii_digit()).count();
        let length = std::str::from_utf8(&rest[..digits])?;
        let length = length.parse().ok().filter(|_| !length.starts_with('0')).ok_or(BROKEN)?;
        let (line, next) = rest.split_at_checked(length).ok_or(BROKEN)?;
        let text = std::str::from_utf8(line.get(digits..).ok_or(BROKEN)?)?;
        let text = text.strip_prefix(' ').and_then(|text| text.strip_suffix('\n')).ok_or(BROKEN)?;
        let (name, value) = text.split_once('=').ok_or(BROKEN)?;
        if value.contains(['\n', '\0']) || name.contains(['\n', '\0', ' ']) {
            return Err(BROKEN.into());
        }
        if names.iter().any(|known| known == name) {
            return Err(format!("a header has {name:?} twice").into());
        }
        names.push(name.to_owned());
        rest = next;
    }
    Ok(names)
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use flate2::Compression;
    use flate2::write::GzEncoder;
    use fs_err as fs;
    use tar::Builder;

    use super::super::Archive;
    use super::*;

    type Written = Builder<GzEncoder<fs::File>>;

    fn header(name: &str, kind: EntryType, size: usize) -> Header {
        let mut header = Header::new_ustar();
        header.set_path(name).unwrap();
        header.set_entry_type(kind);
        header.set_mode(0o644);
        header.set_size(size as u64);
        header
    }

    fn add(archive: &mut Written, mut header: Header, content: &[u8]) {
        header.set_cksum();
        archive.append(&header, content).unwrap();
    }

    /// Writes an archive of two files, between which `extra` writes what it likes.
    fn made(path: &Path, extra: impl FnOnce(&mut Written)) -> Result<Archive, String> {
        let file = fs::File::create(path).unwrap();
        let mut archive = Builder::new(GzEncoder::new(file, Compression::fast()));
        add(&mut archive, header("a-1/PKG-INFO", EntryType::Regular, 1), b"x");
        extra(&mut archive);
        add(&mut archive, header("a-1/src/lib.rs", EntryType::Regular, 4), b"// 1");
        archive.into_inner().unwrap().finish().unwrap();
        Archive::open(path).map_err(|error| error.to_string())
    }

    fn pax(kind: EntryType, text: &str) -> impl FnOnce(&mut Written) {
        move |archive| add(archive, header("pax", kind, text.len()), text.as_bytes())
    }

    fn line(keyword: &str, value: &str) -> String {
        let rest = format!(" {keyword}={value}\n");
        let length = (1..).find(|length: &usize| length.to_string().len() + rest.len() == *length);
        format!("{}{rest}", length.unwrap())
    }

    #[test]
    fn headers_that_say_one_thing() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a-1.tar.gz");
        let named = line("path", "a-1/long/name.rs") + &line("mtime", "1.5");
        let archive = made(&path, pax(EntryType::XHeader, &named)).unwrap();
        assert!(archive.files.contains_key("long/name.rs"));
        assert!(made(&path, pax(EntryType::XGlobalHeader, &line("comment", "abc"))).is_ok());
        assert!(
            made(&path, |it| add(it, header("a-1/src/", EntryType::Directory, 0), b"")).is_ok()
        );
    }

    #[test]
    fn headers_that_programs_read_in_different_ways() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a-1.tar.gz");
        let one = EntryType::XHeader;
        let twice = line("path", "a-1/b") + &line("path", "a-1/c");
        for (kind, text, cause) in [
            (EntryType::XGlobalHeader, line("path", "a-1/b"), "for all files"),
            (one, line("GNU.sparse.name", "a-1/b"), "\"GNU.sparse.name\""),
            (one, line("GNU.sparse.realsize", "1"), "\"GNU.sparse.realsize\""),
            (one, line("size", "1"), "\"size\""),
            (one, twice, "\"path\" twice"),
            (one, line("path", "a-1/b\n9 path=c"), "no list of keywords"),
            (one, "0".to_owned() + &line("path", "a-1/b"), "no list of keywords"),
            (one, line("path", "a-1/b") + "\0", "no list of keywords"),
        ] {
            let refusal = made(&path, pax(kind, &text)).unwrap_err();
            assert!(refusal.contains(cause), "{refusal}");
        }
        let changed = |at: usize, bytes: &'static [u8], format: Header, kind: EntryType| {
            move |archive: &mut Written| {
                let mut header = format;
                header.as_mut_bytes()[..5].copy_from_slice(b"a-1/b");
                header.set_entry_type(kind);
                header.set_mode(0o644);
                header.set_size(0);
                header.as_mut_bytes()[at..][..bytes.len()].copy_from_slice(bytes);
                add(archive, header, b"");
            }
        };
        for (at, bytes, format, kind, cause) in [
            (329, &b"zzzzzzz"[..], Header::new_ustar(), EntryType::Regular, "no number"),
            (108, b"0o17", Header::new_ustar(), EntryType::Regular, "no number"),
            (124, b"\x80", Header::new_ustar(), EntryType::Regular, "no number"),
            (0, b"a-1/b/", Header::new_ustar(), EntryType::Regular, "name of a folder"),
            (0, b"a-1/b/", Header::new_old(), EntryType::new(0), "name of a folder"),
            (345, b"a-1/c", Header::new_gnu(), EntryType::Regular, "a prefix"),
            (0, b"a-1/b", Header::new_gnu(), EntryType::GNULongLink, "of a link"),
        ] {
            let refusal = made(&path, changed(at, bytes, format, kind)).unwrap_err();
            assert!(refusal.contains(cause), "{at}: {refusal}");
        }
    }
}
