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
    session.remove_before(&day_of(then)).map_err(|failure| error(shared, &failure))
}

/// The day in UTC, as RFC 3339 begins: `2026-11-29`.
fn day_of(time: SystemTime) -> String {
    // The calendar repeats every 400 years, and a year is counted from March
    // (<https://howardhinnant.github.io/date_algorithms.html>, `civil_from_days`).
    let seconds = time.duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default().as_secs();
    let days = seconds / 86_400 + 719_468;
    let (era, day_of_era) = (days / 146_097, days % 146_097);
    let year = (day_of_era - day_of_era / 1460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year + year / 4 - year / 100);
    let month = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * month + 2) / 5 + 1;
    let (month, next) = if month < 10 { (month + 3, 0) } else { (month - 9, 1) };
    format!("{:04}-{month:02}-{day:02}", era * 400 + year + next)
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn days() {
        for (seconds, day) in [
            (0, "1970-01-01"),
            (951_782_399, "2000-02-28"),
            (951_782_400, "2000-02-29"),
            (1_709_251_199, "2024-02-29"),
            (1_795_953_600, "2026-11-29"),
            (4_107_542_400, "2100-03-01"),
        ] {
            let time = SystemTime::UNIX_EPOCH + Duration::from_secs(seconds);
            assert_eq!(day_of(time), day);
        }
    }
}
