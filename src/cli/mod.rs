//! The command line (docs/commands.md has the commands): arguments, exit codes, all printing.
//!
//! Every command is a module with its arguments and a `run` that returns an [`Answer`]. Output
//! during a command (a question, progress) goes through [`terminal`].

use std::ffi::OsString;
use std::path::{Path, PathBuf};

use clap::{CommandFactory as _, Parser, Subcommand};

use crate::error::{Because as _, Error, Result};
use crate::hooks::{Access, Call};
use crate::log as messages;
use crate::request::{Artifact, Environment, Interpreter, Request};
use crate::uv::configuration::BuildSettings;

mod artifact;
mod cache;
mod diff;
mod explain;
mod init;
mod inspect;
mod join;
mod keys;
mod log;
mod members;
mod names;
mod new;
mod open;
mod provenance;
mod rebuild;
mod shared;
mod sources;
mod status;
mod table;
mod template;
mod terminal;
mod unseen;
mod verify;
mod watch;

use terminal::{Color, Terminal};

/// The exit code of a command that failed. The cause was printed.
pub(crate) const FAILED: u8 = 2;

/// Build Python packages with Rust inside: say what would be rebuilt and why, write uv's cache
/// keys, prove what a wheel was built from.
#[derive(Debug, Parser)]
#[command(name = "wheelprint", version, propagate_version = true, max_term_width = 100)]
#[command(arg_required_else_help = true)]
struct Arguments {
    #[command(subcommand)]
    command: Command,
    #[command(flatten)]
    everywhere: Everywhere,
}

/// The options of every command, with uv's names.
#[derive(Debug, clap::Args)]
#[command(next_help_heading = "Global options")]
struct Everywhere {
    /// Whether to print in colour
    #[arg(long, global = true, value_enum, default_value_t, value_name = "WHEN")]
    color: Color,
    /// Print only errors and machine-readable output: JSON, `cache dir`, scripts, public keys
    #[arg(long, short, global = true, conflicts_with = "verbose")]
    quiet: bool,
    /// Print each step, too
    #[arg(long, short, global = true)]
    verbose: bool,
    /// Run in this folder
    #[arg(long, global = true, value_name = "DIR")]
    directory: Option<PathBuf>,
}

#[derive(Debug, Subcommand)]
enum Command {
    Init(init::Arguments),
    New(new::Arguments),
    Keys(keys::Arguments),
    Status(status::Arguments),
    Explain(explain::Arguments),
    Inspect(inspect::Arguments),
    Verify(verify::Arguments),
    Provenance(provenance::Arguments),
    Rebuild(rebuild::Arguments),
    Log(log::Arguments),
    Watch(watch::Arguments),
    Cache(cache::Arguments),
    Shared(shared::Arguments),
    /// Print a completion script for a shell
    Completions {
        shell: clap_complete::Shell,
    },
    /// Print a manual page: `wheelprint man | man -l -`
    Man {
        /// A command, such as `keys`, or `shared push`; without one, the page is about all
        command: Vec<String>,
    },
}

#[derive(Clone)]
struct Context {
    /// The working directory. Paths from the user are relative to it.
    folder: PathBuf,
    /// The messages of the modules below that are printed.
    messages: messages::Level,
    /// The interpreter that runs the command line itself.
    interpreter: Interpreter,
    environment: Environment,
    terminal: Terminal,
}

impl Context {
    /// The context for one of several packages: warnings name it.
    fn about(&self, package: &str) -> Self {
        Self { terminal: self.terminal.about(package), ..self.clone() }
    }

    /// Opens the project in a folder for an artifact, with the settings that a frontend would use
    /// to build it for this interpreter.
    fn call(
        &self,
        root: &Path,
        artifact: Artifact,
        interpreter: &Interpreter,
        access: Access,
    ) -> Result<Call> {
        let mut environment = self.environment.clone();
        let BuildSettings { config_settings, variables } = match access {
            Access::All => BuildSettings::here(root, &self.environment)?,
            Access::NoPrograms => BuildSettings::of_project(root)?,
            // A temporary folder: the user has no settings for it.
            Access::ProjectOnly => BuildSettings::default(),
        };
        let mut counted = Environment::default();
        for (name, value) in variables {
            match access {
                Access::All => environment.set(&name, value),
                // The sources name them. They are compared, and no program gets them.
                Access::NoPrograms | Access::ProjectOnly => counted.set(&name, value),
            }
        }
        let has_settings = !config_settings.is_empty();
        let (root, interpreter) = (root.to_owned(), interpreter.clone());
        let request = Request { artifact, root, config_settings, interpreter, environment };
        let call = Call::open(request, has_settings, access)?.with_counted(&counted);
        // `WHEELPRINT_LOG` is meant for builds, so commands ignore it.
        messages::set_level(self.messages);
        Ok(call)
    }

    /// The folder of a project. The user may name the folder or the pyproject.toml in it.
    fn project_folder(&self, given: &Path) -> Result<PathBuf> {
        let path = self.path(given);
        match path.parent() {
            _ if !path.is_file() => Ok(path),
            Some(folder) if path.ends_with("pyproject.toml") => Ok(folder.to_owned()),
            _ => Err(Error::given(
                path,
                "a file, where a project's folder is needed",
                "name the folder, or the pyproject.toml in it",
            )),
        }
    }

