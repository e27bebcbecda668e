//! Builds for the store that a team shares (see [`crate::shared`]).

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use fs_err as fs;

use super::call::Call;
use super::lookup::Found;
use super::shared::in_use;
use super::shared_find::{lists, request};
use super::stored_copy::WheelCopy;
use super::{shared_limits, stored};
use crate::editable;
use crate::error::{Because as _, Cause, Error, Result};
use crate::log;
use crate::request::{Artifact, Environment};
use crate::settings::{self, Shared};
use crate::shared::{
    self, LINES, Machine, PROGRAM, Payload, PublishedWheel, published, publishing,
    start_publishing, wait_until_published,
};
use crate::store::{Entry, EntryKind, Store};
use crate::wheel::Edit;

/// The variable that says what is done with the shared store.
const USE: &str = "WHEELPRINT_SHARED";

/// A build that was to be published, and what became of it.
pub(crate) struct Pushed {
    pub name: String,
    /// True if it was there already.
    pub outcome: Result<bool, String>,
}

/// Publishes the builds of the current inputs that this tree has made: the editable one, and with
/// `reuse = "always"` the wheel. `None` in a job of a CI service that may not publish.
///
/// # Errors
/// No shared store is set up, it may only be read, the program is missing, or another machine could not use
/// a build.
pub(crate) fn push(call: &Call) -> Result<Option<Vec<Pushed>>> {
    let may_write = call.settings.shared.as_ref().is_some_and(|shared| shared.may_write);
    if !may_write && is_of_ci(call) {
        return Ok(None);
    }
    need_write(call)?;
    let mut pushed = Vec::new();
    for artifact in [Artifact::Editable, Artifact::Wheel] {
        let call = call.for_artifact(artifact)?;
        if call.reuses() {
            pushed.extend(push_one(&call)?);
        }
    }
    Ok(Some(pushed))
}

/// # Errors
/// The shared store may only be read.
pub(super) fn need_write(call: &Call) -> Result<()> {
    match in_use(call)?.1.may_write {
        true => Ok(()),
        false => {
            let source = format!("environment variable {USE}");
            Err(Error::setting(source, "builds are only read", "set it to `write`"))
        }
    }
}

fn push_one(call: &Call) -> Result<Option<Pushed>> {
    let (store, shared) = in_use(call)?;
    let program = installed(call).ok_or_else(shared::missing)?;
    let kind = EntryKind::Artifact(call.request.artifact);
    let Found::Fresh { entry, .. } = stored::search(call, kind, None, None).found else {
        return Ok(None);
    };
    // Jobs may share the folder of the store, and what a job of others left there is not signed.
    let job = settings::job(&call.request.environment);
    let is_of_another_job = is_of_ci(call) && (job.is_none() || entry.made.job != job);
    if entry.fetched.is_some() || entry.built_in != store.root() || is_of_another_job {
        return Ok(None);
    }
    let out = prepare(call, store, shared, &entry).because("this build is not published")?;
    let root = &call.project.root;
    let child = start_publishing(&program, out.folder.path(), root, &with_key(call));
    let outcome = child
        .map_err(|error| error.to_string())
        .and_then(|child| {
            let published = wait_until_published(child, out.folder.path(), shared);
            published.map_err(|failure| failure.to_string())
        })
        .map(|published| published.record_was == "there");
    Ok(Some(Pushed { name: out.name, outcome }))
}

fn is_of_ci(call: &Call) -> bool {
    call.request.environment.get(USE).is_some_and(|word| word == "ci")
}

/// The variables of the program where it publishes.
fn with_key(call: &Call) -> Environment {
    call.request.environment.with(&call.credentials)
}

/// The program that gets the key. Not the copy in the store: jobs may share that folder.
fn installed(call: &Call) -> Option<PathBuf> {
    shared::find(&call.request.interpreter, &call.request.environment)
}

