//! Notes of what units were made from.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use fs_err as fs;
use serde::{Deserialize, Serialize};

use super::{Remaining, Untracked};
use crate::fingerprint::record::Input;
use crate::fingerprint::{Inputs, Value};
use crate::freshness::{self, Reason, Verdict};
use crate::inputs::cargo::Discovered;
use crate::inputs::target::Target;
use crate::inputs::units::{Unit, UnitKind};
use crate::inputs::{Key, Kind, Part, Roots, Watch};

/// What the units in a target folder were made from.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub(crate) struct Note {
    /// The target folder.
    pub target: PathBuf,
    /// The folder that cargo's units are in, and that of the workspace. Older notes lack them.
    #[serde(default)]
    pub build_root: PathBuf,
    #[serde(default)]
    pub workspace_root: PathBuf,
    /// A digest of the C library and the variables of compilers. The caller sets it.
    #[serde(default)]
    pub system: String,
    /// The `extra-inputs` of each project that has some.
    #[serde(default)]
    pub(super) extra: BTreeMap<PathBuf, BTreeSet<Watch>>,
    /// By cargo's folder for the unit's fingerprint.
    pub(super) units: BTreeMap<PathBuf, UnitNote>,
}

#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub(super) struct UnitNote {
    pub(super) watches: BTreeSet<Watch>,
    pub(super) roots: Roots,
    pub(super) inputs: Vec<Input>,
    /// The folders of the packages that the unit may belong to. If several projects share a target
    /// folder, cargo uses one unit for two packages that have the same name and the same place in
    /// their workspaces.
    pub(super) owners: Vec<PathBuf>,
    /// What cargo told a build script about its package. Cargo does not compare it.
    #[serde(default)]
    pub(super) about: String,
    /// See [`Untracked`]; for each project that shares the target folder.
    pub(super) untracked: BTreeMap<PathBuf, String>,
    /// Cargo's files of the unit, with size and mtime.
    pub(super) witness: Witness,
}

type Witness = BTreeMap<PathBuf, (u64, SystemTime)>;

/// How inputs are looked at.
pub(crate) type Observe<'a> = &'a dyn Fn(&BTreeSet<Watch>, &Roots) -> Inputs;

impl UnitNote {
    fn new(
        watches: &BTreeSet<Watch>,
        roots: &Roots,
        raced_inputs: &RacedInputs,
        see: Observe,
    ) -> Self {
        let mut inputs: Vec<Input> = see(watches, roots)
            .into_iter()
            .map(|(key, value)| {
                // What changed meanwhile may have been compiled in any of its states.
                let value =
                    if raced_inputs.raced.contains(&key) { raced_inputs.value() } else { value };
                Input { key, value }
            })
            .collect();
        // A removed file cannot be observed later, so the unit is marked unreliable now.
        if (raced_inputs.is_gone)(watches) {
            let key = Key::named(Part::Rust, Kind::File, "removed");
            inputs.push(Input { key, value: raced_inputs.value() });
        }
        Self { watches: watches.clone(), roots: roots.clone(), inputs, ..Self::default() }
    }

    pub(super) fn changes(&self, see: Observe) -> Vec<Reason> {
        let noted: Inputs =
            self.inputs.iter().map(|input| (input.key.clone(), input.value.clone())).collect();
        match freshness::compare(&noted, &[], &see(&self.watches, &self.roots)) {
            Verdict::Fresh { .. } => Vec::new(),
            Verdict::Stale(reasons) => reasons,
        }
    }
}

/// What changed while it was being built.
pub(crate) struct RacedInputs<'a> {
    pub raced: &'a BTreeSet<Key>,
    pub remaining: &'a Remaining,
    /// Would these watches have named a file that was removed?
    pub is_gone: &'a dyn Fn(&BTreeSet<Watch>) -> bool,
}

impl RacedInputs<'_> {
    pub(super) fn value(&self) -> Value {
        Value::Unreadable("changed while it was being built".into())
    }
}

impl Note {
    /// Makes the note after a build, from the units in `found`. Earlier entries of other units in
    /// the target folder stay. Their `witness` shows later whether another tool rebuilt the unit.
    pub(crate) fn new(
        before: Option<Self>,
        target: &Target,
        found: &Discovered,
        untracked: &Untracked,
        raced_inputs: &RacedInputs,
        see: Observe,
    ) -> Self {
        let extra = untracked.extra(before.as_ref());
        let mut noted = before.map(|before| before.units).unwrap_or_default();
        noted.retain(|folder, _| folder.is_dir() && !raced_inputs.remaining.covers(folder));
        let read = found.read.read(&target.profiles()).units;
        let read: BTreeMap<&Path, &Unit> =
            read.iter().map(|unit| (unit.folder.as_path(), &**unit)).collect();
        let roots = &found.roots;
        for (folder, watches) in &found.units {
            if raced_inputs.remaining.covers(folder) {
                continue;
            }
            let mut note = UnitNote::new(watches, roots, raced_inputs, see);
            let before = noted.remove(folder).unwrap_or_default();
            if let Some(unit) = read.get(folder.as_path()) {
                note.witness = witness(unit);
                note.owners = owners(target, unit);
                note.about = about(target, unit);
            }
            let kind = read.get(folder.as_path()).map_or(UnitKind::Product, |unit| unit.kind);
            note.untracked = match note.witness == before.witness {
                true => untracked.taken_over(before.untracked, kind),
                false => untracked.of(kind),
            };
            noted.insert(folder.clone(), note);
        }
        Self {
            target: target.metadata.target_directory.clone(),
            build_root: target.build_root().to_owned(),
            workspace_root: target.metadata.workspace_root.clone(),
            system: String::new(),
            extra,
            units: noted,
        }
    }
}

/// The folders of the packages that the unit may be of.
pub(super) fn owners(target: &Target, unit: &Unit) -> Vec<PathBuf> {
    target.packages_named(&unit.package).map(|package| package.folder().to_owned()).collect()
}

/// What cargo tells this run of a build script about its package. Empty for all other units.
pub(super) fn about(target: &Target, unit: &Unit) -> String {
    if unit.kind != UnitKind::Run {
        return String::new();
    }
    let packages = target.packages_named(&unit.package).filter(|package| package.is_of_a_path());
    let about: Vec<_> = packages.map(|package| &package.about).collect();
    serde_json::to_string(&about).unwrap_or_default()
}

/// Size and time of cargo's own files of the unit, and of rustc's dep-info. If the artifact's file
/// name has no hash, the build of another package may have overwritten the dep-info.
pub(super) fn witness(unit: &Unit) -> Witness {
    let files = unit.files().into_iter().chain(unit.dep_infos());
    files
        .filter_map(|file| {
            let meta = fs::metadata(&file).ok()?;
            Some((file, (meta.len(), meta.modified().ok()?)))
        })
        .collect()
}
