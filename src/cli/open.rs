//! The projects that a command is about: one folder, or packages of a uv workspace (`--package`,
//! `--all-packages`). Opening a project finds the environment in use, and what is installed there.

use std::path::{Path, PathBuf};

use fs_err as fs;
use serde_json::{Value, json};

use super::terminal::{STRONG, Terminal};
use super::{Answer, Context, FAILED};
use crate::error::{Error, PathContext as _, Result};
use crate::fingerprint::Record;
use crate::hooks::inspect::{self, Watched};
use crate::hooks::wanted::wanted;
use crate::hooks::{self, Access, Call};
use crate::installed::{self, Distribution, Moved};
use crate::log::escape_controls;
use crate::project::{Project, normalize_name};
use crate::request::{Artifact, Interpreter};
use crate::settings::nearest;
use crate::switch::{self, Backend, Builder, lines};
use crate::uv::derive::Wanted;
use crate::uv::workspace::{Member, Members, Workspace};
use crate::uv::{self, CacheKey, edit};

/// The arguments that say which projects a command is about. Without `--package` and
/// `--all-packages` it is the project in the folder.
#[derive(Debug, clap::Args)]
pub(super) struct ProjectArguments {
    /// A package of the uv workspace, wherever in it the command runs; may be given several times
    #[arg(long = "package", value_name = "NAME", conflicts_with = "all_packages")]
    names: Vec<String>,
    /// All packages of the uv workspace that wheelprint builds
    #[arg(long)]
    all_packages: bool,
    /// The folder with pyproject.toml, or that file
    #[arg(default_value = ".")]
    dir: PathBuf,
    /// The interpreter, or the environment, that the project is installed in
    #[arg(long, value_name = "PATH")]
    python: Option<PathBuf>,
}

impl ProjectArguments {
    /// Runs a command for each requested project, as if it ran in the project's folder. The answers
    /// for several packages are printed in sections, or as the JSON list `packages`. The exit code
    /// is the highest one.
    pub(super) fn each(
        &self,
        as_json: bool,
        context: &Context,
        run: impl Fn(OpenedProject) -> Result<Answer>,
    ) -> Result<Answer> {
        let run = |dir| run(OpenedProject::open(dir, self.python.as_deref(), context)?);
        if self.names.is_empty() && !self.all_packages {
            return run(&self.dir);
        }
        let folder = context.project_folder(&self.dir)?;
        let workspace = Workspace::around(&folder)?.ok_or_else(|| {
            let cause = "no uv project: there is no pyproject.toml with a `[project]` or a \
                         `[tool.uv.workspace]` that uv manages";
            Error::given(folder, cause, "name a folder in the workspace")
        })?;
        let members = workspace.members()?;
        let named = |name: &String| named(name, &workspace, &members);
        if let [name] = &self.names[..] {
            return run(&named(name)?.project.root);
        }
        let mut chosen: Vec<&Member> = Vec::new();
        let mut answers: Vec<(Option<&str>, &Path, Result<Answer>)> = Vec::new();
        let mut others: Vec<(&Member, Builder)> = Vec::new();
        if self.all_packages {
            for (root, cause) in &members.broken {
                answers.push((None, root, Err(broken(&workspace, root, cause))));
            }
            for member in members.packages.values() {
                match switch::builder(&member.project) {
                    Builder::Wheelprint => chosen.push(member),
                    other => others.push((member, other)),
                }
            }
            if chosen.is_empty() && answers.is_empty() {
                return Err(refused(&workspace, &members));
            }
        }
        // No command runs before all names are known.
        for name in &self.names {
            chosen.push(named(name)?);
        }
        for member in chosen {
            let root = &member.project.root;
            answers.push((Some(&member.name), root, run(root)));
        }
        Ok(joined(&workspace, answers, &others, as_json, context))
    }
}

fn named<'a>(name: &str, workspace: &Workspace, members: &'a Members) -> Result<&'a Member> {
    let normal = normalize_name(name);
    if let Some(member) = members.packages.get(&normal) {
        return Ok(member);
    }
    // The name may belong to a package whose pyproject.toml cannot be read.
    if let Some((folder, cause)) = members.broken.iter().find(|(folder, _)| {
        let folder = folder.file_name().unwrap_or_default().to_string_lossy();
        normalize_name(&folder) == normal
    }) {
        return Err(broken(workspace, folder, cause));
    }
    let known: Vec<&str> = members.packages.keys().map(String::as_str).collect();
    let cause = format!("the workspace {} has no package `{name}`", workspace.root.display());
    let hint = match nearest(&normal, &known) {
        Some(nearest) => format!("did you mean `{nearest}`?"),
        None => format!("its packages are {}", known.join(", ")),
    };
    Err(Error::setting("--package", cause, hint))
}

