//! From maturin to wheelprint and back: the edits of pyproject.toml, as text. No I/O.
//!
//! Comments, order and formatting stay, and every line that is not edited keeps its own ending
//! (see [`lines`]).

use std::path::Path;

use toml_edit::{Array, DocumentMut, Item, Table, TableLike, Value};

use crate::error::{Error, Result};
use crate::uv::edit::parse;

pub mod lines;
pub mod profile;
mod requires;

/// What a project asks for instead of maturin.
pub const REQUIREMENT: &str = "wheelprint>=0.1,<1";
const OURS: &str = "wheelprint";
const THEIRS: &str = "maturin";

/// Who builds a project.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Backend {
    Maturin,
    Wheelprint,
}

/// Which of the two backends the project has.
///
/// # Errors
/// It has another one, or none: the field, why it can't be switched, and what would do.
pub fn backend(path: &Path, text: &str) -> Result<Backend> {
    let document = parse(path, text)?;
    let hint = r#"a maturin project has:
    [build-system]
    requires = ["maturin>=1.9,<2"]
    build-backend = "maturin""#;
    let Some(system) = document.get("build-system") else {
        return Err(wrong(path, "build-system", "no such table, so setuptools builds it", hint));
    };
    let Some(system) = system.as_table_like() else {
        return Err(wrong(path, "build-system", "expected a table", hint));
    };
    let field = "build-system.build-backend";
    let name = match system.get("build-backend") {
        None => return Err(wrong(path, field, "not there, so setuptools builds it", hint)),
        Some(name) => name.as_str().ok_or_else(|| wrong(path, field, "expected a string", hint))?,
    };
    if system.get("backend-path").is_some() {
        let cause = format!("`{name}` is taken from the project itself");
        let hint = "wheelprint takes the place of maturin's own backend only";
        return Err(wrong(path, "build-system.backend-path", &cause, hint));
    }
    match name {
        THEIRS => Ok(Backend::Maturin),
        OURS => Ok(Backend::Wheelprint),
        other => {
            let other = known(other).map_or_else(
                || format!("`{other}` builds it, not maturin"),
                |name| format!("`{other}`: {name} builds it, not maturin"),
            );
            Err(wrong(path, field, &other, hint))
        }
    }
}

/// A backend by the name its users know it by.
fn known(backend: &str) -> Option<&'static str> {
    const KNOWN: [(&str, &str); 9] = [
        ("setuptools", "setuptools (or setuptools-rust)"),
        ("hatchling", "Hatch"),
        ("scikit_build_core", "scikit-build-core"),
        ("mesonpy", "meson-python"),
        ("flit_core", "Flit"),
        ("poetry", "Poetry"),
        ("pdm", "PDM"),
        ("uv_build", "uv"),
        ("sipbuild", "SIP"),
    ];
    let top = backend.split(['.', ':']).next().unwrap_or_default();
    KNOWN.iter().find(|(name, _)| *name == top).map(|(_, title)| *title)
}

/// The text with wheelprint as the backend. Already so: the same text.
///
/// # Errors
/// As [`backend`], or `requires` is no list of strings.
pub fn to_wheelprint(path: &Path, text: &str) -> Result<String> {
    let was = backend(path, text)?;
    edited(path, text, |system, requires| {
        if was == Backend::Wheelprint && requires::names(requires, OURS) {
            return;
        }
        requires::switch(requires);
        set(system, "build-backend", OURS);
    })
}

/// The requirements by which the project chooses its own maturin: they stay.
///
/// # Errors
/// It is not TOML.
pub fn own_choices(path: &Path, text: &str) -> Result<Vec<String>> {
    let document = parse(path, text)?;
    let requires = document.get("build-system").and_then(|system| system.get("requires"));
    Ok(requires.and_then(Item::as_array).map(requires::choices).unwrap_or_default())
}

/// The text with maturin as the backend again: what cannot be told from an original that is lost.
/// Our cache keys are not looked at. Already so: the same text.
///
/// # Errors
/// As [`to_wheelprint`].
pub fn to_maturin(path: &Path, text: &str) -> Result<String> {
    let was = backend(path, text)?;
    edited(path, text, |system, requires| {
        if was == Backend::Wheelprint {
            requires::switch_back(requires);
            set(system, "build-backend", THEIRS);
        }
    })
}

