//! The list of files at the end of a wheel (APPNOTE.TXT 6.3.10, 4.3.12 to 4.3.16).
//!
//! Each program that reads zips finds this list, and the fields of it, by rules of its own. A wheel
//! that was made for the purpose shows other files to pip than to this program. So a wheel is refused
//! if two such rules could give two results.

use std::collections::HashSet;
use std::io::{Read, Seek, SeekFrom};

use super::raw::{Bytes, extras, field, read};
use crate::error::Cause;

/// The flag for names in UTF-8 (4.4.4).
pub(super) const UTF8: u16 = 0x800;

/// Limit of the size of the list, in bytes. It is read into memory.
const LIMIT: u64 = 64 << 20;

/// What the list says of one file.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Listed {
    /// Where the file's own header begins.
    pub start: u64,
    pub name: Vec<u8>,
    pub method: u16,
    pub crc: u32,
    /// Unpacked and packed.
    pub sizes: [u64; 2],
}

/// The list, and where it begins.
#[derive(Debug)]
pub(super) struct List {
    pub start: u64,
    pub files: Vec<Listed>,
}

/// What the end records say, and where the first of them begins.
struct End {
    files: u64,
    size: u64,
    start: u64,
    at: u64,
}

impl List {
    /// Reads the list of an archive that ends with it.
    ///
    /// # Errors
    /// The list can't be read, or programs could read it in different ways.
    pub(super) fn read(file: &mut (impl Read + Seek)) -> Result<Self, Cause> {
        let end = End::read(file)?;
        if end.start.checked_add(end.size) != Some(end.at) {
            return Err("its list of files is not where its end says".into());
        }
        if end.size > LIMIT {
            return Err("its list of files is too long".into());
        }
        let bytes = read_at(file, end.start, end.size)?;
        let mut rest = Bytes(&bytes);
        let mut files = Vec::new();
        while !rest.0.is_empty() {
            files.push(Listed::read(&mut rest)?);
        }
        if files.len() as u64 != end.files {
            return Err("its list has another number of files than its end says".into());
        }
        let mut names = HashSet::new();
        if !files.iter().all(|file| names.insert(&file.name)) {
            return Err("a name is twice in it".into());
        }
        Ok(Self { start: end.start, files })
    }
}

impl End {
    fn read(file: &mut (impl Read + Seek)) -> Result<Self, Cause> {
        const END: u64 = 22;
        const LOCATOR: u64 = 20;
        const LARGE_END: u64 = 56;
        let length = file.seek(SeekFrom::End(0))?;
        let at = length.checked_sub(END).ok_or("it is too short")?;
        let bytes = read_at(file, at, END)?;
        let mut end = Bytes(&bytes);
        // No comment follows the record, so all programs find this one.
        if !bytes.starts_with(b"PK\x05\x06") || bytes[20..] != [0, 0] {
            return Err("it does not end with its list of files".into());
        }
        end.skip(4)?;
        let disks = [end.u16()?, end.u16()?];
        let counts = [end.u16()?, end.u16()?];
        let (size, start) = (end.u32()?, end.u32()?);
        if disks != [0, 0] || counts[0] != counts[1] {
            return Err("it is one of several parts".into());
        }
        let small = Self { files: counts[0].into(), size: size.into(), start: start.into(), at };
        let Some(before) = at.checked_sub(LOCATOR) else { return Ok(small) };
        let locator = read_at(file, before, LOCATOR)?;
        if !locator.starts_with(b"PK\x06\x07") {
            return Ok(small);
        }
        // Numbers of 64 bits are in a record of their own. Each small number is the same, or full.
        let at = before.checked_sub(LARGE_END).ok_or("it is too short")?;
        let expected = [&[0; 4][..], &at.to_le_bytes(), &1_u32.to_le_bytes()].concat();
        let bytes = read_at(file, at, LARGE_END)?;
        let mut large = Bytes(&bytes);
        let is_one = bytes.starts_with(b"PK\x06\x06") && locator[4..] == expected;
        large.skip(4)?;
        let is_plain = large.u64()? == LARGE_END - 12;
        large.skip(4)?;
        let disks = [large.u32()?, large.u32()?];
        let counts = [large.u64()?, large.u64()?];
        let (size, start) = (large.u64()?, large.u64()?);
        let pairs = [
            (small.files, counts[0], u64::from(u16::MAX)),
            (small.size, size, u64::from(u32::MAX)),
            (small.start, start, u64::from(u32::MAX)),
        ];
        let agree = pairs.iter().all(|(small, large, full)| small == large || small == full);
        let is_needed = pairs.iter().any(|(small, _, full)| small == full);
        let is_whole = disks == [0, 0] && counts[0] == counts[1];
        if !(is_one && is_plain && is_whole && agree && is_needed) {
            return Err("there are two lists of files in it".into());
        }
        Ok(Self { files: counts[0], size, start, at })
    }
}

