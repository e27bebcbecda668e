//! Knowledge about uv (docs/design.md, D11): its cache keys, and when it calls a build backend.
//!
//! The source is uv 0.13, `uv-cache-info`. An editable install is satisfied if and only if the
//! `uv_cache.json` in its dist-info equals the values that the project's `[tool.uv] cache-keys`
//! give now: the newest change time of all matching files, the value of each variable, the creation
//! time of each folder.

pub(crate) mod derive;
pub(crate) mod edit;
pub(crate) mod key_matches;
pub(crate) mod uv_cache_check;
pub(crate) mod workspace;

use std::path::Path;

use serde::Deserialize;

use crate::digest;
use crate::project::normalize_name;
use crate::request::{ConfigSettings, ConfigValue};

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

/// The settings that uv passes to every build of a project: `config-settings`, those of the package
/// (`config-settings-package`), and `extra-build-variables`. They come from the project's
/// pyproject.toml or from the workspace's above it.
pub(crate) fn build_settings(root: &Path) -> (ConfigSettings, Vec<(String, String)>) {
    let documents: Vec<toml::Table> = root
        .ancestors()
        .filter_map(|folder| digest::text(&folder.join("pyproject.toml")).ok())
        .map(|text| text.parse().unwrap_or_default())
        .collect();
    let own = documents.first().and_then(|own| own.get("project")?.get("name")?.as_str());
    let Some(own) = own.map(normalize_name) else { return Default::default() };
    // uv reads its settings from one file. The outermost one is the workspace's.
    let table = |key: &str| {
        let tools = documents.iter().rev().filter_map(|document| document.get("tool")?.get("uv"));
        tools.filter_map(|uv| uv.get(key)?.as_table()).next().into_iter().flatten()
    };
    let of_package = |key: &str| {
        let own = table(key).filter(|(name, _)| normalize_name(name) == own);
        own.filter_map(|(_, value)| value.as_table()).flatten()
    };
    let text = |value: &toml::Value| value.as_str().map(str::to_owned);
    let settings = table("config-settings").chain(of_package("config-settings-package"));
    let settings = settings.map(|(name, value)| {
        let value = match value {
            toml::Value::Array(values) => {
                ConfigValue::List(values.iter().filter_map(text).collect())
            }
            toml::Value::Boolean(flag) => ConfigValue::Flag(*flag),
            value => ConfigValue::Text(text(value).unwrap_or_default()),
        };
        (name.clone(), value)
    });
    let variables = of_package("extra-build-variables");
    let variables = variables.filter_map(|(name, value)| Some((name.clone(), text(value)?)));
    (settings.collect(), variables.collect())
}
