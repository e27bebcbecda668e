//! `[tool.wheelprint]`: names, values, precedence.
//!
//! Every setting has the same precedence: environment, config setting, pyproject.toml, default. An
//! unknown name or value is an error that suggests the nearest one. It never silently becomes the
//! default.

use crate::error::{Error, Result};
use crate::log::Level;
use crate::project::Project;
use crate::request::{ConfigValue, OWN_PREFIX, Request};

/// The maximum length of a glob. A longer glob may give a regular expression above the size limit,
/// and globset cannot handle that.
pub const LONGEST_GLOB: usize = 4096;

/// The settings in force for one request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Settings {
    pub on_stale: OnStale,
    pub reuse: Reuse,
    /// Globs relative to the project's root.
    pub extra_inputs: Vec<String>,
    /// Whether paths of this machine are removed from the compiled code.
    pub remap_paths: bool,
    pub log: Level,
}

/// The reaction of an editable install that finds itself stale at import.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum OnStale {
    Rebuild,
    Warn,
    Error,
    Ignore,
}

/// The hooks that may use the store.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reuse {
    Editable,
    Always,
    Never,
}

const ON_STALE: &[(&str, OnStale)] = &[
    ("rebuild", OnStale::Rebuild),
    ("warn", OnStale::Warn),
    ("error", OnStale::Error),
    ("ignore", OnStale::Ignore),
];
const REUSE: &[(&str, Reuse)] =
    &[("editable", Reuse::Editable), ("always", Reuse::Always), ("never", Reuse::Never)];
const SWITCH: &[(&str, bool)] = &[("true", true), ("false", false)];
/// The keys of `[tool.wheelprint]`.
const KEYS: &[&str] = &["on-stale", "reuse", "extra-inputs", "remap-paths"];
/// The names that may be given as the config setting `wheelprint.NAME=VALUE`.
const CONFIG_KEYS: &[&str] = &["on-stale", "reuse", "remap-paths", "log"];

impl OnStale {
    /// The word used in pyproject.toml.
    pub fn as_str(self) -> &'static str {
        name_of(ON_STALE, self)
    }
}

impl Settings {
    /// Combines all sources of settings.
    ///
    /// # Errors
    /// A key or value is unknown. The error has its source and the nearest known name.
    pub fn resolve(project: &Project, request: &Request) -> Result<Self> {
        let table = project.own_table.clone().unwrap_or_default();
        for key in table.keys() {
            if !KEYS.contains(&key.as_str()) {
                return Err(unknown_key(&in_pyproject(key), key, KEYS));
            }
        }
        for key in request.config_settings.keys() {
            if let Some(name) = key.strip_prefix(OWN_PREFIX)
                && !CONFIG_KEYS.contains(&name)
            {
                return Err(unknown_key(&format!("config setting {key}"), name, CONFIG_KEYS));
            }
        }
        let chain = Chain { table: &table, request };
        Ok(Self {
            on_stale: chain.choice("on-stale", ON_STALE)?.unwrap_or(OnStale::Rebuild),
            reuse: chain.choice("reuse", REUSE)?.unwrap_or(Reuse::Editable),
            extra_inputs: extra_inputs(&table)?,
            remap_paths: chain.switch("remap-paths")?.unwrap_or(false),
            log: chain.choice("log", &Level::NAMED)?.unwrap_or(Level::Info),
        })
    }
}

struct Chain<'a> {
    table: &'a toml::Table,
    request: &'a Request,
}

impl Chain<'_> {
    fn choice<T: Copy>(&self, key: &str, choices: &[(&str, T)]) -> Result<Option<T>> {
        if let Some(choice) = self.outside(key, choices)? {
            return Ok(Some(choice));
        }
        match self.table.get(key) {
            None => Ok(None),
            Some(toml::Value::String(value)) => parse(&in_pyproject(key), value, choices).map(Some),
            Some(other) => Err(wrong_type(
                &in_pyproject(key),
                &format!("expected a string, found {}", describe(other)),
            )),
        }
    }

    /// A setting that is true or false.
    fn switch(&self, key: &str) -> Result<Option<bool>> {
        if let Some(switch) = self.outside(key, SWITCH)? {
            return Ok(Some(switch));
        }
        match self.table.get(key) {
            None => Ok(None),
            Some(toml::Value::Boolean(value)) => Ok(Some(*value)),
            Some(other) => Err(wrong_type(
                &in_pyproject(key),
                &format!("expected true or false, found {}", describe(other)),
            )),
        }
    }

    /// The value from the environment or a config setting.
    fn outside<T: Copy>(&self, key: &str, choices: &[(&str, T)]) -> Result<Option<T>> {
        let variable = format!("WHEELPRINT_{}", key.to_ascii_uppercase().replace('-', "_"));
        if let Some(value) = self.request.environment.non_empty(&variable) {
            let value = value.to_string_lossy();
            return parse(&format!("environment variable {variable}"), &value, choices).map(Some);
        }
        let setting = format!("{OWN_PREFIX}{key}");
        if let Some(value) = self.request.config_settings.get(&setting) {
            let source = format!("config setting {setting}");
            let ConfigValue::Text(value) = value else {
                return Err(wrong_type(&source, "expected one value"));
            };
            return parse(&source, value, choices).map(Some);
        }
        Ok(None)
    }
}

/// A glob without parts that mean nothing to the file system, as in `./a`, `a/` and `a//b`. Globs
/// are matched against the text of paths, so these parts would prevent a match.
pub fn plain_glob(glob: &str) -> String {
    let start = if glob.starts_with('/') { "/" } else { "" };
    let parts = glob.split('/').filter(|part| !part.is_empty() && *part != ".");
    format!("{start}{}", parts.collect::<Vec<_>>().join("/"))
}

