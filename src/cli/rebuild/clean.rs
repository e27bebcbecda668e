//! The sources in a folder of their own: only what belongs to them is there, so that nothing else
//! reaches the second build.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use fs_err as fs;
use walkdir::WalkDir;

use super::super::Context;
use super::super::members;
use super::super::sources::{Base, Sources, Tree, split_revision};
use crate::error::{Error, PathContext as _, Result};
use crate::fingerprint::record::FILE_NAME;
use crate::fingerprint::{Record, Value};
use crate::git;
use crate::inputs::{Kind, Root, normalize};
use crate::publish::is_git_folder;
use crate::request::Environment;
use crate::sdist::{Archive, Origin, PKG_INFO, restore};

const TAKEN: &str = "--source takes a folder with pyproject.toml, FOLDER@REVISION, or an sdist";

/// Folders that tools make, and that are no sources.
const TOOLS: [&str; 2] = [".venv", "__pycache__"];

/// Sources that can be built and compared.
pub(super) struct Clean {
    /// For the comparison with the wheel's record.
    pub sources: Sources,
    /// The folder to build in.
    folder: PathBuf,
}

/// Writes the sources of a wheel, which has this name and record, into a folder below `working`.
pub(super) fn make(
    given: &Path,
    name: &str,
    record: &Record,
    working: &Path,
    context: &Context,
) -> Result<Clean> {
    let to = working.join("tree");
    fs::create_dir_all(&to).at(&to)?;
    let mut path = context.path(given);
    if path.is_file() && path.ends_with("pyproject.toml") {
        path = context.project_folder(given)?;
    }
    if path.is_dir() {
        // A folder with a record that can't be used counts as a tree.
        if let Ok(Some(Origin { record, .. })) = Origin::read(&path) {
            let folder = to.join(path.file_name().unwrap_or("sdist".as_ref()));
            is_compared(&path, &record, &restore::texts(&path, &record))?;
            copy_all(&path, &folder, working)?;
            return Ok(Clean { sources: Sources::open_one(given, context)?, folder });
        }
        if !path.join("pyproject.toml").is_file() {
            return Err(Error::given(path.join("pyproject.toml"), "no such file", TAKEN));
        }
        let member = members::below(&path, name).map(|(member, _)| member.project.root);
        let own = member.unwrap_or_else(|| path.clone());
        let folder = copied([&path, &own], record, &to, working, &context.environment)?;
        return Ok(Clean::of(Tree::clean(folder)));
    }
    if path.is_file() {
        let sources = Sources::open_one(given, context)?;
        if matches!(sources.base, Base::Stated { .. }) {
            return Err(Error::given(path, "a wheel, which has no sources in it", TAKEN));
        }
        let archive = Archive::open(&path)?;
        let folder = to.join(&archive.top);
        let record = Record::from_json(archive.record.as_deref().unwrap_or_default())?;
        is_compared(&path, &record, &archive.manifests)?;
        // Other files, such as wheels, were compared with nothing.
        let named = record.packed.iter().filter(|packed| packed.source.is_some());
        let mut named: BTreeSet<&str> = named.map(|packed| packed.path.as_str()).collect();
        named.extend([FILE_NAME, PKG_INFO]);
        archive.unpack(&|name| named.contains(name).then(|| folder.join(name)))?;
        return Ok(Clean { sources, folder });
    }
    let (folder, revision) = split_revision(given, context)
        .map_err(|_| Error::given(path, "no such file or folder", TAKEN))?;
    let (tree, top) = Tree::checked_out(&folder, &revision, &to, context)?;
    if !tree.folder.join("pyproject.toml").is_file() {
        let hint = "name the folder of the project in front of the `@`";
        return Err(Error::given(given, "there is no pyproject.toml in the folder", hint));
    }
    track(&top, context)?;
    Ok(Clean::of(tree))
}

/// Refuses an sdist with a manifest that can't be compared with the tree's: frontends would build
/// with what only the sdist says.
fn is_compared(path: &Path, record: &Record, texts: &BTreeMap<String, String>) -> Result<()> {
    let text = |name: &str| texts.get(name).map(String::as_str);
    let refused = |cause: String| Err(Error::given(path, cause, "give the tree as --source"));
    // Another text than the packed one was compared with the tree's.
    let rewritten = restore::rewritten(record, text).filter(|(name, _)| texts.contains_key(*name));
    for (name, keys) in rewritten {
        match keys {
            Ok(keys) if keys.is_empty() => {}
            Ok(keys) => {
                let keys = keys.join(", ");
                return refused(format!("{name}: only the sdist says what it inherits ({keys})"));
            }
            Err(key) => return refused(format!("{name} {}", restore::not_maturins(&key))),
        }
    }
    Ok(())
}

impl Clean {
    fn of(tree: Tree) -> Self {
        let folder = tree.folder.clone();
        Self { sources: Sources::of_tree(tree), folder }
    }

