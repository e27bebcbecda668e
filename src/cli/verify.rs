//! `wheelprint verify`: docs/verify.md says what it proves.

use std::collections::BTreeSet;
use std::path::Path;

use super::given::{Given, text_of};
use super::line::{Line, count, tame};
use super::terminal::{BAD, FAINT, GOOD, NOTICE};
use super::{Answer, Context};
use crate::error::{Error, Result};
use crate::fingerprint::{Inputs, Record, Value};
use crate::freshness::{self, Reason, Verdict};
use crate::inputs::{CARGO_HOME, Key, Kind, PROJECT, Part, Roots, WORKSPACE, Watch, normalize};
use crate::report;
use crate::request::Artifact;
use crate::wheel::audit::{Damage, LIMIT};

/// Is this wheel from these sources?
#[derive(Debug, clap::Args)]
pub struct Arguments {
    /// The wheel
    wheel: std::path::PathBuf,
    /// The folder with pyproject.toml
    #[arg(long, value_name = "DIR", default_value = ".")]
    source: std::path::PathBuf,
    /// Print JSON (see docs/json.md)
    #[arg(long)]
    json: bool,
}

/// What came out.
#[derive(Default)]
struct Findings {
    /// Inputs that are sources, and as they were.
    same: usize,
    /// What makes it another tree.
    differences: Vec<Reason>,
    /// What would be built with here: variables, toolchain, what surrounds the tree.
    built_with: Vec<Reason>,
    /// What can't be seen here.
    not_compared: Vec<Reason>,
    /// What is wrong with the wheel itself.
    damaged: Vec<Damage>,
}

/// See [`Arguments`].
///
/// # Errors
/// It is no wheel, has no record that can be used, or there is no project.
pub fn run(arguments: &Arguments, context: &Context) -> Result<Answer> {
    let path = context.path(&arguments.wheel);
    let given = Given::open(&path)?;
    let refused = |cause: &str, hint: &str| {
        Err(Error::Given { path: path.clone(), cause: cause.into(), hint: Some(hint.into()) })
    };
    let Some(mut wheel) = given.wheel else {
        let hint = "give the wheel it was installed from; `wheelprint inspect` shows the record";
        return refused("not a wheel, but what was installed of one", hint);
    };
    let Some(record) = given.record else {
        let hint = "it was not built by wheelprint: write `build-backend = \"wheelprint\"` into \
                    pyproject.toml and build it again";
        return refused("there is no record in it", hint);
    };
    let artifact = match text_of(&record, Part::Request, "artifact") {
        Some("wheel") => Artifact::Wheel,
        Some("editable") => Artifact::Editable,
        _ => return refused("its record does not say what was built", "build it again"),
    };
    if let Some(cause) = leads_astray(&record) {
        return refused(&format!("its record can't be used: {cause}"), "build it again");
    }
    let progress = context.terminal.progress("comparing");
    let session = context.session(&arguments.source, artifact, context.interpreter.clone())?;
    let roots = session.roots_of(&record);
    if let Some(name) = no_manifest(&record, &roots) {
        let cause = format!("its record names {} as a TOML file, which it is not", tame(&name));
        return refused(&cause, "is this the right --source?");
    }
    let mut findings = compare(&record, &session.observe(&record, &roots), &roots);
    if findings.same == 0 && findings.differences.is_empty() {
        return refused("its record names no source that can be compared here", "build it again");
    }
    findings.damaged = wheel.damage();
    drop(progress);
    let code = u8::from(!findings.is_verified());
    let answer = if arguments.json {
        Answer::json(&json(arguments, &record, &findings))
    } else {
        Answer::said(text(arguments, context, &record, &findings))
    };
    Ok(answer.with_code(code))
}

impl Findings {
    fn is_verified(&self) -> bool {
        self.differences.is_empty() && self.damaged.is_empty()
    }
}

