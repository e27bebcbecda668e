//! Adds a new project to the cargo or uv workspace around it, as `cargo new` and `uv init` do: the
//! edits of the workspace's files, and the messages about them.

use std::path::{Path, PathBuf};

use fs_err as fs;
use toml_edit::{Array, DocumentMut, Item, Table, TableLike, Value};

use super::diff;
use super::names::Names;
use crate::error::{Error, PathContext as _, Result};
use crate::inputs::{normalize, relative};
use crate::project::normalize_name;
use crate::publish;
use crate::switch::lines;
use crate::uv::edit::{parse, prefix};
use crate::uv::workspace::Workspace;

/// The relation of a new project to the workspace around it.
pub(super) enum Stand {
    /// There is no workspace.
    Alone,
    /// The workspace excludes the new folder.
    Excluded(PathBuf),
    /// A glob of the workspace already matches the new folder.
    Matched(PathBuf),
    /// The project becomes a member.
    Joins(Edit),
    /// The project could become a member, but the user declined.
    Declined(PathBuf),
}

/// An edit that adds one member to the manifest of a workspace.
pub(super) struct Edit {
    pub path: PathBuf,
    before: String,
    after: String,
    /// The name of the list, such as `tool.uv.workspace.members`.
    pub field: &'static str,
    pub member: String,
}

impl Edit {
    fn new(path: PathBuf, field: &'static str, folder: &Path) -> Result<Self> {
        let root = path.parent().unwrap_or(&path);
        let member = relative(root, folder).ok_or_else(|| {
            Error::path(folder, format!("not UTF-8, so {} can't name it", path.display()))
        })?;
        let before = fs::read_to_string(&path).at(&path)?;
        let edited = with_member(&path, &lines::plain(&before), field, &member)?;
        let after = lines::restored(&before, &edited);
        Ok(Self { path, before, after, field, member })
    }

    pub(super) fn write(&self) -> Result<()> {
        diff::check_unchanged(&self.path, &self.before)?;
        publish::replace(&self.path, self.after.as_bytes()).at(&self.path)
    }

    /// Restores the old manifest, unless it was changed after [`Self::write`].
    pub(super) fn take_back(&self) {
        if diff::check_unchanged(&self.path, &self.after).is_ok() {
            let _ = publish::replace(&self.path, self.before.as_bytes());
        }
    }
}

/// How the uv workspace around a folder would treat a new project there. As with `uv init`, a
/// project above that has no workspace yet becomes the root of one. It is an error if the workspace
/// has a package of the same name.
pub(super) fn uv(folder: &Path, names: &Names, joins: bool) -> Result<Stand> {
    let parent = folder.parent().unwrap_or(folder);
    let workspace = match Workspace::around(parent) {
        Ok(Some(workspace)) => workspace,
        Ok(None) => return Ok(Stand::Alone),
        // With `--no-workspace`, uv ignores a workspace that it cannot read.
        Err(_) if !joins => return Ok(Stand::Alone),
        Err(error) => return Err(error),
    };
    let path = workspace.root.join("pyproject.toml");
    if workspace.excludes(folder)? {
        return Ok(Stand::Excluded(path));
    }
    let is_matched = workspace.includes(folder)?;
    if !joins && !is_matched {
        return Ok(if workspace.is_declared { Stand::Declined(path) } else { Stand::Alone });
    }
    let members = workspace.members()?;
    let other = members.packages.get(&normalize_name(&names.project));
    if let Some(other) = other.filter(|other| other.project.root != folder) {
        let (root, name) = (workspace.root.display(), workspace.name(&other.project.root));
        return Err(Error::setting(
            format!("`{}`", names.project),
            format!("the workspace {root} has a package of this name, in {name}"),
            "take another name; `--no-workspace` stays out of the workspace",
        ));
    }
    if is_matched {
        return Ok(Stand::Matched(path));
    }
    Edit::new(path, "tool.uv.workspace.members", folder).map(Stand::Joins)
}

