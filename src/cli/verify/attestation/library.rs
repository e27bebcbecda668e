//! Asking the libraries that check signatures. They are Python packages, so a process of the
//! interpreter that runs the command line asks them.

use std::io::Write as _;
use std::path::Path;
use std::process::Stdio;

use serde::Deserialize;
use serde_json::{Value as Json, json};

use crate::cli::Context;
use crate::error::{Error, PathContext as _, Result};
use crate::log::escape_controls;

const SCRIPT: &str = include_str!("../../../../python/wheelprint/_attestation.py");

/// The signer that the user demands, and the keys that are trusted.
pub(super) struct Demand<'a> {
    pub trust_root: Option<&'a str>,
    pub signer: Option<&'a str>,
    pub issuer: Option<&'a str>,
}

/// One attestation, as the libraries see it.
#[derive(Deserialize)]
pub(super) struct Checked {
    /// The path of the file that has it.
    pub file: String,
    pub format: String,
    /// The signer, if the signature holds.
    pub signer: Option<Signer>,
    /// The time of the signature (RFC 3339), if it is known.
    pub time: Option<String>,
    pub refused: Option<Refusal>,
    /// The statement. Only if nothing was refused, the signer made it.
    pub statement: String,
}

/// What the certificate says of the signer.
#[derive(Clone, Deserialize, serde::Serialize)]
pub(in super::super) struct Signer {
    pub identities: Vec<String>,
    pub issuer: Option<String>,
    pub repository: Option<String>,
    #[serde(rename = "ref")]
    pub reference: Option<String>,
    pub commit: Option<String>,
    pub workflow: Option<String>,
}

#[derive(Deserialize)]
pub(super) struct Refusal {
    pub kind: String,
    pub cause: String,
}

#[derive(Deserialize)]
struct Answer {
    #[serde(default)]
    attestations: Vec<Checked>,
    error: Option<Failure>,
}

/// The check could not be made.
#[derive(Deserialize)]
struct Failure {
    /// The path or option that it is about.
    about: String,
    cause: String,
    hint: Option<String>,
}

/// Checks all attestations in these files.
///
/// # Errors
/// The libraries are not installed, a file can't be read or is no attestation, or there is no trust
/// root.
pub(super) fn check(
    files: &[&str],
    demand: &Demand<'_>,
    context: &Context,
) -> Result<Vec<Checked>> {
    let Demand { trust_root, signer, issuer } = demand;
    let request = json!({
        "files": files,
        "trust-root": trust_root,
        "signer": signer,
        "issuer": issuer,
        "paths": packages(context),
    });
    let python = &context.interpreter.executable;
    let Answer { attestations, error } = ask(python, &request, context)?;
    match error {
        None => Ok(attestations),
        Some(Failure { about, cause, hint }) => {
            let cause = escape_controls(&cause);
            Err(Error::Setting { source_name: escape_controls(&about), cause, hint })
        }
    }
}

/// The folders with packages that the command line runs with. The process is isolated, so that no
/// module comes from the working directory or PYTHONPATH, and would not find packages of the user.
fn packages(context: &Context) -> Vec<&str> {
    let is_of_packages =
        |path: &&Path| path.ends_with("site-packages") || path.ends_with("dist-packages");
    let paths = context.interpreter.sys_path.iter().map(std::path::PathBuf::as_path);
    paths.filter(is_of_packages).filter_map(Path::to_str).collect()
}

fn ask(python: &Path, request: &Json, context: &Context) -> Result<Answer> {
    let mut command = context.environment.command(python, &context.folder);
    command.args(["-I", "-c", SCRIPT]);
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().at(python)?;
    if let Some(mut stdin) = child.stdin.take() {
        // If the process ended at once, its last line says why.
        let _ = stdin.write_all(request.to_string().as_bytes());
    }
    let done = child.wait_with_output().at(python)?;
    let last = |bytes: &[u8]| {
        let text = String::from_utf8_lossy(bytes).into_owned();
        // Start-up code of the environment may print other lines.
        text.trim_end().lines().next_back().unwrap_or_default().to_owned()
    };
    serde_json::from_str(&last(&done.stdout)).map_err(|_| {
        let said = escape_controls(&last(&done.stderr));
        Error::path(python, format!("the check of attestations gave no answer: {said}"))
    })
}
