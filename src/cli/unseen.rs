//! Why uv does not see the changes of a stale package.

use super::open::OpenedProject;
use crate::error::Result;
use crate::freshness::{Reason, Verdict};
use crate::hooks::inspect;
use crate::hooks::wanted::wanted;
use crate::inputs::Kind;
use crate::settings::KeyList;
use crate::uv::derive;
use crate::uv::key_matches::KeyMatches;

pub(super) enum Unseen {
    /// Keys for further inputs could be added.
    MissingKeys,
    /// The short list leaves out the key that would show it.
    LeftOut,
    /// No key could show it.
    NoKey,
}

pub(super) fn why(opened: &OpenedProject, verdict: &Verdict) -> Result<Unseen> {
    let (Some(record), Verdict::Stale(reasons)) = (opened.record(), verdict) else {
        return Ok(Unseen::NoKey);
    };
    let watched = inspect::watched(&opened.call, Some(record))?;
    let mut wanted = wanted(&opened.call, &watched);
    let keys = opened.keys()?;
    if !derive::missing(&wanted, &keys).is_empty() {
        return Ok(Unseen::MissingKeys);
    }
    wanted.list = KeyList::Exhaustive;
    let left_out = derive::missing(&wanted, &keys);
    let left_out = KeyMatches::new(&wanted.root, &left_out);
    let mut changed = reasons.iter().filter_map(Reason::key);
    let is_left_out = changed.any(|key| match key.kind {
        Kind::Variable => left_out.key_of_variable(&key.name).is_some(),
        _ => {
            let path = watched.roots.path_of(key);
            path.is_some_and(|path| left_out.key_of_folder(&wanted.root, &path).is_some())
        }
    });
    Ok(if is_left_out { Unseen::LeftOut } else { Unseen::NoKey })
}

impl Unseen {
    pub(super) fn words(&self) -> &'static str {
        match self {
            Self::MissingKeys => {
                "does not see it; `wheelprint keys --check` names the files without a cache key"
            }
            Self::LeftOut => {
                "does not see it, because the short list of cache keys has no variables and no new \
                 folders; `wheelprint keys --exhaustive` has them"
            }
            Self::NoKey => "does not see it, and no cache key could show it",
        }
    }
}
