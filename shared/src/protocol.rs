//! The lines of a session: what the caller writes, and what it is answered.

use std::path::PathBuf;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::digest::Digest;
use crate::failure::Failure;
use crate::keys::PublicKey;

/// The first line. An unknown field is an error: it might be a rule that this program does not know.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Open {
    pub(crate) url: String,
    #[serde(default)]
    pub(crate) trusted_keys: Vec<PublicKey>,
    #[serde(default)]
    pub(crate) accept_unsigned: bool,
    /// How long connecting may take.
    pub(crate) connect_ms: u64,
    /// How long each request may take as a whole.
    pub(crate) total_ms: u64,
    /// The folder where verified records are kept.
    #[serde(default)]
    pub(crate) keep: Option<PathBuf>,
}

#[derive(Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub(crate) enum Request {
    /// The records of a list, if they are of the request.
    Find {
        list: Digest,
        request: Digest,
        limit: usize,
    },
    Fetch {
        sha256: Digest,
        size: u64,
        to: PathBuf,
    },
    /// The record is put on top of each list.
    Publish {
        lists: Vec<Digest>,
        request: Digest,
        payload: Value,
        wheel: PathBuf,
    },
    List {
        limit: usize,
    },
    /// Removes what was written before a day or a time (RFC 3339, in UTC).
    Gc {
        before: String,
    },
}

#[derive(Serialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Answer {
    Ready(bool),
    Found {
        records: Vec<Record>,
        refused: Vec<Refusal>,
    },
    Fetched {
        size: u64,
    },
    /// The wheel is not there.
    Missing(bool),
    /// The wheel is not what it should be.
    Refused {
        cause: String,
    },
    Published {
        record: Digest,
        wheel: &'static str,
        record_was: &'static str,
        /// `written`, or `left` if other writers of one list were faster each time: then the record is not
        /// found by that list.
        list: &'static str,
    },
    Listed {
        records: Vec<Listed>,
        wheels: Vec<Listed>,
    },
    Removed {
        records: usize,
        wheels: usize,
        /// Of both.
        bytes: u64,
    },
    Failed(Failure),
}

/// A record that is accepted.
#[derive(Serialize)]
pub(crate) struct Record {
    pub(crate) id: Digest,
    pub(crate) payload: Value,
    /// The trusted key that signed it.
    pub(crate) key: Option<String>,
}

/// A record that is not accepted, and why.
#[derive(Serialize)]
pub(crate) struct Refusal {
    pub(crate) id: Digest,
    pub(crate) cause: String,
}

#[derive(Serialize)]
pub(crate) struct Listed {
    pub(crate) id: Digest,
    pub(crate) size: u64,
    /// As RFC 3339 has it.
    pub(crate) modified: String,
}
