//! The backend's verdict for an import of an editable install (docs/design.md, D9).
//!
//! The import compares a table without knowing what the entries mean (`fingerprint::at_import`). If
//! an entry differs, it calls [`import_verdict`] in a child process.

use std::collections::BTreeSet;
use std::path::Path;

use fs_err as fs;

use crate::error::{Because as _, PathContext as _, Result};
use crate::fingerprint::at_import::{self, AtImport, Facts};
use crate::fingerprint::observe::Observer;
use crate::fingerprint::{Inputs, Record, Value, record};
use crate::freshness::{self, Reason, Verdict};
use crate::inputs::{Key, Kind, Part, Place, Root, Roots, View, Watch, environment};
use crate::log::Level;
use crate::report;
use crate::request::{Artifact, Environment, Interpreter, Request};
use crate::settings::{OnStale, Reuse, Settings};
use crate::stat_cache::Digests;
use crate::store;
use crate::toolchain::Toolchain;

/// Judges the installed table in `file`. Gives the fields of the answer, with NUL between them:
///
/// ```text
/// fresh | path | state | path | state | ...     the table to compare from now on
/// stale | key | text | token | key | ...        the reasons, each with a token for its new value
/// ```
///
/// # Errors
/// The table or the record in the installed wheel can't be read.
pub fn import_verdict(environment: Environment, file: &Path) -> Result<Vec<u8>> {
    let (head, facts) = at_import::parse(&fs::read(file).at(file)?).because(file.display())?;
    let site = file.parent().and_then(Path::parent).unwrap_or(file);
    let path = site.join(&head.dist_info).join(record::FILE_NAME);
    let record = Record::from_json(&fs::read(&path).at(&path)?).because(path.display())?;
    let digests = head.store.as_deref().map(|store| Digests::load(store::stat_memory(store)));
    let memory = head.store.as_deref().map(store::toolchain_memory);
    let import = Import {
        request: Request {
            artifact: Artifact::Editable,
            root: head.project.clone(),
            config_settings: Default::default(),
            interpreter: Interpreter::default(),
            environment,
        },
        settings: Settings {
            on_stale: OnStale::Rebuild,
            reuse: Reuse::Editable,
            extra_inputs: Vec::new(),
            remap_paths: false,
            direct_cargo: true,
            shared: None,
            cache_keys: None,
            log: Level::Error,
        },
        digests: digests.unwrap_or_default(),
        toolchain: Toolchain::load(head.project.clone(), memory),
        facts,
        record,
    };
    let answer = match import.verdict() {
        Ok(table) => format!("fresh\0{}", table.to_answer()),
        Err(reasons) => {
            let fields = reasons.iter().flat_map(|reason| import.describe(reason));
            ["stale".to_owned()].into_iter().chain(fields).collect::<Vec<_>>().join("\0")
        }
    };
    import.toolchain.save();
    Ok(answer.into_bytes())
}

/// One import, and the installed wheel that it is about.
struct Import {
    request: Request,
    settings: Settings,
    digests: Digests,
    toolchain: Toolchain,
    facts: Facts,
    record: Record,
}

/// Recorded and observed inputs.
#[derive(Default)]
struct Compared {
    recorded: Inputs,
    observed: Inputs,
}

impl Import {
    /// The new table, or the reasons why the module is stale.
    fn verdict(&self) -> std::result::Result<AtImport, Vec<Reason>> {
        let environment = &self.request.environment;
        let mut observer = Observer::new(
            &self.request,
            &self.settings,
            environment,
            environment,
            &self.digests,
            &self.toolchain,
        );
        let mut compared = Compared::default();
        let (watches, roots) = (&self.record.watches, &self.facts.roots);
        let mut names = observer.names_at_import(watches, roots);
        names.facts.left_out.clone_from(&self.facts.left_out);
        let observed = self.observe(&observer, watches, roots);
        let recorded = self.record.inputs();
        compared.add(recorded.clone(), observed.clone(), |key| self.is_compared(key, roots));
        self.add_variables(&mut compared);
        add_rustc(&observer, &recorded, &mut compared);
        let mut table = observer.at_import(names, watches, roots, &observed);
        if let Some(whole) = &self.facts.whole {
            observer.all_of_packages = true;
            let names = observer.names_at_import(&whole.watches, &whole.roots);
            let observed = self.observe(&observer, &whole.watches, &whole.roots);
            let recorded = whole.inputs.iter();
            let recorded = recorded.map(|input| (input.key.clone(), input.value.clone()));
            let is_compared = |key: &Key| self.is_compared(key, &whole.roots);
            compared.add(recorded.collect(), observed.clone(), is_compared);
            let all = observer.at_import(names, &whole.watches, &whole.roots, &observed);
            table.add_whole(all, whole.watches.clone(), &observed);
        }
        let mut reasons = compared.reasons();
        reasons.extend(self.changed_settings());
        if reasons.is_empty() { Ok(table) } else { Err(reasons) }
    }

    fn observe(&self, observer: &Observer<'_>, watches: &BTreeSet<Watch>, roots: &Roots) -> Inputs {
        let watches = watches.iter().filter(|watch| at_import::is_compared(watch)).cloned();
        observer.observe(&watches.collect(), roots)
    }

