//! `extra-inputs`: more inputs, as globs from the project root.

use super::{PROJECT, Part, Watch};
use crate::settings::Settings;

/// The watches for the user's own globs.
pub fn watches(settings: &Settings) -> Vec<Watch> {
    settings
        .extra_inputs
        .iter()
        .map(|glob| Watch::Glob { part: Part::Rust, root: PROJECT.to_owned(), glob: glob.clone() })
        .collect()
}
