//! Finding records by their request.

use std::io::{Read as _, Write as _};
use std::path::{Path, PathBuf};

use bytes::Bytes;
use fs_err as fs;
use futures_util::{StreamExt as _, TryStreamExt as _};
use serde_json::Value;

use crate::digest::Digest;
use crate::envelope::{self, Trust};
use crate::failure::Failure;
use crate::payload::Payload;
use crate::protocol::{Answer, Record, Refusal};
use crate::store::{Area, Object, Store};

/// The most bytes of a record.
pub(crate) const MAX_RECORD: u64 = 8 << 20;
/// The most ids that a list has.
pub(crate) const MAX_IDS: usize = 64;
/// The most bytes of a list that are read.
const MAX_LIST: u64 = 64 << 10;
/// How many records are read at the same time.
pub(crate) const AT_ONCE: usize = 8;

enum Outcome {
    Accepted(Record),
    Refused(Refusal),
    Gone,
}

/// Answers `find`: the accepted records of a list that are of the request, in the list's order.
pub(crate) async fn find(
    store: &Store,
    trust: &Trust,
    kept: Option<&Kept>,
    list: &Digest,
    request: &Digest,
    limit: usize,
) -> Result<Answer, Failure> {
    let ids = match read_list(store, list).await? {
        Some((ids, _)) => ids,
        None => Vec::new(),
    };
    let reads = ids.into_iter().take(limit).map(|id| look(store, trust, kept, request, id));
    let outcomes: Vec<_> =
        futures_util::stream::iter(reads).buffered(AT_ONCE).try_collect().await?;
    let (mut records, mut refused) = (Vec::new(), Vec::new());
    for outcome in outcomes {
        match outcome {
            Outcome::Accepted(record) => records.push(record),
            Outcome::Refused(refusal) => refused.push(refusal),
            Outcome::Gone => {}
        }
    }
    Ok(Answer::Found { records, refused })
}

/// The ids of a list, and the version of the object. `None` if there is none.
pub(crate) async fn read_list(
    store: &Store,
    list: &Digest,
) -> Result<Option<(Vec<Digest>, object_store::UpdateVersion)>, Failure> {
    let read = store.read_list(list, MAX_LIST).await?;
    Ok(read.map(|(bytes, version)| (ids(&bytes), version)))
}

/// The ids of a list: the first [`MAX_IDS`] different ones. Anything else in it is passed over.
fn ids(list: &[u8]) -> Vec<Digest> {
    let mut ids = Vec::new();
    for line in list.split(|byte| *byte == b'\n') {
        let line = std::str::from_utf8(line).unwrap_or_default();
        if let Ok(id) = line.trim_end_matches('\r').parse()
            && !ids.contains(&id)
        {
            ids.push(id);
        }
        if ids.len() == MAX_IDS {
            break;
        }
    }
    ids
}

async fn look(
    store: &Store,
    trust: &Trust,
    kept: Option<&Kept>,
    request: &Digest,
    id: Digest,
) -> Result<Outcome, Failure> {
    let refuse = |id, cause: &str| {
        Ok(Outcome::Refused(Refusal { id, cause: Failure::protocol(cause).cause }))
    };
    let of_before = kept.and_then(|kept| kept.read(&id));
    let is_kept = of_before.is_some();
    let bytes = match of_before {
        Some(bytes) => bytes,
        None => match store.read(Area::Records, &id, MAX_RECORD).await {
            // A file of somebody else does not hide the others.
            Err(failure) if store.is_folder() => {
                return refuse(id, &failure.cause);
            }
            Err(failure) => return Err(failure),
            Ok(Object::Missing) => return Ok(Outcome::Gone),
            Ok(Object::TooLarge) => return refuse(id, "larger than 8 MiB"),
            Ok(Object::Whole(bytes)) if Digest::of(&bytes) != id => {
                return refuse(id, "its content is not what its name says");
            }
            Ok(Object::Whole(bytes)) => bytes,
        },
    };
    match accept(&bytes, trust, request) {
        Ok((payload, key)) => {
            if let Some(kept) = kept.filter(|_| !is_kept) {
                kept.write(&id, &bytes);
            }
            Ok(Outcome::Accepted(Record { id, payload, key }))
        }
        Err(cause) => refuse(id, &cause),
    }
}

