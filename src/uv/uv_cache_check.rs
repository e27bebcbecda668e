//! Whether uv would call the backend. Compares the values that uv noted when it built an installed
//! package with the values that the cache keys give now.

use std::path::Path;
use std::time::SystemTime;

use serde::Deserialize as _;
use serde_json::Value;

use super::CacheKey;
use super::key_matches::KeyMatches;
use crate::inputs::normalize;
use crate::request::Environment;

/// The reasons in words why uv would call the backend; empty if uv would not. `None` if this cannot
/// be known here, because a key refers to git.
pub(crate) fn changes(
    root: &Path,
    keys: &[CacheKey],
    noted: &Value,
    environment: &Environment,
) -> Option<Vec<String>> {
    if keys.iter().any(|key| matches!(key, CacheKey::Git { .. })) {
        return None;
    }
    let mut changes = Vec::new();
    let seen = KeyMatches::new(root, keys);
    let newest = seen.files().into_iter().filter_map(|path| Some((changed(path)?, path))).max();
    let then = noted.get("timestamp").and_then(time);
    match (newest, then) {
        (Some((now, path)), Some(then)) if now > then => {
            let name = crate::inputs::relative(root, path).unwrap_or_default();
            changes.push(format!("{name} has a newer timestamp"));
        }
        (Some((now, _)), Some(then)) if now < then => {
            changes.push("the newest file is gone".to_owned());
        }
        (Some(_), None) | (None, Some(_)) => changes.push("other files match".to_owned()),
        _ => {}
    }
    let (mut variables, mut is_other_list) = (0, false);
    for key in keys {
        match key {
            CacheKey::Environment { env } => {
                variables += 1;
                let now = environment.get(env).map(|value| value.to_string_lossy().into_owned());
                match noted.get("env").and_then(|noted| noted.get(env)) {
                    None => is_other_list = true,
                    Some(then) if then.as_str() != now.as_deref() => {
                        changes.push(format!("{env} has another value"));
                    }
                    Some(_) => {}
                }
            }
            CacheKey::Directory { dir } => {
                let path = normalize(&root.join(dir));
                match noted.get("directories").and_then(|noted| noted.get(dir)) {
                    None => is_other_list |= is_to_be_noted(&path),
                    Some(then) if !is_as_noted(&path, then) => {
                        changes.push(format!("{dir} was made anew, or removed"));
                    }
                    Some(_) => {}
                }
            }
            CacheKey::Path(_) | CacheKey::File { .. } | CacheKey::Git { .. } => {}
        }
    }
    let count = noted.get("env").and_then(Value::as_object).map_or(0, serde_json::Map::len);
    if is_other_list || count > variables {
        changes.push("there are other cache keys".to_owned());
    }
    Some(changes)
}

/// Whether uv notes this folder: it exists or nothing exists. A file at the path, or at a parent's
/// path, is not noted.
fn is_to_be_noted(folder: &Path) -> bool {
    match fs_err::metadata(folder) {
        Ok(meta) => meta.is_dir(),
        Err(error) => error.kind() == std::io::ErrorKind::NotFound,
    }
}

fn is_as_noted(path: &Path, then: &Value) -> bool {
    let Ok(meta) = fs_err::metadata(path) else { return then.is_null() };
    match (meta.created(), time(then)) {
        _ if !meta.is_dir() => false,
        (Ok(now), Some(then)) => now == then,
        // uv uses the inode where folders have no creation time.
        (Err(_), None) => then.is_number(),
        _ => false,
    }
}

/// Parses a `SystemTime` in the form that uv writes (serde). The numbers in a damaged file may be
/// larger than a clock can hold.
fn time(noted: &Value) -> Option<SystemTime> {
    SystemTime::deserialize(noted).ok()
}

#[cfg(unix)]
fn changed(path: &Path) -> Option<SystemTime> {
    use std::os::unix::fs::MetadataExt as _;
    use std::time::{Duration, UNIX_EPOCH};
    let meta = fs_err::metadata(path).ok()?;
    let seconds = u64::try_from(meta.ctime()).ok()?;
    Some(UNIX_EPOCH + Duration::new(seconds, u32::try_from(meta.ctime_nsec()).ok()?))
}

#[cfg(not(unix))]
fn changed(path: &Path) -> Option<SystemTime> {
    fs_err::metadata(path).ok()?.modified().ok()
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, UNIX_EPOCH};

    use serde_json::json;

    use super::*;

    #[test]
    fn what_uv_can_not_look_at_is_not_noted() {
        let folder = tempfile::tempdir().unwrap();
        fs_err::write(folder.path().join("file"), "").unwrap();
        assert!(is_to_be_noted(folder.path()) && is_to_be_noted(&folder.path().join("none")));
        assert!(!is_to_be_noted(&folder.path().join("file")));
        if cfg!(unix) {
            assert!(!is_to_be_noted(&folder.path().join("file/HEAD")));
        }
    }

    #[test]
    fn a_damaged_note_is_another_time() {
        let of = |seconds: u64, nanoseconds: u64| {
            time(&json!({ "secs_since_epoch": seconds, "nanos_since_epoch": nanoseconds }))
        };
        assert_eq!(of(7, 5), Some(UNIX_EPOCH + Duration::new(7, 5)));
        assert_eq!(of(u64::MAX, 5), None);
        assert_eq!(of(u64::MAX, u64::MAX), None);
        assert_eq!(time(&json!([1])), None);
    }
}
