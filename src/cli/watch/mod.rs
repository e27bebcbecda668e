//! `wheelprint watch`.

use std::cell::RefCell;
use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use super::open::{OpenedProject, ProjectArguments};
use super::table::Columns;
use super::terminal::count;
use super::{Answer, Context, FAILED};
use crate::error::{Error, Result};
use crate::hooks::hook_module;

mod bring;
mod events;
mod folders;

use bring::Outcome;
use events::Events;
use folders::Files;

/// Rebuild the editable install whenever a source of its compiled module is saved
///
/// While it runs, the next `uv run` and the next import find the build done. Ctrl-C ends it.
#[derive(Debug, clap::Args)]
pub(super) struct Arguments {
    #[command(flatten)]
    project: ProjectArguments,
    /// Look every two seconds. For file systems that report no changes, such as network drives
    #[arg(long)]
    poll: bool,
}

/// An installed project, and how far it is.
struct Watched {
    root: PathBuf,
    name: String,
    python: PathBuf,
    folders: BTreeSet<PathBuf>,
    /// The files as they were when a build of them failed.
    failed: Option<Files>,
}

pub(super) fn run(arguments: &Arguments, context: &Context) -> Result<Answer> {
    let found = RefCell::new(Vec::new());
    let columns = Columns { headings: vec!["watched"], footer: None };
    let opened = arguments.project.each(&columns, false, context, |opened, context| {
        found.borrow_mut().push(Watched::of(&opened, context)?);
        Ok(Answer::default())
    })?;
    if opened.code == FAILED {
        return Ok(opened);
    }
    let mut all = found.into_inner();
    let mut events = Events::new(arguments.poll);
    watch_folders(&mut events, &all, context);
    let names: Vec<String> = all.iter().map(|it| format!("`{}`", it.name)).collect();
    let folders = all.iter().flat_map(|it| &it.folders).collect::<BTreeSet<_>>().len();
    let folders = count(folders, "folder");
    let ready = format!("watching {folders} of {}; Ctrl-C ends it", names.join(", "));
    let (mut ready, mut touched) = (Some(ready), None);
    loop {
        for watched in &mut all {
            if touched.as_ref().is_none_or(|paths| watched.concerns(paths)) {
                watched.bring_up_to_date(&arguments.project, &mut events, context)?;
            }
        }
        watch_folders(&mut events, &all, context);
        ready.take().inspect(|ready| context.terminal.note(ready));
        touched = events.wait();
    }
}

fn watch_folders(events: &mut Events, all: &[Watched], context: &Context) {
    for watched in all {
        watched.watch_folders(events, context);
    }
}

impl Watched {
    /// # Errors
    /// The project has no editable install that compares its sources.
    fn of(opened: &OpenedProject, context: &Context) -> Result<Self> {
        let root = opened.root().to_owned();
        let name = opened.call.project().name.clone().unwrap_or_default();
        let refused = |cause: String| {
            let hint = "`uv sync` or `pip install -e .` makes an editable install";
            Err(Error::given(&root, cause, hint))
        };
        let Some(interpreter) = &opened.interpreter else {
            return refused("there is no environment with this project".to_owned());
        };
        let environment = interpreter.prefix.display();
        let Some(installed) = &opened.installed else {
            return refused(format!("`{name}` is not installed in {environment}"));
        };
        if let Some(moved) = opened.moved() {
            return Err(Error::given(&root, moved.cause, moved.remedy));
        }
        if !installed.editable {
            return refused(format!("`{name}` in {environment} is no editable install"));
        }
        let hook = format!("{}.py", hook_module(&installed.name));
        if !installed.dist_info.with_file_name(hook).is_file() {
            let cause =
                format!("`{name}` has no compiled module, so no import compares its sources");
            let hint = "`uv sync` builds a program when its sources change";
            return Err(Error::given(&root, cause, hint));
        }
        let folders = folders::of(opened, &context.terminal)?;
        let name = installed.name.clone();
        let python = interpreter.executable.clone();
        Ok(Self { root, name, python, folders, failed: None })
    }

    fn watch_folders(&self, events: &mut Events, context: &Context) {
        if let Err(cause) = events.look_at(&self.folders) {
            context.terminal.warn(&format!("{cause}; looking every two seconds instead"));
        }
    }

    /// Whether a change at one of these paths may be a change of its sources.
    fn concerns(&self, paths: &BTreeSet<PathBuf>) -> bool {
        let is_watched = |path: &PathBuf| path.parent().is_some_and(|it| self.folders.contains(it));
        paths.iter().any(|path| is_watched(path) || self.folders.contains(path))
    }

    fn bring_up_to_date(
        &mut self,
        arguments: &ProjectArguments,
        events: &mut Events,
        context: &Context,
    ) -> Result<()> {
        loop {
            let files = folders::files(&self.folders);
            if self.failed.as_ref() == Some(&files) {
                return Ok(());
            }
            match bring::up_to_date(&self.python, &self.name, &context.terminal)? {
                Outcome::Fresh if self.failed.take().is_some() => {
                    let text = format!("`{}` is installed as the sources are again", self.name);
                    context.terminal.note(&text);
                }
                Outcome::Fresh => {}
                Outcome::Rebuilt => self.failed = None,
                Outcome::Failed => self.failed = Some(files),
                Outcome::Missing => {
                    let text = format!("`{}` is not installed; run `uv sync`", self.name);
                    context.terminal.warn(&text);
                    // Once, until something changes again.
                    self.failed = Some(files);
                }
            }
            // A new folder may have got files before it was watched.
            if !self.look_anew(arguments, context) {
                return Ok(());
            }
            self.watch_folders(events, context);
        }
    }

    /// Finds the folders again. Returns whether there are new ones.
    fn look_anew(&mut self, arguments: &ProjectArguments, context: &Context) -> bool {
        // In the middle of an edit a manifest may be broken. The folders stay then.
        let opened = OpenedProject::open_any(&self.root, arguments.python(), context);
        let Ok(folders) = opened.and_then(|opened| folders::of(&opened, &context.terminal)) else {
            return false;
        };
        let has_new = folders.iter().any(|folder: &PathBuf| !self.folders.contains(folder));
        self.folders = folders;
        has_new
    }
}

/// The path of a folder above the project, for [`folders`].
fn nearest_folder(path: &Path) -> Option<PathBuf> {
    path.ancestors().skip(1).find(|folder| folder.is_dir()).map(Path::to_owned)
}
