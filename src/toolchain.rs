//! Which rustc is in use, without running it each time; and which cargo.
//!
//! `rustc -vV` through rustup costs tens of milliseconds. Its answer is remembered together with
//! everything that decides it: the variables and files from which rustup chooses a toolchain, and
//! the stat values of the program on `PATH` and of the rustc inside the sysroot that it named.
//! Cargo's `.rustc_info.json` does the same. Deleting the memory changes no answer.

use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, PoisonError};

use serde::{Deserialize, Serialize};

use crate::digest::{self, Tagged};
use crate::error::Cause;
use crate::inputs::cargo_config::{self, rustup_home};
use crate::inputs::obstacle::essential;
use crate::inputs::read_toml;
use crate::inputs::target::entries;
use crate::publish::sealed;
use crate::request::{Environment, run};
use crate::stat_cache::Stat;

#[derive(Debug, Clone, Serialize, Deserialize)]
struct Memory {
    /// Digest of what rustup resolves from.
    circumstances: String,
    /// Without stat values, as on Windows, rustc is asked each time. Its programs are known all the
    /// same: an import compares their content.
    programs: Vec<(PathBuf, Option<Stat>)>,
    version: String,
}

/// The rustc that a folder's configuration and the environment choose.
#[derive(Debug)]
pub struct Toolchain {
    /// The folder in which rustc is asked. The configuration there may name any program as rustc.
    root: PathBuf,
    /// The memory's file. `None`: nothing is remembered.
    path: Option<PathBuf>,
    remembered: Option<Memory>,
    /// The answer of this process, if rustc was asked. It is written back.
    learned: Mutex<Option<Memory>>,
}

impl Toolchain {
    /// Reads the memory at `path`. A damaged memory counts as none: a version that no rustc ever
    /// gave would be stated in records.
    pub fn load(root: PathBuf, path: Option<PathBuf>) -> Self {
        let remembered = path.as_deref().and_then(|path| sealed::read(path).ok());
        Self { root, path, remembered, learned: Mutex::default() }
    }

