//! `[tool.wheelprint]`: names, values, precedence.
//!
//! The precedence is: environment, config setting, pyproject.toml, default. Not every setting has each
//! of these (docs/settings.md, "Where to set them"). The variable `WHEELPRINT_ON_STALE` counts for
//! imports only. An unknown name or value is an error that suggests the nearest one. It never silently
//! becomes the default.

mod shared;

pub use shared::{Shared, job};

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
    /// Whether a build may call cargo as maturin did in an earlier build.
    pub direct_cargo: bool,
    /// The store that a team shares, if there is one.
    pub shared: Option<Shared>,
    /// `None` if nobody chose one: see `wanted`.
    pub cache_keys: Option<KeyList>,
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

/// The inputs that `tool.uv.cache-keys` should name.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum KeyList {
    /// Existing files, folded into few globs. The import check sees the rest.
    #[default]
    Short,
    /// Everything that uv can see.
    Exhaustive,
}

const ON_STALE: &[(&str, OnStale)] = &[
    ("rebuild", OnStale::Rebuild),
    ("warn", OnStale::Warn),
    ("error", OnStale::Error),
    ("ignore", OnStale::Ignore),
];
const REUSE: &[(&str, Reuse)] =
    &[("editable", Reuse::Editable), ("always", Reuse::Always), ("never", Reuse::Never)];
const KEY_LIST: &[(&str, Option<KeyList>)] =
    &[("short", Some(KeyList::Short)), ("exhaustive", Some(KeyList::Exhaustive))];
const SWITCH: &[(&str, bool)] = &[("true", true), ("false", false)];
/// The keys of `[tool.wheelprint]`.
const KEYS: &[&str] =
    &["on-stale", "reuse", "extra-inputs", "remap-paths", "direct-cargo", "cache-keys", "shared"];
/// The names that may be given as the config setting `wheelprint.NAME=VALUE`.
const CONFIG_KEYS: &[&str] = &["on-stale", "reuse", "remap-paths", "direct-cargo", "log"];

impl OnStale {
    /// The word used in pyproject.toml.
    pub fn as_str(self) -> &'static str {
        ON_STALE.iter().find(|(_, choice)| *choice == self).map_or("", |(name, _)| name)
    }
}

impl Settings {
    /// Combines all sources of settings.
    ///
    /// # Errors
    /// A key or value is unknown. The error has its source and the nearest known name.
    pub fn resolve(project: &Project, request: &Request) -> Result<Self> {
        let table = project.own_table.clone().unwrap_or_default();
        if let Some(key) = table.keys().find(|key| !KEYS.contains(&key.as_str())) {
            return Err(unknown_key(in_pyproject(key), key, KEYS));
        }
        for key in request.config_settings.keys() {
            if let Some(name) = key.strip_prefix(OWN_PREFIX)
                && !CONFIG_KEYS.contains(&name)
            {
                return Err(unknown_key(format!("config setting {key}"), name, CONFIG_KEYS));
            }
        }
        let sources = Sources { table: &table, request };
        Ok(Self {
            on_stale: sources.of_an_install("on-stale", ON_STALE, OnStale::Rebuild)?,
            reuse: sources.choice("reuse", REUSE, Reuse::Editable)?,
            extra_inputs: extra_inputs(&table)?,
            remap_paths: sources.choice("remap-paths", SWITCH, false)?,
            direct_cargo: sources.choice("direct-cargo", SWITCH, true)?,
            shared: Shared::resolve(&table, &request.environment)?,
            cache_keys: sources.choice("cache-keys", KEY_LIST, None)?,
            log: sources.choice("log", Level::NAMES, Level::Info)?,
        })
    }
}

struct Sources<'a> {
    table: &'a toml::Table,
    request: &'a Request,
}

