//! Edits of pyproject.toml, as text, from maturin to wheelprint and back. No I/O.
//!
//! Comments, order and formatting stay. Every line that is not edited keeps its own line ending
//! (see [`lines`]).

use std::path::Path;

use toml_edit::{Array, Item, TableLike, Value};

use crate::error::{Error, Result};
use crate::project::Project;
use crate::uv;
use crate::uv::edit::{self, parse};

pub(crate) mod lines;
mod note;
pub(crate) mod profile;
mod requires;

/// The requirement that replaces the one for maturin.
pub(crate) const REQUIREMENT: &str = "wheelprint>=0.1,<1";
const OURS: &str = "wheelprint";
const THEIRS: &str = "maturin";

/// The build backend of a project, as far as `init` can switch it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Backend {
    Maturin,
    Wheelprint,
}

/// Which of the two backends the project has.
///
/// # Errors
/// The project has another backend, or none. The error names the field, the reason, and a table
/// that would work.
pub(crate) fn backend(path: &Path, text: &str) -> Result<Backend> {
    let document = parse(path, text)?;
    let hint = r#"a maturin project has:
    [build-system]
    requires = ["maturin>=1.9,<2"]
    build-backend = "maturin""#;
    let wrong = |field: &str, cause: &str| Error::field(path, field, cause).or_hint(hint);
    let system = document
        .get("build-system")
        .ok_or_else(|| wrong("build-system", "no such table, so setuptools builds it"))?;
    let system = system.as_table_like().ok_or_else(|| wrong("build-system", "expected a table"))?;
    let field = "build-system.build-backend";
    let name = system
        .get("build-backend")
        .ok_or_else(|| wrong(field, "not there, so setuptools builds it"))?;
    let name = name.as_str().ok_or_else(|| wrong(field, "expected a string"))?;
    if system.get("backend-path").is_some() {
        let cause = format!("`{name}` is taken from the project itself");
        let hint = "wheelprint takes the place of maturin's own backend only";
        return Err(Error::field(path, "build-system.backend-path", cause).or_hint(hint));
    }
    match name {
        THEIRS => Ok(Backend::Maturin),
        OURS => Ok(Backend::Wheelprint),
        other => {
            let known = known(other).map(|name| format!(": {name}")).unwrap_or_default();
            Err(wrong(field, &format!("`{other}`{known} builds it, not maturin")))
        }
    }
}

/// What builds a package, including backends that `init` cannot switch.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Builder {
    Wheelprint,
    Maturin,
    /// Another backend, by the name its users know.
    Other(String),
    /// Without `[build-system]`, uv does not treat the project as a package.
    Nobody,
}

impl Builder {
    /// The name for messages.
    pub(crate) fn title(&self) -> &str {
        match self {
            Self::Wheelprint => OURS,
            Self::Maturin => THEIRS,
            Self::Other(title) => title,
            Self::Nobody => "nothing",
        }
    }
}

/// The builder that pyproject.toml names.
pub(crate) fn builder(project: &Project) -> Builder {
    let Some(system) = project.document.get("build-system") else {
        let is_package = project.tool("uv").and_then(|uv| uv.get("package")?.as_bool());
        return match is_package {
            Some(true) => Builder::Other("setuptools".to_owned()),
            _ => Builder::Nobody,
        };
    };
    match project.build_system.build_backend.as_deref() {
        None => Builder::Other("setuptools".to_owned()),
        Some(name) if system.get("backend-path").is_some() => {
            Builder::Other(format!("`{name}`, a backend of its own,"))
        }
        Some(OURS) => Builder::Wheelprint,
        Some(THEIRS) => Builder::Maturin,
        Some(other) => {
            Builder::Other(known(other).map_or_else(|| format!("`{other}`"), str::to_owned))
        }
    }
}

/// The name of a well-known backend for its users.
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

