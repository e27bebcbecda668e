//! The terminal's abilities: colour, width, progress.

use std::io::{BufRead as _, IsTerminal as _, Write as _};
use std::sync::mpsc;
use std::thread::JoinHandle;
use std::time::Duration;

use anstyle::{AnsiColor, Style};

use crate::error::Error;
use crate::log::{tame, tame_lines};
use crate::request::Environment;

/// Success.
pub(crate) const GOOD: Style = AnsiColor::Green.on_default();
/// Failure, and removed lines.
pub(crate) const BAD: Style = AnsiColor::Red.on_default();
/// Warnings and notes.
pub(crate) const NOTICE: Style = AnsiColor::Yellow.on_default();
/// Names and commands.
pub(crate) const NAME: Style = AnsiColor::Cyan.on_default();
/// Headings.
pub(crate) const STRONG: Style = Style::new().bold();
/// Details.
pub(crate) const FAINT: Style = Style::new().dimmed();

/// A task that takes longer than this shows its progress.
const PATIENCE: Duration = Duration::from_millis(500);

/// The abilities of the streams that a command prints to.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Terminal {
    colour: bool,
    colour_on_stderr: bool,
    stderr: bool,
    /// Columns; `usize::MAX` if stdout is no terminal (a pipe, a file).
    pub width: usize,
}

impl Terminal {
    /// Examines stdout and stderr of this process. `NO_COLOR` (no-color.org) switches colour off,
    /// and `FORCE_COLOR` switches it on. Without them only a terminal that is not `TERM=dumb` gets
    /// colour.
    pub(crate) fn of(environment: &Environment) -> Self {
        let is_dumb = environment.get("TERM").is_some_and(|term| term == "dumb");
        let is_off = environment.non_empty("NO_COLOR").is_some();
        let is_on = environment.non_empty("FORCE_COLOR").is_some_and(|value| value != "0");
        let colour = |is_terminal: bool| !is_off && (is_on || (is_terminal && !is_dumb));
        let (stdout, stderr) = (std::io::stdout().is_terminal(), std::io::stderr().is_terminal());
        let width = match terminal_size::terminal_size() {
            Some((terminal_size::Width(columns), _)) if stdout => usize::from(columns).max(40),
            _ => usize::MAX,
        };
        Self { colour: colour(stdout), colour_on_stderr: colour(stderr), stderr, width }
    }

    /// Text for stdout, in a style if colour is on. Control characters that would steer the
    /// terminal are made visible.
    pub(crate) fn paint(&self, style: Style, text: impl std::fmt::Display) -> String {
        paint(self.colour, style, text)
    }

    /// Cuts a line that is wider than the terminal; `…` stands for the rest.
    pub(crate) fn cut(&self, line: &str) -> String {
        let line = &tame(line);
        if line.chars().count() <= self.width {
            return line.to_owned();
        }
        let kept: String = line.chars().take(self.width.saturating_sub(1)).collect();
        format!("{kept}…")
    }

    /// Wraps text at the terminal's width. Each line after the first is indented.
    pub(crate) fn wrap(&self, text: &str, indent: usize) -> String {
        let mut lines = vec![String::new()];
        for word in tame_lines(text).split(' ') {
            let line = lines.last_mut().map_or(0, |line| line.chars().count());
            let taken = if lines.len() > 1 { indent + line } else { line };
            if line > 0 && taken + 1 + word.chars().count() > self.width {
                lines.push(word.to_owned());
            } else if let Some(last) = lines.last_mut() {
                if line > 0 {
                    last.push(' ');
                }
                last.push_str(word);
            }
        }
        lines.join(&format!("\n{}", " ".repeat(indent)))
    }

    /// Prints a line on stderr at once, such as a warning.
    pub(crate) fn note(&self, text: &str) {
        let _ = writeln!(std::io::stderr().lock(), "{text}");
    }

    /// Prints text on stdout at once, such as the diff before a question.
    pub(crate) fn show(&self, text: &str) {
        let mut stdout = std::io::stdout().lock();
        let _ = stdout.write_all(text.as_bytes()).and_then(|()| stdout.flush());
    }

    /// Whether [`Self::ask`] can get an answer.
    pub(crate) fn can_ask(&self) -> bool {
        std::io::stdin().is_terminal()
    }

    /// Asks on stderr. Every answer except `y` and `yes` means no.
    pub(crate) fn ask(&self, question: &str) -> bool {
        let mut stderr = std::io::stderr().lock();
        let _ = write!(stderr, "{question} [y/N] ").and_then(|()| stderr.flush());
        let mut answer = String::new();
        if std::io::stdin().lock().read_line(&mut answer).is_err() || !answer.ends_with('\n') {
            let _ = writeln!(stderr);
        }
        matches!(answer.trim().to_ascii_lowercase().as_str(), "y" | "yes")
    }

    /// Prints `warning: ...` on stderr.
    pub(crate) fn warn(&self, text: &str) {
        let text = tame_lines(text);
        self.note(&format!("{}: {text}", paint(self.colour_on_stderr, NOTICE, "warning")));
    }

    /// Prints an error, and its hint on a separate line.
    pub(crate) fn error(&self, error: &Error) {
        let label = |style, text| paint(self.colour_on_stderr, style, text);
        let text = tame_lines(&error.to_string());
        self.note(&format!("{}: {text}", label(BAD, "error")));
        if let Some(hint) = error.hint() {
            self.note(&format!("{}: {}", label(NAME, "hint"), tame_lines(&hint)));
        }
    }

    /// Shows on a terminal that a task is running, once it takes longer than half a second. The
    /// display ends when the value is dropped.
    #[must_use]
    pub(crate) fn progress(&self, what: &'static str) -> Progress {
        if !self.stderr {
            return Progress(None);
        }
        let (done, is_done) = mpsc::channel::<()>();
        let thread = std::thread::spawn(move || {
            const FRAMES: [char; 4] = ['-', '\\', '|', '/'];
            let mut wait = PATIENCE;
            for frame in FRAMES.into_iter().cycle() {
                if is_done.recv_timeout(wait) != Err(mpsc::RecvTimeoutError::Timeout) {
                    break;
                }
                let mut stderr = std::io::stderr().lock();
                let _ = write!(stderr, "\r{frame} {what} ").and_then(|()| stderr.flush());
                wait = Duration::from_millis(120);
            }
            if wait != PATIENCE {
                let _ = write!(std::io::stderr().lock(), "\r\x1b[K");
            }
        });
        Progress(Some((done, thread)))
    }
}

/// A running display, see [`Terminal::progress`].
pub(crate) struct Progress(Option<(mpsc::Sender<()>, JoinHandle<()>)>);

impl Drop for Progress {
    fn drop(&mut self) {
        if let Some((done, thread)) = self.0.take() {
            drop(done);
            let _ = thread.join();
        }
    }
}

fn paint(colour: bool, style: Style, text: impl std::fmt::Display) -> String {
    let text = tame_lines(&text.to_string());
    if colour { format!("{style}{text}{style:#}") } else { text }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_fit() {
        let terminal =
            Terminal { colour: false, colour_on_stderr: false, stderr: false, width: 12 };
        assert_eq!(terminal.wrap("one two three four five", 2), "one two\n  three four\n  five");
        assert_eq!(terminal.cut("one two three"), "one two thr…");
        assert_eq!(terminal.cut("one two"), "one two");
        assert_eq!(terminal.paint(GOOD, "yes"), "yes");
    }
}
