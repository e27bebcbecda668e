//! `wheelprint status`.

use std::collections::BTreeMap;
use std::path::PathBuf;

use serde_json::{Value, json};

use super::open::{OpenedProject, ProjectArguments};
use super::table::{Columns, Row};
use super::terminal::{BAD, GOOD, PLAIN, STRONG, short};
use super::unseen::{self, Unseen};
use super::{Answer, Context};
use crate::error::{Error, Result};
use crate::freshness::{Reason, Verdict};
use crate::hooks::inspect::{self, Next};
use crate::hooks::obstacle::obstacle;
use crate::hooks::{Access, compare};
use crate::inputs::{Kind, Part, Root, environment};
use crate::installed::Distribution;
use crate::report;
use crate::request::Artifact;
use crate::uv::uv_cache_check;

/// Fresh or stale, every reason, and whether uv would notice
///
/// Exits with 1 if the installed package is stale.
#[derive(Debug, clap::Args)]
pub(super) struct Arguments {
    /// Print JSON (the page "JSON" of the documentation describes it)
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    projects: ProjectArguments,
}

pub(super) fn run(arguments: &Arguments, context: &Context) -> Result<Answer> {
    let columns = Columns { headings: vec!["state", "installed", "next sync"], footer: None };
    arguments.projects.each(&columns, arguments.json, context, |opened, context| {
        let status = Status::of(opened, context)?;
        let answer = match arguments.json {
            true => Answer::json(status.json()),
            false => Answer::said(status.text(context)).with_row(status.row()),
        };
        Ok(answer.with_code(u8::from(!status.is_fresh())))
    })
}

/// Compares the installed package with the sources.
fn verdict(opened: &OpenedProject, context: &Context) -> Result<Verdict> {
    let untrusted = |cause: String| Ok(Verdict::Stale(vec![Reason::Untrusted(cause)]));
    let Some(installed) = &opened.installed else {
        return untrusted("it is not installed".to_owned());
    };
    if let Some(moved) = opened.moved() {
        return untrusted(moved.cause);
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
        let call = context.call(opened.root(), Artifact::Wheel, &interpreter, Access::All)?;
        compare::compare(&call, record)
    };
    let Verdict::Stale(mut reasons) = verdict else { return Ok(verdict) };
    reasons.retain(|reason| !is_of_the_build_alone(reason));
    Ok(match reasons[..] {
        [] => Verdict::Fresh { inputs: record.inputs.len() },
        _ => Verdict::Stale(reasons),
    })
}

/// Finds the obstacle (such as a missing cargo) that would stop the next build, if a build is next.
/// Inputs that are unreadable because of the obstacle give no reason. If no other reason remains,
/// the state is unknown, and the obstacle is returned as the error.
fn with_obstacle(
    verdict: Verdict,
    next: &Next,
    opened: &OpenedProject,
) -> Result<(Verdict, Option<Error>)> {
    let Verdict::Stale(mut reasons) = verdict else { return Ok((verdict, None)) };
    // The version of rustc, and inputs recorded by a build that could not ask cargo.
    let is_unreadable = |reason: &Reason| match reason {
        Reason::Unreadable { key, cause } => {
            key.part == Part::Toolchain || cause.starts_with("no folder is known")
        }
        _ => false,
    };
    let may_matter = matches!(next, Next::Build { .. }) || reasons.iter().any(is_unreadable);
    let obstacle = if may_matter { obstacle(&opened.call) } else { None };
    if obstacle.is_some() {
        reasons.retain(|reason| !is_unreadable(reason));
    }
    match obstacle {
        Some(obstacle) if reasons.is_empty() => Err(obstacle),
        obstacle => Ok((Verdict::Stale(reasons), obstacle)),
    }
}

/// Whether the reason is a variable that frontends set for a build only, so that no shell has it.
fn is_of_the_build_alone(reason: &Reason) -> bool {
    reason
        .key()
        .is_some_and(|key| key.kind == Kind::Variable && !environment::counts_at_import(&key.name))
}

/// The changes that uv would notice. `None` if that is not known: uv did not install the package,
/// or a cache key refers to git.
fn noticed(opened: &OpenedProject, context: &Context) -> Result<Option<Vec<String>>> {
    let Some(installed) = &opened.installed else { return Ok(None) };
    // uv checks the installed folder before any cache key.
    if !installed.is_of(opened.root()) {
        return Ok(Some(vec!["it was not installed from this folder".to_owned()]));
    }
    let Some(noted) = &installed.uv_cache else { return Ok(None) };
    if !installed.editable {
        return Ok(Some(vec!["it is not installed as editable".to_owned()]));
    }
    Ok(uv_cache_check::changes(opened.root(), &opened.keys()?, noted, &context.environment))
}

struct Status {
    opened: OpenedProject,
    verdict: Verdict,
    /// See [`noticed`].
    noticed: Option<Vec<String>>,
    next: Next,
    /// The reason why the next build would fail.
    obstacle: Option<Error>,
    unseen: Unseen,
    /// The folders of the installed record's roots.
    roots: BTreeMap<Root, String>,
    /// What an import in this shell does.
    on_stale: String,
}

