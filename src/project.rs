//! The project as described by its pyproject.toml: its root, the tables that matter, maturin's
//! layout.

use std::path::{Path, PathBuf};

use indexmap::IndexSet;
use serde::Deserialize;

use crate::digest;
use crate::error::{Error, PathContext as _, Result};
use crate::request::Request;

/// A project: its folder and the content of its pyproject.toml.
#[derive(Debug, Clone)]
pub struct Project {
    /// The folder of pyproject.toml; absolute.
    pub root: PathBuf,
    /// The whole document, for modules that need other tables.
    pub document: toml::Table,
    pub build_system: BuildSystem,
    pub name: Option<String>,
    pub maturin: Maturin,
    /// `[tool.wheelprint]`, unchecked. The module `settings` interprets it.
    pub own_table: Option<toml::Table>,
}

/// `[build-system]` (PEP 518).
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct BuildSystem {
    #[serde(default)]
    pub requires: Vec<String>,
    pub build_backend: Option<String>,
}

/// The keys of `[tool.maturin]` that decide what is built and where the files go.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct Maturin {
    pub bindings: Option<String>,
    pub manifest_path: Option<PathBuf>,
    pub module_name: Option<String>,
    pub python_source: Option<PathBuf>,
    pub python_packages: Option<Vec<String>>,
    pub data: Option<PathBuf>,
    pub locked: Option<bool>,
    /// `--config` values for cargo.
    pub config: Option<Vec<String>>,
    /// A target triple, or the path of a target specification.
    pub target: Option<toml::Value>,
    pub frozen: Option<bool>,
    /// Globs, as strings or as tables with `path` and `format`.
    pub include: Option<Vec<toml::Value>>,
}

#[derive(Deserialize)]
#[serde(rename_all = "kebab-case")]
struct Document {
    #[serde(default)]
    build_system: BuildSystem,
    project: Option<ProjectTable>,
    #[serde(default)]
    tool: Tool,
}

#[derive(Deserialize)]
struct ProjectTable {
    name: Option<String>,
}

#[derive(Default, Deserialize)]
struct Tool {
    #[serde(default)]
    maturin: Maturin,
    wheelprint: Option<toml::Table>,
}