    fn is_compared(&self, key: &Key, roots: &Roots) -> bool {
        let is_in_environment = |key: &Key| {
            roots.path_of(key).is_some_and(|path| {
                let folder = if key.kind == Kind::Folder { Some(&*path) } else { path.parent() };
                folder.is_some_and(|it| at_import::is_in_environment(it, &self.request.root))
            })
        };
        at_import::is_compared_key(key) && !is_in_environment(key)
    }

    fn add_variables(&self, compared: &mut Compared) {
        let environment = &self.request.environment;
        let set = environment::set_variables(environment);
        let set = set.iter().filter(|name| at_import::counts(name, &self.facts.left_out));
        for name in self.facts.variables.keys().chain(set) {
            let key = Key::named(Part::Environment, Kind::Variable, name);
            let value = |digest: Option<String>| digest.map_or(Value::Absent, Value::Sha256);
            let before = self.facts.variables.get(name).cloned().flatten();
            compared.recorded.insert(key.clone(), value(before));
            compared.observed.insert(key, value(at_import::digest_of(environment, name)));
        }
    }

    /// `[tool.wheelprint]` is no input of the module, but it decides which inputs there are.
    fn changed_settings(&self) -> Option<Reason> {
        let place = Place { root: Root::Project, path: "pyproject.toml".to_owned() };
        let key = Key::place(Part::Request, Kind::Toml, place);
        let now = match fs::read(self.request.root.join("pyproject.toml")) {
            Ok(content) => View::Own.digest(&content),
            Err(error) => {
                return Some(Reason::Unreadable { key, cause: error.kind().to_string() });
            }
        };
        let old = Value::Sha256(self.facts.settings.clone());
        let is_changed = now != self.facts.settings;
        is_changed.then_some(Reason::Changed { key, old, new: Value::Sha256(now) })
    }

    /// The key, the text and the token of a reason.
    fn describe(&self, reason: &Reason) -> [String; 3] {
        let text = report::reason(reason, &self.record.roots);
        let Some(key) = reason.key() else { return [text.clone(), text, String::new()] };
        let name = match key.kind {
            Kind::Variable => format!("variable {}", key.name),
            Kind::Value => key.name.clone(),
            kind => {
                let root = key.root.as_ref().map(Root::to_string).unwrap_or_default();
                format!("{kind:?} {root}/{}", key.name)
            }
        };
        let token = match reason {
            Reason::Changed { new, .. } | Reason::Added { new, .. } => format!("{new:?}"),
            _ => text.clone(),
        };
        [name, text, token].map(|field| field.replace('\0', " "))
    }
}

/// Compares rustc's version. If rustc does not run, no build is possible, so there is no reason.
fn add_rustc(observer: &Observer<'_>, recorded: &Inputs, compared: &mut Compared) {
    let is_rustc = |key: &Key| key.part == Part::Toolchain && key.name == "rustc";
    let now = observer.observe(&[Watch::Toolchain].into(), &Roots::default());
    let now = now.into_iter().find(|(key, _)| is_rustc(key));
    if let Some((key, value @ Value::Text(_))) = now
        && let Some(before) = recorded.get(&key)
    {
        compared.recorded.insert(key.clone(), before.clone());
        compared.observed.insert(key, value);
    }
}

impl Compared {
    fn add(&mut self, mut recorded: Inputs, mut observed: Inputs, counts: impl Fn(&Key) -> bool) {
        // An input that could not be read then, and cannot be read now, is no change.
        let is_unreadable = |value: Option<&Value>| matches!(value, Some(Value::Unreadable(_)));
        let same: BTreeSet<Key> = recorded
            .iter()
            .filter(|(key, value)| is_unreadable(Some(value)) && is_unreadable(observed.get(key)))
            .map(|(key, _)| key.clone())
            .collect();
        for inputs in [&mut recorded, &mut observed] {
            inputs.retain(|key, _| counts(key) && !same.contains(key));
        }
        // An input that became readable counts as new. An input that disappeared counts as changed.
        let is_there = |key: &Key| observed.get(key).is_some_and(|value| *value != Value::Absent);
        recorded.retain(|key, value| !(is_unreadable(Some(value)) && is_there(key)));
        self.recorded.extend(recorded);
        self.observed.extend(observed);
    }

    fn reasons(&self) -> Vec<Reason> {
        match freshness::compare(&self.recorded, &[], &self.observed) {
            Verdict::Fresh { .. } => Vec::new(),
            Verdict::Stale(reasons) => reasons,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_input_that_could_not_be_read_counts_if_that_changes() {
        let key = Key::named(Part::Rust, Kind::File, "a");
        let unreadable = || Value::Unreadable("permission denied".into());
        let reasons = |now: Option<Value>| {
            let mut compared = Compared::default();
            let observed = now.map(|value| (key.clone(), value)).into_iter().collect();
            compared.add([(key.clone(), unreadable())].into(), observed, |_| true);
            compared.reasons()
        };
        assert_eq!(reasons(Some(unreadable())), []);
        let new = Value::Sha256("1".into());
        assert_eq!(reasons(Some(new.clone())), [Reason::Added { key: key.clone(), new }]);
        assert_eq!(reasons(Some(Value::Absent)).len(), 1);
        assert_eq!(reasons(None).len(), 1);
    }
}
