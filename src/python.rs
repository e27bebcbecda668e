//! The only pyo3 code: converts arguments, releases the GIL, turns errors into exceptions.

use std::ffi::OsString;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};

use pyo3::exceptions::{PyRuntimeError, PySystemExit, PyTypeError};
use pyo3::prelude::*;
use pyo3::types::{PyBool, PyDict};

use crate::cli;
use crate::error::{Error, Result};
use crate::hooks::{self, Access, Call};
use crate::log;
use crate::maturin;
use crate::request::{
    Artifact, ConfigSettings, ConfigValue, Environment, Hook, Interpreter, Request,
};

/// The result of a hook.
#[derive(IntoPyObject)]
enum Answer {
    Name(String),
    Requirements(Vec<String>),
}

/// Runs a hook by its PEP 517 name. A failure raises `SystemExit(1)` like maturin's hooks: the
/// cause was printed, and a traceback through the build backend would not help.
#[pyfunction]
#[pyo3(pass_module)]
fn call(
    native: &Bound<'_, PyModule>,
    hook: &str,
    root: PathBuf,
    directory: Option<PathBuf>,
    config_settings: Option<&Bound<'_, PyDict>>,
    metadata_directory: Option<PathBuf>,
    interpreter: &Bound<'_, PyDict>,
) -> PyResult<Answer> {
    let py = native.py();
    let hook = Hook::named(hook)
        .ok_or_else(|| PyTypeError::new_err(format!("{hook}: not a hook of PEP 517 or 660")))?;
    let request = Request {
        artifact: hook.artifact(),
        root,
        config_settings: config_settings.map(settings).transpose()?.unwrap_or_default(),
        interpreter: Interpreter {
            backend: native.filename()?.extract().ok(),
            ..describe(interpreter)?
        },
        environment: Environment::current(),
    };
    if let Some(folder) = request.environment.non_empty(log::IMPORT_FOLDER) {
        let awaited = request.environment.non_empty(log::IMPORT_PROJECT);
        if awaited.is_none_or(|project| is_same_folder(Path::new(project), &request.root)) {
            log::set_import(Path::new(folder));
        }
    }
    let has_settings = config_settings.is_some();
    let absolute = |path: Option<PathBuf>| path.map(|path| request.root.join(path));
    let (directory, metadata) = (absolute(directory), absolute(metadata_directory));
    let answer = detached(py, &format!("{hook}: "), || {
        run(hook, request, has_settings, directory, metadata)
    });
    if answer.is_ok() && hook == Hook::Build(Artifact::Editable) {
        log::import_state("built");
    }
    answer.map_err(|error| {
        report(&error);
        PySystemExit::new_err(1)
    })
}

fn is_same_folder(one: &Path, other: &Path) -> bool {
    let real = |path| dunce::canonicalize(path).ok();
    one == other || real(one).is_some_and(|place| real(other) == Some(place))
}

/// Runs code without the GIL. A panic becomes an error, which begins with `place`.
fn detached<T: Send>(
    py: Python<'_>,
    place: &str,
    code: impl FnOnce() -> Result<T> + Send,
) -> Result<T> {
    py.detach(|| catch_unwind(AssertUnwindSafe(code))).unwrap_or_else(|_| {
        Err(Error::Other(format!("{place}an internal error, please report it").into()))
    })
}

/// Reports a failure to the user. Tells a waiting import whether the sources are wrong or this
/// machine cannot build: the import raises an error in the first case, and only warns in the second.
fn report(error: &Error) {
    let is_environment_failure = || maturin::is_environment_failure(&log::all_import_output());
    let is_theirs = matches!(error, Error::Sources { .. })
        || error.already_shown() && !is_environment_failure();
    if !error.already_shown() {
        let hint = error.hint().map(|hint| format!("hint: {hint}"));
        log::line(log::Level::Error, format_args!("error: {error}"));
        hint.iter().for_each(|hint| log::line(log::Level::Error, hint));
        let lines = [error.to_string()].into_iter().chain(hint);
        lines.for_each(|line| log::import_output(format!("{line}\n").as_bytes()));
    }
    log::import_state(if is_theirs { "failed" } else { "unable" });
}

