//! Reading the entries of an sdist within limits. The archive is not trusted.

use std::cell::Cell;
use std::io::{BufReader, Read};
use std::path::Path;
use std::rc::Rc;

use flate2::read::MultiGzDecoder;
use fs_err as fs;

use crate::error::{Cause, Error, PathContext as _, Result, because};

/// Limit of the unpacked size, in bytes.
const LIMIT: u64 = 8 << 30;
/// Limit of the headers of one file (name, times), in bytes. The `tar` crate reads them into
/// memory, whatever their size.
pub(super) const HEADERS: u64 = 1 << 20;

pub(super) type Reader = BoundedReader<MultiGzDecoder<BufReader<fs::File>>>;
pub(super) type Entry<'a> = tar::Entry<'a, Reader>;

/// A reader that enforces the limits, whatever sizes the archive states.
pub(super) struct BoundedReader<R> {
    inner: R,
    left: u64,
    /// Bytes of headers that may still be read; `None` while a file's content is read.
    headers: Rc<Cell<Option<u64>>>,
}

impl<R: Read> Read for BoundedReader<R> {
    fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
        let count = self.inner.read(buffer)?;
        let too_much =
            || std::io::Error::other(format!("it unpacks to more than {} GiB", LIMIT >> 30));
        self.left = self.left.checked_sub(count as u64).ok_or_else(too_much)?;
        if let Some(left) = self.headers.get() {
            let too_much = || std::io::Error::other("more than 1 MiB is said of one file");
            self.headers.set(Some(left.checked_sub(count as u64).ok_or_else(too_much)?));
        }
        Ok(count)
    }
}

/// Calls `visit` for each entry. If `raw` is set, headers that extend a file's entry are entries of
/// their own.
pub(super) fn each(
    path: &Path,
    raw: bool,
    visit: &mut dyn FnMut(&mut Entry<'_>) -> Result<()>,
) -> Result<()> {
    let inner = MultiGzDecoder::new(BufReader::new(fs::File::open(path).at(path)?));
    let headers = Rc::new(Cell::new(None));
    let reader = BoundedReader { inner, left: LIMIT, headers: Rc::clone(&headers) };
    let mut archive = tar::Archive::new(reader);
    let mut entries = archive.entries().map_err(|error| refused(path, error))?.raw(raw);
    loop {
        headers.set(Some(HEADERS));
        let Some(entry) = entries.next() else { return Ok(()) };
        headers.set(None);
        let mut entry = entry.map_err(|error| refused(path, error))?;
        visit(&mut entry)?;
        // Skip content that `visit` did not read; it would count as a header of the next file.
        std::io::copy(&mut entry, &mut std::io::sink()).map_err(|error| refused(path, error))?;
    }
}

pub(super) fn refused(path: &Path, cause: impl Into<Cause>) -> Error {
    let cause = because("not an sdist", cause);
    Error::given(path, cause, "an sdist is a file like NAME-VERSION.tar.gz")
}
