//! Recording how maturin calls cargo.
//!
//! maturin runs the program that the variable `CARGO` names. During a build this is a Python script
//! (`python/wheelprint/_record_cargo.py`). It writes down its arguments, its variables and its folder,
//! and then becomes cargo. A shell would not do: it drops variables whose names are no identifiers, and
//! adds its own. Windows can't run scripts as programs, so nothing is recorded there.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::path::{Path, PathBuf};

use serde::Deserialize;

use super::CargoCall;
use super::cargo_call::{is_of_one_call, value_digest};
use crate::request::Environment;

#[cfg(unix)]
const SCRIPT: &str = include_str!("../../python/wheelprint/_record_cargo.py");
/// The line of the script that is replaced by its data.
#[cfg(unix)]
const DATA: &str = "CARGO, FOLDER, VALUE = b\"\", b\"\", None\n";

/// A running recording.
pub(crate) struct Recorder {
    folder: PathBuf,
    cargo: PathBuf,
    /// The variables of maturin.
    pub environment: Environment,
    /// The variables without a recording.
    planned: Environment,
}

/// What the script writes. Texts are bytes in hexadecimal digits.
#[derive(Deserialize)]
struct Said {
    folder: String,
    arguments: Vec<String>,
    /// The digest of each value, and the value of those that maturin sets.
    variables: BTreeMap<String, (String, Option<String>)>,
}

impl Recorder {
    /// Prepares a recording in a new folder. `None` if this system can't run the script.
    #[cfg(unix)]
    pub(crate) fn begin(
        folder: &Path,
        python: &Path,
        cargo: &Path,
        planned: &Environment,
    ) -> Option<Self> {
        use fs_err::os::unix::fs::OpenOptionsExt as _;

        fs_err::create_dir(folder).ok()?;
        let script = folder.join("cargo");
        let mut options = fs_err::OpenOptions::new();
        options.write(true).create_new(true).mode(0o700);
        let mut file = options.open(&script).ok()?;
        let bytes = |text: &std::ffi::OsStr| {
            format!("bytes.fromhex(\"{}\")", hex::encode(text.as_encoded_bytes()))
        };
        let value = planned.get("CARGO").map_or_else(|| "None".to_owned(), bytes);
        let (program, place) = (bytes(cargo.as_os_str()), bytes(folder.as_os_str()));
        let data = format!("CARGO, FOLDER, VALUE = {program}, {place}, {value}\n");
        let text = format!("#!{} -IS\n{}", python.to_str()?, SCRIPT.replace(DATA, &data));
        std::io::Write::write_all(&mut file, text.as_bytes()).ok()?;
        // A program can't be run while a process has it open for writing.
        drop(file);
        let mut environment = planned.clone();
        environment.set("CARGO", script.as_os_str());
        // The folder may be on a file system without programs.
        let mut probe = environment.command(&script, folder);
        let probe = probe.arg("--wheelprint-probe").stdin(std::process::Stdio::null()).output();
        let (folder, cargo) = (folder.to_owned(), cargo.to_owned());
        let recorder = Self { folder, cargo, environment, planned: planned.clone() };
        probe.is_ok_and(|probe| probe.status.success()).then_some(recorder)
    }

    #[cfg(not(unix))]
    pub(crate) fn begin(_: &Path, _: &Path, _: &Path, _: &Environment) -> Option<Self> {
        None
    }

    /// The only call of cargo apart from `cargo metadata`. `None` if there were none or several, or
    /// if the call can't be repeated. `given` are the arguments of maturin.
    pub(crate) fn finish(self, given: &[String]) -> Option<CargoCall> {
        let mut calls = Vec::new();
        for entry in fs_err::read_dir(&self.folder).ok()? {
            let path = entry.ok()?.path();
            if path.extension().is_some_and(|extension| extension == "json") {
                calls.push(path);
            }
        }
        let [call] = calls.as_slice() else { return None };
        let said: Said = serde_json::from_slice(&fs_err::read(call).ok()?).ok()?;
        let arguments: Option<Vec<String>> =
            said.arguments.iter().map(|argument| text(argument)?.into_string().ok()).collect();
        let mut changed = BTreeMap::new();
        for (name, (digest, value)) in &said.variables {
            let name = text(name)?;
            if value_digest(&self.planned, &name).as_ref() != Some(digest) {
                let name = name.into_string().ok()?;
                // The script says no value of a variable that maturin does not set.
                let value = value.as_ref().and_then(|value| text(value));
                match value {
                    Some(value) => changed.insert(name, Some(value.into_string().ok()?)),
                    None if is_of_one_call(&name) => None,
                    None => return None,
                };
            }
        }
        for (name, _) in self.planned.iter() {
            if !said.variables.contains_key(&hex::encode(name.as_encoded_bytes())) {
                changed.insert(name.to_str()?.to_owned(), None);
            }
        }
        let folder = PathBuf::from(text(&said.folder)?);
        CargoCall::new(self.cargo, folder, arguments?, given, &self.planned, changed)
    }
}

#[cfg(unix)]
fn text(hexadecimal: &str) -> Option<OsString> {
    use std::os::unix::ffi::OsStringExt as _;
    Some(OsString::from_vec(hex::decode(hexadecimal).ok()?))
}

#[cfg(not(unix))]
fn text(_: &str) -> Option<OsString> {
    None
}
