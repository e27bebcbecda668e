//! The output of maturin and cargo: shown at once, and kept for an import that waits.

use std::io::{BufRead, BufReader, IsTerminal as _, Write as _};
use std::process::{ChildStderr, Command, Stdio};

use crate::log;
use crate::request::Environment;

/// A pipe is no terminal, so cargo must be told to use colours. An import that waits shows how far cargo
/// is; cargo writes that between carriage returns.
pub(super) fn pipe_errors(command: &mut Command, environment: &Environment) {
    command.stderr(Stdio::piped());
    if std::io::stderr().is_terminal() && environment.get("CARGO_TERM_COLOR").is_none() {
        command.env("CARGO_TERM_COLOR", "always");
    }
    if log::has_import() {
        command.env("CARGO_TERM_PROGRESS_WHEN", "always").env("CARGO_TERM_PROGRESS_WIDTH", "80");
    }
}

/// Forwards stderr line by line. Returns maturin's lines after the compiler's output.
pub(super) fn forward(stderr: ChildStderr) -> Vec<Vec<u8>> {
    let (mut stderr, mut held, mut line) = (BufReader::new(stderr), Vec::new(), Vec::new());
    while read_line(&mut stderr, &mut line) {
        let line = std::mem::take(&mut line);
        if log::has_import() && line.ends_with(b"\r") {
            progress(&line).inspect(|progress| log::import_progress(progress));
            continue;
        }
        let text = String::from_utf8_lossy(&line);
        // maturin's warning is true for every project that wheelprint builds, and is no mistake.
        if text.contains("`build-backend` in pyproject.toml is not set to `maturin`") {
            continue;
        }
        if !held.is_empty() || text.contains("maturin failed") {
            held.push(line);
        } else {
            show(&line);
        }
    }
    held
}

/// Shows the held lines, unless cargo's own message was already shown. For any other failure they
/// have the cause.
pub(super) fn show_held(held: &[Vec<u8>]) {
    let is_of_cargo =
        |line: &Vec<u8>| String::from_utf8_lossy(line).contains("Cargo build finished with");
    if !held.iter().any(is_of_cargo) {
        held.iter()
            .filter(|line| !line.starts_with(b"Error: command "))
            .for_each(|line| show(line));
    }
}

pub(super) fn show(line: &[u8]) {
    let _ = std::io::stderr().lock().write_all(line);
    log::import_output(line);
}

/// Reads to the end of a line. For an import that waits, cargo's progress is a line of its own.
fn read_line(stderr: &mut impl BufRead, line: &mut Vec<u8>) -> bool {
    loop {
        let Ok(buffer) = stderr.fill_buf() else { return !line.is_empty() };
        if buffer.is_empty() {
            return !line.is_empty();
        }
        let is_end = |byte: &u8| *byte == b'\n' || (log::has_import() && *byte == b'\r');
        let end = buffer.iter().position(is_end).map(|at| at + 1);
        line.extend_from_slice(&buffer[..end.unwrap_or(buffer.len())]);
        let used = end.unwrap_or(buffer.len());
        stderr.consume(used);
        if end.is_some() {
            return true;
        }
    }
}

/// `DONE/ALL` in cargo's progress: `Building [==>  ] 3/30: NAME, NAME`.
fn progress(line: &[u8]) -> Option<String> {
    let text = String::from_utf8_lossy(line);
    let after = text.split_once("Building")?.1.split_once("] ")?.1;
    let counts = after.split(':').next()?;
    let is_number = |part: &str| !part.is_empty() && part.bytes().all(|it| it.is_ascii_digit());
    let (done, all) = counts.split_once('/')?;
    (is_number(done) && is_number(all)).then(|| counts.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_cargo_has_done_is_found_in_its_progress() {
        let line =
            "\u{1b}[1m\u{1b}[96m    Building\u{1b}[0m [==>   ] 3/30: a(build.rs), b\u{2026}\r";
        assert_eq!(progress(line.as_bytes()).as_deref(), Some("3/30"));
        for other in ["   Compiling a v1.0.0\r", "Building [ ] 3/x: a\r", "50 %\r", "\r"] {
            assert_eq!(progress(other.as_bytes()), None, "{other}");
        }
    }

    #[test]
    fn lines_end_where_they_end() {
        let mut text = &b"one\ntwo"[..];
        let mut line = Vec::new();
        assert!(read_line(&mut text, &mut line));
        assert_eq!(line, b"one\n");
        line.clear();
        assert!(read_line(&mut text, &mut line));
        assert_eq!(line, b"two");
        line.clear();
        assert!(!read_line(&mut text, &mut line));
    }
}
