//! After a build: reporting inputs that uv will not notice.

use super::call::Call;
use super::inspect::Watched;
use super::record::Recorded;
use super::wanted::wanted;
use crate::fingerprint::Observation;
use crate::log;
use crate::report;
use crate::request::Artifact;
use crate::uv::{self, CacheKey, derive, edit};

/// Reports once which inputs no cache key covers, and which command adds them.
pub(super) fn tell(call: &Call, recorded: Recorded) {
    let Recorded { record, roots, places, .. } = recorded;
    // The inputs of a build that raced an edit are not exact.
    if call.request.artifact != Artifact::Editable
        || !is_of_uv(call)
        || !record.untrusted.is_empty()
    {
        return;
    }
    let path = call.project.root.join("pyproject.toml");
    let Ok(text) = fs_err::read_to_string(&path) else { return };
    let keys = match edit::read(&path, &text) {
        Ok(Some(keys)) => [keys.theirs, keys.ours].concat(),
        Ok(None) => uv::default_keys(),
        // uv itself reports invalid cache keys.
        Err(_) => return,
    };
    let inputs = Observation::join(record.inputs(), places);
    let watched = Watched::new(call, inputs, record.watches, roots, true);
    let mut missing = derive::missing(&wanted(call, &watched), &keys);
    // The order: globs (they name sources), files that exist, keys without a file, absent
    // files.
    missing.sort_by_key(|key| match key.file() {
        Some(file) if file.contains('*') => 0,
        Some(file) if call.project.root.join(file).exists() => 1,
        None => 2,
        Some(_) => 3,
    });
    let named: Vec<String> = missing
        .iter()
        .map(|key| match key {
            CacheKey::Environment { env: name }
            | CacheKey::Directory { dir: name }
            | CacheKey::Path(name)
            | CacheKey::File { file: name } => name.clone(),
            CacheKey::Git { .. } => key.text(),
        })
        .collect();
    let is_news = call.store.as_ref().is_some_and(|store| store.is_news(&named.join("\n")));
    if !named.is_empty() && is_news {
        log::info(format_args!(
            "uv will not notice changes of {}: `uvx wheelprint keys --write` names them in \
             `tool.uv.cache-keys`",
            report::named(named.into_iter())
        ));
    }
}

fn is_of_uv(call: &Call) -> bool {
    let tool = call.project.document.get("tool");
    call.request.environment.non_empty("UV").is_some()
        || tool.is_some_and(|tool| tool.get("uv").is_some())
        || call.project.root.ancestors().any(|folder| folder.join("uv.lock").is_file())
}
