//! What `get_requires_for_build_*` said yes to, for the hook that follows (DESIGN D12).

use std::path::PathBuf;
use std::time::Duration;

use fs_err as fs;
use serde::{Deserialize, Serialize};

use super::seal::{seal, unseal};
use super::{Entry, Store, What, discard};
use crate::digest::Tagged;
use crate::publish;
use crate::request::Request;

/// A promise is kept by the hook that follows at once, or not at all: nobody else, an hour later
/// and without isolation, must be given old code for it.
pub(super) const PROMISE: Duration = Duration::from_secs(60);

/// Only who asked for this is given it, whatever the file is called.
#[derive(Serialize, Deserialize)]
struct Promise {
    key: String,
    entry: Entry,
}

impl Store {
    /// Notes that this request will be answered from the store (DESIGN D12).
    pub fn promise(&self, request: &Request, entry: &Entry) {
        let promise = Promise { key: key(request), entry: entry.clone() };
        if let Ok(bytes) = seal(&promise) {
            let _ = publish::bytes(&self.promise_path(request), &bytes);
        }
    }

    /// What was promised for this request, if anything.
    pub fn promised(&self, request: &Request) -> Option<Entry> {
        let path = self.promise_path(request);
        let made = fs::metadata(&path).ok()?.modified().ok()?;
        // By a clock that was turned back it may lie ahead, and is as old as that.
        if made.elapsed().unwrap_or_else(|error| error.duration()) > PROMISE {
            return None;
        }
        let promise = fs::read(&path).ok().and_then(|bytes| unseal::<Promise>(&bytes).ok());
        let Some(promise) = promise.filter(|promise| promise.key == key(request)) else {
            discard(&path);
            return None;
        };
        self.checked(promise.entry, What::Artifact(request.artifact)).ok()
    }

    /// Takes a promise back: it was kept, or a build is coming after all.
    pub fn forget_promise(&self, request: &Request) {
        let _ = fs::remove_file(self.promise_path(request));
    }

    fn promise_path(&self, request: &Request) -> PathBuf {
        self.folder.join("promises").join(format!("{}.json", &key(request)[..32]))
    }
}

fn key(request: &Request) -> String {
    let mut tagged = Tagged::new("promise");
    tagged.field("artifact", request.artifact.as_str());
    tagged.field("interpreter", &request.interpreter.identity());
    let settings = serde_json::to_string(&request.config_settings).unwrap_or_default();
    tagged.field("settings", &settings);
    tagged.finish()
}
