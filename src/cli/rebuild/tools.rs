//! The tools that the wheel's record names, found on this machine.

use std::path::{Path, PathBuf};

use fs_err as fs;

use super::super::Context;
use crate::error::{Error, Result};
use crate::inputs::cargo_config;
use crate::installed;
use crate::log::escape_controls;
use crate::rebuild::Needed;
use crate::request::{Environment, run};
use crate::toolchain::Toolchain;

/// rustup must not install a toolchain because of a question.
const NO_INSTALL: (&str, &str) = ("RUSTUP_AUTO_INSTALL", "0");

/// The tools of the second build.
pub(super) struct Tools {
    pub frontend: Frontend,
    pub python: PathBuf,
    /// The value of `RUSTUP_TOOLCHAIN`, if the recorded rustc is not the one that is in use.
    pub toolchain: Option<String>,
}

/// The program that calls the backend.
pub(super) enum Frontend {
    Uv(PathBuf),
    /// `python -m build`, in the environment of the interpreter.
    Build,
}

impl Frontend {
    pub(super) fn name(&self) -> &'static str {
        match self {
            Self::Uv(_) => "uv build",
            Self::Build => "python -m build",
        }
    }
}

/// A tool that is not here, and what to do.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Missing {
    what: String,
    remedy: String,
}

impl Missing {
    fn new(what: impl Into<String>, remedy: impl Into<String>) -> Self {
        Self { what: what.into(), remedy: remedy.into() }
    }
}

/// One error that names everything that is missing.
pub(super) fn error(wheel: &Path, missing: &[Missing]) -> Error {
    let lines = missing.iter().map(|Missing { what, remedy }| format!("\n    {what}: {remedy}"));
    let cause = format!("what it was built with is not here:{}", lines.collect::<String>());
    Error::given(wheel, cause, "the wheel's record names these; `wheelprint inspect` shows it")
}

/// Finds all tools for a build in `folder`. `working` is for files of our own.
///
/// # Errors
/// All that are missing.
pub(super) fn find(
    needed: &Needed,
    folder: &Path,
    working: &Path,
    environment: &Environment,
    context: &Context,
) -> Result<Tools, Vec<Missing>> {
    let uv = uv(environment);
    let toolchain = rustc(needed, folder, environment);
    let python = python(needed, uv.as_deref(), folder, environment, context);
    let frontend = match uv {
        Some(uv) => Ok(Frontend::Uv(uv)),
        None => has_build(environment, context),
    };
    let target = used_target_folder(folder, working, environment);
    let unclear = no_versions(needed);
    let packages = match &frontend {
        _ if !unclear.is_empty() => unclear,
        Ok(Frontend::Uv(uv)) => {
            let python = python.as_deref().ok();
            packages(needed, uv, python, folder, working, environment)
        }
        // pip says it during the build.
        _ => Vec::new(),
    };
    match (toolchain, python, frontend) {
        (Ok(toolchain), Ok(python), Ok(frontend)) if packages.is_empty() && target.is_none() => {
            Ok(Tools { frontend, python, toolchain })
        }
        (toolchain, python, frontend) => {
            let missing = [toolchain.err(), python.err(), frontend.err()].into_iter().flatten();
            Err(missing.chain(packages).chain(target).collect())
        }
    }
}

/// A target folder of other builds that cargo's configuration names: compiled packages in it would
/// be used instead of building them.
fn used_target_folder(folder: &Path, working: &Path, environment: &Environment) -> Option<Missing> {
    let folders = cargo_config::target_folders(folder, environment);
    let is_used = |target: &PathBuf| {
        let has_files = || fs::read_dir(target).is_ok_and(|mut inside| inside.next().is_some());
        !target.starts_with(working) && has_files()
    };
    let target = folders.into_iter().find(is_used)?;
    let what = format!("an empty target folder at {}", target.display());
    Some(Missing::new(what, "cargo's configuration names it; remove the folder or the setting"))
}

/// uv: the one that runs this command, or the one on PATH.
fn uv(environment: &Environment) -> Option<PathBuf> {
    let running = environment.non_empty("UV").map(PathBuf::from).filter(|path| path.is_file());
    running.or_else(|| environment.which("uv"))
}

fn has_build(environment: &Environment, context: &Context) -> Result<Frontend, Missing> {
    let python = &context.interpreter.executable;
    let mut command = environment.command(python, &context.folder);
    match run(command.args(["-I", "-c", "import build"])) {
        Ok(Ok(_)) => Ok(Frontend::Build),
        _ => Err(Missing::new(
            "a frontend",
            "neither uv is on PATH nor `build` in this environment: `pip install uv`",
        )),
    }
}

