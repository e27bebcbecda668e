//! Statements of how a file was built: an in-toto Statement v1 with SLSA's predicate
//! `provenance/v1`. docs/provenance.md is the specification of the build type.
//!
//! A statement contains what the record in the file says, the git commit, and the crates of
//! Cargo.lock. It is not signed here.

use std::collections::BTreeMap;

use serde_json::{Map, Value as Json, json};

use crate::fingerprint::{Record, Value};
use crate::inputs::{Kind, Part};

pub(crate) mod builder;
pub(crate) mod crates;
mod descriptor;
pub(crate) mod reader;

use builder::Builder;

/// The type of a statement (in-toto attestation framework, "Statement").
pub(crate) const STATEMENT_TYPE: &str = "https://in-toto.io/Statement/v1";
/// The type of the predicate (SLSA 1.2, "Build: Provenance").
pub(crate) const PREDICATE_TYPE: &str = "https://slsa.dev/provenance/v1";
/// Names the way of building, and so the meaning of the fields. It never changes its meaning.
pub(crate) const BUILD_TYPE: &str = "https://pypi.org/project/wheelprint/#build-type-v1";

/// A file that was built, and the record in it.
pub(crate) struct Subject<'a> {
    /// The file's name, without a folder.
    pub(crate) name: &'a str,
    pub(crate) sha256: &'a str,
    pub(crate) record: &'a Record,
    /// The path of the record in the file.
    pub(crate) record_name: &'a str,
    /// The digest of the record's bytes.
    pub(crate) record_sha256: &'a str,
}

/// Where the sources come from, if they are those of a commit.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Commit {
    pub(crate) sha: String,
    /// The repository (SPDX download location: `git+https://…`), with `@` and the reference if
    /// known.
    pub(crate) uri: Option<String>,
    /// The folder of the project in the repository; empty for the top folder.
    pub(crate) folder: String,
}

/// The statement about a file.
pub(crate) fn statement(
    subject: &Subject<'_>,
    commit: Option<&Commit>,
    crates: &[Json],
    builder: &Builder,
) -> Json {
    json!({
        "_type": STATEMENT_TYPE,
        "subject": [{ "name": subject.name, "digest": { "sha256": subject.sha256 } }],
        "predicateType": PREDICATE_TYPE,
        "predicate": predicate(subject, commit, crates, builder),
    })
}

fn predicate(
    subject: &Subject<'_>,
    commit: Option<&Commit>,
    crates: &[Json],
    builder: &Builder,
) -> Json {
    let record = subject.record;
    let mut dependencies: Vec<Json> = commit.map(source).into_iter().collect();
    dependencies.extend(files(record).into_iter().map(|(name, sha256)| input(&name, sha256)));
    dependencies.extend_from_slice(crates);
    dependencies.extend(tools(record));
    json!({
        "buildDefinition": {
            "buildType": BUILD_TYPE,
            "externalParameters": parameters(record, commit),
            "resolvedDependencies": dependencies,
        },
        "runDetails": {
            "builder": builder.json(),
            "metadata": builder.metadata(),
            "byproducts": [byproduct(subject.record_name, subject.record_sha256)],
        },
    })
}

/// What the one who asked for the build decided: the request, settings and variables. Values that
/// the record knows by their digest have the form `sha256:…`.
fn parameters(record: &Record, commit: Option<&Commit>) -> Json {
    let mut parameters = Map::new();
    let mut groups: BTreeMap<&str, Map<String, Json>> = BTreeMap::new();
    if let Some(commit) = commit {
        let uri = commit.uri.iter().map(|uri| ("source", uri));
        let folder = Some(&commit.folder).filter(|folder| !folder.is_empty());
        for (name, value) in uri.chain(folder.map(|folder| ("folder", folder))) {
            parameters.insert(name.to_owned(), value.clone().into());
        }
    }
    for (key, value) in record.pairs() {
        let value = match value {
            Value::Text(text) => text.clone(),
            Value::Sha256(digest) => format!("sha256:{digest}"),
            Value::Absent | Value::Unreadable(_) | Value::Unknown => continue,
        };
        let (group, name) = match (key.part, key.kind) {
            (Part::Environment, Kind::Variable) => ("variables", &*key.name),
            (Part::Request, _) => match key.name.strip_prefix("config setting ") {
                Some(name) => ("configSettings", name),
                None if key.name == "artifact" => {
                    parameters.insert("artifact".to_owned(), value.into());
                    continue;
                }
                // The version of wheelprint is among the tools.
                None if key.name == "wheelprint" => continue,
                None => ("settings", &*key.name),
            },
            _ => continue,
        };
        groups.entry(group).or_default().insert(name.to_owned(), value.into());
    }
    parameters.extend(groups.into_iter().map(|(name, group)| (name.to_owned(), group.into())));
    parameters.into()
}

