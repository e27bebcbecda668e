//! The terminal's abilities (colour, width, progress), and text that fits it.

use std::io::{BufRead as _, ErrorKind, IsTerminal as _, Write as _};
use std::path::Path;
use std::sync::mpsc;
use std::thread::JoinHandle;
use std::time::Duration;

use anstyle::{AnsiColor, Style};

use crate::error::{Error, Result};
use crate::log::{escape_controls, escape_controls_in_lines};
use crate::request::Environment;

pub(super) const PLAIN: Style = Style::new();
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

/// What `--color` accepts.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, clap::ValueEnum)]
pub(super) enum Color {
    // On a terminal, unless NO_COLOR is set. (clap prints doc comments of values in long lists.)
    #[default]
    Auto,
    Always,
    Never,
}

/// The abilities of the streams that a command prints to.
#[derive(Debug, Clone, Default)]
pub(crate) struct Terminal {
    /// The package that warnings and notes are about, if the command is about several.
    subject: Option<String>,
    is_quiet: bool,
    /// Whether uv runs the command from an environment of its own. Hints name `uvx wheelprint` then.
    is_uvx: bool,
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
    ///
    /// A quiet one shows no progress, warnings and notes.
    pub(super) fn of(
        environment: &Environment,
        prefix: &Path,
        color: Color,
        is_quiet: bool,
    ) -> Self {
        // A console of Windows shows escape sequences as text unless it is told not to, and an old
        // one can't be told. Another terminal, such as that of Git Bash, sets TERM.
        let is_dumb = match environment.get("TERM") {
            Some(term) => term == "dumb",
            None => anstyle_query::windows::enable_ansi_colors() == Some(false),
        };
        let is_off = environment.non_empty("NO_COLOR").is_some();
        let is_on = environment.non_empty("FORCE_COLOR").is_some_and(|value| value != "0");
        let colour = |is_terminal: bool| match color {
            Color::Auto => !is_off && (is_on || (is_terminal && !is_dumb)),
            Color::Always => true,
            Color::Never => false,
        };
        let (stdout, stderr) = (std::io::stdout().is_terminal(), std::io::stderr().is_terminal());
        let width = match terminal_size::terminal_size() {
            Some((terminal_size::Width(columns), _)) if stdout => usize::from(columns).max(40),
            _ => usize::MAX,
        };
        Self {
            subject: None,
            is_quiet,
            // uv's cache: `archive-v0/ID`.
            is_uvx: prefix.parent().is_some_and(|above| above.ends_with("archive-v0")),
            colour: colour(stdout),
            colour_on_stderr: colour(stderr),
            stderr,
            width,
        }
    }

    /// The same terminal, with warnings and notes that name a package.
    pub(super) fn about(&self, package: &str) -> Self {
        Self { subject: Some(package.to_owned()), ..self.clone() }
    }

    /// A terminal without colour.
    #[cfg(test)]
    pub(super) fn of_width(width: usize) -> Self {
        Self { width, ..Self::default() }
    }

    /// Text for stdout, in a style if colour is on. Control characters that would steer the
    /// terminal are made visible.
    pub(crate) fn paint(&self, style: Style, text: impl std::fmt::Display) -> String {
        paint(self.colour, style, text)
    }

    /// A line of pieces, each in its style. It is cut at the terminal's width; `…` stands for the
    /// rest. All control characters are made visible, because a piece may be untrusted text.
    pub(crate) fn line(&self, pieces: &[(Style, &str)]) -> String {
        let mut line = String::new();
        let mut left = self.width;
        for (style, piece) in pieces {
            let piece = escape_controls(piece);
            let length = piece.chars().count();
            if length <= left {
                line += &self.paint(*style, piece);
                left -= length;
            } else if left > 0 {
                let kept: String = piece.chars().take(left - 1).collect();
                line += &self.paint(*style, format!("{kept}…"));
                left = 0;
            }
        }
        line + "\n"
    }

    /// Wraps text at the terminal's width. Each line after the first is indented.
    pub(crate) fn wrap(&self, text: &str, indent: usize) -> String {
        let mut wrapped = String::new();
        let mut column = 0;
        for (index, word) in escape_controls_in_lines(text).split(' ').enumerate() {
            let length = word.chars().count();
            if index > 0 && column + 1 + length > self.width {
                wrapped += &format!("\n{}", " ".repeat(indent));
                column = indent;
            } else if index > 0 {
                wrapped.push(' ');
                column += 1;
            }
            wrapped += word;
            column += length;
        }
        wrapped
    }

    pub(crate) fn is_quiet(&self) -> bool {
        self.is_quiet
    }

    /// Prints a line on stderr at once.
    pub(crate) fn note(&self, text: &str) {
        self.labelled(PLAIN, "note", text);
    }

    /// A text whose hints name the command as it was called.
    fn as_called(&self, text: &str) -> String {
        if self.is_uvx { text.replace("`wheelprint ", "`uvx wheelprint ") } else { text.to_owned() }
    }