impl Listed {
    fn read(rest: &mut Bytes<'_>) -> Result<Self, Cause> {
        if rest.take(4)? != b"PK\x01\x02" {
            return Err("its list of files has something else in it".into());
        }
        rest.skip(4)?;
        let (flags, method) = (rest.u16()?, rest.u16()?);
        rest.skip(4)?;
        let crc = rest.u32()?;
        let (packed, unpacked) = (rest.u32()?, rest.u32()?);
        let [name, extra, comment, disk] = [rest.u16()?, rest.u16()?, rest.u16()?, rest.u16()?];
        rest.skip(6)?;
        let start = rest.u32()?;
        let name = rest.take(name.into())?.to_owned();
        let extra = rest.take(extra.into())?;
        let refused = |cause: &str| {
            let cause = format!("{:?}: {cause}", String::from_utf8_lossy(&name));
            Err(Cause::from(cause))
        };
        if comment != 0 || disk != 0 {
            return refused("its entry in the list has a comment, or is of another part");
        }
        // Without the flag, some programs read the name in another encoding.
        if !name.is_ascii() && (flags & UTF8 == 0 || std::str::from_utf8(&name).is_err()) {
            return refused("programs read this name in different ways");
        }
        let Some(fields) = extras(extra) else {
            return refused("its entry in the list has an extra field that may change it");
        };
        // Numbers of 64 bits are in an extra field (4.5.3), one for each that is full.
        let small = [unpacked, packed, start];
        let large = field(&fields, 1).unwrap_or_default();
        let count = small.iter().filter(|number| **number == u32::MAX).count();
        if large.len() != 8 * count {
            return refused("its sizes are there twice");
        }
        let mut large = Bytes(large);
        let mut number = |small: u32| match small {
            u32::MAX => large.u64(),
            small => Ok(small.into()),
        };
        let (unpacked, packed, start) = (number(small[0])?, number(small[1])?, number(small[2])?);
        Ok(Self { start, name, method, crc, sizes: [unpacked, packed] })
    }
}

fn read_at(file: &mut (impl Read + Seek), at: u64, length: u64) -> Result<Vec<u8>, Cause> {
    file.seek(SeekFrom::Start(at))?;
    read(file, length)
}

#[cfg(test)]
mod tests {
    use std::io::Cursor;

    use super::*;

    /// A file of an archive that is written by hand.
    #[derive(Default)]
    struct File {
        name: &'static str,
        content: &'static [u8],
        /// Extra fields in the list.
        extra: Vec<u8>,
        flags: u16,
    }

    /// The archive's files, its list, and its end.
    fn parts(files: &[File]) -> [Vec<u8>; 3] {
        let (mut body, mut list) = (Vec::new(), Vec::new());
        for file in files {
            let number = |number: usize| u32::try_from(number).unwrap().to_le_bytes();
            let length = |length: usize| u16::try_from(length).unwrap().to_le_bytes();
            let sizes = [number(file.content.len()), number(file.content.len())].concat();
            let start = number(body.len());
            let common = [&file.flags.to_le_bytes()[..], &[0; 10], &sizes].concat();
            let name = length(file.name.len());
            body.extend([b"PK\x03\x04", &[20, 0][..], &common, &name, &[0, 0]].concat());
            body.extend([file.name.as_bytes(), file.content].concat());
            let extra = length(file.extra.len());
            list.extend([b"PK\x01\x02", &[20, 0, 20, 0][..], &common, &name, &extra].concat());
            list.extend([&[0; 10][..], &start, file.name.as_bytes(), &file.extra].concat());
        }
        let end = end(files.len(), list.len(), body.len());
        [body, list, end]
    }

    fn end(files: usize, size: usize, start: usize) -> Vec<u8> {
        let count = u16::try_from(files).unwrap().to_le_bytes();
        let numbers = [size, start].map(|it| u32::try_from(it).unwrap().to_le_bytes()).concat();
        [b"PK\x05\x06", &[0; 4][..], &count, &count, &numbers, &[0, 0]].concat()
    }

