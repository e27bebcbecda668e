//! Cargo's configuration: which files and variables of the environment it comes from, and which
//! programs and folders they name. rustup's files are here too.

use std::path::{Path, PathBuf};

use super::read_toml;
use super::{Root, normalize};
use crate::digest::{self, Tagged};
use crate::project::{Project, all_arguments};
use crate::request::{Environment, Request};

/// The names of a configuration file. Cargo reads the first that exists.
pub const CONFIG_NAMES: [&str; 2] = ["config", "config.toml"];
/// The names of a toolchain file. rustup reads the first that exists.
pub const TOOLCHAIN_NAMES: [&str; 2] = ["rust-toolchain", "rust-toolchain.toml"];

/// The folder with cargo's configuration and registries.
pub fn cargo_home(environment: &Environment) -> Option<PathBuf> {
    home_of("CARGO_HOME", ".cargo", environment)
}

/// The folder with rustup's settings and toolchains.
pub fn rustup_home(environment: &Environment) -> Option<PathBuf> {
    home_of("RUSTUP_HOME", ".rustup", environment)
}

fn home_of(variable: &str, name: &str, environment: &Environment) -> Option<PathBuf> {
    let named = environment.non_empty(variable).map(PathBuf::from);
    named.or_else(|| Some(home_or(environment, cfg!(windows), std::env::home_dir)?.join(name)))
}

/// The user's home folder, as cargo and rustup find it. Without the variable it comes from the
/// system (the password database, the profile folder).
fn home_or(
    environment: &Environment,
    windows: bool,
    known: impl FnOnce() -> Option<PathBuf>,
) -> Option<PathBuf> {
    let variable = if windows { "USERPROFILE" } else { "HOME" };
    environment.non_empty(variable).map(PathBuf::from).or_else(known)
}

/// A file or folder on a search path.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Found {
    /// The root that the file was found under, and its name there. Under the root `above`, each
    /// `../` is one folder upwards.
    pub root: Root,
    pub name: String,
    pub path: PathBuf,
}

impl Found {
    fn join(&self, inside: &str) -> Self {
        let separator = if self.name.is_empty() { "" } else { "/" };
        let name = format!("{}{separator}{inside}", self.name);
        Self { root: self.root.clone(), name, path: self.path.join(inside) }
    }

    fn folder(&self) -> Self {
        let name = self.name.rsplit_once('/').map_or("", |(folder, _)| folder).to_owned();
        let path = self.path.parent().unwrap_or(&self.path).to_owned();
        Self { root: self.root.clone(), name, path }
    }

    fn first_file(&self, names: [&str; 2]) -> Option<Self> {
        names.into_iter().map(|name| self.join(name)).find(|found| found.path.is_file())
    }
}

/// The folders from the project's root upwards.
fn upwards(root: &Path) -> impl Iterator<Item = Found> {
    root.ancestors().enumerate().map(|(level, folder)| {
        let name = vec![".."; level].join("/");
        Found { root: Root::Above, name, path: folder.to_owned() }
    })
}

/// The folders in which cargo looks for configuration files: the nearest first, cargo's home last
/// (cargo book, "Hierarchical structure").
pub fn config_folders(root: &Path, environment: &Environment) -> Vec<Found> {
    let home = cargo_home(environment);
    let folders = upwards(root).map(|folder| folder.join(".cargo"));
    // Cargo reads its home folder last and only once, even if it is above the project.
    let mut folders: Vec<Found> =
        folders.filter(|folder| home.as_ref() != Some(&folder.path)).collect();
    folders.extend(home.map(|path| Found { root: Root::CargoHome, name: String::new(), path }));
    folders
}

