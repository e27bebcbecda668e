//! `wheelprint explain`.

use std::collections::BTreeMap;

use anstyle::Style;
use serde_json::{Value as Json, json};

use super::open::{OpenedProject, ProjectArguments};
use super::table::{self, Columns};
use super::terminal::{BAD, FAINT, GOOD, PLAIN, STRONG, Terminal, short};
use super::{Answer, Context};
use crate::error::Result;
use crate::fingerprint::{Observation as Input, Value, part_name};
use crate::hooks::inspect::Watched;
use crate::inputs::{Kind, Part, Root, Watch, environment};
use crate::report;
use crate::settings::KeyList;
use crate::uv::CacheKey;
use crate::uv::derive::Wanted;
use crate::uv::key_matches::KeyMatches;

/// List every input with its value, the tool that reads it, and its cache key
///
/// For several packages it counts the inputs of each, and names those that no key covers.
#[derive(Debug, clap::Args)]
pub(super) struct Arguments {
    /// Print JSON (the page "JSON" of the documentation describes it)
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    projects: ProjectArguments,
}

pub(super) fn run(arguments: &Arguments, context: &Context) -> Result<Answer> {
    let columns = Columns {
        headings: vec!["inputs", "no key", "parts"],
        footer: Some("`wheelprint explain --package NAME` lists the inputs of one package."),
    };
    let one = |opened: OpenedProject, context: &Context| explain(&opened, arguments.json, context);
    arguments.projects.each(&columns, arguments.json, context, one)
}

fn explain(opened: &OpenedProject, json: bool, context: &Context) -> Result<Answer> {
    opened.warn_of_unmatched_inputs(context);
    let (watched, wanted) = opened.watched(&context.terminal)?;
    let keys = opened.keys()?;
    let seen = KeyMatches::new(&wanted.root, &keys);
    let rows = watched.inputs.iter().map(|input| {
        let (key, why_not) = cover(input, &wanted, &seen);
        let name = report::name(&input.key, &watched.names);
        Row { input, name, reader: reader(input, &watched), key: key.map(CacheKey::text), why_not }
    });
    let rows: Vec<Row> = rows.collect();
    if !json {
        let output = text(&rows, &watched, &context.terminal);
        return Ok(Answer::said(output).with_row(counts(&rows, &watched)));
    }
    Ok(Answer::json(json!({
        "schema": 1,
        "project": { "name": opened.call.project().name, "root": opened.root() },
        "exact": watched.exact,
        "tied": tied(&watched),
        "inputs": rows.iter().map(Row::json).collect::<Json>(),
    })))
}

/// The reason if a key could be added.
const MISSING: &str = "no key covers it";
const LEFT_OUT: &str = "import check";

struct Row<'a> {
    input: &'a Input,
    name: String,
    reader: &'static str,
    key: Option<String>,
    /// Why no key covers it: [`MISSING`], or why none could.
    why_not: &'static str,
}

impl Row<'_> {
    /// The current value in short form.
    fn state(&self) -> String {
        match &self.input.value {
            Value::Absent if self.input.key.kind == Kind::Variable => "unset".to_owned(),
            Value::Absent => "absent".to_owned(),
            Value::Sha256(digest) if self.may_be_seen() => short(digest),
            Value::Sha256(_) => "set".to_owned(),
            Value::Text(text) => text.split(' ').take(2).collect::<Vec<_>>().join(" "),
            Value::Unreadable(_) => "unreadable".to_owned(),
            Value::Unknown => "not in the environment".to_owned(),
        }
    }

    /// Whether the digest may be printed. Variables and settings are short, so they could be
    /// guessed from their digest.
    fn may_be_seen(&self) -> bool {
        self.input.key.part != Part::Environment && self.input.key.kind != Kind::Value
    }

    /// The key that covers it, or why none does.
    fn cover(&self) -> (Style, String) {
        match &self.key {
            Some(key) => (GOOD, key.clone()),
            None if self.why_not == MISSING => (BAD, MISSING.to_owned()),
            None => (FAINT, format!("- ({})", self.why_not)),
        }
    }

    fn json(&self) -> Json {
        let key = &self.input.key;
        let value = match &self.input.value {
            Value::Absent => json!("absent"),
            Value::Sha256(digest) if self.may_be_seen() => json!({ "sha256": digest }),
            Value::Sha256(_) => json!("set"),
            Value::Text(text) => json!({ "text": text }),
            Value::Unreadable(cause) => json!({ "unreadable": cause }),
            Value::Unknown => json!("unknown"),
        };
        json!({
            "part": part_name(key.part),
            "kind": key.kind,
            "name": self.name,
            "package": key.root.as_ref().and_then(Root::package),
            "value": value,
            "reader": self.reader,
            "key": self.key,
            "no-key-because": self.key.is_none().then_some(self.why_not),
        })
    }
}

