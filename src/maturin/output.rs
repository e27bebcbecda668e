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
    let is_awaited = log::has_import();
    while read_line(&mut stderr, &mut line, is_awaited) {
        if line.ends_with(b"\r") {
            progress(&line).inspect(|progress| log::import_progress(progress));
            continue;
        }
        let mut line = std::mem::take(&mut line);
        if is_awaited && line.starts_with(ERASE) {
            line.drain(..ERASE.len());
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

/// With this cargo removes its progress from a terminal's line.
const ERASE: &[u8] = b"\x1b[K";

/// Reads to the end of a line; if the text is `split`, also to a carriage return. What was before that
/// is replaced by what follows, as on a terminal, unless the line ends there (on Windows).
fn read_line(stderr: &mut impl BufRead, line: &mut Vec<u8>, split: bool) -> bool {
    loop {
        let Ok(buffer) = stderr.fill_buf() else { return !line.is_empty() };
        if buffer.is_empty() {
            // Progress is no output.
            line.pop_if(|last| *last == b'\r');
            return !line.is_empty();
        }
        if split && line.ends_with(b"\r") && buffer[0] != b'\n' {
            line.clear();
        }
        let is_end = |byte: &u8| *byte == b'\n' || (split && *byte == b'\r');
        let end = buffer.iter().position(is_end).map(|at| at + 1);
        let used = end.unwrap_or(buffer.len());
        line.extend_from_slice(&buffer[..used]);
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

    fn lines(mut text: &[u8], split: bool) -> Vec<String> {
        let mut line = Vec::new();
        let mut found = Vec::new();
        while read_line(&mut text, &mut line, split) {
            if !(split && line.ends_with(b"\r")) {
                found.push(String::from_utf8(std::mem::take(&mut line)).unwrap());
            }
        }
        found
    }

    #[test]
    fn lines_end_where_they_end() {
        assert_eq!(lines(b"one\ntwo", false), ["one\n", "two"]);
        assert_eq!(lines(b"one\rtwo\n", false), ["one\rtwo\n"]);
        assert_eq!(
            lines(b"1/3: a\r2/3: b\r   Compiling c\ntwo", true),
            ["   Compiling c\n", "two"]
        );
        // Windows.
        assert_eq!(lines(b"one\r\ntwo\r\n", true), ["one\r\n", "two\r\n"]);
    }
}
