//! Putting the record into the wheel that maturin made, and delivering the wheel.

use std::path::Path;

use super::built::Built;
use super::call::Call;
use super::record::Recorded;
use super::unpacked;
use crate::error::{Error, PathContext as _, Result};
use crate::fingerprint::record;
use crate::inputs;
use crate::publish;
use crate::request::Artifact;
use crate::sdist::Origin;
use crate::wheel::{Edit, Wheel, sbom};

/// A wheel with a record, in the frontend's folder.
pub(super) struct Stamped {
    pub name: String,
    /// Digest of the import table; `None` if the wheel has none.
    pub at_import: Option<String>,
}

/// Writes the finished wheel, with its record, into the frontend's folder.
///
/// # Errors
/// The wheel can't be read, or the folder can't be written to.
pub(super) fn stamp(
    call: &Call,
    origin: Option<&Origin>,
    built: Built,
    recorded: &Recorded,
    folder: &Path,
) -> Result<Stamped> {
    // `built` keeps its temporary folder until the end.
    let Built { mut wheel, path, products, .. } = built;
    let mut table_digest = None;
    let mut edit = match &products {
        Some(products) => {
            products.edit(&mut wheel, call.settings.on_stale.as_str(), |dist_info| {
                let fingerprint = &recorded.record.fingerprint.sha256;
                let bytes = call.inputs_file(&recorded.at_import, fingerprint, dist_info, true);
                table_digest = Some(crate::digest::bytes(&bytes));
                bytes
            })?
        }
        None => Edit::default(),
    };
    let project = &call.project.root;
    // A wheel from an sdist names the folders of the tree, as a wheel from the tree does.
    let in_tree = |folder: &Path| unpacked::package_in_tree(origin?, folder);
    let place = |folder: &str| {
        let folder = Path::new(folder);
        in_tree(folder).or_else(|| inputs::relative(project, folder))
    };
    settle_sboms(&mut wheel, &mut edit, place)?;
    edit.add_to_dist_info.push((record::FILE_NAME.to_owned(), recorded.record.to_json()));

    let name = path
        .file_name()
        .and_then(|name| name.to_str())
        .ok_or_else(|| Error::wheel(&path, "its name is not UTF-8"))?
        .to_owned();
    let target = folder.join(&name);
    let mut file = publish::beside(&target).at(folder)?;
    wheel.rewrite(file.as_file_mut(), &target, edit)?;
    publish::share(&file).at(&target)?;
    // An editable wheel is installed at once and then deleted, so it need not be synced.
    match call.request.artifact {
        Artifact::Editable => publish::persist_unsynced(file, &target),
        Artifact::Wheel | Artifact::Sdist => publish::persist_synced(file, &target),
    }
    .at(&target)?;
    Ok(Stamped { name, at_import: table_digest })
}

/// Replaces random values in the SBOMs that maturin generated (see `wheel::sbom`). `place` names a
/// folder as seen from the project.
fn settle_sboms(
    wheel: &mut Wheel,
    edit: &mut Edit,
    place: impl Fn(&str) -> Option<String>,
) -> Result<()> {
    let prefix = format!("{}/", wheel.dist_info);
    let generated: Vec<String> = wheel
        .files()
        .map(|(name, _)| name.to_owned())
        .filter(|name| name.strip_prefix(&prefix).is_some_and(sbom::is_generated))
        .collect();
    for name in generated {
        if let Some(bytes) = sbom::settled(&wheel.read(&name)?, &place) {
            edit.replace.insert(name, bytes);
        }
    }
    Ok(())
}