/// The text with wheelprint as the backend. The text stays the same if wheelprint is already the
/// backend.
pub(crate) fn to_wheelprint(path: &Path, text: &str) -> Result<String> {
    let was = backend(path, text)?;
    let mut replaced = None;
    let (plain, _) = match was {
        Backend::Maturin => note::taken(text),
        Backend::Wheelprint => (text.to_owned(), None),
    };
    let text = edited(path, &plain, |system, requires| {
        if was == Backend::Wheelprint && requires::names(requires, OURS) {
            return;
        }
        let dropped = requires::switch(requires);
        set(system, "build-backend", OURS);
        // If a maturin requirement of the project's own stays, no note is needed for the way back.
        let is_plain = !dropped.is_empty() || !requires::names(requires, THEIRS);
        replaced = Some(dropped).filter(|_| was == Backend::Maturin && is_plain);
    })?;
    Ok(replaced.map_or(text.clone(), |replaced| note::added(&text, &replaced)))
}

/// The requirements with which the project pins its own maturin. They stay.
pub(crate) fn own_choices(path: &Path, text: &str) -> Result<Vec<String>> {
    let document = parse(path, text)?;
    let requires = document.get("build-system").and_then(|system| system.get("requires"));
    Ok(requires.and_then(Item::as_array).map(requires::choices).unwrap_or_default())
}

/// The text with maturin as the backend. wheelprint's cache keys are removed. If wheelprint was the
/// backend from the beginning and there are no other keys, they are replaced by the keys that
/// `uv init` writes for a maturin project. The text stays the same if maturin is already the
/// backend.
pub(crate) fn to_maturin(path: &Path, text: &str) -> Result<String> {
    if backend(path, text)? == Backend::Maturin {
        return Ok(text.to_owned());
    }
    let (text, replaced) = note::taken(text);
    let mut was_switched = replaced.is_some();
    let text = edited(path, &text, |system, requires| {
        was_switched |= requires::names(requires, THEIRS);
        requires::switch_back(requires, replaced.as_deref());
        set(system, "build-backend", THEIRS);
    })?;
    let keys = edit::read(path, &text)?.unwrap_or_default();
    if was_switched || !keys.theirs.is_empty() || keys.ours.is_empty() {
        edit::without_ours(path, &text)
    } else {
        edit::replaced(path, &text, &uv::usual_keys(), None)
    }
}

/// The text with `[tool.maturin] editable-profile` (maturin 1.10).
pub(crate) fn with_editable_profile(path: &Path, text: &str, name: &str) -> Result<String> {
    let mut document = parse(path, text)?;
    let not_table = |field: &str| Error::field(path, field, "expected a table");
    let tool = edit::table_in(document.as_table_mut(), "tool").ok_or_else(|| not_table("tool"))?;
    let maturin = edit::table_in(tool, "maturin").ok_or_else(|| not_table("tool.maturin"))?;
    if maturin.get("editable-profile").and_then(Item::as_str) == Some(name) {
        return Ok(text.to_owned());
    }
    set(maturin, "editable-profile", name);
    Ok(document.to_string())
}

/// Applies an edit to `[build-system]`. Returns the exact old text if the edit changed nothing.
fn edited(
    path: &Path,
    text: &str,
    edit: impl FnOnce(&mut dyn TableLike, &mut Array),
) -> Result<String> {
    let mut document = parse(path, text)?;
    let before = document.to_string();
    let field = "build-system.requires";
    let not_strings = || Error::field(path, field, "expected a list of strings");
    if let Some(system) = document.get_mut("build-system").and_then(Item::as_table_like_mut) {
        let mut requires = match system.get("requires") {
            None => Array::new(),
            Some(requires) => requires.as_array().ok_or_else(not_strings)?.clone(),
        };
        if !requires.iter().all(Value::is_str) {
            return Err(not_strings());
        }
        edit(system, &mut requires);
        // The array is a clone of the old one, with its whitespace and comments.
        if let Some(item) = system.get_mut("requires") {
            *item = toml_edit::value(requires);
        } else if !requires.is_empty() {
            system.insert("requires", toml_edit::value(requires));
        }
    }
    let after = document.to_string();
    Ok(if before == after { text.to_owned() } else { after })
}

/// Sets a string. The whitespace and comments around it stay, and so does the kind of quotes.
fn set(table: &mut dyn TableLike, key: &str, text: &str) {
    if let Some(Item::Value(value)) = table.get_mut(key) {
        *value = in_place_of(value, text);
    } else {
        table.insert(key, toml_edit::value(text));
    }
}

