//! What is published of a build besides its wheel. The program `wheelprint-shared` signs it.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

use super::SharingFacts;
use super::machine::Machine;
use crate::digest::Tagged;
use crate::error::{Because as _, Cause, Result};
use crate::fingerprint::record::Input;
use crate::fingerprint::{Inputs, Record, Source, Value, record};
use crate::inputs::{Key, Root, Watch};
use crate::request::Request;

/// Version of the format. Payloads of another version are not used.
const VERSION: u32 = 1;
/// No build takes a month.
const LONGEST: f64 = 30.0 * 24.0 * 60.0 * 60.0;

/// A published build.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Payload {
    version: u32,
    /// See [`request`].
    pub request: String,
    /// The version of wheelprint that made the build.
    pub wheelprint: String,
    pub wheel: PublishedWheel,
    /// The machine of the build.
    pub machine: Machine,
    /// Seconds that the build took, if known.
    pub seconds: Option<f64>,
    /// See [`untold`](super::untold).
    pub untold: Option<String>,
    roots: BTreeMap<Root, String>,
    watches: BTreeSet<Watch>,
    salt: String,
    /// Digests of variables, settings and files of the user are salted, so that nobody finds them in a
    /// table. Who tries all values of a short secret still finds it.
    inputs: Vec<Input>,
    /// See [`Record::source`].
    #[serde(default, skip_serializing_if = "Option::is_none")]
    source: Option<Source>,
    /// See [`Record::cargo`].
    #[serde(default, skip_serializing_if = "Option::is_none")]
    cargo: Option<String>,
}

/// The wheel of a build, without the record, and without paths of the machine that made it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct PublishedWheel {
    pub sha256: String,
    pub size: u64,
    pub file_name: String,
}

/// Names what is asked for: a project, an artifact and an interpreter. Builds of one request are compared
/// one by one.
pub(crate) fn request(request: &Request, project: &str) -> String {
    let mut tagged = Tagged::new("shared request 1");
    tagged.field("project", project);
    tagged.field("artifact", request.artifact.as_str());
    tagged.field("interpreter", &request.interpreter.identity());
    tagged.finish()
}

impl Payload {
    pub(crate) fn new(
        request: String,
        record: &Record,
        wheel: PublishedWheel,
        machine: Machine,
        made: &SharingFacts,
        salt: String,
    ) -> Self {
        let mut inputs = record.inputs.clone();
        for input in &mut inputs {
            if let Some(salted) = salted(&input.key, &input.value, &salt) {
                input.value = salted;
            }
        }
        Self {
            version: VERSION,
            request,
            wheelprint: env!("CARGO_PKG_VERSION").to_owned(),
            wheel,
            machine,
            seconds: made.seconds,
            untold: made.untold.clone(),
            roots: record.roots.clone(),
            watches: record.watches.clone(),
            salt,
            inputs,
            source: record.source.clone(),
            cargo: record.cargo.clone(),
        }
    }

    /// Reads a payload whose signature was checked.
    ///
    /// # Errors
    /// It is of another version, of another request, or its inputs are not in order.
    pub(crate) fn read(value: serde_json::Value, request: &str) -> Result<Self, Cause> {
        let version = value.get("version").and_then(serde_json::Value::as_u64);
        if version != Some(VERSION.into()) {
            return Err("written by another version".into());
        }
        let payload: Self = serde_json::from_value(value).because("not a published build")?;
        if payload.request != request {
            return Err("it is of another request".into());
        }
        if payload.seconds.is_some_and(|seconds| !(0.0..LONGEST).contains(&seconds)) {
            return Err("its time is impossible".into());
        }
        // Nothing of that kind is published. Such a root could name any folder of this machine.
        let is_outside = |root: &Root| matches!(root, Root::Outside(_));
        let of_watches = payload.watches.iter().filter_map(Watch::root);
        if payload.roots.keys().chain(of_watches).any(is_outside) {
            return Err("it has inputs outside of its tree".into());
        }
        // A repeated input could be read in two ways.
        if !payload.inputs.is_sorted_by(|one, next| one.key < next.key) {
            return Err("its inputs are not in order".into());
        }
        Ok(payload)
    }

    pub(crate) fn roots(&self) -> &BTreeMap<Root, String> {
        &self.roots
    }

    pub(crate) fn watches(&self) -> &BTreeSet<Watch> {
        &self.watches
    }

