//! `[tool.wheelprint.shared]`: the store that a team shares.

use super::{in_pyproject, parse, unknown_key, wrong};
use crate::error::Result;
use crate::request::Environment;

/// The keys of `[tool.wheelprint.shared]`.
const KEYS: &[&str] = &["url", "trusted-keys", "timeout", "without-toolchain"];
/// What an address may begin with.
const SCHEMES: &[&str] = &["s3", "gs", "az", "https", "http", "file"];
const USE: &[(&str, Use)] =
    &[("off", Use::Off), ("read", Use::Read), ("write", Use::Write), ("ci", Use::Ci)];
/// The seconds that one request may take, downloads included.
const TIMEOUT: u64 = 60;

/// Where the shared store is, and what may be done there.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Shared {
    /// The address. A trailing `/` is left out.
    pub url: String,
    /// Public keys of those whose wheels are used: `ed25519:BASE64`.
    pub trusted_keys: Vec<String>,
    /// The seconds that one request may take, downloads included.
    pub timeout: u64,
    /// Whether a machine without rustc uses wheels of any rustc.
    pub without_toolchain: bool,
    pub may_write: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Use {
    Off,
    Read,
    Write,
    /// As [`of_job`] has it.
    Ci,
}

/// The job of a CI service that runs now, by names that no job has again.
pub fn job(environment: &Environment) -> Option<String> {
    let names = match environment.non_empty("GITHUB_ACTIONS") {
        Some(_) => &["GITHUB_RUN_ID", "GITHUB_RUN_ATTEMPT", "GITHUB_JOB"][..],
        None => &["CI_JOB_ID"],
    };
    let values =
        names.iter().map(|name| environment.non_empty(name).map(|it| it.to_string_lossy()));
    Some(values.collect::<Option<Vec<_>>>()?.join(" "))
}

/// What the job of a CI service may do with the shared store. A job for a protected branch may
/// write. A job for a tag may do nothing, because a tag is a release. Any other job may read. A
/// dishonest job can set these variables itself, so this only prevents mistakes. Protection comes
/// from giving the credentials for writing only to trusted jobs.
///
/// Sources: GitHub's "Default environment variables" and "Events that trigger workflows"; GitLab's
/// "Predefined CI/CD variables reference". `pull_request_target` and `workflow_run` have a protected branch,
/// and often build what others sent.
fn of_job(environment: &Environment) -> Use {
    let is = |name: &str, values: &[&str]| {
        let value = environment.non_empty(name).map(|value| value.to_string_lossy());
        value.is_some_and(|value| values.contains(&&*value))
    };
    if is("GITHUB_REF_TYPE", &["tag"]) || environment.non_empty("CI_COMMIT_TAG").is_some() {
        return Use::Off;
    }
    let of_github = is("GITHUB_ACTIONS", &["true"])
        && is("GITHUB_REF_PROTECTED", &["true"])
        && is("GITHUB_EVENT_NAME", &["push", "schedule", "workflow_dispatch"]);
    let of_gitlab = is("GITLAB_CI", &["true"])
        && is("CI_COMMIT_REF_PROTECTED", &["true"])
        && is("CI_PIPELINE_SOURCE", &["push", "schedule", "web"]);
    if of_github || of_gitlab { Use::Write } else { Use::Read }
}

impl Shared {
    /// Combines variables and pyproject.toml. `None` if no store is named, or if it is switched off.
    ///
    /// # Errors
    /// A key is unknown, or a value is wrong.
    pub(super) fn resolve(table: &toml::Table, environment: &Environment) -> Result<Option<Self>> {
        let table = match table.get("shared") {
            None => &toml::Table::new(),
            Some(toml::Value::Table(table)) => table,
            Some(other) => {
                let cause = format!("expected a table, found {}", other.type_str());
                return Err(wrong(&in_pyproject("shared"), cause, None));
            }
        };
        if let Some(key) = table.keys().find(|key| !KEYS.contains(&key.as_str())) {
            return Err(unknown_key(at(key), key, KEYS));
        }
        let variable = |name: &str| {
            environment.non_empty(name).map(|value| value.to_string_lossy().into_owned())
        };
        let (source, url) = match (variable("WHEELPRINT_SHARED_URL"), table.get("url")) {
            (Some(url), _) => ("environment variable WHEELPRINT_SHARED_URL".to_owned(), Some(url)),
            (None, Some(url)) => (at("url"), Some(text(&at("url"), url)?)),
            (None, None) => (String::new(), None),
        };
        let url = url.map(|url| address(&source, &url)).transpose()?;
        let allowed = match variable("WHEELPRINT_SHARED") {
            Some(word) => parse("environment variable WHEELPRINT_SHARED".into(), &word, USE)?,
            None => Use::Read,
        };
        let allowed = if allowed == Use::Ci { of_job(environment) } else { allowed };
        let trusted_keys = trusted_keys(table)?;
        let timeout = timeout(table)?;
        let without_toolchain = match table.get("without-toolchain") {
            // A machine of a CI service that has no rustc is not meant to build.
            None => variable("CI").is_some_and(|value| !["false", "0"].contains(&value.as_str())),
            Some(toml::Value::Boolean(value)) => *value,
            Some(other) => {
                let cause = format!("expected true or false, found {}", other.type_str());
                return Err(wrong(&at("without-toolchain"), cause, None));
            }
        };
        let may_write = allowed == Use::Write;
        let shared =
            url.map(|url| Self { url, trusted_keys, timeout, without_toolchain, may_write });
        Ok(shared.filter(|_| allowed != Use::Off))
    }