    /// The project's folder to build in. If the sources are a uv workspace, that of the package with
    /// this name.
    pub(super) fn project(&self, wheel: &Path, name: &str) -> Result<PathBuf> {
        Ok(match self.sources.of(wheel, name)? {
            // The restored tree of an sdist lies elsewhere, and can't be built.
            (_, Some(Base::Tree(tree))) if tree.folder.starts_with(&self.folder) => tree.folder,
            _ => self.folder.clone(),
        })
    }
}

/// Copies the sources of a project, and of what belongs to them beside it: path dependencies and the
/// workspace. `folder` is what the user named: the project's folder, or that of its uv workspace.
/// Gives the place of that folder in the copy.
fn copied(
    [folder, project]: [&Path; 2],
    record: &Record,
    to: &Path,
    working: &Path,
    environment: &Environment,
) -> Result<PathBuf> {
    let project = dunce::canonicalize(project).at(project)?;
    let folder = dunce::canonicalize(folder).at(folder)?;
    let beside = record.roots.iter().filter(|(root, _)| root.is_of_sources());
    let beside = beside.map(|(_, folder)| normalize(&project.join(folder)));
    // A record is not trusted: without a manifest the folder may be any folder.
    let beside = beside.filter(|folder| folder.join("Cargo.toml").is_file());
    let mut tops: BTreeMap<PathBuf, Option<Vec<PathBuf>>> = BTreeMap::new();
    for folder in [folder.clone(), project.clone()].into_iter().chain(beside) {
        let is_known = |top: &PathBuf| folder.starts_with(top);
        if tops.keys().any(is_known) {
            continue;
        }
        let (top, files) = match git::work_tree(&folder, environment) {
            Some(git::WorkTree { top, files }) => (top, Some(files)),
            None => (folder, None),
        };
        tops.retain(|known, _| !known.starts_with(&top));
        tops.insert(top, files);
    }
    let base = common(tops.keys());
    let place = |path: &Path| path.strip_prefix(&base).ok().map(|inside| to.join(inside));
    for (top, files) in &tops {
        let Some(target) = place(top) else { continue };
        match files {
            Some(files) => {
                copy_listed(top, files, &target, working)?;
                // An ignored file may be a source all the same, such as Cargo.lock.
                for path in named(record, &project) {
                    if let Ok(inside) = path.strip_prefix(top)
                        && !path.starts_with(working)
                    {
                        copy_named(top, inside, &target)?;
                    }
                }
                let tracked = git::track_all(&target, environment);
                tracked.map_err(|cause| Error::path(&target, cause))?;
            }
            None => copy_all(top, &target, working)?,
        }
    }
    place(&folder).ok_or_else(|| Error::path(&folder, "it has no place in the copy"))
}

/// The folder above all of these.
fn common<'a>(folders: impl Iterator<Item = &'a PathBuf>) -> PathBuf {
    let mut base: Option<PathBuf> = None;
    for folder in folders {
        let above = folder.parent().unwrap_or(folder);
        base = Some(match base {
            None => above.to_owned(),
            Some(base) => {
                let is_above = |it: &&Path| folder.starts_with(it) && *it != folder;
                base.ancestors().find(is_above).unwrap_or(&base).to_owned()
            }
        });
    }
    base.unwrap_or_default()
}

/// The files of the tree that a record names.
fn named(record: &Record, project: &Path) -> BTreeSet<PathBuf> {
    let sources = record.source.iter().flat_map(|source| source.files.keys());
    let sources = sources.map(|name| normalize(&project.join(name)));
    let inputs = record.pairs().filter_map(|(key, value)| {
        let root = key.root.as_ref().filter(|root| root.is_of_sources())?;
        let is_file = matches!(key.kind, Kind::File | Kind::Toml) && *value != Value::Absent;
        let folder = if *root == Root::Project { "." } else { record.roots.get(root)? };
        is_file.then(|| normalize(&project.join(folder).join(&key.name)))
    });
    sources.chain(inputs).collect()
}

/// Copies these files of a folder. A submodule is copied whole.
fn copy_listed(from: &Path, files: &[PathBuf], to: &Path, working: &Path) -> Result<()> {
    for name in files {
        let source = from.join(name);
        let Ok(meta) = fs::symlink_metadata(&source) else { continue };
        // git lists files that were tracked before a link took the place of their folder.
        let mut above = name.ancestors().skip(1).filter(|it| !it.as_os_str().is_empty());
        if source.starts_with(working) || above.any(|folder| from.join(folder).is_symlink()) {
            continue;
        }
        let target = room(name, to)?;
        if meta.is_dir() {
            copy_all(&source, &target, working)?;
        } else {
            copy(&source, &meta, &target)?;
        }
    }
    Ok(())
}

