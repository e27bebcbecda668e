//! `extra-inputs`: more inputs, as globs from the project root.

use super::{PROJECT, Part, Watch};
use crate::settings::Settings;

/// The watches for the user's own globs: of a folder that matches, everything below it.
pub fn watches(settings: &Settings) -> Vec<Watch> {
    let watch = |glob: String| Watch::Glob { part: Part::Rust, root: PROJECT.to_owned(), glob };
    settings
        .extra_inputs
        .iter()
        .flat_map(|glob| {
            let below = (!glob.ends_with("**")).then(|| format!("{glob}/**"));
            std::iter::once(glob.clone()).chain(below)
        })
        .map(watch)
        .collect()
}
