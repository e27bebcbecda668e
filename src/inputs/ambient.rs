//! Environment and toolchain: the variables that count, the search paths of configuration, and the
//! rustc and maturin in use.

use std::path::{Path, PathBuf};

use super::Root;
use crate::request::{Environment, Interpreter};

/// Variables that decide what is compiled, by exact name.
const EXACT: &[&str] = &[
    // The cargo that maturin calls.
    "CARGO",
    "RUSTFLAGS",
    "RUSTC",
    "RUSTC_WRAPPER",
    "RUSTC_WORKSPACE_WRAPPER",
    "RUSTC_LINKER",
    "RUSTC_BOOTSTRAP",
    "CC",
    "CXX",
    "AR",
    "LD",
    "RANLIB",
    "CFLAGS",
    "CXXFLAGS",
    "CPPFLAGS",
    "LDFLAGS",
    "ARFLAGS",
    "CROSS_COMPILE",
    // The first search paths of gcc and clang (gcc's manual, "Environment Variables Affecting
    // GCC").
    "CPATH",
    "C_INCLUDE_PATH",
    "CPLUS_INCLUDE_PATH",
    "LIBRARY_PATH",
    "COMPILER_PATH",
    "GCC_EXEC_PREFIX",
    // Options for cl and link. INCLUDE and LIB are not here: Visual Studio's prompt sets them, and
    // without it rustc and the cc crate find the same folders themselves.
    "CL",
    "_CL_",
    "LINK",
    "_LINK_",
    "ARCHFLAGS",
    "MACOSX_DEPLOYMENT_TARGET",
    "IPHONEOS_DEPLOYMENT_TARGET",
    "SDKROOT",
    "DEVELOPER_DIR",
    "SOURCE_DATE_EPOCH",
    "_PYTHON_HOST_PLATFORM",
    "_PYTHON_SYSCONFIGDATA_NAME",
];

/// Families of variables that decide what is compiled, by prefix.
const PREFIXES: &[&str] = &[
    "CARGO_",
    "MATURIN_",
    "PYO3_",
    "UNSAFE_PYO3_",
    "CC_",
    "CXX_",
    "AR_",
    "CFLAGS_",
    "CXXFLAGS_",
    "HOST_CC",
    "HOST_CXX",
    "HOST_CFLAGS",
    "TARGET_CC",
    "TARGET_CXX",
    "TARGET_CFLAGS",
    "PKG_CONFIG",
    "BINDGEN_EXTRA_CLANG_ARGS",
];

/// Exceptions in the families, which do not change what is compiled. They control display,
/// downloads or publishing, name a location, or are set by cargo itself for the programs it runs.
const NOT: &[&str] = &[
    "CARGO_HOME",
    "CARGO_LOG",
    "CARGO_TERM_",
    "CARGO_NET_",
    "CARGO_HTTP_",
    "CARGO_REGISTRY_",
    "CARGO_REGISTRIES_",
    "CARGO_CACHE_",
    "CARGO_ALIAS_",
    "CARGO_BUILD_JOBS",
    "CARGO_MAKEFLAGS",
    "CARGO_PKG_",
    "CARGO_BIN_",
    "CARGO_CRATE_NAME",
    "CARGO_MANIFEST_",
    "CARGO_PRIMARY_PACKAGE",
    "CARGO_TARGET_TMPDIR",
    "MATURIN_PEP517_METADATA_DIR",
    "MATURIN_PYPI_TOKEN",
    "MATURIN_PASSWORD",
    "MATURIN_USERNAME",
    "MATURIN_REPOSITORY",
    "MATURIN_REPOSITORY_",
    "MATURIN_NON_INTERACTIVE",
    "MATURIN_NO_INSTALL_RUST",
];

/// Variables with which frontends, shells and cargo describe their own place. They count for a
/// build that reads them, but an import runs with other values than the build.
const NOT_AT_IMPORT: &[&str] = &[
    "CARGO",
    "CONDA_",
    "HOME",
    "OUT_DIR",
    "PATH",
    "PIP_",
    "PYO3_PYTHON",
    "PYTHONHOME",
    "PYTHONPATH",
    "PYTHON_",
    "UV",
    "UV_",
    "VIRTUAL_ENV",
];

/// The variables that an import compares although no source names them: exact names, prefixes, and
/// the exceptions from the prefixes. An exception that ends in `_` is a prefix itself.
pub fn families_at_import() -> [Vec<&'static str>; 3] {
    let mut exact: Vec<_> = EXACT.iter().copied().filter(|name| counts_at_import(name)).collect();
    // The variable only selects a rustc, and rustc's version is compared.
    exact.push("RUSTUP_TOOLCHAIN");
    [exact, PREFIXES.to_vec(), [NOT, NOT_AT_IMPORT].concat()]
}

