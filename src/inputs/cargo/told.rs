//! What rustc and build scripts said of one unit, word for word. The watches name every path by a
//! root, so they no longer show which names were absolute.

use std::collections::BTreeSet;
use std::path::PathBuf;

/// The words of rustc, or of a run of a build script, about one unit in use.
#[derive(Debug, Clone, Default)]
pub struct Told {
    pub package: String,
    /// Whether the package can be edited.
    pub is_local: bool,
    /// The variables that `env!` and `option_env!` read and that were set, with their values.
    pub variables: BTreeSet<(String, String)>,
    /// Files outside of all roots: each with its name as it was written.
    pub outside: BTreeSet<(PathBuf, PathBuf)>,
    /// The build script's instructions to cargo, without those that name inputs.
    pub instructions: Vec<(String, String)>,
}

impl Told {
    pub(super) fn is_empty(&self) -> bool {
        self.variables.is_empty() && self.outside.is_empty() && self.instructions.is_empty()
    }
}
