//! `wheelprint new`.

use std::path::{Path, PathBuf};

use fs_err as fs;

use super::join::{self, Stand};
use super::names::{self, Names};
use super::terminal::{GOOD, NAME, NOTICE};
use super::{Answer, Context, keys, template};
use crate::error::{Error, PathContext as _, Result};
use crate::publish::{self, TEMPORARY};
use crate::settings::KeyList;
use crate::uv::{self, CacheKey, edit};

/// Make a new project that works at once
///
/// Inside a cargo or uv workspace it becomes a member.
#[derive(Debug, clap::Args)]
pub(super) struct Arguments {
    /// The project's name; what is imported has `_` for `-` and lower case
    name: String,
    /// The folder to make, or an empty one; the default is the name
    dir: Option<PathBuf>,
    /// Stay out of a cargo or uv workspace around the folder
    #[arg(long)]
    no_workspace: bool,
}

/// After an error nothing is left of the new project.
pub(super) fn run(arguments: &Arguments, context: &Context) -> Result<Answer> {
    let names = names::from(&arguments.name)?;
    let given = arguments.dir.clone().unwrap_or_else(|| PathBuf::from(&arguments.name));
    let folder = context.path(&given);
    let is_there = check_folder(&folder)?;
    let joins = !arguments.no_workspace;
    let [cargo, uv] =
        [join::cargo(&folder, joins), join::uv(&folder, &names, joins)].map(|stand| {
            // The user may not need the workspace.
            let way_out = "`--no-workspace` makes the project without joining a workspace";
            stand.map_err(|error| error.or_hint(way_out))
        });
    let stands = [cargo?, uv?];
    let files = template::files(&names, matches!(stands[0], Stand::Declined(_)));
    if is_there {
        fill(&folder, &files)?
    } else {
        make(&folder, &files)?
    }
    if let Err(error) = write_members(&stands) {
        clear(&folder, &files, is_there);
        return Err(error);
    }
    let keys = write_keys(&folder, context)?;
    let mut said = made(&names, &given, &files, context);
    for stand in &stands {
        said += &words(stand, context);
    }
    said += &missing(keys, context);
    Ok(Answer::said(said))
}

/// Writes all edited manifests. If one fails, the ones written before are restored.
fn write_members(stands: &[Stand]) -> Result<()> {
    let edits = stands.iter().filter_map(|stand| match stand {
        Stand::Joins(edit) => Some(edit),
        _ => None,
    });
    for (written, edit) in edits.clone().enumerate() {
        if let Err(error) = edit.write() {
            edits.take(written).for_each(|edit| edit.take_back());
            return Err(error);
        }
    }
    Ok(())
}

/// The message about the new files and the next command.
fn made(names: &Names, given: &Path, files: &[(String, String)], context: &Context) -> String {
    let terminal = &context.terminal;
    let command = |text: &str| terminal.paint(NAME, text);
    let package = &names.package;
    let mut said = format!("{}: {}\n", terminal.paint(GOOD, "made"), given.display());
    for (name, _) in files {
        said += &format!("    {name}\n");
    }
    let mut next = "next: ".to_owned();
    if context.path(given) != context.folder {
        said += &format!("{next}{}\n", command(&format!("cd {}", shell_word(given))));
        next = "      ".to_owned();
    }
    let call = format!("{package}.count_letters('hello')");
    let run = format!("uv run python -c \"import {package}; print({call})\"");
    said + &format!("{next}{}\n", command(&run))
}

/// The message about the workspace that the project joined or did not join.
fn words(stand: &Stand, context: &Context) -> String {
    let name = |path: &Path| context.shown(path);
    let note = match stand {
        Stand::Alone => return String::new(),
        Stand::Joins(edit) => {
            let (label, name) = (context.terminal.paint(GOOD, "joined"), name(&edit.path));
            let join::Edit { field, member, .. } = edit;
            return format!("{label}: {name}: {field} has \"{member}\" in it now\n");
        }
        Stand::Matched(path) => format!("a member of the workspace {}", name(path)),
        Stand::Excluded(path) => format!("the workspace {} leaves this folder out", name(path)),
        Stand::Declined(path) => format!("no member of the workspace {}", name(path)),
    };
    format!("{}: {note}\n", context.terminal.paint(NOTICE, "note"))
}

/// The message about a problem that must be fixed before the project can be built.
fn missing(keys: Option<Error>, context: &Context) -> String {
    let is_missing = context.environment.which("cargo").is_none();
    let error = if is_missing { Some(Error::missing_cargo()) } else { keys };
    let Some(error) = error else { return String::new() };
    let label = context.terminal.paint(NOTICE, "note");
    let hint = error.hint().map(|hint| format!("      {hint}\n")).unwrap_or_default();
    format!("{label}: {error}\n{hint}")
}

