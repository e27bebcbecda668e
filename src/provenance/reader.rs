//! Reading statements: which files they are about, and whether one of our build type fits the
//! record in the file and its sources.

use std::collections::BTreeMap;

use serde::Deserialize;
use serde_json::{Map, Value as Json};

use super::{BUILD_TYPE, PREDICATE_TYPE, STATEMENT_TYPE, files, parameters, tools};
use crate::error::{Because as _, Cause};
use crate::fingerprint::Record;

/// The types of statements whose subjects have the same form.
const STATEMENT_TYPES: [&str; 2] = [STATEMENT_TYPE, "https://in-toto.io/Statement/v0.1"];

/// An in-toto statement.
#[derive(Debug, Deserialize)]
pub(crate) struct Statement {
    #[serde(rename = "_type")]
    kind: String,
    subject: Vec<Resource>,
    #[serde(rename = "predicateType")]
    pub(crate) predicate_type: String,
    #[serde(default)]
    predicate: Json,
}

/// A resource descriptor (in-toto attestation framework).
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Resource {
    name: Option<String>,
    uri: Option<String>,
    digest: BTreeMap<String, String>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Predicate {
    build_definition: BuildDefinition,
    run_details: RunDetails,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct BuildDefinition {
    external_parameters: Map<String, Json>,
    resolved_dependencies: Vec<Resource>,
}

#[derive(Deserialize)]
struct RunDetails {
    byproducts: Vec<Resource>,
}

/// What a statement says of a file.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum About {
    /// It is about the file.
    This,
    /// The content is that of the file, and the name is another one.
    OtherName(String),
    /// The name is that of the file, and the digest is another one.
    OtherContent(String),
    /// It is about files of these names.
    Others(Vec<String>),
}

/// What a statement is compared with.
pub(crate) struct Built<'a> {
    pub(crate) record: &'a Record,
    /// The path of the record in the file.
    pub(crate) record_name: &'a str,
    pub(crate) record_sha256: &'a str,
    /// The commit of the sources and the project's folder in it, if they were named by a revision.
    pub(crate) commit: Option<(&'a str, &'a str)>,
    /// The crates of the sources' Cargo.lock, as `crates::of_lock` gives them; `None` if there is
    /// no such file.
    pub(crate) crates: Option<&'a [Json]>,
}

/// A statement of our build type, compared with what was built.
#[derive(Debug, Default)]
pub(crate) struct Compared {
    pub(crate) differences: Vec<Difference>,
    /// The number of named files and of named crates.
    pub(crate) files: usize,
    pub(crate) crates: usize,
    pub(crate) commit: Option<String>,
}

/// The part of a statement that a difference is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Part {
    Record,
    Dependency,
    Parameter,
    Commit,
}

/// A value that the statement and the file do not share.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Difference {
    pub(crate) part: Part,
    pub(crate) name: String,
    /// The value in the statement.
    pub(crate) stated: Option<String>,
    /// The value in the file, its record or the sources.
    pub(crate) found: Option<String>,
}

impl Statement {
    /// # Errors
    /// The text is no in-toto statement.
    pub(crate) fn read(text: &str) -> Result<Self, Cause> {
        let statement: Self = serde_json::from_str(text).because("not an in-toto statement")?;
        if !STATEMENT_TYPES.contains(&&*statement.kind) {
            return Err(format!("not an in-toto statement, but {}", statement.kind).into());
        }
        Ok(statement)
    }

    /// Whether a file of this name and SHA-256 is a subject.
    pub(crate) fn about(&self, name: &str, sha256: &str) -> About {
        let has_digest =
            |it: &&Resource| it.sha256().is_some_and(|it| it.eq_ignore_ascii_case(sha256));
        let has_name = |it: &&Resource| it.name.as_deref() == Some(name);
        let shown = |it: &Resource| it.name.clone().unwrap_or_else(|| "no name".to_owned());
        if self.subject.iter().any(|it| has_digest(&it) && has_name(&it)) {
            About::This
        } else if let Some(it) = self.subject.iter().find(has_digest) {
            About::OtherName(shown(it))
        } else if let Some(it) = self.subject.iter().find(has_name) {
            About::OtherContent(it.sha256().unwrap_or("no SHA-256").to_owned())
        } else {
            About::Others(self.subject.iter().map(shown).collect())
        }
    }