/// The name that Python's `os.environ` has for a variable: on Windows in capitals.
pub fn as_environ_has(name: String) -> String {
    if cfg!(windows) { name.to_uppercase() } else { name }
}

/// Whether this variable means the same at the build and at the import.
pub fn counts_at_import(name: &str) -> bool {
    !NOT_AT_IMPORT.iter().any(|not| is_exception(name, not))
}

/// Whether the variable names a compiler, its flags or its search paths. Some build scripts read
/// such variables without telling cargo.
pub fn is_of_the_compilers(name: &str) -> bool {
    const CARGOS: [&str; 4] = ["CARGO", "RUST", "MATURIN_", "PYO3_"];
    // Cargo compares the version that a wrapper prints, but not which wrapper it is.
    name.ends_with("_WRAPPER")
        || (is_well_known(name) && !CARGOS.iter().any(|start| name.starts_with(start)))
}

/// Whether this variable counts even if no build script or source names it.
pub fn is_well_known(name: &str) -> bool {
    if EXACT.contains(&name) {
        return true;
    }
    let in_family = PREFIXES.iter().any(|prefix| name.starts_with(prefix));
    in_family && !NOT.iter().any(|not| is_exception(name, not))
}

/// Whether the exception `not` applies to a variable. One that ends in `_` is a prefix.
pub fn is_exception(name: &str, not: &str) -> bool {
    if not.ends_with('_') { name.starts_with(not) } else { name == not }
}

/// The names of the well-known variables that are set, sorted.
pub fn set_variables(environment: &Environment) -> Vec<String> {
    environment
        .iter()
        .filter_map(|(name, _)| name.to_str())
        .filter(|name| is_well_known(name))
        .map(str::to_owned)
        .collect()
}

/// The folder with cargo's configuration and registries.
pub fn cargo_home(environment: &Environment) -> Option<PathBuf> {
    environment
        .non_empty("CARGO_HOME")
        .map(PathBuf::from)
        .or_else(|| Some(home(environment)?.join(".cargo")))
}

/// The user's home folder, as cargo and rustup find it. Without the variable it comes from the
/// system (the password database, the profile folder).
pub fn home(environment: &Environment) -> Option<PathBuf> {
    home_or(environment, cfg!(windows), std::env::home_dir)
}

fn home_or(
    environment: &Environment,
    windows: bool,
    known: impl FnOnce() -> Option<PathBuf>,
) -> Option<PathBuf> {
    let variable = if windows { "USERPROFILE" } else { "HOME" };
    environment.non_empty(variable).map(PathBuf::from).or_else(known)
}

/// A configuration file found on a search path.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Found {
    /// The root that the file was found under, and its name there. Under the root `above`, each
    /// `../` is one folder upwards.
    pub root: Root,
    pub name: String,
    pub path: PathBuf,
}

/// The cargo configuration files in force for a project: the nearest first, cargo's home last
/// (cargo book, "Hierarchical structure"). Each is followed by the files it includes.
pub fn cargo_configs(root: &Path, environment: &Environment) -> Vec<Found> {
    let home = cargo_home(environment);
    let mut found = Vec::new();
    for (level, folder) in root.ancestors().enumerate() {
        let folder = folder.join(".cargo");
        // Cargo reads its home folder last and only once, even if it is above the project.
        if home.as_deref() == Some(folder.as_path()) {
            continue;
        }
        if let Some(file) = first_file(&folder, &["config", "config.toml"]) {
            let name = format!("{}.cargo/{file}", "../".repeat(level));
            push_config(Found { root: Root::Above, name, path: folder.join(file) }, &mut found);
        }
    }
    if let Some(home) = home
        && let Some(file) = first_file(&home, &["config", "config.toml"])
    {
        let name = file.to_owned();
        push_config(Found { root: Root::CargoHome, name, path: home.join(file) }, &mut found);
    }
    found
}

/// Adds a configuration file, and after it the files that its `include` names: a path, a table with
/// `path`, or a list of these, relative to the including file. A missing file is added too, because
/// it may appear later.
fn push_config(config: Found, found: &mut Vec<Found>) {
    if found.iter().any(|known| known.path == config.path) {
        return;
    }
    let included = include_paths(&config.path);
    let Found { root, name, path } = config.clone();
    found.push(config);
    for include in included {
        let folder = |of: &str| of.rsplit_once('/').map_or("", |(folder, _)| folder).to_owned();
        let name = match folder(&name) {
            folder if folder.is_empty() => include.clone(),
            folder => format!("{folder}/{include}"),
        };
        let path = path.parent().unwrap_or(&path).join(include);
        push_config(Found { root: root.clone(), name, path }, found);
    }
}