fn source(commit: &Commit) -> Json {
    let mut json = json!({ "name": "source", "digest": { "gitCommit": commit.sha } });
    if let Some(uri) = &commit.uri {
        json["uri"] = uri.as_str().into();
    }
    json
}

/// A file that was an input.
fn input(name: &str, sha256: &str) -> Json {
    json!({ "name": name, "digest": { "sha256": sha256 } })
}

/// The record in the file.
fn byproduct(name: &str, sha256: &str) -> Json {
    json!({ "name": name, "mediaType": "application/json", "digest": { "sha256": sha256 } })
}

/// The files that the record names with the digest of their bytes: the path relative to the
/// project, and the SHA-256.
pub(crate) fn files(record: &Record) -> BTreeMap<String, &str> {
    let mut files = BTreeMap::new();
    for (key, value) in record.pairs() {
        let Value::Sha256(digest) = value else { continue };
        if key.kind == Kind::File
            && let Some(root) = &key.root
            && let Some(folder) = record.roots.get(root)
        {
            files.insert(below(folder, &key.name), digest.as_str());
        }
    }
    let sources = record.source.iter().flat_map(|source| &source.files);
    files.extend(sources.map(|(name, digest)| (name.clone(), digest.as_str())));
    files
}

/// A path below a folder, both relative to the project, without needless parts.
pub(crate) fn below(folder: &str, name: &str) -> String {
    let mut parts: Vec<&str> = Vec::new();
    for part in folder.split('/').chain(name.split('/')) {
        match part {
            "" | "." => {}
            ".." if parts.last().is_some_and(|last| *last != "..") => {
                parts.pop();
            }
            part => parts.push(part),
        }
    }
    parts.join("/")
}

