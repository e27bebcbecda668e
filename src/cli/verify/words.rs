//! The result of `verify` in words and as JSON.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use anstyle::Style;
use serde_json::{Value, json};

use super::super::artifact::file_name;
use super::super::sources::Package;
use super::super::table::{self, Row, Text, failure_as_json};
use super::super::terminal::{BAD, FAINT, GOOD, NOTICE, PLAIN, Terminal};
use super::attestation::Attested;
use super::{Verified, claims};
use crate::error::Result;
use crate::freshness::Reason;
use crate::report;

/// The results as JSON (docs/json.md): a list, or one object for one artifact.
pub(super) fn json(
    verified: &[Result<Verified>],
    named: &[PathBuf],
    source: &Path,
    is_list: bool,
) -> Value {
    let artifacts = verified.iter().zip(named).map(|(verified, named)| match verified {
        Ok(verified) => findings(verified),
        Err(error) => {
            let mut json = failure_as_json(error);
            json["wheel"] = named.to_string_lossy().into();
            json["verified"] = false.into();
            json
        }
    });
    let mut artifacts: Vec<Value> = artifacts.collect();
    let mut json = match &mut artifacts[..] {
        [only] if !is_list => only.take(),
        _ => {
            let all = artifacts.iter().all(|artifact| artifact["verified"] == true);
            json!({ "verified": all, "artifacts": artifacts })
        }
    };
    json["schema"] = 1.into();
    json["source"] = source.to_string_lossy().into();
    json
}

/// What was found about one artifact, as JSON.
pub(in super::super) fn findings(verified: &Verified) -> Value {
    let Verified { path, package, record, findings, .. } = verified;
    let list = |reasons: &[Reason]| -> Value {
        let json = |reason| {
            let mut json = report::reason_as_json(reason, &record.roots);
            json["text"] = words(verified, reason).into();
            json
        };
        reasons.iter().map(json).collect()
    };
    let damaged = findings.damaged.iter();
    let damaged = damaged.map(|(name, cause)| json!({ "name": name, "cause": cause }));
    let attested = |it: &Attested| {
        let mut json = json!(it);
        json["verified"] = it.holds().into();
        json
    };
    json!({
        "wheel": path.to_string_lossy(),
        "project": package,
        "source-digest": record.source.as_ref().map(|source| &source.sha256),
        "verified": verified.is_verified(),
        "differences": list(&findings.differences),
        "built-with": list(&findings.built_with),
        "not-compared": list(&findings.not_compared),
        "damaged": damaged.collect::<Value>(),
        "attestations": verified.attestations.iter().map(attested).collect::<Value>(),
        "claims": claims::of(verified),
    })
}

fn words(verified: &Verified, reason: &Reason) -> String {
    let text = report::reason(reason, &verified.record.roots);
    let is_spelling = reason.key().is_some_and(|key| verified.findings.spelling.contains(key));
    if is_spelling { format!("{text} (comments or layout only)") } else { text }
}

/// The result for one artifact in words.
pub(in super::super) fn text(verified: &Verified, terminal: &Terminal) -> String {
    let Verified { path, package, findings, .. } = verified;
    let (style, state) = state(verified);
    let details = if verified.is_verified() {
        claims::lines(verified)
    } else if !findings.differences.is_empty() {
        vec!["it was not built from these sources".to_owned()]
    } else if !findings.damaged.is_empty() {
        vec!["it is not what was built".to_owned()]
    } else if verified.attestations.iter().all(Attested::is_missing) {
        vec!["no attestation is about it".to_owned()]
    } else {
        vec!["its attestation does not hold".to_owned()]
    };
    let mut name = file_name(path);
    if let Some(Package { name: package, folder }) = package {
        name += &format!(" ({package} in {folder})");
    }
    let mut output = terminal.line(&[(PLAIN, &format!("{name}: ")), (style, state)]);
    for line in details {
        output += &terminal.line(&[(FAINT, &format!("  {line}"))]);
    }
    let is_any_signer = |it: &Attested| it.holds() && !it.signer_demanded;
    if verified.is_verified() && verified.attestations.iter().any(is_any_signer) {
        output +=
            &terminal.line(&[(NOTICE, "  no signer was demanded (--signer): anybody can sign")]);
    }
    for (style, heading, lines) in sections(verified) {
        output.push('\n');
        output += &terminal.line(&[(style, heading)]);
        for line in lines {
            output += &terminal.line(&[(PLAIN, "  "), (PLAIN, &line)]);
        }
    }
    output
}

