//! The command line (README.md has the commands): arguments, exit codes, all printing.
//!
//! Every command is a module with its arguments and a `run` that gives an [`Answer`]; what is
//! printed while it runs (a question, progress) goes through [`terminal`].

use std::ffi::OsString;
use std::io::Write as _;
use std::path::{Path, PathBuf};

use clap::{CommandFactory as _, Parser, Subcommand};

use crate::error::{Error, Result};
use crate::hooks::Session;
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
mod status;
mod template;
pub mod terminal;
mod verify;

use terminal::Terminal;

/// It could not be done, and why was said.
pub const FAILED: u8 = 2;

/// Build Python packages with Rust inside: say what would be rebuilt and why, write uv's cache keys,
/// prove what a wheel was built from.
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

/// What a command works with.
pub struct Context {
    /// The working directory; what users name is relative to it.
    pub folder: PathBuf,
    /// The interpreter the command line itself runs in.
    pub interpreter: Interpreter,
    pub environment: Environment,
    pub terminal: Terminal,
}

impl Context {
    /// The project in a folder, asked for such an artifact as a frontend would that builds for
    /// this interpreter.
    ///
    /// # Errors
    /// There is no project, or a setting is wrong.
    pub fn session(
        &self,
        folder: &Path,
        artifact: Artifact,
        interpreter: Interpreter,
    ) -> Result<Session> {
        let root = self.path(folder);
        let mut environment = self.environment.clone();
        let (config_settings, variables) = uv::build_settings(&root);
        for (name, value) in variables {
            environment.set(&name, value);
        }
        let has_settings = !config_settings.is_empty();
        let request = Request { artifact, root, config_settings, interpreter, environment };
        let session = Session::open(request, has_settings)?;
        // `WHEELPRINT_LOG` speaks of builds.
        log::set_level(log::Level::Warn);
        Ok(session)
    }

    /// The same for a folder that will be gone: nothing is kept of it.
    ///
    /// # Errors
    /// As [`Self::session`].
    pub fn session_apart(&self, root: PathBuf, artifact: Artifact) -> Result<Session> {
        let interpreter = self.interpreter.clone();
        let environment = self.environment.clone();
        let config_settings = Default::default();
        let request = Request { artifact, root, config_settings, interpreter, environment };
        let session = Session::open_apart(request)?;
        log::set_level(log::Level::Warn);
        Ok(session)
    }

    /// The folder of a project as the user named it: the folder, or the pyproject.toml in it.
    ///
    /// # Errors
    /// It is another file.
    pub fn project_folder(&self, given: &Path) -> Result<PathBuf> {
        let path = self.path(given);
        if !path.is_file() {
            return Ok(path);
        }
        match path.parent() {
            Some(folder) if path.file_name().is_some_and(|name| name == "pyproject.toml") => {
                Ok(folder.to_owned())
            }
            _ => Err(Error::Given {
                path,
                cause: "a file, where a project's folder is needed".to_owned(),
                hint: Some("name the folder, or the pyproject.toml in it".to_owned()),
            }),
        }
    }

    /// A path as the user gave it, made absolute.
    pub fn path(&self, given: &Path) -> PathBuf {
        crate::inputs::normalize(&self.folder.join(given))
    }
}

/// What a command has to say, and the exit code.
#[derive(Debug, Default)]
pub struct Answer {
    /// For stdout.
    pub output: String,
    /// The same as JSON, if that is what was asked for.
    pub json: Option<serde_json::Value>,
    /// 0, or 1 if the answer is no (README.md).
    pub code: u8,
}

impl Answer {
    /// Text that ends with exit code 0.
    pub fn said(output: impl Into<String>) -> Self {
        Self { output: output.into(), json: None, code: 0 }
    }

    /// The same with another exit code.
    pub fn with_code(mut self, code: u8) -> Self {
        self.code = code;
        self
    }

    /// JSON, indented; docs/json.md describes each.
    pub fn json(value: &serde_json::Value) -> Self {
        Self { json: Some(value.clone()), ..Self::said(format!("{value:#}\n")) }
    }
}

/// Runs the command these arguments (without the program's name) ask for; gives the exit code.
pub fn run(
    arguments: Vec<OsString>,
    folder: PathBuf,
    interpreter: Interpreter,
    environment: Environment,
) -> u8 {
    let terminal = Terminal::of(&environment);
    // Commands speak for themselves; what the modules below have to warn of is still said.
    log::set_level(log::Level::Warn);
    let program = OsString::from("wheelprint");
    let parsed = Arguments::try_parse_from(std::iter::once(program).chain(arguments));
    let arguments = match parsed {
        Ok(arguments) => arguments,
        Err(error) => {
            // Help and version are no errors; clap tells them apart, and writes in colour itself.
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
                // A reader that went away (`| head`) has heard enough.
                Err(error) if error.kind() != std::io::ErrorKind::BrokenPipe => {
                    context.terminal.error(&Error::Other(format!("stdout: {error}")));
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
            let script = String::from_utf8(script)
                .map_err(|error| Error::Other(format!("completions: {error}")))?;
            Ok(Answer::said(script))
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
