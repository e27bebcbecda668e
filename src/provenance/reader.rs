//! Reading statements: which files they are about, and whether one of our build type fits the
//! record in the file and its sources.

use std::collections::BTreeMap;

use serde::Deserialize;
use serde_json::{Map, Value as Json};

use super::descriptor::{Id, Resource, flat};
use super::{
    BUILD_TYPE, PREDICATE_TYPE, STATEMENT_TYPE, byproduct, files, input, parameters, tools,
};
use crate::error::{Because as _, Cause};
use crate::fingerprint::Record;
use crate::strict_json;

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
    #[serde(default)]
    internal_parameters: Option<Map<String, Json>>,
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
    /// The content is that of the file, and the name is another one, or missing.
    OtherName(Option<String>),
    /// The name is that of the file, and the SHA-256 is another one, or missing.
    OtherContent(Option<String>),
    /// It is about other files. Those with a name are listed.
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
    Byproduct,
    Dependency,
    Parameter,
    /// The parameter `source`, which is compared with the dependency of the commit.
    Repository,
    Commit,
}

/// A value that the statement and the file do not share.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Difference {
    pub(crate) part: Part,
    pub(crate) name: String,
    pub(crate) mismatch: Mismatch,
}

#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Mismatch {
    /// `found` is the value in the file, its record or the sources.
    Other { stated: String, found: String },
    /// The statement does not have it.
    Missing,
    /// Only the statement has it.
    Unexpected,
    /// The statement has it more than once.
    Repeated,
}

