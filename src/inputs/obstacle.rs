//! The reason why a project cannot be built: cargo, rustc or a toolchain is missing, cargo does not
//! understand a Cargo.toml, or it cannot resolve the dependencies.
//!
//! Finding it runs rustc once and cargo up to three times, so it is looked for only after a
//! failure, or where a command reports what the next build would do. Nothing is written, and no
//! toolchain is installed.

use std::path::Path;

use super::cargo_metadata::{ask, configurations, is_locked};
use super::{cargo_config, normalize};
use crate::error::Error;
use crate::project::Project;
use crate::request::{Environment, Request};

/// cargo could not reach its registry, or was told not to; wording: cargo's and curl's.
const NETWORK: [&str; 7] = [
    "failed to download",
    "download of",
    "network failure",
    "Could not resolve host",
    "Couldn't resolve host",
    "offline mode",
    "--offline was specified",
];

/// The first thing that stands in the way; `None` if cargo, rustc and the manifests are in order.
pub fn obstacle(
    project: &Project,
    request: &Request,
    environment: &Environment,
    manifest: &Path,
) -> Option<Error> {
    let mut environment = environment.clone();
    environment.set("RUSTUP_AUTO_INSTALL", "0");
    environment.set("CARGO_NET_RETRY", "0");
    environment.set("RUST_BACKTRACE", "0");
    environment.set("CARGO_TERM_COLOR", "never");
    tools(request, &environment).or_else(|| manifests(project, request, &environment, manifest))
}

fn tools(request: &Request, environment: &Environment) -> Option<Error> {
    if cargo_config::cargo(environment).is_none() {
        return Some(Error::missing_cargo());
    }
    let missing = |cause: String, hint: Option<String>| {
        let hint = hint.unwrap_or_else(|| "install Rust from https://rustup.rs".to_owned());
        Some(Error::Missing { name: "rustc".to_owned(), cause, hint })
    };
    let Some(rustc) = cargo_config::rustc(&request.root, environment) else {
        return missing("not found on PATH".to_owned(), None);
    };
    let said = match environment.command(&rustc, &request.root).arg("-vV").output() {
        Ok(output) if output.status.success() => return None,
        Ok(output) => String::from_utf8_lossy(&output.stderr).into_owned(),
        Err(error) => format!("error: {}: {error}", rustc.display()),
    };
    let cause = match essential(&said) {
        cause if cause.is_empty() => format!("{} -vV failed", rustc.display()),
        cause => cause,
    };
    missing(cause, rustups_help(&said))
}

/// rustup says what to run.
fn rustups_help(said: &str) -> Option<String> {
    let help = said.lines().find_map(|line| line.trim().strip_prefix("help: "))?;
    Some(help.strip_prefix("run ").unwrap_or(help).replace('\'', "`"))
}

fn manifests(
    project: &Project,
    request: &Request,
    environment: &Environment,
    manifest: &Path,
) -> Option<Error> {
    let common = configurations(project, request);
    let metadata = match ask(request, environment, manifest, &common, &["--no-deps"]) {
        Ok(metadata) => metadata,
        Err(Error::Path { cause, .. }) => {
            return Some(of_manifest(request, manifest, &cause.to_string()));
        }
        Err(error) => return Some(error),
    };
    let same = |path: &Path| dunce::canonicalize(path).ok() == dunce::canonicalize(manifest).ok();
    let package = metadata.packages.iter().find(|package| same(&package.manifest_path));
    let mut products = package.iter().flat_map(|package| &package.targets);
    let is_built = |kinds: &[String]| !kinds.iter().any(|kind| super::is_beside_the_artifact(kind));
    let gone = products.find(|product| is_built(&product.kind) && !product.src_path.is_file());
    if let Some(gone) = gone {
        let cause = format!("{}: no such file", gone.src_path.display());
        let hint = "write the file, or name another one as `lib.path`".to_owned();
        return Some(wrong(manifest, None, cause, hint));
    }
    unresolved(project, request, environment, manifest, &common)
}

/// The error if cargo can't resolve the dependencies. Cargo is asked offline first, because it
/// needs no network if all dependencies are known.
fn unresolved(
    project: &Project,
    request: &Request,
    environment: &Environment,
    manifest: &Path,
    common: &[String],
) -> Option<Error> {
    let resolve = |offline: bool| {
        let mut command = environment.command(cargo_config::cargo(environment)?, &request.root);
        if is_locked(project, request) {
            // Neither writes a lock file; only this one says that the lock file is out of date.
            command.args(["metadata", "--format-version", "1", "--locked"]);
        } else {
            command.args(["update", "--workspace", "--dry-run"]);
        }
        command.arg("--manifest-path").arg(manifest).args(common);
        command.args(offline.then_some("--offline"));
        let output = command.output().ok()?;
        let said = || String::from_utf8_lossy(&output.stderr).into_owned();
        (!output.status.success()).then(said)
    };
    let offline = resolve(true)?;
    let online = resolve(false)?;
    let failed = if is_of_the_network(&online) { &offline } else { &online };
    let mut error = of_manifest(request, manifest, failed);
    if let (Error::Sources { hint, .. }, true) = (&mut error, is_of_the_network(&online)) {
        *hint = format!("{hint} (cargo had no network to look for more)");
    }
    Some(error)
}

