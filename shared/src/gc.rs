//! Removing what was published long ago.

use std::collections::HashSet;

use futures_util::{StreamExt as _, TryStreamExt as _};
use object_store::ObjectMeta;
use serde_json::Value;

use crate::digest::Digest;
use crate::envelope::{self, Trust};
use crate::failure::Failure;
use crate::find::{AT_ONCE, Kept, MAX_RECORD};
use crate::payload::Payload;
use crate::protocol::Answer;
use crate::store::{Area, Object, Store};

/// At most so many objects of each kind are looked at.
const LIMIT: usize = 1_000_000;

/// Answers `gc`: removes what was written before a time. A wheel that a younger record names stays: a
/// build that was published twice has one old wheel.
///
/// The order is lists, records, wheels, so that nothing leads to what is gone.
pub(crate) async fn gc(
    store: &Store,
    kept: Option<&Kept>,
    before: &str,
) -> Result<Answer, Failure> {
    let is_time = |byte: u8| byte.is_ascii_digit() || b"-:.+TZ".contains(&byte);
    if before.len() < 10 || !before.bytes().all(is_time) {
        return Err(Failure::protocol("gc.before: not a day or a time as RFC 3339 has it"));
    }
    let is_old = |meta: &ObjectMeta| meta.last_modified.to_rfc3339().as_str() < before;
    let (old_lists, _) = divide(store.list(Area::Lists, LIMIT).await?, is_old);
    let (old_records, records) = divide(store.list(Area::Records, LIMIT).await?, is_old);
    let (mut old_wheels, _) = divide(store.list(Area::Wheels, LIMIT).await?, is_old);
    if !old_wheels.is_empty() {
        let reads = records.iter().map(|(id, _)| wheel_of(store, id));
        let reads = futures_util::stream::iter(reads).buffer_unordered(AT_ONCE);
        let named: HashSet<Option<Digest>> = reads.try_collect().await?;
        old_wheels.retain(|(id, _)| !named.contains(&Some(id.clone())));
    }
    let bytes = old_records.iter().chain(&old_wheels).map(|(_, meta)| meta.size).sum();
    let ids = |objects: Vec<(Digest, ObjectMeta)>| -> Vec<Digest> {
        objects.into_iter().map(|(id, _)| id).collect()
    };
    let (records, wheels) = (ids(old_records), ids(old_wheels));
    if let Some(kept) = kept {
        records.iter().for_each(|id| kept.forget(id));
    }
    store.remove(Area::Lists, &ids(old_lists)).await?;
    Ok(Answer::Removed {
        records: store.remove(Area::Records, &records).await?,
        wheels: store.remove(Area::Wheels, &wheels).await?,
        bytes,
    })
}

type Objects = Vec<(Digest, ObjectMeta)>;

fn divide(objects: Objects, is_old: impl Fn(&ObjectMeta) -> bool) -> (Objects, Objects) {
    objects.into_iter().partition(|(_, meta)| is_old(meta))
}

/// The wheel that a record names. It keeps the wheel whoever signed it: who may write records here may
/// write wheels, too. `None` for a record that nobody can use.
async fn wheel_of(store: &Store, id: &Digest) -> Result<Option<Digest>, Failure> {
    let Object::Whole(bytes) = store.read(Area::Records, id, MAX_RECORD).await? else {
        return Ok(None);
    };
    let trust = Trust { keys: Vec::new(), accept_unsigned: true };
    let payload = envelope::open(&bytes, &trust)
        .ok()
        .and_then(|opened| serde_json::from_slice::<Value>(&opened.payload).ok());
    Ok(payload.and_then(|payload| Payload::wheel_of(&payload)))
}