/// The place of a file in the copy `to`, with the folders above it. A link among these that leads out
/// of the copy is removed: neither a record nor git's index is trusted, and nothing is written behind
/// such a link.
fn room(name: &Path, to: &Path) -> Result<PathBuf> {
    let mut folder = to.to_owned();
    for part in name.parent().unwrap_or(name) {
        folder.push(part);
        remove_if_outside(&folder, to)?;
    }
    fs::create_dir_all(&folder).at(&folder)?;
    Ok(to.join(name))
}

fn remove_if_outside(link: &Path, to: &Path) -> Result<()> {
    if link.is_symlink() {
        let inside = dunce::canonicalize(to).at(to)?;
        if !dunce::canonicalize(link).is_ok_and(|target| target.starts_with(&inside)) {
            fs::remove_file(link).at(link)?;
        }
    }
    Ok(())
}

/// Copies a file that the record names, unless the copy has it. If only a link to it is there, which
/// leads out of the copy, the file takes the place of the link.
fn copy_named(from: &Path, name: &Path, to: &Path) -> Result<()> {
    let source = from.join(name);
    if fs::metadata(&source).is_ok_and(|meta| meta.is_file()) {
        let target = room(name, to)?;
        remove_if_outside(&target, to)?;
        copy_file(&source, &target)?;
    }
    Ok(())
}

/// Copies a folder without what tools make: repositories, environments, cargo's target folders.
fn copy_all(from: &Path, to: &Path, working: &Path) -> Result<()> {
    let is_made_by_tools = |path: &Path| {
        let name = path.file_name().unwrap_or_default();
        TOOLS.iter().any(|tool| name == *tool)
            || path.join("pyvenv.cfg").is_file()
            || path.join(".rustc_info.json").is_file()
            || name == "target" && path.join("CACHEDIR.TAG").is_file()
    };
    let walk = WalkDir::new(from).into_iter().filter_entry(|entry| {
        entry.depth() == 0
            || entry.path() != working
                && !is_git_folder(&entry.file_name().to_string_lossy())
                && !(entry.file_type().is_dir() && is_made_by_tools(entry.path()))
    });
    for entry in walk {
        let entry = entry.map_err(|error| Error::path(from, error))?;
        let meta = entry.metadata().map_err(|error| Error::path(entry.path(), error))?;
        let target = to.join(entry.path().strip_prefix(from).unwrap_or(entry.path()));
        if meta.is_dir() {
            fs::create_dir_all(&target).at(&target)?;
        } else {
            copy(entry.path(), &meta, &target)?;
        }
    }
    Ok(())
}

/// Copies a file or a symbolic link. Sockets and the like are left out.
fn copy(from: &Path, meta: &std::fs::Metadata, to: &Path) -> Result<()> {
    if let Some(folder) = to.parent() {
        fs::create_dir_all(folder).at(folder)?;
    }
    #[cfg(unix)]
    if meta.is_symlink() {
        if fs::symlink_metadata(to).is_ok() {
            return Ok(());
        }
        let target = fs::read_link(from).at(from)?;
        return fs::os::unix::fs::symlink(target, to).at(to);
    }
    if meta.is_file() || meta.is_symlink() && from.is_file() {
        copy_file(from, to)?;
    }
    Ok(())
}

/// Copies a file to a place where nothing is yet.
fn copy_file(from: &Path, to: &Path) -> Result<()> {
    if fs::symlink_metadata(to).is_err() {
        fs::copy(from, to).at(from)?;
    }
    Ok(())
}

fn track(top: &Path, context: &Context) -> Result<()> {
    git::track_all(top, &context.environment).map_err(|cause| Error::path(top, cause))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_folder_above_all() {
        for (folders, expected) in [
            (&["/w/a"][..], "/w"),
            (&["/w/a", "/w/core"], "/w"),
            (&["/w/a/b", "/w/core"], "/w"),
            (&["/w/a", "/x/core"], "/"),
        ] {
            let folders: Vec<PathBuf> = folders.iter().map(PathBuf::from).collect();
            assert_eq!(common(folders.iter()), Path::new(expected), "{folders:?}");
        }
    }

    #[test]
    fn what_tools_made_is_not_copied() {
        let folder = tempfile::tempdir().unwrap();
        let (from, to) = (folder.path().join("from"), folder.path().join("to"));
        for name in [
            "src/target/lib.rs",
            "target/CACHEDIR.TAG",
            "target/release/x",
            ".venv/x",
            "env/pyvenv.cfg",
            ".git/HEAD",
            ".cargo/config.toml",
        ] {
            let path = from.join(name);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, "").unwrap();
        }
        copy_all(&from, &to, &from.join("working")).unwrap();
        let files = WalkDir::new(&to).sort_by_file_name().into_iter().flatten();
        let files = files.filter(|entry| entry.file_type().is_file());
        let names = files.map(|entry| entry.path().strip_prefix(&to).unwrap().to_owned());
        let expected = [".cargo/config.toml", "src/target/lib.rs"].map(PathBuf::from);
        assert_eq!(names.collect::<Vec<_>>(), expected);
    }
}
