//! The file that a wheel is written to.

use std::io::{Error, Result, Seek, SeekFrom, Write};

/// Remembers the first write that failed, and from then on takes everything and writes nothing: the
/// archive's writer would tell neither whose error it was, nor be quiet when it is dropped.
pub struct Target<W> {
    inner: W,
    failure: Option<Error>,
    /// Where the writer believes to be, and how much it believes to have written.
    position: u64,
    length: u64,
}

impl<W: Write + Seek> Target<W> {
    pub fn new(inner: W) -> Self {
        Self { inner, failure: None, position: 0, length: 0 }
    }

    /// What went wrong first, if anything.
    pub fn take_failure(&mut self) -> Option<Error> {
        self.failure.take()
    }

    /// The value that stands for it if it fails, or did.
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
