//! The meaning of a TOML file: its parsed value, reduced to the tables that matter (docs/design.md,
//! D2).

use serde::{Deserialize, Serialize};
use toml::{Table, Value};

use crate::digest;

/// The part of a TOML file that counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum View {
    /// A package's Cargo.toml, without the metadata of other tools.
    Package,
    /// The workspace's root Cargo.toml: only the tables that members inherit or that affect their
    /// build.
    Workspace,
    /// The whole file: Cargo.lock, cargo configuration, rust-toolchain.toml.
    Whole,
    /// The Cargo.toml of another member: its dependencies.
    Dependencies,
    /// pyproject.toml: `[build-system]` and `[tool.maturin]`.
    Build,
    /// pyproject.toml: `[project]`.
    Project,
    /// pyproject.toml as one file of a package: everything except `tool.uv.cache-keys`, which only
    /// name the files that uv watches.
    Pyproject,
    /// pyproject.toml: `[tool.wheelprint]`. For the import check only; in a build the resolved
    /// settings count.
    Own,
}

/// The tables of a workspace's root manifest that affect its members (cargo book, "Workspaces").
const WORKSPACE_TABLES: &[&str] = &["workspace", "profile", "patch", "replace", "cargo-features"];

impl View {
    /// The digest of a TOML file's meaning. A text that is no TOML counts by its bytes: cargo or
    /// maturin will report the error, or understand a newer version of TOML.
    pub fn digest(self, bytes: &[u8]) -> String {
        let parsed = std::str::from_utf8(bytes).ok().and_then(|text| text.parse::<Table>().ok());
        match parsed {
            Some(table) => digest::bytes(canonical(&self.reduce(table)).as_bytes()),
            None => digest::bytes(bytes),
        }
    }

    fn reduce(self, mut table: Table) -> Table {
        match self {
            Self::Whole => table,
            Self::Package => {
                drop_foreign_metadata(table.get_mut("package"));
                drop_foreign_metadata(table.get_mut("workspace"));
                // Lints control the messages of rustc, not the code that it produces.
                table.remove("lints");
                table.remove("badges");
                table
            }
            Self::Workspace => {
                // If the workspace sets no resolver, the edition of the root package decides it.
                let package = table.get("package").and_then(Value::as_table).cloned();
                table.retain(|name, _| WORKSPACE_TABLES.contains(&name));
                for name in ["edition", "resolver"] {
                    let value = package.as_ref().and_then(|package| package.get(name)).cloned();
                    table.extend(value.map(|value| (format!("package.{name}"), value)));
                }
                drop_foreign_metadata(table.get_mut("workspace"));
                if let Some(Value::Table(workspace)) = table.get_mut("workspace") {
                    workspace.remove("lints");
                }
                table
            }
            Self::Dependencies => {
                table.retain(|name, _| name.ends_with("dependencies") || name == "target");
                table
            }
            Self::Pyproject => {
                drop_cache_keys(&mut table);
                table
            }
            Self::Project => only(table, &["project"]),
            Self::Own => tool(&mut table, "wheelprint")
                .map(|own| Table::from_iter([("tool.wheelprint".to_owned(), own)]))
                .unwrap_or_default(),
            Self::Build => {
                let maturin = tool(&mut table, "maturin");
                let mut table = only(table, &["build-system"]);
                table.extend(maturin.map(|maturin| ("tool.maturin".to_owned(), maturin)));
                table
            }
        }
    }
}

fn tool(table: &mut Table, name: &str) -> Option<Value> {
    match table.remove("tool") {
        Some(Value::Table(mut tools)) => tools.remove(name),
        _ => None,
    }
}

/// Removes uv's cache keys, and the tables that become empty.
fn drop_cache_keys(table: &mut Table) {
    let Some(Value::Table(tools)) = table.get_mut("tool") else { return };
    let Some(Value::Table(uv)) = tools.get_mut("uv") else { return };
    uv.remove("cache-keys");
    if uv.is_empty() {
        tools.remove("uv");
    }
    if tools.is_empty() {
        table.remove("tool");
    }
}

fn only(mut table: Table, names: &[&str]) -> Table {
    table.retain(|name, _| names.contains(&name));
    table
}

/// Removes other tools' tables from `metadata`. Only maturin's table counts.
fn drop_foreign_metadata(owner: Option<&mut Value>) {
    if let Some(Value::Table(owner)) = owner
        && let Some(Value::Table(metadata)) = owner.get_mut("metadata")
    {
        metadata.retain(|name, _| name == "maturin");
        if metadata.is_empty() {
            owner.remove("metadata");
        }
    }
}

/// The text as a JSON string.
fn quoted(text: &str) -> String {
    serde_json::Value::from(text).to_string()
}

