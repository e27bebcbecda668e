//! `wheelprint inspect`.

use super::{Answer, Context};
use crate::error::{Error, Result};

/// The record in a wheel
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
    Err(Error::Other("inspect: not there yet".to_owned()))
}
