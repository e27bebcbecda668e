//! The crates of a Cargo.lock as resource descriptors, with purls for names.

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use serde::Deserialize;
use serde_json::{Value as Json, json};

use crate::error::{Because as _, Cause};

/// The sources that Cargo.lock writes for crates.io: its index in git, and the sparse one.
const CRATES_IO: [&str; 2] =
    ["registry+https://github.com/rust-lang/crates.io-index", "sparse+https://index.crates.io/"];

/// What a purl leaves as it is (purl specification, "Character encoding").
const ENCODED: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');

/// A package URL: `pkg:cargo/pyo3@0.28.1`.
pub(crate) fn purl(kind: &str, name: &str, version: &str) -> String {
    let encoded = |text| utf8_percent_encode(text, ENCODED);
    format!("pkg:{kind}/{}@{}", encoded(name), encoded(version))
}

#[derive(Deserialize)]
struct Lock {
    #[serde(default)]
    package: Vec<Package>,
}

#[derive(Deserialize)]
struct Package {
    name: String,
    version: String,
    source: Option<String>,
    checksum: Option<String>,
}

/// Each crate of a Cargo.lock that comes from a registry or from git. The other crates are the
/// project's own, and their files are named one by one.
///
/// # Errors
/// The lock file is not as cargo writes it.
pub(crate) fn of_lock(text: &str) -> Result<Vec<Json>, Cause> {
    let lock: Lock = toml::from_str(text).because("not a Cargo.lock")?;
    Ok(lock.package.iter().filter_map(descriptor).collect())
}

fn descriptor(package: &Package) -> Option<Json> {
    let Package { name, version, source, checksum } = package;
    let source = source.as_deref()?;
    if let Some((repository, commit)) =
        source.strip_prefix("git+").and_then(|it| it.split_once('#'))
    {
        let (repository, reference) = repository.split_once('?').unwrap_or((repository, ""));
        let reference = reference.split_once('=').map_or(commit, |(_, reference)| reference);
        return Some(json!({
            "name": format!("{name} {version}"),
            "uri": format!("git+{repository}@{reference}"),
            "digest": { "gitCommit": commit },
        }));
    }
    let mut uri = purl("cargo", name, version);
    if !CRATES_IO.contains(&source) {
        let index = source.split_once('+').map_or(source, |(_, index)| index);
        uri += &format!("?repository_url={}", utf8_percent_encode(index, ENCODED));
    }
    let mut json = json!({ "uri": uri });
    if let Some(checksum) = checksum {
        json["digest"] = json!({ "sha256": checksum });
    }
    Some(json)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_kind_of_source_has_its_form() {
        let lock = r#"
            version = 4
            [[package]]
            name = "own"
            version = "0.1.0"
            dependencies = ["pyo3"]
            [[package]]
            name = "pyo3"
            version = "0.28.1+x"
            source = "registry+https://github.com/rust-lang/crates.io-index"
            checksum = "aa"
            [[package]]
            name = "inside"
            version = "1.0.0"
            source = "sparse+https://crates.example.org/index/"
            checksum = "bb"
            [[package]]
            name = "forked"
            version = "2.0.0"
            source = "git+https://example.org/forked?branch=main#0123abcd"
            [[package]]
            name = "plain"
            version = "2.0.0"
            source = "git+https://example.org/plain#4567"
        "#;
        assert_eq!(
            of_lock(lock).unwrap(),
            [
                json!({ "uri": "pkg:cargo/pyo3@0.28.1%2Bx", "digest": { "sha256": "aa" } }),
                json!({
                    "uri": "pkg:cargo/inside@1.0.0?repository_url=https%3A%2F%2Fcrates.example.org%2Findex%2F",
                    "digest": { "sha256": "bb" },
                }),
                json!({
                    "name": "forked 2.0.0",
                    "uri": "git+https://example.org/forked@main",
                    "digest": { "gitCommit": "0123abcd" },
                }),
                json!({
                    "name": "plain 2.0.0",
                    "uri": "git+https://example.org/plain@4567",
                    "digest": { "gitCommit": "4567" },
                }),
            ]
        );
        assert!(of_lock("package = 1").is_err());
    }
}
