//! `wheelprint init`.

use std::path::{Path, PathBuf};

use super::terminal::{GOOD, NAME, NOTICE};
use super::{Answer, Context, diff};
use crate::error::{Error, PathContext as _, Result};
use crate::inputs::cargo_config;
use crate::project::Project;
use crate::request::{Artifact, Request};
use crate::settings::Settings;
use crate::store::{EntryKind, Store, original};
use crate::switch::{self, Backend, lines, profile};

/// Turn a maturin project into a wheelprint one, or back
#[derive(Debug, clap::Args)]
pub(super) struct Arguments {
    /// Write without asking
    #[arg(long, short)]
    yes: bool,
    /// Only show what would change, with exit code 1 if something would
    #[arg(long, conflicts_with = "yes")]
    check: bool,
    /// Back to maturin
    #[arg(long, conflicts_with = "editable_profile")]
    undo: bool,
    /// The cargo profile of editable installs, such as dev (maturin 1.10 and newer)
    #[arg(long, value_name = "NAME")]
    editable_profile: Option<String>,
    /// The folder with pyproject.toml, or that file
    #[arg(default_value = ".")]
    dir: PathBuf,
}

/// A maturin or wheelprint project, with the text of its pyproject.toml before any change.
struct Found<'a> {
    context: &'a Context,
    request: Request,
    project: Project,
    path: PathBuf,
    text: String,
    backend: Backend,
}

/// The Cargo.toml of the workspace. Cargo reads profiles only from there.
struct Manifest {
    path: PathBuf,
    table: toml::Table,
}

/// After an error nothing has changed.
pub(super) fn run(arguments: &Arguments, context: &Context) -> Result<Answer> {
    let found = Found::read(context, &arguments.dir)?;
    let manifest = (!arguments.undo).then(|| found.workspace_manifest());
    if let (Some(name), Some(Manifest { path, table })) = (&arguments.editable_profile, &manifest)
        && let known = profile::known(table)
        && !known.contains(name)
    {
        let cause = format!("{} has no profile `{name}`", path.display());
        let hint = format!("there are {}", known.join(", "));
        return Err(Error::setting("--editable-profile", cause, hint));
    }
    let wanted = found.wanted(arguments)?;
    let name = found.path.strip_prefix(&context.folder).unwrap_or(&found.path).display();
    let terminal = &context.terminal;
    let notes = |text: &str| found.notes(text, manifest.as_ref());
    if wanted == found.text {
        let builder = if arguments.undo { "maturin" } else { "wheelprint" };
        let said = format!("{name}: nothing to change, {builder} builds this project\n");
        return Ok(Answer::said(said + &notes(&wanted)));
    }
    // Without the diff nobody could answer the question.
    if !terminal.is_quiet() || !(arguments.check || arguments.yes) {
        let _ = terminal.show(&diff::unified(terminal, &name.to_string(), &found.text, &wanted));
    }
    if arguments.check {
        return Ok(Answer::said(notes(&wanted)).with_code(1));
    }
    if !arguments.yes {
        if !terminal.can_ask() {
            let cause = "no terminal, so nobody can be asked; nothing changed";
            return Err(Error::setting("stdin", cause, "`--yes` writes it without asking"));
        }
        if !terminal.ask("Write this?") {
            return Ok(Answer::said(format!("{name}: nothing changed\n")));
        }
    }
    found.write(&wanted)?;
    let mut said = format!("{}: {name}\n", terminal.paint(GOOD, "written"));
    let command = |text: &str| terminal.paint(NAME, text);
    said += &format!("next: {}\n", command("uv sync"));
    if !arguments.undo && !found.was_built() {
        let keys = command(&terminal.called("wheelprint keys --write"));
        said += &format!("then: {keys}, which adds files that only the compiler knows\n");
    }
    Ok(Answer::said(said + &notes(&wanted)))
}

impl<'a> Found<'a> {
    fn read(context: &'a Context, dir: &Path) -> Result<Self> {
        let root = context.project_folder(dir)?;
        let path = root.join("pyproject.toml");
        if matches!(path.try_exists(), Ok(false)) {
            let hint = "name the project's folder: `wheelprint init DIR`; `wheelprint new NAME` \
                        makes a new project";
            return Err(Error::given(path, "no such file", hint));
        }
        // Loading the project reports errors in the file, so do it before any edit.
        let project = Project::load(&root)?;
        let text = fs_err::read_to_string(&path).at(&path)?;
        let backend = switch::backend(&path, &lines::plain(&text))?;
        let request = Request {
            artifact: Artifact::Editable,
            root,
            config_settings: Default::default(),
            interpreter: context.interpreter.clone(),
            environment: context.environment.clone(),
        };
        Settings::resolve(&project, &request)?;
        Ok(Self { context, request, project, path, text, backend })
    }