/// The text with `[tool.maturin] editable-profile` (maturin 1.10).
///
/// # Errors
/// It is not TOML, or `tool.maturin` is no table.
pub fn with_editable_profile(path: &Path, text: &str, name: &str) -> Result<String> {
    let mut document = parse(path, text)?;
    let mut implicit = Table::new();
    implicit.set_implicit(true);
    let not_table = |field: &str| wrong(path, field, "expected a table", "");
    let tool = document.entry("tool").or_insert(Item::Table(implicit));
    let tool = tool.as_table_like_mut().ok_or_else(|| not_table("tool"))?;
    let maturin = tool.entry("maturin").or_insert(Item::Table(Table::new()));
    let maturin = maturin.as_table_like_mut().ok_or_else(|| not_table("tool.maturin"))?;
    if maturin.get("editable-profile").and_then(Item::as_str) == Some(name) {
        return Ok(text.to_owned());
    }
    set(maturin, "editable-profile", name);
    Ok(document.to_string())
}

/// Applies an edit to `[build-system]`; gives the very text if nothing came of it.
fn edited(
    path: &Path,
    text: &str,
    edit: impl FnOnce(&mut dyn TableLike, &mut Array),
) -> Result<String> {
    let mut document: DocumentMut = parse(path, text)?;
    let before = document.to_string();
    let field = "build-system.requires";
    let not_strings = || wrong(path, field, "expected a list of strings", "");
    if let Some(system) = document.get_mut("build-system").and_then(Item::as_table_like_mut) {
        let mut requires = match system.get("requires") {
            None => Array::new(),
            Some(requires) => requires.as_array().ok_or_else(not_strings)?.clone(),
        };
        if !requires.iter().all(Value::is_str) {
            return Err(not_strings());
        }
        edit(system, &mut requires);
        match system.get_mut("requires") {
            // The decor is the array's own.
            Some(item) => *item = Item::Value(Value::Array(requires)),
            None if requires.is_empty() => {}
            None => {
                system.insert("requires", Item::Value(Value::Array(requires)));
            }
        }
    }
    let after = document.to_string();
    Ok(if before == after { text.to_owned() } else { after })
}

/// Sets a string; what stands around it stays, and so does the kind of quotes.
fn set(table: &mut dyn TableLike, key: &str, text: &str) {
    match table.get_mut(key) {
        Some(Item::Value(value)) => *value = in_place_of(value, text),
        Some(item) => *item = toml_edit::value(text),
        None => {
            table.insert(key, toml_edit::value(text));
        }
    }
}

/// A string that looks as the value it replaces does.
fn in_place_of(old: &Value, text: &str) -> Value {
    let repr = old.clone().decorated("", "").to_string();
    let single = repr.starts_with('\'').then(|| format!("'{text}'").parse::<Value>().ok());
    let mut new = single.flatten().unwrap_or_else(|| text.into());
    *new.decor_mut() = old.decor().clone();
    new
}