/// The cargo configuration files in force for a project, the nearest first. Each is followed by the
/// files it includes.
pub fn config_files(root: &Path, environment: &Environment) -> Vec<Found> {
    let mut found = Vec::new();
    for folder in config_folders(root, environment) {
        if let Some(file) = folder.first_file(CONFIG_NAMES) {
            push_config(file, &mut found);
        }
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
    let folder = config.folder();
    let included = include_paths(&config.path);
    found.push(config);
    for include in included {
        push_config(folder.join(&include), found);
    }
}

/// All files that a configuration file includes, directly or indirectly.
pub fn included(config: &Path) -> Vec<PathBuf> {
    let config = Found { root: Root::Above, name: String::new(), path: config.to_owned() };
    let mut found = Vec::new();
    push_config(config, &mut found);
    found.into_iter().skip(1).map(|found| normalize(&found.path)).collect()
}

fn include_paths(config: &Path) -> Vec<String> {
    let one = |value: &toml::Value| -> Option<String> {
        Some(value.get("path").unwrap_or(value).as_str()?.to_owned())
    };
    match read_toml(config).as_ref().and_then(|table| table.get("include")) {
        None => Vec::new(),
        Some(toml::Value::Array(values)) => values.iter().filter_map(one).collect(),
        Some(value) => one(value).into_iter().collect(),
    }
}

/// The toolchain file that rustup uses: the nearest one (rustup book, "Overrides").
pub fn toolchain_file(root: &Path) -> Option<Found> {
    upwards(root).find_map(|folder| folder.first_file(TOOLCHAIN_NAMES))
}

/// The values of `--config` that maturin passes on to cargo: files, or TOML.
pub fn given(project: &Project, request: &Request) -> Vec<String> {
    let mut values = all_arguments(&request.maturin_arguments(), "--config", None);
    values.extend(project.maturin.config.iter().flatten().cloned());
    values
}

/// The value of a setting, or the values if it is a list.
fn texts(table: &toml::Table, section: &str, key: &str) -> Vec<String> {
    let value = table.get(section).and_then(|section| section.get(key));
    let values = match value {
        Some(toml::Value::Array(values)) => &values[..],
        Some(value) => std::slice::from_ref(value),
        None => &[],
    };
    values.iter().filter_map(toml::Value::as_str).map(str::to_owned).collect()
}

/// The values of a setting in these files, each with the folder that it is relative to: the one that
/// contains `.cargo` (cargo book, "Config-relative paths", "Executable paths").
fn relative_to<'a>(
    configs: &'a [PathBuf],
    root: &'a Path,
    section: &'a str,
    key: &'a str,
) -> impl Iterator<Item = (&'a Path, String)> {
    configs.iter().flat_map(move |config| {
        let folder = config.parent().and_then(Path::parent).unwrap_or(root);
        let table = read_toml(config).unwrap_or_default();
        texts(&table, section, key).into_iter().map(move |value| (folder, value))
    })
}

fn config_paths(root: &Path, environment: &Environment) -> Vec<PathBuf> {
    config_files(root, environment).into_iter().map(|found| found.path).collect()
}

/// The possible places of Cargo.lock: beside the workspace's manifest, and every place that the
/// configuration names (`resolver.lockfile-path`, which cargo obeys since 1.97). All of them count
/// as inputs: one more input does no harm, and cargo decides which one is in force.
pub fn lock_files(
    project: &Project,
    request: &Request,
    environment: &Environment,
    workspace_root: &Path,
) -> Vec<PathBuf> {
    let mut files = vec![workspace_root.join("Cargo.lock")];
    let named = environment.non_empty("CARGO_RESOLVER_LOCKFILE_PATH");
    files.extend(named.map(|path| request.root.join(path)));
    files.extend(paths_in(project, request, environment, "resolver", "lockfile-path"));
    files.into_iter().map(|file| normalize(&file)).collect()
}

/// The target specifications (`.json` files) that the configuration names in `build.target`.
pub fn target_specifications(
    project: &Project,
    request: &Request,
    environment: &Environment,
) -> Vec<PathBuf> {
    let targets = paths_in(project, request, environment, "build", "target").into_iter();
    targets.filter(|path| path.extension().is_some_and(|it| it == "json")).collect()
}

/// The paths that a setting has, in all configuration files and in what `--config` gives.
fn paths_in(
    project: &Project,
    request: &Request,
    environment: &Environment,
    section: &str,
    key: &str,
) -> Vec<PathBuf> {
    let named = tables(project, request, environment).into_iter();
    let named = named.flat_map(|(folder, table)| {
        let paths = texts(&table, section, key).into_iter();
        paths.map(move |path| folder.join(path)).collect::<Vec<_>>()
    });
    named.collect()
}

