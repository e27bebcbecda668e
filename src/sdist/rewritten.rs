//! What maturin changes in a manifest that it packs.
//!
//! An sdist states the text that a manifest had in the tree, and frontends build the text that it
//! packs. So the two are compared: a key may differ only as maturin changes it. What the packed key
//! names must be the file of the tree that the old key named.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use toml::{Table, Value};

use crate::fingerprint::{Packed, Record};
use crate::inputs::normalize;

/// Tables of a manifest that stay if its package is not in the archive.
const OF_WORKSPACES: [&str; 4] = ["workspace", "profile", "patch", "replace"];
const DEPENDENCIES: [&str; 3] = ["dependencies", "dev-dependencies", "build-dependencies"];
/// Lists of targets, and the folders where cargo looks for a target without a path.
const TARGETS: [(&str, &str); 4] =
    [("bin", "src/bin"), ("example", "examples"), ("test", "tests"), ("bench", "benches")];

/// How a key of a packed manifest differs from the tree's.
enum Fate {
    /// As maturin changes it.
    Known,
    /// It was inherited from a workspace that is not in the archive. Only the sdist says its value.
    Stated,
    /// Its parts decide.
    Parts,
    Unknown,
}

/// The files of an archive, by their paths in it, with their places relative to the project.
pub(super) struct Rewritten<'a> {
    places: BTreeMap<&'a str, PathBuf>,
}

/// One manifest.
struct Manifest<'a> {
    archive: &'a Rewritten<'a>,
    is_cargo: bool,
    /// Its folders in the archive and in the tree.
    folder: &'a Path,
    tree: PathBuf,
    stated: Vec<String>,
}

impl<'a> Rewritten<'a> {
    pub(super) fn new(record: &'a Record) -> Self {
        let place = |packed: &'a Packed| {
            Some((packed.path.as_str(), normalize(Path::new(packed.source.as_ref()?))))
        };
        Self { places: record.packed.iter().filter_map(place).collect() }
    }

    /// Compares the text of a packed manifest with the text in the tree. Gives the keys whose values
    /// only the sdist states.
    ///
    /// # Errors
    /// The key that maturin does not change so.
    pub(super) fn check(&self, packed: &Packed, text: &str) -> Result<Vec<String>, String> {
        let Some(original) = &packed.original else { return Ok(Vec::new()) };
        let place = packed.source.as_deref().unwrap_or_default();
        let parse = |text: &str| text.parse::<Table>().map_err(|_| "no TOML".to_owned());
        let (mut one, other) = (parse(original)?, parse(text)?);
        let path = Path::new(&packed.path);
        let is_cargo = path.ends_with("Cargo.toml");
        // Of a workspace whose package is not packed, the tables of the package are left out.
        if is_cargo
            && !other.contains_key("package")
            && other.keys().all(|name| OF_WORKSPACES.contains(&name.as_str()))
        {
            one.retain(|name, _| OF_WORKSPACES.contains(&name));
        }
        let mut manifest = Manifest {
            archive: self,
            is_cargo,
            folder: path.parent().unwrap_or(path),
            tree: normalize(Path::new(place).parent().unwrap_or(Path::new(""))),
            stated: Vec::new(),
        };
        let (one, other) = (Value::Table(one), Value::Table(other));
        manifest.compare(&mut Vec::new(), Some(&one), Some(&other))?;
        Ok(manifest.stated)
    }

    /// Whether a file is packed.
    fn has(&self, path: &Path) -> bool {
        path.to_str().is_some_and(|path| self.places.contains_key(path))
    }
}

