//! Lines made of coloured pieces. Text from untrusted sources is made safe to print.

use anstyle::Style;

use super::terminal::Terminal;
pub(super) use crate::log::tame;

/// A line that is cut to the terminal's width; `…` stands for the rest.
pub(super) struct Line<'a> {
    terminal: &'a Terminal,
    text: String,
    left: usize,
}

impl<'a> Line<'a> {
    /// An empty line.
    pub(super) fn new(terminal: &'a Terminal) -> Self {
        Self { terminal, text: String::new(), left: terminal.width }
    }

    /// Adds a piece in a style. Text beyond the terminal's width is cut.
    pub(super) fn add(mut self, style: Style, text: &str) -> Self {
        let length = text.chars().count();
        if length <= self.left {
            self.text.push_str(&self.terminal.paint(style, text));
            self.left -= length;
        } else if self.left > 0 {
            let kept: String = text.chars().take(self.left - 1).collect();
            self.text.push_str(&self.terminal.paint(style, format!("{kept}…")));
            self.left = 0;
        }
        self
    }

    /// Adds a piece without a style.
    pub(super) fn plain(self, text: &str) -> Self {
        self.add(Style::new(), text)
    }

    /// The finished line with its line feed.
    pub(super) fn end(self) -> String {
        format!("{}\n", self.text)
    }
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

/// A number with its noun, such as `1 build` or `2 builds`.
pub(super) fn count(number: usize, what: &str) -> String {
    format!("{number} {what}{}", if number == 1 { "" } else { "s" })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::request::Environment;

    #[test]
    fn pieces_are_cut_where_the_line_ends() {
        let mut terminal = Terminal::of(&Environment::default());
        terminal.width = 6;
        let style = Style::new();
        assert_eq!(Line::new(&terminal).plain("abc").plain("def").end().matches('…').count(), 0);
        let line = Line::new(&terminal).add(style, "abc").add(style, "defg").plain("h").end();
        assert!(line.contains("de…") && !line.contains('h'), "{line}");
    }

    #[test]
    fn what_steers_a_terminal_is_shown_instead() {
        assert_eq!(tame("a\u{1b}[31m\u{202e}é"), "a\\u{1b}[31m\\u{202e}é");
    }

    #[test]
    fn sizes_are_short() {
        let sizes = [0, 1023, 1536, 5 << 20, 3 << 40].map(size);
        assert_eq!(sizes, ["0 B", "1023 B", "1.5 KiB", "5.0 MiB", "3.0 TiB"]);
        assert_eq!([count(1, "build"), count(2, "build")], ["1 build", "2 builds"]);
    }
}
