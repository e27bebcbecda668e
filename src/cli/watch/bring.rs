//! One look of `wheelprint watch`: in the environment's interpreter, through the import check, so that
//! a build is made as an import makes it.

use std::path::Path;
use std::process::{Command, Stdio};

use crate::cli::terminal::Terminal;
use crate::error::{Error, Result};
use crate::hooks::hook_module;
use crate::log;

const SCRIPT: &str = include_str!("../../../python/wheelprint/_watch.py");

#[derive(Debug, PartialEq, Eq)]
pub(super) enum Outcome {
    /// The installed package was up to date.
    Fresh,
    /// The installed package was rebuilt, and is up to date now.
    Rebuilt,
    /// These sources can't be built.
    Failed,
    /// The package is not installed, or the environment is gone.
    Missing,
}

/// Compares the sources with the installed package, and rebuilds it if they differ.
///
/// # Errors
/// The interpreter gives no answer.
pub(super) fn up_to_date(python: &Path, name: &str, terminal: &Terminal) -> Result<Outcome> {
    let mut command = Command::new(python);
    // Isolated, so that no module comes from the working directory or PYTHONPATH.
    command.args(["-I", "-c", SCRIPT, &hook_module(name)]);
    command.args(terminal.is_quiet().then_some("quiet"));
    command.env(log::WATCH, "1").stdin(Stdio::null()).stderr(Stdio::inherit());
    let Ok(done) = command.output() else {
        // The environment was removed, or is being made again.
        return Ok(Outcome::Missing);
    };
    let answer = String::from_utf8_lossy(&done.stdout);
    // Start-up code of the environment may print other lines.
    let answer = answer.trim_end().lines().next_back().unwrap_or_default();
    Ok(match answer {
        "fresh" => Outcome::Fresh,
        "rebuilt" => Outcome::Rebuilt,
        "failed" => Outcome::Failed,
        "missing" => Outcome::Missing,
        _ => return Err(Error::path(python, "the import check of the project gave no answer")),
    })
}