    fn read(parts: &[Vec<u8>]) -> Result<List, String> {
        List::read(&mut Cursor::new(parts.concat())).map_err(|error| error.to_string())
    }

    fn files() -> [File; 2] {
        let file = |name, content| File { name, content, ..File::default() };
        [file("a.py", b"1"), file("b.py", b"22")]
    }

    #[test]
    fn a_plain_list_is_read() {
        let parts = parts(&files());
        let list = read(&parts).unwrap();
        assert_eq!(list.start, parts[0].len() as u64);
        let names: Vec<_> = list.files.iter().map(|file| (&*file.name, file.sizes)).collect();
        assert_eq!(names, [(&b"a.py"[..], [1, 1]), (b"b.py", [2, 2])]);
        assert!(super::super::local::check(&mut Cursor::new(parts.concat()), &list).is_ok());
    }

    #[test]
    fn ends_that_programs_read_in_different_ways() {
        let [body, list, good] = parts(&files());
        let other = [good.clone(), b"x".to_vec()];
        let moved = |size: usize, start: usize| end(2, list.len() + size, body.len() - start);
        let count = end(1, list.len(), body.len());
        for parts in [
            // A comment, and bytes behind the end.
            vec![body.clone(), list.clone(), [&good[..20], &[1, 0, b'x']].concat()],
            [vec![body.clone(), list.clone()], other.to_vec()].concat(),
            // Two lists: Python reads the one in front of the end, others the one at its place.
            vec![body.clone(), list.clone(), list.clone(), good.clone()],
            // The same by a wrong size, and by a wrong place.
            vec![body.clone(), list.clone(), moved(9, 0)],
            vec![body.clone(), list.clone(), moved(0, 9)],
            vec![body.clone(), list.clone(), count],
            // Bytes in front of everything.
            vec![b"#!".to_vec(), body.clone(), list.clone(), good.clone()],
            vec![good[..9].to_vec()],
        ] {
            assert!(read(&parts).is_err(), "{parts:?}");
        }
    }

    #[test]
    fn numbers_of_64_bits_that_only_some_programs_read() {
        let [body, list, good] = parts(&files());
        let numbers = |start: usize| {
            let numbers = [2, 2, list.len(), start].map(|it| (it as u64).to_le_bytes());
            let large = [b"PK\x06\x06", &44_u64.to_le_bytes()[..], &[0; 12]].concat();
            let at = (body.len() + list.len()) as u64;
            let locator = [b"PK\x06\x07", &[0; 4][..], &at.to_le_bytes(), &[1, 0, 0, 0]].concat();
            [large, numbers.concat(), locator].concat()
        };
        let with =
            |numbers: Vec<u8>, end: Vec<u8>| read(&[body.clone(), list.clone(), numbers, end]);
        let mut full = good.clone();
        full[16..20].fill(0xff);
        assert!(with(numbers(body.len()), full.clone()).is_ok());
        // Nobody needs them, or they name another place.
        assert!(with(numbers(body.len()), good).is_err());
        assert!(with(numbers(0), full.clone()).is_err());
        let mut other = full;
        other[8] = 3;
        other[10] = 3;
        assert!(with(numbers(body.len()), other).is_err());
        // Sizes of one file.
        let sizes = [&[1, 0, 24, 0][..], &[0; 24]].concat();
        let [mut one, two] = files();
        one.extra = sizes;
        let error = read(&parts(&[one, two])).unwrap_err();
        assert_eq!(error, "\"a.py\": its sizes are there twice");
    }

    #[test]
    fn names_that_programs_read_in_different_ways() {
        let [mut one, two] = files();
        // Info-ZIP's field with another name for the file.
        one.extra = [&[0x75, 0x70, 6, 0, 1][..], &[0; 4], b"x"].concat();
        assert!(read(&parts(&[one, two])).is_err());
        let name = |flags| File { name: "\u{e9}.py", content: b"1", flags, extra: Vec::new() };
        assert!(read(&parts(&[name(0)])).is_err());
        assert!(read(&parts(&[name(UTF8)])).is_ok());
        let [one, mut two] = files();
        two.name = one.name;
        assert_eq!(read(&parts(&[one, two])).unwrap_err(), "a name is twice in it");
    }
}
