//! The arguments that say which project a command is about.

use std::path::PathBuf;

/// The arguments of every command about a project.
#[derive(Debug, clap::Args)]
pub(super) struct Where {
    /// The folder with pyproject.toml, or that file
    #[arg(default_value = ".")]
    pub dir: PathBuf,
    /// The interpreter, or the environment, that the project is installed in
    #[arg(long, value_name = "PATH")]
    pub python: Option<PathBuf>,
}
