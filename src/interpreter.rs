//! The stable interpreter (docs/design.md, D7).
//!
//! Frontends build in a new temporary environment each time. maturin passes its path on as
//! `PYO3_PYTHON`, pyo3's build script watches that variable, and so each isolated build would
//! compile pyo3, and everything above it, again. So one small virtual environment is kept per
//! project and interpreter. Its path changes only with version, implementation or ABI (pyo3 issue
//! 2724). A `.pth` file in it names the frontend's environment and is rewritten for each build, so
//! that build scripts can import build requirements. `PATH` and `VIRTUAL_ENV` get stable values
//! too, for build scripts that watch them.

use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use fs_err as fs;
use serde::{Deserialize, Serialize};

use crate::digest::{self, Tagged};
use crate::error::{Error, PathContext as _, Result};
use crate::publish;
use crate::request::{Environment, Interpreter};

const SCRIPTS: &str = scripts(cfg!(windows));

/// The folder of programs in an environment.
const fn scripts(windows: bool) -> &'static str {
    if windows { "Scripts" } else { "bin" }
}

/// Written last: an environment without it was never finished.
const READY: &str = "wheelprint-ready.json";
const CONFIG: &str = "pyvenv.cfg";
const PTH: &str = "wheelprint.pth";

/// Where the stable interpreter is, or will be, and what the build's environment looks like.
#[derive(Debug, Clone)]
pub struct Plan {
    /// Its folder; `None` where there is no store to keep it in.
    folder: Option<PathBuf>,
    /// Folders of programs that belong to the frontend's environment, in PATH order.
    links: Vec<(PathBuf, PathBuf)>,
    /// The variables the build will see.
    pub environment: Environment,
}

#[derive(Debug, Serialize, Deserialize)]
struct Ready {
    site_packages: PathBuf,
    /// Of `pyvenv.cfg`: where that is damaged, no build would ever succeed again.
    config: String,
}

impl Plan {
    /// Decides names; touches nothing. `interpreters` is the folder they are kept in.
    pub fn new(
        interpreter: &Interpreter,
        environment: &Environment,
        interpreters: Option<PathBuf>,
    ) -> Self {
        let Some(interpreters) = interpreters else {
            return Self { folder: None, links: Vec::new(), environment: environment.clone() };
        };
        let mut tagged = Tagged::new("interpreter");
        tagged.field("identity", &interpreter.identity());
        tagged.field("base", &interpreter.base_executable.to_string_lossy());
        let folder = interpreters.join(format!(
            "{}-{}-{}",
            interpreter.implementation,
            interpreter.version,
            &tagged.finish()[..12]
        ));
        let mut plan = Self { folder: None, links: Vec::new(), environment: environment.clone() };
        plan.set_path(interpreter, &folder);
        // A build script may watch it: set or not, old or new must not depend on the frontend.
        plan.environment.set("VIRTUAL_ENV", folder.as_os_str());
        plan.folder = Some(folder);
        plan
    }

