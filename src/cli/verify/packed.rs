//! What an artifact has besides the sources: its names, and files that are compared with nothing.

use std::path::Path;

use super::super::artifact::file_name;
use super::files;
use crate::fingerprint::Record;
use crate::freshness::Reason;
use crate::log::escape_controls;
use crate::project::normalize_name;
use crate::sdist::{Archive, PKG_INFO, restore};

/// Another name in the metadata than that of the project, and a file name of another package.
pub(super) fn misnamed(
    path: &Path,
    named: [&str; 2],
    project: Option<&str>,
) -> Option<(String, String)> {
    let [name, version] = named.map(escape_controls);
    if let Some(project) =
        project.filter(|project| normalize_name(project) != normalize_name(&name))
    {
        let cause = format!("says that it is of {name}, and the project is {project}");
        return Some(("its metadata".to_owned(), cause));
    }
    let file = file_name(path);
    let file = file.strip_suffix(".tar.gz").unwrap_or(&file);
    // Names have `_` in place of `-`, and versions may have `_` in place of `+`.
    let plain = |text: &str| normalize_name(&text.replace('+', "-"));
    let named: Vec<String> = file.splitn(3, '-').take(2).map(plain).collect();
    let is_same = named == [plain(&name), plain(&version)];
    (!is_same).then(|| ("its file name".to_owned(), format!("is not that of {name} {version}")))
}

/// What an sdist has in it that is of no file of the sources, or that only the sdist says.
pub(super) fn not_compared(archive: &Archive, record: &Record) -> Vec<Reason> {
    let strange = record.packed.iter().filter(|it| it.source.is_none() && it.path != PKG_INFO);
    let strange = strange.map(|packed| {
        let cause = "no file of the sources".to_owned();
        Reason::Unreadable { key: files::key(&packed.path), cause }
    });
    let text = |name: &str| archive.manifests.get(name).map(String::as_str);
    let stated = restore::rewritten(record, text).filter_map(|(name, keys)| {
        let keys = keys.ok().filter(|keys| !keys.is_empty())?;
        let cause = format!("only the sdist says what it inherits ({})", keys.join(", "));
        Some(Reason::Unreadable { key: files::key(name), cause })
    });
    strange.chain(stated).collect()
}
