//! The header in front of each file of a wheel (APPNOTE.TXT 6.3.10, 4.3.7 and 4.3.9). Programs that
//! unpack while they read know only this one, so it has to say what the list at the end says.

use std::io::{Read, Seek, SeekFrom};

use super::list::{List, Listed, UTF8};
use super::raw::{Bytes, extras, field, read};
use crate::error::Cause;

/// The flag for a data descriptor behind the content (4.4.4).
const DESCRIPTOR: u16 = 8;

/// The length of a header without name and extra fields.
const HEADER: usize = 30;

/// Checks that an archive consists of its files and the list, with nothing before, between or after
/// them, and that each file's own header says what the list says.
///
/// # Errors
/// The first file of which this is not true.
pub(super) fn check(file: &mut (impl Read + Seek), list: &List) -> Result<(), Cause> {
    let mut files: Vec<&Listed> = list.files.iter().collect();
    files.sort();
    let ends = files.iter().skip(1).map(|next| next.start).chain([list.start]);
    let mut expected = 0;
    for (listed, next) in files.iter().zip(ends) {
        let name = || String::from_utf8_lossy(&listed.name).into_owned();
        if listed.start != expected || !is_same(file, listed, next)? {
            let cause = "its own header is not what the list of files says";
            return Err(format!("{:?}: {cause}", name()).into());
        }
        expected = next;
    }
    if expected == list.start { Ok(()) } else { Err("there is something before its list".into()) }
}

/// Whether the file that begins here is as listed and ends where the next one begins.
fn is_same(file: &mut (impl Read + Seek), listed: &Listed, next: u64) -> Result<bool, Cause> {
    file.seek(SeekFrom::Start(listed.start))?;
    let mut header = [0; HEADER];
    file.read_exact(&mut header)?;
    let mut fields = Bytes(&header[26..]);
    let [name, extra] = [fields.u16()?, fields.u16()?];
    let (name, extra) = (read(file, name.into())?, read(file, extra.into())?);
    let begin = listed.start + (HEADER + name.len() + extra.len()) as u64;
    let Some(end) = begin.checked_add(listed.sizes[1]) else { return Ok(false) };
    let flags = u16::from_le_bytes([header[6], header[7]]);
    let is_clear = name.is_ascii() || flags & UTF8 != 0;
    let has_same_fields = header[..4] == *b"PK\x03\x04" && name == listed.name && is_clear;
    Ok(has_same_fields
        && is_in(listed, &header, &extra)?
        && is_end(file, listed, end, next, flags)?)
}

/// Whether the file's own header says the same. It leaves out CRC and sizes if a data descriptor
/// follows.
fn is_in(listed: &Listed, header: &[u8; HEADER], extra: &[u8]) -> Result<bool, Cause> {
    // Bits for the effort of deflate.
    const WITHOUT_EFFECT: u16 = 2 | 4 | UTF8;
    let mut rest = Bytes(&header[6..]);
    let (flags, method) = (rest.u16()?, rest.u16()?);
    rest.skip(4)?;
    let (crc, packed, unpacked) = (rest.u32()?, rest.u32()?, rest.u32()?);
    let Some(fields) = extras(extra) else { return Ok(false) };
    // Sizes of 64 bits are in an extra field (4.5.3).
    let mut large = Bytes(field(&fields, 1).unwrap_or_default());
    let mut size = |small: u32| match small {
        u32::MAX => large.u64().ok(),
        small => Some(small.into()),
    };
    let sizes = [size(unpacked), size(packed)];
    // The end of stored bytes can't be seen without their length.
    let is_left_out =
        flags & DESCRIPTOR != 0 && listed.method != 0 && crc == 0 && sizes == [Some(0), Some(0)];
    let is_same = crc == listed.crc && sizes == listed.sizes.map(Some);
    Ok(flags & !(DESCRIPTOR | WITHOUT_EFFECT) == 0
        && method == listed.method
        && (is_same || is_left_out))
}

/// Whether only a data descriptor, if there is one, lies between the content and the next header.
fn is_end(
    file: &mut (impl Read + Seek),
    listed: &Listed,
    end: u64,
    next: u64,
    flags: u16,
) -> Result<bool, Cause> {
    let has_descriptor = flags & DESCRIPTOR != 0;
    Ok(match next.checked_sub(end) {
        Some(0) => !has_descriptor,
        Some(length @ (12 | 16 | 20 | 24)) => {
            file.seek(SeekFrom::Start(end))?;
            has_descriptor && is_described(listed, &read(file, length)?)
        }
        _ => false,
    })
}

/// Whether a data descriptor says the same: with or without signature, sizes of 32 or 64 bits.
fn is_described(listed: &Listed, descriptor: &[u8]) -> bool {
    let fields = match descriptor.len() {
        16 | 24 => descriptor.strip_prefix(b"PK\x07\x08"),
        _ => Some(descriptor),
    };
    let [unpacked, packed] = listed.sizes;
    let width = if matches!(descriptor.len(), 12 | 16) { 4 } else { 8 };
    let fits = |size: u64| width == 8 || u32::try_from(size).is_ok();
    let sizes = [packed, unpacked].map(|size| size.to_le_bytes()[..width].to_vec());
    fits(packed)
        && fits(unpacked)
        && fields == Some(&[&listed.crc.to_le_bytes()[..], &sizes.concat()].concat())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn listed(crc: u32, sizes: [u64; 2]) -> Listed {
        Listed { start: 0, name: Vec::new(), method: 8, crc, sizes }
    }

    #[test]
    fn sizes_of_64_bits_are_in_an_extra_field() {
        let one = listed(7, [1 << 33, 5]);
        let mut header = [0; HEADER];
        (header[8], header[14]) = (8, 7);
        header[18..26].fill(0xff);
        let extra = [&[1, 0, 16, 0][..], &(1_u64 << 33).to_le_bytes(), &5_u64.to_le_bytes()];
        assert!(is_in(&one, &header, &extra.concat()).unwrap());
        assert!(!is_in(&one, &header, &[]).unwrap());
        let other = listed(7, [1 << 33, 6]);
        assert!(!is_in(&other, &header, &extra.concat()).unwrap());
        // Left out, because a data descriptor follows.
        let mut header = [0; HEADER];
        (header[6], header[8]) = (8, 8);
        assert!(is_in(&other, &header, &[]).unwrap());
        header[14] = 1;
        assert!(!is_in(&other, &header, &[]).unwrap());
    }

    #[test]
    fn a_data_descriptor_says_what_the_list_says() {
        let one = listed(7, [9, 5]);
        let narrow = [[7, 0, 0, 0], [5, 0, 0, 0], [9, 0, 0, 0]].concat();
        let wide = [&narrow[..8], &[0; 4], &narrow[8..], &[0; 4]].concat();
        for fields in [&narrow, &wide] {
            assert!(is_described(&one, fields));
            let signed = [b"PK\x07\x08", &fields[..]].concat();
            assert!(is_described(&one, &signed));
            for at in 0..signed.len() {
                let mut other = signed.clone();
                other[at] ^= 1;
                assert!(!is_described(&one, &other), "{at}");
            }
        }
        let large = listed(7, [9 + (1 << 32), 5]);
        assert!(!is_described(&large, &narrow));
    }
}
