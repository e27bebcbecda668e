//! `wheelprint log`.

use std::time::{Duration, SystemTime};

use serde_json::{Value, json};

use super::cache::age;
use super::open::ProjectArguments;
use super::table::{Columns, Row};
use super::terminal::{BAD, FAINT, GOOD, NOTICE, PLAIN, STRONG};
use super::{Answer, Context};
use crate::error::Result;
use crate::log::Level;
use crate::store::{Event, Outcome};

/// The last builds, and calls that needed none: when, by whom, why, and how long it took
#[derive(Debug, clap::Args)]
pub(super) struct Arguments {
    #[command(flatten)]
    project: ProjectArguments,
    /// Show at most NUMBER calls
    #[arg(long, short, value_name = "NUMBER", default_value_t = 20)]
    number: usize,
    /// Print JSON (the page "JSON" of the documentation describes it)
    #[arg(long)]
    json: bool,
}

pub(super) fn run(arguments: &Arguments, context: &Context) -> Result<Answer> {
    let columns = Columns { headings: vec!["last call"], footer: None };
    arguments.project.each(&columns, arguments.json, context, |opened, context| {
        let mut events = opened.call.events();
        events.truncate(arguments.number);
        if arguments.json {
            let events: Value = events.iter().map(as_json).collect();
            return Ok(Answer::json(json!({ "schema": 1, "events": events })));
        }
        let now = SystemTime::now();
        let last = events.first().map(|event| said(event, now));
        let cell = last.map_or((FAINT, "never built".to_owned()), |[when, by, took, result]| {
            (PLAIN, format!("{result}, {when}, by {by}, in {took}"))
        });
        let row = Row { cells: vec![cell], below: Vec::new() };
        Ok(Answer::said(table(&events, now, context)).with_row(row))
    })
}

fn table(events: &[Event], now: SystemTime, context: &Context) -> String {
    if events.is_empty() {
        return "No frontend has asked for a build of this tree yet.\n".to_owned();
    }
    let rows: Vec<[String; 4]> = events.iter().map(|event| said(event, now)).collect();
    let headings = ["when", "asked by", "took", "result"].map(str::to_owned);
    let width = |column: usize| {
        let cells = rows.iter().chain([&headings]).map(|row| row[column].chars().count());
        cells.max().unwrap_or_default()
    };
    let [first, second, third] = [0, 1, 2].map(width);
    let line = |[when, by, took, _]: &[String; 4]| {
        format!("{when:<first$}  {by:<second$}  {took:>third$}  ")
    };
    let terminal = &context.terminal;
    let mut output = terminal.line(&[(STRONG, &line(&headings)), (STRONG, &headings[3])]);
    for (event, row) in events.iter().zip(&rows) {
        let style = match event.outcome {
            Outcome::Stored | Outcome::StoredByAnotherTree | Outcome::Shared => GOOD,
            Outcome::ByCargo | Outcome::ByMaturin => NOTICE,
            Outcome::Failed(_) => BAD,
        };
        output += &terminal.line(&[(PLAIN, &line(row)), (style, &row[3])]);
        let why = why(event, context.messages == Level::Debug);
        if !why.is_empty() {
            output += &terminal.line(&[(FAINT, &format!("  {why}"))]);
        }
    }
    output
}

/// When, who, how long, and what.
fn said(event: &Event, now: SystemTime) -> [String; 4] {
    let result = match &event.outcome {
        Outcome::Stored => "fresh",
        Outcome::StoredByAnotherTree => "fresh: built by another tree",
        Outcome::Shared => "fresh: built on another machine",
        Outcome::ByCargo => "built by cargo",
        Outcome::ByMaturin => "built by maturin",
        Outcome::Failed(_) => "failed",
    };
    let kind = if event.hook.ends_with("editable") { "" } else { " (a wheel)" };
    [age(began(event), now), event.by.clone(), took(event.seconds), format!("{result}{kind}")]
}

/// The reasons: the first two, or all that are kept.
fn why(event: &Event, has_all: bool) -> String {
    let shown = if has_all { event.why.len() } else { 2 };
    let more = event.reasons.saturating_sub(shown);
    let mut texts: Vec<String> = event.why.iter().take(shown).cloned().collect();
    if more > 0 {
        texts.push(format!("{more} more"));
    }
    if let Outcome::Failed(cause) = &event.outcome {
        texts.insert(0, cause.clone());
    }
    texts.join("; ")
}

fn began(event: &Event) -> SystemTime {
    let nanoseconds = u64::try_from(event.at).unwrap_or_default();
    SystemTime::UNIX_EPOCH + Duration::from_nanos(nanoseconds)
}

fn took(seconds: f64) -> String {
    match seconds {
        0.0..1.0 => format!("{:.0} ms", seconds * 1000.0),
        1.0..60.0 => format!("{seconds:.1} s"),
        _ => {
            let whole = seconds.round() as u64;
            format!("{} min {:02} s", whole / 60, whole % 60)
        }
    }
}

fn as_json(event: &Event) -> Value {
    // Without `..`, a new field does not compile until it is printed or left out on purpose.
    let Event { at: _, hook, by, interpreter, seconds, outcome, why, reasons } = event;
    let (outcome, error) = match outcome {
        Outcome::Failed(cause) => ("failed".into(), Some(cause)),
        outcome => (json!(outcome), None),
    };
    json!({
        "at": humantime::format_rfc3339_millis(began(event)).to_string(),
        "hook": hook,
        "by": by,
        "interpreter": interpreter,
        "seconds": seconds,
        "outcome": outcome,
        "error": error,
        "why": why,
        "reasons": reasons,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_short() {
        let times = [0.0184, 1.44, 59.0, 61.0, 3599.6].map(took);
        assert_eq!(times, ["18 ms", "1.4 s", "59.0 s", "1 min 01 s", "60 min 00 s"]);
    }
}
