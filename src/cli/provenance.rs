//! `wheelprint provenance`; docs/provenance.md describes what is written.

use std::collections::BTreeSet;
use std::io::Write as _;
use std::path::{Path, PathBuf};

use fs_err as fs;
use serde_json::Value as Json;

use super::artifact::file_name;
use super::members::MemberArguments;
use super::sources::{self, Lock, SourceArguments, Sources};
use super::terminal::count;
use super::verify::{self, Verified};
use super::{Answer, Context};
use crate::digest;
use crate::error::{Error, PathContext as _, Result};
use crate::git;
use crate::log::escape_controls;
use crate::provenance::builder::{Builder, repository_of_remote, repository_of_run};
use crate::provenance::{Commit, Subject, below, statement};
use crate::publish;
use crate::report;

/// How wheels and sdists were built, as SLSA provenance to be signed
///
/// Each file is compared with the sources first. Of a file that was not built from them, nothing is
/// stated, and the exit code is 1.
#[derive(Debug, clap::Args)]
pub(super) struct Arguments {
    /// Wheels and sdists
    #[arg(required = true, value_name = "ARTIFACT")]
    artifacts: Vec<PathBuf>,
    #[command(flatten)]
    sources: SourceArguments,
    /// Write a file for each ARTIFACT into this folder, instead of printing
    #[arg(long, value_name = "DIR")]
    out: Option<PathBuf>,
    /// Only the predicate, which GitHub's `actions/attest` asks for
    #[arg(long)]
    predicate: bool,
    /// Who built them: the `builder.id` of SLSA; the default claims Build L1
    #[arg(long, value_name = "URI")]
    builder_id: Option<String>,
    /// The repository of the commit, such as git+https://example.org/owner/name; the default is
    /// that of the workflow's run, or git's remote `origin`
    #[arg(long, value_name = "URI")]
    repository: Option<String>,
}

pub(super) fn run(arguments: &Arguments, context: &Context) -> Result<Answer> {
    check(arguments)?;
    let progress = context.terminal.progress("comparing");
    let stated = state_all(arguments, context)?;
    drop(progress);
    let code = u8::from(!stated.refused.is_empty());
    let answer = match &arguments.out {
        Some(out) => {
            let folder = context.path(out);
            stated.write_into(&folder, arguments.predicate)?;
            let files = count(stated.made.len(), "file");
            Answer::said(format!("{files} written to {}\n", context.shown(&folder)))
        }
        None => Answer::data(stated.text()),
    };
    Ok(answer.with_code(code))
}

/// Refuses arguments that can't be right.
fn check(arguments: &Arguments) -> Result<()> {
    let Arguments { artifacts, out, builder_id, repository, .. } = arguments;
    for (name, given) in [("--builder-id", builder_id), ("--repository", repository)] {
        if let Some(given) = given
            && !is_uri(given)
        {
            let hint = "a URI begins with a scheme, such as https:";
            return Err(Error::setting(name, format!("`{given}` is not a URI"), hint));
        }
    }
    let mut names = BTreeSet::new();
    if out.is_some()
        && let Some(again) = artifacts.iter().find(|artifact| !names.insert(file_name(artifact)))
    {
        let hint = "give them in two calls, each with an --out of its own";
        return Err(Error::given(again, "another file of this name is given too", hint));
    }
    Ok(())
}

/// What was stated of the files.
struct Stated<'a> {
    made: Vec<(&'a Path, Json)>,
    /// The files that were not built from the sources.
    refused: Vec<&'a Path>,
}

fn state_all<'a>(arguments: &'a Arguments, context: &Context) -> Result<Stated<'a>> {
    let SourceArguments { source, members } = &arguments.sources;
    let builder = Builder::new(arguments.builder_id.as_deref(), &context.environment);
    let sources = Sources::open(source, members, context)?;
    let commit = sources::commit_of(source, context).unwrap_or_else(|error| {
        context.terminal.warn(&format!("no commit is named: {error}"));
        None
    });
    let at_commit = commit.as_ref().map(|commit| AtCommit::open(commit, members, context));
    let mut stated = Stated { made: Vec::new(), refused: Vec::new() };
    for artifact in &arguments.artifacts {
        let path = context.path(artifact);
        if !fs::metadata(&path).at(&path)?.is_file() {
            return Err(Error::given(path, "not a file", "a wheel or an sdist is a file"));
        }
        let sha256 = digest::file(&path).at(&path)?;
        let verified = verify::verify(artifact, &sources, context)?;
        if !verified.is_verified() {
            let cause = report::named(verified.differences().collect::<Vec<_>>().into_iter());
            let error = Error::given(
                artifact,
                format!("nothing is stated, because it was not built from these sources: {cause}"),
                "`wheelprint verify` shows all differences; --source names other sources",
            );
            context.terminal.error(&error);
            stated.refused.push(artifact);
            continue;
        }
        let mut commit = at_commit.as_ref().and_then(|it| it.commit_of(artifact, context));
        if let (Some(commit), Some(uri)) = (&mut commit, &arguments.repository) {
            commit.uri = Some(format!("{uri}@{}", commit.sha));
        }
        let mut json = state(artifact, &sha256, &verified, commit.as_ref(), &builder, context)?;
        if arguments.predicate {
            json = json["predicate"].take();
        }
        stated.made.push((artifact, json));
    }
    Ok(stated)
}

