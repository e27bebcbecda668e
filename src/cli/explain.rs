//! `wheelprint explain`.

use super::{Answer, Context};
use crate::error::{Error, Result};

/// Every input: what it is, who reads it, which key covers it
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
    Err(Error::Other("explain: not there yet".to_owned()))
}
