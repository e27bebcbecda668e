//! Calling maturin's hooks. Everything that is special about its protocol is in this module.
//!
//! The hooks run in a process of the stable interpreter, and pass its `sys.executable` on to cargo.
//! They print to stdout, and end a failed build with `sys.exit(1)`. Their results come back through
//! a file. After a failure maturin repeats its command line below the compiler's output. Those
//! lines are dropped, so that the compiler's error is last.
//!
//! The process starts before all variables of the build are known. It gets the others with the call.

use std::ffi::OsStr;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};

use serde::de::DeserializeOwned;
use serde_json::{Value, json};

use crate::error::{Because as _, Error, Result};
use crate::inputs::{environment, obstacle};
use crate::publish;
use crate::request::{Artifact, ConfigSettings, Environment, Hook, Interpreter};

mod output;

use output::{forward, pipe_errors, show, show_held};

/// The supported versions. The test suite runs the lowest and the newest one.
pub(crate) const REQUIREMENT: &str = "maturin>=1.9,<2";

/// The exit code if maturin cannot be imported. maturin's hooks never use it.
const NO_MATURIN: i32 = 86;

/// The script of the process, run with `-c`. It removes the empty entry of `sys.path` (the
/// project's folder), which could shadow modules. It imports maturin's hooks with an empty stdin,
/// then waits for a line that names the hook. An end of input means that the parent needs no hook.
const BOOTSTRAP: &str = "\
import sys
sys.path[:] = [entry for entry in sys.path if entry]
import json
import os
told = os.fdopen(os.dup(0), 'rb')
nothing = os.open(os.devnull, os.O_RDONLY)
os.dup2(nothing, 0)
os.close(nothing)
try:
    import maturin
except ModuleNotFoundError:
    sys.exit(86)
line = told.readline()
if not line:
    sys.exit(1)
call = json.loads(line)
for name, value in call['variables']:
    os.environ[os.fsdecode(bytes.fromhex(name))] = os.fsdecode(bytes.fromhex(value))
try:
    result = getattr(maturin, call['hook'])(*call['arguments'])
    with open(call['result'], 'w', encoding='utf-8') as file:
        json.dump(result, file)
except OSError as error:
    sys.exit(f'maturin: {error}')
";

/// The interpreter, folder, variables and settings for calls of maturin.
pub(crate) struct Maturin<'a> {
    pub python: &'a Path,
    pub root: &'a Path,
    pub environment: &'a Environment,
    /// `None` and an empty dictionary are passed on unchanged.
    pub config_settings: Option<ConfigSettings>,
}

impl Maturin<'_> {
    /// Starts the process before the hook to call is known, because importing maturin takes a
    /// while.
    pub(crate) fn start(&self) -> Result<HookProcess> {
        let mut command = self.command();
        pipe_errors(&mut command, self.environment);
        self.spawn(command)
    }

    /// Calls `build_wheel` or `build_editable` in the given process. Returns the name of the wheel in
    /// `folder`.
    ///
    /// # Errors
    /// The build failed (its output was shown), or maturin is not installed.
    pub(crate) fn build(
        &self,
        started: HookProcess,
        artifact: Artifact,
        folder: &Path,
        metadata: Option<&Path>,
    ) -> Result<String> {
        let arguments = json!([folder, self.config_settings, metadata]);
        started.call(Hook::Build(artifact), &arguments, self.environment)
    }

    /// Calls `build_sdist` or `prepare_metadata_for_build_*`. Returns the name of the archive or
    /// dist-info folder in `folder`.
    pub(crate) fn make(&self, hook: Hook, folder: &Path) -> Result<String> {
        self.start()?.call(hook, &json!([folder, self.config_settings]), self.environment)
    }

    /// Starts `build_sdist` in the background, without output: for an archive that the frontend did
    /// not request.
    pub(crate) fn begin_sdist(&self, folder: &Path) -> Result<HookProcess> {
        let mut command = self.command();
        command.stdout(Stdio::null()).stderr(Stdio::null());
        let mut started = self.spawn(command)?;
        let arguments = json!([folder, self.config_settings]);
        started.tell(Hook::Build(Artifact::Sdist), &arguments, self.environment);
        Ok(started)
    }

    /// Calls `get_requires_for_build_*`. Returns the requirements.
    pub(crate) fn requires(&self, artifact: Artifact) -> Result<Vec<String>> {
        let arguments = json!([self.config_settings]);
        self.start()?.call(Hook::GetRequires(artifact), &arguments, self.environment)
    }

    fn command(&self) -> Command {
        let mut command = self.environment.command(self.python, self.root);
        command.args(["-c", BOOTSTRAP]).stdin(Stdio::piped());
        command
    }

    fn spawn(&self, mut command: Command) -> Result<HookProcess> {
        let folder = publish::temporary_folder()?;
        let child = command.spawn().map_err(|error| Error::io(self.python, &error))?;
        Ok(HookProcess { child, folder, environment: self.environment.clone() })
    }
}

/// A process that waits for the name of a hook, or runs the hook. On drop, a waiting process is
/// killed. If the process runs the hook, drop waits for its end. Otherwise cargo would run on,
/// perhaps in a folder that is already removed, and keep rustc's failure in the target folder for
/// later builds.
pub(crate) struct HookProcess {
    child: Child,
    /// The folder for the file with the hook's result.
    folder: tempfile::TempDir,
    /// The variables that it was started with.
    environment: Environment,
}

