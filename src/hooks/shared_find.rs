//! Finding the build of this tree among those that a team shares (see [`crate::shared`]).

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use fs_err as fs;

use super::call::{BuildInterpreter, Call};
use super::compare::roots_of;
use crate::editable;
use crate::error::{Cause, PathContext as _};
use crate::fingerprint::Record;
use crate::freshness::{self, Verdict};
use crate::inputs::Roots;
use crate::log;
use crate::project;
use crate::publish;
use crate::report;
use crate::request::{Artifact, Environment};
use crate::settings::Shared;
use crate::shared::{self, Payload, Session, SharingFacts};
use crate::store::{Counted, EntryKind, Fetched, Finished, Store};
use crate::wheel::{Edit, Wheel};

/// How many builds of a list are compared.
const CANDIDATES: usize = 16;

/// What became of a question to the shared store.
pub(super) enum Answer {
    /// This machine's store has a build of the current inputs now. A line for the log.
    Stored(String),
    Miss(Miss),
}

/// Why the shared store has no build of the current inputs.
pub(crate) struct Miss {
    /// For statistics.
    pub kind: &'static str,
    pub cause: String,
    /// The cause of a build with a smaller number is told. A build that differs least is nearest.
    distance: usize,
}

impl Miss {
    const NOTHING: usize = usize::MAX;

    fn new(kind: &'static str, cause: impl ToString) -> Self {
        Self { kind, cause: cause.to_string(), distance: Self::NOTHING - 1 }
    }
}

/// A published build that has the inputs of this tree.
struct Match<'a> {
    payload: &'a Payload,
    /// The trusted key that signed it.
    key: Option<String>,
    record: Record,
    roots: Roots,
}

/// Looks for a build of the current inputs, and puts it into the store of this machine. First among the
/// builds of the same Rust sources, then among the recent ones.
///
/// # Errors
/// The shared store can't be asked.
pub(super) fn ask(
    call: &Call,
    store: &Store,
    shared: &Shared,
    program: &Path,
) -> Result<Answer, Cause> {
    let keep = store.team().ok_or("the cache folder can't be used")?;
    let mut session =
        Session::open(program, shared, &keep, &call.project.root, &environment(call))?;
    let request = request(call);
    let deadline = Instant::now() + Duration::from_secs(shared.timeout);
    let mut seen: Vec<String> = Vec::new();
    let nothing = "nothing is published of this project for this interpreter";
    let mut nearest = Miss { distance: Miss::NOTHING, ..Miss::new("nothing-published", nothing) };
    for list in lists(call, &request) {
        let mut refused = Vec::new();
        for candidate in session.find(&list, &request, CANDIDATES, |it| refused.push(it))? {
            if Instant::now() > deadline {
                return Err(format!("no build within {} s", shared.timeout).into());
            }
            if seen.contains(&candidate.id) {
                continue;
            }
            seen.push(candidate.id.clone());
            let payload = Payload::read(candidate.payload, &request);
            let tried = match &payload {
                Err(cause) => Err(Miss::new("not-usable", cause)),
                Ok(payload) => match compare(call, shared, payload, candidate.key) {
                    Err(miss) => Err(miss),
                    Ok(found) => take(call, store, shared, &mut session, found)?,
                },
            };
            match tried {
                Ok(line) => return Ok(Answer::Stored(line)),
                Err(miss) => {
                    log::debug(format_args!("published build {}: {}", candidate.id, miss.cause));
                    nearest = nearer(nearest, miss);
                }
            }
        }
        for (id, cause) in refused {
            if !seen.contains(&id) {
                let cause = log::escape_controls(&cause);
                log::info(format_args!("{}: build {}: {cause}", shared.url, shared::short(&id)));
                nearest = nearer(nearest, Miss::new("not-trusted", cause));
                seen.push(id);
            }
        }
    }
    Ok(Answer::Miss(nearest))
}

fn nearer(one: Miss, other: Miss) -> Miss {
    if other.distance < one.distance { other } else { one }
}

/// See [`shared::request`].
pub(super) fn request(call: &Call) -> String {
    let name = call.project.name.as_deref().map(project::normalize_name);
    shared::request(&call.request, &name.unwrap_or_default())
}

/// The variables of the program where it reads. It may be the copy in the store, which gets no key.
pub(super) fn environment(call: &Call) -> Environment {
    let mut credentials = call.credentials.clone();
    credentials.take(&shared::KEYS);
    call.request.environment.with(&credentials)
}

/// The lists that a build of the current inputs may be on.
pub(super) fn lists(call: &Call, request: &str) -> Vec<String> {
    let manifest = call.project.manifest_path(&call.request);
    let of_sources = shared::list_of_sources(request, &manifest);
    of_sources.into_iter().chain([request.to_owned()]).collect()
}