    /// The text of `rustc -vV`, one line.
    ///
    /// # Errors
    /// There is no rustc that runs: nothing is fresh then, and the build says what is missing.
    pub(crate) fn rustc(&self, environment: &Environment) -> Result<String, Cause> {
        let root = &self.root;
        let program = cargo_config::rustc(root, environment).ok_or("not found on PATH")?;
        let circumstances = circumstances(&program, root, environment);
        let known = self.known().filter(|known| {
            let is_same =
                |(path, stat): &(PathBuf, Option<Stat>)| stat.is_some() && stat_of(path) == *stat;
            Some(&known.circumstances) == circumstances.as_ref()
                && known.programs.iter().all(is_same)
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
        if self.path.is_some()
            && let Some(circumstances) = circumstances
            && let Ok(sysroot) = ask(&["--print", "sysroot"])
        {
            let inner = rustc_in(Path::new(sysroot.trim()));
            let with_stat = |path: PathBuf| (path.clone(), stat_of(&path));
            let programs = [program, inner].map(with_stat).into();
            let version = version.clone();
            *self.learned() = Some(Memory { circumstances, programs, version });
        }
        Ok(version)
    }

    /// The files that decide which rustc there is: rustup's settings and its folder of toolchains,
    /// the rustc behind each link to a toolchain, and the programs that were remembered.
    pub(crate) fn deciding(&self, environment: &Environment) -> Vec<PathBuf> {
        let programs = self.known().into_iter().flat_map(|known| known.programs);
        let rustup = rustup_home(environment);
        let named = ["settings.toml", "toolchains"].map(|name| Some(rustup.as_ref()?.join(name)));
        let toolchains = rustup.as_ref().map(|home| home.join("toolchains"));
        let links = links(&self.root, toolchains.as_deref()).unwrap_or_default();
        // The path of the link, not of the toolchain: the link may lead elsewhere later.
        let linked = links.iter().map(|link| rustc_in(link));
        let programs = programs.map(|(path, _)| path).chain(linked);
        programs.chain(named.into_iter().flatten()).collect()
    }

    /// Writes what rustc answered. A failed write is ignored, because it only makes later runs
    /// slower.
    pub(crate) fn save(&self) {
        if let (Some(path), Some(learned)) = (&self.path, &*self.learned()) {
            let _ = sealed::write(path, learned);
        }
    }

    fn known(&self) -> Option<Memory> {
        self.learned().clone().or_else(|| self.remembered.clone())
    }

    fn learned(&self) -> MutexGuard<'_, Option<Memory>> {
        self.learned.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The text of `cargo -V`; `None` if there is no cargo that answers.
pub(crate) fn cargo_version(root: &Path, environment: &Environment) -> Option<String> {
    let program = cargo_config::cargo(environment)?;
    let said = run(environment.command(program, root).arg("-V")).ok()?.ok()?;
    let version = said.trim();
    (!version.is_empty()).then(|| version.to_owned())
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
    let toolchains = rustup_home.as_ref().map(|home| home.join("toolchains"));
    for link in links(root, toolchains.as_deref())?.into_iter().chain(toolchains) {
        let target = dunce::canonicalize(&link).unwrap_or_default();
        tagged.field("link", &link.to_string_lossy());
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

/// The paths by which a toolchain is named and that may lead to another one later, if any link on the
/// way is changed: those that `rustup toolchain link` made, and the `path` in the toolchain file.
/// `None` if the folder of toolchains can't be read.
fn links(root: &Path, toolchains: Option<&Path>) -> Option<Vec<PathBuf>> {
    let inside = toolchains.map(entries).transpose().ok()?;
    let linked = inside.into_iter().flatten().filter(|path| path.is_symlink());
    let named = cargo_config::toolchain_file(root).and_then(|file| {
        let table = read_toml(&file.path)?;
        let path = table.get("toolchain")?.get("path")?.as_str()?;
        Some(file.path.parent()?.join(path))
    });
    Some(linked.chain(named).collect())
}

/// The rustc of a toolchain in this folder.
fn rustc_in(toolchain: &Path) -> PathBuf {
    toolchain.join("bin").join(format!("rustc{}", std::env::consts::EXE_SUFFIX))
}

fn stat_of(path: &Path) -> Option<Stat> {
    Stat::of(&fs_err::metadata(path).ok()?)
}

#[cfg(unix)]
#[cfg(test)]
mod tests {
    use fs_err as fs;

    use super::*;

    #[test]
    fn rustc_is_asked_once_and_its_answer_is_written_by_save_alone() {
        let folder = tempfile::tempdir().unwrap();
        let folder = folder.path();
        let (program, asked) = (folder.join("bin/rustc"), folder.join("asked"));
        let memory = folder.join("toolchain.json");
        let script = format!(
            "#!/bin/sh\necho >>{}\n[ \"$1\" = -vV ] && echo rustc 1 || echo {}\n",
            asked.display(),
            folder.display()
        );
        fs::write(folder.join("script"), script).unwrap();
        let mut environment = Environment::default();
        // A program can't be run while a child of another test still has it open for writing. So
        // this process does not open it.
        let mut make = environment.command("/bin/sh", folder);
        make.env("PATH", "/usr/bin:/bin");
        make.args(["-c", "mkdir bin && cp script bin/rustc && chmod 755 bin/rustc"]);
        run(&mut make).unwrap().unwrap();
        environment.set("RUSTC", &program);
        environment.set("HOME", folder);
        let calls = || fs::read_to_string(&asked).map_or(0, |text| text.lines().count());
        let load = || Toolchain::load(folder.to_owned(), Some(memory.clone()));

        let first = load();
        for _ in 0..2 {
            assert_eq!(first.rustc(&environment).unwrap(), "rustc 1");
            assert_eq!(calls(), 2, "the version and the sysroot");
            assert!(first.deciding(&environment).contains(&program));
            assert!(!memory.exists(), "a lookup writes nothing");
        }
        first.save();
        assert_eq!(load().rustc(&environment).unwrap(), "rustc 1");
        assert_eq!(calls(), 2, "remembered");

        let mut without_stat = load().remembered.unwrap();
        without_stat.programs.iter_mut().for_each(|(_, stat)| *stat = None);
        let on_windows = Toolchain { remembered: Some(without_stat), ..load() };
        assert!(on_windows.deciding(&environment).contains(&program));
        assert_eq!(on_windows.rustc(&environment).unwrap(), "rustc 1");
        assert_eq!(calls(), 4, "asked again");

        let mut damaged = fs::read(&memory).unwrap();
        *damaged.last_mut().unwrap() ^= 1;
        fs::write(&memory, damaged).unwrap();
        assert_eq!(load().rustc(&environment).unwrap(), "rustc 1");
        assert_eq!(calls(), 6, "a damaged memory counts as none");
        Toolchain::load(folder.to_owned(), None).rustc(&environment).unwrap();
        assert_eq!(calls(), 7, "without a memory only the version is asked for");
    }

    #[test]
    fn a_toolchain_behind_several_links() {
        use std::os::unix::fs::symlink;

        let folder = tempfile::tempdir().unwrap();
        let (root, rustup) = (folder.path().join("project"), folder.path().join("rustup"));
        for toolchain in ["v1", "v2"] {
            fs::create_dir_all(folder.path().join(toolchain).join("bin")).unwrap();
            fs::write(rustc_in(&folder.path().join(toolchain)), toolchain).unwrap();
        }
        fs::create_dir_all(rustup.join("toolchains")).unwrap();
        fs::create_dir(&root).unwrap();
        let current = folder.path().join("current");
        let lead_to = |toolchain: &str| {
            let _ = fs::remove_file(&current);
            symlink(toolchain, &current).unwrap();
        };
        let mut environment = Environment::default();
        environment.set("RUSTUP_HOME", &rustup);
        let dev = rustup.join("toolchains/dev");
        for by_file in [true, false] {
            if by_file {
                let text = "[toolchain]\npath = '../current'\n";
                fs::write(root.join("rust-toolchain.toml"), text).unwrap();
            } else {
                fs::remove_file(root.join("rust-toolchain.toml")).unwrap();
                symlink(&current, &dev).unwrap();
            }
            lead_to("v1");
            let now = || circumstances(Path::new("rustc"), &root, &environment).unwrap();
            let before = now();
            assert_eq!(now(), before);
            lead_to("v2");
            assert_ne!(now(), before, "by a toolchain file: {by_file}");
            let named = if by_file { &root.join("../current") } else { &dev };
            let toolchain = Toolchain::load(root.clone(), None);
            assert!(toolchain.deciding(&environment).contains(&rustc_in(named)), "{by_file}");
        }
    }
}
