//! Promises: `get_requires_for_build_*` found a stored wheel and did not ask for maturin, so the
//! next hook delivers that wheel (docs/design.md, D12).

use std::path::PathBuf;
use std::time::Duration;

use fs_err as fs;
use serde::{Deserialize, Serialize};

use super::{Entry, EntryKind, Store};
use crate::digest::Tagged;
use crate::publish::sealed;
use crate::request::Request;

/// A promise counts only in the environment that it was made for, and only for this long. A build
/// without isolation an hour later must not get old code. But a frontend may recreate the
/// environment, over a slow network, before it calls the next hook.
const PROMISE: Duration = Duration::from_secs(600);

/// How long `cache clean` waits for promises to be kept. Most are kept at once.
pub(super) const WAIT: Duration = Duration::from_secs(60);

/// The file's content. `key` must match the request, whatever the file is called.
#[derive(Serialize, Deserialize)]
struct Promise {
    key: String,
    /// Fingerprint of the promised entry, which is stored for as long as its wheel.
    fingerprint: String,
}

impl Store {
    /// Notes that this request will be answered from the store (docs/design.md, D12).
    pub(crate) fn promise(&self, request: &Request, entry: &Entry) {
        let fingerprint = entry.record.fingerprint.sha256.clone();
        let promise = Promise { key: key(request), fingerprint };
        self.remember(entry);
        let _ = sealed::write(&self.promise_path(request), &promise);
    }

    /// The entry that was promised for this request; `None` if no promise counts now.
    pub(crate) fn promised(&self, request: &Request) -> Option<Entry> {
        let path = self.promise_path(request);
        let made = fs::metadata(&path).ok()?.modified().ok()?;
        // If the clock was turned back, this time is in the future. The distance then counts as the
        // age.
        if made.elapsed().unwrap_or_else(|error| error.duration()) > PROMISE {
            return None;
        }
        let promise = sealed::read(&path).ok();
        let promise = promise.filter(|promise: &Promise| promise.key == key(request));
        let Promise { fingerprint, .. } = promise?;
        self.built(EntryKind::Artifact(request.artifact), &fingerprint)
    }

    /// Removes a promise: it was kept, or a build is coming after all.
    pub(crate) fn forget_promise(&self, request: &Request) {
        let _ = fs::remove_file(self.promise_path(request));
    }

    fn promise_path(&self, request: &Request) -> PathBuf {
        self.folder.join("promises").join(format!("{}.json", &key(request)[..32]))
    }
}

fn key(request: &Request) -> String {
    let mut tagged = Tagged::new("promise");
    tagged.field("artifact", request.artifact.as_str());
    let interpreter = &request.interpreter;
    tagged.field("interpreter", &interpreter.identity());
    // pip makes no environment for a build, but a folder on `sys.path`.
    for folder in std::iter::once(&interpreter.prefix).chain(&interpreter.sys_path) {
        tagged.field("environment", &folder.to_string_lossy());
    }
    let settings = serde_json::to_string(&request.config_settings).unwrap_or_default();
    tagged.field("settings", &settings);
    tagged.finish()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::request::{Artifact, Environment, Interpreter};
    use crate::store::tests::{EDITABLE, filled};

    #[test]
    fn only_what_was_promised_is_given() {
        let folder = tempfile::tempdir().unwrap();
        let store = filled(folder.path(), &["a", "b"]);
        let entries: Vec<Entry> = store.candidates(EDITABLE).flatten().collect();
        let request = Request {
            artifact: Artifact::Editable,
            root: folder.path().to_owned(),
            config_settings: Default::default(),
            interpreter: Interpreter::default(),
            environment: Environment::default(),
        };
        assert_eq!(store.promised(&request), None);
        store.promise(&request, &entries[0]);
        assert_eq!(store.promised(&request).as_ref(), Some(&entries[0]));
        // A valid file of another entry in its place.
        let (path, other) = (store.entry_path(&entries[0]), store.entry_path(&entries[1]));
        fs::copy(other, &path).unwrap();
        assert_eq!(store.promised(&request), None);
        fs::remove_file(path).unwrap();
        assert_eq!(store.promised(&request), None);
        store.promise(&request, &entries[1]);
        store.forget_promise(&request);
        assert_eq!(store.promised(&request), None);
    }
}
