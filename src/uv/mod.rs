//! Knowledge about uv (docs/design.md, D11): its cache keys, its settings, and when it calls a build backend.
//!
//! The source is uv 0.13, `uv-cache-info`. An editable install is satisfied if and only if the
//! `uv_cache.json` in its dist-info equals the values that the project's `[tool.uv] cache-keys`
//! give now: the newest change time of all matching files, the value of each variable, the creation
//! time of each folder.

pub(crate) mod configuration;
pub(crate) mod derive;
pub(crate) mod edit;
pub(crate) mod key_matches;
pub(crate) mod uv_cache_check;
pub(crate) mod workspace;

use serde::Deserialize;

/// One of `[tool.uv] cache-keys`, in the forms that uv reads and writes.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(untagged, deny_unknown_fields)]
pub(crate) enum CacheKey {
    /// `"Cargo.lock"`, the short form of [`CacheKey::File`].
    Path(String),
    /// `{ file = "src/**/*.rs" }`: a file or a glob, relative to pyproject.toml.
    File { file: String },
    /// `{ dir = "src" }`: the creation time of a folder.
    Directory { dir: String },
    /// `{ git = { commit = true } }`
    Git { git: toml::Value },
    /// `{ env = "RUSTFLAGS" }`
    Environment { env: String },
}

impl CacheKey {
    /// The path or glob, if the key is for files.
    pub(crate) fn file(&self) -> Option<&str> {
        match self {
            Self::Path(file) | Self::File { file } => Some(file),
            Self::Directory { .. } | Self::Git { .. } | Self::Environment { .. } => None,
        }
    }

    /// The key as it is written in pyproject.toml.
    pub(crate) fn text(&self) -> String {
        self.to_toml().to_string()
    }

    fn to_toml(&self) -> toml_edit::Value {
        let (name, value): (_, toml_edit::Value) = match self {
            Self::Path(path) => return path.into(),
            Self::File { file } => ("file", file.into()),
            Self::Directory { dir } => ("dir", dir.into()),
            Self::Environment { env } => ("env", env.into()),
            Self::Git { git } => ("git", git.to_string().parse().unwrap_or_else(|_| true.into())),
        };
        toml_edit::InlineTable::from_iter([(name, value)]).into()
    }
}

/// The keys that uv uses for a project without keys.
pub(crate) fn default_keys() -> Vec<CacheKey> {
    let files = ["pyproject.toml", "setup.py", "setup.cfg"].map(|file| CacheKey::Path(file.into()));
    files.into_iter().chain([CacheKey::Directory { dir: "src".into() }]).collect()
}

/// The keys that `uv init --build-backend maturin` writes.
pub(crate) fn usual_keys() -> Vec<CacheKey> {
    let files = ["pyproject.toml", "src/**/*.rs", "Cargo.toml", "Cargo.lock"];
    files.map(|file| CacheKey::File { file: file.to_owned() }).to_vec()
}
