//! Records that no build of ours writes, and that would make `verify` read other files.

use crate::fingerprint::Record;
use crate::inputs::{Look, Roots, Watch};
use crate::wheel::audit::LIMIT;

/// A watched TOML file that is a device or too large for a manifest. TOML files are read whole.
pub(super) fn no_manifest(record: &Record, roots: &Roots) -> Option<String> {
    record.watches.iter().find_map(|watch| match watch {
        Watch::Place { look: Look::Toml(_), place, .. } => {
            let meta = fs_err::metadata(roots.resolve(place)?).ok()?;
            let is_one = meta.is_dir() || (meta.is_file() && meta.len() <= LIMIT);
            (!is_one).then(|| place.path.clone())
        }
        _ => None,
    })
}