    /// Whether records without a signature are used. Whoever can write to a folder of this machine could
    /// change the installed package, too.
    pub fn accepts_unsigned(&self) -> bool {
        self.url.starts_with("file://") && self.trusted_keys.is_empty()
    }
}

fn at(key: &str) -> String {
    in_pyproject(&format!("shared.{key}"))
}

fn text(source: &str, value: &toml::Value) -> Result<String> {
    let cause = || wrong(source, format!("expected a string, found {}", value.type_str()), None);
    value.as_str().map(str::to_owned).ok_or_else(cause)
}

/// Checks what can be checked without the network.
fn address(source: &str, url: &str) -> Result<String> {
    let hint = format!("it begins with one of {}", SCHEMES.join("://, ") + "://");
    let (scheme, rest) = match url.split_once("://") {
        Some((scheme, rest)) if SCHEMES.contains(&scheme) => (scheme, rest),
        _ => return Err(wrong(source, format!("`{url}` is not an address"), Some(hint))),
    };
    let host = rest.split('/').next().unwrap_or_default();
    if host.contains('@') {
        let hint = "credentials are read from the environment only";
        return Err(wrong(source, "has a user or a password in it", Some(hint.to_owned())));
    }
    if rest.contains(['?', '#']) {
        let hint = "credentials are read from the environment only";
        return Err(wrong(source, "has a query or a fragment", Some(hint.to_owned())));
    }
    if rest.is_empty() || (host.is_empty() && scheme != "file") {
        return Err(wrong(source, format!("`{url}` has no host"), Some(hint)));
    }
    Ok(url.trim_end_matches('/').to_owned())
}

fn trusted_keys(table: &toml::Table) -> Result<Vec<String>> {
    let source = at("trusted-keys");
    let Some(value) = table.get("trusted-keys") else { return Ok(Vec::new()) };
    let expected = |found: &toml::Value| {
        wrong(&source, format!("expected a list of strings, found {}", found.type_str()), None)
    };
    let keys = value.as_array().ok_or_else(|| expected(value))?;
    let key = |value: &toml::Value| {
        let key = value.as_str().ok_or_else(|| expected(value))?;
        if is_key(key) {
            return Ok(key.to_owned());
        }
        let hint = "`wheelprint shared keygen FILE` prints a key: `ed25519:...`";
        Err(wrong(&source, format!("`{key}` is not a public key"), Some(hint.to_owned())))
    };
    keys.iter().map(key).collect()
}

fn is_key(text: &str) -> bool {
    use base64::Engine as _;
    let bytes = text
        .strip_prefix("ed25519:")
        .and_then(|base64| base64::engine::general_purpose::STANDARD.decode(base64).ok());
    bytes.is_some_and(|bytes| bytes.len() == 32)
}

