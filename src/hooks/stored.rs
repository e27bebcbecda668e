//! Answering a hook with a stored wheel: without maturin and without cargo.

use std::collections::BTreeMap;
use std::path::Path;
use std::time::SystemTime;

use fs_err as fs;

use super::at_import::Shell;
use super::call::Call;
use super::journal::Noted;
use super::lookup::{self, Found, List, Lookup, Observed, Stale};
use super::record::Recorded;
use super::stored_copy::{Usable, WheelCopy, usable};
use super::{prepared, requires, shared, shared_limits, unpacked};
use crate::editable;
use crate::error::{PathContext as _, Result};
use crate::fingerprint::{Value, record};
use crate::freshness::Reason;
use crate::log;
use crate::publish;
use crate::renew;
use crate::report;
use crate::request::Artifact;
use crate::sdist::Origin;
use crate::settings::Reuse;
use crate::store::{BuildLock, Entry, EntryKind, Fetched, Finished, Store};
use crate::tied::{Tied, is_path_file};
use crate::wheel::{Edit, Wheel};

/// Looks for a stored wheel of the requested artifact. If only readme or licence files changed, the
/// nearest wheel is stored again with their new contents. If no wheel fits, the store that a team
/// shares is asked. `list` is given if the wheel will be delivered with a table for imports.
pub(super) fn wheel(call: &Call, origin: Option<&Origin>, list: Option<List<'_>>) -> Lookup {
    if !call.reuses() {
        return Lookup::stale(Reason::NotReused);
    }
    let kind = EntryKind::Artifact(call.request.artifact);
    let mut lookup = search(call, kind, origin, list);
    if let (Some(store), Found::Stale(stale)) = (&call.store, &lookup.found) {
        match renew(store, kind, stale) {
            Ok(Some(renewed)) => {
                let line = report::stale(&stale.reasons, &renewed.record.roots);
                let line = format!("{line}; only the metadata was renewed");
                lookup.found = Found::Fresh { entry: Box::new(renewed), line };
            }
            Ok(None) => {}
            Err(error) => log::debug(format_args!("the metadata could not be renewed: {error}")),
        }
    }
    match &lookup.found {
        Found::Stale(stale) if origin.is_none() && shared::fetch(call, stale) => {
            search(call, kind, origin, list)
        }
        _ => lookup,
    }
}

/// Looks for stored dist-info of a wheel that was built from the current inputs. Needed where
/// wheels themselves are not stored.
pub(super) fn metadata(call: &Call, origin: Option<&Origin>) -> Lookup {
    match (call.settings.reuse, call.request.artifact) {
        (Reuse::Editable, Artifact::Wheel) => search(call, EntryKind::Metadata, origin, None),
        _ => Lookup::stale(Reason::NotReused),
    }
}

/// Looks in the store. The lookup itself writes nothing, so that what it learned is written here.
pub(super) fn search(
    call: &Call,
    kind: EntryKind,
    origin: Option<&Origin>,
    list: Option<List<'_>>,
) -> Lookup {
    let Some(store) = &call.store else { return Lookup::stale(Reason::NoRecord) };
    let accepts = |entry: &Entry| entry.fetched.as_ref().is_none_or(|it| shared::accepts(call, it));
    let lookup = lookup::search(store, kind, origin, &call.observer(), list, &accepts);
    lookup.damaged.iter().for_each(|entry| store.discard(entry));
    match lookup.found {
        Found::Fresh { .. } => call.save_memories(),
        // The digests are saved after the build. Another process may run the build.
        Found::Stale(_) => call.toolchain.save(),
    }
    lookup
}

/// Was the wheel delivered, or is a build needed?
pub(super) enum Outcome {
    /// The wheel's file name.
    Delivered(String),
    Build(Stale),
}