    fn wanted(&self, arguments: &Arguments) -> Result<String> {
        let plain = lines::plain(&self.text);
        let edited = if arguments.undo {
            if self.backend == Backend::Maturin {
                return Ok(self.text.clone());
            }
            if let Some(original) = self.original() {
                return Ok(original);
            }
            switch::to_maturin(&self.path, &plain)?
        } else {
            let mut text = switch::to_wheelprint(&self.path, &plain)?;
            if let Some(name) = &arguments.editable_profile {
                text = switch::with_editable_profile(&self.path, &text, name)?;
            }
            super::keys::added(self.context, &self.request.root, &text)?
        };
        Ok(lines::restored(&self.text, &edited))
    }

    /// The text before an earlier `init`, if the file is still as that `init` wrote it.
    fn original(&self) -> Option<String> {
        original::find(&self.request.environment, &self.request.root, &self.text)
    }

    fn write(&self, wanted: &str) -> Result<()> {
        diff::check_unchanged(&self.path, &self.text)?;
        let before = match self.backend {
            Backend::Maturin => Some(self.text.clone()),
            Backend::Wheelprint => self.original(),
        };
        if let Some(before) = before.filter(|before| before != wanted) {
            let Request { environment, root, .. } = &self.request;
            if let Err(error) = original::keep(environment, root, wanted, &before) {
                let cause = "the original can't be kept, `--undo` will be an edit too";
                self.context.terminal.warn(&format!("{cause}: {error}"));
            }
        }
        crate::publish::replace(&self.path, wanted.as_bytes()).at(&self.path)
    }

    /// Whether the store has a build of this project.
    fn was_built(&self) -> bool {
        let (request, name) = (&self.request, self.project.name.as_deref());
        let store =
            Store::open(&request.environment, &request.root, name, &request.interpreter.libc);
        let (editable, wheel) = (Artifact::Editable, Artifact::Wheel);
        store.is_some_and(|store| {
            [EntryKind::Artifact(editable), EntryKind::Artifact(wheel), EntryKind::Metadata]
                .into_iter()
                .any(|kind| store.candidates(kind).any(|entry| entry.is_ok()))
        })
    }

    /// The workspace's manifest. If cargo cannot be asked, the project's own manifest.
    fn workspace_manifest(&self) -> Manifest {
        let own = self.project.manifest_path(&self.request);
        let path = self.locate_workspace(&own).unwrap_or(own);
        let text = fs_err::read_to_string(&path).unwrap_or_default();
        // Errors in this manifest are ignored here, because cargo reports them better.
        Manifest { path, table: text.parse().unwrap_or_default() }
    }

    fn locate_workspace(&self, manifest: &Path) -> Option<PathBuf> {
        let environment = &self.context.environment;
        let output = environment
            .command(cargo_config::cargo(environment)?, &self.request.root)
            .args(["locate-project", "--workspace", "--message-format", "plain", "--manifest-path"])
            .arg(manifest)
            .output()
            .ok()?;
        let path = String::from_utf8(output.stdout).ok()?;
        output.status.success().then(|| PathBuf::from(path.trim_end()))
    }

    /// Notes about settings that are no errors but that the user should know about.
    fn notes(&self, text: &str, manifest: Option<&Manifest>) -> String {
        let Some(manifest) = manifest else { return String::new() };
        let text = lines::plain(text);
        let label = self.context.terminal.paint(NOTICE, "note");
        let mut notes = String::new();
        if self.backend == Backend::Maturin {
            for choice in switch::own_choices(&self.path, &text).unwrap_or_default() {
                notes += &format!(
                    "{label}: `{choice}` stays, since the project chose it; wheelprint works with \
                     maturin 1.9 and newer\n"
                );
            }
        }
        let pyproject = text.parse::<toml::Table>().unwrap_or_default();
        let costly = profile::costly(&pyproject, &manifest.table);
        if !costly.is_empty() {
            let name = self.context.shown(&manifest.path);
            let terminal = &self.context.terminal;
            let command = terminal.called("wheelprint init --editable-profile dev");
            let command = terminal.paint(NAME, command);
            let costs = costly.join(", ");
            notes += &format!(
                "{label}: {name}: profile.release: {costs}: each edit waits for that\n      \
                 {command} has editable installs built without it, and\n      \
                 without optimising: quick to build, slow to run (maturin 1.10 and newer)\n"
            );
        }
        notes
    }
}
