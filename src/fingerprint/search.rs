//! Inputs that cargo and maturin search for: manifests above a package, names in a folder.

use std::path::Path;

use super::Value;
use super::item::{Item, Probe, Spot, is_absence};
use crate::digest;
use crate::inputs::{Key, Kind, Root, View, normalize, read_toml};

/// Adds the manifests in which cargo looks for the package's workspace, upwards (cargo
/// `workspace.rs`). In these manifests, only tables that affect the members are compared. The
/// manifest of the project's own workspace is left out, because it is an input under another name.
pub(super) fn workspaces(spot: &Spot<'_>, items: &mut Vec<Item>) {
    let folder = spot.path;
    let own = read_toml(&folder.join("Cargo.toml")).unwrap_or_default();
    let named = own.get("package").and_then(|package| package.get("workspace"));
    let mut candidates = Vec::new();
    if let Some(named) = named.and_then(toml::Value::as_str) {
        // Cargo normalizes this path, and the project's own workspace is recognized by it.
        let path = normalize(&folder.join(named).join("Cargo.toml"));
        candidates.push((format!("{named}/Cargo.toml"), path));
    } else if !own.contains_key("workspace") {
        for (level, above) in folder.ancestors().enumerate().skip(1) {
            candidates
                .push((format!("{}Cargo.toml", "../".repeat(level)), above.join("Cargo.toml")));
        }
    }
    let project = spot.roots.get(&Root::Workspace).map(|folder| folder.join("Cargo.toml"));
    // A manifest without `[workspace]` counts as absent. An unreadable one may be a workspace. If even
    // its folder can't be entered, cargo does not find it either.
    let is_workspace = |path: &Path| match digest::text(path) {
        Ok(text) => text.parse::<toml::Table>().map_or(true, |it| it.contains_key("workspace")),
        Err(_) => path.is_file(),
    };
    for (name, path) in candidates {
        if Some(&path) != project.as_ref() && is_workspace(&path) {
            let key = Key { view: Some(View::Workspace), ..spot.key_of(Kind::Toml, &name) };
            items.push(Item { key, probe: Probe::Meaning(path, View::Workspace) });
        }
    }
}

/// The names in a folder; of a folder in it also whether it is a program of its own (`src/bin`).
pub(super) fn listing(path: &Path) -> Value {
    let name_of = |entry: fs_err::DirEntry| {
        let name = entry.file_name().to_string_lossy().into_owned();
        let main = entry.path().join("main.rs").is_file();
        if main { format!("{name}/main.rs") } else { name }
    };
    let names = |entries: fs_err::ReadDir| -> std::io::Result<Vec<String>> {
        entries.map(|entry| entry.map(name_of)).collect()
    };
    match fs_err::read_dir(path).and_then(names) {
        Ok(mut names) => {
            names.sort();
            Value::Sha256(digest::bytes(names.join("\n").as_bytes()))
        }
        Err(error) if is_absence(&error) => Value::Absent,
        Err(error) => Value::Unreadable(error.kind().to_string()),
    }
}
