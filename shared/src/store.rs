//! The objects of a store.
//!
//! - `wheels/<sha256>`: a wheel; never changes.
//! - `records/<sha256 of the object>`: an envelope; never changes.
//! - `lists/<name>`: ids of records, the newest first; a hint that writers overwrite. wheelprint names lists
//!   after a request, and after a request with the sources.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU8, Ordering};
use std::time::Duration;

use bytes::Bytes;
use futures_util::StreamExt as _;
use futures_util::stream::BoxStream;
use object_store::path::Path;
use object_store::{
    Error, ObjectMeta, ObjectStore, ObjectStoreExt as _, PutMode, PutPayload, UpdateVersion,
};

use crate::digest::Digest;
use crate::failure::{Failure, Kind, io_kind};
use crate::location::{Location, Scheme};
use crate::transport::{Link, Transport};

/// A folder of the store.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Area {
    Wheels,
    Records,
    Lists,
}

impl Area {
    fn name(self) -> &'static str {
        match self {
            Self::Wheels => "wheels",
            Self::Records => "records",
            Self::Lists => "lists",
        }
    }
}

/// What [`Store::read`] found.
pub(crate) enum Object {
    Missing,
    /// Larger than it may be.
    TooLarge,
    Whole(Bytes),
}

/// What became of an object that never changes.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Creation {
    Created,
    There,
}

/// What became of an object that may change.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Replacement {
    Replaced,
    /// Somebody else was faster.
    Lost,
    /// Written, but somebody else may have overwritten it at once: the server has no conditions.
    Unsure,
}

pub(crate) struct Store {
    location: Location,
    engine: Arc<dyn ObjectStore>,
    prefix: Path,
    link: Arc<Link>,
    /// Until the server says that it can't: creates an object only if it is not there.
    can_create: AtomicBool,
    /// How lists are written: [`ETAG`], [`BARE_ETAG`] or [`NO_CONDITION`].
    condition: AtomicU8,
}

/// On the condition that the object still has its ETag.
const ETAG: u8 = 0;
/// The same with the ETag's quotes left out: Ceph compares with what is inside them.
const BARE_ETAG: u8 = 1;
/// Without a condition.
const NO_CONDITION: u8 = 2;

impl Store {
    pub(crate) fn open(
        location: Location,
        connect: Duration,
        total: Duration,
        signed_only: bool,
    ) -> Result<Self, Failure> {
        let link = Link::new(connect, signed_only);
        let (engine, prefix) = location.open(&link, total)?;
        let (can_create, condition) = (AtomicBool::new(true), AtomicU8::new(ETAG));
        Ok(Self { location, engine, prefix, link, can_create, condition })
    }

    pub(crate) fn url(&self) -> &str {
        self.location.as_str()
    }

    pub(crate) fn is_folder(&self) -> bool {
        self.location.scheme == Scheme::File
    }

    /// To call before each request: see [`Link::begin`].
    pub(crate) fn begin(&self, size: u64) {
        self.link.begin(size);
    }

    fn folder(&self, area: Area) -> Path {
        self.prefix.clone().join(area.name())
    }

    fn path(&self, area: Area, name: &Digest) -> Path {
        self.folder(area).join(name.as_str())
    }

    fn failure(&self, area: Area, error: &Error) -> Failure {
        let place = format!("{}/{}", self.url(), area.name());
        Failure::store(&place, error, self.link.last())
    }

    /// The object's size and bytes as they come, or `None` if it is not there.
    pub(crate) async fn get(
        &self,
        area: Area,
        name: &Digest,
    ) -> Result<Option<(ObjectMeta, BoxStream<'static, Result<Bytes, Failure>>)>, Failure> {
        let found = match self.engine.get(&self.path(area, name)).await {
            Ok(found) => found,
            // A bucket that is not there is a mistake, not an object that is not there.
            Err(Error::NotFound { .. })
                if !matches!(self.link.last(), Some(Transport::Status { status: 404, .. })) =>
            {
                return Ok(None);
            }
            Err(error) => return Err(self.failure(area, &error)),
        };
        let (meta, link) = (found.meta.clone(), self.link.clone());
        let place = format!("{}/{}", self.url(), area.name());
        let stream = found
            .into_stream()
            .map(move |bytes| bytes.map_err(|error| Failure::store(&place, &error, link.last())));
        Ok(Some((meta, stream.boxed())))
    }

