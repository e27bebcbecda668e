//! A comment in pyproject.toml that keeps the maturin requirements which `init` replaced. With it
//! `init --undo` needs nothing but the file.

use toml_edit::{Document, Item, Value};

use super::THEIRS;
use crate::project::requirement_name;

/// The start of the comment. A TOML list of strings follows.
const MARK: &str = "# `wheelprint init --undo` puts back: ";

/// Adds the comment on its own line above `requires`.
pub(super) fn added(text: &str, requirements: &[String]) -> String {
    let Some(line) = place(text) else { return text.to_owned() };
    let rest = &text[line..];
    let indent = &rest[..rest.len() - rest.trim_start_matches([' ', '\t']).len()];
    let list: Value = requirements.iter().map(String::as_str).collect();
    format!("{}{indent}{MARK}{list}\n{rest}", &text[..line])
}

/// The offset of the line that the comment goes above: the line of `requires`, else of
/// `build-backend`, else of `build-system`.
fn place(text: &str) -> Option<usize> {
    let document = Document::parse(text).ok()?;
    let (whole, system) = document.as_table().get_key_value("build-system")?;
    let within = match system {
        // An inline table cannot contain a comment.
        Item::Table(table) => {
            table.get_key_value("requires").or_else(|| table.get_key_value("build-backend"))
        }
        _ => None,
    };
    let start = within.map_or(whole, |(key, _)| key).span()?.start;
    Some(text[..start].rfind('\n').map_or(0, |newline| newline + 1))
}

/// Removes such comments from the text. Also returns the requirements of the first one; `None` if
/// there is no comment.
pub(super) fn taken(text: &str) -> (String, Option<Vec<String>>) {
    let (mut text, mut found) = (text.to_owned(), None);
    let mut from = 0;
    while let Some(line) = text[from..].split_inclusive('\n').next().map(str::to_owned) {
        let end = from + line.len();
        let said = line.trim_start().strip_prefix(MARK).map(str::trim_end);
        let without = said.map(|said| (said, [&text[..from], &text[end..]].concat()));
        match without {
            // Inside a multi-line string the text is no comment, and removing it would change the
            // value.
            Some((said, without)) if means_the_same(&text, &without) => {
                found.get_or_insert_with(|| requirements(said));
                text = without;
            }
            _ => from = end,
        }
    }
    (text, found.flatten())
}

fn means_the_same(one: &str, other: &str) -> bool {
    match (one.parse::<toml::Table>(), other.parse::<toml::Table>()) {
        (Ok(one), Ok(other)) => one == other,
        _ => false,
    }
}

/// The requirements in the comment. `None` if somebody edited it so that it is no list of maturin
/// requirements.
fn requirements(list: &str) -> Option<Vec<String>> {
    let list = list.parse::<Value>().ok()?;
    let texts: Option<Vec<String>> =
        list.as_array()?.iter().map(|one| Some(one.as_str()?.to_owned())).collect();
    texts.filter(|texts| texts.iter().all(|text| requirement_name(text) == THEIRS))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_comment_comes_and_goes() {
        let some = ["maturin>=1.0,<2.0".to_owned(), "maturin > '1' \\ \"".to_owned()];
        for (text, before) in [
            ("[build-system]\nrequires = []\nbuild-backend = 'x'\n", "[build-system]\n"),
            (
                "# a\n[build-system]\n  # b\n  build-backend = 'x'\n",
                "# a\n[build-system]\n  # b\n  ",
            ),
            (
                "[build-system]\nbuild-backend = 'x'\nrequires = [\n 'a',\n]",
                "[build-system]\nbuild-backend = 'x'\n",
            ),
            ("a = 1\nbuild-system = { requires = [] } # c\n", "a = 1\n"),
            ("a = 1\nbuild-system.requires = []\n", "a = 1\n"),
            ("build-system.build-backend = 'x'\n", ""),
        ] {
            for some in [&some[..], &[]] {
                let one = added(text, some);
                assert!(one.starts_with(&format!("{before}{MARK}")), "{one}");
                assert_eq!(taken(&one), (text.to_owned(), Some(some.to_vec())));
            }
        }
    }

    #[test]
    fn what_is_no_such_comment_stays() {
        let list = "[\"maturin\"]";
        for text in [
            format!("a = '''\n{MARK}{list}\n'''\n"),
            format!("a = 1 {MARK}{list}\n"),
            String::new(),
        ] {
            assert_eq!(taken(&text), (text.clone(), None));
        }
        for damaged in ["", "maturin", "[1]", "[\"maturin\"", "[\"evil\"]"] {
            assert_eq!(taken(&format!("a = 1\n{MARK}{damaged}\n")), ("a = 1\n".to_owned(), None));
        }
    }
}