/// The programs that the record names with their version.
fn tools(record: &Record) -> impl Iterator<Item = Json> {
    let described = |name: &str, uri: String, text: &str| json!({ "name": name, "uri": uri, "annotations": { "version": text } });
    let cargo = record.cargo.as_deref().and_then(|text| {
        let version = text.split_whitespace().nth(1)?;
        Some(described("cargo", crates::purl("generic", "cargo", version), text))
    });
    let of_inputs = record.pairs().filter_map(move |(key, value)| {
        let Value::Text(text) = value else { return None };
        let mut words = text.split_whitespace();
        let (name, uri) = match (key.part, &*key.name) {
            (Part::Toolchain, "rustc") => {
                ("rustc", crates::purl("generic", "rustc", words.nth(1)?))
            }
            (Part::Toolchain, "maturin") => ("maturin", crates::purl("pypi", "maturin", text)),
            (Part::Request, "wheelprint") => {
                ("wheelprint", crates::purl("pypi", "wheelprint", text))
            }
            (Part::Toolchain, "python") => {
                ("python", crates::purl("generic", words.next()?, words.next()?))
            }
            _ => return None,
        };
        Some(described(name, uri, text))
    });
    of_inputs.chain(cargo)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;
    use crate::fingerprint::{Inputs, Source};
    use crate::inputs::{Key, Place, Root};

    pub(super) fn record() -> Record {
        let named = |part, kind, name: &str| Key::named(part, kind, name);
        let file = |root, path: &str| {
            Key::place(Part::Rust, Kind::File, Place { root, path: path.into() })
        };
        let inputs = Inputs::from([
            (file(Root::Project, "src/lib.rs"), Value::Sha256("a".repeat(64))),
            (file(Root::Crate("core".into()), "src/lib.rs"), Value::Sha256("b".repeat(64))),
            (file(Root::Project, "build.rs"), Value::Absent),
            (named(Part::Environment, Kind::Variable, "CC"), Value::Absent),
            (named(Part::Environment, Kind::Variable, "CFLAGS"), Value::Sha256("c".repeat(64))),
            (named(Part::Toolchain, Kind::Value, "rustc"), Value::Text("rustc 1.95.0 (x)".into())),
            (named(Part::Toolchain, Kind::Value, "maturin"), Value::Unknown),
            (
                named(Part::Toolchain, Kind::Value, "python"),
                Value::Text("cpython 3.13.1 .so linux-x86_64".into()),
            ),
            (named(Part::Request, Kind::Value, "artifact"), Value::Text("wheel".into())),
            (named(Part::Request, Kind::Value, "remap-paths"), Value::Text("true".into())),
            (named(Part::Request, Kind::Value, "wheelprint"), Value::Text("0.1.0+a b".into())),
            (
                named(Part::Request, Kind::Value, "config setting build-args"),
                Value::Sha256("d".repeat(64)),
            ),
        ]);
        let roots = BTreeMap::from([
            (Root::Project, ".".to_owned()),
            (Root::Crate("core".into()), "../core".to_owned()),
        ]);
        let mut record = Record::new(&inputs, BTreeSet::new(), roots);
        let files = [("Cargo.toml", "e"), ("src/lib.rs", "a")];
        let files = files.map(|(name, digit)| (name.to_owned(), digit.repeat(64)));
        record.source = Some(Source::new(BTreeMap::from(files)));
        record.cargo = Some("cargo 1.95.1 (y)".into());
        record
    }

    #[test]
    fn what_the_record_says_is_in_its_place() {
        let record = record();
        let subject = Subject {
            name: "a.whl",
            sha256: "0",
            record: &record,
            record_name: "a.dist-info/wheelprint.json",
            record_sha256: "1",
        };
        let commit = Commit {
            sha: "9".repeat(40),
            uri: Some("git+https://example.org/a@refs/tags/v1".into()),
            folder: "python".into(),
        };
        let builder = Builder { id: "https://example.org/us".into(), invocation: None };
        let made =
            statement(&subject, Some(&commit), &[json!({ "uri": "pkg:cargo/a@1" })], &builder);
        let definition = &made["predicate"]["buildDefinition"];
        assert_eq!(
            definition["externalParameters"],
            json!({
                "artifact": "wheel",
                "source": "git+https://example.org/a@refs/tags/v1",
                "folder": "python",
                "configSettings": { "build-args": format!("sha256:{}", "d".repeat(64)) },
                "settings": { "remap-paths": "true" },
                "variables": { "CFLAGS": format!("sha256:{}", "c".repeat(64)) },
            })
        );
        let names: Vec<String> = definition["resolvedDependencies"]
            .as_array()
            .unwrap()
            .iter()
            .map(|it| it["uri"].as_str().or(it["name"].as_str()).unwrap().to_owned())
            .collect();
        assert_eq!(
            names,
            [
                "git+https://example.org/a@refs/tags/v1",
                "../core/src/lib.rs",
                "Cargo.toml",
                "src/lib.rs",
                "pkg:cargo/a@1",
                "pkg:generic/cpython@3.13.1",
                "pkg:generic/rustc@1.95.0",
                "pkg:pypi/wheelprint@0.1.0%2Ba%20b",
                "pkg:generic/cargo@1.95.1",
            ]
        );
    }

    #[test]
    fn paths_have_no_needless_parts() {
        for (folder, name, expected) in [
            (".", "a.rs", "a.rs"),
            ("../core", "src/a.rs", "../core/src/a.rs"),
            ("../core", "../a", "../a"),
            ("../..", "../a", "../../../a"),
            ("", "", ""),
        ] {
            assert_eq!(below(folder, name), expected, "{folder} {name}");
        }
    }
}
