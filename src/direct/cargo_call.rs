//! One call of cargo that can be repeated.

use std::collections::BTreeMap;
use std::ffi::OsStr;
use std::path::{Path, PathBuf};
use std::process::Stdio;

use fs_err as fs;
use serde::{Deserialize, Serialize};

use crate::digest::{self, Tagged};
use crate::error::{Error, Result};
use crate::maturin;
use crate::request::Environment;

/// Variables that differ from call to call and say nothing about the result: the folder with
/// prepared metadata, colours and progress in the output, and what shells set (maturin or cargo may be
/// behind a script).
const OF_ONE_CALL: [&str; 8] = [
    "MATURIN_PEP517_METADATA_DIR",
    "CARGO_TERM_COLOR",
    "CARGO_TERM_PROGRESS_WHEN",
    "CARGO_TERM_PROGRESS_WIDTH",
    "PWD",
    "OLDPWD",
    "SHLVL",
    "_",
];
/// A file that maturin writes for pyo3, and that cargo's build reads.
const PYO3_CONFIG: &str = "PYO3_CONFIG_FILE";
/// Variables that decide where cargo works and what it does. Most are inputs; some only decide about
/// places. Python sets `LC_CTYPE` itself if no locale is named (PEP 538).
const DECIDING: [&str; 10] = [
    "CARGO",
    "HOME",
    "LANG",
    "LC_",
    "MATURIN",
    "PYO3",
    "RUST",
    "USERPROFILE",
    "XDG_CACHE_HOME",
    "XDG_CONFIG_HOME",
];

/// A call of `cargo rustc`.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct CargoCall {
    program: PathBuf,
    folder: PathBuf,
    arguments: Vec<Argument>,
    variables: Vec<Variable>,
    /// See [`deciding`].
    deciding: String,
    /// The digest of pyo3's configuration file, if a variable names one.
    pyo3_config: Option<String>,
}

/// An argument. What the user gave to maturin may be secret, so it is not kept.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(untagged)]
enum Argument {
    Of(String),
    /// This argument of maturin, which got it from the user.
    Given(usize),
}

/// Shorter texts are no secrets.
const SHORTEST_SECRET: usize = 6;

/// Replaces each argument that the user gave to maturin by its index. `None` if another argument
/// contains the value of such an argument, or is a part of that value.
fn without_given(arguments: Vec<String>, given: &[String]) -> Option<Vec<Argument>> {
    let is_long = |text: &str| text.len() >= SHORTEST_SECRET;
    let values: Vec<&str> =
        given.iter().filter_map(|word| value(word)).filter(|value| is_long(value)).collect();
    let is_given = |word: &str| {
        let is_option = word.starts_with('-');
        let is_part = |value: &str| is_long(word) && !is_option && value.contains(word);
        values.iter().any(|value| word.contains(value) || is_part(value))
    };
    let argument = |word: String| match given.iter().position(|given| *given == word) {
        Some(index) => Some(Argument::Given(index)),
        None => (!is_given(&word)).then_some(Argument::Of(word)),
    };
    arguments.into_iter().map(argument).collect()
}

/// The value in `--option=value`, `-Ovalue` or `value`.
fn value(word: &str) -> Option<&str> {
    match word.split_once('=') {
        Some((_, value)) => Some(value),
        None if word.starts_with("--") => None,
        None if word.starts_with('-') => word.get(2..),
        None => Some(word),
    }
}

/// A variable that maturin set, changed or removed.
#[derive(Debug, Clone, Serialize, Deserialize)]
struct Variable {
    name: String,
    /// The digest of the value that maturin got. With another value maturin could act differently.
    before: Option<String>,
    after: Option<String>,
}

/// Does the variable differ from call to call, without an effect?
pub(super) fn is_of_one_call(name: &str) -> bool {
    OF_ONE_CALL.contains(&name)
}

pub(super) fn value_digest(environment: &Environment, name: impl AsRef<OsStr>) -> Option<String> {
    environment.get(name).map(|value| digest::bytes(value.as_encoded_bytes()))
}

