//! The stable interpreter (docs/design.md, D7).
//!
//! Frontends make a new temporary environment for each build. maturin passes its path on as
//! `PYO3_PYTHON`, and pyo3's build script watches that variable. So each isolated build would
//! recompile pyo3 and every crate that depends on it.
//!
//! To prevent this, wheelprint keeps one small virtual environment per project and interpreter. Its
//! path changes only with version, implementation or ABI (pyo3 issue 2724). A `.pth` file in it
//! names the frontend's environment and is rewritten for each build, so that build scripts can
//! import build requirements. `PATH` and `VIRTUAL_ENV` get stable values too, for build scripts
//! that watch them.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use fs_err as fs;
use indexmap::IndexSet;
use serde::{Deserialize, Serialize};

use crate::digest::{self, Tagged};
use crate::error::{Error, PathContext as _, Result};
use crate::publish::{self, sealed};
use crate::request::{Environment, Interpreter, run};

/// The name of the folder for programs in an environment.
const SCRIPTS: &str = if cfg!(windows) { "Scripts" } else { "bin" };

/// The name of the file that is written last. An environment without it is incomplete.
const READY: &str = "wheelprint-ready.json";
const CONFIG: &str = "pyvenv.cfg";
const PTH: &str = "wheelprint.pth";

/// The place of the stable interpreter, which may not exist yet, and the variables of the build.
#[derive(Debug, Clone)]
pub(crate) struct StableInterpreter {
    /// The folder of the stable interpreter; `None` if there is no store.
    folder: Option<PathBuf>,
    /// Links with stable names, each with its target: a folder of programs in the frontend's
    /// environment. In the order of PATH.
    links: Vec<(PathBuf, PathBuf)>,
    /// The variables that the build will see.
    pub environment: Environment,
}

#[derive(Debug, Serialize, Deserialize)]
struct Ready {
    site_packages: PathBuf,
    /// The digest of `pyvenv.cfg`. With a damaged `pyvenv.cfg` no build would ever succeed again.
    config: String,
}

impl StableInterpreter {
    /// Decides the names without touching the disk. `interpreters` is the folder of all stable
    /// interpreters, which exists only with a store.
    pub(crate) fn new(
        interpreter: &Interpreter,
        environment: &Environment,
        interpreters: Option<PathBuf>,
    ) -> Self {
        let mut planned = Self { folder: None, links: vec![], environment: environment.clone() };
        let Some(interpreters) = interpreters else { return planned };
        let mut tagged = Tagged::new("interpreter");
        tagged.field("identity", &interpreter.identity());
        tagged.field("base", &interpreter.base_executable.to_string_lossy());
        let folder = interpreters.join(format!(
            "{}-{}-{}",
            interpreter.implementation,
            interpreter.version,
            &tagged.finish()[..12]
        ));
        planned.set_path(interpreter, &folder);
        // A build script may watch this variable, so its value must not depend on the frontend.
        planned.environment.set("VIRTUAL_ENV", folder.as_os_str());
        planned.folder = Some(folder);
        planned
    }

    /// Sets PATH, with every folder of the frontend's environment replaced by a link with a stable
    /// name.
    fn set_path(&mut self, interpreter: &Interpreter, folder: &Path) {
        let theirs: Vec<PathBuf> = environment_prefixes(interpreter, cfg!(windows))
            .into_iter()
            .map(|prefix| prefix.join(SCRIPTS))
            .collect();
        let mut entries = vec![folder.join(SCRIPTS)];
        let path = self.environment.get("PATH").unwrap_or_default();
        let mut path: Vec<PathBuf> = std::env::split_paths(path).collect();
        // maturin's hooks look for the `maturin` program on PATH. If the frontend started its
        // interpreter by path, without that environment's programs on PATH, add them here.
        if let Some(own) = theirs.first()
            && !path.contains(own)
        {
            path.insert(0, own.clone());
        }
        for entry in path {
            if theirs.contains(&entry) {
                let link = folder.join(format!("frontend-{}", self.links.len()));
                entries.push(link.clone());
                self.links.push((link, entry));
            } else if !entries.contains(&entry) {
                entries.push(entry);
            }
        }
        if let Ok(path) = std::env::join_paths(entries) {
            self.environment.set("PATH", path);
        }
    }