/// The tables of all configuration files and of what `--config` gives, each with the folder that its
/// paths are relative to.
fn tables(
    project: &Project,
    request: &Request,
    environment: &Environment,
) -> Vec<(PathBuf, toml::Table)> {
    let root = &request.root;
    let mut tables = Vec::new();
    let mut configs = config_paths(root, environment);
    for value in given(project, request) {
        tables.extend(value.parse::<toml::Table>().ok().map(|table| (root.clone(), table)));
        let file = root.join(value);
        configs.extend(included(&file));
        configs.push(file);
    }
    tables.extend(configs.iter().filter_map(|config| {
        let folder = config.parent().and_then(Path::parent).unwrap_or(root);
        Some((folder.to_owned(), read_toml(config)?))
    }));
    tables
}

/// Settings for programs in place of rustc. Cargo compares only the version that they print.
const IN_PLACE_OF_RUSTC: [&str; 3] = ["rustc", "rustc-wrapper", "rustc-workspace-wrapper"];

/// The wrappers of rustc and the linkers that the configuration names, and that are files of these
/// folders. Cargo does not compare their content.
pub fn own_programs(
    project: &Project,
    request: &Request,
    environment: &Environment,
    folders: &[&Path],
) -> Vec<PathBuf> {
    let mut programs = Vec::new();
    for (folder, table) in tables(project, request, environment) {
        let wrappers = IN_PLACE_OF_RUSTC.iter().flat_map(|key| texts(&table, "build", key));
        let targets = table.get("target").and_then(toml::Value::as_table);
        let targets = targets.into_iter().flat_map(toml::Table::values);
        let linkers = targets.filter_map(|it| Some(it.get("linker")?.as_str()?.to_owned()));
        // A name without a folder is searched on PATH.
        let named = wrappers.chain(linkers).filter(|it| Path::new(it).components().count() > 1);
        programs.extend(named.map(|program| normalize(&folder.join(program))));
    }
    programs.retain(|program| folders.iter().any(|folder| program.starts_with(folder)));
    programs
}

/// The settings that cargo obeys and does not compare: the programs in place of rustc, and `[env]`,
/// which a build script can read without telling cargo. `folders` is as in [`own_programs`].
pub fn untracked(
    project: &Project,
    request: &Request,
    environment: &Environment,
    folders: &[&Path],
) -> String {
    let mut tagged = Tagged::new("untracked configuration");
    for (folder, table) in tables(project, request, environment) {
        let build = table.get("build");
        let settings = IN_PLACE_OF_RUSTC.iter().filter_map(|key| Some((*key, build?.get(key)?)));
        for (name, value) in settings.chain(table.get("env").map(|value| ("env", value))) {
            tagged.field("folder", &folder.to_string_lossy());
            tagged.field(name, &value.to_string());
        }
    }
    for program in own_programs(project, request, environment, folders) {
        tagged.field("program", &digest::file(&program).unwrap_or_default());
    }
    tagged.finish()
}

/// The folders that variables and configuration files name for builds, found without running cargo.
pub fn target_folders(root: &Path, environment: &Environment) -> Vec<PathBuf> {
    const VARIABLES: [&str; 3] =
        ["CARGO_TARGET_DIR", "CARGO_BUILD_TARGET_DIR", "CARGO_BUILD_BUILD_DIR"];
    let named = VARIABLES.into_iter().filter_map(|name| environment.non_empty(name));
    let mut folders: Vec<PathBuf> = named.map(|folder| root.join(folder)).collect();
    let configs = config_paths(root, environment);
    for key in ["target-dir", "build-dir"] {
        let named = relative_to(&configs, root, "build", key);
        folders.extend(named.map(|(folder, path)| folder.join(path)));
    }
    folders.into_iter().map(|folder| normalize(&folder)).collect()
}