impl Statement {
    /// # Errors
    /// The text is no in-toto statement.
    pub(crate) fn read(text: &str) -> Result<Self, Cause> {
        let words = "not an in-toto statement";
        let json = strict_json::parse(text.as_bytes()).because(words)?;
        let statement: Self = serde_json::from_value(json).because(words)?;
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
        if self.subject.iter().any(|it| has_digest(&it) && has_name(&it)) {
            About::This
        } else if let Some(it) = self.subject.iter().find(has_digest) {
            About::OtherName(it.name.clone())
        } else if let Some(it) = self.subject.iter().find(has_name) {
            About::OtherContent(it.sha256().map(str::to_owned))
        } else {
            About::Others(self.subject.iter().filter_map(|it| it.name.clone()).collect())
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
        self.compare_byproducts(built, &mut compared);
        self.compare_dependencies(built, &mut compared);
        let mut stated = self.build_definition.external_parameters.clone();
        self.compare_source(stated.remove("source"), stated.remove("folder"), built, &mut compared);
        let (stated, found) = (flat(&stated.into()), flat(&parameters(built.record, None)));
        for name in stated.keys().chain(found.keys().filter(|name| !stated.contains_key(*name))) {
            compared.compare(Part::Parameter, name, stated.get(name), found.get(name));
        }
        // The build type has none, and nothing here can be compared with them.
        if self.build_definition.internal_parameters.as_ref().is_some_and(|it| !it.is_empty()) {
            compared.differ(Part::Parameter, "internalParameters", Mismatch::Unexpected);
        }
        compared
    }

    /// The only byproduct is the record.
    fn compare_byproducts(&self, built: &Built<'_>, compared: &mut Compared) {
        let mut missing =
            Resource::deserialize(byproduct(built.record_name, built.record_sha256)).ok();
        for it in &self.run_details.byproducts {
            if it.name.as_deref() != Some(built.record_name) {
                compared.differ(Part::Byproduct, it.label(), Mismatch::Unexpected);
            } else if let Some(record) = missing.take() {
                compared.compare_fields(Part::Record, it, &record);
            } else {
                compared.differ(Part::Record, it.label(), Mismatch::Repeated);
            }
        }
        if let Some(record) = missing {
            compared.differ(Part::Record, record.label(), Mismatch::Missing);
        }
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
        let commits: Vec<(&String, Option<&String>)> = self
            .build_definition
            .resolved_dependencies
            .iter()
            .filter(|it| it.id() == Id::Commit)
            .filter_map(|it| Some((it.digest.get("gitCommit")?, it.uri.as_ref())))
            .collect();
        if commits.len() > 1 {
            compared.differ(Part::Commit, "source", Mismatch::Repeated);
        }
        compared.commit = commits.first().map(|(commit, _)| (*commit).clone());
        let text = |json: Option<Json>| match json {
            None => None,
            Some(Json::String(text)) => Some(text),
            Some(other) => Some(other.to_string()),
        };
        let (source, folder) = (text(source), text(folder));
        let source = source.as_ref();
        if commits.is_empty() && source.is_some() {
            compared.differ(Part::Parameter, "source", Mismatch::Unexpected);
        }
        for (commit, uri) in &commits {
            let named = uri.and_then(|uri| uri.rsplit_once('@')).map(|(_, reference)| reference);
            let is_commit =
                |it: &str| it.len() >= 40 && it.bytes().all(|it| it.is_ascii_hexdigit());
            if *uri != source {
                compared.compare(Part::Repository, "source", source, *uri);
            } else if named.is_some_and(|named| is_commit(named) && named != *commit) {
                let found = format!("commit {commit}");
                compared.compare(Part::Repository, "source", source, Some(&found));
            }
        }
        let Some((sha, place)) = built.commit else { return };
        if commits.is_empty() {
            compared.differ(Part::Commit, "source", Mismatch::Missing);
        }
        for (commit, _) in commits {
            compared.compare(Part::Commit, "source", Some(commit), Some(&sha.to_owned()));
        }
        let place = Some(place.to_owned()).filter(|place| !place.is_empty());
        let folder = folder.filter(|folder| !folder.is_empty());
        compared.compare(Part::Parameter, "folder", folder.as_ref(), place.as_ref());
    }

    /// Each dependency must be the one that we would state. So nothing in it is believed that was not
    /// compared.
    fn compare_dependencies(&self, built: &Built<'_>, compared: &mut Compared) {
        let mut missing = expected(built);
        for it in &self.build_definition.resolved_dependencies {
            let id = it.id();
            if id == Id::Commit {
                // `compare_source` compares these two.
                let digest = it.digest.get_key_value("gitCommit");
                let digest = digest.into_iter().map(|(kind, it)| (kind.clone(), it.clone()));
                let (name, uri, digest) = (it.name.clone(), it.uri.clone(), digest.collect());
                let plain = Resource { name, uri, digest, ..Resource::default() };
                compared.compare_fields(Part::Dependency, it, &plain);
                continue;
            }
            let Some(of_id) = missing.get_mut(&id) else {
                // Without a Cargo.lock, crates are compared with nothing.
                if built.crates.is_some() || !matches!(id, Id::Crate(..)) {
                    compared.differ(Part::Dependency, it.label(), Mismatch::Unexpected);
                }
                continue;
            };
            let same = of_id.iter().position(|found| found == it).unwrap_or(0);
            if of_id.is_empty() {
                compared.differ(Part::Dependency, it.label(), Mismatch::Repeated);
                continue;
            }
            compared.compare_fields(Part::Dependency, it, &of_id.swap_remove(same));
            match id {
                Id::File(_) => compared.files += 1,
                Id::Crate(..) => compared.crates += usize::from(!it.digest.is_empty()),
                Id::Commit | Id::Tool(_) => {}
            }
        }
        for it in missing.values().flatten() {
            compared.differ(Part::Dependency, it.label(), Mismatch::Missing);
        }
    }
}

/// The dependencies that we would state, without the commit. Cargo.lock may name two crates that have
/// one form: a branch and a tag of one name.
fn expected(built: &Built<'_>) -> BTreeMap<Id, Vec<Resource>> {
    let mut expected: BTreeMap<Id, Vec<Resource>> = BTreeMap::new();
    let crates = built.crates.into_iter().flatten().cloned();
    let files = files(built.record).into_iter().map(|(name, sha256)| input(&name, sha256));
    let all = files.chain(crates).chain(tools(built.record));
    for it in all.filter_map(|it| Resource::deserialize(it).ok()) {
        expected.entry(it.id()).or_default().push(it);
    }
    expected
}

impl Compared {
    fn differ(&mut self, part: Part, name: &str, mismatch: Mismatch) {
        self.differences.push(Difference { part, name: name.to_owned(), mismatch });
    }

    /// Compares a value of the statement with the one that was found.
    fn compare(&mut self, part: Part, name: &str, stated: Option<&String>, found: Option<&String>) {
        let mismatch = match (stated, found) {
            _ if stated == found => return,
            (Some(stated), Some(found)) => {
                Mismatch::Other { stated: stated.clone(), found: found.clone() }
            }
            (None, _) => Mismatch::Missing,
            (_, None) => Mismatch::Unexpected,
        };
        self.differ(part, name, mismatch);
    }

