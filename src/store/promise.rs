//! Promises: `get_requires_for_build_*` found a stored wheel and did not ask for maturin, so the
//! next hook delivers that wheel (docs/design.md, D12).

use std::path::{Path, PathBuf};
use std::time::Duration;

use fs_err as fs;
use serde::{Deserialize, Serialize};
use walkdir::WalkDir;

use super::{Entry, EntryKind, Store, TREES, age};
use crate::digest::Tagged;
use crate::publish::sealed;
use crate::request::Request;

/// A promise counts only in the environment that it was made for, and only for this long. A build
/// without isolation an hour later must not get old code. But a frontend may recreate the
/// environment, over a slow network, before it calls the next hook.
const PROMISE: Duration = Duration::from_secs(600);

/// The folder of a tree's promises.
pub(super) const PROMISES: &str = "promises";

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
        let promise = read(&self.promise_path(request));
        let promise = promise.filter(|promise| promise.key == key(request));
        let Promise { fingerprint, .. } = promise?;
        self.built(EntryKind::Artifact(request.artifact), &fingerprint)
    }

    /// Removes a promise: it was kept, or a build is coming after all.
    pub(crate) fn forget_promise(&self, request: &Request) {
        let _ = fs::remove_file(self.promise_path(request));
    }

    fn promise_path(&self, request: &Request) -> PathBuf {
        self.folder.join(PROMISES).join(format!("{}.json", &key(request)[..32]))
    }
}

/// The fingerprints of the builds that any tree of a project is promised now.
pub(super) fn fingerprints(project: &Path) -> Vec<String> {
    // TREE/promises/KEY.json
    let files = WalkDir::new(project.join(TREES)).min_depth(3).max_depth(3).into_iter().flatten();
    let is_promise = |path: &Path| path.parent().is_some_and(|folder| folder.ends_with(PROMISES));
    let promises = files.filter(|file| is_promise(file.path()));
    promises.filter_map(|file| Some(read(file.path())?.fingerprint)).collect()
}

