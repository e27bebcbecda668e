//! The session: requests as lines of JSON, one answer for each.

use std::io::{BufRead, BufReader, Read as _, Write};
use std::time::Duration;

use serde::Deserialize;
use tokio::sync::mpsc;

use crate::envelope::Trust;
use crate::failure::{Failure, Kind};
use crate::fetch::fetch;
use crate::find::{Kept, find};
use crate::gc::gc;
use crate::location::Location;
use crate::protocol::{Answer, Listed, Open, Request};
use crate::publish::publish;
use crate::store::{Area, Store};

/// The longest line: a payload of the largest record has room in it.
const MAX_LINE: u64 = 32 << 20;
/// Requests about all objects may take so many times the deadline.
const PATIENCE: u32 = 60;
/// Lists and records may take so long.
const FIND: Duration = Duration::from_secs(10);

/// An open store, and the rules by which it is read.
struct Session {
    store: Store,
    trust: Trust,
    kept: Option<Kept>,
    total: Duration,
}

/// Answers the lines of stdin until its end.
pub(crate) fn run() -> std::io::Result<()> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    // Lines are read on a thread of their own: while the caller thinks, connections that the server
    // closes are noticed.
    let (sender, mut lines) = mpsc::channel(1);
    std::thread::spawn(move || {
        let mut input = BufReader::new(std::io::stdin());
        while let Some(line) = read_line(&mut input) {
            let ended = line.is_err();
            if sender.blocking_send(line).is_err() || ended {
                break;
            }
        }
    });
    let served = runtime.block_on(async {
        let mut output = std::io::stdout().lock();
        let Some(line) = lines.recv().await else { return Ok(()) };
        let session = match line.and_then(|line| Session::open(&line)) {
            Ok(session) => session,
            Err(failure) => return write(&mut output, &Answer::Failed(failure)),
        };
        write(&mut output, &Answer::Ready(true))?;
        while let Some(line) = lines.recv().await {
            let answer = match line {
                Ok(line) => session.answer(&line).await,
                Err(failure) => Err(failure),
            };
            write(&mut output, &answer.unwrap_or_else(Answer::Failed))?;
        }
        Ok(())
    });
    // A file system that hangs must not keep the program.
    runtime.shutdown_background();
    served
}

impl Session {
    fn open(line: &[u8]) -> Result<Self, Failure> {
        let open: Open = parse(line)?;
        let trust = Trust { keys: open.trusted_keys, accept_unsigned: open.accept_unsigned };
        let signed_only = !trust.keys.is_empty() && !trust.accept_unsigned;
        let location = Location::parse(&open.url, signed_only)?;
        let connect = Duration::from_millis(open.connect_ms);
        let total = Duration::from_millis(open.total_ms);
        let store = Store::open(location, connect, total, signed_only)?;
        let kept = open.keep.map(|folder| Kept::new(&folder));
        Ok(Self { store, trust, kept, total })
    }

    /// Answers one request before its deadline.
    async fn answer(&self, line: &[u8]) -> Result<Answer, Failure> {
        let request: Request = parse(line)?;
        let total = match request {
            // Somebody waits who asked for it, and there may be many objects.
            Request::List { .. } | Request::Gc { .. } => self.total * PATIENCE,
            // A build waits, and these objects are small.
            Request::Find { .. } => self.total.min(FIND),
            _ => self.total,
        };
        match tokio::time::timeout(total, self.serve(&request)).await {
            Ok(answer) => answer,
            Err(_) => Err(self.store.timed_out(total)),
        }
    }

    async fn serve(&self, request: &Request) -> Result<Answer, Failure> {
        let store = &self.store;
        store.begin(if let Request::Fetch { size, .. } = request { *size } else { 0 });
        match request {
            Request::Find { list, request, limit } => {
                find(store, &self.trust, self.kept.as_ref(), list, request, *limit).await
            }
            Request::Fetch { sha256, size, to } => fetch(store, sha256, *size, to).await,
            Request::Publish { lists, request, payload, wheel } => {
                publish(store, &self.trust.keys, lists, request, payload, wheel).await
            }
            Request::List { limit } => Ok(Answer::Listed {
                records: self.listed(Area::Records, *limit).await?,
                wheels: self.listed(Area::Wheels, *limit).await?,
            }),
            Request::Gc { before } => gc(store, self.kept.as_ref(), before).await,
        }
    }

    async fn listed(&self, area: Area, limit: usize) -> Result<Vec<Listed>, Failure> {
        let objects = self.store.list(area, limit).await?.into_iter();
        Ok(objects
            .map(|(id, meta)| Listed {
                id,
                size: meta.size,
                modified: meta.last_modified.to_rfc3339(),
            })
            .collect())
    }
}

fn parse<'line, T: Deserialize<'line>>(line: &'line [u8]) -> Result<T, Failure> {
    serde_json::from_slice(line).map_err(|error| Failure::protocol(format!("line: {error}")))
}

/// The next line without its end; `None` at the end of the input. A line that is too long is a failure,
/// after which no line can be read.
fn read_line(input: &mut impl BufRead) -> Option<Result<Vec<u8>, Failure>> {
    let mut line = Vec::new();
    match input.take(MAX_LINE).read_until(b'\n', &mut line) {
        Ok(0) => None,
        Ok(_) if line.last() == Some(&b'\n') => {
            line.pop();
            Some(Ok(line))
        }
        Ok(_) if line.len() as u64 == MAX_LINE => {
            Some(Err(Failure::protocol("line: longer than 32 MiB")))
        }
        Ok(_) => Some(Ok(line)),
        Err(error) => Some(Err(Failure::new(Kind::Protocol, format!("stdin: {error}")))),
    }
}

fn write(output: &mut impl Write, answer: &Answer) -> std::io::Result<()> {
    let mut line = serde_json::to_vec(answer)?;
    line.push(b'\n');
    output.write_all(&line)?;
    output.flush()
}
