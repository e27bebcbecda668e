//! Calling maturin's hooks. Everything that is special about its protocol is in this module.
//!
//! The hooks run in a process of the stable interpreter, and pass its `sys.executable` on to cargo.
//! They print to stdout, and end a failed build with `sys.exit(1)`. Their results come back through
//! a file. After a failure maturin repeats its command line below the compiler's output. Those
//! lines are dropped, so that the compiler's error is last.

use std::io::{BufReader, IsTerminal as _, Write as _};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};

use serde_json::json;

use crate::error::{Because as _, Error, Result};
use crate::inputs::environment;
use crate::log;
use crate::request::{Artifact, ConfigSettings, Environment, Hook, Interpreter};

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
    ///
    /// # Errors
    /// The process cannot be started.
    pub(crate) fn start(&self) -> Result<HookProcess> {
        let mut command = self.command();
        command.stderr(Stdio::piped());
        if std::io::stderr().is_terminal() && self.environment.get("CARGO_TERM_COLOR").is_none() {
            command.env("CARGO_TERM_COLOR", "always");
        }
        self.spawn(command)
    }

    /// Calls `build_wheel` or `build_editable`, in the given process or a new one. Returns the name
    /// of the wheel in `folder`.
    ///
    /// # Errors
    /// The build failed (its output was shown), or maturin is not installed.
    pub(crate) fn build(
        &self,
        started: Option<HookProcess>,
        artifact: Artifact,
        folder: &Path,
        metadata: Option<&Path>,
    ) -> Result<String> {
        let started = started.map_or_else(|| self.start(), Ok)?;
        started.call(Hook::Build(artifact), &json!([folder, self.config_settings, metadata]))
    }

    /// Calls `build_sdist`. Returns the name of the archive in `folder`.
    ///
    /// # Errors
    /// The same as [`Self::build`].
    pub(crate) fn build_sdist(&self, folder: &Path) -> Result<String> {
        let hook = Hook::Build(Artifact::Sdist);
        self.start()?.call(hook, &json!([folder, self.config_settings]))
    }

    /// Calls `prepare_metadata_for_build_*`. Returns the name of the dist-info folder in `folder`.
    ///
    /// # Errors
    /// The same as [`Self::build`].
    pub(crate) fn prepare_metadata(&self, artifact: Artifact, folder: &Path) -> Result<String> {
        let hook = Hook::PrepareMetadata(artifact);
        self.start()?.call(hook, &json!([folder, self.config_settings]))
    }

    /// Starts `build_sdist` in the background, without output: for an archive that the frontend did
    /// not request.
    ///
    /// # Errors
    /// The process cannot be started.
    pub(crate) fn begin_sdist(&self, folder: &Path) -> Result<BackgroundHook> {
        let hook = Hook::Build(Artifact::Sdist);
        let mut command = self.command();
        command.stdout(Stdio::null()).stderr(Stdio::null());
        let mut started = self.spawn(command)?;
        started.tell(hook, &json!([folder, self.config_settings]));
        Ok(BackgroundHook { hook, started })
    }

    /// Calls `get_requires_for_build_*`. Returns the requirements.
    ///
    /// # Errors
    /// The same as [`Self::build`].
    pub(crate) fn requires(&self, artifact: Artifact) -> Result<Vec<String>> {
        self.start()?.call(Hook::GetRequires(artifact), &json!([self.config_settings]))
    }

    fn command(&self) -> Command {
        let mut command = self.environment.command(self.python, self.root);
        command.args(["-c", BOOTSTRAP]).stdin(Stdio::piped());
        command
    }

    fn spawn(&self, mut command: Command) -> Result<HookProcess> {
        let folder = tempfile::Builder::new()
            .prefix("wheelprint-")
            .tempdir()
            .map_err(|error| Error::io("temporary folder", &error))?;
        let child = command.spawn().map_err(|error| Error::io(self.python, &error))?;
        Ok(HookProcess { child, answer: Answer(folder) })
    }
}

/// A process that waits for the name of a hook. It is killed on drop if it still runs.
pub(crate) struct HookProcess {
    child: Child,
    answer: Answer,
}

impl HookProcess {
    fn call<T: serde::de::DeserializeOwned>(
        mut self,
        hook: Hook,
        arguments: &serde_json::Value,
    ) -> Result<T> {
        self.tell(hook, arguments);
        let mut tail = Tail::default();
        if let Some(stderr) = self.child.stderr.take() {
            tail.forward(BufReader::new(stderr));
        }
        let status = self.wait()?;
        if status.code() == Some(NO_MATURIN) {
            return Err(missing());
        }
        tail.finish();
        if !status.success() {
            return Err(Error::BuildFailed { hook: hook.to_string() });
        }
        self.answer.read(hook)
    }

