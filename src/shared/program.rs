//! Asking the program `wheelprint-shared`: JSON lines on its stdin and stdout.

use std::io::{BufRead as _, BufReader, Write as _};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, Stdio};
use std::sync::mpsc::{self, Receiver};
use std::time::Duration;

use serde::Deserialize;
use serde_json::{Value, json};

use crate::error::{Error, Result};
use crate::log::escape_controls;
use crate::request::{Environment, Interpreter, run};
use crate::settings::Shared;

/// The name of the program, and of the package on the index that has it.
pub(crate) const PROGRAM: &str = "wheelprint-shared";
/// How long a connection may take to be made.
const CONNECT: Duration = Duration::from_millis(500);
/// The program keeps its own deadlines. After this time more it is ended.
pub(super) const GRACE: Duration = Duration::from_secs(5);
/// The program allows so many times the deadline for requests about all objects.
const PATIENCE: u32 = 60;
/// At most so many objects of each kind are listed.
const LISTED: usize = 100_000;
/// The program, if it is installed: beside the interpreter, or on PATH, where pip puts the programs of an
/// isolated build.
pub(crate) fn find(interpreter: &Interpreter, environment: &Environment) -> Option<PathBuf> {
    let name = format!("{PROGRAM}{}", std::env::consts::EXE_SUFFIX);
    let beside = interpreter.executable.parent().map(|folder| folder.join(name));
    beside.filter(|path| path.is_file()).or_else(|| environment.which(PROGRAM))
}

/// The installed program.
///
/// # Errors
/// There is none.
pub(crate) fn program(interpreter: &Interpreter, environment: &Environment) -> Result<PathBuf> {
    find(interpreter, environment).ok_or_else(missing)
}

/// The error that the program is not installed.
pub(crate) fn missing() -> Error {
    Error::Missing {
        name: PROGRAM.to_owned(),
        cause: "it asks the shared store, and is not installed".to_owned(),
        hint: format!(
            "pip install {PROGRAM}, or put `wheelprint[shared]` into build-system.requires"
        ),
    }
}

/// Can this machine run the program?
pub(crate) fn runs(program: &Path, folder: &Path, environment: &Environment) -> bool {
    run(environment.command(program, folder).arg("--version")).is_ok_and(|said| said.is_ok())
}

/// Makes a secret key in a new file, and gives the public one, with the end of its line.
///
/// # Errors
/// The file exists, or can't be written.
pub(crate) fn make_keys(program: &Path, file: &Path, environment: &Environment) -> Result<String> {
    let folder = file.parent().unwrap_or(file);
    let mut command = environment.command(program, folder);
    let said = run(command.arg("keygen").arg(file)).map_err(|error| Error::io(program, &error))?;
    said.map_err(|said| Error::path(file, said.trim().to_owned()))
}

/// The first line of a session.
pub(super) fn settings(shared: &Shared, keep: Option<&Path>) -> Value {
    json!({
        "url": shared.url,
        "trusted_keys": shared.trusted_keys,
        "accept_unsigned": shared.accepts_unsigned(),
        "connect_ms": CONNECT.as_millis() as u64,
        "total_ms": shared.timeout * 1000,
        "keep": keep,
    })
}

/// Why the shared store could not answer.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub(crate) struct Failure(pub(super) String);

/// A failure in words, with the address of the store first.
pub(crate) fn with_address(shared: &Shared, failure: &impl std::fmt::Display) -> String {
    let failure = failure.to_string();
    match failure.starts_with(&shared.url) {
        true => failure,
        false => format!("{}: {failure}", shared.url),
    }
}

/// A running program.
pub(crate) struct Session {
    child: Child,
    /// `None` after the end.
    stdin: Option<ChildStdin>,
    lines: Receiver<std::io::Result<String>>,
    deadline: Duration,
}

/// A published build whose signature is right.
#[derive(Debug, Deserialize)]
pub(crate) struct Candidate {
    pub id: String,
    pub payload: Value,
    /// The trusted key that signed it.
    pub key: Option<String>,
}

/// A published build that is not used.
#[derive(Debug, Deserialize)]
pub(super) struct Refused {
    id: String,
    cause: String,
}

/// What is in the store, or what was removed from it.
#[derive(Debug, Deserialize)]
pub(crate) struct Amount {
    pub records: usize,
    pub wheels: usize,
    pub bytes: u64,
}

/// An object in the store.
#[derive(Debug, Deserialize)]
pub(super) struct Object {
    size: u64,
}

