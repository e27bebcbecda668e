//! The entries of a wheel for a comparison, and whether its archive has nothing besides them.

use std::io::{Read, Seek, SeekFrom};

use fs_err as fs;
use zip::CompressionMethod;

use super::BUFFER;
use super::audit::Audit;
use crate::error::Cause;

/// What the archive says of one entry.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    pub name: String,
    /// The compression method, in words.
    pub compression: String,
    /// The time of the last change, in words.
    pub time: String,
    /// The Unix mode, with the file's type.
    pub mode: Option<u32>,
    /// SHA-256 of the compressed bytes.
    pub packed: String,
}

/// The flag for names in UTF-8 (4.4.4).
const UTF8: u16 = 0x800;

/// The flag for a data descriptor behind the content (4.4.4).
const DESCRIPTOR: u16 = 8;

/// Limit of the size of one file that is compared, in bytes: two of them are in memory.
const CONTENT: u64 = 1 << 30;

/// Extra fields without effect on the content (APPNOTE.TXT, 4.5.2): sizes in 64 bits, and times.
const PLAIN_EXTRAS: [u16; 2] = [0x0001, 0x5455];

impl Audit {
    /// All entries, in the order of the archive's list.
    ///
    /// # Errors
    /// The archive can't be read.
    pub fn entries(&mut self) -> Result<Vec<Entry>, Cause> {
        (0..self.archive.len())
            .map(|index| {
                let mut entry = self.archive.by_index_raw(index)?;
                let time = entry.last_modified().map(|time| time.to_string());
                Ok(Entry {
                    name: entry.name().to_owned(),
                    compression: entry.compression().to_string(),
                    time: time.unwrap_or_else(|| "no time".to_owned()),
                    mode: entry.unix_mode(),
                    packed: crate::digest::reader(&mut entry)?.0,
                })
            })
            .collect()
    }

    /// The whole content of an entry.
    ///
    /// # Errors
    /// There is no such entry, or it can't be read.
    pub fn content(&mut self, name: &str) -> Result<Vec<u8>, Cause> {
        let mut entry = self.archive.by_name(name)?;
        if entry.size() > CONTENT {
            return Err(format!("{name} is larger than {} GiB", CONTENT >> 30).into());
        }
        let mut bytes = Vec::new();
        // The stated size may be wrong.
        entry.by_ref().take(CONTENT).read_to_end(&mut bytes)?;
        Ok(bytes)
    }

    /// Whether the archive consists of its entries and one list of them: no bytes before, between
    /// or after them, no comments, no extra fields with a meaning, and the same name in both
    /// headers of an entry. Installers that read such an archive in different ways get the same
    /// files.
    ///
    /// # Errors
    /// The file can't be read.
    pub fn is_plain(&mut self) -> Result<bool, Cause> {
        let mut entries = Vec::new();
        for index in 0..self.archive.len() {
            let entry = self.archive.by_index_raw(index)?;
            let name = entry.name_raw().to_owned();
            let method = match entry.compression() {
                CompressionMethod::Stored => 0,
                CompressionMethod::Deflated => 8,
                _ => return Ok(false),
            };
            let (crc, sizes) = (entry.crc32(), [entry.size(), entry.compressed_size()]);
            entries.push((entry.header_start(), name, Stated { method, crc, sizes }));
        }
        entries.sort();
        let list = self.archive.central_directory_start();
        let mut file = std::io::BufReader::with_capacity(BUFFER, fs::File::open(self.path())?);
        let mut expected = 0;
        for (number, (start, name, stated)) in entries.iter().enumerate() {
            file.seek(SeekFrom::Start(*start))?;
            let header: [u8; 30] = read(&mut file)?;
            let (own, extra) =
                (vec(&mut file, word(&header, 26))?, vec(&mut file, word(&header, 28))?);
            let end = start + 30 + (own.len() + extra.len()) as u64 + stated.sizes[1];
            let next = entries.get(number + 1).map_or(list, |(start, ..)| *start);
            let flags = word(&header, 6);
            let is_end = stated.is_end(&mut file, end, next, flags)?;
            if !is_clear(name, flags) {
                return Ok(false);
            }
            if *start != expected || header[..4] != *b"PK\x03\x04" || own != *name {
                return Ok(false);
            }
            if !is_end || !has_plain_extras(&extra) || !stated.is_in(&header, &extra) {
                return Ok(false);
            }
            expected = next;
        }
        file.seek(SeekFrom::Start(list))?;
        is_plain_list(file, entries.len())
    }
}

