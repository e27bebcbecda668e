//! The frontend's request: hook, folders, config settings, interpreter, environment.

use std::collections::BTreeMap;
use std::ffi::{OsStr, OsString};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

/// The artifact of a request. The `prepare_metadata_*` and `get_requires_*` hooks ask about one of
/// these.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Artifact {
    /// `build_wheel` (PEP 517).
    Wheel,
    /// `build_editable` (PEP 660).
    Editable,
    /// `build_sdist` (PEP 517).
    Sdist,
}

impl Artifact {
    /// The word for records and file names.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Wheel => "wheel",
            Self::Editable => "editable",
            Self::Sdist => "sdist",
        }
    }
}

/// A hook of PEP 517 or 660, with the artifact that it makes or asks about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Hook {
    GetRequires(Artifact),
    /// There is no such hook for an sdist.
    PrepareMetadata(Artifact),
    Build(Artifact),
}

impl Hook {
    pub const ALL: [Self; 8] = [
        Self::GetRequires(Artifact::Wheel),
        Self::GetRequires(Artifact::Editable),
        Self::GetRequires(Artifact::Sdist),
        Self::PrepareMetadata(Artifact::Wheel),
        Self::PrepareMetadata(Artifact::Editable),
        Self::Build(Artifact::Wheel),
        Self::Build(Artifact::Editable),
        Self::Build(Artifact::Sdist),
    ];

    pub fn named(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|hook| hook.to_string() == name)
    }

    pub fn artifact(self) -> Artifact {
        match self {
            Self::GetRequires(artifact)
            | Self::PrepareMetadata(artifact)
            | Self::Build(artifact) => artifact,
        }
    }
}

/// The name in PEP 517 and 660.
impl std::fmt::Display for Hook {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let kind = match self {
            Self::GetRequires(_) => "get_requires_for_build",
            Self::PrepareMetadata(_) => "prepare_metadata_for_build",
            Self::Build(_) => "build",
        };
        write!(formatter, "{kind}_{}", self.artifact().as_str())
    }
}

/// One value of PEP 517's `config_settings`. Frontends pass strings, lists of strings or flags.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
#[serde(untagged)]
pub enum ConfigValue {
    Text(String),
    List(Vec<String>),
    Flag(bool),
}

/// The config settings, sorted by name.
pub type ConfigSettings = BTreeMap<String, ConfigValue>;

/// The prefix of wheelprint's own config settings. All others are maturin's.
pub const OWN_PREFIX: &str = "wheelprint.";

/// The interpreter that runs the frontend's hooks, as it describes itself.
#[derive(Debug, Clone, Default, PartialEq, Eq, serde::Deserialize)]
pub struct Interpreter {
    /// `sys.executable`
    pub executable: PathBuf,
    /// `sys._base_executable`: the interpreter that a virtual environment was made from
    pub base_executable: PathBuf,
    /// `sys.prefix`
    pub prefix: PathBuf,
    /// `sys.implementation.name`, e.g. `cpython`
    pub implementation: String,
    /// e.g. `3.11.7`
    pub version: String,
    /// The first of `importlib.machinery.EXTENSION_SUFFIXES`. It contains the ABI flags, debug and
    /// free-threaded builds, and the platform, e.g. `.cpython-313t-x86_64-linux-gnu.so`
    pub extension_suffix: String,
    /// `sys.platform` and the machine, e.g. `linux-x86_64`
    pub platform: String,
    /// The version of glibc, e.g. `glibc 2.36`. Empty for any other C library.
    #[serde(default)]
    pub libc: String,
    /// `sys.path` without empty entries
    pub sys_path: Vec<PathBuf>,
    /// The file of wheelprint's compiled module, if this interpreter has loaded it.
    #[serde(default)]
    pub backend: Option<PathBuf>,
}