/// Prepares a finished build for the shared store, and starts to publish it. The build has been delivered:
/// failures are told, and change nothing.
pub(super) fn publish(call: &Call, entry: &Entry) {
    let (Some(store), Some(shared)) = (&call.store, &call.settings.shared) else { return };
    if !shared.may_write {
        return;
    }
    for failure in store.gone_out(published) {
        log::warn(format_args!(
            "an earlier build was not published: {failure}; `wheelprint shared push` publishes the \
             build of the current sources"
        ));
    }
    let has_key = shared::KEYS.iter().any(|name| call.credentials.non_empty(name).is_some());
    if !has_key && !shared.accepts_unsigned() {
        return log::debug("not published: there is no key here");
    }
    let out = match prepare(call, store, shared, entry) {
        Ok(out) => out,
        Err(cause) => return log::info(format_args!("not published: {cause}")),
    };
    match installed(call) {
        Some(program) => {
            let root = &call.project.root;
            match start_publishing(&program, out.folder.path(), root, &with_key(call)) {
                // The next build that is published removes it.
                Ok(_) => drop(out.folder.keep()),
                Err(error) => {
                    log::warn(format_args!("{}: {error}; not published", program.display()));
                }
            }
        }
        None => log::debug(format_args!("not published: {PROGRAM} is not installed")),
    }
}

/// A build that is ready to be published: a folder with its wheel and with the lines for the
/// program. Only the process that wrote the lines starts the program that reads them. Otherwise
/// anybody who can write to the folder could get anything signed.
struct Out {
    folder: tempfile::TempDir,
    /// The wheel's file name.
    name: String,
}

/// The same build gives the same record each time.
///
/// # Errors
/// Why another machine can't use the build, or a failure to write.
fn prepare(call: &Call, store: &Store, shared: &Shared, entry: &Entry) -> Result<Out, Cause> {
    if let Some(obstacle) = shared_limits::obstacle(call, entry) {
        return Err(obstacle.into());
    }
    let mut copy = WheelCopy::of(store, entry)?.map_err(|_| "its wheel is gone")?;
    let libc = call.request.interpreter.libc.clone();
    let c_compiler = entry.made.c_compiler.clone();
    let mut machine = Machine { libc, c_compiler, glibc: None };
    let names: Vec<String> = copy.wheel.files().map(|(name, _)| name.to_owned()).collect();
    for name in &names {
        machine.add(name, &copy.wheel.read(name)?)?;
    }
    let folder = store.out().ok_or("the cache folder can't be used")?;
    let folder = tempfile::Builder::new().tempdir_in(folder)?;
    let file_name = entry.wheel.as_ref().map(|wheel| wheel.file_name.clone());
    let file_name = file_name.ok_or("it has no wheel")?;
    let target = folder.path().join(&file_name);
    let dist_info = copy.wheel.dist_info.clone();
    let mut replace = BTreeMap::new();
    if call.request.artifact == Artifact::Editable {
        // These name paths of this machine. They are made anew where the wheel is used.
        replace.insert(editable::inputs_name(&dist_info), Vec::new());
        replace.extend(editable::moved_pth(&mut copy.wheel, Path::new("."))?);
    }
    let remove = vec![format!("{dist_info}/{}", shared::RECORD)];
    let file = fs::File::create(&target)?;
    copy.wheel.rewrite(file, &target, Edit { remove, replace, ..Edit::default() })?;
    let (sha256, size) = crate::digest::large(fs::File::open(&target)?)?;
    let request = request(call);
    // The salt differs from build to build, but one build always gets the same salt.
    let salt = sha256.clone();
    let wheel = PublishedWheel { sha256, size, file_name: file_name.clone() };
    let payload = Payload::new(request.clone(), &entry.record, wheel, machine, &entry.made, salt);
    let lines = publishing(shared, &lists(call, &request), &request, &payload, &target);
    fs::write(folder.path().join(LINES), lines)?;
    Ok(Out { folder, name: file_name })
}
