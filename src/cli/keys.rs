//! `wheelprint keys`.

use std::collections::BTreeSet;
use std::path::Path;

use super::open::{OpenedProject, ProjectArguments};
use super::terminal::{BAD, GOOD, NAME, Terminal};
use super::{Answer, Context};
use crate::error::{PathContext as _, Result};
use crate::hooks::inspect::Watched;
use crate::publish;
use crate::store::original;
use crate::switch::lines;
use crate::uv::derive::{self, Wanted};
use crate::uv::key_matches::KeyMatches;
use crate::uv::{CacheKey, edit};

/// The exact uv cache keys
///
/// Without an option they are printed. Keys that people wrote are kept; those below wheelprint's
/// own mark are replaced.
#[derive(Debug, clap::Args)]
pub(super) struct Arguments {
    /// Write them into pyproject.toml
    #[arg(long, conflicts_with = "check")]
    write: bool,
    /// Exit with 1 and name each input that no key covers
    #[arg(long)]
    check: bool,
    #[command(flatten)]
    projects: ProjectArguments,
}

pub(super) fn run(arguments: &Arguments, context: &Context) -> Result<Answer> {
    arguments.projects.each(false, context, |opened| keys(&opened, arguments, context))
}

fn keys(opened: &OpenedProject, arguments: &Arguments, context: &Context) -> Result<Answer> {
    let terminal = &context.terminal;
    let (path, text) = opened.text()?;
    let plain = lines::plain(&text);
    let known = edit::read(&path, &plain)?;
    let (watched, wanted) = opened.watched(terminal)?;
    if !watched.exact {
        terminal.note(BEFORE_A_BUILD);
    }
    if arguments.check {
        return check(&opened.keys()?, &watched, &wanted, terminal);
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
    if !arguments.write {
        let all = theirs.iter().chain(&ours).map(|key| format!("    {},\n", key.text()));
        let all: String = all.collect();
        return Ok(Answer::said(format!("[tool.uv]\ncache-keys = [\n{all}]\n")));
    }
    let new = lines::restored(&text, &edit::write(&path, &plain, &ours)?);
    if new == text {
        let count = theirs.len() + ours.len();
        return Ok(Answer::said(format!("nothing to change: {count} cache keys\n")));
    }
    // Link the original text to the new text, so that `init --undo` can still restore it.
    if let Some(before) = original::find(&context.environment, opened.root(), &text) {
        let _ = original::keep(&context.environment, opened.root(), &new, &before);
    }
    publish::replace(&path, new.as_bytes()).at(&path)?;
    let gone = old.iter().filter(|key| !ours.contains(key)).map(|key| (BAD, "-", key));
    let added = ours.iter().filter(|key| !old.contains(key)).map(|key| (GOOD, "+", key));
    let mut output = String::new();
    for (style, sign, key) in gone.chain(added) {
        output += &terminal.paint(style, format_args!("{sign} {}", key.text()));
        output.push('\n');
    }
    Ok(Answer::said(output + &format!("wrote {}\n", context.shown(&path))))
}

const BEFORE_A_BUILD: &str = "note: nothing was built yet, so this is what cargo's manifests tell; \
                              after the first build the keys are exact";

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
    edit::write(&path, text, &derive::missing(&wanted, &known.theirs))
}

fn check(
    keys: &[CacheKey],
    watched: &Watched,
    wanted: &Wanted,
    terminal: &Terminal,
) -> Result<Answer> {
    let missing = derive::missing(wanted, keys);
    warn_of_wide_keys(wanted, keys, terminal);
    if missing.is_empty() {
        let count = watched.inputs.len();
        return Ok(Answer::said(format!("{count} inputs, and uv sees all that it can\n")));
    }
    let now = KeyMatches::new(&wanted.root, &missing);
    let paths = watched.inputs.iter().filter_map(|seen| seen.path.as_ref()).chain(&wanted.absent);
    let uncovered = paths.filter(|path| now.key_of(path).is_some());
    let mut named: BTreeSet<String> = uncovered.filter_map(|path| wanted.name(path)).collect();
    named.extend(missing.iter().filter_map(|key| match key {
        CacheKey::Environment { env } => Some(env.clone()),
        CacheKey::Directory { dir } => Some(dir.clone()),
        CacheKey::Path(_) | CacheKey::File { .. } | CacheKey::Git { .. } => None,
    }));
    let mut output = String::new();
    for name in named {
        output += &format!("{}: no cache key covers it\n", terminal.paint(NAME, name));
    }
    Ok(Answer::said(output + "run `wheelprint keys --write`\n").with_code(1))
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