/// A string with the quotes, whitespace and comments of the value that it replaces.
fn in_place_of(old: &Value, text: &str) -> Value {
    let repr = old.clone().decorated("", "").to_string();
    let single = repr.starts_with('\'').then(|| format!("'{text}'").parse::<Value>().ok());
    let mut new = single.flatten().unwrap_or_else(|| text.into());
    *new.decor_mut() = old.decor().clone();
    new
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::settings::KeyList;

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

    /// The switched text without the note for the way back.
    fn there_plainly(text: &str) -> String {
        note::taken(&there(text)).0
    }

    fn refused(text: &str) -> String {
        to_wheelprint(Path::new(PATH), text).unwrap_err().to_string()
    }

    #[test]
    fn only_the_two_values_are_edited() {
        let text = "# top\n\n[build-system]   # who\nrequires = [ \"maturin>=1.9,<2\" ] # what\nbuild-backend   =  \"maturin\" # that\n\n[project]\nname=\"x\"\n";
        let switched = there(text);
        let note = "# `wheelprint init --undo` puts back: [\"maturin>=1.9,<2\"]\n";
        let expected = text
            .replace("requires", &format!("{note}requires"))
            .replace("[ \"maturin>=1.9,<2", &format!("[ \"{REQUIREMENT}"))
            .replace("\"maturin\"", "\"wheelprint\"");
        assert_eq!(switched, expected);
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
                there_plainly(text),
                text.replace("maturin>=1.9,<2", REQUIREMENT)
                    .replace("\"maturin\"", "\"wheelprint\"")
                    .replace("'maturin'", "'wheelprint'")
            );
            assert_eq!(back(&switched), text);
        }
    }

    #[test]
    fn the_way_back_is_known_from_the_file() {
        let keys = "\n[tool.uv]\ncache-keys = [\n    { file = \"a\" },\n]\n";
        for requires in [
            "[\"maturin>=1.0,<2.0\"]",
            "['maturin']",
            "[\"Maturin >= 1.2\", 'cffi']",
            "[\n    # first\n    \"cffi; python_version > '3'\", # why\n    'maturin (>=1.0)', # so\n    # end\n]",
            "[\"maturin==1.9.4\"]",
            "[\"maturin[zig]>=1.0; sys_platform == 'linux'\", \"maturin>=1.2\"]",
        ] {
            for keys in ["", keys] {
                let text = format!(
                    "[build-system]\nrequires = {requires} # r\nbuild-backend = 'maturin'\n{keys}"
                );
                let path = Path::new(PATH);
                let keyed =
                    edit::write(path, &there(&text), &uv::default_keys(), KeyList::Short).unwrap();
                assert_eq!(back(&keyed).trim_end(), text.trim_end());
                // The way back also works after other edits.
                let edited = keyed.replace("# r", "# s").replace("<1\"", "<2\"") + "\n[x]\n";
                let expected = text.replace("# r", "# s");
                let undone = back(&edited);
                assert_eq!(undone.replace("\n[x]\n", "").trim_end(), expected.trim_end());
            }
        }
    }

    #[test]
    fn a_project_that_was_never_maturins_gets_what_uv_would_give_it() {
        let text = format!(
            "[build-system]\nrequires = [\"{REQUIREMENT}\"]\nbuild-backend = \"wheelprint\"\n"
        );
        let path = Path::new(PATH);
        let bare = back(&text);
        assert!(!bare.contains("cache-keys"), "{bare}");
        let keyed = edit::write(path, &text, &uv::default_keys(), KeyList::Short).unwrap();
        let undone = back(&keyed);
        assert!(undone.contains(r#"requires = ["maturin>=1.9,<2"]"#), "{undone}");
        assert!(!undone.contains("keys --write"), "{undone}");
        let keys = edit::read(path, &undone).unwrap().unwrap();
        assert_eq!((keys.theirs, keys.ours), (uv::usual_keys(), Vec::new()));
        // A project with keys of its own gets no usual keys.
        let own = text + "[tool.uv]\ncache-keys = [{ file = \"x\" }]\n";
        let keyed = edit::write(path, &own, &uv::default_keys(), KeyList::Short).unwrap();
        let keys = edit::read(path, &back(&keyed)).unwrap().unwrap();
        assert_eq!(keys.theirs, [uv::CacheKey::File { file: "x".to_owned() }]);
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
