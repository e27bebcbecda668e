//! wheelprint: a build backend (PEP 517, PEP 660) that wraps maturin's and knows what a wheel was
//! built from.
//!
//! # The house
//!
//! Data goes one way. Only `hooks` knows the order; every other room does one thing.
//!
//! | room | owns | may call |
//! |---|---|---|
//! | `python` | the only pyo3 code; there with the feature `python` only | `cli`, `hooks`, `maturin`, `request` |
//! | `cli` | arguments, exit codes, all printing | `fingerprint` (types), `freshness` (types), `git`, `hooks`, `inputs`, `installed`, `project`, `report`, `request`, `sdist`, `settings`, `store`, `switch`, `uv`, `wheel` |
//! | `hooks` | the order of the stages | all below |
//! | `renew` | a stored wheel with new readme and licence files | `wheel`, `fingerprint` (types), `freshness` (types), `inputs` (types) |
//! | `remap` | this machine's paths taken out of what is compiled | `inputs`, `project`, `request` |
//! | `report` | verdicts in words and as JSON | `fingerprint` (types), `freshness` (types), `inputs` (types) |
//! | `installed` | what an environment has installed of a project | `fingerprint` (types), `project`, `request` |
//! | `switch` | who builds a project; pyproject.toml from maturin to wheelprint and back, as text | `maturin`, `project`, `uv` |
//! | `uv` | uv's cache keys: derive, compare, write; its workspaces | `inputs`, `project`, `request` |
//! | `store` | stored wheels and records | `fingerprint` (types), `inputs` (types), `cargo_mtime` (types), `request` |
//! | `cargo_mtime` | what cargo's clock would not show | `inputs`, `fingerprint` (types), `freshness` |
//! | `sdist` | sdists (PEP 625): reading, stamping, what the tree was that one was made from | `fingerprint` (types), `inputs` |
//! | `freshness` | comparing records; no I/O | `fingerprint` (types), `inputs` (types) |
//! | `fingerprint` | the value, the record, looking at inputs | `inputs`, `request`, `settings`, `stat_cache`, `toolchain`, `git`, `editable` (the runtime hook's text) |
//! | `editable` | the self-contained layout | `wheel`, `project`, `inputs`, `stat_cache` |
//! | `maturin` | calling maturin's hooks | `request`, `inputs` |
//! | `interpreter` | the stable interpreter | `request` |
//! | `toolchain` | which rustc, and its memory | `inputs`, `request`, `stat_cache` |
//! | `git` | what git knows of a folder | `request` |
//! | `inputs` | what counts: names, never contents | `project`, `settings`, `request` |
//! | `settings` | `[tool.wheelprint]` and its precedence | `project`, `request` |
//! | `project` | pyproject.toml | `request` |
//! | `request` | hook, folders, config settings, interpreter, environment | - |
//! | `wheel` | zip, RECORD, dist-info | - |
//! | `stat_cache` | the memory of what was hashed | - |
//! | `digest` | hashing | - |
//! | `publish` | write beside, then rename; folders of the user alone | - |
//! | `error`, `log` | errors and hints; lines on stderr | - |
//!
//! Everyone may call the last three lines. `tests/house.rs` holds this table against the code.

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