/// The cargo that maturin will call.
pub fn cargo(environment: &Environment) -> Option<PathBuf> {
    match environment.non_empty("CARGO") {
        Some(cargo) => {
            let cargo = PathBuf::from(cargo);
            // A name without a folder is searched on PATH.
            let is_name = cargo.components().count() == 1;
            let found = cargo.to_str().filter(|_| is_name).and_then(|name| environment.which(name));
            Some(found.unwrap_or(cargo))
        }
        None => environment.which("cargo"),
    }
}

/// The rustc that cargo will call: `RUSTC`, else `build.rustc`, else the one on PATH.
pub fn rustc(root: &Path, environment: &Environment) -> Option<PathBuf> {
    for variable in ["RUSTC", "CARGO_BUILD_RUSTC"] {
        if let Some(rustc) = environment.non_empty(variable) {
            return named_program(root, Path::new(rustc), environment);
        }
    }
    let configs = config_paths(root, environment);
    match relative_to(&configs, root, "build", "rustc").next() {
        Some((folder, rustc)) => named_program(folder, Path::new(&rustc), environment),
        None => environment.which("rustc"),
    }
}

fn named_program(folder: &Path, program: &Path, environment: &Environment) -> Option<PathBuf> {
    if program.components().count() > 1 {
        Some(folder.join(program))
    } else {
        environment.which(program.to_str()?)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::request::{Artifact, ConfigSettings, Interpreter};

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
        let names: Vec<String> = config_files(folder.path(), &Environment::default())
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
        let names: Vec<(Root, String)> = config_files(&root, &environment)
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

    #[test]
    fn what_cargo_does_not_compare() {
        let folder = tempfile::tempdir().unwrap();
        let root = folder.path().join("project");
        fs_err::create_dir_all(root.join(".cargo")).unwrap();
        fs_err::create_dir(root.join("tools")).unwrap();
        let pyproject = "[project]\nname = 'a'\nversion = '1.0.0'\n[tool.maturin]\n";
        let request = Request {
            artifact: Artifact::Editable,
            root: root.clone(),
            config_settings: ConfigSettings::default(),
            interpreter: Interpreter::default(),
            environment: Environment::default(),
        };
        let seen = |config: &str, settings: &str| {
            fs_err::write(root.join(".cargo/config.toml"), config).unwrap();
            fs_err::write(root.join("pyproject.toml"), format!("{pyproject}{settings}")).unwrap();
            let project = Project::load(&root).unwrap();
            let (environment, folders) = (Environment::default(), [&*root]);
            let programs = own_programs(&project, &request, &environment, &folders);
            (programs, untracked(&project, &request, &environment, &folders))
        };
        let tool = root.join("tools/wrap");
        let plain = seen("[build]\njobs = 1\n", "");
        assert_eq!(seen("[build]\njobs = 2\n[net]\noffline = true\n", ""), plain);
        for (config, settings, is_own) in [
            ("[build]\nrustc-wrapper = 'tools/wrap'\n", "", true),
            ("[build]\nrustc-workspace-wrapper = './tools/wrap'\n", "", true),
            ("[build]\nrustc = 'tools/wrap'\n", "", true),
            ("[target.'cfg(unix)']\nlinker = 'tools/wrap'\n", "", true),
            ("", "config = [\"build.rustc-wrapper = 'tools/wrap'\"]\n", true),
            ("[build]\nrustc-wrapper = 'wrap'\n", "", false),
            ("[build]\nrustc-wrapper = '/usr/bin/wrap'\n", "", false),
            ("[env]\nCFLAGS = '-O1'\n", "", false),
            ("[env]\nCFLAGS = { value = '-O1', force = true }\n", "", false),
        ] {
            let before = seen(config, settings);
            assert_eq!(before.0, Vec::from_iter(is_own.then(|| tool.clone())), "{config}");
            assert_ne!(before.1, plain.1, "{config} {settings}");
            fs_err::write(&tool, config).unwrap();
            assert_eq!(seen(config, settings).1 != before.1, is_own, "{config} {settings}");
            fs_err::remove_file(&tool).unwrap();
        }
    }
}