/// How the cargo workspace around a folder would treat a new package there, by cargo's rules.
/// A Cargo.toml above the folder that cannot be read is an error, as it is for cargo.
pub(super) fn cargo(folder: &Path, joins: bool) -> Result<Stand> {
    let mut excluded = None;
    for above in folder.ancestors().skip(1) {
        let mut path = above.join("Cargo.toml");
        if !path.is_file() {
            continue;
        }
        let mut table = manifest(&path)?;
        let pointer = table.get("package").and_then(|package| package.get("workspace")?.as_str());
        if let Some(pointer) = pointer {
            path = normalize(&above.join(pointer)).join("Cargo.toml");
            table = manifest(&path)?;
        }
        let Some(workspace) = table.get("workspace") else { continue };
        let root = path.parent().unwrap_or(above);
        let listed = |key: &str| -> Vec<&str> {
            let list = workspace.get(key).and_then(Item::as_array);
            list.into_iter().flatten().filter_map(Value::as_str).collect()
        };
        let is_below = |listed: &&str| folder.starts_with(normalize(&root.join(listed)));
        let members = listed("members");
        if listed("exclude").iter().any(&is_below) && !members.iter().any(is_below) {
            excluded.get_or_insert(path);
            continue;
        }
        if members.iter().any(|glob| is_member(root, glob, folder)) {
            return Ok(Stand::Matched(path));
        }
        return match joins {
            true => Edit::new(path, "workspace.members", folder).map(Stand::Joins),
            false => Ok(Stand::Declined(path)),
        };
    }
    Ok(excluded.map_or(Stand::Alone, Stand::Excluded))
}

fn manifest(path: &Path) -> Result<DocumentMut> {
    let text = fs::read_to_string(path).at(path)?;
    let hint = "cargo refuses a package below a Cargo.toml that it can't read: mend that one, or name \
                another folder for the project";
    parse(path, &lines::plain(&text)).map_err(|error| error.or_hint(hint))
}

/// Whether a glob in `members` matches the folder. Like cargo, this uses the rules of the glob
/// crate.
fn is_member(root: &Path, glob: &str, folder: &Path) -> bool {
    let root = glob::Pattern::escape(&root.to_string_lossy());
    let full = normalize(&Path::new(&root).join(glob));
    let options =
        glob::MatchOptions { require_literal_separator: true, ..glob::MatchOptions::new() };
    glob::Pattern::new(&full.to_string_lossy())
        .is_ok_and(|pattern| pattern.matches_path_with(folder, options))
}

/// The text of a manifest with `member` added to a list. `field` is the list's dotted name.
fn with_member(path: &Path, text: &str, field: &str, member: &str) -> Result<String> {
    let mut document = parse(path, text)?;
    let wrong = |cause: &str| Error::field(path, field, cause);
    let mut tables: Vec<&str> = field.split('.').collect();
    let list = tables.pop().unwrap_or_default();
    let mut table: &mut dyn TableLike = document.as_table_mut();
    for (nth, name) in tables.iter().enumerate() {
        let mut new = Table::new();
        new.set_implicit(nth + 1 < tables.len());
        let item = table.entry(name).or_insert(Item::Table(new));
        table = item.as_table_like_mut().ok_or_else(|| wrong("expected a table"))?;
    }
    let item = table.entry(list).or_insert(Item::Value(Value::Array(Array::new())));
    append(item.as_array_mut().ok_or_else(|| wrong("expected a list"))?, member);
    Ok(document.to_string())
}

