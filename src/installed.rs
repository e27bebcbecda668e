//! The installation of a project in an environment, and the environment in use.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use fs_err as fs;
use percent_encoding::percent_decode_str;

use crate::error::{Because as _, Cause, Error, Result};
use crate::fingerprint::{Record, record};
use crate::project::normalize_name;
use crate::request::{Environment, Interpreter, run};

/// The source of the Python function that describes an interpreter. The hooks use it too.
const DESCRIBE: &str = include_str!("../python/wheelprint/_interpreter.py");

/// The prefix of the line with the answer.
const ANSWER: &str = "wheelprint:";

/// An installed package (PyPA, "Recording installed projects").
#[derive(Debug)]
pub(crate) struct Distribution {
    pub name: String,
    pub version: String,
    pub dist_info: PathBuf,
    /// `INSTALLER`: `uv`, `pip`.
    pub installer: Option<String>,
    /// `direct_url.json`: the folder that the package was installed from, if it is on this machine.
    pub source: Option<PathBuf>,
    pub editable: bool,
    /// The record of the installed wheel, or why it cannot be read; `None` if the wheel has no
    /// record.
    pub record: Option<Result<Record, Cause>>,
    /// `uv_cache.json`: the values of the cache keys that uv noted at the build.
    pub uv_cache: Option<serde_json::Value>,
}

/// The installed package is an editable install of another folder than the project's.
#[derive(Debug)]
pub(crate) struct Moved {
    /// The folder that is installed.
    pub from: PathBuf,
    /// Whether the installed folder no longer has a project.
    pub is_gone: bool,
    /// The problem in words.
    pub cause: String,
    /// The fix in words.
    pub remedy: String,
}

impl Distribution {
    /// Whether the package was installed from this folder. The two paths may differ by links.
    pub(crate) fn is_of(&self, root: &Path) -> bool {
        self.source.as_deref().is_some_and(|source| {
            source == root
                || dunce::canonicalize(source)
                    .is_ok_and(|source| dunce::canonicalize(root).is_ok_and(|root| source == root))
        })
    }

    /// The other folder, if the package is an editable install of another folder than `root`.
    pub(crate) fn moved(&self, root: &Path) -> Option<Moved> {
        let from = self.source.clone().filter(|_| self.editable && !self.is_of(root))?;
        let is_gone = !from.join("pyproject.toml").is_file();
        let (old, new) = (from.display(), root.display());
        let cause = if is_gone {
            format!("the project has moved: from {old}, which is installed, to {new}")
        } else {
            format!("another folder is installed: {old}, and not {new}")
        };
        let is_by_pip = self.installer.as_deref() == Some("pip");
        let command = if is_by_pip { "pip install -e ." } else { "uv sync" };
        let remedy = format!("`{command}` installs it from here");
        Some(Moved { from, is_gone, cause, remedy })
    }
}

/// The interpreter of the environment that the project's commands run in. In this order:
/// `--python`, the environment that uv would use (`UV_PROJECT_ENVIRONMENT`, or the nearest
/// `.venv`), the active environment. `None` if there is none of these.
pub(crate) fn python_in_use(
    root: &Path,
    environment: &Environment,
    given: Option<&Path>,
) -> Option<PathBuf> {
    if let Some(given) = given {
        return Some(if given.is_dir() { python_in(given) } else { given.to_owned() });
    }
    if let Some(folder) = environment.non_empty("UV_PROJECT_ENVIRONMENT") {
        let base = root.ancestors().find(|folder| folder.join("uv.lock").is_file());
        // If this environment does not exist yet, uv will make it, so no other one is tried.
        return Some(python_in(&base.unwrap_or(root).join(folder)))
            .filter(|python| python.exists());
    }
    let nearest = root.ancestors().map(|folder| folder.join(".venv"));
    let active = ["VIRTUAL_ENV", "CONDA_PREFIX"]
        .into_iter()
        .filter_map(|name| environment.non_empty(name).map(PathBuf::from));
    nearest.chain(active).map(|folder| python_in(&folder)).find(|python| {
        // A dangling symlink means that the environment's base interpreter was removed.
        python.exists()
    })
}

