//! The release profile of the workspace's Cargo.toml, and how much it slows down each edit.

use indexmap::IndexSet;

/// The settings of `[profile.release]` that make every edit optimise the whole program again, as
/// `key = value`. None if `[tool.maturin]` chooses a profile.
pub(crate) fn costly(pyproject: &toml::Table, manifest: &toml::Table) -> Vec<String> {
    let maturin = pyproject.get("tool").and_then(|tool| tool.get("maturin"));
    let chosen = ["editable-profile", "profile"];
    if chosen.iter().any(|key| maturin.is_some_and(|maturin| maturin.get(key).is_some())) {
        return Vec::new();
    }
    let release = manifest.get("profile").and_then(|profile| profile.get("release"));
    let setting = |key: &str| release.and_then(|release| release.get(key));
    let lto = setting("lto").filter(|lto| match lto {
        toml::Value::Boolean(is_on) => *is_on,
        other => matches!(other.as_str(), Some("fat" | "thin")),
    });
    let units = setting("codegen-units").filter(|units| units.as_integer() == Some(1));
    let named = [("lto", lto), ("codegen-units", units)];
    let texts = named.into_iter().filter_map(|(key, value)| Some(format!("{key} = {}", value?)));
    texts.collect()
}

/// The names of all profiles: cargo's own, and those in the workspace's Cargo.toml.
pub(crate) fn known(manifest: &toml::Table) -> Vec<String> {
    let names = ["dev", "release", "test", "bench"].map(str::to_owned);
    let own = manifest.get("profile").and_then(toml::Value::as_table).cloned();
    let own = own.into_iter().flatten().map(|(name, _)| name);
    names.into_iter().chain(own).collect::<IndexSet<_>>().into_iter().collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn costs(pyproject: &str, manifest: &str) -> Vec<String> {
        costly(&pyproject.parse().unwrap(), &manifest.parse().unwrap())
    }

    #[test]
    fn only_what_every_edit_pays_for() {
        assert_eq!(costs("", "[profile.release]\nlto = true"), ["lto = true"]);
        let both = "[profile.release]\nlto = \"fat\"\ncodegen-units = 1";
        assert_eq!(costs("", both), ["lto = \"fat\"", "codegen-units = 1"]);
        assert_eq!(costs("", "[profile.release]\nlto = \"thin\"").len(), 1);
        for cheap in ["lto = false", "lto = \"off\"", "codegen-units = 4", "opt-level = 3"] {
            assert!(costs("", &format!("[profile.release]\n{cheap}")).is_empty(), "{cheap}");
        }
        assert!(costs("[tool.maturin]\nprofile = 'x'", both).is_empty());
        assert!(costs("[tool.maturin]\neditable-profile = 'x'", both).is_empty());
        assert!(costs("", "").is_empty());
    }

    #[test]
    fn profiles_of_ones_own() {
        let manifest = "[profile.release]\n[profile.quick]\ninherits = 'dev'".parse().unwrap();
        assert_eq!(known(&manifest), ["dev", "release", "test", "bench", "quick"]);
    }
}