impl Project {
    /// Reads `root/pyproject.toml`.
    ///
    /// # Errors
    /// The file is missing, unreadable or not TOML, or a field has a wrong type. The error has
    /// path, line and field.
    pub fn load(root: &Path) -> Result<Self> {
        let path = root.join("pyproject.toml");
        let bytes = match digest::content(&path) {
            Ok(bytes) => bytes,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
                let hint = "give the folder that has pyproject.toml";
                return Err(Error::given(path, "no such file", hint));
            }
            Err(error) => return Err(error).at(path),
        };
        let text = String::from_utf8(bytes).map_err(|error| {
            let cause = format!("not UTF-8 at byte {}", error.utf8_error().valid_up_to());
            Error::given(&path, cause, "save the file as UTF-8")
        })?;
        Self::parse(root, &path, &text)
    }

    fn parse(root: &Path, path: &Path, text: &str) -> Result<Self> {
        let wrong = |field, error: &toml::de::Error| Error::toml(path, text, field, error);
        let document = toml::from_str(text).map_err(|error| wrong(None, &error))?;
        let deserializer = toml::Deserializer::parse(text).map_err(|error| wrong(None, &error))?;
        let typed: Document = serde_path_to_error::deserialize(deserializer)
            .map_err(|error| wrong(Some(error.path().to_string()), error.inner()))?;
        Ok(Self {
            root: root.to_owned(),
            document,
            build_system: typed.build_system,
            name: typed.project.and_then(|project| project.name),
            maturin: typed.tool.maturin,
            own_table: typed.tool.wheelprint,
        })
    }

    /// `[tool.NAME]`, of any type.
    pub fn tool(&self, name: &str) -> Option<&toml::Value> {
        self.document.get("tool")?.get(name)
    }

    /// The names in `[build-system] requires`, apart from wheelprint and maturin.
    pub fn build_requirements(&self) -> Vec<String> {
        let names =
            self.build_system.requires.iter().map(|it| normalize_name(&requirement_name(it)));
        names.filter(|name| !["maturin", "wheelprint"].contains(&name.as_str())).collect()
    }

    /// Whether the project itself requires maturin in `[build-system] requires`. Then the project
    /// decides the version, and wheelprint does not request maturin.
    pub fn pins_maturin(&self) -> bool {
        let mut requires = self.build_system.requires.iter();
        requires.any(|requirement| requirement_name(requirement) == "maturin")
    }

    /// The Cargo.toml that maturin builds. By maturin's rules, in this order: `--manifest-path`,
    /// `manifest-path`, `rust/Cargo.toml` beside Python sources, `Cargo.toml`.
    pub fn manifest_path(&self, request: &Request) -> PathBuf {
        let given = argument(&request.maturin_arguments(), "--manifest-path", Some('m'));
        if let Some(path) = given.map(PathBuf::from).or_else(|| self.maturin.manifest_path.clone())
        {
            return self.root.join(path);
        }
        let has_python = || self.maturin.python_source.is_some() || self.src_has_package();
        let nested = self.nested_manifest().filter(|_| has_python());
        nested.unwrap_or_else(|| self.root.join("Cargo.toml"))
    }

    /// The kind of bindings that arguments or settings choose: `cffi`, `bin`. `None` if maturin finds
    /// out.
    pub fn bindings(&self, request: &Request) -> Option<String> {
        let given = argument(&request.maturin_arguments(), "--bindings", Some('b'));
        given.or_else(|| self.maturin.bindings.clone())
    }

    fn nested_manifest(&self) -> Option<PathBuf> {
        Some(self.root.join("rust").join("Cargo.toml")).filter(|path| path.is_file())
    }

    /// The folder with the Python packages, by maturin's rules.
    pub fn python_root(&self) -> PathBuf {
        match &self.maturin.python_source {
            Some(source) => self.root.join(source),
            None if self.nested_manifest().is_some() && self.src_has_package() => {
                self.root.join("src")
            }
            None => self.root.clone(),
        }
    }

    fn src_has_package(&self) -> bool {
        self.packages_in_src().iter().any(|path| path.is_file())
    }

    /// The files of which one is enough for the layout with Python sources in `src`.
    fn packages_in_src(&self) -> Vec<PathBuf> {
        let own = self.name.as_ref().map(|name| name.replace('-', "_"));
        let packages = own.iter().chain(self.maturin.python_packages.iter().flatten());
        packages.map(|name| self.root.join("src").join(name).join("__init__.py")).collect()
    }

    /// The files whose existence decides between `rust/Cargo.toml` and `Cargo.toml`, and with it
    /// the folder of the Python packages.
    pub fn files_that_choose_the_manifest(&self) -> Vec<PathBuf> {
        match (&self.maturin.python_source, self.nested_manifest()) {
            (None, Some(_)) => self.packages_in_src(),
            _ => Vec::new(),
        }
    }

    /// The layout of the project. `library` is `lib.name` and `package` is `package.name` of
    /// Cargo.toml.
    pub fn layout(&self, library: Option<&str>, package: Option<&str>) -> Layout {
        let named = self.maturin.module_name.as_deref();
        let module_name = named.or(library).or(self.name.as_deref()).or(package);
        let python_root = self.python_root();
        let mut parts: Vec<&str> = module_name.unwrap_or_default().split('.').collect();
        // A module name without a dot belongs in a package folder of the same name.
        let last = if parts.len() > 1 { parts.pop() } else { parts.first().copied() };
        let extension = last.unwrap_or_default().to_owned();
        let top = parts.first().copied().unwrap_or_default().to_owned();
        let folder: PathBuf = parts.iter().collect();
        let package = python_root.join(&top);
        // A folder with a Cargo.toml and no __init__.py is a crate that shares the module's name.
        let is_crate =
            !package.join("__init__.py").is_file() && package.join("Cargo.toml").is_file();
        let mixed = !top.is_empty() && package.is_dir() && !is_crate;
        let packages = self.maturin.python_packages.iter().flatten();
        let packages: IndexSet<_> = mixed.then_some(&top).into_iter().chain(packages).collect();
        let packages = packages.into_iter().cloned().collect();
        Layout { python_root, top, folder, extension, mixed, packages }
    }
}

/// maturin's project layout: the name of the compiled module and its place.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Layout {
    /// The folder with the Python packages, which is the root of the wheel's Python part.
    pub python_root: PathBuf,
    /// The top-level package.
    pub top: String,
    /// The package folder of the compiled module, relative to the wheel's root.
    pub folder: PathBuf,
    /// The compiled module's name without package and suffix.
    pub extension: String,
    /// Whether there are Python sources beside the Rust sources.
    pub mixed: bool,
    /// All Python packages of the wheel, relative to `python_root`.
    pub packages: Vec<String>,
}