impl Manifest<'_> {
    fn compare<'v>(
        &mut self,
        key: &mut Vec<&'v str>,
        one: Option<&'v Value>,
        other: Option<&'v Value>,
    ) -> Result<(), String> {
        if one == other {
            return Ok(());
        }
        let fate = match self.is_cargo {
            true => self.of_cargo(key, one, other),
            false => self.of_pyproject(key, one, other),
        };
        match fate {
            Fate::Known => return Ok(()),
            Fate::Stated => {
                self.stated.push(key.join("."));
                return Ok(());
            }
            Fate::Unknown => return Err(key.join(".")),
            Fate::Parts => {}
        }
        let parts = [one, other].map(|value| value.and_then(Value::as_table));
        let is_table = |value: Option<&Value>| value.is_none_or(Value::is_table);
        if !is_table(one) || !is_table(other) || key.is_empty() && parts.contains(&None) {
            return Err(key.join("."));
        }
        let mut names: Vec<&'v str> =
            parts.into_iter().flatten().flat_map(|it| it.keys()).map(String::as_str).collect();
        names.sort_unstable();
        names.dedup();
        for name in names {
            let [one, other] = parts.map(|table| table.and_then(|table| table.get(name)));
            key.push(name);
            self.compare(key, one, other)?;
            key.pop();
        }
        Ok(())
    }

    /// Whether the path in the archive is of the file that the path in the tree names.
    fn is_of(&self, archive: &Path, tree: &Path) -> bool {
        let archive = normalize(&self.folder.join(archive));
        let place = archive.to_str().and_then(|archive| self.archive.places.get(archive));
        place.is_some_and(|place| *place == normalize(&self.tree.join(tree)))
    }

    /// Whether all files below the folder in the archive are those below the folder in the tree.
    fn is_folder_of(&self, archive: &Path, tree: &Path) -> bool {
        let (archive, tree) = (normalize(&self.folder.join(archive)), self.tree.join(tree));
        let mut files = self.archive.places.iter().filter_map(|(path, place)| {
            Some((Path::new(path).strip_prefix(&archive).ok()?, place))
        });
        files.all(|(inside, place)| *place == normalize(&tree.join(inside)))
    }

    fn of_pyproject(&self, key: &[&str], one: Option<&Value>, other: Option<&Value>) -> Fate {
        let old = one.and_then(Value::as_str);
        // On Windows, maturin 1.9 writes its separators.
        let new = other.and_then(Value::as_str).map(|new| new.replace('\\', "/"));
        let is_known = match (key, new.as_deref().map(Path::new)) {
            (["tool", "maturin", "manifest-path"], Some(new)) => match old {
                Some(old) => self.is_of(new, Path::new(old)),
                None => {
                    ["Cargo.toml", "rust/Cargo.toml"].iter().any(|it| self.is_of(new, it.as_ref()))
                }
            },
            (["tool", "maturin", "python-source"], Some(new)) => {
                self.is_folder_of(new, old.map_or(new, Path::new))
            }
            (["project", "readme"] | ["project", "readme" | "license", "file"], Some(new)) => {
                old.is_some_and(|old| self.is_of(new, Path::new(old)))
            }
            _ => return Fate::Parts,
        };
        if is_known { Fate::Known } else { Fate::Unknown }
    }

    fn of_cargo(&self, key: &[&str], one: Option<&Value>, other: Option<&Value>) -> Fate {
        let is = |is_known| if is_known { Fate::Known } else { Fate::Unknown };
        match (key, one, other) {
            (["workspace"], Some(Value::Table(one)), None) => {
                is(one.keys().all(|name| ["members", "default-members"].contains(&name.as_str())))
            }
            (["workspace", "default-members"] | ["workspace", "members"], Some(_), None) => {
                Fate::Known
            }
            (["workspace", "members"], Some(Value::Array(one)), Some(Value::Array(other))) => {
                is(other.iter().all(|member| one.contains(member)))
            }
            (["package", "readme" | "license-file"], _, Some(Value::String(name))) => {
                is(self.archive.has(&normalize(&self.folder.join(name))))
            }
            (["package", _] | ["lints"], Some(one), _) if is_inherited(one) => Fate::Stated,
            ([kind, _] | ["target", _, kind, _], Some(one), Some(_))
                if DEPENDENCIES.contains(kind) && is_inherited(one) =>
            {
                Fate::Stated
            }
            (
                [kind, _, "path"] | ["target", _, kind, _, "path"],
                Some(Value::String(one)),
                Some(Value::String(other)),
            ) if DEPENDENCIES.contains(kind) => {
                let manifest = |folder: &str| Path::new(folder).join("Cargo.toml");
                is(self.is_of(&manifest(other), &manifest(one)))
            }
            (["lib"], Some(lib), None) => is(!self.is_packed(lib, "src/lib.rs".as_ref())),
            ([list], Some(Value::Array(one)), other) => {
                let Some((_, folder)) = TARGETS.iter().find(|(name, _)| name == list) else {
                    return Fate::Unknown;
                };
                let kept = other.and_then(Value::as_array).map_or(&[][..], Vec::as_slice);
                let removed = one.iter().filter(|target| !kept.contains(target));
                let is_left_out = removed.into_iter().all(|target| {
                    let name = target.get("name").and_then(Value::as_str).unwrap_or_default();
                    let file = Path::new(folder).join(format!("{name}.rs"));
                    let main = Path::new(folder).join(name).join("main.rs");
                    ![&file, &main].into_iter().any(|place| self.is_packed(target, place))
                });
                is(is_left_out && kept.iter().all(|target| one.contains(target)))
            }
            _ => Fate::Parts,
        }
    }

    /// Whether the file of a target is in the archive. `usual` is its place without a path.
    fn is_packed(&self, target: &Value, usual: &Path) -> bool {
        let path = target.get("path").and_then(Value::as_str).map_or(usual, Path::new);
        self.archive.has(&normalize(&self.folder.join(path)))
    }
}