    /// The part of a variable's value that only says where this environment is, and must not count.
    pub(crate) fn stable_prefix(&self) -> String {
        let folder = self.folder.as_deref().unwrap_or(Path::new("\0"));
        folder.to_string_lossy().into_owned()
    }

    /// The path of the stable interpreter, whether or not it exists; `None` if there is no store.
    pub(crate) fn python(&self) -> Option<PathBuf> {
        let name = format!("python{}", std::env::consts::EXE_SUFFIX);
        Some(self.folder.as_ref()?.join(SCRIPTS).join(name))
    }

    /// Makes the environment if it does not exist, and points it at the frontend's environment.
    /// Returns the path of its interpreter, or of the frontend's interpreter if there is no store.
    /// The caller must hold the project's build lock.
    pub(crate) fn prepare(&self, interpreter: &Interpreter) -> Result<PathBuf> {
        let (Some(folder), Some(python)) = (&self.folder, self.python()) else {
            return Ok(interpreter.executable.clone());
        };
        let ready = match read_ready(folder) {
            // If the base interpreter was removed, `python` is a dangling link.
            Some(ready) if python.exists() => ready,
            _ => make(folder, &python, interpreter)?,
        };
        let pth = ready.site_packages.join(PTH);
        publish::bytes(&pth, pth_lines(interpreter).as_bytes()).at(pth)?;
        for (link, target) in &self.links {
            point(link, target).at(link)?;
        }
        Ok(python)
    }
}

/// The prefixes of the environments that the frontend put on `sys.path`. uv and build run the hooks
/// with the interpreter of a new environment. pip adds overlay folders to its own environment.
fn environment_prefixes(interpreter: &Interpreter, windows: bool) -> Vec<PathBuf> {
    // The path is PREFIX/lib/pythonX.Y/site-packages, or PREFIX\Lib\site-packages.
    let levels = if windows { 2 } else { 3 };
    let above = site_folders(interpreter).filter_map(|entry| entry.ancestors().nth(levels));
    // The folder with the base interpreter does not belong to the frontend's environment. On
    // Windows it is the prefix itself.
    let base = interpreter.base_executable.parent().map(Path::to_owned);
    let is_base =
        |prefix: &Path| Some(if windows { prefix.to_owned() } else { prefix.join("bin") }) == base;
    let prefixes = [interpreter.prefix.as_path()].into_iter().chain(above);
    let prefixes: IndexSet<_> = prefixes.filter(|prefix| !is_base(prefix)).collect();
    prefixes.into_iter().map(Path::to_owned).collect()
}

fn site_folders(interpreter: &Interpreter) -> impl Iterator<Item = &PathBuf> {
    let is_one =
        |entry: &Path| ["site-packages", "dist-packages"].iter().any(|name| entry.ends_with(name));
    interpreter.sys_path.iter().filter(move |entry| is_one(entry))
}

/// The `.pth` lines that let the stable interpreter import everything that the frontend's
/// interpreter can import. The import lines also process the `.pth` files of those folders. The
/// plain lines are for readers that do not run import lines.
///
/// Before 3.13, Python reads a `.pth` file in the encoding of the locale, which is not UTF-8 on
/// Windows. For such a version a path that is not ASCII is written only as an ASCII literal in an
/// import line.
fn pth_lines(interpreter: &Interpreter) -> String {
    let mut lines = String::new();
    for folder in site_folders(interpreter) {
        let literal = python_literal(&folder.to_string_lossy());
        lines.push_str(&format!("import site; site.addsitedir({literal})\n"));
    }
    let reads_utf8 = reads_pth_as_utf8(&interpreter.version);
    for entry in &interpreter.sys_path {
        let is_stdlib = entry.join("os.py").is_file()
            || entry.extension() == Some("zip".as_ref())
            || ["lib-dynload", "DLLs"].iter().any(|name| entry.ends_with(name));
        if is_stdlib {
            continue;
        }
        let entry = entry.to_string_lossy();
        if entry.is_ascii() || reads_utf8 {
            lines.push_str(&entry);
        } else {
            lines.push_str(&format!("import sys; sys.path.append({})", python_literal(&entry)));
        }
        lines.push('\n');
    }
    lines
}