/// The key that covers the input, and the reason if there is none.
fn cover<'a>(
    input: &Input,
    wanted: &Wanted,
    seen: &KeyMatches<'a>,
) -> (Option<&'a CacheKey>, &'static str) {
    let name = input.key.name.as_str();
    let is_short = wanted.list == KeyList::Short;
    match (&input.path, input.key.kind) {
        (Some(path), kind) => {
            let is_file = matches!(kind, Kind::File | Kind::Toml);
            let is_made = wanted.made.iter().any(|made| path.starts_with(made));
            let is_outside = wanted.name(path).is_none();
            let is_place = wanted.places.contains(path) && !is_outside;
            let is_left_out = match &input.value {
                Value::Absent => !wanted.names_absent(path),
                _ => is_place && is_short,
            };
            let why_not = match is_file {
                true if is_made => "builds write it",
                true if is_outside => "it lies outside of the checkout",
                false if !is_place => "uv looks at files",
                _ if is_left_out => LEFT_OUT,
                _ => MISSING,
            };
            if is_file && (is_made || !is_place) {
                (seen.key_of(path), why_not)
            } else {
                (seen.key_of_folder(&wanted.root, path), why_not)
            }
        }
        (None, Kind::Variable) => {
            let why_not = match name {
                _ if wanted.variables.contains(name) && is_short => LEFT_OUT,
                _ if wanted.variables.contains(name) => MISSING,
                _ if environment::counts_at_import(name) => "one of a family",
                _ => "set for builds alone",
            };
            (seen.key_of_variable(name), why_not)
        }
        (None, _) if name == "python" => (None, "uv compares it itself"),
        (None, _) if name.starts_with("config setting") => (None, "uv compares it itself"),
        (None, _) => (None, "no file, no variable"),
    }
}

/// Which program reads the input, judged by its name and the watch that found it.
fn reader(input: &Input, watched: &Watched) -> &'static str {
    let key = &input.key;
    let is_rust = key.name.ends_with(".rs");
    match key.part {
        Part::Rust if key.name.ends_with("build.rs") => "cargo",
        Part::Rust if ["cbindgen.toml", "uniffi.toml"].iter().any(|name| key.name == *name) => {
            "maturin"
        }
        Part::Rust if watched.watches.iter().any(|watch| is_extra(watch, input, watched)) => {
            "extra-inputs"
        }
        Part::Rust if is_rust => "rustc",
        Part::Rust => "rustc, build script",
        Part::Manifest if key.name.starts_with("pyproject.toml") => "maturin",
        Part::Manifest => "cargo",
        Part::Python | Part::Metadata => "maturin",
        Part::Environment if environment::is_well_known(&key.name) => "cargo, build script",
        Part::Environment => "rustc, build script",
        Part::Toolchain if key.kind == Kind::Toml => "rustup",
        Part::Toolchain | Part::Request => "wheelprint",
    }
}

fn is_extra(watch: &Watch, input: &Input, watched: &Watched) -> bool {
    let Watch::Glob { part: Part::Rust, root, glob, .. } = watch else { return false };
    let glob = globset::GlobBuilder::new(glob).literal_separator(true).build();
    let (Ok(glob), Some(path), Some(root)) = (glob, &input.path, watched.roots.get(root)) else {
        return false;
    };
    let relative = path.strip_prefix(root);
    watched.exact && relative.is_ok_and(|path| glob.compile_matcher().is_match(path))
}

