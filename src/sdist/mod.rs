//! Sdists (PEP 625): reading them, putting a record into one, and knowing, in an unpacked
//! one, the tree that it was made from.
//!
//! maturin moves files (pyproject.toml and the Python sources of a project that lies below its
//! workspace go to the top) and rewrites manifests (workspace members that are left out). The record
//! in an archive, `wheelprint.json` beside PKG-INFO, says of every file which one of the tree it was
//! made from, and keeps the text of those that were rewritten. So what is built from an archive is
//! named, and compared, as if it had been built in the tree.

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
