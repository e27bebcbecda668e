//! The table that an editable wheel compares at import, and keeping it correct for the tree that
//! the wheel is delivered to.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use super::call::Call;
use super::untracked;
use crate::editable;
use crate::fingerprint::Inputs;
use crate::fingerprint::at_import::{AtImport, Head};
use crate::fingerprint::observe::Observer;
use crate::freshness::{self, Verdict};
use crate::inputs::{Look, Part, Place, Root, Roots, Watch};
use crate::project::Project;
use crate::store::{self, Entry};
use crate::uv::configuration::BuildSettings;

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

/// The files of a stored wheel that depend on the tree that it is delivered to: the table, and the
/// path line. A wheel that is no editable one has none.
pub(super) enum Shell {
    /// They are right for this tree.
    AsStored,
    /// They must be replaced. `python_root` is for the path line of a wheel of another tree.
    Anew { table: Vec<u8>, python_root: Option<PathBuf> },
    /// They can't be made now, for this reason. An import of the wheel as it is stored finds the
    /// difference and asks the backend.
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
        if is_built {
            self.checked_backend()?;
        }
        // `cache clean` may have removed the copy while cargo ran.
        let copy = self.store.as_ref()?.keep_backend(self.backend()?, false)?;
        let [python, copy] = [python, copy].map(|path| path.to_str().map(str::to_owned));
        Some([python?].into_iter().chain(ASK.map(str::to_owned)).chain([copy?]).collect())
    }

    /// The copy of our compiled module in the store, after it was compared with the module. This is done
    /// once, and takes some milliseconds.
    pub(super) fn checked_backend(&self) -> Option<PathBuf> {
        let keep = || self.store.as_ref()?.keep_backend(self.backend()?, true);
        self.checked_backend.get_or_init(keep).clone()
    }

    fn backend(&self) -> Option<&Path> {
        self.request.interpreter.backend.as_deref()
    }

    /// The shell of a stored editable wheel for the current tree. `names` were listed before `inputs`
    /// were observed. A change that makes no difference to the module (a comment in a manifest, a new
    /// file that git ignores) may look different to an import.
    pub(super) fn shell(&self, entry: &Entry, names: AtImport, inputs: &Inputs) -> Shell {
        if entry.at_import.is_none() {
            return Shell::AsStored;
        }
        // A readme may have changed since it was put into the wheel.
        let verdict = freshness::compare(entry.record.pairs(), &entry.record.untrusted, inputs);
        if !matches!(verdict, Verdict::Fresh { .. }) {
            return Shell::Left("an input changed meanwhile");
        }
        let (watches, roots) = (&entry.record.watches, &entry.roots);
        let at_import = self.observer().at_import(names, watches, roots, inputs);
        // pyproject.toml was read when the call began. If it changed since then,
        // `[tool.wheelprint]` may have changed, which the table has now.
        let now = Project::load(&self.project.root).map(|project| project.document);
        if now.ok().as_ref() != Some(&self.project.document) {
            return Shell::Left("pyproject.toml changed meanwhile");
        }
        self.shell_with(entry, &at_import)
    }

    /// The shell of a stored wheel whose inputs have changed. An import then finds that it is stale.
    pub(super) fn shell_of_stale(&self, entry: &Entry) -> Shell {
        if entry.at_import.is_none() {
            return Shell::AsStored;
        }
        let observer = self.observer();
        let (watches, roots) = (&entry.record.watches, &entry.roots);
        let names = self.names_at_import(&observer, watches, roots);
        let inputs = observer.observe(watches, roots);
        let mut at_import = observer.at_import(names, watches, roots, &inputs);
        at_import.raced.push("the sources changed while the package was installed".to_owned());
        self.shell_with(entry, &at_import)
    }

    fn shell_with(&self, entry: &Entry, at_import: &AtImport) -> Shell {
        let (Some(store), Some(wheel)) = (&self.store, &entry.wheel) else {
            return Shell::AsStored;
        };
        let dist_info = editable::dist_info(&wheel.file_name);
        let fingerprint = &entry.record.fingerprint.sha256;
        let table = self.inputs_file(at_import, fingerprint, &dist_info, false);
        let is_of_this_tree = entry.built_in == store.root();
        if is_of_this_tree && entry.at_import.as_ref() == Some(&crate::digest::bytes(&table)) {
            return Shell::AsStored;
        }
        let layout = || {
            let manifest = self.project.manifest_path(&self.request);
            untracked::layout(&self.project, &manifest).python_root
        };
        Shell::Anew { table, python_root: (!is_of_this_tree).then(layout) }
    }

    /// Names of the variables that uv sets for the build alone (`extra-build-variables`). An import
    /// does not see them.
    pub(super) fn variables_of_uv(&self) -> BTreeSet<String> {
        let settings = BuildSettings::here(&self.project.root, &self.request.environment);
        // With settings that it can't read, uv builds nothing: another frontend does.
        settings.unwrap_or_default().variables.into_keys().collect()
    }
}
