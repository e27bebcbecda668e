//! Attestations of artifacts: signed statements. Python's libraries check the signatures
//! (`library.rs`), and here the statements are compared with the artifacts, their records and the
//! sources.

use std::path::{Path, PathBuf};

use fs_err as fs;
use serde::Serialize;

use super::Verified;
use crate::cli::Context;
use crate::cli::artifact::file_name;
use crate::cli::sources::{Lock, Sources, commit_of};
use crate::digest;
use crate::error::{Cause, Error, PathContext as _, Result};
use crate::git;
use crate::log::escape_controls;
use crate::provenance::below;
use crate::provenance::reader::{About, Built, Compared, Difference, Mismatch, Part, Statement};
use crate::report::named;

mod library;

pub(super) use library::Signer;
use library::{Checked, Demand};

/// The ending of files with an attestation object (PEP 740).
const ENDING: &str = ".attestation";

/// The options about attestations.
#[derive(Debug, clap::Args)]
pub(super) struct AttestationArguments {
    /// Check attestations, too: a file with a PEP 740 attestation, PyPI's provenance or Sigstore
    /// bundles; or a folder with NAME.*.attestation for each artifact (needs the extra
    /// `attestations`)
    #[arg(long, value_name = "PATH")]
    attestation: Vec<PathBuf>,
    /// Demand this signer: github:OWNER/REPO, github:OWNER/REPO/release.yml, gitlab:GROUP/PROJECT,
    /// each also with @refs/tags/v1; or the identity in the certificate with --issuer
    #[arg(long, value_name = "SIGNER", requires = "attestation")]
    signer: Option<String>,
    /// Demand that this service vouches for the signer's identity
    #[arg(long, value_name = "URL", requires = "signer")]
    issuer: Option<String>,
    /// Trust the authorities in this trusted_root.json. The default is to fetch those of the public
    /// Sigstore
    #[arg(long, value_name = "FILE", requires = "attestation")]
    trust_root: Option<PathBuf>,
}

/// All attestations that the user gave.
pub(super) struct Attestations {
    checked: Vec<Checked>,
    is_signer_demanded: bool,
    /// The commit of the sources, if the user named a revision.
    commit: Option<git::Commit>,
}

/// One attestation that is about an artifact.
#[derive(Serialize)]
#[serde(rename_all = "kebab-case")]
pub(super) struct Attested {
    /// The path of the file that has it; `None` if no file has one.
    file: Option<String>,
    format: Option<String>,
    pub signer: Option<Signer>,
    pub signer_demanded: bool,
    pub time: Option<String>,
    predicate_type: Option<String>,
    /// Why it does not hold.
    problems: Vec<Problem>,
    /// The comparison, if it is provenance of our build type.
    #[serde(skip)]
    pub compared: Option<Compared>,
}

#[derive(Serialize)]
struct Problem {
    kind: String,
    text: String,
}

impl AttestationArguments {
    /// Checks all signatures. `None` if the user gave no attestation.
    pub(super) fn check(
        &self,
        artifacts: &[PathBuf],
        source: &Path,
        context: &Context,
    ) -> Result<Option<Attestations>> {
        let Self { attestation, signer, issuer, trust_root } = self;
        if attestation.is_empty() {
            return Ok(None);
        }
        let mut files = Vec::new();
        for given in attestation {
            let path = context.path(given);
            match path.is_dir() {
                true => files.extend(in_folder(&path, artifacts)?),
                false => files.push(path),
            }
        }
        let files = files.iter().map(|path| text(path)).collect::<Result<Vec<_>>>()?;
        let trust_root = trust_root.as_ref().map(|path| context.path(path));
        let demand = Demand {
            trust_root: trust_root.as_deref().map(text).transpose()?,
            signer: signer.as_deref(),
            issuer: issuer.as_deref(),
        };
        let checked = match files[..] {
            [] => Vec::new(),
            _ => library::check(&files, &demand, context)?,
        };
        let is_revision = !context.path(source).exists();
        let commit = if is_revision { commit_of(source, context)? } else { None };
        Ok(Some(Attestations { checked, is_signer_demanded: signer.is_some(), commit }))
    }
}

