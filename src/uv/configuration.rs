//! uv's own settings for the builds of a project.
//!
//! The source is uv 0.13, `uv-settings`: the nearest `uv.toml` or `[tool.uv]`, from the root of the
//! workspace upwards, then the user's `uv.toml`, then the system's. Settings for one package are
//! stronger than those for all.

use std::collections::BTreeMap;
use std::collections::btree_map::Entry;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};

use super::workspace::Workspace;
use crate::digest;
use crate::error::{Error, Result};
use crate::inputs::read_toml;
use crate::project::normalize_name;
use crate::request::{ConfigSettings, ConfigValue, Environment};

const FILE: &str = "uv.toml";

/// What uv passes to every build of one project.
#[derive(Debug, Default, PartialEq)]
pub(crate) struct BuildSettings {
    /// `config-settings`, and those of the package (`config-settings-package`).
    pub config_settings: ConfigSettings,
    /// The package's `extra-build-variables`.
    pub variables: BTreeMap<String, String>,
}

impl BuildSettings {
    /// The settings that the project's own files give, whoever builds it.
    ///
    /// # Errors
    /// A `uv.toml` that cannot be read, which uv refuses too.
    pub(crate) fn of_project(root: &Path) -> Result<Self> {
        let workspace = Workspace::around(root).ok().flatten();
        let table = nearest(workspace.as_ref().map_or(root, |workspace| &workspace.root))?;
        Ok(Self::of(root, table.as_slice()))
    }

    /// The settings that uv would use here: those of the project, the user and the system, or those
    /// of the one file that `UV_CONFIG_FILE` names.
    ///
    /// # Errors
    /// A `uv.toml` that cannot be read, which uv refuses too.
    pub(crate) fn here(root: &Path, environment: &Environment) -> Result<Self> {
        if let Some(path) = environment.non_empty("UV_CONFIG_FILE") {
            let path = Path::new(path);
            let table = file(path)?.ok_or_else(|| {
                Error::given(path, "no such file", "UV_CONFIG_FILE names it, and uv stops here too")
            })?;
            return Ok(Self::of(root, &[table]));
        }
        if is_set(environment, "UV_NO_CONFIG") {
            return Ok(Self::default());
        }
        let mut settings = Self::of_project(root)?;
        let system = if is_set(environment, "UV_NO_SYSTEM_CONFIG") {
            None
        } else {
            system_file(environment)
        };
        let user = user_file().filter(|path| !is_forbidden(path));
        let others = user.into_iter().chain(system).map(|path| file(&path));
        let others = others.filter_map(Result::transpose).collect::<Result<Vec<_>>>()?;
        settings.add(Self::of(root, &others));
        Ok(settings)
    }

    /// The settings for a project in uv's tables, of which the first is the strongest.
    fn of(root: &Path, tables: &[toml::Table]) -> Self {
        let own = read_toml(&root.join("pyproject.toml"));
        let own = own.as_ref().and_then(|own| own.get("project")?.get("name")?.as_str());
        let own = own.map(normalize_name);
        let all = |key: &'static str| tables.iter().filter_map(move |table| table.get(key));
        let of_package = |key: &'static str| {
            let packages = all(key).filter_map(toml::Value::as_table).flatten();
            packages.filter(|(name, _)| Some(normalize_name(name)) == own).map(|(_, value)| value)
        };
        let mut found = Self::default();
        for table in of_package("config-settings-package").chain(all("config-settings")) {
            found.add(Self { config_settings: config_settings(table), ..Self::default() });
        }
        for table in of_package("extra-build-variables") {
            found.add(Self { variables: texts(table).collect(), ..Self::default() });
        }
        found
    }

    /// Adds weaker settings. As in uv, a config setting that both have becomes a list.
    fn add(&mut self, weaker: Self) {
        for (name, value) in weaker.config_settings {
            match self.config_settings.entry(name) {
                Entry::Vacant(place) => {
                    place.insert(value);
                }
                Entry::Occupied(mut place) => {
                    let both = [place.get(), &value].map(values);
                    place.insert(ConfigValue::List(both.concat()));
                }
            }
        }
        for (name, value) in weaker.variables {
            self.variables.entry(name).or_insert(value);
        }
    }
}

