//! `wheelprint explain`.

use serde_json::{Value as Json, json};

use super::open::Opened;
use super::packages::Packages;
use super::place::Where;
use super::terminal::{self, Terminal};
use super::{Answer, Context};
use crate::error::Result;
use crate::fingerprint::{Value, part_name};
use crate::hooks::inspect::{self, Seen as Input, Watched};
use crate::hooks::wanted::wanted;
use crate::inputs::{Kind, Part, Watch, environment};
use crate::report;
use crate::uv::derive::Wanted;
use crate::uv::seen::Seen;

/// Every input: what it is, who reads it, which key covers it
#[derive(Debug, clap::Args)]
pub(super) struct Arguments {
    /// Print JSON (docs/json.md)
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    packages: Packages,
    #[command(flatten)]
    place: Where,
}

/// Runs `wheelprint explain`.
///
/// # Errors
/// The folder is no project, its cache keys have a form that uv does not accept, or nothing was
/// built yet and cargo cannot be asked.
pub(super) fn run(arguments: &Arguments, context: &Context) -> Result<Answer> {
    let one = |place: &Where| in_folder(place, arguments, context);
    arguments.packages.each(arguments.json, &arguments.place, context, one)
}

fn in_folder(place: &Where, arguments: &Arguments, context: &Context) -> Result<Answer> {
    let opened = Opened::open(place, context)?;
    opened.warn_of_unmatched_inputs(context);
    let progress = context.terminal.progress("looking at the sources");
    let watched = inspect::watched(&opened.call, opened.record())?;
    drop(progress);
    let (keys, _) = opened.keys()?;
    let wanted = wanted(&opened.call, &watched);
    let seen = Seen::new(&wanted.root, &keys);
    let rows: Vec<Row> =
        watched.inputs.iter().map(|input| Row::new(input, &watched, &wanted, &seen)).collect();
    if arguments.json {
        let inputs: Vec<Json> = rows.iter().map(Row::json).collect();
        return Ok(Answer::json(&json!({
            "schema": 1,
            "project": { "name": opened.call.project().name, "root": opened.root() },
            "exact": watched.exact,
            "inputs": inputs,
        })));
    }
    Ok(Answer::said(table(&rows, &watched, &context.terminal)))
}

/// Whether uv's cache keys cover an input.
enum Cover {
    Key(String),
    Missing,
    /// No key could cover it, for this reason.
    Never(&'static str),
}

struct Row<'a> {
    input: &'a Input,
    name: String,
    reader: &'static str,
    cover: Cover,
}

impl<'a> Row<'a> {
    fn new(input: &'a Input, watched: &Watched, wanted: &Wanted, seen: &Seen) -> Self {
        Self {
            input,
            name: report::name(&input.key, &watched.names),
            reader: reader(input, watched),
            cover: cover(input, wanted, seen),
        }
    }

    /// The current value in short form.
    fn state(&self) -> String {
        match &self.input.value {
            Value::Absent if self.input.key.kind == Kind::Variable => "unset".to_owned(),
            Value::Absent => "absent".to_owned(),
            Value::Sha256(digest) if self.may_be_seen() => digest.chars().take(12).collect(),
            Value::Sha256(_) => "set".to_owned(),
            Value::Text(text) => text.split(' ').take(2).collect::<Vec<_>>().join(" "),
            Value::Unreadable(_) => "unreadable".to_owned(),
            Value::Unknown => "unknown".to_owned(),
        }
    }

    /// Whether the digest may be printed. Variables and settings are short, so they could be
    /// guessed from their digest.
    fn may_be_seen(&self) -> bool {
        self.input.key.part != Part::Environment && self.input.key.kind != Kind::Value
    }

    fn json(&self) -> Json {
        let key = &self.input.key;
        let (covered, why) = match &self.cover {
            Cover::Key(key) => (Some(key), None),
            Cover::Missing => (None, Some("no key covers it")),
            Cover::Never(why) => (None, Some(*why)),
        };
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
            "package": key.root.strip_prefix("crate:"),
            "value": value,
            "reader": self.reader,
            "key": covered,
            "no-key-because": why,
        })
    }
}

