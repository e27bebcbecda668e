//! Building a wheel again: what must be the same for the second build, and how the two wheels
//! differ.
//!
//! A difference is *harmless* only if it is proven to have no effect on what runs: bytes that no
//! system loads, a build ID, the archive's order and times, and lists that follow from other files.
//! Everything else makes it another wheel, even if a likely reason is known.
//!
//! Both wheels are untrusted. Which bytes of a module are not loaded is read from headers that must
//! be equal in both, so a wheel cannot declare its own code to be without effect.

mod compare;
mod difference;
mod listed;
mod module;
mod paths;
mod plan;
mod unloaded;

pub(crate) use compare::compare;
pub(crate) use difference::{Difference, Reason};
pub(crate) use plan::{Needed, Plan, Unavailable};
