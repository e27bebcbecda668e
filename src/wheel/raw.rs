//! Fields of a zip's headers.

use std::io::Read;

use crate::error::Cause;

/// The next bytes of a file, of which there must be as many.
pub(super) fn read(file: &mut impl Read, length: u64) -> Result<Vec<u8>, Cause> {
    let mut bytes = Vec::new();
    file.take(length).read_to_end(&mut bytes)?;
    if bytes.len() as u64 == length { Ok(bytes) } else { Err("it is cut off".into()) }
}

/// Bytes that are read from the front.
pub(super) struct Bytes<'a>(pub &'a [u8]);

impl<'a> Bytes<'a> {
    pub(super) fn take(&mut self, length: usize) -> Result<&'a [u8], Cause> {
        let (taken, rest) = self.0.split_at_checked(length).ok_or("it is cut off")?;
        self.0 = rest;
        Ok(taken)
    }

    pub(super) fn skip(&mut self, length: usize) -> Result<(), Cause> {
        self.take(length).map(|_| ())
    }

    fn array<const LENGTH: usize>(&mut self) -> Result<[u8; LENGTH], Cause> {
        Ok(self.take(LENGTH)?.try_into()?)
    }

    pub(super) fn u16(&mut self) -> Result<u16, Cause> {
        self.array().map(u16::from_le_bytes)
    }

    pub(super) fn u32(&mut self) -> Result<u32, Cause> {
        self.array().map(u32::from_le_bytes)
    }

    pub(super) fn u64(&mut self) -> Result<u64, Cause> {
        self.array().map(u64::from_le_bytes)
    }
}

/// Extra fields that change neither name nor content (APPNOTE.TXT, 4.5.2): sizes of 64 bits, times,
/// and the user's number.
const PLAIN: [u16; 3] = [0x0001, 0x5455, 0x7875];

/// The extra fields of a header. `None` if they are damaged, if one is there twice, or if one may
/// change the name or the content.
pub(super) fn extras(extra: &[u8]) -> Option<Vec<(u16, &[u8])>> {
    let mut rest = Bytes(extra);
    let mut fields: Vec<(u16, &[u8])> = Vec::new();
    while !rest.0.is_empty() {
        let id = rest.u16().ok()?;
        let length = rest.u16().ok()?;
        let content = rest.take(length.into()).ok()?;
        if !PLAIN.contains(&id) || field(&fields, id).is_some() {
            return None;
        }
        fields.push((id, content));
    }
    Some(fields)
}

/// The content of the extra field with this ID.
pub(super) fn field<'a>(fields: &[(u16, &'a [u8])], wanted: u16) -> Option<&'a [u8]> {
    fields.iter().find(|(id, _)| *id == wanted).map(|(_, content)| *content)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn extra_fields_with_a_meaning() {
        for (extra, is) in [
            (&b""[..], true),
            (b"\x55\x54\x01\x00\x07", true),
            (b"\x55\x54\x01\x00\x07\x55\x54\x01\x00\x07", false),
            (b"\x55\x54\x02\x00\x07", false),
            (b"\x75\x70\x00\x00", false),
            (b"\x01", false),
        ] {
            assert_eq!(extras(extra).is_some(), is, "{extra:?}");
        }
    }
}
