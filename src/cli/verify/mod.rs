//! `wheelprint verify`; docs/verify.md says what it proves.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use super::artifact::{ArtifactKind, InspectedArtifact, leads_astray};
use super::sources::{Base, Package, SourceArguments, Sources, Tree};
use super::{Answer, Context, FAILED};
use crate::error::{Error, Result};
use crate::fingerprint::record::FILE_NAME;
use crate::fingerprint::{Inputs, Record, Value};
use crate::freshness::{self, Reason, Verdict};
use crate::hooks::compare;
use crate::inputs::{Key, Kind, Part, Root, Roots, normalize};
use crate::log::escape_controls;
use crate::project::Project;
use crate::report;
use crate::request::Artifact;

mod attestation;
mod claims;
mod files;
mod hostile;
mod packed;
pub(super) mod words;

use attestation::Attested;
use hostile::{endless, missing_manifest, no_manifest};
use packed::{misnamed, not_compared};

/// Check whether wheels and sdists were built from these sources
///
/// With --package or --all-packages each file is compared with the package of its name.
#[derive(Debug, clap::Args)]
pub(super) struct Arguments {
    /// Wheels and sdists
    #[arg(required = true, value_name = "ARTIFACT")]
    artifacts: Vec<PathBuf>,
    #[command(flatten)]
    sources: SourceArguments,
    #[command(flatten)]
    attestation: attestation::AttestationArguments,
    /// Print JSON (the page "JSON" of the documentation describes it)
    #[arg(long)]
    json: bool,
}

/// The result of a comparison.
#[derive(Default)]
pub(super) struct Findings {
    /// The number of equal inputs.
    same: usize,
    /// The number of source files that are equal byte by byte.
    files: usize,
    /// Differences that make it another tree.
    differences: Vec<Reason>,
    /// Differences of TOML files whose meaning is equal.
    spelling: BTreeSet<Key>,
    /// Differences outside of the sources: variables, toolchain, files around the tree.
    built_with: Vec<Reason>,
    /// Inputs that cannot be compared here.
    not_compared: Vec<Reason>,
    /// Damaged files of the artifact itself: name and cause.
    damaged: Vec<(String, String)>,
}

pub(super) struct Verified {
    path: PathBuf,
    /// The package of a workspace that it was compared with.
    package: Option<Package>,
    pub(super) record: Record,
    /// The path of the record in the artifact, and the digest of its bytes.
    pub(super) record_file: (String, String),
    /// The folder of the project that it was compared with.
    pub(super) folder: Option<PathBuf>,
    is_archive: bool,
    pub(super) findings: Findings,
    /// The attestations that the user gave for it.
    attestations: Vec<Attested>,
}

pub(super) fn run(arguments: &Arguments, context: &Context) -> Result<Answer> {
    let progress = context.terminal.progress("comparing");
    let Arguments { artifacts, sources, attestation, json } = arguments;
    let SourceArguments { source, members } = sources;
    let attestations = attestation.check(artifacts, source, context)?;
    let sources = Sources::open(source, members, context)?;
    let verify = |given: &PathBuf| {
        let mut verified = verify(given, &sources, context)?;
        if let Some(attestations) = &attestations {
            verified.attestations = attestations.of(&verified, &sources, context)?;
        }
        Ok(verified)
    };
    let mut verified: Vec<Result<Verified>> = artifacts.iter().map(verify).collect();
    drop(progress);
    if let [Err(_)] = verified[..]
        && !members.are_given()
        && let Some(Err(error)) = verified.pop()
    {
        return Err(error);
    }
    let code = |verified: &Result<Verified>| match verified {
        Ok(verified) => u8::from(!verified.is_verified()),
        Err(_) => FAILED,
    };
    let worst = verified.iter().map(code).max().unwrap_or(FAILED);
    if *json {
        let is_list = members.are_given() || artifacts.len() > 1;
        let json = words::json(&verified, artifacts, source, is_list);
        return Ok(Answer::json(json).with_code(worst));
    }
    if members.are_given() {
        let table = words::table(&verified, artifacts, &context.terminal);
        return Ok(Answer::said(table).with_code(worst));
    }
    let mut blocks = Vec::new();
    // A problem of the sources concerns every artifact, and is printed once.
    let mut printed = BTreeSet::new();
    for verified in &verified {
        match verified {
            Ok(verified) => blocks.push(words::text(verified, &context.terminal)),
            Err(error) if printed.insert(error.to_string()) => context.terminal.error(error),
            Err(_) => {}
        }
    }
    if verified.len() > 1 && !blocks.is_empty() {
        blocks.push(words::summary(&verified, &context.terminal));
    }
    Ok(Answer::said(blocks.join("\n")).with_code(worst))
}