/// Whether the path is absolute on any system, because a project is used on several systems.
fn is_absolute(glob: &str) -> bool {
    let has_drive = matches!(glob.as_bytes(), [letter, b':', ..] if letter.is_ascii_alphabetic());
    glob.starts_with(['/', '\\']) || has_drive
}

fn extra_inputs(table: &toml::Table) -> Result<Vec<String>> {
    let source = in_pyproject("extra-inputs");
    let globs = match table.get("extra-inputs") {
        None => return Ok(Vec::new()),
        Some(toml::Value::Array(globs)) => globs,
        Some(other) => {
            return Err(wrong_type(
                &source,
                &format!("expected a list of strings, found {}", describe(other)),
            ));
        }
    };
    globs
        .iter()
        .map(|glob| {
            let toml::Value::String(glob) = glob else {
                return Err(wrong_type(
                    &source,
                    &format!("expected a list of strings, found {} in it", describe(glob)),
                ));
            };
            let wrong = |cause: String, hint: Option<&str>| Error::Setting {
                source_name: source.clone(),
                cause,
                hint: hint.map(str::to_owned),
            };
            if glob.len() > LONGEST_GLOB {
                return Err(wrong("a glob in it is longer than 4 KiB".to_owned(), None));
            }
            globset::Glob::new(glob).map_err(|error| wrong(error.to_string(), None))?;
            if is_absolute(glob) {
                return Err(wrong(
                    format!("`{glob}` is an absolute path"),
                    Some("write it as seen from the project's folder: `../schema/*.json`"),
                ));
            }
            // A backslash separates folders on Windows, and escapes a wildcard elsewhere.
            if glob.contains('\\') {
                return Err(wrong(
                    format!("`{glob}` has a backslash in it"),
                    Some("write `/` between folders, and `[*]` for an asterisk in a name"),
                ));
            }
            let plain = plain_glob(glob);
            if plain.is_empty() {
                return Err(wrong(
                    format!("`{glob}` names everything"),
                    Some("name files or folders"),
                ));
            }
            let mut parts = plain.split('/').skip_while(|part| *part == "..");
            if parts.any(|part| part == "..") {
                return Err(wrong(
                    format!("`{glob}` goes up after going down"),
                    Some("use `..` at the beginning only"),
                ));
            }
            Ok(plain)
        })
        .collect()
}

fn parse<T: Copy>(source: &str, value: &str, choices: &[(&str, T)]) -> Result<T> {
    choices.iter().find(|(name, _)| *name == value).map(|(_, choice)| *choice).ok_or_else(|| {
        let names: Vec<&str> = choices.iter().map(|(name, _)| *name).collect();
        let hint = match nearest(value, &names) {
            Some(name) => format!("did you mean `{name}`? ({})", names.join(" | ")),
            None => format!("use one of {}", names.join(" | ")),
        };
        Error::setting(source, format!("unknown value `{value}`"), hint)
    })
}

fn unknown_key(source: &str, key: &str, known: &[&str]) -> Error {
    let hint = match nearest(key, known) {
        Some(name) => format!("did you mean `{name}`?"),
        None => format!("the keys are {}", known.join(", ")),
    };
    Error::setting(source, "unknown key", hint)
}

fn wrong_type(source: &str, cause: &str) -> Error {
    Error::Setting { source_name: source.to_owned(), cause: cause.to_owned(), hint: None }
}

/// The most similar known word, if one is similar enough.
pub fn nearest<'a>(word: &str, known: &[&'a str]) -> Option<&'a str> {
    let word = word.replace('_', "-");
    known
        .iter()
        .map(|name| (strsim::jaro_winkler(&word, name), *name))
        .filter(|(similarity, _)| *similarity > 0.7)
        .max_by(|a, b| a.0.total_cmp(&b.0))
        .map(|(_, name)| name)
}

fn in_pyproject(key: &str) -> String {
    format!("pyproject.toml: tool.wheelprint.{key}")
}

fn describe(value: &toml::Value) -> &'static str {
    value.type_str()
}

fn name_of<T: PartialEq + Copy>(choices: &[(&'static str, T)], value: T) -> &'static str {
    choices.iter().find(|(_, choice)| *choice == value).map_or("", |(name, _)| name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn globs_mean_the_same_on_every_system() {
        for (glob, expected) in [
            ("schema/*.json", Ok("schema/*.json")),
            ("./schema//*.json", Ok("schema/*.json")),
            ("../schema/*.json", Ok("../schema/*.json")),
            ("a[*]b", Ok("a[*]b")),
            ("/schema/*.json", Err("absolute")),
            ("C:/schema/*.json", Err("absolute")),
            (r"c:\schema\*.json", Err("absolute")),
            (r"\\server\share\*.json", Err("absolute")),
            (r"schema\*.json", Err("backslash")),
            (r"..\schema\*.json", Err("backslash")),
            ("a/../b", Err("goes up")),
            ("./", Err("everything")),
        ] {
            let table = toml::Table::from_iter([("extra-inputs".to_owned(), vec![glob].into())]);
            match (extra_inputs(&table), expected) {
                (Ok(globs), Ok(expected)) => assert_eq!(globs, [expected]),
                (Err(error), Err(expected)) => {
                    assert!(error.to_string().contains(expected), "{error}");
                }
                (found, _) => panic!("{glob}: {found:?}"),
            }
        }
    }
}
