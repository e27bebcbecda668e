//! The result of `verify` in words and as JSON.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use serde_json::{Value, json};

use super::super::Context;
use super::super::line::{Line, count, tame};
use super::super::terminal::{BAD, FAINT, GOOD, NOTICE};
use super::Verified;
use crate::error::{Error, Result};
use crate::freshness::Reason;
use crate::report;

/// The result for one artifact as JSON (docs/json.md).
pub(super) fn json(verified: &Verified, source: &Path) -> Value {
    let mut json = findings(verified);
    json["schema"] = 1.into();
    json["source"] = source.to_string_lossy().into();
    json
}

/// The results for several artifacts as JSON.
pub(super) fn json_of_all(
    verified: &[Result<Verified, Error>],
    named: &[PathBuf],
    source: &Path,
) -> Value {
    let artifacts: Vec<Value> = verified
        .iter()
        .zip(named)
        .map(|(verified, named)| match verified {
            Ok(verified) => findings(verified),
            Err(error) => json!({
                "wheel": named.to_string_lossy(),
                "verified": false,
                "error": error.to_string(),
            }),
        })
        .collect();
    let all = artifacts.iter().all(|artifact| artifact["verified"] == true);
    json!({
        "schema": 1,
        "source": source.to_string_lossy(),
        "verified": all,
        "artifacts": artifacts,
    })
}

fn findings(verified: &Verified) -> Value {
    let Verified { path, record, findings, .. } = verified;
    let list = |reasons: &[Reason]| -> Vec<Value> {
        let json = |reason| {
            let mut json = report::json::reason(reason, &record.roots);
            json["text"] = words(verified, reason).into();
            json
        };
        reasons.iter().map(json).collect()
    };
    let damaged = findings.damaged.iter();
    let damaged: Vec<Value> =
        damaged.map(|(name, cause)| json!({ "name": name, "cause": cause })).collect();
    json!({
        "wheel": path.to_string_lossy(),
        "source-digest": record.source.as_ref().map(|source| &source.sha256),
        "verified": findings.is_verified(),
        "differences": list(&findings.differences),
        "built-with": list(&findings.built_with),
        "not-compared": list(&findings.not_compared),
        "damaged": damaged,
    })
}

fn words(verified: &Verified, reason: &Reason) -> String {
    let text = report::reason(reason, &verified.record.roots);
    let is_spelling = reason.key().is_some_and(|key| verified.findings.spelling.contains(key));
    if is_spelling { format!("{text} (comments or layout only)") } else { text }
}

/// The result for one artifact in words.
pub(super) fn text(verified: &Verified, context: &Context) -> String {
    let Verified { path, record, findings, is_archive } = verified;
    let terminal = &context.terminal;
    let file = path.file_name().unwrap_or(path.as_os_str());
    let line = Line::new(terminal);
    let line = if findings.is_verified() {
        let mut same = Vec::new();
        if findings.files > 0 {
            same.push(count(findings.files, "source file"));
        }
        if findings.same > 0 && !is_archive {
            same.push(count(findings.same, "input"));
        }
        let list = if *is_archive { "its record" } else { "RECORD" };
        let said = format!(": {} as here, every file as in {list}", same.join(" and "));
        line.add(GOOD, "verified").plain(&said)
    } else if findings.differences.is_empty() {
        line.add(BAD, "damaged").plain(": it is not what was built")
    } else {
        line.add(BAD, "not verified").plain(": it was not built from these sources")
    };
    let mut output = line.end();
    output += &Line::new(terminal).add(FAINT, &tame(&file.to_string_lossy())).end();
    let all = |reasons: &[Reason]| -> Vec<String> {
        let mut all: Vec<String> = reasons.iter().map(|reason| words(verified, reason)).collect();
        // A file can be two inputs, and both would give the same line.
        let mut seen = BTreeSet::new();
        all.retain(|text| seen.insert(text.clone()));
        all
    };
    let damaged: Vec<String> =
        findings.damaged.iter().map(|(name, cause)| format!("{name} {cause}")).collect();
    let not_compared: Vec<String> = findings
        .not_compared
        .iter()
        .map(|reason| match reason {
            Reason::Unreadable { key, cause } => {
                format!("{}: {cause}", report::name(key, &record.roots))
            }
            other => report::reason(other, &record.roots),
        })
        .collect();
    let itself = if *is_archive { "in the sdist" } else { "in the wheel" };
    for (style, heading, lines) in [
        (BAD, itself, damaged),
        (BAD, "in the sources", all(&findings.differences)),
        (NOTICE, "built with (says nothing of the sources)", all(&findings.built_with)),
        (NOTICE, "not compared", not_compared),
    ] {
        if lines.is_empty() {
            continue;
        }
        output += &format!("\n{}", Line::new(terminal).add(style, heading).end());
        for line in lines {
            output += &Line::new(terminal).plain(&format!("  {}", tame(&line))).end();
        }
    }
    output
}
