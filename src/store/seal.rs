//! Files with a checksum, so that damage is detected.

use serde::{Deserialize, Serialize};

use crate::digest;

/// Writes a value as JSON, with a checksum in the first line.
pub(super) fn seal(value: &impl Serialize) -> std::io::Result<Vec<u8>> {
    let json = serde_json::to_vec(value)?;
    let mut bytes = digest::bytes(&json).into_bytes();
    bytes.push(b'\n');
    bytes.extend(json);
    Ok(bytes)
}

/// Reads a value that [`seal`] wrote. The error is the reason why it can't be used.
pub(super) fn unseal<T: for<'de> Deserialize<'de>>(bytes: &[u8]) -> Result<T, String> {
    let end = bytes.iter().position(|byte| *byte == b'\n').ok_or("truncated")?;
    let (checksum, json) = (&bytes[..end], &bytes[end + 1..]);
    if digest::bytes(json).as_bytes() != checksum {
        return Err("damaged (its checksum does not fit)".to_owned());
    }
    serde_json::from_slice(json).map_err(|error| format!("written by another version ({error})"))
}