/// `RUSTUP_TOOLCHAIN` for the recorded rustc; an inner `None` if that is in use anyway.
fn rustc(
    needed: &Needed,
    folder: &Path,
    environment: &Environment,
) -> Result<Option<String>, Missing> {
    let Some(wanted) = &needed.rustc else {
        return Err(Missing::new(
            "rustc",
            "the record does not say which one; build the wheel again",
        ));
    };
    let version = |toolchain: Option<&str>| {
        let mut environment = environment.clone();
        environment.set(NO_INSTALL.0, NO_INSTALL.1);
        if let Some(toolchain) = toolchain {
            environment.set("RUSTUP_TOOLCHAIN", toolchain);
        }
        Toolchain::load(folder.to_owned(), None).rustc(&environment)
    };
    let here = version(None);
    if here.as_ref().is_ok_and(|here| here == wanted) {
        return Ok(None);
    }
    let rustup = environment.which("rustup");
    let installed = rustup.as_ref().and_then(|rustup| {
        run(environment.command(rustup, folder).args(["toolchain", "list"])).ok()?.ok()
    });
    let installed = installed.unwrap_or_default();
    let release = needed.rustc_field("release").unwrap_or_default();
    let mut names: Vec<&str> =
        installed.lines().filter_map(|line| line.split_whitespace().next()).collect();
    // The toolchain with the name of the release is the most likely one.
    names.sort_by_key(|name| !name.starts_with(release));
    let is_wanted = |name: &&&str| version(Some(name)).is_ok_and(|found| found == *wanted);
    if let Some(name) = names.iter().find(is_wanted) {
        return Ok(Some((*name).to_owned()));
    }
    let what = escape_controls(wanted.split("; ").next().unwrap_or(wanted));
    let of_host = |text: &str| {
        text.split("; ").find_map(|line| line.strip_prefix("host: ").map(str::to_owned))
    };
    let hosts =
        needed.rustc_field("host").map(str::to_owned).zip(here.ok().as_deref().and_then(of_host));
    if let Some((wanted, here)) = hosts
        && wanted != here
    {
        let remedy = format!("it ran on {}, and this is {here}", escape_controls(&wanted));
        return Err(Missing::new(what, remedy));
    }
    let remedy = match rustup {
        Some(_) => escape_controls(&installation(release, wanted)),
        None => "rustup, which could provide it, is not on PATH: https://rustup.rs".to_owned(),
    };
    Err(Missing::new(what, remedy))
}

/// How rustup installs a release. A nightly has the name of a day, mostly the one after its last
/// commit.
fn installation(release: &str, version: &str) -> String {
    let day = version.split("; ").find_map(|line| line.strip_prefix("commit-date: "));
    match day {
        Some(day) if release.contains("-nightly") => {
            format!("`rustup toolchain install nightly-DATE`, with the day after {day}")
        }
        _ => format!("`rustup toolchain install {release}`"),
    }
}

/// An interpreter with the recorded identity: this one, or one that uv knows.
fn python(
    needed: &Needed,
    uv: Option<&Path>,
    folder: &Path,
    environment: &Environment,
    context: &Context,
) -> Result<PathBuf, Missing> {
    let Some(wanted) = &needed.python else {
        let remedy = "the record does not say which one; build the wheel again";
        return Err(Missing::new("Python", remedy));
    };
    let own = &context.interpreter;
    if own.identity() == *wanted {
        // Without uv, `build` is in this environment.
        let is_base_enough = uv.is_some() && own.base_executable.is_file();
        return Ok(if is_base_enough { &own.base_executable } else { &own.executable }.clone());
    }
    let request = python_request(wanted);
    let found = uv.zip(request.as_ref()).and_then(|(uv, request)| {
        let arguments = ["python", "find", "--system", "--no-project", request];
        let mut command = environment.command(uv, folder);
        let said = run(command.args(arguments).env("UV_PYTHON_DOWNLOADS", "never")).ok()?.ok()?;
        let path = PathBuf::from(said.trim());
        let found = installed::describe(&path).ok()?;
        (found.identity() == *wanted).then_some(path)
    });
    found.ok_or_else(|| {
        let platform = |identity: &str| identity.rsplit(' ').next().unwrap_or_default().to_owned();
        let (built_on, here) = (platform(wanted), platform(&own.identity()));
        if built_on != here {
            let remedy = format!("it ran on {}, and this is {here}", escape_controls(&built_on));
            return Missing::new(escape_controls(wanted), remedy);
        }
        let install = match (uv, request) {
            (Some(_), Some(request)) => format!("`uv python install {request}`"),
            (None, _) => "run this command with that Python, or with uv on PATH".to_owned(),
            (_, None) => "run this command with that Python".to_owned(),
        };
        Missing::new(escape_controls(wanted), install)
    })
}

