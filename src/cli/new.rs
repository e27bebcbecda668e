//! `wheelprint new`.

use super::{Answer, Context};
use crate::error::{Error, Result};

/// Make a new project that works at once
#[derive(Debug, clap::Args)]
pub struct Arguments {
    /// The name of the package
    name: String,
}

/// See [`Arguments`].
///
/// # Errors
/// Not there yet.
pub fn run(_arguments: &Arguments, _context: &Context) -> Result<Answer> {
    Err(Error::Other("new: not there yet".to_owned()))
}