    /// PATH with every folder of the frontend's environment replaced by a link of stable name.
    fn set_path(&mut self, interpreter: &Interpreter, folder: &Path) {
        let theirs: Vec<PathBuf> = environment_prefixes(interpreter, cfg!(windows))
            .into_iter()
            .map(|prefix| prefix.join(SCRIPTS))
            .collect();
        let mut entries = vec![folder.join(SCRIPTS)];
        let path = self.environment.get("PATH").map(OsString::from).unwrap_or_default();
        let mut path: Vec<PathBuf> = std::env::split_paths(&path).collect();
        // maturin's hooks look for the `maturin` program on PATH; an interpreter called by its
        // path alone has its programs beside it all the same.
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

    /// What in a variable's value says where this environment lies and must not count.
    pub fn hidden(&self) -> String {
        self.folder
            .as_ref()
            .map_or_else(|| "\0".to_owned(), |folder| folder.to_string_lossy().into_owned())
    }

    /// Makes the environment if it is not there, and points it at the frontend's. Gives the path
    /// of its interpreter, or the frontend's own where there is no store. To be called under the
    /// project's build lock.
    ///
    /// # Errors
    /// The environment can't be made; the cause is `venv`'s.
    pub fn prepare(&self, interpreter: &Interpreter) -> Result<PathBuf> {
        let Some(folder) = &self.folder else { return Ok(interpreter.executable.clone()) };
        let python = folder.join(SCRIPTS).join(format!("python{}", std::env::consts::EXE_SUFFIX));
        let ready = match read_ready(folder) {
            // A base interpreter that was removed leaves a dangling link.
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

/// The prefixes of the environments the frontend put on `sys.path`: uv and build run the hooks
/// with an interpreter of a new environment, pip adds overlay folders to its own.
fn environment_prefixes(interpreter: &Interpreter, windows: bool) -> Vec<PathBuf> {
    let mut prefixes = vec![interpreter.prefix.clone()];
    for entry in site_folders(interpreter) {
        // PREFIX/lib/pythonX.Y/site-packages, or PREFIX\Lib\site-packages.
        let levels = if windows { 2 } else { 3 };
        if let Some(prefix) = entry.ancestors().nth(levels)
            && !prefixes.iter().any(|known| known == prefix)
        {
            prefixes.push(prefix.to_owned());
        }
    }
    // A base interpreter's own folder of programs is no frontend's environment.
    let base = interpreter.base_executable.parent().map(Path::to_owned);
    // On Windows it lies in the prefix itself.
    prefixes.retain(|prefix| {
        let own = if windows { prefix.clone() } else { prefix.join(scripts(windows)) };
        Some(own) != base
    });
    prefixes
}

fn site_folders(interpreter: &Interpreter) -> impl Iterator<Item = &PathBuf> {
    interpreter.sys_path.iter().filter(|entry| {
        entry.file_name().is_some_and(|name| name == "site-packages" || name == "dist-packages")
    })
}

/// Everything the frontend's interpreter can import, and the stable one could not. The import line
/// runs those folders' own `.pth` files; the plain lines serve where import lines do not run.
///
/// Before 3.13 Python reads a `.pth` file in the encoding of the locale, which is not UTF-8 on
/// Windows. A name that is not ASCII is then written as a literal only.
fn pth_lines(interpreter: &Interpreter) -> String {
    let mut lines = String::new();
    for folder in site_folders(interpreter) {
        let literal = python_literal(&folder.to_string_lossy());
        lines.push_str(&format!("import site; site.addsitedir({literal})\n"));
    }
    let reads_utf8 = reads_pth_as_utf8(&interpreter.version);
    for entry in &interpreter.sys_path {
        let is_stdlib = entry.join("os.py").is_file()
            || entry.extension().is_some_and(|extension| extension == "zip")
            || entry.file_name().is_some_and(|name| name == "lib-dynload" || name == "DLLs");
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

/// Does that version read `.pth` files as UTF-8 (What's New In Python 3.13, "site")?
fn reads_pth_as_utf8(version: &str) -> bool {
    let mut parts = version.split('.').map(|part| part.parse::<u32>().unwrap_or_default());
    (parts.next(), parts.next()) >= (Some(3), Some(13))
}

/// A string literal of Python, in ASCII. Rust's own has escapes that Python does not know, for
/// instance for the accents of decomposed names, as macOS may have them.
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

/// `None` if it was never finished, or damaged since.
fn read_ready(folder: &Path) -> Option<Ready> {
    let bytes = fs::read(folder.join(READY)).ok()?;
    let ready: Ready = serde_json::from_slice(digest::unsealed(&bytes)?).ok()?;
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
    let mut venv = python_command(&interpreter.executable);
    venv.args(["-I", "-m", "venv", "--without-pip"]);
    if cfg!(unix) {
        venv.arg("--symlinks");
    }
    run(venv.arg(folder), folder)?;
    let mut ask = python_command(python);
    ask.args(["-I", "-c", "import sysconfig; print(sysconfig.get_path('purelib'), end='')"]);
    let site_packages = PathBuf::from(run(&mut ask, folder)?);
    let config = folder.join(CONFIG);
    let ready = Ready { site_packages, config: digest::file(&config).at(&config)? };
    let bytes = serde_json::to_vec(&ready).map_err(|error| Error::Other(error.to_string()))?;
    publish::bytes(&folder.join(READY), &digest::sealed(&bytes)).at(folder.join(READY))?;
    Ok(ready)
}

fn python_command(python: &Path) -> Command {
    let mut command = Command::new(python);
    command.stdin(Stdio::null());
    command
}

fn run(command: &mut Command, folder: &Path) -> Result<String> {
    let output = command.output().at(folder)?;
    if output.status.success() {
        return Ok(String::from_utf8_lossy(&output.stdout).into_owned());
    }
    let stderr = String::from_utf8_lossy(&output.stderr);
    let cause = stderr.lines().last().unwrap_or("venv failed").to_owned();
    Err(Error::Path { path: folder.to_owned(), cause })
}

/// Points a link at a folder; a new link under another name, then a rename, so that PATH is never
/// without it.
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

/// A junction needs no privilege, a symlink would.
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
            Plan::new(&interpreter(prefix), &environment(prefix), Some("/store".into()))
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
            Plan::new(&interpreter, &environment("/tmp/one"), Some("/store".into())).hidden()
        };
        let base = plan(|_| {});
        assert_ne!(base, plan(|it| it.version = "3.12.0".into()));
        assert_ne!(base, plan(|it| it.extension_suffix = ".cpython-311d.so".into()));
        assert_ne!(base, plan(|it| it.implementation = "pypy".into()));
        assert_ne!(base, plan(|it| it.base_executable = "/opt/python".into()));
        assert_eq!(base, plan(|it| it.prefix = "/tmp/elsewhere".into()));
    }
}
