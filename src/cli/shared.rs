//! `wheelprint shared`.

use std::path::PathBuf;

use clap::Subcommand;
use serde_json::json;

use super::open::ProjectArguments;
use super::table::{Columns, Row};
use super::terminal::{FAINT, GOOD, PLAIN, STRONG, count, size};
use super::{Answer, Context, FAILED};
use crate::error::Result;
use crate::hooks::shared_commands::{self as shared, Pulled, Status};
use crate::hooks::shared_publish::{self, Pushed};
use crate::shared::{Amount, make_keys, program};

/// The store that a team shares: what it holds, and moving builds there and back
#[derive(Debug, clap::Args)]
pub(super) struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Show the address, what may be done there, and how often it had a build
    Status {
        #[command(flatten)]
        project: ProjectArguments,
        /// Print JSON (the page "JSON" of the documentation describes it)
        #[arg(long)]
        json: bool,
    },
    /// Fetch the build of the current sources. The next build is answered with it
    Pull {
        #[command(flatten)]
        project: ProjectArguments,
    },
    /// Publish the build of the current sources
    Push {
        #[command(flatten)]
        project: ProjectArguments,
    },
    /// How many builds it holds, and how large they are
    List {
        #[command(flatten)]
        project: ProjectArguments,
        /// Print JSON (the page "JSON" of the documentation describes it)
        #[arg(long)]
        json: bool,
    },
    /// Remove builds that were published long ago
    Gc {
        #[command(flatten)]
        project: ProjectArguments,
        /// The age in days
        #[arg(long, value_name = "DAYS")]
        older_than: u64,
    },
    /// Write a new secret key to a file, and print the public key
    Keygen {
        /// The file, which must not exist
        file: PathBuf,
    },
}

const NOT_PROTECTED: &str =
    "Nothing is published: only a job that builds a protected branch may publish.";

pub(super) fn run(arguments: &Arguments, context: &Context) -> Result<Answer> {
    let columns = Columns { headings: vec!["shared store"], footer: None };
    match &arguments.command {
        Command::Status { project, json } => {
            project.each(&columns, *json, context, |opened, it| {
                let status = shared::status(&opened.call)?;
                Ok(if *json { as_json(&status) } else { said(&status, it) })
            })
        }
        Command::Pull { project } => project.each(&columns, false, context, |opened, context| {
            let _progress = context.terminal.progress("asking the shared store");
            Ok(match shared::pull(&opened.call)? {
                Pulled::Here => one_line("The build of these sources is here."),
                Pulled::Fetched(line) => one_line(&line),
                Pulled::NotThere(miss) => {
                    one_line(&format!("It has no build of these sources: {}.", miss.cause))
                        .with_code(1)
                }
            })
        }),
        Command::Push { project } => project.each(&columns, false, context, |opened, context| {
            let _progress = context.terminal.progress("publishing");
            Ok(match shared_publish::push(&opened.call)? {
                Some(builds) => pushed(&builds),
                None => one_line(NOT_PROTECTED),
            })
        }),
        Command::List { project, json } => {
            project.each(&columns, *json, context, |opened, context| {
                let _progress = context.terminal.progress("listing the shared store");
                let amount = shared::list(&opened.call)?;
                if *json {
                    let Amount { records, wheels, bytes } = amount;
                    return Ok(Answer::json(json!({
                        "schema": 1, "records": records, "wheels": wheels, "bytes": bytes,
                    })));
                }
                Ok(one_line(&words(&amount)))
            })
        }
        Command::Gc { project, older_than } => {
            project.each(&columns, false, context, |opened, context| {
                let _progress = context.terminal.progress("removing old builds");
                let amount = shared::remove_older(&opened.call, *older_than)?;
                Ok(one_line(&format!("Removed {}.", words(&amount))))
            })
        }
        Command::Keygen { file } => {
            let program = program(&context.interpreter, &context.environment)?;
            let public = make_keys(&program, &context.path(file), &context.environment)?;
            Ok(Answer::data(public))
        }
    }
}

