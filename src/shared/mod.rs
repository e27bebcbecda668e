//! The store that a team shares (docs/shared-store.md): builds are found there by what they were made of.
//!
//! This module knows what is published of a build, and how a program of its own, `wheelprint-shared`, is
//! asked. The program has the network, the signatures and the limits, so that no hook loads them.

/// The variables with the secret key.
pub(crate) const KEYS: [&str; 2] = ["WHEELPRINT_SHARED_KEY", "WHEELPRINT_SHARED_KEY_FILE"];
/// The variables with the keys and passwords for the shared store.
pub(crate) const CREDENTIALS: [&str; 5] = [
    KEYS[0],
    KEYS[1],
    "WHEELPRINT_SHARED_HTTP_USER",
    "WHEELPRINT_SHARED_HTTP_PASSWORD",
    "WHEELPRINT_SHARED_HTTP_TOKEN",
];

use serde::{Deserialize, Serialize};

mod machine;
mod outgoing;
mod payload;
mod program;
mod sources;
mod untold;

pub(crate) use machine::{Machine, c_compiler, is_of_c};
pub(crate) use outgoing::{LINES, published, publishing, start_publishing, wait_until_published};
pub(crate) use payload::{Payload, PublishedWheel, RECORD, request};
pub(crate) use program::{
    Amount, PROGRAM, Session, find, make_keys, missing, program, runs, short, with_address,
};
pub(crate) use sources::list_of_sources;
pub(crate) use untold::untold;

/// How a build was made, for a store that a team shares.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct SharingFacts {
    /// The seconds of the build, if they are known.
    pub seconds: Option<f64>,
    /// The job of a CI service that made it.
    pub job: Option<String>,
    /// See [`c_compiler`].
    pub c_compiler: Option<String>,
    /// See [`untold`].
    pub untold: Option<String>,
    /// Whether `untold` and `c_compiler` were looked at.
    pub is_known: bool,
}
