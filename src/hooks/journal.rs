//! What `wheelprint log` will say of a call.

use super::built::Built;
use super::call::Call;
use super::lookup::Stale;
use crate::error::{Error, Result};
use crate::log;
use crate::report;
use crate::request::{Environment, Hook, Interpreter};
use crate::stat_cache;
use crate::store::{Entry, Event, Outcome};

/// At most so many reasons are kept.
const REASONS: usize = 20;

/// What is known so far of a call.
#[derive(Default)]
pub(super) struct Noted {
    outcome: Option<Outcome>,
    why: Vec<String>,
    reasons: usize,
}

impl Noted {
    /// The wheel is a stored one.
    pub(super) fn stored(&mut self, call: &Call, entry: &Entry) {
        log::import_stored();
        let is_own = call.store.as_ref().is_some_and(|store| entry.built_in == store.root());
        self.outcome = Some(match (&entry.fetched, is_own) {
            (Some(_), _) => Outcome::Shared,
            (None, true) => Outcome::Stored,
            (None, false) => Outcome::StoredByAnotherTree,
        });
    }

    /// A build is needed.
    pub(super) fn stale(&mut self, stale: &Stale) {
        let roots = stale.nearest.as_ref().map(|entry| entry.record.roots.clone());
        let roots = roots.unwrap_or_default();
        let texts = stale.reasons.iter().take(REASONS).map(|it| report::reason(it, &roots));
        self.why = texts.collect();
        self.reasons = stale.reasons.len();
    }

    /// A build made it.
    pub(super) fn built(&mut self, built: &Built) {
        let is_by_cargo = built.artifact.is_some();
        self.outcome = Some(if is_by_cargo { Outcome::ByCargo } else { Outcome::ByMaturin });
    }

    /// Writes down what became of the call.
    pub(super) fn end(self, call: &Call, result: &Result<String>) {
        let Some(store) = &call.store else { return };
        let outcome = match result {
            Ok(_) => match self.outcome {
                Some(outcome) => outcome,
                None => return,
            },
            Err(error) => Outcome::Failed(cause_of(error)),
        };
        let Interpreter { implementation, version, .. } = &call.request.interpreter;
        let nanoseconds = (stat_cache::now() - call.began).max(0);
        store.note_event(&Event {
            at: call.began,
            hook: Hook::Build(call.request.artifact).to_string(),
            by: frontend(&call.request.environment).to_owned(),
            interpreter: format!("{implementation} {version}"),
            seconds: nanoseconds as f64 / 1e9,
            outcome,
            why: self.why,
            reasons: self.reasons,
        });
    }
}

fn cause_of(error: &Error) -> String {
    if error.already_shown() {
        return "the compiler or maturin reported an error".to_owned();
    }
    error.to_string()
}

/// Who calls, as far as its variables tell. An import asks through a frontend, and so does `wheelprint
/// watch`. pip may run below uv, and tox and nox call other frontends.
fn frontend(environment: &Environment) -> &'static str {
    let known = [
        (log::WATCH, "watch"),
        (log::IMPORT_FOLDER, "import"),
        ("TOX_ENV_NAME", "tox"),
        ("NOX_CURRENT_SESSION", "nox"),
        ("PIP_BUILD_TRACKER", "pip"),
        ("UV", "uv"),
        ("_PYPROJECT_HOOKS_BUILD_BACKEND", "build"),
    ];
    let found = known.iter().find(|(name, _)| environment.non_empty(name).is_some());
    found.map_or("another", |(_, name)| name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_nearest_caller_is_named() {
        let by = |names: &[&str]| {
            let mut environment = Environment::default();
            names.iter().for_each(|name| environment.set(name, "x"));
            frontend(&environment)
        };
        assert_eq!(by(&[]), "another");
        assert_eq!(by(&["UV"]), "uv");
        assert_eq!(by(&["UV", "PIP_BUILD_TRACKER", "_PYPROJECT_HOOKS_BUILD_BACKEND"]), "pip");
        assert_eq!(by(&["UV", log::IMPORT_FOLDER]), "import");
        assert_eq!(by(&[log::IMPORT_FOLDER, log::WATCH]), "watch");
        assert_eq!(by(&["_PYPROJECT_HOOKS_BUILD_BACKEND"]), "build");
    }
}