/// Adds a string at the end of the list, with the layout of the other items. In toml_edit, a
/// comment after the last item belongs to the list's trailing text.
fn append(array: &mut Array, text: &str) {
    let last = array.len().checked_sub(1);
    let prefixes = array.iter().map(prefix);
    let indent = prefixes.filter_map(|it| Some(it[it.rfind('\n')?..].to_owned())).last();
    let mut tail = array.trailing().as_str().unwrap_or_default().to_owned();
    if let Some(last) = last.and_then(|last| array.get_mut(last)) {
        let suffix = last.decor().suffix().and_then(|suffix| suffix.as_str());
        tail.insert_str(0, suffix.unwrap_or_default());
        last.decor_mut().set_suffix("");
    }
    let mut value = Value::from(text);
    let is_open = indent.is_some() || tail.contains('\n');
    if is_open {
        let indent = indent.unwrap_or_else(|| "\n    ".to_owned());
        let (said, end) = tail.rsplit_once('\n').unwrap_or((&tail, ""));
        value.decor_mut().set_prefix(format!("{}{indent}", said.trim_end()));
        array.push_formatted(value);
        array.set_trailing(format!("\n{end}"));
        array.set_trailing_comma(true);
    } else {
        value.decor_mut().set_prefix(if last.is_some() { " " } else { "" });
        array.push_formatted(value);
        array.set_trailing(tail);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_list_keeps_its_looks() {
        for (before, after) in [
            ("[]", "[\"n\"]"),
            ("[\"a\"]", "[\"a\", \"n\"]"),
            ("[ 'a' ]", "[ 'a', \"n\" ]"),
            ("[\"a\", ]", "[\"a\", \"n\", ]"),
            ("[\n]", "[\n    \"n\",\n]"),
            ("[\n  \"a\"\n]", "[\n  \"a\",\n  \"n\",\n]"),
            ("[\n\t\"a\", # of a\n\t# end\n]", "[\n\t\"a\", # of a\n\t# end\n\t\"n\",\n]"),
            ("[\n  \"a\" # of a\n  ]", "[\n  \"a\", # of a\n  \"n\",\n  ]"),
            ("[\"a\",\n \"b\"]", "[\"a\",\n \"b\",\n \"n\",\n]"),
            ("[ # why\n]", "[ # why\n    \"n\",\n]"),
        ] {
            let text = format!("[workspace]\nmembers = {before} # x\n");
            let path = Path::new("Cargo.toml");
            let edited = with_member(path, &text, "workspace.members", "n").unwrap();
            assert_eq!(edited, format!("[workspace]\nmembers = {after} # x\n"));
            edited.parse::<toml::Table>().unwrap();
        }
    }

    #[test]
    fn a_list_is_made() {
        let with = |text: &str, field: &str| with_member(Path::new("x"), text, field, "n");
        let uv = "tool.uv.workspace.members";
        for (text, field, after) in [
            ("[workspace]\n", "workspace.members", "[workspace]\nmembers = [\"n\"]\n"),
            ("workspace = {}\n", "workspace.members", "workspace = { members = [\"n\"] }\n"),
            ("[a]\n", uv, "[a]\n\n[tool.uv.workspace]\nmembers = [\"n\"]\n"),
            (
                "[tool.uv]\nx = 1\n",
                uv,
                "[tool.uv]\nx = 1\n\n[tool.uv.workspace]\nmembers = [\"n\"]\n",
            ),
        ] {
            assert_eq!(with(text, field).unwrap(), after);
        }
        let error = with("workspace = 3\n", "workspace.members").unwrap_err().to_string();
        assert_eq!(error, "x: workspace.members: expected a table");
        let error = with("[workspace]\nmembers = 3\n", "workspace.members").unwrap_err();
        assert_eq!(error.to_string(), "x: workspace.members: expected a list");
    }

    #[test]
    fn how_a_folder_stands_to_a_cargo_workspace() {
        let folder = tempfile::tempdir().unwrap();
        let top = dunce::canonicalize(folder.path()).unwrap().join("w [1]");
        fs::create_dir_all(top.join("crates")).unwrap();
        for (text, expected) in [
            ("[package]\n", "alone"),
            ("[workspace]\n", "joins crates/new"),
            ("[workspace]\nmembers = [\"crates/*\"]\n", "matched"),
            ("[workspace]\nmembers = [\"./crates/n?w/\"]\n", "matched"),
            ("[workspace]\nmembers = [\"*\"]\n", "joins crates/new"),
            ("[workspace]\nmembers = [\"crates/new\"]\n", "matched"),
            ("[workspace]\nexclude = [\"crates\"]\n", "excluded"),
            ("[workspace]\nexclude = [\"crates/new/\"]\n", "excluded"),
            ("[workspace]\nexclude = [\"crates/ne\"]\n", "joins crates/new"),
            (
                "[workspace]\nmembers = [\"crates\"]\nexclude = [\"crates/new\"]\n",
                "joins crates/new",
            ),
            ("[package]\nworkspace = \"crates\"\n", "joins new"),
            ("[package\n", "error"),
        ] {
            fs::write(top.join("Cargo.toml"), text).unwrap();
            fs::write(top.join("crates/Cargo.toml"), "[workspace]\n").unwrap();
            if !text.contains("workspace = ") {
                fs::remove_file(top.join("crates/Cargo.toml")).unwrap();
            }
            for joins in [true, false] {
                // Cargo searches upwards, so it would find crates/Cargo.toml before the root's.
                let new = match text.contains("workspace = ") {
                    true => top.join("new"),
                    false => top.join("crates/new"),
                };
                let said = match cargo(&new, joins) {
                    Err(_) => "error".to_owned(),
                    Ok(Stand::Alone) => "alone".to_owned(),
                    Ok(Stand::Excluded(_)) => "excluded".to_owned(),
                    Ok(Stand::Matched(_)) => "matched".to_owned(),
                    Ok(Stand::Declined(_)) => "declined".to_owned(),
                    Ok(Stand::Joins(edit)) => format!("joins {}", edit.member),
                };
                let expected = expected.replace("joins new", "joins ../new");
                match expected.starts_with("joins") && !joins {
                    true => assert_eq!(said, "declined", "{text}"),
                    false => assert_eq!(said, expected, "{text}"),
                }
            }
        }
    }
}
