//! Fetching a wheel.

use std::io::Write as _;
use std::path::Path;

use fs_err as fs;
use futures_util::StreamExt as _;
use sha2::{Digest as _, Sha256};

use crate::digest::Digest;
use crate::failure::Failure;
use crate::protocol::Answer;
use crate::store::{Area, Store};

/// Answers `fetch`: writes the wheel to a new file. The file stays only if size and digest are right.
pub(crate) async fn fetch(
    store: &Store,
    sha256: &Digest,
    size: u64,
    to: &Path,
) -> Result<Answer, Failure> {
    let Some((meta, mut stream)) = store.get(Area::Wheels, sha256).await? else {
        return Ok(Answer::Missing(true));
    };
    let refuse = |cause: String| {
        Ok(Answer::Refused { cause: format!("{}/wheels/{sha256}: {cause}", store.url()) })
    };
    if meta.size != size {
        return refuse(format!("it has {} bytes, not {size}", meta.size));
    }
    let mut file = NewFile::create(to)?;
    let mut hasher = Sha256::new();
    let mut arrived = 0;
    while let Some(bytes) = stream.next().await {
        let bytes = bytes?;
        arrived += bytes.len() as u64;
        if arrived > size {
            return refuse(format!("it has more than {size} bytes"));
        }
        hasher.update(&bytes);
        file.file.write_all(&bytes).map_err(|error| Failure::file(&error))?;
    }
    if arrived != size {
        return refuse(format!("it has {arrived} bytes, not {size}"));
    }
    if Digest::finish(hasher) != *sha256 {
        return refuse("its content is not what its name says".into());
    }
    file.done = true;
    Ok(Answer::Fetched { size })
}

/// A file that is removed unless it is done: on failure, and if the deadline ends the request.
struct NewFile<'path> {
    path: &'path Path,
    file: fs::File,
    done: bool,
}

impl<'path> NewFile<'path> {
    fn create(path: &'path Path) -> Result<Self, Failure> {
        let file = fs::OpenOptions::new().write(true).create_new(true).open(path);
        let file = file.map_err(|error| Failure::file(&error))?;
        Ok(Self { path, file, done: false })
    }
}

impl Drop for NewFile<'_> {
    fn drop(&mut self) {
        if !self.done {
            let _ = fs::remove_file(self.path);
        }
    }
}
