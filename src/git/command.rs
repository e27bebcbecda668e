//! One call of git.

use std::path::Path;
use std::process::Command;

use crate::error::{Because as _, Cause};
use crate::request::{Environment, run};

/// git as it answers about any folder, also one that came from somebody else: without the variables
/// of a hook, which name another repository; without replacements of objects (`git replace`), because
/// a commit must be what its name says; and without programs and servers that the configuration of
/// the repository names.
pub(super) fn plain(git: &Path, folder: &Path, environment: &Environment) -> Command {
    let mut command = environment.command(git, folder);
    for (name, _) in environment.iter() {
        let is_named = |start: &[u8]| name.as_encoded_bytes().starts_with(start);
        // GIT_CONFIG has the user's own settings, such as `safe.directory`.
        if is_named(b"GIT_") && !is_named(b"GIT_CONFIG") {
            command.env_remove(name);
        }
    }
    command.env("GIT_NO_REPLACE_OBJECTS", "1").env("GIT_TERMINAL_PROMPT", "0");
    // A partial clone would get missing objects from its remote.
    command.env("GIT_ALLOW_PROTOCOL", "none").env("GIT_NO_LAZY_FETCH", "1");
    command.args(["-c", "core.fsmonitor=false", "-c", "core.hooksPath=/dev/null"]);
    command
}

/// What a command of git printed. Its error is the cause.
pub(super) fn said(command: &mut Command) -> Result<String, Cause> {
    let said = run(command).because("git")?;
    let said = said.map_err(|said| said.trim().trim_start_matches("error: ").to_owned())?;
    Ok(said.trim_end_matches(['\r', '\n']).to_owned())
}
