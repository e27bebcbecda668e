//! `wheelprint rebuild`; docs/rebuild.md says what it proves.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use fs_err as fs;

use super::artifact::{ArtifactKind, InspectedArtifact};
use super::verify::{self, Verified};
use super::{Answer, Context};
use crate::error::{Because as _, Error, PathContext as _, Result};
use crate::fingerprint::Record;
use crate::inputs::Part;
use crate::publish;
use crate::rebuild::{self, Difference, Needed, Plan};
use crate::request::{ConfigSettings, ConfigValue};
use crate::uv::configuration::BuildSettings;

mod build;
mod clean;
mod tools;
mod words;

/// The exit code of a program that Ctrl-C ended, as shells give it.
const INTERRUPTED: u8 = 130;

/// Build a wheel again from these sources, and compare the two
///
/// The build runs the code of the sources, such as build scripts. It uses the tools and settings that
/// the wheel's record names, in a temporary folder and without a store.
#[derive(Debug, clap::Args)]
pub(super) struct Arguments {
    /// A wheel that wheelprint built
    wheel: PathBuf,
    /// The sources: a folder with pyproject.toml (of a uv workspace its root will do),
    /// FOLDER@REVISION for a revision that git knows, or the sdist that the wheel was built from
    #[arg(long, default_value = ".")]
    source: PathBuf,
    /// The value of a config setting of the wheel, as it was given to the frontend: the record has
    /// only a digest of it
    #[arg(long, short = 'C', value_name = "NAME=VALUE")]
    config_setting: Vec<String>,
    /// Exit with 0 if all differences are proven to have no effect on what runs
    #[arg(long)]
    allow_harmless: bool,
    /// Keep the sources, the new wheel and the store of the build in this folder, which must be
    /// empty or new
    #[arg(long, value_name = "DIR")]
    keep: Option<PathBuf>,
    /// Print JSON (the page "JSON" of the documentation describes it)
    #[arg(long)]
    json: bool,
}

/// The result.
struct Rebuilt {
    wheel: PathBuf,
    source: PathBuf,
    needed: Needed,
    /// The comparison of record and sources.
    verified: Verified,
    /// `None` if the sources are other ones, so that nothing was built.
    built: Option<Built>,
}

/// The second build.
struct Built {
    plan: Plan,
    frontend: &'static str,
    sha256: [String; 2],
    differences: Vec<Difference>,
    /// Where the new wheel is kept.
    kept: Option<PathBuf>,
}

/// What the two wheels are to each other.
#[derive(Clone, Copy, PartialEq, Eq)]
enum State {
    Identical,
    /// All differences are proven to have no effect on what runs.
    Harmless,
    Different,
    /// Nothing was built.
    OtherSources,
}

pub(super) fn run(arguments: &Arguments, context: &Context) -> Result<Answer> {
    let interrupted = Arc::new(AtomicBool::new(false));
    for signal in [signal_hook::consts::SIGINT, signal_hook::consts::SIGTERM] {
        // The programs that this command starts get the signal too, and end. Then this process
        // removes what is temporary.
        signal_hook::flag::register(signal, Arc::clone(&interrupted)).because("signals")?;
    }
    let rebuilt = rebuild(arguments, context, &interrupted);
    if interrupted.load(Ordering::Relaxed) {
        context.terminal.warn("interrupted, nothing was compared");
        return Ok(Answer::default().with_code(INTERRUPTED));
    }
    let rebuilt = rebuilt?;
    let is_yes = match rebuilt.state() {
        State::Identical => true,
        State::Harmless => arguments.allow_harmless,
        State::Different | State::OtherSources => false,
    };
    let answer = match arguments.json {
        true => Answer::json(words::json(&rebuilt)),
        false => Answer::said(words::text(&rebuilt, arguments.allow_harmless, &context.terminal)),
    };
    Ok(answer.with_code(u8::from(!is_yes)))
}

fn rebuild(
    arguments: &Arguments,
    context: &Context,
    interrupted: &Arc<AtomicBool>,
) -> Result<Rebuilt> {
    let Arguments { wheel: given, source, config_setting, keep, .. } = arguments;
    let wheel = context.path(given);
    let (name, record) = opened(&wheel)?;
    let settings = config_settings(config_setting)?;
    let working = Working::new(keep.as_deref(), interrupted, context)?;
    let is_interrupted = || interrupted.load(Ordering::Relaxed);
    let stopped = || Err(Error::Other("interrupted".into()));

    let progress = context.terminal.progress("comparing the sources");
    let clean = clean::make(source, &name, &record, &working.folder, context)?;
    let verified = verify::verify(given, &clean.sources, context)?;
    drop(progress);
    let needed = Needed::of(&record);
    let mut rebuilt =
        Rebuilt { wheel: given.clone(), source: source.clone(), needed, verified, built: None };
    if !rebuilt.verified.findings.is_verified() {
        return Ok(rebuilt);
    }
    if is_interrupted() {
        return stopped();
    }

    let folder = clean.project(&wheel, &name)?;
    let configured = BuildSettings::here(&folder, &context.environment)?.config_settings;
    let is_used = |path: &Path| fs::read_dir(path).is_ok_and(|mut inside| inside.next().is_some());
    let plan = Plan::of(&record, &context.environment, &settings, &configured, is_used)?;
    let progress = context.terminal.progress("looking for the tools");
    let mut environment = context.environment.clone();
    let unset: Vec<&str> = plan.unset.iter().map(String::as_str).collect();
    environment.take(&unset);
    let tools = tools::find(&rebuilt.needed, &folder, &working.folder, &environment, context);
    let tools = tools.map_err(|missing| tools::error(&wheel, &missing))?;
    drop(progress);
    if is_interrupted() {
        return stopped();
    }

    let progress = context.terminal.progress("building");
    let build = build::Build {
        tools: &tools,
        needed: &rebuilt.needed,
        plan: &plan,
        configured: &configured,
        folder: &folder,
        working: &working.folder,
        environment,
    };
    let new = build.run(&wheel, context)?;
    drop(progress);
    if is_interrupted() {
        return stopped();
    }
    let differences = rebuild::compare(&wheel, &new)?;
    let digest = |path: &Path| crate::digest::file(path).at(path);
    rebuilt.built = Some(Built {
        frontend: tools.frontend.name(),
        sha256: [digest(&wheel)?, digest(&new)?],
        differences,
        kept: keep.is_some().then_some(new),
        plan,
    });
    Ok(rebuilt)
}

