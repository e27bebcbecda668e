//! When the store that a team shares is asked for a build (see [`crate::shared`]), and what is kept of the
//! answer.

use std::path::PathBuf;

use super::call::Call;
use super::lookup::Stale;
use super::shared_find::{Answer, ask, environment, request};
use crate::digest::Tagged;
use crate::direct;
use crate::error::{Cause, Error, Result};
use crate::log;
use crate::settings::Shared;
use crate::shared::{self, PROGRAM};
use crate::store::{Counted, Fetched, Store};

/// An edit of this many sources is built here without asking: it was made by hand, so nobody has it.
const EDITED: usize = 3;

/// The store of this machine, and the shared one.
///
/// # Errors
/// There is none.
pub(super) fn in_use(call: &Call) -> Result<(&Store, &Shared)> {
    let store = call.store.as_ref().ok_or_else(|| Cause::from("the cache folder can't be used"))?;
    let shared = call.settings.shared.as_ref().ok_or_else(|| {
        let hint = "set `url`, or WHEELPRINT_SHARED_URL";
        Error::setting("tool.wheelprint.shared", "no shared store is set up, or it is off", hint)
    })?;
    Ok((store, shared))
}

/// The program.
///
/// # Errors
/// It is not installed.
pub(super) fn need_program(call: &Call, store: &Store) -> Result<PathBuf> {
    program(call, store).ok_or_else(shared::missing)
}

/// The shared store, if it may be asked for a build now. The log says why not.
fn is_asked<'a>(call: &'a Call, stale: &Stale) -> Option<(&'a Store, &'a Shared)> {
    let (store, shared) = (call.store.as_ref()?, call.settings.shared.as_ref()?);
    if !call.reuses() || call.tree.is_some() {
        return None;
    }
    let is_edited_by_hand = stale.nearest.is_some()
        && stale.reasons.len() <= EDITED
        && direct::another_change(&stale.reasons).is_none();
    if is_edited_by_hand {
        log::debug("the shared store is not asked for an edit of a few sources");
        return None;
    }
    if let Some(cause) = store.team_is_off(&shared.url) {
        log::debug(format_args!("the shared store is not asked, because it failed: {cause}"));
        return None;
    }
    if store.team_missed(&question(call, stale)) {
        log::debug(format_args!("{} did not have the build a moment ago", shared.url));
        return None;
    }
    Some((store, shared))
}

/// Is a build that was fetched earlier used under the settings in force? Another tree of the project may
/// trust others, and a key may have been withdrawn.
pub(super) fn accepts(call: &Call, fetched: &Fetched) -> bool {
    let Some(shared) = &call.settings.shared else { return false };
    match &fetched.key {
        Some(key) => shared.trusted_keys.contains(key),
        None => shared.accepts_unsigned() && shared.url == fetched.url,
    }
}

/// Names what is asked, with the state of the tree.
fn question(call: &Call, stale: &Stale) -> String {
    let mut tagged = Tagged::new("question");
    tagged.field("request", &request(call));
    tagged.field("reasons", &format!("{:?}", stale.reasons));
    let nearest = stale.nearest.as_ref().map(|entry| entry.record.fingerprint.sha256.as_str());
    tagged.field("nearest", nearest.unwrap_or_default());
    tagged.finish()
}

/// The program, if this process can use it: installed, or kept from an earlier build.
pub(super) fn program(call: &Call, store: &Store) -> Option<PathBuf> {
    match shared::find(&call.request.interpreter, &call.request.environment) {
        Some(program) => {
            store.keep_team_program(&program);
            Some(program)
        }
        None => store.team_program().filter(|copy| copy.is_file()),
    }
}

/// Looks for a published build of the current inputs, and puts it into the store. True if there is one
/// now. Failures are told once, and switch the shared store off for some minutes.
pub(super) fn fetch(call: &Call, stale: &Stale) -> bool {
    let Some((store, shared)) = is_asked(call, stale) else { return false };
    let Some(program) = program(call, store) else {
        log::debug(format_args!("{} is not asked: {PROGRAM} is not installed", shared.url));
        return false;
    };
    match ask(call, store, shared, &program) {
        Ok(Answer::Stored(line)) => {
            log::info(line);
            true
        }
        Ok(Answer::Miss(miss)) => {
            log::info(format_args!("{} has no build of these inputs: {}", shared.url, miss.cause));
            store.note_missed(&question(call, stale));
            store.count(Counted::Miss { kind: miss.kind, cause: miss.cause });
            false
        }
        Err(error) => {
            let failure = shared::with_address(shared, &error);
            if !shared::runs(&program, &call.project.root, &environment(call)) {
                // A copy that can't be run is not kept. The next build requests the program again.
                store.forget_team_program(&program);
            }
            store.switch_team_off(&shared.url, &failure);
            store.count(Counted::Failure);
            log::warn(format_args!(
                "{failure}; it is not asked for 5 minutes, and the build goes on"
            ));
            false
        }
    }
}
