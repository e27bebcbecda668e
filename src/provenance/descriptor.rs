//! Resource descriptors (in-toto attestation framework, "ResourceDescriptor"): what one is about, and
//! how one of a statement differs from the one that we would write.

use std::collections::BTreeMap;

use serde::Deserialize;
use serde_json::{Map, Value as Json};

/// All fields of the specification. Those that we never write are read to be refused: nothing here
/// can be compared with them.
#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub(super) struct Resource {
    pub name: Option<String>,
    pub uri: Option<String>,
    pub digest: BTreeMap<String, String>,
    pub annotations: Map<String, Json>,
    pub media_type: Option<String>,
    pub content: Option<String>,
    pub download_location: Option<String>,
}

/// What a dependency is. The forms are those of the build type (docs/provenance.md).
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Id {
    Commit,
    File(String),
    /// The name, which only a crate from git has, and the URI.
    Crate(String, String),
    Tool(String),
}

/// A field with other values in two descriptors.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Field {
    /// The path of the field: `digest.sha256`.
    pub path: String,
    pub stated: Option<String>,
    pub found: Option<String>,
}

impl Resource {
    pub(super) fn id(&self) -> Id {
        let name = self.name.clone().unwrap_or_default();
        let has_commit = self.digest.contains_key("gitCommit");
        match &self.uri {
            _ if has_commit && name == "source" => Id::Commit,
            None => Id::File(name),
            Some(uri) if has_commit || self.name.is_none() => Id::Crate(name, uri.clone()),
            Some(_) => Id::Tool(name),
        }
    }

    /// The name, or for a crate of a registry the URI.
    pub(super) fn label(&self) -> &str {
        self.name.as_ref().or(self.uri.as_ref()).map_or("", String::as_str)
    }

    pub(super) fn sha256(&self) -> Option<&str> {
        self.digest.get("sha256").map(String::as_str)
    }

    /// The fields whose values differ.
    pub(super) fn differences(&self, found: &Self) -> Vec<Field> {
        let (stated, found) = (self.fields(), found.fields());
        let more = found.keys().filter(|path| !stated.contains_key(*path));
        let field = |path: &String| Field {
            path: path.clone(),
            stated: stated.get(path).cloned(),
            found: found.get(path).cloned(),
        };
        let all = stated.keys().chain(more).map(field);
        all.filter(|field| field.stated != field.found).collect()
    }

    /// The name of a difference: that of the descriptor alone, if its main value differs.
    pub(super) fn label_of(&self, field: &Field) -> String {
        let is_main = ["uri", "digest.sha256", "digest.gitCommit"].contains(&&*field.path);
        match is_main && field.stated.is_some() && field.found.is_some() {
            true => self.label().to_owned(),
            false => format!("{} ({})", self.label(), field.path),
        }
    }

    /// Every value by its path, except the name.
    fn fields(&self) -> BTreeMap<String, String> {
        // No `..`: a new field must be compared.
        let Self { name: _, uri, digest, annotations, media_type, content, download_location } =
            self;
        let mut fields: BTreeMap<String, String> = flat(&annotations.clone().into())
            .into_iter()
            .map(|(path, value)| (format!("annotations.{path}"), value))
            .collect();
        fields.extend(digest.iter().map(|(kind, it)| (format!("digest.{kind}"), it.clone())));
        for (path, value) in [
            ("uri", uri),
            ("mediaType", media_type),
            ("content", content),
            ("downloadLocation", download_location),
        ] {
            fields.extend(value.iter().map(|value| (path.to_owned(), value.clone())));
        }
        fields
    }
}

/// The values in an object by their path: `variables.CFLAGS`. A dot in a name is written `\.`, so that
/// no two values have one path.
pub(super) fn flat(json: &Json) -> BTreeMap<String, String> {
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

    use super::*;

    #[test]
    fn each_form_is_of_something() {
        let id = |json: Json| Resource::deserialize(json).unwrap().id();
        let text = str::to_owned;
        let commit = json!({ "gitCommit": "0" });
        let sha256 = json!({ "sha256": "0" });
        assert_eq!(id(json!({ "name": "source", "digest": commit })), Id::Commit);
        assert_eq!(id(json!({ "name": "source", "digest": sha256 })), Id::File(text("source")));
        let uri = "git+https://example.org/a@main";
        assert_eq!(id(json!({ "name": "source", "uri": uri, "digest": commit })), Id::Commit);
        let of_git = id(json!({ "name": "a 1.0.0", "uri": uri, "digest": commit }));
        assert_eq!(of_git, Id::Crate(text("a 1.0.0"), text(uri)));
        // A registry may give no checksum.
        let of_registry = id(json!({ "uri": "pkg:cargo/a@1" }));
        assert_eq!(of_registry, Id::Crate(String::new(), text("pkg:cargo/a@1")));
        assert_eq!(id(json!({ "name": "rustc", "uri": "pkg:x" })), Id::Tool(text("rustc")));
    }

    #[test]
    fn every_field_of_the_specification_is_compared() {
        let found = Resource::deserialize(json!({ "name": "a", "digest": { "sha256": "0" } }));
        let found = found.unwrap();
        for (field, value, label) in [
            ("digest", json!({ "sha256": "1" }), "a"),
            ("digest", json!({ "sha256": "0", "sha512": "1" }), "a (digest.sha512)"),
            ("uri", json!("pkg:x"), "a (uri)"),
            ("annotations", json!({ "a": { "b": 1 } }), "a (annotations.a.b)"),
            ("mediaType", json!("text/plain"), "a (mediaType)"),
            ("content", json!("AA=="), "a (content)"),
            ("downloadLocation", json!("https://example.org"), "a (downloadLocation)"),
        ] {
            let mut json = json!({ "name": "a", "digest": { "sha256": "0" }, "vendor_more": 1 });
            let same = Resource::deserialize(&json).unwrap();
            assert_eq!(same.differences(&found), []);
            json[field] = value;
            let stated = Resource::deserialize(json).unwrap();
            let differences = stated.differences(&found);
            let labels: Vec<String> = differences.iter().map(|it| stated.label_of(it)).collect();
            assert_eq!(labels, [label]);
        }
    }

    #[test]
    fn a_dot_in_a_name_hides_no_value() {
        let one = flat(&json!({ "a": { "b": 1 }, "c": {}, "d\\.e": "x" }));
        let other = flat(&json!({ "a.b": 1, "c": {}, "d\\": { "e": "x" } }));
        assert_eq!(one.keys().collect::<Vec<_>>(), ["a.b", "c", r"d\\\.e"]);
        assert_eq!(other.keys().collect::<Vec<_>>(), [r"a\.b", "c", r"d\\.e"]);
        assert_eq!(flat(&json!({})).len(), 0);
    }
}
