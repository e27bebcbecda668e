//! `wheelprint cache`.

use std::path::PathBuf;
use std::time::{SystemTime, UNIX_EPOCH};

use clap::Subcommand;
use serde_json::{Value, json};

use super::terminal::{FAINT, NAME, NOTICE, PLAIN, STRONG, count, size};
use super::{Answer, Context};
use crate::error::{Error, Result};
use crate::log::escape_controls;
use crate::store::{Cache, Freed, ProjectUsage, TreeUsage};

/// The store: where it is, what is in it, and removing it
#[derive(Debug, clap::Args)]
pub(super) struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Print the store's folder
    Dir,
    /// List the builds and trees of each project, with their sizes
    Info {
        /// Print JSON (the page "JSON" of the documentation describes it)
        #[arg(long)]
        json: bool,
    },
    /// Remove files of deleted trees, and files that nobody needs any more
    Prune,
    /// Remove all builds of a project, and this tree's own files
    Clean {
        /// The folder of one tree of the project; the working directory if none is given
        dir: Option<PathBuf>,
        /// Remove everything of all projects
        #[arg(long, conflicts_with = "dir")]
        all: bool,
        /// Do not ask before --all removes everything
        #[arg(long, short)]
        yes: bool,
    },
}

pub(super) fn run(arguments: &Arguments, context: &Context) -> Result<Answer> {
    let cache = Cache::at(&context.environment)?;
    let freed = match &arguments.command {
        Command::Dir => return Ok(Answer::data(format!("{}\n", cache.folder.display()))),
        Command::Info { json } => return info(&cache, *json, context),
        Command::Prune => {
            let progress = context.terminal.progress("pruning");
            let freed = cache.prune()?;
            drop(progress);
            for root in &freed.busy {
                let root = escape_controls(&root.to_string_lossy());
                context.terminal.warn(&format!("{root} is being built, and was left alone"));
            }
            freed
        }
        Command::Clean { all: true, yes, .. } => {
            if !yes {
                confirm(&cache, context)?;
            }
            let _progress = context.terminal.progress("cleaning");
            cache.clean_all()?
        }
        Command::Clean { dir, .. } => {
            let root = context.path(dir.as_deref().unwrap_or(".".as_ref()));
            let _progress = context.terminal.progress("cleaning");
            let freed = cache.clean(&root)?;
            if freed == Freed::default() {
                let root = escape_controls(&root.to_string_lossy());
                return Ok(Answer::said(format!("Nothing is kept for {root}.\n")));
            }
            freed
        }
    };
    Ok(Answer::said(removed(&freed)))
}

fn confirm(cache: &Cache, context: &Context) -> Result<()> {
    let (kept, _, total) = usage(cache)?;
    let question = format!(
        "Everything of {} in {} will be removed, {}. Go on?",
        count(kept.len(), "project"),
        cache.folder.display(),
        size(total)
    );
    let cause = match context.terminal.can_ask() {
        false => "nobody can be asked",
        true if context.terminal.ask(&question) => return Ok(()),
        true => "nothing was removed",
    };
    Err(Error::Missing {
        name: "cache clean --all".to_owned(),
        cause: cause.to_owned(),
        hint: "--yes removes it without a question".to_owned(),
    })
}

fn removed(freed: &Freed) -> String {
    let Freed { projects, trees, builds, others, bytes, busy: _ } = freed;
    let numbers = [*projects, *trees, *builds, *others];
    let parts: Vec<String> = numbers
        .into_iter()
        .zip(["project", "tree", "build", "other file"])
        .filter(|(number, _)| *number > 0)
        .map(|(number, what)| count(number, what))
        .collect();
    if parts.is_empty() {
        return "Nothing to remove.\n".to_owned();
    }
    format!("Removed {}: {}.\n", parts.join(", "), size(*bytes))
}

/// The projects, the size of the files that belong to no single project, and the whole size.
fn usage(cache: &Cache) -> Result<(Vec<ProjectUsage>, u64, u64)> {
    let (kept, shared) = (cache.projects()?, cache.shared_bytes());
    let total = kept.iter().map(|kept| kept.bytes).sum::<u64>() + shared;
    Ok((kept, shared, total))
}

