//! Sdists (PEP 625): reading them, adding a record, and recognising, in an unpacked one, the tree
//! that it was made from.
//!
//! maturin moves files: pyproject.toml and the Python sources of a project that lies below its
//! workspace go to the top. It also rewrites manifests, because an sdist leaves out other workspace
//! members. The record in an sdist, `wheelprint.json` beside PKG-INFO, says for every file which
//! file of the tree it was made from, and keeps the original text of rewritten ones. So a build of
//! an unpacked sdist names and compares its inputs as if it ran in the tree.

pub mod archive;
pub mod origin;
pub mod pack;
pub mod restore;

pub use archive::Archive;
pub use origin::Origin;

/// The root of a record that says where the top of the archive lies as seen from the project.
pub const TOP: &str = "archive";
/// Every sdist has it at the top (PEP 643); a tree has not.
pub const PKG_INFO: &str = "PKG-INFO";
