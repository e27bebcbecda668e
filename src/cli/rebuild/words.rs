//! The result of `rebuild` in words and as JSON.

use anstyle::Style;
use serde_json::{Value, json};

use super::super::terminal::{BAD, FAINT, GOOD, NOTICE, PLAIN, Terminal, short};
use super::super::verify::words as verified;
use super::{Built, Rebuilt, State};
use crate::rebuild::{Difference, Unavailable};

/// The result as JSON (docs/json.md).
pub(super) fn json(rebuilt: &Rebuilt) -> Value {
    let Rebuilt { wheel, source, needed, verified, built } = rebuilt;
    let comparison = verified::findings(verified);
    json!({
        "schema": 1,
        "wheel": wheel.to_string_lossy(),
        "source": source.to_string_lossy(),
        "result": match rebuilt.state() {
            State::Identical => "identical",
            State::Harmless => "harmless",
            State::Different => "different",
            State::OtherSources => "other-sources",
        },
        "project": comparison["project"],
        "sources": {
            "differences": comparison["differences"],
            "damaged": comparison["damaged"],
        },
        "built-with": {
            "rustc": needed.rustc,
            "python": needed.python,
            "maturin": needed.maturin,
            "wheelprint": needed.wheelprint,
        },
        "rebuilt": built.as_ref().map(|built| json!({
            "frontend": built.frontend,
            "wheel-sha256": built.sha256[0],
            "rebuilt-sha256": built.sha256[1],
            "kept": built.kept.as_ref().map(|kept| kept.to_string_lossy()),
            "not-recreated": built.plan.unavailable,
            "differences": built.differences,
        })),
    })
}

/// The result in words. `allows_harmless`: harmless differences are no failure.
pub(super) fn text(rebuilt: &Rebuilt, allows_harmless: bool, terminal: &Terminal) -> String {
    let Some(built) = &rebuilt.built else {
        let mut output = verified::text(&rebuilt.verified, terminal);
        output.push('\n');
        output += &terminal.line(&[(FAINT, "nothing was built")]);
        return output;
    };
    let (style, state) = match rebuilt.state() {
        State::Identical => (GOOD, "identical"),
        State::Harmless if allows_harmless => (GOOD, "identical, but for what has no effect"),
        State::Harmless => (NOTICE, "identical, but for what has no effect"),
        State::Different | State::OtherSources => (BAD, "different"),
    };
    let name = rebuilt.wheel.file_name().unwrap_or_default().to_string_lossy();
    let mut output = terminal.line(&[(PLAIN, &format!("{name}: ")), (style, state)]);
    for line in details(rebuilt, built) {
        output += &terminal.paint(FAINT, terminal.wrap(&format!("  {line}"), 4));
        output.push('\n');
    }
    let sections: [(Style, &str, Vec<String>); 3] = [
        (BAD, "different", lines(built, false)),
        (NOTICE, "different, without effect on what runs", lines(built, true)),
        (NOTICE, "not recreated", built.plan.unavailable.iter().map(not_recreated).collect()),
    ];
    for (style, heading, lines) in sections {
        if lines.is_empty() {
            continue;
        }
        output.push('\n');
        output += &terminal.line(&[(style, heading)]);
        for line in lines {
            output += &terminal.wrap(&format!("  {line}"), 4);
            output.push('\n');
        }
    }
    output
}

fn details(rebuilt: &Rebuilt, built: &Built) -> Vec<String> {
    let needed = &rebuilt.needed;
    let first_words = |text: &Option<String>| {
        text.as_deref().map(|text| text.split(' ').take(2).collect::<Vec<_>>().join(" "))
    };
    let version = |name: &str, text: &Option<String>| Some(format!("{name} {}", text.as_ref()?));
    let tools = [
        first_words(&needed.rustc),
        version("maturin", &needed.maturin),
        first_words(&needed.python),
        version("wheelprint", &needed.wheelprint),
    ];
    let tools: Vec<String> = tools.into_iter().flatten().collect();
    let mut lines = vec![format!("built again with {}", tools.join(", "))];
    lines.push(match &built.sha256 {
        [one, other] if one == other => format!("sha256 {one}"),
        [one, other] => format!("sha256 {}… and {}…", short(one), short(other)),
    });
    if let Some(kept) = &built.kept {
        lines.push(format!("the new wheel is {}", kept.display()));
    }
    lines
}

/// The differences that are harmless, or the others.
fn lines(built: &Built, are_harmless: bool) -> Vec<String> {
    let differences = built.differences.iter().filter(|it| it.is_harmless == are_harmless);
    let line = |Difference { file, section, reason, text, .. }: &Difference| {
        let reason = serde_json::to_value(reason).unwrap_or_default();
        let reason = reason.as_str().unwrap_or_default().replace('-', " ");
        let section = section.as_ref().map(|section| format!(" {section}")).unwrap_or_default();
        let file = file.as_deref().unwrap_or("the archive");
        format!("{file}{section}: {reason}: {text}")
    };
    differences.map(line).collect()
}

fn not_recreated(Unavailable { name, cause }: &Unavailable) -> String {
    format!("{name}: {cause}")
}