/// Checks a record: who signed it, and that it is for the request.
fn accept(
    bytes: &[u8],
    trust: &Trust,
    request: &Digest,
) -> Result<(Value, Option<String>), String> {
    let opened = envelope::open(bytes, trust)?;
    let payload: Value = serde_json::from_slice(&opened.payload)
        .map_err(|error| format!("the payload is not JSON: {error}"))?;
    Payload::check(&payload, request)?;
    Ok((payload, opened.key.map(|key| key.to_string())))
}

/// The folder of records that were accepted before. It saves transfers, nothing else: what is read from
/// it is checked as if it came from the store. A file there that can't be read or written is no failure.
pub(crate) struct Kept(PathBuf);

impl Kept {
    /// `folder` is the session's `keep`.
    pub(crate) fn new(folder: &Path) -> Self {
        Self(folder.join("records"))
    }

    /// The record, if its content is what its name says.
    fn read(&self, id: &Digest) -> Option<Bytes> {
        let path = self.0.join(id.as_str());
        let file = fs::File::open(&path).ok()?;
        let metadata = file.metadata().ok()?;
        if !metadata.is_file() {
            return None;
        }
        let mut bytes = Vec::new();
        file.take(MAX_RECORD + 1).read_to_end(&mut bytes).ok()?;
        if Digest::of(&bytes) == *id {
            return Some(bytes.into());
        }
        self.forget(id);
        None
    }

    fn write(&self, id: &Digest, bytes: &[u8]) {
        let write = || {
            fs::create_dir_all(&self.0)?;
            let mut file = tempfile::NamedTempFile::new_in(&self.0)?;
            file.write_all(bytes)?;
            file.persist(self.0.join(id.as_str()))?;
            std::io::Result::Ok(())
        };
        let _ = write();
    }

    /// Removes the record from this machine.
    pub(crate) fn forget(&self, id: &Digest) {
        let _ = fs::remove_file(self.0.join(id.as_str()));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn of_a_list_only_ids_count() {
        let id = |text: &str| Digest::of(text.as_bytes());
        let (a, b) = (id("a"), id("b"));
        let list = format!(
            "{a}\r\n\n../../etc/passwd\n{a}\nlists/{b}\n {b}\n{b}\n{}\n{a}{a}\n",
            a.as_str().to_uppercase()
        );
        assert_eq!(ids(list.as_bytes()), [a.clone(), b.clone()]);
        assert_eq!(ids(&[list.as_bytes(), b"\xff\xff\n\0"].concat()), [a, b]);
        assert!(ids(b"").is_empty());
        assert!(ids(&[0xff; 5000]).is_empty());
        let many: String = (0..5000).map(|n: i32| format!("{}\n", id(&n.to_string()))).collect();
        assert_eq!(ids(many.as_bytes()).len(), MAX_IDS);
    }

    #[test]
    fn a_kept_record_is_read_if_it_is_itself() {
        let folder = tempfile::tempdir().unwrap();
        let kept = Kept::new(folder.path());
        let id = Digest::of(b"record");
        assert!(kept.read(&id).is_none());
        kept.write(&id, b"record");
        assert_eq!(kept.read(&id).unwrap(), "record");
        let path = folder.path().join("records").join(id.as_str());
        fs::write(&path, b"another").unwrap();
        assert!(kept.read(&id).is_none());
        assert!(!path.exists());
        fs::create_dir(&path).unwrap();
        assert!(kept.read(&id).is_none());
    }
}
