//! The stable interpreter (docs/design.md, D7).
//!
//! Frontends make a new temporary environment for each build. maturin passes its path on as
//! `PYO3_PYTHON`, and pyo3's build script watches that variable. So each isolated build would
//! recompile pyo3 and every crate that depends on it.
//!
//! To prevent this, wheelprint keeps one small virtual environment for each interpreter, which all
//! projects share. Its path changes only with version, implementation or ABI (pyo3 issue 2724). A
//! module in it reads from a variable of the process which other folders to import from, so that
//! build scripts can import build requirements, and builds that run at the same time do not see
//! each other's. `PATH` and `VIRTUAL_ENV` get stable values too, for build scripts that watch them.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use fs_err as fs;
use indexmap::IndexSet;
use serde::{Deserialize, Serialize};

use crate::digest::{self, Tagged};
use crate::error::{Error, PathContext as _, Result};
use crate::publish::{self, private, sealed};
use crate::request::{Environment, Interpreter, run};

/// The name of the folder for programs in an environment.
const SCRIPTS: &str = if cfg!(windows) { "Scripts" } else { "bin" };

/// The name of the file that is written last. An environment without it is incomplete.
pub(crate) const READY: &str = "wheelprint-ready.json";
const CONFIG: &str = "pyvenv.cfg";
/// The name of the variable with the folders to import from: a JSON list.
const SYS_PATH: &str = "WHEELPRINT_SYS_PATH";
/// Files in the environment's site-packages, which show the frontend's packages.
const SITE: [(&str, &str); 3] = [
    ("wheelprint.pth", "import _wheelprint_site\n"),
    ("_wheelprint_site.py", include_str!("../python/wheelprint/_site.py")),
    // A file of this name keeps Python from caching bytecode, which could be damaged.
    ("__pycache__", ""),
];

