//! The command line (README.md has the commands): arguments, exit codes, all printing.
//!
//! Every command is a module with its arguments and a `run` that returns an [`Answer`]. Output
//! during a command (a question, progress) goes through [`terminal`].

use std::ffi::OsString;
use std::io::Write as _;
use std::path::{Path, PathBuf};

use clap::{CommandFactory as _, Parser, Subcommand};

use crate::error::{Because as _, Error, Result};
use crate::hooks::{Access, Call};
use crate::log;
use crate::request::{Artifact, Environment, Interpreter, Request};
use crate::uv;

mod cache;
mod diff;
mod explain;
mod given;
mod init;
mod inspect;
mod join;
mod keys;
mod line;
mod names;
mod new;
mod open;
mod packages;
mod place;
mod status;
mod template;
pub(crate) mod terminal;
mod verify;

use terminal::Terminal;

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
    Cache(cache::Arguments),
    /// Print a completion script for a shell
    Completions {
        shell: clap_complete::Shell,
    },
}

/// The context in which a command runs.
pub(crate) struct Context {
    /// The working directory. Paths from the user are relative to it.
    pub folder: PathBuf,
    /// The interpreter that runs the command line itself.
    pub interpreter: Interpreter,
    pub environment: Environment,
    pub terminal: Terminal,
}

impl Context {
    /// Opens the project in a folder for an artifact, with the settings that a frontend would use
    /// to build it for this interpreter.
    ///
    /// # Errors
    /// The folder has no project, or a setting is wrong.
    pub(crate) fn call(
        &self,
        folder: &Path,
        artifact: Artifact,
        interpreter: Interpreter,
        access: Access,
    ) -> Result<Call> {
        let root = self.path(folder);
        let mut environment = self.environment.clone();
        let (config_settings, variables) = uv::build_settings(&root);
        for (name, value) in variables {
            environment.set(&name, value);
        }
        let has_settings = !config_settings.is_empty();
        let request = Request { artifact, root, config_settings, interpreter, environment };
        let call = Call::open(request, has_settings, access)?;
        // `WHEELPRINT_LOG` is meant for builds, so commands ignore it.
        log::set_level(log::Level::Warn);
        Ok(call)
    }

    /// Opens the project in a temporary folder, and keeps nothing of it.
    ///
    /// # Errors
    /// The same as [`Self::call`].
    pub(crate) fn call_in_temporary(&self, root: PathBuf, artifact: Artifact) -> Result<Call> {
        let interpreter = self.interpreter.clone();
        let environment = self.environment.clone();
        let config_settings = Default::default();
        let request = Request { artifact, root, config_settings, interpreter, environment };
        let call = Call::open(request, false, Access::ProjectOnly)?;
        log::set_level(log::Level::Warn);
        Ok(call)
    }

    /// The folder of a project. The user may name the folder or the pyproject.toml in it.
    ///
    /// # Errors
    /// The path names another file.
    pub(crate) fn project_folder(&self, given: &Path) -> Result<PathBuf> {
        let path = self.path(given);
        if !path.is_file() {
            return Ok(path);
        }
        match path.parent() {
            Some(folder) if path.file_name().is_some_and(|name| name == "pyproject.toml") => {
                Ok(folder.to_owned())
            }
            _ => Err(Error::given(
                path,
                "a file, where a project's folder is needed",
                "name the folder, or the pyproject.toml in it",
            )),
        }
    }

    /// Makes a path from the user absolute.
    pub(crate) fn path(&self, given: &Path) -> PathBuf {
        crate::inputs::normalize(&self.folder.join(given))
    }
}

/// The output of a command, and its exit code.
#[derive(Debug, Default)]
pub(crate) struct Answer {
    /// The text for stdout.
    pub output: String,
    /// The same result as JSON, if the user asked for JSON.
    pub json: Option<serde_json::Value>,
    /// 0, or 1 if the answer is no (see README.md).
    pub code: u8,
}

impl Answer {
    /// Output text with exit code 0.
    pub(crate) fn said(output: impl Into<String>) -> Self {
        Self { output: output.into(), json: None, code: 0 }
    }

    /// Replaces the exit code.
    pub(crate) fn with_code(mut self, code: u8) -> Self {
        self.code = code;
        self
    }

    /// Indented JSON as output; docs/json.md describes the JSON of each command.
    pub(crate) fn json(value: &serde_json::Value) -> Self {
        Self { json: Some(value.clone()), ..Self::said(format!("{value:#}\n")) }
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
    let terminal = Terminal::of(&environment);
    // Commands print their own results. Only warnings of the modules below are logged.
    log::set_level(log::Level::Warn);
    let program = OsString::from("wheelprint");
    let parsed = Arguments::try_parse_from(std::iter::once(program).chain(arguments));
    let arguments = match parsed {
        Ok(arguments) => arguments,
        Err(error) => {
            // clap also reports `--help` and `--version` here. It sets their exit codes and prints
            // in colour.
            let _ = error.print();
            return u8::try_from(error.exit_code()).unwrap_or(FAILED);
        }
    };
    let context = Context { folder, interpreter, environment, terminal };
    match answer(arguments.command, &context) {
        Ok(answer) => {
            let mut stdout = std::io::stdout().lock();
            let written = stdout.write_all(answer.output.as_bytes()).and_then(|()| stdout.flush());
            match written {
                // A closed pipe (`| head`) is no failure: the reader needed no more.
                Err(error) if error.kind() != std::io::ErrorKind::BrokenPipe => {
                    context.terminal.error(&Error::path("stdout", error));
                    FAILED
                }
                _ => answer.code,
            }
        }
        Err(error) => {
            context.terminal.error(&error);
            FAILED
        }
    }
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
        Command::Cache(arguments) => cache::run(&arguments, context),
        Command::Completions { shell } => {
            let mut script = Vec::new();
            let mut command = Arguments::command();
            clap_complete::generate(shell, &mut command, "wheelprint", &mut script);
            Ok(Answer::said(String::from_utf8(script).because("completions")?))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_arguments_are_consistent() {
        Arguments::command().debug_assert();
    }
}
