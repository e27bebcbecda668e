//! Inputs of units that cargo does not track: `extra-inputs`, the variables and settings of compilers,
//! and what build scripts can ask for without telling cargo.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use super::{Note, Observe};
use crate::fingerprint::{Fingerprint, Inputs};
use crate::inputs::units::UnitKind;
use crate::inputs::{Part, Roots, Watch, environment};

/// The untracked inputs at one time, of the project that is built and of others in the target
/// folder.
pub(crate) struct Untracked {
    /// The project that is built. Empty if it has no `extra-inputs` and had none in the last note:
    /// all such projects have the same digest.
    project: PathBuf,
    /// The `extra-inputs` of the project that is built.
    extra: BTreeSet<Watch>,
    /// By project: a digest of its `extra-inputs` and the variables and settings of compilers. Without projects
    /// whose inputs changed during the build.
    digests: BTreeMap<PathBuf, String>,
    /// What a build script can ask for without telling cargo: variables, Python, and the versions of
    /// the build requirements of the project that is built.
    to_scripts: String,
}

/// What the caller knows of the project that is built.
pub(crate) struct OfProject {
    /// The `extra-inputs`.
    pub extra: BTreeSet<Watch>,
    /// A digest of the settings in cargo's configuration that cargo does not compare.
    pub configuration: String,
    /// See [`Untracked`].
    pub to_scripts: String,
}

impl Untracked {
    /// `note` names the other projects. `look` gives a project's `extra-inputs`, or `None` if any of
    /// them changed during the build.
    pub(crate) fn new(
        project: &Path,
        of_project: OfProject,
        note: Option<&Note>,
        look: impl Fn(&Path, &BTreeSet<Watch>) -> Option<Inputs>,
        see: Observe,
    ) -> Self {
        let OfProject { extra, configuration, to_scripts } = of_project;
        let mut variables = see(&BTreeSet::from([Watch::Variables]), &Roots::default());
        variables.retain(|key, _| {
            key.part != Part::Environment || environment::is_of_the_compilers(&key.name)
        });
        let digest = |inputs: Inputs| {
            let inputs = Fingerprint::of(variables.iter().chain(&inputs)).sha256;
            format!("{inputs} {configuration}")
        };
        // If the settings had `extra-inputs` before, units may have been compiled with them. So no
        // unit counts as compiled without them.
        let had_extra = note.is_some_and(|note| note.extra.contains_key(project));
        let is_named = had_extra || !extra.is_empty();
        let project = if is_named { project.to_owned() } else { PathBuf::new() };
        let others = note.iter().flat_map(|note| &note.extra);
        let others = others.filter(|(other, _)| **other != project && other.is_dir());
        let own = (!extra.is_empty()).then_some((&project, &extra));
        let looked = others
            .chain(own)
            .filter_map(|(it, watches)| Some((it.clone(), digest(look(it, watches)?))));
        let mut digests: BTreeMap<PathBuf, String> = looked.collect();
        digests.insert(PathBuf::new(), digest(Inputs::new()));
        Self { project, extra, digests, to_scripts }
    }

    /// What counts for a unit of this kind, by project.
    pub(super) fn of(&self, kind: UnitKind) -> BTreeMap<PathBuf, String> {
        let value = |digest: &String| match kind {
            UnitKind::Run => format!("{digest} {}", self.to_scripts),
            _ => digest.clone(),
        };
        self.digests.iter().map(|(project, digest)| (project.clone(), value(digest))).collect()
    }

    /// Whether a unit of this kind was made with what counts now.
    pub(super) fn is(&self, noted: &BTreeMap<PathBuf, String>, kind: UnitKind) -> bool {
        let now = self.of(kind);
        now.get(&self.project).is_some_and(|now| noted.get(&self.project) == Some(now))
    }

    /// The digests for a unit that this build did not compile. The digest of this project is the
    /// present one. Those of other projects are the ones that the unit was compiled with.
    pub(super) fn taken_over(
        &self,
        mut noted: BTreeMap<PathBuf, String>,
        kind: UnitKind,
    ) -> BTreeMap<PathBuf, String> {
        noted.extend(self.of(kind).remove_entry(&self.project));
        noted
    }