    /// The record of the build, as a tree with these inputs would have it. Digests that were salted are
    /// replaced where the tree has the same value; the others stay, and match nothing.
    pub(crate) fn record(&self, observed: &Inputs) -> Record {
        let value = |input: &Input| match observed.get(&input.key) {
            Some(value) if salted(&input.key, value, &self.salt).as_ref() == Some(&input.value) => {
                value.clone()
            }
            _ => input.value.clone(),
        };
        let inputs = self.inputs.iter().map(|input| (input.key.clone(), value(input))).collect();
        let record = Record::new(&inputs, self.watches.clone(), self.roots.clone());
        Record { source: self.source.clone(), cargo: self.cargo.clone(), ..record }
    }
}

/// The salted digest of a variable, a setting or a file of the user; `None` for any other input.
fn salted(key: &Key, value: &Value, salt: &str) -> Option<Value> {
    // The user's cargo home may hold a token.
    let is_private = key.root.as_ref().is_none_or(Root::is_elsewhere);
    match value {
        Value::Sha256(digest) if is_private => {
            let mut tagged = Tagged::new("salted");
            tagged.field("salt", salt);
            tagged.field("name", &key.name);
            tagged.field("digest", digest);
            Some(Value::Sha256(tagged.finish()))
        }
        _ => None,
    }
}

/// The name of the record in a wheel, which is left out of a published one.
pub(crate) const RECORD: &str = record::FILE_NAME;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::freshness::{self, Verdict};
    use crate::inputs::{Kind, Part, Place};

    fn secret(value: &str) -> (Key, Value) {
        let key = Key::named(Part::Environment, Kind::Variable, "TOKEN");
        (key, Value::Sha256(crate::digest::bytes(value.as_bytes())))
    }

    fn source(content: &str) -> (Key, Value) {
        let place = Place { root: Root::Project, path: "src/lib.rs".into() };
        let key = Key::place(Part::Rust, Kind::File, place);
        (key, Value::Sha256(crate::digest::bytes(content.as_bytes())))
    }

    fn payload(inputs: Inputs) -> Payload {
        let record = Record::new(&inputs, BTreeSet::new(), BTreeMap::new());
        let wheel = PublishedWheel { sha256: "0".into(), size: 1, file_name: "p.whl".into() };
        let made = SharingFacts { seconds: Some(1.0), ..SharingFacts::default() };
        Payload::new("r".into(), &record, wheel, Machine::default(), &made, "salt".into())
    }

    #[test]
    fn a_secret_can_be_compared_and_not_looked_up() {
        let inputs = Inputs::from([secret("1234"), source("a")]);
        let published = payload(inputs.clone());
        let text = serde_json::to_string(&published).unwrap();
        let Value::Sha256(digest) = secret("1234").1 else { panic!() };
        assert!(!text.contains(&digest));
        let is_fresh = |observed: &Inputs| {
            let record = published.record(observed);
            let verdict = freshness::compare(record.pairs(), &[], observed);
            matches!(verdict, Verdict::Fresh { .. })
        };
        assert!(is_fresh(&inputs));
        assert_eq!(published.record(&inputs).inputs(), inputs);
        for other in [
            Inputs::from([secret("1235"), source("a")]),
            Inputs::from([secret("1234"), source("b")]),
            Inputs::from([source("a")]),
        ] {
            assert!(!is_fresh(&other), "{other:?}");
        }
    }

    #[test]
    fn what_is_not_a_payload_of_this_request_is_refused() {
        let good = serde_json::to_value(payload(Inputs::from([source("a")]))).unwrap();
        assert!(Payload::read(good.clone(), "r").is_ok());
        let with = |name: &str, value: serde_json::Value| {
            let mut changed = good.clone();
            changed[name] = value;
            changed
        };
        for (value, why) in [
            (with("version", 2.into()), "another version"),
            (with("request", "s".into()), "another request"),
            (with("new", 1.into()), "not a published build"),
            (with("seconds", 1e308.into()), "its time is impossible"),
            (with("roots", serde_json::json!({"outside:1": "/etc"})), "outside of its tree"),
            (with("inputs", vec![good["inputs"][0].clone(); 2].into()), "not in order"),
        ] {
            assert!(Payload::read(value, "r").unwrap_err().to_string().contains(why), "{why}");
        }
    }
}