fn pushed(builds: &[Pushed]) -> Answer {
    let line = |Pushed { name, outcome }: &Pushed| match outcome {
        Ok(false) => format!("published {name}"),
        Ok(true) => format!("{name} was there already"),
        Err(cause) => format!("{name} is not published: {cause}"),
    };
    let lines: Vec<String> = builds.iter().map(line).collect();
    let has_failed = builds.iter().any(|build| build.outcome.is_err());
    match lines.is_empty() {
        true => {
            one_line("There is nothing to publish: this tree has made no build of these sources.")
        }
        false => one_line(&lines.join("\n")).with_code(if has_failed { FAILED } else { 0 }),
    }
}

fn one_line(line: &str) -> Answer {
    let row = Row { cells: vec![(PLAIN, line.to_owned())], below: Vec::new() };
    Answer::said(format!("{line}\n")).with_row(row)
}

fn words(amount: &Amount) -> String {
    let records = count(amount.records, "build");
    format!("{records}, {}: {}", count(amount.wheels, "wheel"), size(amount.bytes))
}

fn said(status: &Status, context: &Context) -> Answer {
    let terminal = &context.terminal;
    let Status { shared, program, off, counts } = status;
    let mut lines = terminal.line(&[(STRONG, &shared.url)]);
    let mut line = |name: &str, text: String| {
        lines += &terminal.line(&[(FAINT, &format!("  {name:9} ")), (PLAIN, &text)]);
    };
    line("use", (if shared.may_write { "read and write" } else { "read" }).to_owned());
    let trusted = match shared.trusted_keys.len() {
        0 if shared.accepts_unsigned() => "all builds, because it is a folder".to_owned(),
        0 => "nobody: `trusted-keys` is empty, so no build is used".to_owned(),
        keys => format!("builds signed by {}", count(keys, "key")),
    };
    line("trusts", trusted);
    let program = program.as_ref().map(|path| context.shown(path));
    line("program", program.unwrap_or_else(|| "not installed; a build requests it".to_owned()));
    if let Some(cause) = off {
        line("off", format!("for some minutes, because it failed: {cause}"));
    }
    let missed = match counts.misses.values().sum::<u64>() {
        1 => "1 miss".to_owned(),
        misses => format!("{misses} misses"),
    };
    let hits = format!(
        "{} and {} saved, {}, {}",
        count(counts.hits as usize, "hit"),
        seconds(counts.seconds),
        missed,
        count(counts.failures as usize, "failure"),
    );
    line("so far", format!("{hits}; {} downloaded", size(counts.bytes)));
    if !counts.misses.is_empty() {
        let kinds = counts.misses.iter().map(|(kind, count)| format!("{count} {kind}"));
        line("misses", kinds.collect::<Vec<_>>().join(", "));
    }
    if let Some(cause) = &counts.last_miss {
        line("last miss", cause.clone());
    }
    let row = Row { cells: vec![(GOOD, shared.url.clone())], below: Vec::new() };
    Answer::said(lines).with_row(row)
}

fn seconds(seconds: f64) -> String {
    if seconds < 120.0 { format!("{seconds:.0} s") } else { format!("{:.0} min", seconds / 60.0) }
}

fn as_json(status: &Status) -> Answer {
    let Status { shared, program, off, counts } = status;
    Answer::json(json!({
        "schema": 1,
        "url": shared.url,
        "may-write": shared.may_write,
        "trusted-keys": shared.trusted_keys,
        "accepts-unsigned": shared.accepts_unsigned(),
        "program": program,
        "off": off,
        "hits": counts.hits,
        "misses": counts.misses.values().sum::<u64>(),
        "missed": counts.misses,
        "last-miss": counts.last_miss,
        "failures": counts.failures,
        "bytes": counts.bytes,
        "seconds-saved": counts.seconds,
    }))
}
