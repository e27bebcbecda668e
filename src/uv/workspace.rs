//! uv's workspaces: the workspace that a folder belongs to, and its member packages.
//!
//! The source is uv 0.13, `uv-workspace`. `[tool.uv.workspace]` has globs in `members` and
//! `exclude`, by the rules of the glob crate. The root is a member too if it has a `[project]`.

use std::collections::BTreeMap;
use std::collections::btree_map::Entry;
use std::path::{Path, PathBuf};

use serde::Deserialize;

use crate::error::{Error, Result};
use crate::inputs::{normalize, relative};
use crate::project::{Project, normalize_name};

/// A uv workspace, as described by the pyproject.toml of its root.
pub(crate) struct Workspace {
    /// The folder of that pyproject.toml.
    pub root: PathBuf,
    project: Project,
    /// Whether the pyproject.toml has the table `[tool.uv.workspace]`. uv treats a project without
    /// it as a workspace with one member.
    pub is_declared: bool,
    table: Table,
}

/// A package of a workspace.
#[derive(Clone)]
pub(crate) struct Member {
    /// The name as written in `[project] name`.
    pub name: String,
    pub project: Project,
}

/// The members of a workspace.
#[derive(Default)]
pub(crate) struct Members {
    /// The members by their normalised names (PEP 503).
    pub packages: BTreeMap<String, Member>,
    /// Folders that a glob matches but that are no packages, each with the cause. uv refuses to
    /// work in such a workspace.
    pub broken: Vec<(PathBuf, String)>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Table {
    members: Vec<String>,
    exclude: Vec<String>,
}

impl Workspace {
    /// The workspace that uv would find from this folder. `None` if there is no project, or if uv
    /// does not manage the project.
    pub(crate) fn around(folder: &Path) -> Result<Option<Self>> {
        let mut above = folder.ancestors().filter(|above| above.join("pyproject.toml").is_file());
        let Some(nearest) = above.next() else { return Ok(None) };
        let own = Self::at(nearest)?;
        if !is_managed(&own.project) || !own.is_declared && own.project.name.is_none() {
            return Ok(None);
        }
        // As in uv, the next project above ends the search, even if it has no workspace.
        if let Some(next) = above.next().filter(|_| !own.is_declared) {
            let outer = Self::at(next)?;
            if outer.includes(nearest)? && !outer.excludes(nearest)? {
                return Ok(Some(outer));
            }
        }
        Ok(Some(own))
    }

    fn at(root: &Path) -> Result<Self> {
        let project = Project::load(root)?;
        let declared = uv(&project, "workspace").cloned();
        let is_declared = declared.is_some();
        let table = declared.map_or_else(|| Ok(Table::default()), toml::Value::try_into);
        let table = table.map_err(|error| {
            let path = root.join("pyproject.toml");
            Error::field(path, "tool.uv.workspace", error.message().trim())
        })?;
        Ok(Self { root: root.to_owned(), project, is_declared, table })
    }

    /// Whether a glob of `members` matches this folder.
    pub(crate) fn includes(&self, folder: &Path) -> Result<bool> {
        self.matches("members", &self.table.members, folder)
    }

    /// Whether a glob of `exclude` matches this folder.
    pub(crate) fn excludes(&self, folder: &Path) -> Result<bool> {
        self.matches("exclude", &self.table.exclude, folder)
    }

    fn matches(&self, name: &str, globs: &[String], folder: &Path) -> Result<bool> {
        for glob in globs {
            let pattern = glob::Pattern::new(&self.absolute(glob));
            if pattern.map_err(|error| self.no_glob(name, glob, &error))?.matches_path(folder) {
                return Ok(true);
            }
        }
        Ok(false)
    }

    /// The glob as an absolute path. uv ignores `./`, `..` and a slash at the end, so they are
    /// removed.
    fn absolute(&self, glob: &str) -> String {
        let root = glob::Pattern::escape(&self.root.to_string_lossy());
        normalize(&Path::new(&root).join(glob)).to_string_lossy().into_owned()
    }