fn values(value: &ConfigValue) -> Vec<String> {
    match value {
        ConfigValue::Text(text) => vec![text.clone()],
        ConfigValue::List(texts) => texts.clone(),
        ConfigValue::Flag(flag) => vec![flag.to_string()],
    }
}

fn config_settings(table: &toml::Value) -> ConfigSettings {
    let list = |value: &toml::Value| {
        let texts = value.as_array()?.iter().filter_map(toml::Value::as_str);
        Some(ConfigValue::List(texts.map(str::to_owned).collect()))
    };
    let text = |value: &toml::Value| value.as_str().map(|text| ConfigValue::Text(text.to_owned()));
    let entries = table.as_table().into_iter().flatten();
    let settings = entries.filter_map(|(name, value)| {
        let value = text(value).or_else(|| list(value))?;
        Some((name.clone(), value))
    });
    settings.collect()
}

fn texts(table: &toml::Value) -> impl Iterator<Item = (String, String)> {
    let entries = table.as_table().into_iter().flatten();
    entries.filter_map(|(name, value)| Some((name.clone(), value.as_str()?.to_owned())))
}

/// The settings of the nearest folder that has some: its `uv.toml`, or else its `[tool.uv]`. A
/// pyproject.toml that is no TOML is passed over, as in uv.
fn nearest(folder: &Path) -> Result<Option<toml::Table>> {
    for folder in folder.ancestors() {
        if let Some(table) = file(&folder.join(FILE))? {
            return Ok(Some(table));
        }
        let document = read_toml(&folder.join("pyproject.toml")).unwrap_or_default();
        let table = document.get("tool").and_then(|tool| tool.get("uv")?.as_table());
        if table.is_some() {
            return Ok(table.cloned());
        }
    }
    Ok(None)
}

/// The table of a `uv.toml`; `None` if there is no such file.
fn file(path: &Path) -> Result<Option<toml::Table>> {
    let text = match digest::text(path) {
        Ok(text) => text,
        Err(error) if matches!(error.kind(), ErrorKind::NotFound | ErrorKind::NotADirectory) => {
            return Ok(None);
        }
        Err(error) => return Err(Error::io(path, &error)),
    };
    toml::from_str(&text).map(Some).map_err(|error| Error::toml(path, &text, None, &error))
}

/// Whether this user may not read the file. uv passes over its own such file.
fn is_forbidden(path: &Path) -> bool {
    fs_err::File::open(path).is_err_and(|error| error.kind() == ErrorKind::PermissionDenied)
}

fn user_file() -> Option<PathBuf> {
    use etcetera::BaseStrategy as _;
    let folder = etcetera::choose_base_strategy().ok()?.config_dir();
    Some(folder.join("uv").join(FILE))
}

/// The first of the places where uv looks for settings of all users.
#[cfg(not(windows))]
fn system_file(environment: &Environment) -> Option<PathBuf> {
    let folders = environment.non_empty("XDG_CONFIG_DIRS").unwrap_or("/etc/xdg".as_ref());
    let named = std::env::split_paths(folders).take_while(|folder| !folder.as_os_str().is_empty());
    let files = named.chain([PathBuf::from("/etc")]).map(|folder| folder.join("uv").join(FILE));
    files.into_iter().find(|file| file.is_file())
}

#[cfg(windows)]
fn system_file(environment: &Environment) -> Option<PathBuf> {
    let drive = environment.non_empty("SYSTEMDRIVE")?.to_str()?;
    let folder = PathBuf::from(format!("{drive}\\")).join("ProgramData");
    Some(folder.join("uv").join(FILE))
}

/// Whether a variable is set to a word that uv takes for true.
fn is_set(environment: &Environment, name: &str) -> bool {
    let value = environment.non_empty(name).and_then(|value| value.to_str());
    let value = value.map(str::to_ascii_lowercase);
    value.is_some_and(|value| ["y", "yes", "t", "true", "on", "1"].contains(&value.as_str()))
}

#[cfg(test)]
mod tests {
    use fs_err as fs;

    use super::*;

    fn write(folder: &Path, name: &str, text: &str) {
        let path = folder.join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    }

    fn text(value: &str) -> ConfigValue {
        ConfigValue::Text(value.to_owned())
    }

