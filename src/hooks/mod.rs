//! The order of the steps, and nothing else (docs/design.md): one function for each hook. A stage
//! is a module; it makes a value that later stages read.
//!
//! | module | makes |
//! |---|---|
//! | `call` | [`Call`]: the request, the project, its settings, the store |
//! | `unpacked` | the origin of an unpacked sdist, if one is built |
//! | `lookup`, `stored` | the lookup in the store: a stored wheel, or the reasons for a build |
//! | `build` | the preparation of a build; then the wheel that maturin made |
//! | `built` | the types of both |
//! | `before`, `after` | the two looks at the tree, and what changed in between |
//! | `record` | the record |
//! | `stamp` | the wheel with the record in it |
//! | `direct`, `learned` | the same wheel by cargo alone; what is kept for that |
//! | `sdist` | the sdist with the record in it |
//! | `journal` | what `wheelprint log` says of the call |
//!
//! `brought`, `stored_copy`, `untracked`, `units`, `note`, `sources`, `remapped`, `pyo3_config`, `tied`,
//! `prepared`, `archive_target`, `obstacle`, `requires`, `at_import` and `uv_hint` each do one thing for
//! these stages. `shared` asks the store that a team shares, `shared_find` finds a build there, and
//! `shared_publish` publishes one, which `shared_limits` may forbid. `import_verdict` answers imports of
//! editable installs. `inspect`, `compare`, `wanted` and `shared_commands` answer commands.

use std::path::Path;

pub(crate) use crate::editable::hook_module;
use crate::error::Result;
use crate::log;
use crate::maturin;
use crate::request::Hook;
use crate::store::Store;
use crate::tied::Tied;

mod after;
mod archive_target;
mod at_import;
mod before;
mod brought;
mod build;
mod built;
mod call;
pub mod compare;
mod direct;
mod import_verdict;
pub mod inspect;
mod journal;
mod learned;
mod lookup;
mod note;
pub mod obstacle;
mod prepared;
mod pyo3_config;
mod record;
mod remapped;
mod requires;
mod sdist;
mod shared;
pub(crate) mod shared_commands;
mod shared_find;
mod shared_limits;
pub(crate) mod shared_publish;
mod sources;
mod stamp;
mod stored;
mod stored_copy;
mod tied;
mod units;
mod unpacked;
mod untracked;
mod uv_hint;
pub mod wanted;

use after::After;
use before::Before;
use built::{Built, Order};
use call::BuildInterpreter;
pub use call::{Access, Call};
pub use import_verdict::import_verdict;
use journal::Noted;
use lookup::{Found, Stale};
use obstacle::{need_cargo, or_obstacle};
use record::Recorded;
pub use sdist::build_sdist;
use stored::Outcome;
pub use untracked::unmatched_inputs;

/// `get_requires_for_build_*`: requests maturin only if a build is coming (docs/design.md, D12).
///
/// The answer must not depend on installed packages. tox keeps the environment of a build and
/// compares each answer with the one before. If a requirement is missing in the new answer, tox
/// recreates the environment. If we left out maturin because it is installed, the next build would
/// have no maturin.
///
/// # Errors
/// maturin's own hook is called, and fails.
pub fn get_requires(call: &Call) -> Result<Vec<String>> {
    let origin = if call.reuses() { unpacked::origin(&call.request) } else { None };
    if let Found::Fresh { entry, .. } = stored::wheel(call, origin.as_ref(), None).found
        && let Some(store) = &call.store
    {
        store.promise(&call.request, &entry);
        return Ok(Vec::new());
    }
    stored::end_promise(call);
    let pins_maturin = call.project.pins_maturin();
    // The frontend installs the maturin that the project itself requires before it calls any hook.
    if pins_maturin && maturin::is_importable(&call.request.interpreter) {
        let interpreter = BuildInterpreter::prepare(call);
        let requires = interpreter.maturin(call).requires(call.request.artifact);
        return or_obstacle(call, requires);
    }
    let mut requires: Vec<String> =
        requires::of_maturin(call).into_iter().map(str::to_owned).collect();
    if !pins_maturin {
        requires.push(maturin::REQUIREMENT.to_owned());
    }
    requires.extend(requires::of_the_shared_store(call));
    Ok(requires)
}

