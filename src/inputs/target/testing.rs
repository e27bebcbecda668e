//! For tests: a target folder as cargo leaves it, without cargo.

use std::path::Path;

use fs_err as fs;

use super::Target;
use crate::request::Environment;

/// The target folder of a package `m`, whose project is this folder.
pub(crate) fn target(root: &Path) -> Target {
    let metadata = serde_json::json!({
        "packages": [{
            "name": "m",
            "manifest_path": root.join("Cargo.toml"),
            "targets": [{ "name": "m", "kind": ["cdylib"], "src_path": root.join("src/lib.rs") }],
        }],
        "workspace_root": root,
        "target_directory": root.join("target"),
    });
    Target {
        metadata: serde_json::from_value(metadata).unwrap(),
        manifest: root.join("Cargo.toml"),
        root: root.to_owned(),
        environment: Environment::default(),
        resolved_anew: false,
        knows_all_packages: true,
        profile: "release".to_owned(),
        lock_files: Vec::new(),
        unpacked: Vec::new(),
        registries: Vec::new(),
    }
}

/// Cargo's fingerprint of a unit in a profile folder. `file` is its kind and name, `value` its value,
/// and `local` is JSON.
pub(crate) fn unit(
    profile: &Path,
    id: &str,
    file: &str,
    value: u64,
    dependencies: &[u64],
    local: &str,
) {
    let folder = profile.join(".fingerprint").join(id);
    fs::create_dir_all(&folder).unwrap();
    let hex: String = value.to_le_bytes().iter().map(|byte| format!("{byte:02x}")).collect();
    fs::write(folder.join(file), hex).unwrap();
    let dependencies: Vec<serde_json::Value> =
        dependencies.iter().map(|it| serde_json::json!([1, "name", false, it])).collect();
    let local: serde_json::Value = serde_json::from_str(local).unwrap();
    let json = serde_json::json!({ "rustc": 1, "deps": dependencies, "local": local });
    fs::write(folder.join(format!("{file}.json")), json.to_string()).unwrap();
}
