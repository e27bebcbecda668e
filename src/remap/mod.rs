//! `remap-paths`: removing this machine's paths from what rustc writes.
//!
//! rustc writes paths into panic messages, `file!()` and debug information.
//! `--remap-path-prefix=FROM=TO` replaces the beginning of each path. The new names are those of
//! cargo's own `trim-paths` (RFC 3127). The flags are added to the flags in force and given to
//! maturin as `CARGO_ENCODED_RUSTFLAGS`, which cargo and maturin prefer to any other source (cargo
//! reference, "build.rustflags"). The added flags come first, so that the user's own mappings win.
//! If the flags in force can't be determined, nothing is remapped, so that no flag is lost.

use std::path::{Path, PathBuf};

use crate::error::{Because as _, Cause};
use crate::inputs::cargo_config;
use crate::inputs::target::Target;
use crate::project::Project;
use crate::request::{Environment, Request, run};

mod rustflags;

/// Separates the flags in `CARGO_ENCODED_RUSTFLAGS`.
const SEPARATOR: char = '\x1f';

/// The environment for a build whose output has no path of this machine.
pub(crate) fn environment(
    project: &Project,
    request: &Request,
    environment: &Environment,
    target: &Target,
) -> Result<Environment, Cause> {
    let rustc = Rustc::find(&request.root, environment)?;
    let theirs = rustflags::in_force(project, request, environment, &rustc)?;
    let mut flags = Vec::new();
    for (from, to) in names(target, request, environment, &rustc)? {
        let from = from.to_str().ok_or_else(|| format!("{}: not UTF-8", from.display()))?;
        flags.push(format!("--remap-path-prefix={from}={to}"));
    }
    flags.extend(theirs);
    if let Some(flag) = flags.iter().find(|flag| flag.contains(SEPARATOR)) {
        return Err(format!("{flag:?} can't be given in CARGO_ENCODED_RUSTFLAGS").into());
    }
    let mut environment = environment.clone();
    environment.set("CARGO_ENCODED_RUSTFLAGS", flags.join(&SEPARATOR.to_string()));
    Ok(environment)
}

/// The new name of each folder. The innermost folder is last, because rustc uses the last prefix
/// that matches.
fn names(
    target: &Target,
    request: &Request,
    environment: &Environment,
    rustc: &Rustc<'_>,
) -> Result<Vec<(PathBuf, String)>, Cause> {
    let metadata = &target.metadata;
    let target = |folder: &PathBuf| (folder.clone(), "/cargo/target".to_owned());
    let dependency = |folder: &Path, name: &str| (folder.to_owned(), format!("/cargo/deps/{name}"));
    let outside = |folder: &Path| !folder.starts_with(&metadata.workspace_root);
    let mut names = vec![
        rustc.library()?,
        (metadata.workspace_root.clone(), ".".to_owned()),
        target(&metadata.target_directory),
    ];
    names.extend(metadata.build_directory.as_ref().map(target));
    let home = cargo_config::cargo_home(environment);
    names.extend(home.map(|home| (request.root.join(home), "/cargo".to_owned())));
    let packages = metadata.packages.iter().filter(|package| outside(package.folder()));
    names.extend(packages.map(|package| dependency(package.folder(), &package.name)));
    // If cargo could not name all packages, use at least the path dependencies of the known ones.
    for needed in metadata.packages.iter().flat_map(|package| &package.dependencies) {
        if let Some(folder) = needed.path.as_deref().filter(|folder| outside(folder))
            && !names.iter().any(|(known, _)| known == folder)
        {
            names.push(dependency(folder, &needed.name));
        }
    }
    // rustc's working directory contains no links, but paths that cargo gives it may contain them.
    let resolved: Vec<(PathBuf, String)> = names
        .iter()
        .filter_map(|(from, to)| Some((dunce::canonicalize(from).ok()?, to.clone())))
        .filter(|(from, _)| !names.iter().any(|(known, _)| known == from))
        .collect();
    names.extend(resolved);
    names.sort_by_key(|(from, _)| from.components().count());
    Ok(names)
}

/// The compiler that cargo will call.
struct Rustc<'a> {
    program: PathBuf,
    root: &'a Path,
    environment: &'a Environment,
    version: String,
}

impl<'a> Rustc<'a> {
    fn find(root: &'a Path, environment: &'a Environment) -> Result<Self, Cause> {
        let program = cargo_config::rustc(root, environment).ok_or("no rustc found on PATH")?;
        let mut rustc = Self { program, root, environment, version: String::new() };
        rustc.version = rustc.ask(&["-vV"])?;
        Ok(rustc)
    }

    fn ask(&self, arguments: &[&str]) -> Result<String, Cause> {
        let mut command = self.environment.command(&self.program, self.root);
        let said = run(command.args(arguments)).because(self.program.display())?;
        said.map_err(|_| format!("`rustc {}` failed", arguments.join(" ")).into())
    }

    /// The value of a line of `rustc -vV`.
    fn field(&self, name: &str) -> Option<&str> {
        self.version.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(": "))
    }

    /// The folder of the standard library's sources if they are installed, and the name that rustc
    /// uses for them if they are not.
    fn library(&self) -> Result<(PathBuf, String), Cause> {
        let sysroot = PathBuf::from(self.ask(&["--print", "sysroot"])?.trim_end());
        let version = self
            .field("commit-hash")
            .filter(|hash| *hash != "unknown")
            .or_else(|| self.field("release"))
            .unwrap_or("unknown");
        Ok((sysroot.join("lib/rustlib/src/rust"), format!("/rustc/{version}")))
    }
}
