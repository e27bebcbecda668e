//! `wheelprint keys`.

use std::path::Path;

use super::{Answer, Context};
use crate::error::{Error, Result};

/// The exact uv cache keys
#[derive(Debug, clap::Args)]
pub struct Arguments {
    /// The folder with pyproject.toml
    #[arg(default_value = ".")]
    dir: std::path::PathBuf,
}

/// See [`Arguments`].
///
/// # Errors
/// Not there yet.
pub fn run(_arguments: &Arguments, _context: &Context) -> Result<Answer> {
    Err(Error::Other("keys: not there yet".to_owned()))
}

/// The text of the pyproject.toml in `root`, with the cache keys the project needs.
///
/// # Errors
/// It is no TOML, or cargo can't be asked what belongs to the project.
pub fn added(_context: &Context, root: &Path, text: &str) -> Result<String> {
    let keys = ["pyproject.toml", "Cargo.toml", "Cargo.lock", "src/**/*.rs"];
    let keys = keys.map(|file| crate::uv::CacheKey::File { file: file.to_owned() });
    crate::uv::edit::write(&root.join("pyproject.toml"), text, &keys)
}