impl Interpreter {
    /// The properties that two interpreters must share, so that a build with one works with the
    /// other.
    pub fn identity(&self) -> String {
        let Self { implementation, version, extension_suffix, platform, .. } = self;
        format!("{implementation} {version} {extension_suffix} {platform}")
    }
}

/// The environment variables, read once. All other code reads variables from here (see
/// clippy.toml).
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Environment(BTreeMap<OsString, OsString>);

impl Environment {
    pub fn current() -> Self {
        std::env::vars_os().collect()
    }

    /// The value, if the variable is set.
    pub fn get(&self, name: impl AsRef<OsStr>) -> Option<&OsStr> {
        self.0.get(&fold(name.as_ref())).map(OsString::as_os_str)
    }

    /// The value, if the variable is set and not empty.
    pub fn non_empty(&self, name: &str) -> Option<&OsStr> {
        self.get(name).filter(|value| !value.is_empty())
    }

    pub fn set(&mut self, name: &str, value: impl Into<OsString>) {
        self.0.insert(fold(OsStr::new(name)), value.into());
    }

    /// Removes these variables, and gives them.
    pub fn take(&mut self, names: &[&str]) -> Self {
        let taken = |name: &&str| self.0.remove_entry(&fold(OsStr::new(name)));
        Self(names.iter().filter_map(taken).collect())
    }

    /// The same variables and those of another environment, which count more.
    pub fn with(&self, other: &Self) -> Self {
        let mut all = self.clone();
        all.0.extend(other.0.clone());
        all
    }

    /// All variables, sorted by name.
    pub fn iter(&self) -> impl Iterator<Item = (&OsStr, &OsStr)> {
        self.0.iter().map(|(name, value)| (name.as_os_str(), value.as_os_str()))
    }

    /// A command that runs in a folder, with exactly these variables and without input.
    pub fn command(&self, program: impl AsRef<OsStr>, folder: &Path) -> Command {
        let mut command = Command::new(program);
        command.current_dir(folder).env_clear().envs(self.iter()).stdin(Stdio::null());
        command
    }

    /// The first executable file of this name on PATH. On Windows the endings in PATHEXT are tried.
    pub fn which(&self, program: &str) -> Option<PathBuf> {
        let path = self.get("PATH")?;
        let extensions = self.get("PATHEXT").map(OsStr::to_string_lossy);
        let names = match cfg!(windows) {
            true => names_on_windows(program, extensions.as_deref()),
            false => vec![program.to_owned()],
        };
        std::env::split_paths(path)
            .flat_map(|dir| names.iter().map(move |name| dir.join(name)))
            .find(|candidate| is_executable(candidate))
    }
}

/// Runs a program to its end. Gives its stdout, or its stderr if it failed.
pub(crate) fn run(command: &mut Command) -> std::io::Result<Result<String, String>> {
    let output = command.output()?;
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    let is_success = output.status.success();
    Ok(if is_success { Ok(text(&output.stdout)) } else { Err(text(&output.stderr)) })
}

impl FromIterator<(OsString, OsString)> for Environment {
    fn from_iter<T: IntoIterator<Item = (OsString, OsString)>>(variables: T) -> Self {
        Self(variables.into_iter().map(|(name, value)| (fold(&name), value)).collect())
    }
}

/// The possible file names of a program on Windows: the name itself if it has an ending of
/// programs, then the name with each ending in PATHEXT. Endings of scripts (such as `.PY`) are left
/// out, because such files cannot be started directly.
fn names_on_windows(program: &str, extensions: Option<&str>) -> Vec<String> {
    const USUAL: &str = ".COM;.EXE;.BAT;.CMD";
    let given = extensions.filter(|given| !given.is_empty()).unwrap_or(USUAL).to_ascii_lowercase();
    let usual = USUAL.to_ascii_lowercase();
    let is_usual = |end: &&str| usual.split(';').any(|known| known == *end);
    let ends: Vec<&str> = given.split(';').map(str::trim).filter(is_usual).collect();
    let has_one = ends.iter().any(|end| program.to_ascii_lowercase().ends_with(end));
    let own = has_one.then(|| program.to_owned());
    own.into_iter().chain(ends.iter().map(|end| format!("{program}{end}"))).collect()
}