    /// A command line, as the user would call it.
    pub(crate) fn called(&self, command: &str) -> String {
        if self.is_uvx { format!("uvx {command}") } else { command.to_owned() }
    }

    /// Prints the answer to a person, see [`Self::show`].
    pub(crate) fn say(&self, text: &str) -> Result<()> {
        self.show(&self.as_called(text))
    }

    /// Prints text on stdout. A closed pipe (`| head`) is no failure: the reader needed no more.
    pub(crate) fn show(&self, text: &str) -> Result<()> {
        let mut stdout = std::io::stdout().lock();
        match stdout.write_all(text.as_bytes()).and_then(|()| stdout.flush()) {
            Err(error) if error.kind() != ErrorKind::BrokenPipe => {
                Err(Error::path("stdout", error))
            }
            _ => Ok(()),
        }
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

    pub(crate) fn warn(&self, text: &str) {
        self.labelled(NOTICE, "warning", text);
    }

    /// Prints an error, and its hint on a separate line.
    pub(crate) fn error(&self, error: &Error) {
        self.labelled(BAD, "error", &error.to_string());
        if let Some(hint) = error.hint() {
            self.labelled(NAME, "hint", &hint);
        }
    }

    fn labelled(&self, style: Style, label: &str, text: &str) {
        if self.is_quiet && !["error", "hint"].contains(&label) {
            return;
        }
        let label = paint(self.colour_on_stderr, style, label);
        let subject = self.subject.as_ref().map(|name| format!("{name}: ")).unwrap_or_default();
        let text = escape_controls_in_lines(&self.as_called(&format!("{subject}{text}")));
        let _ = writeln!(std::io::stderr().lock(), "{label}: {text}");
    }

    /// Shows on a terminal that a task is running, once it takes longer than half a second. The
    /// display ends when the value is dropped.
    #[must_use]
    pub(crate) fn progress(&self, what: &'static str) -> Progress {
        if !self.stderr || self.is_quiet {
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
    let text = escape_controls_in_lines(&text.to_string());
    if colour && !text.is_empty() { format!("{style}{text}{style:#}") } else { text }
}

/// A number of bytes for people, such as `12.3 MiB`.
pub(super) fn size(bytes: u64) -> String {
    let mut size = bytes as f64;
    for unit in ["B", "KiB", "MiB", "GiB"] {
        if size < 1024.0 {
            return if unit == "B" { format!("{bytes} B") } else { format!("{size:.1} {unit}") };
        }
        size /= 1024.0;
    }
    format!("{size:.1} TiB")
}

/// The number of characters of a digest that are shown.
pub(super) const SHORT: usize = 12;

/// The start of a digest.
pub(super) fn short(digest: &str) -> String {
    digest.chars().take(SHORT).collect()
}

/// A number with its noun, such as `1 build` or `2 builds`.
pub(super) fn count(number: usize, what: &str) -> String {
    format!("{number} {what}{}", if number == 1 { "" } else { "s" })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_fit() {
        let terminal = Terminal::of_width(12);
        assert_eq!(terminal.wrap("one two three four five", 2), "one two\n  three four\n  five");
        assert_eq!(terminal.line(&[(PLAIN, "one two three")]), "one two thr…\n");
        assert_eq!(terminal.line(&[(PLAIN, "one"), (GOOD, " two")]), "one two\n");
        let pieces = [(PLAIN, "one two"), (GOOD, " three"), (PLAIN, "x")];
        assert_eq!(terminal.line(&pieces), "one two thr…\n");
        assert_eq!(terminal.paint(GOOD, "yes"), "yes");
    }

    #[test]
    fn what_steers_a_terminal_is_shown_instead() {
        assert_eq!(escape_controls("a\u{1b}[31m\u{202e}é"), "a\\u{1b}[31m\\u{202e}é");
    }

    #[test]
    fn hints_name_the_command_as_it_was_called() {
        let of = |prefix: &str| {
            Terminal::of(&Environment::default(), prefix.as_ref(), Color::Auto, false)
                .as_called("run `wheelprint keys`, not `uvx wheelprint keys`")
        };
        let text = "run `wheelprint keys`, not `uvx wheelprint keys`";
        assert_eq!(of("/home/me/project/.venv"), text);
        let of_uvx = "run `uvx wheelprint keys`, not `uvx wheelprint keys`";
        assert_eq!(of("/home/me/.cache/uv/archive-v0/FTM2aHd"), of_uvx);
    }

    #[test]
    fn sizes_are_short() {
        let sizes = [0, 1023, 1536, 5 << 20, 3 << 40].map(size);
        assert_eq!(sizes, ["0 B", "1023 B", "1.5 KiB", "5.0 MiB", "3.0 TiB"]);
        assert_eq!([count(1, "build"), count(2, "build")], ["1 build", "2 builds"]);
    }
}
