//! Commands about the store that a team shares (see [`crate::shared`]).

use std::path::PathBuf;
use std::time::{Duration, SystemTime};

use super::call::Call;
use super::lookup::Found;
use super::shared::{in_use, need_program, program};
use super::shared_find::{Answer, Miss, ask, environment};
use super::shared_publish::need_write;
use super::stored;
use crate::error::{Cause, Error, Result};
use crate::settings::Shared;
use crate::shared::{Amount, Session, with_address};
use crate::store::{Counts, EntryKind};

/// What `wheelprint shared status` says.
pub(crate) struct Status {
    pub shared: Shared,
    pub program: Option<PathBuf>,
    /// Why it is not asked for some minutes.
    pub off: Option<String>,
    pub counts: Counts,
}

/// What is known of the shared store without asking it.
///
/// # Errors
/// No shared store is set up.
pub(crate) fn status(call: &Call) -> Result<Status> {
    let (store, shared) = in_use(call)?;
    Ok(Status {
        shared: shared.clone(),
        program: program(call, store),
        off: store.team_is_off(&shared.url),
        counts: store.counts(),
    })
}

/// What is in the shared store.
///
/// # Errors
/// No shared store is set up, or it can't be asked.
pub(crate) fn list(call: &Call) -> Result<Amount> {
    let (mut session, shared) = session(call)?;
    session.list().map_err(|failure| error(shared, &failure))
}

/// Removes what was published more than so many days ago.
///
/// # Errors
/// No shared store is set up, it may only be read, or it can't be asked.
pub(crate) fn remove_older(call: &Call, days: u64) -> Result<Amount> {
    need_write(call)?;
    let (mut session, shared) = session(call)?;
    let age = Duration::from_secs(days.saturating_mul(24 * 60 * 60));
    let then = SystemTime::now().checked_sub(age).unwrap_or(SystemTime::UNIX_EPOCH);
    let then = humantime::format_rfc3339_seconds(then).to_string();
    session.remove_before(&then).map_err(|failure| error(shared, &failure))
}

fn error(shared: &Shared, failure: &impl std::fmt::Display) -> Error {
    Error::Other(with_address(shared, failure).into())
}

fn session(call: &Call) -> Result<(Session, &Shared)> {
    let (store, shared) = in_use(call)?;
    let program = need_program(call, store)?;
    let keep = store.team().ok_or_else(|| Cause::from("the cache folder can't be used"))?;
    let session = Session::open(&program, shared, &keep, &call.project.root, &environment(call));
    Ok((session.map_err(|failure| error(shared, &failure))?, shared))
}

/// The result of `wheelprint shared pull`.
pub(crate) enum Pulled {
    /// The build was in the store of this machine.
    Here,
    /// It is there now. A line about it.
    Fetched(String),
    NotThere(Miss),
}

/// Fetches the build of the current inputs if this machine does not have it.
///
/// # Errors
/// No shared store is set up, or it can't be asked.
pub(crate) fn pull(call: &Call) -> Result<Pulled> {
    let (store, shared) = in_use(call)?;
    let kind = EntryKind::Artifact(call.request.artifact);
    if matches!(stored::search(call, kind, None, None).found, Found::Fresh { .. }) {
        return Ok(Pulled::Here);
    }
    let program = need_program(call, store)?;
    let answer = ask(call, store, shared, &program).map_err(|failure| error(shared, &failure))?;
    Ok(match answer {
        Answer::Stored(line) => Pulled::Fetched(line),
        Answer::Miss(miss) => Pulled::NotThere(miss),
    })
}
