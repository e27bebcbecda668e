//! Who vouches for what: what was computed here, what a signer says, and what only the builder says.

use serde::Serialize;

use super::super::terminal::count;
use super::Verified;
use super::attestation::Attested;
use crate::fingerprint::Value;
use crate::inputs::{Kind, Part};
use crate::log::escape_controls;
use crate::report::named;

/// Something that is said of an artifact, and who says it.
#[derive(Serialize)]
pub(super) struct Claim {
    claim: &'static str,
    pub by: By,
    /// The identity of the signer.
    #[serde(skip_serializing_if = "Option::is_none")]
    signer: Option<String>,
    pub text: String,
}

#[derive(Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum By {
    /// wheelprint has computed it now. Nobody has to be believed.
    Computed,
    /// A signed statement.
    Signer,
    /// The record, which nobody signed.
    Builder,
}

/// The claims that hold. A claim of a record that a signer names by its digest is the signer's.
pub(super) fn of(verified: &Verified) -> Vec<Claim> {
    let mut claims = computed(verified);
    let holding: Vec<&Attested> = verified.attestations.iter().filter(|it| it.holds()).collect();
    for attested in &holding {
        claims.extend(signed(attested));
    }
    let of_record = holding.iter().find(|it| it.compared.is_some());
    claims.extend(build(verified, of_record.copied()));
    claims
}

fn computed(verified: &Verified) -> Vec<Claim> {
    let findings = &verified.findings;
    let claim = |claim, text| Claim { claim, by: By::Computed, signer: None, text };
    let mut claims = Vec::new();
    if findings.differences.is_empty() {
        let mut same = Vec::new();
        if findings.files > 0 {
            same.push(count(findings.files, "source file"));
        }
        if findings.same > 0 && !verified.is_archive {
            same.push(count(findings.same, "input"));
        }
        if !same.is_empty() {
            claims.push(claim("sources", format!("{} as in the sources", same.join(" and "))));
        }
    }
    if findings.damaged.is_empty() {
        let list = if verified.is_archive { "its record" } else { "RECORD" };
        claims.push(claim("files", format!("every file as in {list}")));
    }
    claims
}

/// What an attestation says that holds.
fn signed(attested: &Attested) -> Vec<Claim> {
    let signer = attested.signer_name();
    let claim = |claim, text: String| {
        let text = escape_controls(&text);
        Claim { claim, by: By::Signer, signer: signer.clone(), text }
    };
    let mut claims = vec![claim("subject", "this file".to_owned())];
    if let Some(compared) = &attested.compared {
        let mut dependencies = vec![count(compared.files, "file")];
        if compared.crates > 0 {
            dependencies.push(count(compared.crates, "crate"));
        }
        claims.push(claim("record", "its record".to_owned()));
        claims.push(claim("dependencies", dependencies.join(" and ")));
        let commit = compared.commit.as_ref();
        claims.extend(commit.map(|commit| claim("commit", format!("commit {commit}"))));
    }
    claims
}

/// The link between sources and compiled code, which nothing here can compute. An sdist has none.
fn build(verified: &Verified, signed: Option<&Attested>) -> Option<Claim> {
    if verified.is_archive {
        return None;
    }
    let record = &verified.record;
    let tool = |name| record.text(Part::Toolchain, name);
    let version = |text: &str| text.split_whitespace().nth(1).map(str::to_owned);
    let programs = [("rustc", tool("rustc")), ("cargo", record.cargo.as_deref())];
    let mut tools: Vec<String> = programs
        .iter()
        .filter_map(|(name, text)| Some(format!("{name} {}", version((*text)?)?)))
        .collect();
    tools.extend(tool("maturin").map(|version| format!("maturin {version}")));
    let is_set = |value: &Value| !matches!(value, Value::Absent | Value::Unknown);
    let variables = record.pairs().filter(|(key, value)| {
        key.part == Part::Environment && key.kind == Kind::Variable && is_set(value)
    });
    let variables: Vec<String> = variables.map(|(key, _)| key.name.clone()).collect();
    if !variables.is_empty() {
        tools.push(format!("{} set", named(variables.into_iter())));
    }
    let with =
        if tools.is_empty() { String::new() } else { format!(", with {}", tools.join(", ")) };
    Some(Claim {
        claim: "build",
        by: if signed.is_some() { By::Signer } else { By::Builder },
        signer: signed.and_then(Attested::signer_name),
        text: escape_controls(&format!("it was built from the sources in its record{with}")),
    })
}

/// The claims in a few lines.
pub(super) fn lines(verified: &Verified) -> Vec<String> {
    let claims = of(verified);
    let texts = |by: By, is_build: bool| {
        let claims = claims.iter().filter(|it| it.by == by && (it.claim == "build") == is_build);
        let texts: Vec<&str> = claims.map(|claim| &*claim.text).collect();
        texts.join(", ")
    };
    let mut lines = vec![format!("computed here: {}", texts(By::Computed, false))];
    for attested in verified.attestations.iter().filter(|it| it.holds()) {
        let texts: Vec<String> = signed(attested).into_iter().map(|claim| claim.text).collect();
        lines.push(format!("{}: {}", attested.signature(), texts.join(", ")));
    }
    for (by, said) in
        [(By::Signer, "only the signer says"), (By::Builder, "only the builder says, unsigned")]
    {
        let texts = texts(by, true);
        if !texts.is_empty() {
            lines.push(format!("{said}: {texts}"));
        }
    }
    lines
}