/// The canonical text of a table: keys sorted, strings quoted, types distinguished.
fn canonical(table: &Table) -> String {
    fn write(value: &Value, text: &mut String) {
        match value {
            Value::Table(table) => {
                text.push('{');
                let mut entries: Vec<_> = table.iter().collect();
                entries.sort_by(|a, b| a.0.cmp(b.0));
                for (name, value) in entries {
                    text.push_str(&format!("{}:", quoted(name)));
                    write(value, text);
                    text.push(',');
                }
                text.push('}');
            }
            Value::Array(values) => {
                text.push('[');
                for value in values {
                    write(value, text);
                    text.push(',');
                }
                text.push(']');
            }
            Value::String(string) => text.push_str(&quoted(string)),
            Value::Integer(number) => text.push_str(&format!("i{number}")),
            Value::Float(number) => text.push_str(&format!("f{}", number.to_bits())),
            Value::Boolean(flag) => text.push_str(&format!("b{flag}")),
            Value::Datetime(datetime) => text.push_str(&format!("d{datetime}")),
        }
    }
    let mut text = String::new();
    write(&Value::Table(table.clone()), &mut text);
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    fn same(view: View, a: &str, b: &str) -> bool {
        view.digest(a.as_bytes()) == view.digest(b.as_bytes())
    }

    #[test]
    fn comments_and_order_are_no_change() {
        assert!(same(View::Whole, "a = 1 # one\nb = 'x'", "b = \"x\"\n\na = 0x1"));
        assert!(!same(View::Whole, "a = 1", "a = '1'"));
        assert!(!same(View::Whole, "a = [1, 2]", "a = [2, 1]"));
    }

    /// git may check out the same manifest with either line ending.
    #[test]
    fn line_ends_are_no_change_where_they_mean_nothing() {
        let all = "# a\n[package]\nname = 'a'\n[workspace]\nmembers = [\n  'b',\n]\n\
                   [project]\nname = 'a'\n[tool.maturin]\nfeatures = ['x']\n[dependencies]\nc = '1'\n";
        for view in [
            View::Whole,
            View::Package,
            View::Workspace,
            View::Dependencies,
            View::Build,
            View::Project,
            View::Pyproject,
            View::Own,
        ] {
            assert!(same(view, all, &all.replace('\n', "\r\n")), "{view:?}");
        }
        // Inside a string a line ending is part of the value.
        assert!(!same(View::Whole, "a = \"\"\"x\ny\"\"\"", "a = \"\"\"x\r\ny\"\"\""));
        // The old format of rust-toolchain is no TOML.
        assert!(!same(View::Whole, "nightly\n", "nightly\r\n"));
    }

    #[test]
    fn other_tools_tables_are_no_change() {
        let base = "[package]\nname = 'a'\n";
        assert!(same(View::Package, base, &format!("{base}[package.metadata.docs]\nx = 1")));
        assert!(!same(View::Package, base, &format!("{base}[package.metadata.maturin]\nx = 1")));
        assert!(!same(View::Package, base, &format!("{base}[features]\nx = []")));
        let base = "[tool.maturin]\nfeatures = []\n";
        assert!(same(View::Build, base, &format!("{base}[tool.ruff]\nx = 1")));
        assert!(!same(View::Build, base, "[tool.maturin]\nfeatures = ['x']\n"));
    }

    #[test]
    fn a_workspace_root_counts_by_what_members_take_from_it() {
        let base = "[workspace]\nmembers = ['a']\n[package]\nname = 'root'\n";
        assert!(same(View::Workspace, base, &format!("{base}[dependencies]\nx = '1'")));
        assert!(!same(View::Workspace, base, &format!("{base}[profile.release]\nlto = true")));
        assert!(!same(
            View::Workspace,
            base,
            &format!("{base}[patch.crates-io]\nx = {{path='x'}}")
        ));
    }

    #[test]
    fn what_uv_watches_is_no_part_of_a_package() {
        let of = |text: &str| View::Pyproject.digest(text.as_bytes());
        let plain = of("[project]\nname = \"a\"\n");
        assert_eq!(of("[project]\nname = \"a\"\n[tool.uv]\ncache-keys = [\"b\"]\n"), plain);
        // All other tables count, for any tool.
        for more in ["[tool.uv]\npackage = true\n", "[tool.other]\nx = 1\n", "[tool.other]\n"] {
            assert_ne!(of(&format!("[project]\nname = \"a\"\n{more}")), plain, "{more}");
        }
    }

    #[test]
    fn no_toml_counts_by_its_bytes() {
        assert!(!same(View::Whole, "a = ", "a =  "));
    }
}