/// `{ workspace = true }`
fn is_inherited(value: &Value) -> bool {
    value.get("workspace").and_then(Value::as_bool) == Some(true)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The packed files of an sdist of a project in `py`, below its workspace.
    fn checked(
        path: &str,
        source: &str,
        original: &str,
        text: &str,
    ) -> Result<Vec<String>, String> {
        let packed = |path: &str, source: &str, original: Option<&str>| Packed {
            path: path.to_owned(),
            sha256: String::new(),
            source: Some(source.to_owned()),
            original: original.map(str::to_owned),
        };
        let one = packed(path, source, Some(original));
        let others = [
            ("py/Cargo.toml", "Cargo.toml"),
            ("py/src/lib.rs", "src/lib.rs"),
            ("core/Cargo.toml", "../core/Cargo.toml"),
            ("evil/Cargo.toml", "../tests/evil/Cargo.toml"),
            ("README.md", "../README.md"),
            ("python/a/__init__.py", "python/a/__init__.py"),
            ("other/a/__init__.py", "tests/a/__init__.py"),
        ];
        let others = others.map(|(path, source)| (path, PathBuf::from(source)));
        Rewritten { places: others.into_iter().collect() }.check(&one, text)
    }

    #[test]
    fn what_maturin_changes_in_a_pyproject() {
        let check =
            |one: &str, other: &str| checked("pyproject.toml", "pyproject.toml", one, other);
        let known: Result<Vec<String>, String> = Ok(Vec::new());
        let own = "[build-system]\nrequires = ['wheelprint']\n";
        let to = |path: &str| format!("{own}[tool.maturin]\nmanifest-path = '{path}'");
        assert_eq!(check(own, &to("py/Cargo.toml")), known);
        assert_eq!(check(&to("Cargo.toml"), &to("py/Cargo.toml")), known);
        assert_eq!(check(own, &to("py\\Cargo.toml")), known);
        assert!(check(own, &to("evil/Cargo.toml")).is_err());
        assert!(check(&to("../core/Cargo.toml"), &to("evil/Cargo.toml")).is_err());
        let source = |path: &str| format!("[tool.maturin]\npython-source = '{path}'");
        assert_eq!(check(&source("python"), &source("python/.")), known);
        assert!(check(&source("python"), &source("other")).is_err());
        let readme = |path: &str| format!("[project]\nreadme = '{path}'");
        assert_eq!(check(&readme("../README.md"), &readme("README.md")), known);
        assert!(check(&readme("../README.md"), &readme("evil/Cargo.toml")).is_err());
        for (one, other) in [
            (own, "[build-system]\nrequires = ['evil']\n"),
            (own, "[build-system]\nrequires = ['wheelprint']\nbuild-backend = 'evil'\n"),
            (own, ""),
            ("[tool.maturin]\nfeatures = []", "[tool.maturin]\nfeatures = ['evil']"),
            ("", "[tool.uv]\nindex-url = 'evil'"),
            ("", "no TOML"),
        ] {
            assert!(check(one, other).is_err(), "{other}");
        }
        assert_eq!(
            check(own, "[build-system]\nrequires = ['wheelprint', 'x']\n").unwrap_err(),
            "build-system.requires"
        );
    }

    #[test]
    fn what_maturin_changes_in_a_cargo_toml() {
        let check = |one: &str, other: &str| checked("py/Cargo.toml", "Cargo.toml", one, other);
        let known: Result<Vec<String>, String> = Ok(Vec::new());
        let package = "[package]\nname = 'a'\n";
        let stated = |one: &str, other: &str| {
            let with = |text: &str| format!("{package}{text}");
            check(&with(one), &with(other))
        };
        for (one, other) in [
            ("[workspace]\nmembers = ['a', 'b']", ""),
            ("[workspace]\nmembers = ['a', 'b']", "[workspace]\nmembers = ['b']"),
            ("[workspace]\nresolver = '2'\ndefault-members = ['a']", "[workspace]\nresolver = '2'"),
            ("[dependencies]\nx.path = '../core'", "[dependencies]\nx.path = '../core/'"),
            ("[[bin]]\nname = 'gone'", ""),
        ] {
            assert_eq!(stated(one, other), known, "{other}");
        }
        assert_eq!(
            check(&format!("{package}[workspace]\nresolver = '2'"), "[workspace]\nresolver = '2'"),
            known
        );
        for (one, other) in [
            ("", "build = 'evil.rs'"),
            ("", "[lib]\npath = 'evil.rs'"),
            ("[lib]\npath = 'src/lib.rs'", ""),
            ("", "[dependencies]\nx = '1'"),
            ("[dependencies]\nx = '1'", "[dependencies]\nx = { git = 'evil' }"),
            ("[dependencies]\nx.path = '../core'", "[dependencies]\nx.path = '../evil'"),
            ("", "[patch.crates-io]\nx.path = '../evil'"),
            ("", "[profile.release]\nrustflags = ['evil']"),
            ("[workspace]\nmembers = ['a']", "[workspace]\nmembers = ['evil']"),
            ("[workspace]\nresolver = '2'", ""),
        ] {
            assert!(stated(one, other).is_err(), "{other}");
        }
        let whole = format!("{package}[workspace]\nresolver = '2'");
        assert!(check(&whole, "[workspace]\nresolver = '1'").is_err());
        // The workspace is not in the archive, so its values are not known.
        let inherited = stated(
            "version.workspace = true\n[dependencies]\nx.workspace = true",
            "version = '1'\n[dependencies]\nx = '1'",
        );
        assert_eq!(inherited.unwrap(), ["dependencies.x", "package.version"]);
    }
}