fn wrong(path: &Path, field: &str, cause: &str, hint: &str) -> Error {
    Error::Toml {
        path: path.to_owned(),
        position: None,
        field: Some(field.to_owned()),
        cause: cause.to_owned(),
        hint: (!hint.is_empty()).then(|| hint.to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const PATH: &str = "pyproject.toml";

    fn there(text: &str) -> String {
        let once = to_wheelprint(Path::new(PATH), text).unwrap();
        assert_eq!(to_wheelprint(Path::new(PATH), &once).unwrap(), once);
        once
    }

    fn back(text: &str) -> String {
        let once = to_maturin(Path::new(PATH), text).unwrap();
        assert_eq!(to_maturin(Path::new(PATH), &once).unwrap(), once);
        once
    }

    fn refused(text: &str) -> String {
        to_wheelprint(Path::new(PATH), text).unwrap_err().to_string()
    }

    #[test]
    fn only_the_two_values_are_edited() {
        let text = "# top\n\n[build-system]   # who\nrequires = [ \"maturin>=1.9,<2\" ] # what\nbuild-backend   =  \"maturin\" # that\n\n[project]\nname=\"x\"\n";
        let switched = there(text);
        assert_eq!(
            switched,
            text.replace("maturin>=1.9,<2", REQUIREMENT).replace("\"maturin\"", "\"wheelprint\"")
        );
        assert_eq!(back(&switched), text);
    }

    #[test]
    fn every_way_to_write_the_table() {
        for text in [
            "build-system = { requires = ['maturin>=1.9,<2'], build-backend = 'maturin' }\n",
            "build-system.requires = [\"maturin>=1.9,<2\"]\nbuild-system.build-backend = \"maturin\"\n",
            "[build-system]\nbuild-backend = 'maturin'\nrequires = [\n  # the builder\n  'maturin>=1.9,<2', # so\n  \"cffi\",\n]\n",
        ] {
            let switched = there(text);
            assert_eq!(
                switched,
                text.replace("maturin>=1.9,<2", REQUIREMENT)
                    .replace("\"maturin\"", "\"wheelprint\"")
                    .replace("'maturin'", "'wheelprint'")
            );
            assert_eq!(back(&switched), text);
        }
    }

    #[test]
    fn a_switched_project_keeps_what_it_asks_for() {
        let text = "[build-system]\nrequires = [\"wheelprint\", \"maturin\"]\nbuild-backend = \"wheelprint\"\n";
        assert_eq!(there(text), text);
        let text = "[build-system]\nrequires = [\"maturin\"]\nbuild-backend = \"wheelprint\"\n";
        assert_eq!(there(text), text.replace("[\"maturin\"]", &format!("[\"{REQUIREMENT}\"]")));
        let text = "[build-system]\nbuild-backend = \"maturin\"\n";
        assert!(there(text).contains(&format!("requires = [\"{REQUIREMENT}\"]")));
    }

    #[test]
    fn other_backends_are_named() {
        for (text, said) in [
            ("[project]\n", "build-system: no such table"),
            ("build-system = 3\n", "build-system: expected a table"),
            ("[build-system]\n", "build-backend: not there, so setuptools"),
            ("[build-system]\nbuild-backend = 3\n", "build-backend: expected a string"),
            (
                "[build-system]\nbuild-backend = \"hatchling.build\"\n",
                "`hatchling.build`: Hatch builds",
            ),
            (
                "[build-system]\nbuild-backend = \"setuptools.build_meta\"\n",
                "setuptools (or setuptools-rust) builds",
            ),
            (
                "[build-system]\nbuild-backend = \"scikit_build_core.build\"\n",
                "scikit-build-core builds",
            ),
            ("[build-system]\nbuild-backend = \"x\"\n", "`x` builds it, not maturin"),
            (
                "[build-system]\nbuild-backend = \"maturin\"\nbackend-path = [\".\"]\n",
                "build-system.backend-path: `maturin` is taken from the project itself",
            ),
            ("[build-system]\nbuild-backend = \"maturin\"\nrequires = 3\n", "a list of strings"),
            ("[build-system]\nbuild-backend = \"maturin\"\nrequires = [3]\n", "a list of strings"),
            ("[build-system]\nbuild-backend = \n", "pyproject.toml:2:17: "),
        ] {
            assert!(refused(text).contains(said), "{}", refused(text));
        }
    }

    #[test]
    fn the_profile_of_editable_installs() {
        let with = |text: &str| with_editable_profile(Path::new(PATH), text, "dev").unwrap();
        assert_eq!(with(""), "[tool.maturin]\neditable-profile = \"dev\"\n");
        let text = "[tool.maturin]\nx = 1 # one\n\n[tool.uv]\n";
        let written = "[tool.maturin]\nx = 1 # one\neditable-profile = \"dev\"\n\n[tool.uv]\n";
        assert_eq!(with(text), written);
        assert_eq!(with(written), written);
        assert_eq!(
            with("tool.maturin.editable-profile='x'#y\n"),
            "tool.maturin.editable-profile='dev'#y\n"
        );
        assert!(with_editable_profile(Path::new(PATH), "tool = 3", "dev").is_err());
    }
}