/// A digest of the variables that decide about cargo's work.
fn deciding(environment: &Environment) -> String {
    let mut tagged = Tagged::new("deciding-variables");
    for (name, value) in environment.iter() {
        let name = name.to_string_lossy();
        if DECIDING.iter().any(|start| name.starts_with(start)) && !is_of_one_call(&name) {
            tagged.field(&name, &value.to_string_lossy());
        }
    }
    tagged.finish()
}

/// What cargo made.
#[derive(Default)]
pub(crate) struct Compiled {
    pub files: Vec<PathBuf>,
    out_dirs: Vec<PathBuf>,
    /// Has a message another form than expected?
    pub has_unknown_messages: bool,
    /// Does a build script name a folder to search for libraries? maturin before 1.12 writes it into
    /// the module.
    pub has_linked_folders: bool,
    /// Does such a script name a shared library, too? Every maturin writes the folder then.
    pub has_shared_libraries: bool,
}

impl CargoCall {
    /// A call with these arguments. `before` are the variables that maturin got, `changed` those that
    /// cargo got with other values, and `given` the arguments of maturin. `None` if the call can't be
    /// repeated, or not be kept.
    pub(super) fn new(
        program: PathBuf,
        folder: PathBuf,
        arguments: Vec<String>,
        given: &[String],
        before: &Environment,
        mut changed: BTreeMap<String, Option<String>>,
    ) -> Option<Self> {
        let has_messages = arguments.iter().any(|word| word.contains("json-render-diagnostics"));
        if arguments.first().is_none_or(|word| word != "rustc") || !has_messages {
            return None;
        }
        let arguments = without_given(arguments, given)?;
        changed.retain(|name, _| !is_of_one_call(name));
        let holds_earlier = |(name, after): (&String, &Option<String>)| {
            let earlier = before.get(name).map(OsStr::to_string_lossy).unwrap_or_default();
            let is_held = |after: &String| after.contains(&*earlier);
            earlier.len() >= SHORTEST_SECRET && after.as_ref().is_some_and(is_held)
        };
        if changed.iter().any(holds_earlier) {
            return None;
        }
        let config = changed.get(PYO3_CONFIG).cloned().flatten();
        let pyo3_config = match config {
            Some(path) => Some(digest::file(Path::new(&path)).ok()?),
            None => None,
        };
        let variables = changed.into_iter().map(|(name, after)| {
            let before = value_digest(before, &name);
            Variable { name, before, after }
        });
        let variables = variables.collect();
        let deciding = deciding(before);
        Some(Self { program, folder, arguments, variables, deciding, pyo3_config })
    }

    /// The reason why the call can't be repeated with this cargo in this folder, and with these
    /// variables and arguments for maturin.
    pub(crate) fn obstacle(
        &self,
        cargo: Option<&Path>,
        folder: &Path,
        given: &[String],
        environment: &Environment,
    ) -> Option<String> {
        if cargo != Some(&self.program) {
            return Some("cargo is another program".to_owned());
        }
        if dunce::canonicalize(folder).ok().as_ref() != Some(&self.folder) {
            return Some("maturin called cargo in another folder".to_owned());
        }
        if self.arguments_with(given).is_none() {
            return Some("maturin has other arguments".to_owned());
        }
        let is_other =
            |variable: &&Variable| value_digest(environment, &variable.name) != variable.before;
        if let Some(variable) = self.variables.iter().find(is_other) {
            return Some(format!("the variable {} changed", variable.name));
        }
        if deciding(environment) != self.deciding {
            return Some("a variable that decides where cargo works changed".to_owned());
        }
        let config = self.variables.iter().find(|variable| variable.name == PYO3_CONFIG);
        let config = config.and_then(|variable| variable.after.as_ref()).map(Path::new);
        let now = config.and_then(|path| digest::file(path).ok());
        (self.pyo3_config.is_some() && now != self.pyo3_config)
            .then(|| "maturin's configuration file for pyo3 changed".to_owned())
    }

