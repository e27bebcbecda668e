//! `wheelprint new`.

use std::path::{Path, PathBuf};

use fs_err as fs;

use super::terminal::{GOOD, NAME, NOTICE};
use super::{Answer, Context, keys, names, template};
use crate::error::{Error, PathContext as _, Result};
use crate::publish::{self, TEMPORARY};
use crate::uv::edit;

/// Make a new project that works at once
#[derive(Debug, clap::Args)]
pub struct Arguments {
    /// The project's name; what is imported has `_` for `-` and lower case
    name: String,
    /// The folder to make, or an empty one; the default is the name
    dir: Option<PathBuf>,
}

/// See [`Arguments`].
///
/// # Errors
/// The name can't be used, the folder has something in it, or can't be written to. Nothing is left
/// then.
pub fn run(arguments: &Arguments, context: &Context) -> Result<Answer> {
    let names = names::from(&arguments.name)?;
    let given = arguments.dir.clone().unwrap_or_else(|| PathBuf::from(&arguments.name));
    let folder = context.path(&given);
    let is_there = check_folder(&folder)?;
    let above = workspace_above(&folder);
    let files = template::files(&names, above.is_some());
    if is_there {
        fill(&folder, &files)?
    } else {
        make(&folder, &files)?
    }
    write_keys(&folder, context)?;

    let terminal = &context.terminal;
    let command = |text: &str| terminal.paint(NAME, text);
    let package = &names.package;
    let mut said = format!("{}: {}\n", terminal.paint(GOOD, "made"), given.display());
    for (name, _) in &files {
        said += &format!("    {name}\n");
    }
    let mut next = "next: ".to_owned();
    if folder != context.folder {
        said += &format!("{next}{}\n", command(&format!("cd {}", shell_word(&given))));
        next = "      ".to_owned();
    }
    let call = format!("{package}.count_letters('hello')");
    let run = format!("uv run python -c \"import {package}; print({call})\"");
    said += &format!("{next}{}\n", command(&run));
    if let Some(above) = above {
        let label = terminal.paint(NOTICE, "note");
        said += &format!(
            "{label}: {} is a workspace; the new Cargo.toml has a [workspace] of its own\n",
            above.display()
        );
    }
    Ok(Answer::said(said))
}

/// A new project's keys are what cargo tells of it; without cargo, the usual ones.
fn write_keys(folder: &Path, context: &Context) -> Result<()> {
    let path = folder.join("pyproject.toml");
    let text = fs::read_to_string(&path).at(&path)?;
    let text = keys::added(context, folder, &text)
        .or_else(|_| edit::write(&path, &text, &template::usual_keys()))?;
    publish::replace(&path, text.as_bytes()).at(&path)
}

/// Is the folder there already? Then it must be empty.
fn check_folder(folder: &Path) -> Result<bool> {
    let refuse = |cause: &str| {
        Err(Error::Setting {
            source_name: folder.display().to_string(),
            cause: cause.to_owned(),
            hint: Some(
                "name another folder: `wheelprint new NAME DIR`; `wheelprint init` switches a \
                 project that is there"
                    .to_owned(),
            ),
        })
    };
    match fs::metadata(folder) {
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
            // A link to nowhere is there too.
            if folder.is_symlink() { refuse("a link to nowhere") } else { Ok(false) }
        }
        Err(error) => Err(error).at(folder),
        Ok(meta) if !meta.is_dir() => refuse("there is a file of this name"),
        Ok(_) if fs::read_dir(folder).at(folder)?.next().is_some() => refuse("it is not empty"),
        Ok(_) => Ok(true),
    }
}

/// A new folder: written beside, then renamed.
fn make(folder: &Path, files: &[(String, String)]) -> Result<()> {
    let parent = folder.parent().unwrap_or(folder);
    let missing = parent.ancestors().take_while(|folder| !folder.exists()).last();
    let made = (|| {
        fs::create_dir_all(parent).at(parent)?;
        let beside = tempfile::Builder::new().prefix(TEMPORARY).tempdir_in(parent).at(parent)?;
        // Temporary folders are private; the one in it is as the user's umask has it.
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

/// An empty folder: someone may stand in it, so it stays the same folder.
fn fill(folder: &Path, files: &[(String, String)]) -> Result<()> {
    let filled = write(folder, files);
    if filled.is_err() {
        for (name, _) in files {
            let top = folder.join(name.split('/').next().unwrap_or(name));
            let _ = if top.is_dir() { fs::remove_dir_all(top) } else { fs::remove_file(top) };
        }
    }
    filled
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

/// Folders that were made on the way, down from this one, as far as they are empty.
fn remove_empty(folder: &Path) {
    for entry in fs::read_dir(folder).into_iter().flatten().flatten() {
        if entry.path().is_dir() {
            remove_empty(&entry.path());
        }
    }
    let _ = fs::remove_dir(folder);
}

/// The Cargo.toml above with a workspace in it that does not have this folder as a member: cargo
/// would refuse to build a package there.
fn workspace_above(folder: &Path) -> Option<PathBuf> {
    folder.ancestors().skip(1).find_map(|above| {
        let path = above.join("Cargo.toml");
        let table: toml::Table = fs::read_to_string(&path).ok()?.parse().ok()?;
        let workspace = table.get("workspace")?;
        let place = crate::inputs::relative(above, folder)?;
        let has = |key: &str, matches: &dyn Fn(&str) -> bool| {
            let list = workspace.get(key).and_then(toml::Value::as_array);
            list.into_iter().flatten().filter_map(toml::Value::as_str).any(matches)
        };
        let is_member = |glob: &str| {
            let glob = globset::GlobBuilder::new(glob.trim_end_matches('/'));
            glob.clone()
                .literal_separator(true)
                .build()
                .is_ok_and(|glob| glob.compile_matcher().is_match(&place))
        };
        let is_below = |excluded: &str| Path::new(&place).starts_with(excluded);
        let is_settled = has("members", &is_member) || has("exclude", &is_below);
        Some((!is_settled).then_some(path))
    })?
}

/// As a shell takes it.
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
        // The last one's folder can't be made, since a file is there.
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
    fn a_workspace_above_may_have_it_as_a_member_or_not() {
        let folder = tempfile::tempdir().unwrap();
        let manifest = folder.path().join("Cargo.toml");
        for (text, is_in_the_way) in [
            ("[package]\n", false),
            ("[workspace]\n", true),
            ("[workspace]\nmembers = [\"crates/*\"]\n", false),
            ("[workspace]\nmembers = [\"*\"]\n", true),
            ("[workspace]\nmembers = [\"crates/new\"]\n", false),
            ("[workspace]\nexclude = [\"crates\"]\n", false),
        ] {
            fs::write(&manifest, text).unwrap();
            let above = workspace_above(&folder.path().join("crates/new"));
            let expected = is_in_the_way.then(|| manifest.clone());
            assert_eq!(above, expected, "{text}");
        }
    }

    #[test]
    fn words_for_a_shell() {
        assert_eq!(shell_word(Path::new("a-b/c")), "a-b/c");
        assert_eq!(shell_word(Path::new("a b")), "'a b'");
    }
}
