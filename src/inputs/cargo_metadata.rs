//! Asking `cargo metadata`, with the arguments and the environment that maturin uses.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use serde::Deserialize;

use super::{ambient, normalize};
use crate::error::{Error, Result};
use crate::project::{Project, all_arguments, argument};
use crate::request::{Artifact, Environment, Request};

/// The part of `cargo metadata` that is read here.
#[derive(Debug, Deserialize)]
pub struct Metadata {
    pub packages: Vec<Package>,
    pub workspace_root: PathBuf,
    pub target_directory: PathBuf,
    /// Where intermediate artifacts go, if not below the target directory (cargo 1.91).
    pub build_directory: Option<PathBuf>,
}

/// A package of the workspace or another one whose files can be edited: of a path, or vendored.
#[derive(Debug, Deserialize)]
pub struct Package {
    /// `None` for packages of a path: cargo looks at their sources.
    pub source: Option<String>,
    pub name: String,
    pub manifest_path: PathBuf,
    pub targets: Vec<Product>,
    #[serde(default)]
    pub dependencies: Vec<Dependency>,
}

/// A package that another one needs.
#[derive(Debug, Deserialize)]
pub struct Dependency {
    pub name: String,
    /// `None` for what both builds and runs need.
    pub kind: Option<String>,
    /// Of a package of a path, its folder.
    pub path: Option<PathBuf>,
}

/// Something a package builds; cargo calls it a target.
#[derive(Debug, Deserialize)]
pub struct Product {
    pub name: String,
    pub kind: Vec<String>,
    pub src_path: PathBuf,
}

impl Package {
    /// The folder of its Cargo.toml.
    pub fn folder(&self) -> &Path {
        self.manifest_path.parent().unwrap_or(&self.manifest_path)
    }

    /// Does cargo look at its sources?
    pub fn is_of_a_path(&self) -> bool {
        self.source.is_none()
    }
}

pub(super) fn ask(
    request: &Request,
    environment: &Environment,
    manifest: &Path,
    common: &[String],
    arguments: &[&str],
) -> Result<Metadata> {
    let program = program(environment).ok_or_else(Error::missing_cargo)?;
    let output = cargo(&request.root, environment, program)
        .args(["metadata", "--format-version", "1", "--manifest-path"])
        .arg(manifest)
        .args(common)
        .args(arguments)
        .output()
        .map_err(|error| Error::io("cargo", &error))?;
    if !output.status.success() {
        let cause = String::from_utf8_lossy(&output.stderr).trim().to_owned();
        return Err(Error::Path { path: manifest.to_owned(), cause });
    }
    serde_json::from_slice(&output.stdout)
        .map_err(|error| Error::Other(format!("cargo metadata: {error}")))
}

/// The cargo that maturin will call.
pub(super) fn program(environment: &Environment) -> Option<PathBuf> {
    match environment.non_empty("CARGO") {
        Some(cargo) => Some(PathBuf::from(cargo)),
        None => environment.which("cargo"),
    }
}

/// `--config` as maturin passes it on: it may say where the target folder is.
pub(super) fn configurations(project: &Project, request: &Request) -> Vec<String> {
    let mut values = all_arguments(&request.maturin_arguments(), "--config", None);
    values.extend(project.maturin.config.iter().flatten().cloned());
    values.into_iter().flat_map(|value| ["--config".to_owned(), value]).collect()
}

