//! `wheelprint inspect`.

use std::collections::BTreeMap;

use super::given::{Given, text_of};
use super::line::{Line, count, tame};
use super::terminal::{BAD, FAINT, GOOD, NAME, STRONG};
use super::{Answer, Context};
use crate::error::Result;
use crate::fingerprint::record::Input;
use crate::fingerprint::{Record, Value, part_name};
use crate::inputs::{Kind, Part};
use crate::report;

/// Of a digest so much is shown.
const SHORT: usize = 12;

/// The record in a wheel or sdist
#[derive(Debug, clap::Args)]
pub struct Arguments {
    /// The wheel or sdist, or the dist-info folder of an installed package
    wheel: std::path::PathBuf,
    /// Print JSON (see docs/json.md)
    #[arg(long)]
    json: bool,
}

/// See [`Arguments`].
///
/// # Errors
/// It is no wheel, or its record is broken or of a newer version.
pub fn run(arguments: &Arguments, context: &Context) -> Result<Answer> {
    let given = Given::open(&context.path(&arguments.wheel))?;
    let code = u8::from(given.record.is_none());
    if arguments.json {
        let json = serde_json::json!({
            "schema": 1,
            "wheel": arguments.wheel.to_string_lossy(),
            "name": given.name,
            "version": given.version,
            "record": given.record,
        });
        return Ok(Answer::json(&json).with_code(code));
    }
    Ok(Answer::said(text(&given, context)).with_code(code))
}

fn text(given: &Given, context: &Context) -> String {
    let terminal = &context.terminal;
    let mut output = Line::new(terminal)
        .add(STRONG, &format!("{} {}", tame(&given.name), tame(&given.version)))
        .end();
    let Some(record) = &given.record else {
        output += "There is no record in it: it was not built by wheelprint.\n";
        return output;
    };
    output.push('\n');
    let mut field = |name: &str, text: &str| {
        output += &Line::new(terminal).add(FAINT, &format!("{name:<13}")).plain(text).end();
    };
    field("fingerprint", &record.fingerprint.sha256);
    if let Some(source) = &record.source {
        field("sources", &format!("{} ({})", source.sha256, count(source.files.len(), "file")));
    }
    for (name, part, key) in [
        ("artifact", Part::Request, "artifact"),
        ("interpreter", Part::Toolchain, "python"),
        ("rustc", Part::Toolchain, "rustc"),
        ("maturin", Part::Toolchain, "maturin"),
        ("wheelprint", Part::Request, "wheelprint"),
    ] {
        if let Some(text) = text_of(record, part, key) {
            field(name, &tame(first_words(text)));
        }
    }
    let may_be_matched = Line::new(terminal).add(FAINT, &format!("{:<13}", "reusable"));
    if record.untrusted.is_empty() {
        output += &may_be_matched.add(GOOD, "yes").end();
    } else {
        output += &may_be_matched.add(BAD, "no").plain(": it is never taken for fresh").end();
        for cause in &record.untrusted {
            output += &Line::new(terminal).plain(&format!("{:<13}{}", "", tame(cause))).end();
        }
    }
    for (part, inputs) in by_part(record) {
        let digest = record.fingerprint.parts.get(&part).map_or("", |digest| short(digest));
        output.push('\n');
        output += &Line::new(terminal)
            .add(STRONG, part_name(part))
            .add(FAINT, &format!("  {digest}  {}", count(inputs.len(), "input")))
            .end();
        for input in inputs {
            let (state, name) = row(input, record);
            output += &Line::new(terminal)
                .add(FAINT, &format!("  {:<SHORT$}  ", tame(&state)))
                .add(NAME, &tame(&name))
                .end();
        }
    }
    output
}

fn by_part(record: &Record) -> BTreeMap<Part, Vec<&Input>> {
    let mut parts: BTreeMap<Part, Vec<&Input>> = BTreeMap::new();
    for input in &record.inputs {
        parts.entry(input.key.part).or_default().push(input);
    }
    parts
}

/// What is said of an input's value, and its name. A variable's digest could be a secret's.
fn row(input: &Input, record: &Record) -> (String, String) {
    let Input { key, value } = input;
    let name = report::name(key, &record.roots);
    let is_setting = matches!(key.kind, Kind::Variable | Kind::Value);
    match value {
        Value::Absent if key.kind == Kind::Variable => ("unset".into(), name),
        Value::Absent => ("absent".into(), name),
        Value::Sha256(_) if is_setting => ("set".into(), name),
        Value::Sha256(digest) => (short(digest).to_owned(), name),
        Value::Text(text) if is_setting => (String::new(), format!("{name} = {text}")),
        Value::Text(text) if key.kind == Kind::Folder => (text.chars().take(SHORT).collect(), name),
        Value::Text(_) => ("special".into(), name),
        Value::Unreadable(cause) => ("unreadable".into(), format!("{name}: {cause}")),
        Value::Unknown => ("unknown".into(), name),
    }
}

/// `rustc -vV` says more than a line should.
fn first_words(text: &str) -> &str {
    let first = text.split([';', '\n']).next().unwrap_or(text);
    first.strip_prefix("rustc ").unwrap_or(first)
}

fn short(digest: &str) -> &str {
    digest.get(..SHORT).unwrap_or(digest)
}
