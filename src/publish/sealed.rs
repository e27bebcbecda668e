//! Small JSON files with a checksum in the first line, so that damage is detected.

use std::path::Path;

use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::digest;
use crate::error::{Because as _, Cause};

/// Writes a value by rename, without a sync.
///
/// # Errors
/// The folder or the file can't be written.
pub fn write(path: &Path, value: &impl Serialize) -> std::io::Result<()> {
    let json = serde_json::to_vec(value)?;
    super::bytes(path, &[digest::bytes(&json).as_bytes(), b"\n", &json].concat())
}

/// Reads a value that [`write`] wrote.
///
/// # Errors
/// The reason why it can't be used.
pub fn read<T: DeserializeOwned>(path: &Path) -> Result<T, Cause> {
    let bytes = fs_err::read(path)?;
    let end = bytes.iter().position(|byte| *byte == b'\n').ok_or("truncated")?;
    let (checksum, json) = (&bytes[..end], &bytes[end + 1..]);
    if digest::bytes(json).as_bytes() != checksum {
        return Err("damaged (its checksum does not fit)".into());
    }
    serde_json::from_slice(json).because("written by another version")
}
