//! `extra-inputs`: more inputs, as globs from the project root.

use super::{PROJECT, Part, Watch};
use crate::settings::Settings;

/// The watches for the user's own globs.
pub fn watches(settings: &Settings) -> Vec<Watch> {
    settings.extra_inputs.iter().flat_map(|glob| watches_of(glob)).collect()
}

/// The watches for one of them: of a folder that matches, everything below it.
pub fn watches_of(glob: &str) -> Vec<Watch> {
    let below = (!glob.ends_with("**")).then(|| format!("{glob}/**"));
    let globs = std::iter::once(glob.to_owned()).chain(below);
    globs.map(|glob| Watch::Glob { part: Part::Rust, root: PROJECT.to_owned(), glob }).collect()
}