/// All files that a configuration file includes, directly or indirectly.
pub fn included(config: &Path) -> Vec<PathBuf> {
    let config = Found { root: Root::Above, name: String::new(), path: config.to_owned() };
    let mut found = Vec::new();
    push_config(config, &mut found);
    found.into_iter().skip(1).map(|found| super::normalize(&found.path)).collect()
}

fn include_paths(config: &Path) -> Vec<String> {
    let table =
        fs_err::read_to_string(config).ok().and_then(|text| text.parse::<toml::Table>().ok());
    let one = |value: &toml::Value| -> Option<String> {
        let path = value.get("path").unwrap_or(value);
        Some(path.as_str()?.to_owned())
    };
    match table.as_ref().and_then(|table| table.get("include")) {
        None => Vec::new(),
        Some(toml::Value::Array(values)) => values.iter().filter_map(one).collect(),
        Some(value) => one(value).into_iter().collect(),
    }
}

/// The toolchain file that rustup uses: the nearest one (rustup book, "Overrides").
pub fn toolchain_file(root: &Path) -> Option<Found> {
    root.ancestors().enumerate().find_map(|(level, folder)| {
        let file = first_file(folder, &["rust-toolchain", "rust-toolchain.toml"])?;
        Some(Found {
            root: Root::Above,
            name: format!("{}{file}", "../".repeat(level)),
            path: folder.join(file),
        })
    })
}

fn first_file<'a>(folder: &Path, names: &[&'a str]) -> Option<&'a str> {
    names.iter().copied().find(|name| folder.join(name).is_file())
}

/// The rustc that cargo will call: `RUSTC`, else `build.rustc`, else the one on PATH.
pub fn rustc(root: &Path, environment: &Environment) -> Option<PathBuf> {
    for variable in ["RUSTC", "CARGO_BUILD_RUSTC"] {
        if let Some(rustc) = environment.non_empty(variable) {
            return named_program(root, Path::new(rustc), environment);
        }
    }
    for config in cargo_configs(root, environment) {
        let Ok(text) = fs_err::read_to_string(&config.path) else { continue };
        let Ok(table) = text.parse::<toml::Table>() else { continue };
        let rustc = table.get("build").and_then(|build| build.get("rustc"));
        if let Some(rustc) = rustc.and_then(toml::Value::as_str) {
            // The path is relative to the folder that contains `.cargo` (cargo book, "Executable
            // paths").
            let folder = config.path.parent().and_then(Path::parent).unwrap_or(root);
            return named_program(folder, Path::new(rustc), environment);
        }
    }
    environment.which("rustc")
}

fn named_program(folder: &Path, program: &Path, environment: &Environment) -> Option<PathBuf> {
    if program.components().count() > 1 {
        Some(folder.join(program))
    } else {
        environment.which(program.to_str()?)
    }
}