/// Where cargo may keep Cargo.lock: beside the workspace's manifest, and wherever configuration says
/// (`resolver.lockfile-path`, obeyed from cargo 1.97 on). All that are named count: one more input
/// does no harm, and which of them is in force is cargo's own affair.
pub(super) fn lock_files(
    project: &Project,
    request: &Request,
    environment: &Environment,
    workspace_root: &Path,
) -> Vec<PathBuf> {
    const KEY: &str = "lockfile-path";
    let named = |table: &toml::Table| -> Option<String> {
        Some(table.get("resolver")?.get(KEY)?.as_str()?.to_owned())
    };
    let read = |file: &Path| fs_err::read_to_string(file).ok()?.parse::<toml::Table>().ok();
    let mut files = vec![workspace_root.join("Cargo.lock")];
    if let Some(path) = environment.non_empty("CARGO_RESOLVER_LOCKFILE_PATH") {
        files.push(request.root.join(path));
    }
    let mut configs: Vec<PathBuf> = ambient::cargo_configs(&request.root, environment)
        .into_iter()
        .map(|found| found.path)
        .collect();
    let given = configurations(project, request);
    for value in given.iter().filter(|value| *value != "--config") {
        if let Some(path) = value.parse::<toml::Table>().ok().as_ref().and_then(named) {
            files.push(request.root.join(path));
        }
        let file = request.root.join(value);
        configs.extend(ambient::included(&file));
        configs.push(file);
    }
    for config in configs {
        // Relative to the folder that holds `.cargo` (cargo book, "Config-relative paths").
        if let Some(path) = read(&config).as_ref().and_then(named)
            && let Some(folder) = config.parent().and_then(Path::parent)
        {
            files.push(folder.join(path));
        }
    }
    files.into_iter().map(|file| normalize(&file)).collect()
}

/// Features as maturin passes them on: they decide which optional packages there are. Those for
/// some interpreters only are among them; more packages are no harm.
pub(super) fn features(project: &Project, request: &Request) -> Vec<String> {
    let given = request.maturin_arguments();
    let table = project.document.get("tool").and_then(|tool| tool.get("maturin"));
    let is_set = |flag: &str, field: &str| {
        given.iter().any(|argument| argument == flag)
            || table.and_then(|table| table.get(field)).and_then(toml::Value::as_bool) == Some(true)
    };
    let mut flags = Vec::new();
    for (flag, field) in
        [("--all-features", "all-features"), ("--no-default-features", "no-default-features")]
    {
        if is_set(flag, field) {
            flags.push(flag.to_owned());
        }
    }
    let mut names = all_arguments(&given, "--features", Some('F'));
    let named = table.and_then(|table| table.get("features")).and_then(toml::Value::as_array);
    names.extend(named.into_iter().flatten().filter_map(|feature| {
        feature.as_str().or_else(|| feature.get("feature")?.as_str()).map(str::to_owned)
    }));
    flags.extend(names.into_iter().flat_map(|name| ["--features".to_owned(), name]));
    flags
}

/// The profile by maturin's rules, as cargo calls its folder.
pub(super) fn profile(project: &Project, request: &Request) -> String {
    let table = project.document.get("tool").and_then(|tool| tool.get("maturin"));
    let named = |field: &str| table?.get(field)?.as_str().map(str::to_owned);
    let editable = (request.artifact == Artifact::Editable).then(|| named("editable-profile"));
    let profile = argument(&request.maturin_arguments(), "--profile", None)
        .or_else(|| editable.flatten())
        .or_else(|| named("profile"))
        .unwrap_or_else(|| "release".to_owned());
    match profile.as_str() {
        "dev" | "test" => "debug".to_owned(),
        "bench" => "release".to_owned(),
        _ => profile,
    }
}

pub(super) fn cargo(root: &Path, environment: &Environment, program: PathBuf) -> Command {
    let mut command = Command::new(program);
    command.current_dir(root).env_clear().envs(environment.iter()).stdin(Stdio::null());
    command
}

/// Did somebody ask for an unchanged Cargo.lock, or for no network?
pub(super) fn is_locked(project: &Project, request: &Request) -> bool {
    const FLAGS: [&str; 3] = ["--locked", "--frozen", "--offline"];
    request.maturin_arguments().iter().any(|argument| FLAGS.contains(&argument.as_str()))
        || project.maturin.locked == Some(true)
        || project.maturin.frozen == Some(true)
}