fn cover(input: &Input, wanted: &Wanted, seen: &Seen) -> Cover {
    let key = |found: Option<&crate::uv::CacheKey>, otherwise: Cover| {
        found.map_or(otherwise, |key| Cover::Key(key.text()))
    };
    match (&input.path, input.key.kind) {
        (Some(path), Kind::File | Kind::Toml) => {
            let otherwise = if wanted.made.iter().any(|made| path.starts_with(made)) {
                Cover::Never("builds write it")
            } else if wanted.name(path).is_none() {
                Cover::Never("it lies outside of the checkout")
            } else if wanted.places.contains(path) {
                return key(seen.key_of_folder(&wanted.root, path), Cover::Missing);
            } else {
                Cover::Missing
            };
            key(seen.key_of(path), otherwise)
        }
        (Some(path), _) => {
            let found = seen.key_of_folder(&wanted.root, path);
            let is_place = wanted.places.contains(path) && wanted.name(path).is_some();
            let otherwise =
                if is_place { Cover::Missing } else { Cover::Never("uv looks at files") };
            key(found, otherwise)
        }
        (None, Kind::Variable) => {
            let name = &input.key.name;
            let otherwise = if wanted.variables.contains(name) {
                Cover::Missing
            } else if environment::counts_at_import(name) {
                Cover::Never("one of a family")
            } else {
                Cover::Never("set for builds alone")
            };
            key(seen.key_of_variable(name), otherwise)
        }
        (None, _) => match input.key.name.as_str() {
            "python" => Cover::Never("uv compares environments itself"),
            name if name.starts_with("config setting") => Cover::Never("uv compares it itself"),
            _ => Cover::Never("no file, no variable"),
        },
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
    match watch {
        Watch::Glob { part: Part::Rust, root, glob } => {
            let folder = watched.roots.get(root);
            let relative = input
                .path
                .as_ref()
                .zip(folder)
                .and_then(|(path, root)| path.strip_prefix(root).ok());
            let glob = globset::GlobBuilder::new(glob).literal_separator(true).build().ok();
            glob.zip(relative).is_some_and(|(glob, path)| glob.compile_matcher().is_match(path))
                && watched.exact
        }
        _ => false,
    }
}

fn table(rows: &[Row], watched: &Watched, terminal: &Terminal) -> String {
    let mut output = String::new();
    let widest = |column: fn(&Row) -> usize| rows.iter().map(column).max().unwrap_or_default();
    let name = widest(|row| row.name.chars().count()).min(48);
    let state = widest(|row| row.state().chars().count()).min(24);
    let reader = widest(|row| row.reader.chars().count());
    let head =
        format!("  {:<name$}  {:<state$}  {:<reader$}  cache key", "input", "now", "read by");
    output.push_str(&terminal.paint(terminal::FAINT, terminal.cut(&head)));
    output.push_str("\n\n");
    let mut part = None;
    for row in rows {
        if part != Some(row.input.key.part) {
            if part.is_some() {
                output.push('\n');
            }
            part = Some(row.input.key.part);
            let heading = part_name(row.input.key.part);
            output.push_str(&terminal.paint(terminal::STRONG, heading));
            output.push('\n');
        }
        let (style, cover) = match &row.cover {
            Cover::Key(key) => (terminal::GOOD, key.clone()),
            Cover::Missing => (terminal::BAD, "no key covers it".to_owned()),
            Cover::Never(why) => (terminal::FAINT, format!("- ({why})")),
        };
        let line =
            format!("  {:<name$}  {:<state$}  {:<reader$}  ", row.name, row.state(), row.reader);
        let room = terminal.width.saturating_sub(line.chars().count());
        if cover.chars().count() <= room {
            output.push_str(&terminal.cut(&line));
            output.push_str(&terminal.paint(style, cover));
        } else {
            output.push_str(&terminal.cut(&format!("{line}{cover}")));
        }
        output.push('\n');
    }
    if !watched.exact {
        output.push_str("\nNothing was built yet: this is what cargo's manifests tell.\n");
    }
    output
}
