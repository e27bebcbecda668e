//! `wheelprint init`.

use super::{Answer, Context};
use crate::error::{Error, Result};

/// Turn a maturin project into a wheelprint one
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
    Err(Error::Other("init: not there yet".to_owned()))
}