/// A promise, if it counts now.
fn read(path: &Path) -> Option<Promise> {
    if age(path).ok()? <= PROMISE { sealed::read(path).ok() } else { None }
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
    use crate::store::prune::{MAX_ENTRIES, prune_all_builds, prune_builds};
    use crate::store::tests::{EDITABLE, age, filled, publish, two_trees};
    use crate::store::{Cache, Delivery, Freed, ROOT};
    use crate::tied::Tied;

    fn request(root: &Path) -> Request {
        Request {
            artifact: Artifact::Editable,
            root: root.to_owned(),
            config_settings: Default::default(),
            interpreter: Interpreter::default(),
            environment: Environment::default(),
        }
    }

    /// The wheel of the promised build, which must be delivered, has this content.
    fn is_kept(store: &Store, request: &Request, content: &str) {
        let folder = tempfile::tempdir().unwrap();
        let entry = store.promised(request).expect("the promise counts");
        match store.deliver(&entry, folder.path()).unwrap() {
            Delivery::Done(name) => {
                assert_eq!(fs::read_to_string(folder.path().join(name)).unwrap(), content);
            }
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn only_what_was_promised_is_given() {
        let folder = tempfile::tempdir().unwrap();
        let store = filled(folder.path(), &["a", "b"]);
        let entries: Vec<Entry> = store.candidates(EDITABLE).flatten().collect();
        let request = request(folder.path());
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

    /// The promised build may be the one that was not used for the longest time.
    #[test]
    fn limits_keep_what_was_promised() {
        let folder = tempfile::tempdir().unwrap();
        let [one, two] = two_trees(folder.path());
        let request = request(&one.root);
        let entry = publish(&one, "promised", &[]);
        publish(&two, "newer", &[]);
        age(&one.entry_path(&entry), 2);
        age(&one.project.join("wheels").join(&entry.wheel.as_ref().unwrap().sha256), 2);
        one.promise(&request, &entry);
        let mut freed = Freed::default();
        prune_all_builds(std::slice::from_ref(&one.project), 1, &mut freed);
        prune_builds(&one.project, &mut freed);
        assert_eq!(freed.builds, 1);
        is_kept(&one, &request, "promised");
    }

    /// Builds that were used after it was promised do not displace it.
    #[test]
    fn a_promise_holds_past_the_limits() {
        let folder = tempfile::tempdir().unwrap();
        let [one, two] = two_trees(folder.path());
        let request = request(&one.root);
        let entry = publish(&one, "promised", &[]);
        one.promise(&request, &entry);
        age(&one.entry_path(&entry), 2);
        age(&one.project.join("wheels").join(&entry.wheel.as_ref().unwrap().sha256), 2);
        for number in 0..MAX_ENTRIES {
            publish(&two, &number.to_string(), &[]);
        }
        let prune = || {
            prune_all_builds(std::slice::from_ref(&one.project), 1, &mut Freed::default());
            prune_builds(&one.project, &mut Freed::default());
        };
        prune();
        is_kept(&one, &request, "promised");

        age(&one.entry_path(&entry), 2);
        age(&one.promise_path(&request), 1);
        publish(&two, "newer", &[]);
        prune();
        assert!(!one.entry_path(&entry).exists(), "the promise counts no more");
    }

    /// In a container, a tree is where this process does not see it.
    #[test]
    fn a_tree_that_is_not_seen_keeps_its_promises() {
        let folder = tempfile::tempdir().unwrap();
        let [one, two] = two_trees(folder.path());
        let request = request(&one.root);
        let tied = publish(&one, "promised", &[Tied::NotUtf8]);
        fs::remove_dir(&one.root).unwrap();
        // It has been known for long.
        age(&one.folder.join(ROOT), 2);
        one.promise(&request, &tied);
        two.prune_others();
        publish(&two, "another", &[]);
        Cache { folder: two.cache.clone() }.prune().unwrap();
        is_kept(&one, &request, "promised");

        crate::store::prune::paths_in(&one.folder).iter().for_each(|path| age(path, 2));
        Cache { folder: two.cache.clone() }.prune().unwrap();
        assert!(!one.folder.exists());
    }

    #[test]
    fn cleaning_another_tree_waits_until_a_promise_is_kept() {
        let folder = tempfile::tempdir().unwrap();
        let [one, two] = two_trees(folder.path());
        let request = request(&one.root);
        one.promise(&request, &publish(&one, "promised", &[]));
        let (cache, root) = (Cache { folder: two.cache.clone() }, two.root.clone());
        let cleaning = std::thread::spawn(move || cache.clean(&root).map(|freed| freed.projects));
        std::thread::sleep(Duration::from_millis(300));
        is_kept(&one, &request, "promised");
        assert!(!cleaning.is_finished());
        one.forget_promise(&request);
        assert_eq!(cleaning.join().unwrap().unwrap(), 1);
        assert_eq!(one.entry_files().len(), 0);
        assert!(one.folder.exists(), "the other tree's own part stays");
    }

    #[test]
    fn a_wheel_that_is_gone_is_not_there_to_be_promised() {
        let folder = tempfile::tempdir().unwrap();
        let [one, _] = two_trees(folder.path());
        let request = request(&one.root);
        let entry = publish(&one, "a", &[]);
        assert!(one.has_wheel(&entry));
        one.promise(&request, &entry);
        fs::remove_file(one.wheel_path(entry.wheel.as_ref().unwrap()).unwrap()).unwrap();
        assert!(!one.has_wheel(&entry));
        let delivered = one.deliver(&entry, folder.path()).unwrap();
        assert_eq!(delivered, Delivery::Missing);
        // The entry stays: the next lookup says what is missing.
        assert_eq!(one.candidates(EDITABLE).flatten().collect::<Vec<_>>(), [entry]);
    }
}