fn python_in(environment: &Path) -> PathBuf {
    python_of(environment, cfg!(windows))
}

fn python_of(environment: &Path, windows: bool) -> PathBuf {
    if windows {
        let python = environment.join("Scripts").join("python.exe");
        if python.is_file() { python } else { environment.join("python.exe") }
    } else {
        environment.join("bin").join("python")
    }
}

/// Asks an interpreter to describe itself.
pub(crate) fn describe(python: &Path) -> Result<Interpreter> {
    let script =
        format!("{DESCRIBE}\nimport json\nprint('\\n{ANSWER}' + json.dumps(describe()))\n");
    // Use isolated mode (`-I`), so that no module comes from the working directory or PYTHONPATH.
    let mut command = Command::new(python);
    let said = run(command.args(["-I", "-c", &script]).stdin(Stdio::null()));
    let said = said.map_err(|error| Error::io(python, &error))?;
    let answer = said.map_err(|said| said.trim().into()).and_then(|said| answered(&said));
    answer.because("is no Python that can be used").map_err(|cause| Error::path(python, cause))
}

/// Finds the answer among the output. Start-up code of the environment may print other lines.
fn answered(said: &str) -> Result<Interpreter, Cause> {
    let mut lines = said.lines();
    let answer = lines.find_map(|line| line.strip_prefix(ANSWER)).ok_or("it gave no answer")?;
    Ok(serde_json::from_str(answer)?)
}

/// The distribution of this name that the interpreter would import.
pub(crate) fn find(interpreter: &Interpreter, name: &str) -> Option<Distribution> {
    let wanted = normalize_name(name);
    let mut all = distributions(interpreter);
    let (folder, name, version) = all.find(|(_, name, _)| normalize_name(name) == wanted)?;
    Some(read(&folder, &name, &version))
}

/// The normalised names (PEP 503) of all distributions that this interpreter could import.
pub(crate) fn names(interpreter: &Interpreter) -> Vec<String> {
    let names = distributions(interpreter).map(|(_, name, _)| normalize_name(&name));
    names.collect::<BTreeSet<_>>().into_iter().collect()
}

/// The dist-info folders on this interpreter's path, each with name and version.
fn distributions(interpreter: &Interpreter) -> impl Iterator<Item = (PathBuf, String, String)> {
    let entries = interpreter.sys_path.iter().filter_map(|folder| fs::read_dir(folder).ok());
    entries.flatten().flatten().filter_map(|entry| {
        let file_name = entry.file_name();
        let (name, version) = file_name.to_str()?.strip_suffix(".dist-info")?.split_once('-')?;
        Some((entry.path(), name.to_owned(), version.to_owned()))
    })
}

fn read(dist_info: &Path, name: &str, version: &str) -> Distribution {
    let text = |file: &str| fs::read_to_string(dist_info.join(file)).ok();
    let json =
        |file: &str| -> Option<serde_json::Value> { serde_json::from_str(&text(file)?).ok() };
    let direct_url = json("direct_url.json");
    let is_editable = || direct_url.as_ref()?.get("dir_info")?.get("editable")?.as_bool();
    let source = || path_of_url(direct_url.as_ref()?.get("url")?.as_str()?, cfg!(windows));
    let record = fs::read(dist_info.join(record::FILE_NAME)).ok();
    Distribution {
        name: name.to_owned(),
        version: version.to_owned(),
        dist_info: dist_info.to_owned(),
        installer: text("INSTALLER").map(|text| text.trim().to_owned()),
        source: source().map(PathBuf::from),
        editable: is_editable().unwrap_or(false),
        record: record.map(|bytes| Record::from_json(&bytes)),
        uv_cache: json("uv_cache.json"),
    }
}