fn run(
    hook: Hook,
    request: Request,
    has_settings: bool,
    directory: Option<PathBuf>,
    metadata: Option<PathBuf>,
) -> Result<Answer> {
    let call = Call::open(request, has_settings, Access::All)?;
    let directory = directory.unwrap_or_default();
    let name = match hook {
        Hook::GetRequires(_) => return hooks::get_requires(&call).map(Answer::Requirements),
        Hook::PrepareMetadata(_) => hooks::prepare_metadata(&call, &directory),
        Hook::Build(Artifact::Wheel | Artifact::Editable) => {
            hooks::build_wheel(&call, &directory, metadata.as_deref())
        }
        Hook::Build(Artifact::Sdist) => hooks::build_sdist(&call, &directory),
    };
    name.map(Answer::Name)
}

/// Converts the config settings. Frontends pass strings, lists of strings and sometimes flags.
fn settings(given: &Bound<'_, PyDict>) -> PyResult<ConfigSettings> {
    given
        .iter()
        .map(|(name, value)| {
            let name: String = name.extract()?;
            let value = if value.is_instance_of::<PyBool>() {
                ConfigValue::Flag(value.extract()?)
            } else if let Ok(text) = value.extract::<String>() {
                ConfigValue::Text(text)
            } else {
                ConfigValue::List(value.extract().map_err(|_| {
                    PyTypeError::new_err(format!(
                        "config setting {name}: expected a string or a list of strings"
                    ))
                })?)
            };
            Ok((name, value))
        })
        .collect()
}

fn describe(given: &Bound<'_, PyDict>) -> PyResult<Interpreter> {
    let field = |name: &str| {
        given.get_item(name)?.ok_or_else(|| PyTypeError::new_err(format!("interpreter.{name}")))
    };
    Ok(Interpreter {
        executable: field("executable")?.extract()?,
        base_executable: field("base_executable")?.extract()?,
        prefix: field("prefix")?.extract()?,
        implementation: field("implementation")?.extract()?,
        version: field("version")?.extract()?,
        extension_suffix: field("extension_suffix")?.extract()?,
        platform: field("platform")?.extract()?,
        libc: field("libc")?.extract()?,
        sys_path: field("sys_path")?.extract()?,
        backend: None,
    })
}

/// Runs a command of the command line, and returns the exit code. `folder` is the working
/// directory.
#[pyfunction]
#[pyo3(name = "cli")]
fn command_line(
    py: Python<'_>,
    arguments: Vec<OsString>,
    folder: PathBuf,
    interpreter: &Bound<'_, PyDict>,
) -> PyResult<u8> {
    let interpreter = describe(interpreter)?;
    let run = || Ok(cli::run(arguments, folder, interpreter, Environment::current()));
    Ok(detached(py, "", run).unwrap_or_else(|error| {
        log::line(log::Level::Error, format_args!("error: {error}"));
        cli::FAILED
    }))
}

/// The verdict about the table of an editable install; see [`hooks::import_verdict`]. A failure is
/// an exception with its cause, which the import shows.
#[pyfunction]
#[pyo3(name = "import_verdict")]
fn verdict_for_import(py: Python<'_>, file: PathBuf) -> PyResult<Vec<u8>> {
    let answer = detached(py, "", || hooks::import_verdict(Environment::current(), &file));
    answer.map_err(|error| PyRuntimeError::new_err(error.to_string()))
}

/// The compiled part of the Python package.
#[pymodule]
#[pyo3(name = "_native")]
pub(crate) fn native(module: &Bound<'_, PyModule>) -> PyResult<()> {
    module.add_function(wrap_pyfunction!(command_line, module)?)?;
    module.add_function(wrap_pyfunction!(call, module)?)?;
    module.add_function(wrap_pyfunction!(verdict_for_import, module)?)
}