/// How many of several artifacts are verified.
pub(super) fn summary(verified: &[Result<Verified>], terminal: &Terminal) -> String {
    let good = verified.iter().flatten().filter(|it| it.is_verified()).count();
    let style = if good == verified.len() { GOOD } else { BAD };
    let text = format!("{good} of {} files verified", verified.len());
    terminal.line(&[(style, &text)])
}

/// The results as a table: each file, the package that it was compared with, and the result.
pub(super) fn table(
    verified: &[Result<Verified>],
    named: &[PathBuf],
    terminal: &Terminal,
) -> String {
    let rows = verified.iter().zip(named).map(|(verified, named)| {
        let (package, row) = match verified {
            Ok(verified) => (verified.package.as_ref(), row(verified)),
            Err(error) => (None, Row::failed(error)),
        };
        let name = package.map_or("-", |package| &package.name).to_owned();
        let folder = package.map_or("-", |package| &package.folder).to_owned();
        row.after([(PLAIN, file_name(named)), (PLAIN, name), (PLAIN, folder)])
    });
    let rows: Vec<Row> = rows.collect();
    table::table(&["file", "package", "folder", "state"], &rows, terminal)
}

fn row(verified: &Verified) -> Row {
    let (style, state) = state(verified);
    let below = sections(verified).into_iter().flat_map(|(style, heading, lines)| {
        let lines = lines.into_iter().map(|line| (PLAIN, format!("  {line}")));
        std::iter::once((style, heading.to_owned())).chain(lines)
    });
    let below: Vec<Text> = below.collect();
    Row { cells: vec![(style, state.to_owned())], below }
}

fn state(verified: &Verified) -> (Style, &'static str) {
    let findings = &verified.findings;
    if verified.is_verified() {
        (GOOD, "verified")
    } else if findings.differences.is_empty() && !findings.damaged.is_empty() {
        (BAD, "damaged")
    } else {
        (BAD, "not verified")
    }
}

/// Everything that was found, in sections: each heading with its style, and the lines below it.
fn sections(verified: &Verified) -> Vec<(Style, &'static str, Vec<String>)> {
    let Verified { record, findings, is_archive, .. } = verified;
    let all = |reasons: &[Reason]| -> Vec<String> {
        // A file can be two inputs, and both would give the same line.
        let mut seen = BTreeSet::new();
        let all = reasons.iter().map(|reason| words(verified, reason));
        all.filter(|text| seen.insert(text.clone())).collect()
    };
    let damaged = findings.damaged.iter().map(|(name, cause)| format!("{name} {cause}"));
    let not_compared = findings.not_compared.iter().map(|reason| match reason {
        Reason::Unreadable { key, cause } => {
            format!("{}: {cause}", report::name(key, &record.roots))
        }
        other => report::reason(other, &record.roots),
    });
    let attestations = verified.attestations.iter().flat_map(Attested::problems);
    let itself = if *is_archive { "in the sdist" } else { "in the wheel" };
    let is_missing = verified.attestations.iter().all(Attested::is_missing);
    let attested = if is_missing { "in --attestation" } else { "in the attestation" };
    let mut sections = vec![
        (BAD, itself, damaged.collect()),
        (BAD, "in the sources", all(&findings.differences)),
        (BAD, attested, attestations.collect()),
        (NOTICE, "built with (says nothing of the sources)", all(&findings.built_with)),
        (NOTICE, "not compared", not_compared.collect()),
    ];
    sections.retain(|(_, _, lines): &(_, _, Vec<String>)| !lines.is_empty());
    sections
}
