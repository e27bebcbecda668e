//! The flags in force: what cargo would pass to rustc without `remap-paths`.
//!
//! Cargo takes the flags from exactly one place: `CARGO_ENCODED_RUSTFLAGS`, else `RUSTFLAGS`, else
//! `target.TRIPLE.rustflags` with every `target.'cfg(..)'.rustflags` whose condition holds, else
//! `build.rustflags` (cargo `compiler/build_context/target_info.rs`). This module follows cargo.
//! maturin's library differs: there `CARGO_BUILD_RUSTFLAGS` replaces the flags in files.

use std::collections::BTreeSet;
use std::path::Path;
use std::str::FromStr as _;

use cargo_platform::{Cfg, CfgExpr};
use toml::{Table, Value};

use super::{Rustc, SEPARATOR};
use crate::error::Cause;
use crate::inputs::cargo_config;
use crate::inputs::read_toml;
use crate::project::{Project, argument};
use crate::request::{Environment, Request};

type Flags = Vec<String>;

/// The flags in force.
pub(super) fn in_force(
    project: &Project,
    request: &Request,
    environment: &Environment,
    rustc: &Rustc<'_>,
) -> Result<Flags, Cause> {
    if let Some(flags) = of_variables(environment)? {
        return Ok(flags);
    }
    for value in cargo_config::given(project, request) {
        let table = value.parse::<Table>().ok().or_else(|| read_toml(&request.root.join(&value)));
        if table.is_none_or(|table| decides(&table)) {
            return Err(format!("`--config {value}` has a say in rustc's flags").into());
        }
    }
    let flags = configured(&request.root, request, environment, rustc)?;
    // Cargo reads the configuration of the folder it runs in; maturin reads that of the manifest.
    let manifest = project.manifest_path(request);
    if let Some(folder) = manifest.parent().filter(|folder| *folder != request.root)
        && configured(folder, request, environment, rustc)? != flags
    {
        let folder = folder.display();
        return Err(format!("cargo's configuration in {folder} sets other rustflags").into());
    }
    Ok(flags)
}

/// The flags from variables. A variable that is empty still counts as set.
fn of_variables(environment: &Environment) -> Result<Option<Flags>, Cause> {
    if let Some(value) = text(environment, "CARGO_ENCODED_RUSTFLAGS")? {
        let flags = value.split(SEPARATOR).filter(|_| !value.is_empty());
        return Ok(Some(flags.map(str::to_owned).collect()));
    }
    Ok(text(environment, "RUSTFLAGS")?.map(|value| {
        let flags = value.split(' ').map(str::trim).filter(|flag| !flag.is_empty());
        flags.map(str::to_owned).collect()
    }))
}

fn text<'a>(environment: &'a Environment, name: &str) -> Result<Option<&'a str>, Cause> {
    let Some(value) = environment.get(name) else { return Ok(None) };
    Ok(Some(value.to_str().ok_or_else(|| format!("{name} is not UTF-8"))?))
}

/// The flags from the configuration that cargo finds from this folder.
fn configured(
    folder: &Path,
    request: &Request,
    environment: &Environment,
    rustc: &Rustc<'_>,
) -> Result<Flags, Cause> {
    let found = cargo_config::config_files(folder, environment);
    let included: BTreeSet<_> =
        found.iter().flat_map(|config| cargo_config::included(&config.path)).collect();
    // Versions of cargo differ in whether they know `include`, and in the order of reading.
    for path in &included {
        if read_toml(path).is_some_and(|table| decides(&table)) {
            let path = path.display();
            return Err(format!("{path}, which is included, has a say in rustc's flags").into());
        }
    }
    // The farthest file comes first.
    let own = found.iter().rev().filter(|config| !included.contains(&config.path));
    let files: Vec<Table> = own.filter_map(|config| read_toml(&config.path)).collect();
    let config = Config { files, environment };
    if !config.has_flags_for_targets() {
        return config.list(&["build", "rustflags"], "CARGO_BUILD_RUSTFLAGS");
    }
    let mut flags: Vec<Flags> = Vec::new();
    for triple in config.triples(request, rustc)? {
        flags.push(config.flags_for(&triple, rustc)?);
    }
    flags.dedup();
    match <[Flags; 1]>::try_from(flags) {
        Ok([flags]) => Ok(flags),
        Err(_) => Err("rustflags differ between the targets that may be built for".into()),
    }
}

/// Does this configuration affect which flags are in force?
fn decides(table: &Table) -> bool {
    table.contains_key("include")
        || at(table, &["build", "rustflags"]).is_some()
        || at(table, &["build", "target"]).is_some()
        || flags_of_targets(table).next().is_some()
}

fn at<'a>(table: &'a Table, key: &[&str]) -> Option<&'a Value> {
    key[1..].iter().try_fold(table.get(key[0])?, |value, part| value.get(part))
}

/// The keys of `[target]` that set flags.
fn flags_of_targets(table: &Table) -> impl Iterator<Item = &String> {
    let targets = table.get("target").and_then(Value::as_table).into_iter().flatten();
    targets.filter(|(_, target)| target.get("rustflags").is_some()).map(|(key, _)| key)
}

