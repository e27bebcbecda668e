//! `wheelprint keys`.

use std::collections::BTreeSet;
use std::path::Path;

use super::open::Opened;
use super::packages::Packages;
use super::place::Where;
use super::terminal::{self, Terminal};
use super::{Answer, Context};
use crate::error::{PathContext as _, Result};
use crate::hooks::inspect::{self, Watched};
use crate::hooks::wanted::wanted;
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
    packages: Packages,
    #[command(flatten)]
    place: Where,
}

/// Runs `wheelprint keys`.
///
/// # Errors
/// The folder is no project, its cache keys have a form that uv does not accept, or nothing was
/// built yet and cargo cannot be asked.
pub(super) fn run(arguments: &Arguments, context: &Context) -> Result<Answer> {
    let one = |place: &Where| in_folder(place, arguments, context);
    arguments.packages.each(false, &arguments.place, context, one)
}

fn in_folder(place: &Where, arguments: &Arguments, context: &Context) -> Result<Answer> {
    let opened = Opened::open(place, context)?;
    let (path, text) = opened.text()?;
    let plain = lines::plain(&text);
    let known = edit::read(&path, &plain)?;
    let watched = looked_at(&opened, &context.terminal)?;
    let wanted = wanted(&opened.call, &watched);
    if !watched.exact {
        context.terminal.note(BEFORE_A_BUILD);
    }
    if arguments.check {
        return check(&opened, &watched, &wanted, &context.terminal);
    }
    let keys = known.unwrap_or_default();
    warn_of_wide_keys(&wanted, &keys.theirs, &context.terminal);
    let ours = if watched.exact {
        derive::missing(&wanted, &keys.theirs)
    } else {
        // Keep the existing keys: they may come from an earlier build, which knew more inputs.
        let all = [keys.theirs.clone(), keys.ours.clone()].concat();
        [keys.ours.clone(), derive::missing(&wanted, &all)].concat()
    };
    if !arguments.write {
        let all: Vec<CacheKey> = [keys.theirs, ours].concat();
        return Ok(Answer::said(listing(&all)));
    }
    let new = lines::restored(&text, &edit::write(&path, &plain, &ours)?);
    if new == text {
        let count = keys.theirs.len() + ours.len();
        return Ok(Answer::said(format!("nothing to change: {count} cache keys\n")));
    }
    // Link the original text to the new text, so that `init --undo` can still restore it.
    if let Some(before) = original::find(&context.environment, opened.root(), &text) {
        let _ = original::keep(&context.environment, opened.root(), &new, &before);
    }
    publish::replace(&path, new.as_bytes()).at(&path)?;
    let mut output = String::new();
    let paint = |style, sign: &str, key: &CacheKey| {
        format!("{}\n", context.terminal.paint(style, format_args!("{sign} {}", key.text())))
    };
    for key in keys.ours.iter().filter(|key| !ours.contains(key)) {
        output.push_str(&paint(terminal::BAD, "-", key));
    }
    for key in ours.iter().filter(|key| !keys.ours.contains(key)) {
        output.push_str(&paint(terminal::GOOD, "+", key));
    }
    let name = crate::inputs::relative(&context.folder, &path);
    let name = name.unwrap_or_else(|| path.to_string_lossy().into_owned());
    output.push_str(&format!("wrote {name}\n"));
    Ok(Answer::said(output))
}

const BEFORE_A_BUILD: &str = "note: nothing was built yet, so this is what cargo's manifests tell; \
                              after the first build the keys are exact";

/// The text of the pyproject.toml in `root` with the missing cache keys added. If `keys --write`
/// has already written keys, the text is unchanged.
///
/// # Errors
/// The text is no TOML, or cargo cannot be asked which files belong to the project.
pub(super) fn added(context: &Context, root: &Path, text: &str) -> Result<String> {
    let place = Where { dir: root.to_owned(), python: None };
    let opened = Opened::open_any(&place, context)?;
    let path = root.join("pyproject.toml");
    let known = edit::read(&path, text)?.unwrap_or_default();
    if !known.ours.is_empty() {
        return Ok(text.to_owned());
    }
    let watched = looked_at(&opened, &context.terminal)?;
    let wanted = wanted(&opened.call, &watched);
    edit::write(&path, text, &derive::missing(&wanted, &known.theirs))
}

fn looked_at(opened: &Opened, terminal: &Terminal) -> Result<Watched> {
    let _progress = terminal.progress("looking at the sources");
    inspect::watched(&opened.call, opened.record())
}

fn check(
    opened: &Opened,
    watched: &Watched,
    wanted: &Wanted,
    terminal: &Terminal,
) -> Result<Answer> {
    let (keys, _) = opened.keys()?;
    let missing = derive::missing(wanted, &keys);
    warn_of_wide_keys(wanted, &keys, terminal);
    if missing.is_empty() {
        let count = watched.inputs.len();
        return Ok(Answer::said(format!("{count} inputs, and uv sees all that it can\n")));
    }
    let mut output = String::new();
    let now = KeyMatches::new(&wanted.root, &missing);
    let mut named = BTreeSet::new();
    let paths = watched.inputs.iter().filter_map(|seen| seen.path.as_ref());
    let uncovered = paths.filter(|path| now.key_of(path).is_some());
    named.extend(uncovered.filter_map(|path| wanted.name(path)));
    let by_absence = wanted.absent.iter().filter(|path| now.key_of(path).is_some());
    named.extend(by_absence.filter_map(|path| wanted.name(path)));
    named.extend(missing.iter().filter_map(|key| match key {
        CacheKey::Environment { env } => Some(env.clone()),
        CacheKey::Directory { dir } => Some(dir.clone()),
        CacheKey::Path(_) | CacheKey::File { .. } | CacheKey::Git { .. } => None,
    }));
    for name in named {
        let name = terminal.paint(terminal::NAME, name);
        output.push_str(&format!("{name}: no cache key covers it\n"));
    }
    output.push_str("run `wheelprint keys --write`\n");
    Ok(Answer::said(output).with_code(1))
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

fn listing(keys: &[CacheKey]) -> String {
    let mut lines = vec!["[tool.uv]".to_owned(), "cache-keys = [".to_owned()];
    lines.extend(keys.iter().map(|key| format!("    {},", key.text())));
    lines.push("]\n".to_owned());
    lines.join("\n")
}