    fn arguments_with<'a>(&'a self, given: &'a [String]) -> Option<Vec<&'a String>> {
        let word = |argument: &'a Argument| match argument {
            Argument::Of(word) => Some(word),
            Argument::Given(index) => given.get(*index),
        };
        self.arguments.iter().map(word).collect()
    }

    /// Calls cargo. Its messages are shown. `environment` and `given` are the variables and arguments
    /// that maturin would get.
    ///
    /// # Errors
    /// cargo can't be run, or the build fails.
    pub(crate) fn repeat(
        &self,
        environment: &Environment,
        given: &[String],
        hook: &str,
        meanwhile: impl FnOnce(),
    ) -> Result<Compiled> {
        let messages = tempfile::NamedTempFile::new()
            .map_err(|error| Error::io("temporary folder", &error))?;
        let stdout = messages.reopen().map_err(|error| Error::io(messages.path(), &error))?;
        let mut command = environment.command(&self.program, &self.folder);
        let arguments = self.arguments_with(given).unwrap_or_default();
        command.args(arguments).stdin(Stdio::null()).stdout(stdout);
        for Variable { name, after, .. } in &self.variables {
            match after {
                Some(value) => command.env(name, value),
                None => command.env_remove(name),
            };
        }
        if !maturin::run_cargo(&mut command, environment, meanwhile)?.success() {
            return Err(Error::BuildFailed { hook: hook.to_owned() });
        }
        let text = fs::read(messages.path()).map_err(|error| Error::io(messages.path(), &error))?;
        Ok(Compiled::read(&String::from_utf8_lossy(&text)))
    }
}

/// A message of cargo (its reference, "external tools").
#[derive(Deserialize)]
#[serde(tag = "reason", rename_all = "kebab-case")]
enum Message {
    CompilerArtifact {
        filenames: Vec<PathBuf>,
    },
    BuildScriptExecuted {
        linked_libs: Vec<String>,
        linked_paths: Vec<String>,
        out_dir: PathBuf,
    },
    #[serde(other)]
    Other,
}

impl Compiled {
    fn read(messages: &str) -> Self {
        let mut compiled = Self::default();
        for line in messages.lines() {
            let Ok(message) = serde_json::from_str(line) else {
                // Compiler plugins print other lines, and maturin passes over them, too.
                compiled.has_unknown_messages |= line.starts_with("{\"reason\":");
                continue;
            };
            match message {
                Message::CompilerArtifact { filenames } => compiled.files.extend(filenames),
                Message::BuildScriptExecuted { linked_libs, linked_paths, out_dir } => {
                    // Without a kind it is a shared library.
                    let is_shared = |library: &String| {
                        library.split_once('=').is_none_or(|(kind, _)| kind.starts_with("dylib"))
                    };
                    let has_folders = !linked_paths.is_empty();
                    compiled.has_linked_folders |= has_folders;
                    compiled.has_shared_libraries |=
                        has_folders && linked_libs.iter().any(is_shared);
                    compiled.out_dirs.push(out_dir);
                }
                Message::Other => {}
            }
        }
        compiled
    }

