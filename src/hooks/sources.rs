//! Listing the sources of a wheel that is built in a tree: the files that maturin would put into an
//! sdist of that tree. Listing takes as long as a small build, so it runs beside the build.

use super::call::{BuildInterpreter, Call};
use crate::bring_over;
use crate::fingerprint::Source;
use crate::inputs::target::Target;
use crate::log;
use crate::maturin::HookProcess;
use crate::publish;
use crate::request::{Artifact, Hook};
use crate::sdist::Archive;
use crate::sdist::pack::packing;

/// A running process that lists sources.
pub(super) struct Listing {
    // The first field is dropped first: the process must end before its folder is removed.
    begun: HookProcess,
    made: tempfile::TempDir,
}

impl Listing {
    /// Starts the process. `None` if it can't be started: the record then has no list.
    ///
    /// Two processes use the target folder then. Cargo makes a new one under another name and renames
    /// it. If it replaces a folder in which the other maturin makes one at this moment, that fails. So
    /// the target folder is made before.
    pub(super) fn begin(
        call: &Call,
        interpreter: &BuildInterpreter,
        target: Option<&Target>,
    ) -> Option<Self> {
        let made =
            target.map(|target| bring_over::make_target_folder(&target.metadata.target_directory));
        if let Some(Err(error)) = made {
            log::debug(error);
        }
        let made = publish::temporary_folder().ok()?;
        let begun = interpreter.maturin(call).begin_sdist(made.path());
        let begun = begun.inspect_err(|error| log::debug(error)).ok()?;
        Some(Self { begun, made })
    }

    /// Waits for the list. `None` if maturin can't make an sdist, or if a source changed meanwhile.
    pub(super) fn finish(self, call: &Call) -> Option<Source> {
        let Self { begun, made } = self;
        let found = begun.finish::<String>(Hook::Build(Artifact::Sdist)).and_then(|name| {
            let archive = Archive::open(&made.path().join(name))?;
            Ok(packing(&archive, &call.request.root))
        });
        match found {
            Ok(packing) if packing.raced.is_empty() => Some(packing.source),
            Ok(packing) => {
                log::debug(format_args!("{} changed while sources were listed", packing.raced[0]));
                None
            }
            Err(error) => {
                log::debug(format_args!("no list of sources: {error}"));
                None
            }
        }
    }
}
