//! `wheelprint status`.

use serde_json::{Value, json};

use super::open::Opened;
use super::packages::Packages;
use super::place::Where;
use super::terminal::{self, Terminal};
use super::{Answer, Context};
use crate::error::{Error, Result};
use crate::freshness::{Reason, Verdict};
use crate::hooks::inspect::{self, Next};
use crate::hooks::obstacle::obstacle;
use crate::hooks::wanted::wanted;
use crate::hooks::{Access, compare};
use crate::inputs::{Kind, Part, environment};
use crate::installed::Distribution;
use crate::report;
use crate::request::Artifact;
use crate::uv::{self, derive};

/// Fresh or stale, every reason, and whether uv would notice
///
/// Exits with 1 if what is installed is not what the sources would give.
#[derive(Debug, clap::Args)]
pub(super) struct Arguments {
    /// Print JSON (docs/json.md)
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    packages: Packages,
    #[command(flatten)]
    place: Where,
}

/// Whether uv would notice a change.
enum Uv {
    /// uv did not install the package, or a cache key refers to git.
    Unknown,
    NoChange,
    Changes(Vec<String>),
}

/// Runs `wheelprint status`.
///
/// # Errors
/// The folder is no project, or a setting or a cache key is wrong.
pub(super) fn run(arguments: &Arguments, context: &Context) -> Result<Answer> {
    let one = |place: &Where| in_folder(place, arguments, context);
    arguments.packages.each(arguments.json, &arguments.place, context, one)
}

fn in_folder(place: &Where, arguments: &Arguments, context: &Context) -> Result<Answer> {
    let opened = Opened::open(place, context)?;
    opened.warn_of_unmatched_inputs(context);
    let terminal = &context.terminal;
    let progress = terminal.progress("comparing the sources");
    let verdict = verdict(&opened, context)?;
    let uv = uv(&opened, context)?;
    let next = inspect::next(&opened.call);
    let (verdict, obstacle) = with_obstacle(verdict, &next, &opened)?;
    let is_unseen = matches!((&uv, &verdict), (Uv::NoChange, Verdict::Stale(_)));
    let is_missing_keys = is_unseen && is_missing_keys(&opened)?;
    drop(progress);
    let code = u8::from(!matches!(verdict, Verdict::Fresh { .. }));
    let shown = Shown {
        opened: &opened,
        verdict: &verdict,
        uv: &uv,
        next: &next,
        obstacle: obstacle.as_ref(),
        is_missing_keys,
    };
    let answer = if arguments.json {
        Answer::json(&shown.json())
    } else {
        Answer::said(shown.text(terminal, context))
    };
    Ok(answer.with_code(code))
}

/// Compares the installed package with the sources.
fn verdict(opened: &Opened, context: &Context) -> Result<Verdict> {
    let untrusted = |cause: String| Ok(Verdict::Stale(vec![Reason::Untrusted(cause)]));
    let Some(installed) = &opened.installed else {
        return untrusted("it is not installed".to_owned());
    };
    if let Some(moved) = opened.moved() {
        return untrusted(moved.cause());
    }
    let record = match &installed.record {
        None => {
            return untrusted("what is installed does not say what it was built from".to_owned());
        }
        Some(Err(cause)) => return untrusted(format!("the record of what is installed: {cause}")),
        Some(Ok(record)) => record,
    };
    let verdict = if installed.editable {
        compare::compare(&opened.call, record)
    } else {
        // A wheel that is not editable contains the Python sources, so they count too.
        let interpreter = opened.interpreter.clone().unwrap_or_default();
        compare::compare(
            &context.call(opened.root(), Artifact::Wheel, interpreter, Access::All)?,
            record,
        )
    };
    Ok(match verdict {
        Verdict::Stale(mut reasons) => {
            reasons.retain(|reason| !is_of_the_build_alone(reason));
            if reasons.is_empty() {
                Verdict::Fresh { inputs: record.inputs.len() }
            } else {
                Verdict::Stale(reasons)
            }
        }
        fresh @ Verdict::Fresh { .. } => fresh,
    })
}

/// Finds the obstacle (such as a missing cargo) that would stop the next build, if a build is next.
/// Inputs that are unreadable because of the obstacle give no reason. If no other reason remains,
/// the state is unknown, and the obstacle is returned as the error.
fn with_obstacle(
    verdict: Verdict,
    next: &Next,
    opened: &Opened,
) -> Result<(Verdict, Option<Error>)> {
    let Verdict::Stale(mut reasons) = verdict else { return Ok((verdict, None)) };
    // The version of rustc, and inputs recorded by a build that could not ask cargo.
    let is_unreadable = |reason: &Reason| match reason {
        Reason::Unreadable { key, cause } => {
            key.part == Part::Toolchain || cause.starts_with("no folder is known")
        }
        _ => false,
    };
    if !matches!(next, Next::Build { .. }) && !reasons.iter().any(is_unreadable) {
        return Ok((Verdict::Stale(reasons), None));
    }
    let Some(obstacle) = obstacle(&opened.call) else {
        return Ok((Verdict::Stale(reasons), None));
    };
    reasons.retain(|reason| !is_unreadable(reason));
    if reasons.is_empty() { Err(obstacle) } else { Ok((Verdict::Stale(reasons), Some(obstacle))) }
}