/// `prepare_metadata_for_build_*`: gives the name of the dist-info folder.
///
/// # Errors
/// As [`build_wheel`].
pub fn prepare_metadata(call: &Call, folder: &Path) -> Result<String> {
    let origin = unpacked::origin(&call.request);
    if let Some(store) = &call.store {
        if let Found::Fresh { entry, .. } = stored::wheel(call, origin.as_ref(), None).found
            && let Some(name) = stored::unpack_metadata(store, &entry, folder)?
        {
            return Ok(name);
        }
        if let Some(entry) = stored::promised(call, store)
            && let Some(name) = stored::unpack_metadata(store, &entry, folder)?
        {
            return Ok(name);
        }
        if let Found::Fresh { entry, line } = stored::metadata(call, origin.as_ref()).found
            && let Some(name) = stored::unpack_metadata(store, &entry, folder)?
        {
            log::debug(line);
            return Ok(name);
        }
    }
    need_cargo(call)?;
    let _lock = call.store.as_ref().and_then(Store::lock);
    let interpreter = BuildInterpreter::prepare(call);
    let hook = Hook::PrepareMetadata(call.request.artifact);
    or_obstacle(call, interpreter.maturin(call).make(hook, folder))
}

/// `build_wheel` and `build_editable`: gives the wheel's file name.
///
/// # Errors
/// maturin or cargo is missing, the build fails, its result is not a wheel, or a file can't be read
/// or written. Nothing is delivered then.
pub fn build_wheel(call: &Call, folder: &Path, prepared: Option<&Path>) -> Result<String> {
    let mut noted = Noted::default();
    let made = make_wheel(call, folder, prepared, &mut noted);
    noted.end(call, &made);
    made
}

fn make_wheel(
    call: &Call,
    folder: &Path,
    prepared: Option<&Path>,
    noted: &mut Noted,
) -> Result<String> {
    // Cargo writes into the folder of an unpacked archive, so that is read first.
    let origin = unpacked::origin(&call.request);
    let (origin, is_unpacked) = (origin.as_ref(), origin.is_some());
    let generation = call.store.as_ref().and_then(Store::generation);
    let mut stale = match stored::deliver_fresh(call, origin, folder, prepared, noted)? {
        Outcome::Delivered(name) => return Ok(name),
        Outcome::Build(stale) => stale,
    };
    if let Some(name) = stored::deliver_promised(call, folder, noted)? {
        return Ok(name);
    }
    let lock = call.store.as_ref().and_then(Store::lock);
    if stored::may_have_changed(call, lock.as_ref(), generation) {
        // Another process may have built the same wheel in the meantime.
        call.digests.look_again();
        stale = match stored::deliver_fresh(call, origin, folder, prepared, noted)? {
            Outcome::Delivered(name) => return Ok(name),
            Outcome::Build(stale) => stale,
        };
    }
    stale.tell(call.settings.reuse);
    noted.stale(&stale);

    let mut may_be_direct = true;
    let Finished { built, before, after, tied } = loop {
        match build_once(call, &stale, is_unpacked, prepared, may_be_direct)? {
            Some(finished) => break finished,
            None => may_be_direct = false,
        }
    };
    noted.built(&built);
    let recorded = Recorded::of(call, origin, &before, after, tied, &built);
    learned::keep(call, &built, &recorded);
    let stamped = stamp::stamp(call, origin, built, &recorded, folder)?;
    let entry =
        stored::keep(call, origin, &recorded, stamped.at_import, &folder.join(&stamped.name));

    recorded.tell_untrusted();
    uv_hint::tell(call, recorded);
    call.save_memories();
    if let Some(entry) = entry {
        shared_publish::publish(call, &entry);
    }
    Ok(stamped.name)
}

/// A build, and the looks at the tree before and after it.
struct Finished {
    built: Built,
    before: Before,
    after: After,
    tied: Vec<Tied>,
}

/// Builds once. `None` if cargo was called alone, and maturin is needed after all.
fn build_once(
    call: &Call,
    stale: &Stale,
    is_unpacked: bool,
    prepared: Option<&Path>,
    may_be_direct: bool,
) -> Result<Option<Finished>> {
    let nearest = stale.nearest.as_deref();
    let Some((preparation, start)) = build::prepare(call, is_unpacked, stale, may_be_direct)?
    else {
        return Ok(None);
    };
    let before = Before::look(call, &preparation, nearest, is_unpacked);
    let order = Order { call, preparation: &preparation, is_unpacked, prepared };
    let built = build::run(&order, start);
    let Some(mut built) = built.inspect_err(|_| note::failed(call, &preparation, &before))? else {
        // What cargo compiled need not be compiled again.
        note::failed(call, &preparation, &before);
        return Ok(None);
    };
    let after = After::look(call, &preparation, &before, &built.modules()?);
    let tied = tied::reasons(call, &preparation, &after, &mut built, nearest);
    note::finished(call, &preparation, &before, &after);
    // With the preparation goes the lock of the target folder: another package may build there now.
    Ok(direct::is_right(&built, nearest, &after).then_some(Finished { built, before, after, tied }))
}