/// Whether the list at the end of an archive has nothing but its entries.
fn is_plain_list(mut file: impl Read, entries: usize) -> Result<bool, Cause> {
    for _ in 0..entries {
        let header: [u8; 46] = read(&mut file)?;
        let name = vec(&mut file, word(&header, 28))?;
        let extra = vec(&mut file, word(&header, 30))?;
        let has_comment = word(&header, 32) != 0;
        let is_plain =
            header[..4] == *b"PK\x01\x02" && !has_comment && is_clear(&name, word(&header, 8));
        if !is_plain || !has_plain_extras(&extra) {
            return Ok(false);
        }
    }
    let mut end = Vec::new();
    // The end record, perhaps with those of 64 bits (APPNOTE.TXT, 4.3.14 to 4.3.16).
    file.take(99).read_to_end(&mut end)?;
    Ok(matches!(end.len(), 22 | 98))
}

/// Whether all programs read a name alike. Without the flag for UTF-8 they do not.
fn is_clear(name: &[u8], flags: u16) -> bool {
    name.is_ascii() || flags & UTF8 != 0
}

/// What the list says of an entry's content.
#[derive(PartialEq, Eq, PartialOrd, Ord)]
struct Stated {
    method: u16,
    crc: u32,
    /// Unpacked and packed.
    sizes: [u64; 2],
}

impl Stated {
    /// Whether the entry's own header says the same (APPNOTE.TXT, 4.3.7). Programs that unpack while
    /// they read know only that one. It leaves out CRC and sizes if a data descriptor follows.
    fn is_in(&self, header: &[u8; 30], extra: &[u8]) -> bool {
        // Bits for the effort of deflate.
        const WITHOUT_EFFECT: u16 = 2 | 4 | UTF8;
        let flags = word(header, 6);
        let number =
            |at: usize| u32::from(word(header, at)) | u32::from(word(header, at + 2)) << 16;
        // Sizes of 64 bits are in an extra field (4.5.3).
        let mut large = field(extra, 1).unwrap_or_default().chunks_exact(8);
        let mut size = |at: usize| match number(at) {
            u32::MAX => large.next().and_then(|it| it.try_into().ok()).map(u64::from_le_bytes),
            size => Some(size.into()),
        };
        let (unpacked, packed) = (size(22), size(18));
        // The end of stored bytes can't be seen without their length.
        let is_left_out = flags & DESCRIPTOR != 0
            && self.method != 0
            && number(14) == 0
            && [unpacked, packed] == [Some(0), Some(0)];
        let is_same = number(14) == self.crc && [unpacked, packed] == self.sizes.map(Some);
        flags & !(DESCRIPTOR | WITHOUT_EFFECT) == 0
            && word(header, 8) == self.method
            && (is_same || is_left_out)
    }

    /// Whether only a data descriptor, if there is one, lies between the content and the next header.
    fn is_end(
        &self,
        file: &mut (impl Read + Seek),
        end: u64,
        next: u64,
        flags: u16,
    ) -> Result<bool, Cause> {
        let has_descriptor = flags & DESCRIPTOR != 0;
        Ok(match next.checked_sub(end) {
            Some(0) => !has_descriptor,
            Some(length @ (12 | 16 | 20 | 24)) => {
                file.seek(SeekFrom::Start(end))?;
                has_descriptor && self.is_described(&vec(file, u16::try_from(length)?)?)
            }
            _ => false,
        })
    }

    /// Whether a data descriptor says the same (4.3.9): with or without signature, sizes of 32 or 64
    /// bits.
    fn is_described(&self, descriptor: &[u8]) -> bool {
        let fields = match descriptor.len() {
            16 | 24 => descriptor.strip_prefix(b"PK\x07\x08"),
            _ => Some(descriptor),
        };
        let [unpacked, packed] = self.sizes;
        let width = if matches!(descriptor.len(), 12 | 16) { 4 } else { 8 };
        let fits = |size: u64| width == 8 || u32::try_from(size).is_ok();
        let sizes = [packed, unpacked].map(|size| size.to_le_bytes()[..width].to_vec());
        fits(packed)
            && fits(unpacked)
            && fields == Some(&[&self.crc.to_le_bytes()[..], &sizes.concat()].concat())
    }
}

fn read<const LENGTH: usize>(file: &mut impl Read) -> Result<[u8; LENGTH], Cause> {
    let mut bytes = [0; LENGTH];
    file.read_exact(&mut bytes)?;
    Ok(bytes)
}

fn vec(file: &mut impl Read, length: u16) -> Result<Vec<u8>, Cause> {
    let mut bytes = vec![0; usize::from(length)];
    file.read_exact(&mut bytes)?;
    Ok(bytes)
}

fn word(bytes: &[u8], at: usize) -> u16 {
    u16::from_le_bytes([bytes[at], bytes[at + 1]])
}

