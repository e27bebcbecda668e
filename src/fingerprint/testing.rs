//! For the tests of this module: an observer of a project without settings.

use std::path::Path;

use super::observe::Observer;
use crate::log::Level;
use crate::request::{Artifact, Environment, Interpreter, Request};
use crate::settings::{OnStale, Reuse, Settings};
use crate::stat_cache::Digests;
use crate::toolchain::Toolchain;

pub(super) fn with_observer<T>(
    root: &Path,
    environment: &Environment,
    use_it: impl FnOnce(&Observer<'_>) -> T,
) -> T {
    let request = Request {
        artifact: Artifact::Editable,
        root: root.to_owned(),
        config_settings: Default::default(),
        interpreter: Interpreter::default(),
        environment: environment.clone(),
    };
    let settings = Settings {
        on_stale: OnStale::Rebuild,
        reuse: Reuse::Editable,
        extra_inputs: Vec::new(),
        remap_paths: false,
        direct_cargo: true,
        shared: None,
        cache_keys: None,
        log: Level::Info,
    };
    let digests = Digests::default();
    let toolchain = Toolchain::load(root.to_owned(), None);
    use_it(&Observer::new(&request, &settings, environment, environment, &digests, &toolchain))
}
