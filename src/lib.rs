//! wheelprint: a build backend (PEP 517, PEP 660) that wraps maturin's and knows what a wheel was
//! built from.
//!
//! # The house
//!
//! Data goes one way. Only `hooks` knows the order; every other room does one thing.
//!
//! | room | owns | may call |
//! |---|---|---|
//! | `python` | the only pyo3 code | `hooks` |
//! | `hooks` | the order of the stages | all below |
//! | `request` | hook, folders, config settings, interpreter, environment | - |
//! | `project`, `settings` | pyproject.toml; `[tool.wheelprint]` and its precedence | `request` |
//! | `inputs` | what counts: names, never contents | `project`, `settings`, `request` |
//! | `digest`, `stat_cache` | hashing, and its memory | - |
//! | `toolchain` | which rustc, and its memory | `inputs::ambient`, `digest`, `stat_cache` |
//! | `fingerprint` | the value, the record, looking at inputs | `inputs`, `digest`, `stat_cache`, `toolchain` |
//! | `cargo_mtime` | what cargo's clock would not show | `inputs::target`, `fingerprint`, `freshness` |
//! | `git` | what git knows of a folder | `request` |
//! | `freshness` | comparing records; no I/O | `fingerprint` (types) |
//! | `store` | stored wheels and records | `fingerprint`, `digest` |
//! | `interpreter` | the stable interpreter | `request` |
//! | `maturin` | calling maturin's hooks | `request`, `inputs::ambient` |
//! | `wheel` | zip, RECORD, dist-info | `digest` |
//! | `editable` | the self-contained layout | `wheel`, `project` |
//! | `renew` | a stored wheel with new readme and licence files | `wheel`, `freshness` (types) |
//! | `report` | verdicts in words | types only |
//! | `publish` | write beside, then rename | - |
//! | `error`, `log` | errors and hints; lines on stderr | - |

pub mod cargo_mtime;
pub mod digest;
pub mod editable;
pub mod error;
pub mod fingerprint;
pub mod freshness;
pub mod git;
pub mod hooks;
pub mod inputs;
pub mod interpreter;
pub mod log;
pub mod maturin;
pub mod project;
pub mod publish;
pub mod python;
pub mod renew;
pub mod report;
pub mod request;
pub mod settings;
pub mod stat_cache;
pub mod store;
pub mod toolchain;
pub mod wheel;