    fn compare_fields(&mut self, part: Part, stated: &Resource, found: &Resource) {
        for field in stated.differences(found) {
            let name = stated.label_of(&field);
            self.compare(part, &name, field.stated.as_ref(), field.found.as_ref());
        }
    }
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
        assert_eq!(text("00").about("b.whl", "00"), About::OtherName(Some("a.whl".into())));
        assert_eq!(text("01").about("a.whl", "00"), About::OtherContent(Some("01".into())));
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
    fn nothing_is_believed_that_is_not_compared() {
        let record = record();
        let forked = |commit: &str, place: &str| {
            let uri = format!("git+https://example.org/{place}@main");
            json!({ "name": "a 1.0.0", "uri": uri, "digest": { "gitCommit": commit } })
        };
        // Two crates of one name and version, and two of one form: a branch and a tag.
        let crates = [forked("1", "a"), forked("2", "b"), forked("3", "b")];
        let good = made(&record, &crates);
        assert_eq!(differences(&good, &record, &crates), []);
        let dependencies = "/predicate/buildDefinition/resolvedDependencies";
        let at = |name: &str| {
            let list = good.pointer(dependencies).unwrap().as_array().unwrap();
            let at = list.iter().position(|it| it["name"] == name).unwrap();
            format!("{dependencies}/{at}")
        };
        let byproduct = "/predicate/runDetails/byproducts/0";
        let evil = json!("evil");
        for (place, name, value, part, label) in [
            (
                at("rustc"),
                "annotations",
                json!({ "version": "rustc 1.95.0 (evil)" }),
                Part::Dependency,
                "rustc (annotations.version)",
            ),
            (
                at("rustc"),
                "digest",
                json!({ "sha256": "0" }),
                Part::Dependency,
                "rustc (digest.sha256)",
            ),
            (
                at("src/lib.rs"),
                "downloadLocation",
                evil.clone(),
                Part::Dependency,
                "src/lib.rs (downloadLocation)",
            ),
            (
                at("source"),
                "digest",
                json!({ "gitCommit": "99", "sha1": "0" }),
                Part::Dependency,
                "source (digest.sha1)",
            ),
            (
                byproduct.into(),
                "content",
                evil.clone(),
                Part::Record,
                "a.dist-info/wheelprint.json (content)",
            ),
            (
                "/predicate/buildDefinition".into(),
                "internalParameters",
                json!({ "a": 1 }),
                Part::Parameter,
                "internalParameters",
            ),
        ] {
            let mut bad = good.clone();
            bad.pointer_mut(&place).unwrap()[name] = value;
            assert_eq!(differences(&bad, &record, &crates), [(part, label.to_owned())]);
        }
        for (list, from, part, label) in [
            (dependencies, at("src/lib.rs"), Part::Dependency, "src/lib.rs"),
            (dependencies, at("a 1.0.0"), Part::Dependency, "a 1.0.0"),
            (dependencies, at("cargo"), Part::Dependency, "cargo"),
            (dependencies, at("source"), Part::Commit, "source"),
            (
                "/predicate/runDetails/byproducts",
                byproduct.into(),
                Part::Record,
                "a.dist-info/wheelprint.json",
            ),
        ] {
            let mut bad = good.clone();
            let again = bad.pointer(&from).unwrap().clone();
            bad.pointer_mut(list).unwrap().as_array_mut().unwrap().push(again);
            assert_eq!(differences(&bad, &record, &crates), [(part, label.to_owned())]);
        }
        let mut bad = good.clone();
        let list = bad.pointer_mut("/predicate/runDetails/byproducts").unwrap();
        list.as_array_mut().unwrap().insert(0, json!({ "name": "evil" }));
        let expected = [(Part::Byproduct, "evil".to_owned())];
        assert_eq!(differences(&bad, &record, &crates), expected);
        // Fields that the specifications leave to others.
        let mut more = good.clone();
        more["predicate"]["runDetails"]["metadata"]["startedOn"] = json!("2026-01-01T00:00:00Z");
        more["predicate"]["vendor_more"] = json!(1);
        assert_eq!(differences(&more, &record, &crates), []);
    }

    #[test]
    fn a_repeated_name_is_no_statement() {
        let text = made(&record(), &[]).to_string();
        for name in ["subject", "resolvedDependencies", "artifact"] {
            let twice =
                text.replacen(&format!("\"{name}\":"), &format!("\"{name}\":[],\"{name}\":"), 1);
            let error = Statement::read(&twice).unwrap_err().to_string();
            assert!(error.contains(&format!("{name:?} is there twice")), "{error}");
        }
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
        let repository = [(Part::Repository, "source".to_owned())];
        let at = |reference: &str| format!("git+https://example.org/a@{reference}");
        let tag = at("refs/tags/v1");
        for commit in [None, Some((&*sha, "python"))] {
            for uri in [None, Some(&*tag), Some(&*at(&sha))] {
                assert_eq!(compare(&made(uri, "python"), commit), [], "{uri:?}");
            }
            let other = made(Some(&at(&"8".repeat(40))), "python");
            assert_eq!(compare(&other, commit), repository);
            let mut other = made(Some(&tag), "python");
            other["predicate"]["buildDefinition"]["externalParameters"]["source"] =
                at("main").into();
            assert_eq!(compare(&other, commit), repository);
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