    /// Did cargo work in these folders only?
    pub(crate) fn is_in(&self, folders: &[&Path]) -> bool {
        let is_inside = |path: &PathBuf| folders.iter().any(|folder| path.starts_with(folder));
        self.files.iter().chain(&self.out_dirs).all(is_inside)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn messages_of_cargo() {
        let script = |libraries: &str, folders: &str| {
            format!(
                "{{\"reason\":\"build-script-executed\",\"package_id\":\"x\",\"linked_libs\":[{libraries}],\
                 \"linked_paths\":[{folders}],\"out_dir\":\"/t/release/build/x/out\"}}"
            )
        };
        let read = |text: &str| {
            let compiled = Compiled::read(text);
            (compiled.has_linked_folders, compiled.has_shared_libraries)
        };
        assert_eq!(read(&script("", "")), (false, false));
        assert_eq!(read(&script("\"z\"", "")), (false, false));
        assert_eq!(read(&script("\"static=z\"", "\"native=/l\"")), (true, false));
        assert_eq!(read(&script("\"z\"", "\"native=/l\"")), (true, true));
        assert_eq!(read(&script("\"dylib:+verbatim=z\"", "\"/l\"")), (true, true));
        let artifact = "{\"reason\":\"compiler-artifact\",\"filenames\":[\"/t/release/libm.so\"]}";
        let compiled = Compiled::read(&format!(
            "{{ printed by a macro\n{artifact}\n{}\n{{\"reason\":\"build-finished\"}}\n",
            script("", "")
        ));
        assert_eq!(compiled.files, [Path::new("/t/release/libm.so")]);
        assert!(!compiled.has_unknown_messages);
        let other = "{\"reason\":\"build-script-executed\",\"linked\":[]}";
        assert!(Compiled::read(other).has_unknown_messages);
        assert!(compiled.is_in(&[Path::new("/t")]));
        assert!(!compiled.is_in(&[Path::new("/t/release/deps"), Path::new("/other")]));
    }

    #[test]
    fn what_can_be_repeated() {
        let mut before = Environment::default();
        before.set("PATH", "/bin");
        before.set("SECRET", "a secret");
        let given = [
            "--config",
            "a=\"secret value\"",
            "--features=some-feature",
            "dev",
            "-Fone-more,another-one",
        ];
        let given = given.map(str::to_owned);
        let new = |arguments: &[&str], changed: &[(&str, Option<&str>)]| {
            let arguments = arguments.iter().map(|word| (*word).to_owned()).collect();
            let text = |value: &Option<&str>| value.map(str::to_owned);
            let changed =
                changed.iter().map(|(name, value)| ((*name).to_owned(), text(value))).collect();
            CargoCall::new("/bin/cargo".into(), "/".into(), arguments, &given, &before, changed)
        };
        const RUSTC: [&str; 3] = ["rustc", "--message-format", "json-render-diagnostics"];
        assert!(new(&["build"], &[]).is_none());
        assert!(new(&["zigbuild", "json-render-diagnostics"], &[]).is_none());
        let call = new(&RUSTC, &[("PYO3_PYTHON", Some("/p")), ("LC_CTYPE", Some("C.UTF-8"))]);
        let call = call.unwrap();
        let obstacle = |change: (&str, Option<&str>)| {
            let mut now = before.clone();
            if let (name, Some(value)) = change {
                now.set(name, value);
            }
            call.obstacle(Some(Path::new("/bin/cargo")), Path::new("/"), &given, &now)
        };
        assert_eq!(obstacle(("OTHER", Some("x"))), None);
        for name in [
            "PYO3_PYTHON",
            "LANG",
            "LC_ALL",
            "LC_CTYPE",
            "HOME",
            "CARGO_TARGET_DIR",
            "XDG_CACHE_HOME",
        ] {
            assert!(obstacle((name, Some("x"))).is_some(), "{name}");
        }
        let other =
            call.obstacle(Some(Path::new("/usr/bin/cargo")), Path::new("/"), &given, &before);
        assert_eq!(other.unwrap(), "cargo is another program");
        let cargo = Some(Path::new("/bin/cargo"));
        assert!(call.obstacle(cargo, Path::new("/tmp"), &given, &before).is_some());

        // What the user gave is not kept, and a call that has a part of it is not kept at all.
        let with = |words: &[&str]| new(&[&RUSTC[..], words].concat(), &[]);
        let call = with(&["--profile", "dev", "--config", "a=\"secret value\""]).unwrap();
        let text = serde_json::to_string(&call).unwrap();
        assert!(!text.contains("secret"), "{text}");
        let arguments = call.arguments_with(&given).unwrap();
        assert_eq!(arguments[3..], ["--profile", "dev", "--config", "a=\"secret value\""]);
        assert_eq!(call.obstacle(cargo, Path::new("/"), &given, &before), None);
        assert!(call.obstacle(cargo, Path::new("/"), &given[..1], &before).is_some());
        for word in ["some-feature", "x,some-feature", "one-more", "another-one"] {
            assert!(with(&["--features", word]).is_none(), "{word}");
        }
        assert!(with(&["--features", "unrelated"]).is_some());
        assert!(new(&RUSTC, &[("SECRET", Some("a secret and more"))]).is_none());
        assert!(new(&RUSTC, &[("SECRET", Some("another"))]).is_some());
    }
}