impl Status {
    fn of(opened: OpenedProject, context: &Context) -> Result<Self> {
        opened.warn_of_unmatched_inputs(context);
        let _progress = context.terminal.progress("comparing the sources");
        let verdict = verdict(&opened, context)?;
        let noticed = noticed(&opened, context)?;
        let next = inspect::next(&opened.call);
        let (verdict, obstacle) = with_obstacle(verdict, &next, &opened)?;
        let is_unseen = matches!(&noticed, Some(changes) if changes.is_empty())
            && matches!(verdict, Verdict::Stale(_));
        let unseen = if is_unseen { unseen::why(&opened, &verdict)? } else { Unseen::NoKey };
        let roots = opened.record().map(|record| record.roots.clone()).unwrap_or_default();
        let of_install = opened.call.settings().on_stale.as_str();
        let variable = context.environment.non_empty("WHEELPRINT_ON_STALE");
        let on_stale = variable.map_or(of_install.into(), |value| value.to_string_lossy().into());
        Ok(Self { opened, verdict, noticed, next, obstacle, unseen, roots, on_stale })
    }

    fn is_fresh(&self) -> bool {
        matches!(self.verdict, Verdict::Fresh { .. })
    }

    /// Whether `uv sync` would call the backend; `None` if it is not known.
    fn is_called(&self) -> Option<bool> {
        match &self.noticed {
            _ if self.opened.installed.is_none() => Some(true),
            changes => changes.as_ref().map(|changes| !changes.is_empty()),
        }
    }

    fn text(&self, context: &Context) -> String {
        let terminal = &context.terminal;
        let mut text = match &self.verdict {
            Verdict::Fresh { inputs } => terminal.paint(GOOD, report::fresh(*inputs)) + "\n",
            Verdict::Stale(reasons) if reasons.len() == 1 => {
                terminal.paint(BAD, report::stale(reasons, &self.roots)) + "\n"
            }
            Verdict::Stale(reasons) => {
                let count = format!("stale: {} reasons", reasons.len());
                let mut text = terminal.paint(BAD, count) + "\n";
                for reason in reasons {
                    let reason = format!("  {}", report::reason(reason, &self.roots));
                    text += &terminal.line(&[(PLAIN, &reason)]);
                }
                text
            }
        };
        text.push('\n');
        let name = self.opened.call.project().name.as_deref();
        for (name, value) in [
            ("project", Some(name.unwrap_or("(no name)").to_owned())),
            ("environment", Some(self.environment(context))),
            ("installed", Some(self.installed())),
            ("uv", Some(self.uv())),
            ("next sync", Some(self.next_sync())),
            ("hint", self.hint()),
        ] {
            if let Some(value) = value {
                let name = terminal.paint(STRONG, format_args!("{name:<13}"));
                text += &format!("{name}{}\n", terminal.wrap(&value, 13));
            }
        }
        text
    }

    fn row(&self) -> Row {
        let (state, reasons) = match &self.verdict {
            Verdict::Fresh { .. } => ((GOOD, "fresh".to_owned()), &[][..]),
            Verdict::Stale(reasons) => ((BAD, "stale".to_owned()), &reasons[..]),
        };
        let installed = match &self.opened.installed {
            None => "no".to_owned(),
            Some(installed) if installed.editable => format!("{}, editable", installed.version),
            Some(installed) => installed.version.clone(),
        };
        let mut below: Vec<String> =
            reasons.iter().map(|reason| report::reason(reason, &self.roots)).collect();
        if !self.is_fresh() && self.is_called() != Some(true) {
            below.push(format!("uv: {}", self.uv()));
        }
        below.extend(self.hint().map(|hint| format!("hint: {hint}")));
        Row {
            cells: vec![state, (PLAIN, installed), (PLAIN, self.next_sync())],
            below: below.into_iter().map(|text| (PLAIN, text)).collect(),
        }
    }

    fn environment(&self, context: &Context) -> String {
        let Some(interpreter) = &self.opened.interpreter else {
            return "none: neither .venv nor an active one".to_owned();
        };
        let mut shown = context.shown(&interpreter.prefix);
        if shown.starts_with("..") {
            shown = interpreter.prefix.to_string_lossy().into_owned();
        }
        format!("{shown} ({} {})", interpreter.implementation, interpreter.version)
    }

    fn installed(&self) -> String {
        let Some(installed) = &self.opened.installed else { return "no".to_owned() };
        let Distribution { version, installer, editable, source, .. } = installed;
        let mut text = version.clone();
        if *editable {
            text += ", editable";
        }
        if let Some(installer) = installer {
            text += &format!(", by {installer}");
        }
        if let Some(source) = source
            && source != self.opened.root()
        {
            text += &format!(", from {}", source.display());
        }
        if let Some(record) = self.opened.record() {
            text += &format!(", fingerprint {}", short(&record.fingerprint.sha256));
        }
        let is_here =
            |tree: &PathBuf| same_file::is_same_file(tree, self.opened.root()).unwrap_or(false);
        if let Some(tree) = self.built_in().filter(|tree| !is_here(tree)) {
            text += &format!(", built in {}", tree.display());
        }
        text
    }

