//! What a second build needs to be the same as the recorded one, and what of it cannot be had.
//!
//! A record has the text of versions. Of variables and config settings it has digests only, because
//! their values may be secret. So a value is used if the user's own one has that digest.

use std::path::{Path, PathBuf};

use crate::digest;
use crate::error::{Error, Result};
use crate::fingerprint::{Record, Value};
use crate::inputs::{Kind, Part, environment};
use crate::request::{ConfigSettings, ConfigValue, Environment, OWN_PREFIX};

/// The names of settings in a record begin with this.
const SETTING: &str = "config setting ";

/// Variables in which the backend counts the frontend's environment under a name of its own. Their
/// values here can't be compared; the record of the second build shows a difference.
const OF_THE_FRONTEND: [&str; 2] = ["PATH", "VIRTUAL_ENV"];

/// Variables that name a folder with what cargo compiled.
const OF_TARGET_FOLDERS: [&str; 3] =
    ["CARGO_TARGET_DIR", "CARGO_BUILD_TARGET_DIR", "CARGO_BUILD_BUILD_DIR"];

/// Variables with which the user tells programs where things are and which servers to ask. A record
/// is not trusted, so they are never removed.
const OF_THE_USER: [&str; 7] =
    ["PATH", "HOME", "USERPROFILE", "CARGO_HOME", "RUSTUP_HOME", "UV", "NETRC"];

/// The beginnings of more such variables.
const OF_THE_USERS_TOOLS: [&str; 8] = [
    "UV_",
    "PIP_",
    "SSL_",
    "XDG_",
    "CARGO_NET_",
    "CARGO_HTTP_",
    "CARGO_REGISTRY_",
    "CARGO_REGISTRIES_",
];

/// The tools that the recorded build used. `None`: the record does not say.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Needed {
    /// The text of `rustc -vV`, one line, as [`crate::toolchain::Toolchain`] gives it.
    pub rustc: Option<String>,
    /// Implementation, version, ABI and platform: [`crate::request::Interpreter::identity`].
    pub python: Option<String>,
    pub maturin: Option<String>,
    pub wheelprint: Option<String>,
}

/// A property of the recorded build that the second build can't have.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
pub(crate) struct Unavailable {
    pub name: String,
    pub cause: String,
}

/// A config setting for the frontend.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Setting {
    pub name: String,
    pub values: Vec<String>,
}

/// The variables and settings of the second build.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Plan {
    /// Variables to remove.
    pub unset: Vec<String>,
    /// Settings that the frontend must be given.
    pub settings: Vec<Setting>,
    /// Whether paths were removed from compiled code.
    pub remaps_paths: bool,
    pub unavailable: Vec<Unavailable>,
}

impl Needed {
    pub(crate) fn of(record: &Record) -> Self {
        let text = |part, name| record.text(part, name).map(str::to_owned);
        Self {
            rustc: text(Part::Toolchain, "rustc"),
            python: text(Part::Toolchain, "python"),
            maturin: text(Part::Toolchain, "maturin"),
            wheelprint: text(Part::Request, "wheelprint"),
        }
    }

    /// The value of a line of `rustc -vV`.
    pub(crate) fn rustc_field(&self, name: &str) -> Option<&str> {
        let mut lines = self.rustc.as_deref()?.split("; ");
        lines.find_map(|line| line.strip_prefix(name)?.strip_prefix(": "))
    }
}

impl Plan {
    /// Compares the record with the variables here and with settings. `given` are those that the
    /// user gave to the command, `configured` those that uv reads from its own files.
    /// `is_used` says whether a folder has something in it.
    ///
    /// # Errors
    /// A given setting is not one of the recorded build.
    pub(crate) fn of(
        record: &Record,
        variables: &Environment,
        given: &ConfigSettings,
        configured: &ConfigSettings,
        is_used: impl Fn(&Path) -> bool,
    ) -> Result<Self> {
        let mut plan = Self {
            remaps_paths: record.text(Part::Request, "remap-paths").is_some(),
            ..Self::default()
        };
        let mut kept = Vec::new();
        for (key, value) in record.pairs().filter(|(key, _)| key.kind == Kind::Variable) {
            match plan.variable(&key.name, value, variables, &is_used) {
                true => kept.push(key.name.clone()),
                false => plan.unset.push(key.name.clone()),
            }
        }
        let others = environment::set_variables(variables).into_iter();
        plan.unset.extend(others.filter(|name| !kept.contains(name)));
        plan.unset.sort();
        plan.unset.dedup();

        let recorded: Vec<(&str, &Value)> = record
            .pairs()
            .filter(|(key, _)| key.part == Part::Request)
            .filter_map(|(key, value)| Some((key.name.strip_prefix(SETTING)?, value)))
            .collect();
        for (name, value) in &recorded {
            plan.setting(name, value, given, configured);
        }
        for (part, name) in [(Part::Toolchain, "maturin"), (Part::Request, "wheelprint")] {
            if record.text(part, name).is_none() {
                let cause = "the record does not say which version".to_owned();
                plan.unavailable.push(Unavailable { name: name.to_owned(), cause });
            }
        }
        let is_recorded = |name: &String| recorded.iter().any(|(known, _)| name == known);
        if let Some(name) = given.keys().find(|name| !is_recorded(name)) {
            let hint = match name.starts_with(OWN_PREFIX) {
                true => "wheelprint's own settings follow from the record".to_owned(),
                false if recorded.is_empty() => "it was built without config settings".to_owned(),
                false => {
                    let names: Vec<&str> = recorded.iter().map(|(name, _)| *name).collect();
                    format!("its settings are {}", names.join(", "))
                }
            };
            let cause = "the wheel was not built with this setting";
            return Err(Error::setting(format!("--config-setting {name}"), cause, hint));
        }
        Ok(plan)
    }