/// The content of the extra field with this ID.
fn field(mut extra: &[u8], wanted: u16) -> Option<&[u8]> {
    while let [id, high, low, length, rest @ ..] = extra {
        let (content, next) = rest.split_at_checked(u16::from_le_bytes([*low, *length]).into())?;
        if u16::from_le_bytes([*id, *high]) == wanted {
            return Some(content);
        }
        extra = next;
    }
    None
}

fn has_plain_extras(mut extra: &[u8]) -> bool {
    while let [id, high, low, length, rest @ ..] = extra {
        let size = usize::from(u16::from_le_bytes([*low, *length]));
        if !PLAIN_EXTRAS.contains(&u16::from_le_bytes([*id, *high])) || rest.len() < size {
            return false;
        }
        extra = &rest[size..];
    }
    extra.is_empty()
}

#[cfg(test)]
mod tests {
    use std::io::Write as _;
    use std::path::Path;

    use zip::ZipWriter;
    use zip::write::SimpleFileOptions;

    use super::*;

    fn archive(path: &Path, comment: &str) {
        let mut writer = ZipWriter::new(fs::File::create(path).unwrap());
        for name in ["a/__init__.py", "a-1.dist-info/RECORD"] {
            writer.start_file(name, SimpleFileOptions::default()).unwrap();
            writer.write_all(name.as_bytes()).unwrap();
        }
        writer.set_comment(comment).unwrap();
        writer.finish().unwrap();
    }

    #[test]
    fn an_archive_with_more_in_it_is_not_plain() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a-1-py3-none-any.whl");
        let is_plain = || Audit::open(&path).unwrap().is_plain().unwrap();
        archive(&path, "");
        assert!(is_plain());
        let mut audit = Audit::open(&path).unwrap();
        let names: Vec<String> =
            audit.entries().unwrap().into_iter().map(|entry| entry.name).collect();
        assert_eq!(names, ["a/__init__.py", "a-1.dist-info/RECORD"]);
        assert_eq!(audit.content("a/__init__.py").unwrap(), b"a/__init__.py");
        let plain = fs::read(&path).unwrap();
        // Another name in the entry's own header: some installers read this one.
        let mut other = plain.clone();
        other[30] = b'b';
        fs::write(&path, other).unwrap();
        assert!(!is_plain());
        archive(&path, "a comment");
        assert!(!is_plain());
        // Flags (encrypted), method, CRC and sizes in the entry's own header.
        for at in [6, 8, 14, 18, 22] {
            let mut other = plain.clone();
            other[at] ^= 1;
            fs::write(&path, other).unwrap();
            assert!(!Audit::open(&path).is_ok_and(|mut it| it.is_plain().unwrap_or(true)), "{at}");
        }
    }

    #[test]
    fn sizes_of_64_bits_are_in_an_extra_field() {
        let stated = Stated { method: 8, crc: 7, sizes: [1 << 33, 5] };
        let mut header = [0; 30];
        (header[8], header[14]) = (8, 7);
        header[18..26].fill(0xff);
        let extra = [&[1, 0, 16, 0][..], &(1_u64 << 33).to_le_bytes(), &5_u64.to_le_bytes()];
        assert!(stated.is_in(&header, &extra.concat()));
        assert!(!stated.is_in(&header, &[]));
        let other = Stated { sizes: [1 << 33, 6], ..stated };
        assert!(!other.is_in(&header, &extra.concat()));
        // Left out, because a data descriptor follows.
        let mut header = [0; 30];
        (header[6], header[8]) = (8, 8);
        assert!(other.is_in(&header, &[]));
        header[14] = 1;
        assert!(!other.is_in(&header, &[]));
    }

    #[test]
    fn a_data_descriptor_says_what_the_list_says() {
        let stated = Stated { method: 8, crc: 7, sizes: [9, 5] };
        let narrow = [[7, 0, 0, 0], [5, 0, 0, 0], [9, 0, 0, 0]].concat();
        let wide = [&narrow[..8], &[0; 4], &narrow[8..], &[0; 4]].concat();
        for fields in [&narrow, &wide] {
            assert!(stated.is_described(fields));
            let signed = [b"PK\x07\x08", &fields[..]].concat();
            assert!(stated.is_described(&signed));
            for at in 0..signed.len() {
                let mut other = signed.clone();
                other[at] ^= 1;
                assert!(!stated.is_described(&other), "{at}");
            }
        }
        let large = Stated { sizes: [9 + (1 << 32), 5], ..stated };
        assert!(!large.is_described(&narrow));
    }

    #[test]
    fn extra_fields_with_a_meaning() {
        for (extra, is) in [
            (&b""[..], true),
            (b"\x55\x54\x01\x00\x07", true),
            (b"\x55\x54\x02\x00\x07", false),
            (b"\x75\x70\x00\x00", false),
            (b"\x01", false),
        ] {
            assert_eq!(has_plain_extras(extra), is, "{extra:?}");
        }
    }
}