/// Places that no build of ours writes: absolute ones, and such as climb out of their root.
fn leads_astray(record: &Record) -> Option<String> {
    let climbs = |text: &str| text.split(['/', '\\']).any(|part| part == "..");
    let is_absolute = |text: &str| {
        let has_drive = cfg!(windows) && text.as_bytes().get(1) == Some(&b':');
        text.starts_with(['/', '\\']) || Path::new(text).is_absolute() || has_drive
    };
    let astray = |text: &str| format!("{:?} is a place of some machine", tame(text));
    if let Some(root) = record.roots.values().find(|root| is_absolute(root)) {
        return Some(astray(root));
    }
    record.watches.iter().find_map(|watch| match watch {
        Watch::Path { place, .. }
        | Watch::Toml { place, .. }
        | Watch::Folder { place, .. }
        | Watch::Listing { place, .. }
        | Watch::WorkspaceSearch { place, .. }
        | Watch::Package { place, .. }
        | Watch::Python { place, .. } => {
            (is_absolute(&place.path) || climbs(&place.path)).then(|| astray(&place.path))
        }
        Watch::Glob { glob, .. } | Watch::Names { glob, .. } => {
            is_absolute(glob).then(|| astray(glob))
        }
        Watch::CargoConfig
        | Watch::ToolchainFile
        | Watch::Variable { .. }
        | Watch::Variables
        | Watch::Toolchain
        | Watch::Request => None,
    })
}

/// TOML files are read whole: a device, or what no manifest is as large as, is not read.
fn no_manifest(record: &Record, roots: &Roots) -> Option<String> {
    record.watches.iter().find_map(|watch| match watch {
        Watch::Toml { place, .. } => {
            let meta = fs_err::metadata(roots.resolve(place)?).ok()?;
            let is_one = meta.is_dir() || (meta.is_file() && meta.len() <= LIMIT);
            (!is_one).then(|| place.path.clone())
        }
        _ => None,
    })
}

/// Sorts every difference by what it says of the sources.
fn compare(record: &Record, observed: &Inputs, roots: &Roots) -> Findings {
    let recorded = record.inputs();
    let mut findings = Findings::default();
    let reasons = match freshness::compare(&recorded, &record.untrusted, observed) {
        Verdict::Fresh { .. } => Vec::new(),
        Verdict::Stale(reasons) => reasons,
    };
    for reason in reasons {
        let Some(key) = reason.key() else {
            findings.differences.push(reason);
            continue;
        };
        let is_unreadable = matches!(reason, Reason::Unreadable { .. });
        let is_unknown = !key.root.is_empty()
            && !["above", CARGO_HOME].contains(&key.root.as_str())
            && roots.get(&key.root).is_none();
        let is_source = is_source(key, roots);
        if is_unreadable && (is_unknown || !is_source) {
            findings.not_compared.push(reason);
        } else if is_source {
            findings.differences.push(reason);
        } else {
            findings.built_with.push(reason);
        }
    }
    for (key, value) in &recorded {
        if observed.get(key) == Some(&Value::Unknown) && *value != Value::Unknown {
            let cause = "it is not installed here".to_owned();
            findings.not_compared.push(Reason::Unreadable { key: key.clone(), cause });
        }
        if is_source(key, roots) && observed.get(key) == Some(value) {
            findings.same += usize::from(!matches!(value, Value::Unreadable(_)));
        }
    }
    findings
}

/// Is it of the tree, and not of the machine or of what happens to lie above the tree?
fn is_source(key: &Key, roots: &Roots) -> bool {
    // No `..`: a new part must be put on one side.
    match key.part {
        Part::Rust | Part::Manifest | Part::Python | Part::Metadata => {}
        Part::Environment | Part::Toolchain | Part::Request => return false,
    }
    if key.kind == Kind::Variable || key.root == CARGO_HOME {
        return false;
    }
    let base = if key.root == "above" { PROJECT } else { &key.root };
    let Some(folder) = roots.get(base) else { return true };
    if !key.name.split('/').any(|part| part == "..") {
        return true;
    }
    let path = normalize(&folder.join(&key.name));
    roots
        .iter()
        .filter(|(name, _)| [PROJECT, WORKSPACE].contains(name) || name.starts_with("crate:"))
        .any(|(_, folder)| path.starts_with(folder))
}

fn json(arguments: &Arguments, record: &Record, findings: &Findings) -> serde_json::Value {
    let list = |reasons: &[Reason]| -> Vec<serde_json::Value> {
        reasons.iter().map(|reason| report::json::reason(reason, &record.roots)).collect()
    };
    let damaged: Vec<serde_json::Value> = findings
        .damaged
        .iter()
        .map(|Damage { name, cause }| serde_json::json!({ "name": name, "cause": cause }))
        .collect();
    serde_json::json!({
        "schema": 1,
        "wheel": arguments.wheel.to_string_lossy(),
        "source": arguments.source.to_string_lossy(),
        "verified": findings.is_verified(),
        "differences": list(&findings.differences),
        "built-with": list(&findings.built_with),
        "not-compared": list(&findings.not_compared),
        "damaged": damaged,
    })
}

