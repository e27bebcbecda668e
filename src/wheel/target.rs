//! The file that a wheel is written to.

use std::io::{Error, Result, Seek, SeekFrom, Write};

/// Remembers the first write that failed. From then on it accepts all data and writes nothing. The
/// `zip` writer itself would not tell which file caused the error, and would not be quiet when it
/// is dropped.
pub(super) struct Target<W> {
    inner: W,
    failure: Option<Error>,
    /// Position and length as the writer knows them, as if no write had failed.
    position: u64,
    length: u64,
}

impl<W: Write + Seek> Target<W> {
    pub(super) fn new(inner: W) -> Self {
        Self { inner, failure: None, position: 0, length: 0 }
    }

    /// The first failure, if there was one.
    pub(super) fn take_failure(&mut self) -> Option<Error> {
        self.failure.take()
    }

    /// Calls `act`. Gives `otherwise` if this call fails or an earlier one did.
    fn pretend<T>(&mut self, otherwise: T, act: impl FnOnce(&mut W) -> Result<T>) -> Result<T> {
        if self.failure.is_none() {
            match act(&mut self.inner) {
                Err(error) if error.kind() == std::io::ErrorKind::Interrupted => return Err(error),
                Err(error) => self.failure = Some(error),
                done => return done,
            }
        }
        Ok(otherwise)
    }
}

impl<W: Write + Seek> Write for Target<W> {
    fn write(&mut self, bytes: &[u8]) -> Result<usize> {
        let written = self.pretend(bytes.len(), |inner| match inner.write(bytes)? {
            0 if !bytes.is_empty() => Err(std::io::ErrorKind::WriteZero.into()),
            written => Ok(written),
        })?;
        self.position += written as u64;
        self.length = self.length.max(self.position);
        Ok(written)
    }

    fn flush(&mut self) -> Result<()> {
        self.pretend((), Write::flush)
    }
}

impl<W: Write + Seek> Seek for Target<W> {
    fn seek(&mut self, to: SeekFrom) -> Result<u64> {
        let (from, by) = match to {
            SeekFrom::Start(position) => (position, 0),
            SeekFrom::End(by) => (self.length, by),
            SeekFrom::Current(by) => (self.position, by),
        };
        let believed = from
            .checked_add_signed(by)
            .ok_or_else(|| Error::from(std::io::ErrorKind::InvalidInput))?;
        self.position = self.pretend(believed, |inner| inner.seek(to))?;
        Ok(self.position)
    }
}