/// Whether this version reads `.pth` files as UTF-8 (What's New In Python 3.13, "site").
fn reads_pth_as_utf8(version: &str) -> bool {
    let mut parts = version.split('.').map(|part| part.parse::<u32>().unwrap_or_default());
    (parts.next(), parts.next()) >= (Some(3), Some(13))
}

/// A Python string literal in ASCII. Rust's `{:?}` has escapes that Python does not know, for
/// example for the combining accents in file names of macOS.
fn python_literal(text: &str) -> String {
    let mut literal = String::from("\"");
    for char in text.chars() {
        match char {
            '"' | '\\' => literal.extend(['\\', char]),
            ' '..='~' => literal.push(char),
            _ => literal.push_str(&format!("\\U{:08x}", u32::from(char))),
        }
    }
    literal.push('"');
    literal
}

/// Reads the completion file; `None` if the environment is incomplete or damaged.
fn read_ready(folder: &Path) -> Option<Ready> {
    let ready: Ready = sealed::read(&folder.join(READY)).ok()?;
    let config = digest::file(&folder.join(CONFIG)).ok()?;
    (ready.config == config && ready.site_packages.is_dir()).then_some(ready)
}

fn make(folder: &Path, python: &Path, interpreter: &Interpreter) -> Result<Ready> {
    if folder.exists() {
        fs::remove_dir_all(folder).at(folder)?;
    }
    if let Some(parent) = folder.parent() {
        crate::publish::private::make(parent).at(parent)?;
    }
    let mut venv = Command::new(&interpreter.executable);
    venv.args(["-I", "-m", "venv", "--without-pip"]);
    if cfg!(unix) {
        venv.arg("--symlinks");
    }
    ask(venv.arg(folder), folder)?;
    let mut purelib = Command::new(python);
    purelib.args(["-I", "-c", "import sysconfig; print(sysconfig.get_path('purelib'), end='')"]);
    let site_packages = PathBuf::from(ask(&mut purelib, folder)?);
    let config = folder.join(CONFIG);
    let ready = Ready { site_packages, config: digest::file(&config).at(&config)? };
    sealed::write(&folder.join(READY), &ready).at(folder.join(READY))?;
    Ok(ready)
}

fn ask(command: &mut Command, folder: &Path) -> Result<String> {
    let said = run(command.stdin(Stdio::null())).at(folder)?;
    said.map_err(|said| Error::path(folder, said.lines().last().unwrap_or("venv failed")))
}

/// Points a link at a folder. A new link is made under another name and then renamed, so that the
/// folder is never missing from PATH.
#[cfg(unix)]
fn point(link: &Path, target: &Path) -> std::io::Result<()> {
    if fs::read_link(link).is_ok_and(|current| current == target) {
        return Ok(());
    }
    let new = link.with_extension(std::process::id().to_string());
    let _ = fs::remove_file(&new);
    fs::os::unix::fs::symlink(target, &new)?;
    fs::rename(new, link)
}