fn broken(workspace: &Workspace, folder: &Path, cause: &str) -> Error {
    let cause = format!("not a package that uv could work with: {cause}");
    let manifest = workspace.root.join("pyproject.toml");
    let hint = format!("mend it, or name the folder in `exclude` of {}", manifest.display());
    Error::given(folder, cause, hint)
}

/// The folder of a package, in the workspace whose root is `root`. `None` if `root` is no workspace
/// root, or if it is itself the folder of that package.
pub(super) fn folder_of(name: &str, root: &Path) -> Option<PathBuf> {
    let workspace = Workspace::around(root).ok()?.filter(|workspace| workspace.root == root)?;
    let members = workspace.members().ok()?;
    let member = members.packages.get(&normalize_name(name))?;
    (member.project.root != root).then(|| member.project.root.clone())
}

/// The error for a workspace root that wheelprint does not build. It lists the packages, because
/// the user probably meant one of them. `None` if the folder is no workspace root with other
/// packages.
pub(super) fn refusal(folder: &Path) -> Option<Error> {
    let workspace = Workspace::around(folder).ok()??;
    if !workspace.is_declared || workspace.root != folder {
        return None;
    }
    let members = workspace.members().ok()?;
    let others = members.packages.values().any(|member| member.project.root != folder);
    others.then(|| refused(&workspace, &members))
}

fn refused(workspace: &Workspace, members: &Members) -> Error {
    let (ours, others): (Vec<&Member>, Vec<&Member>) = members
        .packages
        .values()
        .partition(|one| switch::builder(&one.project) == Builder::Wheelprint);
    let cause = match ours[..] {
        [] => "a uv workspace in which wheelprint builds no package",
        _ => "the root of a uv workspace, and wheelprint builds other packages of it",
    };
    let line = |member: &&Member| {
        format!("\n    {} in {}", member.name, workspace.name(&member.project.root))
    };
    let mut hint = String::new();
    if !ours.is_empty() {
        hint +=
            "ask for one with `--package NAME` or for all with `--all-packages`; wheelprint builds";
        hint.extend(ours.iter().map(line));
    }
    if !others.is_empty() {
        hint += if ours.is_empty() { "the packages are" } else { "\nand does not build" };
        hint.extend(others.iter().map(|member| {
            let says = built_by(workspace, member, &switch::builder(&member.project));
            format!("{}: {says}", line(member))
        }));
    }
    Error::Given {
        path: workspace.root.join("pyproject.toml"),
        cause: cause.into(),
        hint: Some(hint).filter(|hint| !hint.is_empty()),
    }
}

/// Names the backend of a package that wheelprint does not build.
fn built_by(workspace: &Workspace, member: &Member, builder: &Builder) -> String {
    match builder {
        Builder::Maturin => {
            let folder = workspace.name(&member.project.root);
            format!("maturin builds it; `wheelprint init {folder}` switches it")
        }
        Builder::Nobody => "nothing builds it, it has no [build-system]".to_owned(),
        other => format!("{} builds it", other.title()),
    }
}

/// The answer about several packages, from the name, the folder and the answer of each.
fn joined(
    workspace: &Workspace,
    answers: Vec<(Option<&str>, &Path, Result<Answer>)>,
    others: &[(&Member, Builder)],
    as_json: bool,
    context: &Context,
) -> Answer {
    let mut code = 0;
    let (mut texts, mut packages) = (Vec::new(), Vec::new());
    for (name, root, answer) in answers {
        let place = workspace.name(root);
        let title = name.map_or_else(|| place.clone(), |name| format!("{name} ({place})"));
        let answer = answer.unwrap_or_else(|error| {
            let mut output = format!("error: {}\n", escape_controls(&error.to_string()));
            if let Some(hint) = error.hint() {
                output += &format!("hint: {}\n", escape_controls(&hint));
            }
            let project = json!({ "name": name, "root": root });
            let json = json!({ "project": project, "error": error.to_string() });
            Answer { output, json: Some(json), code: FAILED }
        });
        code = code.max(answer.code);
        texts.push(format!("{}\n{}", context.terminal.paint(STRONG, title), answer.output));
        let mut json = answer.json.unwrap_or_default();
        json.as_object_mut().map(|object| object.remove("schema"));
        packages.push(json);
    }
    if as_json {
        let others = others.iter().map(|(member, builder)| {
            json!({
                "project": { "name": member.name, "root": member.project.root },
                "built-by": (*builder != Builder::Nobody).then(|| builder.title()),
            })
        });
        let json = json!({
            "schema": 1,
            "workspace": workspace.root,
            "packages": packages,
            "others": others.collect::<Value>(),
        });
        return Answer::json(json).with_code(code);
    }
    if !others.is_empty() {
        let others = others.iter().map(|(member, builder)| {
            let place = workspace.name(&member.project.root);
            let says = escape_controls(&built_by(workspace, member, builder));
            format!("    {} ({place}): {says}\n", escape_controls(&member.name))
        });
        texts.push(format!("not built by wheelprint\n{}", others.collect::<String>()));
    }
    Answer::said(texts.join("\n")).with_code(code)
}

