//! `wheelprint status`.

use super::{Answer, Context};
use crate::error::{Error, Result};

/// Fresh or stale, every reason, and whether uv would notice
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
    Err(Error::Other("status: not there yet".to_owned()))
}