/// Cargo's configuration: files, the farthest first, and the variables that add to them.
struct Config<'a> {
    files: Vec<Table>,
    environment: &'a Environment,
}

impl Config<'_> {
    fn has_flags_for_targets(&self) -> bool {
        let is_one = |name: &str| name.starts_with("CARGO_TARGET_") && name.ends_with("_RUSTFLAGS");
        self.files.iter().any(|table| flags_of_targets(table).next().is_some())
            || self.environment.iter().any(|(name, _)| name.to_str().is_some_and(is_one))
    }

    /// Merges a setting from all files. Its value is a list of strings, or one string of several
    /// words. Lists are joined; of strings the nearest counts. The words of the variable come last.
    fn list(&self, key: &[&str], variable: &str) -> Result<Flags, Cause> {
        let wrong = || format!("{}: not a list of strings in all files", key.join("."));
        let mut joined: Option<(bool, Flags)> = None;
        for value in self.files.iter().filter_map(|table| at(table, key)) {
            let flags = match value {
                Value::String(text) => words(text),
                Value::Array(values) => {
                    let texts = values.iter().map(|value| value.as_str().map(str::to_owned));
                    texts.collect::<Option<_>>().ok_or_else(wrong)?
                }
                _ => return Err(wrong().into()),
            };
            match &mut joined {
                Some((is_text, _)) if *is_text != value.is_str() => return Err(wrong().into()),
                Some((false, list)) => list.extend(flags),
                _ => joined = Some((value.is_str(), flags)),
            }
        }
        let mut list = joined.map(|(_, list)| list).unwrap_or_default();
        list.extend(text(self.environment, variable)?.map(words).unwrap_or_default());
        Ok(list)
    }

    /// The targets that may be built for, by maturin's rules and cargo's.
    fn triples(&self, request: &Request, rustc: &Rustc<'_>) -> Result<Vec<String>, Cause> {
        let named = argument(&request.maturin_arguments(), "--target", None).or_else(|| {
            let value = self.environment.non_empty("CARGO_BUILD_TARGET")?;
            Some(value.to_string_lossy().into_owned())
        });
        let mut triples = match named {
            Some(triple) if triple == "universal2-apple-darwin" => apple(),
            Some(triple) => vec![triple],
            None if self.environment.non_empty("ARCHFLAGS").is_some() => apple(),
            None => self.list(&["build", "target"], "CARGO_BUILD_TARGET")?,
        };
        if triples.is_empty() {
            if self.environment.non_empty("_PYTHON_HOST_PLATFORM").is_some() {
                return Err("it is not known for which target maturin will build".into());
            }
            let host = rustc.field("host").ok_or("rustc does not name its host")?;
            // maturin builds for the interpreter, which may be of another architecture than rustc's
            // host.
            triples = match host.split_once("-pc-windows-") {
                Some((_, library)) => ["x86_64", "i686", "aarch64"]
                    .map(|machine| format!("{machine}-pc-windows-{library}"))
                    .to_vec(),
                None if host.ends_with("-apple-darwin") => apple(),
                None => vec![host.to_owned()],
            };
        }
        match triples.iter().find(|triple| triple.contains(['.', '/', '\\'])) {
            Some(triple) => Err(format!("the rustflags for {triple} are not known").into()),
            None => Ok(triples),
        }
    }

    /// The flags for a target. The flags depend on which `cfg` hold, and these depend on the flags.
    /// So the query is repeated once, as in cargo.
    fn flags_for(&self, triple: &str, rustc: &Rustc<'_>) -> Result<Flags, Cause> {
        let mut flags = self.flags_where(triple, None)?;
        for _ in 0..2 {
            let mut print = vec!["--print", "cfg", "--target", triple];
            print.extend(flags.iter().map(String::as_str));
            let printed = rustc.ask(&print)?;
            let holds: Vec<Cfg> = printed
                .lines()
                .filter(|line| *line != "proc_macro")
                .map(Cfg::from_str)
                .collect::<Result<_, _>>()?;
            let again = self.flags_where(triple, Some(&holds))?;
            if again == flags {
                return Ok(flags);
            }
            flags = again;
        }
        Err("target.'cfg(..)'.rustflags depend on each other".into())
    }

    fn flags_where(&self, triple: &str, holds: Option<&[Cfg]>) -> Result<Flags, Cause> {
        let name = triple.to_uppercase().replace('-', "_");
        let variable = format!("CARGO_TARGET_{name}_RUSTFLAGS");
        let mut flags = self.list(&["target", triple, "rustflags"], &variable)?;
        let keys: BTreeSet<&String> = self.files.iter().flat_map(flags_of_targets).collect();
        for key in keys {
            if holds.is_some_and(|holds| CfgExpr::matches_key(key, holds)) {
                flags.extend(self.list(&["target", key, "rustflags"], "")?);
            }
        }
        if flags.is_empty() {
            return self.list(&["build", "rustflags"], "CARGO_BUILD_RUSTFLAGS");
        }
        Ok(flags)
    }
}

fn words(text: &str) -> Flags {
    text.split_whitespace().map(str::to_owned).collect()
}

fn apple() -> Vec<String> {
    ["aarch64", "x86_64"].map(|machine| format!("{machine}-apple-darwin")).to_vec()
}