/// Writes the cache keys that cargo's metadata implies. If cargo cannot be asked, writes the usual
/// keys and returns the reason.
fn write_keys(folder: &Path, context: &Context) -> Result<Option<Error>> {
    let path = folder.join("pyproject.toml");
    let text = fs::read_to_string(&path).at(&path)?;
    let (text, reason) = match keys::added(context, folder, &text) {
        Ok(text) => (text, None),
        Err(error) => {
            let readme = CacheKey::File { file: "README.md".to_owned() };
            let usual = [uv::usual_keys(), vec![readme]].concat();
            (edit::write(&path, &text, &usual, KeyList::Short)?, Some(error))
        }
    };
    publish::replace(&path, text.as_bytes()).at(&path)?;
    Ok(reason)
}

/// Whether the folder exists. An existing folder must be empty.
fn check_folder(folder: &Path) -> Result<bool> {
    let refuse = |cause: &str| {
        let hint = "name another folder: `wheelprint new NAME DIR`; `wheelprint init` switches a \
                    project that is there";
        Err(Error::setting(folder.display().to_string(), cause, hint))
    };
    match fs::metadata(folder) {
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
            // A dangling symlink also occupies the name.
            if folder.is_symlink() { refuse("a link to nowhere") } else { Ok(false) }
        }
        Err(error) => Err(error).at(folder),
        Ok(meta) if !meta.is_dir() => refuse("there is a file of this name"),
        Ok(_) if fs::read_dir(folder).at(folder)?.next().is_some() => refuse("it is not empty"),
        Ok(_) => Ok(true),
    }
}

/// Makes a new folder: its content is written to a temporary folder beside it, which is then
/// renamed.
fn make(folder: &Path, files: &[(String, String)]) -> Result<()> {
    let parent = folder.parent().unwrap_or(folder);
    let missing = parent.ancestors().take_while(|folder| !folder.exists()).last();
    let made = (|| {
        fs::create_dir_all(parent).at(parent)?;
        let beside = tempfile::Builder::new().prefix(TEMPORARY).tempdir_in(parent).at(parent)?;
        // A temporary folder is private. The folder inside it gets the permissions of the user's
        // umask.
        let project = beside.path().join("project");
        write(&project, files)?;
        fs::rename(&project, folder).at(folder)?;
        Ok(())
    })();
    if made.is_err()
        && let Some(missing) = missing
    {
        remove_empty(missing);
    }
    made
}

/// Fills an empty folder in place: it may be somebody's working directory, so it is not replaced.
fn fill(folder: &Path, files: &[(String, String)]) -> Result<()> {
    let filled = write(folder, files);
    if filled.is_err() {
        clear(folder, files, true);
    }
    filled
}

/// Removes the files of a new project, and the folder itself unless `stays` is true.
fn clear(folder: &Path, files: &[(String, String)], stays: bool) {
    for (name, _) in files {
        let top = folder.join(name.split('/').next().unwrap_or(name));
        let _ = if top.is_dir() { fs::remove_dir_all(top) } else { fs::remove_file(top) };
    }
    if !stays {
        let _ = fs::remove_dir(folder);
    }
}

fn write(folder: &Path, files: &[(String, String)]) -> Result<()> {
    for (name, text) in files {
        let path = folder.join(name);
        let parent = path.parent().unwrap_or(folder);
        fs::create_dir_all(parent).at(parent)?;
        fs::write(&path, text).at(&path)?;
    }
    Ok(())
}

/// Removes this folder and all folders below it that are empty.
fn remove_empty(folder: &Path) {
    for entry in walkdir::WalkDir::new(folder).contents_first(true).into_iter().flatten() {
        if entry.file_type().is_dir() {
            let _ = fs::remove_dir(entry.path());
        }
    }
}

/// The path quoted for a shell where necessary.
fn shell_word(path: &Path) -> String {
    let text = path.display().to_string();
    let is_plain = |char: char| char.is_alphanumeric() || "-_./~\\:".contains(char);
    if text.chars().all(is_plain) { text } else { format!("'{text}'") }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names_below(folder: &Path) -> Vec<PathBuf> {
        let below = walkdir::WalkDir::new(folder).min_depth(1);
        below.into_iter().map(|entry| entry.unwrap().path().to_owned()).collect()
    }

    #[test]
    fn nothing_half_made_is_left() {
        let folder = tempfile::tempdir().unwrap();
        // The last file cannot be written, because its parent `c` is a file.
        let files = ["a/b", "c", "c/d"].map(|name| (name.to_owned(), String::new()));
        make(&folder.path().join("x/y/z"), &files).unwrap_err();
        assert!(names_below(folder.path()).is_empty());
        fill(folder.path(), &files).unwrap_err();
        assert!(names_below(folder.path()).is_empty());
        make(&folder.path().join("x/y/z"), &files[..2]).unwrap();
        assert!(folder.path().join("x/y/z/a/b").is_file());
        assert_eq!(names_below(folder.path()).len(), 6);
    }

    #[test]
    fn words_for_a_shell() {
        assert_eq!(shell_word(Path::new("a-b/c")), "a-b/c");
        assert_eq!(shell_word(Path::new("a b")), "'a b'");
    }
}
