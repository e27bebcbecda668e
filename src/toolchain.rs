//! Which rustc is in use, without running it each time.
//!
//! `rustc -vV` through rustup costs tens of milliseconds. Its answer is remembered together with
//! everything that decides it: the variables and files from which rustup chooses a toolchain, and
//! the stat values of the program on `PATH` and of the rustc inside the sysroot that it named.
//! Cargo's `.rustc_info.json` does the same. Deleting the memory changes no answer.

use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use crate::digest::{self, Tagged};
use crate::error::Cause;
use crate::inputs::cargo_config::{self, rustup_home};
use crate::inputs::obstacle::essential;
use crate::inputs::target::entries;
use crate::publish::sealed;
use crate::request::Environment;
use crate::stat_cache::Stat;

#[derive(Debug, Serialize, Deserialize)]
struct Memory {
    /// Digest of what rustup resolves from.
    circumstances: String,
    programs: Vec<(PathBuf, Stat)>,
    version: String,
}

/// The text of `rustc -vV`, one line.
///
/// # Errors
/// There is no rustc that runs: nothing is fresh then, and the build says what is missing.
pub(crate) fn rustc(
    root: &Path,
    environment: &Environment,
    memory: Option<&Path>,
) -> Result<String, Cause> {
    let program = cargo_config::rustc(root, environment).ok_or("not found on PATH")?;
    let circumstances = circumstances(&program, root, environment);
    if let Some(circumstances) = &circumstances
        && let Some(version) = memory.and_then(|memory| recall(memory, circumstances))
    {
        return Ok(version);
    }
    let ask = |arguments: &[&str]| -> Result<String, Cause> {
        let output = environment
            .command(&program, root)
            .args(arguments)
            .output()
            .map_err(|error| std::io::Error::from(error.kind()))?;
        if output.status.success() {
            return Ok(String::from_utf8_lossy(&output.stdout).into_owned());
        }
        match essential(&String::from_utf8_lossy(&output.stderr)) {
            said if said.is_empty() => Err(format!("{} -vV failed", file_name(&program)).into()),
            said => Err(said.into()),
        }
    };
    let version = ask(&["-vV"])?.lines().map(str::trim).collect::<Vec<_>>().join("; ");
    if let Some(memory) = memory
        && let Some(circumstances) = circumstances
        && let Ok(sysroot) = ask(&["--print", "sysroot"])
    {
        let inner = Path::new(sysroot.trim())
            .join("bin")
            .join(format!("rustc{}", std::env::consts::EXE_SUFFIX));
        remember(memory, circumstances, &[program, inner], &version);
    }
    Ok(version)
}

/// `None` if any of it can't be read: nothing is remembered then, and rustc is asked.
fn circumstances(program: &Path, root: &Path, environment: &Environment) -> Option<String> {
    let mut tagged = Tagged::new("rustc");
    tagged.field("program", &program.to_string_lossy());
    tagged.field("root", &root.to_string_lossy());
    for name in ["RUSTUP_TOOLCHAIN", "RUSTUP_HOME", "HOME", "USERPROFILE"] {
        let value = environment.get(name).map(|value| value.to_string_lossy().into_owned());
        tagged.field(name, value.as_deref().unwrap_or("\0unset"));
    }
    let rustup_home = rustup_home(environment);
    // `rustup toolchain link` gives a name to a folder, and later perhaps to another one.
    let toolchains = rustup_home.as_ref().map(|home| home.join("toolchains"));
    let toolchains = toolchains.map(|folder| entries(&folder)).transpose().ok()?;
    for name in toolchains.into_iter().flatten().filter(|path| path.is_symlink()) {
        let target = fs_err::read_link(&name).ok()?;
        tagged.field("link", &name.to_string_lossy());
        tagged.field("to", &target.to_string_lossy());
    }
    let settings = rustup_home.map(|home| home.join("settings.toml"));
    let toolchain_file = cargo_config::toolchain_file(root).map(|found| found.path);
    for path in [settings, toolchain_file].into_iter().flatten() {
        tagged.field("file", &path.to_string_lossy());
        let content = match digest::file(&path) {
            Ok(digest) => digest,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => String::new(),
            Err(_) => return None,
        };
        tagged.field("content", &content);
    }
    Some(tagged.finish())
}

/// The files that decide which rustc there is: rustup's settings and its folder of toolchains, which
/// may be links, and what was remembered.
pub(crate) fn deciding(memory: Option<&Path>, environment: &Environment) -> Vec<PathBuf> {
    let known = memory.and_then(read);
    let mut files: Vec<PathBuf> =
        known.into_iter().flat_map(|known| known.programs).map(|(path, _)| path).collect();
    let rustup = rustup_home(environment);
    let named = ["settings.toml", "toolchains"].map(|name| Some(rustup.as_ref()?.join(name)));
    files.extend(named.into_iter().flatten());
    files
}

/// `None` too if it was damaged: a version that no rustc ever gave would be stated in records.
fn read(memory: &Path) -> Option<Memory> {
    sealed::read(memory).ok()
}

fn recall(memory: &Path, circumstances: &str) -> Option<String> {
    let memory = read(memory)?;
    let same = memory.circumstances == circumstances
        && memory.programs.iter().all(|(path, stat)| stat_of(path).is_some_and(|now| now == *stat));
    same.then_some(memory.version)
}

fn remember(memory: &Path, circumstances: String, programs: &[PathBuf], version: &str) {
    let programs: Option<Vec<(PathBuf, Stat)>> =
        programs.iter().map(|path| Some((path.clone(), stat_of(path)?))).collect();
    if let Some(programs) = programs {
        let version = version.to_owned();
        let _ = sealed::write(memory, &Memory { circumstances, programs, version });
    }
}

fn stat_of(path: &Path) -> Option<Stat> {
    Stat::of(&fs_err::metadata(path).ok()?)
}

fn file_name(path: &Path) -> String {
    path.file_name().map_or_else(String::new, |name| name.to_string_lossy().into_owned())
}