/// Delivers a stored wheel that was built from the current inputs. `prepared` is the metadata that
/// the wheel must have.
///
/// # Errors
/// The folder can't be written to.
pub(super) fn deliver_fresh(
    call: &Call,
    origin: Option<&Origin>,
    folder: &Path,
    prepared: Option<&Path>,
    noted: &mut Noted,
) -> Result<Outcome> {
    let Some(store) = &call.store else {
        return Ok(Outcome::Build(Stale::because(Reason::NoRecord)));
    };
    let observer = call.observer();
    let list = |watches: &_, roots: &_| call.names_at_import(&observer, watches, roots);
    let is_editable = call.request.artifact == Artifact::Editable;
    let Lookup { found, look, .. } = wheel(call, origin, is_editable.then_some(&list as List<'_>));
    let (entry, line) = match found {
        Found::Fresh { entry, line } => (entry, line),
        Found::Stale(stale) => return Ok(Outcome::Build(stale)),
    };
    // At once, because the table is made of what the lookup saw.
    let shell = match look {
        Some(Observed { names: Some(names), inputs, .. }) => call.shell(&entry, names, &inputs),
        _ => Shell::AsStored,
    };
    if let Some(prepared) = prepared {
        let checked = check_metadata(store, &entry, prepared).unwrap_or_else(|error| {
            log::debug(format_args!("the metadata could not be compared: {error}"));
            Err(Reason::OtherMetadata)
        });
        if let Err(reason) = checked {
            return Ok(Outcome::Build(Stale::because(reason)));
        }
    }
    Ok(match deliver(store, &entry, shell, folder)? {
        Ok(name) => {
            end_promise(call);
            log::info(line);
            noted.stored(call, &entry);
            Outcome::Delivered(name)
        }
        Err(reason) => Outcome::Build(Stale::because(reason)),
    })
}

/// Delivers a stored wheel with this shell.
///
/// # Errors
/// The folder can't be written to.
fn deliver(store: &Store, entry: &Entry, shell: Shell, folder: &Path) -> Result<Usable<String>> {
    let is_of_another = entry.built_in != store.root();
    let (table, python_root) = match shell {
        Shell::Left(cause) if is_of_another => {
            return Ok(Err(Reason::Untrusted(cause.to_owned())));
        }
        Shell::Left(cause) => {
            log::debug(format_args!("what it tells an import could not be renewed: {cause}"));
            return Ok(usable(store.deliver(entry, folder)?));
        }
        Shell::AsStored if is_of_another && entry.at_import.is_some() => {
            return Ok(Err(Reason::Untrusted("its paths are those of another tree".to_owned())));
        }
        Shell::AsStored => return Ok(usable(store.deliver(entry, folder)?)),
        Shell::Anew { table, python_root } => (table, python_root),
    };
    let mut copy = match WheelCopy::of(store, entry)? {
        Ok(copy) => copy,
        Err(reason) => return Ok(Err(reason)),
    };
    let mut replace = BTreeMap::from([(editable::inputs_name(&copy.wheel.dist_info), table)]);
    if let Some(python_root) = python_root {
        replace.extend(editable::moved_pth(&mut copy.wheel, &python_root)?);
    }
    copy.deliver(folder, replace).map(Ok)
}

/// The stored wheel that `get_requires_for_build_*` promised when it requested nothing. `None` if a
/// build is possible now, or if nothing was promised.
pub(super) fn promised(call: &Call, store: &Store) -> Option<Entry> {
    if !call.reuses() || requires::are_met(call) {
        return None;
    }
    let is_accepted = |it: &Fetched| shared::accepts(call, it);
    store.promised(&call.request).filter(|entry| entry.fetched.as_ref().is_none_or(is_accepted))
}

/// Delivers the promised wheel, although the sources changed since. `None` if there is none.
///
/// # Errors
/// The folder can't be written to.
pub(super) fn deliver_promised(
    call: &Call,
    folder: &Path,
    noted: &mut Noted,
) -> Result<Option<String>> {
    let Some(store) = &call.store else { return Ok(None) };
    let Some(entry) = promised(call, store) else { return Ok(None) };
    let shell = match entry.built_in == store.root() {
        true => Shell::AsStored,
        false => call.shell_of_stale(&entry),
    };
    let Ok(name) = deliver(store, &entry, shell, folder)? else { return Ok(None) };
    end_promise(call);
    noted.stored(call, &entry);
    log::info("the sources changed during this build; the next one compiles the change");
    Ok(Some(name))
}

/// The promise was kept, or a build is coming after all.
pub(super) fn end_promise(call: &Call) {
    if let Some(store) = &call.store {
        store.forget_promise(&call.request);
    }
}

/// May another process have stored a wheel since `generation`, while this one waited for the lock?
pub(super) fn may_have_changed(
    call: &Call,
    lock: Option<&BuildLock>,
    generation: Option<SystemTime>,
) -> bool {
    let (Some(lock), Some(store)) = (lock, &call.store) else { return false };
    let is_as_before = generation.is_some() && store.generation() == generation;
    call.reuses() && (lock.waited || !is_as_before)
}

/// Stores the nearest wheel again, with new contents, if only readme or licence files changed.
/// `None` if more than that changed, or if the wheel can't be changed so.
///
/// # Errors
/// A readme or licence file, or the stored wheel, can't be read.
pub(super) fn renew(store: &Store, kind: EntryKind, stale: &Stale) -> Result<Option<Entry>> {
    let (Some(entry), Some(files)) = (&stale.nearest, renew::only_metadata_files(&stale.reasons))
    else {
        return Ok(None);
    };
    if !renew::are_told_apart(&entry.record, &stale.reasons) {
        return Ok(None);
    }
    let mut record = entry.record.clone();
    let mut changes = Vec::new();
    for (key, old) in files {
        let Some(path) = entry.roots.path_of(key) else { return Ok(None) };
        let bytes = fs::read(&path).at(&path)?;
        record.set(key, Value::Sha256(crate::digest::bytes(&bytes)));
        changes.push(renew::Change { path, old: old.to_owned(), new: bytes });
    }
    let Ok(mut copy) = WheelCopy::of(store, entry)? else { return Ok(None) };
    let Some(mut replace) = renew::replacements(&mut copy.wheel, &changes)? else {
        return Ok(None);
    };
    replace.insert(format!("{}/{}", copy.wheel.dist_info, record::FILE_NAME), record.to_json());
    let finished = Finished {
        built_in: entry.built_in.clone(),
        tied: entry.tied.clone(),
        record,
        roots: entry.roots.clone(),
        at_import: entry.at_import.clone(),
        fetched: entry.fetched.clone(),
        made: entry.made.clone(),
    };
    copy.store_again(store, kind, replace, finished)
}

/// Unpacks the dist-info of a stored wheel as `prepare_metadata_*` would have written it, and gives
/// its name. `None` if the stored wheel can't be used.
///
/// # Errors
/// The stored wheel can't be read, or the folder can't be written to.
pub(super) fn unpack_metadata(
    store: &Store,
    entry: &Entry,
    folder: &Path,
) -> Result<Option<String>> {
    let Ok(mut copy) = WheelCopy::of(store, entry)? else { return Ok(None) };
    for name in metadata_names(&copy.wheel) {
        let target = folder.join(&name);
        if let Some(parent) = target.parent() {
            fs::create_dir_all(parent).at(parent)?;
        }
        let bytes = copy.wheel.read(&name)?;
        fs::write(&target, bytes).at(&target)?;
    }
    Ok(Some(copy.wheel.dist_info.clone()))
}

/// Does the stored wheel have the prepared metadata? If not, gives the reason.
fn check_metadata(store: &Store, entry: &Entry, folder: &Path) -> Result<Usable<()>> {
    let mut copy = match WheelCopy::of(store, entry)? {
        Ok(copy) => copy,
        Err(reason) => return Ok(Err(reason)),
    };
    Ok(if prepared::is_in(&mut copy.wheel, folder)? { Ok(()) } else { Err(Reason::OtherMetadata) })
}

/// Stores the finished wheel, or only its dist-info if the wheel will not be delivered again.
pub(super) fn keep(
    call: &Call,
    origin: Option<&Origin>,
    recorded: &Recorded,
    at_import: Option<String>,
    wheel: &Path,
) -> Option<Entry> {
    let store = call.store.as_ref()?;
    let Recorded { record, roots, tied, .. } = recorded;
    let roots = match origin {
        // The folder of an unpacked archive will be removed. So the wheel is stored for the tree,
        // or not at all.
        Some(origin) => {
            let tree = call.tree.as_deref();
            tree.and_then(|tree| unpacked::roots_in_tree(tree, origin, record, roots))?
        }
        None => roots.clone(),
    };
    let artifact = call.request.artifact;
    let (built_in, record) = (store.root().to_owned(), record.clone());
    let mut tied = tied.clone();
    if artifact == Artifact::Editable && at_import.is_none() {
        // A wheel without a table is delivered unchanged. So a path file in it keeps the path of
        // this tree, and other trees can't use the wheel.
        match Wheel::open_checked(wheel) {
            Ok(wheel) => {
                let names = wheel.files().map(|(name, _)| name).filter(|it| is_path_file(it));
                tied.extend(names.map(|name| Tied::Product { name: name.to_owned() }));
            }
            Err(error) => {
                log::debug(error);
                return None;
            }
        }
    }
    // The files of an archive may be others than those of its tree.
    let made = match origin {
        Some(_) => Default::default(),
        None => shared_limits::made(call, &record, &roots),
    };
    let finished = Finished { built_in, tied, record, roots, at_import, fetched: None, made };
    if call.reuses() || artifact == Artifact::Editable {
        return store.publish(EntryKind::Artifact(artifact), finished, wheel);
    } else if call.settings.reuse == Reuse::Editable && finished.record.untrusted.is_empty() {
        keep_metadata(store, finished, wheel).unwrap_or_else(log::debug);
    }
    None
}

/// Stores the dist-info of a wheel that is not stored itself.
///
/// # Errors
/// The wheel can't be read, or a temporary folder can't be written to.
fn keep_metadata(store: &Store, finished: Finished, path: &Path) -> Result<()> {
    let mut wheel = Wheel::open_checked(path)?;
    let kept = metadata_names(&wheel);
    let prefix = format!("{}/RECORD", wheel.dist_info);
    let is_left_out = |name: &&str| **name != prefix && !kept.iter().any(|kept| kept == name);
    let names = wheel.files().map(|(name, _)| name);
    let remove = names.filter(is_left_out).map(str::to_owned).collect();
    let folder = publish::temporary_folder()?;
    let target = folder.path().join(path.file_name().unwrap_or_default());
    let file = fs::File::create(&target).at(&target)?;
    wheel.rewrite(file, &target, Edit { remove, ..Edit::default() })?;
    store.publish(EntryKind::Metadata, Finished { at_import: None, ..finished }, &target);
    Ok(())
}

/// Names of the dist-info files that are metadata. The record and the SBOMs are left out, because
/// they describe one archive.
fn metadata_names(wheel: &Wheel) -> Vec<String> {
    let prefix = format!("{}/", wheel.dist_info);
    wheel
        .files()
        .map(|(name, _)| name)
        .filter(|name| {
            name.strip_prefix(&prefix)
                .is_some_and(|rest| rest != record::FILE_NAME && !rest.starts_with("sboms/"))
        })
        .map(str::to_owned)
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fingerprint::{Inputs, Record};
    use crate::inputs::{Root, Roots};
    use crate::request::Environment;

    /// A path file and a table of another tree must be made anew, or the wheel is not used.
    #[test]
    fn a_shell_of_another_tree_is_not_delivered() {
        let folder = tempfile::tempdir().unwrap();
        let wheel = folder.path().join("p-1-py3-none-any.whl");
        fs::write(&wheel, "wheel").unwrap();
        let mut environment = Environment::default();
        environment.set("WHEELPRINT_CACHE_DIR", folder.path().join("cache"));
        let [here, there] = ["here", "there"].map(|tree| {
            let root = folder.path().join(tree);
            fs::create_dir_all(&root).unwrap();
            Store::open(&environment, &root, Some("p"), "").unwrap()
        });
        let not_used = |cause: &str| Err(Reason::Untrusted(cause.to_owned()));
        let used = || Ok("p-1-py3-none-any.whl".to_owned());
        for (maker, at_import, shell, expected) in [
            (&here, Some("table"), Shell::AsStored, used()),
            (&here, Some("table"), Shell::Left("a cause"), used()),
            (&here, None, Shell::AsStored, used()),
            (
                &there,
                Some("table"),
                Shell::AsStored,
                not_used("its paths are those of another tree"),
            ),
            (&there, Some("table"), Shell::Left("a cause"), not_used("a cause")),
            // A wheel that is no editable one has no shell.
            (&there, None, Shell::AsStored, used()),
        ] {
            let mut roots = Roots::default();
            roots.add(Root::Project, maker.root());
            let record = Record::new(&Inputs::new(), Default::default(), Default::default());
            let finished = Finished {
                built_in: maker.root().to_owned(),
                tied: Vec::new(),
                record,
                roots,
                at_import: at_import.map(str::to_owned),
                fetched: None,
                made: Default::default(),
            };
            let kind = EntryKind::Artifact(Artifact::Editable);
            let entry = maker.publish(kind, finished, &wheel).unwrap();
            let target = tempfile::tempdir().unwrap();
            let delivered = deliver(&here, &entry, shell, target.path()).unwrap();
            assert_eq!(delivered, expected, "{:?} {at_import:?}", maker.root());
            assert_eq!(target.path().join("p-1-py3-none-any.whl").exists(), expected.is_ok());
        }
    }
}
