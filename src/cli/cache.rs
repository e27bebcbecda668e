//! `wheelprint cache`.

use super::{Answer, Context};
use crate::error::{Error, Result};

/// The store
#[derive(Debug, clap::Args)]
pub struct Arguments {
    /// The wheel
    wheel: std::path::PathBuf,
}

/// See [`Arguments`].
///
/// # Errors
/// Not there yet.
pub fn run(_arguments: &Arguments, _context: &Context) -> Result<Answer> {
    Err(Error::Other("cache: not there yet".to_owned()))
}
