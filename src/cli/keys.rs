//! `wheelprint keys`.

use std::collections::BTreeSet;
use std::path::Path;

use super::open::{OpenedProject, ProjectArguments};
use super::table::{Columns, Row, Text};
use super::terminal::{BAD, GOOD, NAME, PLAIN, Terminal};
use super::{Answer, Context};
use crate::error::{PathContext as _, Result};
use crate::hooks::inspect::Watched;
use crate::hooks::wanted::is_import_checked;
use crate::publish;
use crate::settings::KeyList;
use crate::store::original;
use crate::switch::lines;
use crate::uv::derive::{self, Wanted};
use crate::uv::key_matches::KeyMatches;
use crate::uv::{CacheKey, edit};

/// uv's cache keys: the files that `uv sync` watches
///
/// Without an option they are printed. Keys that people wrote are kept; those below wheelprint's
/// own mark are replaced. The import check sees what the short list leaves out.
#[derive(Debug, clap::Args)]
pub(super) struct Arguments {
    /// Write them into pyproject.toml
    #[arg(long, conflicts_with = "check")]
    write: bool,
    /// Exit with 1 and name each input that no key covers
    #[arg(long)]
    check: bool,
    /// Also variables, files that are not there yet, and folders
    #[arg(long)]
    exhaustive: bool,
    #[command(flatten)]
    projects: ProjectArguments,
}

pub(super) fn run(arguments: &Arguments, context: &Context) -> Result<Answer> {
    let headings = match arguments {
        Arguments { check: true, .. } => vec!["inputs", "no key"],
        Arguments { write: true, .. } => vec!["keys", "pyproject.toml"],
        Arguments { .. } => vec!["keys", "not written"],
    };
    let columns = Columns { headings, footer: None };
    arguments
        .projects
        .each(&columns, false, context, |opened, context| keys(&opened, arguments, context))
}

fn keys(opened: &OpenedProject, arguments: &Arguments, context: &Context) -> Result<Answer> {
    let terminal = &context.terminal;
    let (path, text) = opened.text()?;
    let plain = lines::plain(&text);
    let known = edit::read(&path, &plain)?;
    let (watched, mut wanted) = opened.watched(terminal)?;
    if arguments.exhaustive {
        wanted.list = KeyList::Exhaustive;
    }
    if !watched.exact {
        terminal.note(BEFORE_A_BUILD);
    }
    if arguments.check {
        return check(opened, &watched, &wanted, terminal);
    }
    let edit::Keys { theirs, ours: old } = known.unwrap_or_default();
    warn_of_wide_keys(&wanted, &theirs, terminal);
    let ours = if watched.exact {
        derive::missing(&wanted, &theirs)
    } else {
        // Keep the existing keys: they may come from an earlier build, which knew more inputs.
        let all = [&theirs[..], &old].concat();
        [old.clone(), derive::missing(&wanted, &all)].concat()
    };
    if wanted.list == KeyList::Short && !is_import_checked(&opened.call) {
        terminal.note(NO_IMPORT_CHECK);
    }
    match arguments.write {
        false => Ok(printed(&theirs, &old, &ours)),
        true => {
            let new = lines::restored(&text, &edit::write(&path, &plain, &ours, wanted.list)?);
            let is_new = new != text;
            if is_new {
                write(opened, &path, &text, &new, context)?;
            }
            let written = is_new.then_some(&*path);
            Ok(changes(&old, &ours, theirs.len() + ours.len(), written, context))
        }
    }
}

fn printed(theirs: &[CacheKey], old: &[CacheKey], ours: &[CacheKey]) -> Answer {
    let all = theirs.iter().chain(ours).map(|key| format!("    {},\n", key.text()));
    let text = format!("[tool.uv]\ncache-keys = [\n{}]\n", all.collect::<String>());
    let new = ours.iter().filter(|key| !old.contains(key)).count();
    let total = theirs.len() + ours.len();
    let cells = vec![(PLAIN, total.to_string()), (PLAIN, new.to_string())];
    let below = vec![(PLAIN, text.clone())];
    Answer::said(text).with_row(Row { cells, below })
}

/// Writes the new text of pyproject.toml.
fn write(
    opened: &OpenedProject,
    path: &Path,
    text: &str,
    new: &str,
    context: &Context,
) -> Result<()> {
    // Link the original text to the new text, so that `init --undo` can still restore it.
    if let Some(before) = original::find(&context.environment, opened.root(), text) {
        let _ = original::keep(&context.environment, opened.root(), new, &before);
    }
    publish::replace(path, new.as_bytes()).at(path)
}