fn text(arguments: &Arguments, context: &Context, record: &Record, findings: &Findings) -> String {
    let terminal = &context.terminal;
    let file = arguments.wheel.file_name().unwrap_or(arguments.wheel.as_os_str());
    let line = Line::new(terminal);
    let line = if findings.is_verified() {
        let same = count(findings.same, "input");
        line.add(GOOD, "verified").plain(&format!(": {same} as here, every file as in RECORD"))
    } else if findings.differences.is_empty() {
        line.add(BAD, "damaged").plain(": it is not what was built")
    } else {
        line.add(BAD, "not verified").plain(": it was not built from these sources")
    };
    let mut output = line.end();
    output += &Line::new(terminal).add(FAINT, &tame(&file.to_string_lossy())).end();
    let words = |reasons: &[Reason]| -> Vec<String> {
        let mut words: Vec<String> =
            reasons.iter().map(|reason| report::reason(reason, &record.roots)).collect();
        // One file may count in two ways.
        let mut seen = BTreeSet::new();
        words.retain(|text| seen.insert(text.clone()));
        words
    };
    let damaged: Vec<String> =
        findings.damaged.iter().map(|Damage { name, cause }| format!("{name} {cause}")).collect();
    let not_compared: Vec<String> = findings
        .not_compared
        .iter()
        .map(|reason| match reason {
            Reason::Unreadable { key, cause } => {
                format!("{}: {cause}", report::name(key, &record.roots))
            }
            other => report::reason(other, &record.roots),
        })
        .collect();
    for (style, heading, lines) in [
        (BAD, "in the wheel", damaged),
        (BAD, "in the sources", words(&findings.differences)),
        (NOTICE, "built with (says nothing of the sources)", words(&findings.built_with)),
        (NOTICE, "not compared", not_compared),
    ] {
        if lines.is_empty() {
            continue;
        }
        output += &format!("\n{}", Line::new(terminal).add(style, heading).end());
        for line in lines {
            output += &Line::new(terminal).plain(&format!("  {}", tame(&line))).end();
        }
    }
    let is_manifest = |reason: &Reason| reason.key().is_some_and(|key| key.part == Part::Manifest);
    if !findings.differences.is_empty() && findings.differences.iter().all(is_manifest) {
        output += "\nA wheel that `uv build` makes comes from the sdist, where maturin rewrites \
                   manifests.\nCompare with the unpacked sdist (--source), or build with \
                   `uv build --wheel`.\n";
    }
    output
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(part: Part, root: &str, name: &str) -> Key {
        Key { part, kind: Kind::Toml, root: root.into(), name: name.into() }
    }

    #[test]
    fn what_lies_above_the_tree_is_none_of_its_sources() {
        let mut roots = Roots::default();
        roots.add(PROJECT, "/w/bindings/python");
        roots.add(WORKSPACE, "/w");
        roots.add("crate:engine", "/w/crates/engine");
        roots.add(CARGO_HOME, "/home/.cargo");
        let is = |part, root, name| is_source(&key(part, root, name), &roots);
        assert!(is(Part::Rust, "crate:engine", "src/lib.rs"));
        assert!(is(Part::Manifest, "above", ".cargo/config.toml"));
        assert!(is(Part::Manifest, "above", "../../.cargo/config.toml"));
        assert!(!is(Part::Manifest, "above", "../../../.cargo/config.toml"));
        assert!(!is(Part::Manifest, "crate:engine", "../../../Cargo.toml [workspace]"));
        assert!(!is(Part::Manifest, CARGO_HOME, "config.toml"));
        assert!(!is(Part::Toolchain, "above", "rust-toolchain.toml"));
        assert!(is(Part::Rust, "outside:1", "z.h"));
    }

    #[test]
    fn a_record_that_names_places_of_a_machine_is_refused() {
        let with = |root: &str, path: &str| {
            let place = crate::inputs::Place { root: "crate:a".into(), path: path.into() };
            let watches = [Watch::Path { part: Part::Rust, place }].into();
            let roots = [("crate:a".to_owned(), root.to_owned())].into();
            leads_astray(&Record::new(&Inputs::new(), watches, roots, Vec::new()))
        };
        assert_eq!(with("../a", "src/lib.rs"), None);
        for (root, path) in [("/etc", "a"), (".", "../../a"), (".", "/etc/a"), ("\\\\host", "a")] {
            assert!(with(root, path).is_some(), "{root} {path}");
        }
    }
}