/// Compares an artifact with the sources.
pub(super) fn verify(given: &Path, sources: &Sources, context: &Context) -> Result<Verified> {
    let path = context.path(given);
    let InspectedArtifact { name, version, record, record_file, mut kind } =
        InspectedArtifact::open(&path)?;
    let (package, own) = sources.of(&path, &name)?;
    let refused = |cause: &str, hint: &str| Err(Error::given(&path, cause, hint));
    if matches!(kind, ArtifactKind::Installed) {
        let hint = "give the wheel it was installed from; `wheelprint inspect` shows the record";
        return refused("not a wheel, but what was installed of one", hint);
    }
    let Some((record, record_file)) = record.zip(record_file) else {
        if let ArtifactKind::Wheel(wheel) = &mut kind
            && let Some(damage) = wheel.damage().into_iter().find(|it| it.name.ends_with(FILE_NAME))
        {
            let cause = format!("there is no record in it, and {} {}", damage.name, damage.cause);
            return refused(&cause, "somebody changed the file after it was built; build it again");
        }
        let hint = "it was not built by wheelprint: build it with `uv build`, and with \
                    `build-backend = \"wheelprint\"` in pyproject.toml (`maturin build` calls no \
                    backend)";
        return refused("there is no record in it", hint);
    };
    let artifact = match (record.text(Part::Request, "artifact"), &kind) {
        (Some("wheel"), ArtifactKind::Wheel(_)) => Artifact::Wheel,
        (Some("editable"), ArtifactKind::Wheel(_)) => Artifact::Editable,
        (Some("sdist"), ArtifactKind::Archive(_)) => Artifact::Sdist,
        (None, _) => return refused("its record does not say what was built", "build it again"),
        _ => return refused("its record is of something else", "build it again"),
    };
    if let Some(cause) = leads_astray(&record) {
        return refused(&format!("its record can't be used: {cause}"), "build it again");
    }
    if let Some(name) = missing_manifest(&record) {
        let cause = format!("its record can't be used: it names no {name}, which each build reads");
        return refused(&cause, "build it again");
    }
    let base = own.as_ref().unwrap_or(&sources.base);
    let mut findings = match base {
        Base::Tree(tree) => in_tree(&path, &record, artifact, tree, context)?,
        Base::Stated { record: other, path: source } => match (&record.source, &other.source) {
            (Some(source), Some(other)) => {
                let (differences, files) = files::compare_lists(source, other);
                Findings { files, differences, ..Findings::default() }
            }
            (None, _) => return refused("it names no sources", "compare it with a folder"),
            (_, None) => {
                let cause = format!("{} names no sources", source.display());
                return refused(&cause, "compare with a folder");
            }
        },
    };
    findings.damaged = kind.damage(&record);
    let project = match base {
        Base::Tree(tree) => Project::load(&tree.folder)?.name,
        Base::Stated { .. } => None,
    };
    findings.damaged.extend(misnamed(&path, [&name, &version], project.as_deref()));
    if let ArtifactKind::Archive(archive) = &kind {
        findings.not_compared.extend(not_compared(archive, &record));
    }
    let folder = match base {
        Base::Tree(tree) => Some(tree.folder.clone()),
        Base::Stated { .. } => None,
    };
    let (path, is_archive) = (given.to_owned(), artifact == Artifact::Sdist);
    let attestations = Vec::new();
    Ok(Verified { path, package, record, record_file, folder, is_archive, findings, attestations })
}