impl HookProcess {
    fn call<T: DeserializeOwned>(
        mut self,
        hook: Hook,
        arguments: &Value,
        environment: &Environment,
    ) -> Result<T> {
        self.tell(hook, arguments, environment);
        let held = self.child.stderr.take().map(forward).unwrap_or_default();
        if self.wait()?.code() == Some(NO_MATURIN) {
            return Err(missing());
        }
        show_held(&held);
        self.finish(hook)
    }

    /// Sends the call. A failed write is ignored, because a process that has ended shows the cause
    /// by its exit code.
    fn tell(&mut self, hook: Hook, arguments: &Value, environment: &Environment) {
        let is_new = |(name, value): &(&OsStr, &OsStr)| self.environment.get(name) != Some(*value);
        // JSON has no text for a name or value that is not UTF-8.
        let hex = |text: &OsStr| hex::encode(text.as_encoded_bytes());
        let variables = environment.iter().filter(is_new);
        let variables: Vec<_> = variables.map(|(name, value)| [hex(name), hex(value)]).collect();
        let call = json!({
            "hook": hook.to_string(),
            "arguments": arguments,
            "result": self.result(),
            "variables": variables,
        });
        if let Some(mut stdin) = self.child.stdin.take() {
            let _ = writeln!(stdin, "{call}");
        }
    }

    /// Waits for the end of the hook. Returns its result.
    pub(crate) fn finish<T: DeserializeOwned>(mut self, hook: Hook) -> Result<T> {
        if !self.wait()?.success() {
            return Err(Error::BuildFailed { hook: hook.to_string() });
        }
        let result = self.result();
        let bytes = fs_err::read(&result).map_err(|error| Error::io(&result, &error))?;
        let words = format_args!("maturin: {hook} returned no result");
        Ok(serde_json::from_slice(&bytes).because(words)?)
    }

    fn result(&self) -> PathBuf {
        self.folder.path().join("result.json")
    }

    fn wait(&mut self) -> Result<ExitStatus> {
        self.child.wait().map_err(|error| Error::io("maturin", &error))
    }
}

impl Drop for HookProcess {
    fn drop(&mut self) {
        // It has read no name yet.
        if self.child.stdin.is_some() {
            let _ = self.child.kill();
        }
        let _ = self.child.wait();
    }
}

/// Whether a build failed because of the machine (no cargo, no network, no permission, no space),
/// and not because of a mistake in the sources. The texts are those of maturin, cargo, std and
/// Python.
pub(crate) fn is_environment_failure(output: &str) -> bool {
    const NO_CARGO: &str = "Cargo, the Rust package manager, is not installed";
    // EACCES, ENOSPC and EROFS, as Rust and as Python write them.
    const ERRNOS: [&str; 6] = [
        "(os error 13)",
        "(os error 28)",
        "(os error 30)",
        "[Errno 13]",
        "[Errno 28]",
        "[Errno 30]",
    ];
    let is_of_the_machine = || {
        output.contains(NO_CARGO)
            || ERRNOS.iter().any(|errno| output.contains(errno))
            || obstacle::is_of_the_network(output)
    };
    !output.contains("could not compile") && is_of_the_machine()
}

/// The error if maturin is needed and cannot be imported.
pub(crate) fn missing() -> Error {
    Error::Missing {
        name: "maturin".to_owned(),
        cause: "a build is needed, and maturin is not installed where the build runs".to_owned(),
        hint: format!("without build isolation: pip install \"{REQUIREMENT}\""),
    }
}

pub(crate) fn is_importable(interpreter: &Interpreter) -> bool {
    environment::maturin_version(interpreter).is_some() || has_package(interpreter, "maturin")
}

pub(crate) fn has_package(interpreter: &Interpreter, name: &str) -> bool {
    interpreter.sys_path.iter().any(|entry| entry.join(name).join("__init__.py").is_file())
}

/// The names that maturin's own `get_requires_*` would return. maturin is not asked, because it may
/// not be installed yet.
pub(crate) fn requires(
    bindings: Option<&str>,
    interpreter: &Interpreter,
    environment: &Environment,
    wheel: bool,
) -> Vec<&'static str> {
    let mut requires = Vec::new();
    if wheel && bindings == Some("cffi") && interpreter.implementation != "pypy" {
        requires.push("cffi");
    }
    if environment.non_empty("MATURIN_NO_INSTALL_RUST").is_none()
        && environment.which("cargo").is_none()
    {
        requires.push("puccinialin");
    }
    requires
}

/// Runs cargo as maturin would: what it writes to stderr is shown. `meanwhile` is work for the time in
/// which cargo starts.
///
/// # Errors
/// cargo can't be run.
pub(crate) fn run_cargo(
    command: &mut Command,
    environment: &Environment,
    meanwhile: impl FnOnce(),
) -> Result<ExitStatus> {
    pipe_errors(command, environment);
    let failed = |error| Error::io("cargo", &error);
    let mut child = command.spawn().map_err(failed)?;
    meanwhile();
    let held = child.stderr.take().map(forward).unwrap_or_default();
    held.iter().for_each(|line| show(line));
    child.wait().map_err(failed)
}