    /// Sends the call. A failed write is ignored, because a process that has ended shows the cause
    /// by its exit code.
    fn tell(&mut self, hook: Hook, arguments: &serde_json::Value) {
        let result = self.answer.path();
        let call = json!({"hook": hook.to_string(), "arguments": arguments, "result": result});
        if let Some(mut stdin) = self.child.stdin.take() {
            let _ = writeln!(stdin, "{call}");
        }
    }

    fn wait(&mut self) -> Result<ExitStatus> {
        self.child.wait().map_err(|error| Error::io("maturin", &error))
    }
}

impl Drop for HookProcess {
    fn drop(&mut self) {
        if !matches!(self.child.try_wait(), Ok(Some(_))) {
            let _ = self.child.kill();
            let _ = self.child.wait();
        }
    }
}

/// The folder for the file with the hook's result.
struct Answer(tempfile::TempDir);

impl Answer {
    fn path(&self) -> PathBuf {
        self.0.path().join("result.json")
    }

    fn read<T: serde::de::DeserializeOwned>(&self, hook: Hook) -> Result<T> {
        let result = self.path();
        let bytes = fs_err::read(&result).map_err(|error| Error::io(&result, &error))?;
        let words = format_args!("maturin: {hook} returned no result");
        Ok(serde_json::from_slice(&bytes).because(words)?)
    }
}

/// A hook that runs in the background.
pub(crate) struct BackgroundHook {
    hook: Hook,
    started: HookProcess,
}

impl BackgroundHook {
    /// Waits for the end of the hook. Returns the name of the result.
    ///
    /// # Errors
    /// The hook failed.
    pub(crate) fn finish(mut self) -> Result<String> {
        if !self.started.wait()?.success() {
            return Err(Error::BuildFailed { hook: self.hook.to_string() });
        }
        self.started.answer.read(self.hook)
    }
}

/// Whether a build failed because of the machine (no cargo, no network, no permission, no space),
/// and not because of a mistake in the sources. The texts are those of maturin, cargo, std and
/// Python.
pub(crate) fn is_environment_failure(output: &str) -> bool {
    const DOORS: [&str; 12] = [
        "Cargo, the Rust package manager, is not installed",
        "(os error 13)",
        "(os error 28)",
        "(os error 30)",
        "[Errno 13]",
        "[Errno 28]",
        "[Errno 30]",
        "failed to download",
        "network failure",
        "--offline was specified",
        "Could not resolve host",
        "Couldn't resolve host",
    ];
    !output.contains("could not compile") && DOORS.iter().any(|door| output.contains(door))
}

/// The error if maturin is needed and cannot be imported.
pub(crate) fn missing() -> Error {
    Error::Missing {
        name: "maturin".to_owned(),
        cause: "a build is needed, and maturin is not installed where the build runs".to_owned(),
        hint: format!("without build isolation: pip install \"{REQUIREMENT}\""),
    }
}

/// Whether the frontend's interpreter can import maturin.
pub(crate) fn is_importable(interpreter: &Interpreter) -> bool {
    environment::maturin_version(interpreter).is_some() || has_package(interpreter, "maturin")
}

/// Whether the frontend's interpreter can import the package `name`.
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

/// Forwards stderr line by line, except for maturin's lines after the compiler's output.
#[derive(Default)]
struct Tail {
    held: Vec<Vec<u8>>,
    holding: bool,
}

impl Tail {
    fn forward(&mut self, mut stderr: impl std::io::BufRead) {
        let mut line = Vec::new();
        while stderr.read_until(b'\n', &mut line).is_ok_and(|count| count > 0) {
            self.line(std::mem::take(&mut line));
        }
    }

    fn line(&mut self, line: Vec<u8>) {
        let text = String::from_utf8_lossy(&line);
        // maturin's warning is true for every project that wheelprint builds, and is no mistake.
        if text.contains("`build-backend` in pyproject.toml is not set to `maturin`") {
            return;
        }
        self.holding |= text.contains("maturin failed");
        if self.holding {
            self.held.push(line);
        } else {
            show(&line);
        }
    }

    fn finish(&mut self) {
        // Cargo's own message was already shown. For any other failure the held lines have the
        // cause.
        if self.held.iter().any(|line| contains(line, "Cargo build finished with")) {
            return;
        }
        for line in self.held.drain(..) {
            if !line.starts_with(b"Error: command ") {
                show(&line);
            }
        }
    }
}

fn show(line: &[u8]) {
    let _ = std::io::stderr().lock().write_all(line);
    log::import_output(line);
}

fn contains(line: &[u8], text: &str) -> bool {
    String::from_utf8_lossy(line).contains(text)
}