/// On Windows `Path` and `PATH` are the same variable.
fn fold(name: &OsStr) -> OsString {
    folded(name, cfg!(windows))
}

fn folded(name: &OsStr, windows: bool) -> OsString {
    if windows { name.to_ascii_uppercase() } else { name.to_owned() }
}

#[cfg(unix)]
fn is_executable(path: &Path) -> bool {
    use std::os::unix::fs::PermissionsExt as _;
    path.metadata().is_ok_and(|meta| meta.is_file() && meta.permissions().mode() & 0o111 != 0)
}

#[cfg(not(unix))]
fn is_executable(path: &Path) -> bool {
    path.is_file()
}

/// What the frontend asks for, or a command instead of it.
#[derive(Debug, Clone)]
pub struct Request {
    pub artifact: Artifact,
    /// The source root, which is the working directory of a hook (PEP 517). Absolute.
    pub root: PathBuf,
    pub config_settings: ConfigSettings,
    pub interpreter: Interpreter,
    pub environment: Environment,
}

impl Request {
    /// The config settings for maturin: all except wheelprint's own.
    pub fn maturin_settings(&self) -> ConfigSettings {
        let mut settings = self.config_settings.clone();
        settings.retain(|name, _| !name.starts_with(OWN_PREFIX));
        settings
    }

    /// Whether a training run affects the code (maturin's `--pgo` or `MATURIN_PGO`). The files that
    /// such a run reads cannot be known.
    pub fn is_profile_guided(&self) -> bool {
        let variable = self.environment.non_empty("MATURIN_PGO");
        self.maturin_arguments().iter().any(|argument| argument == "--pgo")
            || variable.is_some_and(|value| value != "false" && value != "0")
    }

    /// maturin's command-line arguments, from the same places as in maturin's own hooks: the config
    /// setting `maturin.build-args` or `build-args`, else `MATURIN_PEP517_ARGS`.
    pub fn maturin_arguments(&self) -> Vec<String> {
        let settings = &self.config_settings;
        match settings.get("maturin.build-args").or_else(|| settings.get("build-args")) {
            Some(ConfigValue::List(arguments)) => arguments.clone(),
            Some(ConfigValue::Text(text)) => split_shell_words(text),
            Some(ConfigValue::Flag(_)) => Vec::new(),
            None => {
                let text = self.environment.get("MATURIN_PEP517_ARGS").unwrap_or_default();
                split_shell_words(&text.to_string_lossy())
            }
        }
    }
}