fn info(cache: &Cache, json: bool, context: &Context) -> Result<Answer> {
    let (kept, shared, total) = usage(cache)?;
    if json {
        return Ok(Answer::json(json!({
            "schema": 1,
            "folder": cache.folder.to_string_lossy(),
            "projects": kept.iter().map(as_json).collect::<Value>(),
            "shared-bytes": shared,
            "bytes": total,
            "interpreters": cache.interpreters(),
        })));
    }
    let terminal = &context.terminal;
    let mut output = terminal.line(&[(STRONG, &cache.folder.to_string_lossy())]);
    if kept.is_empty() && shared == 0 {
        return Ok(Answer::said(output + "The store is empty.\n"));
    }
    let now = SystemTime::now();
    let row = |kept: &ProjectUsage| {
        let used = kept.used.map_or_else(|| "never".to_owned(), |used| age(used, now));
        [count(kept.builds, "build"), size(kept.bytes), used]
    };
    let rows: Vec<[String; 3]> = kept.iter().map(row).collect();
    let [first, second, third] = [0, 1, 2]
        .map(|column| rows.iter().map(|row| row[column].chars().count()).max().unwrap_or_default());
    if !rows.is_empty() {
        output.push('\n');
    }
    for (kept, [builds, bytes, used]) in kept.iter().zip(&rows) {
        output += &terminal.line(&[(NAME, &kept.name)]);
        let cells = format!("  {builds:>first$}  {bytes:>second$}  {used:<third$}");
        output += &terminal.line(&[(PLAIN, &cells)]);
        for tree in &kept.trees {
            let path = tree.root.as_ref().unwrap_or(&tree.folder).to_string_lossy();
            let gone = if exists(tree) { "" } else { " (gone)" };
            output += &terminal.line(&[(PLAIN, "  "), (FAINT, &path), (NOTICE, gone)]);
        }
    }
    let projects = format!("{}, ", count(kept.len(), "project"));
    let shared = format!(" ({} of it shared)", size(shared));
    let sum = terminal.line(&[(PLAIN, &projects), (STRONG, &size(total)), (FAINT, &shared)]);
    Ok(Answer::said(output + "\n" + &sum))
}

fn as_json(kept: &ProjectUsage) -> Value {
    // Without `..`, a new field does not compile until it is printed or left out on purpose.
    let ProjectUsage { folder, name, builds, bytes, used, trees } = kept;
    json!({
        "name": name,
        "folder": folder.to_string_lossy(),
        "builds": builds,
        "bytes": bytes,
        "last-used": seconds(*used),
        "trees": trees.iter().map(tree_as_json).collect::<Value>(),
    })
}

fn tree_as_json(tree: &TreeUsage) -> Value {
    let TreeUsage { folder, root, bytes, used } = tree;
    json!({
        "root": root.as_ref().map(|root| root.to_string_lossy()),
        "exists": exists(tree),
        "folder": folder.to_string_lossy(),
        "bytes": bytes,
        "last-used": seconds(*used),
    })
}

fn exists(tree: &TreeUsage) -> bool {
    tree.root.as_ref().is_some_and(|root| root.exists())
}

/// Seconds since 1970.
fn seconds(time: Option<SystemTime>) -> Option<u64> {
    Some(time?.duration_since(UNIX_EPOCH).ok()?.as_secs())
}

/// The time since `then`, such as `3 days ago`.
pub(super) fn age(then: SystemTime, now: SystemTime) -> String {
    let seconds = now.duration_since(then).unwrap_or_default().as_secs();
    let minutes = usize::try_from(seconds / 60).unwrap_or(usize::MAX);
    match minutes {
        0 => "just now".to_owned(),
        1..60 => format!("{} ago", count(minutes, "minute")),
        60..1440 => format!("{} ago", count(minutes / 60, "hour")),
        _ => format!("{} ago", count(minutes / 1440, "day")),
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn ages_are_short() {
        let now = SystemTime::now();
        let ages = [5, 65, 7300, 3 * 86400 + 5].map(|age| now - Duration::from_secs(age));
        let ages = ages.map(|then| age(then, now));
        assert_eq!(ages, ["just now", "1 minute ago", "2 hours ago", "3 days ago"]);
        assert_eq!(age(now + Duration::from_secs(99), now), "just now");
    }

    #[test]
    fn what_was_removed_is_said() {
        assert_eq!(removed(&Freed::default()), "Nothing to remove.\n");
        let freed = Freed { projects: 1, others: 2, bytes: 2048, ..Freed::default() };
        assert_eq!(removed(&freed), "Removed 1 project, 2 other files: 2.0 KiB.\n");
    }
}