/// The last value of a command-line option, in any of its spellings.
pub(crate) fn argument(arguments: &[String], long: &str, short: Option<char>) -> Option<String> {
    all_arguments(arguments, long, short).pop()
}

/// All values of a command-line option that may be repeated.
pub(crate) fn all_arguments(arguments: &[String], long: &str, short: Option<char>) -> Vec<String> {
    let mut arguments = arguments.iter().take_while(|argument| *argument != "--");
    let short = short.map(|short| format!("-{short}"));
    let mut found = Vec::new();
    while let Some(argument) = arguments.next() {
        if argument == long || short.as_ref() == Some(argument) {
            found.extend(arguments.next().cloned());
        } else if let Some(rest) = argument.strip_prefix(long) {
            found.extend(rest.strip_prefix('=').map(str::to_owned));
        } else if let Some(value) = short.as_ref().and_then(|short| argument.strip_prefix(short)) {
            found.push(value.trim_start_matches('=').to_owned());
        }
    }
    found
}

/// The normalised name (PEP 503) in a requirement (PEP 508).
pub(crate) fn requirement_name(requirement: &str) -> String {
    let is_outside = |char: char| !char.is_ascii_alphanumeric() && !"-_.".contains(char);
    normalize_name(requirement.trim_start().split(is_outside).next().unwrap_or_default())
}

/// PEP 503: lower case, runs of `-`, `_` and `.` become one `-`.
pub(crate) fn normalize_name(name: &str) -> String {
    let mut normalized = name.to_ascii_lowercase().replace(['_', '.'], "-");
    while normalized.contains("--") {
        normalized = normalized.replace("--", "-");
    }
    normalized
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(text: &str) -> Result<Project> {
        Project::parse(Path::new("/p"), Path::new("/p/pyproject.toml"), text)
    }

    #[test]
    fn wrong_types_name_line_and_field() {
        let error = parse("[build-system]\nrequires = 3\n").unwrap_err().to_string();
        assert!(error.starts_with("/p/pyproject.toml:2:12: build-system.requires: "), "{error}");
        let error = parse("[tool]\nmaturin = true\n").unwrap_err().to_string();
        assert!(error.contains("2:11: tool.maturin"), "{error}");
    }

    #[test]
    fn broken_toml_names_the_line() {
        let error = parse("[project]\nname = \n").unwrap_err().to_string();
        assert!(error.starts_with("/p/pyproject.toml:2:"), "{error}");
    }

    #[test]
    fn names_in_requirements_are_normalised() {
        assert_eq!(requirement_name(" Maturin[zig] >=1.0; python_version > '3'"), "maturin");
        assert_eq!(requirement_name("a_b.c~=1"), "a-b-c");
    }

    #[test]
    fn options_are_found_in_every_spelling() {
        let find = |words: &[&str]| {
            let words: Vec<String> = words.iter().map(ToString::to_string).collect();
            argument(&words, "--manifest-path", Some('m'))
        };
        assert_eq!(find(&["--manifest-path", "a"]), Some("a".into()));
        assert_eq!(find(&["--manifest-path=b"]), Some("b".into()));
        assert_eq!(find(&["-mc"]), Some("c".into()));
        assert_eq!(find(&["-m", "d", "--release"]), Some("d".into()));
        assert_eq!(find(&["--", "-m", "d"]), None);
        assert_eq!(find(&["--manylinux", "off"]), None);
    }

    #[test]
    fn build_requirements_are_those_besides_the_backend() {
        let text = "[build-system]\nrequires = ['wheelprint', 'Maturin>=1', 'cffi>=1', 'A_b[c]']";
        assert_eq!(parse(text).unwrap().build_requirements(), ["cffi", "a-b"]);
    }

    #[test]
    fn maturin_is_pinned_only_by_its_own_name() {
        let pinned = |requires: &str| {
            parse(&format!("[build-system]\nrequires = [{requires}]")).unwrap().pins_maturin()
        };
        assert!(pinned("'wheelprint', 'maturin==1.9.4'"));
        assert!(!pinned("'wheelprint', 'maturin-import-hook'"));
    }
}
