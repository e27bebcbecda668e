//! The result of `verify` in words and as JSON.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use serde_json::{Value, json};

use super::super::terminal::{BAD, FAINT, GOOD, NOTICE, PLAIN, Terminal, count};
use super::Verified;
use crate::error::Result;
use crate::freshness::Reason;
use crate::report;

/// The results as JSON (docs/json.md): one object for one artifact, a list for several.
pub(super) fn json(verified: &[Result<Verified>], named: &[PathBuf], source: &Path) -> Value {
    let artifacts = verified.iter().zip(named).map(|(verified, named)| match verified {
        Ok(verified) => findings(verified),
        Err(error) => json!({
            "wheel": named.to_string_lossy(),
            "verified": false,
            "error": error.to_string(),
        }),
    });
    let mut artifacts: Vec<Value> = artifacts.collect();
    let mut json = if let [only] = &mut artifacts[..] {
        only.take()
    } else {
        let all = artifacts.iter().all(|artifact| artifact["verified"] == true);
        json!({ "verified": all, "artifacts": artifacts })
    };
    json["schema"] = 1.into();
    json["source"] = source.to_string_lossy().into();
    json
}

fn findings(verified: &Verified) -> Value {
    let Verified { path, record, findings, .. } = verified;
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
    json!({
        "wheel": path.to_string_lossy(),
        "source-digest": record.source.as_ref().map(|source| &source.sha256),
        "verified": findings.is_verified(),
        "differences": list(&findings.differences),
        "built-with": list(&findings.built_with),
        "not-compared": list(&findings.not_compared),
        "damaged": damaged.collect::<Value>(),
    })
}

fn words(verified: &Verified, reason: &Reason) -> String {
    let text = report::reason(reason, &verified.record.roots);
    let is_spelling = reason.key().is_some_and(|key| verified.findings.spelling.contains(key));
    if is_spelling { format!("{text} (comments or layout only)") } else { text }
}

/// The result for one artifact in words.
pub(super) fn text(verified: &Verified, terminal: &Terminal) -> String {
    let Verified { path, record, findings, is_archive } = verified;
    let mut output = if findings.is_verified() {
        let mut same = Vec::new();
        if findings.files > 0 {
            same.push(count(findings.files, "source file"));
        }
        if findings.same > 0 && !is_archive {
            same.push(count(findings.same, "input"));
        }
        let list = if *is_archive { "its record" } else { "RECORD" };
        let said = format!(": {} as here, every file as in {list}", same.join(" and "));
        terminal.line(&[(GOOD, "verified"), (PLAIN, &said)])
    } else if findings.differences.is_empty() {
        terminal.line(&[(BAD, "damaged"), (PLAIN, ": it is not what was built")])
    } else {
        let said = ": it was not built from these sources";
        terminal.line(&[(BAD, "not verified"), (PLAIN, said)])
    };
    let file = path.file_name().unwrap_or(path.as_os_str());
    output += &terminal.line(&[(FAINT, &file.to_string_lossy())]);
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
    let itself = if *is_archive { "in the sdist" } else { "in the wheel" };
    for (style, heading, lines) in [
        (BAD, itself, damaged.collect()),
        (BAD, "in the sources", all(&findings.differences)),
        (NOTICE, "built with (says nothing of the sources)", all(&findings.built_with)),
        (NOTICE, "not compared", not_compared.collect()),
    ] {
        if !lines.is_empty() {
            output.push('\n');
            output += &terminal.line(&[(style, heading)]);
        }
        for line in lines {
            output += &terminal.line(&[(PLAIN, "  "), (PLAIN, &line)]);
        }
    }
    output
}
