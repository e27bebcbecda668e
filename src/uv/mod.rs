//! What is known about uv (DESIGN D11): its cache keys, and when it calls a build backend.
//!
//! Read in uv 0.13, `uv-cache-info`: an editable install is satisfied iff the `uv_cache.json` in its
//! dist-info equals what the project's `[tool.uv] cache-keys` give now: the newest change time of all
//! files that match, the value of each variable, the creation time of each folder.

pub mod edit;

use serde::Deserialize;

/// One of `[tool.uv] cache-keys`, as uv writes and reads it.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(untagged, deny_unknown_fields)]
pub enum CacheKey {
    /// `"Cargo.lock"`, the short form of [`CacheKey::File`].
    Path(String),
    /// `{ file = "src/**/*.rs" }`: a file, or a glob; relative to pyproject.toml.
    File { file: String },
    /// `{ dir = "src" }`: when a folder was made.
    Directory { dir: String },
    /// `{ git = { commit = true } }`
    Git { git: toml::Value },
    /// `{ env = "RUSTFLAGS" }`
    Environment { env: String },
}