/// Whether the reason is a variable that frontends set for a build only, so that no shell has it.
fn is_of_the_build_alone(reason: &Reason) -> bool {
    reason
        .key()
        .is_some_and(|key| key.kind == Kind::Variable && !environment::counts_at_import(&key.name))
}

fn uv(opened: &Opened, context: &Context) -> Result<Uv> {
    let Some(installed) = &opened.installed else { return Ok(Uv::Unknown) };
    // uv checks the installed folder before any cache key.
    if !installed.is_of(opened.root()) {
        return Ok(Uv::Changes(vec!["it was not installed from this folder".to_owned()]));
    }
    let Some(noted) = &installed.uv_cache else { return Ok(Uv::Unknown) };
    if !installed.editable {
        return Ok(Uv::Changes(vec!["it is not installed as editable".to_owned()]));
    }
    let (keys, _) = opened.keys()?;
    Ok(match uv::satisfied::changes(opened.root(), &keys, noted, &context.environment) {
        None => Uv::Unknown,
        Some(changes) if changes.is_empty() => Uv::NoChange,
        Some(changes) => Uv::Changes(changes),
    })
}

fn is_missing_keys(opened: &Opened) -> Result<bool> {
    let Some(record) = opened.record() else { return Ok(false) };
    let watched = inspect::watched(&opened.call, Some(record))?;
    let (keys, _) = opened.keys()?;
    Ok(!derive::missing(&wanted(&opened.call, &watched), &keys).is_empty())
}

struct Shown<'a> {
    opened: &'a Opened,
    verdict: &'a Verdict,
    uv: &'a Uv,
    next: &'a Next,
    /// The reason why the next build would fail.
    obstacle: Option<&'a Error>,
    /// Whether keys for further inputs could be added.
    is_missing_keys: bool,
}

