//! Putting the record into the wheel that maturin made, and delivering the wheel.

use std::collections::BTreeSet;
use std::path::Path;

use super::Session;
use super::build::Recorded;
use crate::editable;
use crate::error::{Error, PathContext as _, Result};
use crate::fingerprint::record;
use crate::inputs;
use crate::publish;
use crate::request::Artifact;
use crate::wheel::{Edit, Wheel, sbom};

impl Session {
    /// Writes the finished wheel, with its record, into the frontend's folder. Gives the file name,
    /// the inputs, and for an editable wheel the digest of its import table.
    pub(super) fn stamp(
        &self,
        source: &Path,
        folder: &Path,
        products: Option<&editable::Products>,
        record: impl FnOnce(&BTreeSet<String>) -> Recorded,
    ) -> Result<(String, Recorded, Option<String>)> {
        let mut wheel = Wheel::open(source)?;
        let mut modules: BTreeSet<String> =
            wheel.files().map(|(_, digest)| digest.to_owned()).collect();
        for (path, _) in products.iter().flat_map(|products| &products.files) {
            modules.insert(crate::digest::file(path).at(path)?);
        }
        let recorded = record(&modules);
        let mut inputs_file = None;
        let mut edit = match products {
            Some(products) => {
                products.edit(&mut wheel, self.settings.on_stale.as_str(), |dist_info| {
                    let fingerprint = &recorded.record.fingerprint.sha256;
                    let bytes = self.inputs_file(&recorded.at_import, fingerprint, dist_info, true);
                    inputs_file = Some(crate::digest::bytes(&bytes));
                    bytes
                })?
            }
            None => Default::default(),
        };
        settle_sboms(&mut wheel, &mut edit, &self.project.root)?;
        edit.add_to_dist_info.push((record::FILE_NAME.to_owned(), recorded.record.to_json()));

        let name = source
            .file_name()
            .and_then(|name| name.to_str())
            .ok_or_else(|| Error::wheel(source, "its name is not UTF-8"))?
            .to_owned();
        let target = folder.join(&name);
        let mut file = publish::beside(&target).at(folder)?;
        wheel.rewrite(file.as_file_mut(), &target, edit)?;
        publish::share(&file).at(&target)?;
        // An editable wheel is installed at once and then deleted, so it need not be synced.
        match self.request.artifact {
            Artifact::Editable => publish::persist_unsynced(file, &target),
            Artifact::Wheel | Artifact::Sdist => publish::persist(file, &target),
        }
        .at(&target)?;
        Ok((name, recorded, inputs_file))
    }
}

/// Replaces random values in the SBOMs that maturin generated (see `wheel::sbom`).
fn settle_sboms(wheel: &mut Wheel, edit: &mut Edit, project: &Path) -> Result<()> {
    let prefix = format!("{}/", wheel.dist_info);
    let generated: Vec<String> = wheel
        .files()
        .map(|(name, _)| name.to_owned())
        .filter(|name| name.strip_prefix(&prefix).is_some_and(sbom::is_generated))
        .collect();
    let place = |folder: &str| inputs::relative(project, Path::new(folder));
    for name in generated {
        if let Some(bytes) = sbom::settled(&wheel.read(&name)?, place) {
            edit.replace.insert(name, bytes);
        }
    }
    Ok(())
}
