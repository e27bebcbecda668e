//! The table that an editable wheel compares at import, and keeping it correct for the tree that
//! the wheel is delivered to.

use std::collections::BTreeSet;
use std::path::PathBuf;

use fs_err as fs;

use super::call::Call;
use super::stored_copy::Copy;
use crate::editable;
use crate::error::Result;
use crate::fingerprint::Inputs;
use crate::fingerprint::at_import::{AtImport, Head};
use crate::fingerprint::observe::Observer;
use crate::freshness::{self, Verdict};
use crate::inputs::{Look, Part, Place, Root, Roots, Watch};
use crate::project::{self, Project};
use crate::store::{self, Entry, EntryKind};

/// Loads the module at the path in the first argument, and asks for its verdict about the table at
/// the second one. Isolated from the user's settings, and without the packages of an environment.
const ASK: [&str; 4] = [
    "-I",
    "-S",
    "-c",
    "from importlib import machinery, util
import sys
loader = machinery.ExtensionFileLoader('_native', sys.argv[1])
native = util.module_from_spec(util.spec_from_loader('_native', loader))
loader.exec_module(native)
sys.stdout.buffer.write(native.import_verdict(sys.argv[2]))",
];

/// What became of the table in a stored wheel.
pub(super) enum Refreshed {
    /// It is that of the current tree, or the wheel has none.
    AsStored,
    Renewed(Box<Entry>),
    /// The old table stays, for this reason. An import finds the difference and asks the backend.
    Left(&'static str),
}

impl Call {
    /// Lists the names in the watched folders. Call this before the inputs are observed: a file
    /// that is added in between must be new to an import.
    pub(super) fn names_at_import(
        &self,
        observer: &Observer<'_>,
        watches: &BTreeSet<Watch>,
        roots: &Roots,
    ) -> AtImport {
        let mut found = observer.names_at_import(watches, roots);
        found.facts.left_out = self.variables_of_uv();
        found
    }

    /// Adds every file of these packages to the table. Used if it is not known what was built.
    pub(super) fn whole_packages(
        &self,
        mut found: AtImport,
        folders: impl Iterator<Item = PathBuf>,
    ) -> AtImport {
        let mut observer = self.observer();
        observer.all_of_packages = true;
        let mut roots = Roots::default();
        let mut watches = BTreeSet::new();
        for (root, folder) in (0..).map(Root::Whole).zip(folders) {
            roots.add(root.clone(), folder);
            let place = Place { root, path: String::new() };
            watches.insert(Watch::at(Look::Package, Part::Rust, place));
        }
        let names = observer.names_at_import(&watches, &roots);
        let inputs = observer.observe(&watches, &roots);
        let all = observer.at_import(names, &watches, &roots, &inputs);
        found.add_whole(all, watches, &inputs);
        found
    }

    /// The table as the file that is put into the wheel. `is_built`: the wheel was just built, and is
    /// not a stored one.
    pub(super) fn inputs_file(
        &self,
        at_import: &AtImport,
        fingerprint: &str,
        dist_info: &str,
        is_built: bool,
    ) -> Vec<u8> {
        let environment = &self.request.environment;
        let name = self.project.name.as_deref().unwrap_or(editable::project_name(dist_info));
        let head = Head {
            project: self.project.root.clone(),
            name: name.to_owned(),
            dist_info: dist_info.to_owned(),
            fingerprint: fingerprint.to_owned(),
            config_settings: self.request.config_settings.keys().cloned().collect(),
            ask: self.ask_command(is_built).unwrap_or_default(),
            store: self.store.as_ref().map(|store| store.folder().to_owned()),
        };
        at_import.to_bytes(head, store::base_folder(environment).as_deref(), environment)
    }

    /// The command with which an import asks this backend: the stable interpreter, and a copy of our
    /// compiled module in the store. An import must not load the module into its own process, and
    /// the frontend's environment is removed after the build. `None` without a store.
    fn ask_command(&self, is_built: bool) -> Option<Vec<String>> {
        let python = self.plan.python()?;
        let module = self.request.interpreter.backend.as_ref()?;
        let copy = self.store.as_ref()?.keep_backend(module, is_built)?;
        let [python, copy] = [python, copy].map(|path| path.to_str().map(str::to_owned));
        Some([python?].into_iter().chain(ASK.map(str::to_owned)).chain([copy?]).collect())
    }

    /// Updates the table of a stored editable wheel to the current tree. `names` were listed before
    /// `inputs` were observed. A change that makes no difference to the module (a comment in a
    /// manifest, a new file that git ignores) may look different to an import.
    ///
    /// # Errors
    /// The stored wheel can't be read, or a temporary folder can't be written.
    pub(super) fn refreshed(
        &self,
        entry: &Entry,
        names: AtImport,
        inputs: &Inputs,
    ) -> Result<Refreshed> {
        let (Some(store), Some(known), Some(wheel)) = (&self.store, &entry.at_import, &entry.wheel)
        else {
            return Ok(Refreshed::AsStored);
        };
        let (watches, roots) = (&entry.record.watches, &entry.roots);
        // A readme may have changed since it was put into the wheel.
        let verdict = freshness::compare(entry.record.pairs(), &entry.record.untrusted, inputs);
        if !matches!(verdict, Verdict::Fresh { .. }) {
            return Ok(Refreshed::Left("an input changed meanwhile"));
        }
        let at_import = self.observer().at_import(names, watches, roots, inputs);
        // pyproject.toml was read when the call began. If it changed since then,
        // `[tool.wheelprint]` may have changed, which the table has now.
        let now = Project::load(&self.project.root).map(|project| project.document);
        if now.ok().as_ref() != Some(&self.project.document) {
            return Ok(Refreshed::Left("pyproject.toml changed meanwhile"));
        }
        let dist_info = editable::dist_info(&wheel.file_name);
        let bytes =
            self.inputs_file(&at_import, &entry.record.fingerprint.sha256, &dist_info, false);
        let digest = crate::digest::bytes(&bytes);
        if digest == *known {
            return Ok(Refreshed::AsStored);
        }
        let Ok(copy) = Copy::of(store, entry)? else {
            return Ok(Refreshed::Left("the stored wheel is missing or damaged"));
        };
        let replace = [(editable::inputs_name(&dist_info), bytes)].into();
        let kind = EntryKind::Artifact(self.request.artifact);
        Ok(match copy.store_again(store, kind, replace, &entry.record, roots, Some(digest))? {
            Some(entry) => Refreshed::Renewed(Box::new(entry)),
            None => Refreshed::Left("the store can't be written to"),
        })
    }

    /// Names of the variables that uv sets for the build alone (`extra-build-variables` in
    /// `[tool.uv]`). An import does not see them.
    pub(super) fn variables_of_uv(&self) -> BTreeSet<String> {
        let own = self.project.name.as_deref().map(project::normalize_name);
        let mut found = BTreeSet::new();
        for folder in self.project.root.ancestors() {
            let text = fs::read_to_string(folder.join("pyproject.toml")).unwrap_or_default();
            let document: toml::Table = text.parse().unwrap_or_default();
            let uv = document.get("tool").and_then(|tool| tool.get("uv"));
            let packages = uv.and_then(|uv| uv.get("extra-build-variables"));
            for (name, variables) in packages.and_then(toml::Value::as_table).into_iter().flatten()
            {
                if Some(project::normalize_name(name)) == own {
                    found.extend(
                        variables.as_table().into_iter().flatten().map(|(name, _)| name.clone()),
                    );
                }
            }
        }
        found
    }
}