fn text(rows: &[Row], watched: &Watched, terminal: &Terminal) -> String {
    let widest = |column: fn(&Row) -> usize| rows.iter().map(column).max().unwrap_or_default();
    let name = widest(|row| row.name.chars().count()).min(48);
    let state = widest(|row| row.state().chars().count()).min(24);
    let reader = widest(|row| row.reader.chars().count());
    let cells = |one: &str, two: &str, three: &str| {
        format!("  {one:<name$}  {two:<state$}  {three:<reader$}  ")
    };
    let cover = widest(|row| row.cover().1.chars().count());
    // A line that does not fit would lose the key, which is asked for.
    let is_narrow = name + state + reader + cover + 8 > terminal.width;
    let head = if is_narrow {
        "  input  now\n    read by: cache key".into()
    } else {
        cells("input", "now", "read by") + "cache key"
    };
    let mut output = format!("{}\n", terminal.paint(FAINT, head));
    let mut part = None;
    for row in rows {
        if part.replace(row.input.key.part) != Some(row.input.key.part) {
            output.push('\n');
            output += &terminal.line(&[(STRONG, part_name(row.input.key.part))]);
        }
        let (style, cover) = row.cover();
        if is_narrow {
            output += &terminal.line(&[(PLAIN, &format!("  {}  {}", row.name, row.state()))]);
            let below = terminal.wrap(&format!("    {}: {cover}", row.reader), 6);
            output += &format!("{}\n", terminal.paint(style, below));
        } else {
            let start = cells(&row.name, &row.state(), row.reader);
            output += &terminal.line(&[(PLAIN, &start), (style, &cover)]);
        }
    }
    if !watched.exact {
        output += &format!("\n{BEFORE_A_BUILD}\n");
    }
    if watched.lacks_wheel {
        output += &format!("\n{WITHOUT_WHEEL}\n");
    }
    let tied = tied(watched);
    if !tied.is_empty() {
        output += &format!("\n{TIED}\n");
    }
    for reason in tied {
        output += &terminal.line(&[(PLAIN, &format!("  {reason}"))]);
    }
    output
}

/// Why only this tree can use the build, in words.
fn tied(watched: &Watched) -> Vec<String> {
    watched.tied.iter().map(|tied| report::tied(tied, &watched.names)).collect()
}

const TIED: &str =
    "Only this tree can use the build (page \"Workspaces\", section \"Many trees\"):";

const BEFORE_A_BUILD: &str = "Nothing was built yet: this is what cargo's manifests tell.";

const WITHOUT_WHEEL: &str = "The stored wheel is missing: the next build makes it again.";

/// The number of inputs, and those that no key covers.
fn counts(rows: &[Row], watched: &Watched) -> table::Row {
    let mut parts: BTreeMap<Part, usize> = BTreeMap::new();
    for row in rows {
        *parts.entry(row.input.key.part).or_default() += 1;
    }
    let parts = parts.iter().map(|(part, count)| format!("{} {count}", part_name(*part)));
    let missing = rows.iter().filter(|row| row.key.is_none() && row.why_not == MISSING);
    let missing: Vec<String> = missing.map(|row| format!("{}: {MISSING}", row.name)).collect();
    let style = if missing.is_empty() { GOOD } else { BAD };
    let cells = vec![
        (PLAIN, rows.len().to_string()),
        (style, missing.len().to_string()),
        (FAINT, parts.collect::<Vec<_>>().join(", ")),
    ];
    let notes = [(!watched.exact, BEFORE_A_BUILD), (watched.lacks_wheel, WITHOUT_WHEEL)];
    let notes = notes.into_iter().filter(|(is_so, _)| *is_so).map(|(_, note)| note.to_owned());
    let below = missing.into_iter().chain(notes).map(|text| (PLAIN, text));
    table::Row { cells, below: below.collect() }
}