    /// Makes a path from the user absolute.
    fn path(&self, given: &Path) -> PathBuf {
        crate::inputs::normalize(&self.folder.join(given))
    }

    /// A path for messages: relative to the working directory where possible.
    fn shown(&self, path: &Path) -> String {
        let shown = crate::inputs::relative(&self.folder, path);
        shown.unwrap_or_else(|| path.display().to_string())
    }
}

/// The output of a command, and its exit code.
#[derive(Debug, Default)]
struct Answer {
    output: String,
    /// The same result as JSON, if the user asked for JSON.
    json: Option<serde_json::Value>,
    /// The same result in a table of several packages.
    row: table::Row,
    /// Whether it is for programs.
    is_data: bool,
    /// 0, or 1 if the answer is no (see docs/commands.md).
    code: u8,
}

impl Answer {
    /// Output text with exit code 0.
    fn said(output: impl Into<String>) -> Self {
        Self { output: output.into(), ..Self::default() }
    }

    /// The same for programs: it is printed with `--quiet`, too.
    fn data(output: impl Into<String>) -> Self {
        Self { is_data: true, ..Self::said(output) }
    }

    fn with_code(self, code: u8) -> Self {
        Self { code, ..self }
    }

    fn with_row(self, row: table::Row) -> Self {
        Self { row, ..self }
    }

    /// Indented JSON as output; docs/json.md describes the JSON of each command.
    fn json(value: serde_json::Value) -> Self {
        Self { json: Some(value.clone()), ..Self::data(format!("{value:#}\n")) }
    }
}

/// Runs the command that the arguments (without the program's name) ask for, and returns the exit
/// code.
pub(crate) fn run(
    arguments: Vec<OsString>,
    folder: PathBuf,
    interpreter: Interpreter,
    environment: Environment,
) -> u8 {
    let program = OsString::from("wheelprint");
    let arguments = std::iter::once(program).chain(arguments);
    let arguments = match Arguments::try_parse_from(arguments) {
        Ok(arguments) => arguments,
        Err(error) => {
            // clap also reports `--help` and `--version` here. It sets their exit codes and prints
            // in colour.
            let _ = error.print();
            return u8::try_from(error.exit_code()).unwrap_or(FAILED);
        }
    };
    let Everywhere { color, quiet, verbose, directory } = arguments.everywhere;
    // Commands print their own results. Without `--verbose` only warnings of the modules below are
    // printed.
    let messages = match (quiet, verbose) {
        (true, _) => messages::Level::Error,
        (false, true) => messages::Level::Debug,
        (false, false) => messages::Level::Warn,
    };
    messages::set_level(messages);
    let terminal = Terminal::of(&environment, &interpreter.prefix, color, quiet);
    let folder = directory.map_or(folder.clone(), |directory| folder.join(directory));
    let context = Context { folder, messages, interpreter, environment, terminal };
    let answered = match context.folder.is_dir() {
        true => answer(arguments.command, &context),
        false => Err(Error::path(&context.folder, "no such folder")),
    };
    let printed = answered.and_then(|answer| {
        let shown = match (answer.is_data, quiet) {
            (true, _) => context.terminal.show(&answer.output),
            (false, false) => context.terminal.say(&answer.output),
            (false, true) => Ok(()),
        };
        shown.map(|()| answer.code)
    });
    printed.unwrap_or_else(|error| {
        context.terminal.error(&error);
        FAILED
    })
}

fn answer(command: Command, context: &Context) -> Result<Answer> {
    match command {
        Command::Init(arguments) => init::run(&arguments, context),
        Command::New(arguments) => new::run(&arguments, context),
        Command::Keys(arguments) => keys::run(&arguments, context),
        Command::Status(arguments) => status::run(&arguments, context),
        Command::Explain(arguments) => explain::run(&arguments, context),
        Command::Inspect(arguments) => inspect::run(&arguments, context),
        Command::Verify(arguments) => verify::run(&arguments, context),
        Command::Provenance(arguments) => provenance::run(&arguments, context),
        Command::Rebuild(arguments) => rebuild::run(&arguments, context),
        Command::Log(arguments) => log::run(&arguments, context),
        Command::Watch(arguments) => watch::run(&arguments, context),
        Command::Cache(arguments) => cache::run(&arguments, context),
        Command::Shared(arguments) => shared::run(&arguments, context),
        Command::Completions { shell } => {
            let mut script = Vec::new();
            let mut command = Arguments::command();
            clap_complete::generate(shell, &mut command, "wheelprint", &mut script);
            Ok(Answer::data(String::from_utf8(script).because("completions")?))
        }
        Command::Man { command } => manual(&command),
    }
}

/// The manual page of a command.
fn manual(names: &[String]) -> Result<Answer> {
    let mut command = Arguments::command();
    command.build();
    for name in names {
        let Some(found) = command.find_subcommand(name) else {
            let cause = format!("there is no command `{name}`");
            return Err(Error::setting("wheelprint man", cause, "`wheelprint --help` lists them"));
        };
        command = found.clone();
    }
    let mut page = Vec::new();
    clap_mangen::Man::new(command).render(&mut page).because("man")?;
    Ok(Answer::data(String::from_utf8(page).because("man")?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_arguments_are_consistent() {
        Arguments::command().debug_assert();
    }
}