/// Whether this output of cargo, or of maturin that called it, names the network as the cause.
pub fn is_of_the_network(said: &str) -> bool {
    NETWORK.iter().any(|words| said.contains(words))
}

fn wrong(path: &Path, position: Option<(u32, u32)>, cause: String, hint: String) -> Error {
    Error::Sources { path: path.to_owned(), position, cause, hint }
}

/// What cargo says of a manifest, in one line.
fn of_manifest(request: &Request, manifest: &Path, said: &str) -> Error {
    let cause = match essential(said) {
        cause if cause.is_empty() => "cargo can't read it".to_owned(),
        cause => cause,
    };
    if let Some((path, position)) = place(said) {
        let path = normalize(&request.root.join(path));
        return wrong(&path, Some(position), cause, "correct that line".to_owned());
    }
    let versions = said.lines().find_map(|line| line.trim().split_once("which didn't match: "));
    let hint = match (locked_package(&cause), versions) {
        (Some(package), _) => {
            format!("Cargo.lock names a version that is not there: `cargo update {package}`")
        }
        (None, Some((_, versions))) => format!("choose a version that there is: {versions}"),
        (None, None) => "correct it; `cargo metadata` says the same at more length".to_owned(),
    };
    wrong(manifest, None, cause, hint)
}

/// The package whose version in Cargo.lock cannot be chosen:
/// ``the requirement `log = "^0.4"` (locked to 0.4.99)``.
fn locked_package(cause: &str) -> Option<&str> {
    let (requirement, _) = cause.split_once("` (locked to ")?;
    requirement.rsplit_once('`')?.1.split(' ').next()
}

/// Of what cargo, rustc or rustup said on stderr: the first line of the error, and the first of each
/// of its causes.
pub fn essential(said: &str) -> String {
    let mut lines = said.lines();
    let Some(first) = lines.find_map(|line| line.trim().strip_prefix("error: ")) else {
        return said.lines().map(str::trim).find(|line| !line.is_empty()).unwrap_or("").to_owned();
    };
    let mut parts = vec![first.trim_end_matches(':').to_owned()];
    let mut is_cause = false;
    for line in lines {
        if line.trim() == "Caused by:" {
            is_cause = true;
        } else if is_cause && !line.trim().is_empty() {
            parts.push(line.trim().trim_end_matches(':').to_owned());
            is_cause = false;
        }
    }
    parts.join(": ")
}

/// ` --> Cargo.toml:1:9`
fn place(said: &str) -> Option<(&str, (u32, u32))> {
    let place = said.lines().find_map(|line| line.trim().strip_prefix("--> "))?;
    let (rest, column) = place.rsplit_once(':')?;
    let (path, line) = rest.rsplit_once(':')?;
    Some((path, (line.parse().ok()?, column.parse().ok()?)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_version_in_the_lock_file_that_is_not_there() {
        let cause =
            "failed to select a version for the requirement `log = \"^0.4\"` (locked to 0.4.99)";
        assert_eq!(locked_package(cause), Some("log"));
        assert_eq!(
            locked_package("failed to select a version for the requirement `log = \"^9\"`"),
            None
        );
    }

    #[test]
    fn the_essential_line_of_what_cargo_and_rustup_say() {
        let table = [
            (
                "error: unclosed table, expected `]`\n --> Cargo.toml:1:9\n  |\n1 | [package\n",
                "unclosed table, expected `]`",
            ),
            (
                "error: failed to load manifest for workspace member `/w/gone`\nreferenced by \
                 workspace at `/w/Cargo.toml`\n\nCaused by:\n  failed to read \
                 `/w/gone/Cargo.toml`\n\nCaused by:\n  No such file or directory (os error 2)\n",
                "failed to load manifest for workspace member `/w/gone`: failed to read \
                 `/w/gone/Cargo.toml`: No such file or directory (os error 2)",
            ),
            (
                "    Updating crates.io index\nerror: failed to select a version for the \
                 requirement `pyo3 = \"^99\"`\ncandidate versions found which didn't match: 0.28\n",
                "failed to select a version for the requirement `pyo3 = \"^99\"`",
            ),
            (
                "error: toolchain '1.55.0' is not installed\nhelp: run `rustup toolchain install` \
                 to install it\n\nStack backtrace:\n   0: anyhow\n",
                "toolchain '1.55.0' is not installed",
            ),
            ("\nsegmentation fault\n", "segmentation fault"),
            ("", ""),
        ];
        for (said, wanted) in table {
            assert_eq!(essential(said), wanted);
        }
    }

    #[test]
    fn a_place_is_path_line_and_column() {
        assert_eq!(
            place("x\n  --> C:\\a\\Cargo.toml:12:9\n"),
            Some(("C:\\a\\Cargo.toml", (12, 9)))
        );
        assert_eq!(place("no place"), None);
    }

    #[test]
    fn rustup_says_what_to_run() {
        let said = "error: x\nhelp: run 'rustup default stable' to download it\n";
        assert_eq!(rustups_help(said).as_deref(), Some("`rustup default stable` to download it"));
        assert_eq!(rustups_help("error: x"), None);
    }
}
