//! Records that no build of ours writes, and that would make `verify` read other files.

use crate::fingerprint::Record;
use crate::inputs::{Look, Roots, Watch, is_device};
use crate::log::escape_controls;
use crate::wheel::audit::LIMIT;

/// Refuses paths that no build of ours writes: absolute ones, and paths that climb out of their
/// root.
pub(super) fn leads_astray(record: &Record) -> Option<String> {
    let climbs = |text: &str| text.split(['/', '\\']).any(|part| part == "..");
    let sources = record.source.iter().flat_map(|source| source.files.keys());
    let packed_from = record.packed.iter().flat_map(|packed| packed.source.iter());
    let may_climb = record.roots.values().chain(sources).chain(packed_from);
    let packed = record.packed.iter().map(|packed| (&packed.path, false));
    let watched = record.watches.iter().filter_map(|watch| match watch {
        Watch::Place { place, .. } => Some((&place.path, false)),
        Watch::Glob { glob, .. } => Some((glob, true)),
        Watch::CargoConfig
        | Watch::ToolchainFile
        | Watch::Variable { .. }
        | Watch::Variables
        | Watch::Toolchain
        | Watch::Request => None,
    });
    let mut paths = may_climb.map(|path| (path, true)).chain(packed).chain(watched);
    paths
        .find(|(path, may_climb)| {
            is_of_some_machine(path, cfg!(windows)) || !may_climb && climbs(path)
        })
        .map(|(path, _)| format!("{:?} is a place of some machine", escape_controls(path)))
}

/// Whether the path lies below no folder. On Windows that is so for drives and for devices, which
/// have their names in every folder: reading `CON` would wait for somebody to type.
fn is_of_some_machine(path: &str, windows: bool) -> bool {
    let has_drive = || path.as_bytes().get(1) == Some(&b':');
    path.starts_with(['/', '\\'])
        || windows && (has_drive() || path.split(['/', '\\']).any(is_device))
}

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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fingerprint::Inputs;
    use crate::inputs::{Part, Root};

    #[test]
    fn a_record_that_names_places_of_a_machine_is_refused() {
        let with = |root: &str, path: &str| {
            let crate_root = Root::Crate("a".into());
            let place = crate::inputs::Place { root: crate_root.clone(), path: path.into() };
            let watches = [Watch::at(Look::Content, Part::Rust, place)].into();
            let roots = [(crate_root, root.to_owned())].into();
            leads_astray(&Record::new(&Inputs::new(), watches, roots, Vec::new()))
        };
        assert_eq!(with("../a", "src/lib.rs"), None);
        for (root, path) in [("/etc", "a"), (".", "../../a"), (".", "/etc/a"), ("\\\\host", "a")] {
            assert!(with(root, path).is_some(), "{root} {path}");
        }
    }

    #[test]
    fn paths_that_are_below_no_folder() {
        for (path, windows, is) in [
            ("src/lib.rs", true, false),
            ("/etc/a", false, true),
            (r"\\a", false, true),
            ("C:/a", true, true),
            ("C:a", true, true),
            // Elsewhere a name like any other.
            ("C:a", false, false),
            ("src/CON", true, true),
            (r"src\nul.txt", true, true),
            ("src/aux.rs", false, false),
            ("src/console.rs", true, false),
        ] {
            assert_eq!(is_of_some_machine(path, windows), is, "{path} {windows}");
        }
    }
}