    /// Reads a whole object of at most `max` bytes.
    pub(crate) async fn read(
        &self,
        area: Area,
        name: &Digest,
        max: u64,
    ) -> Result<Object, Failure> {
        let Some((meta, stream)) = self.get(area, name).await? else { return Ok(Object::Missing) };
        if meta.size > max {
            return Ok(Object::TooLarge);
        }
        let bytes = start_of(stream, meta.size, max).await?;
        if bytes.len() as u64 > max { Ok(Object::TooLarge) } else { Ok(Object::Whole(bytes)) }
    }

    /// Reads a list: at most its first `max` bytes, and the version that [`Store::replace`] needs.
    pub(crate) async fn read_list(
        &self,
        list: &Digest,
        max: u64,
    ) -> Result<Option<(Bytes, UpdateVersion)>, Failure> {
        let Some((meta, stream)) = self.get(Area::Lists, list).await? else { return Ok(None) };
        let version = UpdateVersion { e_tag: meta.e_tag, version: meta.version };
        let mut bytes = start_of(stream, meta.size, max).await?;
        bytes.truncate(usize::try_from(max).unwrap_or(usize::MAX));
        Ok(Some((bytes, version)))
    }

    /// Creates an object that never changes, if it is not there.
    ///
    /// One that is there with another size was left by a broken upload, and is written anew: under this
    /// name it can be nothing else than these bytes.
    pub(crate) async fn create(
        &self,
        area: Area,
        name: &Digest,
        bytes: &Bytes,
    ) -> Result<Creation, Failure> {
        let path = self.path(area, name);
        // Looking first spares sending a wheel that is there.
        let is_there = match self.engine.head(&path).await {
            Ok(meta) if meta.size == bytes.len() as u64 => return Ok(Creation::There),
            Ok(_) => true,
            Err(Error::NotFound { .. }) => false,
            Err(error) => return Err(self.failure(area, &error)),
        };
        let payload = || PutPayload::from_bytes(bytes.clone());
        if !is_there && self.can_create.load(Ordering::Relaxed) {
            match self.engine.put_opts(&path, payload(), PutMode::Create.into()).await {
                Ok(_) => return Ok(Creation::Created),
                Err(Error::AlreadyExists { .. } | Error::Precondition { .. }) => {
                    return Ok(Creation::There);
                }
                Err(error) if self.lacks_conditions(&error) => {
                    self.can_create.store(false, Ordering::Relaxed);
                    self.link.begin(0);
                }
                Err(error) => return Err(self.failure(area, &error)),
            }
        }
        match self.engine.put(&path, payload()).await {
            Ok(_) => Ok(Creation::Created),
            Err(error) => Err(self.failure(area, &error)),
        }
    }

    /// Writes a list if it still has this version (`None`: if it is not there), where the server can.
    pub(crate) async fn replace(
        &self,
        list: &Digest,
        bytes: Bytes,
        version: Option<UpdateVersion>,
    ) -> Result<Replacement, Failure> {
        let path = self.path(Area::Lists, list);
        let condition = self.condition.load(Ordering::Relaxed);
        if condition != NO_CONDITION {
            let mode = match version {
                None => PutMode::Create,
                Some(version) if condition == ETAG => PutMode::Update(version),
                Some(UpdateVersion { e_tag, version }) => {
                    let bare = e_tag.map(|e_tag| e_tag.trim_matches('"').to_owned());
                    PutMode::Update(UpdateVersion { e_tag: bare, version })
                }
            };
            match self.engine.put_opts(&path, bytes.clone().into(), mode.into()).await {
                Ok(_) => return Ok(Replacement::Replaced),
                Err(
                    Error::AlreadyExists { .. }
                    | Error::Precondition { .. }
                    | Error::NotFound { .. },
                ) => return Ok(Replacement::Lost),
                Err(error) if self.lacks_conditions(&error) => {
                    self.condition.store(NO_CONDITION, Ordering::Relaxed);
                    self.link.begin(0);
                }
                Err(error) => return Err(self.failure(Area::Lists, &error)),
            }
        }
        match self.engine.put(&path, bytes.into()).await {
            Ok(_) => Ok(Replacement::Unsure),
            Err(error) => Err(self.failure(Area::Lists, &error)),
        }
    }

