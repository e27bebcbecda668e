//! Publishing a wheel with its record.

use std::io::Read as _;
use std::path::Path;
use std::time::Duration;

use bytes::Bytes;
use fs_err as fs;
use object_store::UpdateVersion;
use serde_json::Value;

use crate::digest::Digest;
use crate::envelope;
use crate::environment::{KEY, KEY_FILE};
use crate::failure::{Failure, Kind};
use crate::find::{MAX_IDS, MAX_RECORD, read_list};
use crate::keys::{PublicKey, SecretKey};
use crate::payload::{Payload, Wheel};
use crate::protocol::Answer;
use crate::store::{Area, Creation, Replacement, Store};

/// A wheel is sent in one request, from memory.
const MAX_WHEEL: u64 = 2 << 30;
/// How often the list is written anew if other writers are faster.
const ATTEMPTS: u32 = 4;

/// Answers `publish`: first the wheel, then the record, then the lists, so that what is found is there.
pub(crate) async fn publish(
    store: &Store,
    trusted: &[PublicKey],
    lists: &[Digest],
    request: &Digest,
    payload: &Value,
    wheel: &Path,
) -> Result<Answer, Failure> {
    let key =
        SecretKey::configured().map_err(|error| Failure::new(Kind::Denied, error.to_string()))?;
    let public = key.as_ref().map(SecretKey::public);
    if let Some(public) = &public
        && !trusted.is_empty()
        && !trusted.contains(public)
    {
        let cause =
            format!("{public} is not among the trusted keys, so nobody would use the build");
        return Err(Failure::new(Kind::Denied, cause));
    }
    if key.is_none() && (!store.is_folder() || !trusted.is_empty()) {
        let cause = format!(
            "{}: nothing is published without a signature; set {KEY_FILE} or {KEY} \
             (`wheelprint-shared keygen` makes a key)",
            store.url()
        );
        return Err(Failure::new(Kind::Denied, cause));
    }
    let stated = Payload::check(payload, request)
        .map_err(|cause| Failure::protocol(format!("publish.payload: {cause}")))?
        .wheel;
    let wheel_bytes = read_wheel(wheel, &stated)?;
    let payload = serde_json::to_vec(payload).expect("JSON that was read");
    let record = Bytes::from(envelope::make(&payload, key.as_ref()));
    if record.len() as u64 > MAX_RECORD {
        return Err(Failure::protocol("publish.payload: the record is larger than 8 MiB"));
    }
    let id = Digest::of(&record);
    let wheel_was = store.create(Area::Wheels, &stated.sha256, &wheel_bytes).await?;
    let record_was = store.create(Area::Records, &id, &record).await?;
    let mut list = "written";
    for name in lists {
        if !add_to_list(store, name, &id).await? {
            list = "left";
        }
    }
    Ok(Answer::Published { record: id, wheel: word(wheel_was), record_was: word(record_was), list })
}

fn word(creation: Creation) -> &'static str {
    match creation {
        Creation::Created => "created",
        Creation::There => "there",
    }
}

/// The wheel's bytes, if they are those that the payload states. What is checked is what is sent.
fn read_wheel(path: &Path, stated: &Wheel) -> Result<Bytes, Failure> {
    let wrong = |cause: String| Failure::protocol(format!("{}: {cause}", path.display()));
    if stated.size > MAX_WHEEL {
        return Err(wrong("larger than 2 GiB".into()));
    }
    let file = fs::File::open(path).map_err(|error| Failure::file(&error))?;
    let mut bytes = Vec::new();
    file.take(stated.size + 1).read_to_end(&mut bytes).map_err(|error| Failure::file(&error))?;
    if bytes.len() as u64 != stated.size || Digest::of(&bytes) != stated.sha256 {
        return Err(wrong("not the wheel that the payload describes".into()));
    }
    Ok(bytes.into())
}

/// Puts the record at the top of a list. `false` if other writers were faster each time.
async fn add_to_list(store: &Store, list: &Digest, record: &Digest) -> Result<bool, Failure> {
    let mut lost: Option<UpdateVersion> = None;
    for attempt in 0..ATTEMPTS {
        let (old, version) = match read_list(store, list).await? {
            Some((ids, version)) => (ids, Some(version)),
            None => (Vec::new(), None),
        };
        // After an attempt of ours others may stand above it.
        let done = if attempt == 0 { old.first() == Some(record) } else { old.contains(record) };
        if done {
            return Ok(true);
        }
        if lost.is_some() && lost == version {
            store.change_condition();
        }
        let others = old.iter().filter(|id| *id != record);
        let ids = std::iter::once(record).chain(others).take(MAX_IDS);
        let text: String = ids.flat_map(|id| [id.as_str(), "\n"]).collect();
        match store.replace(list, text.into(), version.clone()).await? {
            Replacement::Replaced => return Ok(true),
            Replacement::Lost => lost = version,
            // The next attempt looks whether it is still there.
            Replacement::Unsure => lost = None,
        }
        tokio::time::sleep(pause(attempt)).await;
    }
    let last = read_list(store, list).await?;
    Ok(last.is_some_and(|(ids, _)| ids.contains(record)))
}

/// A random time, so that writers who met once do not meet again.
fn pause(attempt: u32) -> Duration {
    let mut random = [0];
    // Without random numbers they may meet again.
    let _ = getrandom::fill(&mut random);
    Duration::from_millis(u64::from(random[0]) << attempt) / 8
}