fn in_tree(
    path: &Path,
    record: &Record,
    artifact: Artifact,
    tree: &Tree,
    context: &Context,
) -> Result<Findings> {
    let refused = |cause: &str, hint: &str| Err(Error::given(path, cause, hint));
    let call = tree.call(artifact, context)?;
    let roots = compare::roots_of(&call, record);
    if let Some(name) = no_manifest(record, &roots) {
        let cause =
            format!("its record names {} as a TOML file, which it is not", escape_controls(&name));
        return refused(&cause, "is this the right --source?");
    }
    if let Some(folder) = endless(record, &roots) {
        let cause = format!("its record names {} as a source", escape_controls(&folder));
        return refused(&cause, "is this the right --source?");
    }
    let mut observed = compare::observe(&call, record, &roots);
    observed.extend(unseen(tree, &observed, artifact));
    let mut findings = compare(record, &observed, &roots);
    if let Some(source) = &record.source {
        pass_over_left_out(&mut findings, call.project(), tree, &roots);
        let missing = source.files.keys().find_map(|name| {
            let path = normalize(&tree.folder.join(name));
            let (_, why) = tree.left_out.iter().find(|(place, _)| path.starts_with(place))?;
            Some(format!("{} {why}", escape_controls(name)))
        });
        if let Some(cause) = missing {
            return refused(&cause, "check the revision out and give the folder as --source");
        }
        let told = findings.differences.iter().filter_map(Reason::key);
        let told = files::paths(told, &roots);
        let (differences, same) = files::compare(source, &tree.folder, &told);
        let means = record.inputs.iter().map(|input| &input.key);
        let means = files::paths(means.filter(|key| key.kind == Kind::Toml), &roots);
        let keys = differences.iter().filter_map(Reason::key);
        let is_toml = |key: &&Key| means.contains(&normalize(&tree.folder.join(&key.name)));
        findings.spelling = keys.filter(is_toml).cloned().collect();
        findings.differences.extend(differences);
        findings.files = same;
    }
    let is_compared = findings.files > 0 || artifact != Artifact::Sdist && findings.same > 0;
    if !is_compared && findings.differences.is_empty() {
        return refused("its record names no source that can be compared here", "build it again");
    }
    Ok(findings)
}

/// Inputs that a packed tree cannot show, with the values that its record states: what counts of
/// other workspace members; and for an sdist, which was not built, the files that were left out.
fn unseen(tree: &Tree, observed: &Inputs, artifact: Artifact) -> Inputs {
    let is_sdist = artifact == Artifact::Sdist;
    let is_missing = |key: &Key| match observed.get(key) {
        Some(Value::Absent | Value::Unreadable(_)) => true,
        Some(_) => key.kind == Kind::Folder,
        None => is_sdist,
    };
    let stated = tree.stated.iter().filter(|(key, _)| {
        (is_sdist || key.part == Part::Manifest) && key.part != Part::Request && is_missing(key)
    });
    stated.map(|(key, value)| (key.clone(), value.clone())).collect()
}

/// A new file that sdists leave out could not reach a wheel that was made through one.
fn pass_over_left_out(findings: &mut Findings, project: &Project, tree: &Tree, roots: &Roots) {
    let left_out = files::LeftOut::read(&project.document, &tree.folder);
    let is_left_out = |reason: &mut Reason| match reason {
        Reason::Added { key, .. } if key.part == Part::Rust => {
            let paths = files::paths([&*key].into_iter(), roots);
            paths.iter().any(|path| left_out.has(path, &tree.folder))
        }
        _ => false,
    };
    for reason in findings.differences.extract_if(.., is_left_out) {
        if let Reason::Added { key, .. } = reason {
            let cause = "sdists leave it out".to_owned();
            findings.not_compared.push(Reason::Unreadable { key, cause });
        }
    }
}

impl Verified {
    /// Whether it was built from these sources, is as it was built, and has no attestation that does
    /// not hold.
    pub(super) fn is_verified(&self) -> bool {
        self.findings.is_verified() && self.attestations.iter().all(Attested::holds)
    }

    /// What is different, in words.
    pub(super) fn differences(&self) -> impl Iterator<Item = String> {
        let damaged = self.findings.damaged.iter().map(|(name, cause)| format!("{name} {cause}"));
        let roots = &self.record.roots;
        let differences = self.findings.differences.iter();
        damaged.chain(differences.map(|reason| report::reason(reason, roots)))
    }
}

