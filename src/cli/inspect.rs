//! `wheelprint inspect`.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use super::artifact::InspectedArtifact;
use super::names;
use super::terminal::{BAD, FAINT, GOOD, NAME, PLAIN, SHORT, STRONG, count, short};
use super::{Answer, Context};
use crate::error::{Error, Result};
use crate::fingerprint::record::Input;
use crate::fingerprint::{Record, Value, part_name};
use crate::inputs::{Kind, Part};
use crate::installed;
use crate::project::normalize_name;
use crate::report;
use crate::settings::nearest;

/// The record in a wheel or sdist
#[derive(Debug, clap::Args)]
pub(super) struct Arguments {
    /// The wheel or sdist, the dist-info folder of an installed package, or its name
    #[arg(value_name = "WHEEL|NAME")]
    wheel: PathBuf,
    /// The interpreter, or the environment, that the package of that name is installed in
    #[arg(long, value_name = "PATH")]
    python: Option<PathBuf>,
    /// Print JSON (the page "JSON" of the documentation describes it)
    #[arg(long)]
    json: bool,
}

pub(super) fn run(arguments: &Arguments, context: &Context) -> Result<Answer> {
    let path = match package_name(&arguments.wheel, context) {
        Some(name) => installed_package(name, arguments.python.as_deref(), context)?,
        None => context.path(&arguments.wheel),
    };
    let artifact = InspectedArtifact::open(&path)?;
    let answer = if arguments.json {
        Answer::json(serde_json::json!({
            "schema": 1,
            "wheel": arguments.wheel.to_string_lossy(),
            "name": artifact.name,
            "version": artifact.version,
            "record": artifact.record,
        }))
    } else {
        Answer::said(text(&artifact, context))
    };
    Ok(answer.with_code(u8::from(artifact.record.is_none())))
}

/// The argument as the name of a package (PEP 508), unless it names a file.
fn package_name<'a>(given: &'a Path, context: &Context) -> Option<&'a str> {
    let name = given.to_str()?;
    let is_of_a_file = [".whl", ".tar.gz", ".tgz", ".zip", ".dist-info"]
        .iter()
        .any(|end| name.to_ascii_lowercase().ends_with(end));
    // Only files are excluded here, because a package's source folder often has the package's name.
    let is_name = names::has_allowed_characters(name) && names::has_allowed_ends(name);
    (is_name && !is_of_a_file && !context.path(given).is_file()).then_some(name)
}

/// The dist-info folder of a package, in the environment that `status` would use.
fn installed_package(name: &str, python: Option<&Path>, context: &Context) -> Result<PathBuf> {
    let refused = |cause: &str, hint: String| {
        Error::setting(format!("`{name}`"), format!("no such file here, and {cause}"), hint)
    };
    let given = python.map(|python| context.path(python));
    let found = installed::python_in_use(&context.folder, &context.environment, given.as_deref());
    let found = found.ok_or_else(|| {
        let cause = "there is no environment, neither .venv nor an active one, to look for a \
                     package in";
        refused(cause, "make one with `uv sync`, or name one with `--python`".to_owned())
    })?;
    let interpreter = installed::describe(&found)?;
    if let Some(found) = installed::find(&interpreter, name) {
        return Ok(found.dist_info);
    }
    let known = installed::names(&interpreter);
    let known: Vec<&str> = known.iter().map(String::as_str).collect();
    let hint = match nearest(&normalize_name(name), &known) {
        Some(nearest) => format!("did you mean `{nearest}`?"),
        None => "another environment is named with `--python`".to_owned(),
    };
    let prefix = interpreter.prefix.display();
    Err(refused(&format!("no package of that name is installed in {prefix}"), hint))
}

fn text(artifact: &InspectedArtifact, context: &Context) -> String {
    let terminal = &context.terminal;
    let title = format!("{} {}", artifact.name, artifact.version);
    let mut output = terminal.line(&[(STRONG, &title)]);
    let Some(record) = &artifact.record else {
        return output + "There is no record in it: it was not built by wheelprint.\n";
    };
    output.push('\n');
    let label = |name: &str| format!("{name:<13}");
    let mut field = |name: &str, text: &str| {
        // A digest is never cut, because it may be copied.
        let line = terminal.wrap(&format!("{}{text}", label(name)), 2);
        let (label, text) = line.split_at(label("").len());
        output += &format!("{}{}\n", terminal.paint(FAINT, label), terminal.paint(PLAIN, text));
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
        if let Some(text) = record.text(part, key) {
            field(name, first_words(text));
        }
        if let ("rustc", Some(text)) = (name, &record.cargo) {
            field("cargo", first_words(text));
        }
    }
    let reusable = label("reusable");
    let reusable = (FAINT, &reusable[..]);
    output += &match record.untrusted[..] {
        [] => terminal.line(&[reusable, (GOOD, "yes")]),
        _ => terminal.line(&[reusable, (BAD, "no"), (PLAIN, ": it is never taken for fresh")]),
    };
    for cause in &record.untrusted {
        output += &terminal.line(&[(PLAIN, &label("")), (PLAIN, cause)]);
    }
    let mut parts: BTreeMap<Part, Vec<&Input>> = BTreeMap::new();
    for input in &record.inputs {
        parts.entry(input.key.part).or_default().push(input);
    }
    for (part, inputs) in parts {
        let digest = record.fingerprint.parts.get(&part).map(|digest| short(digest));
        let count = count(inputs.len(), "input");
        let details = format!("  {}  {count}", digest.unwrap_or_default());
        output.push('\n');
        output += &terminal.line(&[(STRONG, part_name(part)), (FAINT, &details)]);
        for input in inputs {
            let (state, name) = row(input, record);
            output += &terminal.line(&[(FAINT, &format!("  {state:<SHORT$}  ")), (NAME, &name)]);
        }
    }
    output
}

/// The short value of an input, and its name. The digest of a variable is not shown, because the
/// value may be a secret.
fn row(input: &Input, record: &Record) -> (String, String) {
    let Input { key, value } = input;
    let name = report::name(key, &record.roots);
    let is_setting = matches!(key.kind, Kind::Variable | Kind::Value);
    match value {
        Value::Absent if key.kind == Kind::Variable => ("unset".into(), name),
        Value::Absent => ("absent".into(), name),
        Value::Sha256(_) if is_setting => ("set".into(), name),
        Value::Sha256(digest) => (short(digest), name),
        Value::Text(text) if is_setting => (String::new(), format!("{name} = {text}")),
        Value::Text(text) if key.kind == Kind::Folder => (text.chars().take(SHORT).collect(), name),
        Value::Text(_) => ("special".into(), name),
        Value::Unreadable(cause) => ("unreadable".into(), format!("{name}: {cause}")),
        Value::Unknown => ("not known".into(), name),
    }
}

/// The first part of a version text, without `rustc `. The output of `rustc -vV` is too long for a
/// line.
fn first_words(text: &str) -> &str {
    let first = text.split([';', '\n']).next().unwrap_or(text);
    let first = first.strip_prefix("rustc ").unwrap_or(first);
    first.strip_prefix("cargo ").unwrap_or(first)
}