/// A project that a command works on, and its installation in the environment.
pub(super) struct OpenedProject {
    pub call: Call,
    /// The environment's interpreter; `None` if there is no environment.
    pub interpreter: Option<Interpreter>,
    pub installed: Option<Distribution>,
}

impl OpenedProject {
    /// Opens a project that wheelprint builds. If the user named no folder, the nearest folder with
    /// a pyproject.toml is used, from the working directory upwards.
    fn open(dir: &Path, python: Option<&Path>, context: &Context) -> Result<Self> {
        let here = context.project_folder(dir)?;
        let is_project = |folder: &&Path| folder.join("pyproject.toml").is_file();
        let nearest = here.ancestors().find(is_project);
        let root = nearest.filter(|_| dir == Path::new(".")).unwrap_or(&here);
        let path = root.join("pyproject.toml");
        // Check that the folder is a project before anything else is examined.
        Project::load(root)?;
        let text = fs::read_to_string(&path).at(&path)?;
        let built_by = switch::backend(&path, &lines::plain(&text));
        if !matches!(built_by, Ok(Backend::Wheelprint))
            && let Some(refusal) = refusal(root)
        {
            return Err(refusal);
        }
        if built_by? == Backend::Maturin {
            let field = "build-system.build-backend";
            let error = Error::field(path, field, "maturin builds it, not wheelprint");
            return Err(error.or_hint("`wheelprint init` switches it"));
        }
        Self::open_any(root, python, context)
    }

    /// Opens the project in exactly this folder, whatever its build backend is.
    pub(super) fn open_any(root: &Path, python: Option<&Path>, context: &Context) -> Result<Self> {
        let named = python.map(|python| context.path(python));
        let found = installed::python_in_use(root, &context.environment, named.as_deref());
        let interpreter = match found {
            Some(python) if named.is_some() => Some(installed::describe(&python)?),
            Some(python) => installed::describe(&python).ok(),
            None => None,
        };
        let used = interpreter.as_ref().unwrap_or(&context.interpreter);
        let call = context.call(root, Artifact::Editable, used, Access::All)?;
        let name = call.project().name.as_deref();
        let installed = interpreter.as_ref().zip(name);
        let installed =
            installed.and_then(|(interpreter, name)| installed::find(interpreter, name));
        Ok(Self { call, interpreter, installed })
    }

    /// Warns about globs of `extra-inputs` that match nothing, because they may be misspelt.
    pub(super) fn warn_of_unmatched_inputs(&self, context: &Context) {
        for line in hooks::unmatched_inputs(&self.call) {
            context.terminal.warn(&line);
        }
    }

    /// The folder of pyproject.toml.
    pub(super) fn root(&self) -> &Path {
        &self.call.project().root
    }

    pub(super) fn text(&self) -> Result<(PathBuf, String)> {
        let path = self.root().join("pyproject.toml");
        let text = fs::read_to_string(&path).at(&path)?;
        Ok((path, text))
    }

    /// The cache keys in force: the declared ones, or else uv's default.
    pub(super) fn keys(&self) -> Result<Vec<CacheKey>> {
        let (path, text) = self.text()?;
        let keys = edit::read(&path, &text)?;
        Ok(keys.map_or_else(uv::default_keys, |keys| [keys.theirs, keys.ours].concat()))
    }

    /// All inputs, and what cache keys should cover of them.
    pub(super) fn watched(&self, terminal: &Terminal) -> Result<(Watched, Wanted)> {
        let _progress = terminal.progress("looking at the sources");
        let watched = inspect::watched(&self.call, self.record())?;
        let wanted = wanted(&self.call, &watched);
        Ok((watched, wanted))
    }

    /// Another folder, if the installed package was installed from there instead of from this one.
    pub(super) fn moved(&self) -> Option<Moved> {
        self.installed.as_ref()?.moved(self.root())
    }

    /// The record of the installed wheel, if it has a usable one.
    pub(super) fn record(&self) -> Option<&Record> {
        self.installed.as_ref()?.record.as_ref()?.as_ref().ok()
    }
}