/// Splits like Python's `shlex.split`, which maturin's hooks call. Between double quotes a
/// backslash is an ordinary character, unless a quote or a backslash follows. A shell and the crate
/// `shlex` differ here. An unclosed quote extends to the end; maturin then reports the error.
fn split_shell_words(text: &str) -> Vec<String> {
    let mut words = Vec::new();
    let mut word: Option<String> = None;
    let mut quote = None;
    let mut chars = text.chars();
    while let Some(char) = chars.next() {
        match (quote, char) {
            (None, ' ' | '\t' | '\n' | '\r') => words.extend(word.take()),
            (None, '\'' | '"') => {
                quote = Some(char);
                word.get_or_insert_default();
            }
            (Some(open), close) if open == close => quote = None,
            (None, '\\') => word.get_or_insert_default().extend(chars.next()),
            (Some('"'), '\\') => {
                let next = chars.next();
                let is_escaped = matches!(next, Some('"' | '\\'));
                let word = word.get_or_insert_default();
                word.extend((!is_escaped).then_some('\\'));
                word.extend(next);
            }
            (_, other) => word.get_or_insert_default().push(other),
        }
    }
    words.extend(word);
    words
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shell_words_split_as_shlex_does() {
        let split = |text: &str| split_shell_words(text);
        assert_eq!(split("--profile dev  -F 'a b'"), ["--profile", "dev", "-F", "a b"]);
        assert_eq!(split(r#"--config "k=\"v\"" a\ b"#), ["--config", r#"k="v""#, "a b"]);
        assert_eq!(split("''"), [""]);
        assert!(split("  ").is_empty());
        // Each result is the one that Python prints.
        assert_eq!(split(r#"--target-dir "C:\x y""#), ["--target-dir", r"C:\x y"]);
        assert_eq!(split(r#""a\\b" "\$c" "\`d""#), [r"a\b", r"\$c", r"\`d"]);
        assert_eq!(split(r#"C:\x 'C:\x' "e\"f""#), ["C:x", r"C:\x", "e\"f"]);
        assert_eq!(split("a\\\nb \"c\\\nd\" 'e'\"f\"g"), ["a\nb", "c\\\nd", "efg"]);
    }

    #[test]
    fn hooks_have_the_names_of_the_standards() {
        let names = Hook::ALL.map(|hook| hook.to_string());
        assert_eq!(
            names.join(" "),
            "get_requires_for_build_wheel get_requires_for_build_editable \
             get_requires_for_build_sdist prepare_metadata_for_build_wheel \
             prepare_metadata_for_build_editable build_wheel build_editable build_sdist"
        );
        assert_eq!(Hook::named("build_editable"), Some(Hook::Build(Artifact::Editable)));
        assert_eq!(Hook::named("prepare_metadata_for_build_sdist"), None);
    }

    #[test]
    fn a_training_run_is_asked_for_by_argument_or_variable() {
        let asked = |name: &str, value: &str| {
            let mut environment = Environment::default();
            environment.set(name, value);
            let request = Request {
                artifact: Artifact::Wheel,
                root: PathBuf::new(),
                config_settings: ConfigSettings::new(),
                interpreter: Interpreter::default(),
                environment,
            };
            request.is_profile_guided()
        };
        assert!(asked("MATURIN_PEP517_ARGS", "--locked --pgo"));
        assert!(asked("MATURIN_PGO", "true") && asked("MATURIN_PGO", "1"));
        assert!(!asked("MATURIN_PGO", "false") && !asked("MATURIN_PGO", ""));
        assert!(!asked("MATURIN_PEP517_ARGS", "--locked"));
    }

    #[test]
    fn programs_on_windows() {
        let names = |program, extensions| names_on_windows(program, extensions).join(" ");
        assert_eq!(names("git", None), "git.com git.exe git.bat git.cmd");
        assert_eq!(names("git", Some("")), "git.com git.exe git.bat git.cmd");
        assert_eq!(names("git", Some(".EXE;.CMD;.PY")), "git.exe git.cmd");
        // RUSTC and CARGO may have such values.
        assert_eq!(names("rustc.exe", Some(".EXE")), "rustc.exe rustc.exe.exe");
        assert_eq!(names("Cargo.EXE", Some(".EXE")), "Cargo.EXE Cargo.EXE.exe");
        assert_eq!(names("python3.13", Some(".EXE")), "python3.13.exe");
    }

    #[test]
    fn names_of_variables() {
        let folded = |name: &str, windows| folded(OsStr::new(name), windows);
        for name in ["Path", "PATH", "path"] {
            assert_eq!(folded(name, true), "PATH");
            assert_eq!(folded(name, false), name);
        }
        assert_eq!(folded("ProgramFiles(x86)", true), "PROGRAMFILES(X86)");
    }

    #[test]
    fn a_missing_variable_and_an_empty_one_differ() {
        let environment: Environment =
            [(OsString::from("EMPTY"), OsString::new())].into_iter().collect();
        assert_eq!(environment.get("EMPTY"), Some(OsStr::new("")));
        assert_eq!(environment.non_empty("EMPTY"), None);
        assert_eq!(environment.get("MISSING"), None);
    }
}
