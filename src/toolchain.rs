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
use crate::request::{Environment, run};
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
    let known = memory.and_then(read).filter(|known| {
        Some(&known.circumstances) == circumstances.as_ref()
            && known.programs.iter().all(|(path, stat)| stat_of(path).as_ref() == Some(stat))
    });
    if let Some(known) = known {
        return Ok(known.version);
    }
    let ask = |arguments: &[&str]| -> Result<String, Cause> {
        let said = run(environment.command(&program, root).args(arguments));
        let said = said.map_err(|error| std::io::Error::from(error.kind()))?;
        said.map_err(|said| match essential(&said) {
            cause if cause.is_empty() => {
                let name = program.file_name().unwrap_or_default();
                format!("{} -vV failed", name.to_string_lossy()).into()
            }
            cause => cause.into(),
        })
    };
    let version = ask(&["-vV"])?.lines().map(str::trim).collect::<Vec<_>>().join("; ");
    if let Some(memory) = memory
        && let Some(circumstances) = circumstances
        && let Ok(sysroot) = ask(&["--print", "sysroot"])
    {
        let inner = format!("rustc{}", std::env::consts::EXE_SUFFIX);
        let inner = Path::new(sysroot.trim()).join("bin").join(inner);
        let with_stat = |path: PathBuf| stat_of(&path).map(|stat| (path, stat));
        if let Some(programs) = [program, inner].map(with_stat).into_iter().collect() {
            let version = version.clone();
            let _ = sealed::write(memory, &Memory { circumstances, programs, version });
        }
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
    let programs = memory.and_then(read).into_iter().flat_map(|known| known.programs);
    let rustup = rustup_home(environment);
    let named = ["settings.toml", "toolchains"].map(|name| Some(rustup.as_ref()?.join(name)));
    programs.map(|(path, _)| path).chain(named.into_iter().flatten()).collect()
}

/// `None` too if it was damaged: a version that no rustc ever gave would be stated in records.
fn read(memory: &Path) -> Option<Memory> {
    sealed::read(memory).ok()
}

fn stat_of(path: &Path) -> Option<Stat> {
    Stat::of(&fs_err::metadata(path).ok()?)
}