/// The place of the stable interpreter, which may not exist yet, and the variables of the build.
#[derive(Debug, Clone)]
pub(crate) struct StableInterpreter {
    /// The folder of the stable interpreter; `None` if there is no store.
    folder: Option<PathBuf>,
    /// The folders of programs in the frontend's environment, in the order of PATH.
    programs: Vec<PathBuf>,
    /// The folders of PATH.
    path: Vec<PathBuf>,
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
        let environment = environment.clone();
        let mut planned = Self { folder: None, programs: vec![], path: vec![], environment };
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
        planned.environment.set(SYS_PATH, sys_path(interpreter));
        planned.folder = Some(folder);
        planned
    }

    fn set_path(&mut self, interpreter: &Interpreter, folder: &Path) {
        self.programs = environment_prefixes(interpreter, cfg!(windows))
            .into_iter()
            .map(|prefix| prefix.join(SCRIPTS))
            .collect();
        let path = self.environment.get("PATH").unwrap_or_default();
        let path: Vec<PathBuf> = std::env::split_paths(path).collect();
        // maturin's hooks look for the `maturin` program on PATH. If the frontend started its
        // interpreter by path, without that environment's programs on PATH, add them here.
        let own = self.programs.first().filter(|own| !path.contains(own)).cloned();
        let entries: IndexSet<PathBuf> =
            [folder.join(SCRIPTS)].into_iter().chain(own).chain(path).collect();
        self.programs.retain(|programs| entries.contains(programs));
        self.path = entries.into_iter().collect();
        self.environment = self.with_path(self.environment.clone(), PathBuf::clone);
    }

    fn with_path(
        &self,
        mut environment: Environment,
        name: impl FnMut(&PathBuf) -> PathBuf,
    ) -> Environment {
        if let Ok(path) = std::env::join_paths(self.path.iter().map(name)) {
            environment.set("PATH", path);
        }
        environment
    }

    /// The environment whose variables count as inputs. Their values do not say where the store and
    /// the frontend's environment are.
    pub(crate) fn counted(&self) -> Environment {
        let Some(folder) = &self.folder else { return self.environment.clone() };
        let mut counted = self.with_path(self.environment.clone(), |entry| {
            let position = self.programs.iter().position(|programs| programs == entry);
            match (entry.strip_prefix(folder), position) {
                (Ok(inside), _) => Path::new("{python}").join(inside),
                (_, Some(number)) => format!("{{python}}/frontend-{number}").into(),
                _ => entry.clone(),
            }
        });
        counted.set("VIRTUAL_ENV", "{python}");
        counted
    }

    /// The variables of a build in which PATH has a link with a stable name for every folder of the
    /// frontend's environment. `links` is the folder of the links. The caller must hold a lock, so
    /// that no other build has other links there at the same time.
    ///
    /// # Errors
    /// A link can't be made.
    pub(crate) fn with_links(&self, links: &Path) -> Result<Environment> {
        private::make(links).at(links)?;
        let name = |number: usize| links.join(format!("frontend-{number}"));
        for (number, target) in self.programs.iter().enumerate() {
            point(&name(number), target).at(target)?;
        }
        Ok(self.with_path(self.environment.clone(), |entry| {
            let position = self.programs.iter().position(|programs| programs == entry);
            position.map_or_else(|| entry.clone(), name)
        }))
    }

    /// The folder of the stable interpreter; `None` if there is no store.
    pub(crate) fn folder(&self) -> Option<&Path> {
        self.folder.as_deref()
    }

    /// The path of the stable interpreter, whether or not it exists; `None` if there is no store.
    pub(crate) fn python(&self) -> Option<PathBuf> {
        let name = format!("python{}", std::env::consts::EXE_SUFFIX);
        Some(self.folder.as_ref()?.join(SCRIPTS).join(name))
    }

    /// The path of the stable interpreter, if it is complete and not damaged.
    pub(crate) fn ready(&self) -> Option<PathBuf> {
        let (folder, python) = (self.folder.as_ref()?, self.python()?);
        let ready: Ready = sealed::read(&folder.join(READY)).ok()?;
        let config = digest::file(&folder.join(CONFIG)).ok()?;
        let is_whole = |(name, text): &(&str, &str)| {
            fs::read(ready.site_packages.join(name)).is_ok_and(|bytes| bytes == text.as_bytes())
        };
        // maturin may install cffi here (its `cffi_binding.rs`), which would hide the cffi of another
        // frontend's environment.
        let is_ours = |name: &str| SITE.iter().any(|(own, _)| name == *own);
        let inside = fs::read_dir(&ready.site_packages).ok()?;
        let is_ours = inside.flatten().all(|entry| entry.file_name().to_str().is_some_and(is_ours));
        // If the base interpreter was removed, `python` is a dangling link.
        let is_usable = ready.config == config && python.exists() && is_ours;
        (is_usable && SITE.iter().all(is_whole)).then_some(python)
    }

    /// Makes the environment anew, and gives the path of its interpreter. The caller must hold a
    /// lock. Call this only with a store.
    ///
    /// # Errors
    /// The folder can't be written to, or Python's `venv` fails.
    pub(crate) fn make(&self, interpreter: &Interpreter) -> Result<PathBuf> {
        let (Some(folder), Some(python)) = (&self.folder, self.python()) else {
            return Ok(interpreter.executable.clone());
        };
        if folder.exists() {
            fs::remove_dir_all(folder).at(folder)?;
        }
        if let Some(parent) = folder.parent() {
            private::make(parent).at(parent)?;
        }
        let mut venv = Command::new(&interpreter.executable);
        venv.args(["-I", "-m", "venv", "--without-pip"]);
        if cfg!(unix) {
            venv.arg("--symlinks");
        }
        ask(venv.arg(folder), folder)?;
        let mut purelib = Command::new(&python);
        purelib.args([
            "-I",
            // Windows writes to a pipe in a code page, which may lack letters of the path.
            "-X",
            "utf8",
            "-c",
            "import sysconfig; print(sysconfig.get_path('purelib'), end='')",
        ]);
        let site_packages = PathBuf::from(ask(&mut purelib, folder)?);
        for (name, text) in SITE {
            let path = site_packages.join(name);
            publish::bytes(&path, text.as_bytes()).at(path)?;
        }
        let config = folder.join(CONFIG);
        let ready = Ready { site_packages, config: digest::file(&config).at(&config)? };
        sealed::write(&folder.join(READY), &ready).at(folder.join(READY))?;
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

/// The folders that the stable interpreter imports from, as the value of [`SYS_PATH`]: everything
/// that the frontend's interpreter can import, except for the standard library.
fn sys_path(interpreter: &Interpreter) -> String {
    let is_stdlib = |entry: &Path| {
        entry.join("os.py").is_file()
            || entry.extension() == Some("zip".as_ref())
            || ["lib-dynload", "DLLs"].iter().any(|name| entry.ends_with(name))
    };
    let entries = interpreter.sys_path.iter().filter(|entry| !is_stdlib(entry));
    let entries: Vec<_> = entries.map(|entry| entry.to_string_lossy()).collect();
    serde_json::json!(entries).to_string()
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
            libc: String::new(),
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
        assert_eq!(one.programs, [Path::new("/tmp/one/bin")]);
        let path = |environment: &Environment| environment.get("PATH").unwrap().to_owned();
        assert!(path(&one.environment).to_str().unwrap().ends_with(":/tmp/one/bin:/usr/bin"));

        let folder = tempfile::tempdir().unwrap();
        let linked = [&one, &two].map(|plan| plan.with_links(folder.path()).unwrap());
        assert_eq!(path(&linked[0]), path(&linked[1]));
        let target = fs::read_link(folder.path().join("frontend-0")).unwrap();
        assert_eq!(target, Path::new("/tmp/two/bin"));
        for counted in [one.counted(), two.counted()] {
            assert_eq!(path(&counted), *"{python}/bin:{python}/frontend-0:/usr/bin");
            assert_eq!(counted.get("VIRTUAL_ENV").unwrap(), "{python}");
        }
    }

    #[test]
    fn with_a_package_of_its_own_it_is_made_anew() {
        let folder = tempfile::tempdir().unwrap();
        let store = Some(folder.path().to_owned());
        let plan = StableInterpreter::new(&interpreter("/tmp/x"), &environment("/tmp/x"), store);
        let (folder, python) = (plan.folder().unwrap(), plan.python().unwrap());
        let site_packages = folder.join("site-packages");
        fs::create_dir_all(python.parent().unwrap()).unwrap();
        fs::create_dir(&site_packages).unwrap();
        for path in [&python, &folder.join(CONFIG)] {
            fs::write(path, "").unwrap();
        }
        for (name, text) in SITE {
            fs::write(site_packages.join(name), text).unwrap();
        }
        let config = digest::bytes(b"");
        let ready = Ready { site_packages: site_packages.clone(), config };
        sealed::write(&folder.join(READY), &ready).unwrap();
        assert_eq!(plan.ready(), Some(python.clone()));
        // As maturin does for a project with cffi.
        for name in ["cffi", "_cffi_backend.so", "cffi-1.17.1.dist-info"] {
            fs::write(site_packages.join(name), "").unwrap();
            assert_eq!(plan.ready(), None, "{name}");
            fs::remove_file(site_packages.join(name)).unwrap();
        }
        assert_eq!(plan.ready(), Some(python));
    }

    #[test]
    fn the_folders_to_import_from() {
        let sys_path = |sys_path: &[&str]| {
            let sys_path = sys_path.iter().map(PathBuf::from).collect();
            super::sys_path(&Interpreter { sys_path, ..Interpreter::default() })
        };
        assert_eq!(sys_path(&["/usr/lib/python313.zip", "/usr/lib/lib-dynload"]), "[]");
        assert_eq!(sys_path(&["/a:b/site-packages", "/é\n"]), r#"["/a:b/site-packages","/é\n"]"#);
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
                .python()
        };
        let base = plan(|_| {});
        assert_ne!(base, plan(|it| it.version = "3.12.0".into()));
        assert_ne!(base, plan(|it| it.extension_suffix = ".cpython-311d.so".into()));
        assert_ne!(base, plan(|it| it.implementation = "pypy".into()));
        assert_ne!(base, plan(|it| it.base_executable = "/opt/python".into()));
        assert_eq!(base, plan(|it| it.prefix = "/tmp/elsewhere".into()));
    }
}