/// The version of the maturin that a build in this environment would use, from its dist-info
/// folder. `None` if wheelprint is not installed beside it: then frontends build in other
/// environments, and this maturin is there for another purpose.
pub fn maturin_version(interpreter: &Interpreter) -> Option<String> {
    if !interpreter.sys_path.iter().any(|folder| folder.join("wheelprint/__init__.py").is_file()) {
        return None;
    }
    interpreter.sys_path.iter().find_map(|folder| {
        fs_err::read_dir(folder).ok()?.flatten().find_map(|entry| {
            let name = entry.file_name().into_string().ok()?;
            let version = name.strip_prefix("maturin-")?.strip_suffix(".dist-info")?;
            Some(version.to_owned())
        })
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn families_count_but_for_their_exceptions() {
        for name in [
            "RUSTFLAGS",
            "CARGO_PROFILE_RELEASE_LTO",
            "CARGO_ENCODED_RUSTFLAGS",
            "PYO3_PYTHON",
            "MATURIN_PEP517_ARGS",
            "CFLAGS_x86_64_unknown_linux_gnu",
            "CARGO_TARGET_DIR",
            "CARGO_INCREMENTAL",
            "CARGO_BUILD_TARGET",
            "PKG_CONFIG_PATH",
            "CPATH",
            "LIBRARY_PATH",
            "_CL_",
        ] {
            assert!(is_well_known(name), "{name} should count");
        }
        // macOS variables: target systems, processors and the SDK.
        for name in ["ARCHFLAGS", "MACOSX_DEPLOYMENT_TARGET", "SDKROOT", "DEVELOPER_DIR"] {
            assert!(is_well_known(name) && is_of_the_compilers(name), "{name} should count");
            assert!(counts_at_import(name), "{name} should count at import");
        }
        for name in [
            "CARGO_HOME",
            "CARGO_TERM_COLOR",
            "CARGO_BUILD_JOBS",
            "CARGO_PKG_NAME",
            "MATURIN_PYPI_TOKEN",
            "MATURIN_REPOSITORY_URL",
            "PATH",
            "HOME",
            "LD_LIBRARY_PATH",
            "LIB",
            "CARGO_MANIFEST_DIR",
            "CARGO_REGISTRIES_MINE_TOKEN",
        ] {
            assert!(!is_well_known(name), "{name} should not count");
        }
    }

    #[test]
    fn line_ends_are_no_part_of_a_configuration() {
        let folder = tempfile::tempdir().unwrap();
        let config = folder.path().join("config.toml");
        let text = "# one\ninclude = [\n  'a.toml',\n  { path = 'b.toml' },\n]\n";
        for text in [text.to_owned(), text.replace('\n', "\r\n")] {
            fs_err::write(&config, &text).unwrap();
            assert_eq!(include_paths(&config), ["a.toml", "b.toml"], "{text:?}");
        }
    }

    #[test]
    fn included_configuration_counts_present_or_not() {
        let folder = tempfile::tempdir().unwrap();
        let cargo = folder.path().join(".cargo");
        fs_err::create_dir_all(&cargo).unwrap();
        fs_err::write(
            cargo.join("config.toml"),
            "include = ['a.toml', {path = 'b.toml', optional = true}]",
        )
        .unwrap();
        // A cycle must not lead to an endless loop. Cargo itself refuses it.
        fs_err::write(cargo.join("a.toml"), "include = 'config.toml'").unwrap();
        let names: Vec<String> = cargo_configs(folder.path(), &Environment::default())
            .into_iter()
            .map(|found| found.name)
            .collect();
        assert_eq!(names, [".cargo/config.toml", ".cargo/a.toml", ".cargo/b.toml"]);
    }

    #[test]
    fn without_the_variable_home_is_what_the_system_knows() {
        let known = || Some(PathBuf::from("/known"));
        for (set, windows, expected) in [
            (&[][..], false, "/known"),
            (&[("HOME", "/named")], false, "/named"),
            (&[("USERPROFILE", "/other")], false, "/known"),
            (&[("HOME", "")], false, "/known"),
            (&[("USERPROFILE", "C:/Users/me")], true, "C:/Users/me"),
            // The shell that comes with git sets HOME. cargo and rustup use USERPROFILE.
            (&[("HOME", "/c/Users/me"), ("USERPROFILE", "C:/Users/me")], true, "C:/Users/me"),
            (&[("HOME", "/c/Users/me")], true, "/known"),
        ] {
            let mut environment = Environment::default();
            set.iter().for_each(|(name, value)| environment.set(name, *value));
            let found = home_or(&environment, windows, known);
            assert_eq!(found, Some(PathBuf::from(expected)), "{set:?}");
        }
        let mut environment = Environment::default();
        let home = std::env::home_dir().map(|home| home.join(".cargo"));
        assert_eq!(cargo_home(&environment), home);
        environment.set("CARGO_HOME", "/cargo");
        assert_eq!(cargo_home(&environment), Some(PathBuf::from("/cargo")));
    }

    #[test]
    fn configuration_is_searched_upwards_and_at_home_last() {
        let above = tempfile::tempdir().unwrap();
        let root = above.path().join("a/b");
        let home = above.path().join("home");
        for folder in [root.join(".cargo"), above.path().join(".cargo"), home.clone()] {
            fs_err::create_dir_all(&folder).unwrap();
            fs_err::write(folder.join("config.toml"), "").unwrap();
        }
        let mut environment = Environment::default();
        environment.set("CARGO_HOME", home.as_os_str());
        let names: Vec<(Root, String)> = cargo_configs(&root, &environment)
            .into_iter()
            .map(|found| (found.root, found.name))
            .collect();
        assert_eq!(
            names,
            [
                (Root::Above, ".cargo/config.toml".to_owned()),
                (Root::Above, "../../.cargo/config.toml".to_owned()),
                (Root::CargoHome, "config.toml".to_owned()),
            ]
        );
    }
}
