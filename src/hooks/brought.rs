//! Compiled packages of registries from another tree of the project (docs/design.md, D18).

use super::call::Call;
use super::units;
use crate::bring_over::{self, Nothing, OtherTree, Suspects};
use crate::cargo_mtime::Note;
use crate::editable::Products;
use crate::error::{Cause, Error, PathContext as _, Result};
use crate::inputs::target::Target;
use crate::log;
use crate::store::Store;
use crate::wheel::Wheel;

/// Brings compiled packages over before the first build in a tree.
///
/// # Errors
/// Units that were brought earlier must be compiled again, and their fingerprints can't be removed.
pub(super) fn bring(call: &Call, store: &Store, target: &Target) -> Result<()> {
    if bring_over::has_changed(target).unwrap_or_else(not_known) {
        return take_back(target);
    }
    let system = units::system(call);
    let notes = || store.other_notes(&target.metadata.target_directory);
    let origins = || origins(notes(), &system);
    match bring_over::bring_over(origins, target) {
        Ok(brought) => log::info(format_args!(
            "{} compiled packages come from {} ({} MB)",
            brought.units,
            brought.from.tree.display(),
            brought.bytes / 1_000_000,
        )),
        Err(Nothing::Failed(cause)) => {
            log::warn(format_args!("no compiled packages of another tree are used: {cause}"));
        }
        Err(cause) => log::debug(format_args!("nothing is brought over: {cause}")),
    }
    Ok(())
}

/// The trees of these notes, if their compiled C code would be the same here.
fn origins(notes: Vec<Note>, system: &str) -> Vec<OtherTree> {
    let notes = notes.into_iter();
    notes
        .filter(|note| note.build_root.is_dir() && note.system == system)
        .map(|note| OtherTree { build_root: note.build_root, tree: note.workspace_root })
        .collect()
}

/// Warns that the brought units are not known. Always gives true: in doubt, they may be wrong.
fn not_known(cause: Cause) -> bool {
    log::warn(format_args!("it is not known what was brought from other trees: {cause}"));
    true
}

fn take_back(target: &Target) -> Result<()> {
    log::info("packages that were compiled in another tree are compiled anew");
    bring_over::take_back(target).map_err(|error| Error::io(target.build_root(), &error))
}

/// Does a file that was built contain a path of the tree that packages were brought from? Cargo
/// then compiles these packages anew in the next build.
///
/// # Errors
/// A file can't be read, or cargo would use them again.
pub(super) fn is_taken_back(
    target: &Target,
    wheel: &mut Wheel,
    products: Option<&Products>,
) -> Result<bool> {
    let suspects = match Suspects::of(target) {
        Ok(None) => return Ok(false),
        Ok(suspects) => suspects,
        Err(cause) => {
            not_known(cause);
            None
        }
    };
    let dist_info = format!("{}/", wheel.dist_info);
    let names: Vec<String> = wheel.files().map(|(name, _)| name.to_owned()).collect();
    let mut is_found = suspects.is_none();
    for name in names.iter().filter(|name| !name.starts_with(&dist_info)) {
        let module = wheel.read(name)?;
        is_found |= suspects.iter().any(|suspects| suspects.are_in(&module));
    }
    for (content, name) in products.iter().flat_map(|products| products.contents()) {
        let module = content.read().at(name)?;
        is_found |= suspects.iter().any(|suspects| suspects.are_in(&module));
    }
    if is_found {
        take_back(target)?;
    }
    Ok(is_found)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_trees_of_the_same_system_are_asked() {
        let folder = tempfile::tempdir().unwrap();
        let note = |build_root: &std::path::Path, system: &str| {
            let mut note = Note::default();
            note.build_root = build_root.to_owned();
            note.workspace_root = system.into();
            note.system = system.to_owned();
            note
        };
        let gone = folder.path().join("gone");
        // Older notes name no system.
        let notes = [(folder.path(), "a"), (folder.path(), "b"), (folder.path(), ""), (&gone, "a")];
        let notes = notes.map(|(build_root, system)| note(build_root, system)).into();
        let trees: Vec<_> = origins(notes, "a").into_iter().map(|origin| origin.tree).collect();
        assert_eq!(trees, [std::path::PathBuf::from("a")]);
    }
}
