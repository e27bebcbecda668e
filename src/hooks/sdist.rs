//! Building an sdist.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::time::SystemTime;

use super::before::TICK;
use super::call::{BuildInterpreter, Call};
use super::obstacle::or_obstacle;
use super::record::unreadable;
use super::untracked;
use crate::error::{Error, PathContext as _, Result};
use crate::fingerprint::{Record, record};
use crate::inputs::target::{Modules, Target};
use crate::inputs::{
    Look, Place, Root, Roots, View, Watch, cargo, generators, normalize, relative,
};
use crate::log;
use crate::publish;
use crate::request::{Artifact, Environment, Hook};
use crate::sdist::pack::{Packing, packing};
use crate::sdist::{Archive, Origin};
use crate::stat_cache;
use crate::store::Store;

/// `build_sdist`: gives the archive's file name.
///
/// # Errors
/// maturin's hook fails, or the archive can't be written.
pub fn build_sdist(call: &Call, folder: &Path) -> Result<String> {
    let _lock = call.store.as_ref().and_then(Store::lock);
    // An unpacked archive must be read before cargo writes anything into it.
    let origin = Origin::read(&call.request.root);
    let interpreter = BuildInterpreter::prepare(call);
    let made = publish::temporary_folder()?;
    let made_by = interpreter.maturin(call).make(Hook::Build(Artifact::Sdist), made.path());
    let name = or_obstacle(call, made_by)?;
    let (from, to) = (made.path().join(&name), folder.join(&name));
    let record = Archive::open(&from).and_then(|archive| {
        let origin = match origin {
            Ok(None) if archive.record.is_some() => {
                let cause = format!("the tree has a file {} of its own", record::FILE_NAME);
                return Err(Error::Other(cause.into()));
            }
            Err(cause) if archive.record.is_some() => {
                return Err(Error::path(call.request.root.join(record::FILE_NAME), cause));
            }
            // If the folder's record can't be used, and the new archive does not contain it, the
            // folder counts as a tree.
            origin => origin.unwrap_or_default(),
        };
        let environment = &interpreter.plan.environment;
        let record = archive_record(call, environment, &archive, origin.as_ref())?;
        Ok((archive, record.to_json()))
    });
    let mut file = publish::beside(&to).at(folder)?;
    match record {
        Ok((archive, record)) => {
            archive.write_with(&record, file.as_file_mut())?;
            if let Some(store) = &call.store {
                store.remember_archive(&crate::digest::bytes(&record));
            }
        }
        Err(error) => {
            log::warn(format_args!("there is no record in the sdist: {error}"));
            crate::digest::copy(&from, file.as_file_mut()).at(&to)?;
        }
    }
    publish::share(&file).at(&to)?;
    publish::persist_synced(file, &to).at(&to)?;
    call.save_memories();
    Ok(name)
}

/// The record of a new archive.
fn archive_record(
    call: &Call,
    environment: &Environment,
    archive: &Archive,
    origin: Option<&Origin>,
) -> Result<Record> {
    let packing = packing(archive, &call.request.root);
    // The new archive has the files of an unpacked archive; none was added or changed.
    let is_the_same = |origin: &&Origin| {
        origin.is_pristine()
            && packing.raced.is_empty()
            && packing.packed.iter().all(|packed| origin.is_as_packed(&packed.path))
    };
    if let Some(origin) = origin.filter(is_the_same) {
        return Ok(repacked(origin, &packing));
    }
    if packing.source.files.is_empty() {
        return Err(Error::Other("nothing in it is of this tree".into()));
    }
    let manifest = call.project.manifest_path(&call.request);
    let layout = untracked::layout(&call.project, &manifest);
    let (mut watches, mut roots) = not_packed(call, environment, &manifest, &packing);
    watches.insert(Watch::Request);
    roots.add(Root::Project, &call.project.root);
    watches.extend(untracked::watches(call, &layout, &manifest, &mut roots));
    call.digests.look_again();
    let inputs = call.observer().observe(&watches, &roots);
    let mut places: BTreeMap<Root, String> = roots
        .iter()
        .filter(|(root, _)| root.is_of_sources())
        .filter_map(|(root, folder)| Some((root.clone(), relative(&call.project.root, folder)?)))
        .collect();
    places.insert(Root::Archive, packing.top.clone());
    let mut untrusted: Vec<String> = packing
        .raced
        .iter()
        .cloned()
        .chain(rewritten_meanwhile(call, &packing))
        .map(|name| format!("{name} changed while it was packed"))
        .collect();
    untrusted.extend(unreadable(&inputs, &places));
    let mut record = Record::new(&inputs, watches, places);
    record.untrusted = untrusted;
    record.source = Some(packing.source);
    record.packed = packing.packed;
    Ok(record)
}

/// What decides about a build and is not in the archive: names that globs match, and the dependencies of
/// packages that are left out.
fn not_packed(
    call: &Call,
    environment: &Environment,
    manifest: &Path,
    packing: &Packing,
) -> (BTreeSet<Watch>, Roots) {
    let (project, request) = (&call.project, &call.request);
    let Ok(target) = Target::read(project, request, environment, manifest, false) else {
        return Default::default();
    };
    // No earlier build is as new as `since`, so only what cargo names without a build is found.
    let (modules, since) = (Modules::none(), SystemTime::now());
    let found = cargo::discover(project, request, environment, &target, &modules, since);
    let mut roots = found.roots;
    let bindings = project.bindings(request);
    let mut watches = generators::watches(bindings.as_deref(), &target, &mut roots);
    watches.extend(found.watches.into_iter().filter(|watch| match watch {
        Watch::Glob { only_names, .. } => *only_names,
        Watch::Place { look: Look::Toml(View::Dependencies), place, .. } => {
            !is_packed(call, place, &roots, packing)
        }
        _ => false,
    }));
    (watches, roots)
}

/// Manifests that maturin rewrote, and that changed since this call began.
fn rewritten_meanwhile(call: &Call, packing: &Packing) -> Vec<String> {
    let rewritten = packing.packed.iter().filter(|packed| packed.original.is_some());
    rewritten
        .filter_map(|packed| packed.source.clone())
        .filter(|name| {
            let path = normalize(&call.project.root.join(name));
            let stat = fs_err::metadata(path).ok().and_then(|meta| stat_cache::Stat::of(&meta));
            stat.is_some_and(|stat| stat.ctime > call.began + TICK)
        })
        .collect()
}

fn is_packed(call: &Call, place: &Place, roots: &Roots, packing: &Packing) -> bool {
    let path = roots.resolve(place).map(|path| normalize(&path));
    path.and_then(|path| relative(&call.project.root, &path))
        .is_some_and(|name| packing.source.files.contains_key(&name))
}

/// The record of an archive that was made from an unpacked archive. Both are of the same tree.
fn repacked(origin: &Origin, packing: &Packing) -> Record {
    let mut record = origin.record.clone();
    let stated = |name: &str| record.packed.iter().find(|packed| packed.path == name).cloned();
    let packed = packing.packed.iter().map(|packed| {
        let before = stated(packed.source.as_deref().unwrap_or(&packed.path));
        let mut now = packed.clone();
        now.source = before.as_ref().and_then(|before| before.source.clone());
        if let Some(before) = before {
            let is_the_trees = before.original.is_none() && packed.original.is_none();
            now.original = if is_the_trees { None } else { before.original.or(now.original) };
        }
        now
    });
    record.packed = packed.collect();
    record
}