    fn no_glob(&self, name: &str, glob: &str, error: &glob::PatternError) -> Error {
        let cause = format!("`{glob}` is no glob: {}", error.msg);
        let path = self.root.join("pyproject.toml");
        Error::field(path, &format!("tool.uv.workspace.{name}"), cause)
    }

    /// All members, including the root if it is a package.
    pub(crate) fn members(&self) -> Result<Members> {
        let mut members = Members::default();
        members.add(self.project.clone());
        for glob in &self.table.members {
            let found = glob::glob(&self.absolute(glob))
                .map_err(|error| self.no_glob("members", glob, &error))?;
            for found in found.map(|found| found.map(|folder| normalize(&folder))) {
                match found {
                    Err(error) => {
                        let cause = error.error().to_string();
                        members.broken.push((error.path().to_owned(), cause));
                    }
                    Ok(folder) if members.knows(&folder) || !folder.is_dir() => {}
                    Ok(folder) if self.excludes(&folder)? => {}
                    Ok(folder) => members.add_folder(&folder),
                }
            }
        }
        Ok(members)
    }

    /// The path of a folder relative to the root, for messages.
    pub(crate) fn name(&self, folder: &Path) -> String {
        relative(&self.root, folder).unwrap_or_else(|| folder.to_string_lossy().into_owned())
    }
}

impl Members {
    fn knows(&self, folder: &Path) -> bool {
        self.packages.values().any(|member| member.project.root == folder)
            || self.broken.iter().any(|(broken, _)| broken == folder)
    }

    fn add_folder(&mut self, folder: &Path) {
        let mut broken = |cause: String| self.broken.push((folder.to_owned(), cause));
        if !folder.join("pyproject.toml").is_file() {
            let name = folder.file_name().unwrap_or_default().to_string_lossy();
            if !name.starts_with('.') && !has_only_ignored_files(folder) {
                broken("no pyproject.toml".to_owned());
            }
            return;
        }
        match Project::load(folder) {
            Err(error) => broken(error.to_string()),
            Ok(project) if !is_managed(&project) => {}
            Ok(project) if uv(&project, "workspace").is_some() => {
                broken("a workspace in a workspace".to_owned());
            }
            Ok(project) if project.name.is_none() => broken("no project.name".to_owned()),
            Ok(project) => self.add(project),
        }
    }

    fn add(&mut self, project: Project) {
        let Some(name) = project.name.clone() else { return };
        match self.packages.entry(normalize_name(&name)) {
            Entry::Vacant(place) => {
                place.insert(Member { name, project });
            }
            Entry::Occupied(other) => {
                let (name, root) = (other.key(), other.get().project.root.display());
                self.broken.push((project.root, format!("`{name}` is also the name of {root}")));
            }
        }
    }
}

fn uv<'a>(project: &'a Project, key: &str) -> Option<&'a toml::Value> {
    project.tool("uv")?.get(key)
}

fn is_managed(project: &Project) -> bool {
    uv(project, "managed").and_then(toml::Value::as_bool) != Some(false)
}

/// Whether the folder has only files that git ignores. A switch of branches may leave such a folder
/// of a package; uv ignores it.
fn has_only_ignored_files(folder: &Path) -> bool {
    let walk = ignore::WalkBuilder::new(folder).hidden(false).build();
    !walk.flatten().any(|entry| entry.file_type().is_some_and(|kind| kind.is_file()))
}

#[cfg(test)]
mod tests {
    use fs_err as fs;

    use super::*;

    fn write(top: &Path, name: &str, text: &str) {
        let path = top.join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    }

    fn package(top: &Path, folder: &str, name: &str, more: &str) {
        let text = format!("[project]\nname = \"{name}\"\n{more}");
        write(top, &format!("{folder}/pyproject.toml"), &text);
    }

