//! The one way to say something from inside a hook: lines on stderr, filtered by `WHEELPRINT_LOG`.
//!
//! stdout is left to the frontend. Frontends hide a backend's output unless they are verbose, so
//! `info` is the default: `uv sync -v` or `pip -v` then show the verdict without further settings.

use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU8, Ordering};

/// How much is said; each level includes those before it.
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
    /// The names `WHEELPRINT_LOG` takes.
    pub const NAMES: [&'static str; 5] = ["off", "error", "warn", "info", "debug"];

    /// `None` for a name that is none of [`Level::NAMES`].
    pub fn parse(name: &str) -> Option<Self> {
        match name {
            "off" => Some(Self::Off),
            "error" => Some(Self::Error),
            "warn" => Some(Self::Warn),
            "info" => Some(Self::Info),
            "debug" => Some(Self::Debug),
            _ => None,
        }
    }
}

static LEVEL: AtomicU8 = AtomicU8::new(Level::Info as u8);

/// Sets the level for this process.
pub fn set_level(level: Level) {
    LEVEL.store(level as u8, Ordering::Relaxed);
}

/// Would a line of this level be shown?
pub fn enabled(level: Level) -> bool {
    level as u8 <= LEVEL.load(Ordering::Relaxed)
}

/// The variable by which an import that has us rebuild names a folder for [`import_state`] and
/// [`import_output`]; frontends keep what we print to themselves.
pub const IMPORT_FOLDER: &str = "_WHEELPRINT_REBUILD";

static IMPORT: OnceLock<PathBuf> = OnceLock::new();

/// Says that an import waits for this build.
pub fn set_import(folder: &Path) {
    let _ = IMPORT.set(folder.to_owned());
    // Frontends call several hooks; the last one's words are the answer.
    let _ = fs_err::remove_file(folder.join("output"));
    import_state("started");
}

/// Tells the import that waits how far the build came.
pub fn import_state(state: &str) {
    if let Some(folder) = IMPORT.get() {
        let _ = fs_err::write(folder.join("state"), state);
    }
}

/// What a build said goes to the import that waits, too.
pub fn import_output(line: &[u8]) {
    if let Some(folder) = IMPORT.get() {
        let path = folder.join("output");
        let file = fs_err::OpenOptions::new().append(true).create(true).open(path);
        let _ = file.and_then(|mut file| file.write_all(line));
    }
}

/// All of it so far.
pub fn all_import_output() -> String {
    let output = IMPORT.get().and_then(|folder| fs_err::read(folder.join("output")).ok());
    String::from_utf8_lossy(&output.unwrap_or_default()).into_owned()
}

/// A text that anybody may have written, without what would steer a terminal.
pub fn tame(text: &str) -> String {
    tamed(text, |_| false)
}

/// The same for several lines.
pub fn tame_lines(text: &str) -> String {
    tamed(text, |char| matches!(char, '\n' | '\t'))
}

fn tamed(text: &str, is_kept: impl Fn(char) -> bool) -> String {
    let steers = |char: char| {
        char.is_control()
            || matches!(char, '\u{200e}'..='\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
    };
    text.chars().fold(String::with_capacity(text.len()), |mut tame, char| {
        if steers(char) && !is_kept(char) {
            tame.extend(char.escape_default());
        } else {
            tame.push(char);
        }
        tame
    })
}

/// One line on stderr. A closed stderr is no reason to fail a build.
pub fn line(level: Level, text: impl std::fmt::Display) {
    if enabled(level) {
        // Names of files and what is in manifests may be anybody's words.
        let text = tame_lines(&text.to_string());
        let _ = writeln!(std::io::stderr().lock(), "wheelprint: {text}");
    }
}

/// The verdict and what was done.
pub fn info(text: impl std::fmt::Display) {
    line(Level::Info, text);
}

/// Something the user should know though the build goes on.
pub fn warn(text: impl std::fmt::Display) {
    line(Level::Warn, format_args!("warning: {text}"));
}

/// What is needed to understand a surprising verdict.
pub fn debug(text: impl std::fmt::Display) {
    line(Level::Debug, text);
}