/// The files in a folder whose names say that they have an attestation of one of the artifacts.
fn in_folder(folder: &Path, artifacts: &[PathBuf]) -> Result<Vec<PathBuf>> {
    let starts: Vec<String> =
        artifacts.iter().map(|artifact| format!("{}.", file_name(artifact))).collect();
    let mut found = Vec::new();
    for entry in fs::read_dir(folder).at(folder)? {
        let path = entry.at(folder)?.path();
        let name = file_name(&path);
        if name.ends_with(ENDING) && starts.iter().any(|start| name.starts_with(start)) {
            found.push(path);
        }
    }
    found.sort();
    Ok(found)
}

fn text(path: &Path) -> Result<&str> {
    path.to_str().ok_or_else(|| Error::path(path, "its path is not UTF-8"))
}

impl Attestations {
    /// The attestations of an artifact, compared with it. If there is none, the only entry says so.
    pub(super) fn of(
        &self,
        verified: &Verified,
        sources: &Sources,
        context: &Context,
    ) -> Result<Vec<Attested>> {
        let path = context.path(&verified.path);
        let (name, sha256) = (file_name(&path), digest::file(&path).at(&path)?);
        let folder = verified.folder.as_deref();
        let lock = folder.map(|folder| Lock::of(folder, &verified.record)).transpose()?.flatten();
        let crates = lock.as_ref().map(Lock::crates).transpose()?;
        let place = folder.and_then(|folder| sources.place_of(folder));
        let place =
            self.commit.as_ref().zip(place).map(|(commit, place)| below(&commit.prefix, &place));
        let commit = self.commit.as_ref().map(|commit| &*commit.sha);
        let built = Built {
            record: &verified.record,
            record_name: &verified.record_file.0,
            record_sha256: &verified.record_file.1,
            commit: commit.zip(place.as_deref()),
            crates: crates.as_deref(),
        };
        let mut found = Vec::new();
        let mut others = Vec::new();
        for checked in &self.checked {
            let statement = Statement::read(&checked.statement);
            match statement.as_ref().map(|statement| statement.about(&name, &sha256)) {
                Ok(About::Others(names)) => others.extend(names),
                Ok(about) => found.push(self.attested(checked, statement, &about, &built)),
                Err(_) => found.push(self.attested(checked, statement, &About::This, &built)),
            }
        }
        if found.is_empty() {
            others.sort();
            others.dedup();
            let text = match others.len() {
                0 if self.checked.is_empty() => "there is no attestation of this file".to_owned(),
                0 => "none is about this file".to_owned(),
                _ => format!("none is about this file, but about {}", named(others.into_iter())),
            };
            found.push(Attested::none(self.is_signer_demanded, Problem::new("subject", &text)));
        }
        Ok(found)
    }

    fn attested(
        &self,
        checked: &Checked,
        statement: Result<Statement, Cause>,
        about: &About,
        built: &Built<'_>,
    ) -> Attested {
        let mut attested = Attested {
            file: Some(checked.file.clone()),
            format: Some(checked.format.clone()),
            signer: checked.signer.clone(),
            time: checked.time.clone(),
            predicate_type: statement.as_ref().ok().map(|it| it.predicate_type.clone()),
            ..Attested::none(self.is_signer_demanded, None)
        };
        if let Some(refusal) = &checked.refused {
            // Nobody vouches for a refused statement, so it is not compared further.
            attested.problems.push(Problem::new(&refusal.kind, &refusal.cause));
            return attested;
        }
        match about {
            About::This | About::Others(_) => {}
            other => attested.problems.push(Problem::new("subject", &subject_in_words(other))),
        }
        let compared = statement.and_then(|statement| statement.compare(built).transpose());
        match compared {
            Ok(compared) => {
                let differences = compared.iter().flat_map(|it| &it.differences);
                attested.problems.extend(differences.map(Problem::of));
                attested.compared = compared;
            }
            Err(cause) => {
                attested.problems.push(Problem::new("statement", &cause.to_string()));
            }
        }
        attested
    }
}