/// Makes a junction, because a symlink would need a privilege on Windows.
#[cfg(windows)]
fn point(link: &Path, target: &Path) -> std::io::Result<()> {
    if link.exists() || junction::exists(link).unwrap_or(false) {
        if junction::get_target(link).is_ok_and(|current| current == target) {
            return Ok(());
        }
        junction::delete(link)?;
        let _ = fs::remove_dir(link);
    }
    junction::create(target, link)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn interpreter(prefix: &str) -> Interpreter {
        Interpreter {
            executable: format!("{prefix}/bin/python").into(),
            base_executable: "/usr/bin/python3".into(),
            prefix: prefix.into(),
            implementation: "cpython".into(),
            version: "3.11.7".into(),
            extension_suffix: ".so".into(),
            platform: "linux-x86_64".into(),
            sys_path: vec![
                "/usr/lib/python3.11".into(),
                format!("{prefix}/lib/python3.11/site-packages").into(),
            ],
            backend: None,
        }
    }

    fn environment(prefix: &str) -> Environment {
        let mut environment = Environment::default();
        environment.set("PATH", format!("{prefix}/bin:/usr/bin"));
        environment.set("VIRTUAL_ENV", prefix);
        environment
    }

    #[cfg(unix)]
    #[test]
    fn two_throw_away_environments_look_alike() {
        let plan = |prefix: &str| {
            StableInterpreter::new(
                &interpreter(prefix),
                &environment(prefix),
                Some("/store".into()),
            )
        };
        let (one, two) = (plan("/tmp/one"), plan("/tmp/two"));
        assert_eq!(one.environment, two.environment);
        assert_eq!(one.links[0].1, Path::new("/tmp/one/bin"));
        let path = one.environment.get("PATH").unwrap().to_str().unwrap();
        assert!(!path.contains("/tmp/"), "{path}");
        assert!(path.ends_with(":/usr/bin"), "{path}");
    }

    #[test]
    fn literals_are_ascii_and_pythons() {
        for (text, literal) in [
            ("/a b", r#""/a b""#),
            (r#"C:\x\"y""#, r#""C:\\x\\\"y\"""#),
            ("é", r#""\U000000e9""#),
            ("e\u{301}", r#""e\U00000301""#),
            ("a\nb", r#""a\U0000000ab""#),
        ] {
            assert_eq!(python_literal(text), literal, "{text:?}");
        }
    }

    #[test]
    fn names_that_are_not_ascii_in_a_pth_file() {
        let lines = |version: &str| {
            let sys_path = vec!["/e\u{301}/site-packages".into(), "/é".into(), "/a".into()];
            pth_lines(&Interpreter { version: version.into(), sys_path, ..Interpreter::default() })
        };
        let site = "import site; site.addsitedir(\"/e\\U00000301/site-packages\")\n";
        for version in ["3.13.0", "3.14.1", "4.0.0"] {
            let plain = "/e\u{301}/site-packages\n/é\n/a\n";
            assert_eq!(lines(version), format!("{site}{plain}"), "{version}");
        }
        for version in ["3.9.1", "3.12.9"] {
            let text = lines(version);
            assert!(text.is_ascii() && text.starts_with(site), "{text}");
            assert!(
                text.ends_with("import sys; sys.path.append(\"/\\U000000e9\")\n/a\n"),
                "{text}"
            );
        }
    }

    #[test]
    fn the_base_interpreters_folder_is_no_frontends() {
        let given = |base: &str, site: &str| Interpreter {
            base_executable: base.into(),
            prefix: "/frontend".into(),
            sys_path: vec![site.into()],
            ..Interpreter::default()
        };
        let frontends = [PathBuf::from("/frontend")];
        let unix = given("/base/bin/python3", "/base/lib/python3.13/site-packages");
        assert_eq!(environment_prefixes(&unix, false), frontends);
        let windows = given("/base/python.exe", "/base/Lib/site-packages");
        assert_eq!(environment_prefixes(&windows, true), frontends);
        let overlay = given("/base/python.exe", "/overlay/Lib/site-packages");
        let both = ["/frontend", "/overlay"].map(PathBuf::from);
        assert_eq!(environment_prefixes(&overlay, true), both);
    }

    #[test]
    fn another_version_or_abi_is_another_path() {
        let plan = |change: fn(&mut Interpreter)| {
            let mut interpreter = interpreter("/tmp/one");
            change(&mut interpreter);
            StableInterpreter::new(&interpreter, &environment("/tmp/one"), Some("/store".into()))
                .stable_prefix()
        };
        let base = plan(|_| {});
        assert_ne!(base, plan(|it| it.version = "3.12.0".into()));
        assert_ne!(base, plan(|it| it.extension_suffix = ".cpython-311d.so".into()));
        assert_ne!(base, plan(|it| it.implementation = "pypy".into()));
        assert_ne!(base, plan(|it| it.base_executable = "/opt/python".into()));
        assert_eq!(base, plan(|it| it.prefix = "/tmp/elsewhere".into()));
    }
}