impl Shown<'_> {
    fn names(&self) -> std::collections::BTreeMap<String, String> {
        self.opened.record().map(|record| record.roots.clone()).unwrap_or_default()
    }

    fn is_fresh(&self) -> bool {
        matches!(self.verdict, Verdict::Fresh { .. })
    }

    /// Whether `uv sync` would call the backend.
    fn is_called(&self) -> bool {
        self.opened.installed.is_none() || matches!(self.uv, Uv::Changes(_))
    }

    fn text(&self, terminal: &Terminal, context: &Context) -> String {
        let names = self.names();
        let mut lines = Vec::new();
        match self.verdict {
            Verdict::Fresh { inputs } => {
                lines.push(terminal.paint(terminal::GOOD, report::fresh(*inputs)));
            }
            Verdict::Stale(reasons) => {
                if reasons.len() == 1 {
                    lines.push(terminal.paint(terminal::BAD, report::stale(reasons, &names)));
                } else {
                    let count = format!("stale: {} reasons", reasons.len());
                    lines.push(terminal.paint(terminal::BAD, count));
                    let reasons = reasons.iter().map(|reason| report::reason(reason, &names));
                    lines.extend(reasons.map(|reason| terminal.cut(&format!("  {reason}"))));
                }
            }
        }
        lines.push(String::new());
        let mut row = |name: &str, text: String| {
            let name = terminal.paint(terminal::STRONG, format_args!("{name:<13}"));
            lines.push(format!("{name}{}", terminal.wrap(&text, 13)));
        };
        let project = self.opened.call.project();
        row("project", project.name.clone().unwrap_or_else(|| "(no name)".to_owned()));
        row("environment", self.environment(context));
        row("installed", self.installed());
        row("uv", self.uv_sees());
        row("next sync", self.next_sync());
        if let Some(hint) = self.hint() {
            row("hint", hint);
        }
        lines.push(String::new());
        lines.join("\n")
    }

    fn environment(&self, context: &Context) -> String {
        match &self.opened.interpreter {
            None => "none: neither .venv nor an active one".to_owned(),
            Some(interpreter) => {
                let prefix = &interpreter.prefix;
                let shown = crate::inputs::relative(&context.folder, prefix)
                    .filter(|relative| !relative.starts_with(".."))
                    .unwrap_or_else(|| prefix.to_string_lossy().into_owned());
                format!("{shown} ({} {})", interpreter.implementation, interpreter.version)
            }
        }
    }

    fn installed(&self) -> String {
        let Some(installed) = &self.opened.installed else { return "no".to_owned() };
        let Distribution { version, installer, editable, source, .. } = installed;
        let mut text = version.clone();
        if *editable {
            text.push_str(", editable");
        }
        if let Some(installer) = installer {
            text.push_str(&format!(", by {installer}"));
        }
        match source {
            Some(source) if source != self.opened.root() => {
                text.push_str(&format!(", from {}", source.display()));
            }
            _ => {}
        }
        if let Some(record) = self.opened.record() {
            let short: String = record.fingerprint.sha256.chars().take(12).collect();
            text.push_str(&format!(", fingerprint {short}"));
        }
        text
    }

    fn uv_sees(&self) -> String {
        match (self.uv, self.is_fresh()) {
            (Uv::Unknown, _) if self.opened.installed.is_none() => "-".to_owned(),
            (Uv::Unknown, _) => {
                "unknown: it was not installed by uv, or the keys ask git".to_owned()
            }
            (Uv::NoChange, true) => "sees no change".to_owned(),
            (Uv::NoChange, false) if self.is_missing_keys => {
                "does not see it; `wheelprint keys --check` names what no key covers".to_owned()
            }
            (Uv::NoChange, false) => "does not see it, and no cache key could show it".to_owned(),
            (Uv::Changes(changes), _) => {
                format!("sees a change: {}", report::named(changes.iter().cloned()))
            }
        }
    }

    /// What the user should do if `uv sync` alone cannot fix the problem, or can fix it only from
    /// this folder.
    fn hint(&self) -> Option<String> {
        match (self.obstacle, self.opened.moved()) {
            (Some(obstacle), _) => obstacle.hint(),
            (None, moved) => moved.map(|moved| moved.remedy()),
        }
    }

    fn next_sync(&self) -> String {
        if let (Some(obstacle), Next::Build { .. }) = (self.obstacle, self.next) {
            let text = format!("can't build: {obstacle}");
            return if self.is_called() { text } else { format!("does nothing; {text}") };
        }
        if !self.is_called() && !matches!(self.uv, Uv::Unknown) {
            return if self.is_fresh() {
                "does nothing".to_owned()
            } else {
                let policy = self.opened.call.settings().on_stale.as_str();
                format!("does nothing; the next import finds out (on-stale = \"{policy}\")")
            };
        }
        match self.next {
            Next::Stored { renewed } if renewed.is_empty() => {
                "installs a stored wheel, without cargo".to_owned()
            }
            Next::Stored { .. } => "renews the metadata, without cargo".to_owned(),
            // The verdict above already lists these reasons.
            Next::Build { reasons, .. } if matches!(self.verdict, Verdict::Stale(known) if known == reasons) => {
                "builds".to_owned()
            }
            Next::Build { reasons, roots } => {
                let reasons = reasons.iter().map(|reason| report::reason(reason, roots));
                let reasons: Vec<String> = reasons.collect();
                format!("builds: {}", report::named(reasons.into_iter()))
            }
        }
    }

    fn json(&self) -> Value {
        let opened = self.opened;
        let mut value = report::json::verdict(self.verdict, &self.names());
        let installed = opened.installed.as_ref().map(|installed| {
            json!({
                "name": installed.name,
                "version": installed.version,
                "editable": installed.editable,
                "installer": installed.installer,
                "source": installed.source,
                "fingerprint": opened.record().map(|record| &record.fingerprint.sha256),
            })
        });
        let environment = opened.interpreter.as_ref().map(|interpreter| {
            json!({
                "prefix": interpreter.prefix,
                "implementation": interpreter.implementation,
                "version": interpreter.version,
            })
        });
        let (notices, because) = match self.uv {
            Uv::Unknown => (None, Vec::new()),
            Uv::NoChange => (Some(false), Vec::new()),
            Uv::Changes(changes) => (Some(true), changes.clone()),
        };
        let (action, reasons) = match self.next {
            _ if !self.is_called() && !matches!(self.uv, Uv::Unknown) => ("nothing", Vec::new()),
            Next::Stored { renewed } if renewed.is_empty() => ("stored", Vec::new()),
            Next::Stored { renewed } => (
                "renew",
                renewed.iter().map(|one| report::json::reason(one, &self.names())).collect(),
            ),
            Next::Build { reasons, roots } => {
                ("build", reasons.iter().map(|one| report::json::reason(one, roots)).collect())
            }
        };
        let obstacle = self
            .obstacle
            .map(|obstacle| json!({ "text": obstacle.to_string(), "hint": obstacle.hint() }));
        let moved = opened.moved().map(|moved| {
            json!({ "from": moved.from, "to": moved.to, "gone": moved.is_gone, "hint": moved.remedy() })
        });
        let more = json!({
            "schema": 1,
            "project": { "name": opened.call.project().name, "root": opened.root() },
            "environment": environment,
            "installed": installed,
            "moved": moved,
            "uv": { "notices": notices, "because": because },
            "next-sync": { "action": action, "reasons": reasons, "obstacle": obstacle },
        });
        if let (Some(value), Value::Object(more)) = (value.as_object_mut(), more) {
            value.extend(more);
        }
        value
    }
}