    fn with(variables: &[(&str, &Path)]) -> Environment {
        let mut environment = Environment::default();
        for (name, value) in variables {
            environment.set(name, value.as_os_str());
        }
        environment
    }

    #[test]
    fn the_nearest_file_with_settings_is_read() {
        let folder = tempfile::tempdir().unwrap();
        let top = folder.path();
        write(top, "pyproject.toml", "[tool.uv]\nconfig-settings.where = 'top'");
        write(top, "a/pyproject.toml", "[project]\nname = 'a'");
        let place = |project: &str| {
            let settings = BuildSettings::of_project(&top.join(project)).unwrap();
            settings.config_settings.get("where").cloned()
        };
        assert_eq!(place("a"), Some(text("top")));
        write(top, "b/pyproject.toml", "[project]\nname = 'b'\n[tool.uv]\npackage = true");
        assert_eq!(place("b"), None);
        write(top, "b/uv.toml", "config-settings.where = ['uv.toml']");
        assert_eq!(place("b"), Some(ConfigValue::List(vec!["uv.toml".to_owned()])));
        write(top, "c/pyproject.toml", "no TOML");
        assert_eq!(place("c"), Some(text("top")));
    }

    #[test]
    fn the_root_of_the_workspace_has_the_settings_of_its_members() {
        let folder = tempfile::tempdir().unwrap();
        let top = folder.path();
        let root = "[tool.uv]\nworkspace.members = ['a']\nconfig-settings.where = 'root'";
        write(top, "pyproject.toml", root);
        let own = "[project]\nname = 'a'\nversion = '1'\n[tool.uv]\nconfig-settings.where = 'a'";
        write(top, "a/pyproject.toml", own);
        let settings = BuildSettings::of_project(&top.join("a")).unwrap();
        assert_eq!(settings.config_settings["where"], text("root"));
    }

    #[test]
    fn settings_of_the_package_come_first() {
        let folder = tempfile::tempdir().unwrap();
        let lines = [
            "config-settings = { one = 'all', two = 'all' }",
            "config-settings-package = { My_Package = { one = 'own' }, other = { two = 'other' } }",
            "extra-build-variables = { my-package = { A = '1' }, other = { B = '2' } }",
        ];
        write(folder.path(), "pyproject.toml", "[project]\nname = 'my-package'");
        write(folder.path(), "uv.toml", &lines.join("\n"));
        let settings = BuildSettings::of_project(folder.path()).unwrap();
        let both = ConfigValue::List(vec!["own".to_owned(), "all".to_owned()]);
        assert_eq!(settings.config_settings["one"], both);
        assert_eq!(settings.config_settings["two"], text("all"));
        assert_eq!(settings.variables, BTreeMap::from([("A".to_owned(), "1".to_owned())]));
    }

    #[test]
    fn variables_choose_the_file() {
        let folder = tempfile::tempdir().unwrap();
        write(folder.path(), "uv.toml", "config-settings.where = 'project'");
        write(folder.path(), "other.toml", "config-settings.where = 'other'");
        let place = |environment: &Environment| {
            let settings = BuildSettings::here(folder.path(), environment).unwrap();
            settings.config_settings.get("where").cloned()
        };
        assert_eq!(place(&with(&[])), Some(text("project")));
        let other = folder.path().join("other.toml");
        assert_eq!(place(&with(&[("UV_CONFIG_FILE", &other)])), Some(text("other")));
        assert_eq!(place(&with(&[("UV_NO_CONFIG", Path::new("True"))])), None);
        assert_eq!(place(&with(&[("UV_NO_CONFIG", Path::new("0"))])), Some(text("project")));
    }

    #[test]
    fn a_broken_file_is_named() {
        let folder = tempfile::tempdir().unwrap();
        write(folder.path(), "uv.toml", "config-settings = ");
        let error = BuildSettings::of_project(folder.path()).unwrap_err().to_string();
        let path = folder.path().join(FILE);
        assert!(error.starts_with(&format!("{}:1:", path.display())), "{error}");
        let gone = folder.path().join("gone.toml");
        let error = BuildSettings::here(folder.path(), &with(&[("UV_CONFIG_FILE", &gone)]));
        assert!(error.unwrap_err().to_string().contains("gone.toml: no such file"));
    }
}