    /// Whether the build keeps this variable as it is here.
    fn variable(
        &mut self,
        name: &str,
        value: &Value,
        variables: &Environment,
        is_used: &impl Fn(&Path) -> bool,
    ) -> bool {
        let mut lacks = |cause: &str| {
            self.unavailable.push(Unavailable { name: name.to_owned(), cause: cause.to_owned() });
        };
        let here = variables.get(name);
        match value {
            Value::Absent if here.is_some() && is_of_the_user(name) => {
                lacks("it was not set in the recorded build, and is needed here");
            }
            Value::Absent => return false,
            _ if OF_THE_FRONTEND.contains(&name) => {}
            Value::Sha256(recorded) => match here.map(|here| here.to_str()) {
                Some(Some(here)) if digest::bytes(here.as_bytes()) == *recorded => {
                    let folder = PathBuf::from(here);
                    if OF_TARGET_FOLDERS.contains(&name) && is_used(&folder) {
                        lacks("its folder has compiled packages; remove the folder to use it");
                        return false;
                    }
                }
                Some(_) => lacks("it has another value here; the record has only a digest"),
                None => lacks("it is not set here; the record has only a digest"),
            },
            Value::Text(_) | Value::Unreadable(_) | Value::Unknown => {
                lacks("the record does not say what it was");
            }
        }
        here.is_some()
    }

    fn setting(
        &mut self,
        name: &str,
        value: &Value,
        given: &ConfigSettings,
        configured: &ConfigSettings,
    ) {
        let is_recorded = |setting: &&ConfigValue| {
            let text = serde_json::to_string(setting).unwrap_or_default();
            *value == Value::Sha256(digest::bytes(text.as_bytes()))
        };
        if let Some(setting) = given.get(name).filter(is_recorded) {
            let values = match setting {
                ConfigValue::Text(text) => vec![text.clone()],
                ConfigValue::List(texts) => texts.clone(),
                ConfigValue::Flag(flag) => vec![flag.to_string()],
            };
            self.settings.push(Setting { name: name.to_owned(), values });
        } else if configured.get(name).filter(is_recorded).is_none() {
            let is_known = given.contains_key(name) || configured.contains_key(name);
            let cause = match is_known {
                true => "another value; the record has only a digest",
                false => "not known; give its value with --config-setting NAME=VALUE",
            };
            let name = format!("{SETTING}{name}");
            self.unavailable.push(Unavailable { name, cause: cause.to_owned() });
        }
    }
}

fn is_of_the_user(name: &str) -> bool {
    let name = name.to_ascii_uppercase();
    OF_THE_USER.contains(&&*name)
        || OF_THE_USERS_TOOLS.iter().any(|start| name.starts_with(start))
        || name.ends_with("_PROXY")
}

#[cfg(test)]
mod tests {
    use std::collections::{BTreeMap, BTreeSet};

    use super::*;
    use crate::fingerprint::Inputs;
    use crate::inputs::Key;

    fn sha(text: &str) -> Value {
        Value::Sha256(digest::bytes(text.as_bytes()))
    }

    fn record(inputs: &[(Part, Kind, &str, Value)]) -> Record {
        let version = |part, name| (part, Kind::Value, name, Value::Text("1.0".to_owned()));
        let versions = [version(Part::Toolchain, "maturin"), version(Part::Request, "wheelprint")];
        let inputs = versions
            .iter()
            .chain(inputs)
            .map(|(part, kind, name, value)| (Key::named(*part, *kind, *name), value.clone()));
        Record::new(&inputs.collect::<Inputs>(), BTreeSet::new(), BTreeMap::new())
    }

    fn variables(all: &[(&str, &str)]) -> Environment {
        all.iter().map(|(name, value)| ((*name).into(), (*value).into())).collect()
    }