impl Sources<'_> {
    fn choice<T: Copy>(&self, key: &str, choices: &[(&str, T)], default: T) -> Result<T> {
        self.variable(key, choices)?.map_or_else(|| self.declared(key, choices, default), Ok)
    }

    /// A setting that an install keeps. The variable is for the imports of a command: an install that
    /// the command makes or renews is there for others, too. Its value is only checked.
    fn of_an_install<T: Copy>(&self, key: &str, choices: &[(&str, T)], default: T) -> Result<T> {
        self.variable(key, choices)?;
        self.declared(key, choices, default)
    }

    fn variable<T: Copy>(&self, key: &str, choices: &[(&str, T)]) -> Result<Option<T>> {
        let variable = format!("WHEELPRINT_{}", key.to_ascii_uppercase().replace('-', "_"));
        if let Some(value) = self.request.environment.non_empty(&variable) {
            let source = format!("environment variable {variable}");
            return parse(source, &value.to_string_lossy(), choices).map(Some);
        }
        Ok(None)
    }

    fn declared<T: Copy>(&self, key: &str, choices: &[(&str, T)], default: T) -> Result<T> {
        let setting = format!("{OWN_PREFIX}{key}");
        if let Some(value) = self.request.config_settings.get(&setting) {
            let source = format!("config setting {setting}");
            return match value {
                ConfigValue::Text(value) => parse(source, value, choices),
                _ => Err(wrong(&source, "expected one value", None)),
            };
        }
        let source = in_pyproject(key);
        // In pyproject.toml a switch is a boolean, in the other sources a word.
        let is_switch = choices.iter().any(|(name, _)| *name == "true");
        match self.table.get(key) {
            None => Ok(default),
            Some(toml::Value::Boolean(value)) if is_switch => {
                parse(source, &value.to_string(), choices)
            }
            Some(toml::Value::String(value)) if !is_switch => parse(source, value, choices),
            Some(other) => {
                let expected = if is_switch { "true or false" } else { "a string" };
                let cause = format!("expected {expected}, found {}", other.type_str());
                Err(wrong(&source, cause, None))
            }
        }
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
    let no_list = |found: &toml::Value, place: &str| {
        let cause = format!("expected a list of strings, found {}{place}", found.type_str());
        wrong(&source, cause, None)
    };
    let globs = match table.get("extra-inputs") {
        None => return Ok(Vec::new()),
        Some(value) => value.as_array().ok_or_else(|| no_list(value, ""))?,
    };
    let globs = globs.iter().map(|glob| {
        let text = glob.as_str().ok_or_else(|| no_list(glob, " in it"))?;
        extra_input(&source, text)
    });
    globs.collect()
}

fn extra_input(source: &str, glob: &str) -> Result<String> {
    if glob.len() > LONGEST_GLOB {
        return Err(wrong(source, "a glob in it is longer than 4 KiB", None));
    }
    globset::Glob::new(glob).map_err(|error| wrong(source, error.to_string(), None))?;
    let plain = plain_glob(glob);
    let (cause, hint) = if is_absolute(glob) {
        ("is an absolute path", "write it as seen from the project's folder: `../schema/*.json`")
    } else if glob.contains('\\') {
        // A backslash separates folders on Windows, and escapes a wildcard elsewhere.
        let hint = "write `/` between folders, and `[*]` for an asterisk in a name";
        ("has a backslash in it", hint)
    } else if plain.is_empty() {
        ("names everything", "name files or folders")
    } else if plain.split('/').skip_while(|part| *part == "..").any(|part| part == "..") {
        ("goes up after going down", "use `..` at the beginning only")
    } else {
        return Ok(plain);
    };
    Err(wrong(source, format!("`{glob}` {cause}"), Some(hint.to_owned())))
}

fn parse<T: Copy>(source: String, value: &str, choices: &[(&str, T)]) -> Result<T> {
    choices.iter().find(|(name, _)| *name == value).map(|(_, choice)| *choice).ok_or_else(|| {
        let names: Vec<&str> = choices.iter().map(|(name, _)| *name).collect();
        let hint = match nearest(value, &names) {
            Some(name) => format!("did you mean `{name}`? ({})", names.join(" | ")),
            None => format!("use one of {}", names.join(" | ")),
        };
        wrong(&source, format!("unknown value `{value}`"), Some(hint))
    })
}

fn unknown_key(source: String, key: &str, known: &[&str]) -> Error {
    let hint = match nearest(key, known) {
        Some(name) => format!("did you mean `{name}`?"),
        None => format!("the keys are {}", known.join(", ")),
    };
    wrong(&source, "unknown key", Some(hint))
}

fn wrong(source: &str, cause: impl Into<String>, hint: Option<String>) -> Error {
    Error::Setting { source_name: source.to_owned(), cause: cause.into(), hint }
}

/// The most similar known word, if one is similar enough.
pub fn nearest<'a>(word: &str, known: &[&'a str]) -> Option<&'a str> {
    let word = word.replace('_', "-");
    let all = known.iter().map(|name| (strsim::jaro_winkler(&word, name), *name));
    let similar = all.filter(|(similarity, _)| *similarity > 0.7);
    similar.max_by(|one, other| one.0.total_cmp(&other.0)).map(|(_, name)| name)
}

fn in_pyproject(key: &str) -> String {
    format!("pyproject.toml: tool.wheelprint.{key}")
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