    /// Compares everything that the statement says of the build. `None` if it is no provenance of
    /// our build type.
    ///
    /// # Errors
    /// A field of the predicate is missing or of a wrong type.
    pub(crate) fn compare(&self, built: &Built<'_>) -> Option<Result<Compared, Cause>> {
        let build_type = self.predicate.get("buildDefinition")?.get("buildType")?;
        (self.predicate_type == PREDICATE_TYPE && build_type == BUILD_TYPE).then(|| {
            let predicate = Predicate::deserialize(&self.predicate).because("its predicate")?;
            Ok(predicate.compare(built))
        })
    }
}

impl Predicate {
    fn compare(&self, built: &Built<'_>) -> Compared {
        let mut compared = Compared::default();
        let stated = self.run_details.byproducts.iter();
        let stated = stated.filter(|it| it.name.as_deref() == Some(built.record_name));
        let stated: Vec<Option<&str>> = stated.map(Resource::sha256).collect();
        let found = Some(built.record_sha256);
        if stated.is_empty() || stated.iter().any(|it| *it != found) {
            let other = stated.iter().find(|it| **it != found).copied().flatten();
            compared.differ(Part::Record, built.record_name, other, found);
        }
        self.compare_dependencies(built, &mut compared);
        let mut stated = self.build_definition.external_parameters.clone();
        self.compare_source(stated.remove("source"), stated.remove("folder"), built, &mut compared);
        let (stated, found) = (flat(&stated.into()), flat(&parameters(built.record, None)));
        for name in stated.keys().chain(found.keys().filter(|name| !stated.contains_key(*name))) {
            let (stated, found) = (stated.get(name), found.get(name));
            if stated != found {
                let (stated, found) = (stated.map(String::as_str), found.map(String::as_str));
                compared.differ(Part::Parameter, name, stated, found);
            }
        }
        compared
    }

    /// Compares the repository, the commit and the folder. The repository is known from nowhere else,
    /// so its two places are compared with each other, and a commit in its address with the commit.
    fn compare_source(
        &self,
        source: Option<Json>,
        folder: Option<Json>,
        built: &Built<'_>,
        compared: &mut Compared,
    ) {
        let commits: Vec<(&String, Option<&str>)> = self
            .build_definition
            .resolved_dependencies
            .iter()
            .filter(|it| it.name.as_deref() == Some("source"))
            .filter_map(|it| Some((it.digest.get("gitCommit")?, it.uri.as_deref())))
            .collect();
        let text = |json: &Option<Json>| match json {
            None => None,
            Some(Json::String(text)) => Some(text.clone()),
            Some(other) => Some(other.to_string()),
        };
        let (source, folder) = (text(&source), text(&folder));
        let (source, folder) = (source.as_deref(), folder.as_deref());
        if commits.is_empty() && source.is_some() {
            compared.differ(Part::Parameter, "source", source, None);
        }
        for (commit, uri) in &commits {
            let named = uri.and_then(|uri| uri.rsplit_once('@')).map(|(_, reference)| reference);
            let is_commit =
                |it: &str| it.len() >= 40 && it.bytes().all(|it| it.is_ascii_hexdigit());
            let is_other = named.is_some_and(|named| is_commit(named) && named != *commit);
            if *uri != source || is_other {
                compared.differ(Part::Parameter, "source", source, *uri);
            }
        }
        let Some((sha, place)) = built.commit else { return };
        if commits.is_empty() {
            compared.differ(Part::Commit, "source", None, Some(sha));
        }
        for (commit, _) in commits.iter().filter(|(commit, _)| *commit != sha) {
            compared.differ(Part::Commit, "source", Some(commit), Some(sha));
        }
        if folder.unwrap_or_default() != place {
            compared.differ(Part::Parameter, "folder", folder, Some(place));
        }
    }