/// The keys that were removed and added. `written` is the pyproject.toml, if its text was changed.
fn changes(
    old: &[CacheKey],
    ours: &[CacheKey],
    total: usize,
    written: Option<&Path>,
    context: &Context,
) -> Answer {
    let Some(path) = written else {
        let cells = vec![(PLAIN, total.to_string()), (PLAIN, "nothing to change".to_owned())];
        let output = format!("nothing to change: {total} cache keys\n");
        return Answer::said(output).with_row(Row { cells, below: Vec::new() });
    };
    let gone = old.iter().filter(|key| !ours.contains(key)).map(|key| (BAD, "-", key));
    let added = ours.iter().filter(|key| !old.contains(key)).map(|key| (GOOD, "+", key));
    let below =
        gone.chain(added).map(|(style, sign, key)| (style, format!("{sign} {}", key.text())));
    let below: Vec<Text> = below.collect();
    let lines = below.iter().map(|(style, line)| context.terminal.paint(*style, line) + "\n");
    let output = lines.collect::<String>() + &format!("wrote {}\n", context.shown(path));
    let cells = vec![(PLAIN, total.to_string()), (GOOD, "written".to_owned())];
    Answer::said(output).with_row(Row { cells, below })
}

const NO_IMPORT_CHECK: &str = "no import compares anything (on-stale = \"ignore\", or there is no module), \
                               so nothing sees a change of a variable: `wheelprint keys --exhaustive` \
                               has keys for them";

const BEFORE_A_BUILD: &str = "nothing was built yet, so this is what cargo's manifests tell; a \
                              build may read more";

/// The text of the pyproject.toml in `root` with the missing cache keys added. If `keys --write`
/// has already written keys, the text is unchanged.
pub(super) fn added(context: &Context, root: &Path, text: &str) -> Result<String> {
    let opened = OpenedProject::open_any(root, None, context)?;
    let path = root.join("pyproject.toml");
    let known = edit::read(&path, text)?.unwrap_or_default();
    if !known.ours.is_empty() {
        return Ok(text.to_owned());
    }
    let (_, wanted) = opened.watched(&context.terminal)?;
    edit::write(&path, text, &derive::missing(&wanted, &known.theirs), wanted.list)
}

fn check(
    opened: &OpenedProject,
    watched: &Watched,
    wanted: &Wanted,
    terminal: &Terminal,
) -> Result<Answer> {
    let keys = opened.keys()?;
    let missing = derive::missing(wanted, &keys);
    warn_of_wide_keys(wanted, &keys, terminal);
    let inputs = watched.inputs.len();
    let row = |names: Vec<String>| Row {
        cells: vec![
            (PLAIN, inputs.to_string()),
            (if missing.is_empty() { GOOD } else { BAD }, names.len().to_string()),
        ],
        below: names.into_iter().map(|name| (NAME, name)).collect(),
    };
    if missing.is_empty() {
        let sees = match wanted.list {
            KeyList::Short => {
                "the cache keys cover the project's files, and the import check covers the rest"
            }
            KeyList::Exhaustive => "the cache keys cover all that uv can see",
        };
        let output = format!("{inputs} inputs: {sees}\n");
        return Ok(Answer::said(output).with_row(row(Vec::new())));
    }
    let (before, now) =
        (KeyMatches::new(&wanted.root, &keys), KeyMatches::new(&wanted.root, &missing));
    let absent = wanted.absent.iter().filter(|path| wanted.names_absent(path));
    let uncovered = wanted.files.iter().chain(absent);
    let uncovered =
        uncovered.filter(|path| before.key_of(path).is_none() && now.key_of(path).is_some());
    let mut named: BTreeSet<String> = uncovered.filter_map(|path| wanted.name(path)).collect();
    named.extend(missing.iter().filter_map(|key| match key {
        CacheKey::Environment { env } => Some(env.clone()),
        CacheKey::Directory { dir } => Some(dir.clone()),
        CacheKey::Path(_) | CacheKey::File { .. } | CacheKey::Git { .. } => None,
    }));
    let mut output = String::new();
    for name in &named {
        output += &format!("{}: no cache key covers it\n", terminal.paint(NAME, name));
    }
    output += "run `wheelprint keys --write`\n";
    Ok(Answer::said(output).with_row(row(named.into_iter().collect())).with_code(1))
}

/// Warns about keys that match the outputs of builds. With such keys uv calls the backend after
/// each build, and walks the whole output folder each time.
fn warn_of_wide_keys(wanted: &Wanted, theirs: &[CacheKey], terminal: &Terminal) {
    let seen = KeyMatches::new(&wanted.root, theirs);
    let mut folders: Vec<_> = wanted.made.iter().cloned().collect();
    folders.push(wanted.root.join(".venv"));
    for (key, path) in seen.made(&folders) {
        let name = wanted.name(path).unwrap_or_default();
        terminal.warn(&format!(
            "{} matches {name}, which a build writes: uv will look at it again and again",
            key.text()
        ));
    }
}