impl Findings {
    pub(super) fn is_verified(&self) -> bool {
        self.differences.is_empty() && self.damaged.is_empty()
    }
}

/// Sorts all differences by what they say about the sources.
fn compare(record: &Record, observed: &Inputs, roots: &Roots) -> Findings {
    let recorded = record.inputs();
    let mut findings = Findings::default();
    let reasons = match freshness::compare(&recorded, &record.untrusted, observed) {
        Verdict::Fresh { .. } => Vec::new(),
        Verdict::Stale(reasons) => reasons,
    };
    for reason in reasons {
        let Some(key) = reason.key() else {
            findings.differences.push(reason);
            continue;
        };
        let is_unreadable = matches!(reason, Reason::Unreadable { .. });
        let is_unknown = match &key.root {
            None | Some(Root::Above | Root::CargoHome) => false,
            Some(root) => roots.get(root).is_none(),
        };
        let is_source = is_source(key, roots);
        if is_unreadable && (is_unknown || !is_source) {
            findings.not_compared.push(reason);
        } else if is_source {
            findings.differences.push(reason);
        } else {
            findings.built_with.push(reason);
        }
    }
    for (key, value) in &recorded {
        if observed.get(key) == Some(&Value::Unknown) && *value != Value::Unknown {
            let cause = "it is not installed here".to_owned();
            findings.not_compared.push(Reason::Unreadable { key: key.clone(), cause });
        }
        if is_source(key, roots) && observed.get(key) == Some(value) {
            findings.same += usize::from(!matches!(value, Value::Unreadable(_)));
        }
    }
    findings
}

/// Whether the input belongs to the tree, and not to the machine or to folders above the tree.
fn is_source(key: &Key, roots: &Roots) -> bool {
    // No `..`: a new part must be put on one side.
    match key.part {
        Part::Rust | Part::Manifest | Part::Python | Part::Metadata => {}
        Part::Environment | Part::Toolchain | Part::Request => return false,
    }
    if key.kind == Kind::Variable || key.root == Some(Root::CargoHome) {
        return false;
    }
    let Some(folder) = base(key, roots) else { return true };
    if !key.name.split('/').any(|part| part == "..") {
        return true;
    }
    let path = normalize(&folder.join(&key.name));
    roots
        .iter()
        .filter(|(root, _)| root.is_of_sources())
        .any(|(_, folder)| path.starts_with(folder))
}

/// The folder that the name of an input is relative to.
fn base<'a>(key: &Key, roots: &'a Roots) -> Option<&'a Path> {
    match &key.root {
        Some(Root::Above) => roots.get(&Root::Project),
        root => roots.get(root.as_ref()?),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(part: Part, root: &str, name: &str) -> Key {
        let root = Root::try_from(root.to_owned()).ok();
        Key { part, kind: Kind::Toml, root, name: name.into(), view: None }
    }

    #[test]
    fn what_lies_above_the_tree_is_none_of_its_sources() {
        let mut roots = Roots::default();
        roots.add(Root::Project, "/w/bindings/python");
        roots.add(Root::Workspace, "/w");
        roots.add(Root::Crate("engine".into()), "/w/crates/engine");
        roots.add(Root::CargoHome, "/home/.cargo");
        let is = |part, root, name| is_source(&key(part, root, name), &roots);
        assert!(is(Part::Rust, "crate:engine", "src/lib.rs"));
        assert!(is(Part::Manifest, "above", ".cargo/config.toml"));
        assert!(is(Part::Manifest, "above", "../../.cargo/config.toml"));
        assert!(!is(Part::Manifest, "above", "../../../.cargo/config.toml"));
        assert!(!is(Part::Manifest, "crate:engine", "../../../Cargo.toml"));
        assert!(!is(Part::Manifest, "cargo-home", "config.toml"));
        assert!(!is(Part::Toolchain, "above", "rust-toolchain.toml"));
        assert!(is(Part::Rust, "outside:1", "z.h"));
    }
}