impl Stated<'_> {
    /// Several are printed as JSON Lines, as in-toto's bundles are.
    fn text(&self) -> String {
        match &self.made[..] {
            [(_, only)] if self.refused.is_empty() => format!("{only:#}\n"),
            made => made.iter().map(|(_, json)| format!("{json}\n")).collect(),
        }
    }

    /// Writes a file for each statement. For a refused artifact, a statement that an earlier call
    /// wrote under the same name is removed, because it is about another file.
    fn write_into(&self, folder: &Path, is_predicate: bool) -> Result<()> {
        let ending = if is_predicate { "predicate.json" } else { "intoto.json" };
        fs::create_dir_all(folder).at(folder)?;
        let place = |artifact: &Path| folder.join(format!("{}.{ending}", file_name(artifact)));
        let refused = self.refused.iter().map(|artifact| place(artifact));
        for path in refused.filter(|path| path.is_file()) {
            fs::remove_file(&path).at(&path)?;
        }
        for (artifact, json) in &self.made {
            let path = place(artifact);
            write(&path, &format!("{json:#}\n")).at(&path)?;
        }
        Ok(())
    }
}

/// Writes a file that everybody may read.
fn write(path: &Path, text: &str) -> std::io::Result<()> {
    let mut file = publish::beside(path)?;
    file.write_all(text.as_bytes())?;
    publish::share(&file)?;
    publish::persist_synced(file, path)
}

/// The sources as they are in a commit.
struct AtCommit<'a> {
    commit: &'a git::Commit,
    /// `None` if they could not be checked out; the cause was printed.
    sources: Option<Sources>,
}

impl<'a> AtCommit<'a> {
    fn open(commit: &'a git::Commit, members: &MemberArguments, context: &Context) -> Self {
        let mut given = commit.folder.clone().into_os_string();
        given.push(format!("@{}", commit.sha));
        let sources = Sources::open(Path::new(&given), members, context);
        let sources = sources.map_err(|error| no_commit(&commit.sha, &error.to_string(), context));
        Self { commit, sources: sources.ok() }
    }

    /// The commit, if the artifact was built from exactly its sources.
    fn commit_of(&self, artifact: &Path, context: &Context) -> Option<Commit> {
        let git::Commit { sha, prefix, origin, .. } = self.commit;
        let sources = self.sources.as_ref()?;
        let cause = match verify::verify(artifact, sources, context) {
            Ok(verified) if verified.is_verified() => {
                let remote = || repository_of_remote(origin.as_deref()?, sha);
                let uri = repository_of_run(sha, &context.environment).or_else(remote);
                let place = sources.place_of(verified.folder.as_deref()?)?;
                if place.split('/').next() == Some("..") {
                    no_commit(sha, "the package lies outside of it", context);
                    return None;
                }
                let folder = below(prefix, &place);
                return Some(Commit { sha: sha.clone(), uri, folder });
            }
            Ok(verified) => report::named(verified.differences().collect::<Vec<_>>().into_iter()),
            Err(error) => error.to_string(),
        };
        no_commit(sha, &cause, context);
        None
    }
}

fn no_commit(sha: &str, cause: &str, context: &Context) {
    let short: String = sha.chars().take(12).collect();
    let cause = escape_controls(cause);
    context
        .terminal
        .warn(&format!("no commit is named, because {short} has other sources: {cause}"));
}

/// The statement about a verified artifact with this digest. Files are read again after the
/// comparison, so those that changed since are refused.
fn state(
    artifact: &Path,
    sha256: &str,
    verified: &Verified,
    commit: Option<&Commit>,
    builder: &Builder,
    context: &Context,
) -> Result<Json> {
    let path = context.path(artifact);
    let record = &verified.record;
    let Some(folder) = &verified.folder else {
        let hint = "--source takes a folder with pyproject.toml, FOLDER@REVISION or an sdist";
        return Err(Error::given(path, "a wheel as --source has no Cargo.lock", hint));
    };
    let Some(_) = &record.source else {
        let cause = "its record names no sources, so it can't be stated what it was built from";
        return Err(Error::given(
            path,
            cause,
            "build a wheel with `uv build`, not an editable one",
        ));
    };
    let changed = |path: &Path| Error::given(path, "it changed while it was compared", "try again");
    let lock = Lock::of(folder, record)?;
    let crates = match &lock {
        Some(lock) => {
            if !lock.is_as_in(record) {
                return Err(changed(&lock.path));
            }
            lock.crates()?
        }
        None => {
            let folder = folder.display();
            context.terminal.warn(&format!("{folder}: no Cargo.lock, so no crate is named"));
            Vec::new()
        }
    };
    if digest::file(&path).at(&path)? != sha256 {
        return Err(changed(&path));
    }
    let (record_name, record_sha256) = &verified.record_file;
    let subject =
        Subject { name: &file_name(artifact), sha256, record, record_name, record_sha256 };
    Ok(statement(&subject, commit, &crates, builder))
}

/// Whether the text begins with a scheme (RFC 3986, 3.1).
fn is_uri(text: &str) -> bool {
    text.split_once(':').is_some_and(|(scheme, rest)| {
        scheme.starts_with(|first: char| first.is_ascii_alphabetic())
            && scheme.chars().all(|it| it.is_ascii_alphanumeric() || "+-.".contains(it))
            && !rest.is_empty()
            && !text.contains(char::is_whitespace)
    })
}

#[cfg(test)]
mod tests {
    use super::is_uri;

    #[test]
    fn a_uri_has_a_scheme() {
        for text in ["https://example.org/a", "git+https://example.org/a", "urn:uuid:1"] {
            assert!(is_uri(text), "{text}");
        }
        for text in ["", "example.org", "://a", "https:", "1a:b", "https://a b"] {
            assert!(!is_uri(text), "{text}");
        }
    }
}