    /// To call if a list was [`Replacement::Lost`] although its ETag is the same as before: this server
    /// does not understand the condition. The next one is tried.
    pub(crate) fn change_condition(&self) {
        let next = match self.condition.load(Ordering::Relaxed) {
            ETAG => BARE_ETAG,
            _ => NO_CONDITION,
        };
        self.condition.store(next, Ordering::Relaxed);
    }

    /// The objects of an area, as they come. Objects with other names are left out.
    pub(crate) async fn list(
        &self,
        area: Area,
        limit: usize,
    ) -> Result<Vec<(Digest, ObjectMeta)>, Failure> {
        let folder = self.folder(area);
        let mut objects = if self.location.scheme == Scheme::Http {
            // Many WebDAV servers refuse to list what lies deeper.
            let listed = self.engine.list_with_delimiter(Some(&folder)).await;
            let listed = listed.map_err(|error| self.failure(area, &error))?;
            futures_util::stream::iter(listed.objects.into_iter().map(Ok)).boxed()
        } else {
            self.engine.list(Some(&folder))
        };
        let mut found = Vec::new();
        while found.len() < limit
            && let Some(meta) = objects.next().await
        {
            let meta = meta.map_err(|error| self.failure(area, &error))?;
            let name = meta.location.filename().and_then(|name| name.parse().ok());
            if let Some(name) = name {
                found.push((name, meta));
            }
        }
        Ok(found)
    }

    /// Removes objects; returns how many. What is not there is no failure; S3 does not tell, and counts
    /// it as removed.
    pub(crate) async fn remove(&self, area: Area, names: &[Digest]) -> Result<usize, Failure> {
        let paths: Vec<_> = names.iter().map(|name| Ok(self.path(area, name))).collect();
        let mut results = self.engine.delete_stream(futures_util::stream::iter(paths).boxed());
        let (mut removed, mut failed) = (0, None);
        while let Some(result) = results.next().await {
            match result {
                Ok(_) => removed += 1,
                Err(Error::NotFound { .. }) => {}
                Err(error) => failed = failed.or_else(|| Some(self.failure(area, &error))),
            }
        }
        failed.map_or(Ok(removed), Err)
    }

    /// Whether the failure means that the server or file system can't write on a condition.
    fn lacks_conditions(&self, error: &Error) -> bool {
        if matches!(error, Error::NotImplemented { .. } | Error::NotSupported { .. }) {
            return true;
        }
        if self.is_folder() {
            // No hard links: on FAT it is a denial. If writing is denied, too, the write will say so.
            let kind = io_kind(error);
            return matches!(
                kind,
                Some(std::io::ErrorKind::Unsupported | std::io::ErrorKind::PermissionDenied)
            );
        }
        matches!(self.link.last(), Some(Transport::Status { status: 400 | 405 | 501, .. }))
    }

    /// The failure of a request that had no answer in time.
    pub(crate) fn timed_out(&self, total: Duration) -> Failure {
        let last = self.link.last();
        let cause = format!("{}: no complete answer within {total:?}", self.url());
        match last {
            Some(Transport::Status { status, .. }) => {
                Failure::new(Kind::Timeout, format!("{cause}; the server's last was {status}"))
            }
            _ => Failure::new(Kind::Timeout, cause),
        }
    }
}

/// The stream's bytes until there are more than `max`. `stated` is how many the server says there are.
async fn start_of(
    mut stream: BoxStream<'static, Result<Bytes, Failure>>,
    stated: u64,
    max: u64,
) -> Result<Bytes, Failure> {
    let mut start = Vec::with_capacity(usize::try_from(stated.min(max)).unwrap_or_default());
    while start.len() as u64 <= max
        && let Some(bytes) = stream.next().await
    {
        start.extend_from_slice(&bytes?);
    }
    Ok(start.into())
}
