//! Sdists (PEP 625): reading them, adding a record, and finding the tree that an unpacked sdist was
//! made from.
//!
//! maturin moves files: if a project is below its workspace, its pyproject.toml and Python sources
//! go to the top. maturin also rewrites manifests, because an sdist leaves out other workspace
//! members. So the record in an sdist, `wheelprint.json` beside PKG-INFO, names for every file the
//! file of the tree that it was made from, and keeps the original text of rewritten files. With it,
//! a build of an unpacked sdist names and compares its inputs as if it ran in the tree.

pub mod archive;
mod headers;
pub mod origin;
pub mod pack;
mod reader;
pub mod restore;
mod rewritten;

pub use archive::Archive;
pub use origin::Origin;

/// Every sdist has this file at its top (PEP 643). A source tree does not.
pub const PKG_INFO: &str = "PKG-INFO";