/// What a statement is about, if that is not quite the file.
fn subject_in_words(about: &About) -> String {
    match about {
        About::OtherName(Some(name)) => {
            format!("it is about this content, under the name {name}")
        }
        About::OtherName(None) => "it is about this content, and does not name the file".to_owned(),
        About::OtherContent(Some(sha256)) => {
            format!("it is about another file of this name, with sha256 {sha256}")
        }
        About::OtherContent(None) => {
            "it is about a file of this name, and names no sha256 of it".to_owned()
        }
        About::This | About::Others(_) => String::new(),
    }
}

impl Attested {
    fn none(signer_demanded: bool, problem: impl Into<Option<Problem>>) -> Self {
        Self {
            file: None,
            format: None,
            signer: None,
            signer_demanded,
            time: None,
            predicate_type: None,
            problems: problem.into().into_iter().collect(),
            compared: None,
        }
    }

    pub(super) fn holds(&self) -> bool {
        self.problems.is_empty()
    }

    /// Whether no attestation is about the file.
    pub(super) fn is_missing(&self) -> bool {
        self.file.is_none()
    }

    /// The identity of the signer: the demanded one, if one was demanded.
    pub(super) fn signer_name(&self) -> Option<String> {
        self.signer.as_ref()?.identities.first().cloned()
    }

    /// Who signed, and when.
    pub(super) fn signature(&self) -> String {
        let name = self.signer_name().unwrap_or_else(|| "a signer without identity".to_owned());
        let issuer = self.signer.as_ref().and_then(|signer| signer.issuer.as_deref());
        let issuer = issuer.map(|issuer| format!(" (issuer {issuer})")).unwrap_or_default();
        // A workflow of another repository that this one calls.
        let repository = self.signer.as_ref().and_then(|signer| signer.repository.as_deref());
        let repository = repository.filter(|it| !name.starts_with(&format!("{it}/")));
        let repository = repository.map(|it| format!(" for {it}")).unwrap_or_default();
        let time = self.time.as_ref().map(|time| format!(" at {time}")).unwrap_or_default();
        escape_controls(&format!("signed by {name}{repository}{issuer}{time}"))
    }

    /// Why it does not hold: the file that has it, and the cause.
    pub(super) fn problems(&self) -> impl Iterator<Item = String> {
        let file = self.file.as_deref().map(|file| escape_controls(&file_name(Path::new(file))));
        self.problems.iter().map(move |problem| match &file {
            Some(file) => format!("{file}: {}", problem.text),
            None => problem.text.clone(),
        })
    }
}

impl Problem {
    fn new(kind: &str, text: &str) -> Self {
        Self { kind: kind.to_owned(), text: escape_controls(text) }
    }

    fn of(difference: &Difference) -> Self {
        let Difference { part, name, mismatch } = difference;
        let (kind, what, where_found) = match part {
            Part::Record => ("record", "record", "in the artifact"),
            Part::Byproduct => ("byproduct", "byproduct", "in the artifact"),
            Part::Dependency => ("dependency", "dependency", "by the record"),
            Part::Parameter => ("parameter", "parameter", "by the record"),
            Part::Repository => ("parameter", "parameter", "by the dependency of this name"),
            Part::Commit => ("commit", "commit", "in --source"),
        };
        let said = match mismatch {
            Mismatch::Other { stated, found } => {
                format!("{stated} by the attestation, {found} {where_found}")
            }
            Mismatch::Missing => "the attestation does not name it".to_owned(),
            Mismatch::Unexpected => "only the attestation names it".to_owned(),
            Mismatch::Repeated => "the attestation names it more than once".to_owned(),
        };
        Self::new(kind, &format!("{what} {name}: {said}"))
    }
}