    /// Names and folders of the members, and the broken folders, as found from a folder.
    fn members(top: &Path, from: &str) -> (Vec<String>, Vec<String>) {
        let workspace = Workspace::around(&normalize(&top.join(from))).unwrap().unwrap();
        let members = workspace.members().unwrap();
        let place = |folder: &Path| relative(top, folder).unwrap();
        let found = members.packages.iter();
        let found = found.map(|(name, one)| format!("{name} {}", place(&one.project.root)));
        let broken = members.broken.iter();
        let broken = broken.map(|(folder, cause)| format!("{}: {cause}", place(folder)));
        (found.collect(), broken.collect())
    }

    #[test]
    fn members_are_found_as_uv_finds_them() {
        let folder = tempfile::tempdir().unwrap();
        let top = dunce::canonicalize(folder.path()).unwrap().join("w [1]");
        let globs = "members = [\"packages/*\", \"./dot/a/\", \"packages/b\"]\n";
        let text = format!("[tool.uv.workspace]\n{globs}exclude = [\"packages/no*\"]\n");
        write(&top, "pyproject.toml", &text);
        package(&top, "packages/a", "A_b.c", "");
        package(&top, "packages/b", "b", "");
        package(&top, "packages/no1", "no1", "");
        package(&top, "packages/nox/inner", "inner", "");
        package(&top, "packages/.hid", "hid", "");
        package(&top, "packages/unmanaged", "u", "[tool.uv]\nmanaged = false\n");
        package(&top, "dot/a", "dota", "");
        package(&top, "elsewhere", "elsewhere", "");
        fs::create_dir_all(top.join("packages/.empty")).unwrap();
        write(&top, "packages/file", "");
        let all = ["a-b-c packages/a", "b packages/b", "dota dot/a", "hid packages/.hid"];
        for from in [".", "packages/a", "dot/a", "packages/a/src"] {
            let (found, broken) = members(&top, from);
            assert_eq!(
                (found.as_slice(), broken.as_slice()),
                (&all.map(String::from)[..], &[][..])
            );
        }
        assert_eq!(members(&top, "packages/no1").0, ["no1 packages/no1"]);
        assert_eq!(members(&top, "elsewhere").0, ["elsewhere elsewhere"]);
        // In `exclude`, the `*` of a glob also matches slashes.
        assert_eq!(members(&top, "packages/nox/inner").0, ["inner packages/nox/inner"]);
        assert!(Workspace::around(&top.join("packages/unmanaged")).unwrap().is_none());
    }

    #[test]
    fn what_uv_would_refuse_is_named() {
        let folder = tempfile::tempdir().unwrap();
        let top = dunce::canonicalize(folder.path()).unwrap();
        let text = "[project]\nname = \"root\"\n[tool.uv.workspace]\nmembers = [\"*\"]\n";
        write(&top, "pyproject.toml", text);
        package(&top, "a", "x", "");
        package(&top, "b", "X", "");
        write(&top, "c/file", "");
        write(&top, "d/pyproject.toml", "[tool]\n");
        package(&top, "e", "e", "[tool.uv.workspace]\nmembers = []\n");
        write(&top, "f/pyproject.toml", "[project\n");
        write(&top, "g/.gitignore", "*\n");
        write(&top, "g/made", "");
        fs::create_dir(top.join(".git")).unwrap();
        let (found, broken) = members(&top, ".");
        assert_eq!(found, ["root .", "x a"]);
        let causes = [
            "b: `x` is also the name of ",
            "c: no pyproject.toml",
            "d: no project.name",
            "e: a workspace in a workspace",
            "f: ",
        ];
        assert_eq!(broken.len(), causes.len(), "{broken:?}");
        for (broken, cause) in broken.iter().zip(causes) {
            assert!(broken.starts_with(cause), "{broken}");
        }
        for (text, cause) in [
            ("[tool.uv.workspace]\nmembers = [\"a***\"]\n", "members: `a***` is no glob"),
            ("[tool.uv.workspace]\nmembers = 3\n", "tool.uv.workspace: invalid type"),
        ] {
            write(&top, "pyproject.toml", text);
            let members = Workspace::around(&top).and_then(|found| found.unwrap().members());
            let error = members.map(|_| ()).unwrap_err().to_string();
            assert!(error.contains(cause), "{error}");
        }
    }
}
