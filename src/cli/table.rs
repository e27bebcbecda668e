//! The answers about several packages or files: one table, or one list in JSON.

use anstyle::Style;
use serde_json::{Value, json};

use super::members::Selection;
use super::terminal::{BAD, FAINT, PLAIN, STRONG, Terminal};
use super::{Answer, Context, FAILED};
use crate::error::{Error, Result};
use crate::switch::{self, Builder};
use crate::uv::workspace::Member;

/// What a command prints in its table of packages.
pub(super) struct Columns {
    /// The headings after `package` and `folder`.
    pub headings: Vec<&'static str>,
    /// The last line.
    pub footer: Option<&'static str>,
}

pub(super) type Text = (Style, String);

/// A row of a table. The last cell may be long: no column gets its width.
#[derive(Debug, Default)]
pub(super) struct Row {
    pub cells: Vec<Text>,
    /// The lines below the row, indented.
    pub below: Vec<Text>,
}

impl Row {
    pub(super) fn failed(error: &Error) -> Self {
        let hint = error.hint().map(|hint| (FAINT, format!("hint: {hint}")));
        let below = std::iter::once((PLAIN, error.to_string())).chain(hint);
        Self { cells: vec![(BAD, "error".to_owned())], below: below.collect() }
    }

    /// The same row with more cells on the left.
    pub(super) fn after<const COUNT: usize>(mut self, cells: [Text; COUNT]) -> Self {
        self.cells.splice(0..0, cells);
        self
    }
}

/// The JSON of a failure: `error` and `hint`.
pub(super) fn failure_as_json(error: &Error) -> Value {
    json!({ "error": error.to_string(), "hint": error.hint() })
}

pub(super) fn table(headings: &[&str], rows: &[Row], terminal: &Terminal) -> String {
    let head = headings.iter().map(|heading| (FAINT, (*heading).to_owned()));
    let head = Row { cells: head.collect(), below: Vec::new() };
    let rows: Vec<&Row> = std::iter::once(&head).chain(rows).collect();
    let width = |column: usize| {
        let cells = rows.iter().filter_map(|row| row.cells.split_last()?.1.get(column));
        cells.map(|(_, text)| text.chars().count()).max().unwrap_or_default()
    };
    let widths: Vec<usize> = (0..headings.len()).map(width).collect();
    let mut output = String::new();
    for row in rows {
        let last = row.cells.len().saturating_sub(1);
        let cells = row.cells.iter().zip(&widths).enumerate();
        let cells = cells.map(|(column, ((style, text), width))| match column == last {
            true => (*style, text.clone()),
            false => (*style, format!("{text:<width$}  ")),
        });
        let cells: Vec<Text> = cells.collect();
        let pieces: Vec<(Style, &str)> =
            cells.iter().map(|(style, text)| (*style, &**text)).collect();
        output += &terminal.line(&pieces);
        for (style, text) in &row.below {
            for line in text.lines() {
                let line = terminal.wrap(&format!("    {line}"), 6);
                output += &terminal.paint(*style, line);
                output.push('\n');
            }
        }
    }
    output
}

/// The answer about several packages, from the answer about each.
pub(super) fn of_packages(
    selection: &Selection,
    answers: Vec<(&Member, Result<Answer>)>,
    columns: &Columns,
    as_json: bool,
    context: &Context,
) -> Answer {
    let broken = selection.broken().map(|(root, error)| (None, root, Err(error)));
    let answers = answers
        .into_iter()
        .map(|(member, answer)| (Some(&*member.name), &*member.project.root, answer));
    let mut code = 0;
    let (mut rows, mut packages) = (Vec::new(), Vec::new());
    for (name, root, answer) in broken.chain(answers) {
        let answer = answer.unwrap_or_else(|error| {
            let json = failure_as_json(&error);
            let row = Row::failed(&error);
            Answer { json: Some(json), row, code: FAILED, ..Answer::default() }
        });
        code = code.max(answer.code);
        let mut json = answer.json.unwrap_or_default();
        if let Some(object) = json.as_object_mut() {
            object.remove("schema");
            object.entry("project").or_insert_with(|| json!({ "name": name, "root": root }));
        }
        packages.push(json);
        let name = (STRONG, name.unwrap_or("-").to_owned());
        rows.push(answer.row.after([name, (PLAIN, selection.place(root))]));
    }
    if as_json {
        let others = selection.others().map(|member| {
            let builder = switch::builder(&member.project);
            json!({
                "project": { "name": member.name, "root": member.project.root },
                "built-by": (builder != Builder::Nobody).then(|| builder.title()),
            })
        });
        let json = json!({
            "schema": 1,
            "workspace": selection.root(),
            "packages": packages,
            "others": others.collect::<Value>(),
        });
        return Answer::json(json).with_code(code);
    }
    rows.extend(selection.others().map(|member| {
        let cells = [member.name.clone(), selection.place(&member.project.root)];
        let cells = cells.into_iter().chain([selection.built_by(member)]);
        Row { cells: cells.map(|text| (FAINT, text)).collect(), below: Vec::new() }
    }));
    let headings: Vec<&str> =
        ["package", "folder"].into_iter().chain(columns.headings.iter().copied()).collect();
    let mut output = table(&headings, &rows, &context.terminal);
    if let Some(footer) = columns.footer {
        output += &format!("\n{}\n", context.terminal.wrap(footer, 0));
    }
    Answer::said(output).with_code(code)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_cell_of_a_row_widens_no_column() {
        let row = |cells: &[&str], below: &[&str]| {
            let texts = |all: &[&str]| all.iter().map(|text| (PLAIN, (*text).to_owned())).collect();
            Row { cells: texts(cells), below: texts(below) }
        };
        let rows = [
            row(&["one", "fresh", "does nothing"], &[]),
            row(&["two", "nothing builds it"], &["because\nof\u{1b}[1m"]),
            row(&[], &[]),
        ];
        let terminal = Terminal::of_width(80);
        let output = table(&["package", "state", "next"], &rows, &terminal);
        let expected = "\
package  state  next
one      fresh  does nothing
two      nothing builds it
    because
    of\\u{1b}[1m

";
        assert_eq!(output, expected);
    }
}
