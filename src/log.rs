//! All messages of a hook: lines on stderr, filtered by `WHEELPRINT_LOG`.
//!
//! stdout belongs to the frontend. Frontends show a backend's output only if they are verbose. So
//! the default is `info`: `uv sync -v` or `pip -v` show the verdict without further settings.

use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU8, Ordering};

/// The amount of output. Each level includes the levels before it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
#[repr(u8)]
pub enum Level {
    Off,
    Error,
    Warn,
    Info,
    Debug,
}

impl Level {
    /// The levels by the names that `WHEELPRINT_LOG` accepts.
    pub const NAMES: &[(&str, Self)] = &[
        ("off", Self::Off),
        ("error", Self::Error),
        ("warn", Self::Warn),
        ("info", Self::Info),
        ("debug", Self::Debug),
    ];
}

static LEVEL: AtomicU8 = AtomicU8::new(Level::Info as u8);

/// Sets the level for this process.
pub fn set_level(level: Level) {
    LEVEL.store(level as u8, Ordering::Relaxed);
}

/// An import that rebuilds sets this variable to a folder for [`import_state`] and
/// [`import_output`]. The folder is needed because frontends hide the output of a build.
pub const IMPORT_FOLDER: &str = "_WHEELPRINT_REBUILD";

/// The folder of the project for which the import waits. The same call of the frontend may build
/// other projects, which write no files.
pub const IMPORT_PROJECT: &str = "_WHEELPRINT_REBUILD_PROJECT";

/// `wheelprint watch` sets this variable, in addition to [`IMPORT_FOLDER`].
pub const WATCH: &str = "_WHEELPRINT_WATCH";

static IMPORT: OnceLock<PathBuf> = OnceLock::new();

/// Registers the folder of an import that waits for this build.
pub fn set_import(folder: &Path) {
    let _ = IMPORT.set(folder.to_owned());
    // A frontend calls several hooks. Only the output of the last one is kept.
    let _ = fs_err::remove_file(folder.join("output"));
    import_state("started");
}

/// Tells the waiting import how far the build is.
pub fn import_state(state: &str) {
    if let Some(folder) = IMPORT.get() {
        let _ = fs_err::write(folder.join("state"), state);
    }
}

/// Appends to the output that the waiting import reads.
pub fn import_output(line: &[u8]) {
    if let Some(folder) = IMPORT.get() {
        let path = folder.join("output");
        let file = fs_err::OpenOptions::new().append(true).create(true).open(path);
        let _ = file.and_then(|mut file| file.write_all(line));
    }
}

/// Does an import wait for this build?
pub fn has_import() -> bool {
    IMPORT.get().is_some()
}

/// Tells the waiting import that nothing is compiled.
pub fn import_stored() {
    if let Some(folder) = IMPORT.get() {
        let _ = fs_err::write(folder.join("stored"), "");
    }
}

/// Tells the waiting import how much of cargo's work is done.
pub fn import_progress(text: &str) {
    if let Some(folder) = IMPORT.get() {
        let _ = fs_err::write(folder.join("progress"), text);
    }
}

/// All output for the waiting import so far.
pub fn all_import_output() -> String {
    let output = IMPORT.get().and_then(|folder| fs_err::read(folder.join("output")).ok());
    String::from_utf8_lossy(&output.unwrap_or_default()).into_owned()
}

/// Replaces the control characters in an untrusted text, which could steer a terminal, by escapes.
pub fn escape_controls(text: &str) -> String {
    escaped(text, &[])
}

/// Like [`escape_controls`], but keeps line feeds and tabs.
pub fn escape_controls_in_lines(text: &str) -> String {
    escaped(text, &['\n', '\t'])
}

fn escaped(text: &str, kept: &[char]) -> String {
    let steers = |char: char| {
        char.is_control()
            || matches!(char, '\u{200e}'..='\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
    };
    let mut escaped = String::with_capacity(text.len());
    for char in text.chars() {
        if steers(char) && !kept.contains(&char) {
            escaped.extend(char.escape_default());
        } else {
            escaped.push(char);
        }
    }
    escaped
}

/// Writes a line to stderr. A closed stderr is ignored, because it is no reason to fail a build.
pub fn line(level: Level, text: impl std::fmt::Display) {
    if level as u8 <= LEVEL.load(Ordering::Relaxed) {
        // File names and the content of manifests are untrusted text.
        let text = escape_controls_in_lines(&text.to_string());
        let _ = writeln!(std::io::stderr().lock(), "wheelprint: {text}");
    }
}

/// Logs the verdict or an action.
pub fn info(text: impl std::fmt::Display) {
    line(Level::Info, text);
}

/// Logs a problem that does not stop the build.
pub fn warn(text: impl std::fmt::Display) {
    line(Level::Warn, format_args!("warning: {text}"));
}

/// Logs details that explain a surprising verdict.
pub fn debug(text: impl std::fmt::Display) {
    line(Level::Debug, text);
}