/// Compares a published build with this tree and this machine.
fn compare<'a>(
    call: &Call,
    shared: &Shared,
    payload: &'a Payload,
    key: Option<String>,
) -> Result<Match<'a>, Miss> {
    let (watches, named) = (payload.watches().clone(), payload.roots().clone());
    let named = Record::new(&Default::default(), watches, named);
    let roots = roots_of(call, &named);
    let observed = call.observer().observe(payload.watches(), &roots);
    let record = payload.record(&observed);
    if let Verdict::Stale(reasons) = freshness::compare(record.pairs(), &[], &observed) {
        let first = reasons.first().map(|reason| report::reason(reason, &record.roots));
        let more = match reasons.len() {
            0 | 1 => String::new(),
            more => format!(", and {} more", more - 1),
        };
        let cause = format!("{}{more}", first.unwrap_or_default());
        return Err(Miss { distance: reasons.len(), ..Miss::new("other-inputs", cause) });
    }
    let own = shared::untold(&roots, &record.roots, None)
        .map_err(|cause| Miss::new("other-inputs", cause))?;
    if own != payload.untold {
        let cause = "files differ that a build script may read without telling cargo";
        return Err(Miss { distance: 1, ..Miss::new("other-inputs", cause) });
    }
    let compiler = || shared::c_compiler(&call.plan.environment, &call.project.root);
    let libc = &call.request.interpreter.libc;
    match payload.machine.obstacle(libc, compiler, shared.without_toolchain) {
        Some(cause) => Err(Miss { distance: 0, ..Miss::new("other-machine", cause) }),
        None => Ok(Match { payload, key, record, roots }),
    }
}

/// Downloads a build into the store of this machine. Gives a line for the log.
///
/// # Errors
/// The shared store can't be asked.
fn take(
    call: &Call,
    store: &Store,
    shared: &Shared,
    session: &mut Session,
    found: Match<'_>,
) -> Result<Result<String, Miss>, Cause> {
    let Match { payload, key, record, roots } = found;
    let not_usable = |cause: &dyn std::fmt::Display| {
        Ok(Err(Miss { distance: 0, ..Miss::new("no-wheel", cause) }))
    };
    let folder = publish::temporary_folder()?;
    let path = folder.path().join("published.whl");
    if let Err(cause) = session.fetch(&payload.wheel.sha256, payload.wheel.size, &path)? {
        return not_usable(&log::escape_controls(&cause));
    }
    let whole = match with_record(call, &path, payload, &record, folder.path()) {
        Ok(whole) => whole,
        Err(cause) => return not_usable(&cause),
    };
    let is_editable = call.request.artifact == Artifact::Editable;
    if is_editable {
        // An import asks it whether a change matters.
        BuildInterpreter::prepare(call);
    }
    let finished = Finished {
        built_in: PathBuf::from(&shared.url),
        tied: Vec::new(),
        record,
        roots,
        at_import: is_editable.then(|| "other".to_owned()),
        fetched: Some(Fetched { url: shared.url.clone(), key }),
        made: SharingFacts { seconds: payload.seconds, ..SharingFacts::default() },
    };
    let kind = EntryKind::Artifact(call.request.artifact);
    if store.publish(kind, finished, &whole).is_none() {
        return not_usable(&"it could not be written to the cache folder");
    }
    store.bound_kept_records();
    store.count(Counted::Hit {
        bytes: payload.wheel.size,
        seconds: payload.seconds.unwrap_or_default(),
    });
    let instead = payload.seconds.map(|seconds| format!(" of {seconds:.0} s")).unwrap_or_default();
    let size = payload.wheel.size;
    Ok(Ok(format!("fetched from {}: {size} bytes instead of a build{instead}", shared.url)))
}

/// Checks a published wheel like any other, and adds the record. Gives the path of the result.
///
/// # Errors
/// It is no wheel of this project, or its RECORD is wrong.
fn with_record(
    call: &Call,
    path: &Path,
    payload: &Payload,
    record: &Record,
    folder: &Path,
) -> Result<PathBuf, Cause> {
    let mut wheel = Wheel::open(path)?;
    let name = &payload.wheel.file_name;
    let is_plain = name.ends_with(".whl") && !name.contains(['/', '\\']);
    if !is_plain || editable::dist_info(name) != wheel.dist_info {
        return Err(format!("{name} is not its name").into());
    }
    let own = call.project.name.as_deref().map(project::normalize_name);
    if own != Some(project::normalize_name(editable::project_name(&wheel.dist_info))) {
        return Err(format!("{name} is of another project").into());
    }
    let target = folder.join(name);
    let file = fs::File::create(&target).at(&target)?;
    let add_to_dist_info = vec![(shared::RECORD.to_owned(), record.to_json())];
    wheel.rewrite(file, &target, Edit { add_to_dist_info, ..Edit::default() })?;
    Ok(target)
}