    fn compare_dependencies(&self, built: &Built<'_>, compared: &mut Compared) {
        // Crates and tools have a URI, and files have none.
        let mut expected: BTreeMap<(bool, String), String> = BTreeMap::new();
        let named = tools(built.record).chain(built.crates.into_iter().flatten().cloned());
        for it in named.filter_map(|it| Resource::deserialize(it).ok()) {
            expected.insert((true, it.id().to_owned()), it.value().to_owned());
        }
        for (name, sha256) in files(built.record) {
            expected.insert((false, name), sha256.to_owned());
        }
        let mut missing = expected.clone();
        for it in &self.build_definition.resolved_dependencies {
            if it.name.as_deref() == Some("source")
                && let Some(commit) = it.digest.get("gitCommit")
            {
                compared.commit = Some(commit.clone());
                continue;
            }
            let key = (it.uri.is_some(), it.id().to_owned());
            missing.remove(&key);
            let found = expected.get(&key).map(String::as_str);
            if found.is_none() && key.0 && built.crates.is_none() {
                continue;
            }
            if found != Some(it.value()) {
                compared.differ(Part::Dependency, &key.1, Some(it.value()), found);
            }
            match key.0 {
                true => compared.crates += usize::from(!it.digest.is_empty()),
                false => compared.files += 1,
            }
        }
        for ((_, name), found) in missing {
            compared.differ(Part::Dependency, &name, None, Some(&found));
        }
    }
}

impl Compared {
    fn differ(&mut self, part: Part, name: &str, stated: Option<&str>, found: Option<&str>) {
        let (stated, found) = (stated.map(str::to_owned), found.map(str::to_owned));
        self.differences.push(Difference { part, name: name.to_owned(), stated, found });
    }
}

impl Resource {
    fn sha256(&self) -> Option<&str> {
        self.digest.get("sha256").map(String::as_str)
    }

    /// The name, or for a crate of a registry the URI.
    fn id(&self) -> &str {
        self.name.as_ref().or(self.uri.as_ref()).map_or("", String::as_str)
    }

    /// The digest, or for a tool the URI.
    fn value(&self) -> &str {
        let digest = self.digest.get("sha256").or_else(|| self.digest.get("gitCommit"));
        digest.or(self.uri.as_ref()).map_or("", String::as_str)
    }
}

