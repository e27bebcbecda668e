//! Knowledge about uv (docs/design.md, D11): its cache keys, and when it calls a build backend.
//!
//! The source is uv 0.13, `uv-cache-info`. An editable install is satisfied if and only if the
//! `uv_cache.json` in its dist-info equals the values that the project's `[tool.uv] cache-keys`
//! give now: the newest change time of all matching files, the value of each variable, the creation
//! time of each folder.

pub(crate) mod derive;
pub(crate) mod edit;
pub(crate) mod satisfied;
pub(crate) mod seen;
pub(crate) mod workspace;

use std::path::Path;

use serde::Deserialize;

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
        edit::to_toml(self).to_string().trim().to_owned()
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
    let (mut settings, mut variables) = (ConfigSettings::new(), Vec::new());
    let documents: Vec<toml::Table> = root
        .ancestors()
        .filter_map(|folder| fs_err::read_to_string(folder.join("pyproject.toml")).ok())
        .map(|text| text.parse().unwrap_or_default())
        .collect();
    let Some(own) = documents.first().and_then(|own| own.get("project")?.get("name")?.as_str())
    else {
        return (settings, variables);
    };
    let own = normalize_name(own);
    let tables = |path: &[&str]| -> Vec<toml::Table> {
        let find = |document: &toml::Table| {
            let uv = document.get("tool")?.get("uv")?;
            path.iter().try_fold(uv, |table, part| table.get(part))?.as_table().cloned()
        };
        // uv reads its settings from one file. The outermost one is the workspace's.
        documents.iter().rev().filter_map(find).take(1).collect()
    };
    let of_package = |tables: Vec<toml::Table>| -> Vec<toml::Table> {
        let tables = tables.into_iter().flatten();
        let own = tables.filter(|(name, _)| normalize_name(name) == own);
        own.filter_map(|(_, table)| table.as_table().cloned()).collect()
    };
    let all = tables(&["config-settings"]);
    for table in all.into_iter().chain(of_package(tables(&["config-settings-package"]))) {
        for (name, value) in table {
            let value = match value {
                toml::Value::Array(values) => ConfigValue::List(
                    values.iter().filter_map(|value| Some(value.as_str()?.to_owned())).collect(),
                ),
                toml::Value::Boolean(flag) => ConfigValue::Flag(flag),
                value => ConfigValue::Text(value.as_str().unwrap_or_default().to_owned()),
            };
            settings.insert(name, value);
        }
    }
    for table in of_package(tables(&["extra-build-variables"])) {
        variables.extend(
            table.into_iter().filter_map(|(name, value)| Some((name, value.as_str()?.to_owned()))),
        );
    }
    (settings, variables)
}