/// The name and the record of a wheel that can be built again.
fn opened(wheel: &Path) -> Result<(String, Record)> {
    let InspectedArtifact { name, record, kind, .. } = InspectedArtifact::open(wheel)?;
    let refused = |cause: &str, hint: &str| Err(Error::given(wheel, cause, hint));
    match kind {
        ArtifactKind::Wheel(_) => {}
        ArtifactKind::Archive(_) => {
            return refused("an sdist", "`wheelprint verify` compares sdists with their sources");
        }
        ArtifactKind::Installed => {
            return refused("not a wheel, but what was installed of one", "give the wheel itself");
        }
    }
    let Some(record) = record else {
        let hint = "wheelprint did not build it, so nothing says which tools did";
        return refused("there is no record in it", hint);
    };
    match record.text(Part::Request, "artifact") {
        Some("wheel") => Ok((name, record)),
        Some("editable") => refused(
            "an editable wheel, which depends on the place of its tree",
            "`uv build --wheel` builds one that can be built again",
        ),
        _ => refused("its record does not say what was built", "build it again"),
    }
}

/// The config settings that the user gave. A repeated name is a list, as for uv.
fn config_settings(given: &[String]) -> Result<ConfigSettings> {
    let mut settings = ConfigSettings::new();
    for text in given {
        let Some((name, value)) = text.split_once('=') else {
            let cause = "expected NAME=VALUE";
            return Err(Error::setting(format!("--config-setting {text}"), cause, "as for uv"));
        };
        let value = value.to_owned();
        let all = match settings.remove(name) {
            None => ConfigValue::Text(value),
            Some(ConfigValue::List(mut all)) => {
                all.push(value);
                ConfigValue::List(all)
            }
            Some(ConfigValue::Text(first)) => ConfigValue::List(vec![first, value]),
            Some(flag @ ConfigValue::Flag(_)) => flag,
        };
        settings.insert(name.to_owned(), all);
    }
    Ok(settings)
}

/// The folder that everything is written to.
struct Working {
    folder: PathBuf,
    /// Whether the folder is removed on drop.
    is_temporary: bool,
    interrupted: Arc<AtomicBool>,
}

impl Working {
    fn new(keep: Option<&Path>, interrupted: &Arc<AtomicBool>, context: &Context) -> Result<Self> {
        let working = |folder, is_temporary| {
            let interrupted = Arc::clone(interrupted);
            Self { folder, is_temporary, interrupted }
        };
        let canonical = |path: &Path| dunce::canonicalize(path).at(path);
        let Some(keep) = keep else {
            let folder = canonical(&publish::temporary_folder()?.keep())?;
            return Ok(working(folder, true));
        };
        let folder = context.path(keep);
        let hint = "name a folder that is empty or does not exist";
        if folder.exists() && !folder.is_dir() {
            return Err(Error::given(folder, "not a folder", hint));
        }
        fs::create_dir_all(&folder).at(&folder)?;
        if fs::read_dir(&folder).at(&folder)?.next().is_some() {
            return Err(Error::given(folder, "there are files in it", hint));
        }
        Ok(working(canonical(&folder)?, false))
    }
}

impl Drop for Working {
    /// After Ctrl-C the programs of the build are ending, and may write once more. Nobody waits for
    /// them, because uv does not. So what they write is removed for two seconds.
    fn drop(&mut self) {
        if !self.is_temporary {
            return;
        }
        for _ in 0..20 {
            let is_gone = fs::remove_dir_all(&self.folder).is_ok() || !self.folder.exists();
            if is_gone && !self.interrupted.load(Ordering::Relaxed) {
                return;
            }
            std::thread::sleep(std::time::Duration::from_millis(100));
        }
    }
}

impl Rebuilt {
    fn state(&self) -> State {
        match &self.built {
            None => State::OtherSources,
            Some(Built { differences, .. }) if differences.is_empty() => State::Identical,
            Some(Built { differences, .. }) if differences.iter().all(|it| it.is_harmless) => {
                State::Harmless
            }
            Some(_) => State::Different,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn config_settings_are_as_uv_passes_them() {
        let of = |given: &[&str]| {
            let given: Vec<String> = given.iter().map(|text| (*text).to_owned()).collect();
            config_settings(&given).map(|settings| serde_json::to_string(&settings).unwrap())
        };
        assert_eq!(of(&["a=1=2", "b="]).unwrap(), r#"{"a":"1=2","b":""}"#);
        assert_eq!(of(&["a=1", "a=2", "a=3"]).unwrap(), r#"{"a":["1","2","3"]}"#);
        assert!(of(&["a"]).unwrap_err().to_string().contains("NAME=VALUE"));
    }
}