/// The values in an object by their path: `variables.CFLAGS`. A dot in a name is written `\.`, so that
/// no two values have one path.
fn flat(json: &Json) -> BTreeMap<String, String> {
    let mut flat = BTreeMap::new();
    let mut open = vec![(String::new(), json)];
    while let Some((path, json)) = open.pop() {
        match json {
            Json::Object(object) if !object.is_empty() => {
                open.extend(object.iter().map(|(name, json)| {
                    let dot = if path.is_empty() { "" } else { "." };
                    let name = name.replace('\\', r"\\").replace('.', r"\.");
                    (format!("{path}{dot}{name}"), json)
                }));
            }
            _ if path.is_empty() => {}
            Json::String(text) => drop(flat.insert(path, text.clone())),
            other => drop(flat.insert(path, other.to_string())),
        }
    }
    flat
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::super::builder::Builder;
    use super::super::tests::record;
    use super::super::{Commit, Subject, statement};
    use super::*;

    fn made(record: &Record, crates: &[Json]) -> Json {
        let subject = Subject {
            name: "a.whl",
            sha256: "00",
            record,
            record_name: "a.dist-info/wheelprint.json",
            record_sha256: "11",
        };
        let commit = Commit { sha: "99".into(), uri: None, folder: "python".into() };
        let builder = Builder { id: "https://example.org/us".into(), invocation: None };
        statement(&subject, Some(&commit), crates, &builder)
    }

    fn differences(made: &Json, record: &Record, crates: &[Json]) -> Vec<(Part, String)> {
        let built = Built {
            record,
            record_name: "a.dist-info/wheelprint.json",
            record_sha256: "11",
            commit: Some(("99", "python")),
            crates: Some(crates),
        };
        let compared = Statement::read(&made.to_string()).unwrap().compare(&built);
        let differences = compared.unwrap().unwrap().differences;
        differences.into_iter().map(|it| (it.part, it.name)).collect()
    }

    #[test]
    fn a_statement_is_about_its_subjects() {
        let text = |digest: &str| {
            let subject = json!([{ "name": "a.whl", "digest": { "sha256": digest } }]);
            let json = json!({
                "_type": STATEMENT_TYPE, "subject": subject, "predicateType": "x",
            });
            Statement::read(&json.to_string()).unwrap()
        };
        assert_eq!(text("00").about("a.whl", "00"), About::This);
        assert_eq!(text("00").about("b.whl", "00"), About::OtherName("a.whl".into()));
        assert_eq!(text("01").about("a.whl", "00"), About::OtherContent("01".into()));
        assert_eq!(text("01").about("b.whl", "00"), About::Others(vec!["a.whl".into()]));
        for text in ["", "{}", r#"{"_type": "x", "subject": [], "predicateType": "x"}"#] {
            assert!(Statement::read(text).is_err(), "{text}");
        }
    }

    #[test]
    fn what_we_state_fits_and_each_change_is_a_difference() {
        let record = record();
        let crates = [json!({ "uri": "pkg:cargo/a@1", "digest": { "sha256": "aa" } })];
        let good = made(&record, &crates);
        assert_eq!(differences(&good, &record, &crates), []);
        let dependencies = "/predicate/buildDefinition/resolvedDependencies";
        let find = |test: &dyn Fn(&Json) -> bool| {
            let list = good.pointer(dependencies).unwrap().as_array().unwrap();
            list.iter().position(test).unwrap()
        };
        let file = find(&|it| it["name"] == "src/lib.rs");
        let tool = find(&|it| it["name"] == "rustc");
        let of_lock = find(&|it| it["uri"] == "pkg:cargo/a@1");
        let parameters = "/predicate/buildDefinition/externalParameters";
        for (place, value, part, name) in [
            (format!("{dependencies}/{file}/digest/sha256"), "0", Part::Dependency, "src/lib.rs"),
            (format!("{dependencies}/{tool}/uri"), "pkg:x", Part::Dependency, "rustc"),
            (
                format!("{dependencies}/{of_lock}/digest/sha256"),
                "0",
                Part::Dependency,
                "pkg:cargo/a@1",
            ),
            (format!("{dependencies}/0/digest/gitCommit"), "98", Part::Commit, "source"),
            (format!("{parameters}/artifact"), "sdist", Part::Parameter, "artifact"),
            (format!("{parameters}/variables/CFLAGS"), "0", Part::Parameter, "variables.CFLAGS"),
            (
                "/predicate/runDetails/byproducts/0/digest/sha256".to_owned(),
                "12",
                Part::Record,
                "a.dist-info/wheelprint.json",
            ),
        ] {
            let mut bad = good.clone();
            *bad.pointer_mut(&place).unwrap() = value.into();
            assert_eq!(differences(&bad, &record, &crates), [(part, name.to_owned())], "{place}");
        }
        for at in [file, tool, of_lock] {
            let mut less = good.clone();
            let list = less.pointer_mut(dependencies).unwrap().as_array_mut().unwrap();
            let gone = list.remove(at);
            assert_eq!(differences(&less, &record, &crates).len(), 1, "{gone}");
        }
        let mut more = good.clone();
        let list = more.pointer_mut(dependencies).unwrap().as_array_mut().unwrap();
        list.push(json!({ "name": "src/other.rs", "digest": { "sha256": "0" } }));
        let expected = [(Part::Dependency, "src/other.rs".to_owned())];
        assert_eq!(differences(&more, &record, &crates), expected);
        let mut less = good.clone();
        *less.pointer_mut("/predicate/runDetails/byproducts").unwrap() = json!([]);
        let expected = [(Part::Record, "a.dist-info/wheelprint.json".to_owned())];
        assert_eq!(differences(&less, &record, &crates), expected);
    }

    #[test]
    fn repository_commit_and_folder_must_agree() {
        let record = record();
        let sha = "9".repeat(40);
        let subject = Subject {
            name: "a.whl",
            sha256: "00",
            record: &record,
            record_name: "a.dist-info/wheelprint.json",
            record_sha256: "11",
        };
        let builder = Builder { id: "https://example.org/us".into(), invocation: None };
        let made = |uri: Option<&str>, folder: &str| {
            let uri = uri.map(str::to_owned);
            let commit = Commit { sha: sha.clone(), uri, folder: folder.into() };
            statement(&subject, Some(&commit), &[], &builder)
        };
        let compare = |made: &Json, commit| {
            let (record_name, record_sha256) = ("a.dist-info/wheelprint.json", "11");
            let crates = Some(&[][..]);
            let built = Built { record: &record, record_name, record_sha256, commit, crates };
            let compared = Statement::read(&made.to_string()).unwrap().compare(&built);
            let found = compared.unwrap().unwrap().differences.into_iter();
            found.map(|it| (it.part, it.name)).collect::<Vec<_>>()
        };
        let parameter = |name: &str| (Part::Parameter, name.to_owned());
        let at = |reference: &str| format!("git+https://example.org/a@{reference}");
        let tag = at("refs/tags/v1");
        for commit in [None, Some((&*sha, "python"))] {
            for uri in [None, Some(&*tag), Some(&*at(&sha))] {
                assert_eq!(compare(&made(uri, "python"), commit), [], "{uri:?}");
            }
            let other = made(Some(&at(&"8".repeat(40))), "python");
            assert_eq!(compare(&other, commit), [parameter("source")]);
            let mut other = made(Some(&tag), "python");
            other["predicate"]["buildDefinition"]["externalParameters"]["source"] =
                at("main").into();
            assert_eq!(compare(&other, commit), [parameter("source")]);
        }
        assert_eq!(compare(&made(None, ""), Some((&sha, "python"))), [parameter("folder")]);
        assert_eq!(compare(&made(None, "python"), Some((&sha, ""))), [parameter("folder")]);
        assert_eq!(compare(&made(None, ""), Some((&sha, ""))), []);
        let other = "8".repeat(40);
        let commit = |it: &Json| compare(it, Some((&*other, "python")));
        assert_eq!(commit(&made(None, "python")), [(Part::Commit, "source".to_owned())]);
        let none = statement(&subject, None, &[], &builder);
        assert_eq!(compare(&none, None), []);
        assert_eq!(commit(&none), [(Part::Commit, "source".to_owned()), parameter("folder")]);
    }

    #[test]
    fn a_dot_in_a_name_hides_no_value() {
        let one = flat(&json!({ "a": { "b": 1 }, "c": {}, "d\\.e": "x" }));
        let other = flat(&json!({ "a.b": 1, "c": {}, "d\\": { "e": "x" } }));
        assert_eq!(one.keys().collect::<Vec<_>>(), ["a.b", "c", r"d\\\.e"]);
        assert_eq!(other.keys().collect::<Vec<_>>(), [r"a\.b", "c", r"d\\.e"]);
        assert_eq!(flat(&json!({})).len(), 0);
    }

    #[test]
    fn another_build_type_is_not_compared() {
        let record = record();
        let built = Built {
            record: &record,
            record_name: "",
            record_sha256: "",
            commit: None,
            crates: None,
        };
        for place in ["/predicate/buildDefinition/buildType", "/predicateType"] {
            let mut other = made(&record, &[]);
            *other.pointer_mut(place).unwrap() = "https://example.org".into();
            assert!(Statement::read(&other.to_string()).unwrap().compare(&built).is_none());
        }
        let mut broken = made(&record, &[]);
        *broken.pointer_mut("/predicate/runDetails").unwrap() = json!([]);
        assert!(Statement::read(&broken.to_string()).unwrap().compare(&built).unwrap().is_err());
    }
}
