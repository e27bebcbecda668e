//! wheelprint: a build backend (PEP 517, PEP 660) that wraps maturin's and knows what a wheel was
//! built from.
//!
//! `docs/design.md` has the design: the flow of data, the modules and which may call which, and every
//! decision with its reason. The public modules are those that the benchmarks, tests/ and fuzz/ use.
// Only Python calls the hooks and the commands.
#![cfg_attr(not(feature = "python"), allow(dead_code))]

mod bring_over;
mod cargo_mtime;
mod cli;
pub mod digest;
mod direct;
mod editable;
pub mod error;
pub mod fingerprint;
pub mod freshness;
mod git;
pub mod hooks;
pub mod inputs;
mod installed;
mod interpreter;
pub mod log;
mod maturin;
mod path_search;
mod project;
mod provenance;
pub mod publish;
#[cfg(feature = "python")]
mod python;
mod rebuild;
mod remap;
mod renew;
mod report;
pub mod request;
pub mod sdist;
pub mod settings;
mod shared;
pub mod stat_cache;
mod store;
mod strict_json;
mod switch;
mod tied;
pub mod toolchain;
mod uv;
pub mod wheel;