/// The request for uv: `cpython-3.13.1`, with `+freethreaded` for such a build. `None` for an
/// identity that no wheelprint writes.
fn python_request(identity: &str) -> Option<String> {
    let mut words = identity.split(' ');
    let (implementation, version, suffix) = (words.next()?, words.next()?, words.next()?);
    let is_plain =
        |text: &str| text.chars().all(|char| char.is_ascii_alphanumeric() || char == '.');
    if !is_plain(implementation) || !is_plain(version) {
        return None;
    }
    let number = |text: &str| text.starts_with(|char: char| char.is_ascii_digit());
    let abi = suffix.split(['-', '.']).find(|part| number(part) || part.starts_with("cp3"));
    let variant = if abi.is_some_and(|abi| abi.ends_with('t')) { "+freethreaded" } else { "" };
    Some(format!("{implementation}-{version}{variant}"))
}

/// The recorded versions of wheelprint and maturin that uv can't find.
fn packages(
    needed: &Needed,
    uv: &Path,
    python: Option<&Path>,
    folder: &Path,
    working: &Path,
    environment: &Environment,
) -> Vec<Missing> {
    let list = working.join("requirement.in");
    let lacks = |requirement: &str| -> Option<String> {
        fs::write(&list, requirement).ok()?;
        let mut command = environment.command(uv, folder);
        command.args(["pip", "compile", "--quiet", "--no-header", "--no-deps"]).arg(&list);
        if let Some(python) = python {
            command.arg("--python").arg(python);
        }
        run(&mut command).ok()?.err()
    };
    let mut missing = Vec::new();
    for (name, version) in versions(needed) {
        if let Some(said) = lacks(&format!("{name}=={version}\n")) {
            let what = format!("{name} {version}");
            let cause =
                said.lines().map(|line| line.trim_matches(|it: char| " ×╰─▶│".contains(it)));
            let cause: Vec<&str> = cause.filter(|line| !line.is_empty()).collect();
            missing.push(Missing::new(what, format!("uv can't find it: {}", cause.join(" "))));
        }
    }
    missing
}

/// The packages of which the recorded build had a certain version.
fn versions(needed: &Needed) -> impl Iterator<Item = (&'static str, &str)> {
    let versions = [("wheelprint", &needed.wheelprint), ("maturin", &needed.maturin)];
    versions.into_iter().filter_map(|(name, version)| Some((name, version.as_deref()?)))
}

/// The recorded versions that are none. With them, nothing is asked and nothing is built.
fn no_versions(needed: &Needed) -> Vec<Missing> {
    let unclear = versions(needed).filter(|(_, version)| !is_version(version));
    let what = |(name, version)| escape_controls(&format!("{name} {version}"));
    unclear.map(|one| Missing::new(what(one), "this is no version")).collect()
}

/// Whether the text has only characters of versions (PEP 440). A record is not trusted, and the
/// text becomes a requirement.
pub(super) fn is_version(text: &str) -> bool {
    !text.is_empty()
        && text.chars().all(|char| char.is_ascii_alphanumeric() || ".+!-_".contains(char))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn requests_for_an_interpreter() {
        for (identity, request) in [
            ("cpython 3.11.7 .cpython-311-x86_64-linux-gnu.so linux-x86_64-64", "cpython-3.11.7"),
            (
                "cpython 3.13.1 .cpython-313t-darwin.so darwin-arm64-64",
                "cpython-3.13.1+freethreaded",
            ),
            ("cpython 3.13.1 .cp313t-win_amd64.pyd win32-AMD64-64", "cpython-3.13.1+freethreaded"),
            ("cpython 3.12.1 .cp312-win_amd64.pyd win32-AMD64-64", "cpython-3.12.1"),
            ("pypy 3.11.13 .pypy311-pp73-x86_64-linux-gnu.so linux-x86_64-64", "pypy-3.11.13"),
        ] {
            assert_eq!(python_request(identity).as_deref(), Some(request));
        }
        assert_eq!(python_request("--help 3 x"), None);
        assert_eq!(python_request("cpython"), None);
    }

    #[test]
    fn requirements_are_versions() {
        assert!(is_version("1.16.0") && is_version("0.1.0.dev1+local"));
        assert!(!is_version("1 --index-url=x") && !is_version("") && !is_version("1\n-r x"));
    }

    #[test]
    fn how_a_release_is_installed() {
        let of = |release| installation(release, "rustc 1.96; commit-date: 2026-03-25");
        assert_eq!(of("1.94.1"), "`rustup toolchain install 1.94.1`");
        assert!(of("1.96.0-nightly").ends_with("nightly-DATE`, with the day after 2026-03-25"));
    }
}