    fn settings(all: &[(&str, &str)]) -> ConfigSettings {
        let all = all.iter();
        all.map(|(name, text)| ((*name).into(), ConfigValue::Text((*text).into()))).collect()
    }

    #[test]
    fn variables_with_the_recorded_value_stay() {
        let variable = |name, value| (Part::Environment, Kind::Variable, name, value);
        let record = record(&[
            variable("CARGO_TARGET_DIR", sha("/t")),
            variable("CFLAGS", sha("-O2")),
            variable("CXXFLAGS", sha("-O2")),
            variable("LDFLAGS", sha("-s")),
            variable("PATH", sha("{python}/bin:/bin")),
            variable("READ_BY_CRATE", Value::Absent),
        ]);
        let here = variables(&[
            ("CARGO_TARGET_DIR", "/t"),
            ("CFLAGS", "-O2"),
            ("CXXFLAGS", "-O3"),
            ("PATH", "/bin"),
            ("READ_BY_CRATE", "1"),
            ("RUSTFLAGS", "-g"),
            ("OTHER", "2"),
        ]);
        let of = |is_used| {
            let none = ConfigSettings::new();
            Plan::of(&record, &here, &none, &none, |_| is_used).unwrap()
        };
        let names = |plan: &Plan| -> Vec<String> {
            plan.unavailable.iter().map(|it| it.name.clone()).collect()
        };
        let plan = of(false);
        assert_eq!(plan.unset, ["LDFLAGS", "READ_BY_CRATE", "RUSTFLAGS"]);
        assert_eq!(names(&plan), ["CXXFLAGS", "LDFLAGS"]);
        let plan = of(true);
        assert_eq!(plan.unset, ["CARGO_TARGET_DIR", "LDFLAGS", "READ_BY_CRATE", "RUSTFLAGS"]);
        assert_eq!(names(&plan), ["CARGO_TARGET_DIR", "CXXFLAGS", "LDFLAGS"]);
    }

    #[test]
    fn variables_of_the_user_are_never_removed() {
        let names = ["UV_INDEX_URL", "PIP_INDEX_URL", "HOME", "https_proxy", "CARGO_NET_OFFLINE"];
        let absent = names.map(|name| (Part::Environment, Kind::Variable, name, Value::Absent));
        let here = variables(&names.map(|name| (name, "1")));
        let none = ConfigSettings::new();
        let plan = Plan::of(&record(&absent), &here, &none, &none, |_| false).unwrap();
        assert_eq!(plan.unset, Vec::<String>::new());
        assert_eq!(plan.unavailable.iter().filter(|it| names.contains(&&*it.name)).count(), 5);
    }

    #[test]
    fn settings_with_the_recorded_value_are_passed_on() {
        let setting =
            |name, text: &str| (Part::Request, Kind::Value, name, sha(&format!("{text:?}")));
        let record = record(&[
            setting("config setting build-args", "--locked"),
            setting("config setting other", "x"),
        ]);
        let of = |given: &[(&str, &str)], configured: &[(&str, &str)]| {
            let (given, configured) = (settings(given), settings(configured));
            Plan::of(&record, &Environment::default(), &given, &configured, |_| false)
        };
        let plan = of(&[("build-args", "--locked")], &[("other", "x")]).unwrap();
        let expected = Setting { name: "build-args".into(), values: vec!["--locked".into()] };
        assert_eq!((plan.settings, plan.unavailable), (vec![expected], vec![]));
        let causes: Vec<String> = of(&[], &[("other", "y")])
            .unwrap()
            .unavailable
            .into_iter()
            .map(|it| format!("{}: {}", it.name, it.cause))
            .collect();
        assert_eq!(
            causes,
            [
                "config setting build-args: not known; give its value with --config-setting \
                 NAME=VALUE",
                "config setting other: another value; the record has only a digest",
            ]
        );
        let error = of(&[("more", "z")], &[]).unwrap_err();
        assert!(error.to_string().contains("--config-setting more"), "{error}");
        assert!(error.hint().unwrap().contains("build-args, other"));
    }

    #[test]
    fn the_tools_are_those_of_the_record() {
        let value =
            |part, name, text: &str| (part, Kind::Value, name, Value::Text(text.to_owned()));
        let needed = Needed::of(&record(&[
            value(Part::Toolchain, "rustc", "rustc 1.60.0 (a b); binary: rustc; release: 1.60.0"),
            value(Part::Request, "wheelprint", "0.1.0"),
        ]));
        assert_eq!(needed.rustc_field("release"), Some("1.60.0"));
        assert_eq!(needed.wheelprint.as_deref(), Some("0.1.0"));
        assert_eq!((needed.maturin.as_deref(), needed.python), (Some("1.0"), None));
    }
}