    /// The `extra-inputs` of all projects in the target folder.
    pub(super) fn extra(&self, before: Option<&Note>) -> BTreeMap<PathBuf, BTreeSet<Watch>> {
        let mut extra = before.map(|before| before.extra.clone()).unwrap_or_default();
        extra.retain(|project, _| project.is_dir());
        if self.extra.is_empty() {
            extra.remove(&self.project);
        } else {
            extra.insert(self.project.clone(), self.extra.clone());
        }
        extra
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fingerprint::Value;
    use crate::inputs::{Key, Kind};

    /// What counts for a build of a project, whose `extra-inputs` have a content. Those of `raced`
    /// changed during the build.
    fn build(
        project: &Path,
        has_extra: bool,
        requirements: &str,
        note: &Note,
        contents: &BTreeMap<PathBuf, &str>,
        raced: Option<&Path>,
    ) -> Untracked {
        let extra = BTreeSet::from_iter(has_extra.then_some(Watch::Variables));
        let look = |project: &Path, _: &BTreeSet<Watch>| {
            let value = Value::Sha256(contents[project].to_owned());
            let key = Key::named(Part::Rust, Kind::File, "extra");
            (raced != Some(project)).then(|| Inputs::from([(key, value)]))
        };
        let see = |_: &BTreeSet<Watch>, _: &Roots| Inputs::new();
        let of_project =
            OfProject { extra, configuration: String::new(), to_scripts: requirements.into() };
        Untracked::new(project, of_project, Some(note), look, &see)
    }

    #[test]
    fn what_another_project_compiled() {
        let folder = tempfile::tempdir().unwrap();
        let [one, two, plain] = ["one", "two", "plain"].map(|name| folder.path().join(name));
        for project in [&one, &two, &plain] {
            fs_err::create_dir(project).unwrap();
        }
        let note = Note {
            extra: [&one, &two].map(|it| (it.clone(), BTreeSet::from([Watch::Variables]))).into(),
            ..Note::default()
        };
        let first = Note::default();
        let contents = |one_has| BTreeMap::from([(one.clone(), one_has), (two.clone(), "x")]);
        let of = |project: &PathBuf, one_has, requirements: &str| {
            let has_extra = project != &plain;
            build(project, has_extra, requirements, &note, &contents(one_has), None)
        };
        for kind in [UnitKind::Product, UnitKind::Run] {
            let noted = of(&two, "a", "").of(kind);
            assert!(of(&one, "a", "").is(&noted, kind), "compiled with this one's inputs");
            assert!(of(&plain, "a", "").is(&noted, kind), "there are none");
            assert!(!of(&one, "b", "").is(&noted, kind), "compiled with others");
            assert_eq!(of(&one, "a", "cffi=1").is(&noted, kind), kind != UnitKind::Run);
            // The other project takes the unit as it is.
            let taken = of(&two, "b", "").taken_over(noted.clone(), kind);
            assert!(of(&one, "a", "").is(&taken, kind) && !of(&one, "b", "").is(&taken, kind));

            let unknown = build(&two, true, "", &first, &contents("a"), None).of(kind);
            assert!(!of(&one, "a", "").is(&unknown, kind), "not known to that build");
            let raced = build(&two, true, "", &note, &contents("a"), Some(&one)).of(kind);
            assert!(!of(&one, "a", "").is(&raced, kind), "changed while it was compiled");
            assert!(of(&two, "a", "").is(&raced, kind));
            let raced = build(&one, true, "", &note, &contents("a"), Some(&one));
            assert!(!of(&one, "a", "").is(&raced.of(kind), kind));
        }
        // The setting was removed: compiled anew once.
        let noted = of(&one, "a", "").of(UnitKind::Product);
        let removed = build(&one, false, "", &note, &contents("a"), None);
        assert!(!removed.is(&noted, UnitKind::Product));
        let (noted, extra) = (removed.of(UnitKind::Product), removed.extra(Some(&note)));
        let later = Note { extra, ..Note::default() };
        let later = build(&one, false, "", &later, &contents("b"), None);
        assert!(later.is(&noted, UnitKind::Product));

        let after = build(&one, true, "", &first, &contents("a"), None).extra(Some(&note));
        assert_eq!(after, note.extra);
        fs_err::remove_dir(&two).unwrap();
        assert!(!of(&one, "a", "").extra(Some(&note)).contains_key(&two));
    }
}