fn timeout(table: &toml::Table) -> Result<u64> {
    match table.get("timeout") {
        None => Ok(TIMEOUT),
        Some(toml::Value::Integer(seconds @ 1..=3600)) => Ok(seconds.cast_unsigned()),
        Some(other) => {
            let cause = format!("expected seconds from 1 to 3600, found {other}");
            Err(wrong(&at("timeout"), cause, None))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const KEY: &str = "ed25519:AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=";

    fn resolve(text: &str, variables: &[(&str, &str)]) -> Result<Option<Shared>> {
        let mut environment = Environment::default();
        for (name, value) in variables {
            environment.set(name, value);
        }
        Shared::resolve(&text.parse().unwrap(), &environment)
    }

    #[test]
    fn without_an_address_there_is_none() {
        assert_eq!(resolve("", &[]).unwrap(), None);
        assert_eq!(resolve("", &[("WHEELPRINT_SHARED", "write")]).unwrap(), None);
        assert_eq!(resolve("shared.timeout = 3", &[]).unwrap(), None);
    }

    #[test]
    fn variables_come_before_the_project() {
        let text = format!("shared.url = 's3://a/b/'\nshared.trusted-keys = ['{KEY}']");
        let shared = resolve(&text, &[]).unwrap().unwrap();
        assert_eq!((shared.url.as_str(), shared.may_write), ("s3://a/b", false));
        assert_eq!(shared.trusted_keys, [KEY]);
        assert!(!shared.accepts_unsigned());
        let variables = [("WHEELPRINT_SHARED_URL", "file:///x"), ("WHEELPRINT_SHARED", "write")];
        let shared = resolve(&text, &variables).unwrap().unwrap();
        assert_eq!((shared.url.as_str(), shared.may_write), ("file:///x", true));
        assert!(!shared.accepts_unsigned());
        assert_eq!(resolve(&text, &[("WHEELPRINT_SHARED", "off")]).unwrap(), None);
        let folder = resolve("shared.url = 'file:///x'", &[]).unwrap().unwrap();
        assert!(folder.accepts_unsigned());
    }

    #[test]
    fn a_job_writes_for_a_protected_branch_alone() {
        let in_job = |variables: &[(&str, &str)]| {
            let all = [&[("WHEELPRINT_SHARED", "ci")], variables].concat();
            let shared = resolve("shared.url = 'file:///x'", &all).unwrap();
            shared.map(|shared| shared.may_write)
        };
        let github = |event, protected| {
            let branch = ("GITHUB_REF_TYPE", "branch");
            let event = [("GITHUB_EVENT_NAME", event), ("GITHUB_REF_PROTECTED", protected)];
            in_job(&[&event[..], &[("GITHUB_ACTIONS", "true"), branch]].concat())
        };
        assert_eq!(github("push", "true"), Some(true));
        assert_eq!(github("push", "false"), Some(false));
        for event in ["pull_request", "pull_request_target", "workflow_run", "merge_group", ""] {
            assert_eq!(github(event, "true"), Some(false), "{event}");
        }
        let tag = [("GITHUB_ACTIONS", "true"), ("GITHUB_REF_TYPE", "tag")];
        assert_eq!(in_job(&tag), None);
        let gitlab = |source| {
            let protected = ("CI_COMMIT_REF_PROTECTED", "true");
            in_job(&[("GITLAB_CI", "true"), protected, ("CI_PIPELINE_SOURCE", source)])
        };
        assert_eq!(gitlab("push"), Some(true));
        assert_eq!(gitlab("merge_request_event"), Some(false));
        assert_eq!(gitlab("external_pull_request_event"), Some(false));
        assert_eq!(in_job(&[("CI_COMMIT_TAG", "v1")]), None);
        assert_eq!(in_job(&[]), Some(false));
    }

    #[test]
    fn a_reading_job_needs_no_toolchain() {
        let without = |text: &str, variables: &[(&str, &str)]| {
            let text = format!("shared.url = 'file:///x'\n{text}");
            resolve(&text, variables).unwrap().unwrap().without_toolchain
        };
        assert!(!without("", &[]));
        assert!(without("", &[("CI", "true")]));
        assert!(!without("", &[("CI", "false")]));
        assert!(!without("shared.without-toolchain = false", &[("CI", "true")]));
    }

    #[test]
    fn wrong_values_are_named() {
        for (text, expected) in [
            ("shared = 1", "tool.wheelprint.shared: expected a table, found integer"),
            ("shared.uri = ''", "shared.uri: unknown key"),
            ("shared.url = 1", "shared.url: expected a string"),
            ("shared.url = 'ftp://a'", "`ftp://a` is not an address"),
            ("shared.url = 's3:///a'", "has no host"),
            ("shared.url = 'https://me:secret@host/a'", "has a user or a password in it"),
            ("shared.url = 'https://host/a?sig=secret'", "has a query or a fragment"),
            ("shared.trusted-keys = 'a'", "expected a list of strings"),
            ("shared.trusted-keys = ['ed25519:AA==']", "`ed25519:AA==` is not a public key"),
            ("shared.timeout = 0", "expected seconds from 1 to 3600, found 0"),
            ("shared.without-toolchain = 'yes'", "expected true or false"),
        ] {
            let error = resolve(text, &[]).unwrap_err().to_string();
            assert!(error.contains(expected), "{error}");
            assert!(!error.contains("secret"), "{error}");
        }
        let error = resolve("", &[("WHEELPRINT_SHARED", "raed")]).unwrap_err();
        assert!(error.to_string().contains("WHEELPRINT_SHARED: unknown value `raed`"), "{error}");
    }
}