/// What became of a build that was to be published.
#[derive(Debug, Deserialize)]
pub(crate) struct Published {
    /// `created`, or `there` if the store had it.
    pub record_was: String,
    /// `written`, or `left` if other writers were quicker each time: nobody finds the build then.
    pub(super) list: String,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(super) enum Answer {
    Ready(bool),
    Found { records: Vec<Candidate>, refused: Vec<Refused> },
    Fetched { size: u64 },
    Missing(serde::de::IgnoredAny),
    Published(Published),
    Listed { records: Vec<Object>, wheels: Vec<Object> },
    Removed(Amount),
    Refused { cause: String },
    Failed { cause: String },
}

impl Session {
    /// Starts the program. Records that it checked are kept in the folder `keep`. Relative paths in
    /// variables are those of the folder `from`.
    ///
    /// # Errors
    /// The program can't be run, or it can't use the address.
    pub(crate) fn open(
        program: &Path,
        shared: &Shared,
        keep: &Path,
        from: &Path,
        environment: &Environment,
    ) -> Result<Self, Failure> {
        let failed = |error: std::io::Error| Failure(format!("{}: {error}", program.display()));
        let mut child = environment
            .command(program, from)
            .arg("session")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .map_err(failed)?;
        let (send, lines) = mpsc::channel();
        if let Some(stdout) = child.stdout.take() {
            std::thread::spawn(move || {
                BufReader::new(stdout).lines().all(|line| send.send(line).is_ok())
            });
        }
        let deadline = Duration::from_secs(shared.timeout) + GRACE;
        let stdin = child.stdin.take();
        let mut session = Self { child, stdin, lines, deadline };
        match session.ask(&settings(shared, Some(keep)))? {
            Answer::Ready(true) => Ok(session),
            other => Err(unexpected(&other)),
        }
    }

    /// Builds of a request that are on a list, the newest first. The ids of those that are not used, each
    /// with its cause, go to `refuse`.
    ///
    /// # Errors
    /// The store can't be asked.
    pub(crate) fn find(
        &mut self,
        list: &str,
        request: &str,
        limit: usize,
        mut refuse: impl FnMut((String, String)),
    ) -> Result<Vec<Candidate>, Failure> {
        match self.ask(&json!({"find": {"list": list, "request": request, "limit": limit}}))? {
            Answer::Found { records, refused } => {
                refused.into_iter().for_each(|it| refuse((it.id, it.cause)));
                Ok(records)
            }
            other => Err(unexpected(&other)),
        }
    }

    /// Downloads a wheel to a new file. Gives the cause if the wheel is gone, or is not what its record
    /// says.
    ///
    /// # Errors
    /// The store can't be asked.
    pub(crate) fn fetch(
        &mut self,
        sha256: &str,
        size: u64,
        to: &Path,
    ) -> Result<Result<(), String>, Failure> {
        match self.ask(&json!({"fetch": {"sha256": sha256, "size": size, "to": to}}))? {
            Answer::Fetched { size: found } if found == size => Ok(Ok(())),
            Answer::Missing(_) => Ok(Err("its wheel is gone".to_owned())),
            Answer::Refused { cause } => Ok(Err(cause)),
            other => Err(unexpected(&other)),
        }
    }

    /// What is in the store.
    ///
    /// # Errors
    /// The store can't list, or can't be asked.
    pub(crate) fn list(&mut self) -> Result<Amount, Failure> {
        let (records, wheels) = match self.ask_patiently(&json!({"list": {"limit": LISTED}}))? {
            Answer::Listed { records, wheels } => (records, wheels),
            other => return Err(unexpected(&other)),
        };
        let bytes = records.iter().chain(&wheels).map(|object| object.size).sum();
        Ok(Amount { records: records.len(), wheels: wheels.len(), bytes })
    }

    /// Removes what was published before this time: `2026-11-29T14:00:00Z`.
    ///
    /// # Errors
    /// The store can't list, or nothing may be removed there.
    pub(crate) fn remove_before(&mut self, time: &str) -> Result<Amount, Failure> {
        match self.ask_patiently(&json!({"gc": {"before": time}}))? {
            Answer::Removed(amount) => Ok(amount),
            other => Err(unexpected(&other)),
        }
    }

    /// For requests about all objects.
    fn ask_patiently(&mut self, request: &Value) -> Result<Answer, Failure> {
        let deadline = self.deadline;
        self.deadline *= PATIENCE;
        let answer = self.ask(request);
        self.deadline = deadline;
        answer
    }

    fn ask(&mut self, request: &Value) -> Result<Answer, Failure> {
        let broken = |error: std::io::Error| Failure(format!("{PROGRAM} ended: {error}"));
        let line = format!("{request}\n");
        let stdin = self.stdin.as_mut().ok_or_else(|| Failure(format!("{PROGRAM} ended")))?;
        stdin.write_all(line.as_bytes()).map_err(broken)?;
        let line = match self.lines.recv_timeout(self.deadline) {
            Ok(line) => line.map_err(broken)?,
            Err(mpsc::RecvTimeoutError::Disconnected) => {
                return Err(Failure(format!("{PROGRAM} ended without an answer")));
            }
            Err(mpsc::RecvTimeoutError::Timeout) => {
                return Err(Failure(format!("no answer after {} s", self.deadline.as_secs())));
            }
        };
        serde_json::from_str(&line).map_err(|error| Failure(format!("{PROGRAM} answered: {error}")))
    }
}

impl Drop for Session {
    fn drop(&mut self) {
        // At the end of its input the program ends by itself.
        drop(self.stdin.take());
        for _ in 0..20 {
            match self.child.try_wait() {
                Ok(None) => std::thread::sleep(Duration::from_millis(5)),
                _ => return,
            }
        }
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

pub(super) fn unexpected(answer: &Answer) -> Failure {
    match answer {
        Answer::Failed { cause } => Failure(escape_controls(cause)),
        other => Failure(format!("{PROGRAM} answered {other:?}")),
    }
}

/// The beginning of an id is enough for a person.
pub(crate) fn short(id: &str) -> &str {
    id.get(..12).unwrap_or(id)
}
