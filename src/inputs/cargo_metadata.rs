//! Runs `cargo metadata` with maturin's arguments and environment.

use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use super::cargo_config;
use crate::error::{Because as _, Error, Result};
use crate::project::{Project, all_arguments, argument};
use crate::request::{Artifact, Environment, Request};

/// The part of the output of `cargo metadata` that is used.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Metadata {
    pub packages: Vec<Package>,
    pub workspace_root: PathBuf,
    pub target_directory: PathBuf,
    /// The folder for intermediate artifacts, if it is not below the target directory (cargo 1.91).
    pub build_directory: Option<PathBuf>,
}

/// A package whose files can be edited: a member of the workspace, a path dependency or a vendored
/// package.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Package {
    /// `None` for workspace members and path dependencies. Cargo checks their sources for changes.
    pub source: Option<String>,
    pub name: String,
    pub manifest_path: PathBuf,
    pub targets: Vec<Product>,
    #[serde(default)]
    pub dependencies: Vec<Dependency>,
    #[serde(flatten)]
    pub about: About,
}

/// What cargo tells the build script of a package about the package, in variables (cargo book,
/// "Environment variables Cargo sets for build scripts").
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct About {
    version: String,
    authors: Vec<String>,
    description: Option<String>,
    homepage: Option<String>,
    license: Option<String>,
    license_file: Option<String>,
    links: Option<String>,
    readme: Option<String>,
    repository: Option<String>,
    rust_version: Option<String>,
}

/// A dependency of a package.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Dependency {
    pub name: String,
    /// `None` for a normal dependency.
    pub kind: Option<String>,
    /// The folder of a path dependency.
    pub path: Option<PathBuf>,
}

/// Something that a package builds. Cargo's word is target.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Product {
    pub name: String,
    pub kind: Vec<String>,
    pub src_path: PathBuf,
}

impl Package {
    /// The folder with the package's Cargo.toml.
    pub fn folder(&self) -> &Path {
        self.manifest_path.parent().unwrap_or(&self.manifest_path)
    }

    /// Whether cargo checks the package's sources for changes.
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
    let program = cargo_config::cargo(environment).ok_or_else(Error::missing_cargo)?;
    let output = environment
        .command(program, &request.root)
        .args(["metadata", "--format-version", "1", "--manifest-path"])
        .arg(manifest)
        .args(common)
        .args(arguments)
        .output()
        .map_err(|error| Error::io("cargo", &error))?;
    if !output.status.success() {
        return Err(Error::path(manifest, String::from_utf8_lossy(&output.stderr).trim()));
    }
    Ok(serde_json::from_slice(&output.stdout).because("cargo metadata")?)
}

/// The `--config` arguments that maturin passes on. They may set the target folder.
pub(super) fn configurations(project: &Project, request: &Request) -> Vec<String> {
    let values = cargo_config::given(project, request).into_iter();
    values.flat_map(|value| ["--config".to_owned(), value]).collect()
}

fn maturin_setting<'a>(project: &'a Project, field: &str) -> Option<&'a toml::Value> {
    project.document.get("tool")?.get("maturin")?.get(field)
}

/// The features that maturin passes on. They decide which optional packages are used. Features for
/// some interpreters only are included, because additional packages do no harm.
pub(super) fn features(project: &Project, request: &Request) -> Vec<String> {
    let given = request.maturin_arguments();
    let mut flags: Vec<String> =
        ["all-features", "no-default-features"].map(|field| format!("--{field}")).into();
    flags.retain(|flag| {
        let in_project = maturin_setting(project, &flag[2..]).and_then(toml::Value::as_bool);
        given.contains(flag) || in_project == Some(true)
    });
    let mut names = all_arguments(&given, "--features", Some('F'));
    let named = maturin_setting(project, "features").and_then(toml::Value::as_array);
    names.extend(named.into_iter().flatten().filter_map(|feature| {
        feature.as_str().or_else(|| feature.get("feature")?.as_str()).map(str::to_owned)
    }));
    flags.extend(names.into_iter().flat_map(|name| ["--features".to_owned(), name]));
    flags
}

/// The profile by maturin's rules, under the name of cargo's folder for it.
pub(super) fn profile(project: &Project, request: &Request) -> String {
    let named = |field: &str| maturin_setting(project, field)?.as_str().map(str::to_owned);
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

/// Whether the user requested an unchanged Cargo.lock or no network.
pub(super) fn is_locked(project: &Project, request: &Request) -> bool {
    const FLAGS: [&str; 3] = ["--locked", "--frozen", "--offline"];
    request.maturin_arguments().iter().any(|argument| FLAGS.contains(&argument.as_str()))
        || project.maturin.locked == Some(true)
        || project.maturin.frozen == Some(true)
}