    /// The tree that built what is installed.
    fn built_in(&self) -> Option<PathBuf> {
        inspect::built_in(&self.opened.call, self.opened.record()?)
    }

    fn uv(&self) -> String {
        let text = match &self.noticed {
            None if self.opened.installed.is_none() => "calls wheelprint",
            None => "unknown: it was not installed by uv, or the keys ask git",
            Some(changes) if !changes.is_empty() => {
                return format!("sees a change: {}", report::named(changes.iter().cloned()));
            }
            Some(_) if self.is_fresh() => "sees no change",
            Some(_) => self.unseen.words(),
        };
        text.to_owned()
    }

    /// Whether only Python files and metadata changed. The import check compares neither.
    fn is_of_files_alone(&self) -> bool {
        let is_compared = |reason: &Reason| {
            reason.key().is_none_or(|key| !matches!(key.part, Part::Python | Part::Metadata))
        };
        matches!(&self.verdict, Verdict::Stale(reasons) if !reasons.iter().any(is_compared))
    }

    /// What the user should do if `uv sync` alone cannot fix the problem, or can fix it only from
    /// this folder.
    fn hint(&self) -> Option<String> {
        match &self.obstacle {
            Some(obstacle) => obstacle.hint(),
            None => self.opened.moved().map(|moved| moved.remedy),
        }
    }

    fn next_sync(&self) -> String {
        if let (Some(obstacle), Next::Build { .. }) = (&self.obstacle, &self.next) {
            let nothing = if self.is_called() == Some(true) { "" } else { "does nothing; " };
            return format!("{nothing}can't build: {obstacle}");
        }
        if self.is_called() == Some(false) {
            return match self.is_fresh() {
                true => "does nothing".to_owned(),
                false if self.is_of_files_alone() => {
                    "does nothing; `uv sync --reinstall` installs it".to_owned()
                }
                false => {
                    let policy = &self.on_stale;
                    format!("does nothing; the next import finds out (on-stale = \"{policy}\")")
                }
            };
        }
        match &self.next {
            Next::Stored { renewed } if renewed.is_empty() => {
                "installs a stored wheel, without cargo".to_owned()
            }
            Next::Stored { .. } => "renews the metadata, without cargo".to_owned(),
            // The verdict above already lists these reasons.
            Next::Build { reasons, .. } if matches!(&self.verdict, Verdict::Stale(known) if known == reasons) => {
                "builds".to_owned()
            }
            Next::Build { reasons, roots } => {
                let reasons = reasons.iter().map(|reason| report::reason(reason, roots));
                format!("builds: {}", report::named(reasons))
            }
        }
    }

    fn json(&self) -> Value {
        let opened = &self.opened;
        let (action, reasons, roots) = match &self.next {
            _ if self.is_called() == Some(false) => ("nothing", &[][..], &self.roots),
            Next::Stored { renewed } if renewed.is_empty() => ("stored", &[][..], &self.roots),
            Next::Stored { renewed } => ("renew", &renewed[..], &self.roots),
            Next::Build { reasons, roots } => ("build", &reasons[..], roots),
        };
        let reasons: Value =
            reasons.iter().map(|reason| report::reason_as_json(reason, roots)).collect();
        let mut json = report::verdict_as_json(&self.verdict, &self.roots);
        json["schema"] = json!(1);
        json["project"] = json!({ "name": opened.call.project().name, "root": opened.root() });
        json["environment"] = json!(opened.interpreter.as_ref().map(|interpreter| json!({
            "prefix": interpreter.prefix,
            "implementation": interpreter.implementation,
            "version": interpreter.version,
        })));
        json["installed"] = json!(opened.installed.as_ref().map(|installed| json!({
            "name": installed.name,
            "version": installed.version,
            "editable": installed.editable,
            "installer": installed.installer,
            "source": installed.source,
            "fingerprint": opened.record().map(|record| &record.fingerprint.sha256),
            "built-in": self.built_in(),
        })));
        json["moved"] = json!(opened.moved().map(|moved| json!({
            "from": moved.from,
            "to": self.opened.root(),
            "gone": moved.is_gone,
            "hint": moved.remedy,
        })));
        json["uv"] = json!({
            "notices": self.noticed.as_ref().map(|changes| !changes.is_empty()),
            "because": self.noticed.as_deref().unwrap_or_default(),
        });
        json["next-sync"] = json!({
            "action": action,
            "reasons": reasons,
            "obstacle": self.obstacle.as_ref().map(|obstacle| json!({
                "text": obstacle.to_string(),
                "hint": obstacle.hint(),
            })),
        });
        json
    }
}