/// The path in a `file:` URL of this machine (RFC 8089).
fn path_of_url(url: &str, windows: bool) -> Option<String> {
    let path = url.strip_prefix("file://")?;
    let path = path.strip_prefix("localhost").unwrap_or(path);
    let path = percent_decode_str(path).decode_utf8().ok()?.into_owned();
    if !windows {
        return Some(path);
    }
    if !path.starts_with('/') {
        // The URL is `file://server/share/folder`.
        return Some(format!("//{path}"));
    }
    let is_of_a_drive = path.as_bytes().get(2) == Some(&b':');
    Some(if is_of_a_drive { path[1..].to_owned() } else { path })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_url_leads_to_its_folder() {
        for (url, windows, path) in [
            ("file:///a/b%20c/%C3%A9", false, Some("/a/b c/é")),
            ("file://localhost/a", false, Some("/a")),
            ("https://example.org/a", false, None),
            ("file:///C:/a%20b", true, Some("C:/a b")),
            ("file:///c%3A/a", true, Some("c:/a")),
            ("file://server/share/a", true, Some("//server/share/a")),
            ("https://example.org/a", true, None),
        ] {
            assert_eq!(path_of_url(url, windows).as_deref(), path, "{url}");
        }
    }

    #[test]
    fn an_environments_interpreter() {
        let folder = tempfile::tempdir().unwrap();
        let python = |windows| python_of(folder.path(), windows);
        assert_eq!(python(false), folder.path().join("bin").join("python"));
        // conda's interpreter is in the environment's folder itself.
        assert_eq!(python(true), folder.path().join("python.exe"));
        let scripts = folder.path().join("Scripts");
        fs::create_dir(&scripts).unwrap();
        fs::write(scripts.join("python.exe"), "").unwrap();
        assert_eq!(python(true), scripts.join("python.exe"));
    }

    #[test]
    fn an_answer_is_found_among_other_output() {
        let answer = serde_json::to_string(&serde_json::json!({
            "executable": "/e/bin/python",
            "base_executable": "/usr/bin/python",
            "prefix": "/e",
            "implementation": "cpython",
            "version": "3.11.7",
            "extension_suffix": ".so",
            "platform": "linux-x86_64-64",
            "sys_path": ["/e/lib"],
        }))
        .unwrap();
        let said = format!("from sitecustomize\n{{}} no end\n{ANSWER}{answer}\r\nat exit\n");
        assert_eq!(answered(&said).unwrap().prefix, Path::new("/e"));
        for said in ["", "{}\n", "wheelprint:{}\n", "wheelprint:"] {
            assert!(answered(said).is_err(), "{said}");
        }
    }

    #[test]
    fn a_distribution_is_found_by_its_normalized_name() {
        let folder = tempfile::tempdir().unwrap();
        let dist_info = folder.path().join("Some_Name-1.2.dist-info");
        fs::create_dir(&dist_info).unwrap();
        fs::write(dist_info.join("INSTALLER"), "uv\n").unwrap();
        let url = r#"{"url": "file:///work/x", "dir_info": {"editable": true}}"#;
        fs::write(dist_info.join("direct_url.json"), url).unwrap();
        fs::write(dist_info.join("wheelprint.json"), "{}").unwrap();
        let sys_path = vec!["/nowhere".into(), folder.path().to_owned()];
        let interpreter = Interpreter { sys_path, ..Interpreter::default() };
        let found = find(&interpreter, "some-name").unwrap();
        assert_eq!((found.name.as_str(), found.version.as_str()), ("Some_Name", "1.2"));
        assert_eq!(found.installer.as_deref(), Some("uv"));
        assert!(found.editable);
        assert_eq!(found.source, Some(PathBuf::from("/work/x")));
        assert!(matches!(found.record, Some(Err(_))));
        assert!(find(&interpreter, "other").is_none());
    }
}
