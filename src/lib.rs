//! wheelprint: a build backend (PEP 517, PEP 660) that wraps maturin's and knows what a wheel was
//! built from.
//!
//! `docs/design.md` has the design: the flow of data, the modules and which may call which, and every
//! decision with its reason.

pub mod cargo_mtime;
pub mod cli;
pub mod digest;
pub mod editable;
pub mod error;
pub mod fingerprint;
pub mod freshness;
pub mod git;
pub mod hooks;
pub mod inputs;
pub mod installed;
pub mod interpreter;
pub mod log;
pub mod maturin;
pub mod project;
pub mod publish;
#[cfg(feature = "python")]
pub mod python;
pub mod remap;
pub mod renew;
pub mod report;
pub mod request;
pub mod sdist;
pub mod settings;
pub mod stat_cache;
pub mod store;
pub mod switch;
pub mod toolchain;
pub mod uv;
pub mod wheel;
